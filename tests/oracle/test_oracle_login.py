"""Refused logins beside Dovecot: referrals (RFC 2221), closed accounts, too many connections (RFC 5530 §3)."""

import os
from base64 import b64encode
from collections.abc import Iterator

import pytest

from tests.oracle.normalise import normalise
from tests.parts import servers
from tests.parts.imap import Connection, connect, login

# The first passdb of the tests takes every user with `pass`; these come behind it.
EXTRA = """
passdb {
  driver = static
  args = password=moved nologin=yes host=new.example.org
}
passdb {
  driver = static
  args = password=renamed nologin=yes host=new.example.org port=1143 destuser=%u.new reason=Moved
}
passdb {
  driver = static
  args = password=closed nologin=yes
}
protocol imap {
  mail_max_userip_connections = 2
}
auth_failure_delay = 0
"""
PASSWORDS = ("moved", "renamed", "closed", "wrong")


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[servers.Server, servers.Server]]:
    if not servers.has_dovecot():
        pytest.skip("Dovecot is not installed: apt-get install dovecot-imapd")
    with (
        servers.work_folder() as one,
        servers.work_folder() as other,
        servers.dovecot(one, extra=EXTRA) as theirs,
        servers.launcher(os.environ.get("ORACLE_OTHER", "doocot"))(other, extra=EXTRA) as ours,
    ):
        yield theirs, ours


def _same(theirs: Connection, ours: Connection, line: bytes) -> None:
    answers = [normalise(connection.command(line)) for connection in (theirs, ours)]
    assert answers[0] == answers[1]


@pytest.mark.parametrize("password", PASSWORDS)
def test_oracle_login_refused(pair: tuple[servers.Server, servers.Server], password: str) -> None:
    theirs, ours = (connect(server.imap) for server in pair)
    _same(theirs, ours, f"LOGIN una {password}".encode())
    _same(theirs, ours, b"AUTHENTICATE PLAIN " + b64encode(f"\0una\0{password}".encode()))


def test_oracle_too_many_connections(pair: tuple[servers.Server, servers.Server]) -> None:
    kept = [login(server.imap, "many") for server in pair for _ in range(2)]
    theirs, ours = (connect(server.imap) for server in pair)
    _same(theirs, ours, b"LOGIN many pass")
    for connection in kept:
        connection.ok(b"NOOP")
