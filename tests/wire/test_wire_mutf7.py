"""Modified UTF-7: RFC 3501 §5.1.3."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doocot.wire import mutf7

PAIRS = [
    ("~peter/mail/台北/日本語", b"~peter/mail/&U,BTFw-/&ZeVnLIqe-"),  # RFC 3501 §5.1.3
    ("INBOX", b"INBOX"),
    ("", b""),
    ("R&D", b"R&-D"),
    ("&&", b"&-&-"),
    ("é", b"&AOk-"),
    ("é&é", b"&AOk-&-&AOk-"),
    ("Entwürfe", b"Entw&APw-rfe"),
    ("\U0001f54a", b"&2D3dSg-"),
    ("a\tb\x7f", b"a&AAk-b&AH8-"),
    ("-é-", b"-&AOk--"),
]


@pytest.mark.parametrize(("name", "encoded"), PAIRS)
def test_names_and_their_encoding(name: str, encoded: bytes) -> None:
    assert mutf7.encode(name) == encoded
    assert mutf7.decode(encoded) == name


@pytest.mark.parametrize(
    "encoded",
    [
        b"&",
        b"a&b",
        b"&AOk",
        b"&AGE-",  # the letter a needs no encoding
        b"&AOkAYQ-",  # nor behind é
        b"&AOk-&AOk-",  # one run in two: RFC 3501 §5.1.3 forbids the null shift
        b"&ACY-",  # & is &-
        b"&AOl-",  # bits behind the last character
        b"&AOkA-",
        b"&AO-",
        b"&A-",
        b"&AOk=-",
        b"&AO/-",
        b"&2D0-",  # half a surrogate pair
        b"&3UrYPQ-",
        b"&A\xe9k-",
        b"caf\xc3\xa9",
        b"a\tb",
        b"a\0b",
        b"a\x7f",
        b"&-&",
        b"& -",
    ],
)
def test_any_other_encoding_is_refused(encoded: bytes) -> None:
    with pytest.raises(ValueError, match="modified UTF-7"):
        mutf7.decode(encoded)


def test_half_a_surrogate_pair_has_no_encoding() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        mutf7.encode("a\ud800")


@given(st.text(max_size=50))
def test_every_name_comes_back(name: str) -> None:
    encoded = mutf7.encode(name)
    assert mutf7.decode(encoded) == name
    assert all(0x20 <= byte < 0x7F for byte in encoded)


@given(st.binary(max_size=30) | st.text(alphabet="&-,+ABCOUkw2D3", max_size=14).map(str.encode))
def test_bytes_are_refused_or_come_back(encoded: bytes) -> None:
    try:
        name = mutf7.decode(encoded)
    except ValueError:
        return
    assert mutf7.encode(name) == encoded


def test_names_too_long_to_cache_are_the_same() -> None:
    name = "é&x" * mutf7.CACHED_LENGTH
    assert mutf7.decode(mutf7.encode(name)) == name
