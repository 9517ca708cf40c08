"""Sequence sets as rows of the selected view (RFC 3501 §9 sequence-set, RFC 5182 `$`)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from doocot.imap.command import Bad
from doocot.mailbox.view import View
from doocot.store.index.messages import Range
from doocot.store.snapshot import Snapshot, column, last_uid, rows_of_uids
from doocot.wire.numset import NumSet

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

SINGLY: Final = 100  # ranges that are looked up one by one, without touching the whole column


def rows_of(session: "ImapSession", numbers: NumSet, by_uid: bool) -> list[Range]:
    """Row ranges (low, high exclusive), ascending. A sequence number that does not exist is an error (RFC 3501 §9)."""
    view = session.view
    assert view is not None
    if numbers.saved:
        return rows_of_ranges(view.snapshot, session.saved)
    if by_uid:
        return rows_of_ranges(view.snapshot, numbers.resolve(last_uid(view.snapshot)))
    return rows_of_numbers(view, numbers)


def rows_of_ranges(snapshot: Snapshot, uids: Sequence[Range]) -> list[Range]:
    """`rows_of_uids`, in one step where a client sends thousands of ranges."""
    if len(uids) <= SINGLY:
        return rows_of_uids(snapshot, uids)
    bounds, there = np.array(uids, "i8"), column(snapshot, "uid")
    low, high = np.searchsorted(there, bounds[:, 0]), np.searchsorted(there, bounds[:, 1], side="right")
    found = low < high
    return list(zip(low[found].tolist(), high[found].tolist(), strict=True))


def rows_of_numbers(view: View, numbers: NumSet) -> list[Range]:
    """As `rows_of`, for sequence numbers; in an empty mailbox `*` does not exist either (RFC 3501 §9 seq-number)."""
    count = view.snapshot.count
    ranges = numbers.resolve(count)
    if not ranges or ranges[-1][1] > count or ranges[0][0] < 1:
        raise Bad(b"Invalid messageset")
    return [(low - 1, high) for low, high in ranges]
