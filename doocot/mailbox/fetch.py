"""FETCH as joining bytes: a list of items compiled once into a plan of columns, rendered a piece of rows at a time.

Each column gives a template (`FLAGS (%b)`) and, for a piece, one list per placeholder. A piece is one `%` over the
joined template, so nothing is done per message that a range can do.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from doocot.mailbox.read import Message, read_piece
from doocot.mailbox.stream import LARGE
from doocot.mailbox.view import RECENT, View
from doocot.message.sections import wire
from doocot.store.index import facts as index_facts
from doocot.store.snapshot import Ints, Piece, pieces

ROWS = 250  # a piece without files: 0.4 ms at most. `ahead.WINDOW` holds whole ones: else Facts are computed twice
ROWS_OF_NUMBERS = 1024  # a piece that is made of the view's columns alone: 0.2 ms
ROWS_WITH_FILES = 25  # 0.6 ms
OCTETS = 256 * 1024  # of the messages of one piece

Arguments = list[Sequence[Any]]


class Missing(Exception):
    """A Fact of these rows has not been computed yet."""


@dataclass(frozen=True, slots=True)
class Column:
    """One item of a FETCH response: `template` with placeholders, and what fills them for a piece of a view.

    With `of_messages` that comes from the message files, and `arguments` is not used. A piece has at most `rows` rows.
    """

    template: bytes
    arguments: Callable[[View, Piece], Arguments]
    of_messages: Callable[[Sequence[Message]], Arguments] | None = None
    rows: int = ROWS


def uid_arguments(view: View, piece: Piece) -> Arguments:
    return [piece.chunk.uid[piece.low : piece.high].tolist()]


def session_flags(view: View, piece: Piece) -> Ints:
    """The stored flags, and RECENT where this session has it."""
    flags = piece.chunk.flags[piece.low : piece.high]
    uids = piece.chunk.uid
    if int(uids[piece.high - 1]) >= view.recent_from:
        flags = np.where(uids[piece.low : piece.high] >= view.recent_from, flags | np.uint32(RECENT), flags)
    return flags


def flags_arguments(view: View, piece: Piece) -> Arguments:
    return [list(map(view.live.words.__getitem__, session_flags(view, piece).tolist()))]


def modseq_arguments(view: View, piece: Piece) -> Arguments:
    return [piece.chunk.modseq[piece.low : piece.high].tolist()]


def size_arguments(view: View, piece: Piece) -> Arguments:
    sizes = piece.chunk.size[piece.low : piece.high]
    if int(sizes.min()) < 0:
        raise Missing
    return [sizes.tolist()]


_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_CLOCK = tuple(b"%02d:%02d:" % divmod(minute, 60) for minute in range(1440))
_SECONDS = tuple(b"%02d" % second for second in range(60))


@lru_cache(maxsize=65536)
def _day(number: int) -> bytes:
    """`02-Jan-2020` for a day since 1970."""
    year, month, day = str(np.datetime64(number, "D")).split("-")
    return b"%s-%s-%s" % (day.rjust(2).encode(), _MONTHS[int(month) - 1], year.encode())


def date_arguments(view: View, piece: Piece) -> Arguments:
    dates = piece.chunk.date[piece.low : piece.high]
    if int(dates.min()) < 0:
        raise Missing
    days, seconds = np.divmod(dates, 86400)
    minutes, seconds = np.divmod(seconds, 60)
    return [
        list(map(_day, days.tolist())),
        list(map(_CLOCK.__getitem__, minutes.tolist())),
        list(map(_SECONDS.__getitem__, seconds.tolist())),
    ]


def date_time(seconds: int) -> bytes:
    """`date-time` of a moment after 1970, in UTC."""
    days, seconds = divmod(seconds, 86400)
    minutes, seconds = divmod(seconds, 60)
    return b'"%b %b%b +0000"' % (_day(days), _CLOCK[minutes], _SECONDS[seconds])


def fact_arguments(item: int) -> Callable[[View, Piece], Arguments]:
    """The Fact `item` of each message, as it goes on the wire."""

    def arguments(view: View, piece: Piece) -> Arguments:
        contents = piece.chunk.content[piece.low : piece.high]
        first, last, count = int(contents[0]), int(contents[-1]), piece.high - piece.low
        reader = view.live.root.db.reader
        if last - first + 1 == count:
            found = index_facts.fact_bytes(reader, item, first, last)
            if len(found) != count:
                raise Missing
            return [[row[0] for row in found]]
        return [_scattered(view, item, contents)]

    return arguments


def _scattered(view: View, item: int, contents: Ints) -> list[bytes]:
    """Copies and mailboxes with gaps: the contents are not one range of numbers."""
    wanted = contents.tolist()
    known = index_facts.facts_of(view.live.root.db.reader, item, wanted)
    try:
        return [known[content] for content in wanted]
    except KeyError as error:
        raise Missing from error


UID = Column(b"UID %d", uid_arguments, rows=ROWS_OF_NUMBERS)
FLAGS = Column(b"FLAGS (%b)", flags_arguments, rows=ROWS_OF_NUMBERS)
MODSEQ = Column(b"MODSEQ (%d)", modseq_arguments, rows=ROWS_OF_NUMBERS)
SIZE = Column(b"RFC822.SIZE %d", size_arguments, rows=ROWS_OF_NUMBERS)
INTERNALDATE = Column(b'INTERNALDATE "%b %b%b +0000"', date_arguments)


@dataclass(frozen=True, slots=True)
class Plan:
    """Columns joined into one line; `rows` is the most that a piece may have. With `uid_only` it is a UIDFETCH."""

    columns: tuple[Column, ...]
    template: bytes
    reads_files: bool
    rows: int
    uid_only: bool = False


def plan(columns: Sequence[Column], *, uid_only: bool = False) -> Plan:
    """Compiles a list of columns; the caller caches it by the text of the item list.

    With `uid_only` the response is UIDFETCH, which has the UID where FETCH has the sequence number (RFC 9586 §3.3).
    """
    body = b" ".join(column.template for column in columns)
    reads_files = any(column.of_messages is not None for column in columns)
    rows = min((column.rows for column in columns), default=ROWS)
    begin = b"* %d UIDFETCH (" if uid_only else b"* %d FETCH ("
    return Plan(tuple(columns), begin + body + b")\r\n", reads_files, rows, uid_only)


def no_arguments(view: View, piece: Piece) -> Arguments:
    """For columns that are filled from the file."""
    return []


def file_column(template: bytes, of_message: Callable[[Message], bytes]) -> Column:
    """A column that needs the message itself; `of_message` fills the one placeholder."""
    return Column(template, no_arguments, lambda messages: [list(map(of_message, messages))], ROWS_WITH_FILES)


def whole_column(label: bytes) -> Column:
    """The whole message as a literal: between its file and the answer it is copied as little as can be."""

    def literals(messages: Sequence[Message]) -> Arguments:
        octets = [wire(message.data) for message in messages]
        return [list(map(len, octets)), octets]

    return Column(label + b" {%d}\r\n%b", no_arguments, literals, ROWS_WITH_FILES)


def next_piece(view: View, plan: Plan, row: int, high: int) -> Piece:
    """The next rows to render: as many as cost less than a millisecond, and few enough octets where files are read."""
    piece = next(pieces(view.snapshot, row, min(row + plan.rows, high)))
    if not plan.reads_files:
        return piece
    sizes = np.cumsum(piece.chunk.size[piece.low : piece.high])
    count = max(1, int(np.searchsorted(sizes, OCTETS)))
    return Piece(piece.chunk, piece.low, min(piece.low + count, piece.high), piece.row)


def is_large(piece: Piece) -> bool:
    """Whether the piece is one message that is better sent from its file than from memory."""
    return piece.high - piece.low == 1 and int(piece.chunk.size[piece.low]) >= LARGE


def render(view: View, plan: Plan, piece: Piece, numbers: Sequence[int] | None = None) -> bytes:
    """The untagged FETCH responses of one piece, whose rows follow each other or have these sequence numbers.

    Raises Missing, or MailError when a message's file is gone.
    """
    count = piece.high - piece.low
    if plan.uid_only:
        lists = uid_arguments(view, piece)
    else:
        lists = [range(piece.row + 1, piece.row + count + 1) if numbers is None else numbers]
    messages = read_piece(view, piece) if plan.reads_files else []
    for column in plan.columns:
        if column.of_messages is not None:
            lists += column.of_messages(messages)
        else:
            lists += column.arguments(view, piece)
    width = len(lists)
    if count == 1:
        return plan.template % tuple([values[0] for values in lists])
    arguments: list[Any] = [None] * (width * count)
    for number, values in enumerate(lists):
        arguments[number::width] = values
    return (plan.template * count) % tuple(arguments)
