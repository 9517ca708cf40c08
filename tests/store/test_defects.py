"""Defects that were found by thinking about what may happen between two steps, each with its step."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from store_house import House, finish, open_house, text_of

from doocot.errors import Kind, MailError
from doocot.mailbox.change import Operation
from doocot.mailbox.copy import copy
from doocot.store import dovecot_files, folders, save, settle, uidlist
from doocot.store.files import Files
from doocot.store.index.database import Busy, rows, write
from doocot.store.index.keywords import keyword_sets
from doocot.store.index.messages import ANSWERED, FLAGGED, SEEN
from doocot.store.save import Incoming


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = open_house(tmp_path / "mail")
    house.create("Other")
    yield house
    house.close()


def to_commit(steps: Any) -> Any:
    """Runs a COPY up to the Job that commits it: the target is looked up, rows are read, files linked."""
    job = next(steps)
    for _ in range(3):
        job = steps.send(job.call())
    return job


@pytest.mark.parametrize("move", [False, True])
def test_copy_is_kept_when_the_client_leaves_during_the_commit(house: House, move: bool) -> None:
    house.save(["one", "two"])
    steps = house.copying([1, 2], "Other", move=move)
    commit = to_commit(steps)
    commit.call()
    steps.close()
    house.settle()
    assert house.messages("Other") == {1: "one", 2: "two"}


def test_copy_is_undone_when_the_client_leaves_before_the_commit(house: House) -> None:
    house.save(["one"])
    steps = house.copying([1], "Other", move=True)
    to_commit(steps)
    assert len(house.file_names("Other")) == 1
    steps.close()
    assert not house.file_names("Other")
    assert (house.messages(), house.messages("Other")) == ({1: "one"}, {})


def test_move_carries_a_flag_that_was_set_meanwhile(house: House) -> None:
    house.save(["one"])
    steps = house.copying([1], "Other", move=True)
    commit = to_commit(steps)
    house.store([1], FLAGGED)
    commit.call()
    house.settle()
    assert house.flags("Other") == {1: (FLAGGED, frozenset())}
    assert house.file_names("Other")[0].endswith(":2,F")


def test_move_of_what_another_session_moved_is_refused(house: House) -> None:
    house.save(["one"])
    house.create("Third")
    steps = house.copying([1], "Other", move=True)
    commit = to_commit(steps)
    house.copy([1], "Third", move=True)
    with pytest.raises(MailError) as refused:
        commit.call()
    steps.close()
    house.settle()
    assert refused.value.kind is Kind.EXPUNGE_ISSUED
    assert (house.messages(), house.messages("Other"), house.messages("Third")) == ({}, {}, {1: "one"})


def test_copy_finds_a_file_that_another_program_renamed(house: House) -> None:
    house.save(["one"])
    view = house.view()
    house.settle()
    (name,) = house.file_names()
    folder = Path(house.root.path)
    (folder / name).rename(folder / "cur" / (name.removeprefix("new/").partition(":")[0] + ":2,FS"))
    finish(copy(house.mail, view, [(1, 1)], "Other", move=False))
    assert house.messages("Other") == {1: "one"}


def rename_by_hand(house: House, old: str, new: str) -> None:
    folder = Path(house.root.path)
    (folder / old).rename(folder / new)


def test_expunged_message_that_another_program_renamed_stays_away(house: House) -> None:
    house.save(["one", "two"], flags=SEEN)
    first, second = house.file_names()
    house.expunge([1])
    rename_by_hand(house, first, first + "FR")
    house.settle()
    assert house.messages() == {2: "two"}
    assert house.file_names() == [second]


def test_message_that_is_expunged_between_the_steps_of_a_rename_stays_away(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process expunges and unlinks while the settler is about to rename."""
    house.save(["one"], flags=SEEN)
    other = open_house(Path(house.root.path))
    whole = settle._rename_batch

    def late(*args: Any) -> Any:
        monkeypatch.undo()
        house.root.db.writer.execute("COMMIT")
        other.expunge([1])
        other.settle()
        house.root.db.writer.execute("BEGIN IMMEDIATE")
        return whole(*args)

    monkeypatch.setattr(settle, "_rename_batch", late)
    house.store([1], FLAGGED)
    house.settle()
    other.close()
    assert (house.messages(), house.file_names()) == ({}, [])


def test_store_during_settling_is_settled_too(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.save(["one"], flags=SEEN)
    other = open_house(Path(house.root.path))
    whole = settle._rename_batch

    def late(*args: Any) -> Any:
        monkeypatch.undo()
        house.root.db.writer.execute("COMMIT")
        other.store([1], ANSWERED)
        house.root.db.writer.execute("BEGIN IMMEDIATE")
        return whole(*args)

    monkeypatch.setattr(settle, "_rename_batch", late)
    house.store([1], FLAGGED)
    house.settle()
    other.close()
    assert house.file_names()[0].endswith(":2,FRS")
    assert house.flags() == {1: (SEEN | FLAGGED | ANSWERED, frozenset())}


def test_ours_and_another_programs_change_come_together_in_the_name(house: House) -> None:
    house.save(["one"], flags=SEEN)
    (name,) = house.file_names()
    house.store([1], FLAGGED)
    rename_by_hand(house, name, name + "R")
    house.row()
    house.settle()
    assert house.flags() == {1: (SEEN | FLAGGED | ANSWERED, frozenset())}
    assert house.file_names()[0].endswith(":2,FRS")


def test_file_work_that_fails_does_not_hold_up_the_rest(house: House) -> None:
    house.save(["one"], flags=SEEN)
    house.save(["two"], "Other", flags=SEEN)
    house.store([1], FLAGGED)
    house.store([1], FLAGGED, name="Other")
    rename_by_hand(house, "cur", "away")
    Path(house.root.path, "cur").write_text("no folder")
    with pytest.raises(MailError, match="could not be read or written"):
        settle.settle_all(house.root)
    assert house.file_names("Other")[0].endswith(":2,FS")
    Path(house.root.path, "cur").unlink()
    rename_by_hand(house, "away", "cur")
    house.settle()
    assert house.file_names()[0].endswith(":2,FS")


def test_keyword_sets_are_only_those_that_messages_have(house: House) -> None:
    house.save(["one", "two"])
    for number in range(10):
        house.store([1], 0, keywords=frozenset({f"key{number}"}))
    house.store([2], 0, keywords=frozenset({"KEY0"}))
    house.store([1, 2], 0, Operation.REMOVE, frozenset({"key0"}))
    assert house.flags() == {1: (0, frozenset(f"key{number}" for number in range(1, 10))), 2: (0, frozenset())}
    assert len(keyword_sets(house.root.db.reader)) < 20


def test_expunged_files_go_although_the_mailbox_was_renamed_before(house: House) -> None:
    house.save(["one", "two"], "Other")
    house.expunge([1], "Other")
    folders.rename_folders(house.root, "Other", "Third")
    house.settle()
    assert house.messages("Third") == {2: "two"}
    assert len(house.file_names("Third")) == 1


def test_work_on_many_files_is_noted_in_parts_of_a_slice(house: House) -> None:
    uids = range(1, 4 * settle.SLICE, 2)
    house.save([str(number) for number in range(4 * settle.SLICE)])
    house.store(uids, FLAGGED)
    house.expunge(uids)
    sizes = [data.count(",") for (data,) in rows(house.root.db.reader, "SELECT data FROM intent")]
    assert max(sizes) < 8 * settle.SLICE
    house.settle()
    assert len(house.file_names()) == 2 * settle.SLICE
    assert not settle.pending(house.root)


def test_the_loop_does_not_renew_the_reserve_of_positions(house: House) -> None:
    house.root.db.renew = True
    with pytest.raises(Busy), write(house.root.db, wait=False):
        pass
    with write(house.root.db):
        pass
    with write(house.root.db, wait=False):
        assert not house.root.db.renew


def test_a_list_of_uids_that_ends_in_the_middle_of_a_line_is_made_anew(house: House) -> None:
    """Also when the torn file has been looked at before: nothing may be put behind half a line."""
    house.save(["one", "two"])
    house.settle()
    path = Path(house.root.path, "dovecot-uidlist")
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    house.row()
    assert dovecot_files.take_over_list(house.root, house.row()) is not None
    house.save(["three"])
    house.settle()
    known = uidlist.read(house.root.files, house.root.path)
    assert known is not None
    names = {Path(name).name.partition(":")[0] for name in house.file_names()}
    assert (known.uids, set(known.bases)) == ([1, 2, 3], names)


def test_busy_takes_no_file_away_that_somebody_may_have_seen(house: House) -> None:
    """A batch that finds the index locked leaves nothing in new/: files get their names inside the transaction."""
    house.save(["one"])
    row = house.row()
    request = save.Request(house.root, row.id, "INBOX", [Incoming((text_of("two"),))])
    other = open_house(Path(house.root.path))
    with write(other.root.db):
        results = save.finish(save.saving([request], house.roots.names, wait=False))
        assert [type(one) for one in results] == [Busy]
        assert len(house.file_names()) == 1
    other.close()
    assert not list(Path(house.root.path, "tmp").iterdir())


def test_a_file_that_fails_at_its_close_fails_its_own_request_and_leaves_nothing_open(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [
        save.Request(house.root, house.row(name).id, name, [Incoming((text_of(name),))]) for name in ("INBOX", "Other")
    ]
    closed: list[int] = []

    def close(files: Files, fd: int) -> None:
        os.close(fd)
        closed.append(fd)
        if len(closed) in (1, 3):  # the first message, and the folder
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    with monkeypatch.context() as patch:
        patch.setattr(Files, "close", close)
        results = save.finish(save.saving(requests, house.roots.names))
    assert [type(one) for one in results] == [MailError, tuple]
    assert len(set(closed)) == 3
    assert house.messages("Other") == {1: "Other"}


@pytest.mark.parametrize("octets", [100, save.BRIEF_OCTETS])
def test_what_is_large_is_on_disk_before_the_index_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, octets: int
) -> None:
    """Nobody waits for a lock that is held while megabytes are written."""
    house = open_house(tmp_path / "u1")
    house.row()
    monkeypatch.setattr(Files, "is_brief", lambda files, file_system: True)
    waited: list[bool] = []
    monkeypatch.setattr(Files, "write_out", lambda files, fds: waited.append(house.root.db.lock.locked()))
    row = house.row()
    save.save(house.root, row.id, "INBOX", [Incoming((text_of("one"), b"x" * octets))], house.roots.names)
    assert waited == ([True] if octets == 100 else [])
    house.close()
