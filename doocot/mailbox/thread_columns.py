"""What THREAD compares, as arrays of a mailbox in memory, and the threads of the whole mailbox once they are known.

A message id is kept as its 64-bit hash, with which Python has keyed it at random in this process: a hundred octets less
for each, and that two of a million ids are taken for one happens to one mailbox in forty million.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np

from doocot.mailbox import facts
from doocot.mailbox.ahead import Ahead
from doocot.mailbox.search import Given, learn
from doocot.mailbox.search_columns import NO_DATE, SLICE, collated, facts_of_piece
from doocot.mailbox.thread import Messages, Piece, thread
from doocot.mailbox.view import View
from doocot.store.snapshot import Ints, column, pieces
from doocot.wire.flow import MORE, Job, Step

FEW: Final = 200  # messages up to which the loop does the work, not a thread

_KEYS: Final = "thread keys"
_TREES: Final = "thread trees"


@dataclass(frozen=True, slots=True)
class Keys:
    """As in `thread.Messages`, for the messages `uids`; `sent` is NO_DATE where there is no Date."""

    uids: Ints
    ids: Ints
    references: Ints
    ends: Ints
    subjects: Ints
    sent: Ints


@dataclass(slots=True)
class Threads:
    """An answer for the messages `uids` as it is kept; `texts` has what was sent, by whether it has UIDs."""

    uids: Ints
    pieces: tuple[Piece, ...]
    texts: dict[bool, bytes] = field(default_factory=dict)


def threads(view: View, algorithm: bytes, rows: Ints, by_uid: bool, given: Given) -> Generator[Step, Any, bytes]:
    """Steps that give the threads (`1*thread-list`, RFC 5256 §5) of the messages in these rows, ascending."""
    uids = column(view.snapshot, "uid")
    whole = len(rows) == len(uids)
    compute, name = given.compute, collated(_TREES, given.collation)
    kept = view.live.buffers.get(name) if whole else None
    trees: dict[bytes, Threads] = kept if isinstance(kept, dict) else {}
    known = trees.get(algorithm)
    if known is None or not np.array_equal(known.uids, uids):
        keys, holes = yield from _keys(view, given)
        wanted = np.zeros(len(uids), bool)
        wanted[rows] = keys.sent[rows] == NO_DATE
        yield from learn(view, "date", wanted, compute)
        call = partial(_threads, algorithm, keys, column(view.snapshot, "date"), rows)
        known = Threads(uids, (yield Job(call)) if len(rows) > FEW else call())
        if whole and not holes:
            trees[algorithm] = known
            view.live.buffers[name] = trees
    text = known.texts.get(by_uid)
    if text is None:
        text = yield from _text(known.pieces, uids[rows] if by_uid else rows + 1)
        if whole:
            known.texts[by_uid] = text
    return text


def _threads(algorithm: bytes, keys: Keys, dates: Ints, rows: Ints) -> tuple[Piece, ...]:
    """The threads of some rows."""
    counts = np.diff(keys.ends, prepend=0)[rows]
    ends = np.cumsum(counts)
    places = np.repeat(keys.ends[rows] - ends, counts) + np.arange(int(ends[-1]) if len(ends) else 0)
    sent = keys.sent[rows]
    return thread(
        algorithm,
        Messages(
            keys.ids[rows],
            keys.references[places],
            ends,
            keys.subjects[rows],
            np.where(sent == NO_DATE, dates[rows], sent),
        ),
    )


def _text(parts: Sequence[Piece], numbers: Ints) -> Generator[Step, Any, bytes]:
    texts = []
    for part in parts:
        texts.append(part.text % tuple(numbers[part.rows].tolist()))
        yield MORE
    return b"".join(texts)


def _keys(view: View, given: Given) -> Generator[Step, Any, tuple[Keys, bool]]:
    """The keys of exactly the rows of the view, and whether files were missing; what was read before is taken over."""
    uids = column(view.snapshot, "uid")
    name, fact = collated(_KEYS, given.collation), facts.fact_of(given.collation)
    kept = view.live.buffers.get(name)
    before = kept if isinstance(kept, Keys) else _taken(np.empty(0, "u4"), [])
    if len(before.uids) and not np.array_equal(uids[: len(before.uids)], before.uids):
        before = _without(before, np.isin(before.uids, uids, assume_unique=True))
        if not np.array_equal(uids[: len(before.uids)], before.uids):
            before = _taken(np.empty(0, "u4"), [])  # a view that was left behind: its messages are known no longer
    row, count = len(before.uids), len(uids)
    if row == count:
        return before, False
    parts, holes = [before], False
    ahead = Ahead(view, count, given.compute, (fact,))
    view.progress.goal = count
    for start in range(row, count, SLICE):
        view.progress.done = start
        for piece in pieces(view.snapshot, start, min(start + SLICE, count)):
            packed, hollow = yield from facts_of_piece(view, ahead, fact, piece)
            parts.append(_taken(piece.chunk.uid[piece.low : piece.high], packed))
            holes |= hollow
        yield MORE
    keys: Keys = (yield Job(partial(_joined, parts))) if count - row > FEW else _joined(parts)
    if not holes:
        view.live.buffers[name] = keys
    return keys, holes


def _taken(uids: Ints, packed: Sequence[bytes]) -> Keys:
    """Takes KEYS Facts apart; a message without one has nothing that could be compared."""
    ids, references, ends, subjects, sent = [], list[int](), [], [], []
    for one in packed:
        if not one:
            ids.append(0)
            subjects.append(0)
            sent.append(NO_DATE)
        else:
            _, _, _, _, _, subject, reply, identifier, ancestors, date = one.split(b"\0")
            ids.append((hash(identifier) or 1) if identifier else 0)
            subjects.append((((hash(subject) & ~1) or 2) if subject else 0) | (reply != b""))
            sent.append(int(date.partition(b" ")[0]) if date else NO_DATE)
            if ancestors:
                references += [hash(ancestor) or 1 for ancestor in ancestors.split(b"\n")]
        ends.append(len(references))
    return Keys(uids, *(np.array(values, "i8") for values in (ids, references, ends, subjects, sent)))


def _joined(parts: Sequence[Keys]) -> Keys:
    ends, length = [], 0
    for part in parts:
        ends.append(part.ends + length)
        length += len(part.references)
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in Keys.__slots__}
    return Keys(**{**columns, "ends": np.concatenate(ends)})


def _without(keys: Keys, keep: Ints) -> Keys:
    """Some of the messages."""
    counts = np.diff(keys.ends, prepend=0)
    references = keys.references[np.repeat(keep, counts)]
    ends = np.cumsum(counts[keep])
    return Keys(keys.uids[keep], keys.ids[keep], references, ends, keys.subjects[keep], keys.sent[keep])
