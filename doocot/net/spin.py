"""Adaptive spin: poll again for a moment after a quick client was answered, instead of sleeping in the kernel.

Two thirds of a small command's round trip is the kernel waking an idle processor, once on each side. A client that
sends its next command within `near` of the last reply will very likely do it again, so for `hold` the loop is kept
polling. With more than one socket ready in one turn there is work enough without it, and polling stops; with more than
`clients` connections it does not begin.
"""

import math
from collections.abc import Callable
from time import perf_counter
from typing import Any


class Spin:
    """The polling of one loop. `ready` counts the sockets that had input since the last turn; connections raise it."""

    __slots__ = ("_call_soon", "_on", "_until", "clients", "hold", "near", "ready")

    def __init__(
        self,
        call_soon: Callable[[Callable[[], None]], Any],
        near: float = 150e-6,
        hold: float = 100e-6,
        clients: float = math.inf,
    ) -> None:
        self._call_soon = call_soon
        self._on = False
        self._until = 0.0
        self.clients = clients
        self.near = near
        self.hold = hold
        self.ready = 0

    def quick(self, now: float) -> None:
        """A client was answered at `now` (perf_counter) soon after its last reply: poll for it until `now + hold`."""
        self._until = now + self.hold
        if not self._on:
            self._on = True
            self.ready = 0
            self._call_soon(self._turn)

    def _turn(self) -> None:
        if self.ready > 1 or perf_counter() > self._until:
            self._on = False
            return
        self.ready = 0
        self._call_soon(self._turn)
