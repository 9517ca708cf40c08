"""Header sections that are kept as Facts: more of them than there is room for, and while somebody else writes."""

from pathlib import Path

import pytest
from harness import Client, House

from doocot.imap.fetch import BULK
from doocot.mailbox.facts import MAX_HEADER_SETS
from doocot.store.index.database import rows, write

SETS = MAX_HEADER_SETS + 4


@pytest.fixture
def client(tmp_path: Path) -> Client:
    client = House(tmp_path / "mail").login()
    header = b"".join(b"X-%d: value %d\r\n" % (number, number) for number in range(SETS)) + b"\r\n"
    literal = b" {%d+}\r\n%b" % (len(header), header)
    assert b" OK " in client.send(b"a APPEND INBOX" + literal * BULK)
    assert b" OK " in client.send(b"b SELECT INBOX")
    return client


def fetched(client: Client, number: int) -> set[bytes]:
    """The distinct answers for one header field of all messages."""
    lines = client.command(b"FETCH 1:* (BODY.PEEK[HEADER.FIELDS (X-%d)])" % number)
    assert lines[-1] == b"TAG OK Fetch completed."
    return {line for line in lines if line.startswith(b"X-")}


def test_a_set_that_was_dropped_is_not_taken_for_the_one_that_came_instead(client: Client) -> None:
    for _ in range(2):
        for number in range(SETS):
            assert fetched(client, number) == {b"X-%d: value %d" % (number, number)}


def test_facts_of_dropped_sets_are_dropped(client: Client) -> None:
    for number in range(SETS):
        fetched(client, number)
    fetched(client, 0)
    reader = client.mail.opened.root.db.reader
    kept = {number for (number,) in rows(reader, "SELECT id FROM fact_item")}
    stored = {number for (number,) in rows(reader, "SELECT DISTINCT item FROM fact")}
    assert len(kept) == MAX_HEADER_SETS
    assert stored <= kept


def test_fetch_does_not_wait_for_a_writer(client: Client) -> None:
    with write(client.mail.opened.root.db):
        assert fetched(client, 1) == {b"X-1: value 1"}
