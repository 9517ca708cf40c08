"""THREAD (RFC 5256 §3): which messages answer which, by number; what it reads of messages is in `thread_columns`.

Messages are their rows 0..n-1, ids that no message has (dummies) the numbers behind them. All is arrays and loops: a
thread as deep as the mailbox is large costs nothing more than others.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from doocot.mailbox.forest import Forest
from doocot.store.snapshot import Ints

ORDEREDSUBJECT: Final = b"ORDEREDSUBJECT"
REFERENCES: Final = b"REFERENCES"
REFS: Final = b"REFS"

AT_ONCE: Final = 4096  # numbers of a piece of the answer


@dataclass(frozen=True, slots=True)
class Messages:
    """What is compared, an entry a message.

    `ids` is a number for the Message-ID, 0 without one; `references` are the numbers of all ancestors, oldest first,
    those of message i end before `ends[i]`. `subjects` is an even number for the base subject, 0 when it is empty, plus
    one for replies and forwards. `sent` are seconds, INTERNALDATE where there is no Date (§2.2).
    """

    ids: Ints
    references: Ints
    ends: Ints
    subjects: Ints
    sent: Ints


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the answer: text with a `%d` for each of the messages `rows`."""

    text: bytes
    rows: Ints


def thread(algorithm: bytes, messages: Messages) -> tuple[Piece, ...]:
    """The answer, in n log n time."""
    if algorithm == ORDEREDSUBJECT:
        parent, rank = _ordered_subject(messages)
    elif algorithm == REFS:
        parent, rank = _refs(messages)
    else:
        parent, rank = _references(messages)
    return written(parent, rank, len(messages.ids))


def _ranks(dates: Ints) -> Ints:
    """The place of each message by date and sequence number."""
    ranks = np.empty(len(dates), "i8")
    ranks[np.argsort(dates, kind="stable")] = np.arange(len(dates))
    return ranks


def _ordered_subject(messages: Messages) -> tuple[Ints, Ints]:
    """The first message of each base subject, and all others of it as its children."""
    count = len(messages.ids)
    rank = _ranks(messages.sent)
    subjects = messages.subjects & ~1
    order = np.lexsort((rank, subjects))
    begins = np.ones(count, bool)
    begins[1:] = subjects[order][1:] != subjects[order][:-1]
    first = order[np.flatnonzero(begins)][np.cumsum(begins) - 1] if count else order
    parent = np.full(count, -1, "i8")
    parent[order] = np.where(begins, -1, first)
    return parent, rank


def _refs(messages: Messages) -> tuple[Ints, Ints]:
    """draft-ietf-morg-inthread: threads by references alone, those with the latest message last, as in Dovecot."""
    count = len(messages.ids)
    parent = _pruned(linked(messages), count)
    ranks = _ranks(messages.sent)
    rank = _with_dummies(ranks, parent, count)
    latest = np.full(len(parent), -1)
    np.maximum.at(latest, _tops(parent)[:count], ranks)
    roots = parent < 0
    rank[roots] = latest[roots]
    return parent, rank


def _references(messages: Messages) -> tuple[Ints, Ints]:
    """RFC 5256 §3, the REFERENCES algorithm."""
    count = len(messages.ids)
    parent = _pruned(linked(messages), count)
    rank = _ranks(messages.sent)
    parent = _with_subjects(parent, rank, messages.subjects)
    return parent, _with_dummies(rank, parent, count)


def linked(messages: Messages) -> Ints:
    """Step 1: the parent of each message and of each dummy, -1 where there is none."""
    count = len(messages.ids)
    known, numbers = np.unique(np.concatenate((messages.ids, messages.references)), return_inverse=True)
    # A number has the first message with that id; without one (0 is no id) it is a dummy.
    owner = np.full(len(known), -1, "i8")
    rows = np.flatnonzero(messages.ids)[::-1]
    owner[numbers[rows]] = rows
    missing = np.flatnonzero((owner < 0) & (known != 0))
    owner[missing] = np.arange(count, count + len(missing))
    references = owner[numbers[count:]]
    forest = Forest(count + len(missing))
    parent = forest.parent
    at = 0
    chain, ends = references.tolist(), messages.ends.tolist()
    for row, end in enumerate(ends):
        # (A) each reference is the parent of the next, unless that has a parent
        for place in range(at + 1, end):
            if parent[chain[place]] < 0:
                forest.link(chain[place], chain[place - 1])
        # (B) the last one is the parent of the message, whatever others said of it
        if parent[row] >= 0:
            if at < end and parent[row] == chain[end - 1]:
                at = end
                continue
            forest.cut(row)
        if at < end:
            forest.link(row, chain[end - 1])
        at = end
    return np.array(parent, "i8")


def _pruned(parent: Ints, count: int) -> Ints:
    """Step 3: no dummies but those above several messages that would otherwise be at the top."""
    nearest = np.arange(len(parent))
    nearest[count:] = np.where(parent[count:] >= 0, parent[count:], nearest[count:])
    nearest = _settled(nearest)
    pruned = np.where(parent >= 0, nearest[parent], -1)
    pruned[count:] = -1
    single = np.bincount(pruned[:count] + 1, minlength=len(parent) + 1)[1:] == 1
    pruned[(pruned >= count) & single[pruned]] = -1
    return pruned


def _settled(above: Ints) -> Ints:
    """Each entry replaced by the end of the way that begins there."""
    while True:
        further = above[above]
        if np.array_equal(further, above):
            return above
        above = further


def _tops(parent: Ints) -> Ints:
    """The root above each node."""
    return _settled(np.where(parent >= 0, parent, np.arange(len(parent))))


def _with_dummies(rank: Ints, parent: Ints, count: int) -> Ints:
    """The ranks of all nodes; a dummy has that of its first child."""
    ranks = np.full(len(parent), len(parent), "i8")
    ranks[:count] = rank
    below = np.flatnonzero(parent[:count] >= count)
    np.minimum.at(ranks, parent[below], rank[below])
    return ranks


def _with_subjects(parent: Ints, rank: Ints, subjects: Ints) -> Ints:
    """Steps 4 and 5: threads of the same base subject become one."""
    count = len(rank)
    by_rank = np.argsort(rank)
    ranks = _with_dummies(rank, parent, count)
    there = np.flatnonzero((parent < 0) & (ranks < len(parent)))
    leader = by_rank[ranks[there]]
    subject = subjects[leader]
    _, which, counts = np.unique(subject & ~1, return_inverse=True, return_counts=True)
    shared = np.flatnonzero((subject & ~1 != 0) & (counts[which] > 1))
    shared = shared[np.argsort(ranks[there[shared]])]
    roots, topics = there[shared].tolist(), which[shared].tolist()
    replies = dict(zip(roots, (subject[shared] & 1).tolist(), strict=True))
    return _merged(parent, count, list(zip(roots, topics, strict=True)), replies)


def _merged(parent: Ints, count: int, roots: list[tuple[int, int]], replies: dict[int, int]) -> Ints:
    """Step 5 for roots that are not alone with their subject. Dummies are the numbers from `count` on."""
    table: dict[int, int] = {}
    for root, topic in roots:  # (B)
        first = table.setdefault(topic, root)
        if first < count and (root >= count or (replies[first] and not replies[root])):
            table[topic] = root
    moved: dict[int, int] = {}
    emptied: dict[int, int] = {}
    total = len(parent)
    for root, topic in roots:  # (C)
        first = table[topic]
        if first == root:
            continue
        if first >= count:
            (emptied if root >= count else moved)[root] = first
        elif replies[root] and not replies[first]:
            moved[root] = first
        else:
            moved[root] = moved[first] = table[topic] = total
            total += 1
    merged = np.concatenate((parent, np.full(total - len(parent), -1, "i8")))
    merged[list(moved)] = list(moved.values())
    successor = np.arange(total)
    successor[list(emptied)] = list(emptied.values())
    return np.where(merged >= 0, successor[merged], -1)


def written(parent: Ints, rank: Ints, count: int) -> tuple[Piece, ...]:
    """The threads as `1*thread-list` (RFC 5256 §5), siblings by rank. Dummies without children are not there."""
    order = np.lexsort((rank, parent))
    children = np.bincount(parent + 1, minlength=len(parent) + 1)
    ends = np.cumsum(children)
    begins = (ends - children)[1:].tolist()
    counts, below = children[1:].tolist(), order.tolist()
    pieces: list[Piece] = []
    texts: list[bytes] = []
    rows: list[int] = []
    # What is still to be written: nodes that begin a list, the last one on top, and -1 for a `)`.
    waiting = [node for node in reversed(below[: int(children[0])]) if node < count or counts[node]]
    while waiting:
        node = waiting.pop()
        if node < 0:
            texts.append(b")")
            continue
        texts.append(b"(")
        if node < count:
            texts.append(b"%d")
            rows.append(node)
            while counts[node] == 1:
                node = below[begins[node]]
                texts.append(b" %d")
                rows.append(node)
            if counts[node]:
                texts.append(b" ")
        if counts[node]:
            waiting.append(-1)
            waiting += below[begins[node] : begins[node] + counts[node]][::-1]
        else:
            texts.append(b")")
        if len(rows) >= AT_ONCE:
            pieces.append(Piece(b"".join(texts), np.array(rows, "u4")))
            texts, rows = [], []
    if texts:
        pieces.append(Piece(b"".join(texts), np.array(rows, "u4")))
    return tuple(pieces)
