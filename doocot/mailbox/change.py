"""Changing messages of a selected mailbox: flags and expunging. One transaction each; files follow (store.settle)."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import apsw

from doocot.errors import Kind, MailError
from doocot.mailbox.view import View
from doocot.store import maildir, settle
from doocot.store.index import messages
from doocot.store.index.database import rows, write
from doocot.store.index.keywords import intern_set, map_sets, sets_in
from doocot.store.index.messages import ALL_BITS, DELETED, Change, Range, format_ranges, ranges_of
from doocot.store.maildir_names import targets_of
from doocot.store.root import committed

INLINE = 200  # messages that are changed on the loop; more is a Job
PART = 250  # rows that a Job makes and frees at a time: what it does in C keeps the loop waiting

_DELETED = (
    "SELECT uid, base, letters, target FROM message WHERE mailbox = ? AND uid BETWEEN ? AND ?"
    f" AND flags & {DELETED} ORDER BY uid LIMIT ?"
)


class Operation(Enum):
    """`+FLAGS`, `-FLAGS` and `FLAGS` of STORE."""

    ADD = "+"
    REMOVE = "-"
    REPLACE = ""


@dataclass(frozen=True, slots=True)
class FlagChange:
    """What STORE asks for. `unchanged_since` None changes all (RFC 7162 §3.1.3)."""

    operation: Operation
    flags: int
    keywords: frozenset[str]
    unchanged_since: int | None = None


@dataclass(frozen=True, slots=True)
class FlagResult:
    """The Change (None when nothing was altered) and the UIDs that `unchanged_since` kept from being changed."""

    change: Change | None
    modified: tuple[Range, ...] = ()


def writable(view: View) -> None:
    """Raises MailError for a mailbox that was opened by EXAMINE."""
    if view.read_only:
        raise MailError(Kind.NO_PERM, "Mailbox is read-only")


def set_flags(view: View, uids: Sequence[Range], wanted: FlagChange, *, wait: bool) -> FlagResult:
    """Changes flags in the UID ranges. Without `wait` raises Busy instead of waiting for another writer."""
    root, mailbox = view.live.root, view.live.row.id
    with write(root.db, wait=wait) as writer:
        modified: list[Range] = []
        if wanted.unchanged_since is not None:
            uids, modified = _unmodified(writer, mailbox, uids, wanted.unchanged_since)
        if not uids:
            return FlagResult(None, tuple(modified))
        keep, put, sets = ALL_BITS, 0, []
        if wanted.operation is Operation.REPLACE:
            put = wanted.flags | (intern_set(writer, wanted.keywords) << 8 if wanted.keywords else 0)
            keep = 0
        else:
            adding = wanted.operation is Operation.ADD
            keep, put = (ALL_BITS, wanted.flags) if adding else (ALL_BITS & ~wanted.flags, 0)
            if wanted.keywords:
                none: frozenset[str] = frozenset()
                add, remove = (wanted.keywords, none) if adding else (none, wanted.keywords)
                sets = map_sets(writer, sets_in(writer, mailbox, uids), add, remove)
        change = messages.set_flags(root.db, writer, mailbox, uids, keep, put, sets)
        if change is not None:
            settle.add_intent(writer, settle.RENAME, mailbox, {"uids": format_ranges(uids)})
    if change is not None:
        committed(root)
    return FlagResult(change, tuple(modified))


def _unmodified(
    writer: apsw.Connection, mailbox: int, uids: Sequence[Range], since: int
) -> tuple[list[Range], list[Range]]:
    """The UIDs that have not changed since, and those that have."""
    old: list[int] = []
    new: list[int] = []
    for low, high in uids:
        for uid, modseq in rows(
            writer, "SELECT uid, modseq FROM message WHERE mailbox = ? AND uid BETWEEN ? AND ?", (mailbox, low, high)
        ):
            (old if modseq <= since else new).append(uid)
    return ranges_of(old), ranges_of(new)


def expunge(view: View, uids: Sequence[Range] | None, *, wait: bool) -> Change | None:
    """Removes the messages with \\Deleted (of those UIDs, when given); the files go with the next slices."""
    root, mailbox = view.live.root, view.live.row.id
    with write(root.db, wait=wait) as writer:
        gone: list[int] = []
        for low, high in uids if uids is not None else [(1, 1 << 32)]:
            while found := rows(writer, _DELETED, (mailbox, low, high, PART)):
                gone += [row[0] for row in found]
                settle.add_intent(writer, settle.UNLINK, mailbox, unlink_paths(view, found))
                low = gone[-1] + 1
        if not gone:
            return None
        change = messages.expunge(root.db, writer, mailbox, ranges_of(gone))
    committed(root)
    return change


def unlink_paths(view: View, found: Sequence[tuple[int, str, str | None, str | None]]) -> list[str]:
    """Every path, relative to the root, that the files of these rows may have."""
    root = view.live.root
    folder = maildir.folder_of(root, view.live.row.name)
    relative = folder[len(root.path) + 1 :] if folder != root.path else ""
    prefix = relative + "/" if relative else ""
    paths = []
    for _, base, letters, target in found:
        for one in [letters, *targets_of(target)]:
            paths.append(f"{prefix}new/{base}" if one is None else f"{prefix}cur/{base}:2,{one}")
    return paths
