"""An index of an earlier version is brought to this one when it is opened, with all that is in it."""

from pathlib import Path

import apsw
import pytest
from store_house import open_house

from doocot.errors import MailError
from doocot.store.index import metadata
from doocot.store.index.database import rows, write
from doocot.store.index.schema import UPGRADES, VERSION

# What a version added to the one before it, taken away again.
DOWN = {
    3: "DROP TABLE urlauth_key; UPDATE root SET version = 2; PRAGMA user_version = 2",
    2: "DROP TABLE metadata; ALTER TABLE root DROP COLUMN restored;"
    "UPDATE root SET version = 1; PRAGMA user_version = 1",
}


def tables(path: Path) -> set[tuple[str, str]]:
    """Names and columns of all tables."""
    connection = apsw.Connection(str(path))
    found = rows(
        connection, "SELECT m.name, c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'"
    )
    connection.close()
    return set(found)


def test_every_version_has_its_step() -> None:
    assert sorted(UPGRADES) == list(range(1, VERSION))


def test_version_1_gets_metadata(tmp_path: Path) -> None:
    house = open_house(tmp_path / "mail")
    house.save(["one", "two"])
    messages, validity = house.messages(), house.row().uid_validity
    index = tmp_path / "mail" / "doocot.index"
    house.close()
    now = tables(index)
    connection = apsw.Connection(str(index))
    for version in range(VERSION, 1, -1):
        connection.execute(DOWN[version])
    connection.close()
    assert tables(index) < now
    house = open_house(tmp_path / "mail")
    assert tables(index) == now
    assert (house.messages(), house.row().uid_validity) == (messages, validity)
    assert rows(house.root.db.reader, "SELECT version, restored FROM root") == [(VERSION, 1)]
    with write(house.root.db) as writer:
        metadata.put(house.root.db, writer, 0, {"/private/a": b"x"}, max_entries=1, max_total=100)
    assert metadata.value(house.root.db.reader, 0, "/private/a") == b"x"
    house.close()


def test_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    open_house(tmp_path / "mail").close()
    index = tmp_path / "mail" / "doocot.index"
    connection = apsw.Connection(str(index))
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    with pytest.raises(MailError, match="newer version") as error:
        open_house(tmp_path / "mail")
    assert str(index) in error.value.detail
