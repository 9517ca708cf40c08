"""A mailbox at one position: immutable columns in chunks, shared by every session that stands there.

A row is a message; its sequence number is its row plus one. A later position is the old chunks plus what changed, so a
command costs what it touches. Chunks hold up to CHUNK rows; expunging shrinks them, and small neighbours are joined.
Dates and sizes that no file was asked for yet are -1.
"""

from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from doocot.store.index.messages import Change, Imported, Range

CHUNK = 4096
FEW = 8  # ranges that are looked up one by one; more are looked up together, over the whole column

Ints = NDArray[Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Columns of neighbouring messages, ascending by UID. Never written after it was made, so what was found in them

    once (`derived`) is found: a command that asks a million messages which are unseen looks at those that changed.
    """

    uid: Ints
    flags: Ints
    modseq: Ints
    content: Ints
    date: Ints
    size: Ints
    derived: dict[Hashable, Any] = field(init=False, default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The messages of `mailbox` at `position`. `starts[i]` is the row where chunk i begins; the last entry is the
    count."""

    mailbox: int
    position: int
    chunks: tuple[Chunk, ...]
    starts: tuple[int, ...]

    @property
    def count(self) -> int:
        return self.starts[-1]


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows `low`..`high` (exclusive) of one chunk; `row` is the snapshot row of `low`."""

    chunk: Chunk
    low: int
    high: int
    row: int


def _starts(chunks: Sequence[Chunk]) -> tuple[int, ...]:
    return tuple(accumulate((len(chunk.uid) for chunk in chunks), initial=0))


def _chunks(columns: Sequence[Ints]) -> list[Chunk]:
    count = len(columns[0])
    return [Chunk(*(column[low : low + CHUNK] for column in columns)) for low in range(0, count, CHUNK)]


def column_arrays(numbers: Sequence[int]) -> tuple[Ints, ...]:
    """Arrays of what `messages.numbers` gives."""
    uid, flags, *others = np.array(numbers, "i8").reshape(-1, 6).T
    return uid.astype("u4"), flags.astype("u4"), *map(np.ascontiguousarray, others)


def imported_arrays(imported: Imported) -> tuple[Ints, ...]:
    """As `column_arrays`, of rows that were just imported."""
    count = len(imported.uids)
    unknown = np.full(count, -1, "i8")
    return (
        np.array(imported.uids, "u4"),
        np.array(imported.flags, "u4"),
        np.full(count, imported.position, "i8"),
        np.arange(imported.contents.start, imported.contents.stop, dtype="i8"),
        unknown,
        unknown,
    )


def build(mailbox: int, position: int, arrays: Sequence[Ints]) -> Snapshot:
    """A snapshot of whole columns."""
    chunks = _chunks(arrays)
    return Snapshot(mailbox, position, tuple(chunks), _starts(chunks))


def appended(snapshot: Snapshot, arrays: Sequence[Ints]) -> Snapshot:
    """The snapshot with later messages behind it."""
    if not len(arrays[0]):
        return snapshot
    chunks = list(snapshot.chunks)
    if chunks and len(chunks[-1].uid) < CHUNK:
        last = chunks.pop()
        arrays = [
            np.concatenate((old, new))
            for old, new in zip(
                (last.uid, last.flags, last.modseq, last.content, last.date, last.size), arrays, strict=True
            )
        ]
    chunks += _chunks(arrays)
    return replace(snapshot, chunks=tuple(chunks), starts=_starts(chunks))


def piece_of(snapshot: Snapshot, row: int) -> Piece:
    """One row."""
    number = bisect_right(snapshot.starts, row) - 1
    low = row - snapshot.starts[number]
    return Piece(snapshot.chunks[number], low, low + 1, row)


def pieces(snapshot: Snapshot, low: int, high: int, limit: int = CHUNK) -> Iterator[Piece]:
    """Rows low..high (exclusive) as parts of chunks, each of at most `limit` rows."""
    for number, chunk in enumerate(snapshot.chunks):
        start, end = snapshot.starts[number], snapshot.starts[number + 1]
        if end <= low:
            continue
        if start >= high:
            return
        first, last = max(low, start), min(high, end)
        for row in range(first, last, limit):
            yield Piece(chunk, row - start, min(row + limit, last) - start, row)


def row_of_uid(snapshot: Snapshot, uid: int) -> int:
    """The row of the first message whose UID is at least `uid` (the count when there is none)."""
    chunks = snapshot.chunks
    low, high = 0, len(chunks)
    while low < high:
        middle = (low + high) // 2
        if int(chunks[middle].uid[-1]) < uid:
            low = middle + 1
        else:
            high = middle
    if low == len(chunks):
        return snapshot.count
    return snapshot.starts[low] + int(np.searchsorted(chunks[low].uid, uid))


def uid_at(snapshot: Snapshot, row: int) -> int:
    """The UID in that row."""
    for piece in pieces(snapshot, row, row + 1):
        return int(piece.chunk.uid[piece.low])
    raise IndexError(row)


def last_uid(snapshot: Snapshot) -> int:
    """The highest UID, 0 in an empty mailbox."""
    return int(snapshot.chunks[-1].uid[-1]) if snapshot.chunks else 0


def rows_of_uids(snapshot: Snapshot, ranges: Sequence[Range]) -> list[Range]:
    """Row ranges (low, high exclusive) of the messages that exist in the UID ranges; empty ones are left out."""
    if len(ranges) > FEW:
        uids = column(snapshot, "uid")
        lows, highs = np.array(ranges, "i8").T
        firsts, lasts = np.searchsorted(uids, lows), np.searchsorted(uids, highs, side="right")
        there = firsts < lasts
        return list(zip(firsts[there].tolist(), lasts[there].tolist(), strict=True))
    found = []
    for low, high in ranges:
        first, last = row_of_uid(snapshot, low), row_of_uid(snapshot, high + 1)
        if first < last:
            found.append((first, last))
    return found


def of_chunks(snapshot: Snapshot, name: Hashable, find: Callable[[Chunk], T]) -> list[T]:
    """What `find`, which is known by `name`, gives for each chunk."""
    found = []
    for chunk in snapshot.chunks:
        if name not in chunk.derived:
            chunk.derived[name] = find(chunk)
        found.append(chunk.derived[name])
    return found


def places_by_flag(snapshot: Snapshot, bit: int, *, there: bool) -> list[Ints]:
    """For each chunk the places in it of messages with (or without) this system flag, ascending."""
    return of_chunks(
        snapshot,
        (bit, there),
        lambda chunk: np.flatnonzero((chunk.flags & np.uint32(bit) != 0) == there).astype("u2"),
    )


def rows_by_flag(snapshot: Snapshot, bit: int, *, there: bool) -> Ints:
    """The rows of the messages with (or without) this system flag, ascending."""
    found = places_by_flag(snapshot, bit, there=there)
    if not found:
        return np.empty(0, "i8")
    rows: Ints = np.repeat(snapshot.starts[:-1], list(map(len, found)))
    rows += np.concatenate(found)
    return rows


def column(snapshot: Snapshot, name: str, rows: Sequence[Range] | None = None) -> Ints:
    """One column of the given row ranges (all when None), joined."""
    wanted = [(0, snapshot.count)] if rows is None else rows
    parts = [getattr_column(piece, name) for low, high in wanted for piece in pieces(snapshot, low, high)]
    return np.concatenate(parts) if parts else np.empty(0, "i8")


def rows_where(snapshot: Snapshot, rows: Sequence[Range], name: str, wanted: Callable[[Ints], Ints]) -> Ints:
    """Of these ascending row ranges the rows whose value in the column `name` is wanted (a mask of values), ascending.

    Many ranges are looked at together, over the whole column.
    """
    if len(rows) <= FEW:
        found = [np.flatnonzero(wanted(column(snapshot, name, [one]))) + one[0] for one in rows]
        return np.concatenate(found) if found else np.empty(0, "i8")
    lows, highs = np.array(rows, "i8").T
    lengths = highs - lows
    numbers = np.repeat(highs - np.cumsum(lengths), lengths)
    numbers += np.arange(len(numbers))
    chosen: Ints = numbers[wanted(column(snapshot, name)[numbers])]
    return chosen


def runs(rows: Ints) -> list[Range]:
    """Ascending rows as ranges (low, high exclusive) that do not touch."""
    if not len(rows):
        return []
    breaks = np.flatnonzero(np.diff(rows) != 1)
    lows = np.concatenate((rows[:1], rows[breaks + 1]))
    highs = np.concatenate((rows[breaks], rows[-1:])) + 1
    return list(zip(lows.tolist(), highs.tolist(), strict=True))


def gathered(snapshot: Snapshot, rows: Ints) -> Chunk:
    """The columns of scattered rows, as one chunk."""
    return Chunk(*(column(snapshot, name)[rows] for name in ("uid", "flags", "modseq", "content", "date", "size")))


def getattr_column(piece: Piece, name: str) -> Ints:
    """The piece's part of the column `name` (a field of Chunk)."""
    columns = {
        "uid": piece.chunk.uid,
        "flags": piece.chunk.flags,
        "modseq": piece.chunk.modseq,
        "content": piece.chunk.content,
        "date": piece.chunk.date,
        "size": piece.chunk.size,
    }
    return columns[name][piece.low : piece.high]


def uid_ranges(snapshot: Snapshot, rows: Sequence[Range]) -> list[Range]:
    """Row ranges as UID ranges that hold exactly these messages of the snapshot (gaps between UIDs are bridged)."""
    if len(rows) > FEW:
        uids = column(snapshot, "uid")
        lows, highs = np.array([one for one in rows if one[0] < one[1]], "i8").T
        return list(zip(uids[lows].tolist(), uids[highs - 1].tolist(), strict=True))
    return [(uid_at(snapshot, low), uid_at(snapshot, high - 1)) for low, high in rows if low < high]


def operate(flags: Ints, change: Change) -> Ints:
    """The flags after a FLAGS change (see `messages.Change`)."""
    result = (flags & np.uint32(change.keep)) | np.uint32(change.put)
    if change.sets:
        sets = flags >> np.uint32(8)
        mapped = sets.copy()
        for old, new in change.sets:
            mapped[sets == old] = new
        result = (result & np.uint32(0xFF)) | (mapped << np.uint32(8))
    return result


def with_flags(snapshot: Snapshot, change: Change) -> tuple[Snapshot, Ints]:
    """The snapshot after a FLAGS change, and the rows that it altered. Each chunk that it touches is copied once."""
    chunks = list(snapshot.chunks)
    altered: list[Ints] = []
    for number, spans in _spans(snapshot, rows_of_uids(snapshot, change.ranges)).items():
        chunk, start = chunks[number], snapshot.starts[number]
        if len(spans) == 1:
            ((low, high),) = spans
            where = np.flatnonzero(chunk.flags[low:high] != operate(chunk.flags[low:high], change)) + low
        else:
            inside = np.zeros(len(chunk.flags), bool)
            for low, high in spans:
                inside[low:high] = True
            where = np.flatnonzero(inside & (chunk.flags != operate(chunk.flags, change)))
        if not len(where):
            continue
        flags, modseq = chunk.flags.copy(), chunk.modseq.copy()
        flags[where] = operate(chunk.flags[where], change)
        modseq[where] = change.position
        chunks[number] = replace(chunk, flags=flags, modseq=modseq)
        altered.append(where + start)
    if not altered:
        return snapshot, np.empty(0, "i8")
    return replace(snapshot, chunks=tuple(chunks)), altered[0] if len(altered) == 1 else np.concatenate(altered)


def _spans(snapshot: Snapshot, rows: Sequence[Range]) -> dict[int, list[Range]]:
    """Row ranges by the number of the chunk, as ranges within it."""
    found: dict[int, list[Range]] = {}
    for low, high in rows:
        number = bisect_right(snapshot.starts, low) - 1
        while low < high:
            start, end = snapshot.starts[number], min(high, snapshot.starts[number + 1])
            found.setdefault(number, []).append((low - start, end - start))
            low, number = end, number + 1
    return found


def without(snapshot: Snapshot, ranges: Sequence[Range]) -> tuple[Snapshot, Ints]:
    """The snapshot without the messages in these UID ranges, and the rows (of the old snapshot) that went."""
    gone = rows_of_uids(snapshot, ranges)
    if not gone:
        return snapshot, np.empty(0, "i8")
    keep = np.ones(snapshot.count, bool)
    for low, high in gone:
        keep[low:high] = False
    chunks: list[Chunk] = []
    for number, chunk in enumerate(snapshot.chunks):
        mask = keep[snapshot.starts[number] : snapshot.starts[number + 1]]
        if mask.all():
            _join(chunks, chunk)
        elif mask.any():
            _join(
                chunks,
                Chunk(
                    *(c[mask] for c in (chunk.uid, chunk.flags, chunk.modseq, chunk.content, chunk.date, chunk.size))
                ),
            )
    return replace(snapshot, chunks=tuple(chunks), starts=_starts(chunks)), np.flatnonzero(~keep)


def _join(chunks: list[Chunk], chunk: Chunk) -> None:
    """Appends, joining two that are small together, so that repeated expunges leave no crumbs."""
    if chunks and len(chunks[-1].uid) + len(chunk.uid) <= CHUNK // 2:
        last = chunks.pop()
        chunk = Chunk(
            *(
                np.concatenate(pair)
                for pair in zip(
                    (last.uid, last.flags, last.modseq, last.content, last.date, last.size),
                    (chunk.uid, chunk.flags, chunk.modseq, chunk.content, chunk.date, chunk.size),
                    strict=True,
                )
            )
        )
    chunks.append(chunk)


def with_dates(snapshot: Snapshot, arrays: tuple[Ints, Ints, Ints]) -> Snapshot:
    """The snapshot with (uid, date, size) columns filled in for ascending UIDs that it holds."""
    uids, dates, sizes = arrays
    chunks = []
    for chunk in snapshot.chunks:
        low, high = np.searchsorted(uids, chunk.uid[0]), np.searchsorted(uids, chunk.uid[-1], side="right")
        if low == high:
            chunks.append(chunk)
            continue
        at = np.searchsorted(chunk.uid, uids[low:high])
        there = chunk.uid[np.minimum(at, len(chunk.uid) - 1)] == uids[low:high]
        date, size = chunk.date.copy(), chunk.size.copy()
        date[at[there]], size[at[there]] = dates[low:high][there], sizes[low:high][there]
        chunks.append(replace(chunk, date=date, size=size))
    return replace(snapshot, chunks=tuple(chunks))
