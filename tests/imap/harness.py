"""An IMAP session over a temporary root, without a socket: `send(b"a NOOP")` runs its Jobs and gives the answer."""

import asyncio
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from doocot.auth.settings import AuthSettings
from doocot.auth.types import AuthResult, LoginRequest, User
from doocot.config.effective import effective
from doocot.config.load import load_text
from doocot.errors import MailError
from doocot.imap.commands import COMMANDS
from doocot.imap.context import ImapContext
from doocot.imap.session import ImapSession
from doocot.mailbox.namespaces import DEFAULT, Space, spaces_of
from doocot.mailbox.roots import Roots
from doocot.mailbox.user import Mail
from doocot.store.files import Files, MailFsync
from doocot.store.root import Location, Root
from doocot.store.settle import settle_all
from doocot.wire.flow import Admit, Close, Compress, Idle, Job, More, Peer, Step


@dataclass
class House:
    """The mail of one user and the sessions that have it open."""

    mail: Path
    spaces: tuple[Space, ...] = DEFAULT
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    control: str = ""

    def __post_init__(self) -> None:
        self.roots = Roots(Files(MailFsync.NEVER))
        self.mail.mkdir(parents=True, exist_ok=True)
        self.context = ImapContext(
            AuthSettings(),
            self._authenticate,
            self._open,
            self._event,
            lambda: "session",
            lambda seconds: Job(lambda: None),
        )

    @staticmethod
    def _authenticate(request: LoginRequest) -> AuthResult:
        return AuthResult(User("me"))

    def _open(self, user: User) -> Generator[Step, Any, Mail]:
        location = Location(str(self.mail), control=self.control)
        opened = yield Job(lambda: self.roots.acquire(location))
        return Mail(self.roots, location, opened, spaces=self.spaces)

    def _event(self, name: str, /, **fields: Any) -> None:
        self.events.append((name, fields))

    def connect(self) -> "Client":
        client = Client(ImapSession(self.context, COMMANDS))
        client.session.connected(Peer())
        return client

    def login(self) -> "Client":
        client = self.connect()
        assert b" OK " in client.send(b"login LOGIN me pass")
        return client

    @property
    def root(self) -> Root:
        return self.roots.open_now()[0]

    def settle(self) -> None:
        settle_all(self.root)

    def close(self) -> None:
        self.roots.close()


@dataclass
class Client:
    """One session."""

    session: ImapSession
    closed: bool = False
    count: int = 0
    jobs: int = 0

    def send(self, line: bytes) -> bytes:
        """Everything that is answered to one line (or a pipeline) until the session waits for input again."""
        return self.run(self.session.receive(line + b"\r\n"))

    def run(self, answer: bytes) -> bytes:
        """The answer so far, and what comes until the session waits for input."""
        while (pending := self.session.pending) is not None:
            self.session.pending = None
            if isinstance(pending, Close):
                self.closed = True
                return answer
            if isinstance(pending, Idle):
                return answer
            answer += self._go_on(pending)
        return answer

    def _go_on(self, pending: object) -> bytes:
        if isinstance(pending, More):
            return self.session.resume(None)
        if isinstance(pending, Admit):
            return self.session.resume(None)
        if isinstance(pending, Compress):  # net would inflate it
            return self.session.receive(pending.data)
        assert isinstance(pending, Job), pending
        self.jobs += 1
        try:
            result = asyncio.run(_awaited(pending)) if pending.awaited else pending.call()
        except (MailError, OSError) as error:
            return self.session.fail(error)
        return self.session.resume(result)

    def command(self, line: bytes) -> list[bytes]:
        """The responses to a command, without their line ends; the tagged one last, its tag made `TAG`."""
        self.count += 1
        tag = b"t%d" % self.count
        responses = self.send(tag + b" " + line).split(b"\r\n")[:-1]
        if responses and responses[-1].startswith(tag + b" "):
            responses[-1] = b"TAG" + responses[-1][len(tag) :]
        return responses

    @property
    def mail(self) -> Mail:
        assert self.session.mail is not None
        return self.session.mail


async def _awaited(job: Job) -> Any:
    return await job.call()


def spaces_from(text: str) -> tuple[Space, ...]:
    """The namespaces of a piece of configuration."""
    return spaces_of(effective(load_text(text, "test.conf")).namespaces)
