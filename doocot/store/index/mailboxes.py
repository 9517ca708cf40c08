"""The mailboxes of a root: their rows, names and counters."""

import secrets
from dataclasses import dataclass
from typing import Final

import apsw

from doocot.errors import Kind, MailError
from doocot.store.index.database import Database, next_position, rows

_COLUMNS = (
    "id, name, guid, uidvalidity, uidnext, first_recent_uid, modseq, messages, unseen, deleted, size, stamp, uidlist, "
    "listed_to, reserved_uid, letters"
)

# Names of files may tell sizes whose sum is none: it stays at the greatest number64 of RFC 9051 §4.2, SQLite's integer.
MAX_SIZE: Final = (1 << 63) - 1
CREATED, DELETED, RENAMED, SUBSCRIBED, METADATA_CHANGED = 10, 11, 12, 13, 14


@dataclass(frozen=True, slots=True)
class MailboxRow:
    """One mailbox as committed.

    `stamp` tells the state of new/ and cur/ that the rows agree with, `uidlist` the state of dovecot-uidlist,
    `listed_to` the last UID written there, `reserved_uid` the next-UID that its header promises. `letters` are the
    keywords of the file name letters a, b, c..., separated by spaces. `unseen`, `deleted` and `size` are -1 while not
    counted.
    """

    id: int
    name: str
    guid: str
    uid_validity: int
    uid_next: int
    first_recent_uid: int
    modseq: int
    messages: int
    unseen: int
    deleted: int
    size: int
    stamp: str
    uidlist: str
    listed_to: int
    reserved_uid: int
    letters: str


def mailbox_rows(connection: apsw.Connection) -> dict[str, MailboxRow]:
    """Every mailbox by name."""
    return {row[1]: MailboxRow(*row) for row in rows(connection, f"SELECT {_COLUMNS} FROM mailbox")}


def mailbox_row(connection: apsw.Connection, name: str) -> MailboxRow | None:
    """The mailbox of that name, or None."""
    found = rows(connection, f"SELECT {_COLUMNS} FROM mailbox WHERE name = ?", (name,))
    return MailboxRow(*found[0]) if found else None


def mailbox_by_id(connection: apsw.Connection, mailbox: int) -> MailboxRow:
    """The mailbox with that id; raises MailError(NON_EXISTENT) when it was deleted meanwhile."""
    found = find_mailbox(connection, mailbox)
    if found is None:
        raise MailError(Kind.NON_EXISTENT, "Mailbox was deleted.")
    return found


def find_mailbox(connection: apsw.Connection, mailbox: int) -> MailboxRow | None:
    """As `mailbox_by_id`, None when it was deleted."""
    found = rows(connection, f"SELECT {_COLUMNS} FROM mailbox WHERE id = ?", (mailbox,))
    return MailboxRow(*found[0]) if found else None


def create_mailbox(db: Database, writer: apsw.Connection, name: str, uid_validity: int, guid: str = "") -> MailboxRow:
    """A new row, or MailError(ALREADY_EXISTS)."""
    if mailbox_row(writer, name) is not None:
        raise MailError(Kind.ALREADY_EXISTS, "Mailbox already exists")
    position = next_position(db, writer)
    writer.execute(
        f"INSERT INTO mailbox({_COLUMNS}) VALUES(?, ?, ?, ?, 1, 1, ?, 0, 0, 0, 0, '', '', 0, 1, '')",
        (position, name, guid or secrets.token_hex(16), uid_validity, position),
    )
    mailbox = position  # SQLite would give a deleted mailbox's id again, and a view may still be open on that
    writer.execute(
        "INSERT INTO change(position, mailbox, kind, uids) VALUES(?, ?, ?, ?)", (position, mailbox, CREATED, name)
    )
    return mailbox_by_id(writer, mailbox)


def delete_mailbox(db: Database, writer: apsw.Connection, mailbox: int) -> None:
    """Removes the row and everything that hangs on it."""
    position = next_position(db, writer)
    name = mailbox_by_id(writer, mailbox).name
    writer.execute("DELETE FROM message WHERE mailbox = ?", (mailbox,))
    writer.execute("DELETE FROM change WHERE mailbox = ?", (mailbox,))
    writer.execute("DELETE FROM metadata WHERE mailbox = ?", (mailbox,))
    writer.execute("DELETE FROM urlauth_key WHERE mailbox = ?", (mailbox,))
    writer.execute("DELETE FROM mailbox WHERE id = ?", (mailbox,))
    writer.execute(
        "INSERT INTO change(position, mailbox, kind, uids) VALUES(?, ?, ?, ?)", (position, mailbox, DELETED, name)
    )


def rename_mailbox(db: Database, writer: apsw.Connection, mailbox: int, name: str) -> None:
    """Gives the mailbox another name; its id, GUID, UIDs and modseqs stay."""
    if mailbox_row(writer, name) is not None:
        raise MailError(Kind.ALREADY_EXISTS, "Target mailbox already exists")
    old = mailbox_by_id(writer, mailbox).name
    writer.execute("UPDATE mailbox SET name = ? WHERE id = ?", (name, mailbox))
    writer.execute(
        "INSERT INTO change(position, mailbox, kind, uids, sets) VALUES(?, ?, ?, ?, ?)",
        (next_position(db, writer), mailbox, RENAMED, name, old),
    )


def note_subscribed(db: Database, writer: apsw.Connection, name: str) -> None:
    """Tells other readers of the log that a subscription changed."""
    row = mailbox_row(writer, name)
    writer.execute(
        "INSERT INTO change(position, mailbox, kind, uids) VALUES(?, ?, ?, ?)",
        (next_position(db, writer), row.id if row is not None else 0, SUBSCRIBED, name),
    )


def recount(writer: apsw.Connection, mailbox: int) -> MailboxRow:
    """Counts what is not counted in the mailbox's row and keeps it there."""
    unseen, deleted, size = count_mailbox(writer, mailbox)
    writer.execute(
        "UPDATE mailbox SET unseen = ?, deleted = ?, size = ? WHERE id = ?", (unseen, deleted, size, mailbox)
    )
    return mailbox_by_id(writer, mailbox)


def recent_count(connection: apsw.Connection, row: MailboxRow) -> int:
    """Messages that no read-write SELECT has taken for \\Recent yet."""
    if row.first_recent_uid >= row.uid_next:
        return 0
    sql = "SELECT count(*) FROM message WHERE mailbox = ? AND uid >= ?"
    return int(rows(connection, sql, (row.id, row.first_recent_uid))[0][0])


def count_mailbox(connection: apsw.Connection, mailbox: int) -> tuple[int, int, int]:
    """(unseen, deleted, size) counted from the rows; size is -1 while a message's size is not known."""
    ((unseen, deleted, known, high, low, messages),) = rows(
        connection,
        "SELECT total(1 - (flags & 1)), total((flags >> 3) & 1), count(size),"
        " ifnull(sum(size >> 32), 0), ifnull(sum(size & 0xffffffff), 0), count(*) FROM message WHERE mailbox = ?",
        (mailbox,),
    )
    size = min((high << 32) + low, MAX_SIZE)  # the sum itself might overflow
    return int(unseen), int(deleted), size if known == messages else -1


def raise_first_recent(writer: apsw.Connection, mailbox: int) -> int:
    """The first read-write SELECT takes \\Recent for itself (RFC 3501 §2.3.2): gives the old first_recent_uid."""
    ((first,),) = rows(writer, "SELECT first_recent_uid FROM mailbox WHERE id = ?", (mailbox,))
    writer.execute(
        "UPDATE mailbox SET first_recent_uid = uidnext WHERE id = ? AND first_recent_uid < uidnext", (mailbox,)
    )
    return int(first)


def raise_next_uid(writer: apsw.Connection, mailbox: int, uid_next: int) -> None:
    """No UID below `uid_next` is given any more."""
    writer.execute("UPDATE mailbox SET uidnext = max(uidnext, ?) WHERE id = ?", (uid_next, mailbox))


def skip_recent(writer: apsw.Connection, mailbox: int, before: int, first: int) -> None:
    """Messages that another program had moved to cur/ were seen by it: \\Recent begins at `first`.

    Only where nothing was recent before: `before` is the UID that was next when they were added.
    """
    writer.execute(
        "UPDATE mailbox SET first_recent_uid = ? WHERE id = ? AND first_recent_uid >= ?", (first, mailbox, before)
    )


def set_stamps(
    writer: apsw.Connection,
    mailbox: int,
    *,
    stamp: str | None = None,
    uidlist: str | None = None,
    listed_to: int | None = None,
    reserved_uid: int | None = None,
    letters: str | None = None,
    uid_validity: int | None = None,
) -> None:
    """Writes what is given of a mailbox's file states."""
    given = {
        "stamp": stamp,
        "uidlist": uidlist,
        "listed_to": listed_to,
        "reserved_uid": reserved_uid,
        "letters": letters,
        "uidvalidity": uid_validity,
    }
    fields = {name: value for name, value in given.items() if value is not None}
    if fields:
        assignments = ", ".join(f"{name} = ?" for name in fields)
        writer.execute(f"UPDATE mailbox SET {assignments} WHERE id = ?", (*fields.values(), mailbox))
