"""inotify(7) by ctypes: what happens to the names in a few watched folders, without asking again and again.

The descriptor does not block; the event loop tells when it can be read. When the kernel's queue overflowed, events were
lost, and only looking at the folders again helps.
"""

import ctypes
import os
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

IN_MODIFY: Final = 0x2
IN_ATTRIB: Final = 0x4
IN_CLOSE_WRITE: Final = 0x8
IN_MOVED_FROM: Final = 0x40
IN_MOVED_TO: Final = 0x80
IN_CREATE: Final = 0x100
IN_DELETE: Final = 0x200
IN_DELETE_SELF: Final = 0x400
IN_MOVE_SELF: Final = 0x800
IN_Q_OVERFLOW: Final = 0x4000
IN_IGNORED: Final = 0x8000  # the watch is gone: removed, or its folder was deleted
IN_ONLYDIR: Final = 0x1000000

# What can change which messages a Maildir folder has: writing into a file that has its final name is not among it.
NAMES: Final = IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR

_EVENT = struct.Struct("iIII")  # watch, mask, cookie, length of the name with its padding
_READ_SIZE = 64 * 1024
_MOST_READS = 16  # a busy folder must not hold the loop; the descriptor stays readable


@dataclass(frozen=True, slots=True)
class Event:
    """One change; `cookie` pairs the two halves of a rename, `name` is "" for the folder itself."""

    watch: int
    mask: int
    cookie: int
    name: str


@lru_cache(maxsize=1)
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


class Inotify:
    """One inotify descriptor, `fd`, to be given to the event loop."""

    __slots__ = ("fd",)

    def __init__(self) -> None:
        self.fd: int = _checked(_libc().inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC), "")

    def watch(self, folder: str, mask: int = NAMES) -> int:
        """Begin to watch a folder and return the watch's number; the same folder again gives the same number.

        OSError(ENOSPC) means that fs.inotify.max_user_watches is reached: then the folder must be looked at instead.
        """
        return _checked(_libc().inotify_add_watch(self.fd, os.fsencode(folder), ctypes.c_uint32(mask)), folder)

    def unwatch(self, watch: int) -> None:
        """Stop watching; no error when the folder is gone and the watch with it. IN_IGNORED follows as last event."""
        _libc().inotify_rm_watch(self.fd, watch)

    def read(self) -> tuple[list[Event], bool]:
        """What happened since, and whether the queue overflowed. ([], False) when nothing happened."""
        events: list[Event] = []
        overflowed = False
        for _ in range(_MOST_READS):
            try:
                data = os.read(self.fd, _READ_SIZE)
            except BlockingIOError:
                break
            offset = 0
            while offset < len(data):
                watch, mask, cookie, length = _EVENT.unpack_from(data, offset)
                offset += _EVENT.size
                if mask & IN_Q_OVERFLOW:
                    overflowed = True
                else:
                    events.append(Event(watch, mask, cookie, os.fsdecode(data[offset : offset + length].rstrip(b"\0"))))
                offset += length
        return events, overflowed

    def close(self) -> None:
        """Give the descriptor back, and all watches with it."""
        os.close(self.fd)


def _checked(result: int, path: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return result
