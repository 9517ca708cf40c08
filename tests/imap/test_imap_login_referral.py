"""LOGIN-REFERRALS (RFC 2221): where an account is that moved away, and who is told."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from harness import House

from doocot.auth.types import AuthResult, Failure, LoginRequest

PLAIN = b"AGEAcGFzcw=="  # NUL a NUL pass


class Moved(House):
    """A house whose users have moved as `fields` say."""

    fields: Mapping[str, str] = {}
    reason = ""

    def _authenticate(self, request: LoginRequest) -> AuthResult:  # type: ignore[override]
        failure = Failure.NOLOGIN if "nologin" in self.fields else Failure.WRONG_PASSWORD
        return AuthResult(failure=failure, reason=self.reason, fields=self.fields)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Moved]:
    house = Moved(tmp_path / "mail")
    yield house
    house.close()


@pytest.mark.parametrize(
    ("fields", "reason", "answer"),
    [
        ({"host": "new.example"}, "", b"NO [REFERRAL imap://a;AUTH=PLAIN@new.example/] Try this server instead."),
        ({"host": "new.example", "port": "143"}, "Moved.", b"NO [REFERRAL imap://a;AUTH=PLAIN@new.example/] Moved."),
        (
            {"host": "new.example", "port": "1143", "destuser": "b;c@d/e"},
            "",
            b"NO [REFERRAL imap://b%3Bc%40d%2Fe;AUTH=PLAIN@new.example:1143/] Try this server instead.",
        ),
        ({"host": "2001:db8::1"}, "", b"NO [REFERRAL imap://a;AUTH=PLAIN@[2001:db8::1]/] Try this server instead."),
        ({}, "", b"NO [CONTACTADMIN] Login disabled for this user"),
        ({}, "Not paid.", b"NO [CONTACTADMIN] Not paid."),
    ],
)
@pytest.mark.parametrize("command", [b"LOGIN a pass", b"AUTHENTICATE PLAIN " + PLAIN])
def test_referral(house: Moved, fields: Mapping[str, str], reason: str, answer: bytes, command: bytes) -> None:
    house.fields, house.reason = {"nologin": "", **fields}, reason
    client = house.connect()
    assert client.send(b"x " + command) == b"x " + answer + b"\r\n"
    assert client.send(b"y SELECT INBOX").startswith(b"y BAD")


def test_a_wrong_password_learns_nothing_of_the_move(house: Moved) -> None:
    house.fields = {"host": "new.example"}
    assert house.connect().send(b"x LOGIN a pass") == b"x NO [AUTHENTICATIONFAILED] Authentication failed.\r\n"
