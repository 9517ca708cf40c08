"""What a session and `net` hand each other: the whole contract between protocol and socket.

A session is plain and synchronous. `net` calls `receive(data)` with what the socket gave and writes the bytes that come
back. When the session needs something that a plain function cannot do (wait for a slow client, run a long store call,
send a file, start TLS, close) it leaves one of the values below in `session.pending` and stops; `net` does it and calls
`resume(result)` or `fail(error)`, which again return bytes to write. Nothing else passes between them.

A command that takes several steps is a generator that yields these values (bytes stand for "write this, go on when the
client has room"); the session drives it and leaves in `pending` what it yields.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias


@dataclass(frozen=True, slots=True)
class Job:
    """Work that may take long. `call` runs on a thread; its value goes to `resume`, its exception to `fail`.

    With `awaited` the call returns an awaitable that is awaited on the loop (a question to another process).
    """

    call: Callable[[], Any]
    awaited: bool = False


@dataclass(frozen=True, slots=True)
class Slice:
    """`length` bytes of the open file `fd` from `offset`, sent as they are. The session closes `fd` after `resume`."""

    fd: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class More:
    """Nothing to do but let others run: `resume` when the client has taken what was written."""


@dataclass(frozen=True, slots=True)
class Idle:
    """Wait for a wake-up (a change in one of the `roots`), then `resume(None)`; input ends it and goes to `receive`.

    A session that still has a whole line in its buffer does not leave this: it goes on with that line.
    """

    roots: tuple[int, ...] = ()  # slots of the generation page
    seconds: float = 0.0  # a wake-up comes after this time at the latest; 0: only when something changes


@dataclass(frozen=True, slots=True)
class StartTls:
    """Write what is pending, then begin TLS as the server; `resume` after the handshake.

    Whatever came in plaintext behind the command that asked for TLS is dropped by `net` and by `Session.secured`: else
    somebody in between could put commands into the protected session (RFC 3501 §6.2.1, CVE-2011-0411 and its like).
    """


@dataclass(frozen=True, slots=True)
class Compress:
    """Write what is pending, then deflate both directions (RFC 4978); nothing is told of it.

    `data` is what the session was given behind the command: deflated already, so it is no command as it stands.
    """

    data: bytes
    level: int


@dataclass(frozen=True, slots=True)
class Admit:
    """Ask whether `user`, who has proved who he is, may log in now.

    `resume` gets a Job at once, to be yielded when the rest is done: it gives "", or the sentence why not; or None,
    when there is nothing to wait for. He counts as logged in from now on, unless the answer is a no.
    """

    user: str


@dataclass(frozen=True, slots=True)
class Close:
    """Write what is pending and close the connection."""


MORE = More()
CLOSE = Close()
START_TLS = StartTls()

Pending: TypeAlias = Job | Slice | More | Idle | StartTls | Compress | Admit | Close
Step: TypeAlias = bytes | Pending
Steps: TypeAlias = Generator[Step, Any, Any]


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a connection and how it is protected."""

    remote_ip: str = "127.0.0.1"
    remote_port: int = 0
    local_ip: str = "127.0.0.1"
    local_port: int = 0
    tls: bool = False
    local_name: str = ""  # SNI
    trusted: bool = False  # in login_trusted_networks
    certificate_name: str = ""

    @property
    def secured(self) -> bool:
        """TLS, or a connection that stays in this machine, as Dovecot's disable_plaintext_auth sees it."""
        return self.tls or self.trusted or self.remote_ip == self.local_ip


class Spool(Protocol):
    """Large data on its way in; the bytes before `finish` need not be on disk, after it they are as the store says."""

    size: int

    def write(self, data: bytes) -> None: ...

    def abort(self) -> None: ...


class Session(Protocol):
    """One client without its socket.

    `net` takes what stands in `pending` (and sets it to None) after every call; while it works on it nothing else is
    called, with three exceptions: input during Idle goes to `receive`, `closing` may come during Idle, and `lost` may
    come at any time but during a Job, which is waited for (its result is dropped). `receive` answers a bounded number
    of pipelined commands and leaves MORE when input is left over.
    """

    pending: Pending | None
    user: str  # login name, "" before login: it decides which time-out and which limits apply

    def connected(self, peer: Peer) -> bytes:
        """The greeting."""
        ...

    def receive(self, data: bytes) -> bytes: ...

    def resume(self, result: Any) -> bytes: ...

    def fail(self, error: BaseException) -> bytes: ...

    def secured(self, peer: Peer) -> None:
        """TLS is up; called before the `resume` that answers StartTls. Drops all input that was received before it."""
        ...

    def closing(self, reason: str) -> bytes:
        """The server ends the connection (shutdown, idle time-out): a last line, RFC 3501 §7.1.5."""
        ...

    def crashed(self, identifier: str) -> bytes:
        """An unknown exception came out of the last call: give up that command, say "internal error, `identifier`"."""
        ...

    def lost(self) -> None:
        """The connection is gone; release everything. Called exactly once, after `connected`."""
        ...
