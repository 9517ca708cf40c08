"""Power loss on paper: records what a store does to the disk, and builds every state that a power cut may leave behind.

    with recording(folder, tmp_path) as rec:
        run(rec.files, vfs=rec.vfs)         # whatever is to be tested; rec.mark(x) when x was acknowledged
    for state in rec.states():
        recover(state.path)
        assert ...                          # that all of state.marks is there

Files go through `rec.files` (a `Files` over the recorder), SQLite through the VFS named `rec.vfs`; both write one log
of effects on inodes, so names, hard links, and descriptors that outlive their names come out right. The model is strict
POSIX, no file system in particular:

* Bytes are sure after fsync of their file, names after fsync of their folder, everything after syncfs. An fsync of a
  file does not make its name sure.
* Whatever is not sure may be there or not, each write and each name on its own, in any order. A write may also be torn
  or, where it extends the file, be there as zeros.
* A rename shows the file under the old name, the new one, or both; never under none.
* `ordered=True` is the switch for a file system with an ordered journal (ext4, XFS): names become sure in their order,
  any fsync makes all names before it sure, and what was written out is there when a name of later is.

SQLite's shared memory (`-shm`) is not recorded; SQLite makes it anew. Times and modes are not part of the model.
"""

import errno
import os
import shutil
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
from power_loss import ROOT, SEEDS, Disk, Node, Op, apply, replay

from doocot.store.files import Files, MailFsync


@dataclass(frozen=True)
class State:
    """What may be on disk when the power went after `prefix` operations; `marks` had been acknowledged by then."""

    path: Path
    prefix: int
    seed: int
    marks: list[Any]
    last: Op | None


class Recorder:
    """The functions of `os` that `Files` calls, each recorded and each able to fail."""

    def __init__(self, root: Path, fail_at: int | None, error: int, skip_sync: int | None) -> None:
        self.root = os.path.abspath(root)
        self.calls: list[tuple[str, tuple[Any, ...]]] = []  # every call, for choosing which one is to fail
        self.log: list[Op] = []
        self.now = Disk()
        self._fds: dict[int, int] = {}
        self._next = 1
        self._fail_at, self._error = fail_at, error
        self._skip_sync = skip_sync
        self.syncs = 0
        self._lock = threading.RLock()
        self._adopt(ROOT, self.root)
        self.start = self.now.copy()
        self.log.clear()

    # -- bookkeeping

    def called(self, name: str, *args: Any) -> None:
        """Count a call, and fail it when it is its turn."""
        with self._lock:
            self.calls.append((name, args))
            if len(self.calls) - 1 == self._fail_at:
                raise OSError(self._error, os.strerror(self._error), str(args[0]) if args else name)

    def record(self, op: Op) -> None:
        """Note an effect and have it in the present picture."""
        with self._lock:
            self.log.append(op)
            apply(self.now, op)

    def new_inode(self, names: dict[str, int] | None = None) -> int:
        number, self._next = self._next, self._next + 1
        # An inode exists nowhere until a name leads to it, so that it is there from the start does no harm.
        self.now.nodes[number] = Node(names=names)
        return number

    def locate(self, path: str) -> tuple[int, str] | None:
        """The folder's inode and the name of a path; None outside of the recorded folder."""
        path = os.path.abspath(path)
        if path == self.root or not path.startswith(self.root + "/"):
            return None
        folder, _, name = path[len(self.root) + 1 :].rpartition("/")
        number = self.now.find(folder)
        if number is None:
            number = self._adopt_path(folder)
        return number, name

    def inode(self, path: str) -> int | None:
        """The inode of an existing path; what somebody else put there counts as sure from now on."""
        if os.path.abspath(path) == self.root:
            return ROOT
        place = self.locate(path)
        if place is None:
            return None
        found = self.now.names(place[0]).get(place[1])
        if found is None and os.path.lexists(path):
            found = self._adopt_path(os.path.abspath(path)[len(self.root) + 1 :])
        return found

    def _adopt_path(self, relative: str) -> int:
        folder, _, name = relative.rpartition("/")
        parent = self.now.find(folder)
        if parent is None:
            parent = self._adopt_path(folder)
        return self._adopt_one(parent, os.path.join(self.root, folder), name)

    def _adopt(self, number: int, path: str) -> None:
        for name in os.listdir(path):
            self._adopt_one(number, path, name)

    def _adopt_one(self, parent: int, folder: str, name: str) -> int:
        path = os.path.join(folder, name)
        is_folder = os.path.isdir(path)
        number = self.new_inode({} if is_folder else None)
        self.record(Op("set", parent, name, number, value="adopted"))
        if is_folder:
            self._adopt(number, path)
        else:
            self.record(Op("write", number, data=Path(path).read_bytes(), value="adopted"))
        return number

    def sync_inode(self, number: int | None) -> bool:
        """Note a sync; False when it is the one that this run leaves out."""
        self.syncs += 1
        if self.syncs - 1 == self._skip_sync:
            return False
        if number is not None:
            self.record(Op("sync", number))
        return True

    # -- the calls that change nothing

    def read(self, fd: int, length: int) -> bytes:
        self.called("read", fd, length)
        return os.read(fd, length)

    def pread(self, fd: int, length: int, offset: int) -> bytes:
        self.called("pread", fd, length, offset)
        return os.pread(fd, length, offset)

    def listdir(self, path: str) -> list[str]:
        self.called("listdir", path)
        return os.listdir(path)

    def scandir(self, path: str) -> Any:
        self.called("scandir", path)
        return os.scandir(path)

    def stat(self, path: str, *, follow_symlinks: bool = True) -> os.stat_result:
        self.called("stat", path)
        return os.stat(path, follow_symlinks=follow_symlinks)

    def fstat(self, fd: int) -> os.stat_result:
        self.called("fstat", fd)
        return os.fstat(fd)

    def utime(self, path: str, *, ns: tuple[int, int]) -> None:
        self.called("utime", path)
        os.utime(path, ns=ns)

    def fchmod(self, fd: int, mode: int) -> None:
        self.called("fchmod", fd, mode)
        os.fchmod(fd, mode)

    def chmod(self, path: str, mode: int) -> None:
        self.called("chmod", path, mode)
        os.chmod(path, mode)

    def fchown(self, fd: int, uid: int, gid: int) -> None:
        self.called("fchown", fd, uid, gid)
        os.fchown(fd, uid, gid)

    def chown(self, path: str, uid: int, gid: int) -> None:
        self.called("chown", path, uid, gid)
        os.chown(path, uid, gid)

    def close(self, fd: int) -> None:
        self._fds.pop(fd, None)  # never fails: a descriptor that stays open says nothing about the disk
        os.close(fd)

    # -- the calls that change something

    def open(self, path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        path = _path_in(dir_fd, path)
        self.called("open", path, flags)
        with self._lock:
            existed = os.path.lexists(path)
            fd = os.open(path, flags, mode)
            if existed:
                number = self.inode(path)
                if number is not None and flags & os.O_TRUNC:
                    self.record(Op("truncate", number))
            else:
                number = self.created(path)
            if number is not None:
                self._fds[fd] = number
            return fd

    def created(self, path: str) -> int | None:
        """A file that has just come into being."""
        place = self.locate(path)
        if place is None:
            return None
        number = self.new_inode()
        self.record(Op("set", place[0], place[1], number))
        return number

    def write(self, fd: int, data: bytes | memoryview) -> int:
        self.called("write", fd, len(data))
        with self._lock:
            offset = os.lseek(fd, 0, os.SEEK_CUR)
            return self._wrote(fd, offset, bytes(data)[: os.write(fd, data)])

    def pwrite(self, fd: int, data: bytes | memoryview, offset: int) -> int:
        self.called("pwrite", fd, len(data), offset)
        with self._lock:
            return self._wrote(fd, offset, bytes(data)[: os.pwrite(fd, data, offset)])

    def _wrote(self, fd: int, offset: int, data: bytes) -> int:
        if fd in self._fds:
            self.record(Op("write", self._fds[fd], offset=offset, data=data))
        return len(data)

    def ftruncate(self, fd: int, length: int) -> None:
        self.called("ftruncate", fd, length)
        os.ftruncate(fd, length)
        if fd in self._fds:
            self.record(Op("truncate", self._fds[fd], offset=length))

    def fsync(self, fd: int) -> None:
        self.called("fsync", fd)
        self.sync_inode(self._fds.get(fd))

    def syncfs(self, fd: int) -> None:
        self.called("syncfs", fd)
        self.syncs += 1
        if self.syncs - 1 != self._skip_sync:
            self.record(Op("syncfs"))

    def write_out(self, fds: Sequence[int]) -> None:
        self.called("write_out", *fds)
        self.syncs += 1
        if self.syncs - 1 != self._skip_sync:
            for fd in fds:
                self.record(Op("written", self._fds[fd]))

    def rename(self, src: str, dst: str) -> None:
        self.called("rename", src, dst)
        with self._lock:
            moved = self.inode(src)
            os.rename(src, dst)
            old, new = self.locate(src), self.locate(dst)
            assert moved is not None, f"{src} is not in the recorded folder"
            assert old is not None, src
            assert new is not None, dst
            self.record(Op("move", old[0], old[1], moved, new[0], new[1]))

    def link(self, src: str, dst: str, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> None:
        src, dst = _path_in(src_dir_fd, src), _path_in(dst_dir_fd, dst)
        self.called("link", src, dst)
        with self._lock:
            number = self.inode(src)
            os.link(src, dst)
            place = self.locate(dst)
            assert number is not None, f"{src} is not in the recorded folder"
            assert place is not None, dst
            self.record(Op("set", place[0], place[1], number))

    def unlink(self, path: str) -> None:
        self.called("unlink", path)
        self._removed(path, os.unlink)

    def rmdir(self, path: str) -> None:
        self.called("rmdir", path)
        self._removed(path, os.rmdir)

    def _removed(self, path: str, call: Any) -> None:
        with self._lock:
            number = self.inode(path)
            call(path)
            self.removed(path, number)

    def removed(self, path: str, number: int | None) -> None:
        """A name that has just gone."""
        place = self.locate(path)
        if place is not None and number is not None:
            self.record(Op("del", place[0], place[1], number))

    def mkdir(self, path: str, mode: int = 0o777) -> None:
        self.called("mkdir", path)
        with self._lock:
            os.mkdir(path, mode)
            place = self.locate(path)
            if place is not None:
                self.record(Op("set", place[0], place[1], self.new_inode({})))


def _path_in(folder: int | None, name: str) -> str:
    """The path of a name in an open folder."""
    return name if folder is None else os.path.join(os.readlink(f"/proc/self/fd/{folder}"), name)


def sqlite_error(error: OSError) -> apsw.Error:
    """What SQLite's own VFS would say of this error."""
    return apsw.FullError(str(error)) if error.errno == errno.ENOSPC else apsw.IOError(str(error))


class RecordingFile(apsw.VFSFile):
    """A database, its WAL or its journal."""

    def __init__(self, recorder: Recorder, name: Any, flags: list[int]) -> None:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        existed = os.path.exists(path)
        super().__init__("", name, flags)
        self.recorder = recorder
        self.number = recorder.inode(path) if existed else recorder.created(path)
        journal = flags[0] & (apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL)
        # The unix VFS syncs the folder with the first sync of a journal or WAL that it created.
        self.folder_to_sync = os.path.dirname(path) if journal and not existed else None

    def xWrite(self, data: bytes, offset: int) -> None:
        self._called("xWrite", self.number, len(data), offset)
        super().xWrite(data, offset)
        if self.number is not None:
            self.recorder.record(Op("write", self.number, offset=offset, data=bytes(data)))

    def xTruncate(self, newsize: int) -> None:
        self._called("xTruncate", self.number, newsize)
        super().xTruncate(newsize)
        if self.number is not None:
            self.recorder.record(Op("truncate", self.number, offset=newsize))

    def xSync(self, flags: int) -> None:
        self._called("xSync", self.number)
        if self.recorder.sync_inode(self.number) and self.folder_to_sync is not None:
            self.recorder.record(Op("sync", self.recorder.inode(self.folder_to_sync) or ROOT))
            self.folder_to_sync = None

    def _called(self, *args: Any) -> None:
        try:
            self.recorder.called(*args)
        except OSError as error:
            raise sqlite_error(error) from error


class RecordingVFS(apsw.VFS):
    """The default VFS, writing into the log of the recorder."""

    def __init__(self, name: str, recorder: Recorder) -> None:
        self.recorder = recorder
        super().__init__(name, "")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        if name is None:
            return super().xOpen(name, flags)
        try:
            self.recorder.called("xOpen", str(name))
        except OSError as error:
            raise apsw.CantOpenError(str(error)) from error
        return RecordingFile(self.recorder, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        try:
            self.recorder.called("xDelete", filename)
        except OSError as error:
            raise sqlite_error(error) from error
        number = self.recorder.inode(filename)
        super().xDelete(filename, syncdir)
        self.recorder.removed(filename, number)
        if syncdir:
            self.recorder.sync_inode(self.recorder.inode(os.path.dirname(filename)))


@dataclass
class Recording:
    """A run of the code under test."""

    recorder: Recorder
    files: Files
    vfs: str
    scratch: Path
    ordered: bool = False

    @property
    def calls(self) -> list[tuple[str, tuple[Any, ...]]]:
        """Every call in order with its arguments; its index is the number for `fail_at`."""
        return self.recorder.calls

    @property
    def log(self) -> list[Op]:
        return self.recorder.log

    @property
    def syncs(self) -> int:
        """How many sync calls there were; each index is a number for `skip_sync`."""
        return self.recorder.syncs

    def mark(self, value: Any) -> None:
        """From here on `value` is acknowledged."""
        self.recorder.record(Op("mark", value=value))

    def states(self, seeds: Iterable[int] = SEEDS, *, drop_unsynced: bool = True, every: int = 1) -> Iterator[State]:
        """The disk after every `every`-th operation and after the last, for each seed; removed again after its turn."""
        log = self.recorder.log
        seeds = list(seeds)
        for prefix in range(len(log) + 1):
            if prefix % every and prefix != len(log):
                continue
            marks = [op.value for op in log[:prefix] if op.kind == "mark"]
            for seed in seeds:
                path = self.scratch / f"state-{prefix}-{seed}"
                disk = replay(
                    self.recorder.start,
                    log[:prefix],
                    self.recorder.now,
                    seed,
                    drop_unsynced=drop_unsynced,
                    ordered=self.ordered,
                )
                disk.materialise(path)
                try:
                    yield State(path, prefix, seed, marks, log[prefix - 1] if prefix else None)
                finally:
                    shutil.rmtree(path)


@contextmanager
def recording(
    folder: Path,
    scratch: Path,
    *,
    mail_fsync: MailFsync = MailFsync.OPTIMIZED,
    fail_at: int | None = None,
    error: int = errno.ENOSPC,
    skip_sync: int | None = None,
    at_once: bool = True,
    ordered: bool = False,
) -> Iterator[Recording]:
    """Record what happens in `folder` (what is there now is sure); states are built below `scratch`.

    `fail_at` fails that call with `error`; `skip_sync` leaves out that sync, to prove that a test would see it missing.
    Without `at_once` there is no syncfs. `ordered` is a file system with an ordered journal, also for the states.
    """
    recorder = Recorder(folder, fail_at, error, skip_sync)
    vfs = RecordingVFS(f"recording-{id(recorder)}", recorder)
    try:
        write_out = recorder.write_out if ordered else None
        files = Files(mail_fsync, recorder, recorder.syncfs, write_out, at_once=at_once)
        yield Recording(recorder, files, f"recording-{id(recorder)}", scratch, ordered)
    finally:
        vfs.unregister()
