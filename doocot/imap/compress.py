"""COMPRESS (RFC 4978): from its OK on, both directions are deflated.

TLS never compresses here (`OP_NO_COMPRESSION` in `net/tls.py`), so nothing but a second COMPRESS is answered with
COMPRESSIONACTIVE.
"""

from typing import TYPE_CHECKING

from doocot.imap.command import No, Ok, Result, State, command
from doocot.wire.cursor import Cursor
from doocot.wire.flow import Compress

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession


def parse_algorithm(cursor: Cursor) -> bytes:
    """`compress = "COMPRESS" SP algorithm` (RFC 4978 §5)."""
    return cursor.sp().atom().upper()


@command("COMPRESS", state=State.LOGGED_IN, parse=parse_algorithm, sync=False)
def compress(session: "ImapSession", algorithm: bytes, by_uid: bool) -> Result:
    """RFC 4978 §3. A client must wait for the answer; what one sends at once is taken as deflated already."""
    if session.compressed:
        raise No(b"COMPRESS=DEFLATE already enabled.", b"COMPRESSIONACTIVE")
    if algorithm != b"DEFLATE":
        raise No(b"Unknown compression mechanism.")
    session.compressed = True
    session.pending = Compress(session.frames.rest(), session.context.deflate_level)
    return Ok(b"Begin compression.")
