"""The control socket: one JSON object per line, from root or from whom the server runs as, and its answer.

`{"verb": "who", ...}` gives `{"ok": true, ...}` or `{"ok": false, "error": "..."}`. The file has mode 0600, and the
peer's credentials are looked at as well.
"""

import asyncio
import json
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

from doocot.main.names import CONTROL

Answer: TypeAlias = dict[str, Any]
Verb: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[Answer]]

_MAX_LINE: Final = 64 * 1024
_CREDENTIALS: Final = struct.Struct("3i")


class ControlError(Exception):
    """The server cannot be asked, or refuses; the text says why and what to do."""


class ControlServer:
    """Answers on a listening socket with a table of verbs."""

    __slots__ = ("_clients", "_server", "_verbs")

    def __init__(self, verbs: Mapping[str, Verb]) -> None:
        self._verbs = verbs
        self._server: asyncio.Server | None = None
        self._clients: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    async def start(self, sock: socket.socket) -> None:
        """Answer from now on."""
        self._server = await asyncio.start_unix_server(self._client, sock=sock, limit=_MAX_LINE)

    async def stop(self) -> None:
        """Hang up; that is how `doocot stop` sees that the server has gone."""
        if self._server is not None:
            self._server.close()
        clients = dict(self._clients)
        for writer in clients:
            writer.close()
        await asyncio.gather(*(task for task in clients.values() if task is not None))

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients[writer] = asyncio.current_task()
        try:
            if _uid_of_peer(writer.get_extra_info("socket")) not in (0, os.geteuid()):
                writer.write(_line({"ok": False, "error": "only root and the user of the server may control it"}))
                return
            while line := await reader.readline():
                writer.write(_line(await self._answer(line)))
                await writer.drain()
        except (ConnectionError, ValueError):  # gone, or a line that is too long
            return
        finally:
            self._clients.pop(writer, None)
            writer.close()

    async def _answer(self, line: bytes) -> Answer:
        try:
            request = json.loads(line)
        except ValueError:
            return {"ok": False, "error": "a request is one JSON object on one line"}
        verb = self._verbs.get(request.get("verb", "")) if isinstance(request, dict) else None
        if verb is None:
            return {"ok": False, "error": f"unknown verb; there are {', '.join(sorted(self._verbs))}"}
        return await verb(request)


def _uid_of_peer(sock: socket.socket) -> int:
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(credentials)[1])


def _line(value: Answer) -> bytes:
    return json.dumps(value).encode() + b"\n"


# The client side, for the command line: plain and blocking.


@contextmanager
def connected(base_dir: str, timeout: float = 60.0) -> Iterator[socket.socket]:
    """A connection to the server whose run-time folder this is."""
    path = Path(base_dir) / CONTROL
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(timeout)
        try:
            sock.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            raise ControlError(
                f"no server is running with base_dir = {base_dir} (start one with: doocot serve)"
            ) from None
        except PermissionError:
            raise ControlError(f"{path}: only root and the user of the server may control it") from None
        yield sock


def ask(sock: socket.socket, verb: str, **arguments: Any) -> Answer:
    """Ask one thing; ControlError when it is refused."""
    sock.sendall(_line({"verb": verb, **arguments}))
    with sock.makefile("rb") as file:
        line = file.readline()
    if not line:
        raise ControlError("the server hung up without an answer; its log says more")
    answer: Answer = json.loads(line)
    if not answer.get("ok"):
        raise ControlError(str(answer.get("error", "refused")))
    return answer
