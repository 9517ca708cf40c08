"""Gives binary content an encoding that a message file can hold: what literal8 brings (RFC 3516 §4.4).

A file has the line ends of the system, and a literal of BODY[] has no NULs, so of octets that are no text some would be
lost. A part that says `Content-Transfer-Encoding: binary` and has such octets is kept as base64 (the RFC allows the
server that), from which BINARY gives the octets again.
"""

import re
from base64 import encodebytes
from collections.abc import Iterable, Iterator

from doocot.message.header import with_encoding
from doocot.message.mime import mechanism
from doocot.message.scan import Part, scan

_FIELD = re.compile(rb"content-transfer-encoding[ \t]*:[^\r\n]*(?:\r?\n[ \t][^\r\n]*)?binary", re.IGNORECASE)
_NO_TEXT = re.compile(rb"\0|\r(?!\n)|(?<!\r)\n")
_OVERLAP = 256  # octets in which the field is found though it lies in two chunks


def may_be_binary(chunks: Iterable[bytes]) -> bool:
    """Whether a part of the message might say that it is binary."""
    before = b""
    for chunk in chunks:
        if _FIELD.search(before + chunk):
            return True
        before = (before + chunk)[-_OVERLAP:]
    return False


def without_binary(data: bytes) -> bytes:
    """The message with each binary part that a file cannot hold as base64; all the rest octet for octet."""
    out: list[bytes] = []
    at = 0
    for part in _leaves(scan(data)):
        values = part.header.get(b"content-transfer-encoding")
        body = data[part.body : part.end]
        if not values or mechanism(values[-1]) != b"binary" or not _NO_TEXT.search(body):
            continue
        lines = encodebytes(body).replace(b"\n", b"\r\n")
        if part.end < len(data):  # the line end before a boundary is the boundary's
            lines = lines.removesuffix(b"\r\n")
        out += (data[at : part.start], with_encoding(data[part.start : part.body], b"base64"), lines)
        at = part.end
    return b"".join((*out, data[at:])) if out else data


def _leaves(part: Part) -> Iterator[Part]:
    """The parts that have none inside, in the order in which they stand."""
    if not part.children:
        yield part
    for child in part.children:
        yield from _leaves(child)
