"""A session of a few commands that uses every step of the contract, and a server of one connection kind around it."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from struct import pack
from typing import Any

import uvloop

from doocot.net.connection import Connection
from doocot.net.limits import Gate, Limits
from doocot.net.listener import Acceptor, Address, Network, Proxies, bind
from doocot.net.service import Net, Service
from doocot.net.shell import Run, bare
from doocot.net.spin import Spin
from doocot.net.tls import Contexts, TlsSettings, describe_peer, self_signed
from doocot.wire.flow import CLOSE, MORE, START_TLS, Admit, Compress, Idle, Job, Peer, Pending, Slice

TIMEOUT = 60.0  # seconds that nothing takes, on a busy machine either


@dataclass
class Script:
    """What the sessions of one server share with the test."""

    jobs: dict[str, Callable[[], Any]] = field(default_factory=dict)
    file: Path | None = None
    lost: int = 0
    peers: list[Peer] = field(default_factory=list)
    chunk: bytes = b"x" * 65536
    chunks_made: int = 0
    plaintext_dropped: bytes = b""
    received: int = 0  # bytes


class FakeSession:
    """Lines: NOOP, LOGIN user, JOB name, AJOB name, SLICE n, STREAM n, IDLE, ALARM s, LISTEN, STARTTLS, COMPRESS,
    CRASH, UNAUTHENTICATE, LOGOUT.
    """

    def __init__(self, script: Script) -> None:
        self.pending: Pending | None = None
        self.user = ""
        self._script = script
        self._buffer = b""
        self._left = 0
        self._fd = -1
        self._login = ""
        self._idle = False
        self._listens = False
        self._alarm = 0.0

    def connected(self, peer: Peer) -> bytes:
        self._script.peers.append(peer)
        return b"* hello\r\n"

    def receive(self, data: bytes) -> bytes:
        self._script.received += len(data)
        self._buffer += data
        return self._lines()

    def _lines(self) -> bytes:
        out = []
        while (self.pending is None or isinstance(self.pending, Idle)) and b"\n" in self._buffer:
            self.pending = None
            line, _, self._buffer = self._buffer.partition(b"\n")
            out.append(self._line(line.strip().decode()))
        if self._listens and self.pending is None:
            self.pending = Idle((7,))
        return b"".join(out)

    def _line(self, line: str) -> bytes:
        word, _, rest = line.partition(" ")
        if self._idle:
            self._idle = False
            return b"idle ended by " + word.encode() + b"\r\n"
        match word:
            case "LOGIN":
                self._login, self.user = rest, ""
                self.pending = Admit(rest)
            case "JOB":
                self.pending = Job(self._script.jobs[rest])
            case "AJOB":
                self.pending = Job(self._script.jobs[rest], awaited=True)
            case "SLICE":
                assert self._script.file is not None
                self._fd = os.open(self._script.file, os.O_RDONLY)
                self.pending = Slice(self._fd, 0, int(rest))
            case "STREAM":
                self._left = int(rest)
                self.pending = MORE
            case "IDLE":
                self._idle = True
                self.pending = Idle((7,))
                return b"+ idling\r\n"
            case "ALARM":
                self._idle = True
                self._alarm = float(rest)
                self.pending = Idle((7,), self._alarm)
                return b"+ idling\r\n"
            case "LISTEN":
                self._listens = True
                return b"listening\r\n"
            case "STARTTLS":
                self.pending = START_TLS
                return b"begin\r\n"
            case "COMPRESS":
                behind, self._buffer = self._buffer, b""
                self.pending = Compress(behind, 6)
                return b"compressing\r\n"
            case "CRASH":
                raise ZeroDivisionError("as asked")
            case "UNAUTHENTICATE":
                self.user = ""
                self.pending = MORE
                return b"nobody\r\n"
            case "LOGOUT":
                self.pending = CLOSE
                return b"bye\r\n"
            case _:
                return f"ok {line}\r\n".encode()
        return b""

    def resume(self, result: Any) -> bytes:
        if self._listens:
            self._script.chunks_made += 1
            return self._script.chunk + self._lines()
        if self._idle:
            self.pending = Idle((7,), self._alarm)
            return b"* changed\r\n"
        if self._left:
            self._left -= 1
            self._script.chunks_made += 1
            if self._left:
                self.pending = MORE
                return self._script.chunk
            return self._script.chunk + b"streamed\r\n" + self._lines()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            return b"sliced\r\n" + self._lines()
        if isinstance(result, Job):
            self.pending = result
            return b""
        if self._login:
            name, self._login = self._login, ""
            if result:
                return f"refused: {result}\r\n".encode() + self._lines()
            self.user = name
            return b"logged in\r\n" + self._lines()
        return (result if isinstance(result, bytes) else b"resumed\r\n") + self._lines()

    def fail(self, error: BaseException) -> bytes:
        return f"failed {type(error).__name__}\r\n".encode() + self._lines()

    def secured(self, peer: Peer) -> None:
        self._script.peers.append(peer)
        self._script.plaintext_dropped = self._buffer
        self._buffer = b""

    def closing(self, reason: str) -> bytes:
        return f"* BYE {reason}\r\n".encode()

    def crashed(self, identifier: str) -> bytes:
        return f"internal error {identifier}\r\n".encode()

    def lost(self) -> None:
        self._script.lost += 1
        if self._fd >= 0:
            os.close(self._fd)


@dataclass
class Server:
    """A listening socket on the loop of the test."""

    net: Net
    port: int
    script: Script
    gate: Gate
    reports: list[str]
    closed: asyncio.Queue[Connection]


async def start(
    script: Script | None = None,
    *,
    limits: Limits | None = None,
    run: Run = bare,
    spin: bool = False,
    contexts: Contexts | None = None,
    implicit_tls: bool = False,
    alpn: str = "",
    gate: Gate | None = None,
    proxies: Proxies | None = None,
    trusted: tuple[Network, ...] = (),
    logged_in: Callable[[Connection], None] | None = None,
    logged_out: Callable[[Connection], None] | None = None,
    admit: Callable[[Connection, str], Awaitable[str] | None] | None = None,
) -> Server:
    """Serve FakeSessions on a free port of the loopback."""
    script = script or Script()
    loop = asyncio.get_running_loop()
    net = Net(loop, ThreadPoolExecutor(2), run, Spin(loop.call_soon) if spin else None)
    closed: asyncio.Queue[Connection] = asyncio.Queue()
    service = Service(
        "fake",
        lambda: FakeSession(script),
        limits or Limits(),
        contexts.current if contexts else None,
        implicit_tls,
        alpn,
        describe_peer,
        admit=admit,
        logged_in=logged_in,
        logged_out=logged_out,
        closed=closed.put_nowait,
    )
    reports: list[str] = []
    gate = gate or Gate()
    sock = bind(Address("127.0.0.1", 0))[0]
    acceptor = Acceptor(net, service, sock, gate, reports.append, proxies, trusted)
    acceptor.start()
    return Server(net, sock.getsockname()[1], script, gate, reports, closed)


def drive(test: Callable[[], Awaitable[None]]) -> None:
    """Run a test on uvloop, with a bound on its time."""

    async def bounded() -> None:
        await asyncio.wait_for(test(), TIMEOUT)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(bounded())


class Client:
    """A client with lines, on the loop of the test."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, server: Server, **arguments: Any) -> "Client":
        client = cls(*await asyncio.open_connection("127.0.0.1", server.port, **arguments))
        assert await client.line() == "* hello"
        return client

    def send(self, *lines: str) -> None:
        self.writer.write("".join(line + "\r\n" for line in lines).encode())

    async def line(self) -> str:
        return (await self.reader.readuntil(b"\n")).decode().rstrip("\r\n")

    async def ask(self, line: str) -> str:
        self.send(line)
        return await self.line()

    def reset(self) -> None:
        """Go without a word: the other side gets a reset, not an end that might be half of one."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack("ii", 1, 0))
        self.writer.transport.abort()

    async def rest(self) -> bytes:
        return await self.reader.read()


def contexts(*names: str) -> Contexts:
    """A certificate of its own for the first name and for each further one."""
    settings = {name: TlsSettings(*self_signed([name])) for name in names}
    return Contexts(settings[names[0]], settings)


def received(sock: socket.socket) -> bytes:
    """What a blocking socket has got; its end is a failure."""
    data = sock.recv(65536)
    assert data, "the server hung up"
    return data


@contextmanager
def raw_client(port: int) -> Generator[socket.socket, None, None]:
    """A blocking socket, for what streams cannot do."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.settimeout(TIMEOUT)
        yield sock
