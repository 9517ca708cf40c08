"""SEARCH keys that need the file: BODY and TEXT, and HEADER fields of which no column is kept (RFC 3501 §6.4.4).

Nothing is indexed: a file is read as far as its text goes, and told apart quickly where it is ASCII that nobody
encoded, which costs 6 us a message. What that cannot exclude is looked through exactly, by `message.text.search_text`.
"""

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np

from doocot.errors import MailError
from doocot.mailbox import facts
from doocot.mailbox.read import at_file
from doocot.mailbox.search_columns import ENCODED, Turn, places_of, scratch
from doocot.mailbox.search_tree import Header, Text
from doocot.mailbox.view import View
from doocot.message.collation import Collation
from doocot.message.header import fields, header_fields
from doocot.message.scan import crlf
from doocot.message.text import search_text
from doocot.store import maildir
from doocot.store.index.facts import facts_of
from doocot.store.index.messages import files as index_files
from doocot.store.index.messages import ranges_of
from doocot.store.snapshot import Ints, column
from doocot.wire.flow import Job, Step

LOOK_COST: Final = 250_000  # ns to look at what was read in a turn
LISTED: Final = 200  # messages of which the index is asked at once
ALONE: Final = 64 << 10  # octets from which a message is looked through on a thread: with umlauts in it, 3 ms
HEADER_READ: Final = 8 << 10  # most headers are shorter
_LETTER_BIT: Final = 0x20


@dataclass(slots=True)
class Found:
    """Rows that match, and rows whose file is gone."""

    rows: list[int] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)


File = tuple[int, str, str | None, str | None]
"""Where the index says that the message of a row is: row, base, letters, target."""


def probe(key: bytes) -> bytes | None:
    """The longest word of the key, folded (white space may be a fold in the file); None when the key is not ASCII.

    Folding sets bit 5 of each octet: letters become lower case, and some different octets equal. As a first look it
    serves as well as `lower` and takes a fraction of the time.
    """
    return bytes(octet | _LETTER_BIT for octet in max(key.split(), key=len, default=b"")) if key.isascii() else None


def suspects(word: bytes | None, raws: Sequence[bytes], room: Ints) -> list[int]:
    """Which of these ASCII texts, in charsets that ASCII is a part of, may have the key that `probe` gave `word`.

    They are looked through as one: with short texts most of the time would go by between the calls. `room` is
    `scratch` for all of them with an octet more each.
    """
    if not raws or word == b"":
        return list(range(len(raws)))
    joined = np.frombuffer(b"\0".join(raws), np.uint8)
    folded = np.bitwise_or(joined, np.uint8(_LETTER_BIT), out=room[2, : len(joined)].view(np.uint8))
    places = places_of(folded, b"=?", room)  # of encoded words
    if word is not None:
        places = np.concatenate((places, places_of(folded, word, room)))
    ends = np.cumsum(np.fromiter(map(len, raws), "i8", len(raws)) + 1)
    return sorted(set(np.searchsorted(ends, places, "right").tolist()))


@dataclass(slots=True)
class Reading:
    """A search that reads files: of a view with these UIDs, in its turn, and what it found."""

    view: View
    turn: Turn
    uids: Ints
    found: Found = field(default_factory=Found)


def text_rows(
    view: View, rows: Ints, reaches: Ints, key: Text, turn: Turn, by: Collation
) -> Generator[Step, Any, Found]:
    """Steps that look for the key in the messages of these rows; `reaches` is the column REACH by row."""
    reading = Reading(view, turn, column(view.snapshot, "uid"))
    lengths, encoded = reaches & ~ENCODED, reaches >= ENCODED
    large = lengths[rows] > ALONE
    word, room = probe(key.text), scratch(0)

    def look(raw: bytes, packed: bytes) -> bool:
        return search_text(raw, facts.unpack_text(packed), key.text, key.with_headers, by)

    view.progress.done, view.progress.goal = 0, len(rows)
    for files in files_of(reading, rows[~large]):
        while files:
            if turn.over():
                yield from turn.give()
            before = len(files)
            raws = _starts(reading, files, lengths)
            view.progress.done += before - len(files)
            plain = [row for row, raw in raws.items() if raw.isascii() and not encoded[row]]
            texts = [raws[row] for row in plain]
            if (size := sum(map(len, texts)) + len(texts)) > room.shape[1]:
                room = scratch(2 * size)
            unsure = raws.keys() - plain | {plain[number] for number in suspects(word, texts, room)}
            for row, packed in text_facts(view, sorted(unsure)):
                if turn.over():
                    yield from turn.give()
                if look(raws[row], packed):
                    reading.found.rows.append(row)
    for files in files_of(reading, rows[large]):
        while files:
            raws = yield Job(partial(_starts, reading, files, lengths, 1, on_loop=False))
            view.progress.done += 1
            for row, packed in text_facts(view, list(raws)):
                if (yield Job(partial(look, raws[row], packed))):
                    reading.found.rows.append(row)
    return reading.found


def header_rows(view: View, rows: Ints, key: Header, turn: Turn, by: Collation) -> Generator[Step, Any, Found]:
    """Steps that look for the text in the header field; an empty text is in every field that is there."""
    reading = Reading(view, turn, column(view.snapshot, "uid"))
    view.progress.done, view.progress.goal = 0, len(rows)
    for files in files_of(reading, rows):
        for file in files:
            view.progress.done += 1
            if turn.over():
                yield from turn.give()
            raw = start_of(view, file, HEADER_READ)
            if raw is not None and len(raw) == HEADER_READ and _header_length(raw) < 0:
                raw = start_of(view, file, 1 << 30)
            if raw is None:
                reading.found.gone.append(file[0])
            elif _in_header(raw, key, by):
                reading.found.rows.append(file[0])
    return reading.found


def _in_header(raw: bytes, key: Header, by: Collation) -> bool:
    values = header_values(raw, key.name)
    return values is not None and (not key.text or any(key.text in by.header_key(value) for value in values))


def header_values(raw: bytes, name: bytes) -> list[bytes] | None:
    """The values of the field with that lower-case name; None when there is none."""
    head = raw[: _header_length(raw)] if _header_length(raw) >= 0 else raw
    if not name or name not in head.lower():
        return None
    return fields(header_fields(crlf(head), frozenset((name,)))).get(name)


def _header_length(raw: bytes) -> int:
    """Octets of the header without the empty line behind it; -1 when there is none."""
    if raw.startswith((b"\n", b"\r\n")):
        return 0
    ends = [end for mark in (b"\n\n", b"\n\r\n") if (end := raw.find(mark)) >= 0]
    return min(ends) + 1 if ends else -1


def files_of(reading: Reading, rows: Ints) -> Iterator["deque[File]"]:
    """Where the messages of these ascending rows are, some at a time; rows that are not in the index are gone."""
    live = reading.view.live
    for begin in range(0, len(rows), LISTED):
        part = rows[begin : begin + LISTED]
        uids = reading.uids[part].tolist()
        dense = uids[-1] - uids[0] < 4 * len(uids)
        listed = index_files(live.root.db.reader, live.row.id, [(uids[0], uids[-1])] if dense else ranges_of(uids))
        row_of = dict(zip(uids, part.tolist(), strict=True))
        files = deque(
            (row_of.pop(uid), base, letters, target) for uid, base, letters, target in listed if uid in row_of
        )
        reading.found.gone += row_of.values()
        yield files


def _starts(
    reading: Reading, files: "deque[File]", lengths: Ints, most: int = LISTED, *, on_loop: bool = True
) -> dict[int, bytes]:
    """Takes files off as long as the turn lasts, and reads of each as much as `lengths` has for its row."""
    view, over = reading.view, reading.turn.over
    root = view.live.root
    folder, read = maildir.folder_of(root, view.live.row.name), root.files.read_start
    raws: dict[int, bytes] = {}
    for _ in range(min(most, len(files))):
        file = files.popleft()
        row, base, letters, _ = file
        length = lengths.item(row)
        try:
            raws[row] = read(maildir.file_path(folder, base, letters), length)
        except OSError:
            raw = start_of(view, file, length, on_loop=on_loop)
            if raw is None:
                reading.found.gone.append(row)
            else:
                raws[row] = raw
        if over(LOOK_COST):
            break
    return raws


def start_of(view: View, file: File, length: int, *, on_loop: bool = True) -> bytes | None:
    """The beginning of the file, None when it is gone."""
    root = view.live.root
    folder = maildir.folder_of(root, view.live.row.name)
    try:
        return root.files.read_start(maildir.file_path(folder, file[1], file[2]), length)
    except FileNotFoundError:
        pass
    except OSError:
        return None
    act = partial(root.files.read_start, length=length)
    try:
        return at_file(root, view.live.row.id, folder, *file[1:], act, on_loop=on_loop)
    except MailError:
        return None


def text_facts(view: View, rows: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """(row, TEXT Fact) of these rows; a row without one is left out."""
    if not rows:
        return
    contents = column(view.snapshot, "content")[rows].tolist()
    there = facts_of(view.live.root.db.reader, facts.TEXT, contents)
    yield from ((row, there[content]) for row, content in zip(rows, contents, strict=True) if content in there)
