"""Keeping the results of a search or sort up to date (RFC 5267 §4.3): which of some messages match, and where they go.

Only the messages that came or changed are looked at: they are made a view of their own, so that a search of it costs
what they are, not how large the mailbox is.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, TypeAlias

import numpy as np

from doocot.mailbox.search import Given, Steps, matching
from doocot.mailbox.search_tree import Key, Numbers, Within, leaves, with_numbers
from doocot.mailbox.view import View
from doocot.store.index.messages import Range
from doocot.store.snapshot import FEW, Ints, build, column, uid_ranges
from doocot.wire.numset import STAR, NumSet

PIECES: Final = 200  # more pieces than this are not told one by one

Piece: TypeAlias = tuple[int, Ints]
"""A context position and the results from there on, in order (RFC 5267 §5 context-position)."""


def settled(view: View, key: Key, saved: Sequence[Range]) -> Key:
    """The key with sequence numbers and `$` as the UIDs that they stand for now.

    "Any message sequence numbers used in the search program are evaluated at the time the command is received" (RFC
    5267 §4.3). Between the UIDs of two messages that are there no message comes, so that gaps need not be kept.
    """
    count = view.snapshot.count

    def uids(one: Numbers) -> Numbers:
        if one.numbers.saved:
            return Numbers(NumSet(tuple(saved)), True)
        if one.by_uid:
            return one
        rows = [(low - 1, min(high, count)) for low, high in one.numbers.resolve(count) if low <= count]
        return Numbers(NumSet(tuple(uid_ranges(view.snapshot, rows))), True)

    return with_numbers(key, uids)


def names_last(key: Key) -> bool:
    """Whether the (settled) key speaks of the last message, which may become another one without any change of it."""
    return any(high == STAR for one in leaves(key) if isinstance(one, Numbers) for _, high in one.numbers.ranges)


def names_time(key: Key) -> bool:
    """Whether the key speaks of the age of messages."""
    return any(isinstance(one, Within) for one in leaves(key))


def aged(view: View, key: Key, since: int, now: int) -> Ints:
    """The rows of which a key of age may say something else now than at the time `since`."""
    dates = column(view.snapshot, "date")
    mask = np.zeros(len(dates), bool)
    for one in leaves(key):
        if isinstance(one, Within):
            mask |= (dates >= since - one.seconds) & (dates <= now - one.seconds)
    return np.flatnonzero(mask)


def matched(view: View, key: Key, rows: Ints, last_uid: int, given: Given) -> Steps:
    """Steps that give which (a mask) of these ascending rows match the settled key; `last_uid` is what `*` means."""
    if not len(rows):
        return np.zeros(0, bool)
    key = with_numbers(key, lambda one: Numbers(NumSet(one.numbers.resolve(last_uid)), True))
    found = yield from matching(alone(view, rows), key, given)
    mask = np.zeros(len(rows), bool)
    mask[found] = True
    return mask


def alone(view: View, rows: Ints) -> View:
    """A view of these rows and nothing else, with columns of its own."""
    snapshot = view.snapshot
    names = ("uid", "flags", "modseq", "content", "date", "size")
    if len(rows) <= FEW:
        ranges = [(row, row + 1) for row in rows.tolist()]
        arrays = [column(snapshot, name, ranges) for name in names]
    else:
        arrays = [column(snapshot, name)[rows] for name in names]
    few = build(snapshot.mailbox, snapshot.position, arrays)
    return replace(view, live=replace(view.live, snapshot=few, buffers={}), snapshot=few, held=[])


def pieces(old: Ints, new: Ints) -> tuple[list[Piece], list[Piece]]:
    """What to take from a sorted list and then to put into it, so that it becomes the other one.

    What goes is told from the end, what comes from the beginning, so that no piece moves another. Of a list that
    changed all over, the whole is taken and put.
    """
    goes, comes = ~np.isin(old, new), ~np.isin(new, old)
    removed, added = _runs(goes), _runs(comes)
    if len(removed) + len(added) > PIECES or not np.array_equal(old[~goes], new[~comes]):
        return [(1, old)] * bool(len(old)), [(1, new)] * bool(len(new))
    return (
        [(low + 1, old[low:high]) for low, high in reversed(removed)],
        [(low + 1, new[low:high]) for low, high in added],
    )


def _runs(mask: Ints) -> list[Range]:
    """Where the mask is set: low, high exclusive."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
