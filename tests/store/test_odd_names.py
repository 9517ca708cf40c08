"""Files in a Maildir whose names no well-behaved program gives."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from store_house import House, open_house, text_of

from doocot.mailbox.change import Operation
from doocot.store import check, settle
from doocot.store.index.database import rows
from doocot.store.index.messages import FLAGGED, SEEN


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
