"""Settings of a connection: imap_capability, imap_literal_minus, imap_id_*, login_log_format*, imap_logout_format."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from harness import Client, House

from doocot import __version__
from doocot.auth.types import AuthResult, LoginRequest, User
from doocot.events.table import EVENTS
from doocot.imap.identify import identity
from doocot.imap.log_lines import LogFormats
from doocot.wire.flow import Peer

PEER = Peer("192.0.2.7", 4321, "192.0.2.1", 143, tls=True)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path / "mail")
    yield house
    house.close()


def set_to(house: House, **values: Any) -> None:
    house.context = replace(house.context, **values)


def capability(client: Client) -> list[str]:
    return client.command(b"CAPABILITY")[0].decode().split()[2:]


def lines(house: House, name: str) -> list[str]:
    """The log lines of the events of this name."""
    kind = EVENTS[name]
    blank = dict.fromkeys(("user", *kind.fields), "")
    said = [{**blank, **fields} for each, fields in house.events if each == name]
    return [kind.line(fields) if callable(kind.line) else kind.line.format_map(fields) for fields in said]


def test_capability_with_words_added(house: House) -> None:
    plain = capability(house.connect()), capability(house.login())
    set_to(house, capability=b"+XFOO X=BAR")
    more = capability(house.connect()), capability(house.login())
    for without, with_words in zip(plain, more, strict=True):
        assert sorted(with_words) == sorted([*without, "XFOO", "X=BAR"])


def test_capability_given_as_a_whole(house: House) -> None:
    set_to(house, capability=b"IMAP4rev1 XFOO", starttls=True)
    assert capability(house.login()) == ["IMAP4rev1", "XFOO"]
    before = capability(house.connect())
    assert before[:2] == ["IMAP4rev1", "XFOO"]
    assert {"STARTTLS", "AUTH=PLAIN"} <= set(before[2:])


@pytest.mark.parametrize(("minus", "offered"), [(False, "LITERAL+"), (True, "LITERAL-")])
def test_literal_minus(house: House, minus: bool, offered: str) -> None:
    set_to(house, literal_minus=minus)
    for client in (house.connect(), house.login()):
        assert [word for word in capability(client) if word.startswith("LITERAL")] == [offered]
    client = house.login()
    small = client.send(b"a STATUS {5+}\r\nINBOX (MESSAGES)")
    assert small.endswith(b"a OK Status completed.\r\n")
    answer = client.send(b"b APPEND INBOX {4097+}\r\n" + b"x" * 4097)
    assert answer.startswith(b"b BAD [TOOBIG]" if minus else b"b OK")
    assert client.command(b"NOOP") == [b"TAG OK NOOP completed."]


@pytest.mark.parametrize(
    ("send", "response"),
    [
        ("name *", b'("name" "Doocot")'),
        ("", b"NIL"),
        ("name * version *", b'("name" "Doocot" "version" "%b")' % __version__.encode()),
        ("Name * foo bar nothing * last", b'("Name" "Doocot" "foo" "bar" "nothing" NIL "last" NIL)'),
        ('quote a"b\\c', b'("quote" "a\\"b\\\\c")'),
    ],
)
def test_id_send(house: House, send: str, response: bytes) -> None:
    set_to(house, identity=identity(send, "", False))
    for client in (house.connect(), house.login()):
        assert client.command(b"ID NIL") == [b"* ID " + response, b"TAG OK ID completed."]


@pytest.mark.parametrize(
    ("log", "before", "after"),
    [
        ("", "", ""),
        ("*", "ID sent: name=foo, version=NIL, X=1: user=<>, rip=127.0.0.1, ", "ID sent: name=two"),
        ("x NAME", "ID sent: name=foo, X=1: user=<>, rip=127.0.0.1, ", "ID sent: name=two"),
        ("os", "", ""),
    ],
)
def test_id_log(house: House, log: str, before: str, after: str) -> None:
    set_to(house, identity=identity("", log, False))
    client = house.connect()
    for _ in range(2):  # logged once
        client.command(b'ID ("name" "foo" "version" NIL "X" "1")')
    client.command(b"LOGIN me pass")
    client.command(b'ID ("name" "two")')
    said = lines(house, "imap_id_received")
    assert len(said) == 2
    assert said[0].startswith(before)
    assert bool(said[0]) == bool(before)
    assert said[1] == after


@pytest.mark.parametrize(("retain", "kept"), [(False, ""), (True, '"name" "a\\"b" "os" NIL')])
def test_id_retain(tmp_path: Path, retain: bool, kept: str) -> None:
    asked: list[LoginRequest] = []

    class Asking(House):
        def _authenticate(self, request: LoginRequest) -> AuthResult:  # type: ignore[override]
            asked.append(request)
            return AuthResult(User("me"))

    house = Asking(tmp_path / "mail")
    set_to(house, identity=identity("", "", retain))
    client = house.connect()
    client.command(b'ID ("name" "a\\"b" "os" NIL)')
    client.command(b"LOGIN me pass")
    assert [request.client_id for request in asked] == [kept]
    house.close()


def test_id_retain_has_a_bound(house: House) -> None:
    set_to(house, identity=identity("", "", True))
    client = house.connect()
    assert client.command(b'ID ("a" "%b" "b" "%b")' % (b"x" * 3000, b"y" * 3000))[-1] == b"TAG OK ID completed."
    assert client.session.client_id == '"a" "' + "x" * 3000 + '"'


@pytest.mark.parametrize(
    ("formats", "line"),
    [
        (LogFormats(), "Login: user=<me>, method=PLAIN, rip=192.0.2.7, lip=192.0.2.1, TLS, session=<session>"),
        (LogFormats("[%s] (%$)", "u=%u %r:%b %e mp=%e n=%{local_name}"), "[u=me, 192.0.2.7:4321] (Login)"),
        (LogFormats("%$ for %u", ""), "Login for me"),
        (LogFormats("%$: %s", "%{nosuch} %u"), "Login: me"),
        (LogFormats("%$ %{nosuch}"), "%$ %{nosuch}"),
    ],
)
def test_login_log_format(house: House, formats: LogFormats, line: str) -> None:
    set_to(house, log_formats=formats)
    client = house.connect()
    client.session.secured(PEER)
    client.command(b"LOGIN me pass")
    assert lines(house, "login") == [line]


def test_login_log_format_of_a_client_that_goes_without_a_login(house: House) -> None:
    set_to(house, log_formats=LogFormats("[%s] (%$)", "u=%u %r %m"))
    client = house.connect()
    client.session.lost()
    (line,) = lines(house, "login_ended")
    assert line == "[u=, 127.0.0.1] (Disconnected: Connection closed (no auth attempts in 0 secs))"


def test_imap_logout_format(house: House) -> None:
    set_to(house, log_formats=LogFormats(logout="i=%i o=%o d=%{deleted} h=%{fetch_hdr_count} u=%u s=%{session} %{no}"))
    client = house.login()
    client.command(b"LOGOUT")
    said, heard = client.session.bytes_in, client.session.bytes_out
    client.session.lost()
    assert lines(house, "imap_logout") == [
        "Disconnected: Logged out i=%i o=%o d=%{deleted} h=%{fetch_hdr_count} u=%u s=%{session} %{no}"
    ]
    set_to(house, log_formats=LogFormats(logout="i=%i o=%o d=%{deleted} h=%{fetch_hdr_count} u=%u s=%{session}"))
    client = house.login()
    client.session.lost()
    assert lines(house, "imap_logout")[1].startswith("Disconnected: Connection closed i=")
    assert lines(house, "imap_logout")[1].endswith(" d=0 h=0 u=me s=session")
    assert said > 0 < heard


def test_compress_is_answered_once(house: House) -> None:
    client = house.login()
    answers = client.send(b"a COMPRESS DEFLATE\r\nb COMPRESS DEFLATE\r\nc COMPRESS X\r\nd NOOP").split(b"\r\n")
    assert [answer.partition(b"] ")[0] for answer in answers[1:3]] == [
        b"b NO [COMPRESSIONACTIVE",
        b"c NO [COMPRESSIONACTIVE",
    ]
    assert (answers[0], answers[3]) == (b"a OK Begin compression.", b"d OK NOOP completed.")


def test_imap_logout_counts_what_was_expunged(house: House) -> None:
    client = house.login()
    for _ in range(5):
        client.send(b"a APPEND INBOX {7+}\r\nmessage")
    client.command(b"SELECT INBOX")
    client.command(b"STORE 2:3 +FLAGS (\\Deleted)")
    client.command(b"EXPUNGE")
    client.command(b"STORE 1 +FLAGS (\\Deleted)")
    client.command(b"CLOSE")
    client.session.lost()
    assert " expunged=3 " in lines(house, "imap_logout")[0]
