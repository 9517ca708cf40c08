"""Which inotify events make a worker read a watched folder again: real files and events, a loop that the test turns."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from store_house import House, open_house, text_of

from doocot.mailbox.roots import OpenRoot
from doocot.main import watch
from doocot.main.watch import Watches
from doocot.store import maildir_sync
from doocot.store.index.mailboxes import find_mailbox
from doocot.store.index.messages import FLAGGED, SEEN
from doocot.store.root import Root

COUNT = watch.MANY + 40


def _no_trouble(_: Root, error: BaseException) -> None:
    raise error


@dataclass
class Timer:
    call: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class Loop:
    """An event loop that does nothing by itself; what is for a thread waits in `work`."""

    readers: list[Callable[[], None]] = field(default_factory=list)
    timers: list[Timer] = field(default_factory=list)
    work: list[Callable[[], None]] = field(default_factory=list)
    now: float = 0.0

    def time(self) -> float:
        return self.now

    def add_reader(self, _: int, call: Callable[[], None]) -> None:
        self.readers.append(call)

    def remove_reader(self, _: int) -> None:
        self.readers.clear()

    def call_later(self, _: float, call: Callable[..., None], *values: object) -> Timer:
        self.timers.append(Timer(lambda: call(*values)))
        return self.timers[-1]

    def run_in_executor(self, _: None, call: Callable[..., None], *values: object) -> SimpleNamespace:
        done: list[Callable[[Any], None]] = []

        def run() -> None:
            call(*values)
            for each in done:
                each(SimpleNamespace(cancelled=bool, exception=lambda: None))

        self.work.append(run)
        return SimpleNamespace(add_done_callback=done.append)

    def read(self) -> None:
        for call in self.readers:
            call()

    def look(self) -> None:
        """All timers that are set."""
        timers, self.timers = self.timers, []
        for timer in timers:
            if not timer.cancelled:
                timer.call()

    def finish(self) -> None:
        """What is for threads."""
        work, self.work = self.work, []
        for run in work:
            run()

    def turn(self) -> None:
        """All that has happened, to its end."""
        self.read()
        while self.timers or self.work:
            self.look()
            self.finish()


@dataclass
class Watched:
    """INBOX with COUNT messages, watched; `rescans` are the mailboxes that were read again."""

    house: House
    number: int
    loop: Loop
    watches: Watches
    rescans: list[str]

    @property
    def cur(self) -> Path:
        return Path(self.house.root.path, "cur")

    def indexed(self) -> int:
        """Messages, without looking into the folder."""
        row = find_mailbox(self.house.root.db.reader, self.number)
        assert row is not None
        return row.messages


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    house, loop = open_house(tmp_path / "u1"), Loop()
    house.save([f"m{number}" for number in range(COUNT)])
    house.settle()

    rescans: list[str] = []

    def sync(root: Root, name: str) -> object:
        rescans.append(name)
        return maildir_sync.sync_mailbox(root, name)

    both = SimpleNamespace(unexplained=maildir_sync.unexplained, sync_mailbox=sync)
    monkeypatch.setattr(watch, "maildir_sync", both)
    held = OpenRoot(house.root)
    loop_given: Any = loop
    watches = Watches(loop_given, _no_trouble, lambda _: held, lambda _: None)
    watches.opened(house.root, house.row())
    yield Watched(house, house.row().id, loop, watches, rescans)
    watches.close()
    house.close()


def test_our_own_events_cost_no_rescan_however_many(watched: Watched) -> None:
    house = watched.house
    house.store(range(1, COUNT + 1), FLAGGED)
    house.settle()
    watched.loop.turn()
    house.create("bulk")
    house.copy(range(1, COUNT + 1), "bulk")
    house.copy(range(1, COUNT + 1), "INBOX", name="bulk")
    watched.loop.turn()
    house.expunge(range(1, COUNT + 1))
    house.settle()
    watched.loop.turn()
    assert watched.rescans == []
    assert watched.indexed() == COUNT


def test_files_that_an_intent_will_remove_cost_no_rescan(watched: Watched) -> None:
    watched.house.store(range(1, COUNT + 1), FLAGGED)
    watched.house.settle()
    watched.house.expunge(range(1, COUNT + 1))
    watched.loop.turn()
    assert watched.rescans == []


def test_a_file_of_another_program_is_found_among_many_of_ours(watched: Watched) -> None:
    watched.house.store(range(1, COUNT + 1), FLAGGED)
    watched.house.settle()
    (watched.cur / "1.other:2,S").write_bytes(text_of("theirs"))
    watched.loop.turn()
    assert watched.rescans == ["INBOX"]
    assert watched.indexed() == COUNT + 1


@pytest.mark.parametrize("gone", [True, False])
def test_what_another_program_did_to_a_file_is_found_among_many_of_ours(watched: Watched, gone: bool) -> None:
    watched.house.store(range(1, COUNT + 1), FLAGGED)
    watched.house.settle()
    one = sorted(watched.cur.iterdir())[COUNT // 2]
    if gone:
        one.unlink()
    else:
        one.rename(f"{one}S")
    watched.loop.turn()
    assert watched.rescans == ["INBOX"]
    assert watched.indexed() == COUNT - gone
    assert sum(flags & SEEN for flags, _ in watched.house.flags().values()) == (not gone)


def test_more_names_than_are_kept_cost_one_rescan(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "MOST", COUNT)
    watched.house.store(range(1, COUNT + 1), FLAGGED)
    watched.house.settle()
    watched.loop.turn()
    assert watched.rescans == ["INBOX"]
    (watched.cur / "1.other:2,S").write_bytes(text_of("theirs"))
    watched.loop.turn()
    assert watched.rescans == ["INBOX", "INBOX"]


def test_events_without_end_do_not_put_off_the_look_for_ever(watched: Watched) -> None:
    for number in range(watch.MANY + 1):
        (watched.cur / f"foreign{number}:2,S").write_bytes(text_of("foreign"))
    watched.loop.read()
    set_at_first = watched.loop.timers[-1]
    for number in range(20):
        watched.loop.now += watch.PATIENCE / 10
        (watched.cur / f"more{number}:2,S").write_bytes(text_of("more"))
        watched.loop.read()
    assert set_at_first.cancelled
    assert not watched.loop.timers[-1].cancelled
    assert len(watched.loop.timers) == 10
    watched.loop.turn()
    assert watched.indexed() == COUNT + watch.MANY + 1 + 20


def test_what_happens_during_a_look_is_looked_at_afterwards(watched: Watched) -> None:
    loop = watched.loop
    (watched.cur / "1.other:2,S").write_bytes(text_of("theirs"))
    loop.read()
    loop.look()
    (watched.cur / "2.other:2,S").write_bytes(text_of("theirs too"))
    loop.read()
    loop.look()
    assert len(loop.work) == 1
    loop.finish()
    loop.turn()
    assert watched.indexed() == COUNT + 2


def test_a_folder_that_was_left_during_a_look_is_not_looked_at_again(watched: Watched) -> None:
    loop = watched.loop
    (watched.cur / "1.other:2,S").write_bytes(text_of("theirs"))
    loop.read()
    loop.look()
    (watched.cur / "2.other:2,S").write_bytes(text_of("theirs too"))
    loop.read()
    watched.watches.closed(watched.house.root, watched.house.row())
    loop.finish()
    assert [timer for timer in loop.timers if not timer.cancelled] == []


@pytest.mark.parametrize("name", [b"1.\xff:2,S", b"1.a\n:2,S", b".hidden", b":2,S"])
def test_a_name_that_no_message_has_costs_no_rescan(watched: Watched, name: bytes) -> None:
    with open(os.path.join(os.fsencode(watched.cur), name), "wb"):
        pass
    watched.loop.turn()
    assert watched.rescans == []


def test_a_folder_is_watched_until_the_last_who_looks_at_it_leaves(watched: Watched) -> None:
    loop, root, row = watched.loop, watched.house.root, watched.house.row()
    watched.watches.opened(root, row)
    assert watched.watches.opened_further(root, row)
    watched.watches.closed(root, row)
    watched.watches.closed(root, row)
    (watched.cur / "1.other:2,S").write_bytes(text_of("theirs"))
    loop.read()
    loop.look()
    loop.finish()
    assert watched.indexed() == COUNT + 1
    watched.watches.closed_further(root, row)
    (watched.cur / "2.other:2,S").write_bytes(text_of("theirs too"))
    loop.read()
    assert [timer for timer in loop.timers if not timer.cancelled] == []


def test_folders_that_nobody_has_selected_are_watched_while_there_is_room(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "FURTHER", 1)
    root, row = watched.house.root, watched.house.row()
    assert watched.watches.opened_further(root, row)
    assert not watched.watches.opened_further(root, row)
    watched.watches.closed_further(root, row)
    assert watched.watches.opened_further(root, row)
