"""The `passwd-file` passdb and userdb: `user:password:uid:gid:gecos:home:shell:extra fields`, one user a line.

The table in memory is replaced as a whole when the file's mtime, size or inode changed; a look-up stats the file (1 us)
and becomes a Job only when it has to be read. A table read within the clock's granularity of the file's own mtime is
not trusted at the next look-up: a second write in the same tick would not show. A bad line costs its user alone: it is
reported with file and line, and the rest is served. Existing users are never unknown because of damage to their line:
an unusable uid is a temporary failure, else the mail for that user would be bounced.
"""

import os
import stat
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import NamedTuple

from doocot.auth.database import (
    Answer,
    Found,
    NotFound,
    PasswordDatabase,
    Query,
    Unavailable,
    UserDatabase,
)
from doocot.auth.settings import DatabaseSettings, SettingsError
from doocot.auth.types import nothing
from doocot.auth.variables import names_in, template
from doocot.wire.flow import Job

MAX_FILE = 256 * 1024 * 1024
MAX_LINE = 16 * 1024
MAX_PROBLEMS = 20  # reported for one reading; the rest are counted
MAX_KNOWN = 8192  # lines of a table kept taken apart
MAX_OPEN_TABLES = 512  # of paths with variables, least used dropped
_MTIME_TICK_NS = 50_000_000

Report = Callable[[str], None]


class Entry(NamedTuple):
    """One line in its parts, as written; `extra` is the space separated rest."""

    name: str
    password: str = ""
    uid: str = ""
    gid: str = ""
    gecos: str = ""
    home: str = ""
    shell: str = ""
    extra: str = ""


def parse_entry(line: str) -> Entry:
    """Split a line; missing fields at its end are empty."""
    return Entry(*line.split(":", 7))


def format_entry(entry: Entry) -> str:
    """The line of `entry`, without trailing empty fields; ValueError when a part cannot be written in this format."""
    for part, value in zip(Entry._fields, entry, strict=True):
        if any(character in value for character in "\0\r\n") or (":" in value and part != "extra"):
            raise ValueError(f"{part} must not contain a colon, line break or NUL")
    if not entry.name or entry.name.startswith("#"):
        raise ValueError("user name must not be empty nor begin with #")
    # The second field always stays: a line without any colon reads as a damaged one.
    fields = list(entry)
    while len(fields) > 2 and not fields[-1]:
        fields.pop()
    return ":".join(fields)


@dataclass(frozen=True, slots=True)
class Account:
    """A line as the two databases answer it. `own` are uid, gid and home, which hold no %variables."""

    passdb: Found
    userdb: Found
    own: dict[str, str]
    variables: bool


def _extra_fields(extra: str) -> dict[str, str]:
    """The extra fields; `::location` is the form of Dovecot 0.99, where a ninth field held the mail location."""
    if extra.startswith(":"):
        return {"userdb_mail": extra[1:]} if len(extra) > 1 else {}
    pairs = (word.partition("=") for word in extra.split())
    return {key: text if equals else "yes" for key, equals, text in pairs}


def account_of(entry: Entry) -> Account:
    extra = _extra_fields(entry.extra)
    for_user = {key[7:]: text for key, text in extra.items() if key.startswith("userdb_")}
    own = {"uid": entry.uid, "gid": entry.gid, "home": entry.home}
    return Account(
        Found(extra, entry.password),
        Found(for_user),
        {key: text for key, text in own.items() if text},
        any("%" in text for text in extra.values()),
    )


@dataclass(frozen=True, slots=True)
class Table:
    """A file as read: name -> rest of the line. Lines are taken apart when they are first asked for."""

    lines: Mapping[str, str] = field(default_factory=nothing, repr=False)
    problems: tuple[str, ...] = ()
    example: str = field(default="", repr=False)  # a stored password, for the dummy check of unknown users
    known: dict[str, Account] = field(default_factory=dict, repr=False)

    def account(self, name: str) -> Account | None:
        account = self.known.get(name)
        if account is not None:
            return account
        rest = self.lines.get(name)
        if rest is None:
            return None
        if len(self.known) >= MAX_KNOWN:
            self.known.clear()
        account = self.known[name] = account_of(parse_entry(f"{name}:{rest}"))
        return account


def parse_table(data: bytes, path: str) -> Table:
    """Read a whole file; the first line of a name counts."""
    lines: dict[str, str] = {}
    problems: list[str] = []
    example = ""
    for number, raw in enumerate(data.split(b"\n"), 1):
        if not raw or raw[0] in b"#:" or raw == b"\r":
            continue
        problem = ""
        try:
            name, _, rest = raw.rstrip(b"\r").decode().partition(":")
        except UnicodeDecodeError:
            problem = "not UTF-8"
        else:
            if len(raw) > MAX_LINE:
                problem = f"longer than {MAX_LINE} bytes"
            elif b"\0" in raw:
                problem = "contains NUL"
            elif name in lines:
                problem = f"user {name} exists more than once; the first line counts"
        if problem:
            problems.append(f"{path}:{number}: {problem}; line skipped")
            continue
        lines[name] = rest
        example = example or rest.partition(":")[0]
    if len(problems) > MAX_PROBLEMS:
        problems[MAX_PROBLEMS:] = [f"{path}: {len(problems) - MAX_PROBLEMS} more bad lines"]
    return Table(lines, tuple(problems), example)


def _read(path: str) -> tuple[bytes, os.stat_result]:
    """The bytes of a regular file; OSError also for anything that is not one or is too large."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "is not a regular file", path)
        data = file.read(MAX_FILE + 1)
        if len(data) > MAX_FILE:
            raise OSError(0, f"is larger than {MAX_FILE} bytes", path)
    return data, status


def _stamp(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_mtime_ns, status.st_size, status.st_ino, status.st_dev


@dataclass(slots=True)
class PasswdFile:
    """One file and its table. `current` is called on the loop, `load` on a thread."""

    path: str
    report: Report
    table: Table | None = None
    stamp: tuple[int, int, int, int] | None = None
    lock: Lock = field(default_factory=Lock)

    def current(self) -> Table | None:
        """The table when it is still what the file says; None when it has to be loaded."""
        stamp, table = self.stamp, self.table
        if stamp is None:
            return None
        try:
            status = os.stat(self.path)
        except OSError:
            return None  # `load` says what is wrong
        return table if _stamp(status) == stamp else None

    def load(self) -> Table:
        """Read the file unless another thread has just done so; raises OSError."""
        with self.lock:
            table = self.current()
            if table is not None:
                return table
            self.stamp = None
            data, status = _read(self.path)
            table = parse_table(data, self.path)
            if self.table is None or table.problems != self.table.problems:
                for problem in table.problems:
                    self.report(problem)
            self.table = table
            if time.time_ns() - status.st_mtime_ns > _MTIME_TICK_NS:
                self.stamp = _stamp(status)
            return table


@dataclass(slots=True)
class Files:
    """The tables in use, shared by all passwd-file databases of a chain; a bounded LRU."""

    report: Report
    by_path: OrderedDict[str, PasswdFile] = field(default_factory=OrderedDict)

    def get(self, path: str) -> PasswdFile:
        file = self.by_path.get(path)
        if file is None:
            file = self.by_path[path] = PasswdFile(path, self.report)
            if len(self.by_path) > MAX_OPEN_TABLES:
                self.by_path.popitem(last=False)
        else:
            self.by_path.move_to_end(path)
        return file


@dataclass(frozen=True, slots=True)
class _Source:
    """What `args` say: where the file of a user is and under which name he stands in it."""

    files: Files
    path: str
    path_names: frozenset[str]
    scheme: str
    username_format: str

    def path_for(self, query: Query) -> str | None:
        """The path for this user; None when his name would lead out of the folder."""
        if not self.path_names:
            return self.path
        values = query.variables()
        for name in self.path_names:
            value = values.get(name, "")
            if "/" in value or "\0" in value or value in (".", ".."):
                return None
        return template(self.path)(values)

    def name_for(self, query: Query) -> str:
        """The name under which this user stands in the file."""
        if self.username_format == "%u":
            return query.user
        return template(self.username_format)(query.variables())


def parse_args(settings: DatabaseSettings, files: Files) -> _Source:
    """`args = [scheme=X] [username_format=Y] /path`."""
    options = {"scheme": "CRYPT", "username_format": "%u"}
    words = settings.args.split()
    while words and "=" in words[0] and not words[0].startswith("/"):
        key, _, value = words.pop(0).partition("=")
        if key not in options:
            raise SettingsError(f"unknown args option {key}=; known are scheme= and username_format=")
        options[key] = value
    path = " ".join(words)
    if not path:
        raise SettingsError("args name no file; write args = /path/to/users")
    template(path)
    template(options["username_format"])
    return _Source(files, path, names_in(path), options["scheme"], options["username_format"])


Reader = Callable[[PasswdFile, Table, str, Query], Answer]


def _lookup(source: _Source, read: Reader, query: Query) -> Answer | Job:
    path = source.path_for(query)
    if path is None:
        return NotFound()
    file = source.files.get(path)
    name = source.name_for(query)
    table = file.current()
    if table is None:
        return Job(partial(_load_and_read, source, file, read, name, query))
    return read(file, table, name, query)


def _load_and_read(source: _Source, file: PasswdFile, read: Reader, name: str, query: Query) -> Answer:
    try:
        table = file.load()
    except FileNotFoundError as error:
        if file.path != source.path:
            return NotFound()  # a domain without a file has no users
        return Unavailable(f"{file.path}: {error.strerror}; create it or correct args")
    except OSError as error:
        return Unavailable(f"{file.path}: {error.strerror}")
    return read(file, table, name, query)


def _expanded(file: PasswdFile, found: Found, query: Query) -> Found | Unavailable:
    """The answer with the %variables in its fields replaced."""
    try:
        fields = {key: template(text)(query.variables()) for key, text in found.fields.items()}
    except SettingsError as error:
        return Unavailable(f"{file.path}: user {query.user}: {error}")
    return Found(fields, found.password)


def _password_entry(file: PasswdFile, table: Table, name: str, query: Query) -> Answer:
    account = table.account(name)
    if account is None:
        return NotFound(table.example)
    return _expanded(file, account.passdb, query) if account.variables else account.passdb


def _user_entry(file: PasswdFile, table: Table, name: str, query: Query) -> Answer:
    account = table.account(name)
    if account is None:
        return NotFound()
    found = _expanded(file, account.userdb, query) if account.variables else account.userdb
    if isinstance(found, Unavailable) or not account.own:
        return found
    return Found({**account.own, **found.fields})


def _version(source: _Source, query: Query) -> Hashable:
    path = source.path_for(query)
    try:
        return None if path is None else _stamp(os.stat(path))
    except OSError:
        return None


def _iterate(source: _Source) -> list[str]:
    """All names, for `doocot user list`; a path with variables stands for files that are not known."""
    if source.path_names:
        raise SettingsError(f"passwd-file {source.path}: users of a path with variables cannot be listed")
    return list(source.files.get(source.path).load().lines)


def passdb(settings: DatabaseSettings, files: Files) -> PasswordDatabase:
    source = parse_args(settings, files)
    return PasswordDatabase(partial(_lookup, source, _password_entry), source.scheme, partial(_version, source))


def userdb(settings: DatabaseSettings, files: Files) -> UserDatabase:
    source = parse_args(settings, files)
    return UserDatabase(
        partial(_lookup, source, _user_entry),
        lambda: Job(partial(_iterate, source)),
        partial(_version, source),
    )
