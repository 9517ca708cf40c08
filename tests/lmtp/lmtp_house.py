"""A small house around an LMTP session: users, Maildirs of plain files, spools, and transcripts without a socket."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from doocot.auth.types import User, UserUnavailable
from doocot.delivery.concurrency import Concurrency
from doocot.delivery.deliver import Delivering, Delivery, Saved, SaveResult
from doocot.delivery.deliver import Settings as DeliverySettings
from doocot.errors import Kind, MailError
from doocot.events.events import Events
from doocot.lmtp.conversation import Services, Settings
from doocot.lmtp.session import Session
from doocot.wire.flow import Close, Job, More, Peer, StartTls

HOSTNAME = "mail.example.test"
GREETING = "Ready."
USERS = ("tim", "ann", "tim@example.test")
PEER = Peer(trusted=True)


@dataclass(slots=True)
class MemorySpool:
    """A spool that remembers what became of it."""

    data: bytearray = field(default_factory=bytearray)
    size: int = 0
    aborted: int = 0

    def write(self, data: bytes) -> None:
        self.data += data
        self.size += len(data)

    def abort(self) -> None:
        self.aborted += 1


@dataclass(slots=True)
class House:
    """The services of one server; `saved` and `events` are what the tests look at."""

    mail: Path | None = None
    as_jobs: bool = False
    limit: int = 0
    full: frozenset[str] = frozenset()
    delivery: DeliverySettings = field(default_factory=DeliverySettings)
    folders: set[str] = field(default_factory=lambda: {"INBOX"})
    saved: list[Delivery] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    spools: list[MemorySpool] = field(default_factory=list)
    ids: int = 0

    def services(self) -> Services:
        delivering = Delivering(self.save_batch, self.event, lambda user: self.delivery)
        return Services(self.lookup, delivering, self.spool, lambda: 1795225234.5, self.new_id, Concurrency(self.limit))

    def session(self, settings: Settings | None = None, peer: Peer = PEER) -> "Client":
        if settings is None:
            settings = Settings(hostname=HOSTNAME, login_greeting=GREETING, tls=True)
        return Client(Session(settings, self.services()), peer)

    def event(self, name: str, /, **fields: Any) -> None:
        Events(strict=True).event(name, **fields)  # is it declared, with these fields?
        self.events.append((name, fields))

    def log(self) -> list[str]:
        return [fields["message"] for name, fields in self.events if name == "mail_delivery_finished"]

    def new_id(self) -> str:
        self.ids += 1
        return f"id{self.ids}"

    def spool(self) -> MemorySpool:
        self.spools.append(MemorySpool())
        return self.spools[-1]

    def lookup(self, username: str) -> User | Job | None:
        def find() -> User | None:
            if username == "broken":
                raise UserUnavailable("userdb is down")
            if username in USERS or username.startswith("many"):
                return User(username, username)
            return None

        return Job(find) if self.as_jobs else find()

    def save_batch(self, deliveries: list[Delivery]) -> list[SaveResult] | Job:
        self.batches.append(len(deliveries))
        return Job(lambda: self._save(deliveries)) if self.as_jobs else self._save(deliveries)

    def _save(self, deliveries: list[Delivery]) -> list[SaveResult]:
        return [self._one(delivery) for delivery in deliveries]

    def _one(self, delivery: Delivery) -> SaveResult:
        if delivery.user.name in self.full:
            return MailError(Kind.OVER_QUOTA, "Quota exceeded (mailbox for user is full)")
        if delivery.mailbox not in self.folders:
            if not delivery.autocreate:
                return MailError(Kind.NON_EXISTENT, f"Mailbox doesn't exist: {delivery.mailbox}")
            self.folders.add(delivery.mailbox)
        self.saved.append(delivery)
        if self.mail is not None:
            new = self.mail / delivery.user.name / "new"
            new.mkdir(parents=True, exist_ok=True)
            (new / f"{len(self.saved):06}").write_bytes(content(delivery))
        return Saved(1, len(self.saved))


def content(delivery: Delivery) -> bytes:
    """The whole message as it was saved."""
    spool = delivery.body.spool
    if spool is None:
        return delivery.head + delivery.body.start
    assert isinstance(spool, MemorySpool)
    return delivery.head + bytes(spool.data)


class Client:
    """Does what `net` does, at once and without a socket."""

    def __init__(self, session: Session, peer: Peer = PEER) -> None:
        self.session = session
        self.peer = peer
        self.closed = False
        self.writes = [session.connected(peer)]
        self._settle()

    def send(self, data: bytes) -> bytes:
        """One packet from the client; the answer to it."""
        before = len(self.writes)
        if not self.closed:
            self._write(self.session.receive(data))
            self._settle()
        return b"".join(self.writes[before:])

    def lose(self) -> None:
        self.session.lost()
        self.closed = True

    @property
    def output(self) -> bytes:
        return b"".join(self.writes)

    def _write(self, data: bytes) -> None:
        if data:
            self.writes.append(data)

    def _settle(self) -> None:
        session = self.session
        while session.pending is not None:
            step, session.pending = session.pending, None
            match step:
                case Close():
                    self.lose()
                    return
                case Job():
                    self._work(step)
                case StartTls():
                    session.secured(Peer(tls=True, trusted=self.peer.trusted))
                    self._write(session.resume(None))
                case More():
                    self._write(session.resume(None))
                case _:
                    raise AssertionError(f"{step} is not for LMTP")

    def _work(self, job: Job) -> None:
        try:
            result = job.call()
        except (MailError, UserUnavailable) as error:
            self._write(self.session.fail(error))
        else:
            self._write(self.session.resume(result))


@dataclass(frozen=True, slots=True)
class Transcript:
    """What a client types and what the server answers.

    `C:` is a line of the client, `c:` bytes without line end and with escapes, `S:` a line of both servers, `D:` of
    ours only, `V:` of Dovecot only. `$word` stands for what it is first seen as, `S: 250-...` for any lines.
    """

    lines: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, path: Path) -> "Transcript":
        lines = []
        for line in path.read_text().splitlines():
            if line and not line.startswith("#"):
                kind, _, text = line.partition(": ")
                lines.append((kind, text))
        return cls(tuple(lines))

    def client(self) -> bytes:
        return b"".join(
            text.encode() + b"\r\n"
            if kind == "C"
            else text.encode("latin-1").decode("unicode_escape").encode("latin-1")
            for kind, text in self.lines
            if kind in "Cc"
        )

    def check(self, output: bytes, server: str) -> None:
        """Compare the output of a server, `D` or `V`, with what is written."""
        known: dict[str, str] = {}
        got = iter(output.decode().splitlines())
        for kind, text in self.lines:
            if kind in ("S", server):
                _compare(text, got, known)
        rest = list(got)
        assert rest == [], f"more than expected: {rest}"


def _compare(expected: str, got: Iterator[str], known: dict[str, str]) -> None:
    line = next(got, "nothing")
    if expected.endswith("-..."):
        while line.startswith(expected[:4]):
            line = next(got, "nothing")
        assert line.startswith(expected[:3] + " "), f"expected the end of {expected}, got {line}"
        return
    pattern = re.escape(expected).replace(r"\$", "$")
    for name in re.findall(r"\$([a-z]+)", pattern):
        value = re.escape(known[name]) if name in known else f"(?P<{name}>[^ ]+?)"
        pattern = pattern.replace(f"${name}", value, 1)
    match = re.fullmatch(pattern, line)
    assert match is not None, f"expected {expected!r}, got {line!r}"
    known.update(match.groupdict())
