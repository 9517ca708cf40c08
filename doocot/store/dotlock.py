"""Dotlocks: a file `x.lock` beside `x` says that somebody writes `x`; made and broken by the rules of Dovecot and mutt.

The lock file is made by link(2) from a temporary file, which is atomic on every file system, and holds `pid:host`.
Another's lock is broken

1. at once, when it was made on this host by a process that no longer runs,
2. when neither it nor the file that it protects changed for `stale` seconds.

Breaking is a rename to a private name and a second look: two breakers cannot remove each other's new locks. Ages are
taken from the clock of the file system (the time stamp of our own temporary file), so that clocks of other machines do
not matter.
"""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from doocot.errors import Kind, MailError
from doocot.store.files import PRIVATE, Files, Modes
from doocot.store.maildir_names import escape_host

UIDLIST_TIMEOUT = 122.0  # seconds: as long as a stale lock may stand, and a little
UIDLIST_STALE = 120.0
SUBSCRIPTIONS_TIMEOUT = 120.0
SUBSCRIPTIONS_STALE = 30.0

FIRST_PAUSE = 0.001
LONGEST_PAUSE = 0.25
CLOCK_GRAIN = 2.0  # seconds by which a process's start and a file's time stamp may seem in the wrong order
OWNER_SIZE = 512  # bytes looked at in a lock file


@dataclass(frozen=True, slots=True)
class Dotlock:
    """A lock that we hold: its path and the inode that is ours."""

    path: str
    device: int
    inode: int


@dataclass(frozen=True, slots=True)
class _Found:
    """Somebody's lock as seen at one moment."""

    device: int
    inode: int
    mtime: float
    owner: str  # "pid:host", "" when unreadable


@contextmanager
def dotlock(
    files: Files, path: str, *, timeout: float = UIDLIST_TIMEOUT, stale: float = UIDLIST_STALE, modes: Modes = PRIVATE
) -> Iterator[Dotlock]:
    """Hold the lock of `path` for the block."""
    lock = acquire(files, path, timeout=timeout, stale=stale, modes=modes)
    try:
        yield lock
    finally:
        release(files, lock)


def acquire(
    files: Files, path: str, *, timeout: float = UIDLIST_TIMEOUT, stale: float = UIDLIST_STALE, modes: Modes = PRIVATE
) -> Dotlock:
    """Lock `path`, waiting up to `timeout` seconds (0: one try); MailError(IN_USE) names the lock file and its age."""
    lock_path = path + ".lock"
    host = escape_host(os.uname().nodename)
    temporary = os.path.join(os.path.dirname(path), f".temp.{host}.{os.getpid()}.{secrets.token_hex(8)}")
    files.write_file(temporary, [f"{os.getpid()}:{os.uname().nodename}".encode()], modes, optional=True)
    ours = files.lstat(temporary)
    assert ours is not None, temporary
    try:
        started = time.monotonic()
        pause = FIRST_PAUSE
        while True:
            if _link(files, temporary, lock_path):
                return Dotlock(lock_path, ours.st_dev, ours.st_ino)
            waited = time.monotonic() - started
            found = _look(files, lock_path)
            now = ours.st_mtime + waited
            if found is None or (_is_stale(files, path, found, now, stale) and _break(files, lock_path, found)):
                if waited <= timeout:
                    continue
            elif waited >= timeout:
                raise MailError(
                    Kind.IN_USE, "Timeout while waiting for lock", _complaint(lock_path, found, now, waited)
                )
            time.sleep(min(pause, max(timeout - waited, 0)))
            pause = min(pause * 2, LONGEST_PAUSE)
    finally:
        _clean(files, temporary)


def _clean(files: Files, temporary: str) -> None:
    """Removes our temporary file; if it cannot be, the lock is ours all the same, and the file harmless."""
    try:
        files.unlink(temporary)
    except OSError:
        return


def release(files: Files, lock: Dotlock) -> bool:
    """Give the lock back. False when somebody else had broken it meanwhile; his lock is left alone.

    A lock that stayed would be believed as long as this process runs, so a call that fails is tried once more.
    """
    try:
        return held(files, lock) and files.unlink(lock.path)
    except OSError:
        return held(files, lock) and files.unlink(lock.path)


def held(files: Files, lock: Dotlock) -> bool:
    """Whether the lock is still ours: to be asked before the one rename that publishes what was written under it."""
    stat = files.lstat(lock.path)
    return stat is not None and (stat.st_dev, stat.st_ino) == (lock.device, lock.inode)


def require_held(files: Files, lock: Dotlock) -> None:
    """As `held`, but MailError(IN_USE) when it is not."""
    if not held(files, lock):
        raise MailError(
            Kind.IN_USE, "The mailbox is being changed by another program", f"{lock.path} was broken while we held it"
        )


def _link(files: Files, temporary: str, lock_path: str) -> bool:
    try:
        files.link(temporary, lock_path)
    except FileExistsError:
        return False
    return True


def _look(files: Files, lock_path: str) -> _Found | None:
    """The lock that stands in the way, None when it has just gone."""
    stat = files.lstat(lock_path)
    if stat is None:
        return None
    owner = ""
    try:
        owner = files.read_file(lock_path, OWNER_SIZE)[:OWNER_SIZE].decode("utf-8", "replace").strip()
    except FileNotFoundError:
        return None
    except PermissionError:
        pass  # another user's lock in a shared mailbox: its age must do
    return _Found(stat.st_dev, stat.st_ino, stat.st_mtime, owner)


def _is_stale(files: Files, path: str, found: _Found, now: float, stale: float) -> bool:
    pid, _, host = found.owner.partition(":")
    if host == os.uname().nodename and pid.isascii() and pid.isdigit() and 0 < int(pid) < 1 << 31:
        # A live process on this host is believed however long it takes; Dovecot does the same.
        return not _runs(int(pid), found.mtime)
    protected = files.stat(path)
    changed = max(found.mtime, protected.st_mtime if protected is not None else 0.0)
    return now - changed > stale


def _runs(pid: int, since: float) -> bool:
    """Whether the process that made a lock at `since` still runs.

    After a restart of the machine, or in a container, another process may have its pid: one that began later is not it.
    One that was killed and that nobody waits for does not run either.
    """
    if pid != os.getpid():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass  # it runs as somebody else
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat, open("/proc/uptime", "rb") as uptime:
            # From field 3 on: they are counted from behind the command's name, which may hold spaces.
            fields = stat.read().rpartition(b")")[2].split()
            age = float(uptime.read().split()[0]) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return True  # /proc does not tell
    return fields[0] != b"Z" and since >= time.time() - age - CLOCK_GRAIN


def _break(files: Files, lock_path: str, found: _Found) -> bool:
    """Remove a stale lock; False when another process was quicker."""
    aside = f"{lock_path}.stale.{os.getpid()}.{secrets.token_hex(4)}"
    try:
        files.rename(lock_path, aside)
    except FileNotFoundError:
        return False
    stat = files.lstat(aside)
    right_one = stat is not None and (stat.st_dev, stat.st_ino) == (found.device, found.inode)
    if not right_one:
        _link(files, aside, lock_path)  # a fresh lock, given back to who made it
    files.unlink(aside)
    return right_one


def _complaint(lock_path: str, found: _Found, now: float, waited: float) -> str:
    age = max(0, round(now - found.mtime))
    holder = f"process {found.owner.replace(':', ' on host ')}" if ":" in found.owner else "an unknown process"
    return (
        f"Waited {waited:.0f} s for the lock file {lock_path}, which {holder} made {age} s ago;"
        " if that process does not work on this mailbox any more, remove the lock file"
    )
