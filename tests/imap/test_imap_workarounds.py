"""imap_client_workarounds: delay-newmail, tb-lsub-flags and tb-extra-mailbox-sep, as Dovecot documents them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from harness import Client, House

from doocot.mailbox.namespaces import DEFAULT, lenient

MESSAGE = b"a APPEND INBOX {7+}\r\nmessage"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path / "mail")
    yield house
    house.close()


def selected(house: House) -> tuple[Client, Client]:
    """One that has selected INBOX with a message, and one that appends."""
    client, other = house.login(), house.login()
    other.send(MESSAGE)
    client.send(b"s SELECT INBOX")
    return client, other


def test_new_messages_are_told_by_noop_and_check_only(house: House) -> None:
    house.context = replace(house.context, workarounds=frozenset({"delay-newmail"}))
    client, other = selected(house)
    for count, asking in ((2, b"NOOP"), (3, b"CHECK")):
        other.send(MESSAGE)
        other.send(b"x SELECT INBOX")
        for command in (b"STORE 1 +FLAGS (\\Seen)", b"FETCH 1 (UID)", b"UID SEARCH ALL", b'LIST "" INBOX'):
            assert not any(b" EXISTS" in line or b" RECENT" in line for line in client.command(command))
        assert b"* %d EXISTS" % count in client.command(asking)
        assert not any(b" EXISTS" in line for line in client.command(b"NOOP"))


def test_idle_tells_new_messages_though_they_are_delayed(house: House) -> None:
    house.context = replace(house.context, workarounds=frozenset({"delay-newmail"}))
    client, other = selected(house)
    client.command(b"FETCH 1 (UID)")
    other.send(MESSAGE)
    assert b"* 2 EXISTS\r\n" in client.send(b"i IDLE")
    client.send(b"DONE")


def test_expunges_are_told_while_new_messages_are_delayed(house: House) -> None:
    house.context = replace(house.context, workarounds=frozenset({"delay-newmail"}))
    client, other = selected(house)
    other.send(MESSAGE)
    client.command(b"STORE 1 +FLAGS (\\Deleted)")
    assert client.command(b"EXPUNGE") == [b"* 1 EXPUNGE", b"TAG OK Expunge completed."]
    assert b"* 1 EXISTS" in client.command(b"NOOP")


def test_without_the_workaround_any_command_tells_new_messages(house: House) -> None:
    client, other = selected(house)
    other.send(MESSAGE)
    assert b"* 2 EXISTS" in client.command(b"FETCH 1 (UID)")


@pytest.mark.parametrize(("workarounds", "flags"), [((), b""), (("tb-lsub-flags",), b"\\Noselect")])
def test_lsub_says_what_cannot_be_selected(house: House, workarounds: tuple[str, ...], flags: bytes) -> None:
    house.context = replace(house.context, workarounds=frozenset(workarounds))
    client = house.login()
    client.command(b"CREATE there")
    client.command(b"CREATE gone")
    for name in (b"there", b"gone"):
        client.command(b"SUBSCRIBE " + name)
    client.command(b"DELETE gone")
    lines = client.command(b'LSUB "" *')
    assert b'* LSUB (%b) "." gone' % flags in lines
    assert b'* LSUB () "." there' in lines


@pytest.mark.parametrize(("spaces", "answer"), [(DEFAULT, b"TAG NO [CANNOT] "), (lenient(DEFAULT), b"TAG OK ")])
def test_a_separator_behind_a_name(tmp_path: Path, spaces: tuple[object, ...], answer: bytes) -> None:
    house = House(tmp_path / "mail", spaces)  # type: ignore[arg-type]
    client = house.login()
    client.command(b"CREATE box")
    for command in (b"SELECT box.", b"STATUS box. (MESSAGES)", b"SUBSCRIBE box.", b"DELETE box."):
        assert client.command(command)[-1].startswith(answer), command
    client.command(b"CREATE box")
    assert client.command(b"SELECT box..")[-1].startswith(b"TAG NO [CANNOT]")
    house.close()
