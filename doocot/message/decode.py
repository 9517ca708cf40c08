"""Takes content transfer encodings off (RFC 2045 §6): exactly for BINARY, as well as may be for searching.

`exact` refuses what the encoding does not allow, because a client that asks for BINARY[n] stores the result as the
attachment; `tolerant` is for text in which somebody looks for a word.
"""

import binascii
import re

from doocot.errors import Kind as ErrorKind
from doocot.errors import MailError

_INVALID = "Invalid data in MIME part"

# Quoted-printable lines hold 76 characters, so longer white space inside a line cannot have been meant (RFC 2045 §6.7).
_MAX_WHITE_SPACE = 76

_qp = re.compile(
    rb"=([0-9A-Fa-f]{2})|=[ \t]*\r\n|([ \t]+)(?:(?=\r\n)|\Z)|([ \t]{%d,})|([=\r])" % (_MAX_WHITE_SPACE + 1)
)
_OCTETS = {b"%02X" % n: bytes([n]) for n in range(256)}
_DIGITS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_BASE64 = bytes(octet for octet in range(256) if octet not in _DIGITS)


def exact(body: bytes, encoding: bytes) -> bytes:
    """The decoded octets of a body whose lower-case encoding is base64, quoted-printable or none."""
    match encoding:
        case b"base64":
            return _base64(body)
        case b"quoted-printable":
            return _qp.sub(_unquote, body)
        case _:
            return body


def tolerant(body: bytes, encoding: bytes) -> bytes:
    """The same as far as it can be decoded."""
    match encoding:
        case b"base64":
            digits = body.translate(None, _NOT_BASE64)
            # One digit alone at the end is less than an octet.
            digits = digits[: len(digits) - (len(digits) % 4 == 1)]
            return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))
        case b"quoted-printable":
            return binascii.a2b_qp(body)
        case _:
            return body


def _base64(body: bytes) -> bytes:
    clean = body.translate(None, b" \t\r\n")
    if len(clean) % 4:
        raise MailError(ErrorKind.PARSE, _INVALID, f"base64: {len(clean)} digits, which is no multiple of four")
    try:
        return binascii.a2b_base64(clean, strict_mode=True) if clean else b""
    except binascii.Error as error:
        raise MailError(ErrorKind.PARSE, _INVALID, f"base64: {error}") from error


def _unquote(found: re.Match[bytes]) -> bytes:
    octet, _, too_long, wrong = found.groups()
    if octet:
        return _OCTETS[octet.upper()]
    if wrong == b"\r" and found.string[found.end() : found.end() + 1] == b"\n":
        return wrong
    if too_long or wrong:
        raise MailError(ErrorKind.PARSE, _INVALID, f"quoted-printable: {found[0][:10]!r} at octet {found.start()}")
    return b""
