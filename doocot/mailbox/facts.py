"""Computes the Facts of many messages: in a process of its own that reads the files and writes the index itself.

Nothing large travels between processes: the caller says which UIDs, the Facts arrive in the index, where the caller
reads them. One short write transaction a batch, so that nobody waits long for the write lock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from doocot.message.bodystructure import bodystructure
from doocot.message.collation import ASCII_CASEMAP, OCTET, UNICODE_CASEMAP, Collation
from doocot.message.envelope import envelope
from doocot.message.header import header_fields, known_fields, names_key
from doocot.message.keys import Keys, keys_by
from doocot.message.objectid import email_id, thread_id
from doocot.message.preview import preview
from doocot.message.scan import crlf, header_end, scan
from doocot.message.sections import wire
from doocot.message.text import TextPart, file_text_parts
from doocot.store import maildir
from doocot.store.files import Files
from doocot.store.index import messages
from doocot.store.index.database import Database, close_database, open_database, rows, write
from doocot.store.index.facts import drop_unnamed, fact_item, put_facts
from doocot.store.maildir_names import name_sizes
from doocot.store.root import Root

BATCH = 250

# The Facts of every message. Header sections that clients ask for in bulk get ids above HEADER_SETS.
ENVELOPE, BODYSTRUCTURE, KEYS, TEXT, EMAILID, KEYS_ASCII, KEYS_OCTET, PREVIEW = range(1, 9)
HEADER_SETS = 100
MAX_HEADER_SETS = 16


# Facts that are computed together. Those of SEARCH, SORT and THREAD are not among them: a reader of lists would wait a
# quarter longer for what few ask for, and KEYS need the header alone.
LISTED = (ENVELOPE, BODYSTRUCTURE)

PARSED = frozenset((*LISTED, TEXT, PREVIEW))  # Facts for which the parts of the message are looked for
WHOLE = PARSED | {EMAILID}  # Facts for which the whole file is read

# What SEARCH, SORT and THREAD compare, by the Fact that has it; few clients ask for another comparator than the first.
BY_FACT: Final[Mapping[int, Collation]] = MappingProxyType(
    {KEYS: UNICODE_CASEMAP, KEYS_ASCII: ASCII_CASEMAP, KEYS_OCTET: OCTET}
)


def fact_of(collation: Collation) -> int:
    """The Fact of the keys that this comparator makes."""
    return next(item for item, by in BY_FACT.items() if by is collation)


HEAD_OCTETS = 8192  # what is read of a file of which only the header is wanted; most are shorter


@dataclass(frozen=True, slots=True)
class Wanted:
    """Messages low..high of a mailbox and which of their Facts are wanted.

    `items` are ids of this module; with one of LISTED come the others of that tuple, with any of WHOLE dates and sizes.
    `header_sets` are the header sections (id, lower-case names).
    """

    index: str
    mailbox: int
    folder: str
    low: int
    high: int
    items: tuple[int, ...] = (*LISTED, KEYS, TEXT)
    header_sets: tuple[tuple[int, tuple[bytes, ...]], ...] = ()


def compute(wanted: Wanted) -> int:
    """Computes and stores; gives the number of messages done. A file that is gone or unreadable has no Facts."""
    db = open_database(wanted.index)
    try:
        return compute_in(db, Files(), wanted)
    finally:
        close_database(db)


def compute_in(db: Database, files: Files, wanted: Wanted) -> int:
    """As `compute`, in an index that is open."""
    done = 0
    found = rows(
        db.reader,
        "SELECT uid, content, base, letters, target FROM message"
        " WHERE mailbox = ? AND uid BETWEEN ? AND ? ORDER BY uid",
        (wanted.mailbox, wanted.low, wanted.high),
    )
    for start in range(0, len(found), BATCH):
        done += _batch(db, files, wanted, found[start : start + BATCH])
    return done


def _batch(db: Database, files: Files, wanted: Wanted, batch: Sequence[tuple[Any, ...]]) -> int:
    new: list[tuple[int, int, bytes]] = []
    dates: list[tuple[int, int, int]] = []
    items = frozenset(wanted.items)
    whole = not items.isdisjoint(WHOLE)
    compared = [(item, by) for item, by in BY_FACT.items() if item in items]
    sets = [(item, names_key(names)) for item, names in wanted.header_sets]
    for uid, content, *named in batch:
        read = _read(db, files, wanted, *named, whole=whole)
        if read is None:
            continue
        raw, mtime = read
        if whole:
            data = crlf(raw)
            dates.append((mtime, len(data), uid))
            new += [(item, content, found) for item, found in _of_whole(items, raw, data)]
        if sets or compared:
            head = _head(raw)
            fields = known_fields(head) if compared else {}
            new += [(item, content, pack_keys(keys_by(by, fields))) for item, by in compared]
            for item, names in sets:
                section = wire(header_fields(head, names))
                new.append((item, content, b"{%d}\r\n%b" % (len(section), section)))
    with write(db) as writer:
        put_facts(writer, new)
        if sets:
            drop_unnamed(writer, HEADER_SETS)
        if dates:
            messages.set_dates(writer, wanted.mailbox, dates)
    return len(batch)


def _of_whole(items: frozenset[int], raw: bytes, data: bytes) -> list[tuple[int, bytes]]:
    """Those of the Facts that the whole file is read for; `data` is it with CRLF line ends."""
    found = [(EMAILID, email_id(data))] if EMAILID in items else []
    if items.isdisjoint(PARSED):
        return found
    part = scan(data)
    if not items.isdisjoint(LISTED):
        found += ((ENVELOPE, envelope(part.header)), (BODYSTRUCTURE, bodystructure(part)))
    if TEXT in items:
        found.append((TEXT, pack_text(file_text_parts(part, raw, data))))
    if PREVIEW in items:
        found.append((PREVIEW, preview(data, part)))
    return found


def _read(
    db: Database, files: Files, wanted: Wanted, base: str, letters: str | None, target: str | None, *, whole: bool
) -> tuple[bytes, int] | None:
    """The message (or so much of it that its header is there) and the time of its file, 0 where that is not known.

    None when it cannot be read.
    """
    for path in maildir.paths_of(db, files, wanted.folder, wanted.mailbox, base, letters, target):
        try:
            if not whole:
                start = files.read_start(path, HEAD_OCTETS)
                if len(start) < HEAD_OCTETS or b"\n\n" in start or b"\n\r\n" in start:
                    return start, 0
            return files.read_dated(path, max(name_sizes(base)[0], 0))
        except FileNotFoundError:
            continue
        except OSError:
            return None
    return None


def _head(raw: bytes) -> bytes:
    """The header block with CRLF line ends; most files have LF, and then only the header need be looked at."""
    end = raw.find(b"\n\n")
    if end >= 0 and raw.find(b"\r", 0, end) < 0 and not raw.startswith(b"\n"):
        return raw[: end + 2].replace(b"\n", b"\r\n")
    data = crlf(raw)
    return data[: header_end(data)]


def pack_keys(of: Keys) -> bytes:
    """What SEARCH, SORT and THREAD compare, as one Fact: fields apart by NUL, in the order of `Keys`."""
    fields = (
        *of[:6],
        b"R" if of.is_reply else b"",
        of.message_id,
        b"\n".join(of.references),
        b"%d %d" % of.sent if of.sent is not None else b"",
    )
    packed = b"\0".join(fields)
    if packed.count(b"\0") >= len(fields):
        packed = b"\0".join([field.replace(b"\0", b" ") for field in fields])
    return packed


def thread_of(packed: bytes) -> bytes:
    """THREADID of the message whose KEYS these are."""
    fields = packed.split(b"\0")
    return thread_id(fields[7], fields[8].split(b"\n") if fields[8] else (), packed)


def pack_text(parts: list[TextPart]) -> bytes:
    """Where SEARCH BODY and TEXT look, as one Fact."""
    return b";".join([b"%d,%d,%b,%b" % part for part in parts])


def unpack_text(packed: bytes) -> list[TextPart]:
    """The inverse of `pack_text`."""
    parts = []
    for part in packed.split(b";") if packed else ():
        offset, length, encoding, charset = part.split(b",", 3)
        parts.append((int(offset), int(length), encoding, charset))
    return parts


def header_set(root: Root, names: tuple[bytes, ...], *, register: bool) -> int | None:
    """The Fact id of a HEADER.FIELDS section with these names; a new one only with `register`.

    At most MAX_HEADER_SETS are kept of a root, the least used goes.
    """
    key = b" ".join(sorted({name.lower() for name in names})).decode("latin-1")
    return fact_item(root.db, key, MAX_HEADER_SETS if register else 0)
