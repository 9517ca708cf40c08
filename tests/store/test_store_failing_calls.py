"""Every call of every writing request fails once: a MailError, nothing lost, nothing half visible, a retry works."""

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from recording import Recording, recording
from store_house import House, open_house

from doocot.errors import MailError
from doocot.mailbox.change import Operation
from doocot.store.check import check_root
from doocot.store.index.messages import FLAGGED, SEEN
from doocot.store.root import take_notes

BEFORE = {"INBOX": ["one", "three", "two"], "Other": ["four"]}
WORK = frozenset({"Work"})


def save_many(house: House) -> None:
    house.save(["five", "six"], keywords=WORK)


def copy(house: House) -> None:
    house.copy([1, 2], "Other")


def move(house: House) -> None:
    house.copy([1, 2], "Other", move=True)


def replace(house: House) -> None:
    house.replace(2, "five")


def replace_elsewhere(house: House) -> None:
    house.replace(2, "five", "Other")


def flag(house: House) -> None:
    house.store([1, 2], FLAGGED, Operation.ADD, WORK)


def expunge(house: House) -> None:
    house.expunge([1, 3])


def create(house: House) -> None:
    house.create("Third")


def look(house: House) -> None:
    house.row()


AFTER: dict[Callable[[House], None], dict[str, list[str]]] = {
    save_many: {**BEFORE, "INBOX": ["five", "one", "six", "three", "two"]},
    copy: {**BEFORE, "Other": ["four", "one", "two"]},
    move: {"INBOX": ["three"], "Other": ["four", "one", "two"]},
    replace: {**BEFORE, "INBOX": ["five", "one", "three"]},
    replace_elsewhere: {"INBOX": ["one", "three"], "Other": ["five", "four"]},
    flag: BEFORE,
    expunge: {**BEFORE, "INBOX": ["two"]},
    create: {**BEFORE, "Third": []},
    look: BEFORE,
}


@pytest.fixture
def memory() -> Iterator[Path]:
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place) as folder:
        yield Path(folder)


def prepared(folder: Path) -> None:
    folder.mkdir(parents=True)
    house = open_house(folder)
    house.create("Other")
    house.save(["one", "two", "three"], flags=SEEN)
    house.save(["four"], "Other", flags=SEEN)
    house.settle()
    house.close()


def seen(house: House) -> dict[str, list[str]]:
    names = [
        name for name in ("INBOX", "Other", "Third") if name != "Third" or Path(house.root.path, ".Third/cur").exists()
    ]
    return {name: sorted(house.messages(name).values()) for name in names}


def calls_of(memory: Path, request: Callable[[House], None], ordered: bool) -> tuple[int, int]:
    """The numbers of the first and the last call that belong to the request and its file work."""
    prepared(memory / "count")
    with recording(memory / "count", memory, ordered=ordered) as rec:
        house = open_house(memory / "count", rec.files, rec.vfs)
        first = len(rec.calls)
        do(house, rec, request)
        last = len(rec.calls)
        house.close()
    return first, last


def do(house: House, rec: Recording, request: Callable[[House], None]) -> bool:
    """Whether it was answered with OK; what follows the answer may fail for itself."""
    request(house)
    rec.mark("answered")
    house.settle()
    return True


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EACCES])
@pytest.mark.parametrize("request_", list(AFTER), ids=lambda request: request.__name__)
def test_failing_call(memory: Path, request_: Callable[[House], None], error: int) -> None:
    ordered = error == errno.EIO  # the kind of disk makes few calls different: not all of them for each error
    first, last = calls_of(memory, request_, ordered)
    for number in range(first, last):
        folder = memory / str(number)
        prepared(folder)
        with recording(folder, memory, fail_at=number, error=error, ordered=ordered) as rec:
            house = open_house(folder, rec.files, rec.vfs)
            refused = False
            try:
                do(house, rec, request_)
            except MailError:
                refused = True
            answered = any(op.kind == "mark" for op in rec.log)
            call = rec.calls[number] if number < len(rec.calls) else None
            house.settle()
            now = seen(house)
            assert now == AFTER[request_] if answered else now in (BEFORE, AFTER[request_]), (call, answered)
            if refused and not answered and now == BEFORE:
                request_(house)
                house.settle()
                assert seen(house) == AFTER[request_], call
            take_notes(house.root)  # it may have told of a file that it could not read
            assert [str(one) for one in check_root(house.root)] == [], call
            house.close()
