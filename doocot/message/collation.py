"""Comparators (RFC 4790): what texts are compared by in SEARCH, SORT and THREAD (RFC 5255 §4).

A text is found in another when its key is a part of the other's, and texts are ordered by the octets of their keys.
i;ascii-numeric is not among them: RFC 4790 §9.1 gives it no substrings.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from doocot.message.charset import decode_header, search_key, unfolded


@dataclass(frozen=True, slots=True)
class Collation:
    """`key` makes the key of a text; `ascii_key` does for octets that are ASCII."""

    name: bytes
    key: Callable[[str], bytes]
    ascii_key: Callable[[bytes], bytes]

    def header_key(self, value: bytes) -> bytes:
        """The key of a header value, with its encoded words decoded."""
        value = unfolded(value)
        if value.isascii() and b"=?" not in value:
            return self.ascii_key(value)
        return self.key(decode_header(value))


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "replace")


UNICODE_CASEMAP: Final = Collation(b"i;unicode-casemap", search_key, bytes.upper)  # RFC 5051
ASCII_CASEMAP: Final = Collation(b"i;ascii-casemap", lambda text: _octets(text).upper(), bytes.upper)  # RFC 4790 §9.2
OCTET: Final = Collation(b"i;octet", _octets, bytes)  # RFC 4790 §9.3

COLLATIONS: Final = (UNICODE_CASEMAP, ASCII_CASEMAP, OCTET)
