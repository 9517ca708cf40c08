"""`check_root` finds each thing that may be wrong, repairs it, and then finds nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from store_house import House, open_house, text_of

from doocot.store import uidlist
from doocot.store.check import check_root
from doocot.store.index.database import write
from doocot.store.index.messages import FLAGGED, SEEN


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = open_house(tmp_path / "mail")
    house.create("Other")
    house.save(["one", "two", "three"], flags=SEEN, keywords=frozenset({"Work"}))
    house.save(["four"], "Other")
    house.settle()
    yield house
    house.close()


def sql(text: str) -> Callable[[House], None]:
    def do(house: House) -> None:
        with write(house.root.db) as writer:
            writer.execute(text)

    return do


def in_cur(house: House) -> list[Path]:
    return sorted(Path(house.root.path, "cur").iterdir())


def lose_a_file(house: House) -> None:
    in_cur(house)[0].unlink()


def rename_a_file(house: House) -> None:
    path = in_cur(house)[0]
    path.rename(path.with_name(path.name + "T"))


def double_a_file(house: House) -> None:
    path = in_cur(house)[0]
    path.with_name(path.name + "T").hardlink_to(path)


def add_a_file(house: House) -> None:
    Path(house.root.path, "new", "1.M1.host").write_bytes(text_of("new"))


def edit_list(old: str, new: str) -> Callable[[House], None]:
    def edit(house: House) -> None:
        path = Path(uidlist.path_in(house.root.path))
        path.write_text(path.read_text().replace(old, new))

    return edit


def lose_a_folder(house: House) -> None:
    Path(house.root.path, ".Other").rename(Path(house.root.path).parent / "away")


DAMAGE: dict[str, tuple[Callable[[House], None], str]] = {
    "counter": (sql("UPDATE mailbox SET messages = 9 WHERE name = 'INBOX'"), "counter messages is 9, counted 3"),
    "unseen": (sql("UPDATE mailbox SET unseen = 2 WHERE name = 'INBOX'"), "counter unseen is 2, counted 0"),
    "next uid": (sql("UPDATE mailbox SET uidnext = 2 WHERE name = 'INBOX'"), "next UID 2 is not above"),
    "keyword set": (sql("UPDATE message SET flags = flags | (99 << 8)"), "keyword sets that do not exist"),
    "position": (sql("UPDATE root SET position = 5"), "is above the root's position 5"),
    "reserve": (sql("UPDATE root SET reserved = 5"), "is above what is reserved"),
    "metadata": (sql("INSERT INTO metadata VALUES(99, '/private/x', x'00')"), "1 entries of metadata belong to no"),
    "target": (sql("UPDATE message SET target = 'FS' WHERE uid = 2"), "nobody is about to give"),
    "no file": (lose_a_file, "has no file"),
    "other letters": (rename_a_file, "has the letters"),
    "two files": (double_a_file, "has 2 files"),
    "no row": (add_a_file, "1.M1.host has no message"),
    "list row": (edit_list("\n2 ", "\n7 "), "dovecot-uidlist"),
    "no folder": (lose_a_folder, "whose folder is gone"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found_and_repaired(house: House, damage: str) -> None:
    assert [str(one) for one in check_root(house.root)] == []
    before = house.messages()
    do, words = DAMAGE[damage]
    do(house)
    found = [str(one) for one in check_root(house.root)]
    assert any(words in one for one in found), found
    repaired = list(check_root(house.root, repair=True))
    assert all(one.repaired for one in repaired)
    assert [str(one) for one in check_root(house.root)] == []
    after = house.messages()
    assert set(before.values()) - set(after.values()) == ({"one"} if damage == "no file" else set())
    assert all(after.get(uid, subject) == subject for uid, subject in before.items())


def test_pending_file_work_is_nothing_wrong(house: House) -> None:
    house.store([1], FLAGGED)
    house.expunge([2])
    assert [str(one) for one in check_root(house.root)] == []
