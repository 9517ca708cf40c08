"""COMPRESS=DEFLATE (RFC 4978): what is written is deflated, what comes is inflated.

It stands between socket (or TLS) and connection as TLS does: the transport takes it for its protocol, the connection
for its transport. So a connection without compression pays nothing for it, and limits and raw logs see plain text.

Output is deflated in pieces of `PIECE_OUT` bytes, one in a turn of the loop. It is flushed (Z_SYNC_FLUSH, RFC 4978 §4)
when a whole turn brought no more of it, and at the end of what answers input at once: so the client can read all that
it waits for, and a long answer is not cut into blocks.

Input is inflated to at most `PIECE_IN` bytes in a turn, and nothing is read while some is left. So a client whose
kilobyte stands for a megabyte gets no more memory than others, and no more time.

Memory: after a flush nothing has to refer to what was before, so there another deflater may go on. Small answers get
one of 32 KiB, a long one gets that of 256 KiB, and what had nothing to do for `KEEP` seconds is dropped. To inflate,
zlib takes 10 KiB and keeps the client's last 32 KiB.
"""

import asyncio
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from doocot.net.connection import Connection

PIECE_OUT: Final = 16 * 1024
PIECE_IN: Final = 64 * 1024
KEEP: Final = 10.0
DAMAGED: Final = "Compressed data is damaged."
LARGE: Final = 15  # log2 of the window, which is also the client's; zlib takes eight times as much
SMALL: Final = 12
_MEM_LEVEL: Final = -7  # from the window to the memLevel that belongs to it: 8 for 15


class Deflated(asyncio.Transport, asyncio.Protocol):
    """The layer over `transport`. `data` came already and is deflated; `full` says that the transport has enough."""

    __slots__ = (
        "_closing",
        "_connection",
        "_deflater",
        "_dropping",
        "_ended",
        "_full",
        "_held",
        "_high",
        "_inflater",
        "_input",
        "_last",
        "_level",
        "_loop",
        "_low",
        "_more",
        "_out",
        "_scheduled",
        "_transport",
        "_unflushed",
        "_used",
        "_wanted",
        "_window",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        transport: asyncio.Transport,
        connection: "Connection",
        data: bytes,
        level: int,
        full: bool,
    ) -> None:
        super().__init__()
        self._loop = loop
        self._transport = transport
        self._connection = connection
        self._level = level
        self._inflater = zlib.decompressobj(-LARGE)  # raw: no header, no checksum
        self._input = data
        self._more = bool(data)  # there is something to inflate
        self._wanted = True  # the connection reads
        self._ended = False  # nothing that still comes is looked at
        self._deflater: Any = None
        self._window = 0  # of the deflater
        self._dropping: asyncio.TimerHandle | None = None
        self._used = 0.0
        self._out = bytearray()
        self._unflushed = False
        self._scheduled = False
        self._full = full
        self._held = full  # the connection was told to write no more
        self._high = self._low = 0
        self._closing = False
        self._last: Callable[[], None] | None = None  # to be called when everything is written
        transport.set_protocol(self)
        if data:
            transport.pause_reading()
            loop.call_soon(self._inflate)

    # Input: what the transport calls.

    def data_received(self, data: bytes) -> None:
        if not self._ended:
            self._input = self._input + data if self._input else data
            if not self._more:
                self._inflate()

    def eof_received(self) -> bool:
        return self._connection.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = self._closing = True
        self._input = b""
        self._out.clear()
        self._deflater = self._last = None
        self._unflushed = False
        if self._dropping is not None:
            self._dropping.cancel()
        self._connection.connection_lost(exc)

    def _inflate(self) -> None:
        """Hand one piece on; the next has to wait for its turn."""
        if self._ended:
            return
        if not self._wanted:
            self._more = True
            return
        try:
            data = self._inflater.decompress(self._input, PIECE_IN)
        except zlib.error:
            self._end_input()
            self._connection.end(DAMAGED)
            return
        self._input = self._inflater.unconsumed_tail
        # A full piece may have left something inside the inflater, too.
        self._more = bool(self._input) or len(data) == PIECE_IN
        if self._more:
            self._transport.pause_reading()
            self._loop.call_soon(self._inflate)
        if data:
            self._scheduled = True  # what is answered now is written below
            self._connection.data_received(data)
            self._scheduled = False
            self._deflate(flush=True)
        if self._inflater.eof:
            self._end_input()
            if not self._connection.eof_received():
                self.close()
        elif not self._more:
            self._read_on()

    def _end_input(self) -> None:
        self._ended = True
        self._input = b""

    def pause_reading(self) -> None:
        self._wanted = False
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._wanted = True
        if self._more:
            self._loop.call_soon(self._inflate)
        else:
            self._read_on()

    def _read_on(self) -> None:
        if self._wanted and not self._transport.is_closing():
            self._transport.resume_reading()

    # Output: what the connection calls.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing:
            return
        self._out += data
        if len(self._out) > self._high:
            self._hold()
        self._soon()

    def _soon(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        self._deflate(flush=not self._out)

    def _deflate(self, flush: bool) -> None:
        """Deflate one piece; with `flush` the client can read all of it when that was the last."""
        if self._full:
            return
        data = b""
        if self._out:
            self._make_deflater()
            data = self._deflater.compress(self._out[:PIECE_OUT])
            del self._out[:PIECE_OUT]
            self._unflushed = True
        if flush and self._unflushed and not self._out:
            data += self._deflater.flush(zlib.Z_SYNC_FLUSH)
            self._unflushed = False
            self._keep()
        if data:
            self._transport.write(data)
        if self._held and not self._full and len(self._out) <= self._low:
            self._held = False
            self._connection.resume_writing()
        if self._out or self._unflushed:
            self._soon()
        elif self._last is not None:
            last, self._last = self._last, None
            last()

    def _make_deflater(self) -> None:
        """One that fits what there is to deflate, unless it is under way."""
        window = LARGE if len(self._out) > PIECE_OUT else SMALL
        if self._deflater is None or (self._window < window and not self._unflushed):
            self._deflater = zlib.compressobj(self._level, zlib.DEFLATED, -window, window + _MEM_LEVEL)
            self._window = window

    def _keep(self) -> None:
        """The deflater was used and everything is flushed: drop it some time after that."""
        self._used = self._loop.time()
        if self._dropping is None:
            self._dropping = self._loop.call_later(KEEP, self._drop)

    def _drop(self) -> None:
        left = self._used + KEEP - self._loop.time()
        if left > 0 or self._unflushed:
            self._dropping = self._loop.call_later(max(left, 1.0), self._drop)
        else:
            self._dropping = self._deflater = None

    def pause_writing(self) -> None:
        self._full = True
        self._hold()

    def _hold(self) -> None:
        if not self._held:
            self._held = True
            self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._full = False
        self._soon()

    def close(self) -> None:
        """Close when everything is written."""
        self._closing = True
        self._last = self._transport.close
        self._soon()

    def write_eof(self) -> None:
        """Say that nothing more comes, when everything is written."""
        self._last = self._transport.write_eof
        self._soon()

    def abort(self) -> None:
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._closing or self._transport.is_closing()

    def get_write_buffer_size(self) -> int:
        return len(self._out) + self._transport.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high, self._low = high or 0, low or 0
        self._transport.set_write_buffer_limits(high, low)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)
