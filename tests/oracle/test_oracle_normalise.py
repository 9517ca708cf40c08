"""The comparison must see what differs and pass over what is free."""

import pytest

from tests.oracle.allowed import ALLOWED, Difference, remaining
from tests.oracle.normalise import fetch_items, normalise


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([b"t1 OK done"], [b"t7 OK finished (0.1 secs)."]),
        ([b"* 1 FETCH (UID 5 FLAGS (\\Seen a))", b"t OK"], [b"* 1 FETCH (FLAGS (a \\Seen) UID 5)", b"t OK"]),
        ([b"* SEARCH 1 2", b"t OK"], [b"* SEARCH 2 1", b"t OK"]),
        ([b"* 2 EXPUNGE", b"* 2 EXPUNGE", b"t OK"], [b"* 3 EXPUNGE", b"* 2 EXPUNGE", b"t OK"]),
        ([b'* LIST (\\A \\B) "." x', b"t OK"], [b'* LIST (\\b \\a) "." x', b"t OK"]),
        ([b"* 3 RECENT", b"t OK"], [b"t OK"]),
        ([b"t OK [COPYUID 99 1 1] x"], [b"t OK [COPYUID 98 1 1] x"]),
    ],
)
def test_oracle_takes_as_equal(one: list[bytes], other: list[bytes]) -> None:
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([b"t OK"], [b"t NO"]),
        ([b"t OK [READ-ONLY] x"], [b"t OK [READ-WRITE] x"]),
        ([b"* 1 FETCH (BODY[] {3}\r\na b)", b"t OK"], [b"* 1 FETCH (BODY[] {3}\r\nb a)", b"t OK"]),
        ([b'* 1 FETCH (BODY[TEXT] "")', b"t OK"], [b"* 1 FETCH (BODY[TEXT] NIL)", b"t OK"]),
        ([b"* SEARCH 1 2", b"t OK"], [b"* SEARCH 1", b"t OK"]),
        ([b"* 2 EXPUNGE", b"* 2 EXPUNGE", b"t OK"], [b"* 2 EXPUNGE", b"* 3 EXPUNGE", b"t OK"]),
        ([b'* LIST () "." x', b"t OK"], [b"t OK"]),
        ([b"t OK [COPYUID 99 1 1] x"], [b"t OK [COPYUID 99 1 2] x"]),
        ([b"* 1 FETCH (FLAGS (\\Seen))", b"t OK"], [b"* 1 FETCH (FLAGS ())", b"t OK"]),
    ],
)
def test_oracle_takes_as_different(one: list[bytes], other: list[bytes]) -> None:
    assert normalise(one) != normalise(other)


def test_oracle_fetch_items() -> None:
    data = b'BODY[HEADER.FIELDS (TO "X)Y")]<0> {4}\r\n) (" ENVELOPE ("a)\\"" NIL ({1}\r\n()) UID 1'
    assert fetch_items(data) == [
        (b'BODY[HEADER.FIELDS (TO "X)Y")]<0>', b'{4}\r\n) ("'),
        (b"ENVELOPE", b'("a)\\"" NIL ({1}\r\n())'),
        (b"UID", b"1"),
    ]


def test_oracle_allows_only_what_is_named() -> None:
    allowed = [Difference(rb"NOOP", rb"\A\* [AB]", rb"* AB", "RFC"), Difference(rb"NOOP", rb"\A\* C\Z", b"", "RFC")]
    assert remaining(b"NOOP", [b"* A 1", b"x"], [b"* B 1", b"* C", b"x"], allowed) == ([], [])
    assert remaining(b"NOOP", [b"* A 1"], [b"* B 2"], allowed) == ([b"* AB 1"], [b"* AB 2"])
    assert remaining(b"NOOP", [b"* A"], [], allowed) == ([b"* AB"], [])
    assert remaining(b"CHECK", [b"* A"], [b"* B"], allowed) == ([b"* A"], [b"* B"])


def test_oracle_every_difference_has_its_reason() -> None:
    assert all("RFC" in difference.reason or difference.reason.startswith("the same,") for difference in ALLOWED)
