"""Maildir folders of a root: where they lie, which files they hold, and bringing the index in step with them.

Layout is Maildir++: INBOX is the root itself, `A/B` is the folder `.A.B` in it. Other programs may deliver into new/,
rename and remove files at any time (procmail, mutt); `sync_folder` notices by the times of new/ and cur/.
"""

import os
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from doocot.errors import Kind, MailError
from doocot.store import maildir_names as names
from doocot.store.files import PRIVATE, Files
from doocot.store.index import messages
from doocot.store.index.database import Database, reading
from doocot.store.root import Root, note
from doocot.wire import mutf7

REMOVED = "doocot-removed."  # no dot before it: to a Maildir++ program such a folder is no mailbox

LOOKS = 3  # at a row whose file is not where it says, before the folder is listed

FRESH_NS = 2_000_000_000  # a folder changed less than two seconds ago may change again within its time stamp's grain


def folder_of(root: Root, name: str) -> str:
    """The folder of the mailbox `name` (hierarchy separator "/")."""
    if name == "INBOX":
        return root.location.inbox or root.path
    return os.path.join(root.path, "." + mutf7.encode(name.replace("/", ".")).decode("ascii"))


def name_of(folder: str) -> str | None:
    """The mailbox name of a Maildir++ folder's name (`.A.B`), or None when it is none."""
    if len(folder) < 2 or folder[0] != "." or folder == ".." or folder.endswith(".") or ".." in folder:
        return None
    try:
        return mutf7.decode(folder[1:].encode("ascii")).replace(".", "/")
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class FolderNames:
    """What a look into the root showed: the mailboxes whose folders exist, and what to compare the next look with.

    `unfinished` are folders without a cur/, which somebody may be making just now; `removed` those of deleted
    mailboxes.
    """

    stamp: int
    dotted: frozenset[str]
    names: frozenset[str]
    unfinished: frozenset[str]
    removed: frozenset[str]


def scan_folders(root: Root, before: FolderNames | None = None) -> FolderNames:
    """The mailboxes on disk; with an earlier look the same value when nothing changed, by one stat in the best case."""
    stat = root.files.stat(root.path)
    changed_ns = stat.st_mtime_ns if stat is not None else 0
    stamp = changed_ns if time.time_ns() - changed_ns >= FRESH_NS else 0
    if before is not None and stamp and before.stamp == stamp and not before.unfinished:
        return before
    listed = root.files.names(root.path) if stat is not None else []
    dotted = frozenset(name for name in listed if name[0] == ".")
    removed = frozenset(name for name in listed if name.startswith(REMOVED))
    if before is not None and not before.unfinished and (before.dotted, before.removed) == (dotted, removed):
        return before if before.stamp == stamp else replace(before, stamp=stamp)
    kept = (before.dotted - before.unfinished) & dotted if before is not None else frozenset[str]()
    unfinished = frozenset(
        folder
        for folder in dotted - kept
        if name_of(folder) is not None and root.files.stat(os.path.join(root.path, folder, "cur")) is None
    )
    found = {name_of(folder) for folder in dotted - unfinished} - {None}
    return FolderNames(stamp, dotted, frozenset(name for name in found if name) | {"INBOX"}, unfinished, removed)


def make_folder(root: Root, name: str) -> str:
    """Makes new/, cur/ and tmp/ where they are missing, and `maildirfolder` in subfolders as Courier wants it.

    Durable: a message that is saved there later must not lose its folder.
    """
    folder, files = folder_of(root, name), root.files
    modes = files.modes_in(root.path) if os.path.isdir(root.path) else PRIVATE
    files.mkdir(folder, modes)
    for part in ("tmp", "new", "cur"):
        files.mkdir(os.path.join(folder, part), modes)
    if name != "INBOX":
        try:
            files.close(files.create(os.path.join(folder, "maildirfolder"), modes))
        except FileExistsError:
            pass
    files.sync_folder(folder)
    files.sync_folder(os.path.dirname(folder))
    return folder


def file_path(folder: str, base: str, letters: str | None) -> str:
    """Where the file of a message lies, as far as the index knows."""
    return f"{folder}/new/{base}" if letters is None else f"{folder}/cur/{base}:2,{letters}"


def named_paths(folder: str, base: str, letters: str | None, target: str | None) -> list[str]:
    """Where a message's file is as the index knows, then as the settler may have renamed it (the candidates in

    `target`).
    """
    return [file_path(folder, base, one) for one in (letters, *names.targets_of(target))]


def paths_of(
    db: Database,
    files: Files,
    folder: str,
    mailbox: int,
    base: str,
    letters: str | None,
    target: str | None,
    *,
    on_loop: bool = False,
) -> Iterator[str]:
    """Every place where a message's file may be, the likeliest first; the caller tries each, to the end.

    While rows are read and files are opened the settler goes on: names that a row told may be those of before. So the
    row is read again, and the folder is looked into last, as another program may have renamed the file. With `on_loop`
    the reader is asked, which is the loop's, and nobody who writes is waited for.
    """
    yield from named_paths(folder, base, letters, target)
    for _ in range(LOOKS):
        if on_loop:
            now = messages.names_of(db.reader, mailbox, base)
        else:
            with reading(db) as connection:
                now = messages.names_of(connection, mailbox, base)
        if now is None:
            return
        yield from named_paths(folder, base, *now)
    yield from files_of(files, folder, {base})


def files_of(files: Files, folder: str, bases: Collection[str]) -> list[str]:
    """Every file that bears one of these base names; none when the folder is gone.

    cur/ is read after new/, so a file that moves meanwhile is seen.
    """
    found = []
    for part in ("new", "cur"):
        try:
            listed = files.names(f"{folder}/{part}")
        except FileNotFoundError:
            continue
        found += [f"{folder}/{part}/{name}" for name in listed if name.partition(":")[0] in bases]
    return found


def stamp_of(root: Root, folder: str) -> tuple[str, bool]:
    """The state of new/ and cur/ in one string, and whether it is too fresh to be trusted next time."""
    parts, newest = [], 0
    for part in ("new", "cur"):
        stat = root.files.stat(os.path.join(folder, part))
        if stat is None:
            raise MailError(Kind.NON_EXISTENT, "Mailbox doesn't exist.", f"{folder}/{part} is missing")
        parts.append(f"{stat.st_mtime_ns}.{stat.st_ino}")
        newest = max(newest, stat.st_mtime_ns)
    return "/".join(parts), time.time_ns() - newest < FRESH_NS


@dataclass(frozen=True, slots=True)
class Listing:
    """Files of a mailbox: base -> letters, None for those in new/."""

    letters: dict[str, str | None]


def list_files(root: Root, folder: str) -> Listing:
    """All message files. cur/ is read after new/, so a file that moves meanwhile is seen at least once, in cur/."""
    found: dict[str, str | None] = {}
    for name in _listable(root, f"{folder}/new"):
        found[name.partition(":")[0]] = None
    bases, letters = names.split_names(_listable(root, f"{folder}/cur"))
    found.update(zip(bases, letters, strict=True))
    return Listing(found)


def _listable(root: Root, folder: str) -> list[str]:
    """The names in a folder without hidden ones, and those that neither the index nor dovecot-uidlist can hold.

    Dovecot too leaves a name with a line feed alone; without a base name nothing identifies the message. Renaming such
    a file is the administrator's to do.
    """
    found = root.files.names(folder)
    joined = "/".join(["", *found])
    if "/." in joined:
        found = [name for name in found if name[0] != "."]
    if joined.isascii() and "\n" not in joined and "/:" not in joined:
        return found
    good = [name for name in found if "\n" not in name and name[0] != ":" and _is_text(name)]
    for name in set(found) - set(good):
        note(root, f"{folder}/{os.fsencode(name)!r}: no message can have this name; rename the file to have it shown")
    return good


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
