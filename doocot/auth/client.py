"""The other end of the auth process: the interface of Authenticator, asked over a Unix socket.

When the auth process is gone or silent every question becomes a temporary failure, never a wrong password or an unknown
user: clients try again, and mail for local users waits in the queue of the MTA.
"""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from doocot.auth.messages import BadMessage, Frames, Lookup, Verb, encode
from doocot.auth.types import AuthResult, Failure, LoginRequest, User, UserUnavailable
from doocot.wire.flow import Job

TIMEOUT = 60.0  # a chain of slow servers may take long; a client waits no longer than this
RENEWAL = 2.0  # seconds to wait for another socketpair: an auth process that died is there again in a fraction of that


@dataclass(frozen=True, slots=True)
class _Question:
    """One that awaits its answer: what is made of it, for whom, and the clock that ends the wait."""

    answer: "asyncio.Future[Any]"
    finish: Callable[[Verb, Any], Any]
    late: asyncio.TimerHandle


class _Link(asyncio.Protocol):
    """A connection with the questions that await their answers."""

    def __init__(self) -> None:
        self.frames = Frames()
        self.loop = asyncio.get_running_loop()
        self.waiting: dict[int, _Question] = {}
        self.names: dict[int, list[str]] = {}
        self.number = 0
        self.closed = False
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        for number in tuple(self.waiting):
            self._answer(number, Verb.UNAVAILABLE, "the auth process closed the connection")
        self.names.clear()

    def data_received(self, data: bytes) -> None:
        try:
            for number, verb, body in self.frames.feed(data):
                self._reply(number, verb, body)
        except BadMessage:
            self.transport.abort()

    def _reply(self, number: int, verb: Verb, body: Any) -> None:
        if verb is Verb.NAMES:
            if number in self.waiting:
                self.names.setdefault(number, []).extend(body)
            return
        names = self.names.pop(number, [])
        self._answer(number, verb, names if verb is Verb.END else body)

    def _answer(self, number: int, verb: Verb, body: Any) -> None:
        question = self.waiting.pop(number, None)
        if question is None:
            return
        question.late.cancel()
        if question.answer.done():  # nobody waits for it any more
            return
        try:
            question.answer.set_result(question.finish(verb, body))
        except UserUnavailable as error:
            question.answer.set_exception(error)

    def ask(self, verb: Verb, body: Any, finish: Callable[[Verb, Any], Any], timeout: float) -> "asyncio.Future[Any]":
        """Send a question. What `finish` makes of the reply is the future's result, or UserUnavailable.

        (A future, as a coroutine would cost two more turns of the loop.)
        """
        self.number += 1
        self.transport.write(encode(self.number, verb, body))
        answer: asyncio.Future[Any] = self.loop.create_future()
        late = self.loop.call_later(timeout, self._late, self.number, timeout)
        self.waiting[self.number] = _Question(answer, finish, late)
        return answer

    def _late(self, number: int, timeout: float) -> None:
        self.names.pop(number, None)
        self._answer(number, Verb.UNAVAILABLE, f"no answer within {timeout:g} seconds")


@dataclass(slots=True)
class RemoteAuthenticator:
    """Asks the auth process at `path`, or over `sock`, one end of a socketpair; a broken path is connected anew."""

    path: str = ""
    sock: socket.socket | None = None
    timeout: float = TIMEOUT
    link: _Link | None = None
    connecting: asyncio.Lock = field(default_factory=asyncio.Lock)
    renewed: asyncio.Event = field(default_factory=asyncio.Event)

    def authenticate(self, request: LoginRequest) -> AuthResult | Job:
        return Job(partial(self._ask, Verb.AUTHENTICATE, request, _result), awaited=True)

    def lookup(self, username: str, service: str) -> User | Job | None:
        return Job(partial(self._ask, Verb.LOOKUP, Lookup(username, service), _user), awaited=True)

    def iterate(self) -> list[str] | Job:
        return Job(partial(self._ask, Verb.ITERATE, None, _users), awaited=True)

    def close(self) -> None:
        if self.link is not None and not self.link.closed:
            self.link.transport.close()

    def renew(self, sock: socket.socket) -> None:
        """Ask over another socketpair from now on; what still waits for the old one fails for the moment."""
        self.close()
        if self.sock is not None:
            self.sock.close()
        self.link, self.sock = None, sock
        self.renewed.set()

    def _ask(self, verb: Verb, body: Any, finish: Callable[[Verb, Any], Any]) -> Awaitable[Any]:
        link = self.link
        if link is None or link.closed:
            return self._connect_and_ask(verb, body, finish)
        try:
            return link.ask(verb, body, finish, self.timeout)
        except BadMessage as error:
            return _known(finish, str(error))

    async def _connect_and_ask(self, verb: Verb, body: Any, finish: Callable[[Verb, Any], Any]) -> Any:
        try:
            link = await self._connect()
            return await link.ask(verb, body, finish, self.timeout)
        except OSError as error:
            return finish(Verb.UNAVAILABLE, f"{self.path or 'socketpair'}: {error.strerror or error}")
        except BadMessage as error:
            return finish(Verb.UNAVAILABLE, str(error))

    async def _connect(self) -> _Link:
        async with self.connecting:
            if self.link is not None and not self.link.closed:
                return self.link
            if self.sock is None and not self.path:
                await self._wait_for_renewal()
            loop = asyncio.get_running_loop()
            opening: Awaitable[tuple[Any, _Link]]
            if self.sock is not None:
                opening, self.sock = loop.create_unix_connection(_Link, sock=self.sock), None
            elif self.path:
                opening = loop.create_unix_connection(_Link, self.path)
            else:
                raise ConnectionError("the socketpair to the auth process is closed")
            _, self.link = await opening
            return self.link

    async def _wait_for_renewal(self) -> None:
        self.renewed.clear()
        try:
            await asyncio.wait_for(self.renewed.wait(), min(RENEWAL, self.timeout))
        except TimeoutError:
            return


async def _known(finish: Callable[[Verb, Any], Any], error: str) -> Any:
    """The answer to a question that cannot be asked."""
    return finish(Verb.UNAVAILABLE, error)


def _result(verb: Verb, body: Any) -> AuthResult:
    if verb is Verb.RESULT:
        result: AuthResult = body
        return result
    return AuthResult(failure=Failure.TEMPORARY, log=f"auth process: {body}")


def _users(verb: Verb, body: Any) -> list[str]:
    if verb is not Verb.END:
        raise UserUnavailable(f"auth process: {body}")
    names: list[str] = body
    return names


def _user(verb: Verb, body: Any) -> User | None:
    if verb is Verb.USER:
        user: User = body
        return user
    if verb is Verb.NO_USER:
        return None
    raise UserUnavailable(f"auth process: {body}")


def lookup_now(path: str, username: str, service: str, timeout: float = TIMEOUT) -> User | None:
    """Ask once, without an event loop: for `doocot deliver`. UserUnavailable covers every trouble with the socket."""
    deadline = time.monotonic() + timeout
    frames = Frames()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(timeout)
            sock.connect(path)
            sock.sendall(encode(1, Verb.LOOKUP, Lookup(username, service)))
            while time.monotonic() < deadline:
                sock.settimeout(max(0.001, deadline - time.monotonic()))
                data = sock.recv(65536)
                if not data:
                    raise UserUnavailable(f"{path}: the auth process closed the connection")
                for _, verb, body in frames.feed(data):
                    return _user(verb, body)
    except OSError as error:
        raise UserUnavailable(f"{path}: {error.strerror or error}; is `doocot serve` running?") from error
    except BadMessage as error:
        raise UserUnavailable(f"{path}: {error}") from error
    raise UserUnavailable(f"{path}: no answer within {timeout:g} seconds")
