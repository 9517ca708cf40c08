"""Every file call of the store goes through this one module, so that tests can record and fail each of them.

`Files` is handed to whoever touches the disk; nothing in `store` calls `os` for a file itself. The system calls come
from `calls`, which is the `os` module, or in a test a recorder with the same functions. What each call promises:

* `sync` and `sync_folder` obey `mail_fsync` (Dovecot's names): `always` syncs everything, `optimized` leaves out what
  is called with `optional=True` (it can be rebuilt), `never` syncs nothing.
* A created file or folder has the mode it was asked for, whatever the umask of the process.
* OSError passes through as it is, with the path in it; the caller knows what it means.
"""

import ctypes
import errno
import fcntl
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from itertools import islice
from typing import Protocol

from doocot.errors import Kind, MailError

FSYNC_UP_TO = 1  # files; a second fsync costs as much as one syncfs, 0.25 ms on the disk where this was measured
SLOW_SYNCFS = 0.1  # seconds after which other programs' dirty pages are thought to be in the way
SLOW_SYNCFS_PAUSE = 60.0
SLOW_WRITE_OUT = 0.01  # seconds after which the loop shall not wait for it: a batch has many
SLOW_WRITE_OUT_PAUSE = 10.0
SYNCFS_REPORTS_ERRORS = (5, 8)  # the first kernel whose syncfs returns write-back errors

# statfs(2) f_type of file systems whose journal has names in their order, and after the blocks and sizes of files that
# were written out before: ext4 and XFS both record them before they call the write-out done.
ORDERED_JOURNALS = (0xEF53, 0x58465342)
_WRITE, _WRITE_AND_WAIT = 2, 7  # flags of sync_file_range(2)
AHEAD = 64 << 20  # bytes read at once at most, whatever size a file's name tells: memory is taken for all of them
TAIL = 65536  # bytes read at a time beyond an expected size

# statfs(2) f_type of file systems where SQLite's shared memory or its locks are not to be trusted.
NETWORK_FILE_SYSTEMS = {
    0x6969: "nfs",
    0x517B: "smb",
    0xFE534D42: "smb2",
    0xFF534D42: "cifs",
    0x65735546: "fuse",
    0x00C36400: "ceph",
    0x5346414F: "afs",
    0x01021997: "9p",
    0x0BD00BD0: "lustre",
    0x47504653: "gpfs",
}


class MailFsync(Enum):
    """The values of the setting `mail_fsync`."""

    OPTIMIZED = "optimized"
    ALWAYS = "always"
    NEVER = "never"


class Calls(Protocol):
    """The system calls the store makes; the `os` module has them all."""

    def open(self, path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int: ...
    def close(self, fd: int) -> None: ...
    def read(self, fd: int, length: int, /) -> bytes: ...
    def pread(self, fd: int, length: int, offset: int, /) -> bytes: ...
    def write(self, fd: int, data: bytes | memoryview, /) -> int: ...
    def pwrite(self, fd: int, data: bytes | memoryview, offset: int, /) -> int: ...
    def ftruncate(self, fd: int, length: int, /) -> None: ...
    def fsync(self, fd: int) -> None: ...
    def rename(self, src: str, dst: str) -> None: ...
    def link(self, src: str, dst: str, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> None: ...
    def unlink(self, path: str) -> None: ...
    def mkdir(self, path: str, mode: int = 0o777) -> None: ...
    def rmdir(self, path: str) -> None: ...
    def listdir(self, path: str) -> list[str]: ...
    def scandir(self, path: str) -> "AbstractContextManager[Iterator[os.DirEntry[str]]]": ...
    def stat(self, path: str, *, follow_symlinks: bool = True) -> os.stat_result: ...
    def fstat(self, fd: int) -> os.stat_result: ...
    def utime(self, path: str, *, ns: tuple[int, int]) -> None: ...
    def fchmod(self, fd: int, mode: int) -> None: ...
    def chmod(self, path: str, mode: int) -> None: ...
    def fchown(self, fd: int, uid: int, gid: int) -> None: ...
    def chown(self, path: str, uid: int, gid: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Modes:
    """Permissions of what is created in a folder. `gid` -1 leaves the group to the kernel."""

    file: int = 0o600
    folder: int = 0o700
    gid: int = -1


PRIVATE = Modes()


class Files:
    """The file calls of one store."""

    __slots__ = (
        "_at_once",
        "_calls",
        "_mail_fsync",
        "_ordered",
        "_syncfs",
        "_syncfs_after",
        "_write_out",
        "_write_out_after",
    )

    def __init__(
        self,
        mail_fsync: MailFsync = MailFsync.OPTIMIZED,
        calls: Calls = os,
        syncfs: Callable[[int], None] | None = None,
        write_out: Callable[[Sequence[int]], None] | None = None,
        *,
        at_once: bool = True,
    ) -> None:
        """`at_once` allows syncfs where many files are to be on disk.

        `calls`, `syncfs`, and `write_out` (whatever the file system) are for tests.
        """
        self._calls = calls
        self._mail_fsync = mail_fsync
        self._syncfs = syncfs or _syncfs
        self._at_once = at_once and mail_fsync is not MailFsync.NEVER and kernel_version() >= SYNCFS_REPORTS_ERRORS
        self._syncfs_after = 0.0
        self._write_out = write_out
        self._write_out_after = 0.0
        self._ordered: dict[int, bool] = {}  # by device

    # -- opening and closing

    def open(self, path: str, flags: int = os.O_RDONLY) -> int:
        return self._calls.open(path, flags | os.O_CLOEXEC)

    def create(self, path: str, modes: Modes = PRIVATE) -> int:
        """A new file open for reading and writing; FileExistsError when the name is taken."""
        fd = self._calls.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, modes.file)
        try:
            if modes.gid != -1:
                self._calls.fchown(fd, -1, modes.gid)
            if modes.file & 0o077:
                self._calls.fchmod(fd, modes.file)  # what the umask took away
        except OSError:
            self._calls.close(fd)
            self.unlink(path)
            raise
        return fd

    @contextmanager
    def folder(self, path: str) -> Iterator[int]:
        """An open folder, for calls with many names in it."""
        fd = self._calls.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield fd
        finally:
            self._calls.close(fd)

    def create_unnamed(self, folder: str) -> int:
        """A new file without a name in this folder, open for reading and writing; it is gone when it is closed."""
        try:
            return self._calls.open(folder, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
                raise
        path = os.path.join(folder, f".doocot.{os.getpid()}.{time.monotonic_ns()}")
        fd = self.create(path)
        self.unlink(path)
        return fd

    def close(self, fd: int) -> None:
        self._calls.close(fd)

    # -- reading

    def read_file(self, path: str, size: int = 0, folder: int | None = None) -> bytes:
        """The whole file. With a size told that is right, or little too much, it costs one read and no copy.

        A relative path is in the open `folder`: for many the kernel need not walk there each time.
        """
        fd = self._calls.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
        try:
            return self._read_whole(fd, size)
        finally:
            self._calls.close(fd)

    def read_start(self, path: str, length: int) -> bytes:
        """The first `length` bytes of the file, fewer only when it is shorter."""
        fd = self._calls.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return self._calls.read(fd, length)
        finally:
            self._calls.close(fd)

    def read_dated(self, path: str, size: int = 0) -> tuple[bytes, int]:
        """As `read_file`, and the time of the file's last change in whole seconds."""
        fd = self._calls.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = self._read_whole(fd, size)
            return data, int(self._calls.fstat(fd).st_mtime)
        finally:
            self._calls.close(fd)

    def _read_whole(self, fd: int, size: int) -> bytes:
        # One byte more than expected shows the end of the file without a second call.
        length = min(size + 1, AHEAD)
        data = self._calls.read(fd, length)
        return data if len(data) < length else self._read_rest(fd, data)

    def _read_rest(self, fd: int, data: bytes) -> bytes:
        parts = [data]
        while part := self._calls.read(fd, TAIL):
            parts.append(part)
        return b"".join(parts)

    def pread(self, fd: int, length: int, offset: int) -> bytes:
        """`length` bytes from `offset`, fewer only at the end of the file."""
        data = self._calls.pread(fd, length, offset)
        while data and len(data) < length:
            part = self._calls.pread(fd, length - len(data), offset + len(data))
            if not part:
                break
            data += part
        return data

    # -- writing

    def write(self, fd: int, data: bytes) -> None:
        """All of `data` at the position of `fd`."""
        written = self._calls.write(fd, data)
        while written < len(data):
            written += self._calls.write(fd, memoryview(data)[written:])

    def pwrite(self, fd: int, data: bytes, offset: int) -> None:
        """All of `data` at `offset`."""
        written = self._calls.pwrite(fd, data, offset)
        while written < len(data):
            written += self._calls.pwrite(fd, memoryview(data)[written:], offset + written)

    def truncate(self, fd: int, size: int) -> None:
        self._calls.ftruncate(fd, size)

    def write_file(self, path: str, parts: Iterable[bytes], modes: Modes = PRIVATE, *, optional: bool = False) -> None:
        """A new file with these bytes, synced (its name is not before `sync_folder`). On error nothing is left."""
        fd = self.create(path, modes)
        complete = False
        try:
            for part in parts:
                self.write(fd, part)
            self.sync(fd, optional=optional)
            complete = True
        finally:
            self._calls.close(fd)
            if not complete:
                self.unlink(path)

    def replace_file(
        self,
        path: str,
        parts: Iterable[bytes],
        temporary: str,
        modes: Modes = PRIVATE,
        *,
        optional: bool = False,
        check: Callable[[], None] | None = None,
    ) -> None:
        """Atomically put new content under `path`: a crash leaves the old file or the new one, whole.

        `temporary` is a name in the same folder that nobody else writes at this time; what a crash left there goes.
        `check` is asked last before the rename, and refuses it by raising (a lock that is no longer ours).
        """
        self.unlink(temporary)
        self.write_file(temporary, parts, modes, optional=optional)
        renamed = False
        try:
            if check is not None:
                check()
            self._calls.rename(temporary, path)
            renamed = True
        finally:
            if not renamed:
                self.unlink(temporary)
        self.sync_folder(os.path.dirname(path), optional=optional)

    # -- syncing

    def sync(self, fd: int, *, optional: bool = False) -> None:
        """Put the content of a file (or the entries of a folder) on disk, as `mail_fsync` says."""
        if self._syncs(optional):
            self._calls.fsync(fd)

    def sync_folder(self, path: str, *, optional: bool = False) -> None:
        """Put the names in a folder on disk, as `mail_fsync` says."""
        if self._syncs(optional):
            with self.folder(path or ".") as fd:
                self._calls.fsync(fd)

    def sync_batch(self, fds: Sequence[int], file_system: int) -> None:
        """Put several files (and folders) on disk at once; `file_system` is one there, opened before the writes.

        A write-back error is reported to descriptors that were open when it happened, hence "before". An error is
        raised once; trying again would falsely succeed, so all of the batch has failed.
        """
        if self._mail_fsync is MailFsync.NEVER:
            return
        if len(fds) > FSYNC_UP_TO and self.syncs_at_once():
            self.sync_all(file_system)
        else:
            for fd in fds:
                self._calls.fsync(fd)

    def is_brief(self, file_system: int) -> bool:
        """Whether `write_out` keeps its promise on the file system of this open file, and was quick when last used."""
        if self._write_out is not None:
            return True
        device = self._calls.fstat(file_system).st_dev
        if device not in self._ordered:
            self._ordered[device] = _writes_out_in_order(file_system)
        return self._ordered[device] and time.monotonic() >= self._write_out_after

    def begin_write_out(self, fd: int) -> None:
        """Has the bytes of a new file on their way to the disk, and does not wait for them."""
        if self._write_out is None:
            _sync_file_range(fd, _WRITE)

    def write_out(self, fds: Sequence[int]) -> None:
        """Puts new files on disk before any name that they are given from now on; for `sync_all` after the renames.

        It takes no commit of the journal, which is most of what a sync costs. Errors as in `sync_batch`.
        """
        if self._write_out is not None:
            self._write_out(fds)
            return
        started = time.monotonic()
        for fd in fds:
            _sync_file_range(fd, _WRITE_AND_WAIT)
        ended = time.monotonic()
        if ended - started > SLOW_WRITE_OUT:
            self._write_out_after = ended + SLOW_WRITE_OUT_PAUSE

    def syncs_at_once(self) -> bool:
        """Whether `sync_all` may be used at this time: it reports errors, and was quick when last used."""
        return self._at_once and time.monotonic() >= self._syncfs_after

    def sync_all(self, file_system: int) -> None:
        """Put everything that was written to a file system, names too, on disk; `file_system` as in `sync_batch`."""
        started = time.monotonic()
        self._syncfs(file_system)
        ended = time.monotonic()
        if ended - started > SLOW_SYNCFS:
            self._syncfs_after = ended + SLOW_SYNCFS_PAUSE

    def _syncs(self, optional: bool) -> bool:
        return self._mail_fsync is MailFsync.ALWAYS or (self._mail_fsync is MailFsync.OPTIMIZED and not optional)

    # -- names

    def rename(self, source: str, target: str) -> None:
        self._calls.rename(source, target)

    def link(self, source: str, target: str, folders: tuple[int, int] | None = None) -> None:
        """A second name; FileExistsError when it is taken. Relative names are in the open `folders`, as if on a path:

        for many the kernel need not walk there each time.
        """
        source_folder, target_folder = folders or (None, None)
        self._calls.link(source, target, src_dir_fd=source_folder, dst_dir_fd=target_folder)

    def unlink(self, path: str) -> bool:
        """Whether there was such a file."""
        try:
            self._calls.unlink(path)
        except FileNotFoundError:
            return False
        return True

    def mkdir(self, path: str, modes: Modes = PRIVATE) -> bool:
        """Whether the folder is new."""
        try:
            self._calls.mkdir(path, modes.folder)
        except FileExistsError:
            return False
        if modes.gid != -1:
            self._calls.chown(path, -1, modes.gid)
        if modes.folder & 0o077:
            self._calls.chmod(path, modes.folder | (self._calls.stat(path).st_mode & 0o7000))
        return True

    def make_folders(self, path: str) -> None:
        """The folder and those above it that are missing, as far as permissions let us; modes as in the one above."""
        missing = []
        while path and self.stat(path) is None:
            missing.append(path)
            path = os.path.dirname(path)
        for folder in reversed(missing):
            self.mkdir(folder, self.modes_in(os.path.dirname(folder)) if folder != missing[-1] else PRIVATE)

    def rmdir(self, path: str) -> bool:
        """Whether there was such a folder; OSError(ENOTEMPTY) when it is not empty."""
        try:
            self._calls.rmdir(path)
        except FileNotFoundError:
            return False
        return True

    def names(self, folder: str) -> list[str]:
        """Names in a folder in no order, without "." and "..", undecodable bytes as surrogates (os.fsdecode)."""
        return self._calls.listdir(folder)

    def some_names(self, folder: str, most: int) -> list[tuple[str, bool]]:
        """As `names`, of the first `most`, and whether each is a folder."""
        with self._calls.scandir(folder) as entries:
            return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in islice(entries, most)]

    # -- facts

    def stat(self, path: str) -> os.stat_result | None:
        """None when nothing is there."""
        try:
            return self._calls.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def lstat(self, path: str) -> os.stat_result | None:
        """As `stat`, of a symbolic link itself."""
        try:
            return self._calls.stat(path, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def fstat(self, fd: int) -> os.stat_result:
        return self._calls.fstat(fd)

    def set_mtime(self, path: str, nanoseconds: int) -> None:
        """Set both times, as INTERNALDATE is kept in the mtime of a Maildir file."""
        self._calls.utime(path, ns=(nanoseconds, nanoseconds))

    def modes_in(self, folder: str) -> Modes:
        """Modes for what is made below `folder`, taken from its own as Dovecot does for a shared mailbox."""
        return modes_of(self._calls.stat(folder), os.getegid())


def modes_of(folder: os.stat_result, own_gid: int) -> Modes:
    """Bits of the folder; its group only where the group may do other things than everybody and is not ours already."""
    mode = folder.st_mode
    same_as_others = (mode & 0o070) >> 3 == mode & 0o007
    inherits = bool(mode & 0o2000)
    gid = -1 if inherits or same_as_others or folder.st_gid == own_gid else folder.st_gid
    return Modes(mode & 0o666 | 0o600, mode & 0o777 | 0o700, gid)


def try_flock(fd: int, *, exclusive: bool = True) -> bool:
    """flock(2) without waiting: whether it is ours now."""
    try:
        fcntl.flock(fd, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class _StatFs(ctypes.Structure):
    """Enough of `struct statfs`: the type comes first, in a machine word."""

    _fields_ = [("f_type", ctypes.c_long), ("rest", ctypes.c_char * 248)]


@lru_cache(maxsize=1)
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


@lru_cache(maxsize=1)
def kernel_version() -> tuple[int, int]:
    """(5, 8) for Linux 5.8; (0, 0) when the release says nothing."""
    match = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _syncfs(fd: int) -> None:
    _checked(_libc().syncfs(fd))


def _sync_file_range(fd: int, flags: int) -> None:
    _checked(_libc().sync_file_range(fd, _START, _TO_THE_END, flags))


def _writes_out_in_order(file_system: int) -> bool:
    """Whether names come after what `sync_file_range` wrote, for an open folder. A sandbox may refuse that call."""
    try:
        if file_system_type(file_system) not in ORDERED_JOURNALS:
            return False
        _sync_file_range(file_system, _WRITE)
    except OSError:
        return False
    return True


_START = _TO_THE_END = ctypes.c_int64(0)


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def file_system_type(place: str | int) -> int:
    """The magic number of the file system that holds a path or an open file, statfs(2)."""
    buffer = _StatFs()
    call, name = (_libc().fstatfs, place) if isinstance(place, int) else (_libc().statfs, os.fsencode(place))
    while call(name, ctypes.byref(buffer)) != 0:
        number = ctypes.get_errno()
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number), place)
    return int(buffer.f_type) & 0xFFFFFFFF


def network_file_system(path: str) -> str:
    """The name of the network file system that holds `path`, "" when it is a local one."""
    return NETWORK_FILE_SYSTEMS.get(file_system_type(path), "")


def require_local(folder: str) -> None:
    """Refuse a folder where an index would be damaged: SQLite's WAL needs shared memory between all its users."""
    name = network_file_system(folder)
    if name:
        raise MailError(
            Kind.UNAVAILABLE,
            "The index of this mailbox cannot be opened",
            f"{folder} is on a network file system ({name}), where the index cannot be shared safely;"
            " put it on a local disk with INDEX=/path in mail_location",
        )
