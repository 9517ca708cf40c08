"""Settling: file names, removals and uidlist follow what the index already says, in slices, after the answer.

What is on disk at each step of a rename, and what recovery (the next slice, whoever runs it) does:

| step | index | file | recovery |
|---|---|---|---|
| STORE committed | flags new, letters old, intent | old name | renames |
| target committed | target has the new letters | old name | renames |
| renamed, in the next transaction | the same | new name | finds it under a target, renames if flags moved on |
| letters committed | letters new, target NULL, intent gone | new name | nothing |

A rescan at any step finds the file under `letters` or one of `target`, so it is never another program's change.
Unlinking: the intent is committed with the rows' removal; a file that is gone already is no error.
"""

import errno
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import apsw

from doocot.errors import MailError
from doocot.store import maildir
from doocot.store.disk_errors import disk_errors
from doocot.store.dovecot_files import assign_letters, have_letters, letters_of
from doocot.store.index import mailboxes
from doocot.store.index.database import reading, rows, write
from doocot.store.index.mailboxes import MailboxRow
from doocot.store.index.messages import Range, parse_ranges
from doocot.store.maildir_names import TARGET_SEPARATOR, letters_for, parse_name, targets_of
from doocot.store.root import Root, keyword_names, note

SLICE = 50  # files a slice renames or unlinks: a millisecond on a local disk, in which writers of the root wait
LOOKED_AT = 1000  # rows of which a slice asks whether their files want another name

# What no later attempt at the same rename would change: the name is too long, or a folder has it.
REFUSED = (errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.ENOTEMPTY, errno.EEXIST)

RENAME, UNLINK, REMOVE = "rename", "unlink", "remove"


def add_intent(writer: apsw.Connection, kind: str, mailbox: int, data: Any) -> None:
    """Notes file work in the transaction that makes it necessary, in parts of about a slice.

    A slice reads and writes the whole of its intent: one for 50,000 files would be read and written a thousand times.
    """
    writer.executemany(
        "INSERT INTO intent(kind, mailbox, data) VALUES(?, ?, ?)",
        [(kind, mailbox, json.dumps(part)) for part in _parts(kind, data)],
    )


def _parts(kind: str, data: Any) -> Iterator[Any]:
    if kind == RENAME:
        ranges = data["uids"].split(",")
        for start in range(0, len(ranges), SLICE):
            yield {**data, "uids": ",".join(ranges[start : start + SLICE])}
    elif kind == UNLINK:
        while data:
            part = _first_messages(data)
            data = data[len(part) :]
            yield part
    else:
        yield data


def _first_messages(paths: list[str]) -> list[str]:
    """Some SLICE paths; those of one message, which follow each other, are not torn apart."""
    end = SLICE
    while end < len(paths) and _message_of(paths[end]) == _message_of(paths[end - 1]):
        end += 1
    return paths[:end]


def pending(root: Root) -> bool:
    """Whether there is file work to do."""
    return bool(rows(root.db.reader, "SELECT 1 FROM intent LIMIT 1"))


@dataclass(slots=True)
class _Row:
    uid: int
    flags: int
    base: str
    letters: str | None
    target: str | None
    wanted: str | None = ""


def settle_slice(root: Root) -> bool:
    """Does up to SLICE files of the oldest intent; True while there is more. Idempotent, safe beside another settler.

    Never on the loop: a rename waits for the file system's journal while anybody on the machine calls fsync. Raises
    MailError when the disk refuses; that intent is then tried again after all others.
    """
    with reading(root.db) as connection:
        found = rows(connection, "SELECT id, kind, mailbox, data FROM intent ORDER BY id LIMIT 1")
    if not found:
        return False
    number, kind, mailbox, data = found[0]
    try:
        with disk_errors(root.path):
            _WORK[kind](root, number, mailbox, json.loads(data))
    except MailError:
        with write(root.db) as writer:
            writer.execute("UPDATE intent SET id = (SELECT max(id) + 1 FROM intent) WHERE id = ?", (number,))
        raise
    return True


def settle_all(root: Root) -> int:
    """Does everything that is pending; the number of slices. Raises the first MailError of what could not be done."""
    done = failed = 0
    first: MailError | None = None
    while True:
        try:
            if not settle_slice(root):
                break
            done, failed = done + 1, 0
        except MailError as error:
            first, failed = first or error, failed + 1
            with root.db.lock:
                ((pending_now,),) = rows(root.db.writer, "SELECT count(*) FROM intent")
            if failed >= pending_now:
                break
    if first is not None:
        raise first
    return done


def _rest(writer: apsw.Connection, number: int, rest: Any) -> None:
    """Keeps what is left of an intent, or removes it."""
    if rest:
        writer.execute("UPDATE intent SET data = ? WHERE id = ?", (json.dumps(rest), number))
    else:
        writer.execute("DELETE FROM intent WHERE id = ?", (number,))


def _unlink(root: Root, number: int, mailbox: int, paths: list[str]) -> None:
    """Removes files; each path is relative to the root, and those of one message follow each other.

    A message that is under none of its names has been renamed by another program, or is gone already: a look into its
    folder tells. All this inside a write transaction, so that nobody renames the mailbox meanwhile; if somebody did
    before, its files are in the folder of its present name.
    """
    part = _first_messages(paths)
    with write(root.db) as writer:
        names = rows(writer, "SELECT name FROM mailbox WHERE id = ?", (mailbox,))
        folder = os.path.relpath(maildir.folder_of(root, names[0][0]), root.path) if names else None
        moved = [_in_folder(path, folder) for path in part] if folder is not None else part
        missing = dict.fromkeys(map(_message_of, moved))
        for path in moved:
            if root.files.unlink(os.path.join(root.path, path)):
                missing.pop(_message_of(path), None)
        for where, bases in _by_folder(missing).items():
            for path in maildir.files_of(root.files, os.path.join(root.path, where), bases):
                root.files.unlink(path)
        _rest(writer, number, paths[len(part) :])


def _in_folder(path: str, folder: str) -> str:
    """The same file of a mailbox in that folder."""
    where, _, name = path.rpartition("/")
    return os.path.join("" if folder == "." else folder, os.path.basename(where), name)


def _message_of(path: str) -> tuple[str, str]:
    """(mailbox folder, base name) of a file's path."""
    folder, _, name = path.rpartition("/")
    return folder.rpartition("/")[0], name.partition(":")[0]


def _by_folder(messages: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for folder, base in messages:
        found.setdefault(folder, set()).add(base)
    return found


def _remove(root: Root, number: int, _: int, paths: list[str]) -> None:
    """Removes the folders of a deleted mailbox, which was renamed away first: files, then folders, deepest last."""
    path = os.path.join(root.path, paths[0])
    rest = paths[1:]
    if root.files.lstat(path) is not None:
        is_link = os.path.islink(path)
        # All names for each slice would be a square.
        children = root.files.some_names(path, SLICE) if os.path.isdir(path) and not is_link else []
        for name, is_folder in children:
            if is_folder:
                rest.insert(0, os.path.join(paths[0], name))
            else:
                root.files.unlink(os.path.join(path, name))
        if children:
            rest.append(paths[0])
        elif is_link:  # what it leads to is not ours alone
            root.files.unlink(path)
        elif os.path.isdir(path):
            root.files.rmdir(path)
    if rest != paths:
        with write(root.db) as writer:
            _rest(writer, number, rest)


def _rename(root: Root, number: int, mailbox: int, work: dict[str, Any]) -> None:
    """Gives files the names that their flags ask for, from `next` on within the UID ranges."""
    with reading(root.db) as connection:
        found = rows(connection, "SELECT name FROM mailbox WHERE id = ?", (mailbox,))
        if found:
            box = mailboxes.mailbox_by_id(connection, mailbox)
            batch, behind = _unsettled(root, connection, box, parse_ranges(work["uids"]), int(work.get("next", 0)))
            keywords = {name for row in batch for name in keyword_names(root, row.flags >> 8, connection)}
    if not found:  # deleted meanwhile, its files with it
        with write(root.db) as writer:
            _rest(writer, number, None)
        return
    letters = assign_letters(root, box, keywords)
    with reading(root.db) as connection:
        for row in batch:
            row.wanted = wanted_letters(root, connection, row.flags, letters, row.letters or "")
    if batch:
        with write(root.db) as writer:
            writer.executemany(
                f"UPDATE message SET target = ifnull(target || '{TARGET_SEPARATOR}', '') || ?"
                f" WHERE mailbox = {mailbox} AND uid = ?",
                [(row.wanted, row.uid) for row in batch if row.wanted not in targets_of(row.target)],
            )
    with write(root.db) as writer:
        settled, again = _rename_batch(root, writer, box, letters, batch)
        writer.executemany(
            f"UPDATE message SET letters = ?, target = NULL WHERE mailbox = {mailbox} AND uid = ?",
            [(row.wanted, row.uid) for row in settled],
        )
        behind = min(again) if again else behind
        _rest(writer, number, {"uids": work["uids"], "next": behind} if behind >= 0 else None)


def _rename_batch(
    root: Root, writer: apsw.Connection, box: MailboxRow, letters: Sequence[str], batch: Sequence[_Row]
) -> tuple[list[_Row], list[int]]:
    """Renames, inside a write transaction: so nobody expunges or renames the same files meanwhile.

    Gives the rows that are settled, and the UIDs whose flags changed since their targets were committed.
    """
    if not batch:
        return [], []
    found = rows(
        writer,
        "SELECT uid, flags, base, letters, target FROM message WHERE mailbox = ? AND uid BETWEEN ? AND ?",
        (box.id, min(row.uid for row in batch), max(row.uid for row in batch)),
    )
    now = {row[0]: _Row(*row) for row in found}
    folder = maildir.folder_of(root, box.name)
    settled, again, lost = [], [], []
    for row in batch:
        current = now.get(row.uid)
        if current is None:
            continue
        current.wanted = wanted_letters(root, writer, current.flags, letters, current.letters or "")
        if current.wanted not in targets_of(current.target):
            again.append(row.uid)
        elif _rename_one(root, folder, current):
            settled.append(current)
        else:
            lost.append(current)
    return settled + (_rename_found(root, folder, lost) if lost else []), again


def _unsettled(
    root: Root, connection: apsw.Connection, box: MailboxRow, ranges: Sequence[Range], start: int
) -> tuple[list[_Row], int]:
    """The next SLICE rows whose names do not say their flags, and the UID to go on from (-1 at the end).

    It looks at some LOOKED_AT rows only: writers wait meanwhile. Most often the first SLICE of them want new names.
    """
    letters = box.letters.split(" ") if box.letters else []
    batch: list[_Row] = []
    left = LOOKED_AT
    for low, high in ranges:
        while max(low, start) <= high:
            found = rows(
                connection,
                "SELECT uid, flags, base, letters, target FROM message WHERE mailbox = ? AND uid BETWEEN ? AND ?"
                " ORDER BY uid LIMIT ?",
                (box.id, max(low, start), high, SLICE),
            )
            for uid, flags, base, known, target in found:
                if known is None or target is not None or _says_otherwise(root, connection, box, letters, flags, known):
                    batch.append(_Row(uid, flags, base, known, target))
                    if len(batch) == SLICE:
                        return batch, uid + 1
            if not found:
                break
            start = found[-1][0] + 1
            left -= len(found)
            if left <= 0:
                return batch, start
    return batch, -1


def _says_otherwise(
    root: Root, connection: apsw.Connection, box: MailboxRow, letters: Sequence[str], flags: int, known: str
) -> bool:
    """Whether a file name with these letters does not say the flags, or will not once all keywords have letters."""
    if flags >> 8 and not have_letters(box, keyword_names(root, flags >> 8, connection)):
        return True
    return wanted_letters(root, connection, flags, letters, known) != known


def wanted_letters(root: Root, connection: apsw.Connection, flags: int, letters: Sequence[str], known: str) -> str:
    """The letters of a file name that say these flags; what the letters cannot say stays in the index."""
    keywords = letters_of(keyword_names(root, flags >> 8, connection), letters) if flags >> 8 else ""
    return letters_for(flags & 0xFF, keywords, known)


def _rename_one(root: Root, folder: str, row: _Row) -> bool:
    """Renames from the name that the index expects; False when the file is at none, or cannot have that name."""
    target = maildir.file_path(folder, row.base, row.wanted)
    try:
        return _rename_expected(root, folder, row, target)
    except OSError as error:
        if error.errno not in REFUSED:
            raise
        return False


def _rename_expected(root: Root, folder: str, row: _Row, target: str) -> bool:
    candidates = [row.letters, *targets_of(row.target)]
    for letters in candidates:
        source = maildir.file_path(folder, row.base, letters)
        if source == target:
            if root.files.stat(target) is not None:
                return True
            continue
        try:
            root.files.rename(source, target)
        except FileNotFoundError:
            continue
        return True
    return root.files.stat(target) is not None


def _rename_found(root: Root, folder: str, lost: Sequence[_Row]) -> list[_Row]:
    """Renames files that only a look into the folder finds; the rows that are settled.

    Such are files in cur/ without ":2," and files in new/ with it. One with other letters than the index expects is
    another program's change, and one that is nowhere is gone: a rescan will see to these.
    """
    found: dict[str, list[str]] = {}
    for path in maildir.files_of(root.files, folder, {row.base for row in lost}):
        found.setdefault(os.path.basename(path).partition(":")[0], []).append(path)
    settled = []
    for row in lost:
        paths = found.get(row.base, [])
        if len(paths) != 1:
            continue
        letters = _listed_letters(paths[0])
        if letters != row.letters and letters not in targets_of(row.target):
            continue
        try:
            root.files.rename(paths[0], maildir.file_path(folder, row.base, row.wanted))
        except OSError as error:
            if error.errno not in REFUSED:
                raise
            note(root, f"{paths[0]} keeps its name, which does not tell its flags: {error.strerror}")
            row.wanted = letters
        settled.append(row)
    return settled


def _listed_letters(path: str) -> str | None:
    """The letters that a listing gives to a file at this path."""
    folder, _, name = path.rpartition("/")
    return None if folder.endswith("/new") else parse_name(name).letters


_WORK: Final[Mapping[str, Callable[[Root, int, int, Any], None]]] = MappingProxyType(
    {RENAME: _rename, UNLINK: _unlink, REMOVE: _remove}
)
