"""A large message on its way out in pieces: `BODY[]` of a message that is not to be held in memory whole.

The literal's length must be told first, so the file is read once for its size on the wire when the index does not know
it, and once to be sent. A file that is shorter or longer than what was told (somebody wrote into it) is made to fit, as
the protocol cannot take the number back.
"""

from collections.abc import Generator, Iterable, Iterator
from typing import Any

from doocot.errors import Kind, MailError
from doocot.mailbox.read import GONE, at_file
from doocot.mailbox.view import View
from doocot.message.scan import crlf_chunks
from doocot.message.sections import wire
from doocot.store import maildir
from doocot.store.files import Files
from doocot.store.index.messages import files
from doocot.store.snapshot import Piece
from doocot.wire.flow import Job, Step

LARGE = 1 << 20  # octets from which on a message is not read into memory
CHUNK = 256 * 1024


def stream(view: View, piece: Piece, before: bytes, after: bytes) -> Generator[Step, Any, None]:
    """Steps that send `before`, the message of this piece of one row as a literal, and `after`."""
    root, mailbox = view.live.root, view.live.row.id
    uid = int(piece.chunk.uid[piece.low])
    found = files(root.db.reader, mailbox, [(uid, uid)])
    if not found:
        raise MailError(Kind.EXPUNGE_ISSUED, GONE)
    fd = at_file(root, mailbox, maildir.folder_of(root, view.live.row.name), *found[0][1:], root.files.open)
    try:
        size = int(piece.chunk.size[piece.low])
        if size < 0:
            size = yield Job(lambda: sum(map(len, crlf_chunks(_chunks(root.files, fd)))))
        yield before + b"{%d}\r\n" % size
        yield from fitted(crlf_chunks(_chunks(root.files, fd)), size)
        yield after
    finally:
        root.files.close(fd)


def fitted(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """As many octets as were told, as a literal may hold them; spaces where there are fewer by now."""
    for chunk in chunks:
        data = wire(chunk[:size])
        size -= len(data)
        yield data
    while size > 0:
        data = b" " * min(size, CHUNK)
        size -= len(data)
        yield data


def _chunks(opened: Files, fd: int) -> Iterator[bytes]:
    offset = 0
    while chunk := opened.pread(fd, CHUNK, offset):
        offset += len(chunk)
        yield chunk
