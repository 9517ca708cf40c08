"""Cuts a client's byte stream into commands, lines and literals, with nothing understood yet; RFC 3501 §2.2.1 and §4.3.

Literals are LITERAL+ and LITERAL- (RFC 7888) and literal8 (RFC 3516 §4.2) as well. The cutting knows no grammar: a line
that ends in `{digits}`, `{digits+}` or `~{digits}` is followed by that many bytes, whatever stands before it. So the
boundaries stay right for every command that is wrong in other ways, and the bytes of a literal are never taken as a
command, also not when the literal is refused or when the line before it was too long.

Work is linear in what was fed: a byte is searched once or twice for a line end and copied a few times (the text before
a literal once for each literal, and their number has a bound). Memory is bounded by `max_line`, the literals that the
session accepted, and what was fed but not asked for yet.
"""

import re
from collections import deque
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

from doocot.wire.flow import Spool

LITERAL_HEADER: Final = re.compile(rb"\{([0-9]+)(\+?)\}\Z")

# A size of 20 digits or more is this one: nobody accepts either, and int() need not see thousands of digits.
HUGE: Final = 2**63 - 1

# Literals in one command. Each hands out the text before it again, so their number must not be the client's choice.
MAX_LITERALS: Final = 1024

# Of a line that is thrown away its end is kept, for the header of a literal that would have to be thrown away with it.
# The longest is 22 bytes; no client pads its sizes with zeros.
LINE_END_KEPT: Final = 64

_CR: Final = 13
_CLOSING_BRACE: Final = 125
_TILDE: Final = 126


class Frame(NamedTuple):
    """One whole command.

    `text` is without its last CRLF. Literals are not in it: where one stood, its header and CRLF are, and the bytes are
    the next of `literals`. (A tuple because there is one per command: a frozen dataclass costs 0.08 us more to make.)
    """

    text: bytes
    literals: tuple[bytes | Spool, ...] = ()


@dataclass(frozen=True, slots=True)
class Announced:
    """A literal is announced; the session answers by `memory`, `spool` or `refuse` before it asks for more.

    `prefix` is the command up to the literal's header, `index` counts the literals before it in the command. A
    synchronising literal waits for the continuation that the session sends (RFC 3501 §7.5).
    """

    prefix: bytes
    size: int
    synchronising: bool
    binary: bool
    index: int


@dataclass(frozen=True, slots=True)
class Overlong:
    """The command is longer than allowed, or has too many literals. The rest of it is thrown away as it comes."""

    prefix: bytes


class _State(IntEnum):
    START = 0  # between two commands: nothing is held
    LINE = 1  # in a command
    ANNOUNCED = 2  # the session has to answer
    LITERAL = 3  # the bytes of a literal are kept
    SKIP = 4  # the bytes of a refused literal are thrown away
    DROP = 5  # the rest of a line is thrown away


_START: Final = _State.START


class Frames:
    """The input of one connection. `max_line` may be changed at any time (it is lower before login)."""

    __slots__ = (
        "_at",
        "_chunks",
        "_data",
        "_literal",
        "_literals",
        "_need",
        "_state",
        "_tail",
        "_text",
        "_waiting",
        "bare_lf",
        "max_line",
    )

    def __init__(self, max_line: int) -> None:
        self.max_line = max_line
        self.bare_lf = False  # a line ended without CR: RFC 3501 §2.2 forbids it, Dovecot takes it
        self._data = b""  # the chunk being read, from `_at` on
        self._at = 0
        self._chunks: deque[bytes] = deque()  # those behind it
        self._state = _State.START
        self._text = b""  # the lines of the command before this one, each with its CRLF
        self._tail = bytearray()  # the beginning of this line (LINE), or its last bytes so far (DROP)
        self._literals: list[bytes | Spool] = []
        self._literal: bytearray | Spool | None = None
        self._need = 0  # bytes of the literal still to come
        self._waiting = False  # the client waits for the continuation before it sends them

    def feed(self, data: bytes) -> None:
        """Take what the socket gave."""
        if self._at == len(self._data) and not self._chunks:
            self._data = data
            self._at = 0
        else:
            self._chunks.append(data)

    def next(self) -> Frame | Announced | Overlong | None:
        """The next thing in the stream, or None until more is fed."""
        if self._state is _START:  # nearly always: a line without literal, in one piece
            data = self._data
            start = self._at
            end = data.find(b"\n", start)
            stop = end - 1
            if start <= stop <= start + self.max_line and data[stop] == _CR and data[stop - 1] != _CLOSING_BRACE:
                self._at = end + 1
                return Frame(data[start:stop])
            if start == len(data) and not self._chunks:
                return None
        return self._next()

    def _next(self) -> Frame | Announced | Overlong | None:
        if self._state is _State.ANNOUNCED:
            raise RuntimeError("the announced literal was neither accepted nor refused")
        if not self._settle():
            return None
        line = self._line()
        if line is None or isinstance(line, Overlong):
            return line
        literal = self._announced(line)
        if literal is not None:
            return literal
        frame = Frame(self._text + line, tuple(self._literals))
        self._begin()
        return frame

    def next_line(self) -> bytes | Overlong | None:
        """The next line without its end, literals not considered: an answer to a continuation, or the DONE of IDLE.

        Only between two commands.
        """
        if self._state in (_State.ANNOUNCED, _State.LITERAL) or self._text:
            raise RuntimeError("a plain line cannot be read in the middle of a command")
        if not self._settle():
            return None
        line = self._line()
        if isinstance(line, bytes):
            self._begin()
        return line

    def memory(self) -> None:
        """Accept the announced literal; it will be bytes in the frame."""
        self._accept(bytearray())

    def spool(self, sink: Spool) -> None:
        """Accept the announced literal; `sink` gets its bytes as they come and will stand for it in the frame.

        What `sink.write` raises comes out of `next`; `refuse` then throws the rest of the command away.
        """
        self._accept(sink)

    def refuse(self) -> None:
        """End the command at the announced literal, or at the one that is coming in.

        A client that waits for a continuation sends nothing more of it (RFC 3501 §7.5). One that does not wait sends
        the literal and the rest of the command, further such literals included, and all that is thrown away.
        """
        if self._state not in (_State.ANNOUNCED, _State.LITERAL):
            raise RuntimeError("there is no literal to refuse")
        self._begin()
        if not self._waiting:
            self._state = _State.SKIP

    def discard(self) -> int:
        """Throw away all that was fed and not handed out, and say how much it was: STARTTLS (RFC 3501 §6.2.1)."""
        dropped = self.pending_bytes
        self._data = b""
        self._at = 0
        self._chunks.clear()
        self._begin()
        return dropped

    def rest(self) -> bytes:
        """Give back all that was fed and not handed out: from here on it is not IMAP as it stands (RFC 4978 §3).

        Only between two commands.
        """
        left = b"".join((self._data[self._at :], *self._chunks))
        self.discard()
        return left

    @property
    def pending_bytes(self) -> int:
        """How much was fed and not handed out; bytes of accepted literals do not count."""
        return len(self._data) - self._at + sum(map(len, self._chunks)) + len(self._tail) + len(self._text)

    @property
    def between_commands(self) -> bool:
        """Whether nothing of a command is held that has not come whole."""
        return self._state is _START

    def _begin(self) -> None:
        self._state = _State.START
        self._text = b""
        self._tail = bytearray()
        self._literals = []
        self._literal = None

    def _more(self) -> bool:
        """Go to the next chunk; this one is used up."""
        self._at = 0
        if self._chunks:
            self._data = self._chunks.popleft()
            return True
        self._data = b""
        return False

    def _line(self) -> bytes | Overlong | None:
        """The rest of the line, without its end."""
        room = self.max_line - len(self._text)
        while True:
            data = self._data
            start = self._at
            end = data.find(b"\n", start)
            if len(self._tail) + (end if end >= 0 else len(data)) - start > room + 1:  # one for the CR
                return self._overlong()
            if end >= 0:
                line = bytes(self._tail) + data[start:end] if self._tail else data[start:end]
                ended_by_cr = line.endswith(b"\r")
                if len(line) - ended_by_cr > room:
                    return self._overlong()
                self.bare_lf |= not ended_by_cr
                self._at = end + 1
                self._tail.clear()
                return line[:-1] if ended_by_cr else line
            if start < len(data):
                self._tail += data[start:] if start else data
                self._state = _State.LINE
            if not self._more():
                return None

    def _overlong(self) -> Overlong:
        """What there is of the line stays where it is; `_drop` goes over it."""
        limit = self.max_line
        prefix = (self._text + self._tail + self._data[self._at : self._at + limit])[:limit]
        kept = self._tail[-LINE_END_KEPT:]
        self._begin()
        self._tail = kept
        self._state = _State.DROP
        return Overlong(prefix)

    def _announced(self, line: bytes) -> Announced | Overlong | None:
        """The literal that the line announces at its end."""
        if not line.endswith(b"}"):
            return None
        brace = line.rfind(b"{")
        header = LITERAL_HEADER.match(line, max(brace, 0))
        if header is None:
            return None
        binary = brace > 0 and line[brace - 1] == _TILDE
        prefix = self._text + line[: brace - binary]
        self._text = b"%b%b\r\n" % (self._text, line)
        self._need = _size(header)
        self._waiting = not header[2]
        self._state = _State.ANNOUNCED
        if len(self._literals) >= MAX_LITERALS:
            self.refuse()
            return Overlong(prefix)
        return Announced(prefix, self._need, self._waiting, binary, len(self._literals))

    def _accept(self, literal: bytearray | Spool) -> None:
        if self._state is not _State.ANNOUNCED:
            raise RuntimeError("there is no literal to accept")
        self._literal = literal
        self._waiting = False
        self._state = _State.LITERAL

    def _settle(self) -> bool:
        """Go through what is not a line of a command; False when its end has not come."""
        while self._state >= _State.LITERAL:
            if self._state is _State.DROP:
                if not self._drop():
                    return False
            elif self._need == 0:
                self._literal_ends()
            elif self._at < len(self._data) or self._more():
                self._literal_goes_on()
            else:
                return False
        return True

    def _literal_goes_on(self) -> None:
        start = self._at
        piece = self._data[start : start + self._need]
        self._at += len(piece)
        self._need -= len(piece)
        if isinstance(self._literal, bytearray):
            self._literal += piece
        elif self._literal is not None:
            self._literal.write(piece)

    def _literal_ends(self) -> None:
        if self._literal is None:
            self._state = _State.DROP
            return
        self._literals.append(bytes(self._literal) if isinstance(self._literal, bytearray) else self._literal)
        self._literal = None
        self._state = _State.LINE

    def _drop(self) -> bool:
        """Throw away up to the end of the line, and on through a literal that comes without waiting."""
        while True:
            data = self._data
            end = data.find(b"\n", self._at)
            stop = end if end >= 0 else len(data)
            self._tail = (self._tail + data[max(self._at, stop - LINE_END_KEPT) : stop])[-LINE_END_KEPT:]
            if end >= 0:
                break
            if not self._more():
                return False
        self._at = end + 1
        line_end = bytes(self._tail).removesuffix(b"\r")
        self._begin()
        header = LITERAL_HEADER.search(line_end)
        if header is not None and header[2]:
            self._need = _size(header)
            self._state = _State.SKIP
        return True


def _size(header: re.Match[bytes]) -> int:
    digits = header[1].lstrip(b"0")
    return int(digits or b"0") if len(digits) < 20 else HUGE
