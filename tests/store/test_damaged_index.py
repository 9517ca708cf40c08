"""A damaged or missing index: one error for the request, then a new one from the files and dovecot-uidlist (rule 3)."""

import random
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest
from store_house import House, open_house

from doocot.errors import Kind, MailError
from doocot.store.index import database
from doocot.store.index.database import checkpoint, rows, write
from doocot.store.index.messages import FLAGGED, SEEN, position_of
from doocot.store.recovery import write_recovery
from doocot.store.root import take_notes

MESSAGES = {number: f"message {number}" for number in range(1, 31)}


def filled(path: Path) -> House:
    house = open_house(path)
    house.save(list(MESSAGES.values()), flags=SEEN, keywords=frozenset({"Work"}))
    house.store([3], FLAGGED)
    house.settle()
    return house


def zero_length(path: Path) -> None:
    path.write_bytes(b"")


def no_header(path: Path) -> None:
    path.write_bytes(b"not a database  " + path.read_bytes()[16:])


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 8192 * 4096])


def random_pages(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for page in range(1, len(data) // 4096):
        data[page * 4096 : (page + 1) * 4096] = random.Random(page).randbytes(4096)
    path.write_bytes(data)


def no_index(path: Path) -> None:
    path.unlink()


def attempt(house: House) -> dict[int, str] | None:
    """What a request sees; None when it was refused as a protocol would refuse it."""
    try:
        return house.messages()
    except MailError as error:
        refused = error
    assert refused.kind in (Kind.CORRUPTION, Kind.UNAVAILABLE), refused
    assert house.root.path in refused.detail
    return None


@pytest.mark.parametrize("damage", [zero_length, no_header, half, random_pages, no_index])
def test_index_is_made_anew_with_the_same_uids(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    house = filled(tmp_path / "mail")
    validity, told = house.row().uid_validity, position_of(house.root.db.reader)
    checkpoint(house.root.db, everything=True)
    house.close()
    damage(tmp_path / "mail" / "doocot.index")
    house = open_house(tmp_path / "mail")
    seen = attempt(house) or attempt(house) or attempt(house)
    assert seen == MESSAGES
    assert house.row().uid_validity == validity
    assert house.flags()[3] == (SEEN | FLAGGED, frozenset({"Work"}))
    assert house.save(["later"])[1][0] > 30
    assert position_of(house.root.db.reader) > told
    assert damage in (no_index, zero_length) or list((tmp_path / "mail").glob("doocot.index.broken-*"))
    house.close()


def test_damage_under_open_sessions_of_two_processes(tmp_path: Path) -> None:
    one = filled(tmp_path / "mail")
    two = open_house(tmp_path / "mail")
    assert two.messages() == MESSAGES
    checkpoint(one.root.db, everything=True)
    index = tmp_path / "mail" / "doocot.index"
    with index.open("r+b") as file:
        for page in range(1, index.stat().st_size // 4096):
            file.seek(page * 4096)
            file.write(random.Random(page).randbytes(4096))
    one.root.db.reader.cache_flush()
    third = open_house(tmp_path / "mail")
    seen = attempt(third) or attempt(third) or attempt(third)
    assert seen == MESSAGES
    assert third.save(["by three"])[1] > [30]
    with pytest.raises(MailError, match="made anew"), write(two.root.db):
        pass
    two.save(["by two"])
    third.save(["again"])
    assert two.messages() == third.messages()
    assert sorted(two.messages().values()) == sorted([*MESSAGES.values(), "by three", "by two", "again"])
    for house in (one, two, third):
        house.close()


def test_truncated_log_is_no_error(tmp_path: Path) -> None:
    house = filled(tmp_path / "mail")
    house.close()
    log = tmp_path / "mail" / "doocot.index-wal"
    log.write_bytes(log.read_bytes()[: log.stat().st_size // 2])
    house = open_house(tmp_path / "mail")
    seen = attempt(house) or attempt(house) or attempt(house)
    assert seen is not None
    assert sorted(seen.values()) == sorted(MESSAGES.values())
    house.close()


def test_damage_that_cannot_be_moved_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = filled(tmp_path / "mail")
    checkpoint(house.root.db, everything=True)
    house.close()
    no_header(tmp_path / "mail" / "doocot.index")

    def refused(source: str, target: str) -> None:
        raise PermissionError(13, "Permission denied", source)

    monkeypatch.setattr(database.os, "rename", refused)
    with pytest.raises(MailError) as error:
        open_house(tmp_path / "mail")
    assert error.value.kind is Kind.CORRUPTION
    assert str(tmp_path / "mail" / "doocot.index") in error.value.detail


def test_checkpoint_keeps_the_log_small(tmp_path: Path) -> None:
    house = open_house(tmp_path / "mail")
    log = tmp_path / "mail" / "doocot.index-wal"
    assert not checkpoint(house.root.db)
    for number in range(12):
        with write(house.root.db) as writer:
            writer.execute("INSERT INTO fact VALUES(1, ?, zeroblob(1000000))", (number,))
        checkpoint(house.root.db)
    assert log.stat().st_size < 3 * database.CHECKPOINT_BYTES
    checkpoint(house.root.db, everything=True)
    assert log.stat().st_size == 0
    assert rows(house.root.db.reader, "SELECT count(*) FROM fact") == [(12,)]
    house.close()


def test_checkpoint_waits_for_nobody(tmp_path: Path) -> None:
    house = filled(tmp_path / "mail")
    other = apsw.Connection(house.root.db.path)
    with write(house.root.db) as writer:
        writer.execute("INSERT INTO fact VALUES(1, 1, zeroblob(10))")
        checkpoint(house.root.db, everything=True)
    assert rows(other, "SELECT count(*) FROM fact") == [(1,)]
    other.close()
    house.close()


MANY = frozenset(f"Word{number:02}" for number in range(40))


def saved(house: House) -> dict[int, int]:
    return dict(rows(house.root.db.reader, "SELECT uid, savedate FROM message"))


def test_what_only_the_index_knows_comes_back_from_the_recovery_file(tmp_path: Path) -> None:
    house = filled(tmp_path / "mail")
    house.store([2], FLAGGED, keywords=MANY)
    house.settle()
    with write(house.root.db) as writer:
        writer.execute("UPDATE message SET savedate = 1000 + uid")
    write_recovery(house.root)
    house.close()
    no_index(tmp_path / "mail" / "doocot.index")
    house = open_house(tmp_path / "mail")
    assert house.messages() == MESSAGES
    assert house.flags()[2] == (SEEN | FLAGGED, MANY | {"Work"})
    assert house.flags()[4] == (SEEN, frozenset({"Work"}))
    assert saved(house) == {uid: 1000 + uid for uid in MESSAGES}
    house.close()


@pytest.mark.parametrize(
    "rubbish", [b"", b"\xff\xfe", b"doocot-recovery 1\nK x y\n", b"doocot-recovery 1\nM 1 g\n1 2\n"]
)
def test_damaged_recovery_file_is_one_note(tmp_path: Path, rubbish: bytes) -> None:
    house = filled(tmp_path / "mail")
    write_recovery(house.root)
    row = house.row()
    house.close()
    no_index(tmp_path / "mail" / "doocot.index")
    recovery = tmp_path / "mail" / "doocot-recovery"
    recovery.write_bytes(rubbish.replace(b"M 1 g", f"M {row.uid_validity} {row.guid}".encode()))
    house = open_house(tmp_path / "mail")
    assert house.messages() == MESSAGES
    assert [str(recovery) in text for text in take_notes(house.root)] == [True]
    house.close()
