"""What SEARCH compares, as columns of a mailbox in memory: built from the Facts once, extended as messages come.

A text column is joined text in blocks, so that looking through 50,000 subjects is a dozen calls; a number column is an
array. Columns are immutable, belong to a mailbox (`Live.buffers`) and are addressed by UID: a snapshot at any position
picks its rows, expunged messages stay in them until there are too many.
"""

import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Any, Final

import numpy as np

from doocot.mailbox import facts
from doocot.mailbox.ahead import WINDOW, Ahead, Compute
from doocot.mailbox.fetch import Missing, fact_arguments
from doocot.mailbox.view import View
from doocot.message.collation import UNICODE_CASEMAP, Collation
from doocot.store.index import facts as index_facts
from doocot.store.snapshot import Ints, Piece, column, pieces
from doocot.wire.flow import MORE, Step

BLOCK: Final = 4096  # messages of a block
BLOCK_OCTETS: Final = 512 << 10  # from which a block of fewer is full: it is joined, and looked through, at once
TURN: Final = 800_000  # ns that a search goes on without looking whether somebody waits
SLICE: Final = WINDOW // 2  # messages whose Facts are taken apart at once, half a millisecond
VECTORED: Final = 3  # octets of a key that are compared with every octet of the texts
GATHERED: Final = 16  # octets of a key up to which vectors are used
COMPARED: Final = 2000  # octets of a text that SORT looks at
EXAMINED: Final = 2 * COMPARED  # octets in which the first address must end: a million `" <` would take for ever
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
EMAIL_ID, THREAD_ID = "emailid", "threadid"
BASE_SUBJECT, SENT = "base subject", "sent"
FIRST_FROM, FIRST_TO, FIRST_CC = "first from", "first to", "first cc"
DISPLAY_FROM, DISPLAY_TO = "display from", "display to"
NO_DATE: Final = -(1 << 62)  # in the column SENT: the message has no date, or one that nobody understands


@dataclass(slots=True)
class Turn:
    """How long a search may go on before others get their turn. By the clock, as nobody knows what a file costs."""

    until: int = field(default_factory=lambda: perf_counter_ns() + TURN)

    def over(self, cost: int = 0) -> bool:
        """Whether others should go first, when what comes next costs so many nanoseconds."""
        return perf_counter_ns() + cost > self.until

    def give(self) -> Generator[Step, Any, None]:
        """Gives others their turn."""
        yield MORE
        self.until = perf_counter_ns() + TURN


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


def _sent(sent: bytes) -> int:
    """Seconds since 1970 in UTC."""
    return int(sent.partition(b" ")[0]) if sent else NO_DATE


# The first address in the form in which Facts have it (`message.address`): `"Name" <local@domain>`, `<@route:l@d>`,
# `"Name" <>` with a name that was decoded not quoted, and `Group:`.
_first_address = re.compile(
    rb'(?s)(?:"(.*?)" (?=<)|([^"<][^<]*?) (?=<))?'
    rb'<(?:(?:@[^:>]*|INVALID_ROUTE):)?(?:"((?:[^"]|"(?!@))*)"|([^@>]*))@([^>]*)>'
).match
_first_group = re.compile(rb'([^"<]*?):(?:, |\Z)').match


def first_mailbox(key: bytes) -> bytes:
    """The local part of the first address, or the name of the group that is first (RFC 5256 §3)."""
    key = key[:EXAMINED]
    if group := _first_group(key):
        return group[1][:COMPARED]
    found = _first_address(key)
    return (found[3] or found[4] or b"")[:COMPARED] if found else b""


def first_display(key: bytes) -> bytes:
    """The name of the first address, else the address, or the name of the group (RFC 5957 §3)."""
    key = key[:EXAMINED]
    if group := _first_group(key):
        return group[1][:COMPARED]
    if not (found := _first_address(key)):
        return b""
    name, bare, quoted, local, domain = found.groups()
    return (name or bare or b"%b@%b" % (quoted or local or b"", domain))[:COMPARED]


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

# The Fact that a column is made of where that is not a field of KEYS.
_FACT_OF: Final = {REACH: facts.TEXT, EMAIL_ID: facts.EMAILID, THREAD_ID: facts.KEYS}

# Where columns of names come from: the field of KEYS (or its like by another comparator), what is kept of that.
_KEYS_FIELDS: Final[tuple[tuple[str, int, Callable[[bytes], Any] | None], ...]] = (
    (FROM, 0, None),
    (TO, 1, None),
    (CC, 2, None),
    (BCC, 3, None),
    (SUBJECT, 4, None),
    (PRESSED_SUBJECT, 4, _press),
    (MESSAGE_ID, 7, bytes.upper),
    (SENT_DAY, 9, _sent_day),
    (BASE_SUBJECT, 5, None),
    (SENT, 9, _sent),
    (FIRST_FROM, 0, first_mailbox),
    (FIRST_TO, 1, first_mailbox),
    (FIRST_CC, 2, first_mailbox),
    (DISPLAY_FROM, 0, first_display),
    (DISPLAY_TO, 1, first_display),
)


def collated(name: str, collation: Collation) -> str:
    """The name of the column whose texts are compared by this comparator."""
    return name if collation is UNICODE_CASEMAP else f"{name} by {collation.name.decode()}"


_SOURCES: Final = {
    collated(name, by): (item, number, keep)
    for item, by in facts.BY_FACT.items()
    for name, number, keep in _KEYS_FIELDS
}


def is_text(name: str) -> bool:
    """Whether the column of that name holds texts."""
    return name not in (SENT_DAY, SENT, REACH)


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
    text: bool

    def full(self) -> bool:
        """Whether what is not in blocks makes one."""
        return len(self.values) >= BLOCK or (self.text and sum(map(len, self.values)) >= BLOCK_OCTETS)

    def put(self) -> None:
        """Makes a block (or an array) of it."""
        if self.values:
            self.parts.append(_block(self.values) if self.text else np.array(self.values, "i8"))
            self.values = []


def _growing(before: AnyColumn) -> _Growing:
    if isinstance(before, NumberColumn):
        return _Growing([before.values], [], text=False)
    last = before.blocks[-1] if before.blocks else None
    if last is not None and len(last.ends) < BLOCK and len(last.text) < BLOCK_OCTETS:
        return _Growing(list(before.blocks[:-1]), last.text.split(b"\0")[:-1], text=True)
    return _Growing(list(before.blocks), [], text=True)


def _extend(
    view: View, found: Columns, row: int, names: Sequence[str], compute: Compute | None
) -> Generator[Step, Any, None]:
    """Adds the messages from `row` on to these columns, and keeps them for later searches."""
    count = view.snapshot.count
    growing = {name: _growing(found[name]) for name in names}
    items = {_FACT_OF[name] if name in _FACT_OF else _SOURCES[name][0] for name in names}
    ahead, holes = Ahead(view, count, compute, tuple(items)), False
    view.progress.goal = count
    for start in range(row, count, SLICE):
        view.progress.done = start
        for piece in pieces(view.snapshot, start, min(start + SLICE, count)):
            for item in items:
                packed, hollow = yield from facts_of_piece(view, ahead, item, piece)
                _take(growing, item, packed)
                holes |= hollow
        yield MORE
        for grown in growing.values():
            if grown.full():
                grown.put()
                yield MORE
    fresh = column(view.snapshot, "uid", [(row, count)])
    for name, grown in growing.items():
        grown.put()
        uids = np.concatenate((found[name].uids, fresh))
        if grown.text:
            found[name] = TextColumn(uids, tuple(grown.parts))
        else:
            found[name] = NumberColumn(uids, np.concatenate(grown.parts))
        if not holes:
            view.live.buffers[name] = found[name]
        yield MORE


def facts_of_piece(
    view: View, ahead: Ahead, item: int, piece: Piece
) -> Generator[Step, Any, tuple[Sequence[bytes], bool]]:
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
    if item == facts.EMAILID:
        growing[EMAIL_ID].values += packed
        return
    if THREAD_ID in growing and item == facts.KEYS:
        growing[THREAD_ID].values += [facts.thread_of(one) if one else b"" for one in packed]
    split = [one.split(b"\0") if one else _NO_KEYS for one in packed]
    for name, grown in growing.items():
        if name in _FACT_OF or _SOURCES[name][0] != item:
            continue
        _, number, keep = _SOURCES[name]
        values = [one[number] for one in split]
        grown.values += values if keep is None else map(keep, values)


_NO_KEYS: Final = [b""] * 10


def _block(texts: Sequence[bytes]) -> Block:
    ends = np.cumsum(np.fromiter(map(len, texts), "i8", len(texts)) + 1)
    return Block(b"\0".join([*texts, b""]), ends)


def scratch(length: int) -> Ints:
    """Room for `places_of` in texts of up to `length` octets: new memory for each would cost more than the work."""
    return np.empty((3, length), bool)


def places_of(octets: Ints, key: bytes, room: Ints) -> Ints:
    """Every offset at which the (not empty) key is. At 0.2 ns an octet it is three times as fast as `bytes.find`."""
    count = len(octets) - len(key) + 1
    if count <= 0:
        return np.empty(0, "i8")
    there, same = room[0, :count], room[1, :count]
    np.equal(octets[:count], key[0], out=there)
    for at in range(1, min(len(key), VECTORED)):
        np.equal(octets[at : at + count], key[at], out=same)
        np.logical_and(there, same, out=there)
    places = np.flatnonzero(there)
    for at in range(VECTORED, min(len(key), GATHERED)):
        if not len(places):
            break
        places = places[octets[places + at] == key[at]]
    if len(key) > GATHERED and len(places):
        text = octets.tobytes()
        places = np.array([place for place in places.tolist() if text.startswith(key, place)], "i8")
    return places


def texts_with(found: TextColumn, key: bytes, turn: Turn) -> Generator[Step, Any, Ints]:
    """Steps that give for each message of the column whether its text has the (not empty) key."""
    masks = []
    room = scratch(max((len(block.text) for block in found.blocks), default=0))
    for block in found.blocks:
        if turn.over():
            yield from turn.give()
        mask = np.zeros(len(block.ends), bool)
        mask[np.searchsorted(block.ends, places_of(np.frombuffer(block.text, np.uint8), key, room), "right")] = True
        masks.append(mask)
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
