"""The PROXY header: both versions, whole and cut anywhere, and what is not one."""

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doocot.wire.proxy_header import (
    MAX_V1,
    SIGNATURE,
    ProxyHeader,
    ProxyHeaderError,
    header_length,
    parse_header,
)


def v2(command: int = 1, family: int = 0x11, body: bytes = b"") -> bytes:
    return SIGNATURE + struct.pack("!BBH", 0x20 | command, family, len(body)) + body


def tlv(kind: int, value: bytes) -> bytes:
    return struct.pack("!BH", kind, len(value)) + value


FOUR = socket.inet_aton("192.0.2.7") + socket.inet_aton("198.51.100.9") + struct.pack("!HH", 5555, 143)
SIX = bytes(15) + b"\1" + bytes(15) + b"\2" + struct.pack("!HH", 1, 2)
VERIFIED = tlv(0x20, struct.pack("!BI", 1, 0) + tlv(0x21, b"TLSv1.3") + tlv(0x22, b"tim"))
UNVERIFIED = tlv(0x20, struct.pack("!BI", 1, 1) + tlv(0x22, b"tim"))

GOOD = [
    (b"PROXY TCP4 192.0.2.7 198.51.100.9 5555 143\r\n", ProxyHeader("192.0.2.7", 5555, "198.51.100.9", 143)),
    (b"PROXY TCP6 ::1 2001:db8::2 1 65535\r\n", ProxyHeader("::1", 1, "2001:db8::2", 65535)),
    (b"PROXY UNKNOWN\r\n", ProxyHeader()),
    (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", ProxyHeader()),
    (v2(body=FOUR), ProxyHeader("192.0.2.7", 5555, "198.51.100.9", 143)),
    (v2(family=0x21, body=SIX), ProxyHeader("::1", 1, "::2", 2)),
    (v2(command=0, family=0), ProxyHeader()),
    (v2(family=0), ProxyHeader()),
    (
        v2(body=FOUR + tlv(0x02, b"mail.example") + VERIFIED),
        ProxyHeader("192.0.2.7", 5555, "198.51.100.9", 143, True, "mail.example", "tim"),
    ),
    (v2(body=FOUR + UNVERIFIED), ProxyHeader("192.0.2.7", 5555, "198.51.100.9", 143, True)),
]


@pytest.mark.parametrize(("data", "header"), GOOD)
def test_header_is_read(data: bytes, header: ProxyHeader) -> None:
    assert header_length(data) == len(data)
    assert header_length(data + b"\x16\x03\x01 and more") == len(data)
    assert parse_header(data) == header


@pytest.mark.parametrize(("data", "header"), GOOD)
def test_a_part_asks_for_more(data: bytes, header: ProxyHeader) -> None:
    for end in range(len(data)):
        length = header_length(data[:end])
        assert length is None or (length == len(data) and end >= 16)


@pytest.mark.parametrize(
    "data",
    [
        b"a LOGIN u p\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.9 5555\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.9 5555 65536\r\n",
        b"PROXY TCP4 ::1 ::1 1 1\r\n",
        b"PROXY TCP4 192.0.2.7  198.51.100.9 5555 143\r\n",
        b"PROXY TCP5 192.0.2.7 198.51.100.9 5555 143\r\n",
        b"PROXY " + b"x" * MAX_V1,
        v2(command=2),
        v2(body=FOUR[:-1]),
        v2(family=0x12, body=FOUR),
        v2(body=FOUR + b"\x20\xff\xff"),
        SIGNATURE + b"\x31\x11\0\0",
        SIGNATURE + b"\x21\x11\xff\xff",
    ],
)
def test_what_is_no_header_is_refused(data: bytes) -> None:
    with pytest.raises(ProxyHeaderError):
        parse_header(data[: header_length(data)])


@given(st.binary(max_size=200) | st.binary(max_size=100).map(lambda tail: SIGNATURE + tail))
def test_any_bytes_are_a_header_or_refused(data: bytes) -> None:
    try:
        length = header_length(data)
        if length is not None:
            parse_header(data[:length])
    except ProxyHeaderError:
        pass
