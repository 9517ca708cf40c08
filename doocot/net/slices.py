"""Reading the bytes of a Slice in bounded pieces, from the page cache at once and from a slow disk by a thread."""

import os
from typing import Final

PIECE: Final = 128 * 1024


class SliceReader:
    """What is left of a slice of an open file."""

    __slots__ = ("_fd", "_offset", "_uncached", "left")

    def __init__(self, fd: int, offset: int, length: int) -> None:
        self._fd = fd
        self._offset = offset
        self._uncached = False
        self.left = length

    def cached(self) -> bytes | bytearray | None:
        """The next piece if it can be had without waiting for a disk, else None."""
        if self._uncached:
            self._uncached = False
            return None
        buffer = bytearray(min(self.left, PIECE))
        try:
            got = os.preadv(self._fd, [buffer], self._offset, os.RWF_NOWAIT)
        except OSError:  # EAGAIN: not in memory; EOPNOTSUPP: this file system cannot tell
            return None
        if got == 0:
            return None  # the file is shorter than it was: `read` says so
        if got < len(buffer):
            del buffer[got:]
            self._uncached = True
        self._took(got)
        return buffer

    def read(self) -> bytes:
        """The next piece, however long it takes; EOFError when the file has become shorter than the slice."""
        piece = os.pread(self._fd, min(self.left, PIECE), self._offset)
        if not piece:
            raise EOFError(f"the file ends at {self._offset}, {self.left} bytes before it should")
        self._took(len(piece))
        return piece

    def _took(self, count: int) -> None:
        self._offset += count
        self.left -= count
