"""Cuts the input of an SMTP or LMTP server into command lines, and hands out the data between them; RFC 5321 §2.3.8.

A command line may also end in a bare LF: Dovecot takes it, and it is what somebody types into netcat. (In message data
it never means anything, see `wire.dot`.) Memory is bounded by `max_line` and what was fed but not asked for yet.
"""

from enum import Enum
from typing import Final


class Overlong(Enum):
    """The line was longer than `max_line`; it is over and thrown away (RFC 5321 §4.5.3.1.4)."""

    LINE = "line too long"


OVERLONG: Final = Overlong.LINE


class SmtpInput:
    """The input of one connection: `line` while commands are expected, `take` while data is."""

    __slots__ = ("_at", "_data", "_dropping", "_max_line")

    def __init__(self, max_line: int) -> None:
        self._max_line = max_line
        self._data = b""
        self._at = 0
        self._dropping = False  # the rest of a line that was too long is still to come

    def feed(self, data: bytes) -> None:
        """Take what the socket gave."""
        self._data = data if self._at == len(self._data) else self._data[self._at :] + data
        self._at = 0

    def line(self) -> bytes | Overlong | None:
        """The next command line without its end, or None until more is fed."""
        end = self._data.find(b"\n", self._at)
        if end < 0:
            if self._dropping or len(self._data) - self._at > self._max_line:
                self._dropping = True
                self.clear()
            return None
        start = self._at
        self._at = end + 1
        if self._dropping or end - start > self._max_line:
            self._dropping = False
            return OVERLONG
        return self._data[start : end - 1] if self._data.endswith(b"\r", start, end) else self._data[start:end]

    def take(self, limit: int | None = None) -> bytes:
        """All that is there, or at most `limit` bytes of it."""
        start = self._at
        self._at = len(self._data) if limit is None else min(start + limit, len(self._data))
        return self._data[start : self._at] if start or limit is not None else self._data

    def put_back(self, data: bytes) -> None:
        """Return the end of what `take` gave, which must have taken all."""
        self._data = data
        self._at = 0

    def clear(self) -> None:
        """Forget what is there."""
        self._data = b""
        self._at = 0

    def __bool__(self) -> bool:
        """Whether anything is left to look at."""
        return self._at < len(self._data)
