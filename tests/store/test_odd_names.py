"""Files in a Maildir whose names no well-behaved program gives."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from store_house import House, open_house, text_of

from doocot.mailbox.change import Operation
from doocot.store import check, files, maildir_sync, settle, uidlist
from doocot.store.files import AHEAD, Files
from doocot.store.index.database import rows, write
from doocot.store.index.mailboxes import MAX_SIZE, recount
from doocot.store.index.messages import FLAGGED, SEEN
from doocot.store.maildir_names import UNKNOWN, name_sizes, sizes_of
from doocot.store.root import take_notes


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = open_house(tmp_path / "mail")
    house.row()
    yield house
    house.close()


def put(house: House, path: str, subject: str = "one") -> None:
    """Another program's file."""
    Path(house.root.path, path).write_bytes(text_of(subject))


def settle_some(house: House) -> None:
    """A few slices; fails when there is still something to do."""
    for _ in range(5):
        if not settle.settle_slice(house.root):
            return
    pytest.fail("the settler does not end")


def targets(house: House) -> list[str | None]:
    return [target for (target,) in rows(house.root.db.reader, "SELECT target FROM message ORDER BY uid")]


@pytest.mark.parametrize("letters", ["S|T", "|", "S|", "a,|x"])
def test_letters_with_a_bar_are_settled_once(house: House, letters: str) -> None:
    put(house, f"cur/1.a:2,{letters}")
    house.row()
    for operation in (Operation.ADD, Operation.REMOVE):
        house.store([1], FLAGGED, operation)
        assert house.messages() == {1: "one"}
        settle_some(house)
        assert targets(house) == [None]
    assert house.messages() == {1: "one"}
    house.expunge([1])
    settle_some(house)
    assert house.file_names() == []


@pytest.mark.parametrize("part", ["new/", "cur/"])
def test_a_name_that_would_become_too_long_is_kept(house: House, part: str) -> None:
    base = "1." + "a" * 253
    path = f"{part}{base}" if part == "new/" else f"{part}{base[:250]}:2,S"
    put(house, path)
    put(house, "cur/2.b:2,S", "two")
    house.row()
    house.store([1, 2], FLAGGED, keywords=frozenset({"a", "b", "c"}))
    settle_some(house)
    assert targets(house) == [None, None]
    assert {path, "cur/2.b:2,FSabc"} <= {*house.file_names()}
    assert house.messages() == {1: "one", 2: "two"}
    assert house.flags()[1] == (FLAGGED | (SEEN if part == "cur/" else 0), frozenset({"a", "b", "c"}))
    house.expunge([1])
    settle_some(house)
    assert path not in house.file_names()


def test_a_name_that_a_folder_has_is_not_tried_again(house: House) -> None:
    put(house, "cur/1.a:2,")
    house.row()
    Path(house.root.path, "cur", "1.a:2,F").mkdir()
    house.store([1], FLAGGED)
    settle_some(house)
    assert "cur/1.a:2," in house.file_names()


@pytest.mark.parametrize("path", ["cur/1.a", "cur/1.a:1,x", "cur/1.a:", "new/1.a:2,S"])
def test_a_file_at_no_guessed_name_is_renamed(house: House, path: str) -> None:
    put(house, path)
    house.row()
    house.store([1], FLAGGED)
    settle_some(house)
    assert house.file_names() == ["cur/1.a:2,F"]
    assert (house.messages(), targets(house)) == ({1: "one"}, [None])
    assert not list(check.check_root(house.root))


def test_letters_that_another_program_gave_are_merged_not_overwritten(house: House) -> None:
    put(house, "cur/1.a:2,")
    house.row()
    house.store([1], FLAGGED)
    Path(house.root.path, "cur/1.a:2,").rename(Path(house.root.path, "cur/1.a:2,S"))
    settle_some(house)
    assert house.flags() == {1: (FLAGGED | SEEN, frozenset())}
    settle_some(house)
    assert house.file_names() == ["cur/1.a:2,FS"]


def test_two_files_of_one_message_are_left_to_the_check(house: House) -> None:
    put(house, "cur/1.a")
    house.row()
    put(house, "cur/1.a:1,x")
    house.store([1], FLAGGED)
    settle_some(house)
    assert house.file_names() == ["cur/1.a", "cur/1.a:1,x"]


@pytest.mark.parametrize("path", ["cur/:2,S", "cur/:", "new/:2,", "new/:1"])
def test_a_file_without_a_base_name_is_left_alone(house: House, path: str) -> None:
    put(house, path)
    put(house, "cur/1.a:2,S", "two")
    assert house.messages() == {1: "two"}
    (told,) = take_notes(house.root)
    assert repr(path.rpartition("/")[2])[1:-1] in told
    house.settle()
    assert not maildir_sync.unexplained(house.root, house.row(), {path.rpartition("/")[2]})
    assert {"no message can have this name" in one.what for one in check.check_root(house.root)} == {True}
    known = uidlist.read(house.root.files, house.root.path)
    assert known is not None
    assert list(known.bases) == ["1.a"]
    assert path in house.file_names()


@pytest.mark.parametrize("digits", ["9" * 16, "9" * 20, "9" * 100])
@pytest.mark.parametrize("name", ["1.a,S={0},W={0}", "1.a,W={0}", "1.a,S={0}"])
def test_sizes_that_no_message_has_are_unknown(house: House, name: str, digits: str) -> None:
    base = name.format(digits)
    assert name_sizes(base) == (UNKNOWN, UNKNOWN)
    assert sizes_of([base]) == ([UNKNOWN], [UNKNOWN])
    assert sizes_of([base, "2.b,S=1,W=2"]) == ([UNKNOWN, 1], [UNKNOWN, 2])
    put(house, f"cur/{base}:2,S")
    assert house.messages() == {1: "one"}
    assert rows(house.root.db.reader, "SELECT size FROM message") == [(None,)]


def test_sizes_of_fifteen_digits_are_believed() -> None:
    base = f"1.a,S={'9' * 15},W={'8' * 15}"
    assert name_sizes(base) == (10**15 - 1, int("8" * 15))
    assert sizes_of([base]) == ([10**15 - 1], [int("8" * 15)])


def test_a_sum_of_absurd_sizes_stays_at_the_greatest_number(house: House) -> None:
    house.save(["one", "two", "three"])
    mailbox = house.row().id
    with write(house.root.db) as writer:
        writer.execute("UPDATE message SET size = ?", (MAX_SIZE // 2,))
        assert recount(writer, mailbox).size == MAX_SIZE
    house.save(["four"])
    assert house.row().size == MAX_SIZE
    assert list(check.check_root(house.root)) == []


def test_a_sum_of_many_sizes_from_names_is_a_number(house: House) -> None:
    for number in range(9_300):
        Path(house.root.path, f"cur/{number}.a,S={'9' * 15},W={'9' * 15}:2,S").touch()
    row = house.row()
    with write(house.root.db) as writer:
        assert recount(writer, row.id).size == MAX_SIZE


@pytest.mark.parametrize("size", [AHEAD - 1, AHEAD, 4_000_000_000_000])
def test_no_read_takes_the_memory_that_a_name_tells(tmp_path: Path, size: int) -> None:
    path = str(tmp_path / "1.a")
    Path(path).write_bytes(b"short")
    assert Files().read_file(path, size) == b"short"
    assert Files().read_dated(path, size)[0] == b"short"


def test_a_file_longer_than_one_read_is_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "AHEAD", 4)
    path = str(tmp_path / "1.a")
    Path(path).write_bytes(b"0123456789")
    for size in (0, 3, 4, 9, 10, 11):
        assert Files().read_file(path, size) == b"0123456789"
        assert Files().read_dated(path, size)[0] == b"0123456789"
