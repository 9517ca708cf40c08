"""Sets of message numbers and UIDs: `sequence-set` (RFC 3501 §9), `$` (RFC 5182 §2), and number lists in answers."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    import numpy

STAR: Final = 2**64  # `*`, larger than any number
MAX_NUMBER: Final = 2**32 - 1
MAX_RANGES: Final = 32_768
CACHED_SETS: Final = 1024
CACHED_LENGTH: Final = 256  # longer texts are not cached, which bounds the memory

VECTOR_FROM: Final = 500  # from so many numbers on numpy is faster, its import (0.2 s, once) apart
AT_ONCE: Final = 4096  # numbers that are formatted together

Range: TypeAlias = tuple[int, int]
Numbers: TypeAlias = "Sequence[int] | numpy.ndarray[Any, numpy.dtype[Any]]"

# Zeros before a number are taken, as Dovecot does; nz-number (RFC 3501 §9) does not have them.
_SET: Final = re.compile(rb"(?:[0-9]{1,20}|\*)(?::(?:[0-9]{1,20}|\*))?(?:,(?:[0-9]{1,20}|\*)(?::(?:[0-9]{1,20}|\*))?)*")


@dataclass(frozen=True, slots=True)
class NumSet:
    """A `sequence-set` as it was written: ranges with the smaller end first, `*` as STAR; or with `saved` just `$`."""

    ranges: tuple[Range, ...]
    saved: bool = False

    def resolve(self, largest: int) -> tuple[Range, ...]:
        """The ranges sorted, disjoint and merged, with `largest` for `*`: `5:*` in a mailbox of 3 is 3:5.

        In an empty mailbox (`largest` 0) `*` stands for no message, and ranges with it are left out.
        """
        if len(self.ranges) == 1:
            low, high = self.ranges[0]
            if high != STAR:
                return self.ranges
            if not largest:
                return ()
            return ((low, largest),) if low <= largest else ((largest, largest if low == STAR else low),)
        return merge_ranges(_without_star(low, high, largest) for low, high in self.ranges if largest or high != STAR)


SAVED: Final = NumSet((), saved=True)


def _without_star(low: int, high: int, largest: int) -> Range:
    if high == STAR:
        high = largest
        if low == STAR:
            low = largest
    return (low, high) if low <= high else (high, low)


def merge_ranges(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """The same numbers in sorted ranges that neither overlap nor touch."""
    merged: list[Range] = []
    last = -1
    for low, high in sorted(ranges):
        if low > last + 1 or not merged:
            merged.append((low, high))
            last = high
        elif high > last:
            merged[-1] = (merged[-1][0], high)
            last = high
    return tuple(merged)


def parse_num_set(text: bytes) -> NumSet:
    """`sequence-set` or `$`. ValueError, which says what is wrong, for anything else."""
    return _parse_cached(text) if len(text) <= CACHED_LENGTH else _parse(text)


def _parse(text: bytes) -> NumSet:
    if text == b"$":
        return SAVED
    if not _SET.fullmatch(text):
        raise ValueError("a message set is numbers from 1 and ranges like 2:4 or 5:*, with commas between")
    parts = text.split(b",", MAX_RANGES)
    if len(parts) > MAX_RANGES:
        raise ValueError(f"the message set has more than {MAX_RANGES} ranges; send it in several commands")
    return NumSet(tuple(map(_range, parts)))


def _range(part: bytes) -> Range:
    first, colon, second = part.partition(b":")
    low = _number(first)
    if not colon:
        return low, low
    high = _number(second)
    return (low, high) if low <= high else (high, low)


def _number(digits: bytes) -> int:
    if digits == b"*":
        return STAR
    number = int(digits)
    if not 0 < number <= MAX_NUMBER:
        raise ValueError(f"{number} cannot be a message number; they go from 1 to {MAX_NUMBER}")
    return number


_parse_cached = lru_cache(maxsize=CACHED_SETS)(_parse)


def format_ranges(ranges: Iterable[Range]) -> bytes:
    """`1:3,5`, with STAR as `*`. Nothing is merged."""
    pieces = [f"{low}:{high}" if low != high else f"{low}" for low, high in ranges]
    return ",".join(pieces).replace(str(STAR), "*").encode("ascii")


def format_bounds(lows: "numpy.ndarray[Any, numpy.dtype[Any]]", highs: "numpy.ndarray[Any, numpy.dtype[Any]]") -> bytes:
    """As `format_ranges`, of ranges whose first and last numbers are two arrays."""
    import numpy

    values, shown = numpy.stack((lows, highs), axis=1), numpy.ones((len(lows), 2), bool)
    shown[:, 0] = lows != highs
    marks = numpy.tile(numpy.frombuffer(b":,", numpy.uint8), (len(lows), 1))
    return _decimal(values[shown], marks[shown])


def format_numbers(numbers: Numbers) -> bytes:
    """Ascending numbers, each once, as the shortest list of ranges: `1:3,5`."""
    count = len(numbers)
    if not count:
        return b""
    low, high = int(numbers[0]), int(numbers[-1])
    if high - low == count - 1:
        return format_ranges(((low, high),))
    if count <= VECTOR_FROM:
        return format_ranges(_runs([int(number) for number in numbers]))
    return format_in_order(numbers)


def format_in_order(numbers: Numbers) -> bytes:
    """Numbers in the order in which they are, those that follow each other as ranges: `7,1:3` (RFC 5267 §3)."""
    if len(numbers) <= VECTOR_FROM:
        return format_ranges(_runs([int(number) for number in numbers]))
    import numpy

    values = numpy.asarray(numbers, dtype=numpy.int64)
    gaps = numpy.diff(values) != 1
    begins = numpy.concatenate(([True], gaps))
    ends = numpy.concatenate((gaps, [True]))
    bounds = begins | ends
    return _decimal(values[bounds], numpy.where(ends, numpy.uint8(ord(",")), numpy.uint8(ord(":")))[bounds])


def format_list(numbers: Numbers) -> bytes:
    """Numbers in the order in which they are, with spaces between: the answer to SEARCH and SORT."""
    if len(numbers) <= VECTOR_FROM:
        return b" ".join([b"%d" % number for number in numbers])
    import numpy

    return _decimal(numpy.asarray(numbers, dtype=numpy.int64), numpy.full(len(numbers), ord(" "), numpy.uint8))


def _runs(numbers: Sequence[int]) -> list[Range]:
    """Numbers that follow each other as ranges, in the order in which they are."""
    if not numbers:
        return []
    runs = []
    low = last = numbers[0]
    for number in numbers[1:]:
        if number != last + 1:
            runs.append((low, last))
            low = number
        last = number
    runs.append((low, last))
    return runs


def _decimal(values: "numpy.ndarray[Any, numpy.dtype[Any]]", marks: "numpy.ndarray[Any, numpy.dtype[Any]]") -> bytes:
    """Each value in decimal and its mark behind it, but for the last mark: four times as fast as a join.

    So many at once that the vectors stay in the processor's cache, which is four times as fast again.
    """
    parts = [_digits(values[at : at + AT_ONCE], marks[at : at + AT_ONCE]) for at in range(0, len(values), AT_ONCE)]
    return b"".join(parts)[:-1]


def _digits(values: "numpy.ndarray[Any, numpy.dtype[Any]]", marks: "numpy.ndarray[Any, numpy.dtype[Any]]") -> bytes:
    """A row per value with a column per digit; leading zeros are left out when the rows are strung together."""
    import numpy

    width = len(str(int(values.max())))
    digits = numpy.empty((len(values), width + 1), dtype=numpy.uint8)
    shown = numpy.ones(digits.shape, dtype=bool)
    digits[:, width] = marks
    rest = values
    for column in range(width - 1, -1, -1):
        if column < width - 1:
            shown[:, column] = rest > 0
        tens = rest // 10
        digits[:, column] = rest - tens * 10 + ord("0")
        rest = tens
    return digits[shown].tobytes()
