"""Transparency of message data in SMTP, LMTP and POP3: dots before lines, and the end of the message; RFC 5321 §4.5.2.

Only `<CRLF>.<CRLF>` ends a message, and only a dot behind CRLF was put there by the sender (RFC 5321 §2.3.8: CR and LF
mean nothing alone, §4.1.1.4: a server must not take `<LF>.<LF>` for the end). A server that does, as Dovecot 2.3 and
others did, lets a message carry commands which the sender's server never saw ("SMTP smuggling", CVE-2023-51764). So
bare CR and LF are data here, kept byte for byte.
"""

from typing import Final

_END: Final = b"\r\n.\r\n"
_STUFFED: Final = b"\r\n."
_LINE_END: Final = b"\r\n"


def dot_stuff(data: bytes) -> bytes:
    """`data` as it goes on the wire, with the CRLF that it may lack at its end, and the terminating dot."""
    stuffed = (_LINE_END + data).replace(_STUFFED, b"\r\n..")
    return stuffed[2:] + (b".\r\n" if stuffed.endswith(_LINE_END) else _END)


class DotDecoder:
    """The data of one message, fed in chunks of any size. Holds back at most four bytes."""

    __slots__ = ("_held", "_skip", "done")

    def __init__(self) -> None:
        self.done = False
        # The message begins at the beginning of a line: as if a CRLF, which is not part of it, stood before it.
        self._held = _LINE_END
        self._skip = 2

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """The next bytes of the message, and those behind its end (empty until `done`)."""
        data = self._held + data
        end = data.find(_END)
        if end >= 0:
            self.done = True
            stop = end + 2
            rest = data[end + 5 :]
        else:
            stop = len(data) - _undecided(data)
            rest = b""
            self._held = data[stop:]
        content = data[:stop]
        if _STUFFED in content:  # seldom, and finding nothing takes replace twice as long
            content = content.replace(_STUFFED, _LINE_END)
        if self._skip and stop:
            content = content[self._skip :]
            self._skip = 0
        return content, rest


def _undecided(data: bytes) -> int:
    """How many bytes at the end of `data` may be the beginning of `_END`."""
    for length in (4, 3, 2, 1):
        if data.endswith(_END[:length]):
            return length
    return 0
