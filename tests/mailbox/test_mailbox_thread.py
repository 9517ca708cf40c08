"""The threads themselves: whatever refers to what, every message is there once, and in bounded time."""

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doocot.mailbox.forest import Forest
from doocot.mailbox.thread import ORDEREDSUBJECT, REFERENCES, REFS, Messages, linked, thread

ALGORITHMS = (ORDEREDSUBJECT, REFERENCES, REFS)
DEEP = 100_000

One = tuple[int, list[int], int, int]  # id, references, subject, date


def _messages(given_ones: list[One]) -> Messages:
    references = [ancestor for one in given_ones for ancestor in one[1]]
    ends = np.cumsum([len(one[1]) for one in given_ones])
    ids, subjects, sent = (np.array([one[place] for one in given_ones], "i8") for place in (0, 2, 3))
    return Messages(ids, np.array(references, "i8"), ends, subjects, sent)


def _answer(algorithm: bytes, given_ones: list[One]) -> bytes:
    pieces = thread(algorithm, _messages(given_ones))
    return b"".join(piece.text % tuple((piece.rows + 1).tolist()) for piece in pieces)


ONES = st.lists(
    st.tuples(st.integers(0, 12), st.lists(st.integers(1, 16), max_size=6), st.integers(0, 7), st.integers(0, 4)),
    max_size=40,
)


@given(ONES)
@settings(max_examples=300)
def test_every_message_is_there_once(ones: list[One]) -> None:
    for algorithm in ALGORITHMS:
        answer = _answer(algorithm, ones)
        assert sorted(map(int, re.findall(rb"\d+", answer))) == list(range(1, len(ones) + 1))
        assert not re.search(rb"\(\)|\( | \)|\) |\(\([^()]*\)\)|  ", answer)
        depth = np.cumsum([(octet == 40) - (octet == 41) for octet in answer])
        assert not len(answer) or (depth.min() >= 0 and depth[-1] == 0)


@given(ONES)
def test_links_are_those_of_the_rfc(ones: list[One]) -> None:
    """Step 1 of RFC 5256 §3 word by word, with a walk up to the root for each link."""
    first: dict[int, int] = {}
    for row, one in enumerate(ones):
        if one[0]:
            first.setdefault(one[0], row)
    messages = _messages(ones)
    dummies = sorted(set(messages.references.tolist()) - set(first))
    number = first | {dummy: len(ones) + place for place, dummy in enumerate(dummies)}
    parent: dict[int, int] = {}

    def link(child: int, under: int) -> None:
        above: int | None = under
        while above is not None:
            if above == child:
                return
            above = parent.get(above)
        parent[child] = under

    for row, one in enumerate(ones):
        chain = [number[ancestor] for ancestor in one[1]]
        for under, child in pairwise(chain):
            if child not in parent:
                link(child, under)
        parent.pop(row, None)
        if chain:
            link(row, chain[-1])
    assert linked(messages).tolist() == [parent.get(node, -1) for node in range(len(ones) + len(dummies))]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 11), st.integers(0, 11)), max_size=200))
def test_forest_never_has_a_loop(operations: list[tuple[bool, int, int]]) -> None:
    forest, parent = Forest(12), [-1] * 12
    for cut, node, under in operations:
        if parent[node] >= 0:
            if cut:
                forest.cut(node)
                parent[node] = -1
            continue
        above = under
        while above >= 0 and above != node:
            above = parent[above]
        assert forest.link(node, under) == (above < 0)
        if above < 0:
            parent[node] = under
        assert forest.parent == parent


@pytest.mark.parametrize("way", [1, -1])
def test_a_chain_as_long_as_the_mailbox(way: int) -> None:
    ones: list[One] = [(row + 1, [row + 1 - way] if 0 < row + 1 - way <= DEEP else [], 0, 0) for row in range(DEEP)]
    numbers = list(range(1, DEEP + 1))[::way]
    for algorithm in (REFERENCES, REFS):
        assert _answer(algorithm, ones) == b"(" + b" ".join(b"%d" % number for number in numbers) + b")"


def test_a_tree_with_a_fork_at_every_step() -> None:
    ones: list[One] = [(row + 1, [max(row // 2 * 2 - 1, 1)] if row else [], 0, row) for row in range(DEEP)]
    answer = _answer(REFERENCES, ones)
    assert answer.count(b"(") == answer.count(b")") > DEEP // 2
    assert len(re.findall(rb"\d+", answer)) == DEEP


# RFC 5256 §3, steps 3 to 6: id, references, subject (even, and odd for a reply), date.
@pytest.mark.parametrize(
    ("ones", "answer"),
    [
        ([(1, [], 2, 1), (2, [1], 3, 2), (3, [1], 3, 3), (4, [3], 3, 4)], b"(1 (2)(3 4))"),
        ([(1, [9], 0, 1), (2, [9], 0, 2)], b"((1)(2))"),  # a dummy with two children stays
        ([(1, [9], 0, 1)], b"(1)"),  # with one it goes
        ([(1, [8, 9], 0, 1), (2, [9], 0, 2), (3, [8], 0, 0)], b"((3)(1)(2))"),  # dummies below dummies go
        ([(1, [], 2, 2), (2, [], 2, 1)], b"((2)(1))"),  # 5.C: neither is a reply: a new dummy
        ([(1, [], 2, 2), (2, [], 3, 1)], b"(1 2)"),  # the reply below the other
        ([(1, [], 3, 1), (2, [], 3, 2), (3, [], 2, 3)], b"(3 (1)(2))"),
        ([(1, [8], 2, 1), (2, [8], 2, 2), (3, [9], 2, 3), (4, [9], 2, 4)], b"((1)(2)(3)(4))"),  # both are dummies
        ([(1, [8], 2, 1), (2, [8], 2, 2), (3, [], 2, 0), (4, [3], 0, 9)], b"((3 4)(1)(2))"),
        ([(1, [], 0, 1), (2, [], 1, 2)], b"(1)(2)"),  # no base subject, nothing to merge
        ([(1, [2], 0, 1), (2, [1], 0, 2)], b"(2 1)"),  # no loop
        ([(1, [1], 0, 2), (1, [1], 0, 1)], b"(1 2)"),  # the id of two belongs to the first
    ],
)
def test_references(ones: list[One], answer: bytes) -> None:
    assert _answer(REFERENCES, ones) == answer


def test_ordered_subject_and_refs() -> None:
    ones: list[One] = [(1, [], 2, 5), (2, [1], 4, 9), (3, [], 3, 3), (4, [], 2, 4), (5, [], 0, 6)]
    assert _answer(ORDEREDSUBJECT, ones) == b"(3 (4)(1))(5)(2)"
    assert _answer(REFS, ones) == b"(3)(4)(5)(1 2)"
