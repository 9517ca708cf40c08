"""`partial-range`, a part of a list of results (RFC 9394 §4; without numbers from the end, RFC 5267 §4.4)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from doocot.store.index.messages import Range
from doocot.wire.cursor import BadSyntax, Cursor
from doocot.wire.numset import MAX_NUMBER

_RANGE: Final = re.compile(rb"(-?)([0-9]{1,10}):(-?)([0-9]{1,10})(?=[ )]|\Z)")


@dataclass(frozen=True, slots=True)
class Partial:
    """Results `first` to `last`, counted from 1, or with `from_end` from the last one back; `text` is as it was sent.

    The answer repeats the original range (RFC 9394 §3.1), so `500:400` is not turned round there.
    """

    text: bytes
    first: int
    last: int
    from_end: bool

    def of(self, count: int) -> Range:
        """Where the part is in a list of so many: low, high exclusive; empty (low >= high) when there is none of it."""
        if self.from_end:
            return max(count - self.last, 0), count - self.first + 1
        return self.first - 1, min(self.last, count)

    def of_ranges(self, ranges: Sequence[Range]) -> list[Range]:
        """The part of what the ranges (low, high exclusive) hold together."""
        low, high = self.of(sum(end - begin for begin, end in ranges))
        found, before = [], 0
        for begin, end in ranges:
            first, last = begin + max(low - before, 0), min(begin + high - before, end)
            if first < last:
                found.append((first, last))
            before += end - begin
        return found


def partial_range(c: Cursor) -> Partial:
    """`partial-range = nz-number ":" nz-number / "-" nz-number ":" "-" nz-number`; 500:400 is the same as 400:500."""
    found = _RANGE.match(c.text, c.position)
    numbers = sorted((int(found[2]), int(found[4]))) if found is not None else []
    if found is None or found[1] != found[3] or not 0 < numbers[0] <= numbers[1] <= MAX_NUMBER:
        raise BadSyntax("PARTIAL takes a range like 1:100 or -1:-100", c.position)
    c.position = found.end()
    return Partial(found[0], numbers[0], numbers[1], found[1] == b"-")
