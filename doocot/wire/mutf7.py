"""Modified UTF-7, the encoding of mailbox names on the wire; RFC 3501 §5.1.3.

Decoding is strict: a name has one encoding, and only that one is taken. So two spellings never name one mailbox, and
what a client sent comes back to it unchanged.
"""

import re
from binascii import Error, a2b_base64, b2a_base64
from functools import lru_cache
from typing import Final

CACHED_NAMES: Final = 4096
CACHED_LENGTH: Final = 1024  # longer names are not cached, which bounds the memory

_SHIFTED: Final = re.compile(r"[^\x20-\x7e]+|&")
_ENCODED: Final = re.compile(rb"&([A-Za-z0-9+,]*)-")
_TO_WIRE: Final = bytes.maketrans(b"/", b",")
_FROM_WIRE: Final = bytes.maketrans(b",", b"/")


def encode(name: str) -> bytes:
    """The name as it goes on the wire. ValueError when it holds half a surrogate pair."""
    return _encode_cached(name) if len(name) <= CACHED_LENGTH else _encode(name)


def decode(encoded: bytes) -> str:
    """The name that the bytes stand for. ValueError, which says what is wrong, unless they are its one encoding."""
    return _decode_cached(encoded) if len(encoded) <= CACHED_LENGTH else _decode(encoded)


def _encode(name: str) -> bytes:
    if "&" not in name and name.isascii() and name.isprintable():
        return name.encode("ascii")
    return _SHIFTED.sub(_encode_run, name).encode("ascii")


def _encode_run(run: re.Match[str]) -> str:
    text = run[0]
    if text == "&":
        return "&-"
    base64 = b2a_base64(text.encode("utf-16-be"), newline=False).rstrip(b"=").translate(_TO_WIRE)
    return f"&{base64.decode('ascii')}-"


def _decode(encoded: bytes) -> str:
    if not encoded.isascii():
        raise ValueError("the name has 8-bit bytes, which modified UTF-7 (RFC 3501 §5.1.3) does not allow")
    if b"&" not in encoded:
        name = encoded.decode("ascii")
    else:
        try:
            name = "".join(_decoded_pieces(encoded))
        except (Error, UnicodeDecodeError) as error:
            raise ValueError("the name has a broken &...- sequence (modified UTF-7, RFC 3501 §5.1.3)") from error
    if _encode(name) != encoded:
        raise ValueError("the name is not in the one form that modified UTF-7 (RFC 3501 §5.1.3) has for it")
    return name


def _decoded_pieces(encoded: bytes) -> list[str]:
    pieces = []
    at = 0
    for run in _ENCODED.finditer(encoded):
        pieces.append(encoded[at : run.start()].decode("ascii"))
        at = run.end()
        base64 = run[1].translate(_FROM_WIRE)
        utf16 = a2b_base64(base64 + b"=" * (-len(base64) % 4))
        pieces.append(utf16.decode("utf-16-be") if base64 else "&")
    pieces.append(encoded[at:].decode("ascii"))
    return pieces


_encode_cached = lru_cache(maxsize=CACHED_NAMES)(_encode)
_decode_cached = lru_cache(maxsize=CACHED_NAMES)(_decode)
