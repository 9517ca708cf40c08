"""Making, renaming and removing the folders of mailboxes together with their rows.

The folder moves inside the index's write transaction, so nobody meanwhile takes a half done change for another
program's: first sight of a folder needs the same lock. A folder is on disk (its parent synced) before the commit.

| step | on disk | index | after a crash |
|---|---|---|---|
| CREATE: folder made | A, last its cur/ | - | without cur/ nobody sees it, with cur/ it is an empty mailbox |
| committed | A | row A | created |
| uidlist written | A with dovecot-uidlist | row A | created; before this step no UID was told |
| RENAME: folder renamed | B | row A | first sight of B finds the GUID of A, whose folder is gone, and renames the row |
| committed | B | row B | renamed; children one by one, each as above |
| DELETE: folder renamed | doocot-removed.ID | row A | `recover` renames it back: nobody was told that it was deleted |
| committed | doocot-removed.ID | intent to remove | deleted; the settler removes the files |
"""

import errno
import os

import apsw

from doocot.errors import Kind, MailError
from doocot.store import dovecot_files, maildir, maildir_sync, settle
from doocot.store.disk_errors import disk_error
from doocot.store.files import PRIVATE
from doocot.store.index import mailboxes
from doocot.store.index.database import next_position, rows, write
from doocot.store.index.mailboxes import MailboxRow
from doocot.store.root import Root, committed

EXISTS = "Mailbox already exists"
TARGET_EXISTS = "Target mailbox already exists"


def no_such_mailbox(name: str) -> MailError:
    """As Dovecot words it."""
    return MailError(Kind.NON_EXISTENT, f"Mailbox doesn't exist: {name}")


def exists(root: Root, name: str) -> bool:
    """Whether the mailbox has its folder. One whose name no file could have is not there either."""
    if name == "INBOX":
        return True
    path = os.path.join(maildir.folder_of(root, name), "cur")
    try:
        return root.files.stat(path) is not None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return False
        raise disk_error(error, path) from error


def create_folder(root: Root, name: str) -> MailboxRow:
    """Makes a mailbox, its UIDVALIDITY and UIDs safe in Dovecot's files. Raises MailError(ALREADY_EXISTS)."""
    if exists(root, name):
        raise MailError(Kind.ALREADY_EXISTS, EXISTS)
    folder = maildir.folder_of(root, name)
    try:
        _forget_stale(root, name)
        maildir.make_folder(root, name)
        if root.location.control:
            _make_parents(root, dovecot_files.control_folder(root, folder))
        row = maildir_sync.first_sight(root, name, folder)
        dovecot_files.reserve_uids(root, row, 1)
    except OSError as error:
        raise disk_error(error, folder) from error
    return row


def _make_parents(root: Root, path: str) -> None:
    """The folder for control files, which may lie in another tree."""
    if root.files.stat(path) is None:
        _make_parents(root, os.path.dirname(path))
        root.files.mkdir(path, PRIVATE)


def _forget_stale(root: Root, name: str) -> None:
    """Another program removed the folder of a mailbox that has a row: that mailbox is gone."""
    with root.db.lock:
        row = mailboxes.mailbox_row(root.db.writer, name)
    if row is not None:
        with write(root.db, durable=True) as writer:
            mailboxes.delete_mailbox(root.db, writer, row.id)
        committed(root)


def delete_folder(root: Root, name: str) -> None:
    """Removes a mailbox; its files go with the next slices. Raises MailError(NON_EXISTENT), named `name`."""
    if not exists(root, name):
        raise no_such_mailbox(name)
    folder = maildir.folder_of(root, name)
    moved: list[tuple[str, str]] = []
    try:
        with write(root.db, durable=True) as writer:
            row = mailboxes.mailbox_row(writer, name)
            number = row.id if row is not None else next_position(root.db, writer)
            aside = f"{maildir.REMOVED}{number}"
            if row is not None:
                mailboxes.delete_mailbox(root.db, writer, row.id)
            paths = [aside]
            _move(root, folder, os.path.join(root.path, aside), moved)
            control = dovecot_files.control_folder(root, folder)
            if control != folder and root.files.stat(control) is not None:
                paths.append(os.path.join(root.location.control, aside))
                _move(root, control, paths[-1], moved)
            settle.add_intent(writer, settle.REMOVE, number, paths)
            root.files.sync_folder(root.path)
        moved.clear()
    except OSError as error:
        raise disk_error(error, folder) from error
    finally:
        _move_back(root, moved)
    committed(root)


def rename_folders(root: Root, old: str, new: str) -> None:
    """Gives a mailbox and all below it another name. Raises MailError(NON_EXISTENT) or (ALREADY_EXISTS).

    A name that has only mailboxes below it may become that of a mailbox which is there, as with Dovecot: none is lost.
    """
    names = sorted(name for name in maildir.scan_folders(root).names if name == old or name.startswith(old + "/"))
    if not names:
        raise no_such_mailbox(old)
    pairs = [(name, new + name[len(old) :]) for name in names]
    if new == "INBOX" or any(exists(root, target) for _, target in pairs):
        raise MailError(Kind.ALREADY_EXISTS, TARGET_EXISTS)
    moved: list[tuple[str, str]] = []
    try:
        with write(root.db, durable=True) as writer:
            for name, target in pairs:
                _rename_one(root, writer, name, target, moved)
            root.files.sync_folder(root.path)
        moved.clear()
    except OSError as error:
        raise disk_error(error, root.path) from error
    finally:
        _move_back(root, moved)
    committed(root)


def _rename_one(root: Root, writer: apsw.Connection, name: str, target: str, moved: list[tuple[str, str]]) -> None:
    row, stale = mailboxes.mailbox_row(writer, name), mailboxes.mailbox_row(writer, target)
    if stale is not None:  # its folder is gone, or the caller had refused
        mailboxes.delete_mailbox(root.db, writer, stale.id)
    folder, other = maildir.folder_of(root, name), maildir.folder_of(root, target)
    _move(root, folder, other, moved)
    control, other_control = (dovecot_files.control_folder(root, path) for path in (folder, other))
    if control != folder and root.files.stat(control) is not None:
        _move(root, control, other_control, moved)
    if row is not None:
        mailboxes.rename_mailbox(root.db, writer, row.id, target)


def _move(root: Root, source: str, target: str, moved: list[tuple[str, str]]) -> None:
    root.files.rename(source, target)
    moved.append((source, target))


def _move_back(root: Root, moved: list[tuple[str, str]]) -> None:
    """Undoes the renames of a transaction that was rolled back; there is nothing to undo after a commit."""
    for source, target in reversed(moved):
        root.files.rename(target, source)


def recover(root: Root, removed: frozenset[str]) -> None:
    """Sees to folders of deleted mailboxes that no intent speaks of: a crash came between rename and commit."""
    with write(root.db, durable=True) as writer:
        known = " ".join(data for (data,) in rows(writer, "SELECT data FROM intent WHERE kind = ?", (settle.REMOVE,)))
        for aside in removed:
            if f'"{aside}"' in known or f'"{aside}/' in known or root.files.stat(f"{root.path}/{aside}") is None:
                continue
            number = aside.removeprefix(maildir.REMOVED)
            names = rows(writer, "SELECT name FROM mailbox WHERE id = ?", (int(number) if number.isdigit() else 0,))
            target = maildir.folder_of(root, names[0][0]) if names else ""
            if target and root.files.stat(target) is None:
                root.files.rename(os.path.join(root.path, aside), target)
                control = os.path.join(root.location.control or root.path, aside)
                if root.location.control and root.files.stat(control) is not None:
                    root.files.rename(control, dovecot_files.control_folder(root, target))
            else:
                settle.add_intent(writer, settle.REMOVE, 0, [aside])
        root.files.sync_folder(root.path)
