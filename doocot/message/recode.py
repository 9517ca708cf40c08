"""Encoded words of a header in another charset (RFC 5259 §6, RFC 2047): CONVERT's BODY[HEADER] and BODY[n.MIME].

A word that cannot be decoded, or not be said in the other charset, is left as it is. Encoded words stay encoded words,
else structured fields might say something else. Parameters as in RFC 2231 are left as they are.
"""

import re
from binascii import b2a_base64
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Final

from doocot.message.charset import known_codec, word_octets

MAX_HEADER: Final = 256 << 10  # octets of a header in which words are looked for
_LENGTH: Final = 60  # of a word: with the name of most fields before it a line is below 78

_WORD = rb"=\?([^?\s]+)\?([qQbB])\?([^?\s]*)\?="
_words = re.compile(_WORD).findall
_run = re.compile(rb"%(w)b(?:(?:\r\n)?[ \t]+%(w)b)*" % {b"w": _WORD.replace(b"(", b"(?:")})
_PLAIN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/"
_QUOTED = tuple(bytes([octet]) if octet in _PLAIN else b"=%02X" % octet for octet in range(256))


def recoded(block: bytes, charset: bytes) -> bytes:
    """The header block with its encoded words in that charset, of which a codec is known."""
    codec = known_codec(charset) or "utf-8"
    return (
        _run.sub(lambda found: b"\r\n ".join(_recoded(found[0], charset, codec)), block[:MAX_HEADER])
        + (block[MAX_HEADER:])
    )


def _recoded(run: bytes, charset: bytes, codec: str) -> Iterator[bytes]:
    """The words of a run; those of one charset are read together, as some cut characters in two."""
    for source, words in groupby(_words(run), key=lambda word: word[0].lower()):
        same = list(words)
        known = known_codec(source)
        octets = b"".join([word_octets(encoding, text) for _, encoding, text in same])
        try:
            text = octets.decode(known) if known is not None else ""
            written = list(_written(text, charset, codec))
        except ValueError:
            written = []
        yield from written or [b"=?%b?%b?%b?=" % word for word in same]


def _written(text: str, charset: bytes, codec: str) -> Iterator[bytes]:
    """The text as encoded words, none longer than a line. Raises ValueError when the charset does not have it."""
    is_quoted = 2 * sum(map(str.isascii, text)) > len(text)
    letter, encode = (b"Q", _quote) if is_quoted else (b"B", _base64)
    room = max(_LENGTH - len(charset) - len("=??Q??="), 12)
    for octets in _cut(text, codec, encode, room):
        yield b"=?%b?%b?%b?=" % (charset, letter, encode(octets))


def _cut(text: str, codec: str, encode: Callable[[bytes], bytes], room: int) -> Iterator[bytes]:
    """The text in that charset in pieces of whole characters, each of which is encoded in `room`."""
    piece, last = "", b""
    for char in text:
        longer = (piece + char).encode(codec)
        if piece and len(encode(longer)) > room:
            yield last
            piece, longer = "", char.encode(codec)
        piece, last = piece + char, longer
    if piece:
        yield last


def _quote(octets: bytes) -> bytes:
    return b"".join([_QUOTED[octet] for octet in octets]).replace(b"=20", b"_")


def _base64(octets: bytes) -> bytes:
    return b2a_base64(octets, newline=False)
