"""Whether a root is as it should be: index, message files and dovecot-uidlist against each other (`doocot fsck`).

It may run beside a server: what is compared with the disk is compared inside a write transaction, where nobody commits,
and file work that is pending is allowed for. Repairing never removes a message: where index and files differ the files
are believed, except for the UIDs that were told.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import apsw

from doocot.errors import Kind, MailError
from doocot.store import dovecot_files, maildir, maildir_sync, settle, uidlist
from doocot.store.disk_errors import disk_errors
from doocot.store.index import checks, mailboxes
from doocot.store.index.database import RESERVE_AHEAD, condemn, renew_connections, rows, write
from doocot.store.index.facts import drop_orphans
from doocot.store.index.mailboxes import MailboxRow
from doocot.store.maildir_names import targets_of
from doocot.store.root import Root, committed, renewed, take_notes


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, where, and whether it has been put right."""

    where: str
    what: str
    repaired: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (" (repaired)" if self.repaired else "")


def check_root(
    root: Root, *, repair: bool = False, progress: Callable[[int, int], None] = lambda done, all: None
) -> Iterator[Finding]:
    """Everything that is wrong with a root; `progress` is told how many of its mailboxes are done."""
    damage = _integrity(root)
    if damage:
        yield from _each(root.db.path, damage, repair, partial(_anew, root))
        if not repair:
            return
    with root.db.lock:
        disorder, left_over = checks.order(root.db.writer), checks.metadata(root.db.writer)
    yield from _each(root.db.path, disorder, repair, partial(_in_write, root, _raise_position))
    yield from _each(root.db.path, left_over, repair, partial(_in_write, root, checks.repair_metadata))
    if repair:
        settle.settle_all(root)
    names = sorted(maildir.scan_folders(root).names | set(_known(root)))
    for done, name in enumerate(names):
        progress(done, len(names))
        yield from _check_mailbox(root, name, repair)
    if repair:
        settle.settle_all(root)
        dovecot_files.list_all(root)
        with write(root.db) as writer:
            while drop_orphans(writer):
                pass
    yield from (Finding(root.path, text, repaired=True) for text in take_notes(root))


def _each(where: str, texts: list[str], repair: bool, mend: Callable[[], None]) -> Iterator[Finding]:
    if texts and repair:
        mend()
    for text in texts:
        yield Finding(where, text, repair)


def _known(root: Root) -> dict[str, MailboxRow]:
    with root.db.lock:
        return mailboxes.mailbox_rows(root.db.writer)


def _integrity(root: Root) -> list[str]:
    try:
        with root.db.lock:
            return checks.integrity(root.db.writer)
    except MailError as error:
        if error.kind is not Kind.CORRUPTION:
            raise
        return [error.detail]


def _anew(root: Root) -> None:
    """Moves the index aside; the mailboxes are taken into a new one as they are come upon."""
    condemn(root.db.writer)
    with root.db.lock:
        renew_connections(root.db)
    renewed(root)


def _in_write(root: Root, change: Callable[[apsw.Connection], None]) -> None:
    with write(root.db, durable=True) as writer:
        change(writer)
    committed(root)


def _raise_position(writer: apsw.Connection) -> None:
    checks.repair_order(writer, RESERVE_AHEAD)


def _check_mailbox(root: Root, name: str, repair: bool) -> Iterator[Finding]:
    folder = maildir.folder_of(root, name)
    row = _known(root).get(name)
    if root.files.stat(f"{folder}/cur") is None:
        if row is not None and name != "INBOX":
            mend = partial(_in_write, root, partial(_delete, root, row))
            yield from _each(folder, ["the index has a mailbox whose folder is gone"], repair, mend)
        return
    if row is None:  # nobody has opened it yet
        if repair:
            maildir_sync.sync_mailbox(root, name)
        return
    with disk_errors(folder):
        with root.db.lock:
            wrong = checks.mailbox(root.db.writer, row)
        yield from _each(folder, wrong, repair, partial(_in_write, root, partial(_recount, row)))
        with write(root.db) as writer:
            wrong = _files(root, writer, row, folder)
        yield from _each(folder, wrong, repair, partial(_rescan, root, name))
        if repair:
            row = maildir_sync.sync_mailbox(root, name)
        listed = _list(root, row, folder)
        yield from _each(folder, listed, repair, partial(dovecot_files.rewrite_list, root, row))


def _delete(root: Root, row: MailboxRow, writer: apsw.Connection) -> None:
    mailboxes.delete_mailbox(root.db, writer, row.id)


def _recount(row: MailboxRow, writer: apsw.Connection) -> None:
    checks.repair_mailbox(writer, row)


def _rescan(root: Root, name: str) -> None:
    """Brings the rows in step with the files; two files of one message become one."""
    folder = maildir.folder_of(root, name)
    with write(root.db) as writer:
        row = mailboxes.mailbox_row(writer, name)
        if row is not None:
            mailboxes.set_stamps(writer, row.id, stamp="")
            found = checks.files_of_rows(writer, row.id)
            paths: dict[str, list[str]] = defaultdict(list)
            for path in maildir.files_of(root.files, folder, {base for _, base, _, _ in found}):
                paths[path.rpartition("/")[2].partition(":")[0]].append(path)
            for uid, base, letters, target in found:
                same = _same(root, paths[base])
                if len(same) > 1:
                    kept = next((p for p in maildir.named_paths(folder, base, letters, target) if p in same), same[0])
                    for path in same:
                        if path != kept:
                            root.files.unlink(path)
                if target is not None:
                    settle.add_intent(writer, settle.RENAME, row.id, {"uids": str(uid)})
    maildir_sync.sync_mailbox(root, name)
    settle.settle_all(root)


def _same(root: Root, paths: list[str]) -> list[str]:
    """Those of the paths that are names of one file with the first: all but one may go."""
    found = [(path, stat.st_ino) for path in paths if (stat := root.files.stat(path)) is not None]
    return [path for path, inode in found if inode == found[0][1]]


def _files(root: Root, writer: apsw.Connection, row: MailboxRow, folder: str) -> list[str]:
    """Rows without exactly one file under a name that it may bear, and files without a row."""
    names = [name for part in ("new", "cur") for name in root.files.names(f"{folder}/{part}") if name[0] != "."]
    count = Counter(name.partition(":")[0] for name in names)
    listing = maildir.list_files(root, folder).letters
    leaving = {
        path.rpartition("/")[2].partition(":")[0]
        for data in checks.pending_data(writer, row.id, settle.UNLINK)
        for path in json.loads(data)
    }
    renames = bool(checks.pending_data(writer, row.id, settle.RENAME))
    found, known = [], set()
    for uid, base, letters, target in checks.files_of_rows(writer, row.id):
        known.add(base)
        allowed = {letters, *targets_of(target)}
        if base not in listing:
            found.append(f"message {uid} has no file ({base})")
        elif count[base] > 1:
            found.append(f"message {uid} has {count[base]} files ({base})")
        elif listing[base] not in allowed:
            found.append(f"message {uid} has the letters {listing[base]}, the index knows {letters}")
        elif target is not None and not renames:
            found.append(f"message {uid} awaits a name that nobody is about to give it")
    found += [f"{base} has no message" for base in listing if base not in known and base not in leaving]
    return found


def _list(root: Root, row: MailboxRow, folder: str) -> list[str]:
    """dovecot-uidlist against the index."""
    control = dovecot_files.control_folder(root, folder)
    try:
        with dovecot_files.lock_uidlist(root, folder):
            known = uidlist.read(root.files, control)
            with root.db.lock:
                row = mailboxes.mailbox_by_id(root.db.writer, row.id)
                found = rows(root.db.writer, "SELECT base, uid FROM message WHERE mailbox = ?", (row.id,))
    except MailError as error:
        if error.kind is not Kind.CORRUPTION:
            raise
        return [error.detail]
    if known is None:
        return ["dovecot-uidlist is missing"] if row.listed_to else []
    wrong = []
    if known.uid_validity != row.uid_validity:
        wrong.append(f"dovecot-uidlist has the UIDVALIDITY {known.uid_validity}, the index {row.uid_validity}")
    if row.reserved_uid > 1 and known.next_uid < row.uid_next:
        wrong.append(f"dovecot-uidlist promises no UID below {known.next_uid}, the index has given {row.uid_next - 1}")
    listed = dict(zip(known.bases, known.uids, strict=True))
    for base, uid in found:
        if listed.get(base, uid) != uid:
            wrong.append(f"dovecot-uidlist has the UID {listed[base]} for {base}, the index {uid}")
        elif base not in listed and uid <= row.listed_to:
            wrong.append(f"dovecot-uidlist does not have the message {uid} ({base})")
    return wrong
