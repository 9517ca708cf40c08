"""The log: a listener that writes one line per event, as Dovecot 2.3 does, to files, syslog or standard error.

A line is `TIME PREFIX: LEVEL: TEXT`; the prefix is `imap(USER)<PID><SESSION>` with a user and `imap-login` and the like
without. What comes from outside is escaped, so that nobody can forge a line, and bounded, as is the rate of lines.
"""

import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Protocol

from doocot.events.events import Events
from doocot.events.table import EVENTS, EventKind, Fields, Level

MAX_FIELD: Final = 1000  # characters
MAX_LINE: Final = 8000
DEFAULT_TIMESTAMP: Final = "%b %d %H:%M:%S "
_FACILITIES: Final = (
    "kern",
    "user",
    "mail",
    "daemon",
    "auth",
    "syslog",
    "lpr",
    "news",
    "uucp",
    "cron",
    "authpriv",
    "ftp",
)
_LOCAL0: Final = 16
_SEVERITY: Final = {Level.DEBUG: 7, Level.INFO: 6, Level.WARNING: 4, Level.ERROR: 3, Level.FATAL: 2}


@dataclass(frozen=True, slots=True)
class LogSettings:
    """Where lines go; the names are those of the settings."""

    log_path: str = "/dev/stderr"
    info_log_path: str = ""
    debug_log_path: str = ""
    log_timestamp: str = DEFAULT_TIMESTAMP
    syslog_facility: str = "mail"
    debug: bool = False
    owner: tuple[int, int] = (-1, -1)  # uid and gid of new log files: workers open them too, and are not root
    lines_per_second: int = 2000  # of one event kind in one process; what is more is counted and told


class Sink(Protocol):
    """Takes finished lines."""

    def write(self, level: Level, text: str) -> None: ...

    def reopen(self) -> None: ...

    def close(self) -> None: ...


class FileSink:
    """Appends to a file: one write per line, so that several processes can share it."""

    __slots__ = ("_clock", "_fd", "_owner", "_path", "_stamp", "_timestamp")

    def __init__(self, path: str, settings: LogSettings, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._timestamp = settings.log_timestamp
        self._owner = settings.owner
        self._clock = clock
        self._stamp = (0, "")
        self._fd = -1
        self.reopen()

    def reopen(self) -> None:
        """Open the file by its name again: it was rotated."""
        if self._path == "/dev/stderr":
            self._fd = sys.__stderr__.fileno() if sys.__stderr__ is not None else 2
            return
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if self._owner != (-1, -1):
            os.fchown(fd, *self._owner)
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = fd

    def close(self) -> None:
        """No more lines."""
        if self._path != "/dev/stderr":
            os.close(self._fd)

    def write(self, level: Level, text: str) -> None:
        second = int(self._clock())
        if self._stamp[0] != second:
            self._stamp = (second, time.strftime(self._timestamp, time.localtime(second)))
        try:
            os.write(self._fd, f"{self._stamp[1]}{text}\n".encode("utf-8", "backslashreplace"))
        except OSError:
            # A full disk must not stop the mail; there is nobody left to tell.
            return


class SyslogSink:
    """Sends datagrams to the local syslog (RFC 3164 as glibc writes it)."""

    __slots__ = ("_facility", "_path", "_socket")

    def __init__(self, facility: str, path: str = "/dev/log") -> None:
        self._facility = facility_number(facility)
        self._path = path
        self._socket: socket.socket | None = None
        self.reopen()

    def reopen(self) -> None:
        """Connect again; without a syslog lines are lost, as everywhere."""
        if self._socket is not None:
            self._socket.close()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        try:
            self._socket.connect(self._path)
        except OSError:
            self._socket.close()
            self._socket = None

    def close(self) -> None:
        """No more lines."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def write(self, level: Level, text: str) -> None:
        priority = self._facility * 8 + _SEVERITY[level]
        message = f"<{priority}>doocot: {text}".encode("utf-8", "backslashreplace")
        for _ in range(2):
            if self._socket is not None:
                try:
                    self._socket.send(message)
                    return
                except BlockingIOError:
                    return
                except OSError:
                    pass
            self.reopen()  # it was restarted


def facility_number(name: str) -> int:
    """The number of a `syslog_facility`; unknown names count as mail."""
    if name.startswith("local") and name[5:].isdigit():
        return _LOCAL0 + int(name[5:])
    return _FACILITIES.index(name) if name in _FACILITIES else _FACILITIES.index("mail")


class Log:
    """The listener. Give `listen` to `Events`, or use `attach_log`."""

    __slots__ = ("_blanks", "_clock", "_counts", "_limit", "_pid", "_second", "_sinks", "service", "settings")

    def __init__(self, settings: LogSettings, service: str, pid: int, clock: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self.service = service
        self._pid = pid
        self._clock = clock
        self._limit = settings.lines_per_second
        self._second = 0
        self._counts: dict[str, int] = {}
        opened: dict[str, Sink] = {}

        def sink(path: str) -> Sink:
            if path not in opened:
                opened[path] = _open(path, settings, clock)
            return opened[path]

        info = settings.info_log_path or settings.log_path
        paths = {Level.DEBUG: settings.debug_log_path or info, Level.INFO: info}
        self._sinks = {level: sink(paths.get(level, settings.log_path)) for level in Level}

    def listen(self, kind: EventKind, fields: Fields) -> None:
        """Write the line of one event."""
        if not self._allowed(kind):
            return
        clean = {name: _clean(value) for name, value in fields.items()}
        full = {**_blank(kind.name), **clean}
        text = kind.line(full) if callable(kind.line) else kind.line.format_map(full)
        if not text:  # as the settings want it
            return
        level = kind.level_of(full) if kind.level_of is not None else kind.level
        self._write(level, f"{self._prefix(kind, full)}: {level.name.title()}: {text}")

    def reopen(self) -> None:
        """Open all files again."""
        for sink in set(self._sinks.values()):
            sink.reopen()

    def close(self) -> None:
        """Close all files."""
        for sink in set(self._sinks.values()):
            sink.close()

    def _prefix(self, kind: EventKind, fields: Fields) -> str:
        service = fields["service"] or kind.service or self.service
        if service.endswith("-login"):
            return str(service)
        if kind.name in ("login", "login_ended"):
            return f"{service}-login"
        user, session, pid = fields["user"], fields["session"], fields["pid"] or self._pid
        if kind.name in ("auth_failed", "auth_problem"):
            return "auth"
        if user:
            return f"{service}({user})<{pid}>" + (f"<{session}>" if session else "")
        if service in ("master", "auth", "config"):
            return str(service)
        return f"{service}({pid})"

    def _allowed(self, kind: EventKind) -> bool:
        second = int(self._clock())
        if second != self._second:
            self._tell_left_out()
            self._second = second
        count = self._counts.get(kind.name, 0) + 1
        self._counts[kind.name] = count
        return count <= self._limit

    def _tell_left_out(self) -> None:
        for name, count in self._counts.items():
            if count > self._limit:
                text = f"{count - self._limit} more lines of the event {name} in one second are left out"
                self._write(Level.WARNING, f"{self.service}: Warning: {text}")
        self._counts.clear()

    def _write(self, level: Level, line: str) -> None:
        self._sinks[level].write(level, line if len(line) <= MAX_LINE else line[:MAX_LINE] + "...")


def attach_log(events: Events, settings: LogSettings, service: str) -> Log:
    """Write a line for every event that has one, debugging ones only when that is switched on."""
    log = Log(settings, service, os.getpid())
    least = Level.DEBUG if settings.debug else Level.INFO
    events.listen(log.listen, [kind.name for kind in EVENTS.values() if kind.line and kind.level >= least])
    return log


def _open(path: str, settings: LogSettings, clock: Callable[[], float]) -> Sink:
    if path == "syslog":
        return SyslogSink(settings.syslog_facility)
    return FileSink(path, settings, clock)


@lru_cache(maxsize=256)
def _blank(name: str) -> Mapping[str, Any]:
    return dict.fromkeys(("service", "user", "session", "pid", *EVENTS[name].fields), "")


def _clean(value: Any) -> Any:
    """Text with control characters and what looks like them escaped, and of bounded length."""
    if isinstance(value, Mapping):
        return {_clean(key): _clean(each) for key, each in list(value.items())[:32]}
    if not isinstance(value, str):
        return value
    if len(value) > MAX_FIELD:
        value = value[:MAX_FIELD] + "..."
    if value.isprintable():
        return value
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in value)
