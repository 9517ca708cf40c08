"""Keeping `dovecot-uidlist` and `dovecot-keywords` as Dovecot would find them, so that going back keeps every UID.

Rows are appended after the answer (the settler calls `list_messages`); what must come before an answer is
`reserve_uids`: the header's next UID (N) is ahead of every UID told, so that a rebuild from these files alone gives
none of them again. Expunged rows stay until the file is replaced; a reader ignores rows whose file is gone, as Dovecot
does.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TypeVar

import apsw

from doocot.errors import Kind, MailError
from doocot.store import maildir, maildir_keywords, uidlist
from doocot.store.disk_errors import disk_errors
from doocot.store.dotlock import Dotlock, dotlock
from doocot.store.index import mailboxes
from doocot.store.index.database import Busy, rows, write
from doocot.store.index.mailboxes import MailboxRow
from doocot.store.maildir_keywords import LETTERS
from doocot.store.root import Root, note
from doocot.store.takeover import take_over
from doocot.store.uidlist import UidList

RESERVE = 1000  # UIDs that N runs ahead

Result = TypeVar("Result")


def control_folder(root: Root, folder: str) -> str:
    """Where the files of a mailbox folder are: beside the mail, or under CONTROL=."""
    return folder if not root.location.control else folder.replace(root.path, root.location.control, 1)


def lock_uidlist(root: Root, folder: str) -> AbstractContextManager[Dotlock]:
    """The lock that Dovecot takes for both files; a context manager."""
    return dotlock(root.files, uidlist.path_in(control_folder(root, folder)))


def signature_text(known: UidList | None) -> str:
    """The state of the file as kept in the index."""
    if known is None or known.signature is None:
        return ""
    mark = known.signature
    return f"{mark.inode}.{mark.size}.{mark.mtime_ns}"


def list_changed(root: Root, row: MailboxRow) -> bool:
    """Whether somebody else wrote dovecot-uidlist since we last read or wrote it: one call of stat."""
    return _signature(root, control_folder(root, maildir.folder_of(root, row.name))) != row.uidlist


def _signature(root: Root, control: str) -> str:
    now = uidlist.signature(root.files, control)
    return signature_text(UidList(0, 0, signature=now))


def take_over_list(root: Root, row: MailboxRow) -> MailboxRow | None:
    """The mailbox's row in step with a dovecot-uidlist that changed; None when it is another mailbox now."""
    folder = maildir.folder_of(root, row.name)
    with lock_uidlist(root, folder):
        return _current(root, row, control_folder(root, folder))[0]


def _current(root: Root, row: MailboxRow, control: str) -> tuple[MailboxRow | None, UidList | None]:
    """Under the lock: the row of now, and the file (without its rows when it is as we left it)."""
    with root.db.lock:
        row = mailboxes.mailbox_by_id(root.db.writer, row.id)
    mark = uidlist.signature(root.files, control)
    left = UidList(row.uid_validity, row.reserved_uid, row.guid, signature=mark)
    if signature_text(left) == row.uidlist:
        return row, left if mark is not None else None
    known = _whole(root, control)
    if known is None:
        with write(root.db) as writer:
            mailboxes.set_stamps(writer, row.id, listed_to=0, reserved_uid=1, uidlist="")
            return mailboxes.mailbox_by_id(writer, row.id), None
    return take_over(root, row, known, control, signature_text(known)), known


def _whole(root: Root, control: str) -> UidList | None:
    """The file with its rows; None when there is none, or, with a line for the log, when it is damaged."""
    try:
        return uidlist.read(root.files, control)
    except MailError as error:
        if error.kind is not Kind.CORRUPTION:
            raise
        note(root, f"{error.detail}; it is made anew from the index")
        return None


def reserve_uids(root: Root, row: MailboxRow, count: int, *, wait: bool = True) -> None:
    """Makes N run ahead of the next `count` UIDs, durably, before one of them is told. Without `wait` raises Busy."""
    if row.uid_next + count <= row.reserved_uid:
        return
    if not wait:
        raise Busy
    folder = maildir.folder_of(root, row.name)
    control = control_folder(root, folder)
    with disk_errors(control), lock_uidlist(root, folder) as lock:
        current, known = _current(root, row, control)
        if current is None:
            raise MailError(Kind.NON_EXISTENT, "Mailbox was deleted.")
        if known is not None and not known.uids:
            known = _whole(root, control)
        reserved, listed_to = min(current.uid_next + count + RESERVE, uidlist.MAX_UID), current.listed_to
        if reserved < current.uid_next + count:
            text = "The mailbox has no UIDs left."
            raise MailError(
                Kind.UNAVAILABLE, text, f"{folder}: the next would be {current.uid_next}; move its messages"
            )
        if known is None:
            known = _replaced(root, replace(current, reserved_uid=reserved), None, control, lock)
            listed_to = known.uids[-1] if known.uids else 0
        elif known.next_uid < reserved:
            content = replace(known, next_uid=reserved)
            known = uidlist.write(root.files, control, content, lock, root.files.modes_in(control))
        mark = signature_text(known)
        with write(root.db, durable=True) as writer:
            mailboxes.set_stamps(writer, row.id, reserved_uid=known.next_uid, uidlist=mark, listed_to=listed_to)


def giving_uids(
    root: Root,
    mailbox: int,
    count: int,
    commit: Callable[[apsw.Connection], Result],
    *,
    durable: bool = True,
    wait: bool = True,
) -> Result:
    """`commit` in a transaction that gives out up to `count` UIDs of the mailbox, all of them below N.

    Another process may have used up what a caller reserved before, so it is looked at inside the transaction. Who does
    without `durable` syncs the index himself before he answers. Raises Busy rather than `wait`.
    """
    while True:
        with write(root.db, durable=durable, wait=wait) as writer:
            row = mailboxes.mailbox_by_id(writer, mailbox)
            if row.uid_next + count <= row.reserved_uid:
                return commit(writer)
        reserve_uids(root, row, count, wait=wait)


def list_all(root: Root) -> None:
    """Brings dovecot-uidlist up to date in every mailbox of the root. Blocking, with fsync; for a thread.

    Raises the first MailError after having done all that could be done.
    """
    with root.db.lock:
        behind = rows(root.db.writer, "SELECT name FROM mailbox WHERE listed_to < uidnext - 1")
    first: MailError | None = None
    for (name,) in behind:
        with root.db.lock:
            row = mailboxes.mailbox_row(root.db.writer, name)
        control = control_folder(root, maildir.folder_of(root, name))
        try:
            with disk_errors(control):
                if row is not None and root.files.stat(control) is not None:  # not deleted or renamed meanwhile
                    list_messages(root, row)
        except MailError as error:
            first = first or error
    if first is not None:
        raise first


def list_messages(root: Root, row: MailboxRow) -> None:
    """Appends the messages that dovecot-uidlist does not have yet; a file that is damaged or gone is made anew."""
    folder = maildir.folder_of(root, row.name)
    control = control_folder(root, folder)
    with disk_errors(control), lock_uidlist(root, folder) as lock:
        current, known = _current(root, row, control)
        if current is None:
            return
        with root.db.lock:
            new = rows(
                root.db.writer,
                "SELECT uid, base FROM message WHERE mailbox = ? AND uid > ? ORDER BY uid",
                (current.id, current.listed_to),
            )
        last = max(known.uids[-1] if known is not None and known.uids else 0, current.listed_to)
        if known is not None and uidlist.is_torn(root.files, control):
            known = _replaced(root, current, _whole(root, control), control, lock)
        elif known is None or known.rewrite or (new and new[0][0] <= last):
            known = _replaced(root, current, known, control, lock)
        elif new:
            uids, bases = [uid for uid, _ in new], [base for _, base in new]
            known = uidlist.append(root.files, control, known, uids, bases, lock)
        listed_to = max(current.uid_next - 1, new[-1][0] if new else 0)
        with write(root.db) as writer:
            mailboxes.set_stamps(writer, row.id, listed_to=listed_to, uidlist=signature_text(known))


def rewrite_list(root: Root, row: MailboxRow) -> None:
    """Makes dovecot-uidlist anew from the index, whatever it holds; what else Dovecot kept in it goes."""
    folder = maildir.folder_of(root, row.name)
    control = control_folder(root, folder)
    with disk_errors(control), lock_uidlist(root, folder) as lock:
        with root.db.lock:
            row = mailboxes.mailbox_by_id(root.db.writer, row.id)
        known = _replaced(root, row, None, control, lock)
        with write(root.db, durable=True) as writer:
            mailboxes.set_stamps(
                writer,
                row.id,
                listed_to=known.uids[-1] if known.uids else 0,
                reserved_uid=known.next_uid,
                uidlist=signature_text(known),
            )


def _replaced(root: Root, row: MailboxRow, known: UidList | None, control: str, lock: Dotlock) -> UidList:
    """The whole file anew from the index; what else Dovecot kept in it stays."""
    with root.db.lock:
        found = rows(root.db.writer, "SELECT uid, base FROM message WHERE mailbox = ? ORDER BY uid", (row.id,))
    content = UidList(
        row.uid_validity,
        max(row.reserved_uid, row.uid_next),
        row.guid,
        [uid for uid, _ in found],
        [base for _, base in found],
        known.fields if known is not None else {},
        known.further if known is not None else "",
    )
    return uidlist.write(root.files, control, content, lock, root.files.modes_in(control))


def have_letters(row: MailboxRow, names: Iterable[str]) -> bool:
    """Whether `assign_letters` would have nothing to do."""
    letters = row.letters.split(" ") if row.letters else []
    return len(letters) >= LETTERS or all(name in letters for name in names)


def assign_letters(root: Root, row: MailboxRow, names: Iterable[str]) -> list[str]:
    """File name letters for these keywords where there is room: the mailbox's list, written to dovecot-keywords
    first."""
    letters = row.letters.split(" ") if row.letters else []
    missing = [name for name in sorted(set(names)) if name not in letters]
    if not missing or len(letters) >= LETTERS:
        return letters
    folder = maildir.folder_of(root, row.name)
    control = control_folder(root, folder)
    with lock_uidlist(root, folder) as lock:
        on_disk = maildir_keywords.read(root.files, control)
        letters = [on_disk.get(number, "") for number in range(max(on_disk, default=-1) + 1)] or letters
        for name in missing:
            if name not in letters and len(letters) < LETTERS:
                letters.append(name)
        known = {number: name for number, name in enumerate(letters) if name}
        if known != on_disk:
            maildir_keywords.write(root.files, control, known, lock, root.files.modes_in(control))
    with write(root.db, durable=True) as writer:
        mailboxes.set_stamps(writer, row.id, letters=" ".join(letters))
    return letters


def letters_of(names: Sequence[str], letters: Sequence[str]) -> str:
    """The letters of those keywords that have one."""
    return "".join(sorted(chr(97 + letters.index(name)) for name in names if name in letters))
