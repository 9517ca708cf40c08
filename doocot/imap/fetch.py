"""FETCH and UID FETCH (RFC 3501 §6.4.5): the item list is compiled once into a plan of columns and cached."""

import sys
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from doocot.errors import Kind, MailError
from doocot.imap import gmail, limits, progress
from doocot.imap.command import Bad, Ok, Result, State, command
from doocot.imap.extensions import Mode, mode
from doocot.imap.fetch_items import Binary, Body, Item, Items, Plain, parse_items
from doocot.imap.sets import rows_of
from doocot.imap.untagged import condstore, vanished
from doocot.mailbox import change, facts, fetch_columns
from doocot.mailbox import fetch as columns
from doocot.mailbox.ahead import Ahead
from doocot.mailbox.change import FlagChange, Operation
from doocot.mailbox.fetch import Column, Missing, Plan, render
from doocot.mailbox.read import GONE, Message
from doocot.mailbox.stream import stream
from doocot.mailbox.view import Delta, View, sync
from doocot.message.bodystructure import body
from doocot.message.parameters import decoded
from doocot.message.sections import Section, SectionText, binary, section, wire
from doocot.store.index.database import Busy
from doocot.store.index.messages import SEEN, Range
from doocot.store.snapshot import Piece, piece_of, pieces, rows_where, runs, uid_ranges
from doocot.wire.cursor import Cursor
from doocot.wire.flow import MORE, Job, Step
from doocot.wire.numset import NumSet

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

_MODSEQ = Plain(b"MODSEQ")
_LABELS = Plain(b"X-GM-LABELS")
BULK = 50  # messages from which on a header section that somebody asks for becomes a Fact
_BEHIND_ALL: Final = (sys.maxsize, sys.maxsize)  # a range that no row reaches


@dataclass(frozen=True, slots=True)
class Fetch:
    """`fetch = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att / "(" ... ")") [SP fetch-modifiers]`"""

    messages: NumSet
    items: Items

    @classmethod
    def parse(cls, c: Cursor) -> "Fetch":
        return cls(c.sp().sequence_set(), parse_items(c.sp()))


def _text(message: Message) -> bytes:
    return body(message.part)


_COLUMNS = {
    b"UID": columns.UID,
    b"FLAGS": columns.FLAGS,
    b"MODSEQ": columns.MODSEQ,
    b"INTERNALDATE": columns.INTERNALDATE,
    b"RFC822.SIZE": columns.SIZE,
    b"ENVELOPE": Column(b"ENVELOPE %b", columns.fact_arguments(facts.ENVELOPE)),
    b"BODYSTRUCTURE": Column(b"BODYSTRUCTURE %b", columns.fact_arguments(facts.BODYSTRUCTURE)),
    b"BODY": columns.file_column(b"BODY %b", _text),
    b"SAVEDATE": fetch_columns.SAVEDATE,
    b"EMAILID": fetch_columns.EMAILID,
    b"THREADID": fetch_columns.THREADID,
    b"X-GM-MSGID": fetch_columns.MSGID,
    b"X-GM-THRID": fetch_columns.THRID,
    b"X-GM-LABELS": fetch_columns.LABELS,
    b"PREVIEW": fetch_columns.preview(b"PREVIEW %b", lazy=False),
    b"PREVIEW LAZY": fetch_columns.preview(b"PREVIEW %b", lazy=True),
    b"PREVIEW FUZZY": fetch_columns.preview(b"PREVIEW (FUZZY %b)", lazy=False),
    b"PREVIEW FUZZY LAZY": fetch_columns.preview(b"PREVIEW (FUZZY %b)", lazy=True),
    b"SNIPPET FUZZY": fetch_columns.preview(b"SNIPPET (FUZZY %b)", lazy=False),
    b"SNIPPET FUZZY LAZY": fetch_columns.preview(b"SNIPPET (FUZZY %b)", lazy=True),
}


_structures = columns.fact_arguments(facts.BODYSTRUCTURE)


def _decoded_structures(view: View, piece: Piece) -> columns.Arguments:
    return [[decoded(structure) for structure in _structures(view, piece)[0]]]


# What IMAP4rev2 tells otherwise (RFC 9051 §7.5.2).
_REV2_COLUMNS = _COLUMNS | {
    b"BODYSTRUCTURE": Column(b"BODYSTRUCTURE %b", _decoded_structures, rows=columns.ROWS_WITH_FILES),
    b"BODY": columns.file_column(b"BODY %b", lambda message: decoded(_text(message))),
}


_FACTS = {
    b"ENVELOPE": facts.ENVELOPE,
    b"BODYSTRUCTURE": facts.BODYSTRUCTURE,
    b"EMAILID": facts.EMAILID,
    b"THREADID": facts.KEYS,
    b"X-GM-MSGID": facts.EMAILID,
    b"X-GM-THRID": facts.KEYS,
    **dict.fromkeys((b"PREVIEW", b"PREVIEW FUZZY", b"SNIPPET FUZZY"), facts.PREVIEW),
}


def _part_of(octets: bytes | None, wanted: tuple[int, int] | None) -> bytes:
    """An nstring literal of the octets, or of the part `<origin.length>` of them."""
    if octets is None:
        return b"NIL"
    if wanted is not None:
        octets = octets[wanted[0] : wanted[0] + wanted[1]]
    return b"{%d}\r\n%b" % (len(octets), octets)


def _body_section(item: Body, message: Message) -> bytes:
    if item.section == Section():
        return _part_of(wire(message.data), item.partial)
    return _part_of(section(message.data, message.part, item.section), item.partial)


def _binary_section(item: Binary, message: Message) -> bytes:
    octets = binary(message.data, message.part, item.path)
    if item.size_only:
        return b"%d" % len(octets or b"")
    # literal8 always: BINARY says that there may be NULs (RFC 3516 §4.3), and which parts have some is nobody's
    # business.
    return b"NIL" if octets is None else b"~" + _part_of(octets, item.partial)


def _column(item: Item, header_sets: dict[Body, int], words: Mode) -> Column:
    if words.utf8 and item == _LABELS:
        return fetch_columns.UTF8_LABELS
    if isinstance(item, Plain):
        return (_REV2_COLUMNS if words.rev2 else _COLUMNS)[item.name]
    label = item.label.replace(b"%", b"%%")
    if isinstance(item, Binary):
        return columns.file_column(label + b" %b", partial(_binary_section, item))
    if item in header_sets:
        return Column(label + b" %b", columns.fact_arguments(header_sets[item]))
    if item.section == Section() and item.partial is None:
        return columns.whole_column(label)
    return columns.file_column(label + b" %b", partial(_body_section, item))


@lru_cache(maxsize=1024)
def _plan(items: tuple[Item, ...], header_sets: tuple[tuple[Body, int], ...], words: Mode) -> Plan:
    known = dict(header_sets)
    return columns.plan([_column(item, known, words) for item in items], uid_only=words.uid_only)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What to answer. `plan` is None where header sections are asked for, which may be Facts by now."""

    items: tuple[Item, ...]
    tells_modseq: bool
    sets_seen: bool
    gmail: bool
    plan: Plan | None


@lru_cache(maxsize=1024)
def _wanted(items: Items, by_uid: bool, words: Mode) -> _Wanted:
    """UID FETCH adds UID (RFC 3501 §6.4.8), CHANGEDSINCE adds MODSEQ (RFC 7162 §3.1.4.1).

    A UIDFETCH has the UID at its begin, and among its items only if it was asked for (RFC 9586 §3.3).
    """
    found = list(items.items)
    if by_uid and not words.uid_only and Plain(b"UID") not in found:
        found.insert(0, Plain(b"UID"))
    tells_modseq = items.changed_since is not None or _MODSEQ in found
    if tells_modseq and _MODSEQ not in found:
        found.append(_MODSEQ)
    sets_seen = any(not isinstance(item, Plain) and item.sets_seen for item in found)
    plan = None if any(map(_is_header_set, found)) else _plan(tuple(found), (), words)
    return _Wanted(tuple(found), tells_modseq, sets_seen, gmail.among(found), plan)


def _is_header_set(item: Item) -> bool:
    """Whether it is a section that may be kept as a Fact."""
    if not isinstance(item, Body) or not item.names or item.partial is not None or item.section.path:
        return False
    return item.section.text is SectionText.HEADER_FIELDS


@command("FETCH", "UID FETCH", state=State.SELECTED, parse=Fetch.parse, expunge=False)
def fetch(session: "ImapSession", args: Fetch, by_uid: bool) -> Result:
    view = session.view
    assert view is not None
    words = mode(session)
    items, wanted = args.items, _wanted(args.items, by_uid, words)
    if wanted.gmail:
        gmail.ready(session)
    rows = rows_of(session, args.messages, by_uid)
    if items.partial is not None:
        if not by_uid:
            raise Bad(b"PARTIAL needs UID FETCH.")  # RFC 9394 §3.3
        limits.check(session, items.partial.last - items.partial.first + 1)  # RFC 9738 §3.1
        rows = items.partial.of_ranges(rows)  # before CHANGEDSINCE, RFC 9394 §3.4
    gone = condstore(session) if wanted.tells_modseq else b""
    if items.changed_since is not None:
        if items.vanished:
            gone += _vanished(session, args, by_uid)
        rows = _changed(view, rows, items.changed_since)
    rows, code = limits.newest(session, rows)
    return limits.coded(_answer(session, wanted, rows, gone, words), code)


def _answer(session: "ImapSession", wanted: _Wanted, rows: list[Range], gone: bytes, words: Mode) -> Result:
    """The responses for these rows, behind what is `gone`."""
    view = session.view
    assert view is not None
    if wanted.sets_seen and not view.read_only:
        return _marking_seen(session, wanted.items, rows, gone)
    if len(rows) == 1 and rows[0][1] - rows[0][0] == 1:
        plan = wanted.plan or _plan(wanted.items, _header_sets(session, wanted.items, 1), words)
        piece = piece_of(view.snapshot, rows[0][0])
        if not (plan.reads_files and columns.is_large(piece)):
            try:
                return Ok(b"Fetch completed.", data=gone + render(view, plan, piece))
            except Missing:
                pass
    return _long(session, wanted.items, rows, gone)


def _facts_of(items: tuple[Item, ...]) -> tuple[int, ...]:
    """The Facts that the items are made of."""
    return tuple(_FACTS[item.name] for item in items if isinstance(item, Plain) and item.name in _FACTS)


def _header_sets(session: "ImapSession", items: tuple[Item, ...], count: int) -> tuple[tuple[Body, int], ...]:
    """Which header sections are (or, for many messages, become) Facts, and their ids."""
    view = session.view
    assert view is not None
    found = []
    for item in items:
        if _is_header_set(item):
            assert isinstance(item, Body)
            number = facts.header_set(view.live.root, item.names, register=count >= BULK)
            if number is not None:
                found.append((item, number))
    return tuple(found)


def _changed(view: View, rows: list[Range], since: int) -> list[Range]:
    """The rows whose modseq is above `since`."""
    return runs(rows_where(view.snapshot, rows, "modseq", lambda modseqs: modseqs > since))


def _vanished(session: "ImapSession", args: Fetch, by_uid: bool) -> bytes:
    """`UID FETCH ... (CHANGEDSINCE n VANISHED)`: what was expunged since (RFC 7162 §3.2.6)."""
    if not by_uid or b"QRESYNC" not in session.enabled:
        raise Bad(b"VANISHED needs UID FETCH and QRESYNC enabled.")
    assert args.items.changed_since is not None
    return vanished(session, args.messages, args.items.changed_since)


def _marking_seen(
    session: "ImapSession", items: tuple[Item, ...], rows: list[Range], before: bytes
) -> Generator[Step, Any, Ok]:
    """`BODY[...]` sets \\Seen; the new FLAGS come with the messages that it changed (RFC 3501 §6.4.5)."""
    view = session.view
    assert view is not None
    if before:
        yield before
    marked = rows_where(view.snapshot, rows, "flags", lambda flags: flags & np.uint32(SEEN) == 0)
    unseen = runs(marked)
    if unseen:
        seen = FlagChange(Operation.ADD, SEEN, frozenset())
        uids = uid_ranges(view.snapshot, unseen)
        try:
            result = change.set_flags(view, uids, seen, wait=False)
        except Busy:
            result = yield Job(lambda: change.set_flags(view, uids, seen, wait=True))
        if result.change is not None:
            session.context.unsettled(view.live.root)
            told = sync(view, expunge=False, hide=result.change.position)
            assert told is not None
            session.later(told)
    with_flags = items if Plain(b"FLAGS") in items else (Plain(b"FLAGS"), *items)
    if b"CONDSTORE" in session.enabled and Plain(b"MODSEQ") not in items:
        with_flags = (Plain(b"MODSEQ"), *with_flags)  # a change of flags comes with it, RFC 7162 §3.2
    try:
        for run, altered in _split(rows, unseen):
            yield from _long(session, with_flags if altered else items, run, b"")
    except MailError:  # not all of them came, but all are seen now
        session.later(Delta(marked[:0], marked[:0], marked, -1))
        raise
    return Ok(b"Fetch completed.")


def _split(rows: Sequence[Range], marked: Iterable[Range]) -> Iterator[tuple[list[Range], bool]]:
    """The rows in order, cut where they enter or leave a marked range. Both ascend, and are gone through once."""
    others = iter(marked)
    first, last = next(others, _BEHIND_ALL)
    for low, high in rows:
        while low < high:
            while last <= low:
                first, last = next(others, _BEHIND_ALL)
            inside = first <= low
            end = min(high, last if inside else first)
            yield [(low, end)], inside
            low = end


def _long(
    session: "ImapSession", items: tuple[Item, ...], rows: list[Range], before: bytes, *, asked: bool = True
) -> Generator[Step, Any, Ok]:
    """`asked`: it is a command that is answered, of which progress may be told, and which ends where one is refused.

    Else what can be sent is, and the last error raised after it.
    """
    view = session.view
    assert view is not None
    if before:
        yield before
    count = sum(high - low for low, high in rows)
    header_sets = _header_sets(session, items, count)
    plan = _plan(items, header_sets, mode(session))
    sets = tuple((number, tuple(sorted(item.section.names))) for item, number in header_sets)
    ahead = Ahead(view, rows[-1][1] if rows else 0, session.context.compute, _facts_of(items), sets)
    lost: MailError | None = None
    done = 0
    for low, high in rows:
        row = low
        while row < high:
            piece = columns.next_piece(view, plan, row, high)
            row += piece.high - piece.low
            done += piece.high - piece.low
            whole = _whole_body(items) if plan.reads_files and columns.is_large(piece) else None
            if whole is not None:
                try:
                    yield from _streamed(view, mode(session), items, whole, piece)
                except MailError as error:  # before anything of it was sent
                    if asked:
                        raise
                    lost = error
                continue
            try:
                yield render(view, plan, piece)
            except Missing:
                if asked:
                    progress.begin(session, view, done, count)
                yield from ahead.fill(piece.row, piece.row + piece.high - piece.low)
                progress.end(session)
                lost = (yield from _again(view, plan, piece, asked)) or lost
            except MailError as error:
                if asked and error.kind is not Kind.EXPUNGE_ISSUED:
                    raise
                lost = (yield from _again(view, plan, piece, asked)) or lost
            yield MORE
    if lost is not None:
        raise lost
    return Ok(b"Fetch completed.")


def _again(view: View, plan: Plan, piece: Piece, asked: bool) -> Generator[Step, Any, MailError | None]:
    """The piece once more, after its Facts were computed; if need be message by message, as the file of one is gone.

    All that are there are sent (RFC 2180 §4.1.2); gives the error of one that is not. `asked` as in `_long`.
    """
    low, high = piece.row, piece.row + piece.high - piece.low
    try:
        whole = b"".join([render(view, plan, fresh) for fresh in pieces(view.snapshot, low, high)])
    except (Missing, MailError):
        pass
    else:
        yield whole
        return None
    lost: MailError | None = None
    for number in range(low, high):
        for fresh in pieces(view.snapshot, number, number + 1):
            try:
                yield render(view, plan, fresh)
            except Missing:
                lost = MailError(Kind.EXPUNGE_ISSUED, GONE)
            except MailError as error:
                if asked and error.kind is not Kind.EXPUNGE_ISSUED:
                    raise
                lost = error
    return lost


def _whole_body(items: tuple[Item, ...]) -> int | None:
    """Where the one whole `BODY[]` is in the list, when it is the only item that needs the file."""
    found = [number for number, item in enumerate(items) if not isinstance(item, Plain) or item.name == b"BODY"]
    if len(found) != 1:
        return None
    item = items[found[0]]
    whole = isinstance(item, Body) and item.section == Section() and item.partial is None
    return found[0] if whole else None


def _streamed(view: View, words: Mode, items: tuple[Item, ...], whole: int, piece: Piece) -> Generator[Step, Any, None]:
    """A large message: the items around its body, and the body from the file in pieces."""
    item = items[whole]
    assert isinstance(item, Body)
    before, after = items[:whole], items[whole + 1 :]
    number = int(piece.chunk.uid[piece.low]) if words.uid_only else piece.row + 1
    begin = b"* %d UIDFETCH (" if words.uid_only else b"* %d FETCH ("
    head = begin % number + _inside(view, before, piece, words) + (b" " if before else b"")
    tail = (b" " if after else b"") + _inside(view, after, piece, words) + b")\r\n"
    yield from stream(view, piece, head + item.label + b" ", tail)


def _inside(view: View, items: tuple[Item, ...], piece: Piece, words: Mode) -> bytes:
    """What stands for these items between the parentheses."""
    if not items:
        return b""
    return render(view, _plan(items, (), words), piece).partition(b"(")[2].removesuffix(b")\r\n")


def unasked(session: "ImapSession", items: tuple[Item, ...], rows: list[Range]) -> Generator[Step, Any, None]:
    """The FETCH responses that NOTIFY wants of new messages (RFC 5465 §5.2). Nothing becomes \\Seen by them."""
    assert session.view is not None
    try:
        if gmail.among(items):
            gmail.prepare(session, session.view, session.mailbox)
        yield from _long(session, items, rows, b"", asked=False)
    except MailError as error:  # the others were sent
        session.context.refused(session, error)
