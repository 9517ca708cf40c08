"""SORT (RFC 5256 §3, RFC 5957): rows of a view in the order of several keys.

A key is a column of numbers that compare as the messages do: dates and sizes as they are, texts by their rank among
all texts of the mailbox. Ranks are computed once for a state of the mailbox and kept beside the texts. Numbers are
sorted 16 bits at a time, which numpy does in linear time.
"""

from bisect import bisect_left
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from doocot.mailbox import search_columns as of
from doocot.mailbox.ahead import Compute
from doocot.mailbox.search import Given, learn
from doocot.mailbox.search_columns import NO_DATE, Block, NumberColumn, TextColumn, columns, rows_of_column
from doocot.mailbox.view import View
from doocot.store.snapshot import Ints, column
from doocot.wire.flow import MORE, Job, Step

INLINE: Final = 100_000  # numbers that are sorted (2 ms), or written, without a thread
FEW: Final = 32  # messages whose ranks are found one by one, 0.1 ms each
DIGIT: Final = 8  # octets that are compared at once

# What each key compares: the column of texts.
TEXTS: Final = {
    b"SUBJECT": of.BASE_SUBJECT,
    b"FROM": of.FIRST_FROM,
    b"TO": of.FIRST_TO,
    b"CC": of.FIRST_CC,
    b"DISPLAYFROM": of.DISPLAY_FROM,
    b"DISPLAYTO": of.DISPLAY_TO,
}
RELEVANCY: Final = b"RELEVANCY"
KEYS: Final = frozenset((b"ARRIVAL", b"DATE", b"SIZE", RELEVANCY, *TEXTS))


@dataclass(frozen=True, slots=True)
class Criterion:
    """One `sort-criterion`: a name of KEYS, and whether its order is turned round."""

    key: bytes
    reverse: bool = False


Steps = Generator[Step, Any, Ints]


def in_order(view: View, rows: Ints, criteria: Sequence[Criterion], given: Given, scores: Ints | None = None) -> Steps:
    """Steps that give the (ascending) rows in the order of the criteria, equal ones by sequence number.

    `scores` are the relevancy of each row of the view, for RELEVANCY: the most relevant come first (RFC 6203 §6).
    """
    reverse = {one.key: one.reverse for one in reversed(criteria)}  # a key that comes again decides nothing
    keys: list[tuple[Ints, bool]] = []
    for key in dict.fromkeys(one.key for one in criteria):
        if key == RELEVANCY:
            keys += [(-scores, reverse[key])] if scores is not None else []
        else:
            keys.append(((yield from _values(view, key, rows, given)), reverse[key]))
        yield MORE
    if len(rows) * len(keys) <= INLINE:
        return _sorted(rows, keys)
    found: Ints = yield Job(lambda: _sorted(rows, keys))
    return found


def _sorted(rows: Ints, keys: Sequence[tuple[Ints, bool]]) -> Ints:
    digits = [digit for values, reverse in reversed(keys) for digit in _digits(values[rows], reverse)]
    return rows[np.lexsort(digits)] if digits else rows


def _digits(values: Ints, reverse: bool) -> list[Ints]:
    """The values in pieces of 16 bits, the least significant first; none when all are equal.

    With `reverse` the order of the values is turned round, that of equal ones is not (RFC 5256 §3).
    """
    if not len(values):
        return []
    low, high = int(values.min()), int(values.max())
    left = (high - values if reverse else values - low).astype("u8")
    return [(left >> np.uint64(shift)).astype("u2") for shift in range(0, (high - low).bit_length(), 16)]


def _values(view: View, key: bytes, rows: Ints, given: Given) -> Steps:
    """A number for each row of the view; those outside `rows` need not be right."""
    compute = given.compute
    if key in TEXTS:
        found = yield from ranks(view, of.collated(TEXTS[key], given.collation), compute)
        return rows_of_column(view, found, found.values)
    if key != b"DATE":
        numbers: Ints = yield from _learned(view, "size" if key == b"SIZE" else "date", rows, compute)
        return numbers
    sent = (yield from columns(view, [of.SENT], compute))[of.SENT]
    assert isinstance(sent, NumberColumn)
    dates = rows_of_column(view, sent, sent.values)
    undated = rows[dates[rows] == NO_DATE]
    if len(undated):  # RFC 5256 §2.2: then INTERNALDATE is used
        arrival = yield from _learned(view, "date", undated, compute)
        dates = np.where(dates == NO_DATE, arrival, dates)
    return dates


def _learned(view: View, name: str, rows: Ints, compute: Compute | None) -> Steps:
    mask = np.zeros(view.snapshot.count, bool)
    mask[rows] = True
    yield from learn(view, name, mask, compute)
    return column(view.snapshot, name)


def ranks(view: View, name: str, compute: Compute | None) -> Generator[Step, Any, NumberColumn]:
    """Steps that give the rank of each text of that column: equal for equal texts, in the order of their octets."""
    texts = (yield from columns(view, [name], compute))[name]
    assert isinstance(texts, TextColumn)
    kept = view.live.buffers.get("rank of " + name)
    if isinstance(kept, NumberColumn) and np.array_equal(kept.uids, texts.uids):
        return kept
    known = len(kept.uids) if isinstance(kept, NumberColumn) else 0
    if (
        isinstance(kept, NumberColumn)
        and known
        and 0 < len(texts.uids) - known <= FEW
        and np.array_equal(kept.uids, texts.uids[:known])
    ):
        values = yield Job(lambda: with_ranks(texts, kept.values))
    else:
        values = yield Job(lambda: text_ranks(texts.blocks))
    found = NumberColumn(texts.uids, values)
    if texts is view.live.buffers.get(name):  # not so when a file could not be read: it may be there the next time
        view.live.buffers["rank of " + name] = found
    return found


def text_ranks(blocks: Sequence[Block]) -> Ints:
    """The rank of each text, by DIGIT octets at a time: after a pass only texts that are equal so far go on."""
    octets = np.frombuffer(b"".join([block.text for block in blocks]) + bytes(DIGIT), np.uint8)
    offsets = np.cumsum([0, *(len(block.text) for block in blocks)])
    ends = np.concatenate([block.ends + offset for block, offset in zip(blocks, offsets, strict=False)] or [[]])
    ends = ends.astype("i8") - 1
    at = np.concatenate(([0], ends[:-1] + 1))[: len(ends)]
    found = np.zeros(len(ends), "i8")
    open_, offset = np.arange(len(ends)), 0
    while len(open_):
        begins = at[open_] + offset
        digits = np.zeros(len(open_), "u8")
        for number in range(DIGIT):
            # Behind the end of a text everything is 0, which no text has in it.
            there = begins + number < ends[open_]
            digits = digits << np.uint64(8) | np.where(there, octets[np.minimum(begins + number, ends[open_])], 0)
        order = np.lexsort((digits, found[open_]))
        groups, parts = found[open_][order], digits[order]
        new_group = np.concatenate(([True], groups[1:] != groups[:-1]))
        new = new_group | np.concatenate(([True], parts[1:] != parts[:-1]))
        # A rank is the number of texts that come before: room for the members of a group to be told apart.
        places = np.arange(len(order))
        firsts = np.maximum.accumulate(np.where(new_group, places, 0))
        begun = np.maximum.accumulate(np.where(new, places, 0))
        found[open_[order]] = groups + begun - firsts
        alone = new & np.concatenate((new[1:], [True]))
        ended = begins[order] + DIGIT > ends[open_[order]]
        open_ = open_[order][~(alone | ended)]
        offset += DIGIT
    return found


def with_ranks(texts: TextColumn, before: Ints) -> Ints:
    """The ranks of all texts, from those of all but the last few (and there are some)."""
    starts = np.cumsum([0, *(len(block.ends) for block in texts.blocks)])

    def text(row: int) -> bytes:
        number = int(np.searchsorted(starts, row, "right")) - 1
        block, low = texts.blocks[number], row - int(starts[number])
        return block.text[int(block.ends[low - 1]) if low else 0 : int(block.ends[low]) - 1]

    found = before.copy()
    order = np.argsort(found, kind="stable")
    for row in range(len(before), len(texts.uids)):
        key = text(row)
        place = bisect_left(order, key, key=lambda at: text(int(at)))
        there = int(order[place]) if place < len(order) else -1
        rank = int(found[there]) if there >= 0 else int(found.max()) + 1
        if there >= 0 and text(there) != key:
            found[found >= rank] += 1
        found = np.append(found, rank)
        order = np.insert(order, place, row)
    return found
