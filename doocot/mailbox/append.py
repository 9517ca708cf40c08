"""Adding messages to a mailbox by name: APPEND and delivery meet here."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from doocot.mailbox.places import existing
from doocot.mailbox.user import Mail
from doocot.store import dovecot_files, save
from doocot.store.save import Incoming
from doocot.store.spool import FileSpool
from doocot.wire.flow import Job, Step


@dataclass(frozen=True, slots=True)
class NewMail:
    """A message to be added; `data` is in memory or spooled."""

    data: bytes | FileSpool
    flags: int = 0
    keywords: frozenset[str] = frozenset()
    internaldate: int | None = None


def append(mail: Mail, name: str, new: Sequence[NewMail]) -> Generator[Step, Any, tuple[int, list[int]]]:
    """Steps that save all or none: (uidvalidity, UIDs). Raises MailError(NON_EXISTENT)."""
    result: tuple[int, list[int]] = yield Job(lambda: append_now(mail, name, new))
    return result


def append_now(mail: Mail, name: str, new: Sequence[NewMail]) -> tuple[int, list[int]]:
    """As `append`, blocking."""
    root = mail.opened.root
    row = existing(mail, name)
    incoming = [_incoming(one) for one in new]
    dovecot_files.reserve_uids(root, row, len(incoming))
    return save.save(root, row.id, row.name, incoming, mail.roots.names)


def _incoming(new: NewMail) -> Incoming:
    return Incoming((new.data,), new.flags, new.keywords, new.internaldate)
