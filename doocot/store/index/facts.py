"""Facts: what was computed from a message's bytes, as it goes on the wire; a cache, dropping it loses nothing."""

import json
import time
from collections.abc import Iterable, Sequence
from typing import Any

import apsw

from doocot.store.index.database import Busy, Database, next_position, rows, write

USED_GRAIN = 3600  # seconds to which it is known when a Fact was last used
DROPPED_AT_ONCE = 1000


def fact_item(db: Database, name: str, most: int) -> int | None:
    """The id of the Fact called `name`, made when it is new.

    At most `most` of them are kept: the least used goes. With `most` 0 none is made, and None is given; so it is while
    somebody else writes, as the loop must not wait. An id is never given again: who remembers that of a Fact that went
    finds nothing under it.
    """
    found = rows(db.reader, "SELECT id, used FROM fact_item WHERE name = ?", (name,))
    used = int(time.time())
    if not most or (found and found[0][1] > used - USED_GRAIN):
        return int(found[0][0]) if found else None
    try:
        with write(db, wait=False) as writer:
            sql = "INSERT INTO fact_item VALUES(?, ?, ?) ON CONFLICT(name) DO UPDATE SET used = excluded.used"
            writer.execute(sql, (next_position(db, writer), name, used))
            writer.execute(
                "DELETE FROM fact_item WHERE name <> ?1 AND id NOT IN"
                " (SELECT id FROM fact_item WHERE name <> ?1 ORDER BY used DESC, id DESC LIMIT ?2)",
                (name, most - 1),
            )
            return int(rows(writer, "SELECT id FROM fact_item WHERE name = ?", (name,))[0][0])
    except Busy:
        return int(found[0][0]) if found else None


def drop_unnamed(writer: apsw.Connection, first: int) -> None:
    """Forgets some of the Facts, with ids from `first` on, whose `fact_item` is gone."""
    found = rows(
        writer,
        "WITH RECURSIVE stored(item) AS (SELECT min(item) FROM fact WHERE item >= ?1 UNION ALL"
        " SELECT (SELECT min(fact.item) FROM fact WHERE fact.item > stored.item) FROM stored WHERE item IS NOT NULL)"
        " SELECT item FROM stored WHERE item IS NOT NULL AND item NOT IN (SELECT id FROM fact_item)",
        (first,),
    )
    for (item,) in found:
        contents = "SELECT content FROM fact WHERE item = ?1 LIMIT ?2"
        writer.execute(f"DELETE FROM fact WHERE item = ?1 AND content IN ({contents})", (item, DROPPED_AT_ONCE))


def facts(connection: apsw.Connection, item: int, low: int, high: int) -> list[tuple[int, bytes]]:
    """(content, bytes) of that Fact for the contents low..high, ascending."""
    return rows(
        connection,
        "SELECT content, bytes FROM fact WHERE item = ? AND content BETWEEN ? AND ? ORDER BY content",
        (item, low, high),
    )


def facts_of(connection: apsw.Connection, item: int, contents: Sequence[int]) -> dict[int, bytes]:
    """content -> bytes of that Fact, for those of the contents that have it; one statement, whatever their order."""
    low, high = min(contents), max(contents)
    if high - low < 8 * len(contents):
        return dict(facts(connection, item, low, high))
    sql = "SELECT content, bytes FROM fact WHERE item = ? AND content IN (SELECT value FROM json_each(?))"
    return dict(rows(connection, sql, (item, json.dumps(contents))))


def fact_bytes(connection: apsw.Connection, item: int, low: int, high: int) -> list[tuple[bytes]]:
    """As `facts` without the content numbers, for the caller that expects every one of a range to be there."""
    return rows(connection, "SELECT bytes FROM fact WHERE item = ? AND content BETWEEN ? AND ?", (item, low, high))


def count_facts(connection: apsw.Connection, item: int, low: int, high: int) -> int:
    """How many of the contents low..high have that Fact."""
    found = rows(connection, "SELECT count(*) FROM fact WHERE item = ? AND content BETWEEN ? AND ?", (item, low, high))
    return int(found[0][0])


def put_facts(writer: apsw.Connection, found: Iterable[Sequence[Any]]) -> None:
    """Stores (item, content, bytes) rows inside a write transaction."""
    writer.executemany("INSERT OR REPLACE INTO fact VALUES(?, ?, ?)", found)


def drop_orphans(writer: apsw.Connection, most: int = 2000) -> int:
    """Forgets Facts of contents that no message has any more, some at a time; how many contents went."""
    found = rows(
        writer,
        "SELECT DISTINCT content FROM fact WHERE content NOT IN (SELECT content FROM message) LIMIT ?",
        (most,),
    )
    items = [number for (number,) in rows(writer, "SELECT DISTINCT item FROM fact")] if found else []
    writer.executemany(
        "DELETE FROM fact WHERE item = ? AND content = ?", [(item, content) for (content,) in found for item in items]
    )
    return len(found)
