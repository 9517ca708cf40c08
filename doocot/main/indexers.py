"""The indexers of a worker: processes that compute Facts (`main/indexer.py`), started when the first is wanted.

One that dies fails the request that it had (the caller computes for itself) and is started again for the next.
"""

import asyncio
import socket
import subprocess
import sys
from collections import deque
from dataclasses import dataclass, field
from typing import Final

import msgspec

from doocot.errors import Kind, MailError
from doocot.mailbox.facts import Wanted

MAX_INDEXERS: Final = 2
LINE: Final = 1 << 20


@dataclass(slots=True)
class _Process:
    running: "subprocess.Popen[bytes]"
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


@dataclass(slots=True)
class Indexers:
    """The indexers of one worker. `compute` may be called as often as one likes; requests wait for a free process."""

    most: int = MAX_INDEXERS
    _idle: "deque[_Process]" = field(default_factory=deque)
    _free: asyncio.Semaphore | None = None
    _all: list[_Process] = field(default_factory=list)
    _starting: "list[asyncio.Future[None]]" = field(default_factory=list)

    def compute(self, wanted: Wanted) -> "asyncio.Future[int]":
        """Begins at once (or as soon as a process is free); the number of messages done."""
        if self._free is None:
            self._free = asyncio.Semaphore(self.most)
        return asyncio.ensure_future(self._compute(wanted, self._free))

    def expect(self) -> None:
        """Facts will be wanted soon: the processes are started now, as that takes longer than a window of messages."""
        if self._free is None:
            self._free = asyncio.Semaphore(self.most)
            self._starting = [asyncio.ensure_future(self._start_one(self._free)) for _ in range(self.most)]

    async def _start_one(self, free: asyncio.Semaphore) -> None:
        async with free:
            self._idle.append(await self._start())

    async def _compute(self, wanted: Wanted, free: asyncio.Semaphore) -> int:
        async with free:
            process = self._idle.popleft() if self._idle else await self._start()
            try:
                process.writer.write(msgspec.json.encode(wanted) + b"\n")
                line = await process.reader.readline()
            except OSError:
                line = b""
            except BaseException:  # nobody waits any more; what it answers would be taken for the next answer
                self._drop(process)
                raise
            if not line.endswith(b"\n"):
                self._drop(process)
                raise MailError(Kind.UNAVAILABLE, "The mailbox could not be indexed; try again.", "an indexer ended")
            self._idle.append(process)
            return int(line)

    async def _start(self) -> _Process:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        command = [sys.executable, "-m", "doocot.main.indexer", str(theirs.fileno())]
        running = subprocess.Popen(command, pass_fds=[theirs.fileno()])
        theirs.close()
        reader, writer = await asyncio.open_connection(sock=ours, limit=LINE)
        process = _Process(running, reader, writer)
        self._all.append(process)
        return process

    def _drop(self, process: _Process) -> None:
        process.writer.close()
        process.running.kill()
        process.running.wait()
        self._all.remove(process)

    def close(self) -> None:
        """Ends them all."""
        for starting in self._starting:
            starting.cancel()
        for process in tuple(self._all):
            self._drop(process)
