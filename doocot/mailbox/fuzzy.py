"""Fuzzy matching (RFC 6203): how well words fit the words that are looked for, whole columns of words at a time.

Words are compared without case and diacritics. 100 is the word itself, 90 a word that begins with it, 80 one that has
it inside. Else so many letters may be wrong, missing, too many or swapped as a hand slips on a word of that length
(none of 3, one of 4, two of 8), which gives 70 less the share of them. A text fits when each word fits one of its own;
its score is their mean.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from doocot.mailbox.search_columns import TextColumn
from doocot.store.snapshot import Ints

LETTERS: Final = 32  # of a word that are compared
MAX_WANTED: Final = 50  # words of a text that is looked for
ITSELF, BEGINS, INSIDE, SLIPPED = 100, 90, 80, 70

_words = re.compile(r"[^\W_]+").findall


def words_of(text: str) -> list[str]:
    """The words of a text as they are compared."""
    plain = text.casefold()
    if not plain.isascii():
        plain = "".join(one for one in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(one))
    return [word[:LETTERS] for word in _words(plain)]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Different words, and their letters as numbers, each row filled up with 0."""

    words: Sequence[str]
    letters: Ints
    lengths: Ints


def vocabulary(words: Iterable[str]) -> Vocabulary:
    """The words in the order in which they come, each once."""
    found = tuple(dict.fromkeys(words))
    octets = "".join(word.ljust(LETTERS, "\0") for word in found).encode("utf-32-le", "surrogatepass")
    lengths = np.fromiter(map(len, found), "i8", len(found))
    return Vocabulary(found, np.frombuffer(octets, "u4").reshape(len(found), LETTERS), lengths)


def slips(word: str) -> int:
    """How many letters may be other ones."""
    return 0 if len(word) < 4 else 1 if len(word) < 8 else 2


def fits(known: Vocabulary, wanted: str) -> Ints:
    """For each word how well it fits, 0 for not at all."""
    scores = np.fromiter((_fits(word, wanted) for word in known.words), "i8", len(known.words))
    most = slips(wanted)
    near = np.flatnonzero((scores == 0) & (np.abs(known.lengths - len(wanted)) <= most))
    if most and len(near):
        apart = distances(known.letters[near], known.lengths[near], wanted)
        scores[near] = np.where(apart <= most, SLIPPED - SLIPPED * apart // len(wanted), 0)
    return scores


def _fits(word: str, wanted: str) -> int:
    if wanted not in word:
        return 0
    return ITSELF if word == wanted else BEGINS if word.startswith(wanted) else INSIDE


def distances(letters: Ints, lengths: Ints, wanted: str) -> Ints:
    """How many letters must be changed, put in, taken out, or swapped with the next, to make `wanted` of each word.

    The table of Wagner and Fischer for all words at once, a row for each letter of `wanted`.
    """
    count, width = letters.shape
    places = np.arange(width + 1)
    codes = [ord(letter) for letter in wanted]
    before, row = np.zeros((count, width + 1), "i8"), np.broadcast_to(places, (count, width + 1))
    for number, code in enumerate(codes):
        best = np.minimum(row[:, 1:] + 1, row[:, :-1] + (letters != code))
        if number:
            swapped = (letters[:, 1:] == codes[number - 1]) & (letters[:, :-1] == code)
            best[:, 1:] = np.where(swapped, np.minimum(best[:, 1:], before[:, :-2] + 1), best[:, 1:])
        first = np.full((count, 1), number + 1)
        # Each letter put in costs one more than where it is not: the least of what stands before, plus the way.
        before, row = row, np.minimum.accumulate(np.hstack((first, best)) - places, axis=1) + places
    found: Ints = row[np.arange(count), lengths]
    return found


def score(words: Collection[str], wanted: Sequence[str]) -> int:
    """The score of a text with these words, 0 when it does not fit."""
    known, total = vocabulary(words), 0
    for one in wanted:
        best = int(fits(known, one).max(initial=0))
        if not best:
            return 0
        total += best
    return round(total / len(wanted))


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a column of texts: occurrence i is the word `ids[i]` of the vocabulary in the text `texts[i]`."""

    uids: Ints
    known: Vocabulary
    ids: Ints
    texts: Ints


def words_in(column: TextColumn) -> Words:
    """The words of each text; long for many."""
    numbers: dict[str, int] = {}
    ids: list[int] = []
    counts: list[int] = []
    for block in column.blocks:
        for text in block.text.split(b"\0")[:-1]:
            found = set(words_of(text.decode("utf-8", "replace")))
            ids += [numbers.setdefault(word, len(numbers)) for word in found]
            counts.append(len(found))
    texts = np.repeat(np.arange(len(counts)), counts)
    return Words(column.uids, vocabulary(numbers), np.array(ids, "i8"), texts)


def scores_in(words: Words, wanted: Sequence[str]) -> Ints:
    """The score of each text, 0 for those that do not fit."""
    total, fit = np.zeros(len(words.uids), "i8"), np.ones(len(words.uids), bool)
    for one in wanted:
        best = np.zeros(len(words.uids), "i8")
        np.maximum.at(best, words.texts, fits(words.known, one)[words.ids])
        total += best
        fit &= best > 0
    return np.where(fit, np.rint(total / len(wanted)), 0).astype("i8")
