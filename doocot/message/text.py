"""Where SEARCH BODY and SEARCH TEXT look (RFC 3501 §6.4.4), and the looking itself.

BODY looks into the parts that are text or messages, TEXT also into every header; other parts, prologues and epilogues
are not text to anybody. Positions are kept as a fact of the message and are those of the file as it is, before its line
ends are made CRLF, so that a search reads the file and needs nothing else.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator

from doocot.message.charset import decode, decode_header
from doocot.message.collation import UNICODE_CASEMAP, Collation
from doocot.message.decode import tolerant
from doocot.message.mime import content_type, mechanism
from doocot.message.scan import LINE_END, Kind, Part, crlf

HEADER = b"header"
_CR = ord("\r")
_TEXT, _MULTIPART = Kind.TEXT, Kind.MULTIPART
_ENCODED = frozenset((b"base64", b"quoted-printable"))
_READABLE = frozenset((b"7bit", b"8bit", b"binary", b"base64", b"quoted-printable"))
_fold = re.compile(rb"\r?\n[ \t]")
_bare_lf = re.compile(rb"(?<!\r)\n").finditer
# Charsets in which an octet below 128 may be something else than ASCII.
_NOT_ASCII = frozenset((b"utf-7", b"hz-gb-2312", b"hz", b"cp037", b"cp500", b"ebcdic-us"))
_NOT_ASCII_FAMILIES = (b"utf-16", b"utf-32", b"iso-2022")

TextPart = tuple[int, int, bytes, bytes]
"""Offset, length, encoding (HEADER for a header, empty where nothing is to be decoded), charset."""


def text_parts(part: Part) -> list[TextPart]:
    """The stretches to look in, headers and bodies in their order, in offsets of the scanned data."""
    found: list[_Stretch] = []
    _collect(part, found)
    return [(start, end - start, encoding, charset) for start, end, _, encoding, charset in found]


def file_text_parts(part: Part, raw: bytes, data: bytes) -> list[TextPart]:
    """The same in offsets of the file `raw`, of which `data`, the form with CRLF line ends, was scanned."""
    if len(raw) == len(data):
        return text_parts(part)
    stretches: list[_Stretch] = []
    _collect(part, stretches)
    found: list[TextPart] = []
    if _CR in raw:
        # Where on the wire a CR stands that the file has not.
        added = [bare.start() + before for before, bare in enumerate(_bare_lf(raw))]
        for start, end, _, encoding, charset in stretches:
            begin = start - bisect_left(added, start)
            found.append((begin, end - bisect_left(added, end) - begin, encoding, charset))
        return found
    at = before = 0
    for start, end, lines, encoding, charset in stretches:
        if start > at:
            before += data.count(LINE_END, at, start)
        if lines < 0:
            lines = data.count(LINE_END, start, end)
        found.append((start - before, end - start - lines, encoding, charset))
        at = end
        before += lines
    return found


_Stretch = tuple[int, int, int, bytes, bytes]  # start, end, lines or -1, encoding, charset


def _collect(part: Part, found: list[_Stretch]) -> None:
    start, body, end, lines, kind, head, children = part
    found.append((start, body, -1, HEADER, b""))
    if children or kind is _MULTIPART:
        for child in children:
            _collect(child, found)
        return
    typed = last = head.content_type
    types = head.fields.get(b"content-type")
    if types and len(types) > 1:
        # Structure goes by the first of several types. Whether it is text goes by the last, as in Dovecot.
        last = content_type(types[-1])
    if body == end or not (last is None or last.media.startswith((b"text/", b"message/"))):
        return
    encoding = b""
    if encodings := head.fields.get(b"content-transfer-encoding"):
        encoding = mechanism(encodings[-1])
        if encoding not in _READABLE:
            return
        if encoding not in _ENCODED:
            encoding = b""
    charset = (typed and typed.param(b"charset")) or b"utf-8"
    found.append((body, end, lines if kind is _TEXT else -1, encoding, charset))


def search_text(
    raw: bytes, parts: Iterable[TextPart], key: bytes, with_headers: bool, by: Collation = UNICODE_CASEMAP
) -> bool:
    """Whether the file has the key (as `by` makes it) in its bodies, or with_headers in its headers too."""
    for offset, length, encoding, charset in parts:
        octets = raw[offset : offset + length]
        if encoding == HEADER:
            if with_headers and key in _header_key(crlf(octets) if b"\n" in key else octets, by):
                return True
            continue
        if encoding:
            octets = tolerant(octets, encoding)
        if octets.isascii() and _is_ascii_superset(charset):
            if key in by.ascii_key(octets):
                return True
        elif key in by.key(decode(octets, charset)):
            return True
    return False


def texts_of(raw: bytes, parts: Iterable[TextPart], with_headers: bool) -> Iterator[str]:
    """The texts that `search_text` looks into, in Unicode."""
    for offset, length, encoding, charset in parts:
        octets = raw[offset : offset + length]
        if encoding == HEADER:
            if with_headers:
                yield decode_header(_unfolded(octets))
            continue
        yield decode(tolerant(octets, encoding) if encoding else octets, charset)


def _header_key(block: bytes, by: Collation) -> bytes:
    if block.isascii() and b"=?" not in block:
        return by.ascii_key(block if b"\n " not in block and b"\n\t" not in block else _unfolded(block))
    return by.key(decode_header(_unfolded(block)))


def _unfolded(block: bytes) -> bytes:
    """Folds are searched as the one space they stand for."""
    return _fold.sub(b" ", block)


def _is_ascii_superset(charset: bytes) -> bool:
    name = charset.lower()
    return name not in _NOT_ASCII and not name.startswith(_NOT_ASCII_FAMILIES)
