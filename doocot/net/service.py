"""What connections are given: what all of a process share, and what those of one kind (IMAP, LMTP) have in common."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from doocot.net.holds import Holds
from doocot.net.limits import Limits
from doocot.net.shell import Run
from doocot.net.spin import Spin
from doocot.net.wakeup import Waiting
from doocot.wire.flow import Peer, Session

if TYPE_CHECKING:
    from doocot.net.connection import Connection


@dataclass(slots=True)
class Net:
    """What all connections of one process share."""

    loop: asyncio.AbstractEventLoop
    pool: Executor
    run: Run
    spin: Spin | None = None
    holds: Holds = field(default_factory=Holds)
    waiting: Waiting = field(default_factory=Waiting)
    connections: "set[Connection]" = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Service:
    """One kind of connection: how its sessions are made, its limits and its TLS context (asked for each handshake).

    `opened`, `logged_in`, `logged_out` (when a login ends before its connection) and `closed` are told of every
    connection; `secured` completes the Peer after a handshake. `admit` is asked before a login is answered and
    gives "" or why not; None where nobody is refused.
    """

    name: str
    session: Callable[[], Session]
    limits: Limits = field(default_factory=Limits)
    tls: Callable[[], ssl.SSLContext] | None = None
    implicit_tls: bool = False
    alpn: str = ""  # with implicit TLS: who offers protocols must offer this one
    secured: Callable[[Peer, asyncio.BaseTransport], Peer] | None = None
    admit: "Callable[[Connection, str], Awaitable[str] | None] | None" = None
    opened: "Callable[[Connection], None] | None" = None
    logged_in: "Callable[[Connection], None] | None" = None
    logged_out: "Callable[[Connection], None] | None" = None
    closed: "Callable[[Connection], None] | None" = None
