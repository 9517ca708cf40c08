"""The file calls of the store."""

import errno
import os
import stat
from pathlib import Path

import pytest

from doocot.errors import MailError
from doocot.store import files as module
from doocot.store.files import Files, MailFsync, Modes


class Counting:
    """The os module, counting fsync, writing a few bytes at a time."""

    def __init__(self) -> None:
        self.synced = 0
        self.chunk = 1 << 30

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)

    def fsync(self, fd: int) -> None:
        self.synced += 1

    def write(self, fd: int, data: bytes) -> int:
        return os.write(fd, data[: self.chunk])

    def pwrite(self, fd: int, data: bytes, offset: int) -> int:
        return os.pwrite(fd, data[: self.chunk], offset)


@pytest.mark.parametrize("told", [0, 1, 99, 100, 101, 100_000])
def test_whole_file_is_read_whatever_size_was_told(tmp_path: Path, told: int) -> None:
    (tmp_path / "f").write_bytes(bytes(range(100)))
    assert Files().read_file(str(tmp_path / "f"), told) == bytes(range(100))


def test_short_writes_are_continued(tmp_path: Path) -> None:
    calls = Counting()
    calls.chunk = 3
    files = Files(calls=calls)
    files.write_file(str(tmp_path / "f"), [b"0123456789", b"abcdef"])
    fd = files.open(str(tmp_path / "f"), os.O_RDWR)
    files.pwrite(fd, b"ABCDE", 2)
    assert files.pread(fd, 100, 1) == b"1ABCDE789abcdef"
    files.close(fd)


@pytest.mark.parametrize(
    ("mode", "needed", "optional"), [(MailFsync.ALWAYS, 2, 2), (MailFsync.OPTIMIZED, 2, 0), (MailFsync.NEVER, 0, 0)]
)
def test_mail_fsync_decides_what_is_synced(tmp_path: Path, mode: MailFsync, needed: int, optional: int) -> None:
    for number, (is_optional, expected) in enumerate([(False, needed), (True, optional)]):
        calls = Counting()
        path = str(tmp_path / f"{mode.value}{number}")
        Files(mode, calls).replace_file(path, [b"x"], path + ".tmp", optional=is_optional)
        assert calls.synced == expected


def test_batches_go_through_one_syncfs_until_it_is_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, whole = Counting(), []
    files = Files(calls=calls, syncfs=whole.append)
    files.sync_batch([7], 5)
    assert (calls.synced, whole) == (1, [])
    files.sync_batch([7, 8], 5)
    assert (calls.synced, whole) == (1, [5])
    monkeypatch.setattr(module, "SLOW_SYNCFS", -1.0)
    files.sync_batch([7, 8], 5)
    files.sync_batch([7, 8], 5)
    assert (calls.synced, whole) == (3, [5, 5])
    Files(MailFsync.NEVER, calls, whole.append).sync_batch([1] * 9, 5)
    assert (calls.synced, whole) == (3, [5, 5])


def test_writing_out_is_enough_where_the_journal_is_ordered_and_the_disk_quick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "file").open("wb", buffering=0) as file:
        file.write(b"x")
        for magic, brief in ((module.ORDERED_JOURNALS[0], True), (0x9123683E, False)):
            monkeypatch.setattr(module, "file_system_type", lambda place, magic=magic: magic)
            files = Files()
            assert files.is_brief(file.fileno()) is brief
        monkeypatch.setattr(module, "file_system_type", lambda place: module.ORDERED_JOURNALS[0])
        files = Files()
        assert files.is_brief(file.fileno())
        monkeypatch.setattr(module, "SLOW_WRITE_OUT", -1.0)
        files.begin_write_out(file.fileno())
        files.write_out([file.fileno()])
        assert not files.is_brief(file.fileno())


def test_writing_out_is_not_enough_where_a_sandbox_refuses_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(fd: int, flags: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(module, "file_system_type", lambda place: module.ORDERED_JOURNALS[0])
    monkeypatch.setattr(module, "_sync_file_range", refused)
    folder = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        assert not Files().is_brief(folder)
    finally:
        os.close(folder)


def test_writing_out_reports_errors() -> None:
    reader, writer = os.pipe()
    try:
        with pytest.raises(OSError, match="Illegal seek"):
            Files().write_out([writer])
    finally:
        os.close(reader)
        os.close(writer)


def test_modes_do_not_depend_on_the_umask(tmp_path: Path) -> None:
    files = Files()
    before = os.umask(0o077)
    try:
        files.write_file(str(tmp_path / "f"), [b""], Modes(0o664, 0o775))
        assert files.mkdir(str(tmp_path / "d"), Modes(0o664, 0o775))
        assert not files.mkdir(str(tmp_path / "d"))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o664
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o775
    assert files.modes_in(str(tmp_path / "d")) == Modes(0o664, 0o775)


@pytest.mark.parametrize(
    ("mode", "gid", "modes"),
    [
        (0o700, 50, Modes(0o600, 0o700)),  # the group may do nothing, as everybody
        (0o770, 50, Modes(0o660, 0o770, 50)),
        (0o770, 7, Modes(0o660, 0o770)),  # the group is ours
        (0o2770, 50, Modes(0o660, 0o770)),  # the kernel inherits it
        (0o755, 50, Modes(0o644, 0o755)),
    ],
)
def test_modes_are_those_of_the_folder(mode: int, gid: int, modes: Modes) -> None:
    folder = os.stat_result((0o040000 | mode, 0, 0, 0, 0, gid, 0, 0, 0, 0))
    assert module.modes_of(folder, 7) == modes


def test_failed_write_leaves_nothing(tmp_path: Path) -> None:
    class Full(Counting):
        def write(self, fd: int, data: bytes) -> int:
            raise OSError(errno.ENOSPC, "full")

    (tmp_path / "f").write_bytes(b"old")
    with pytest.raises(OSError, match="full"):
        Files(calls=Full()).replace_file(str(tmp_path / "f"), [b"new"], str(tmp_path / "t"))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"f": b"old"}


def test_missing_things_are_answers_not_errors(tmp_path: Path) -> None:
    files, path = Files(), str(tmp_path / "none")
    assert not files.unlink(path)
    assert not files.rmdir(path)
    assert files.stat(path) is None
    assert files.lstat(path + "/below") is None
    with pytest.raises(FileExistsError):
        files.create(str(tmp_path))


def test_network_file_systems_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module.require_local(str(tmp_path))
    monkeypatch.setattr(module, "file_system_type", lambda path: 0x6969)
    with pytest.raises(MailError) as caught:
        module.require_local("/mail")
    assert "INDEX=" in caught.value.detail
    assert "nfs" in caught.value.detail
    monkeypatch.undo()
    with pytest.raises(FileNotFoundError):
        module.file_system_type(str(tmp_path / "none"))


def test_flock_is_exclusive(tmp_path: Path) -> None:
    files = Files()
    first, second = files.create(str(tmp_path / "f")), files.open(str(tmp_path / "f"))
    assert module.try_flock(first)
    assert not module.try_flock(second, exclusive=False)
    files.close(first)
    assert module.try_flock(second)
    files.close(second)
