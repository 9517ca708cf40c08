"""The language of transcripts: what a person would type, and what the server says, line by line.

    # a comment; citations belong here
    @ messages 3            before it begins: APPEND so many standard messages to INBOX
    @ login 1 2             and log in these connections
    @ select INBOX 1 2      and select a mailbox on them (`examine` likewise)
    # dovecot: differs <reason with RFC>       the oracle is not asked
    1 C: a COPY 1 $box      connection 1 sends a line
    1 S: a OK [COPYUID $v 1 $u] $*             and receives one
    1 S~ * LIST () "." a    neighbouring lines with ~ may come in any order
    1 S? * $n RECENT        may come, any number of times, before the next expected line
    1 S: ...                any number of untagged lines may come here
    1 S: * {2,4} EXPUNGE    these messages go, whatever the order in which they are told (RFC 3501 §7.4.1)

`* n RECENT` may come at any time (RFC 3501 §7.3.2) and is passed over where it is not expected.

`$name` matches one word (no space, parenthesis, bracket, quote) and must be the same afterwards; in C: lines it is put
in. `$*` matches the rest of the line or up to what follows it. A `$` before anything else is itself. A line that ends
in `{|}`, `{|+}` or `~{|}` has a literal: the lines below that begin with `  | ` (each ends with CRLF; `  |- ` has no
line end), then `  > ` and the rest of the line. The size is put in.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

STEP = re.compile(r"(\d) (C:|S:|S~|S\?)(?: (.*))?$")
LITERAL_MARK = re.compile(rb"\{\|(\+?)\}$")
VARIABLE = re.compile(rb"\$(\*|[a-z][a-z0-9]*)")
WORD = rb'[^ ()\[\]"\r\n]+'
ANYTHING = b"..."
EXPUNGES = re.compile(rb"\* \{([\d,]+)\} EXPUNGE")


class TranscriptError(Exception):
    """A transcript that cannot be read: file, line and what is wrong."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a transcript with its literals: `chunks` are the line up to a literal, the literal, ..., the rest."""

    line: int
    connection: int
    kind: str  # C: S: S~ S?
    chunks: tuple[bytes, ...]

    @property
    def text(self) -> str:
        return b"".join(self.chunks).decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Transcript:
    """A file."""

    path: Path
    messages: int
    logins: tuple[int, ...]
    selects: tuple[tuple[str, str, tuple[int, ...]], ...]  # SELECT or EXAMINE, mailbox, connections
    differs: str  # why the oracle says something else
    steps: tuple[Step, ...]


@dataclass(slots=True)
class _Reader:
    path: Path
    messages: int = 0
    logins: tuple[int, ...] = ()
    selects: list[tuple[str, str, tuple[int, ...]]] = field(default_factory=list)
    differs: str = ""
    steps: list[Step] = field(default_factory=list)
    open_literal: bool = False

    def error(self, number: int, what: str) -> TranscriptError:
        return TranscriptError(f"{self.path}:{number}: {what}")


def read(path: Path) -> Transcript:
    """Read a transcript file."""
    reader = _Reader(path)
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("# dovecot: differs"):
            reader.differs = line.removeprefix("# dovecot: differs").strip()
            if "RFC" not in reader.differs:
                raise reader.error(number, "a difference needs its reason with the RFC that says so")
        elif line.startswith("@ "):
            _directive(reader, number, line[2:].split())
        elif line.startswith(("  |", "  >")):
            _continue(reader, number, line)
        elif line and not line.startswith("#"):
            _step(reader, number, line)
    return Transcript(path, reader.messages, reader.logins, tuple(reader.selects), reader.differs, tuple(reader.steps))


def _directive(reader: _Reader, number: int, words: list[str]) -> None:
    match words:
        case ["messages", count]:
            reader.messages = int(count)
        case ["login", *connections]:
            reader.logins = tuple(map(int, connections))
        case ["select" | "examine" as verb, mailbox, *connections]:
            reader.selects.append((verb.upper(), mailbox, tuple(map(int, connections))))
        case _:
            raise reader.error(number, f"unknown directive {' '.join(words)!r}: messages, login, select or examine")


def _step(reader: _Reader, number: int, line: str) -> None:
    found = STEP.match(line)
    if not found:
        raise reader.error(number, f"neither a comment nor `N C: ...` nor `N S: ...`: {line!r}")
    text = (found[3] or "").encode()
    reader.steps.append(Step(number, int(found[1]), found[2], (text,)))
    reader.open_literal = LITERAL_MARK.search(text) is not None


def _continue(reader: _Reader, number: int, line: str) -> None:
    """A line of a literal, or what follows the literal."""
    if not reader.steps or not reader.open_literal:
        raise reader.error(number, "no line above that ends in {|}")
    last, mark = reader.steps[-1], line[2]
    chunks = list(last.chunks)
    if mark == ">":
        text = line[4:].encode()
        chunks += [text] if len(chunks) % 2 == 0 else [b"", text]
        reader.open_literal = LITERAL_MARK.search(text) is not None
    else:
        text = line[5:].encode() if line.startswith("  |- ") else line[4:].encode() + b"\r\n"
        if len(chunks) % 2 == 1:
            chunks.append(text)
        else:
            chunks[-1] += text
    reader.steps[-1] = Step(last.line, last.connection, last.kind, tuple(chunks))


def substitute(text: bytes, bound: dict[bytes, bytes]) -> bytes:
    """A C: line with its variables; an unbound one stays as it is (`$` is a name of RFC 5182)."""
    return VARIABLE.sub(lambda found: bound.get(found[1], found[0]), text)


def client_pieces(step: Step, bound: dict[bytes, bytes]) -> list[tuple[bytes, bool]]:
    """What to send, and whether to wait for a continuation request after each piece (RFC 3501 §7.5, RFC 7888)."""
    chunks = [substitute(chunk, bound) for chunk in step.chunks]
    pieces = []
    for place in range(0, len(chunks) - 1, 2):
        size = len(chunks[place + 1])
        head = LITERAL_MARK.sub(lambda found, size=size: b"{%d%s}" % (size, found[1]), chunks[place])  # type: ignore[misc]
        waits = not head.endswith(b"+}")
        pieces += [(head + b"\r\n", waits), (chunks[place + 1], False)]
    pieces.append((chunks[-1] if len(chunks) % 2 else b"", False))
    pieces[-1] = (pieces[-1][0] + b"\r\n", False)
    return pieces


def match(step: Step, response: bytes, bound: dict[bytes, bytes]) -> dict[bytes, bytes] | None:
    """The variables after this S: line matched the response (without its final CRLF), None when it does not match."""
    pattern, groups = _pattern(step, bound)
    found = re.fullmatch(pattern, response, re.DOTALL)
    if not found:
        return None
    return bound | {name: found[group] for name, group in groups.items()}


def _pattern(step: Step, bound: dict[bytes, bytes]) -> tuple[bytes, dict[bytes, str]]:
    out: list[bytes] = []
    groups: dict[bytes, str] = {}
    chunks = list(step.chunks) + ([b""] if len(step.chunks) % 2 == 0 else [])
    for place, chunk in enumerate(chunks):
        if place % 2:  # a literal: as it stands
            out.append(re.escape(chunk))
            continue
        size = len(chunks[place + 1]) if place + 1 < len(chunks) else 0
        chunk = LITERAL_MARK.sub(b"{%d}\r\n" % size, chunk)
        end = 0
        for found in VARIABLE.finditer(chunk):
            out.append(re.escape(chunk[end : found.start()]))
            out.append(_variable(found[1], bound, groups))
            end = found.end()
        out.append(re.escape(chunk[end:]))
    return b"".join(out), groups


def _variable(name: bytes, bound: dict[bytes, bytes], groups: dict[bytes, str]) -> bytes:
    if name == b"*":
        return rb"[^\r\n]*"
    if name in bound:
        return re.escape(bound[name])
    group = "v_" + name.decode()
    if name in groups:
        return b"(?P=%s)" % group.encode()
    groups[name] = group
    return b"(?P<%s>%s)" % (group.encode(), WORD)
