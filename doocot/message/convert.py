"""Conversions of CONVERT (RFC 5259): text/plain into other charsets, text/html into text/plain.

An error is a value, as one part that cannot be converted says nothing of the others (§9).
"""

import re
from dataclasses import dataclass
from typing import Final

from doocot.errors import MailError
from doocot.message.charset import known_codec
from doocot.message.html import html_text
from doocot.message.scan import Kind, Part
from doocot.message.sections import binary, find

PLAIN: Final = b"text/plain"
CHARSET: Final = b"charset"
REPLACEMENT: Final = b"unknown-character-replacement"
PARAMETERS: Final = (CHARSET, REPLACEMENT)
CONVERSIONS: Final = ((PLAIN, PLAIN), (b"text/html", PLAIN))  # source, target

MAX_PLAIN: Final = 4 << 20  # octets of a source; half a second
MAX_HTML: Final = 512 << 10
MAX_REPLACEMENT: Final = 8  # octets
DEFAULT_CHARSET: Final = b"utf-8"

_media = re.compile(rb"[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127}").fullmatch
_charset = re.compile(rb"[A-Za-z0-9_.:+-]{1,64}").fullmatch

Parameters = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Target:
    """`convert-params`: the lower-case media type, None for the default conversion, and what it shall be like."""

    media: bytes | None
    parameters: Parameters = ()


@dataclass(frozen=True, slots=True)
class Converted:
    """A part after its conversion; its type is PLAIN."""

    octets: bytes
    charset: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """`converterror-phrase` with BADPARAMETERS (§9): without a `source` there is no such part."""

    text: bytes
    source: bytes | None
    target: bytes
    parameters: Parameters = ()


def available(part: Part, path: tuple[int, ...], target: Target) -> bytes | Refused:
    """The media type that the part would get, by what its header says and the parameters alone."""
    wanted = target.media or PLAIN
    found = find(part, path)
    if found is None:
        return Refused(b"There is no such body part", None, wanted)
    source = _source(found) if path else b"message/rfc822"
    if (source, wanted) not in CONVERSIONS:
        return Refused(b"There is no such conversion", source, wanted)
    unknown = tuple(pair for pair in target.parameters if pair[0] not in PARAMETERS)
    if unknown:
        return Refused(b"Unknown conversion parameters", source, wanted, unknown)
    given = dict(target.parameters)
    charset = given.get(CHARSET, DEFAULT_CHARSET)
    codec = known_codec(charset) if _charset(charset) else None
    if codec is None:
        return Refused(b"Unknown charset", source, wanted, ((CHARSET, charset),))
    replacement = given.get(REPLACEMENT, b"")
    if not _is_encodable(replacement, codec):
        return Refused(
            b"The replacement is longer than %d octets or not in the charset" % MAX_REPLACEMENT,
            source,
            wanted,
            ((REPLACEMENT, replacement),),
        )
    return wanted


def convert(data: bytes, part: Part, path: tuple[int, ...], target: Target) -> Converted | Refused:
    """The part of a scanned message, converted. Takes up to half a second."""
    wanted = available(part, path, target)
    if isinstance(wanted, Refused):
        return wanted
    found = find(part, path)
    assert found is not None
    source = _source(found)
    is_html = source != PLAIN
    if found.end - found.body > (MAX_HTML if is_html else MAX_PLAIN):
        return Refused(b"The body part is too large to be converted", source, wanted)
    declared = found.content_type.param(CHARSET) if found.content_type is not None else None
    codec = known_codec(declared or DEFAULT_CHARSET)
    if codec is None:
        return Refused(b"The body part is in an unknown charset", source, wanted)
    try:
        octets = binary(data, part, path) or b""
    except MailError:
        return Refused(b"The body part cannot be decoded", source, wanted)
    # US-ASCII is often said where it is not so.
    text = octets.decode("utf-8" if codec in ("ascii", "us-ascii") else codec, "replace")
    if is_html:
        text = html_text(text, MAX_HTML).replace("\n", "\r\n")
    given = dict(target.parameters)
    charset = given.get(CHARSET, DEFAULT_CHARSET)
    encoded = _encoded(text, known_codec(charset) or "utf-8", given.get(REPLACEMENT))
    if encoded is None:
        return Refused(b"The body part has characters that are not in the charset", source, wanted, target.parameters)
    return Converted(encoded, charset)


def _source(part: Part) -> bytes:
    """`from-concrete-mime-type`; one that could not be written so is unknown octets."""
    if part.kind is Kind.MESSAGE:
        return b"message/rfc822"
    if part.content_type is None:
        return PLAIN
    media = part.content_type.media
    return media if _media(media) else b"application/octet-stream"


def _is_encodable(replacement: bytes, codec: str) -> bool:
    try:
        replacement.decode("utf-8").encode(codec)
    except UnicodeError:
        return False
    return len(replacement) <= MAX_REPLACEMENT


def _encoded(text: str, codec: str, replacement: bytes | None) -> bytes | None:
    """The text in another charset; None when it has characters that are not in it and nothing replaces them."""
    try:
        return text.encode(codec)
    except UnicodeError:
        if replacement is None:
            return None
    other = replacement.decode("utf-8")
    table = {ord(char): other for char in set(text) if not _has(codec, char)}
    return text.translate(table).encode(codec)


def _has(codec: str, char: str) -> bool:
    try:
        char.encode(codec)
    except UnicodeError:
        return False
    return True
