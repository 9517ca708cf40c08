"""Opening the index of a root, and the two ways into it: `read` for the loop, `write` for one writer at a time.

The file is `doocot.index` in the root or under INDEX=. Nothing but SQLite may open it (closing any descriptor of it
would drop SQLite's POSIX locks), and no connection may cross a fork.

A damaged index is moved aside and made anew (rule 3), while other processes have it open: each write holds a shared
flock of the folder and looks first whether the file is still the one it opened; who moves it holds the lock alone. So
nothing is ever committed to a file that has no name any more. Mailbox ids and positions of the new index are above all
of the old one, so that what a session remembers of the old one is found nowhere in the new.
"""

import ctypes
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, TypeAlias

import apsw

from doocot.errors import Kind, MailError
from doocot.store.index.schema import DDL, UPGRADES, VERSION

RESERVE_AHEAD = 10_000
BUSY_MS = 20_000
CHECKPOINT_BYTES = 4 << 20  # of the write-ahead log: above this it is brought into the index
HELD_PAGES = 4000  # 16 MiB, given back at the commit: an import of a hundred thousand messages fits
SUFFIXES = ("", "-wal", "-shm")


class Busy(Exception):
    """Another process or thread is writing; the caller on the loop turns its call into a Job."""


def boot_id() -> str:
    """Names this boot of the machine: a power cut cannot have happened while it stays the same."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


Pair: TypeAlias = tuple[apsw.Connection, apsw.Connection]


@dataclass(slots=True, eq=False)
class Database:
    """The two connections of one open index: `reader` for the loop, `writer` for one thread at a time under `lock`.

    Between processes SQLite decides. The connections of an index that nobody uses may be put to sleep (`sleep`), as
    each costs some 100 KiB; the next use opens them again.
    """

    path: str
    pair: Pair | None
    lock: threading.Lock = field(default_factory=threading.Lock)
    renew: bool = False  # the reserve of positions is half used: the next write commits durably and renews it
    vfs: str | None = None
    folder: int = -1  # a descriptor, for the lock
    inode: int = 0  # of the index that is open
    openings: int = 1  # how often it was opened; a new number says that all ids are others
    uses: int = 0  # of the reader; one that does not grow is not needed
    waking: threading.Lock = field(default_factory=threading.Lock)

    @property
    def reader(self) -> apsw.Connection:
        self.uses += 1
        return (self.pair or _wake(self))[0]

    @property
    def writer(self) -> apsw.Connection:
        return (self.pair or _wake(self))[1]


def _wake(db: Database) -> Pair:
    """Opens the connections of an index that sleeps."""
    with db.waking:
        if db.pair is None:
            fcntl.flock(db.folder, fcntl.LOCK_SH)
            try:
                inode = db.inode
                db.pair = _open(db.path, db.vfs, db.folder)
                db.inode = _inode(db.path)
                db.openings += db.inode != inode
            finally:
                _unlock(db.folder)
        return db.pair


def sleep(db: Database) -> bool:
    """Closes the connections, unless somebody writes at this moment. On the loop, as the reader is the loop's."""
    if not db.lock.acquire(blocking=False):
        return False
    try:
        pair, db.pair = db.pair, None
        for connection in pair or ():
            connection.close()
        return True
    finally:
        db.lock.release()


def spare_memory() -> None:
    """To be called once in a process, before its first connection: SQLite's lookaside buffers cost 80 KiB a connection

    and gain nothing that can be measured here.
    """
    apsw.shutdown()
    apsw.config(apsw.SQLITE_CONFIG_LOOKASIDE, 0, 0)
    apsw.initialize()


def _configure(connection: apsw.Connection) -> None:
    connection.set_busy_timeout(BUSY_MS)
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    for name, value in (
        ("journal_mode", "wal"),
        ("synchronous", 1),
        ("wal_autocheckpoint", 0),
        ("journal_size_limit", CHECKPOINT_BYTES),
        ("cache_size", -2000),
    ):
        connection.pragma(name, value)


def open_database(path: str, vfs: str | None = None) -> Database:
    """Opens or creates the index at `path`; one that SQLite cannot read is moved aside and made anew.

    Raises MailError(UNAVAILABLE) with the path when it cannot be opened or is of a newer version, (CORRUPTION) when
    it is damaged and cannot be moved.
    """
    try:
        folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise MailError(Kind.UNAVAILABLE, "The index of this mail cannot be opened.", f"{path}: {error}") from error
    try:
        fcntl.flock(folder, fcntl.LOCK_SH)
        pair = _open(path, vfs, folder)
        return Database(path, pair, vfs=vfs, folder=folder, inode=_inode(path))
    except BaseException:
        os.close(folder)
        raise
    finally:
        _unlock(folder)


def _unlock(folder: int) -> None:
    try:
        fcntl.flock(folder, fcntl.LOCK_UN)
    except OSError:
        return  # closed: the lock went with it


def _inode(path: str) -> int:
    try:
        return os.stat(path).st_ino
    except OSError:
        return 0


def _open(path: str, vfs: str | None, folder: int) -> Pair:
    """Reader and writer, under the shared lock; it is the shared one again afterwards."""
    for last in (False, True):
        inode = _inode(path)
        try:
            return _connect(path, vfs)
        except (apsw.NotADBError, apsw.CorruptError) as error:
            if last or not _move_aside(path, inode, folder):
                raise MailError(Kind.CORRUPTION, DAMAGED, f"{path}: {error}") from error
        except apsw.Error as error:
            raise MailError(Kind.UNAVAILABLE, "The index of this mail cannot be opened.", f"{path}: {error}") from error
    raise AssertionError("unreachable")


DAMAGED = "The index of this mail is damaged."


def _connect(path: str, vfs: str | None) -> Pair:
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    writer = apsw.Connection(path, flags=flags, vfs=vfs)
    _configure(writer)
    # A page that goes into the write-ahead log before the commit, and is changed again, costs another reading of all
    # that was written behind it.
    writer.pragma("cache_spill", HELD_PAGES)
    if writer.pragma("user_version") != VERSION:
        _create(writer, path)
    _begin_boot(writer)
    reader = apsw.Connection(path, flags=flags, vfs=vfs)
    _configure(reader)
    reader.set_busy_timeout(0)
    return reader, writer


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _move_aside(path: str, inode: int, folder: int) -> bool:
    """Gives a damaged index another name, unless somebody did already; False when the folder does not let us."""
    fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        if inode and _inode(path) == inode:
            aside = f"{path}.broken-{int(time.time())}"
            for suffix in reversed(SUFFIXES):
                if os.path.exists(path + suffix):
                    os.rename(path + suffix, aside + suffix)
            os.fsync(folder)
    except OSError:
        return False
    finally:
        fcntl.flock(folder, fcntl.LOCK_SH)
    return True


def condemn(connection: apsw.Connection) -> None:
    """Moves an index that cannot be read aside, if it is still the one that this connection has open.

    Every process opens the new one when it next writes or looks for changes.
    """
    path = connection.filename
    moved = ctypes.c_int(0)
    with _locked(path, fcntl.LOCK_SH) as folder:
        connection.file_control("main", apsw.SQLITE_FCNTL_HAS_MOVED, ctypes.addressof(moved))
        if not moved.value:
            _move_aside(path, _inode(path), folder)


@contextmanager
def _locked(path: str, how: int) -> Iterator[int]:
    """The folder of the index, locked on a descriptor of its own."""
    folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, how)
        yield folder
    finally:
        os.close(folder)


def renew_connections(db: Database) -> bool:
    """Opens the index anew when the file is not the one that was opened; whether it was so.

    The old connections are dropped, not closed: another thread may be reading. Called with `db.lock` held, or before
    anybody else knows `db`.
    """
    if _inode(db.path) == db.inode:
        return False
    fcntl.flock(db.folder, fcntl.LOCK_SH)
    try:
        db.pair = _open(db.path, db.vfs, db.folder)
        db.inode = _inode(db.path)
        db.openings += 1
    finally:
        _unlock(db.folder)
    return True


def _create(writer: apsw.Connection, path: str) -> None:
    writer.execute("BEGIN IMMEDIATE")
    try:
        version = writer.pragma("user_version")
        if version == 0:
            writer.execute(DDL)
            # The clock is ahead of any count of changes: an index made anew repeats no position of the one before.
            first = int(time.time() * 1000)
            writer.execute(
                "INSERT INTO root VALUES(1, ?1, ?2, ?3, ?4, ?5, ?4, 0, '', 0)",
                (VERSION, os.uname().nodename, boot_id(), first, first + RESERVE_AHEAD),
            )
            writer.pragma("user_version", VERSION)
        elif version < VERSION:
            for step in range(version, VERSION):
                writer.execute(UPGRADES[step])
            writer.execute("UPDATE root SET version = ?", (VERSION,))
            writer.pragma("user_version", VERSION)
        elif version != VERSION:
            raise MailError(
                Kind.UNAVAILABLE,
                "The index of this mail was made by a newer version.",
                f"{path}: index version {version}, this Doocot reads {VERSION}; remove the file to have it made anew",
            )
        writer.execute("COMMIT")
    except BaseException:
        writer.execute("ROLLBACK")
        raise


def _begin_boot(writer: apsw.Connection) -> None:
    """Invariants 3 and 4: after a power cut the counters continue above everything that was told."""
    boot = boot_id()
    if writer.execute("SELECT boot FROM root").fetchall() == [(boot,)]:
        return
    writer.pragma("synchronous", 2)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute(
        "UPDATE mailbox SET stamp = '', uidnext = max(uidnext, reserved_uid) WHERE (SELECT boot FROM root) <> ?",
        (boot,),
    )
    writer.execute(
        "UPDATE root SET boot = ?1, position = reserved, reserved = reserved + ?2 WHERE boot <> ?1",
        (boot, RESERVE_AHEAD),
    )
    writer.execute("COMMIT")
    writer.pragma("synchronous", 1)


def close_database(db: Database) -> None:
    """Closes both connections; waits for a writer that is under way."""
    with db.lock:
        for connection in db.pair or ():
            connection.close()
        os.close(db.folder)


def checkpoint(db: Database, *, everything: bool = False) -> bool:
    """Brings the write-ahead log into the index when it has grown, with `everything` in any case and to its end.

    Blocking, with fsync: for a thread or an indexer, never for the loop. On a connection of its own, so that no write
    waits for it. Whether it did something; where a reader or writer stands in the way it is left to the next.
    """
    if not everything and _size(db.path + "-wal") <= CHECKPOINT_BYTES:
        return False
    mode = apsw.SQLITE_CHECKPOINT_TRUNCATE if everything else apsw.SQLITE_CHECKPOINT_PASSIVE
    try:
        with _locked(db.path, fcntl.LOCK_SH):
            if _inode(db.path) != db.inode:
                return False
            connection = apsw.Connection(db.path, flags=apsw.SQLITE_OPEN_READWRITE, vfs=db.vfs)
            try:
                _configure(connection)
                connection.set_busy_timeout(0)
                connection.pragma("synchronous", 2)
                connection.wal_checkpoint(mode=mode)
            finally:
                connection.close()
    except apsw.BusyError:
        return False
    except apsw.Error as error:
        raise MailError(Kind.UNAVAILABLE, "The index of this mail cannot be written.", f"{db.path}: {error}") from error
    return True


@contextmanager
def write(db: Database, *, durable: bool = False, wait: bool = True) -> Iterator[apsw.Connection]:
    """One short write transaction. `durable` commits with fsync; without `wait` raises Busy rather than block.

    The transaction is rolled back when the body raises.
    """
    if not db.lock.acquire(blocking=wait):
        raise Busy
    try:
        fcntl.flock(db.folder, fcntl.LOCK_SH)
        try:
            if renew_connections(db):
                raise MailError(Kind.UNAVAILABLE, ANEW, f"{db.path} was made anew from the files and dovecot-uidlist")
            with _transaction(db, durable, wait) as writer:
                yield writer
        finally:
            _unlock(db.folder)
    finally:
        db.lock.release()


ANEW = "The index of this mail was made anew; select the mailbox again."


@contextmanager
def _transaction(db: Database, durable: bool, wait: bool) -> Iterator[apsw.Connection]:
    writer, renew = db.writer, db.renew
    if renew and not wait:
        raise Busy  # its commit calls fsync
    if not wait:
        writer.set_busy_timeout(0)
    if durable or renew:
        writer.pragma("synchronous", 2)
    try:
        writer.execute("BEGIN IMMEDIATE")
        try:
            if renew:
                writer.execute("UPDATE root SET reserved = position + ?", (RESERVE_AHEAD,))
                db.renew = False
            yield writer
            writer.execute("COMMIT")
        except BaseException:
            if writer.in_transaction:
                writer.execute("ROLLBACK")
            raise
    except apsw.BusyError as error:
        if not wait:
            raise Busy from error
        raise _in_use(db.path) from error
    except (apsw.CorruptError, apsw.NotADBError) as error:
        _unlock(db.folder)
        condemn(writer)
        raise MailError(Kind.CORRUPTION, DAMAGED, f"{db.path}: {error}; it is moved aside") from error
    except apsw.Error as error:
        raise MailError(Kind.UNAVAILABLE, "The index of this mail cannot be written.", f"{db.path}: {error}") from error
    finally:
        if durable or renew:
            writer.pragma("synchronous", 1)
        if not wait:
            writer.set_busy_timeout(BUSY_MS)


def _in_use(path: str) -> MailError:
    return MailError(Kind.IN_USE, "The mailbox is busy; try again.", f"{path}: no lock for {BUSY_MS} ms")


@contextmanager
def reading(db: Database, *, wait: bool = True) -> Iterator[apsw.Connection]:
    """The writer's connection for reading, from any thread; without `wait` raises Busy when another thread has it."""
    if not db.lock.acquire(blocking=wait):
        raise Busy
    try:
        yield db.writer
    finally:
        db.lock.release()


def next_position(db: Database, writer: apsw.Connection) -> int:
    """The next number of the root's one order (invariant 1), inside a write transaction of `db`."""
    return next_contents(db, writer, 0)[0]


def next_contents(db: Database, writer: apsw.Connection, count: int) -> tuple[int, int]:
    """As `next_position`, and the last of `count` new content numbers, taken in the same statement."""
    ((position, reserved, content),) = rows(
        writer,
        "UPDATE root SET position = position + 1, content = content + ? RETURNING position, reserved, content",
        (count,),
    )
    if reserved - position < RESERVE_AHEAD // 2:
        db.renew = True
    return position, content


def rows(connection: apsw.Connection, sql: str, values: tuple[Any, ...] = ()) -> list[Any]:
    """All rows at once: nobody loops over a cursor of an open transaction. Raises MailError when SQLite cannot read."""
    return _fetched(connection, sql, values, apsw.Cursor.fetchall)


def cells(connection: apsw.Connection, sql: str, values: tuple[Any, ...] = ()) -> list[Any]:
    """As `rows`, the values of all rows one after the other: with many rows that takes half the time."""
    return _fetched(connection, sql, values, _chained)


def _chained(cursor: apsw.Cursor) -> list[Any]:
    return list(chain.from_iterable(cursor))


def _fetched(
    connection: apsw.Connection, sql: str, values: tuple[Any, ...], fetch: Callable[[apsw.Cursor], list[Any]]
) -> list[Any]:
    try:
        return fetch(connection.execute(sql, values))
    except (apsw.CorruptError, apsw.NotADBError) as error:
        path = connection.filename
        condemn(connection)
        raise MailError(Kind.CORRUPTION, DAMAGED, f"{path}: {error}; it is moved aside") from error
    except apsw.BusyError as error:
        raise _in_use(connection.filename) from error
    except (apsw.IOError, apsw.FullError, apsw.CantOpenError) as error:
        text = "The index of this mail cannot be read."
        raise MailError(Kind.UNAVAILABLE, text, f"{connection.filename}: {error}") from error
