"""SEARCH keys that need the file: BODY and TEXT, and HEADER fields of which no column is kept (RFC 3501 §6.4.4).

Nothing is indexed: a file is read as far as its text goes, and told apart quickly where it is ASCII that nobody
encoded, which costs 10 us a message. What that cannot exclude is looked through exactly, by `message.text.search_text`.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np

from doocot.errors import MailError
from doocot.mailbox import facts
from doocot.mailbox.read import at_file
from doocot.mailbox.search_columns import ENCODED
from doocot.mailbox.view import View
from doocot.message.charset import header_key
from doocot.message.header import fields, header_fields
from doocot.message.scan import crlf
from doocot.message.text import search_text
from doocot.store import maildir
from doocot.store.index.facts import facts_of
from doocot.store.index.messages import files as index_files
from doocot.store.index.messages import ranges_of
from doocot.store.snapshot import Ints, column
from doocot.wire.flow import MORE, Job, Step

SLICE: Final = 900_000  # ns that a slice may take, by this reckoning:
OPEN_COST, OCTET_COST, HEADER_COST = 7_000, 1, 20_000
ALONE: Final = 256 << 10  # octets from which a message is looked through on a thread
HEADER_READ: Final = 8 << 10  # most headers are shorter
_LETTER_BIT: Final = np.uint8(0x20)


@dataclass(slots=True)
class Found:
    """Rows that match, and rows whose file is gone."""

    rows: list[int] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _File:
    """Where the index says that the message of a row is."""

    row: int
    base: str
    letters: str | None
    target: str | None


def fold(octets: bytes) -> bytes:
    """Sets bit 5 of each octet: letters become lower case, and some different octets equal.

    As a first look it serves as well as `lower` and takes a quarter of the time.
    """
    return (np.frombuffer(octets, np.uint8) | _LETTER_BIT).tobytes()


def probe(key: bytes) -> bytes | None:
    """The longest word of the key, folded (white space may be a fold in the file); None when the key is not ASCII."""
    return fold(max(key.split(), key=len, default=b"")) if key.isascii() else None


def excludes(word: bytes | None, raw: bytes) -> bool:
    """Whether the text, in a charset that ASCII is a part of, certainly does not have the key that `probe` gave
    `word`."""
    return raw.isascii() and b"=?" not in raw and (word is None or word not in fold(raw))


def text_rows(view: View, rows: Ints, reaches: Ints, key: bytes, with_headers: bool) -> Generator[Step, Any, Found]:
    """Steps that look for the key in the messages of these rows; `reaches` is the column REACH by row."""
    found, word = Found(), probe(key)
    lengths = reaches & ~ENCODED
    large = lengths > ALONE
    small = rows[~large[rows]]
    for part in _slices(small, OPEN_COST + OCTET_COST * lengths[small]):
        unsure: dict[int, bytes] = {}
        for file in _files(view, part, found):
            raw = _start(view, file, int(lengths[file.row]))
            if raw is None:
                found.gone.append(file.row)
            elif reaches[file.row] & ENCODED or not excludes(word, raw):
                unsure[file.row] = raw
        for row, packed in _text_facts(view, list(unsure)):
            if search_text(unsure[row], facts.unpack_text(packed), key, with_headers):
                found.rows.append(row)
        yield MORE
    for row in rows[large[rows]].tolist():
        for file in _files(view, np.array([row]), found):
            raw = yield Job(partial(_start, view, file, int(lengths[row])))
            for _, packed in _text_facts(view, [row]):
                if raw is not None and (
                    yield Job(partial(search_text, raw, facts.unpack_text(packed), key, with_headers))
                ):
                    found.rows.append(row)
            if raw is None:
                found.gone.append(row)
    return found


def header_rows(view: View, rows: Ints, name: bytes, key: bytes) -> Generator[Step, Any, Found]:
    """Steps that look for the key in the header field `name`; an empty key is in every field that is there."""
    found, names = Found(), frozenset((name,))
    for part in _slices(rows, np.full(len(rows), HEADER_COST)):
        for file in _files(view, part, found):
            raw = _start(view, file, HEADER_READ)
            if raw is not None and len(raw) == HEADER_READ and _header_length(raw) < 0:
                raw = _start(view, file, 1 << 30)
            if raw is None:
                found.gone.append(file.row)
            elif name and _in_header(raw, name, names, key):
                found.rows.append(file.row)
        yield MORE
    return found


def _in_header(raw: bytes, name: bytes, names: frozenset[bytes], key: bytes) -> bool:
    head = raw[: _header_length(raw)] if _header_length(raw) >= 0 else raw
    if name not in head.lower():
        return False
    values = fields(header_fields(crlf(head), names)).get(name)
    return values is not None and (not key or any(key in header_key(value) for value in values))


def _header_length(raw: bytes) -> int:
    """Octets of the header without the empty line behind it; -1 when there is none."""
    if raw.startswith((b"\n", b"\r\n")):
        return 0
    ends = [end for mark in (b"\n\n", b"\n\r\n") if (end := raw.find(mark)) >= 0]
    return min(ends) + 1 if ends else -1


def _slices(rows: Ints, costs: Ints) -> Iterator[Ints]:
    """The rows in parts that cost a SLICE each."""
    if len(rows):
        yield from np.split(rows, np.flatnonzero(np.diff(np.cumsum(costs) // SLICE)) + 1)


def _files(view: View, rows: Ints, found: Found) -> list[_File]:
    """Where the messages of these ascending rows are; rows that are not in the index any more are gone."""
    uids = column(view.snapshot, "uid")[rows].tolist()
    dense = uids[-1] - uids[0] < 4 * len(uids)
    listed = index_files(
        view.live.root.db.reader, view.live.row.id, [(uids[0], uids[-1])] if dense else ranges_of(uids)
    )
    if len(listed) == len(uids):
        return [_File(row, *one[1:]) for row, one in zip(rows.tolist(), listed, strict=True)]
    there = {one[0]: one for one in listed}
    found.gone += [row for row, uid in zip(rows.tolist(), uids, strict=True) if uid not in there]
    return [_File(row, *there[uid][1:]) for row, uid in zip(rows.tolist(), uids, strict=True) if uid in there]


def _path(view: View, file: _File) -> str:
    return maildir.file_path(maildir.folder_of(view.live.root, view.live.row.name), file.base, file.letters)


def _start(view: View, file: _File, length: int) -> bytes | None:
    """The beginning of the file, None when it is gone."""
    root = view.live.root
    try:
        return root.files.read_start(_path(view, file), length)
    except FileNotFoundError:
        pass
    except OSError:
        return None
    folder = maildir.folder_of(root, view.live.row.name)
    act = partial(root.files.read_start, length=length)
    try:
        return at_file(root, view.live.row.id, folder, file.base, file.letters, file.target, act)
    except MailError:
        return None


def _text_facts(view: View, rows: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """(row, TEXT Fact) of these rows; a row without one is left out."""
    if not rows:
        return
    contents = column(view.snapshot, "content")[rows].tolist()
    there = facts_of(view.live.root.db.reader, facts.TEXT, contents)
    yield from ((row, there[content]) for row, content in zip(rows, contents, strict=True) if content in there)
