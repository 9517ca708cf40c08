"""Values as the bytes of IMAP responses; RFC 3501 §4 (data formats) and §7 (responses)."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from doocot.wire import mutf7

_ASTRING: Final = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]+")
_QUOTABLE: Final = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-\x7f]*")
_QUOTABLE_UTF8: Final = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-\xff]*")
_UNQUOTABLE: Final = re.compile(rb"[\0\r\n]")
_LINE_BREAKS: Final = bytes.maketrans(b"\0\r\n", b"   ")


def quoted(value: bytes) -> bytes:
    """`quoted`. ValueError for CR, LF and NUL, which cannot be quoted; 8-bit bytes are the caller's (RFC 6855 §3)."""
    if _UNQUOTABLE.search(value):
        raise ValueError("CR, LF and NUL cannot stand in a quoted string")
    if b'"' in value or b"\\" in value:
        value = value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b'"%b"' % value


def literal(value: bytes) -> bytes:
    """`literal`, which can hold everything but NUL."""
    return b"{%d}\r\n%b" % (len(value), value)


def string(value: bytes, utf8: bool = False) -> bytes:
    """`string`: quoted where that is possible, else a literal. With `utf8` UTF-8 is quoted too (RFC 6855 §3)."""
    return quoted(value) if (_QUOTABLE_UTF8 if utf8 else _QUOTABLE).fullmatch(value) else literal(value)


def astring(value: bytes, utf8: bool = False) -> bytes:
    """`astring`: an atom where that is possible, and never one that reads as NIL; else as `string`."""
    if _ASTRING.fullmatch(value) and value.upper() != b"NIL":
        return value
    return string(value, utf8)


def nstring(value: bytes | None) -> bytes:
    """`nstring`."""
    return b"NIL" if value is None else string(value)


@lru_cache(maxsize=4096)
def mailbox(name: str, utf8: bool = False) -> bytes:
    """`mailbox`: in modified UTF-7, or with `utf8` (RFC 6855 §3, RFC 9051 §5.1) in UTF-8."""
    return astring(name.encode("utf-8"), utf8=True) if utf8 else astring(mutf7.encode(name))


def flag_list(flags: Iterable[bytes]) -> bytes:
    """`flag-list`: the flags as they are, in parentheses."""
    return b"(%b)" % b" ".join(flags)


def tagged(tag: bytes, condition: bytes, text: str | bytes, code: bytes | None = None) -> bytes:
    """`resp-cond-state` with its tag: `a1 OK [READ-WRITE] Select completed.`; the tag `*` gives an untagged one.

    `code` is without its brackets. Whatever the text is, the response stays one line of ASCII.
    """
    human = _resp_text(text)
    if code is None:
        return b"%b %b %b\r\n" % (tag, condition, human)
    return b"%b %b [%b] %b\r\n" % (tag, condition, code, human)


def untagged(data: bytes) -> bytes:
    """Untagged `response-data`: `* 5 EXISTS`."""
    return b"* %b\r\n" % data


def continuation(text: str | bytes = b"OK") -> bytes:
    """`continue-req`: `+ OK`; base64 of a mechanism goes here too."""
    return b"+ %b\r\n" % _resp_text(text)


def _resp_text(text: str | bytes) -> bytes:
    if isinstance(text, str):
        text = text.encode("ascii", "replace")
    return text.translate(_LINE_BREAKS)
