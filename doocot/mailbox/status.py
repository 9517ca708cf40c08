"""The numbers of a mailbox (RFC 3501 §6.3.10): kept in its row, counted only where they are not."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from doocot.mailbox import facts
from doocot.mailbox.ahead import Compute
from doocot.mailbox.facts import Wanted
from doocot.mailbox.namespaces import Place
from doocot.mailbox.places import current_row, synced
from doocot.store import maildir
from doocot.store.index import mailboxes
from doocot.store.index.database import write
from doocot.store.index.mailboxes import MailboxRow
from doocot.wire.flow import Job, Step

if TYPE_CHECKING:
    from doocot.mailbox.user import Mail


@dataclass(frozen=True, slots=True)
class Counts:
    """The numbers that are asked for and may not be known; all others are in every row."""

    unseen: bool = False
    deleted: bool = False
    size: bool = False

    def missing(self, row: MailboxRow) -> bool:
        """Whether the row does not have one of them."""
        return (self.unseen and row.unseen < 0) or (self.deleted and row.deleted < 0) or (self.size and row.size < 0)


def known(mail: "Mail", place: Place, counts: Counts) -> MailboxRow | None:
    """The mailbox's row when it says all that is asked; None asks for `counted`."""
    row = current_row(mail, place)
    return None if row is None or counts.missing(row) else row


def counted(mail: "Mail", place: Place, counts: Counts, *, compute: Compute | None) -> Generator[Step, Any, MailboxRow]:
    """Steps that bring the mailbox in step and count. Raises MailError(NON_EXISTENT)."""
    row: MailboxRow = yield Job(lambda: synced(mail, place))
    if counts.missing(row):
        row = yield Job(lambda: _recount(mail, row.id))
    if counts.size and row.size < 0:
        wanted = Wanted(
            mail.opened.root.db.path, row.id, maildir.folder_of(mail.opened.root, row.name), 1, row.uid_next - 1
        )
        if compute is None:
            yield Job(lambda: facts.compute(wanted))
        else:
            running = compute(wanted)
            yield Job(lambda: running, awaited=True)
        row = yield Job(lambda: _recount(mail, row.id))
    return row


def _recount(mail: "Mail", mailbox: int) -> MailboxRow:
    with write(mail.opened.root.db) as writer:
        return mailboxes.recount(writer, mailbox)


def recent(mail: "Mail", row: MailboxRow) -> int:
    """How many messages nobody has selected yet."""
    return mailboxes.recent_count(mail.opened.root.db.reader, row)
