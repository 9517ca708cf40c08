"""SEARCH (RFC 3501 §6.4.4): which rows of a view match a tree of keys, cheapest keys first.

Every key answers for the rows that are still undecided, as a mask over the view: flags, dates, sizes and numbers are
vectors, addresses and subjects columns in memory, the rest reads files. Messages whose file is gone match nothing.
"""

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from doocot.mailbox import search_columns as of
from doocot.mailbox.ahead import WINDOW, Ahead, Compute, read_dates
from doocot.mailbox.facts import LISTED
from doocot.mailbox.labels import labels_of
from doocot.mailbox.savedates import savedates
from doocot.mailbox.search_columns import AnyColumn, NumberColumn, TextColumn, Turn, columns, texts_with
from doocot.mailbox.search_fuzzy import column_scores, file_scores, wanted_words
from doocot.mailbox.search_parts import part_rows
from doocot.mailbox.search_text import Found, header_rows, text_rows
from doocot.mailbox.search_tree import (
    Addresses,
    All,
    And,
    EmailId,
    Flag,
    Fuzzy,
    Header,
    InternalDate,
    Key,
    Keyword,
    MimePart,
    ModSeq,
    Not,
    Numbers,
    Or,
    OwnLabel,
    SaveDate,
    SentDate,
    Size,
    Subject,
    Text,
    ThreadId,
    Within,
    folded,
    mapped,
)
from doocot.mailbox.view import RECENT, View
from doocot.message.collation import UNICODE_CASEMAP, Collation
from doocot.message.mimepart import Budget
from doocot.store.index.messages import Range
from doocot.store.root import keyword_names
from doocot.store.snapshot import Ints, Snapshot, column, last_uid, rows_by_flag, rows_of_uids
from doocot.wire.flow import MORE, Step

ANSWER_COST: Final = 12  # ns for a number in the answer
DAY: Final = 86_400

Steps = Generator[Step, Any, Ints]
Scored = Generator[Step, Any, tuple[Ints, Ints | None]]

_identifier: Final = re.compile(rb"<[^<>\s\x80-\xff]+>").fullmatch

_ADDRESSES: Final = {b"from": of.FROM, b"to": of.TO, b"cc": of.CC, b"bcc": of.BCC}


@dataclass(frozen=True, slots=True)
class Given:
    """What an answer hangs on beside the keys and the mailbox.

    `saved` is what `$` stands for; `now` the time, seconds since 1970; `collation` by what texts are compared;
    `compute` as in `mailbox.ahead`.
    """

    saved: Sequence[Range]
    now: int
    collation: Collation
    compute: Compute | None


@dataclass(slots=True)
class _Search:
    """One search under way. `gone` are rows whose file was not there."""

    view: View
    given: Given
    columns: dict[str, AnyColumn] = field(default_factory=dict)
    gone: list[int] = field(default_factory=list)
    turn: Turn = field(default_factory=Turn)
    scores: list[Ints] = field(default_factory=list)
    budget: Budget = field(default_factory=Budget)  # of all keys of MIMEPART together


def matching(view: View, key: Key, given: Given) -> Steps:
    """Steps that give the matching rows, ascending."""
    rows, _ = yield from scored(view, key, given)
    return rows


def scored(view: View, key: Key, given: Given) -> Scored:
    """Steps that give the matching rows, ascending, and for each row of the view its relevancy (RFC 6203 §4).

    That is the mean of the scores that the fuzzy keys have for it, of those that it fits, 100 where there is none; None
    stands for 100 everywhere.
    """
    search = _Search(view, given)
    rows = _by_flag(view.snapshot, key)
    if rows is None:
        rows = yield from _by_mask(search, folded(mapped(key, _exact_without_words), given.collation.key))
    if search.turn.over(ANSWER_COST * len(rows)):
        yield from search.turn.give()
    return rows, _relevancy(search)


def _exact_without_words(key: Key) -> Key:
    return key.key if isinstance(key, Fuzzy) and not wanted_words(key.key) else key


def _relevancy(search: _Search) -> Ints | None:
    if not search.scores:
        return None
    total, fits = sum(search.scores), sum(scores > 0 for scores in search.scores)
    return np.where(fits, np.rint(total / np.maximum(fits, 1)), 100).astype("i8")


def _by_flag(snapshot: Snapshot, key: Key) -> Ints | None:
    """The rows of a key that asks for one system flag, which is known of each chunk; None for other keys."""
    match key:
        case Flag(bit) if bit != RECENT:
            return rows_by_flag(snapshot, bit, there=True)
        case Not(Flag(bit)) if bit != RECENT:
            return rows_by_flag(snapshot, bit, there=False)
    return None


def _by_mask(search: _Search, key: Key) -> Steps:
    names = sorted(_columns_of(key, search.given.collation))
    if names:
        search.columns = yield from columns(search.view, names, search.given.compute)
    mask = yield from _mask(search, key, np.ones(search.view.snapshot.count, bool))
    if search.gone:
        mask = mask.copy()
        mask[search.gone] = False
    return np.flatnonzero(mask)


def reachable(view: View, key: Key, given: Given) -> Ints:
    """The rows (a mask) that may match at all, as the sequence sets say which every match must be in."""
    search, keys = _Search(view, given), [key]
    mask = np.ones(view.snapshot.count, bool)
    while keys:
        match keys.pop():
            case And(inner):
                keys += inner
            case Numbers() as numbers:
                mask &= _rows(search, numbers)
    return mask


def _columns_of(key: Key, by: Collation) -> set[str]:
    """The columns that the key looks at."""
    match key:
        case And(keys) | Or(keys):
            return set().union(*(_columns_of(one, by) for one in keys))
        case Not(inner):
            return _columns_of(inner, by)
        case Fuzzy(Subject() | Header(b"subject")):
            return {of.SUBJECT}
        case Fuzzy(inner):
            return _columns_of(inner, UNICODE_CASEMAP) - {of.MESSAGE_ID}
        case SentDate():
            return {of.SENT_DAY}
        case EmailId():
            return {of.EMAIL_ID}
        case ThreadId():
            return {of.THREAD_ID}
        case Text(text=text):
            return {of.REACH} if text else set()
        case Subject(text=text):
            return {of.collated(of.PRESSED_SUBJECT if b" " in text or b"\t" in text else of.SUBJECT, by)}
        case Addresses(name):
            return {of.collated(_ADDRESSES[name], by)}
        case Header(b"subject", text) if text:
            return {of.collated(of.SUBJECT, by)}
        case Header(b"message-id", text) if _identifier(text):
            return {of.MESSAGE_ID}
    return set()


def _cost(key: Key) -> int:
    match key:
        case And(keys) | Or(keys):
            return max(map(_cost, keys))
        case Not(inner) | Fuzzy(inner):
            return _cost(inner)
        case MimePart():
            return 2
        case Text():
            return 3
        case Header():
            return 1 if _columns_of(key, UNICODE_CASEMAP) else 2
        case Subject() | Addresses() | EmailId() | ThreadId():
            return 1
    return 0


def _mask(search: _Search, key: Key, within: Ints) -> Steps:
    """Which of the rows `within` match."""
    match key:
        case And(keys):
            for one in sorted(keys, key=_cost):
                if not within.any():
                    break
                within = yield from _mask(search, one, within)
            return within
        case Or(keys):
            rest, found = within, np.zeros(len(within), bool)
            for one in sorted(keys, key=_cost):
                if not rest.any():
                    break
                found = found | (yield from _mask(search, one, rest))
                rest = within & ~found
            return found
        case Not(inner):
            inside: Ints = yield from _mask(search, inner, within)
            return np.logical_and(within, ~inside)
        case Header() | Addresses() | Subject() | Text() | EmailId() | ThreadId():
            return (yield from _of_text(search, key, within))
        case Fuzzy(inner):
            return (yield from _fuzzy(search, key, inner, within))
        case MimePart(part):
            rows = np.flatnonzero(within)
            given, budget = search.given, search.budget
            parts = yield from part_rows(search.view, rows, part, search.turn, given.compute, budget)
            return _marked(search, within, parts)
        case InternalDate() | Within() | Size():
            name = "size" if isinstance(key, Size) else "date"
            yield from learn(search.view, name, within, search.given.compute)
        case SaveDate(low, high):
            days = (yield from _save_dates(search, within)) // DAY
            return within & (days >= 0) & _between(days, low, high)
    if search.turn.over():
        yield from search.turn.give()
    mask: Ints = within & _vector(search, key)
    return mask


def _fuzzy(search: _Search, key: Fuzzy, inner: Header | Addresses | Subject | Text, within: Ints) -> Steps:
    """The rows that nearly have the text, whose scores are noted."""
    view, wanted = search.view, wanted_words(inner)
    names = _columns_of(key, UNICODE_CASEMAP)
    scores, reaches = np.zeros(len(within), "i8"), np.ones(len(within), "i8")
    for name in names - {of.REACH}:
        texts = search.columns[name]
        assert isinstance(texts, TextColumn)
        scores = np.where(within, (yield from column_scores(view, name, texts, wanted)), 0)
    if of.REACH in names:
        kept = search.columns[of.REACH]
        assert isinstance(kept, NumberColumn)
        reaches = of.rows_of_column(view, kept, kept.values)
        search.gone += np.flatnonzero(within & (reaches == 0)).tolist()
    if isinstance(inner, Header | Text) and names <= {of.REACH}:
        rows = np.flatnonzero(within & (reaches != 0))
        found = yield from file_scores(view, rows, reaches, inner, wanted, search.turn)
        search.gone += found.gone
        scores[list(found.scores)] = list(found.scores.values())
    search.scores.append(scores)
    return scores > 0


def _vector(search: _Search, key: Key) -> Ints:
    """The keys that are an operation on columns of numbers."""
    view = search.view
    snapshot = view.snapshot
    match key:
        case Flag(bit) if bit == RECENT:
            return column(snapshot, "uid") >= view.recent_from
        case Flag(bit):
            set_there: Ints = column(snapshot, "flags") & np.uint32(bit) != 0
            return set_there
        case Keyword(name):
            return _with_keyword(view, name)
        case Numbers():
            return _rows(search, key)
        case InternalDate(low, high):
            return _between(column(snapshot, "date") // DAY, low, high) & (column(snapshot, "date") >= 0)
        case Within(seconds, younger):
            dates, limit = column(snapshot, "date"), search.given.now - seconds
            return (dates >= limit if younger else dates <= limit) & (dates >= 0)
        case Size(low, high):
            return _between(column(snapshot, "size"), max(low, 0), high)
        case OwnLabel(label):
            return np.full(snapshot.count, labels_of(view).own.lower() == label.lower())
        case ModSeq(least):
            return column(snapshot, "modseq") >= least
        case SentDate(low, high):
            days = search.columns[of.SENT_DAY]
            assert isinstance(days, NumberColumn)
            return of.rows_of_column(view, days, _between(days.values, low, high))
    assert isinstance(key, All)
    return np.ones(snapshot.count, bool)


def _save_dates(search: _Search, within: Ints) -> Steps:
    """Where the save date is not known, the internal date is used (RFC 8514 §4.3)."""
    dates = yield from savedates(search.view)
    unknown = dates == 0
    if np.any(within & unknown):
        yield from learn(search.view, "date", within & unknown, search.given.compute)
        dates = np.where(unknown, column(search.view.snapshot, "date"), dates)
    return dates


def _between(values: Ints, low: int, high: int) -> Ints:
    mask: Ints = (values >= low) & (values < high)
    return mask


def _with_keyword(view: View, name: str) -> Ints:
    sets = column(view.snapshot, "flags") >> np.uint32(8)
    highest = int(sets.max()) if len(sets) else 0
    keyword_names(view.live.root, highest)
    wanted = name.lower()
    table = np.zeros(highest + 1, bool)
    for number, names in view.live.root.sets.items():
        if number <= highest and any(one.lower() == wanted for one in names):
            table[number] = True
    mask: Ints = table[sets]
    return mask


def _rows(search: _Search, key: Numbers) -> Ints:
    """A sequence set; numbers that no message has are not an error in a search, they match nothing."""
    snapshot = search.view.snapshot
    mask = np.zeros(snapshot.count, bool)
    if key.numbers.saved:
        ranges: Sequence[Range] = rows_of_uids(snapshot, search.given.saved)
    elif key.by_uid:
        ranges = rows_of_uids(snapshot, key.numbers.resolve(last_uid(snapshot)))
    else:
        ranges = [(low - 1, high) for low, high in key.numbers.resolve(snapshot.count)]
    for low, high in ranges:
        mask[low:high] = True
    return mask


def learn(view: View, name: str, within: Ints, compute: Compute | None) -> Generator[Step, Any, None]:
    """Has the files of the rows (a mask) asked for dates or sizes that the index does not know yet."""
    unknown = np.flatnonzero(within & (column(view.snapshot, name) < 0))
    if not len(unknown):
        return
    end = int(unknown[-1]) + 1
    ahead = Ahead(view, end, compute, LISTED)
    for row in range(int(unknown[0]), end, WINDOW):
        last = min(row + WINDOW, end)
        if not np.any((unknown >= row) & (unknown < last)):
            continue
        read_dates(view, row, last)  # others may have had them computed meanwhile
        if np.any(within[row:last] & (column(view.snapshot, name, [(row, last)]) < 0)):
            yield from ahead.fill(row)
        yield MORE


def _of_text(search: _Search, key: Header | Addresses | Subject | Text | EmailId | ThreadId, within: Ints) -> Steps:
    """Keys that compare text: in a column where there is one, else in the files."""
    view, by = search.view, search.given.collation
    if isinstance(key, Text):
        if not key.text:
            return within
        kept = search.columns[of.REACH]
        assert isinstance(kept, NumberColumn)
        reaches = of.rows_of_column(view, kept, kept.values)
        search.gone += np.flatnonzero(within & (reaches == 0)).tolist()
        rows = np.flatnonzero(within & (reaches != 0))
        return _marked(search, within, (yield from text_rows(view, rows, reaches, key, search.turn, by)))
    names = _columns_of(key, by)
    if names:
        (name,) = names
        texts = search.columns[name]
        assert isinstance(texts, TextColumn)
        if name != of.MESSAGE_ID:
            mask = yield from texts_with(texts, key.text, search.turn)
            return within & of.rows_of_column(view, texts, mask)
        # The column has the first identifier alone: it tells where to look.
        mask = (yield from texts_with(texts, key.text.strip(b"<>").upper(), search.turn)) | of.empty_texts(texts)
        within = within & of.rows_of_column(view, texts, mask)
    assert isinstance(key, Header)
    found = yield from header_rows(view, np.flatnonzero(within), key, search.turn, by)
    return _marked(search, within, found)


def _marked(search: _Search, within: Ints, found: Found) -> Ints:
    search.gone += found.gone
    mask = np.zeros(len(within), bool)
    mask[found.rows] = True
    return mask
