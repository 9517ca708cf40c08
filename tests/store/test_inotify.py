"""inotify, with real files."""

import os
from pathlib import Path

import pytest

from doocot.store import inotify as module
from doocot.store.inotify import (
    IN_CREATE,
    IN_DELETE,
    IN_IGNORED,
    IN_MOVED_FROM,
    IN_MOVED_TO,
    Event,
    Inotify,
)


def test_inotify_tells_names_and_pairs_of_renames(tmp_path: Path) -> None:
    for part in ("new", "cur"):
        (tmp_path / part).mkdir()
    watcher = Inotify()
    new, cur = watcher.watch(str(tmp_path / "new")), watcher.watch(str(tmp_path / "cur"))
    assert watcher.read() == ([], False)
    (tmp_path / "new" / "ä").write_text("x")
    os.rename(tmp_path / "new" / "ä", tmp_path / "cur" / "ä:2,S")
    (tmp_path / "cur" / "ä:2,S").unlink()
    events, overflowed = watcher.read()
    cookie = events[1].cookie
    assert cookie
    assert events == [
        Event(new, IN_CREATE, 0, "ä"),
        Event(new, IN_MOVED_FROM, cookie, "ä"),
        Event(cur, IN_MOVED_TO, cookie, "ä:2,S"),
        Event(cur, IN_DELETE, 0, "ä:2,S"),
    ]
    assert not overflowed
    watcher.unwatch(new)
    (tmp_path / "new" / "b").write_text("x")
    assert watcher.read() == ([Event(new, IN_IGNORED, 0, "")], False)
    watcher.unwatch(new)
    watcher.close()


def test_inotify_overflow_is_told(tmp_path: Path) -> None:
    watcher = Inotify()
    watcher.watch(str(tmp_path))
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    os.close(os.open(tmp_path / "a", os.O_CREAT))
    os.close(os.open(tmp_path / "c", os.O_CREAT))
    # The kernel joins equal events that follow each other, so two names take turns.
    for _ in range(most // 4 + 10):
        os.rename(tmp_path / "a", tmp_path / "b")
        os.rename(tmp_path / "b", tmp_path / "a")
    found, overflowed = 0, False
    while not overflowed:
        events, overflowed = watcher.read()
        assert events or overflowed
        found += len(events)
    assert found == most
    assert watcher.read() == ([], False)
    watcher.close()


def test_inotify_refusals_name_the_folder(tmp_path: Path) -> None:
    watcher = Inotify()
    (tmp_path / "file").write_text("")
    for missing in ("none", "file"):
        with pytest.raises(OSError, match=missing):
            watcher.watch(str(tmp_path / missing))
    watcher.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        module.Inotify.watch(watcher, str(tmp_path))
