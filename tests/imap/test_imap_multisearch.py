"""ESEARCH (RFC 7377): mailboxes that go away or refuse, and a bound on how many are searched."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from doocot.errors import Kind, MailError
from doocot.imap import multisearch
from tests.imap.harness import Client, House

MESSAGE = b"Subject: one\r\n\r\none\r\n"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path / "Maildir")
    yield house
    house.close()


def fill(client: Client, *names: bytes) -> None:
    for name in names:
        client.command(b"CREATE " + name)
        client.command(b"APPEND %b {%d+}\r\n%b" % (name, len(MESSAGE), MESSAGE))


def found_in(responses: list[bytes]) -> list[bytes]:
    """The mailboxes of the ESEARCH responses."""
    assert responses[-1].startswith(b"TAG OK"), responses
    return [one.partition(b" MAILBOX ")[2].split()[0] for one in responses if one.startswith(b"* ESEARCH")]


def test_a_mailbox_that_is_gone_or_closed_is_passed_over(house: House) -> None:
    client = house.login()
    fill(client, b"A", b"B", b"C")
    shutil.rmtree(house.mail / ".B")
    shutil.rmtree(house.mail / ".C" / "new")
    (house.mail / ".C" / "new").write_text("not a folder")
    assert found_in(client.command(b"ESEARCH IN (mailboxes (A B C)) ALL")) == [b"A"]
    assert client.session.view is None


def test_too_many_mailboxes_are_refused(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 7377 §2.4."""
    client = house.login()
    fill(client, b"A", b"B")
    monkeypatch.setattr(multisearch, "MAX_MAILBOXES", 2)
    assert client.command(b"ESEARCH IN (personal) ALL")[-1].startswith(b"TAG NO [LIMIT]")
    assert found_in(client.command(b"ESEARCH IN (mailboxes (A B)) ALL")) == [b"A", b"B"]


def test_names_are_bounded(house: House) -> None:
    client = house.login()
    fill(client, b"A", b"A.B", b"A.B.C", b"AB")
    for source in (b"personal ", b"mailboxes A "):
        many = source * (multisearch.MAX_NAMES + 1)
        assert client.command(b"ESEARCH IN (%b) ALL" % many.strip())[-1].startswith(b"TAG BAD")
    many = b" ".join([b"A"] * multisearch.MAX_NAMES)
    assert client.command(b"ESEARCH IN (subtree (%b A)) ALL" % many)[-1].startswith(b"TAG BAD")
    both = b"subtree (%b) mailboxes B" % many
    assert client.command(b"ESEARCH IN (%b) ALL" % both)[-1].startswith(b"TAG BAD")
    assert found_in(client.command(b"ESEARCH IN (subtree (%b)) ALL" % many)) == [b"A", b"A.B", b"A.B.C"]
    assert found_in(client.command(b"ESEARCH IN (subtree-one (A A)) ALL")) == [b"A", b"A.B"]
    assert found_in(client.command(b"ESEARCH IN (subtree-one A.B mailboxes AB) ALL")) == [b"A.B", b"A.B.C", b"AB"]


def test_a_selected_mailbox_that_cannot_be_read_leaves_nothing_saved(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is passed over (RFC 7377 §2.2), and nothing was found in it (RFC 5182 §2.1)."""

    def unreadable(*_: object) -> None:
        raise MailError(Kind.UNAVAILABLE, "Not now.")

    client = house.login()
    fill(client, b"A")
    client.command(b"SELECT A")
    client.command(b"SEARCH RETURN (SAVE) ALL")
    with monkeypatch.context() as patched:
        patched.setattr(multisearch, "scored", unreadable)
        assert client.command(b"ESEARCH RETURN (SAVE) ALL") == [b"TAG OK Search completed."]
    assert client.command(b"SEARCH $")[0] == b"* SEARCH"


def test_views_are_given_back(house: House) -> None:
    client = house.login()
    fill(client, b"A", b"B")
    client.command(b"SELECT A")
    client.command(b"ESEARCH IN (personal) SUBJECT one")
    assert list(client.mail.opened.views.values()) == [1]
    steps = client.session
    steps.receive(b"x ESEARCH IN (personal) BODY one\r\n")
    steps.lost()
    assert list(client.mail.opened.views.values()) == []


def test_names_are_told_as_the_client_writes_them(house: House) -> None:
    client = house.login()
    fill(client, b"&AOQ-", b'"a b"')
    assert found_in(client.command(b"ESEARCH IN (mailboxes (&AOQ-)) ALL")) == [b"&AOQ-"]
    assert b'MAILBOX "a b" UIDVALIDITY' in client.command(b'ESEARCH IN (mailboxes "a b") ALL')[0]
