"""A client that takes nothing of what was written to it is cut off after a while, before the end and at it."""

import asyncio
from collections.abc import Callable


class Stall:
    """Watches from its making on: when `buffered()` did not become less for `seconds`, `cut_off` is called."""

    __slots__ = ("_buffered", "_cut_off", "_handle", "_loop", "_seconds")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        seconds: float,
        buffered: Callable[[], int],
        cut_off: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._seconds = seconds
        self._buffered = buffered
        self._cut_off = cut_off
        self._handle = loop.call_later(seconds, self._look, buffered())

    def _look(self, before: int) -> None:
        now = self._buffered()
        if now < before:
            self._handle = self._loop.call_later(self._seconds, self._look, now)
        else:
            self._cut_off()

    def cancel(self) -> None:
        """The client has taken enough, or is gone."""
        self._handle.cancel()


def hang_up(loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, seconds: float, before: int = -1) -> None:
    """Drop a connection that is over, as soon as nothing is left of what was written, or stays for `seconds`."""
    left = transport.get_write_buffer_size()
    if left and left != before:
        loop.call_later(seconds, hang_up, loop, transport, seconds, left)
    else:
        transport.abort()
