"""Message sets: RFC 3501 §9 (sequence-set), RFC 5182 §2 ($), and lists of numbers in answers."""

from itertools import pairwise

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doocot.wire.numset import (
    MAX_NUMBER,
    MAX_RANGES,
    SAVED,
    STAR,
    VECTOR_FROM,
    NumSet,
    Range,
    format_list,
    format_numbers,
    format_ranges,
    merge_ranges,
    parse_num_set,
)


def numbers_of(ranges: tuple[Range, ...]) -> list[int]:
    return [number for low, high in ranges for number in range(low, high + 1)]


def test_sequence_set_of_rfc3501() -> None:
    """RFC 3501 §9: the example `2,4:7,9,12:*` in a mailbox of 15 messages."""
    numbers = parse_num_set(b"2,4:7,9,12:*").resolve(15)
    assert numbers_of(numbers) == [2, 4, 5, 6, 7, 9, 12, 13, 14, 15]


def test_overlapping_set_of_rfc3501() -> None:
    """RFC 3501 §9: `*:4,5:7` in a mailbox of 10 may be sent as 10:4,5:7."""
    assert parse_num_set(b"*:4,5:7").resolve(10) == ((4, 10),)


@pytest.mark.parametrize(
    ("text", "largest", "resolved"),
    [
        (b"1", 3, ((1, 1),)),
        (b"1:*", 3, ((1, 3),)),
        (b"*", 3, ((3, 3),)),
        (b"*:*", 3, ((3, 3),)),
        (b"*:1", 3, ((1, 3),)),
        (b"3:*", 3, ((3, 3),)),
        (b"5:*", 3, ((3, 5),)),
        (b"5", 3, ((5, 5),)),
        (b"4:2", 9, ((2, 4),)),
        (b"1,2,3", 9, ((1, 3),)),
        (b"3,1,2,1", 9, ((1, 3),)),
        (b"5:9,1:2,4,7:12", 20, ((1, 2), (4, 12))),
        (b"1:*", 0, ()),
        (b"*", 0, ()),
        (b"1,*", 0, ((1, 1),)),
        (b"5:*,9", 7, ((5, 7), (9, 9))),
        (b"007", 9, ((7, 7),)),
        (b"4294967295", 9, ((MAX_NUMBER, MAX_NUMBER),)),
        (b"$", 9, ()),
    ],
)
def test_a_set_resolves(text: bytes, largest: int, resolved: tuple[Range, ...]) -> None:
    assert parse_num_set(text).resolve(largest) == resolved


@pytest.mark.parametrize(
    "text",
    [
        b"", b"0", b"1,0", b"0:*", b",", b"1,", b",1", b"1,,2", b":", b"1:", b":1", b"1:2:3", b"a", b"1 ", b" 1", b"-1",
        b"+1", b"1_0", b"**", b"$,1", b"$$", b"4294967296", b"1:4294967296", b"9" * 20, b"9" * 5000, b"1\n",
        b"\xb2", b"18446744073709551616",
    ],
)  # fmt: skip
def test_not_a_set(text: bytes) -> None:
    with pytest.raises(ValueError, match="message"):
        parse_num_set(text)


def test_saved_result_is_its_own_set() -> None:
    assert parse_num_set(b"$") == SAVED == NumSet((), saved=True)


def test_number_of_ranges_has_a_bound() -> None:
    text = b",".join([b"1"] * MAX_RANGES)
    assert len(parse_num_set(text).ranges) == MAX_RANGES
    with pytest.raises(ValueError, match=f"more than {MAX_RANGES} ranges"):
        parse_num_set(text + b",1")


END = st.integers(1, 40) | st.just(STAR)
RANGES = st.lists(st.tuples(END, END), min_size=1, max_size=12)


@given(RANGES)
def test_what_is_formatted_is_parsed_as_it_was(ranges: list[Range]) -> None:
    ordered = tuple((min(ends), max(ends)) for ends in ranges)
    assert parse_num_set(format_ranges(ranges)) == NumSet(ordered)


@given(RANGES, st.integers(1, 50))
def test_resolved_ranges_are_sorted_disjoint_and_the_same_numbers(ranges: list[Range], largest: int) -> None:
    resolved = NumSet(tuple((min(ends), max(ends)) for ends in ranges)).resolve(largest)
    wanted: set[int] = set()
    for ends in ranges:
        low, high = sorted(largest if end == STAR else end for end in ends)
        wanted.update(range(low, high + 1))
    assert numbers_of(resolved) == sorted(wanted)
    assert merge_ranges(resolved) == resolved
    assert all(left[1] + 1 < right[0] for left, right in pairwise(resolved))


@pytest.mark.parametrize(
    ("numbers", "text"),
    [([], b""), ([7], b"7"), ([1, 2], b"1:2"), ([1, 2, 3, 5], b"1:3,5"), ([1, 3], b"1,3"), ([2, 8, 9], b"2,8:9")],
)
def test_numbers_are_written_as_ranges(numbers: list[int], text: bytes) -> None:
    assert format_numbers(numbers) == text
    assert format_numbers(numpy.array(numbers, dtype=numpy.uint32)) == text
    assert format_numbers(tuple(numbers)) == text


@given(st.sets(st.integers(1, 3000) | st.integers(MAX_NUMBER - 40, MAX_NUMBER), min_size=1))
def test_numbers_come_back(numbers: set[int]) -> None:
    ordered = sorted(numbers)
    written = format_numbers(ordered)
    assert numbers_of(parse_num_set(written).resolve(1)) == ordered
    assert format_list(ordered) == b" ".join(b"%d" % number for number in ordered)


@pytest.mark.parametrize("kind", [numpy.uint32, numpy.int64, list])
@pytest.mark.parametrize("step", [1, 2, 3, 7, 10, 999_983])
def test_many_numbers_are_written_as_few_are(step: int, kind: type) -> None:
    """Above VECTOR_FROM another road is taken; it must lead to the same place."""
    ordered = [number for number in range(1, step * 3 * VECTOR_FROM, step) if number % 5 or number % 3 == 0]
    assert len(ordered) > VECTOR_FROM
    given_as = ordered if kind is list else numpy.array(ordered, dtype=kind)
    assert format_numbers(given_as) == format_ranges(merge_ranges((number, number) for number in ordered))
    assert format_list(given_as) == b" ".join(b"%d" % number for number in ordered)


def test_a_list_keeps_its_order() -> None:
    numbers = [900, 1, 70, 70, 4294967295, 10, 0]
    assert format_list(numbers) == b"900 1 70 70 4294967295 10 0"
    assert format_list(numbers * 200) == b" ".join([b"900 1 70 70 4294967295 10 0"] * 200)
    assert format_list([]) == b""
