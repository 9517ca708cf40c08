"""SEARCH by age and by save date (RFC 5032, RFC 8514), against a clock that the test holds."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from doocot.mailbox import savedates
from doocot.store.index.database import write
from tests.imap.harness import Client, House
from tests.imap.search_house import make_maildir

NOW = 1_600_000_000
DAY = 86_400


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Messages of now, an hour, a day and two days ago, which were there before Doocot."""
    ages = (0, 3600, DAY, 2 * DAY)
    make_maildir(tmp_path / "Maildir", [(b"Subject: %d\n\n" % age, "", NOW - age) for age in ages])
    opened = House(tmp_path / "Maildir")
    opened.context = replace(opened.context, clock=lambda: NOW + 0.75)
    yield opened
    opened.close()


def selected(house: House) -> Client:
    client = house.login()
    assert b"OK" in client.send(b"s SELECT INBOX")
    return client


def search(client: Client, keys: bytes) -> bytes:
    (found,) = [line for line in client.command(b"SEARCH " + keys) if line.startswith(b"* SEARCH")]
    return found[len(b"* SEARCH") :].strip()


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        (b"YOUNGER 1", b"1"),
        (b"YOUNGER 3599", b"1"),
        (b"YOUNGER 3600", b"1 2"),
        (b"OLDER 3600", b"2 3 4"),
        (b"OLDER 3601", b"3 4"),
        (b"OLDER 4294967295", b""),
        (b"YOUNGER 4294967295", b"1 2 3 4"),
        (b"NOT YOUNGER 86400", b"4"),
        (b"OR YOUNGER 10 (OLDER 86400 3)", b"1 3"),
        (b"OLDER 1 YOUNGER 86400 UID 1:3", b"2 3"),
    ],
)
def test_ages_are_those_at_the_time_of_the_search(house: House, keys: bytes, found: bytes) -> None:
    assert search(selected(house), keys) == found


def test_save_dates_come_from_the_index(house: House) -> None:
    client = selected(house)
    client.send(b"a APPEND INBOX {16+}\r\nSubject: new\r\n\r\n")
    with write(house.root.db) as writer:
        writer.execute("UPDATE message SET savedate = ? WHERE uid = 5", (NOW - 40 * DAY,))
        writer.execute("UPDATE message SET savedate = ? WHERE uid = 2", (NOW - 39 * DAY,))
    # 13-Sep-2020 less 40 days is 4-Aug-2020; of those that another server saved the internal date stands in.
    assert search(client, b"SAVEDBEFORE 5-Aug-2020") == b"5"
    assert search(client, b"SAVEDON 5-Aug-2020") == b"2"
    assert search(client, b"SAVEDON 13-Sep-2020") == b"1"
    assert search(client, b"SAVEDSINCE 12-Sep-2020") == b"1 3"
    assert search(client, b"NOT SAVEDSINCE 12-Sep-2020 $") == b""
    assert search(client, b"SAVEDATESUPPORTED") == b"1 2 3 4 5"


@pytest.mark.parametrize("at_once", [2, savedates.AT_ONCE])
def test_save_dates_follow_what_comes_and_goes(house: House, monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(savedates, "AT_ONCE", at_once)
    client, other = selected(house), selected(house)
    assert search(client, b"SAVEDSINCE 1-Jan-2021") == b""
    other.send(b"a COPY 3 INBOX")
    client.send(b"n NOOP")
    assert search(client, b"SAVEDSINCE 1-Jan-2021") == b"5"
    other.send(b"d STORE 1 +FLAGS.SILENT (\\Deleted)")
    other.send(b"e EXPUNGE")
    assert search(client, b"SAVEDSINCE 1-Jan-2021") == b"5"  # not yet told of the expunge
    client.send(b"n NOOP")
    assert search(client, b"SAVEDSINCE 1-Jan-2021") == b"4"
