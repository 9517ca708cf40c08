"""A file for large data on its way in: APPEND literals and LMTP messages above what is kept in memory.

The file has no name from the start (O_TMPFILE, or unlinked at once), so a crash leaves nothing behind.
"""

from collections.abc import Iterator

from doocot.store.files import Files

CHUNK = 256 * 1024


class FileSpool:
    """Implements `flow.Spool`; read back with `chunks`."""

    __slots__ = ("_fd", "_files", "_nul", "size")

    def __init__(self, files: Files, folder: str, *, nul: bytes = b"\0") -> None:
        """`nul` is written for each NUL."""
        self._files = files
        self._fd = files.create_unnamed(folder)
        self._nul = nul
        self.size = 0

    def write(self, data: bytes) -> None:
        if self._nul != b"\0" and b"\0" in data:
            data = data.replace(b"\0", self._nul)
        self._files.write(self._fd, data)
        self.size += len(data)

    def chunks(self) -> Iterator[bytes]:
        """What was written, in pieces of up to CHUNK bytes. May be called several times."""
        offset = 0
        while offset < self.size:
            data = self._files.pread(self._fd, CHUNK, offset)
            if not data:
                return
            offset += len(data)
            yield data

    def abort(self) -> None:
        """Releases the file; harmless when it was released before."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            self._files.close(fd)


def lf_chunks(parts: "Iterator[bytes]") -> Iterator[bytes]:
    """The same bytes with CRLF made LF, wherever the chunks are cut: Maildir files have the line ends of the system."""
    held = b""
    for part in parts:
        data = held + part
        held = b""
        if data.endswith(b"\r"):
            data, held = data[:-1], b"\r"
        if data:
            yield data.replace(b"\r\n", b"\n")
    if held:
        yield held
