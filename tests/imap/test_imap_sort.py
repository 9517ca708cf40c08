"""SORT: the same orders as a real Dovecot gives over odd and usual messages, ESORT, and what goes wrong."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bench.corpus import write_maildir
from doocot.imap.sort import MAX_CRITERIA
from doocot.mailbox import sort as mailbox_sort
from doocot.mailbox.search_columns import EXAMINED, Block, TextColumn, first_display, first_mailbox
from doocot.mailbox.sort import KEYS as ALL_KEYS
from doocot.mailbox.sort import RELEVANCY, text_ranks, with_ranks
from tests.corpus.odd_messages import odd_messages
from tests.imap.harness import House
from tests.imap.search_house import Searcher, make_maildir, open_roots
from tests.message.differences import SORT_DIFFERENCES
from tests.message.dovecot_oracle import Oracle, missing_part

KEYS = ALL_KEYS - {RELEVANCY}  # which is for FUZZY only, and not in Dovecot without an index of all texts
MTIME = 978_307_200
USUAL = 1000

# Messages of the odd corpus that stand elsewhere, and why.
_UNSIGNED = "RFC 5256 §2.2: a sent date is a date; to Dovecot 1-Jan-1970 0:00 is none, and one before comes last."
_ZONE = "RFC 5322 §4.3: a zone of a small letter is that of the letter, any other that is unknown is -0000."
_NUL = "RFC 5322 §4: NUL is no character of an address; what is compared is what ENVELOPE shows."
DIFFERING = {
    "date-016": _UNSIGNED,
    "date-023": _UNSIGNED,
    "date-022": _ZONE,
    "date-031": _ZONE,
    "address-089": _NUL,
    "address-108": _NUL,
    **SORT_DIFFERENCES,
}

ERRORS = rb"""
SORT
SORT (DATE)
SORT (DATE) UTF-8
SORT DATE UTF-8 ALL
SORT () UTF-8 ALL
SORT (FOO) UTF-8 ALL
SORT (DATE UTF-8 ALL
SORT (REVERSE) UTF-8 ALL
SORT (DATE REVERSE) UTF-8 ALL
SORT (DATE) FOO ALL
SORT (DATE) UTF-8 FOO
SORT (DATE) UTF-8 CHARSET UTF-8 ALL
SORT (DATE) ALL
SORT RETURN (FOO) (DATE) UTF-8 ALL
SORT RETURN ALL (DATE) UTF-8 ALL
SORT (DATE) RETURN (ALL) UTF-8 ALL
SORT (DATE) (UTF-8) ALL
SORT (DATE) UTF-8 SINCE 1-Foo-2020
""".strip(b"\n").split(b"\n")  # fmt: skip

RETURNS = rb"""
() (SUBJECT) UTF-8 ALL
(MIN MAX ALL COUNT) (REVERSE SUBJECT) UTF-8 NOT SUBJECT ba
(COUNT) (SIZE) UTF-8 1:7
(MIN COUNT) (SIZE) UTF-8 ALL
(MAX) (REVERSE SIZE) UTF-8 SUBJECT zzzzz
(ALL) (FROM) US-ASCII SUBJECT zzzzz
(ALL COUNT) (ARRIVAL) "utf-8" 3:90
(SAVE) (SIZE) UTF-8 3:9
(SAVE MIN MAX) (SIZE) UTF-8 3:9
(SAVE ALL) (REVERSE ARRIVAL) UTF-8 3:9,12
(SAVE) (ARRIVAL) FOO ALL
""".strip(b"\n").split(b"\n")  # fmt: skip


class Both:
    """Dovecot and Doocot with the same messages, flags and dates."""

    def __init__(self, messages: dict[str, bytes], tmp: Path) -> None:
        if reason := missing_part():
            pytest.skip(f"ORACLE NOT RUN: {reason}")
        self.names = list(messages)
        self.oracle = Oracle(tmp, messages)
        make_maildir(tmp / "ours", [(content, "", 0) for content in messages.values()])
        for folder in (self.oracle.root / "home" / "Maildir" / "cur", tmp / "ours" / "cur"):
            for number, file in enumerate(sorted(folder.iterdir())):
                when = MTIME + number * 7919 % 1000 * 3600
                os.utime(file, (when, when))
        self.ours = Searcher(open_roots(), tmp / "ours")

    def orders(self, line: bytes) -> tuple[list[int], list[int]]:
        """Dovecot's and ours."""
        untagged, tagged = self.oracle.command(line)
        assert tagged.startswith(b"OK"), tagged
        (theirs,) = [found for found in untagged if found.startswith(b"* SORT")]
        return [int(number) for number in theirs.split()[2:]], order(self.ours, line)

    def answers(self, line: bytes) -> tuple[list[bytes], list[bytes]]:
        """What both say, the text of the tagged response apart."""
        untagged, tagged = self.oracle.command(line)
        *ours, end = self.ours.send(b"t " + line).splitlines(keepends=True)
        return [*untagged, _condition(tagged)], [*ours, _condition(end[2:])]


def _condition(tagged: bytes) -> bytes:
    condition, _, text = tagged.partition(b" ")
    return condition + (text[: text.index(b"]") + 1] if text.startswith(b"[") else b"")


def order(ours: Searcher, line: bytes) -> list[int]:
    """The numbers of the `* SORT` response."""
    found, end = ours.send(b"s " + line).split(b"\r\n")[:-1]
    assert end.startswith(b"s OK"), end
    assert found.startswith(b"* SORT"), found
    return [int(number) for number in found.split()[2:]]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    both = Both(odd_messages(), tmp_path_factory.mktemp("sort-odd"))
    with both.oracle:
        yield both


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    tmp = tmp_path_factory.mktemp("sort-usual")
    write_maildir(tmp / "made", USUAL, lambda: None)
    both = Both({file.name: file.read_bytes() for file in sorted((tmp / "made" / "cur").iterdir())}, tmp)
    with both.oracle:
        yield both


@pytest.mark.parametrize("key", sorted(KEYS))
def test_order_of_odd_messages_matches_dovecot(odd: Both, key: bytes) -> None:
    theirs, ours = odd.orders(b"SORT (%b) UTF-8 ALL" % key)
    assert sorted(ours) == list(range(1, len(odd.names) + 1))
    same = [[odd.names[n - 1] for n in found if odd.names[n - 1] not in DIFFERING] for found in (theirs, ours)]
    assert same[0] == same[1]


def test_orders_of_usual_messages_match_dovecot(usual: Both) -> None:
    # Every key over all messages first: what Dovecot first sorts a part by it gives in a wrong order once.
    programs = [*KEYS, *(b"REVERSE " + key for key in KEYS)]
    rng = random.Random(7)
    for _ in range(30):
        chosen = rng.sample(sorted(KEYS), rng.randrange(1, 5))
        programs.append(b" ".join(rng.choice((b"", b"REVERSE ")) + key for key in chosen))
    for program in programs:
        for keys in (b"ALL", b"2:500 NOT SUBJECT a", b"FROM b"):
            theirs, ours = usual.orders(b"SORT (%b) UTF-8 %b" % (program, keys))
            assert ours == theirs, program
    theirs, ours = usual.orders(b"UID SORT (SUBJECT DATE) UTF-8 ALL")
    assert ours == theirs


def test_returns_and_errors_match_dovecot(usual: Both) -> None:
    for key in KEYS:
        usual.orders(b"SORT (%b) UTF-8 ALL" % key)
    for line in [*ERRORS, *(b"SORT RETURN " + program for program in RETURNS)]:
        for command in (line, b"UID " + line, b"SEARCH $"):
            theirs, ours = usual.answers(command)
            assert ours == theirs, command
            usual.answers(b"NOOP")  # too many BADs in a row end a session


def _mail(fields: bytes, letters: str = "", when: int = MTIME) -> tuple[bytes, str, int]:
    return fields + b"\n\nx\n", letters, when


@pytest.fixture
def few(tmp_path: Path) -> Searcher:
    messages = [
        _mail(b"From: Zoe <b@x>\nSubject: Re: b\nDate: Thu, 1 Jan 2004 00:00:00 +0100"),
        _mail(b"From: <a@x>\nSubject: B\nDate: Wed, 31 Dec 2003 23:30:00 +0000"),
        _mail(b"From: all: c@x, d@x;\nSubject: a\nDate: Thu, 1 Jan 1960 00:00:00 +0000", when=MTIME + 5),
        _mail(b"Subject: [list] A (fwd)\nDate: nonsense", when=MTIME + 1),
        _mail(b"From: =?utf-8?q?=C3=84nne?= <z@x>\nDate: Thu, 1 Jan 1970 00:00:00 +0000"),
    ]
    make_maildir(tmp_path / "M", messages)
    return Searcher(open_roots(), tmp_path / "M")


def test_each_key_orders_by_what_it_stands_for(few: Searcher) -> None:
    assert order(few, b"SORT (SUBJECT) UTF-8 ALL") == [5, 3, 4, 1, 2]
    assert order(few, b"SORT (REVERSE SUBJECT) UTF-8 ALL") == [1, 2, 3, 4, 5]
    assert order(few, b"SORT (DATE) UTF-8 ALL") == [3, 5, 4, 1, 2]  # 1 at 23:00 UTC
    assert order(few, b"SORT (ARRIVAL) UTF-8 ALL") == [1, 2, 5, 4, 3]
    assert order(few, b"SORT (FROM) UTF-8 ALL") == [4, 2, 3, 1, 5]
    assert order(few, b"SORT (DISPLAYFROM) UTF-8 ALL") == [4, 2, 3, 5, 1]
    assert order(few, b"SORT (CC TO DISPLAYTO) UTF-8 ALL") == [1, 2, 3, 4, 5]
    assert order(few, b"SORT (SUBJECT REVERSE DATE SUBJECT) UTF-8 NOT 5") == [4, 3, 2, 1]


def test_same_key_twice_counts_the_first_time(few: Searcher) -> None:
    wanted = order(few, b"SORT (SUBJECT FROM) UTF-8 ALL")
    assert order(few, b"SORT (SUBJECT FROM REVERSE SUBJECT) UTF-8 ALL") == wanted


def test_reverse_twice_and_too_many_keys_are_refused(few: Searcher) -> None:
    assert few.send(b"a SORT (REVERSE REVERSE DATE) UTF-8 ALL").startswith(b"a BAD ")
    assert few.send(b"a SORT (%b) UTF-8 ALL" % b" ".join([b"DATE"] * (MAX_CRITERIA + 1))).startswith(b"a BAD ")
    assert few.send(b"a SORT (DATE) UTF-8 SUBJECT {1+}\r\n\xff").startswith(b"a NO [BADCHARSET] ")


def test_sort_needs_a_selected_mailbox(few: Searcher) -> None:
    few.send(b"a UNSELECT")
    assert few.send(b"a SORT (DATE) UTF-8 ALL").startswith(b"a BAD ")


def test_sort_of_an_empty_mailbox(tmp_path: Path) -> None:
    make_maildir(tmp_path / "M", [])
    ours = Searcher(open_roots(), tmp_path / "M")
    for key in KEYS:
        assert order(ours, b"SORT (%b) UTF-8 ALL" % key) == []


def test_modseq_key_adds_the_highest_of_the_found(few: Searcher) -> None:
    few.send(b"a STORE 2 +FLAGS (\\Seen)")
    answer = few.send(b"a SORT (SUBJECT) UTF-8 MODSEQ 1")
    assert answer.startswith(b"* OK [HIGHESTMODSEQ ")
    assert b"\r\n* SORT 5 3 4 1 2 (MODSEQ " in answer  # RFC 7162 §3.1.5


def test_expunge_is_told_by_uid_alone(tmp_path: Path) -> None:
    house = House(tmp_path / "mail")
    one, other = house.login(), house.login()
    for subject in (b"b", b"a"):
        one.send(b"a APPEND INBOX {%d+}\r\nSubject: %b\r\n\r\nx\r\n" % (len(subject) + 16, subject))
    one.send(b"a SELECT INBOX")
    other.send(b"a SELECT INBOX")
    other.send(b"a STORE 1 +FLAGS.SILENT (\\Deleted)")
    other.send(b"a EXPUNGE")
    assert b"EXPUNGE" not in one.send(b"a SORT (SUBJECT) UTF-8 ALL")  # RFC 3501 §7.4.1
    assert b"* 1 EXPUNGE" in one.send(b"a UID SORT (SUBJECT) UTF-8 ALL")
    assert one.send(b"a SORT (SUBJECT) UTF-8 ALL").startswith(b"* SORT 1\r\n")
    house.close()


@pytest.mark.parametrize("few_ranks", [0, 32])
def test_messages_that_come_and_go_keep_the_order(
    tmp_path: Path, few_ranks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox_sort, "FEW", few_ranks)
    house, rng = House(tmp_path / "mail"), random.Random(few_ranks)
    client, there = house.login(), []
    client.send(b"a SELECT INBOX")
    for _ in range(25):
        for _ in range(rng.randrange(4)):
            subject = bytes(rng.choices(b"ABC", k=rng.randrange(1, 12)))
            text = b"Subject: %b\r\n\r\nx\r\n" % subject
            client.send(b"a APPEND INBOX {%d+}\r\n%b" % (len(text), text))
            there.append(subject)
        if there and rng.random() < 0.5:
            row = rng.randrange(len(there))
            client.send(b"a STORE %d +FLAGS.SILENT (\\Deleted)" % (row + 1))
            client.send(b"a EXPUNGE")
            del there[row]
        answer = client.send(b"a SORT (SUBJECT) UTF-8 ALL").split(b"\r\n")[0]
        wanted = sorted(range(len(there)), key=there.__getitem__)
        assert [int(number) - 1 for number in answer.split()[2:]] == wanted
    house.close()


def test_long_answers_are_made_on_a_thread(few: Searcher, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = few.send(b"a SORT RETURN (ALL) (SUBJECT DATE) UTF-8 ALL")
    monkeypatch.setattr(mailbox_sort, "INLINE", 1)
    monkeypatch.setattr("doocot.imap.sort.INLINE", 1)
    assert few.send(b"a SORT RETURN (ALL) (SUBJECT DATE) UTF-8 ALL") == wanted
    assert few.jobs == 2


def _texts(texts: list[bytes], size: int) -> TextColumn:
    blocks = []
    for start in range(0, len(texts), size):
        some = texts[start : start + size]
        ends = np.cumsum([len(text) + 1 for text in some])
        blocks.append(Block(b"".join(text + b"\0" for text in some), ends))
    return TextColumn(np.arange(1, len(texts) + 1, dtype="u4"), tuple(blocks))


def test_ranks_are_those_of_sorted_octets() -> None:
    rng = random.Random(3)
    for _ in range(50):
        texts = [
            bytes(rng.choices(b"ab\x01\xff", k=rng.choice((0, 1, 7, 8, 9, 16, 17, rng.randrange(30)))))
            for _ in range(rng.randrange(4, 60))
        ]
        column = _texts(texts, rng.randrange(1, 70))
        ranks = text_ranks(column.blocks)
        for found in (ranks, with_ranks(column, text_ranks(_texts(texts[:-3], 9).blocks))):
            assert np.argsort(found, kind="stable").tolist() == sorted(range(len(texts)), key=texts.__getitem__)
            assert len(set(found.tolist())) == len(set(texts))


def test_no_texts_have_no_ranks() -> None:
    assert len(text_ranks(())) == 0


@pytest.mark.parametrize(
    ("key", "mailbox", "display"),
    [
        (b"", b"", b""),
        (b'"BOB "Q" X" <BOB@Z>, "A" <C@D>', b"BOB", b'BOB "Q" X'),
        (b'<A@B>, "X" <Y@Z>', b"A", b"A@B"),
        (b"<@X,@Y:A@B>", b"A", b"A@B"),
        (b'<"A B"@C>', b"A B", b"A B@C"),
        (b"\xc3\x84 <A@B>", b"A", b"\xc3\x84"),
        (b"G:, <A@B>, ;", b"G", b"G"),
        (b"G:, ;", b"G", b"G"),
        (b'" <' * EXAMINED, b"", b""),
    ],
)
def test_first_address_of_a_key(key: bytes, mailbox: bytes, display: bytes) -> None:
    assert (first_mailbox(key), first_display(key)) == (mailbox, display)
