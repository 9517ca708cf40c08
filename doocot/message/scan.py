"""Finds the MIME parts of a message (RFC 2045, RFC 2046) with their offsets and line counts in one pass.

The message is given as it goes on the wire, with CRLF line ends (`crlf`), so every offset, octet and line count is one
a client sees. The rules for broken messages are Dovecot's, as clients may have cached its answers:

- A boundary line ends all parts inside the multipart it belongs to; it needs only to begin with the boundary, and when
  several boundaries fit, the longest wins, among equals the innermost.
- The line end before a boundary line belongs to the boundary, even when it is the empty line after a header.
- A multipart never closed ends with its parent; one whose boundary never comes has no parts.
- Parts nested deeper, or more, than the limits are not looked into.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from doocot.message.header import Fields, known_fields
from doocot.message.mime import ContentType, content_type


@dataclass(frozen=True, slots=True)
class Limits:
    """How far parts are followed: depth of nesting and number of parts in all."""

    depth: int = 100
    parts: int = 10_000


DEFAULT_LIMITS = Limits()


class Kind(Enum):
    """What may be inside a part."""

    TEXT = "text"
    MULTIPART = "multipart"
    MESSAGE = "message/rfc822"
    OTHER = "other"


_CR = ord("\r")
# Two octets are counted in half the time of one, as the search can skip.
LINE_END = b"\r\n"
_TEXT, _MULTIPART, _MESSAGE, _OTHER = Kind.TEXT, Kind.MULTIPART, Kind.MESSAGE, Kind.OTHER


@dataclass(slots=True, eq=False)
class Head:
    """What the header of a part says: its fields that matter here, and what the part therefore is.

    Parts with the same short header share one, and it is compared by identity, so that it can be a key of a cache.
    Nobody changes one; that is not enforced, because a frozen dataclass takes twice as long to make.
    """

    fields: Fields
    kind: Kind
    content_type: ContentType | None
    is_mime: bool


class Part(NamedTuple):
    """One part: header from `start` to `body`, body from there to `end`; a MESSAGE has one child, the message in it.

    `lines` is counted where the wire tells it, for TEXT and MESSAGE. Parts are tuples, not dataclasses, because a
    mailbox seen for the first time makes some hundred thousand of them.
    """

    start: int
    body: int
    end: int
    lines: int
    kind: Kind
    head: Head
    children: tuple["Part", ...] = ()

    @property
    def header(self) -> Fields:
        """The fields of the header."""
        return self.head.fields

    @property
    def content_type(self) -> ContentType | None:
        """The Content-Type, None where the header has none."""
        return self.head.content_type


@dataclass(slots=True)
class _Open:
    """A part whose end is not yet known."""

    start: int
    body: int
    kind: Kind
    head: Head
    is_cut: bool  # a boundary line stands where the body should begin
    children: list[Part]


class _Boundary(NamedTuple):
    text: bytes
    depth: int  # index of its multipart in the stack of open parts


def crlf(raw: bytes) -> bytes:
    """The message with each bare LF made CRLF; CRLF and lone CR are kept, and so are NULs (see `sections.wire`)."""
    if _CR not in raw:
        return raw.replace(b"\n", b"\r\n")
    if raw.count(b"\r\n") == raw.count(b"\n"):
        return raw
    return raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def crlf_chunks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same for a message that comes in pieces, of whatever size, because it is too large to be held."""
    after_cr = False
    for chunk in chunks:
        if after_cr and chunk.startswith(b"\n"):
            # The CR went out with the chunk before.
            yield b"\n"
            chunk = chunk[1:]
            after_cr = False
        if chunk:
            after_cr = chunk.endswith(b"\r")
            yield crlf(chunk)


def header_end(data: bytes, start: int = 0) -> int:
    """Where the body begins: behind the first empty line, or the end of the data when there is none."""
    if data.startswith(b"\r\n", start):
        return start + 2
    found = data.find(b"\r\n\r\n", start)
    return found + 4 if found >= 0 else len(data)


def scan(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Part:
    """The tree of parts of a message with CRLF line ends."""
    end = header_end(data)
    head = _head(data[:end], False, False)
    kind = head.kind
    if kind is _TEXT or kind is _OTHER:
        return Part(0, end, len(data), data.count(LINE_END, end), kind, head)
    if kind is _MULTIPART and limits.depth > 1 and (part := _flat(data, head, end, limits.parts - 1)):
        return part
    return _Scan(data, limits).run(head, end)


def _flat(data: bytes, head: Head, body: int, room: int) -> Part | None:
    """A message that is a multipart of nothing but leaves, as most mail is; None where `_Scan` must look closer."""
    assert head.content_type is not None
    boundary = head.content_type.boundary
    if boundary is None or not data.startswith(b"\n\r\n", body - 3):
        return None
    delimiter = b"\n--" + boundary
    line = data.find(delimiter, body - 1)
    rest = line + len(delimiter)
    if line < 0 or data.startswith(b"--", rest) or (newline := data.find(b"\n", rest)) < 0:
        return None
    leaves, start = _leaves(data, newline + 1, delimiter, _is_digest(head), room)
    return Part(0, body, len(data), 0, _MULTIPART, head, tuple(leaves)) if start < 0 else None


def _leaves(data: bytes, start: int, delimiter: bytes, in_digest: bool, room: int) -> tuple[list[Part], int]:
    """Reads parts of a multipart that is inside no other, as long as they are leaves with whole headers.

    Also gives where the first begins that is none or for which there is no room, -1 when all were read. The general
    way, `_Scan._enter`, to which such are left, takes three times as long.
    """
    leaves: list[Part] = []
    size = len(delimiter)
    while room > 1:
        body = header_end(data, start)
        line = data.find(delimiter, start - 1) + 1
        if line and line <= body:
            break
        block = data[start:body]
        head = _known_head(block, True, in_digest) if len(block) < _SMALL_HEADER else _head(block, True, in_digest)
        kind = head.kind
        if kind is _MULTIPART or kind is _MESSAGE:
            break
        end = line - 2 if line else len(data)
        lines = data.count(LINE_END, body, end) if kind is _TEXT else 0
        leaves.append(Part(start, body, end, lines, kind, head))
        room -= 1
        rest = line + size - 1
        if not line or data.startswith(b"--", rest) or (newline := data.find(b"\n", rest)) < 0:
            # What follows the last boundary line is in no part.
            return leaves, -1
        start = newline + 1
    return leaves, start


def _head(block: bytes, is_mime: bool, in_digest: bool) -> Head:
    """RFC 2045 §5.2 and RFC 2046 §5.1.5: what a header says, with the defaults for one that says nothing."""
    found = known_fields(block)
    value = found.get(b"content-type")
    if value is None:
        return Head(found, _MESSAGE if in_digest else _TEXT, None, is_mime or b"mime-version" in found)
    typed = content_type(value[0])
    media = typed.media
    if media.startswith(b"multipart/"):
        kind = _MULTIPART
    elif media == b"message/rfc822":
        kind = _MESSAGE
    elif media == b"text" or media.startswith(b"text/"):
        kind = _TEXT
    else:
        kind = _OTHER
    return Head(found, kind, typed, True)


# Headers of parts inside a message are mostly the same few.
_known_head = lru_cache(maxsize=1024)(_head)
_SMALL_HEADER = 256


class _Scan:
    """The one pass: a stack of open parts and the boundaries that may end them."""

    __slots__ = ("boundaries", "count", "data", "limits", "root", "stack")

    def __init__(self, data: bytes, limits: Limits) -> None:
        self.data = data
        self.limits = limits
        self.stack: list[_Open] = []
        self.boundaries: list[_Boundary] = []
        self.count = 0
        self.root: Part | None = None

    def run(self, head: Head, body: int) -> Part:
        position = self._enter(0, False, head, body)
        while position >= 0:
            position = self._next_part(position)
        while self.stack:
            self._leave(len(self.data))
        assert self.root is not None
        return self.root

    def _enter(self, start: int, is_mime: bool, head: Head | None = None, end: int = 0) -> int:
        """Reads the header of a part and of the messages directly inside it; returns where to look for a boundary."""
        data, stack, limits = self.data, self.stack, self.limits
        while True:
            self.count += 1
            cut = -1
            if head is None:
                end, cut = self._header(start)
                block = data[start:end]
                read = _known_head if len(block) < _SMALL_HEADER else _head
                head = read(block, is_mime, bool(stack) and _is_digest(stack[-1].head))
            kind = head.kind
            part = _Open(start, end, kind, head, False, [])
            stack.append(part)
            if kind is _MULTIPART:
                self._open_multipart(part, end, cut)
            if cut < 0 and self.boundaries and (cut := self._cut_at(end)) >= 0 and end > start:
                part.body = end = end - 2
            part.is_cut = cut >= 0
            if kind is _MESSAGE and (len(stack) >= limits.depth or self.count >= limits.parts):
                part.kind = kind = _OTHER
            if kind is not _MESSAGE:
                return cut if cut >= 0 else end
            if cut >= 0:
                self.count += 1
                stack.append(_Open(end, end, _TEXT, _known_head(b"", False, False), True, []))
                return cut
            start, is_mime, head = end, False, None

    def _open_multipart(self, part: _Open, end: int, cut: int) -> None:
        """Adds the boundary, if the header was read to its end; too deep inside others it is no multipart."""
        if len(self.stack) >= self.limits.depth:
            part.kind = _OTHER
            return
        boundary = part.head.content_type.boundary if part.head.content_type else None
        if boundary is not None and cut < 0 and self.data.startswith(b"\n\r\n", end - 3):
            self.boundaries.append(_Boundary(boundary, len(self.stack) - 1))

    def _header(self, start: int) -> tuple[int, int]:
        """End of the header, and where the boundary line of an outer part begins that cuts it off (else -1)."""
        data, end = self.data, header_end(self.data, start)
        if self.boundaries:
            line = start if data.startswith(b"--", start) else data.find(b"\n--", start, end) + 1
            while 0 < line < end:
                if self._matching(line):
                    return (line - 2 if line > start else line), line
                line = data.find(b"\n--", line, end) + 1
        return end, -1

    def _cut_at(self, body: int) -> int:
        """`body` when a boundary line of an outer part stands where the body should begin, else -1."""
        if self.data.startswith(b"--", body):
            found = self._matching(body)
            if found and found.depth != len(self.stack) - 1:
                return body
        return -1

    def _matching(self, line: int) -> _Boundary | None:
        """The boundary that the line which begins with two dashes here belongs to."""
        if self.count >= self.limits.parts:
            return None
        data, boundaries = self.data, self.boundaries
        line += 2
        if len(boundaries) == 1:
            return boundaries[0] if data.startswith(boundaries[0].text, line) else None
        end = data.find(b"\r\n", line)
        length = (end if end >= 0 else len(data)) - line
        dashes = length > 2 and data.startswith(b"--", line + length - 2)
        best = None
        for boundary in reversed(boundaries):
            size = len(boundary.text)
            if size <= length and data.startswith(boundary.text, line) and (best is None or size > len(best.text)):
                best = boundary
                if size == length or (size == length - 2 and dashes):
                    break
        return best

    def _next_part(self, position: int) -> int:
        """Goes to the next boundary line, closes what it ends, enters the part after it; -1 at the end."""
        data, boundaries = self.data, self.boundaries
        if not boundaries:
            return -1
        line = position if data.startswith(b"--", position) else data.find(b"\n--", position - 1) + 1
        found = self._matching(line) if line else None
        while line and not found:
            line = data.find(b"\n--", line) + 1
            found = self._matching(line) if line else None
        if not found:
            return -1
        end = line - 2 if line > position else line
        while len(self.stack) - 1 > found.depth:
            self._leave(end)
        rest = line + 2 + len(found.text)
        last = data.startswith(b"--", rest)
        while boundaries[-1] is not found:
            boundaries.pop()
        newline = data.find(b"\n", rest)
        if last:
            boundaries.pop()
        if newline < 0 or (last and not boundaries):
            return -1
        if last:
            return newline + 1
        return self._leaf_parts(newline + 1, found) if len(boundaries) == 1 else self._enter(newline + 1, True)

    def _leaf_parts(self, start: int, boundary: _Boundary) -> int:
        """The quick way for parts of a multipart that is inside no other; then what `_enter` does."""
        room = self.limits.parts - self.count
        parent = self.stack[-1]
        leaves, start = _leaves(self.data, start, b"\n--" + boundary.text, _is_digest(parent.head), room)
        parent.children += leaves
        self.count += len(leaves)
        return self._enter(start, True) if start >= 0 else -1

    def _leave(self, end: int) -> None:
        part = self.stack.pop()
        if part.is_cut:
            end = part.body
        kind, body = part.kind, part.body
        lines = self.data.count(LINE_END, body, end) if kind is _TEXT or kind is _MESSAGE else 0
        done = Part(part.start, body, end, lines, kind, part.head, tuple(part.children))
        if self.stack:
            self.stack[-1].children.append(done)
        else:
            self.root = done


def _is_digest(head: Head) -> bool:
    return head.content_type is not None and head.content_type.media == b"multipart/digest"
