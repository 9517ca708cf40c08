"""LIST patterns against a slow and obvious matcher."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doocot.mailbox.patterns import compiled

NAMES = st.text("ab./", max_size=12)
PATTERNS = st.text("ab./%*", max_size=10)


def fits(pattern: str, name: str, separator: str) -> bool:
    """RFC 3501 §6.3.8, word for word."""
    if not pattern:
        return not name
    if pattern[0] not in "%*":
        return name[:1] == pattern[0] and fits(pattern[1:], name[1:], separator)
    if fits(pattern[1:], name, separator):
        return True
    return bool(name) and (pattern[0] == "*" or name[0] != separator) and fits(pattern, name[1:], separator)


@given(PATTERNS, NAMES, st.sampled_from("./"))
def test_pattern_fits_what_the_rfc_says(pattern: str, name: str, separator: str) -> None:
    assert compiled(pattern, separator).matches(name, separator) == fits(pattern, name, separator)


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("inbox", "INBOX", True),
        ("i*", "INBOX", True),
        ("*x", "INBOX", True),
        ("inbox.*", "INBOX.Kid", True),
        ("i*", "INBOX.Kid", True),
        ("inbox.kid", "INBOX.Kid", False),
        ("%.KID", "INBOX.Kid", False),
        ("inbox*", "INBOXES", False),
        ("a[b", "a[b", True),
        ("a\n*", "a\nb", True),
        ("Sent", "sent", False),
    ],
)
def test_pattern_takes_only_inbox_in_any_case(pattern: str, name: str, expected: bool) -> None:
    assert compiled(pattern, ".").matches(name, ".") is expected


def test_pattern_with_many_wildcards_stays_fast() -> None:
    hostile = compiled("*a" * 40 + "%a" * 40 + "b", ".")
    started = time.perf_counter()
    assert not hostile.matches("a" * 4000, ".")
    assert time.perf_counter() - started < 2
