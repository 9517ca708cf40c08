"""The protocols that a TLS client offers, read from its ClientHello before TLS begins (RFC 7301 §3.1, RFC 8446 §4).

A library that is asked to choose one of them goes on without a protocol when none fits, and does not tell what was
offered. RFC 7301 §3.2 wants an alert then: a browser that was led here must not find a server (the ALPACA attack).
"""

from collections.abc import Iterator
from typing import Final

HEADER: Final = 5  # type, version, length of a record (RFC 8446 §5.1)
MAX_RECORD: Final = HEADER + (1 << 14)
NO_APPLICATION_PROTOCOL: Final = bytes((21, 3, 3, 0, 2, 2, 120))  # a fatal alert (RFC 7301 §3.2)
_HANDSHAKE: Final = 22
_CLIENT_HELLO: Final = 1
_BEFORE_SESSION_ID: Final = HEADER + 4 + 2 + 32  # type and length of the message, version, random
_ALPN: Final = 16


def record_length(data: bytes) -> int:
    """How many bytes are needed to read the first record, or its header when that is not there yet.

    For what is no handshake record it is 0: whoever speaks TLS will say what is wrong with it.
    """
    if len(data) < HEADER:
        return HEADER
    length = HEADER + int.from_bytes(data[3:HEADER], "big")
    return length if data[0] == _HANDSHAKE and length <= MAX_RECORD else 0


def offered_protocols(record: bytes) -> tuple[bytes, ...]:
    """The names in the ALPN extension; () without one, and for what is no whole ClientHello in one record."""
    if record[HEADER : HEADER + 1] != bytes((_CLIENT_HELLO,)):
        return ()
    at = _BEFORE_SESSION_ID
    for size in (1, 2, 1):  # session id, cipher suites, compression methods: each a length of that size and the bytes
        at += size + int.from_bytes(record[at : at + size], "big")
    at += 2  # the length of all extensions
    while at + 4 <= len(record):
        kind, length = int.from_bytes(record[at : at + 2], "big"), int.from_bytes(record[at + 2 : at + 4], "big")
        at += 4
        if kind == _ALPN:
            return tuple(_names(record[at + 2 : at + length]))
        at += length
    return ()


def _names(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        yield data[at + 1 : at + 1 + data[at]]
        at += 1 + data[at]
