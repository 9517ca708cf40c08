"""Facts that a reader of a range finds missing: computed on all cores, a few windows ahead of the reader.

The first FETCH over a migrated mailbox asks for windows of WINDOW messages, AHEAD of them at a time; it renders the
first as soon as that is done while the others are still computed.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from doocot.errors import MailError
from doocot.mailbox import facts
from doocot.mailbox.facts import KEYS, LISTED, TEXT, Wanted
from doocot.mailbox.view import View
from doocot.store import maildir
from doocot.store.index.facts import count_facts
from doocot.store.index.messages import columns
from doocot.store.snapshot import Snapshot, column, uid_at, with_dates
from doocot.wire.flow import MORE, Job, Step

WINDOW = 500
AHEAD = 4

Compute: TypeAlias = Callable[[Wanted], Awaitable[int]]


@dataclass(slots=True)
class Ahead:
    """The windows of one command. `end` is the row behind its last; without `compute` a thread does the work."""

    view: View
    end: int
    compute: Compute | None
    items: tuple[int, ...] = (*LISTED, KEYS, TEXT)
    header_sets: tuple[tuple[int, tuple[bytes, ...]], ...] = ()
    _next: int = 0
    _windows: "deque[tuple[int, Job, Wanted]]" = field(default_factory=deque)

    def fill(self, row: int, until: int = 0) -> Generator[Step, Any, None]:
        """Steps after which the Facts of rows `row` to `until` (exclusive) are there, but for messages without a file.

        Without `until`, those of the window that begins at `row`.
        """
        if not self._windows or row >= self._windows[-1][0]:
            self._windows.clear()
            self._next = row
        while len(self._windows) < AHEAD and self._next < self.end:
            self._start()
            yield MORE
        while self._windows:
            behind, job, wanted = self._windows.popleft()
            try:
                yield job
            except MailError:  # the indexer died over it: once more where its end can be seen
                yield Job(partial(facts.compute, wanted))
            if self._next < self.end:
                self._start()
            if max(row + 1, until) <= behind:
                break
        yield MORE
        read_dates(self.view, row, min(row + WINDOW, self.end))

    def _start(self) -> None:
        snapshot, live = self.view.snapshot, self.view.live
        behind = min(self._next + WINDOW, self.end)
        items, header_sets = self._missing(self._next, behind)
        wanted = Wanted(
            live.root.db.path,
            live.row.id,
            maildir.folder_of(live.root, live.row.name),
            uid_at(snapshot, self._next),
            uid_at(snapshot, behind - 1),
            items,
            header_sets,
        )
        self._next = behind
        if self.compute is None:
            self._windows.append((behind, Job(lambda: facts.compute(wanted)), wanted))
        else:
            running = self.compute(wanted)
            self._windows.append((behind, Job(lambda: running, awaited=True), wanted))

    def _missing(self, low: int, high: int) -> tuple[tuple[int, ...], tuple[tuple[int, tuple[bytes, ...]], ...]]:
        """Of what the command needs, what is not there yet for all messages of the window."""
        contents = column(self.view.snapshot, "content", [(low, high)])
        undated = any(int(column(self.view.snapshot, name, [(low, high)]).min()) < 0 for name in ("size", "date"))
        first, last, count = int(contents.min()), int(contents.max()), high - low
        reader = self.view.live.root.db.reader
        # A range with gaps may hold Facts of other messages: then all are computed once more, which does no harm.
        exact = last - first + 1 == count
        items = tuple(item for item in self.items if not exact or count_facts(reader, item, first, last) < count) or (
            LISTED if undated else ()
        )
        sets = tuple(one for one in self.header_sets if not exact or count_facts(reader, one[0], first, last) < count)
        return items, sets


def read_dates(view: View, low: int, high: int) -> None:
    """Takes what the indexer learnt of dates and sizes into the snapshot (and into the one that others will share)."""
    snapshot, live = view.snapshot, view.live
    found = columns(live.root.db.reader, snapshot.mailbox, uid_at(snapshot, low), uid_at(snapshot, high - 1))
    known = [(uid, date, size) for uid, _, _, _, date, size in found if date is not None and size is not None]
    if not known:
        return
    uids, dates, sizes = (np.array(values, "i8") for values in zip(*known, strict=True))
    shared = live.snapshot is snapshot
    view.snapshot = with_dates(snapshot, (uids, dates, sizes))
    if shared:
        live.snapshot = view.snapshot
    elif _same(live.snapshot, snapshot):
        live.snapshot = with_dates(live.snapshot, (uids, dates, sizes))


def _same(one: Snapshot, other: Snapshot) -> bool:
    return one.position == other.position and one.mailbox == other.mailbox
