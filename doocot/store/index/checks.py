"""What must hold among the tables of an index (see `schema`), asked of SQLite, and how it is put right."""

import apsw

from doocot.store.index.database import rows
from doocot.store.index.mailboxes import MailboxRow, count_mailbox

_LEFT_OVER = "mailbox <> 0 AND mailbox NOT IN (SELECT id FROM mailbox)"


def integrity(connection: apsw.Connection) -> list[str]:
    """What SQLite finds wrong with its own file; nothing when it is sound."""
    return [text for (text,) in rows(connection, "PRAGMA integrity_check") if text != "ok"]


def order(connection: apsw.Connection) -> list[str]:
    """Invariants 1 and 4: no Change and no mod-sequence is above the root's position, and that is reserved."""
    ((position, reserved),) = rows(connection, "SELECT position, reserved FROM root")
    found = []
    for table, column in (("change", "position"), ("message", "modseq"), ("mailbox", "modseq")):
        ((highest,),) = rows(connection, f"SELECT ifnull(max({column}), 0) FROM {table}")
        if highest > position:
            found.append(f"{table}.{column} {highest} is above the root's position {position}")
    if reserved < position:
        found.append(f"the position {position} is above what is reserved ({reserved})")
    return found


def repair_order(writer: apsw.Connection, ahead: int) -> None:
    """Raises the position above everything."""
    writer.execute(
        "UPDATE root SET position = max(position, (SELECT ifnull(max(position), 0) FROM change),"
        " (SELECT ifnull(max(modseq), 0) FROM message), (SELECT ifnull(max(modseq), 0) FROM mailbox))"
    )
    writer.execute("UPDATE root SET reserved = max(reserved, position + ?)", (ahead,))


def metadata(connection: apsw.Connection) -> list[str]:
    """Entries of METADATA belong to the server or to a mailbox that there is."""
    ((count,),) = rows(connection, f"SELECT count(*) FROM metadata WHERE {_LEFT_OVER}")
    return [f"{count} entries of metadata belong to no mailbox"] if count else []


def repair_metadata(writer: apsw.Connection) -> None:
    """Drops those that belong to no mailbox."""
    writer.execute(f"DELETE FROM metadata WHERE {_LEFT_OVER}")


def mailbox(connection: apsw.Connection, row: MailboxRow) -> list[str]:
    """Counters, next UID and keyword sets of one mailbox."""
    found = []
    ((count, last),) = rows(
        connection, "SELECT count(*), ifnull(max(uid), 0) FROM message WHERE mailbox = ?", (row.id,)
    )
    unseen, deleted, size = count_mailbox(connection, row.id)
    for what, kept, counted in (
        ("messages", row.messages, count),
        ("unseen", row.unseen, unseen),
        ("deleted", row.deleted, deleted),
        ("size", row.size, size),
    ):
        if kept not in (counted, -1):
            found.append(f"counter {what} is {kept}, counted {counted}")
    if row.uid_next <= last:
        found.append(f"next UID {row.uid_next} is not above the last UID {last}")
    ((unknown,),) = rows(
        connection,
        "SELECT count(*) FROM message WHERE mailbox = ? AND flags >> 8 NOT IN (SELECT id FROM keyword_set)",
        (row.id,),
    )
    if unknown:
        found.append(f"{unknown} messages have keyword sets that do not exist")
    return found


def repair_mailbox(writer: apsw.Connection, row: MailboxRow) -> None:
    """Counts again, raises the next UID, drops keyword sets that do not exist."""
    writer.execute(
        "UPDATE message SET flags = flags & 255 WHERE mailbox = ? AND flags >> 8 NOT IN (SELECT id FROM keyword_set)",
        (row.id,),
    )
    writer.execute(
        "UPDATE mailbox SET messages = (SELECT count(*) FROM message WHERE mailbox = ?1), unseen = -1, deleted = -1,"
        " size = -1, uidnext = max(uidnext, (SELECT ifnull(max(uid), 0) + 1 FROM message WHERE mailbox = ?1))"
        " WHERE id = ?1",
        (row.id,),
    )


def files_of_rows(connection: apsw.Connection, mailbox_id: int) -> list[tuple[int, str, str | None, str | None]]:
    """(uid, base, letters, target) of every message."""
    return rows(connection, "SELECT uid, base, letters, target FROM message WHERE mailbox = ?", (mailbox_id,))


def pending_data(connection: apsw.Connection, mailbox_id: int, kind: str) -> list[str]:
    """The data of this mailbox's intents of one kind."""
    found = rows(connection, "SELECT data FROM intent WHERE mailbox = ? AND kind = ?", (mailbox_id, kind))
    return [data for (data,) in found]
