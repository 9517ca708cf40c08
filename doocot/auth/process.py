"""The auth process: answers workers, and `doocot deliver`, over Unix sockets.

Who may ask what:
- a worker at the other end of a socketpair that the supervisor made, root, and this server's own uids: everything;
- any other uid (SO_PEERCRED): LOOKUP of users with that uid; others look to it like users who do not exist.
"""

import asyncio
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from doocot.auth.authenticator import Authenticator
from doocot.auth.messages import NAMES_PER_FRAME, BadMessage, Frames, Lookup, Verb, encode
from doocot.auth.settings import SettingsError
from doocot.auth.types import LoginRequest, User, UserUnavailable
from doocot.wire.flow import Job

MAX_IN_FLIGHT = 1024  # questions of one client that wait for an answer; then it is not read from
_CREDENTIALS = struct.Struct("3i")


@dataclass(frozen=True, slots=True)
class Rights:
    """Whose questions are answered: everything for a `trusted` caller, else only users with this `uid`."""

    trusted: bool
    uid: int = -1

    def may_see(self, user: User) -> bool:
        return self.trusted or (user.uid is not None and user.uid == self.uid)


def peer_uid(sock: socket.socket) -> int:
    """The effective uid of the process that connected (unix(7), SO_PEERCRED)."""
    data = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(data)[1])


def rights_of(uid: int, own_uids: frozenset[int]) -> Rights:
    return Rights(uid == 0 or uid in own_uids, uid)


class _Conversation(asyncio.Protocol):
    """One client of the auth process."""

    def __init__(self, authenticator: Authenticator, rights: Callable[[socket.socket], Rights]) -> None:
        self._authenticator = authenticator
        self._rights_of = rights
        self._rights = Rights(False)
        self._frames = Frames()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writable = True
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._rights = self._rights_of(transport.get_extra_info("socket"))

    def connection_lost(self, error: Exception | None) -> None:
        for task in self._tasks:
            task.cancel()

    def pause_writing(self) -> None:
        self._writable = False
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._writable = True
        self._read_on()

    def _read_on(self) -> None:
        if self._writable and len(self._tasks) < MAX_IN_FLIGHT and not self._transport.is_closing():
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        try:
            for number, verb, body in self._frames.feed(data):
                self._question(number, verb, body)
        except BadMessage:
            self._transport.abort()

    def _question(self, number: int, verb: Verb, body: Any) -> None:
        ask = _QUESTIONS.get(verb)
        if ask is None:
            raise BadMessage(f"{verb.value} is not a question")
        if verb is not Verb.LOOKUP and not self._rights.trusted:
            self._write(number, Verb.REFUSED, "only the server itself may ask this")
            return
        try:
            answer = ask(self._authenticator, body)
        except (UserUnavailable, SettingsError) as error:
            self._write(number, Verb.UNAVAILABLE, self._detail(error))
            return
        if isinstance(answer, Job):
            task = asyncio.get_running_loop().create_task(self._later(number, verb, answer.call()))
            self._tasks.add(task)
            task.add_done_callback(self._done)
            if len(self._tasks) >= MAX_IN_FLIGHT:
                self._transport.pause_reading()
        else:
            self._answer(number, verb, answer)

    def _detail(self, error: Exception) -> str:
        return str(error) if self._rights.trusted else "temporary failure"

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._read_on()
        if not task.cancelled():
            task.result()  # an exception here is a fault of ours: let the loop's handler report it

    async def _later(self, number: int, verb: Verb, answer: Awaitable[Any]) -> None:
        try:
            value = await answer
        except (UserUnavailable, SettingsError) as error:
            self._write(number, Verb.UNAVAILABLE, self._detail(error))
            return
        self._answer(number, verb, value)

    def _answer(self, number: int, verb: Verb, value: Any) -> None:
        if verb is Verb.AUTHENTICATE:
            self._write(number, Verb.RESULT, value)
        elif verb is Verb.ITERATE:
            for at in range(0, len(value), NAMES_PER_FRAME):
                self._write(number, Verb.NAMES, value[at : at + NAMES_PER_FRAME])
            self._write(number, Verb.END)
        elif value is not None and self._rights.may_see(value):
            self._write(number, Verb.USER, value)
        elif self._rights.trusted:
            self._write(number, Verb.NO_USER)
        else:
            self._write(number, Verb.REFUSED, "not your user")

    def _write(self, number: int, verb: Verb, body: Any = None) -> None:
        try:
            self._transport.write(encode(number, verb, body))
        except BadMessage as error:
            self._transport.write(encode(number, Verb.UNAVAILABLE, str(error)))


def _authenticate(authenticator: Authenticator, body: LoginRequest) -> Any:
    return authenticator.authenticate(body)


def _lookup(authenticator: Authenticator, body: Lookup) -> Any:
    return authenticator.lookup(body.username, body.service)


def _iterate(authenticator: Authenticator, body: None) -> Any:
    return authenticator.iterate()


_QUESTIONS: dict[Verb, Callable[[Authenticator, Any], Any]] = {
    Verb.AUTHENTICATE: _authenticate,
    Verb.LOOKUP: _lookup,
    Verb.ITERATE: _iterate,
}


async def serve_worker(authenticator: Authenticator, sock: socket.socket) -> asyncio.BaseTransport:
    """Answer the worker at the other end of a socketpair; it is trusted because the supervisor made the pair."""
    factory = partial(_Conversation, authenticator, lambda _: Rights(True))
    transport, _ = await asyncio.get_running_loop().create_unix_connection(factory, sock=sock)
    return transport


async def serve_path(
    authenticator: Authenticator, path: str, own_uids: frozenset[int], mode: int = 0o666
) -> asyncio.AbstractServer:
    """Listen on `path`. Everybody may connect: what he may ask is decided by SO_PEERCRED, not by file modes."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    listener.bind(path)
    os.chmod(path, mode)
    return await serve_listener(authenticator, listener, own_uids)


async def serve_listener(
    authenticator: Authenticator, listener: socket.socket, own_uids: frozenset[int]
) -> asyncio.AbstractServer:
    """Answer whoever connects to a bound socket: what he may ask is decided by SO_PEERCRED."""
    factory = partial(_Conversation, authenticator, lambda sock: rights_of(peer_uid(sock), own_uids))
    listener.setblocking(False)
    return await asyncio.get_running_loop().create_unix_server(factory, sock=listener)
