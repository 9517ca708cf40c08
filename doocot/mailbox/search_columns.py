"""What SEARCH compares, as columns of a mailbox in memory: built from the Facts once, extended as messages come.

A text column is joined text in blocks, so that looking through 50,000 subjects is a dozen calls; a number column is an
array. Columns are immutable, belong to a mailbox (`Live.buffers`) and are addressed by UID: a snapshot at any position
picks its rows, expunged messages stay in them until there are too many.
"""

import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

import numpy as np

from doocot.mailbox import facts
from doocot.mailbox.ahead import WINDOW, Ahead, Compute
from doocot.mailbox.fetch import Missing, fact_arguments
from doocot.mailbox.view import View
from doocot.store.index import facts as index_facts
from doocot.store.snapshot import Ints, Piece, column, pieces
from doocot.wire.flow import MORE, Step

BLOCK: Final = 4096  # messages of a block
SLICE: Final = WINDOW  # messages whose Facts are taken apart at once, half a millisecond
TURN: Final = 1_500_000  # octets of texts looked through before others get their turn, a millisecond
HIT_COST: Final = 200  # octets that are looked through in the time that one hit takes
ENCODED: Final = 1 << 62  # in the column REACH: something of the message has to be decoded before it can be compared

# The columns, by the name under which they are kept.
FROM, TO, CC, BCC, SUBJECT, PRESSED_SUBJECT, MESSAGE_ID = (
    "from",
    "to",
    "cc",
    "bcc",
    "subject",
    "pressed subject",
    "message-id",
)
SENT_DAY, REACH = "sent day", "reach"


@dataclass(frozen=True, slots=True)
class Block:
    """Texts of up to BLOCK messages, each ended by NUL; `ends[i]` is the offset behind the NUL of text i."""

    text: bytes
    ends: Ints


@dataclass(frozen=True, slots=True)
class TextColumn:
    """Texts of the messages `uids`, ascending."""

    uids: Ints
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class NumberColumn:
    """Numbers of the messages `uids`, ascending."""

    uids: Ints
    values: Ints


AnyColumn = TextColumn | NumberColumn
Columns = dict[str, AnyColumn]


_white_space = re.compile(rb"[ \t\n]+")


def _press(text: bytes) -> bytes:
    return _white_space.sub(b" ", text) if b"  " in text or b"\t" in text else text


def _sent_day(sent: bytes) -> int:
    """Days since 1970 by the sender's calendar; no date and one before count as 1-Jan-1970, as in Dovecot."""
    if not sent:
        return 0
    seconds, _, zone = sent.partition(b" ")
    return max((int(seconds) + int(zone) * 60) // 86400, 0)


def _reach(packed: bytes) -> int:
    """How far into the file the text goes (what is behind it are attachments), and ENCODED."""
    encoded, last = 0, b""
    for last in packed.split(b";"):
        if last.split(b",", 2)[2].lower() not in _PLAIN:
            encoded = ENCODED
    offset, length, _ = last.split(b",", 2)
    return max(int(offset) + int(length), 1) | encoded  # 0 stands for a message without the Fact


# Encoding and charset of stretches whose octets, while they are ASCII, are their text.
_PLAIN_CHARSETS: Final = (
    b"utf-8 us-ascii iso-8859-1 iso-8859-2 iso-8859-15 windows-1250 windows-1251 windows-1252 windows-1256 koi8-r"
)
_PLAIN: Final = frozenset((b"header,", *(b"," + charset for charset in _PLAIN_CHARSETS.split())))

# Where each column comes from: the Fact, the field of it (of KEYS), what is kept of that.
_KEYS_FIELDS: Final[tuple[tuple[str, int, Callable[[bytes], Any]], ...]] = (
    (FROM, 0, bytes),
    (TO, 1, bytes),
    (CC, 2, bytes),
    (BCC, 3, bytes),
    (SUBJECT, 4, bytes),
    (PRESSED_SUBJECT, 4, _press),
    (MESSAGE_ID, 7, bytes.upper),
    (SENT_DAY, 9, _sent_day),
)


def is_text(name: str) -> bool:
    """Whether the column of that name holds texts."""
    return name not in (SENT_DAY, REACH)


def columns(view: View, names: Sequence[str], compute: Compute | None) -> Generator[Step, Any, Columns]:
    """Steps that bring the columns up to the view; those of a message whose file cannot be read are empty."""
    found: Columns = {}
    behind: dict[int, list[str]] = {}
    for name in names:
        kept = _kept(view, name)
        if kept is not None and view.snapshot.count and len(kept.uids) > 2 * view.snapshot.count + BLOCK:
            kept = None
        found[name] = kept if kept is not None else _empty(name)
        row = int(np.searchsorted(column(view.snapshot, "uid"), found[name].uids[-1], "right")) if kept else 0
        if row < view.snapshot.count:
            behind.setdefault(row, []).append(name)
    for row, group in behind.items():
        yield from _extend(view, found, row, group, compute)
    return found


def _kept(view: View, name: str) -> AnyColumn | None:
    kept = view.live.buffers.get(name)
    return kept if isinstance(kept, TextColumn | NumberColumn) and len(kept.uids) else None


def _empty(name: str) -> AnyColumn:
    none = np.empty(0, "u4")
    return TextColumn(none, ()) if is_text(name) else NumberColumn(none, np.empty(0, "i8"))


@dataclass(slots=True)
class _Growing:
    """A column to which messages are being added: what is in blocks (or arrays), and what is not yet."""

    parts: list[Any]
    values: list[Any]

    def put(self, text: bool, least: int) -> None:
        """Makes blocks of the values when there are at least so many."""
        while len(self.values) >= least and self.values:
            head, self.values = self.values[:BLOCK], self.values[BLOCK:]
            self.parts.append(_block(head) if text else np.array(head, "i8"))


def _growing(before: AnyColumn) -> _Growing:
    if isinstance(before, NumberColumn):
        return _Growing([before.values], [])
    if before.blocks and len(before.blocks[-1].ends) < BLOCK:
        return _Growing(list(before.blocks[:-1]), before.blocks[-1].text.split(b"\0")[:-1])
    return _Growing(list(before.blocks), [])


def _extend(
    view: View, found: Columns, row: int, names: Sequence[str], compute: Compute | None
) -> Generator[Step, Any, None]:
    """Adds the messages from `row` on to these columns, and keeps them for later searches."""
    count = view.snapshot.count
    growing = {name: _growing(found[name]) for name in names}
    items = [facts.TEXT] * (REACH in names) + [facts.KEYS] * (len(names) > (REACH in names))
    ahead, holes = Ahead(view, count, compute, tuple(items)), False
    for start in range(row, count, SLICE):
        for piece in pieces(view.snapshot, start, min(start + SLICE, count)):
            for item in items:
                packed, hollow = yield from _facts(view, ahead, item, piece)
                _take(growing, item, packed)
                holes |= hollow
        for name in names:
            growing[name].put(is_text(name), BLOCK)
        yield MORE
    fresh = column(view.snapshot, "uid", [(row, count)])
    for name, grown in growing.items():
        grown.put(is_text(name), 0)
        uids = np.concatenate((found[name].uids, fresh))
        if is_text(name):
            found[name] = TextColumn(uids, tuple(grown.parts))
        else:
            found[name] = NumberColumn(uids, np.concatenate(grown.parts))
        if not holes:
            view.live.buffers[name] = found[name]


def _facts(view: View, ahead: Ahead, item: int, piece: Piece) -> Generator[Step, Any, tuple[Sequence[bytes], bool]]:
    """The Fact of each message of the piece, computed if need be; empty, and True, for those that have none."""
    read = fact_arguments(item)
    try:
        return read(view, piece)[0], False
    except Missing:
        for start in range(piece.row, piece.row + piece.high - piece.low, WINDOW):
            yield from ahead.fill(start)
    contents = piece.chunk.content[piece.low : piece.high].tolist()
    there = index_facts.facts_of(view.live.root.db.reader, item, contents)
    return [there.get(content, b"") for content in contents], len(there) < len(set(contents))


def _take(growing: dict[str, _Growing], item: int, packed: Sequence[bytes]) -> None:
    """Takes the Facts of a piece apart."""
    if item == facts.TEXT:
        growing[REACH].values += [_reach(one) if one else 0 for one in packed]
        return
    split = [one.split(b"\0") if one else _NO_KEYS for one in packed]
    for name, field, keep in _KEYS_FIELDS:
        if name in growing:
            growing[name].values += [keep(one[field]) for one in split]


_NO_KEYS: Final = [b""] * 10


def _block(texts: Sequence[bytes]) -> Block:
    ends = np.fromiter(accumulate(len(text) + 1 for text in texts), "i8", len(texts))
    return Block(b"\0".join([*texts, b""]), ends)


def texts_with(found: TextColumn, key: bytes) -> Generator[Step, Any, Ints]:
    """Steps that give for each message of the column whether its text has the (not empty) key."""
    masks = []
    cost = 0
    for block in found.blocks:
        mask = np.zeros(len(block.ends), bool)
        # Splitting gives every place where the key is, at the speed of `find`, and copies nothing where it is not.
        parts = block.text.split(key)
        if len(parts) > 1:
            places = np.cumsum(np.fromiter(map(len, parts), "i8", len(parts))[:-1] + len(key)) - len(key)
            mask[np.searchsorted(block.ends, places, "right")] = True
        masks.append(mask)
        cost += len(block.text) + HIT_COST * len(parts)
        if cost > TURN:
            cost = 0
            yield MORE
    return np.concatenate(masks) if masks else np.empty(0, bool)


def empty_texts(found: TextColumn) -> Ints:
    """For each message of the column whether its text is empty."""
    masks = [np.diff(block.ends, prepend=0) == 1 for block in found.blocks]
    return np.concatenate(masks) if masks else np.empty(0, bool)


def rows_of_column(view: View, found: AnyColumn, values: Ints) -> Ints:
    """The values (one for each message of the column) for each row of the view; zero for rows that it does not have."""
    uids = column(view.snapshot, "uid")
    if len(uids) == len(found.uids) and np.array_equal(uids, found.uids):
        return values
    if not len(found.uids):
        return np.zeros(len(uids), values.dtype)
    at = np.minimum(np.searchsorted(found.uids, uids), len(found.uids) - 1)
    return np.where(found.uids[at] == uids, values[at], np.zeros(1, values.dtype))
