"""A Root: one owner's mail in one location with one index, opened once per process."""

import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import apsw

from doocot.errors import MailError
from doocot.store.files import Files, require_local
from doocot.store.index import keywords
from doocot.store.index.database import (
    Database,
    close_database,
    next_position,
    open_database,
    renew_connections,
    write,
)

INDEX_NAME = "doocot.index"
MOST_NOTES = 100


@dataclass(frozen=True, slots=True)
class Location:
    """Where a root's mail, index and control files lie (Dovecot's `mail_location`)."""

    path: str
    index: str = ""  # INDEX=, for the index database; the root itself when empty
    control: str = ""  # CONTROL=, for dovecot-uidlist, dovecot-keywords, subscriptions
    inbox: str = ""  # INBOX=, another folder for INBOX


@dataclass(slots=True, eq=False, weakref_slot=True)
class Root:
    """An open root. `look` tells cheaply whether anything may have changed since the last time it was asked."""

    location: Location
    db: Database
    files: Files
    slot: int
    bump: Callable[[int], None]  # tells other processes that something was committed
    generation: Callable[[int], bytes] | None  # the counters of this root's slot in the shared page
    device: int = 0  # the file system of the index
    seen: bytes = b""
    version: int = -1
    commits: int = 0
    sets: dict[int, tuple[str, ...]] = field(default_factory=dict)
    openings: int = 1  # which opening of the index `sets` belongs to
    notes: list[str] = field(default_factory=list)  # for the log: what was found wrong on disk and put right

    @property
    def path(self) -> str:
        return self.location.path


def nobody_to_tell(slot: int) -> None:
    """The server has one process: nobody to tell."""


def crc_slot(path: str) -> int:
    """A slot for a root when there is no generation page: any number that hangs on the path alone."""
    return zlib.crc32(path.encode("utf-8", "surrogateescape"))


def open_root(
    location: Location,
    files: Files,
    slot: int,
    *,
    bump: Callable[[int], None] = nobody_to_tell,
    generation: Callable[[int], bytes] | None = None,
    vfs: str | None = None,
) -> Root:
    """Opens the index of a root whose folder exists; raises MailError when it is on a network file system or
    damaged."""
    folder = location.index or location.path
    require_local(folder)
    db = open_database(os.path.join(folder, INDEX_NAME), vfs)
    root = Root(location, db, files, slot, bump, generation, os.stat(folder).st_dev)
    root.sets = keywords.keyword_sets(db.reader)
    return root


def close_root(root: Root) -> None:
    """Closes the index."""
    close_database(root.db)


def committed(root: Root) -> None:
    """To be called after each commit that a reader may want to see, before the answer to the client."""
    root.commits += 1
    root.bump(root.slot)


def surely_undone(root: Root) -> bool:
    """Makes sure that a commit which failed will not be found whole after a crash; False when that cannot be done.

    A commit whose sync failed is undone for everybody who runs, but its pages are in the log: another transaction
    overwrites them.
    """
    try:
        with write(root.db, durable=True) as writer:
            next_position(root.db, writer)
    except MailError:
        return False
    return True


def note(root: Root, text: str) -> None:
    """Something on disk was not as it should be, and was put right: one line for the log, named by its path."""
    if len(root.notes) < MOST_NOTES and text not in root.notes:
        root.notes.append(text)


def take_notes(root: Root) -> list[str]:
    """What `note` has gathered, for whoever writes the log."""
    taken, root.notes = root.notes, []
    return taken


def renewed(root: Root) -> None:
    """Opens the index anew when another process has replaced a damaged one. One stat when nothing happened."""
    if not root.db.lock.acquire(blocking=False):
        return  # a writer is under way, and looks itself
    try:
        renew_connections(root.db)
    finally:
        root.db.lock.release()
    if root.openings != root.db.openings:
        root.openings = root.db.openings
        root.sets = keywords.keyword_sets(root.db.reader)


def changed(root: Root, since: int) -> int:
    """A number that differs from `since` when something may have been committed since then, by whomever.

    With the generation page that is a comparison of a few bytes; without it SQLite is asked (15 us).
    """
    if root.generation is not None:
        now = root.generation(root.slot)
        if now != root.seen:
            root.seen = now
            root.commits += 1
            renewed(root)
        return root.commits
    renewed(root)
    version = int(root.db.reader.pragma("data_version"))
    if version != root.version:
        root.version = version
        root.commits += 1
    return root.commits


def keyword_names(root: Root, number: int, connection: apsw.Connection | None = None) -> tuple[str, ...]:
    """The keywords of an interned set; the table is read again when the id is new.

    Off the loop, or inside a transaction, by the caller's `connection`.
    """
    if number not in root.sets:
        root.sets = keywords.keyword_sets(connection if connection is not None else root.db.reader)
    return root.sets[number]
