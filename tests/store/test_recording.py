"""The power-loss machinery sees what it is there to see."""

import errno
from pathlib import Path

import apsw
import pytest
from power_loss import DROP_ALL, KEEP_ALL, NAMES_ONLY
from recording import Recording, recording

from doocot.store.files import MailFsync

OLD, NEW = b"old content", b"new content, and longer"


def start(tmp_path: Path) -> Path:
    folder = tmp_path / "mail"
    folder.mkdir()
    (folder / "file").write_bytes(OLD)
    return folder


def replace_and_acknowledge(rec: Recording, folder: Path) -> None:
    rec.files.replace_file(str(folder / "file"), [NEW[:5], NEW[5:]], str(folder / "file.tmp"))
    rec.mark("replaced")


def violations(rec: Recording) -> list[tuple[int, int]]:
    """(prefix, seed) of the states where the file is neither old nor new, or is not new although that was promised."""
    bad = []
    for state in rec.states(range(40)):
        content = (state.path / "file").read_bytes()
        if content not in (OLD, NEW) or (state.marks and content != NEW):
            bad.append((state.prefix, state.seed))
    return bad


@pytest.mark.parametrize("ordered", [False, True])
def test_recorded_replacement_is_atomic_and_durable(tmp_path: Path, ordered: bool) -> None:
    folder = start(tmp_path)
    with recording(folder, tmp_path, ordered=ordered) as rec:
        replace_and_acknowledge(rec, folder)
    assert violations(rec) == []
    assert rec.syncs == 2


def save_in_order(rec: Recording, folder: Path, *, named_first: bool = False) -> None:
    fd = rec.files.create(str(folder / "file.tmp"))
    rec.files.write(fd, NEW)
    if named_first:
        rec.files.rename(str(folder / "file.tmp"), str(folder / "file"))
    rec.files.write_out([fd])
    if not named_first:
        rec.files.rename(str(folder / "file.tmp"), str(folder / "file"))
    rec.files.sync_all(fd)
    rec.mark("replaced")
    rec.files.close(fd)


def test_a_name_that_follows_what_was_written_out_leads_to_it(tmp_path: Path) -> None:
    folder = start(tmp_path)
    with recording(folder, tmp_path, ordered=True) as rec:
        save_in_order(rec, folder)
    assert violations(rec) == []
    assert rec.syncs == 2


@pytest.mark.parametrize("fault", [{"skip_sync": 0}, {"skip_sync": 1}, {"named_first": True}])
def test_writing_out_too_late_or_never_is_found(tmp_path: Path, fault: dict[str, int]) -> None:
    folder = start(tmp_path)
    named_first = bool(fault.pop("named_first", False))
    with recording(folder, tmp_path, ordered=True, **fault) as rec:
        save_in_order(rec, folder, named_first=named_first)
    assert violations(rec)


@pytest.mark.parametrize("skipped", [0, 1])
def test_each_missing_sync_is_found(tmp_path: Path, skipped: int) -> None:
    folder = start(tmp_path)
    with recording(folder, tmp_path, skip_sync=skipped) as rec:
        replace_and_acknowledge(rec, folder)
    assert violations(rec)


def test_mail_fsync_never_is_found_too(tmp_path: Path) -> None:
    folder = start(tmp_path)
    with recording(folder, tmp_path, mail_fsync=MailFsync.NEVER) as rec:
        replace_and_acknowledge(rec, folder)
    assert violations(rec)


def test_named_seeds_are_the_extremes(tmp_path: Path) -> None:
    folder = start(tmp_path)
    with recording(folder, tmp_path, mail_fsync=MailFsync.NEVER) as rec:
        replace_and_acknowledge(rec, folder)
    last = {}
    for state in rec.states((DROP_ALL, KEEP_ALL, NAMES_ONLY)):
        last[state.seed] = {path.name: path.read_bytes() for path in state.path.iterdir()}
    assert last == {DROP_ALL: {"file": OLD}, KEEP_ALL: {"file": NEW}, NAMES_ONLY: {"file": b""}}


def test_rename_never_loses_the_file(tmp_path: Path) -> None:
    folder = start(tmp_path)
    with recording(folder, tmp_path) as rec:
        rec.files.mkdir(str(folder / "cur"))
        rec.files.sync_folder(str(folder))
        before = len(rec.log)
        rec.files.rename(str(folder / "file"), str(folder / "cur" / "file"))
        rec.files.sync_folder(str(folder))
    seen = set()
    for state in rec.states(range(40)):
        if state.prefix >= before:
            seen.add(tuple(sorted(str(path.relative_to(state.path)) for path in state.path.rglob("file"))))
    assert seen == {("file",), ("cur/file",), ("cur/file", "file")}


def test_link_and_unlinked_descriptor_keep_their_inode(tmp_path: Path) -> None:
    folder = start(tmp_path)
    with recording(folder, tmp_path) as rec:
        fd = rec.files.open(str(folder / "file"), 2)
        rec.files.link(str(folder / "file"), str(folder / "second"))
        rec.files.unlink(str(folder / "file"))
        rec.files.pwrite(fd, b"NEW", 0)
        rec.files.close(fd)
    trees = [{path.name: path.read_bytes() for path in state.path.iterdir()} for state in rec.states([KEEP_ALL])]
    assert trees[0] == {"file": OLD}
    assert {"file": OLD, "second": OLD} in trees
    assert trees[-1] == {"second": b"NEW content"}


def test_every_call_can_fail(tmp_path: Path) -> None:
    with recording(start(tmp_path), tmp_path) as rec:
        replace_and_acknowledge(rec, tmp_path / "mail")
    names = [name for name, _ in rec.calls]
    assert {"open", "write", "fsync", "rename", "unlink"} <= set(names)
    for number, name in enumerate(names):
        (tmp_path / str(number)).mkdir()
        folder = start(tmp_path / str(number))
        failing = recording(folder, tmp_path, fail_at=number, error=errno.EIO)
        with failing as rec, pytest.raises(OSError, match="Input/output error"):
            replace_and_acknowledge(rec, folder)
        assert (folder / "file").read_bytes() in (OLD, NEW), name
        assert not (folder / "file.tmp").exists(), name


def insert_rows(rec: Recording, folder: Path, synchronous: str) -> None:
    connection = apsw.Connection(str(folder / "index"), vfs=rec.vfs)
    connection.execute(f"PRAGMA journal_mode=WAL; PRAGMA synchronous={synchronous}; CREATE TABLE t(x)").fetchall()
    for number in range(3):
        connection.execute("INSERT INTO t VALUES(?)", (number,))
        rec.mark(number)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()


def lost_rows(rec: Recording) -> list[tuple[int, int]]:
    bad = []
    for state in rec.states(range(6)):
        if not state.marks:
            continue
        try:
            connection = apsw.Connection(str(state.path / "index"))
            rows = {x for (x,) in connection.execute("SELECT x FROM t")}
            connection.close()
        except apsw.Error:
            rows = set()
        if not set(state.marks) <= rows:
            bad.append((state.prefix, state.seed))
    return bad


def test_sqlite_commits_with_full_survive(tmp_path: Path) -> None:
    with recording(start(tmp_path), tmp_path) as rec:
        insert_rows(rec, tmp_path / "mail", "FULL")
    assert lost_rows(rec) == []


@pytest.mark.parametrize("synchronous", ["NORMAL", "OFF"])
def test_sqlite_commits_without_sync_are_found(tmp_path: Path, synchronous: str) -> None:
    with recording(start(tmp_path), tmp_path) as rec:
        insert_rows(rec, tmp_path / "mail", synchronous)
    assert lost_rows(rec)


def test_sqlite_write_can_fail(tmp_path: Path) -> None:
    folder = start(tmp_path)
    with recording(folder, tmp_path) as rec:
        insert_rows(rec, folder, "FULL")
    writes = [number for number, (name, _) in enumerate(rec.calls) if name == "xWrite"]
    (tmp_path / "again").mkdir()
    folder = start(tmp_path / "again")
    with recording(folder, tmp_path, fail_at=writes[-3]) as rec, pytest.raises(apsw.FullError):
        insert_rows(rec, folder, "FULL")
