"""The auth process: all password and user databases with their secrets, look-ups and hashing, for the whole server.

It is started as a fresh process (`python -m doocot.main.auth FD`) with one descriptor, its channel to the supervisor.
Through that come settings, the listening socket for `doocot deliver`, and one end of a socketpair for each worker; what
the administrator should read goes back, so that this process writes nowhere. When the channel closes, it ends.
"""

import asyncio
import gc
import signal
import socket
import sys
from dataclasses import dataclass
from typing import Final

import uvloop

from doocot.auth.authenticator import Authenticator, open_authenticator
from doocot.auth.process import serve_listener, serve_worker
from doocot.auth.settings import AuthSettings, SettingsError
from doocot.main.channel import Channel, Message, close_all, receive, take
from doocot.main.identity import Identity
from doocot.main.privileges import CAP_DAC_READ_SEARCH, become

_OLD: Final = 100  # generations between full collections: what an auth process keeps is there from the start


@dataclass(frozen=True, slots=True)
class AuthBoot:
    """What the process is told at start and at reload. `own_uids` are those of the server, for SO_PEERCRED."""

    settings: AuthSettings
    own_uids: frozenset[int]
    identity: Identity


class _Service:
    """The process at work."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        self.stopping = asyncio.Event()
        self._loop = loop
        self._channel = Channel(loop, sock, self._handle, self.stopping.set)
        self._tasks: set[asyncio.Task[asyncio.BaseTransport]] = set()
        self._authenticator: Authenticator | None = None

    async def run(self, boot: AuthBoot, listener: socket.socket) -> int:
        """Answer until told to stop; what keeps us from starting is told to the supervisor."""
        try:
            authenticator = self._authenticator = open_authenticator(boot.settings, self._report)
        except SettingsError as error:
            self._channel.send({"op": "failed", "text": str(error)})
            return 1
        server = await serve_listener(authenticator, listener, boot.own_uids)
        self._channel.send({"op": "ready"})
        await self.stopping.wait()
        server.close()
        authenticator.close()
        self._channel.close()
        return 0

    def _report(self, text: str) -> None:
        self._channel.send({"op": "problem", "text": text})

    def _handle(self, message: Message, descriptors: list[int]) -> None:
        authenticator = self._authenticator
        match message.get("op"):
            case "worker" if authenticator is not None:
                self._serve_worker(authenticator, socket.socket(fileno=descriptors.pop()))
            case "reload" if authenticator is not None:
                boot: AuthBoot = take(descriptors.pop())
                self._channel.answer(message, error=self._reload(authenticator, boot.settings))
            case "stop":
                self.stopping.set()
        close_all(descriptors)

    def _serve_worker(self, authenticator: Authenticator, sock: socket.socket) -> None:
        task = self._loop.create_task(serve_worker(authenticator, sock))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _reload(self, authenticator: Authenticator, settings: AuthSettings) -> str:
        try:
            authenticator.reload(settings, self._report)
        except SettingsError as error:
            return str(error)
        return ""


async def _serve(sock: socket.socket, boot: AuthBoot, listener: socket.socket) -> int:
    loop = asyncio.get_running_loop()
    service = _Service(loop, sock)
    # The supervisor decides when to stop; a signal for the whole group (Ctrl-C) is not meant for us.
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        loop.add_signal_handler(number, int)
    loop.add_signal_handler(signal.SIGTERM, service.stopping.set)
    gc.collect()
    gc.freeze()
    gc.set_threshold(5000, 50, _OLD)
    return await service.run(boot, listener)


def main(descriptor: int) -> int:
    """Serve until told to stop; the code to exit with."""
    sock = socket.socket(fileno=descriptor)
    received = receive(sock)
    if received is None:
        return 0
    settings, listener = received[1]
    boot: AuthBoot = take(settings)
    become(boot.identity, (CAP_DAC_READ_SEARCH,))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(sock, boot, socket.socket(fileno=listener)))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
