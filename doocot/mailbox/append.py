"""Adding messages to a mailbox by name, and putting one in the place of another: APPEND and REPLACE.

What REPLACE (RFC 8508) does is one transaction of the root: `store.save` says what a crash leaves of it.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import apsw

from doocot.errors import Kind, MailError
from doocot.mailbox.change import unlink_paths
from doocot.mailbox.copy import GONE
from doocot.mailbox.places import existing
from doocot.mailbox.user import Mail
from doocot.mailbox.view import View
from doocot.message.binary import may_be_binary, without_binary
from doocot.store import dovecot_files, save, settle
from doocot.store.index import messages
from doocot.store.save import Incoming
from doocot.store.spool import FileSpool
from doocot.wire.flow import Job, Step


@dataclass(frozen=True, slots=True)
class NewMail:
    """A message to be added; `data` is in memory or spooled, `binary` when it came in a literal8 (RFC 3516 §4.4)."""

    data: bytes | FileSpool
    flags: int = 0
    keywords: frozenset[str] = frozenset()
    internaldate: int | None = None
    binary: bool = False


def append(mail: Mail, name: str, new: Sequence[NewMail]) -> Generator[Step, Any, tuple[int, list[int]]]:
    """Steps that save all or none: (uidvalidity, UIDs). Raises MailError(TRY_CREATE) when there is no such mailbox."""
    saved: tuple[int, list[int]] = yield Job(lambda: append_now(mail, name, new))
    return saved


def replace(mail: Mail, view: View, uid: int, name: str, new: NewMail) -> Generator[Step, Any, tuple[int, list[int]]]:
    """Steps that save a message and expunge the one with this UID in the view's mailbox, both or neither.

    Raises MailError: TRY_CREATE, or EXPUNGE_ISSUED when the message to be replaced is gone.
    """
    saved: tuple[int, list[int]] = yield Job(lambda: append_now(mail, name, [new], partial(_expunge, view, uid)))
    return saved


def append_now(mail: Mail, name: str, new: Sequence[NewMail], also: save.Also | None = None) -> tuple[int, list[int]]:
    """As `append`, blocking; `also` is done in the same transaction."""
    root = mail.opened.root
    try:
        row = existing(mail, name)
    except MailError as error:
        kind = Kind.TRY_CREATE if error.kind is Kind.NON_EXISTENT else error.kind
        raise MailError(kind, error.text, error.detail) from error
    incoming = [_incoming(one) for one in new]
    dovecot_files.reserve_uids(root, row, len(incoming))
    return save.save(root, row.id, row.name, incoming, mail.roots.names, also)


def _incoming(new: NewMail) -> Incoming:
    return Incoming((_kept(new),), new.flags, new.keywords, new.internaldate)


def _kept(new: NewMail) -> bytes | FileSpool:
    """The message in a form that a file can hold."""
    if not new.binary or not may_be_binary((new.data,) if isinstance(new.data, bytes) else new.data.chunks()):
        return new.data
    return without_binary(new.data if isinstance(new.data, bytes) else b"".join(new.data.chunks()))


def _expunge(view: View, uid: int, writer: apsw.Connection) -> None:
    """Takes a message away in a transaction that is under way; the settler unlinks its file."""
    root, mailbox = view.live.root, view.live.row.id
    found = messages.files(writer, mailbox, [(uid, uid)])
    if not found:
        raise MailError(Kind.EXPUNGE_ISSUED, GONE)
    settle.add_intent(writer, settle.UNLINK, mailbox, unlink_paths(view, found))
    messages.expunge(root.db, writer, mailbox, [(uid, uid)])
