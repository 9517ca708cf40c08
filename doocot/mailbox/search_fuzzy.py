"""SEARCH FUZZY (RFC 6203 §3): texts that nearly have the words, in columns where there are some, else in the files."""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np

from doocot.mailbox import facts
from doocot.mailbox.fuzzy import MAX_WANTED, Words, score, scores_in, words_in, words_of
from doocot.mailbox.search_columns import ENCODED, TextColumn, Turn, rows_of_column
from doocot.mailbox.search_text import HEADER_READ, File, Reading, files_of, header_values, start_of, text_facts
from doocot.mailbox.search_tree import Addresses, Header, Subject, Text
from doocot.mailbox.view import View
from doocot.message.charset import decode_header, unfolded
from doocot.message.text import texts_of
from doocot.store.snapshot import Ints, column
from doocot.wire.flow import Job, Step

FEW: Final = 200  # texts whose words are taken apart without a thread
FILES: Final = 25  # that one Job reads
EXAMINED: Final = 1 << 20  # characters of a message that are looked at


@dataclass(slots=True)
class Scored:
    """The score of each row that fits, and rows whose file is gone."""

    scores: dict[int, int] = field(default_factory=dict)
    gone: list[int] = field(default_factory=list)


def wanted_words(key: Header | Addresses | Subject | Text) -> list[str]:
    """The words that are looked for; none where the text has none, such as `@`."""
    return list(dict.fromkeys(words_of(key.text.decode("utf-8", "replace"))))[:MAX_WANTED]


def column_scores(view: View, name: str, texts: TextColumn, wanted: Sequence[str]) -> Generator[Step, Any, Ints]:
    """Steps that give the score of each row of the view, of the column of that name."""
    kept = view.live.buffers.get("words of " + name)
    many = len(texts.uids) > FEW
    if not isinstance(kept, Words) or not np.array_equal(kept.uids, texts.uids):
        kept = (yield Job(partial(words_in, texts))) if many else words_in(texts)
        if texts is view.live.buffers.get(name):  # not so when a file could not be read: it may be there the next time
            view.live.buffers["words of " + name] = kept
    look = partial(scores_in, kept, wanted)
    return rows_of_column(view, texts, (yield Job(look)) if many else look())


def file_scores(
    view: View, rows: Ints, reaches: Ints, key: Header | Text, wanted: Sequence[str], turn: Turn
) -> Generator[Step, Any, Scored]:
    """Steps that look into the files of these rows; `reaches` is the column REACH by row, for Text."""
    reading, found = Reading(view, turn, column(view.snapshot, "uid")), Scored()
    view.progress.done, view.progress.goal = 0, len(rows)
    for files in files_of(reading, rows):
        while files:
            some = [files.popleft() for _ in range(min(FILES, len(files)))]
            numbers = [file[0] for file in some]
            if isinstance(key, Text):
                packed = dict(text_facts(view, sorted(numbers)))
                lengths = {row: reaches.item(row) & ~ENCODED for row in numbers}
                look = partial(_of_texts, view, some, lengths, packed, key, wanted)
            else:
                look = partial(_of_headers, view, some, key, wanted)
            part: Scored = yield Job(look)
            view.progress.done += len(some)
            found.scores.update(part.scores)
            found.gone += part.gone
    found.gone += reading.found.gone
    return found


def _of_texts(
    view: View,
    files: Sequence[File],
    lengths: dict[int, int],
    packed: dict[int, bytes],
    key: Text,
    wanted: Sequence[str],
) -> Scored:
    found = Scored()
    for file in files:
        row = file[0]
        raw = start_of(view, file, lengths[row], on_loop=False)
        if raw is None:
            found.gone.append(row)
        elif row in packed:
            texts = texts_of(raw, facts.unpack_text(packed[row]), key.with_headers)
            _put(found, row, _cut(texts), wanted)
    return found


def _of_headers(view: View, files: Sequence[File], key: Header, wanted: Sequence[str]) -> Scored:
    found = Scored()
    for file in files:
        raw = start_of(view, file, HEADER_READ, on_loop=False)
        if raw is not None and len(raw) == HEADER_READ:
            raw = start_of(view, file, 1 << 30, on_loop=False)
        if raw is None:
            found.gone.append(file[0])
        else:
            values = header_values(raw, key.name) or ()
            _put(found, file[0], [decode_header(unfolded(value)) for value in values], wanted)
    return found


def _put(found: Scored, row: int, texts: Iterable[str], wanted: Sequence[str]) -> None:
    points = score({word for text in texts for word in words_of(text)}, wanted)
    if points:
        found.scores[row] = points


def _cut(texts: Iterable[str]) -> Iterable[str]:
    left = EXAMINED
    for text in texts:
        yield text[:left]
        left -= len(text)
        if left <= 0:
            return
