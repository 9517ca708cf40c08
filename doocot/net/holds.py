"""How long the loop was held by one callback, measured all the time: the longest is a metric and has a bar.

Every call into a session is timed by its connection (two clock readings). What else runs on the loop is seen by a tick
that comes late; a tick alone would miss most of the short holds, and a quicker one would keep an idle machine awake.
"""

import asyncio
from typing import Final

TICK: Final = 0.25


class Holds:
    """`longest` in seconds since the last `take`."""

    __slots__ = ("longest",)

    def __init__(self) -> None:
        self.longest = 0.0

    def take(self) -> float:
        """The longest hold since this was asked last."""
        longest, self.longest = self.longest, 0.0
        return longest

    async def watch(self, tick: float = TICK) -> None:
        """Tick until cancelled, and note by how much a tick is late."""
        loop = asyncio.get_running_loop()
        due = loop.time() + tick
        while True:
            await asyncio.sleep(due - loop.time())
            late = loop.time() - due
            if late > self.longest:
                self.longest = late
            due = loop.time() + tick
