"""Random conversations of two IMAP sessions with one Maildir, for FUZZ_SECONDS (10) from FUZZ_SEED.

LOGIN and SELECT are kept whole, other commands come from a dictionary, most of them right, some damaged, whole or byte
by byte, alone or pipelined; now and then another program takes, drops or marks files. Asserted: no exception leaves a
session, every command has one tagged answer, at least half of them are OK; and a client that believes all that it was
told (EXISTS, EXPUNGE, VANISHED, FETCH) ends with what a new session finds.
"""

import os
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "imap"))

import coverage
from harness import Client, House

from doocot.imap.commands import COMMANDS

COMMANDS_IN_A_HOUSE = 50
MESSAGE = (
    b"Date: Mon, 7 Feb 1994 21:52:25 -0800\r\nFrom: a <a@b.c>\r\nSubject: number %d\r\nContent-Type: "
    b"multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nbody %d\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    b"AGE=\r\n--b--\r\n"
)
BOXES = (b"INBOX", b"INBOX", b"a", b'"b c"', b"a/b", b"gone", b"Trash")
SETS = (b"1:*", b"1:*", b"1", b"2:3", b"*", b"*:1", b"2:1", b"3,1,2:2", b"1,*", b"$", b"1:4294967295", b"4294967295:*")
FLAG_LISTS = (
    b"(\\Seen)",
    b"(\\Deleted)",
    b"(\\Deleted)",
    b"()",
    b"(\\Flagged work)",
    b"\\Answered",
    b"(Work $x)",
    b"(\\Draft \\Seen)",
)
ITEMS = (
    *(
        b"(UID FLAGS)",
        b"(UID FLAGS)",
        b"FLAGS",
        b"FULL",
        b"ALL",
        b"FAST",
        b"(UID ENVELOPE BODYSTRUCTURE)",
        b"(EMAILID THREADID SAVEDATE PREVIEW (LAZY))",
        b"PREVIEW",
        b"BODY",
        b"MODSEQ",
    ),
    *(
        b"BODY[]",
        b"(BODY.PEEK[HEADER.FIELDS (SUBJECT)] UID)",
        b"BODY[1]<0.5>",
        b"BINARY[2]",
        b"BINARY.SIZE[1]",
        b"RFC822",
    ),
    *(b"(FLAGS) (CHANGEDSINCE 3)", b"BODY.PEEK[2.MIME]", b"BODY[TEXT]<3.1>", b"(UID) (CHANGEDSINCE 1 VANISHED)"),
)
KEYS = (
    *(
        b"ALL",
        b"UNSEEN",
        b"SUBJECT number",
        b"TEXT body",
        b"NOT DELETED",
        b"OR SEEN (FLAGGED 1:*)",
        b"UID 1:*",
        b"RECENT",
    ),
    *(
        b"SENTSINCE 1-Jan-1994",
        b"LARGER 10",
        b"MODSEQ 2",
        b"HEADER From {3+}\r\na <",
        b"KEYWORD work",
        b"BODY x",
        b"$",
        b"OLD",
    ),
)
URLS = (b"/INBOX/;UID=1", b"/INBOX/;UID=2", b"/INBOX/;UID=3/;SECTION=HEADER", b";UID=1/;PARTIAL=9.200000", b"/a/;UID=1")
RUMPS = (b"INBOX/;UID=1;URLAUTH=authuser", b"a/;UID=1/;SECTION=1/;PARTIAL=0.3;URLAUTH=user+me")
RETURNS = (
    *(b"", b"", b"RETURN (SAVE) ", b"RETURN (ALL) ", b"RETURN (MIN MAX COUNT) ", b"RETURN () ", b"CHARSET UTF-8 "),
    *(b"RETURN (PARTIAL -1:-3 SAVE) ", b"RETURN (UPDATE) ", b"RETURN (UPDATE CONTEXT PARTIAL 1:2) "),
)
SOURCES = (b"", b"IN (personal) ", b"IN (selected) ", b"IN (subtree a mailboxes (INBOX gone)) ", b"IN (subscribed) ")
PIECES = (
    b" ",
    b"(",
    b")",
    b'"',
    b"\\",
    b"\0",
    b"\xff",
    b"*",
    b"%",
    b"0",
    b"4294967296",
    b"99999999999999999999",
    b"$",
    b"[",
    b"\t",
)
HOSTILE = (
    *PIECES,
    b"{",
    b"}",
    b"{5}",
    b"{3+}\r\n",
    b"~{0+}\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b"DONE\r\n",
    b"+",
    b"*",
    b"x" * 9000,
)
ENTRIES = (b"/private/x", b"/private/x/y", b"/shared/comment", b"/private/specialuse", b"/private")
# Refused to those who are logged in, or the end of that.
REFUSED = (b"STARTTLS", b"LOGIN", b"AUTHENTICATE", b"LOGOUT", b"UNAUTHENTICATE")

LITERAL = re.compile(rb"\{([0-9]+)\}\r\n\Z")
NUMBERED = re.compile(rb"\* ([0-9]+) (EXISTS|EXPUNGE|FETCH)(?: (.*))?", re.DOTALL)
FLAGS = re.compile(rb"(?<![A-Z.])FLAGS \(([^()]*)\)")
UID = re.compile(rb"[( ]UID ([0-9]+)")
TAGGED = re.compile(rb"(q[0-9]+) (OK|NO|BAD) ")
NEVER_IN_THESE = (b"FETCH", b"STORE", b"SEARCH")  # RFC 3501 §7.4.1: no EXPUNGE in the answers to them


class Wrong(Exception):
    """What a session said cannot be true."""


@dataclass(slots=True)
class Believer:
    """What a client knows of the selected mailbox when it believes all that it was told."""

    messages: list[dict[str, object]] = field(default_factory=list)
    selected: bool = False

    def hear(self, response: bytes, command: bytes) -> None:
        """Takes one untagged response; Wrong when it makes no sense."""
        if response.startswith(b"* OK [CLOSED]"):
            self.messages, self.selected = [], False
        elif response.startswith(b"* VANISHED ") and not response.startswith(b"* VANISHED (EARLIER)"):
            self._vanished(response[11:], command)
        elif found := NUMBERED.fullmatch(response):
            self._numbered(int(found[1]), found[2], found[3] or b"", command)

    def _numbered(self, number: int, what: bytes, text: bytes, command: bytes) -> None:
        if what == b"EXISTS":
            if number < len(self.messages):
                raise Wrong(f"EXISTS {number} with {len(self.messages)} messages and no EXPUNGE")
            self.messages += [{} for _ in range(number - len(self.messages))]
            return
        if not 1 <= number <= len(self.messages):
            raise Wrong(f"{what!r} of message {number} of {len(self.messages)}")
        if what == b"EXPUNGE":
            if command in NEVER_IN_THESE:
                raise Wrong(f"EXPUNGE in the answer to {command!r}")
            del self.messages[number - 1]
            return
        message, head = self.messages[number - 1], text.partition(b"BODY[")[0]
        uid = UID.search(head)
        if uid is not None and message.setdefault("uid", int(uid[1])) != int(uid[1]):
            raise Wrong(f"message {number} was {message['uid']!r} and is {int(uid[1])}")
        if flags := FLAGS.search(head):
            message["flags"] = frozenset(flags[1].split()) - {b"\\Recent"}

    def _vanished(self, uids: bytes, command: bytes) -> None:
        if command in NEVER_IN_THESE:
            raise Wrong(f"VANISHED in the answer to {command!r}")
        gone: set[int] = set()
        for part in uids.split(b","):
            low, _, high = part.partition(b":")
            gone.update(range(int(low), int(high or low) + 1))
        left = [message for message in self.messages if message.get("uid") not in gone]
        unseen = len(gone) - (len(self.messages) - len(left))  # new ones whose UIDs it was never told: which are they?
        if unseen > sum("uid" not in message for message in left):
            raise Wrong(f"VANISHED {uids!r}: the client cannot have had so many")
        self.messages = [{} for _ in left[unseen:]] if unseen else left

    def compare(self, truth: list[dict[str, object]]) -> None:
        """Wrong when a new session finds anything else."""
        if len(self.messages) != len(truth):
            raise Wrong(f"{len(self.messages)} messages are believed in, {len(truth)} are there")
        for number, (believed, true) in enumerate(zip(self.messages, truth, strict=True), 1):
            for key, value in believed.items():
                if true[key] != value:
                    raise Wrong(f"message {number}: {key} is believed to be {value!r} and is {true[key]!r}")


def literal(dice: random.Random, data: bytes) -> bytes:
    return b"{%d%b}\r\n%b" % (len(data), dice.choice((b"", b"+")), data)


def message(dice: random.Random) -> bytes:
    number = dice.randrange(1000)
    return MESSAGE % (number, number) + b"x" * dice.choice((0, 0, 0, 200_000))


def numbers(dice: random.Random) -> bytes:
    return b"%d" % dice.randrange(1, 12) if dice.random() < 0.3 else dice.choice(SETS)


def by(dice: random.Random, text: bytes) -> bytes:
    """A command that has a UID form too."""
    return (b"UID " if dice.random() < 0.5 else b"") + text


def append(dice: random.Random) -> bytes:
    parts = [b"APPEND ", dice.choice(BOXES)]
    for _ in range(dice.choice((1, 1, 1, 3))):
        parts += [
            dice.choice((b" ", b" (\\Seen) ", b' (work) " 7-Feb-1994 21:52:25 -0800" ')),
            dice.choice((literal(dice, message(dice)), b"CATENATE (URL %b URL %b)" % tuple(dice.choices(URLS, k=2)))),
        ]
    return b"".join(parts)


def replace_(dice: random.Random) -> bytes:
    """Most of them by sequence number: a client that knows its mailbox has no other."""
    number = b"%d" % dice.randrange(1, 5) if dice.random() < 0.6 else b"*"
    parts = b"CATENATE (URL %b TEXT %b)" % (dice.choice(URLS), literal(dice, b"x\r\n"))
    text = b"REPLACE %b %b (\\Seen) %b" % (
        number,
        dice.choice(BOXES),
        dice.choice((literal(dice, message(dice)), parts)),
    )
    return by(dice, text)


def store(dice: random.Random) -> bytes:
    sign, silent = dice.choice((b"+", b"+", b"-", b"")), dice.choice((b"", b"", b".SILENT"))
    modifier = dice.choice((b"", b"", b"", b"(UNCHANGEDSINCE %d) " % dice.randrange(30)))
    return by(dice, b"STORE %b %b%bFLAGS%b %b" % (numbers(dice), modifier, sign, silent, dice.choice(FLAG_LISTS)))


def select(dice: random.Random) -> bytes:
    modseq, known = dice.randrange(1, 50), dice.choice((b"", b" 1:5", b" 1:* (1:2 1:2)", b" 3,1:4294967295"))
    parameters = (
        b"",
        b"",
        b"",
        b" (CONDSTORE)",
        b" (QRESYNC (%d %d%b))" % (dice.choice((1, 4294967295)), modseq, known),
    )
    return dice.choice((b"SELECT ", b"SELECT ", b"EXAMINE ")) + dice.choice(BOXES[:4]) + dice.choice(parameters)


def search(dice: random.Random) -> bytes:
    keys = b" ".join(dice.choices(KEYS, k=dice.randrange(1, 3)))
    return by(dice, b"SEARCH " + dice.choice(RETURNS) + keys)


def sort(dice: random.Random) -> bytes:
    returned = dice.choice([one for one in RETURNS if not one.startswith(b"CHARSET")])
    order = dice.choice((b"(ARRIVAL)", b"(REVERSE SUBJECT SIZE)", b"(FROM DATE)"))
    return by(dice, b"SORT %b%b UTF-8 %b" % (returned, order, dice.choice(KEYS)))


def thread(dice: random.Random) -> bytes:
    algorithm = dice.choice((b"REFERENCES", b"REFS", b"ORDEREDSUBJECT"))
    return by(dice, b"THREAD %b UTF-8 %b" % (algorithm, dice.choice(KEYS)))


def notify(dice: random.Random) -> bytes:
    """What is told of the selected mailbox stays what a client without NOTIFY is told: the believer knows no other."""
    others = dice.choice((b"personal", b"subscribed", b"(subtree a)", b"(mailboxes a INBOX)"))
    events = dice.choice(
        (b"NONE", b"(MessageNew MessageExpunge)", b"(MessageNew MessageExpunge FlagChange MailboxName)")
    )
    status = dice.choice((b"", b"STATUS "))
    return b"NOTIFY SET %b(selected-delayed (MessageNew MessageExpunge FlagChange)) (%b %b)" % (status, others, events)


def esearch(dice: random.Random) -> bytes:
    return b"ESEARCH %b%b%b" % (dice.choice(SOURCES), dice.choice(RETURNS), dice.choice(KEYS))


def metadata(dice: random.Random) -> bytes:
    box, entry = dice.choice((b'""', *BOXES)), dice.choice(ENTRIES)
    if dice.random() < 0.5:
        options = dice.choice((b"", b"", b"(DEPTH 1) ", b"(DEPTH infinity MAXSIZE 2) "))
        return b"GETMETADATA %b%b (%b /private/x)" % (options, box, entry)
    value = dice.choice((b"NIL", b'"12"', b'"\\\\Sent"', literal(dice, b"a\r\nb"), b"~{3+}\r\na\0b"))
    return b"SETMETADATA %b (%b %b)" % (box, entry, value)


def fixed(*texts: bytes) -> Callable[[random.Random], bytes]:
    return lambda dice: dice.choice(texts)


# How a command is made, and how often it comes.
GRAMMAR: tuple[tuple[int, Callable[[random.Random], bytes]], ...] = (
    (14, lambda dice: by(dice, b"FETCH %b %b" % (numbers(dice), dice.choice(ITEMS)))),
    (14, store),
    (8, append),
    (6, search),
    (2, sort),
    (2, esearch),
    (2, thread),
    (1, notify),
    (1, lambda dice: b'CANCELUPDATE "q%d"' % dice.randrange(30)),
    (1, fixed(b"UIDBATCHES 500", b"UIDBATCHES 500 1:2", b"UID FETCH 1:* (UID) (PARTIAL 1:2)")),
    (4, select),
    (6, lambda dice: by(dice, b"COPY %b %b" % (numbers(dice), dice.choice(BOXES)))),
    (6, lambda dice: by(dice, b"MOVE %b %b" % (numbers(dice), dice.choice(BOXES)))),
    (3, replace_),
    (1, lambda dice: by(dice, b"CONVERT %b (NIL) (BINARY.SIZE[1] BODYPARTSTRUCTURE[1])" % numbers(dice))),
    (1, lambda dice: b"GENURLAUTH imap://me@h/%b INTERNAL" % dice.choice(RUMPS)),
    (1, lambda dice: b"URLFETCH imap://me@h/%b:INTERNAL:%b" % (dice.choice(RUMPS), b"00" * 33)),
    (1, fixed(b"RESETKEY", b"RESETKEY INBOX INTERNAL")),
    (6, fixed(b"EXPUNGE")),
    (3, lambda dice: b"UID EXPUNGE " + numbers(dice)),
    (6, fixed(b"NOOP", b"CHECK", b"CAPABILITY", b"NAMESPACE", b"IDLE\r\nDONE")),
    (1, fixed(b"CLOSE", b"UNSELECT")),
    (2, metadata),
    (
        2,
        fixed(
            b"ENABLE CONDSTORE",
            b"ENABLE QRESYNC",
            b"ENABLE X",
            b"ENABLE METADATA",
            b"ENABLE IMAP4rev2",
            b"ENABLE UTF8=ACCEPT",
            b"ID NIL",
            b'ID ("name" "x")',
            b"COMPRESS DEFLATE",
            b"LANGUAGE",
            b"LANGUAGE de",
            b"LANGUAGE i-default",
            b"COMPARATOR",
            b'COMPARATOR "i;octet"',
            b'CONVERSIONS "text/plain" "text/*"',
        ),
    ),
    (2, lambda dice: b"STATUS %b (MESSAGES UNSEEN UIDNEXT RECENT HIGHESTMODSEQ SIZE)" % dice.choice(BOXES)),
    (
        2,
        fixed(
            b'LIST "" *',
            b'LIST (SUBSCRIBED) "" (% a/%) RETURN (CHILDREN STATUS (MESSAGES))',
            b'LSUB "" %',
            b'LIST "" ""',
            b'XLIST "" *',
            b'LIST "" * RETURN (METADATA (/private/x) SPECIAL-USE)',
        ),
    ),
    (
        2,
        lambda dice: (
            dice.choice((b"CREATE ", b"CREATE ", b"DELETE ", b"SUBSCRIBE ", b"UNSUBSCRIBE ")) + dice.choice(BOXES)
        ),
    ),
    (1, fixed(b"RENAME a gone", b"RENAME gone a", b"RENAME INBOX old", b'RENAME "b c" a/b')),
    (1, fixed(b"STARTTLS", b"LOGIN me pass", b"AUTHENTICATE PLAIN", b"AUTHENTICATE LOGIN =", b"XYZZY", b"UID")),
)


def command(dice: random.Random) -> bytes:
    """One command without its tag; of those without a literal one in eight is damaged, so that its end stays known."""
    (_, make), *_ = dice.choices(GRAMMAR, [weight for weight, _ in GRAMMAR])
    text = make(dice)
    if dice.random() < 0.12 and b"\r" not in text:
        at = dice.randrange(len(text) + 1)
        text = text[:at] + dice.choice(PIECES) + text[at + dice.randrange(3) :]
    return text + b"\r\n"


def name_of(text: bytes) -> bytes:
    words = text.upper().split()
    return b" ".join(words[: 2 if words[:1] == [b"UID"] else 1])


def responses_of(out: bytes) -> list[bytes]:
    """The responses with their literals, without their line ends."""
    found, start, at = [], 0, 0
    while start < len(out):
        end = out.index(b"\r\n", at) + 2
        literal_size = LITERAL.search(out, at, end)
        if literal_size is not None:
            at = end + int(literal_size[1])
            continue
        found.append(out[start : end - 2])
        start = at = end
    return found


@dataclass(slots=True)
class Talker:
    """A session, what its client believes, and what was answered."""

    client: Client
    met: Counter[str]
    believer: Believer = field(default_factory=Believer)
    count: int = 0

    def say(self, texts: list[bytes], dice: random.Random) -> None:
        """Sends commands as one pipeline, whole or in pieces, and hears the answers."""
        sent: list[tuple[bytes, bytes]] = []
        for text in texts:
            self.count += 1
            sent.append((b"q%d" % self.count, text))
        data = b"".join(tag + b" " + text for tag, text in sent)
        size = 1 if len(data) < 300 and dice.random() < 0.2 else dice.choice((7, 4096, len(data)))
        if len(data) // size > 1000:
            size = 4096
        self.hear(b"".join(self.feed(data[at : at + size]) for at in range(0, len(data), size)), sent)

    def feed(self, data: bytes) -> bytes:
        """As net does: all steps are run before more is read."""
        return b"" if self.client.closed else self.client.run(self.client.session.receive(data))

    def idle(self, meanwhile: Callable[[], None]) -> None:
        """IDLE, woken after something else happened."""
        self.count += 1
        out = self.feed(b"q%d IDLE\r\n" % self.count)
        idling = b"+ idling" in out
        meanwhile()
        if idling and not self.client.closed:
            out += self.client.run(self.client.session.resume(None))
            out += self.feed(b"DONE\r\n")
        self.hear(out, [(b"q%d" % self.count, b"IDLE")])

    def hear(self, out: bytes, sent: list[tuple[bytes, bytes]]) -> None:
        """Goes through the answers; Wrong when they are not one for each command, in order."""
        waiting = iter(sent)
        tag, text = next(waiting, (b"", b""))
        for response in responses_of(out):
            done = TAGGED.match(response)
            if done is None:
                self.believer.hear(response, name_of(text))
                continue
            if done[1] != tag:
                raise Wrong(f"{response!r} came where {tag!r} ({text[:200]!r}) should be answered")
            self._ended(text, done[2])
            tag, text = next(waiting, (b"", b""))
        if tag and not self.client.closed:
            raise Wrong(f"{text[:200]!r} was not answered")

    def _ended(self, text: bytes, condition: bytes) -> None:
        name, ok = name_of(text), condition == b"OK"
        self.met[condition.decode()] += 1
        self.met[f"{name.decode('latin-1')} {condition.decode()}"] += 1
        believer = self.believer
        if name in (b"SELECT", b"EXAMINE") and condition != b"BAD":
            believer.selected = ok
        elif name in (b"CLOSE", b"UNSELECT") and ok:
            believer.selected = False
        elif b"SILENT" in text.upper():  # the client knows what it did and is not told
            for message in believer.messages:
                message.pop("flags", None)
        if not believer.selected:
            believer.messages = []


def other_program(dice: random.Random, house: House) -> None:
    """Somebody takes away, marks or drops a file, and the files follow the flags."""
    files = sorted([*house.mail.glob("cur/*"), *house.mail.glob("new/*")])
    kind = dice.randrange(4)
    if kind == 0 or not files:
        name = f"{dice.randrange(10**9)}.M1P1.other"
        (house.mail / "new" / name).write_bytes(message(dice).replace(b"\r\n", b"\n"))
    elif kind == 1:
        dice.choice(files).unlink()
    elif kind == 2:
        file = dice.choice(files)
        file.rename(
            house.mail / "cur" / (file.name.partition(":")[0] + ":2," + dice.choice(("", "S", "FS", "T", "RST")))
        )
    else:
        house.settle()


def hostile(dice: random.Random, house: House, met: Counter[str]) -> None:
    """Bytes without sense to one more session: nothing is raised, and what it holds has a bound."""
    client = house.login() if dice.random() < 0.5 else house.connect()
    for _ in range(10):
        text = b"h " + command(dice) if dice.random() < 0.5 else b""
        for _ in range(dice.randrange(4)):
            at = dice.randrange(len(text) + 1)
            text = text[:at] + dice.choice(HOSTILE) + text[at + dice.randrange(3) :]
        if not client.closed:
            met["hostile bytes"] += len(text)
            client.run(client.session.receive(text))
        frames = client.session.frames
        assert client.closed or frames.pending_bytes <= frames.max_line + 64, "more is held than the limit allows"
    client.session.lost()


def compare(house: House, talkers: list[Talker], dice: random.Random) -> None:
    """What each client believes of its mailbox is what a new session finds."""
    house.settle()
    for talker in talkers:
        if talker.believer.selected and not talker.client.closed:
            talker.say([b"NOOP\r\n"], dice)
        view = talker.client.session.view
        if view is None or talker.client.closed:
            continue
        box = view.live.row.name  # another session may have renamed it
        fresh = Talker(house.login(), Counter())
        fresh.say([b'EXAMINE "%b"\r\n' % box.encode(), b"UID FETCH 1:* (FLAGS)\r\n"], dice)
        talker.say([b"NOOP\r\n"], dice)
        if talker.client.closed:
            continue
        if not fresh.believer.selected:
            raise Wrong(f"{box} is selected and cannot be opened by others")
        talker.believer.compare(fresh.believer.messages)
        talker.met["compared"] += 1
        fresh.client.session.lost()


def one_house(dice: random.Random, folder: Path, met: Counter[str]) -> None:
    """Two sessions, some commands, and the comparison."""
    house = House(folder)
    house.context = replace(house.context, urlauth_host="h")
    try:
        talkers = [_talker(house, met, dice) for _ in range(2)]
        for _ in range(COMMANDS_IN_A_HOUSE):
            which = dice.randrange(2)
            if talkers[which].client.closed:
                talkers[which].client.session.lost()
                talkers[which] = _talker(house, met, dice)
            one, other = talkers[which], talkers[1 - which]
            texts = [command(dice) for _ in range(dice.choice((1, 1, 1, 2, 5)))]
            if not one.believer.selected and dice.random() < 0.8:
                texts.insert(0, b"SELECT INBOX\r\n")
            if dice.random() < 0.08 and not other.client.closed:
                other.idle(lambda one=one, texts=texts: one.say(texts, dice))
            else:
                one.say(texts, dice)
            if dice.random() < 0.1:
                other_program(dice, house)
        compare(house, talkers, dice)
        hostile(dice, house, met)
        for talker in talkers:
            talker.client.session.lost()
    finally:
        house.close()


def _talker(house: House, met: Counter[str], dice: random.Random) -> Talker:
    talker = Talker(house.login(), met)
    talker.say([b"SELECT INBOX\r\n", b"UID FETCH 1:* (FLAGS)\r\n"], dice)
    if dice.random() < 0.4:
        talker.say([b"ENABLE QRESYNC\r\n"], dice)
    return talker


def covered() -> str:
    """How much of the code that is meant was run, when coverage watches (`make fuzz`)."""
    watching = coverage.Coverage.current()
    if watching is None:
        return "coverage: run by `make fuzz`"
    total = watching.report(include=["*/doocot/imap/*", "*/doocot/mailbox/*"], file=StringIO())
    return f"coverage of doocot/imap and doocot/mailbox: {total:.0f} %"


def main() -> None:
    seconds = float(os.environ.get("FUZZ_SECONDS", "10"))
    seed = int(os.environ.get("FUZZ_SEED", random.randrange(1 << 32)))
    met: Counter[str] = Counter()
    houses, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        with tempfile.TemporaryDirectory(prefix="doocot-fuzz-") as folder:
            try:
                one_house(random.Random(seed + houses), Path(folder) / "mail", met)
            except BaseException:
                print(f"fails again with FUZZ_SEED={seed + houses}", file=sys.stderr)
                raise
        houses += 1
    answers = met["OK"] + met["NO"] + met["BAD"]
    print(f"{houses} houses from FUZZ_SEED={seed}, {answers} answers, {met['OK'] * 100 // max(answers, 1)} % OK,")
    print(f"{met['compared']} mailboxes compared, {met['hostile bytes']} bytes without sense; {covered()}")
    assert met["OK"] * 2 >= answers, "less than half of the answers are OK: the commands do not reach the handlers"
    assert met["compared"], "no client was compared with what is there"
    never = [name.decode() for name in COMMANDS if name not in REFUSED and not met[f"{name.decode()} OK"]]
    assert houses < 100 or not never, f"never OK: {never}"


if __name__ == "__main__":
    main()
