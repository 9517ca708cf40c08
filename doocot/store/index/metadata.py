"""Entries of METADATA (RFC 5464 §3) as rows: of a mailbox by its id, of the server by the id 0.

Names are in lower case, as they are told apart without regard to case. The value of `/private/specialuse` (RFC 6154 §4)
has an index of its own, as LIST asks for all of them.
"""

from collections.abc import Mapping
from typing import Final

import apsw

from doocot.errors import Kind, MailError
from doocot.store.index.database import Database, next_position, rows
from doocot.store.index.mailboxes import METADATA_CHANGED, mailbox_by_id

SERVER: Final = 0
MOST_CHANGES: Final = 100  # that a session is told at once
SPECIAL_USE: Final = "/private/specialuse"


def value(connection: apsw.Connection, mailbox: int, entry: str) -> bytes | None:
    """The value of an entry, None where there is none."""
    found = rows(connection, "SELECT value FROM metadata WHERE mailbox = ? AND entry = ?", (mailbox, entry))
    return bytes(found[0][0]) if found else None


def sizes(connection: apsw.Connection, mailbox: int, entry: str, *, below: bool) -> list[tuple[str, int]]:
    """Name and size of an entry, with `below` also of those under it, by name."""
    if not below:
        sql = "SELECT entry, length(value) FROM metadata WHERE mailbox = ? AND entry = ?"
        return rows(connection, sql, (mailbox, entry))
    sql = (
        "SELECT entry, length(value) FROM metadata WHERE mailbox = ?1 AND (entry = ?2 OR entry > ?2 || '/'"
        " AND entry < ?2 || '0') ORDER BY entry"  # "0" comes behind "/"
    )
    return rows(connection, sql, (mailbox, entry))


def put(
    db: Database,
    writer: apsw.Connection,
    mailbox: int,
    values: Mapping[str, bytes | None],
    *,
    max_entries: int,
    max_total: int,
) -> int:
    """Sets entries, or removes those whose value is None, with the Change that tells of it; its position.

    Raises MailError: NON_EXISTENT when the mailbox is gone, LIMIT when it would have more than `max_entries`,
    OVER_QUOTA when all entries of the root together would be more than `max_total` bytes.
    """
    if mailbox != SERVER:
        mailbox_by_id(writer, mailbox)
    for entry, given in values.items():
        if given is None:
            writer.execute("DELETE FROM metadata WHERE mailbox = ? AND entry = ?", (mailbox, entry))
        else:
            sql = "INSERT OR REPLACE INTO metadata(mailbox, entry, value) VALUES(?, ?, ?)"
            writer.execute(sql, (mailbox, entry, given))
    if any(given is not None for given in values.values()):
        _check_room(writer, mailbox, max_entries, max_total)
    position = next_position(db, writer)
    writer.execute(
        "INSERT INTO change(position, mailbox, kind, uids) VALUES(?, ?, ?, ?)",
        (position, mailbox, METADATA_CHANGED, "\n".join(values)),
    )
    return position


def _check_room(writer: apsw.Connection, mailbox: int, max_entries: int, max_total: int) -> None:
    """Raises MailError when what is there now is too much."""
    ((count,),) = rows(writer, "SELECT count(*) FROM metadata WHERE mailbox = ?", (mailbox,))
    if count > max_entries:
        raise MailError(Kind.LIMIT, f"There may be {max_entries} entries of metadata.")
    ((total,),) = rows(writer, "SELECT sum(length(entry) + length(value)) FROM metadata")
    if total > max_total:
        raise MailError(Kind.OVER_QUOTA, f"All metadata together may be {max_total} octets.")


def changed_entries(connection: apsw.Connection, mailbox: int, since: int) -> list[tuple[int, list[str]]]:
    """(position, names of entries) of the last changes after `since`."""
    found = rows(
        connection,
        "SELECT position, uids FROM change WHERE mailbox = ? AND position > ? AND kind = ?"
        " ORDER BY position DESC LIMIT ?",
        (mailbox, since, METADATA_CHANGED, MOST_CHANGES),
    )
    return [(position, names.split("\n")) for position, names in found]


def special_uses(connection: apsw.Connection) -> dict[str, tuple[str, ...]]:
    """The special uses that clients gave to mailboxes, by the mailbox's name."""
    # Written out, not bound: so SQLite takes the index that is made for it.
    sql = (
        f"SELECT name, value FROM metadata JOIN mailbox ON mailbox.id = metadata.mailbox WHERE entry = '{SPECIAL_USE}'"
    )
    found = rows(connection, sql)
    return {name: tuple(bytes(given).decode("ascii").split()) for name, given in found}
