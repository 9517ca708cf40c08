"""A user's mail as the protocols see it: his roots, and opening and closing views."""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from doocot.errors import Kind, MailError
from doocot.mailbox.namespaces import DEFAULT, Space
from doocot.mailbox.places import current_row, find, synced_live
from doocot.mailbox.roots import OpenRoot, Roots, close_view, open_view
from doocot.mailbox.view import View
from doocot.store import settle
from doocot.store.index import mailboxes
from doocot.store.index.database import write
from doocot.store.index.mailboxes import MailboxRow
from doocot.store.root import Location, Root, committed
from doocot.wire.flow import Job, Step

Steps = Generator[Step, Any, Any]


@dataclass(slots=True)
class Mail:
    """What one logged-in user may open. Held by a session, given back by `close`."""

    roots: Roots
    location: Location
    opened: OpenRoot
    views: list[View] = field(default_factory=list)
    spaces: tuple[Space, ...] = DEFAULT
    watched: list[MailboxRow] = field(default_factory=list)

    def watch(self, name: str) -> bool:
        """Watches the folder of a mailbox that is not selected for what other programs do there, until `unwatch`.

        False when the index does not know it yet, or too many are watched already. Perhaps a millisecond.
        """
        row = mailbox_row(self, name)
        if row is None or not self.roots.watch_further(self.opened.root, row):
            return False
        self.watched.append(row)
        return True

    def unwatch(self) -> None:
        """No more of those."""
        for row in self.watched:
            self.roots.unwatch_further(self.opened.root, row)
        self.watched.clear()

    def close(self, view: View | None = None) -> None:
        """Gives the root back (and a view that is still open)."""
        if view is not None:
            close_view(self.opened, view)
        self.unwatch()
        self.roots.release(self.opened)


def open_mail(roots: Roots, location: Location, spaces: tuple[Space, ...] = DEFAULT) -> Mail:
    """The user's mail; opening his root takes some milliseconds when it is the first time, so for a thread."""
    return Mail(roots, location, roots.acquire(location), spaces=spaces)


def opening_mail(roots: Roots, location: Location, spaces: tuple[Space, ...] = DEFAULT) -> Generator[Step, Any, Mail]:
    """Steps to the user's mail; none are taken when his root is open."""
    opened = roots.take(location)
    if opened is None:
        # What the Job gives is dropped when the client is gone; so it only warms the table, and nothing is held by it.
        yield Job(lambda: roots.release(roots.acquire(location)))
        opened = roots.acquire(location)
    return Mail(roots, location, opened, spaces=spaces)


def mailbox_row(mail: Mail, name: str) -> MailboxRow | None:
    """The index's row of a mailbox, without looking at the disk."""
    return mailboxes.mailbox_row(mail.opened.root.db.reader, name)


def select(mail: Mail, name: str, *, read_only: bool) -> Generator[Step, Any, View]:
    """Steps that bring the index in step with the folder and open a view.

    The first read-write view takes \\Recent for itself. Raises MailError(NON_EXISTENT).
    """
    root, place = mail.opened.root, find(mail, name)
    row, loaded = current_row(mail, place), None
    if row is None:
        row, loaded = yield Job(lambda: synced_live(mail, place))
    assert row is not None
    recent_from = row.first_recent_uid
    if not read_only and row.first_recent_uid < row.uid_next:
        mailbox, uid_next = row.id, row.uid_next
        recent_from = yield Job(lambda: _claim_recent(root, mailbox, uid_next))
    view = yield from open_view(mail.opened, row, read_only=read_only, recent_from=recent_from, loaded=loaded)
    if view.live.row.id != row.id:
        raise MailError(Kind.NON_EXISTENT, "Mailbox doesn't exist.")
    return view


def _claim_recent(root: Root, mailbox: int, uid_next: int) -> int:
    """\\Recent is this session's; what lies in new/ has now been seen, so the settler moves it to cur/."""
    with write(root.db) as writer:
        recent_from = mailboxes.raise_first_recent(writer, mailbox)
        if recent_from < uid_next:
            settle.add_intent(writer, settle.RENAME, mailbox, {"uids": f"{recent_from}:{uid_next - 1}"})
    committed(root)
    return recent_from


def deselect(mail: Mail, view: View) -> None:
    """Closes a view."""
    close_view(mail.opened, view)
