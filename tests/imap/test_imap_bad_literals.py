"""Literals and tags that are wrong, and changes of two sessions in one sync: what a session answers, byte for byte."""

import errno
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from harness import Client, House
from hypothesis import given
from hypothesis import strategies as st

from doocot.imap.sets import SINGLY, rows_of_ranges
from doocot.imap.untagged import _common
from doocot.mailbox.change import FlagChange, Operation, set_flags
from doocot.mailbox.view import merge, sync
from doocot.store.files import Files, MailFsync
from doocot.store.index.messages import ANSWERED, FLAGGED
from doocot.store.snapshot import build, column, rows_of_uids
from doocot.wire.flow import Close, More


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "mail")


RANGES = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9))).map(
    lambda pairs: merge([(low, low + more) for low, more in pairs])
)


@given(RANGES, RANGES)
def test_common_ranges_hold_the_numbers_of_both(left: list[tuple[int, int]], right: list[tuple[int, int]]) -> None:
    def numbers(ranges: Iterable[tuple[int, int]]) -> list[int]:
        return [number for low, high in ranges for number in range(low, high + 1)]

    assert numbers(_common(left, right)) == sorted(set(numbers(left)) & set(numbers(right)))


@given(st.sets(st.integers(1, 5000)), st.sets(st.integers(1, 5000), min_size=SINGLY + 1))
def test_many_ranges_find_the_rows_of_each(there: set[int], asked: set[int]) -> None:
    uids = sorted(there)
    snapshot = build(1, 1, [np.array(uids, dtype) for dtype in ("u4", "u4", "i8", "i8", "i8", "i8")])
    ranges = [(uid, uid) for uid in sorted(asked)] + [(5001, 2**32 - 1)]
    assert rows_of_ranges(snapshot, ranges) == rows_of_uids(snapshot, ranges)


def append(client: Client, text: bytes = b"Subject: x\r\n\r\nx\r\n") -> None:
    assert b" OK " in client.send(b"a APPEND INBOX {%d+}\r\n%b" % (len(text), text))


@pytest.mark.parametrize(
    "line", [b"a\0b NOOP", b"a(b NOOP", b"a+ NOOP", b'"a" NOOP', b"a\xe9 NOOP", b"+ NOOP", b" NOOP"]
)
def test_bad_tag_is_refused_and_not_repeated(house: House, line: bytes) -> None:
    client = house.login()
    answer = client.send(line)
    assert answer.startswith(b"* BAD ")
    assert answer.count(b"\r\n") == 1
    assert client.send(b"b NOOP") == b"b OK NOOP completed.\r\n"


@pytest.mark.parametrize("size", [9000, 100_000])
def test_overlong_word_is_not_taken_for_a_tag(house: House, size: int) -> None:
    client = house.login()
    assert client.send(b"x" * size * 10)[:6] == b"* BAD "
    assert client.send(b"t1 NOOP " + b"x" * 70_000)[:7] == b"t1 BAD "
    assert client.send(b"b NOOP") == b"b OK NOOP completed.\r\n"


def test_literals_of_one_command_are_bounded_together(house: House) -> None:
    client = house.login()
    part = b"TEXT {60000+}\r\n" + b"x" * 60_000
    assert client.send(b"s SEARCH " + part).startswith(b"s BAD")  # no mailbox is selected
    client.send(b"a SELECT INBOX")
    answer = client.send(b"s SEARCH " + b" ".join([part] * 3))
    assert answer.startswith(b"s NO [TOOBIG] ")
    assert answer.count(b"\r\n") == 1
    assert client.session.literal_memory == 0
    assert client.send(b"s SEARCH TEXT {3+}\r\nabc") == b"* SEARCH\r\ns OK Search completed.\r\n"


class FullDisk(Files):
    """Writes fail once `full` is set."""

    full = False

    def write(self, fd: int, data: bytes) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device", "/spool")
        super().write(fd, data)

    def create_unnamed(self, folder: str) -> int:
        if self.full:
            raise OSError(errno.EMFILE, "Too many open files", folder)
        return super().create_unnamed(folder)


@pytest.mark.parametrize("early", [True, False])
def test_disk_full_while_a_literal_comes_in(house: House, early: bool) -> None:
    client = house.login()
    files = FullDisk(MailFsync.NEVER)
    house.root.files = files
    files.full = early
    session = client.session
    begin = session.receive(b"f APPEND INBOX {300000+}\r\n" + b"x" * (0 if early else 1000))
    files.full = True
    rest = session.receive(b"x" * (300_000 if early else 299_000) + b"\r\n") + session.receive(b"n NOOP\r\n")
    refusal, noop = (begin + rest).split(b"\r\n", 1)
    assert refusal.startswith(b"f NO [UNAVAILABLE] " if early else b"f NO [OVERQUOTA] ")
    assert noop == b"n OK NOOP completed.\r\n"
    assert session.spools == []
    assert any(name == "mail_error" for name, _ in house.events)


def test_crash_ends_the_command_and_serves_those_behind_it(house: House) -> None:
    session = house.login().session
    session.frames.feed(b"n NOOP\r\n")
    assert session.crashed("id1").startswith(b"login NO [SERVERBUG] Internal error")
    assert isinstance(session.pending, More)
    session.pending = None
    assert session.resume(None) == b"n OK NOOP completed.\r\n"


def test_crash_after_crash_ends_the_connection(house: House) -> None:
    session = house.login().session
    for _ in range(30):
        answer = session.crashed("id2")
        if isinstance(session.pending, Close):
            break
    assert answer.endswith(b"* BYE Too many invalid IMAP commands.\r\n")


def test_own_silent_change_does_not_undo_a_later_one_of_another_session(house: House) -> None:
    one, two = house.login(), house.login()
    for _ in range(3):
        append(one)
    for client in (one, two):
        client.send(b"s SELECT INBOX")
        client.send(b"e ENABLE CONDSTORE")
    two.send(b"x STORE 3 +FLAGS.SILENT (\\Deleted)")
    two.send(b"x EXPUNGE")
    assert b"EXPUNGE" not in one.send(b"f FETCH 1 (FLAGS)")  # held: the session syncs alone from now on
    mine, theirs = one.session.view, two.session.view
    assert mine is not None
    assert theirs is not None
    own = set_flags(mine, [(1, 2)], FlagChange(Operation.REPLACE, ANSWERED, frozenset()), wait=True)
    set_flags(theirs, [(1, 1)], FlagChange(Operation.REPLACE, FLAGGED, frozenset()), wait=True)
    assert own.change is not None
    delta = sync(mine, expunge=False, hide=own.change.position)
    assert delta is not None
    assert (delta.altered.tolist(), delta.hidden.tolist()) == ([0], [1])
    assert column(mine.snapshot, "flags").tolist()[:2] == [FLAGGED, ANSWERED]


def test_no_expunge_is_told_by_fetch_although_the_log_was_trimmed(house: House) -> None:
    one, two = house.login(), house.login()
    for _ in range(3):
        append(one)
    for client in (one, two):
        client.send(b"s SELECT INBOX")
    two.send(b"x STORE 1 +FLAGS.SILENT (\\Deleted)")
    two.send(b"x EXPUNGE")
    house.root.db.writer.execute("UPDATE root SET trimmed = position")
    assert one.send(b"f FETCH 3 (UID)") == b"* 3 FETCH (UID 3)\r\nf OK Fetch completed.\r\n"
    assert one.send(b"n NOOP") == b"* 1 EXPUNGE\r\nn OK NOOP completed.\r\n"


def test_seen_is_told_although_the_file_of_one_message_is_gone(house: House) -> None:
    client = house.login()
    for _ in range(2):
        append(client)
    client.send(b"s SELECT INBOX")
    min(house.mail.glob("new/*")).unlink()
    answer = client.send(b"f FETCH 1:2 BODY[]")
    assert answer.endswith(b"f NO [EXPUNGEISSUED] Some of the requested messages no longer exist.\r\n")
    for number in (1, 2):
        assert b"* %d FETCH (FLAGS (\\Seen \\Recent)" % number in answer


def test_vanished_is_told_by_a_fetch_that_sets_seen(house: House) -> None:
    client = house.login()
    client.send(b"e ENABLE QRESYNC")
    append(client)
    append(client)
    client.send(b"s SELECT INBOX")
    client.send(b"x STORE 1 +FLAGS.SILENT (\\Deleted)")
    client.send(b"x EXPUNGE")
    answer = client.send(b"f UID FETCH 1:* (BODY[]) (CHANGEDSINCE 1 VANISHED)")
    assert answer.startswith(b"* VANISHED (EARLIER) 1\r\n* 1 FETCH (")
    assert client.send(b"f UID STORE 2 -FLAGS (\\Seen)").startswith(b"* 1 FETCH (UID 2 MODSEQ (")
    answer = client.send(b"f UID FETCH 2 BODY[]")
    assert answer.startswith(b"* 1 FETCH (")
    assert b"MODSEQ (" in answer
