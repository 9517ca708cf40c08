"""The messages of a mailbox and the Changes that tell of them: columns, append, flags, expunge."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import apsw

from doocot.store.index.database import Database, cells, next_contents, next_position, rows
from doocot.store.index.mailboxes import MAX_SIZE, mailbox_by_id

ADDED, FLAGS, EXPUNGED = 1, 2, 3
ALL_BITS = 0xFFFFFFFF
TOGETHER = 32  # rows that one statement inserts: most of a statement's time goes into beginning and ending it
KEPT_CHANGES = 20_000  # of a root; a STORE of any size is one
SEEN, ANSWERED, FLAGGED, DELETED, DRAFT = 1, 2, 4, 8, 16
SYSTEM_BITS = 0xFF

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message whose file is on disk under `base` (with `letters`, or in new/ where that is None)."""

    base: str
    flags: int
    letters: str | None
    internaldate: int | None
    size: int | None
    savedate: int | None = None
    content: int | None = None  # of the message that this is a copy of


@dataclass(frozen=True, slots=True)
class Change:
    """A committed fact of one mailbox. For FLAGS, each row's flags f in the UID `ranges` became (f & keep) | put, and
    its

    keyword set `old` became `new` for the pairs in `sets`; only rows that this altered took `position` as modseq.
    """

    position: int
    mailbox: int
    kind: int
    ranges: tuple[Range, ...]
    keep: int = ALL_BITS
    put: int = 0
    sets: tuple[Range, ...] = ()
    name: str = ""  # of kinds that tell of a mailbox itself
    old_name: str = ""  # before it was renamed


def format_ranges(ranges: Iterable[Range]) -> str:
    """UID ranges as stored: `1:5,7`."""
    return ",".join(f"{low}:{high}" if high != low else f"{low}" for low, high in ranges)


def parse_ranges(text: str) -> tuple[Range, ...]:
    """The inverse of `format_ranges`."""
    if not text:
        return ()
    pairs = [part.partition(":") for part in text.split(",")]
    return tuple((int(low), int(high or low)) for low, _, high in pairs)


def ranges_of(uids: Sequence[int]) -> list[Range]:
    """Ascending UIDs as ranges."""
    found: list[Range] = []
    for uid in uids:
        if found and found[-1][1] + 1 == uid:
            found[-1] = (found[-1][0], uid)
        else:
            found.append((uid, uid))
    return found


def _change(row: tuple[Any, ...]) -> Change:
    position, mailbox, kind, uids, keep, put, sets = row
    if kind > EXPUNGED:
        return Change(position, mailbox, kind, (), name=uids, old_name=sets)
    return Change(position, mailbox, kind, parse_ranges(uids), keep, put, parse_ranges(sets))


def changes(connection: apsw.Connection, since: int, mailbox: int | None = None) -> list[Change] | None:
    """The Changes after position `since`, of one mailbox or all; None when the log no longer reaches back so far."""
    ((trimmed,),) = rows(connection, "SELECT trimmed FROM root")
    if since < trimmed:
        return None
    where = "position > ?1" if mailbox is None else "mailbox = ?2 AND position > ?1"
    sql = f"SELECT position, mailbox, kind, uids, keep, put, sets FROM change WHERE {where} ORDER BY position"
    return [_change(row) for row in rows(connection, sql, (since,) if mailbox is None else (since, mailbox))]


def counted_changes(connection: apsw.Connection, since: int, most: int) -> list[tuple[int, int, int]] | None:
    """(mailbox, kind, how many Changes) after position `since`; None where `changes` is, and for more than `most`."""
    ((trimmed,),) = rows(connection, "SELECT trimmed FROM root")
    if since < trimmed:
        return None
    some = "SELECT mailbox, kind FROM change WHERE position > ? ORDER BY position LIMIT ?"
    sql = f"SELECT mailbox, kind, count(*) FROM ({some}) GROUP BY mailbox, kind"
    found = rows(connection, sql, (since, most + 1))
    return None if sum(count for _, _, count in found) > most else found


def changes_of_mailboxes(connection: apsw.Connection, since: int) -> list[Change]:
    """The Changes after position `since` that tell of mailboxes themselves, not of their messages."""
    sql = "SELECT position, mailbox, kind, uids, keep, put, sets FROM change WHERE position > ? AND kind > ? ORDER BY 1"
    return [_change(row) for row in rows(connection, sql, (since, EXPUNGED))]


def position_of(connection: apsw.Connection) -> int:
    """The root's last committed position."""
    return int(rows(connection, "SELECT position FROM root")[0][0])


def columns(connection: apsw.Connection, mailbox: int, low: int = 0, high: int = 1 << 33) -> list[tuple[Any, ...]]:
    """(uid, flags, modseq, content, internaldate, size) of the UIDs low..high, ascending; date and size may be None."""
    return rows(
        connection,
        "SELECT uid, flags, modseq, content, internaldate, size FROM message WHERE mailbox = ? AND uid BETWEEN ? AND ?"
        " ORDER BY uid",
        (mailbox, low, high),
    )


def numbers(connection: apsw.Connection, mailbox: int, low: int = 0, high: int = 1 << 33) -> list[int]:
    """What `columns` gives, row after row in one list; -1 for None. For many rows."""
    return cells(
        connection,
        "SELECT uid, flags, modseq, content, ifnull(internaldate, -1), ifnull(size, -1) FROM message"
        " WHERE mailbox = ? AND uid BETWEEN ? AND ? ORDER BY uid",
        (mailbox, low, high),
    )


def saved_dates(connection: apsw.Connection, mailbox: int, low: int, high: int) -> list[tuple[int, int]]:
    """(uid, savedate) of those of the UIDs low..high of which it is known when they came into the mailbox."""
    sql = "SELECT uid, savedate FROM message WHERE mailbox = ? AND uid BETWEEN ? AND ? AND savedate IS NOT NULL"
    return rows(connection, sql, (mailbox, low, high))


def append(db: Database, writer: apsw.Connection, mailbox: int, new: Sequence[NewMessage]) -> tuple[int, list[int]]:
    """Rows for new messages in one Change: (uidvalidity, their UIDs in order).

    A base name that is there already (another process saw the file first) keeps its row, and that UID is given.
    """
    box = mailbox_by_id(writer, mailbox)
    position, content = next_contents(db, writer, len(new))
    first, uid, now = box.uid_next, box.uid_next, int(time.time())
    content -= len(new)
    given: list[int] = []
    fresh: list[tuple[Any, ...]] = []
    for offset, message in enumerate(new, 1):
        fresh.append(
            (
                mailbox,
                uid,
                message.content or content + offset,
                message.flags,
                position,
                message.internaldate,
                message.savedate or now,
                message.size,
                message.base,
                message.letters,
            )
        )
        given.append(uid)
        uid += 1
    try:
        _insert(writer, fresh)
    except apsw.ConstraintError:
        given = _append_or_adopt(writer, mailbox, first, fresh)
        uid = max([first, *(one + 1 for one in given)])
        fresh = [(*row[:1], new_uid, *row[2:]) for row, new_uid in zip(fresh, given, strict=True) if new_uid >= first]
    _restore(db, writer, mailbox, new, given, first)
    if fresh:
        unseen = sum(1 - (row[3] & 1) for row in fresh)
        deleted = sum((row[3] >> 3) & 1 for row in fresh)
        sizes = [row[7] for row in fresh]
        size = -1 if None in sizes else min(sum(sizes), MAX_SIZE)
        writer.execute(
            "UPDATE mailbox SET uidnext = ?2, modseq = ?3, messages = messages + ?4,"
            " unseen = iif(unseen < 0, -1, unseen + ?5), deleted = iif(deleted < 0, -1, deleted + ?6),"
            " size = iif(size < 0 OR ?7 < 0, -1, min(size + ?7, ?8)) WHERE id = ?1",
            (mailbox, uid, position, len(fresh), unseen, deleted, size, MAX_SIZE),
        )
        writer.execute(
            "INSERT INTO change(position, mailbox, kind, uids) VALUES(?, ?, ?, ?)",
            (position, mailbox, ADDED, format_ranges([(first, uid - 1)])),
        )
    return box.uid_validity, given


def _insert(writer: apsw.Connection, fresh: Sequence[tuple[Any, ...]]) -> None:
    """New rows, most of them TOGETHER. Where a base name is taken, some are there and others not."""
    insert = (
        "INSERT OR FAIL INTO message(mailbox,uid,content,flags,modseq,internaldate,savedate,size,base,letters) VALUES"
    )
    row = "(?,?,?,?,?,?,?,?,?,?)"
    whole = len(fresh) - len(fresh) % TOGETHER
    if whole:
        batches = (tuple(chain.from_iterable(fresh[at : at + TOGETHER])) for at in range(0, whole, TOGETHER))
        writer.executemany(insert + ",".join([row] * TOGETHER), batches)
    writer.executemany(insert + row, fresh[whole:])


def _append_or_adopt(writer: apsw.Connection, mailbox: int, first: int, fresh: list[tuple[Any, ...]]) -> list[int]:
    """One by one, where at least one base name is taken; `_insert` left the rows before it, which are undone."""
    writer.execute("DELETE FROM message WHERE mailbox = ? AND uid >= ?", (mailbox, first))
    given, uid = [], first
    for row in fresh:
        found = rows(writer, "SELECT uid FROM message WHERE mailbox = ? AND base = ?", (mailbox, row[8]))
        if found:
            given.append(int(found[0][0]))
            continue
        writer.execute("INSERT INTO message VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)", (mailbox, uid, *row[2:]))
        given.append(uid)
        uid += 1
    return given


def _restore(
    db: Database, writer: apsw.Connection, mailbox: int, new: Sequence[NewMessage], given: Sequence[int], first: int
) -> None:
    """A row that a rescan made knows only what the file's name says: flags, keywords and dates are put right."""
    for message, uid in zip(new, given, strict=True):
        if uid >= first:
            continue
        set_flags(db, writer, mailbox, [(uid, uid)], 0, message.flags)
        writer.execute(
            "UPDATE message SET internaldate = ?, savedate = ifnull(?, savedate), content = ifnull(?, content)"
            " WHERE mailbox = ? AND uid = ?",
            (message.internaldate, message.savedate, message.content, mailbox, uid),
        )


@dataclass(frozen=True, slots=True)
class Imported:
    """The columns of rows that were imported. Their mod-sequence is `position`; dates and sizes are not known."""

    position: int
    uids: Sequence[int]
    flags: Sequence[int]
    contents: range


def import_rows(
    db: Database,
    writer: apsw.Connection,
    mailbox: int,
    uids: Sequence[int],
    bases: Sequence[str],
    flags: Sequence[int],
    letters: Sequence[str | None],
    uid_next: int,
) -> Imported:
    """First sight: columns of messages under UIDs that dovecot-uidlist gave, and the mailbox's next UID."""
    count = len(uids)
    position, content = next_contents(db, writer, count)
    contents = range(content - count + 1, content + 1)
    new = zip(uids, contents, flags, bases, letters, strict=True)
    row = f"({mailbox},?,?,?,{position},?,?)"  # short: the text of a statement is gone through at each use
    values = chain.from_iterable(islice(new, count - count % TOGETHER))
    batches = zip(*[values] * (5 * TOGETHER), strict=True)
    # FAIL, as whoever fails rolls back the whole: else SQLite copies pages aside to undo the rows of one statement.
    insert = "INSERT OR FAIL INTO message(mailbox, uid, content, flags, modseq, base, letters) VALUES"
    writer.executemany(insert + ",".join([row] * TOGETHER), batches)
    writer.executemany(insert + row, new)
    writer.execute(
        "UPDATE mailbox SET uidnext = max(uidnext, ?2), modseq = ?3, messages = messages + ?4,"
        " unseen = -1, deleted = -1, size = -1 WHERE id = ?1",
        (mailbox, uid_next, position, count),
    )
    if uids:
        writer.execute(
            "INSERT INTO change(position, mailbox, kind, uids) VALUES(?, ?, ?, ?)",
            (position, mailbox, ADDED, format_ranges([(uids[0], uids[-1])])),
        )
    return Imported(position, uids, flags, contents)


def set_flags(
    db: Database,
    writer: apsw.Connection,
    mailbox: int,
    ranges: Sequence[Range],
    keep: int,
    put: int,
    sets: Sequence[Range] = (),
) -> Change | None:
    """flags = (flags & keep) | put in the UID ranges, keyword sets mapped by `sets`; None when nothing was altered."""
    position = next_position(db, writer)
    before = writer.total_changes()
    pairs = ",".join(f"({low},{high})" for low, high in ranges) if len(ranges) > 1 else ""
    altered = f"((flags & {keep}) | {put})"
    statements = [altered]
    if sets:
        cases = " ".join(f"WHEN {old} THEN {new << 8}" for old, new in sets)
        statements = [f"((({altered}) & 255) | CASE flags >> 8 {cases} ELSE (({altered}) & ~255) END)"]
    value = statements[0]
    sql = (
        f"UPDATE message SET flags = {value}, modseq = ? WHERE mailbox = ? AND uid BETWEEN ? AND ? AND flags <> {value}"
    )
    writer.executemany(sql, [(position, mailbox, low, high) for low, high in ranges]) if pairs else writer.execute(
        sql, (position, mailbox, *ranges[0])
    )
    count = writer.total_changes() - before
    if not count:
        return None
    unseen, deleted = _counter_steps(keep, put, count)
    writer.execute(
        "UPDATE mailbox SET modseq = ?2, unseen = iif(unseen < 0 OR ?3 IS NULL, -1, unseen + ?3),"
        " deleted = iif(deleted < 0 OR ?4 IS NULL, -1, deleted + ?4) WHERE id = ?1",
        (mailbox, position, unseen, deleted),
    )
    writer.execute(
        "INSERT INTO change(position, mailbox, kind, uids, keep, put, sets) VALUES(?, ?, ?, ?, ?, ?, ?)",
        (position, mailbox, FLAGS, format_ranges(ranges), keep, put, format_ranges(sets)),
    )
    return Change(position, mailbox, FLAGS, tuple(ranges), keep, put, tuple(sets))


def _counter_steps(keep: int, put: int, count: int) -> tuple[int | None, int | None]:
    """How unseen and deleted moved when `count` rows changed: known for an operation on one flag, else None
    (recount)."""
    touched = (put | ~keep) & SYSTEM_BITS
    alone = touched & (touched - 1) == 0 and (keep & ~SYSTEM_BITS & ALL_BITS) == ALL_BITS & ~SYSTEM_BITS
    steps: list[int | None] = []
    for bit, when_put in ((SEEN, -count), (DELETED, count)):
        if not touched & bit:
            steps.append(0)
        elif alone:
            steps.append(when_put if put & bit else -when_put)
        else:
            steps.append(None)
    return steps[0], steps[1]


def files(
    connection: apsw.Connection, mailbox: int, ranges: Sequence[Range]
) -> list[tuple[int, str, str | None, str | None]]:
    """(uid, base, letters, target) of the messages in the UID ranges."""
    found: list[tuple[int, str, str | None, str | None]] = []
    for low, high in ranges:
        found += rows(
            connection,
            "SELECT uid, base, letters, target FROM message WHERE mailbox = ? AND uid BETWEEN ? AND ? ORDER BY uid",
            (mailbox, low, high),
        )
    return found


def names_of(connection: apsw.Connection, mailbox: int, base: str) -> tuple[str | None, str | None] | None:
    """(letters, target) of the message with this base name; None when it is gone."""
    found = rows(connection, "SELECT letters, target FROM message WHERE mailbox = ? AND base = ?", (mailbox, base))
    return found[0] if found else None


def expunge(db: Database, writer: apsw.Connection, mailbox: int, ranges: Sequence[Range]) -> Change | None:
    """Removes rows; the caller has put the intent to unlink their files into the same transaction."""
    position = next_position(db, writer)
    before = writer.total_changes()
    writer.executemany(
        "DELETE FROM message WHERE mailbox = ? AND uid BETWEEN ? AND ?", [(mailbox, low, high) for low, high in ranges]
    )
    count = writer.total_changes() - before
    if not count:
        return None
    writer.execute(
        "UPDATE mailbox SET modseq = ?, messages = messages - ?, unseen = -1, deleted = -1, size = -1 WHERE id = ?",
        (position, count, mailbox),
    )
    writer.execute(
        "INSERT INTO change(position, mailbox, kind, uids, at) VALUES(?, ?, ?, ?, ?)",
        (position, mailbox, EXPUNGED, format_ranges(ranges), int(time.time())),
    )
    return Change(position, mailbox, EXPUNGED, tuple(ranges))


def set_dates(writer: apsw.Connection, mailbox: int, dates: Sequence[tuple[int, int, int]]) -> None:
    """(internaldate, size, uid) learnt from the files: a cache of what the file says, so no Change."""
    writer.executemany(f"UPDATE message SET internaldate = ?, size = ? WHERE mailbox = {mailbox} AND uid = ?", dates)


def expunged_since(connection: apsw.Connection, mailbox: int, modseq: int) -> list[Range] | None:
    """UID ranges expunged after `modseq` (QRESYNC, RFC 7162 §3.2.10); None when the log does not reach back so far."""
    ((trimmed,),) = rows(connection, "SELECT trimmed FROM root")
    if modseq < trimmed:
        return None
    found = rows(
        connection,
        "SELECT uids FROM change WHERE mailbox = ? AND position > ? AND kind = ?",
        (mailbox, modseq, EXPUNGED),
    )
    return [pair for (uids,) in found for pair in parse_ranges(uids)]


def trim_log(writer: apsw.Connection, keep: int = KEPT_CHANGES) -> int:
    """Forgets Changes but the last `keep`; how many went. A reader that stands before them compares in full,

    and QRESYNC then tells of all UIDs that are missing (RFC 7162 §3.2.6 allows more than was asked for).
    """
    found = rows(writer, "SELECT position FROM change ORDER BY position DESC LIMIT 1 OFFSET ?", (keep,))
    if not found:
        return 0
    ((last,),) = found
    before = writer.total_changes()
    writer.execute("DELETE FROM change WHERE position <= ?", (last,))
    gone = writer.total_changes() - before
    writer.execute("UPDATE root SET trimmed = max(trimmed, ?)", (last,))
    return gone
