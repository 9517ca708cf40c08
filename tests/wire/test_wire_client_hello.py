"""ClientHello: what OpenSSL's client sends, cut and damaged in every way."""

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doocot.wire.client_hello import HEADER, offered_protocols, record_length


def hello(*protocols: str, name: str | None = "mail.example.org") -> bytes:
    """What a client sends first."""
    context = ssl.create_default_context()
    context.check_hostname = False
    if protocols:
        context.set_alpn_protocols(protocols)
    sent = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return sent.read()


HELLO = hello("imap")


@pytest.mark.parametrize("protocols", [(), ("imap",), ("h2", "http/1.1"), ("x" * 255, "imap")])
@pytest.mark.parametrize("name", [None, "mail.example.org"])
def test_offered_protocols(protocols: tuple[str, ...], name: str | None) -> None:
    data = hello(*protocols, name=name)
    assert offered_protocols(data) == tuple(each.encode() for each in protocols)
    assert record_length(data) == len(data)


def test_record_length_of_what_is_there_so_far() -> None:
    data = hello("imap")
    for end in range(len(data)):
        assert record_length(data[:end]) == (HEADER if end < HEADER else len(data))


@pytest.mark.parametrize(
    "data", [b"a NOOP\r\n", b"GET / HTTP/1.1\r\n", b"\x15\x03\x01\0\2\2\0", b"\x16\x03\x01\xff\xff"]
)
def test_no_hello_has_no_length(data: bytes) -> None:
    assert record_length(data) == 0


def test_half_a_hello_offers_nothing_that_is_wrong() -> None:
    data = hello("imap", "h2")
    for end in range(len(data)):
        assert set(offered_protocols(data[:end])) <= {b"imap", b"h2", b"ima", b"im", b"i", b"h", b""}


@given(st.integers(0, 500), st.binary(max_size=4))
def test_damaged_hello_is_read_without_a_fault(at: int, damage: bytes) -> None:
    data = HELLO[:at] + damage + HELLO[at + len(damage) :]
    assert isinstance(offered_protocols(data), tuple)


@given(st.binary(max_size=200))
def test_anything_is_read_without_a_fault(data: bytes) -> None:
    assert isinstance(offered_protocols(b"\x16\x03\x01\0\xc8\1" + data), tuple)
