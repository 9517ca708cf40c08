"""Parses Content-Type, -Disposition, -Transfer-Encoding and -Language (RFC 2045 §5 and §6, RFC 2183, RFC 3282).

Parameters cut or encoded as RFC 2231 §3 and §4 are joined to one `name*` parameter in order of their numbers; where a
number is missing they are left as they came. Values stay bytes in the sender's own charset.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

from doocot.message.memo import remembered
from doocot.message.tokens import BROKEN, END, MORE, Outcome, Reader

Params = tuple[tuple[bytes, bytes], ...]

# RFC 2046 §5.1.1 allows 70; a longer boundary is compared by its beginning.
MAX_BOUNDARY = 80
_MAX_PARAMS = 128


class ContentType(NamedTuple):
    """A Content-Type: the words as written, `media` lower-case `type/subtype` for comparing, the parameters."""

    type: bytes
    subtype: bytes
    media: bytes
    params: Params = ()

    def param(self, name: bytes) -> bytes | None:
        """The first parameter of this lower-case name."""
        for key, value in self.params:
            if key.lower() == name:
                return value
        return None

    @property
    def boundary(self) -> bytes | None:
        """The boundary, cut to what is compared."""
        found = self.param(b"boundary")
        return None if found is None else found[:MAX_BOUNDARY]


@dataclass(frozen=True, slots=True)
class Disposition:
    """A Content-Disposition."""

    kind: bytes
    params: Params = ()


_UNREADABLE = ContentType(b"", b"", b"")

_T = rb"[!#-'*+\-.0-9A-Z^_`a-~\x80-\xff]+"
# type/subtype and at most two simple parameters without anything to unquote or to join (RFC 2231 has a star).
_simple = re.compile(
    rb'[ \t]*(%(t)b)/(%(t)b)(?:;\s*(%(n)b)=(?:"([^"\\\r\n\0]*)"|(%(t)b))'
    rb'(?:;\s*(%(n)b)=(?:"([^"\\\r\n\0]*)"|(%(t)b)))?)?' % {b"t": _T, b"n": rb"[!#-'+\-.0-9A-Z^_`a-~]+"}
).fullmatch


@remembered(1024)
def content_type(value: bytes) -> ContentType:
    """The Content-Type; of a broken one nothing is kept, but for a lone main type."""
    if found := _simple(value):
        main, sub, name, quoted, word, name2, quoted2, word2 = found.groups()
        params: Params = ()
        if name2 is not None:
            params = ((name, quoted if word is None else word), (name2, quoted2 if word2 is None else word2))
        elif name is not None:
            params = ((name, quoted if word is None else word),)
        return ContentType(main, sub, (main + b"/" + sub).lower(), params)
    r = Reader(value)
    if r.skip_lwsp() is not MORE:
        return _UNREADABLE
    outcome = r.read_token()
    main = r.take()
    if outcome is not MORE:
        return ContentType(main, b"", main.lower())
    if r.peek() != b"/":
        return _UNREADABLE
    r.pos += 1
    if not main or r.skip_lwsp() is not MORE:
        return _UNREADABLE
    outcome = r.read_token()
    sub = r.take()
    if not sub or outcome is BROKEN or (outcome is MORE and r.peek() != b";"):
        return _UNREADABLE
    return ContentType(main, sub, (main + b"/" + sub).lower(), _params(r))


@remembered(1024)
def disposition(value: bytes) -> Disposition | None:
    """The Content-Disposition, None when it cannot be read at all."""
    r = Reader(value)
    r.skip_lwsp()
    outcome = r.read_token()
    kind = r.take()
    return None if outcome is BROKEN else Disposition(kind, _params(r))


def transfer_encoding(value: bytes) -> bytes | None:
    """The encoding as written, None when something else stands in the field."""
    r = Reader(value)
    r.skip_lwsp()
    if r.read_token() is BROKEN or r.skip_lwsp() is not END:
        return None
    return r.take() or None


@remembered(256)
def mechanism(value: bytes) -> bytes:
    """The lower-case word by which a body is decoded, whatever may follow it in the field."""
    r = Reader(value)
    r.skip_lwsp()
    r.read_token()
    return r.take().lower()


@remembered(256)
def languages(value: bytes) -> tuple[bytes, ...]:
    """`1#Language-tag`, up to the first thing that is none."""
    r, found = Reader(value), []
    r.skip_lwsp()
    while r.read_atom() is not BROKEN:
        found.append(r.take())
        if r.peek() != b",":
            return tuple(found)
        r.pos += 1
        r.skip_lwsp()
    # The word before a comment that never ends still counts; nothing is collected for no word.
    return tuple(found)


def _param(r: Reader) -> tuple[Outcome, bytes, bytes]:
    """`";" attribute "=" value`; the value may also be a bare encoded word, which some senders write."""
    if r.here() is END:
        return END, b"", b""
    if r.peek() != b";":
        return BROKEN, b"", b""
    r.pos += 1
    if r.skip_lwsp() is not MORE or r.read_token() is not MORE or r.peek() != b"=":
        r.text.clear()
        return BROKEN, b"", b""
    name = r.take()
    r.pos += 1
    outcome = r.skip_lwsp()
    if outcome is MORE:
        if r.peek() == b'"':
            outcome = r.read_quoted_string()
        elif r.peek() == b"=":
            start = r.pos
            while r.pos < len(r.data) and r.data[r.pos] not in b"; \t\r\n":
                r.pos += 1
            r.text.append(r.data[start : r.pos])
        else:
            outcome = r.read_token()
    value = r.take()
    return (BROKEN if outcome is BROKEN else MORE), name, value


def _params(r: Reader) -> Params:
    found, cut = list[tuple[bytes, bytes]](), list[tuple[bytes, int, bool, bytes]]()
    for _ in range(_MAX_PARAMS):
        outcome, name, value = _param(r)
        if outcome is END:
            break
        if outcome is BROKEN:
            # Go on at the next octet; the attempts are counted with the parameters.
            if r.here() is END:
                break
            r.pos += 1
            continue
        if piece := _piece(name):
            cut.append((*piece, value))
        else:
            found.append((name, value))
    return tuple(found) if not cut else (*found, *_joined(cut))


# attribute "*" [section] ["*"]; the name is everything before the first star.
_numbered = re.compile(rb"([^*]*)\*(?:([0-9]*)(\*?))").fullmatch


def _piece(name: bytes) -> tuple[bytes, int, bool] | None:
    """Base name, number and whether it is percent-encoded, for a name with a star that RFC 2231 knows."""
    if b"*" not in name or not (found := _numbered(name)):
        return None
    base, number, star = found.groups()
    if not number and not star:
        return base, 0, True  # "name*": encoded, not cut
    return base, int(number or b"0") & 0xFFFFFFFF, bool(star)


def _joined(cut: list[tuple[bytes, int, bool, bytes]]) -> Params:
    cut.sort(key=lambda piece: piece[:2])
    found = list[tuple[bytes, bytes]]()
    at = 0
    while at < len(cut):
        name = cut[at][0]
        group = [cut[at]]
        while at + len(group) < len(cut) and cut[at + len(group)][0].lower() == name.lower():
            group.append(cut[at + len(group)])
        at += len(group)
        if [number for _, number, _, _ in group] != list(range(len(group))):
            found += ((b"%b*%d%b" % (n, i, b"*" if encoded else b""), v) for n, i, encoded, v in group)
            continue
        if not any(encoded for _, _, encoded, _ in group):
            found.append((name, b"".join(v for *_, v in group)))
            continue
        head = b"" if group[0][2] else b"''"
        found.append((name + b"*", head + b"".join(v if e else v.replace(b"%", b"%25") for _, _, e, v in group)))
    return tuple(found)
