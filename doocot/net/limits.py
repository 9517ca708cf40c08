"""How many connections a process takes, altogether and from one address, and what one of them may take."""

from collections import Counter
from dataclasses import dataclass
from typing import Final

UNLIMITED: Final = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one connection may take, in seconds and bytes."""

    login: float = 180.0
    idle: float = 1800.0
    stall: float = 300.0
    linger: float = 2.0
    handshake: float = 30.0
    held: int = 64 * 1024
    high_water: int = 256 * 1024
    low_water: int = 64 * 1024


class Gate:
    """Counts the connections of this process; each `enter` that was admitted is followed by one `leave`."""

    __slots__ = ("_by_address", "_max", "_max_per_address", "_total")

    def __init__(self, max_connections: int = UNLIMITED, max_per_address: int = UNLIMITED) -> None:
        self._max = max_connections
        self._max_per_address = max_per_address
        self._by_address: Counter[str] = Counter()
        self._total = 0

    @property
    def total(self) -> int:
        return self._total

    def enter(self, address: str) -> str:
        """Admit a connection: "" when it may come in, else the reason why not."""
        if self._max and self._total >= self._max:
            return f"more than {self._max} connections"
        if self._max_per_address and self._by_address[address] >= self._max_per_address:
            return f"more than {self._max_per_address} connections from {address}"
        self._total += 1
        self._by_address[address] += 1
        return ""

    def leave(self, address: str) -> None:
        """An admitted connection has ended."""
        self._total -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    def change(self, max_connections: int, max_per_address: int) -> None:
        """New limits, for the connections to come."""
        self._max = max_connections
        self._max_per_address = max_per_address
