"""Keywords as ids of interned sets: no limit on their number but a setting, and one integer a message."""

from collections.abc import Iterable

import apsw

from doocot.store.index.database import rows

Names = frozenset[str]


def keyword_sets(connection: apsw.Connection) -> dict[int, tuple[str, ...]]:
    """Every interned set by id."""
    return {
        number: tuple(names.split(" ")) if names else ()
        for number, names in rows(connection, "SELECT id, names FROM keyword_set")
    }


def canonical(connection: apsw.Connection, names: Names) -> Names:
    """The names as the root first saw them: keywords are told apart without regard to case (RFC 3501 §9, note 1)."""
    known = {name.lower(): name for names_of in keyword_sets(connection).values() for name in names_of}
    return frozenset(known.get(name.lower(), name) for name in names)


def intern_set(writer: apsw.Connection, names: Names) -> int:
    """The id of that set of keywords, made when it is new. Keyword names hold no space (RFC 3501 flag-keyword =
    atom)."""
    return _intern(writer, canonical(writer, names))


def _intern(writer: apsw.Connection, names: Names) -> int:
    text = " ".join(sorted(names))
    found = rows(writer, "SELECT id FROM keyword_set WHERE names = ?", (text,))
    if found:
        return int(found[0][0])
    writer.execute("INSERT INTO keyword_set(names) VALUES(?)", (text,))
    return writer.last_insert_rowid()


def sets_in(connection: apsw.Connection, mailbox: int, ranges: Iterable[tuple[int, int]]) -> list[int]:
    """The ids of the keyword sets that messages in these UID ranges have."""
    sql = "SELECT DISTINCT flags >> 8 FROM message WHERE mailbox = ? AND uid BETWEEN ? AND ?"
    return sorted({number for low, high in ranges for (number,) in rows(connection, sql, (mailbox, low, high))})


def map_sets(writer: apsw.Connection, present: Iterable[int], add: Names, remove: Names) -> list[tuple[int, int]]:
    """For each keyword set id in `present`, the pair (id, id after adding and removing); unchanged ones are left
    out.

    `present` are the sets that the messages in question have, never all: each pair may make a new set, so that the
    number of all would double with every keyword.
    """
    known = keyword_sets(writer)
    add, remove = canonical(writer, add), canonical(writer, remove)
    pairs = []
    for number in present:
        names = frozenset(known[number])
        changed = (names | add) - remove
        if changed != names:
            pairs.append((number, _intern(writer, changed)))
    return pairs
