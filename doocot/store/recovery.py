"""`doocot-recovery`: what only the index knows, as plain text beside it, for when the index is damaged (rule 3).

    doocot-recovery 1
    K <number> <keyword> <keyword>...            a set of keywords
    A <value in base64> <entry>                  metadata: of the server before the first mailbox, then of the mailbox
    M <uidvalidity> <guid>                       a mailbox; its messages follow
    <uid> <savedate or -> <number of its set>

Written after a checkpoint, so it is as old as that. When an index is made anew, a mailbox of the same GUID and
UIDVALIDITY takes its metadata and the dates of saving from it, and the keywords that have no letter in file names; for
those that have one the file names are right. The metadata of the server come back once: see `restore_server`.
"""

import os
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field

import apsw

from doocot.store.disk_errors import disk_errors
from doocot.store.index.database import rows
from doocot.store.index.keywords import intern_set, keyword_sets
from doocot.store.index.mailboxes import MailboxRow
from doocot.store.index.metadata import SERVER
from doocot.store.root import Root, note

FILE_NAME = "doocot-recovery"
HEADER = "doocot-recovery 1"


@dataclass(frozen=True, slots=True)
class Remembered:
    """Of one message: when it was saved (None: not known), and its keywords."""

    savedate: int | None
    keywords: frozenset[str]


@dataclass(frozen=True, slots=True)
class Memory:
    """Of one mailbox, or of the server: its metadata, and its messages by UID."""

    metadata: dict[str, bytes] = field(default_factory=dict)
    messages: dict[int, Remembered] = field(default_factory=dict)


def path_of(root: Root) -> str:
    """The file beside the index."""
    return os.path.join(root.location.index or root.path, FILE_NAME)


def write_recovery(root: Root) -> None:
    """Replaces the file. Blocking: for a thread. SQLite joins the lines, so other threads run meanwhile."""
    parts = [HEADER + "\n"]
    with root.db.lock:
        reader = root.db.writer
        parts += [f"K {number} {' '.join(names)}\n" for number, names in keyword_sets(reader).items() if names]
        parts += _entries(reader, SERVER)
        for mailbox, validity, guid in rows(reader, "SELECT id, uidvalidity, guid FROM mailbox ORDER BY id"):
            ((lines,),) = rows(
                reader,
                "SELECT group_concat(uid || ' ' || ifnull(savedate, '-') || ' ' || (flags >> 8), char(10)) FROM message"
                " WHERE mailbox = ? AND (savedate IS NOT NULL OR flags > 255)",
                (mailbox,),
            )
            parts += [f"M {validity} {guid}\n", *_entries(reader, mailbox), f"{lines}\n" if lines else ""]
    path = path_of(root)
    with disk_errors(path):
        modes = root.files.modes_in(os.path.dirname(path))
        root.files.replace_file(path, ["".join(parts).encode()], f"{path}.tmp.{os.getpid()}", modes, optional=True)


def _entries(connection: apsw.Connection, mailbox: int) -> list[str]:
    found = rows(connection, "SELECT entry, value FROM metadata WHERE mailbox = ? ORDER BY entry", (mailbox,))
    return [f"A {b64encode(value).decode()} {entry}\n" for entry, value in found]


def remembered(root: Root, row: MailboxRow | None) -> Memory:
    """What the file says of this mailbox, or of the server; nothing where there is no file, or a damaged one."""
    try:
        text = root.files.read_file(path_of(root)).decode()
    except FileNotFoundError:
        return Memory()
    except (OSError, UnicodeDecodeError) as error:
        note(root, f"{path_of(root)}: {error}; metadata, dates of saving and keywords beyond 26 are lost")
        return Memory()
    try:
        return _parse(text, f"M {row.uid_validity} {row.guid}" if row is not None else "")
    except ValueError as error:
        note(root, f"{path_of(root)}: {error}; metadata, dates of saving and keywords beyond 26 are lost")
        return Memory()


def _parse(text: str, wanted: str) -> Memory:
    """What stands behind the line `wanted`, "" for what stands before the first mailbox."""
    header, *lines = text.split("\n")
    if header != HEADER:
        raise ValueError(f"it does not begin with {HEADER!r}")
    sets: dict[int, frozenset[str]] = {0: frozenset()}
    found = Memory()
    here = not wanted
    for line in lines:
        if line.startswith("K "):
            number, *names = line[2:].split(" ")
            sets[int(number)] = frozenset(names)
        elif line.startswith("M "):
            here = line == wanted
        elif here and line.startswith("A "):
            _, value, entry = line.split(" ", 2)
            found.metadata[entry] = b64decode(value, validate=True)
        elif here and line:
            uid, savedate, number = line.split(" ")
            keywords = sets.get(int(number), frozenset())
            found.messages[int(uid)] = Remembered(None if savedate == "-" else int(savedate), keywords)
    return found


def restore(root: Root, writer: apsw.Connection, row: MailboxRow, letters: list[str]) -> bool:
    """Gives a mailbox that was just taken into the index what the file remembers of it; whether messages changed."""
    memory = remembered(root, row)
    _put(writer, row.id, memory.metadata)
    restore_server(root, writer)
    known = memory.messages
    if not known:
        return False
    sets = keyword_sets(writer)
    for uid, flags in rows(writer, "SELECT uid, flags FROM message WHERE mailbox = ?", (row.id,)):
        one = known.get(uid)
        if one is None:
            continue
        beyond = one.keywords - frozenset(letters)
        if beyond:
            names = frozenset(name for name in sets.get(flags >> 8, ()) if name) | beyond
            flags = (flags & 0xFF) | intern_set(writer, names) << 8
        writer.execute(
            "UPDATE message SET savedate = ?, flags = ? WHERE mailbox = ? AND uid = ?",
            (one.savedate, flags, row.id, uid),
        )
    return True


def restore_server(root: Root, writer: apsw.Connection) -> None:
    """Once in the life of an index: what the file remembers of the server's metadata. None set since is replaced."""
    if rows(writer, "SELECT restored FROM root") == [(0,)]:
        _put(writer, SERVER, remembered(root, None).metadata)
        writer.execute("UPDATE root SET restored = 1")


def _put(writer: apsw.Connection, mailbox: int, entries: Mapping[str, bytes]) -> None:
    writer.executemany(
        "INSERT OR IGNORE INTO metadata(mailbox, entry, value) VALUES(?, ?, ?)",
        [(mailbox, entry, value) for entry, value in entries.items()],
    )
