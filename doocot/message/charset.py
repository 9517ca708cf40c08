"""Turns header words (RFC 2047) and text of any charset into Unicode, and Unicode into what SEARCH compares.

`search_key` is the i;unicode-casemap of RFC 5051 §2: simple title case, then full compatibility decomposition, so that
a search for `e` finds `E`, and `é` as well because that begins with an e. What cannot be decoded becomes U+FFFD; an
unknown charset is read as UTF-8, which keeps what is ASCII in it.
"""

import binascii
import re
import unicodedata

from doocot.message.decode import tolerant
from doocot.message.memo import remembered

_LF = ord("\n")
_word = re.compile(rb"=\?([^?]*)\?([qQbB])[^?]*\?([^?]*)\?=")
_only_space = re.compile(rb"[ \t\r\n]*").fullmatch
# A fold is searched as the one space it stands for, whatever white space it begins with.
_unfold = re.compile(rb"\r?\n[ \t]?").sub
_hex_octet = re.compile(rb"=([0-9A-Fa-f]{2})")
# Characters whose upper case is more than one character: these have no simple title case and stay as they are.
_many_upper = re.compile("[ßŉǰΐΰև\u1e96-\u1e9a\u1f50-\u1ffc\ufb00-\ufb17]")
# Python knows these as text encodings, but no mail is written in them, and some take quadratic time.
_NOT_FOR_MAIL = frozenset(("idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"))


@remembered(256)
def known_codec(charset: bytes) -> str | None:
    """The name of the Python codec for a charset (utf-8 for an empty one), None for one that is unknown."""
    name = charset.partition(b"*")[0].decode("ascii", "replace").strip().lower()
    if name.replace("-", "_") in _NOT_FOR_MAIL:
        return None
    try:
        b"".decode(name or "utf-8")
        b"a".decode(name or "utf-8", "replace")
    except (LookupError, ValueError):
        return None
    return name or "utf-8"


def decode(text: bytes, charset: bytes = b"utf-8") -> str:
    """The text in Unicode; never fails."""
    try:
        return text.decode(known_codec(charset) or "utf-8", "replace")
    except (LookupError, ValueError):
        return text.decode("utf-8", "replace")


def decode_header(value: bytes) -> str:
    """A header value with its encoded words decoded and the white space between two of them removed (RFC 2047 §6.2)."""
    if b"=?" not in value:
        return value.decode("utf-8", "replace")
    out, at, after_word = list[str](), 0, False
    for found in _word.finditer(value):
        between = value[at : found.start()]
        if not after_word or not _only_space(between):
            out.append(between.decode("utf-8", "replace"))
        charset, encoding, text = found.groups()
        out.append(decode(word_octets(encoding, text), charset))
        at, after_word = found.end(), True
    out.append(value[at:].decode("utf-8", "replace"))
    return "".join(out)


def word_octets(encoding: bytes, text: bytes) -> bytes:
    """The octets of an encoded word."""
    if encoding in b"bB":
        return tolerant(text, b"base64")
    text = text.replace(b"_", b" ")
    return _hex_octet.sub(lambda octet: binascii.unhexlify(octet[1]), text) if b"=" in text else text


def search_key(text: str) -> bytes:
    """What two texts are compared by; a part of a text has a part of its key."""
    if text.isascii():
        return text.upper().encode()
    if _many_upper.search(text):
        text = "".join([title if len(title := char.title()) == 1 else char for char in text])
    else:
        text = text.upper()
    return unicodedata.normalize("NFKD", text).encode("utf-8", "replace")


def unfolded(value: bytes) -> bytes:
    """A header value with each fold as the one space that it stands for."""
    return _unfold(b" ", value) if _LF in value else value


def header_key(value: bytes) -> bytes:
    """The search key of a header value."""
    if value.isascii() and value.find(b"=?") < 0:
        return _unfold(b" ", value).upper() if _LF in value else value.upper()
    return search_key(decode_header(unfolded(value)))
