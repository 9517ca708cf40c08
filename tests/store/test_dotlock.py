"""Dotlocks, ours and those of others."""

import os
import subprocess
import threading
from pathlib import Path

import pytest

from doocot.errors import MailError
from doocot.store import dotlock as module
from doocot.store.dotlock import acquire, dotlock, held, release, require_held
from doocot.store.files import Files

HOST = os.uname().nodename


def aged(path: Path, content: str, seconds: float) -> None:
    path.write_text(content)
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))


def dead_pid() -> int:
    child = subprocess.Popen(["true"])
    child.wait()
    return child.pid


def test_lock_holds_pid_and_host_and_goes(tmp_path: Path) -> None:
    with dotlock(Files(), str(tmp_path / "x")) as lock:
        assert [path.name for path in tmp_path.iterdir()] == ["x.lock"]
        assert (tmp_path / "x.lock").read_text() == f"{os.getpid()}:{HOST}"
        assert held(Files(), lock)
    assert list(tmp_path.iterdir()) == []


def test_second_taker_is_told_which_file_and_how_old(tmp_path: Path) -> None:
    with dotlock(Files(), str(tmp_path / "x")):
        with pytest.raises(MailError) as caught:
            acquire(Files(), str(tmp_path / "x"), timeout=0.01)
        assert f"{tmp_path}/x.lock" in caught.value.detail
        assert f"process {os.getpid()} on host {HOST} made 0 s ago" in caught.value.detail
        assert [path.name for path in tmp_path.iterdir()] == ["x.lock"]


def test_only_one_of_many_threads_has_it(tmp_path: Path) -> None:
    (tmp_path / "n").write_text("0")

    def add() -> None:
        for _ in range(5):
            with dotlock(Files(), str(tmp_path / "n")):
                (tmp_path / "n").write_text(str(int((tmp_path / "n").read_text()) + 1))

    threads = [threading.Thread(target=add) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "n").read_text() == "30"
    assert [path.name for path in tmp_path.iterdir()] == ["n"]


@pytest.mark.parametrize(
    ("owner", "age", "broken"),
    [
        ("DEAD", 0, True),  # died on this host
        ("ALIVE", 0, False),  # runs on this host
        ("ALIVE", 10_000_000, True),  # another process has its pid: it began after the lock
        ("1234:elsewhere", 60, False),
        ("1234:elsewhere", 130, True),
        ("", 130, True),  # mutt and procmail write nothing or other things
        ("garbage", 60, False),
        ("SAME PID", 10**9, True),  # our pid, from before we were started: a container started again
    ],
)
def test_stale_locks_are_broken(tmp_path: Path, owner: str, age: float, broken: bool) -> None:
    known = {"DEAD": f"{dead_pid()}:{HOST}", "ALIVE": f"{os.getppid()}:{HOST}", "SAME PID": f"{os.getpid()}:{HOST}"}
    aged(tmp_path / "x.lock", known.get(owner, owner), age)
    if broken:
        assert release(Files(), acquire(Files(), str(tmp_path / "x"), timeout=0, stale=120))
        assert list(tmp_path.iterdir()) == []
    else:
        with pytest.raises(MailError):
            acquire(Files(), str(tmp_path / "x"), timeout=0, stale=120)
        assert [path.name for path in tmp_path.iterdir()] == ["x.lock"]


def test_changing_protected_file_keeps_the_lock(tmp_path: Path) -> None:
    aged(tmp_path / "x.lock", "1:elsewhere", 300)
    (tmp_path / "x").write_text("still being written")
    with pytest.raises(MailError):
        acquire(Files(), str(tmp_path / "x"), timeout=0, stale=120)


def test_breaker_gives_a_fresh_lock_back(tmp_path: Path) -> None:
    aged(tmp_path / "x.lock", "1:elsewhere", 300)
    seen = module._look(Files(), str(tmp_path / "x.lock"))
    assert seen is not None
    (tmp_path / "other").write_text("2:elsewhere")
    os.rename(tmp_path / "other", tmp_path / "x.lock")
    assert not module._break(Files(), str(tmp_path / "x.lock"), seen)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("x.lock", "2:elsewhere")]


def test_broken_lock_is_noticed_and_left_alone(tmp_path: Path) -> None:
    lock = acquire(Files(), str(tmp_path / "x"))
    (tmp_path / "other").write_text("2:elsewhere")
    os.rename(tmp_path / "other", tmp_path / "x.lock")
    with pytest.raises(MailError, match="another program"):
        require_held(Files(), lock)
    assert not release(Files(), lock)
    assert (tmp_path / "x.lock").exists()
