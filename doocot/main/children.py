"""Starting worker processes, and starting them again when they die, but not in a tight circle."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from doocot.main.channel import Channel, Handler, pair
from doocot.main.identity import Identity

HEALTHY: Final = 10.0  # seconds after which a death counts as the first one again
_FIRST_DELAY: Final = 0.1
_MAX_DELAY: Final = 30.0
_WORKER: Final = "doocot.main.worker"


def backoff(deaths: int) -> float:
    """How long to wait before a worker is started that died so many times in a row; the first time not at all."""
    return 0.0 if deaths <= 1 else min(_MAX_DELAY, _FIRST_DELAY * 2.0 ** (deaths - 2))


def can_run(identity: Identity) -> bool:
    """Whether a process of that identity can execute this program, which may lie in a home folder closed to others."""
    command = [sys.executable, "-P", "-c", "import doocot"]
    quiet = subprocess.DEVNULL
    try:
        done = subprocess.run(
            command, stdin=quiet, stdout=quiet, stderr=quiet, user=identity.uid, group=identity.gid, extra_groups=()
        )
    except PermissionError:
        return False
    return done.returncode == 0


@dataclass(slots=True)
class Child:
    """One worker process and its channel."""

    number: int
    process: asyncio.subprocess.Process
    channel: Channel
    started: float
    ready: asyncio.Event

    @property
    def pid(self) -> int:
        return self.process.pid


async def start_child(
    number: int,
    identity: Identity,
    handle: Callable[[int], Handler],
    lost: Callable[[int], None],
    module: str = _WORKER,
) -> Child:
    """Start worker `number` as a fresh process of `identity`; it waits for its first message."""
    ours, theirs = pair()
    other = identity.uid >= 0
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            module,
            str(theirs.fileno()),
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            env=_environment(),
            user=identity.uid if other else None,
            group=identity.gid if other else None,
            extra_groups=() if other else None,
        )
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    loop = asyncio.get_running_loop()
    channel = Channel(loop, ours, handle(number), lambda: lost(number))
    return Child(number, process, channel, time.monotonic(), asyncio.Event())


def _environment() -> dict[str, str]:
    """Ours without what systemd said to us: a worker must not speak to it."""
    theirs = {"NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_USEC", "WATCHDOG_PID"}
    return {name: value for name, value in os.environ.items() if name not in theirs}
