"""FETCH and QRESYNC of many ranges: the rows that are found, and that columns are not gone through for each range."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import Client, House
from hypothesis import given
from hypothesis import strategies as st

from doocot.imap.fetch import _split
from doocot.imap.untagged import _missing
from doocot.store import snapshot as snapshots
from doocot.store.snapshot import build, rows_where, runs
from doocot.wire.numset import format_bounds, format_numbers, merge_ranges

Ranges = list[tuple[int, int]]

ROWS = 120
# Ranges that may touch, as those of UIDs do where the UID between them is gone.
RANGES = st.sets(st.integers(0, ROWS)).map(lambda edges: list(pairwise(sorted(edges))))
SOME = st.tuples(RANGES, st.sets(st.integers(0, ROWS))).map(lambda both: [one for one in both[0] if one[0] in both[1]])


def numbers(ranges: Ranges) -> list[int]:
    return [number for low, high in ranges for number in range(low, high)]


@given(SOME, st.lists(st.integers(0, 2), min_size=ROWS, max_size=ROWS))
def test_rows_are_found_by_what_a_column_holds(ranges: Ranges, values: list[int]) -> None:
    columns = [np.arange(1, ROWS + 1), np.array(values), *[np.zeros(ROWS)] * 4]
    found = rows_where(build(1, 1, columns), ranges, "flags", lambda flags: flags == 1)
    assert found.tolist() == [row for row in numbers(ranges) if values[row] == 1]


@given(st.sets(st.integers(0, 60)))
def test_runs_hold_the_rows_and_do_not_touch(rows: set[int]) -> None:
    found = runs(np.array(sorted(rows), "i8"))
    assert numbers(found) == sorted(rows)
    assert all(before[1] < after[0] for before, after in pairwise(found))


@given(SOME, st.sets(st.integers(0, ROWS)))
def test_rows_are_cut_where_marked_ranges_begin_and_end(rows: Ranges, chosen: set[int]) -> None:
    marked = chosen & set(numbers(rows))
    found = list(_split(rows, runs(np.array(sorted(marked), "i8"))))
    assert [row for run, _ in found for row in numbers(run)] == numbers(rows)
    assert {row for run, inside in found if inside for row in numbers(run)} == marked


class Counted(list[tuple[int, int]]):
    """A list that counts what was taken of it."""

    taken = 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for one in super().__iter__():
            self.taken += 1
            yield one


def test_marked_ranges_are_gone_through_once() -> None:
    rows = [(row, row + 1) for row in range(0, 400, 2)]
    marked = Counted(rows)
    assert list(_split(rows, marked)) == [([one], True) for one in rows]
    assert marked.taken == len(marked)


UIDS = st.sets(st.integers(1, 40))


@given(UIDS, st.integers(0, 3), UIDS)
def test_missing_uids_are_the_gaps_in_what_is_asked(there: set[int], behind: int, asked: set[int]) -> None:
    last = max(there, default=0) + behind
    ranges = merge_ranges((uid, uid) for uid in asked)
    lows, highs = _missing(np.array(sorted(there), "u4"), last, ranges)
    gone = sorted(asked & set(range(1, last + 1)) - there)
    assert list(zip(lows.tolist(), highs.tolist(), strict=True)) == list(merge_ranges((uid, uid) for uid in gone))
    assert not gone or format_bounds(lows, highs) == format_numbers(gone)


@pytest.fixture
def client(tmp_path: Path) -> Client:
    house = House(tmp_path / "mail")
    for folder in ("cur", "new", "tmp"):
        (house.mail / folder).mkdir()
    for number in range(1, 81):
        (house.mail / "cur" / f"{number:010}.M1P1.x:2,").write_bytes(b"Subject: %d\r\n\r\nx\r\n" % number)
    client = house.login()
    client.send(b"e ENABLE QRESYNC")
    return client


def looks(client: Client, line: bytes, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, int]:
    """The answer to a command, and how often it went through the columns of a snapshot."""
    count, real = 0, snapshots.column

    def counted(*arguments: Any) -> Any:
        nonlocal count
        count += 1
        return real(*arguments)

    with monkeypatch.context() as patch:
        for module in ("store.snapshot", "imap.fetch", "imap.select"):
            patch.setattr(f"doocot.{module}.column", counted, raising=False)
        return client.send(line), count


ODD = b",".join(b"%d" % number for number in range(1, 81, 2))


def test_columns_are_looked_at_together_for_many_ranges(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    selected = client.send(b"a SELECT INBOX")
    validity, modseq = (
        selected.partition(name + b" ")[2].partition(b"]")[0] for name in (b"UIDVALIDITY", b"HIGHESTMODSEQ")
    )
    client.send(b"c STORE 1:40 +FLAGS.SILENT (\\Flagged)")
    answer, count = looks(client, b"d FETCH %b (UID) (CHANGEDSINCE %b)" % (ODD, modseq), monkeypatch)
    assert (answer.count(b" FETCH ("), count < 10) == (20, True)
    answer, count = looks(client, b"e SELECT INBOX (QRESYNC (%b %b %b))" % (validity, modseq, ODD), monkeypatch)
    assert (answer.count(b" FETCH (UID "), count < 10) == (20, True)


def test_each_of_many_messages_becomes_seen(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.send(b"a SELECT INBOX")
    client.send(b"b STORE 1,5,9,20:30 +FLAGS.SILENT (\\Seen)")
    answer, count = looks(client, b"c FETCH %b BODY[HEADER.FIELDS (SUBJECT)]" % ODD, monkeypatch)
    seen = {1, 5, 9, *range(20, 31)}
    lines = [line for line in answer.split(b"\r\n") if line.startswith(b"* ") and b"BODY[" in line]
    assert [int(line.split()[1]) for line in lines] == list(range(1, 81, 2))
    assert {int(line.split()[1]) for line in lines if b"FLAGS (\\Seen" not in line} == seen & set(range(1, 81, 2))
    assert count < 20
