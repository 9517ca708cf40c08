"""Save dates (RFC 8514 §3), when messages came into their mailbox, as a column of the mailbox in memory.

The index has them. Few clients ask, so they are not read with the mailbox but when somebody asks first.
"""

from collections.abc import Generator
from typing import Any, Final

import numpy as np

from doocot.mailbox.search_columns import BLOCK, NumberColumn, rows_of_column
from doocot.mailbox.view import View
from doocot.store.index import messages
from doocot.store.snapshot import Ints, column
from doocot.wire.flow import MORE, Step

AT_ONCE: Final = 4096  # rows of the index that are read in a turn, 1 ms
_SAVEDATE: Final = "savedate"


def savedates(view: View) -> Generator[Step, Any, Ints]:
    """Steps that give seconds since 1970 for each row of the view.

    0 where nobody knows: the message was there before Doocot was, or is expunged and the client was not told.
    """
    uids = column(view.snapshot, "uid")
    kept = view.live.buffers.get(_SAVEDATE)
    if not isinstance(kept, NumberColumn) or len(kept.uids) > 2 * len(uids) + BLOCK:
        kept = NumberColumn(np.empty(0, "u4"), np.empty(0, "i8"))
    begin = int(np.searchsorted(uids, kept.uids[-1], "right")) if len(kept.uids) else 0
    known, values = [kept.uids], [kept.values]
    for low in range(begin, len(uids), AT_ONCE):
        part = uids[low : low + AT_ONCE]
        found = messages.saved_dates(view.live.root.db.reader, view.live.row.id, int(part[0]), int(part[-1]))
        numbers = np.array(found, "i8").reshape(-1, 2)
        dates = np.zeros(len(part), "i8")
        numbers = numbers[np.isin(numbers[:, 0], part)]
        dates[np.searchsorted(part, numbers[:, 0])] = numbers[:, 1]
        known.append(part)
        values.append(dates)
        yield MORE
    if begin < len(uids):
        kept = NumberColumn(np.concatenate(known), np.concatenate(values))
        view.live.buffers[_SAVEDATE] = kept
    return rows_of_column(view, kept, kept.values)
