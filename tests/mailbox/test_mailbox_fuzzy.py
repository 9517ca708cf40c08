"""Fuzzy matching: the vectors give what a plain table of distances gives, and the scores mean what they say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doocot.mailbox.fuzzy import LETTERS, distances, fits, score, scores_in, slips, vocabulary, words_in, words_of
from doocot.mailbox.search_columns import Block, TextColumn


def plain_distance(one: str, other: str) -> int:
    """Optimal string alignment, by the book."""
    table = [[row + column for column in range(len(other) + 1)] for row in range(len(one) + 1)]
    for row in range(1, len(one) + 1):
        for column in range(1, len(other) + 1):
            table[row][column] = min(
                table[row - 1][column] + 1,
                table[row][column - 1] + 1,
                table[row - 1][column - 1] + (one[row - 1] != other[column - 1]),
            )
            if row > 1 and column > 1 and one[row - 1] == other[column - 2] and one[row - 2] == other[column - 1]:
                table[row][column] = min(table[row][column], table[row - 2][column - 2] + 1)
    return table[-1][-1]


_word = st.text("abcé", min_size=1, max_size=9)


@given(st.lists(_word, min_size=1, max_size=8), _word)
def test_distances_are_those_of_the_book(words: list[str], wanted: str) -> None:
    known = vocabulary(words)
    found = distances(known.letters, known.lengths, wanted).tolist()
    assert found == [plain_distance(wanted, word) for word in known.words]


@pytest.mark.parametrize(
    ("text", "wanted", "points"),
    [
        ("The quick brown fox", "quick", 100),
        ("The QUICK brown fox", "brown quick", 100),
        ("quickly done", "quick", 90),
        ("unquick", "quick", 80),
        ("the quikc fox", "quick", 56),  # one slip in five letters
        ("the quck fox", "quick", 56),
        ("the quiick fox", "quick", 56),
        ("the qck fox", "quick", 0),
        ("fox", "fix", 0),  # too short for a slip
        ("Müller", "muller", 100),
        ("Straße", "STRASSE", 100),
        ("recieved the documment", "received document", 62),
        ("received only", "received document", 0),
        ("naïve", "naive", 100),
        ("Жизнь", "жизнь", 100),
        ("日本語", "日本", 90),
        ("", "any", 0),
    ],
)
def test_a_score_says_how_well_a_text_fits(text: str, wanted: str, points: int) -> None:
    assert score(set(words_of(text)), words_of(wanted)) == points


def test_long_words_are_compared_by_their_beginning() -> None:
    assert words_of("x" * 100) == ["x" * LETTERS]
    assert [slips("a" * length) for length in (1, 3, 4, 7, 8, 30)] == [0, 0, 1, 1, 2, 2]


@given(st.lists(st.text("abc é-", max_size=12), max_size=6), st.lists(_word, min_size=1, max_size=3))
def test_a_column_scores_as_each_text_alone(texts: list[str], wanted: list[str]) -> None:
    encoded = [text.encode() for text in texts]
    ends = np.cumsum([len(one) + 1 for one in encoded])
    blocks = (Block(b"\0".join([*encoded, b""]), ends),) if texts else ()
    column = TextColumn(np.arange(len(texts)).astype("u4"), blocks)
    words = words_of(" ".join(wanted))
    found = scores_in(words_in(column), words).tolist()
    assert found == [score(set(words_of(text)), words) for text in texts]
    assert all(0 <= one <= 100 for one in found)
    known = vocabulary(word for text in texts for word in words_of(text))
    assert len(fits(known, words[0])) == len(known.words)
