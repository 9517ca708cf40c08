"""INPROGRESS (RFC 9585): told by the clock of the context, and never within a response."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from doocot.imap.progress import INTERVAL
from doocot.imap.session import ImapSession
from doocot.wire.flow import Peer
from tests.imap.harness import Client, House

MESSAGES = 300
LINE = re.compile(rb'\* OK \[INPROGRESS \("(t\d+)" (?:NIL NIL|(\d+) (\d+))\)\] .+')


class Clock:
    """Goes on by `step` seconds at each look."""

    def __init__(self) -> None:
        self.time, self.step = 0.0, 0.0

    def now(self) -> float:
        self.time += self.step
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(tmp_path: Path, clock: Clock) -> Iterator[Client]:
    house = House(tmp_path / "Maildir")
    house.context = replace(house.context, now=clock.now)
    (tmp_path / "Maildir" / "cur").mkdir()
    for number in range(MESSAGES):
        text = b"From: s%d@example.org\nSubject: number %d\n\nbody %d\n" % (number, number, number)
        (tmp_path / "Maildir" / "cur" / f"{1_000_000_000 + number}.x:2,").write_bytes(text)
    client = house.login()
    client.command(b"CREATE Other")
    assert b"* %d EXISTS" % MESSAGES in client.command(b"SELECT INBOX")
    yield client
    house.close()


COMMANDS = (
    b"SEARCH BODY 7",
    b"UID SEARCH HEADER Subject number",
    b"SORT (SUBJECT) UTF-8 ALL",
    b"THREAD REFERENCES UTF-8 ALL",
    b"FETCH 1:* (ENVELOPE)",
    b"COPY 1:* Other",
    b"MOVE 1:5 Other",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_progress_is_told_every_ten_seconds(client: Client, clock: Clock, command: bytes) -> None:
    clock.step = INTERVAL + 1
    responses = client.command(command)
    assert responses[-1].startswith(b"TAG OK")
    told = [one for one in responses if b"INPROGRESS" in one]
    assert told
    for line in told:
        found = LINE.fullmatch(line)
        assert found is not None, line
        assert found[1] == b"t%d" % client.count
        if found[2] is not None:
            assert 0 <= int(found[2]) <= int(found[3]) == MESSAGES or command.startswith(b"MOVE")


@pytest.mark.parametrize("command", COMMANDS)
def test_no_progress_is_told_before_ten_seconds(client: Client, clock: Clock, command: bytes) -> None:
    clock.step = 0.001
    assert not [one for one in client.command(command) if b"INPROGRESS" in one]


def test_progress_comes_between_responses_only(client: Client, clock: Clock) -> None:
    """Nothing is put into a literal, and a command that is over is told of no more."""
    plain = client.command(b"FETCH 1:* (BODY.PEEK[] ENVELOPE)")
    client.command(b"SEARCH BODY 7")
    clock.step = INTERVAL + 1
    assert client.command(b"FETCH 1:* (BODY.PEEK[] ENVELOPE)") == plain
    assert client.command(b"NOOP") == [b"TAG OK NOOP completed."]


def test_no_progress_is_told_between_commands(client: Client, clock: Clock) -> None:
    """What NOTIFY has to tell is of no command."""
    client.command(b"NOTIFY SET (selected (MessageNew (ENVELOPE) MessageExpunge))")
    client.command(b"SEARCH BODY 7")
    cur = client.mail.opened.root.location.path
    for number in range(3):
        (Path(cur) / "cur" / f"{2_000_000_000 + number}.x:2,").write_bytes(b"Subject: new\n\nnew\n")
    other = Client(ImapSession(client.session.context, client.session.commands))
    other.session.connected(Peer())
    other.send(b"a LOGIN me pass")
    other.send(b"b SELECT INBOX")
    clock.step = INTERVAL + 1
    told = client.run(client.session.resume(None))
    assert b"* 303 EXISTS" in told
    assert b"INPROGRESS" not in told
