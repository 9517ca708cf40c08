"""A message on its way in, kept once for all its recipients: in memory while it is small, then in a spool."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from doocot.wire.flow import Spool

MEMORY: Final = 128 * 1024  # bytes of a message kept in memory; above that it goes to the spool
START: Final = 64 * 1024  # bytes of a spooled message kept in memory, to read its header from

SpoolFactory: TypeAlias = Callable[[], Spool]


@dataclass(frozen=True, slots=True)
class Body:
    """A message in the form in which mail lies on disk: CRLF is LF, everything else byte for byte as it came.

    `virtual_size` is the size with CRLF line ends. `start` is the whole message when `spool` is None, else its
    beginning. The spool belongs to whoever made the Body; he releases it with `abort` when all recipients are done.
    """

    size: int
    virtual_size: int
    start: bytes
    spool: Spool | None = None


class Intake:
    """What collects a Body. `write` may raise what the spool raises (MailError, OSError); `abort` is then still due.

    Line ends are made LF here, once, and not for each recipient. `received` counts the octets before that.
    """

    __slots__ = ("_held", "_last_cr", "_memory", "_size", "_spool", "_spool_factory", "_start", "_virtual", "received")

    def __init__(self, spool_factory: SpoolFactory) -> None:
        self.received = 0
        self._size = 0
        self._virtual = 0
        self._held = b""  # a CR that may be the first half of a line end
        self._last_cr = False  # the last byte that was stored is a CR
        self._spool_factory = spool_factory
        self._memory = bytearray()
        self._start = b""
        self._spool: Spool | None = None

    def write(self, data: bytes) -> None:
        """The next octets of the message."""
        self.received += len(data)
        if self._held:
            data = self._held + data
            self._held = b""
        if data.endswith(b"\r"):
            self._held = b"\r"
            data = data[:-1]
        self._store(b"\n".join(data.split(b"\r\n")))  # in two thirds of the time of replace

    def finish(self) -> Body:
        """The message is complete."""
        self._store(self._held)
        self._held = b""
        if self._spool is None:
            return Body(self._size, self._virtual, bytes(self._memory))
        return Body(self._size, self._virtual, self._start, self._spool)

    def abort(self) -> None:
        """Release what is held, after a failure as well as after delivery."""
        self._memory = bytearray()
        if self._spool is not None:
            self._spool.abort()
            self._spool = None

    def _store(self, data: bytes) -> None:
        if not data:
            return
        self._size += len(data)
        self._virtual += len(data) + data.count(b"\n")
        if self._last_cr and data.startswith(b"\n"):
            self._virtual -= 1
        self._last_cr = False
        if b"\r" in data:  # hardly ever, and counting a pair of bytes is dear
            self._virtual -= data.count(b"\r\n")
            self._last_cr = data.endswith(b"\r")
        if self._spool is not None:
            self._spool.write(data)
            return
        self._memory += data
        if self._size > MEMORY:
            self._spool = self._spool_factory()
            self._start = bytes(self._memory[:START])
            self._spool.write(bytes(self._memory))
            self._memory = bytearray()
