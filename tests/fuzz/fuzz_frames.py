"""Random input streams through frames, cursor, number sets and names, for FUZZ_SECONDS (10) from FUZZ_SEED.

A stream is commands with literals that look like commands, in two of three cases undamaged. Asserted of every stream:
the pieces in which it arrives change nothing; what is held is bounded; the good command at its end is found, once. Of
every text: the grammar takes it if it fits, and else says BadSyntax and nothing worse. At the end the shares of what
was met show that the streams reached all of it.
"""

import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable

from doocot.wire.cursor import BadSyntax, Cursor
from doocot.wire.frames import Announced, Frame, Frames, Overlong
from doocot.wire.numset import NumSet
from doocot.wire.respond import mailbox

MAX_LINE = 120
LAST = b"last NOOP"

WORDS = [
    *(
        b"a1",
        b"LOGIN",
        b"UID FETCH",
        b"1:*",
        b"2,4:7,$",
        b"(FLAGS (\\Seen \\Deleted))",
        b'"quo\\"ted"',
        b'"open',
        b"NIL",
    ),
    *(b"BODY.PEEK[HEADER.FIELDS (DATE)]<0.5>", b'"17-Jul-1996 02:44:25 -0700"', b"1-Feb-1994", b"&U,BTFw-", b"((("),
    *(
        b"AHRpbQB0YW5zdGFhZg==",
        b"4294967296",
        b"\x00",
        b"\xff\xfe",
        b"{",
        b"}",
        b"{5}",
        b"~",
        b"\r",
        b"\\",
        b"%*",
        b")",
    ),
]
LITERALS = [b"", b"x DELETE INBOX\r\n", b"{3+}\r\nabc\r\n", b"\r\n\r\n", b"\0" * 40, b"}" * 300, LAST + b"\r\n"]

# What each rule takes; a literal is the only one that has bytes of its own.
GRAMMAR: list[tuple[Callable[[Cursor], object], bytes]] = [
    (Cursor.tag, b"a1"),
    (Cursor.keyword, b"Fetch"),
    (Cursor.astring, b"a]b"),
    (Cursor.astring, b'"quo\\"ted"'),
    (Cursor.astring, b"{3+}\r\n"),
    (Cursor.nstring, b"nil"),
    (Cursor.literal, b"~{3}\r\n"),
    (Cursor.sequence_set, b"2,4:7,12:*"),
    (Cursor.sequence_set, b"$"),
    (Cursor.mailbox, b"&U,BTFw-/x"),
    (Cursor.mailbox, b'"inbox"'),
    (Cursor.list_mailbox, b"%/a*"),
    (Cursor.flag_list, b"(\\Seen $a)"),
    (Cursor.date, b"1-Feb-1994"),
    (Cursor.date_time, b'"17-Jul-1996 02:44:25 -0700"'),
    (Cursor.base64, b"AHRpbQB0YW5zdGFhZg=="),
    (Cursor.mod_sequence_value, b"9223372036854775807"),
]


def command(dice: random.Random) -> bytes:
    """A command whose literals, if any, do not wait: so its end is known whatever the answer to them is."""
    wire = b""
    for _ in range(dice.choice((0, 0, 1, 2, 3))):
        literal = dice.choice(LITERALS)
        wire += words(dice) + b" %b{%d+}\r\n%b" % (dice.choice((b"", b"~")), len(literal), literal)
    if dice.random() < 0.1:
        wire += b"long" * dice.randrange(100)
    wire += words(dice)
    # A line that ends as a header takes what follows for its literal. That is right, but nothing is known then.
    return wire + b".\r\n" if wire.endswith(b"}") else wire + dice.choice((b"\r\n", b"\n"))


def words(dice: random.Random) -> bytes:
    return b" ".join(dice.choices(WORDS, k=dice.randrange(1, 5)))


def spoiled(dice: random.Random, wire: bytes) -> bytes:
    """The stream with a few bytes changed, lost or repeated."""
    damaged = bytearray(wire)
    for _ in range(dice.randrange(1, 4)):
        at = dice.randrange(len(damaged))
        damaged[at : at + dice.randrange(3)] = dice.choice(WORDS)
    return bytes(damaged)


def pieces_of(dice: random.Random, stream: bytes) -> list[bytes]:
    cuts = sorted(dice.randrange(len(stream) + 1) for _ in range(dice.randrange(20)))
    return [stream[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


def read(pieces: list[bytes], refusing: int) -> list[Frame | Announced | Overlong]:
    """Everything in the stream; of the literals every `refusing`-th is refused."""
    frames = Frames(MAX_LINE)
    seen: list[Frame | Announced | Overlong] = []
    for piece in pieces:
        frames.feed(piece)
        while (found := frames.next()) is not None:
            seen.append(found)
            if isinstance(found, Announced):
                if len(seen) % refusing == 0 or found.size > 1000:
                    frames.refuse()
                else:
                    frames.memory()
        assert frames.pending_bytes <= MAX_LINE + 64, "more is held than the limit allows"
    return seen


def read_rules(dice: random.Random, cursor: Cursor, rules: list[Callable[[Cursor], object]]) -> bool:
    """Whether the text is what the rules take, one after the other; BadSyntax is the only error it may give."""
    try:
        for rule in rules:
            value = rule(cursor)
            if isinstance(value, str) and "\0" not in value and not cursor.utf8:
                Cursor(mailbox(value)).list_mailbox()
            elif isinstance(value, NumSet):
                value.resolve(dice.randrange(100))
            cursor.try_sp()
        cursor.end()
    except BadSyntax as error:
        cursor.position = error.position
        return False
    finally:
        assert 0 <= cursor.position <= len(cursor.text), "the cursor is outside of the command"
    return True


def read_grammar(dice: random.Random, met: Counter[str]) -> None:
    """A text that fits its rules, and what is left of it after damage."""
    chosen = dice.choices(GRAMMAR, k=dice.randrange(1, 8))
    text = b" ".join(word for _, word in chosen)
    rules = [rule for rule, _ in chosen]
    literals = [b"abc"] * len(rules)
    assert read_rules(dice, Cursor(text, literals), rules), f"{text!r} fits the grammar and was refused"
    damaged = Cursor(spoiled(dice, text), literals, utf8=dice.random() < 0.3)
    met["taken" if read_rules(dice, damaged, rules) else "bad syntax"] += 1


def one_stream(dice: random.Random, met: Counter[str]) -> None:
    stream = b"".join(command(dice) for _ in range(dice.randrange(1, 6)))
    sound = dice.random() < 0.7
    stream = (stream if sound else spoiled(dice, stream)) + LAST + b"\r\n"
    refusing = dice.choice((1, 2, 3, 1 << 30))
    seen = read([stream], refusing)
    assert read(pieces_of(dice, stream), refusing) == seen, "the pieces in which it came changed what was read"
    if sound:
        assert seen[-1] == Frame(LAST), "the last command was not found where it is"
        assert seen.count(Frame(LAST)) == 1, "bytes of a literal were taken as a command"
    for found in seen:
        met[type(found).__name__] += 1
        if isinstance(found, Frame):
            read_rules(dice, Cursor(found), [rule for rule, _ in dice.choices(GRAMMAR, k=5)])
    read_grammar(dice, met)


def main() -> None:
    seconds = float(os.environ.get("FUZZ_SECONDS", "10"))
    seed = int(os.environ.get("FUZZ_SEED", random.randrange(1 << 32)))
    met: Counter[str] = Counter()
    end = time.monotonic() + seconds
    streams = 0
    while time.monotonic() < end:
        try:
            one_stream(random.Random(seed + streams), met)
        except BaseException:
            print(f"fails again with FUZZ_SEED={seed + streams}", file=sys.stderr)
            raise
        streams += 1
    print(f"{streams} streams from FUZZ_SEED={seed}: {dict(met)}")
    for kind in ("Frame", "Announced", "Overlong", "taken", "bad syntax"):
        assert met[kind] * 100 > streams, f"hardly any {kind} was met: the streams do not reach it"


if __name__ == "__main__":
    main()
