"""What one session believes about one mailbox: an immutable Snapshot shared by all who stand there, and that position.

`sync` is the only way forward. It compares one number when nothing happened, takes the Changes since the view's
position when something did, and gives back what the client has to be told. Where the client may not be told of expunges
(RFC 3501 §7.4.1) the rows of expunged messages stay in the view until it may.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np

from doocot.store.index import mailboxes, messages
from doocot.store.index.mailboxes import MailboxRow
from doocot.store.index.messages import ADDED, EXPUNGED, FLAGS, Change, Imported, Range
from doocot.store.root import Root, changed, keyword_names
from doocot.store.snapshot import (
    Ints,
    Snapshot,
    appended,
    build,
    column,
    column_arrays,
    imported_arrays,
    last_uid,
    row_of_uid,
    rows_of_uids,
    with_flags,
    without,
)

_NONE: Ints = np.empty(0, "i8")

Name: TypeAlias = tuple[int, str, str | None, str | None]  # uid, base, letters, target as the index knows them

MANY = 1000

NEVER_RECENT = 1 << 32  # as `View.recent_from`: above every UID
RECENT = 0x20  # in the flags given to `Words`: this session sees the message as \Recent

_SYSTEM = (
    (messages.ANSWERED, b"\\Answered"),
    (messages.FLAGGED, b"\\Flagged"),
    (messages.DELETED, b"\\Deleted"),
    (messages.SEEN, b"\\Seen"),
    (messages.DRAFT, b"\\Draft"),
    (RECENT, b"\\Recent"),
)


class Words(dict[int, bytes]):
    """Flags as stored (and RECENT) -> the words between the parentheses of FLAGS; filled as values are met."""

    def __init__(self, root: Root) -> None:
        super().__init__()
        self._root = root

    def __missing__(self, flags: int) -> bytes:
        words = [word for bit, word in _SYSTEM if flags & bit]
        words += [name.encode() for name in keyword_names(self._root, flags >> 8)]
        text = self[flags] = b" ".join(words)
        return text


@dataclass(slots=True)
class Live:
    """One mailbox in this process: the newest snapshot that any of its views has seen, and what is derived from it."""

    root: Root
    row: MailboxRow
    snapshot: Snapshot
    words: Words
    checked: int = -1
    last: "tuple[Snapshot, Snapshot, Delta] | None" = None  # the newest step, from where to where and what it tells
    alone: int = 0  # the position of the one Change of that step, 0 when there were more
    buffers: dict[str, object] = field(default_factory=dict)  # search and sort columns, by name
    names: dict[int, Name] = field(default_factory=dict)  # of some message files, by UID (see `mailbox.read`)


@dataclass(frozen=True, slots=True)
class Delta:
    """What a view has to tell its client, in this order.

    `gone`: rows (of the view before) that were expunged, ascending, and their `gone_uids`; `altered`: rows (of the view
    after) whose flags changed; `exists`: the new number of messages, or -1 when none was added; `hidden`: rows that the
    session's own silent command altered.
    """

    gone: Ints
    gone_uids: Ints
    altered: Ints
    exists: int
    hidden: Ints = field(default_factory=lambda: _NONE)


@dataclass(slots=True)
class Progress:
    """How far the long command that is under way has come: `done` of `goal` messages, 0 where nobody counts."""

    done: int = 0
    goal: int = 0


@dataclass(slots=True)
class View:
    """One session's view. UIDs from `recent_from` on are \\Recent here; `held` are expunged but not told yet."""

    live: Live
    snapshot: Snapshot
    recent_from: int
    read_only: bool
    checked: int = -1
    held: list[Range] = field(default_factory=list)
    uid_next: int = 1
    progress: Progress = field(default_factory=Progress)


def load(root: Root, row: MailboxRow) -> Live:
    """Reads a mailbox's columns, in one read transaction with its position. Long for a large one, so for a thread."""
    checked = changed(root, -1) if root.generation is not None else -1
    with root.db.lock, root.db.writer as connection:
        row = mailboxes.mailbox_by_id(connection, row.id)
        position = messages.position_of(connection)
        snapshot = build(row.id, position, column_arrays(messages.numbers(connection, row.id)))
    return Live(root, row, snapshot, Words(root), checked)


def load_imported(root: Root, row: MailboxRow, imported: Imported) -> Live:
    """As `load`, without reading back what was just written; `refresh` adds what was committed since."""
    return Live(root, row, build(row.id, imported.position, imported_arrays(imported)), Words(root))


def refresh(live: Live) -> None:
    """Brings the newest snapshot up to the last commit."""
    checked = changed(live.root, live.checked)
    if checked == live.checked:
        return
    live.checked = checked
    before = live.snapshot
    reader = live.root.db.reader
    with reader:
        position = messages.position_of(reader)
        if position == before.position:
            return
        found = messages.changes(reader, before.position, before.mailbox)
        if found == []:
            live.snapshot = replace(before, position=position)
            live.last = (before, live.snapshot, Delta(_NONE, _NONE, _NONE, -1))
            return
        live.checked = -1  # a deleted mailbox raises here, and does so again for every other view of it
        live.row = mailboxes.mailbox_by_id(reader, live.row.id)
        live.checked = checked
        if found is None:
            fresh = build(live.row.id, position, column_arrays(messages.numbers(reader, live.row.id)))
            live.snapshot, delta = fresh, compare(before, fresh)
        else:
            live.snapshot, delta = _advance(live, before, found, position)
    live.last = (before, live.snapshot, delta)
    live.alone = found[0].position if found is not None and len(found) == 1 else 0


def _advance(
    live: Live, before: Snapshot, found: Sequence[Change], position: int, hide: int = 0
) -> tuple[Snapshot, Delta]:
    """Applies Changes inside the caller's read transaction, in their order: each says what became of the one before.

    Added rows are read as they are now and put on last, so that later Changes need not be applied to them.
    """
    if any(change.kind == EXPUNGED for change in found):
        return _advance_over_expunges(live, before, found, position, hide)
    snapshot, last = before, last_uid(before)
    altered: list[Ints] = []
    hidden: list[Ints] = []
    for change in found:
        ranges = [(low, min(high, last)) for low, high in change.ranges if low <= last]
        if change.kind == FLAGS and ranges:
            snapshot, rows = with_flags(snapshot, replace(change, ranges=tuple(ranges)))
            (hidden if change.position == hide else altered).append(rows)
    snapshot, exists = _with_added(live, snapshot, found, last)
    altered_rows, hidden_rows = _union(altered), _union(hidden)
    if len(altered_rows) and len(hidden_rows):
        hidden_rows = np.setdiff1d(hidden_rows, altered_rows)
    return replace(snapshot, position=position), Delta(_NONE, _NONE, altered_rows, exists, hidden_rows)


def _advance_over_expunges(
    live: Live, before: Snapshot, found: Sequence[Change], position: int, hide: int
) -> tuple[Snapshot, Delta]:
    """The same where rows move: what was altered is kept by UID until the end."""
    snapshot, last = before, last_uid(before)
    gone_uids: list[Ints] = []
    altered_uids: list[Ints] = []
    hidden_uids: list[Ints] = []
    for change in found:
        ranges = [(low, min(high, last)) for low, high in change.ranges if low <= last]
        if change.kind == FLAGS and ranges:
            snapshot, altered = with_flags(snapshot, replace(change, ranges=tuple(ranges)))
            (hidden_uids if change.position == hide else altered_uids).append(uids_at(snapshot, altered))
        elif change.kind == EXPUNGED and ranges:
            uids = column(snapshot, "uid", rows_of_uids(snapshot, ranges))
            snapshot, _ = without(snapshot, ranges)
            gone_uids.append(uids)
    snapshot, exists = _with_added(live, snapshot, found, last)
    snapshot = replace(snapshot, position=position)
    delta = _delta(before, snapshot, _union(gone_uids), _union(altered_uids), exists, _union(hidden_uids))
    return snapshot, delta


def _with_added(live: Live, snapshot: Snapshot, found: Sequence[Change], last: int) -> tuple[Snapshot, int]:
    """Messages with higher UIDs than `last`, as they are now, and the number of messages with them (-1 for none)."""
    exists = -1
    if any(change.kind == ADDED for change in found):
        new = messages.numbers(live.root.db.reader, snapshot.mailbox, last + 1)
        snapshot = appended(snapshot, column_arrays(new))
        exists = snapshot.count if new else -1
    return snapshot, exists


def _union(parts: Sequence[Ints]) -> Ints:
    """Ascending numbers of several arrays, each of which is ascending."""
    found = [part for part in parts if len(part)]
    if len(found) <= 1:
        return found[0] if found else _NONE
    return np.unique(np.concatenate(found))


def _delta(
    before: Snapshot, after: Snapshot, gone_uids: Ints, altered_uids: Ints, exists: int, hidden_uids: Ints = _NONE
) -> Delta:
    """What was altered by others as well is not hidden."""
    gone = rows_at(before, gone_uids) if len(gone_uids) else _NONE
    altered = rows_at(after, altered_uids) if len(altered_uids) else _NONE
    if len(hidden_uids) and len(altered_uids):
        hidden_uids = np.setdiff1d(hidden_uids, altered_uids)
    hidden = rows_at(after, hidden_uids) if len(hidden_uids) else _NONE
    return Delta(gone, gone_uids, altered, exists, hidden)


def uids_at(snapshot: Snapshot, wanted: Ints) -> Ints:
    """The UIDs in these rows."""
    if not len(wanted):
        return _NONE
    if len(wanted) == 1:
        row = int(wanted[0])
        return column(snapshot, "uid", [(row, row + 1)])
    return column(snapshot, "uid")[wanted]


def rows_at(snapshot: Snapshot, uids: Ints) -> Ints:
    """The rows of those of the ascending UIDs that are there."""
    if len(uids) == 1:
        row = row_of_uid(snapshot, int(uids[0]))
        there = row < snapshot.count and column(snapshot, "uid", [(row, row + 1)])[0] == uids[0]
        return np.array([row], "i8") if there else _NONE
    known = column(snapshot, "uid")
    if not len(known):
        return _NONE
    if len(uids) > MANY:  # one look through both is quicker than many searches
        return np.flatnonzero(np.isin(known, uids, assume_unique=True))
    at = np.searchsorted(known, uids)
    found: Ints = at[known[np.minimum(at, len(known) - 1)] == uids]
    return found


def compare(before: Snapshot, after: Snapshot) -> Delta:
    """What changed between two snapshots where the log no longer tells it."""
    old, new = column(before, "uid"), column(after, "uid")
    gone = np.setdiff1d(old, new)
    both = np.intersect1d(old, new)
    old_flags = column(before, "flags")[np.isin(old, both)]
    new_flags = column(after, "flags")[np.isin(new, both)]
    exists = after.count if len(new) and (not len(old) or new[-1] > old[-1]) else -1
    return _delta(before, after, gone, both[old_flags != new_flags], exists)


def sync(view: View, *, expunge: bool, hide: int = 0) -> Delta | None:
    """Moves the view to the newest position and tells what to say; None when there is nothing.

    Without `expunge` the expunged messages stay (and are told later). The flag changes of the position `hide` are the
    session's own and not told.
    """
    live = view.live
    refresh(live)
    if view.snapshot is live.snapshot:
        return None
    last = live.last
    if (
        last is not None
        and last[0] is view.snapshot
        and (expunge or not len(last[2].gone))
        and not view.held
        and hide in (0, live.alone)
    ):
        view.snapshot, delta = last[1], last[2]
        return replace(delta, altered=_NONE, hidden=delta.altered) if hide else delta
    return _sync_alone(view, expunge, hide)


def _sync_alone(view: View, expunge: bool, hide: int) -> Delta:
    """A view that stands elsewhere than the others, or that must not hear of expunges, or hides its own change."""
    live, before = view.live, view.snapshot
    reader = live.root.db.reader
    with reader:
        position = messages.position_of(reader)
        found = messages.changes(reader, before.position, before.mailbox)
        if found is None:
            return _compared(view, expunge)
        told = [change for change in found if change.kind != EXPUNGED]
        view.held += [pair for change in found if change.kind == EXPUNGED for pair in change.ranges]
        after, delta = _advance(live, before, told, position, hide)
    if expunge and view.held:
        gone_uids = column(after, "uid", rows_of_uids(after, merge(view.held)))
        altered_uids, hidden_uids = uids_at(after, delta.altered), uids_at(after, delta.hidden)
        after, _ = without(after, merge(view.held))
        view.held = []
        exists = after.count if delta.exists >= 0 else -1
        delta = _delta(before, after, gone_uids, altered_uids, exists, hidden_uids)
    if not view.held and after.position == live.snapshot.position:
        after = live.snapshot
    view.snapshot = after
    return delta


def _compared(view: View, expunge: bool) -> Delta:
    """The log does not reach back to the view: what is there decides, at the next command that may tell of expunges."""
    if not expunge:
        return Delta(_NONE, _NONE, _NONE, -1)
    delta = compare(view.snapshot, view.live.snapshot)
    view.snapshot, view.held = view.live.snapshot, []
    return delta


def merge(ranges: Sequence[Range]) -> list[Range]:
    """Ranges ascending and joined."""
    result: list[Range] = []
    for low, high in sorted(ranges):
        if result and low <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(high, result[-1][1]))
        else:
            result.append((low, high))
    return result
