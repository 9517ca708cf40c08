"""Messages between the supervisor and one worker: small values with open descriptors, over a socket without a path.

Both ends are ours and of one version, but not of one privilege: what a worker sends is read as data (JSON), only what
the supervisor sends may be a pickle, and that travels in a memfd because a socket message is bounded.
"""

import asyncio
import json
import os
import pickle
import socket
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

Message: TypeAlias = Mapping[str, Any]
Handler: TypeAlias = Callable[[Message, list[int]], None]

MAX_MESSAGE: Final = 128 * 1024
MAX_DESCRIPTORS: Final = 250  # the kernel takes 253 in one message
_QUEUE: Final = 10_000  # messages that wait for a peer that does not read


class ChannelError(Exception):
    """The other end is not what it should be."""


def pair() -> tuple[socket.socket, socket.socket]:
    """Both ends of a new channel."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


class Channel:
    """One end. `handle(message, descriptors)` is called for what arrives, `closed` when the other end is gone."""

    __slots__ = ("_answers", "_closed", "_handle", "_loop", "_next", "_open", "_queue", "_sock")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, sock: socket.socket, handle: Handler, closed: Callable[[], None]
    ) -> None:
        sock.setblocking(False)
        self._loop = loop
        self._sock = sock
        self._handle = handle
        self._closed = closed
        self._queue: deque[tuple[bytes, Sequence[int]]] = deque()
        self._answers: dict[int, asyncio.Future[Message]] = {}
        self._next = 0
        self._open = True
        loop.add_reader(sock, self._readable)

    def send(self, message: Message, descriptors: Sequence[int] = ()) -> None:
        """Send now, or as soon as the other end has room."""
        if not self._open:
            return
        data = json.dumps(message).encode()
        if len(data) > MAX_MESSAGE or len(descriptors) > MAX_DESCRIPTORS:
            raise ChannelError(f"a message of {len(data)} bytes and {len(descriptors)} descriptors is too large")
        if self._queue or not self._sent(data, descriptors):
            if len(self._queue) >= _QUEUE:
                raise ChannelError("the other end does not read")
            self._queue.append((data, [os.dup(descriptor) for descriptor in descriptors]))
            self._loop.add_writer(self._sock, self._writable)

    async def ask(self, message: Message, descriptors: Sequence[int] = ()) -> Message:
        """Send, and wait for the answer; {} when the other end goes without one."""
        return await self.question(message, descriptors)

    def question(self, message: Message, descriptors: Sequence[int] = ()) -> "asyncio.Future[Message]":
        """As `ask`, sent now: the future has the answer."""
        answer: asyncio.Future[Message] = self._loop.create_future()
        if not self._open:
            answer.set_result({})
            return answer
        self._next += 1
        number = self._next
        self._answers[number] = answer
        answer.add_done_callback(lambda _: self._answers.pop(number, None))
        self.send({**message, "ask": number}, descriptors)
        return answer

    def answer(self, question: Message, **values: Any) -> None:
        """Answer what came from `ask`."""
        self.send({"answer": question.get("ask"), **values})

    def close(self) -> None:
        """Close this end."""
        if not self._open:
            return
        self._open = False
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        self._sock.close()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_result({})

    def _sent(self, data: bytes, descriptors: Sequence[int]) -> bool:
        try:
            socket.send_fds(self._sock, [data], list(descriptors), socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return False
        except OSError:  # gone; the reader notices
            return True
        return True

    def _writable(self) -> None:
        while self._queue:
            data, descriptors = self._queue[0]
            if not self._sent(data, descriptors):
                return
            close_all(descriptors)
            self._queue.popleft()
        self._loop.remove_writer(self._sock)

    def _readable(self) -> None:
        try:
            received = receive(self._sock)
        except BlockingIOError:
            return
        except OSError:
            received = None
        if received is None:
            self.close()
            self._closed()
            return
        message, descriptors = received
        answer = self._answers.pop(message.get("answer", 0), None)
        if answer is None:
            self._handle(message, descriptors)
        elif not answer.done():
            answer.set_result(message)


def receive(sock: socket.socket) -> tuple[Message, list[int]] | None:
    """The next message and its descriptors; None when the other end is gone."""
    data, descriptors, _, _ = socket.recv_fds(sock, MAX_MESSAGE, MAX_DESCRIPTORS)
    if not data:
        return None
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    try:
        message = json.loads(data)
    except ValueError as error:
        raise ChannelError("a message that is no JSON") from error
    return message, descriptors


def put(value: Any) -> int:
    """A value as the descriptor of a file in memory, for `take` at the other end. Keys may be in it, so no path."""
    descriptor = os.memfd_create("doocot-settings", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(descriptor), "wb") as file:
        pickle.dump(value, file)
    return descriptor


def take(descriptor: int) -> Any:
    """The value of `put`; closes the descriptor. Only for what the supervisor sent."""
    with os.fdopen(descriptor, "rb") as file:
        file.seek(0)
        return pickle.load(file)


def close_all(descriptors: Iterable[int]) -> None:
    """Close them."""
    for descriptor in descriptors:
        os.close(descriptor)
