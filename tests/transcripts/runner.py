"""Runs a transcript against a server over sockets: sends each C: line, reads and compares each S: line.

Nothing sleeps: each expected line is read until it has come, or the time-out of tests.parts.imap is over.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.parts.imap import Connection, connect, login
from tests.transcripts.language import ANYTHING, EXPUNGES, Step, Transcript, client_pieces, match

RECENT = re.compile(rb"\* \d+ RECENT")
EXPUNGE = re.compile(rb"\* (\d+) EXPUNGE")


class Mismatch(AssertionError):
    """What was expected, what came, and where in which file."""


@dataclass(slots=True)
class Run:
    """One run of one transcript."""

    transcript: Transcript
    port: int
    user: str
    bytewise: bool = False
    connections: dict[int, Connection] = field(default_factory=dict)
    bound: dict[bytes, bytes] = field(default_factory=dict)
    expunged: set[int] = field(default_factory=set)  # since the last command, in the numbers before it

    def connection(self, number: int, *, greeting: bool = True) -> Connection:
        """The connection of this number, opened at its first use."""
        if number not in self.connections:
            self.connections[number] = connect(self.port, greeting=greeting)
        return self.connections[number]

    def fail(self, step: Step, got: str) -> Mismatch:
        log = "\n".join(f"{number} {line}" for number, c in self.connections.items() for line in c.log[-12:])
        where = f"{self.transcript.path}:{step.line}"
        return Mismatch(f"{where}\nexpected {step.connection} {step.kind} {step.text}\ngot      {got}\n--\n{log}")


def standard_message(number: int) -> bytes:
    """The messages that `@ messages N` appends: small, all different, dated a day apart."""
    return (
        f"From: Sender {number} <s{number}@example.org>\r\nTo: you@example.org\r\nSubject: message {number}\r\n"
        f"Date: Mon, {number:02} Jan 2024 10:00:00 +0000\r\nMessage-ID: <m{number}@example.org>\r\n\r\n"
        f"Body of message {number}.\r\n"
    ).encode()


def run(transcript: Transcript, port: int, user: str, *, bytewise: bool = False) -> None:
    """Run it; Mismatch with file and line unless everything came as written, and nothing else."""
    this = Run(transcript, port, user, bytewise)
    this.bound[b"user"] = user.encode()
    try:
        _prepare(this)
        groups = _grouped(transcript.steps)
        for group in groups:
            if group[0].kind == "C:":
                _send(this, group[0])
            else:
                _expect(this, group)
        for number, connection in this.connections.items():
            if connection.buffer:
                raise Mismatch(f"{transcript.path}: left over on connection {number}: {connection.buffer!r}")
    finally:
        for connection in this.connections.values():
            connection.socket.close()


def _prepare(this: Run) -> None:
    if this.transcript.messages:
        connection = login(this.port, this.user)
        for number in range(1, this.transcript.messages + 1):
            connection.append(b"INBOX", standard_message(number), b'"%02d-Jan-2024 10:00:00 +0000" ' % number)
        connection.close()
    for number in this.transcript.logins:
        this.connection(number).ok(f"LOGIN {this.user} pass".encode())
    for verb, mailbox, numbers in this.transcript.selects:
        for number in numbers:
            this.connection(number).ok(f"{verb} {mailbox}".encode())


def _grouped(steps: Iterable[Step]) -> list[list[Step]]:
    """C: steps alone; all that the same connection is expected to say between two of them together."""
    groups: list[list[Step]] = []
    for step in steps:
        previous = groups[-1][-1] if groups else None
        if previous and step.kind != "C:" and previous.kind != "C:" and previous.connection == step.connection:
            groups[-1].append(step)
        else:
            groups.append([step])
    return groups


def _send(this: Run, step: Step) -> None:
    connection = this.connection(step.connection)
    for piece, waits in client_pieces(step, this.bound):
        connection.send(piece, bytewise=this.bytewise)
        if waits and not (got := connection.response()).startswith(b"+"):
            raise this.fail(step, f"{got.decode(errors='replace')} (no continuation request for the literal)")


def _required(step: Step) -> bool:
    return step.kind != "S?" and step.chunks != (ANYTHING,)


def _expect(this: Run, group: list[Step]) -> None:
    """Read responses until each of the group has come."""
    connection = this.connection(group[0].connection, greeting=False)
    waiting = list(group)
    this.expunged.clear()
    while missing := next(filter(_required, waiting), None):
        try:
            got = connection.response()
        except (TimeoutError, EOFError, ConnectionError) as error:
            raise this.fail(missing, f"nothing: {error or 'time is over'}") from error
        if not _accept(this, waiting, got) and not RECENT.fullmatch(got):
            raise this.fail(missing, got.decode(errors="replace"))


def _accept(this: Run, waiting: list[Step], got: bytes) -> bool:
    """Whether a response may come now; what it fulfils is taken from `waiting`, with what it passed over."""
    anything = in_set = False
    for place, step in enumerate(waiting):
        if step.chunks == (ANYTHING,):
            anything = True
        elif step.kind == "S:" and in_set:
            break  # the lines of the set come first
        elif found := EXPUNGES.fullmatch(step.chunks[0]):
            return _expunged(this, waiting, place, set(map(int, found[1].split(b","))), got)
        elif (bound := match(step, got, this.bound)) is not None:
            if step.kind == "S~":
                del waiting[place]
            elif step.kind == "S:":
                del waiting[: place + 1]
            if step.kind != "S?":
                this.bound = bound
            return True
        elif step.kind == "S:":
            break
        in_set = in_set or step.kind == "S~"
    return anything and got.startswith(b"* ")


def _expunged(this: Run, waiting: list[Step], place: int, expected: set[int], got: bytes) -> bool:
    """An EXPUNGE tells a number that counts without those already told; `expected` are numbers before all of them."""
    found = EXPUNGE.fullmatch(got)
    if not found:
        return waiting[0].chunks == (ANYTHING,) and got.startswith(b"* ")
    number = int(found[1])
    for gone in sorted(this.expunged):
        number += gone <= number
    if number not in expected or number in this.expunged:
        return False
    this.expunged.add(number)
    if this.expunged >= expected:
        del waiting[: place + 1]
    return True
