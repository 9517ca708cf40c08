"""UNAUTHENTICATE (RFC 8437): nothing of the session before is left to the next user."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.imap.harness import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path / "mail")
    yield made
    made.close()


def test_everything_is_as_before_the_login(house: House) -> None:
    client, fresh = house.login(), house.connect().session
    for line in (
        b"ENABLE QRESYNC METADATA",
        b"APPEND INBOX (\\Deleted word) {1+}\r\nx",
        b"SELECT INBOX",
        b"SEARCH RETURN (SAVE) ALL",
        b'ID ("name" "x")',
    ):
        assert client.command(line)[-1].startswith(b"TAG OK"), line
    opened = client.mail.opened
    assert (opened.users, len(opened.views)) == (1, 1)
    answer = client.command(b"UNAUTHENTICATE")
    assert answer[0].startswith(b"TAG OK [CAPABILITY IMAP4rev1 ")
    assert b"UNAUTHENTICATE" not in answer[0]
    assert len(answer) == 1
    assert (opened.users, len(opened.views)) == (0, 0)
    for name in ("state", "user", "mail", "view", "mailbox", "enabled", "saved", "known_sets", "utf8", "id_sent"):
        assert getattr(client.session, name) == getattr(fresh, name), name
    assert client.session.frames.max_line == fresh.frames.max_line
    assert client.command(b"SELECT INBOX") == [b"TAG BAD Please login first."]
    assert client.command(b"LOGIN you pass")[-1].startswith(b"TAG OK")
    assert client.command(b"FETCH 1 FLAGS") == [b"TAG BAD No mailbox selected."]
    assert b"* 1 EXISTS" in client.command(b"SELECT INBOX")  # nothing was expunged
    assert client.command(b"FETCH 1 (FLAGS)")[0] == b"* 1 FETCH (FLAGS (\\Deleted word))"


def test_each_login_has_its_lines_in_the_log(house: House) -> None:
    client = house.login()
    client.command(b"UNAUTHENTICATE")
    client.command(b"LOGIN me pass")
    client.session.lost()
    names = [name for name, _ in house.events]
    assert names == ["login", "imap_logout", "login", "imap_logout"]
    assert house.events[1][1]["reason"] == "Unauthenticated"
    assert house.events[3][1]["bytes_in"] < house.events[1][1]["bytes_in"] + 100


def test_a_pipeline_goes_on_as_the_other_user(house: House) -> None:
    client = house.login()
    answer = client.send(b"a UNAUTHENTICATE\r\nb NOOP\r\nc LOGIN me pass\r\nd NOOP")
    tagged = [line[:5] for line in answer.split(b"\r\n") if line[1:2] == b" "]
    assert tagged == [b"a OK ", b"b OK ", b"c OK ", b"d OK "]
    assert client.session.user == "me"


@pytest.mark.parametrize("line", [b"UNAUTHENTICATE x", b"UNAUTHENTICATE ()"])
def test_bad_input(house: House, line: bytes) -> None:
    client = house.login()
    assert client.command(line)[-1].startswith(b"TAG BAD")
    assert client.command(b"SELECT INBOX")[-1].startswith(b"TAG OK")
    assert house.connect().command(b"UNAUTHENTICATE") == [b"TAG BAD Please login first."]
