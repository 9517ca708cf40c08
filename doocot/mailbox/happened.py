"""What happened in the mailboxes of a root since a position, for who has not selected them (NOTIFY, RFC 5465 §5).

The log tells which mailboxes got other messages or other flags. Which came, went, or are subscribed to is the
difference of two listings, as other programs make folders too; the log tells only what was renamed.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from doocot.errors import MailError
from doocot.mailbox.listing import Entry, Listing, listing
from doocot.store import maildir, maildir_sync
from doocot.store.disk_errors import disk_errors
from doocot.store.index import mailboxes, messages
from doocot.store.index.database import reading
from doocot.store.index.mailboxes import CREATED, DELETED, METADATA_CHANGED, RENAMED, SUBSCRIBED, MailboxRow
from doocot.store.index.messages import EXPUNGED, Change, position_of
from doocot.store.root import Root

if TYPE_CHECKING:
    from doocot.mailbox.user import Mail

MOST: Final = 2000  # Changes that are looked at together, in less than a millisecond
LOOKED_AT: Final = 1000  # folders that one look at other programs' work looks at
NAMES: Final = frozenset((CREATED, DELETED, RENAMED, SUBSCRIBED))


@dataclass(frozen=True, slots=True)
class Seen:
    """The mailboxes as a client was told of them last; `by_index` has those that exist, by their name in the index."""

    listing: Listing
    by_index: Mapping[str, Entry]


@dataclass(frozen=True, slots=True)
class Touched:
    """What the log tells up to `position`: how often each kind of Change is there for a mailbox.

    `names` are the Changes of mailboxes themselves, `metadata` those of metadata, with the entries in their name.
    """

    position: int
    kinds: Mapping[int, Mapping[int, int]]
    names: Sequence[Change]
    metadata: Sequence[Change]


@dataclass(frozen=True, slots=True)
class Named:
    """A name of which LIST would tell something else now: what is new of it, and the old name of a renamed mailbox."""

    entry: Entry
    name: bool = False
    subscription: bool = False
    old: str = ""


def seen(mail: "Mail") -> Seen:
    """The mailboxes as they are now. Blocking."""
    with disk_errors(mail.opened.root.path):
        now = listing(mail)
    by_index: dict[str, Entry] = {}
    for entry in now.entries.values():
        if entry.exists:
            by_index.setdefault(entry.index, entry)
    return Seen(now, by_index)


def position_now(root: Root) -> int:
    """Where the order stands."""
    return position_of(root.db.reader)


def touched(root: Root, since: int) -> Touched | None:
    """What was committed since; None when that is more than MOST, or more than the log still knows."""
    reader = root.db.reader
    with reader:
        position = position_of(reader)
        found = messages.counted_changes(reader, since, MOST)
        others = found is not None and any(kind > EXPUNGED for _, kind, _ in found)
        told = messages.changes_of_mailboxes(reader, since) if others else []
    if found is None:
        return None
    kinds: dict[int, dict[int, int]] = {}
    for mailbox, kind, count in found:
        kinds.setdefault(mailbox, {})[kind] = count
    names = [change for change in told if change.kind in NAMES]
    return Touched(position, kinds, names, [change for change in told if change.kind == METADATA_CHANGED])


def renamed(changes: Iterable[Change]) -> dict[str, str]:
    """New name -> the name that the mailbox had before all of these, as in the index."""
    found: dict[str, str] = {}
    for change in changes:
        if change.kind == RENAMED:
            found[change.name] = found.pop(change.old_name, change.old_name)
    return found


def differences(before: Seen, now: Seen, changes: Sequence[Change]) -> list[Named]:
    """What changed between two listings, those that are gone last. `changes` are those of the log in between."""
    olds = renamed(changes)
    made_anew = {change.name for change in changes if change.kind == DELETED} & {
        change.name for change in changes if change.kind == CREATED
    }
    found: list[Named] = []
    moved: set[str] = set()
    for name, entry in now.listing.entries.items():
        was = before.listing.entries.get(name)
        there, subscribed = was is not None and was.exists, was is not None and was.subscribed
        old = before.by_index.get(olds.get(entry.index, "")) if entry.exists else None
        if old is not None:
            moved.add(old.name)
        new = entry.exists and (not there or old is not None or entry.index in made_anew)
        if new or entry.subscribed != subscribed:
            found.append(Named(entry, new, entry.subscribed != subscribed, old.name if old is not None else ""))
    for name, was in before.listing.entries.items():
        is_now = now.listing.entries.get(name)
        gone = was.exists and (is_now is None or not is_now.exists) and name not in moved
        unsubscribed = was.subscribed and is_now is None
        if gone or unsubscribed:
            nothing = replace(was, exists=False, children=False, subscribed=False, special_use=())
            found.append(Named(is_now or nothing, gone, unsubscribed))
    return found


@dataclass(slots=True)
class Folders:
    """Looks for what other programs do in the folders of mailboxes.

    `stamps` are of those that the index did not know at the beginning: none is taken into it for being watched, but
    when it changes.
    """

    stamps: dict[str, str] = field(default_factory=dict)

    def begin(self, root: Root, names: Collection[str]) -> None:
        """Notes how the folders are that the index does not know. Blocking."""
        with reading(root.db) as connection:
            rows = mailboxes.mailbox_rows(connection)
        for name, _ in zip(names, range(LOOKED_AT), strict=False):
            if name not in rows:
                with suppress(MailError):  # it is not a whole folder, so it is new when it is
                    self.stamps[name] = _stamp(root, name)

    def bring_in_step(self, root: Root, names: Collection[str]) -> None:
        """Takes into the index what changed in these folders, three calls of stat for each. Blocking."""
        with reading(root.db) as connection:
            rows = mailboxes.mailbox_rows(connection)
        for name, _ in zip(names, range(LOOKED_AT), strict=False):
            try:
                if not self._in_step(root, name, rows.get(name)):
                    maildir_sync.sync_mailbox(root, name)
            except MailError:
                continue  # it is gone, or does not open: who selects it is told why

    def _in_step(self, root: Root, name: str, row: MailboxRow | None) -> bool:
        if row is not None:
            return maildir_sync.in_step(root, row)
        return self.stamps.get(name) == _stamp(root, name)


def _stamp(root: Root, name: str) -> str:
    folder = maildir.folder_of(root, name)
    with disk_errors(folder):
        return maildir.stamp_of(root, folder)[0]
