"""Listening sockets: binding them (before privileges go), taking them over from systemd, and accepting on them.

A worker accepts by itself instead of leaving it to the loop, because three things come before a session and before TLS:
the limits, the PROXY header, and the answer when there is no room.
"""

import asyncio
import errno
import ipaddress
import os
import socket
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

from doocot.net.connection import Connection
from doocot.net.limits import Gate
from doocot.net.service import Net, Service
from doocot.wire.client_hello import (
    HEADER,
    MAX_RECORD,
    NO_APPLICATION_PROTOCOL,
    offered_protocols,
    record_length,
)
from doocot.wire.flow import Peer
from doocot.wire.proxy_header import MAX_V2, ProxyHeader, ProxyHeaderError, header_length, parse_header

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Report: TypeAlias = Callable[[str], None]

BACKLOG: Final = 1024
_NO_DESCRIPTORS: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_PAUSE: Final = 0.5  # seconds without accepting when there are no descriptors left
_HEAD_START: Final = 0.001  # seconds that workers without a connection are ahead where several share a socket
_FIRST_SYSTEMD_FD: Final = 3
SHOWN_NAMES: Final = 8  # of the protocols that a refused client offers


class ListenError(Exception):
    """An address that cannot be listened on; says which one, why, and what to do."""


class AlpnError(Exception):
    """A TLS client that wants to speak another protocol."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a service listens: an IP address and port, or a path."""

    host: str = ""
    port: int = 0
    path: str = ""
    mode: int = 0o600
    uid: int = -1
    gid: int = -1

    def __str__(self) -> str:
        if self.path:
            return self.path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Proxies:
    """`haproxy = yes`: every connection begins with a PROXY header, which only these networks may send."""

    trusted: tuple[Network, ...] = ()
    timeout: float = 3.0


# Binding.


def bind(address: Address, copies: int = 1) -> list[socket.socket]:
    """Listen: `copies` sockets of one TCP address (SO_REUSEPORT, the kernel spreads connections), one of a path."""
    if address.path:
        return [_bind_path(address)]
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    # With SO_REUSEPORT a second server of the same user would join in silence; so one look without it comes first.
    first = _bind_tcp(family, address, reuse_port=False)
    address = Address(address.host, first.getsockname()[1])
    first.close()
    sockets: list[socket.socket] = []
    try:
        for _ in range(copies):
            sockets.append(_bind_tcp(family, address, reuse_port=copies > 1))
            sockets[-1].listen(BACKLOG)
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _bind_tcp(family: int, address: Address, reuse_port: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # Accepted sockets inherit both.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.bind((address.host, address.port))
        if not reuse_port:
            sock.listen(1)  # two sockets may be bound to one port, but not listen there
    except OSError as error:
        sock.close()
        raise ListenError(_explain(address, error)) from error
    return sock


def _bind_path(address: Address) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        _remove_stale(address.path)
        # Nobody may connect before the mode is right.
        before = os.umask(0o777)
        try:
            sock.bind(address.path)
        finally:
            os.umask(before)
        if (address.uid, address.gid) != (-1, -1):
            os.chown(address.path, address.uid, address.gid)
        os.chmod(address.path, address.mode)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise ListenError(_explain(address, error)) from error
    return sock


def _remove_stale(path: str) -> None:
    """Remove a socket that nobody listens on; one that is alive, or no socket at all, is left and reported."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise OSError(errno.EEXIST, "there is a file of that name that is no socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        else:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _explain(address: Address, error: OSError) -> str:
    advice = ""
    if error.errno == errno.EADDRINUSE:
        advice = "another program listens there (ss -ltnp shows which); stop it, or choose another port"
        if address.path:
            advice = "another program listens there; stop it, or choose another path"
    elif error.errno in (errno.EACCES, errno.EPERM):
        if address.path:
            advice = "the folder does not let this user make files"
        else:
            advice = "ports below 1024 need root, CAP_NET_BIND_SERVICE or systemd sockets; or use a higher port"
    elif error.errno == errno.EADDRNOTAVAIL:
        advice = "this machine has no such address; correct `listen`"
    elif error.errno == errno.EAFNOSUPPORT:
        advice = "this machine has no IPv6; take :: out of `listen`"
    elif error.errno == errno.ENOENT:
        advice = "its folder does not exist"
    text = f"cannot listen on {address}: {error.strerror or error}"
    return f"{text} ({advice})" if advice else text


# Socket activation (sd_listen_fds(3)).


def inherited(environ: Mapping[str, str], pid: int) -> list[socket.socket]:
    """The sockets that systemd has opened for this process, none when they are meant for another one."""
    if environ.get("LISTEN_PID") != str(pid):
        return []
    sockets = []
    for descriptor in range(_FIRST_SYSTEMD_FD, _FIRST_SYSTEMD_FD + int(environ.get("LISTEN_FDS", "0"))):
        os.set_inheritable(descriptor, False)
        sock = socket.socket(fileno=descriptor)
        sock.setblocking(False)
        sockets.append(sock)
    return sockets


def is_bound_to(sock: socket.socket, address: Address) -> bool:
    """Whether this socket is the one for that address; one on all addresses serves each of them."""
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return bool(address.path) and os.fsdecode(name) == address.path
    if address.path or name[1] != address.port:
        return False
    wildcards = ("0.0.0.0", "::")
    return name[0] == address.host or name[0] == "::" or (name[0] in wildcards and address.host in wildcards)


# Accepting.


class Acceptor:
    """Takes connections from one listening socket; `service`, `proxies` and `trusted` may be replaced at any time.

    A `shared` socket is listened on by other processes, too.
    """

    __slots__ = ("_gate", "_net", "_report", "_resting", "_shared", "_sock", "_tasks", "proxies", "service", "trusted")

    def __init__(
        self,
        net: Net,
        service: Service,
        sock: socket.socket,
        gate: Gate,
        report: Report,
        proxies: Proxies | None = None,
        trusted: Sequence[Network] = (),
        *,
        shared: bool = False,
    ) -> None:
        self._net = net
        self._shared = shared
        self.service = service
        self._sock = sock
        self._gate = gate
        self._report = report
        self.proxies = proxies
        self.trusted = trusted
        self._tasks: set[asyncio.Task[None]] = set()
        self._resting: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Accept from now on."""
        self._sock.setblocking(False)
        self._net.loop.add_reader(self._sock, self._ready)

    def stop(self) -> None:
        """Accept no more; the socket stays open, so that clients wait for the next worker instead of being refused."""
        self._net.loop.remove_reader(self._sock)
        if self._resting is not None:
            self._resting.cancel()

    def _ready(self) -> None:
        if self._shared and self._gate.total:
            self._rest(_HEAD_START, self._resume)
        else:
            self._accept()

    def _resume(self) -> None:
        self.start()
        self._accept()

    def _accept(self) -> None:
        try:
            client, address = self._sock.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            if error.errno not in _NO_DESCRIPTORS:
                raise
            self._report(
                f"{self.service.name}: cannot accept connections: {error.strerror} (raise LimitNOFILE or ulimit -n)"
            )
            self._rest(_PAUSE, self.start)
            return
        self._take(client, address)

    def _rest(self, seconds: float, then: Callable[[], None]) -> None:
        self._net.loop.remove_reader(self._sock)
        self._resting = self._net.loop.call_later(seconds, then)

    def _take(self, client: socket.socket, address: Any) -> None:
        remote = _plain_ip(address[0]) if client.family != socket.AF_UNIX else ""
        refusal = self._gate.enter(remote)
        if refusal:
            self._report(f"{self.service.name}: connection from {remote or 'a local program'} refused: {refusal}")
            client.close()
            return
        client.setblocking(False)
        task = self._net.loop.create_task(self._open(client, remote, address))
        self._tasks.add(task)
        task.add_done_callback(partial(self._opened, client, remote))

    def _opened(self, client: socket.socket, remote: str, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or error is not None:
            client.close()
            self._gate.leave(remote)
        if error is not None:
            self._report(f"{self.service.name}: connection from {remote or 'a local program'} failed: {error}")

    async def _open(self, client: socket.socket, remote: str, address: Any) -> None:
        peer = self._peer(client, remote, address)
        if self.proxies is not None:
            header = await asyncio.wait_for(self._proxy_header(client, remote), self.proxies.timeout)
            peer = self._proxied(peer, header)
        service = self.service
        tls = service.tls() if service.implicit_tls and service.tls is not None else None
        if tls is not None and service.alpn:
            await asyncio.wait_for(self._judge_protocols(client, service.alpn), service.limits.handshake)
        await self._net.loop.connect_accepted_socket(
            partial(Connection, self._net, service, peer, partial(self._gate.leave, remote)),
            client,
            ssl=tls,
            ssl_handshake_timeout=service.limits.handshake if tls is not None else None,
        )

    def _peer(self, client: socket.socket, remote: str, address: Any) -> Peer:
        if client.family == socket.AF_UNIX:
            return Peer("", 0, "", 0, trusted=True)
        local = client.getsockname()
        return Peer(remote, address[1], _plain_ip(local[0]), local[1], trusted=is_in(remote, self.trusted))

    def _proxied(self, peer: Peer, header: ProxyHeader) -> Peer:
        if not header.source:
            return peer
        return Peer(
            header.source,
            header.source_port,
            header.destination,
            header.destination_port,
            header.tls,
            header.name,
            is_in(header.source, self.trusted),
            header.certificate_name,
        )

    async def _judge_protocols(self, client: socket.socket, alpn: str) -> None:
        """Refuse a TLS client that offers protocols and not ours (RFC 7301 §3.2)."""
        offered = offered_protocols(await _client_hello(self._net.loop, client))
        if offered and alpn.encode() not in offered:
            client.send(NO_APPLICATION_PROTOCOL)
            names = ", ".join(name.decode("ascii", "backslashreplace") for name in offered[:SHOWN_NAMES])
            raise AlpnError(f"it offers {names} and not {alpn} (ALPN)")

    async def _proxy_header(self, client: socket.socket, remote: str) -> ProxyHeader:
        """Read the header and not one byte more: behind it comes what TLS or the session must see."""
        if self.proxies is not None and remote and not is_in(remote, self.proxies.trusted):
            raise ProxyHeaderError(f"{remote} is not in haproxy_trusted_networks")
        data = b""
        while (length := header_length(data)) is None or length > len(data):
            await _readable(self._net.loop, client)
            seen = client.recv(MAX_V2, socket.MSG_PEEK)
            if not seen:
                raise ProxyHeaderError("closed before the PROXY header was whole")
            whole = header_length(data + seen)
            data += client.recv(len(seen) if whole is None else min(len(seen), whole - len(data)))
        return parse_header(data)


async def _client_hello(loop: asyncio.AbstractEventLoop, client: socket.socket) -> bytes:
    """The first record of a TLS client, which stays where it is; less when it is none, or ends before it is whole."""
    seen, wanted = b"", HEADER
    while wanted > len(seen):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, wanted)  # else part of it would wake us all the time
        await _readable(loop, client)
        before, seen = seen, client.recv(MAX_RECORD, socket.MSG_PEEK)
        if len(seen) == len(before):
            break
        wanted = record_length(seen)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
    return seen[:wanted]


async def _readable(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(sock, _set, ready)
    try:
        await ready
    finally:
        loop.remove_reader(sock)


def _set(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)


def _plain_ip(address: str) -> str:
    """Without the zone, and IPv4 as such when it came through an IPv6 socket."""
    address = address.partition("%")[0]
    return address[7:] if address.startswith("::ffff:") and "." in address else address


def is_in(address: str, networks: Iterable[Network]) -> bool:
    """Whether the address lies in one of the networks."""
    if not networks or not address:
        return False
    ip = ipaddress.ip_address(address)
    return any(ip in network for network in networks)
