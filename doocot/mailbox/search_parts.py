"""SEARCH MIMEPART: from the BODYSTRUCTURE Facts, and from the files of messages where those do not tell."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import numpy as np

from doocot.errors import Kind, MailError
from doocot.mailbox.ahead import WINDOW, Ahead, Compute
from doocot.mailbox.facts import BODYSTRUCTURE, LISTED
from doocot.mailbox.search_columns import Turn
from doocot.mailbox.search_text import File, Found, Reading, files_of, start_of
from doocot.mailbox.view import View
from doocot.message.mimepart import (
    Budget,
    How,
    PartAnd,
    PartKey,
    PartText,
    TooMuch,
    few_match,
    message_matches,
    structure_matches,
)
from doocot.store.index.facts import facts_of
from doocot.store.snapshot import Ints, column
from doocot.wire.flow import Job, Step

AT_ONCE: Final = 200  # Facts that are fetched together
ALONE: Final = 4 << 10  # octets of a BODYSTRUCTURE from which a thread looks at it: it has dozens of parts
FILES: Final = 25  # that one Job reads

_WORDS: Final = (b"TYPE", b"SUBTYPE", b"ENCODING", b"DISPOSITION")

_T = TypeVar("_T")


def part_rows(
    view: View, rows: Ints, key: PartKey, turn: Turn, compute: Compute | None, budget: Budget
) -> Generator[Step, Any, Found]:
    """Steps that look for the messages of these rows of which a part matches; `budget` is that of the whole search."""
    reading = Reading(view, turn, column(view.snapshot, "uid"))
    words, unsure = _words(key), list[int]()
    view.progress.done, view.progress.goal = 0, len(rows)
    for low in range(0, len(rows), AT_ONCE):
        view.progress.done = low
        some = rows[low : low + AT_ONCE]
        structures = yield from _structures(view, some, compute)
        for row, packed in zip(some.tolist(), structures, strict=True):
            if packed is None:
                reading.found.gone.append(row)
                continue
            if packed.isascii() and not all(word in packed.lower() for word in words):
                continue
            if turn.over():
                yield from turn.give()
            try:
                if len(packed) > ALONE:
                    raise TooMuch
                matches = few_match(packed, key)
            except TooMuch:
                matches = yield Job(partial(_bounded, structure_matches, packed, key, budget))
            if matches is None:
                unsure.append(row)
            elif matches:
                reading.found.rows.append(row)
    view.progress.done, view.progress.goal = 0, len(unsure)
    for files in files_of(reading, np.array(unsure, "i8")):
        while files:
            some_files = [files.popleft() for _ in range(min(FILES, len(files)))]
            found: Found = yield Job(partial(_in_files, view, some_files, key, budget))
            view.progress.done += len(some_files)
            reading.found.rows += found.rows
            reading.found.gone += found.gone
    return reading.found


def _bounded(look: Callable[[bytes, PartKey, Budget], _T], octets: bytes, key: PartKey, budget: Budget) -> _T:
    try:
        return look(octets, key, budget)
    except TooMuch:
        raise MailError(Kind.LIMIT, "The messages have too many parts for these keys of MIMEPART.") from None


def _words(key: PartKey) -> list[bytes]:
    """What stands in each (ASCII) BODYSTRUCTURE that matches, in lower case: that is looked for without reading it."""
    found = []
    for one in key.keys if isinstance(key, PartAnd) else (key,):
        if isinstance(one, PartText) and one.name in _WORDS and one.how is How.IS and one.text.isalnum():
            found.append(b'"%b"' % one.text.lower())
    return [word for word in found if word not in (b'"multipart"', b'""')]  # only `)) "mixed"` says the former


def _structures(view: View, rows: Ints, compute: Compute | None) -> Generator[Step, Any, Sequence[bytes | None]]:
    """Steps to the BODYSTRUCTURE of the message in each of these rows, computed if need be; None without a file."""
    contents = column(view.snapshot, "content")[rows].tolist()
    there = facts_of(view.live.root.db.reader, BODYSTRUCTURE, contents)
    missing = [row for row, content in zip(rows.tolist(), contents, strict=True) if content not in there]
    if missing:
        ahead, behind = Ahead(view, missing[-1] + 1, compute, LISTED), 0
        for row in missing:
            if row >= behind:
                yield from ahead.fill(row)
                behind = row + WINDOW
        there = facts_of(view.live.root.db.reader, BODYSTRUCTURE, contents)
    return [there.get(content) for content in contents]


def _in_files(view: View, files: "Sequence[File] | deque[File]", key: PartKey, budget: Budget) -> Found:
    """On a thread: reads these messages and looks at them."""
    found = Found()
    for file in files:
        raw = start_of(view, file, 1 << 30, on_loop=False)
        if raw is None:
            found.gone.append(file[0])
        elif _bounded(message_matches, raw, key, budget):
            found.rows.append(file[0])
    return found
