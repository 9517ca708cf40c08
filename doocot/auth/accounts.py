"""Changing a passwd-file: one writer at a time, and readers see the old file or the new one, never half of one.

At every instant the path names a complete, durable file:
1. a lock file beside it (`users.lock`, flock) keeps other writers out; it stays, so that nobody locks a removed inode;
2. the new text goes to a file of a random name beside it, mode 0600, owner as before, and is fsynced;
3. rename puts it in place, fsync of the folder makes that durable. After a crash before 3 a stray file is left over.
Lines that are not understood, comments among them, are kept as they are.
"""

import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from doocot.auth.passwd_file import Entry, format_entry, parse_entry


class AccountError(Exception):
    """The change cannot be made; the text says why and what to do."""


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _lines(path: Path) -> list[str]:
    """The lines, with what is not UTF-8 in them kept by surrogates."""
    try:
        text = path.read_bytes().decode(errors="surrogateescape")
    except FileNotFoundError:
        return []
    lines = text.split("\n")
    return lines[:-1] if not lines[-1] else lines


def _replace(path: Path, lines: list[str]) -> None:
    data = "".join(f"{line}\n" for line in lines).encode(errors="surrogateescape")
    new = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:
            _keep_owner(path, descriptor)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        os.rename(new, path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _keep_owner(path: Path, descriptor: int) -> None:
    """The server reads the file as its own user; root must not take it away from him by changing a password."""
    try:
        old = path.stat()
    except FileNotFoundError:
        old = path.parent.stat()
    new = os.fstat(descriptor)
    if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid) and os.geteuid() == 0:
        os.fchown(descriptor, old.st_uid, old.st_gid)


def _name_of(line: str) -> str:
    return "" if line.startswith("#") else line.partition(":")[0]


def _change(path: Path, change: Callable[[list[str]], None]) -> None:
    with _locked(path):
        lines = _lines(path)
        change(lines)
        _replace(path, lines)


def _place(path: Path, lines: list[str], name: str) -> int:
    for number, line in enumerate(lines):
        if name and _name_of(line) == name:
            return number
    raise AccountError(f"{path}: no user {name!r}; `doocot user list` shows those there are")


def entries(path: Path) -> list[Entry]:
    """All accounts, in the order of the file."""
    return [parse_entry(line) for line in _lines(path) if _name_of(line)]


def add(path: Path, entry: Entry) -> None:
    """Add an account; AccountError when the name is taken or cannot be written."""
    try:
        line = format_entry(entry)
    except ValueError as error:
        raise AccountError(f"user {entry.name[:80]!r}: {error}") from error

    def change(lines: list[str]) -> None:
        if any(_name_of(line) == entry.name for line in lines):
            raise AccountError(f"{path}: user {entry.name!r} exists; `doocot user passwd` changes the password")
        lines.append(line)

    _change(path, change)


def set_password(path: Path, name: str, stored: str) -> None:
    """Replace the password field alone."""

    def change(lines: list[str]) -> None:
        number = _place(path, lines, name)
        rest = lines[number].split(":", 2)[2:]
        lines[number] = ":".join([name, stored, *rest])

    if ":" in stored or "\n" in stored:
        raise AccountError("a stored password must not contain a colon or line break; use another scheme")
    _change(path, change)


def delete(path: Path, name: str) -> None:
    """Remove an account; his mail stays."""

    def change(lines: list[str]) -> None:
        del lines[_place(path, lines, name)]

    _change(path, change)
