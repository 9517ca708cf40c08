"""A worker: one event loop that serves every protocol on the sockets that the supervisor gave it.

It is started as a fresh process (`python -m doocot.main.worker FD`) with one descriptor, its channel; everything else
comes through that: settings, listening sockets, the generation page, the wake-up sockets. When the channel closes, the
supervisor is gone, and the worker stops as if told to.
"""

import asyncio
import gc
import math
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from ipaddress import ip_network
from itertools import count
from pathlib import Path
from typing import Any, Final

import uvloop

from doocot.config.effective import effective
from doocot.config.settings import Settings
from doocot.events.events import Events, attach_counters
from doocot.events.log import Log, attach_log
from doocot.main.channel import Channel, Message, close_all, receive, take
from doocot.main.logs import log_settings
from doocot.main.plan import ALPN, Listening, Plan
from doocot.main.scheduling import BACKGROUND_NICE, JOB_NICE, loop_goes_first, thread_pool
from doocot.main.services import ProtocolRow, WorkerContext, protocol_table
from doocot.net.connection import Connection
from doocot.net.limits import Gate, Limits
from doocot.net.listener import Acceptor, Network, Proxies
from doocot.net.rawlog import open_raw_log
from doocot.net.service import Net, Service
from doocot.net.shell import Run, shell
from doocot.net.spin import Spin
from doocot.net.tls import Contexts, describe_peer
from doocot.net.wakeup import GenerationPage, Wakeups
from doocot.store.index.database import spare_memory
from doocot.wire.flow import Session

SHUTTING_DOWN: Final = "Server shutting down."
DRAIN: Final = 10.0  # seconds for replies under way when the server stops
JOB_THREADS: Final = 8
BACKGROUND_THREADS: Final = 4
_COLLECT: Final = 10.0  # seconds between garbage collections
_FRAMES: Final = 6
_RESERVED: Final = 512  # descriptors for files and indexes, which connections must not take


@dataclass(frozen=True, slots=True)
class Boot:
    """What a worker is told at start and at reload; the descriptors of `listening` come with it, in this order."""

    number: int
    processes: int
    plan: Plan
    listening: tuple[Listening, ...]
    protocols: str
    spin: bool = True


class Worker:
    """The worker at work."""

    def __init__(self, loop: asyncio.AbstractEventLoop, boot: Boot, page: GenerationPage, wakeups: Wakeups) -> None:
        self._loop = loop
        self._rows: Mapping[str, ProtocolRow] = protocol_table(boot.protocols)
        self._events = Events()
        self._log: Log | None = None
        self._counters = attach_counters(self._events)
        self._pool = thread_pool(JOB_THREADS, "job", JOB_NICE)
        # Deliveries need every processor; only a client that is alone gains by polling for him.
        spin = Spin(loop.call_soon, clients=1 if boot.number in boot.plan.serving("lmtp") else math.inf)
        net = Net(loop, self._pool, self._run(), spin if boot.spin else None, waiting=wakeups.waiting)
        self.context = WorkerContext(boot.number, boot.plan.config, self._events, net, page, wakeups)
        self._contexts: dict[str, Contexts] = {}
        self._acceptors: dict[Listening, tuple[Acceptor, socket.socket]] = {}
        self._gate = Gate(max(1, _raise_descriptor_limit() - _RESERVED))
        self._keys = count(1)
        self._logins: dict[Connection, int] = {}
        self._channel: Channel | None = None
        self.stopping = asyncio.Event()

    def attach(self, channel: Channel) -> None:
        """Answer the supervisor from now on."""
        self._channel = channel

    # Settings.

    def configure(self, boot: Boot, descriptors: Sequence[int]) -> None:
        """Take new settings: certificates and services for new connections, listeners that came or went."""
        plan = boot.plan
        self.context.config = plan.config
        self._set_log(effective(plan.config))
        for protocol, tls in plan.tls:
            if protocol in self._contexts:
                self._contexts[protocol].replace(tls.default, dict(tls.by_name))
            else:
                self._contexts[protocol] = Contexts(tls.default, dict(tls.by_name))
        for gone in self._contexts.keys() - {protocol for protocol, _ in plan.tls}:
            del self._contexts[gone]
        self.context.tls_protocols = frozenset(self._contexts)
        for listening in self._acceptors.keys() - set(boot.listening):
            self._close(listening)
        for listening, descriptor in zip(boot.listening, descriptors, strict=True):
            service = self._service(listening)
            if listening in self._acceptors:
                os.close(descriptor)
                acceptor = self._acceptors[listening][0]
                acceptor.service = service
                acceptor.proxies, acceptor.trusted = self._networks_of(listening)
            else:
                several = len(plan.serving(listening.protocol)) > 1
                self._listen(listening, service, socket.socket(fileno=descriptor), several)

    def _set_log(self, settings: Settings) -> None:
        if self._log is not None:
            self._events.ignore(self._log.listen)
            self._log.close()
        self._log = attach_log(self._events, log_settings(settings), "worker")

    def _listen(self, listening: Listening, service: Service, sock: socket.socket, several: bool) -> None:
        report = partial(self._refused, listening.protocol)
        proxies, trusted = self._networks_of(listening)
        shared = several and not sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
        acceptor = Acceptor(self.context.net, service, sock, self._gate, report, proxies, trusted, shared=shared)
        acceptor.start()
        self._acceptors[listening] = (acceptor, sock)

    def _networks_of(self, listening: Listening) -> tuple[Proxies | None, tuple[Network, ...]]:
        """Who may send a PROXY header, and who counts as protected without TLS."""
        settings = effective(self.context.config, listening.protocol)
        proxies = None
        if listening.haproxy:
            proxies = Proxies(_networks(settings.haproxy_trusted_networks), float(settings.haproxy_timeout))
        return proxies, _networks(settings.login_trusted_networks)

    def _close(self, listening: Listening) -> None:
        acceptor, sock = self._acceptors.pop(listening)
        acceptor.stop()
        sock.close()

    def _service(self, listening: Listening) -> Service:
        contexts = self._contexts.get(listening.protocol)
        return Service(
            listening.protocol,
            self._rows[listening.protocol](self.context, listening),
            Limits(),
            contexts.current if contexts is not None else None,
            listening.tls,
            secured=describe_peer,
            alpn=ALPN.get(listening.protocol, ""),
            admit=self._admit,
            logged_in=self._logged_in,
            logged_out=self._closed,
            closed=self._closed,
        )

    # What connections report.

    def _run(self) -> Run:
        return shell(self._crashed)

    def _crashed(self, identifier: str, session: Session, error: BaseException) -> None:
        frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
        where = " < ".join(f"{frame.name} {Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
        text = f"{type(error).__name__}: {error}"
        self._events.event("crash", user=session.user, identifier=identifier, error=text, frames=where)

    def _refused(self, protocol: str, text: str) -> None:
        self._events.event("connection_refused", service=protocol, text=text)

    def _admit(self, connection: Connection, user: str) -> Awaitable[str] | None:
        """Tell the supervisor of a login, and ask it where the number of his connections has a limit."""
        self._closed(connection)  # an attempt before this one may have ended half-way
        key = self._logins[connection] = next(self._keys)
        settings = self._settings_of(connection)
        limit = settings.mail_max_userip_connections
        login = {"op": "login", "key": key, "user": user, "service": connection.service.name}
        login |= {"ip": connection.peer.remote_ip, "limit": limit}
        if self._channel is None:
            return None
        if limit:
            return self._loop.create_task(self._admitted(connection, self._channel.question(login)))
        self._channel.send(login)
        return None

    async def _admitted(self, connection: Connection, answer: Awaitable[Message]) -> str:
        refusal = str((await answer).get("refusal", ""))
        if refusal:
            self._logins.pop(connection, None)
        return refusal

    def _settings_of(self, connection: Connection) -> Settings:
        peer = connection.peer
        return effective(self.context.config, connection.service.name, peer.local_ip, peer.local_name, peer.remote_ip)

    def _logged_in(self, connection: Connection) -> None:
        folder = self._raw_log_folder(self._settings_of(connection), connection.user)
        raw_log = open_raw_log(folder, str(self._logins.get(connection, 0))) if folder else None
        if raw_log is not None:
            connection.log_raw(raw_log)

    def _raw_log_folder(self, settings: Settings, user: str) -> Path | None:
        """`rawlog_dir` of this user; None where it has none, or his home is not known."""
        if not settings.rawlog_dir or "/" in user or user.startswith("."):
            return None
        home = self.context.home_of(user) if self.context.home_of is not None else ""
        path = settings.rawlog_dir
        if path.startswith("~/"):
            path = "%h" + path[1:]
        if "%h" in path and not home:
            return None
        name, _, domain = user.partition("@")
        for variable, value in (("%u", user), ("%n", name), ("%d", domain), ("%h", home)):
            path = path.replace(variable, value)
        return Path(path)

    def _closed(self, connection: Connection) -> None:
        key = self._logins.pop(connection, 0)
        if key and self._channel is not None:
            self._channel.send({"op": "logout", "key": key})

    # What the supervisor says.

    def handle(self, message: Message, descriptors: list[int]) -> None:
        """One message of the supervisor."""
        match message.get("op"):
            case "stop":
                self.stopping.set()
            case "reload":
                boot: Boot = take(descriptors[0])
                self.configure(boot, descriptors[1:])
                self._answer(message)
                return
            case "auth":
                self.context.remote.renew(socket.socket(fileno=descriptors.pop()))
            case "end":
                keys = set(message["keys"])
                for connection, key in tuple(self._logins.items()):
                    if key in keys:
                        connection.end(message["reason"])
                self._answer(message)
            case "stats":
                self._answer(message, counts=self._counters.values(), **self._measures())
            case "reopen" if self._log is not None:
                self._log.reopen()
        close_all(descriptors)

    def _answer(self, question: Message, **values: Any) -> None:
        if self._channel is not None:
            self._channel.answer(question, **values)

    def _measures(self) -> dict[str, float]:
        net = self.context.net
        return {"connections": len(net.connections), "longest_hold": round(net.holds.take(), 6)}

    # The end.

    async def drain(self) -> None:
        """Accept no more, let commands finish, say goodbye, and wait for the clients to take it."""
        for listening in tuple(self._acceptors):
            self._close(listening)
        connections = self.context.net.connections
        until = self._loop.time() + DRAIN
        for connection in tuple(connections):
            connection.end(SHUTTING_DOWN)
        while connections and self._loop.time() < until:
            await asyncio.sleep(0.02)
        for connection in tuple(connections):
            connection.abort()
        await asyncio.sleep(0)
        for call in self.context.at_stop:
            await self._loop.run_in_executor(self._pool, call)
        self._pool.shutdown(wait=True, cancel_futures=True)


def _raise_descriptor_limit() -> int:
    """As many descriptors as this process may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


@lru_cache(maxsize=64)
def _networks(texts: Iterable[str]) -> tuple[Network, ...]:
    return tuple(ip_network(text, strict=False) for text in texts)


async def collect_garbage(period: float = _COLLECT) -> None:
    """Collect between commands. What is there after start is frozen; a full collection waits for every tenth time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(2000, 10, 1_000_000)  # a collection of the middle generation takes a millisecond
    for turn in count(1):
        await asyncio.sleep(period)
        gc.collect(2 if turn % 10 == 0 else 1)


async def _serve(sock: socket.socket, boot: Boot, descriptors: list[int]) -> None:
    loop = asyncio.get_running_loop()
    page = GenerationPage(descriptors[0], boot.processes, boot.number)
    senders = [socket.socket(fileno=descriptor) for descriptor in descriptors[2 : 2 + boot.processes]]
    wakeups = Wakeups(socket.socket(fileno=descriptors[1]), senders, page)
    loop.set_default_executor(thread_pool(BACKGROUND_THREADS, "background", BACKGROUND_NICE))
    worker = Worker(loop, boot, page, wakeups)
    worker.configure(boot, descriptors[2 + boot.processes :])
    wakeups.listen(loop)
    channel = Channel(loop, sock, worker.handle, worker.stopping.set)
    worker.attach(channel)
    # The supervisor decides when to stop; a signal for the whole group (Ctrl-C) is not meant for a worker.
    for number in (signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, int)
    loop.add_signal_handler(signal.SIGTERM, worker.stopping.set)
    chores = [loop.create_task(collect_garbage()), loop.create_task(worker.context.net.holds.watch())]
    channel.send({"op": "ready"})
    await worker.stopping.wait()
    for chore in chores:
        chore.cancel()
    await worker.drain()
    channel.close()


def main(descriptor: int) -> None:
    """Serve until told to stop."""
    loop_goes_first()
    spare_memory()
    sock = socket.socket(fileno=descriptor)
    received = receive(sock)
    if received is None:
        return
    _, descriptors = received
    boot: Boot = take(descriptors[0])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(sock, boot, descriptors[1:]))


if __name__ == "__main__":
    main(int(sys.argv[1]))
