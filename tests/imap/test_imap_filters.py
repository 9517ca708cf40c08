"""FILTER in every command that searches, and what a filter may not be (RFC 5466)."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from doocot.imap.filters import MAX_NESTED
from doocot.imap.search_reader import MAX_KEYS
from doocot.mailbox.metadata import Rules
from tests.imap.harness import Client, House
from tests.imap.search_house import make_maildir


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    make_maildir(tmp_path / "Maildir", [(b"Subject: number %d\n\n" % number, "", 1) for number in range(1, 6)])
    house = House(tmp_path / "Maildir")
    if house.context.metadata is None:
        house.context = replace(house.context, metadata=Rules())
    client = house.login()
    assert b"OK" in client.send(b"s SELECT INBOX")
    yield client
    house.close()


def define(client: Client, name: bytes, keys: bytes) -> None:
    answer = client.send(b's SETMETADATA "" (/private/filters/values/%b {%d+}\r\n%b)' % (name, len(keys), keys))
    assert answer.startswith(b"s OK"), answer


def test_every_command_that_searches_knows_filters(client: Client) -> None:
    define(client, b"some", b"OR SUBJECT 2 SUBJECT 4")
    assert client.command(b"SEARCH FILTER some")[0] == b"* SEARCH 2 4"
    assert client.command(b"SORT (REVERSE SIZE) UTF-8 FILTER some")[0] == b"* SORT 2 4"
    assert client.command(b"THREAD REFS UTF-8 FILTER some")[0] == b"* THREAD (2)(4)"
    assert client.command(b"ESEARCH FILTER some")[0].endswith(b"UID ALL 2,4")
    assert client.command(b"SEARCH RETURN (UPDATE COUNT) FILTER some")[0].endswith(b"COUNT 2")
    assert client.send(b"a APPEND INBOX {13+}\r\nSubject: 42\r\n").count(b"ADDTO (0 6)") == 1


def test_what_keys_of_a_filter_need_is_needed(client: Client) -> None:
    define(client, b"modseq", b"MODSEQ 1")
    assert client.command(b"SEARCH FILTER modseq")[0].startswith(b"* OK [HIGHESTMODSEQ ")
    define(client, b"numbers", b"1:3")
    define(client, b"nested", b"FILTER numbers")
    client.command(b"ENABLE UIDONLY")
    assert client.command(b"UID SEARCH FILTER nested")[-1].startswith(b"TAG BAD [UIDREQUIRED]")


@pytest.mark.parametrize(
    ("refused", "left"),
    [
        (b"SEARCH RETURN (SAVE) FILTER nosuch", b""),
        (b"SORT RETURN (SAVE) (SUBJECT) UTF-8 FILTER nosuch", b""),
        (b"ESEARCH RETURN (SAVE) FILTER nosuch", b""),
        (b"ESEARCH RETURN (SAVE) CHARSET nosuch ALL", b""),
        (b"SORT RETURN (SAVE) (SUBJECT) nosuch ALL", b""),
        (b"SEARCH RETURN (ALL) FILTER nosuch", b" 2 3"),
        (b"SEARCH RETURN (SAVE RELEVANCY) ALL", b" 2 3"),
        (b"SORT RETURN (SAVE) (RELEVANCY) UTF-8 ALL", b" 2 3"),
    ],
)
def test_no_leaves_nothing_saved_and_bad_what_was(client: Client, refused: bytes, left: bytes) -> None:
    """RFC 5182 §2.1."""
    client.command(b"SEARCH RETURN (SAVE) 2:3")
    assert client.command(refused)[-1].startswith(b"TAG BAD" if b"RELEVANCY" in refused else b"TAG NO")
    assert client.command(b"SEARCH $")[0] == b"* SEARCH" + left


def test_filters_are_nested_so_deep_and_no_deeper(client: Client) -> None:
    define(client, b"f0", b"1")
    for number in range(1, MAX_NESTED + 1):
        define(client, b"f%d" % number, b"FILTER f%d" % (number - 1))
    assert client.command(b"SEARCH FILTER f%d" % (MAX_NESTED - 1))[0] == b"* SEARCH 1"
    assert client.command(b"SEARCH FILTER f%d" % MAX_NESTED)[0].startswith(b"TAG NO [UNDEFINED-FILTER f0]")


def test_filters_of_filters_do_not_grow_for_ever(client: Client) -> None:
    define(client, b"f0", b"ALL")
    for number in range(1, MAX_NESTED):
        define(client, b"f%d" % number, b" ".join([b"FILTER f%d" % (number - 1)] * 10))
    assert client.command(b"SEARCH FILTER f2")[0] == b"* SEARCH 1 2 3 4 5"
    assert MAX_KEYS < 10 ** (MAX_NESTED - 1)
    assert client.command(b"SEARCH FILTER f%d" % (MAX_NESTED - 1))[0].startswith(b"TAG NO [LIMIT]")


@pytest.mark.parametrize("keys", [b"", b"(ALL", b"SUBJECT", b"CHARSET nosuch ALL", b"CHARSET UTF-8", b"ALL\r\nALL"])
def test_a_filter_that_is_no_search_is_not_defined(client: Client, keys: bytes) -> None:
    define(client, b"bad", keys)
    assert client.command(b"SEARCH FILTER bad")[0].startswith(b"TAG NO [UNDEFINED-FILTER bad]")
    define(client, b"latin", b'CHARSET iso-8859-1 NOT SUBJECT "\xfc"')
    assert client.command(b"SEARCH FILTER latin")[0] == b"* SEARCH 1 2 3 4 5"


def test_without_metadata_there_are_no_filters(client: Client) -> None:
    assert b" FILTERS" in client.command(b"CAPABILITY")[0]
    client.session.context = replace(client.session.context, metadata=None)
    assert b" FILTERS" not in client.command(b"CAPABILITY")[0]
    assert client.command(b"SEARCH FILTER any")[0].startswith(b"TAG NO [UNDEFINED-FILTER any]")
