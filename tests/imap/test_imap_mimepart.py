"""SEARCH MIMEPART over a mailbox: files that are gone, work without end, and others that get their turn."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from doocot.imap.comparator import MAX_ORDERS
from doocot.imap.language import MAX_RANGES
from doocot.mailbox import search_parts
from doocot.message import mimepart
from tests.imap.search_house import Searcher, make_maildir, open_roots

COUNT = 40


def message(number: int) -> bytes:
    return (
        b"Subject: %d\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\ntext of %d\n--b\n"
        b"Content-Type: image/png; name=p%d.png\n\nx\n--b--\n" % (number, number, number)
    )


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Searcher]:
    make_maildir(tmp_path / "Maildir", [(message(number), "", 1) for number in range(1, COUNT + 1)])
    roots = open_roots()
    yield Searcher(roots, tmp_path / "Maildir")
    roots.close()


def test_parts_are_found_in_facts_and_in_files(box: Searcher) -> None:
    assert box.search(b"MIMEPART FILENAME IS p7.png") == [7]
    assert box.jobs >= 1  # the Facts are computed once
    assert box.search(b"MIMEPART (TYPE image FILENAME ENDS 7.png)") == [7, 17, 27, 37]
    assert box.jobs == 0
    assert box.search(b'3:9 MIMEPART (TYPE text BODY "text of 7")') == [7]
    assert box.jobs == 1
    assert box.search(b'OR MIMEPART BODY "of 39" MIMEPART FILENAME BEGINS p38') == [38, 39]
    assert box.search(b"NOT MIMEPART SUBTYPE png") == []


def test_a_message_whose_file_is_gone_matches_nothing(box: Searcher, tmp_path: Path) -> None:
    assert len(box.search(b"MIMEPART TYPE image")) == COUNT
    (file,) = (tmp_path / "Maildir" / "cur").glob("1000000003.odd*")
    file.unlink()
    assert 3 not in box.search(b"MIMEPART BODY text")
    assert 3 not in box.search(b"NOT MIMEPART BODY nowhere")


def test_files_are_read_some_at_a_time(box: Searcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_parts, "FILES", 10)
    monkeypatch.setattr(search_parts, "AT_ONCE", 7)
    box.search(b"MIMEPART TYPE image")
    assert len(box.search(b"MIMEPART BODY text")) == COUNT
    assert box.jobs == COUNT // 10


def test_too_much_work_is_refused(box: Searcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mimepart, "FEW", 1)
    monkeypatch.setattr(mimepart, "MAX_STEPS", 3)
    assert b"s NO [LIMIT]" in box.send(b"s SEARCH MIMEPART CHILD CHILD TYPE video")
    monkeypatch.undo()
    assert box.search(b"MIMEPART CHILD CHILD TYPE video") == []


def test_work_that_is_not_small_is_for_a_thread(box: Searcher, monkeypatch: pytest.MonkeyPatch) -> None:
    box.search(b"MIMEPART TYPE image")  # by now the index knows the structures
    monkeypatch.setattr(mimepart, "FEW", 1)
    found = box.search(b"MIMEPART NOT TYPE image")
    assert box.jobs == COUNT
    monkeypatch.undo()
    assert box.search(b"MIMEPART NOT TYPE image") == found
    assert box.jobs == 0


def test_lists_of_names_are_bounded(box: Searcher) -> None:
    assert b"s OK" in box.send(b"s COMPARATOR" + b" i;octet" * MAX_ORDERS)
    assert b"s BAD" in box.send(b"s COMPARATOR" + b" i;octet" * (MAX_ORDERS + 1))
    assert b"s OK" in box.send(b"s LANGUAGE" + b" de" * MAX_RANGES)
    assert b"s BAD" in box.send(b"s LANGUAGE" + b" de" * (MAX_RANGES + 1))
    assert b"s NO [BADCOMPARATOR]" in box.send(b's COMPARATOR "' + b"x*" * 1000 + b'"')
