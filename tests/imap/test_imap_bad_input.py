"""Bad input at a real server of two workers: the exact condition, a usable connection, bounded memory, nothing lost."""

import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.parts.imap import Connection, connect, login
from tests.parts.servers import Server, doocot, work_folder

MIB = 1 << 20
MESSAGE = b"Subject: kept\r\n\r\nkept\r\n"
OPEN_LISTS = 100
HELD = 100  # connections that are held open together


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with work_folder() as folder, doocot(folder, extra="doocot_workers = 2\n") as running:
        yield running
        text = running.log_text()
        assert "crash" not in text.lower()
        assert "internal error" not in text.lower()
        assert "Traceback" not in text


@dataclass
class Neighbour:
    """Another session, with a message that must stay."""

    connection: Connection
    asked: int = field(default=0)

    def works(self) -> None:
        """It is answered, rightly, while others misbehave."""
        self.asked += 1
        assert self.connection.ok(b"NOOP")[-1].endswith(b"OK NOOP completed.")
        assert b"* 1 EXISTS" in self.connection.ok(b"EXAMINE INBOX")
        assert MESSAGE in self.connection.ok(b"FETCH 1 BODY.PEEK[]")[0]


@pytest.fixture(scope="module")
def neighbour(server: Server) -> Iterator[Neighbour]:
    with closing(login(server.imap, "neighbour")) as connection:
        connection.append(b"INBOX", MESSAGE)
        yield Neighbour(connection)


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def memory(server: Server) -> int:
    """What all processes of the server hold, shared pages divided among them."""
    total = 0
    for pid in [server.pid, *children(server.pid)]:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def usable(connection: Connection) -> None:
    """The connection is where it was: a command is answered, by its own answer and nothing else."""
    assert connection.command(b"NOOP")[-1].endswith(b"OK NOOP completed.")
    assert not connection.buffer


def rest(connection: Connection) -> None:
    """All that the server still says, up to the end of the connection, into the connection's buffer."""
    while data := connection.socket.recv(1 << 16):
        connection.buffer += data


def selected(server: Server, user: str = "bad") -> Connection:
    connection = login(server.imap, user)
    connection.ok(b"SELECT INBOX")
    return connection


# What is sent to a session with a selected mailbox, and how the one answer begins.
REFUSED = {
    "unknown command": (b"a XYZZY\r\n", b"a BAD "),
    "unknown UID command": (b"a UID NOOP\r\n", b"a BAD "),
    "UID alone": (b"a UID\r\n", b"a BAD "),
    "command missing": (b"a\r\n", b"a BAD "),
    "command missing after a space": (b"a \r\n", b"a BAD "),
    "empty line": (b"\r\n", b"* BAD "),
    "tag with plus": (b"a+ NOOP\r\n", b"* BAD "),
    "tag with a list": (b"(a) NOOP\r\n", b"* BAD "),
    "tag in quotes": (b'"a" NOOP\r\n', b"* BAD "),
    "tag missing": (b" NOOP\r\n", b"* BAD "),
    "tag of 8-bit bytes": (b"\xe9\xff NOOP\r\n", b"* BAD "),
    "tag with NUL": (b"a\0 NOOP\r\n", b"* BAD "),
    "open list": (b"a FETCH 1 (FLAGS\r\n", b"a BAD "),
    "closed list": (b"a FETCH 1 FLAGS)\r\n", b"a BAD "),
    "two lists open": (b"a FETCH 1 ((FLAGS)\r\n", b"a BAD "),
    "flag list open": (b"a STORE 1 +FLAGS (\\Seen\r\n", b"a BAD "),
    "status list open": (b"a STATUS INBOX (MESSAGES\r\n", b"a BAD "),
    "search list open": (b"a SEARCH (SEEN\r\n", b"a BAD "),
    "100 open lists": (b"a SEARCH " + b"(" * OPEN_LISTS + b"\r\n", b"a BAD "),
    "30,000 open lists": (b"a SEARCH " + b"(" * 30_000 + b"\r\n", b"a BAD "),
    "metadata list open": (b'a SETMETADATA INBOX (/private/x "1"\r\n', b"a BAD "),
    "100 open lists of metadata": (b"a GETMETADATA " + b"(" * OPEN_LISTS + b"\r\n", b"a BAD "),
    "10,000 entries": (b"a GETMETADATA INBOX (/private/x" + b" /private/x" * 5_000 + b")\r\n", b"a BAD "),
    "1 GB announced for metadata": (b"a SETMETADATA INBOX (/private/x {1073741824}\r\n", b"a NO [METADATA MAXSIZE "),
    "NUL in a value": (b"a SETMETADATA INBOX (/private/x {3+}\r\nx\0y)\r\n", b"a BAD "),
    "30,000 NOT": (b"a SEARCH" + b" NOT" * 15_000 + b" SEEN\r\n", b"a BAD "),
    "30,000 OR": (b"a SEARCH" + b" OR" * 20_000 + b" SEEN\r\n", b"a BAD "),
    "sort list open": (b"a SORT (DATE UTF-8 ALL\r\n", b"a BAD "),
    "partial range open": (b"a SEARCH RETURN (PARTIAL 1: ALL\r\n", b"a BAD "),
    "10,000 return options": (b"a SEARCH RETURN (MIN" + b" MIN" * 10_000 + b") ALL\r\n", b"a BAD "),
    "source list open": (b"a ESEARCH IN (mailboxes INBOX ALL\r\n", b"a BAD "),
    "source word in quotes": (b'a ESEARCH IN ("selected") ALL\r\n', b"a BAD "),
    "10,000 sources": (b"a ESEARCH IN (selected" + b" selected" * 10_000 + b") ALL\r\n", b"a BAD "),
    "8-bit in a source": (b"a ESEARCH IN (mailboxes caf\xe9) ALL\r\n", b"a BAD "),
    "cancel without a tag": (b"a CANCELUPDATE\r\n", b"a BAD "),
    "cancel with an open quote": (b'a CANCELUPDATE "a\r\n', b"a BAD "),
    "cancel of nothing": (b'a CANCELUPDATE ""\r\n', b"a NO "),
    "batches of 20 digits": (b"a UIDBATCHES 99999999999999999999\r\n", b"a BAD "),
    "batches to a star": (b"a UIDBATCHES 500 1:*\r\n", b"a BAD "),
    "10,000 sort keys": (b"a SORT (DATE" + b" DATE" * 10_000 + b") UTF-8 ALL\r\n", b"a BAD "),
    "NUL in a command": (b"a NOO\0P\r\n", b"a BAD "),
    "NUL in an atom": (b"a CREATE x\0y\r\n", b"a BAD "),
    "NUL in quotes": (b'a CREATE "x\0y"\r\n', b"a BAD "),
    "NUL in a literal": (b"a CREATE {3+}\r\nx\0y\r\n", b"a BAD "),
    "8-bit in an atom": (b"a CREATE caf\xe9\r\n", b"a BAD "),
    "8-bit in a name in quotes": (b'a CREATE "caf\xe9"\r\n', b"a NO [CANNOT] "),
    "8-bit in a flag": (b"a STORE 1 +FLAGS (caf\xe9)\r\n", b"a BAD "),
    "8-bit in a number": (b"a FETCH \xb9 FLAGS\r\n", b"a BAD "),
    "CR in quotes": (b'a CREATE "x\ry"\r\n', b"a BAD "),
    "quotes not closed": (b'a SELECT "INBOX\r\n', b"a BAD "),
    "number 0": (b"a FETCH 0 FLAGS\r\n", b"a BAD "),
    "number too large": (b"a FETCH 4294967296 FLAGS\r\n", b"a BAD "),
    "number of 10,000 digits": (b"a FETCH " + b"9" * 10_000 + b" FLAGS\r\n", b"a BAD "),
    "number that is not there": (b"a FETCH 7 FLAGS\r\n", b"a BAD "),
    "* in an empty mailbox": (b"a FETCH * FLAGS\r\n", b"a BAD "),
    "all of an empty mailbox": (b"a STORE 1:* +FLAGS (\\Seen)\r\n", b"a BAD "),
    "largest number": (b"a FETCH 4294967295 FLAGS\r\n", b"a BAD "),
    "line too long": (b"a SEARCH SUBJECT " + b"x" * 70_000 + b"\r\n", b"a BAD [TOOBIG] "),
    "line of 16 MiB": (b"a SEARCH SUBJECT " + b"x" * (16 * MIB) + b"\r\n", b"a BAD [TOOBIG] "),
    "line too long, a literal behind it": (b"a X" + b"x" * 70_000 + b" {6+}\r\nb NOOP\r\n", b"a BAD [TOOBIG] "),
    "literal too long, not waiting": (b"a CREATE {70000+}\r\n" + b"x" * 70_000 + b"\r\n", b"a NO [TOOBIG] "),
    "1 GB announced": (b"a APPEND INBOX {1073741824}\r\n", b"a NO [TOOBIG] "),
    "1 GB announced for a name": (b"a SELECT {1073741824}\r\n", b"a NO [TOOBIG] "),
    "1 GB announced to nobody": (b"a XYZZY {1073741824}\r\n", b"a NO [TOOBIG] "),
    "literal of 30 digits": (b"a APPEND INBOX {999999999999999999999999999999}\r\n", b"a NO [TOOBIG] "),
    "QRESYNC not enabled": (b"a SELECT INBOX (QRESYNC (1 1))\r\n", b"a BAD "),
    "QRESYNC with 0": (b"a SELECT INBOX (QRESYNC (0 0))\r\n", b"a BAD "),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_and_the_connection_stays(server: Server, neighbour: Neighbour, case: str) -> None:
    sent, answer = REFUSED[case]
    with closing(selected(server)) as connection:
        connection.send(sent)
        response = connection.response()
        neighbour.works()
        assert response.startswith(answer), response
        assert len(response) < 500
        usable(connection)


@pytest.mark.parametrize("case", [name for name, (sent, _) in REFUSED.items() if len(sent) < 100])
def test_bad_input_in_single_bytes_is_answered_alike(server: Server, case: str) -> None:
    sent, answer = REFUSED[case]
    with closing(selected(server)) as connection:
        connection.send(sent, bytewise=True)
        assert connection.response().startswith(answer)
        usable(connection)


TAKEN = {
    "bare LF": b"a NOOP\n",
    "largest range": b"a UID FETCH 1:4294967295 FLAGS\r\n",
    "range with * below it": b"a UID FETCH 4294967295:* FLAGS\r\n",
    "UIDs of an empty mailbox": b"a UID STORE 1:4294967295 +FLAGS (\\Seen)\r\n",
    "copy of an empty mailbox": b"a UID COPY 1:* INBOX\r\n",
    "expunge of an empty mailbox": b"a UID EXPUNGE 1:*\r\n",
    "32,700 ranges": b"a UID FETCH " + b"1," * 32_700 + b"1 FLAGS\r\n",
    "10,000 ranges": b"a UID FETCH " + b",".join(b"%d" % n for n in range(1, 20_000, 2)) + b" FLAGS\r\n",
}


@pytest.mark.parametrize("case", TAKEN)
def test_odd_input_is_taken(server: Server, case: str) -> None:
    with closing(selected(server, "empty")) as connection:
        connection.send(TAKEN[case])
        assert connection.tagged(b"a") == [connection.log[-1].removeprefix("S: ").encode()]
        assert connection.log[-1].startswith("S: a OK ")
        usable(connection)


@pytest.mark.parametrize("line", [b"a LOGIN \xff \xfe\r\n", b'a LOGIN "" ""\r\n', b"a LOGIN x wrong\r\n"])
def test_bad_login_is_refused(server: Server, line: bytes) -> None:
    with closing(connect(server.imap)) as connection:
        connection.send(line)
        assert connection.response().startswith((b"a BAD ", b"a NO [AUTHENTICATIONFAILED]"))
        usable(connection)


@pytest.mark.parametrize("answer", [b"*", b"\xff\xfe", b"AHgAeA", b"A" * 9000, b""])
def test_bad_answer_to_a_challenge_is_refused(server: Server, answer: bytes) -> None:
    with closing(connect(server.imap)) as connection:
        connection.send(b"a AUTHENTICATE PLAIN\r\n")
        assert connection.response().startswith(b"+ ")
        connection.send(answer + b"\r\n")
        assert connection.response().startswith((b"a BAD ", b"a NO "))
        usable(connection)


@pytest.mark.parametrize("greeted", [b"SELECT INBOX", b"FETCH 1 FLAGS", b"APPEND INBOX {3+}\r\nabc"])
def test_commands_before_login_are_refused(server: Server, greeted: bytes) -> None:
    with closing(connect(server.imap)) as connection:
        assert connection.command(greeted)[-1][3:7] == b"BAD "
        usable(connection)


def test_endless_line_before_login_costs_nothing(server: Server, neighbour: Neighbour) -> None:
    with closing(connect(server.imap)) as connection:
        before = memory(server)
        for _ in range(256):
            connection.send(b"x" * (256 * 1024))
        assert connection.response().startswith(b"* BAD [TOOBIG] ")
        neighbour.works()
        assert memory(server) - before < 8 * MIB
        connection.send(b"\r\n")
        usable(connection)


def test_too_many_bad_commands_end_with_bye(server: Server) -> None:
    with closing(connect(server.imap)) as connection:
        connection.send(b"a XYZZY\r\n" * 100)
        rest(connection)
        responses = connection.buffer.splitlines()
        assert responses.pop().startswith(b"* BYE ")
        assert all(response.startswith(b"a BAD ") for response in responses)


def test_huge_literal_that_does_not_wait_ends_with_bye(server: Server, neighbour: Neighbour) -> None:
    with closing(selected(server)) as connection:
        connection.send(b"a APPEND INBOX {1073741824+}\r\n")
        assert connection.response().startswith(b"a NO [TOOBIG] ")
        rest(connection)
        assert connection.buffer.startswith(b"* BYE ")
        assert connection.buffer.count(b"\r\n") == 1
    neighbour.works()


HALVES = (
    b"a LOGIN half",
    b"a APPEND INBOX {100000+}\r\n" + b"x" * 50_000,
    b"a APPEND INBOX {1000000+}\r\n" + b"x" * 500_000,
    b"a APPEND INBOX {3+}\r\nabc",
    b"a APPEND INBOX {5}\r\n",
    b"a STORE 1 +FLAGS (\\Deleted)\r\nb EXPUNGE",
    b"a IDLE\r\nDON",
)


@pytest.mark.parametrize("half", range(len(HALVES)))
def test_half_a_command_does_nothing(server: Server, neighbour: Neighbour, half: int) -> None:
    user = f"half{half}"
    with closing(selected(server, user)) as connection:
        connection.append(b"INBOX", MESSAGE)
        connection.send(HALVES[half])
        connection.socket.shutdown(socket.SHUT_WR)
        rest(connection)
    with closing(selected(server, user)) as connection:
        responses = connection.ok(b"FETCH 1:* BODY.PEEK[]")
        assert len(responses) == 2
        assert MESSAGE in responses[0]
    neighbour.works()


# What a client may leave unfinished, and whether it has logged in.
HOLDING = {
    "a long line": (b"a SEARCH SUBJECT " + b"x" * 65_000, True),
    "a long line before login": (b"a LOGIN " + b"x" * 8000, False),
    "a literal in memory": (b"a APPEND INBOX {131072+}\r\n" + b"x" * 131_000, True),
    "a large literal": (b"a APPEND INBOX {60000000+}\r\n" + b"x" * 4_000_000, True),
    "many literals": (b"a SEARCH" + b" TEXT {6000+}\r\n%b" % (b"x" * 6000) * 9, True),
    "an endless line": (b"a" * 4_000_000, False),
    "open lists": (b"a SEARCH " + b"(" * 60_000, True),
}


@pytest.mark.parametrize("case", HOLDING)
def test_held_connections_cost_little(server: Server, neighbour: Neighbour, case: str) -> None:
    sent, after_login = HOLDING[case]
    connections: list[Connection] = []
    try:
        for number in range(HELD):
            connections.append(selected(server, f"held{number % 5}") if after_login else connect(server.imap))
        before = memory(server)
        connections[0].send(sent)
        neighbour.works()
        assert memory(server) - before < 8 * MIB, "for one connection"
        for connection in connections[1:]:
            connection.send(sent)
        neighbour.works()
        assert memory(server) - before < 64 * MIB, f"for {HELD} connections"
    finally:
        for connection in connections:
            connection.close()
    neighbour.works()


LMTP_REFUSED = {
    "unknown command": (b"XYZZY\r\n", b"500 "),
    "EHLO": (b"EHLO x\r\n", b"500 "),
    "DATA before MAIL": (b"DATA\r\n", b"503 "),
    "NUL": (b"LH\0LO x\r\n", b"500 "),
    "8-bit": (b"LHL\xd6 x\r\n", b"500 "),
    "line too long": (b"LHLO " + b"x" * 1_000_000 + b"\r\n", b"500 "),
    "RCPT before MAIL": (b"RCPT TO:<x@y>\r\n", b"503 "),
    "BDAT without a size": (b"BDAT\r\n", b"501 "),
}


@pytest.mark.parametrize("case", LMTP_REFUSED)
def test_bad_lmtp_input_is_refused(server: Server, neighbour: Neighbour, case: str) -> None:
    sent, answer = LMTP_REFUSED[case]
    with closing(connect(server.lmtp)) as connection:
        connection.send(sent)
        assert connection.line().startswith(answer)
        neighbour.works()
        connection.send(b"NOOP\r\n")
        assert connection.line().startswith(b"250 ")


def test_half_an_lmtp_message_is_not_delivered(server: Server) -> None:
    with closing(connect(server.lmtp)) as connection:
        connection.send(b"LHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<cut>\r\nDATA\r\nSubject: cut\r\n\r\nno end\r\n")
        while not connection.line().startswith(b"354 "):
            pass
        connection.socket.shutdown(socket.SHUT_WR)
        rest(connection)
    with closing(login(server.imap, "cut")) as connection:
        assert b"* 0 EXISTS" in connection.ok(b"SELECT INBOX")
