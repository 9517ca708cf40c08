"""Reads the key MIMEPART of SEARCH (draft-bosch-imap-search-mimepart §3)."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from doocot.imap.search_reader import FOREVER, Reader
from doocot.message.mimepart import (
    Child,
    How,
    Parent,
    PartAnd,
    PartBody,
    PartHeader,
    PartKey,
    PartNot,
    PartNumber,
    PartOr,
    PartParam,
    PartSent,
    PartText,
)
from doocot.wire.cursor import BadSyntax


def mimepart(r: Reader, depth: int) -> PartKey:
    """`"MIMEPART" SP mpart-key`: from the space on.

    `mpart-key = "NOT" SP mpart-key / "OR" SP mpart-key SP mpart-key / "(" mpart-key *(SP mpart-key) ")" / "PARENT" SP
    ("EXISTS" / mpart-key) / "CHILD" SP ("EXISTS" / mpart-key) / a key of the tables below with its arguments`
    """
    r.c.sp()
    return _key(r, depth)


def _key(r: Reader, depth: int) -> PartKey:
    c = r.c
    r.enter(depth)
    if c.take(b"("):
        c.try_sp()
        keys = [_key(r, depth + 1)]
        while c.try_sp() and not c.at_end() and not c.at(b")"):
            keys.append(_key(r, depth + 1))
        c.close_paren()
        return keys[0] if len(keys) == 1 else PartAnd(tuple(keys))
    begin = c.position
    name = c.keyword()
    if name in _KEYS:
        return _KEYS[name](r)
    if name == b"NOT":
        c.sp()
        return PartNot(_key(r, depth + 1))
    if name == b"OR":
        c.sp()
        one = _key(r, depth + 1)
        c.sp()
        return PartOr((one, _key(r, depth + 1)))
    if name in (b"PARENT", b"CHILD"):
        c.sp()
        relation = Parent if name == b"PARENT" else Child
        return relation(None if _takes_exists(r) else _key(r, depth + 1))
    raise BadSyntax(f"unknown key of MIMEPART {name.decode('ascii')}", begin)


def _takes_exists(r: Reader) -> bool:
    end = r.c.position + len(b"EXISTS")
    found = r.c.text[r.c.position : end].upper() == b"EXISTS" and r.c.text[end : end + 1] in (b"", b" ", b")")
    if found:
        r.c.position = end
    return found


def _text(name: bytes, how: How) -> Callable[[Reader], PartKey]:
    return lambda r: PartText(name, how, r.key())


def _md5(r: Reader) -> PartKey:
    return PartText(b"MD5", How.IS, r.c.sp().astring())  # base64: letters of either case are different


def _word(r: Reader, *words: bytes) -> bytes:
    """One of the words."""
    begin = r.c.position
    word = r.c.keyword()
    if word not in words:
        raise BadSyntax(f"{', '.join(one.decode('ascii') for one in words)} was expected", begin)
    return word


def _filename(r: Reader) -> PartKey:
    r.c.sp()
    how = How(_word(r, b"IS", b"CONTAINS", b"BEGINS", b"ENDS").decode("ascii"))
    return PartText(b"FILENAME", how, r.key())


def _param(r: Reader, *, of_disposition: bool = False) -> PartKey:
    name = r.c.sp().astring().lower()
    return PartParam(of_disposition, name, r.key())


def _disposition(r: Reader) -> PartKey:
    r.c.sp()
    if _word(r, b"TYPE", b"PARAM") == b"TYPE":
        return PartText(b"DISPOSITION", How.IS, r.key())
    return _param(r, of_disposition=True)


def _header(r: Reader) -> PartKey:
    name = r.c.sp().astring().lower()
    return PartHeader(name, r.key())


def _number(name: bytes, less: bytes, more: bytes, *, itself: bool) -> Callable[[Reader], PartKey]:
    """A number, or one of two words and a number: below or above it, with `itself` also that."""

    def read(r: Reader) -> PartKey:
        c = r.c.sp()
        if c.text[c.position : c.position + 1].isdigit():
            number = c.number64()
            return PartNumber(name, number, number + 1)
        word = _word(r, less, more)
        number = c.sp().number64()
        if word == less:
            return PartNumber(name, 0, number + itself)
        return PartNumber(name, number + (not itself), FOREVER)

    return read


def _index(r: Reader) -> PartKey:
    number = r.c.sp().nz_number()
    return PartNumber(b"INDEX", number, number + 1)


def _sent_on(r: Reader) -> PartKey:
    day = r.day()
    return PartSent(day, day + 1)


_KEYS: Final[Mapping[bytes, Callable[[Reader], PartKey]]] = MappingProxyType(
    {
        **{name: _text(name, How.IS) for name in (b"TYPE", b"SUBTYPE", b"ENCODING", b"ID", b"LANGUAGE", b"LOCATION")},
        **{
            name: _text(name, How.CONTAINS)
            for name in (
                *(b"DESCRIPTION", b"SUBJECT", b"FROM", b"SENDER", b"REPLY-TO", b"TO", b"CC", b"BCC"),
                *(b"IN-REPLY-TO", b"MESSAGE-ID"),
            )
        },
        b"BODY": lambda r: PartBody(r.key(), False),
        b"DEPTH": _number(b"DEPTH", b"MAX", b"MIN", itself=True),
        b"DISPOSITION": _disposition,
        b"FILENAME": _filename,
        b"HEADER": _header,
        b"INDEX": _index,
        b"MD5": _md5,
        b"PARAM": _param,
        b"SENTBEFORE": lambda r: PartSent(-FOREVER, r.day()),
        b"SENTON": _sent_on,
        b"SENTSINCE": lambda r: PartSent(r.day(), FOREVER),
        b"SIZE": _number(b"SIZE", b"SMALLER", b"LARGER", itself=False),
        b"TEXT": lambda r: PartBody(r.key(), True),
    }
)
