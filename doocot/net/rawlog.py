"""Copies of what a client sent and got, for hunting faults: `rawlog_dir`, one pair of files per session.

As with Dovecot, the folder must exist already: making `~/dovecot.rawlog` switches it on for one user. The input file is
NAME.in, the output file NAME.out; each line or burst begins with its time, so that the two can be read side by side.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from doocot.wire.flow import Peer, Pending, Session

MAX_SIZE: Final = 64 * 1024 * 1024  # of each file, so that a forgotten folder does not fill the disk


class RawLog:
    """The two files of one session. A full disk or a lost folder ends the log, never the session."""

    __slots__ = ("_files", "_left")

    def __init__(self, stem: Path, max_size: int = MAX_SIZE) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._files = [os.open(f"{stem}.{end}", flags, 0o600) for end in ("in", "out")]
        self._left = [max_size, max_size]

    def input(self, data: bytes) -> None:
        """What the client sent."""
        self._copy(0, data)

    def output(self, data: bytes | bytearray) -> None:
        """What it got."""
        self._copy(1, data)

    def tap(self, write: Callable[[bytes | bytearray], None]) -> Callable[[bytes | bytearray], None]:
        """`write`, with a copy of everything."""

        def copying(data: bytes | bytearray) -> None:
            self.output(data)
            write(data)

        return copying

    def close(self) -> None:
        """The session is over."""
        for file in self._files:
            os.close(file)
        self._files.clear()

    def _copy(self, which: int, data: bytes | bytearray) -> None:
        if not self._files or self._left[which] <= 0:
            return
        self._left[which] -= len(data)
        try:
            os.write(self._files[which], f"{time.time():.6f} ".encode() + data)
        except OSError:
            self._left[which] = 0


class Tapped:
    """A Session whose input is copied; everything else goes straight to it."""

    __slots__ = ("_log", "closing", "connected", "crashed", "fail", "lost", "resume", "secured", "session")

    def __init__(self, session: Session, log: RawLog) -> None:
        self.session = session
        self._log = log
        self.connected: Callable[[Peer], bytes] = session.connected
        self.resume: Callable[[Any], bytes] = session.resume
        self.fail: Callable[[BaseException], bytes] = session.fail
        self.secured: Callable[[Peer], None] = session.secured
        self.closing: Callable[[str], bytes] = session.closing
        self.crashed: Callable[[str], bytes] = session.crashed
        self.lost: Callable[[], None] = session.lost

    @property
    def pending(self) -> Pending | None:
        return self.session.pending

    @pending.setter
    def pending(self, value: Pending | None) -> None:
        self.session.pending = value

    @property
    def user(self) -> str:
        return self.session.user

    @user.setter
    def user(self, value: str) -> None:
        self.session.user = value

    def receive(self, data: bytes) -> bytes:
        self._log.input(data)
        return self.session.receive(data)


def open_raw_log(folder: Path, session_id: str) -> RawLog | None:
    """A log in `folder` if that exists and may be written, else None: then this user does not want one."""
    if not folder.is_dir():
        return None
    name = time.strftime("%Y%m%d-%H%M%S") + f"-{os.getpid()}-{session_id.replace('/', '_')}"
    try:
        return RawLog(folder / name)
    except OSError:
        return None
