"""UPDATE (RFC 5267 §4.3): a client that applies what it is told has what a fresh search gives, whatever happens."""

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from doocot.imap import updates
from doocot.mailbox.search_updates import PIECES, Piece, pieces
from tests.imap.harness import Client, House

PROGRAMS = (
    b"UID SEARCH RETURN (UPDATE) FLAGGED",
    b"SEARCH RETURN (UPDATE) UNDELETED",
    b"SEARCH RETURN (UPDATE CONTEXT) OR SUBJECT a (KEYWORD work NOT UID 3)",
    b"UID SEARCH RETURN (UPDATE) UID *",
    b"SEARCH RETURN (UPDATE) BODY even SEEN",
    b"UID SEARCH RETURN (UPDATE) NOT UID 4:*",
    b"UID SORT RETURN (UPDATE) (SUBJECT REVERSE SIZE) UTF-8 UNSEEN",
    b"SORT RETURN (UPDATE) (REVERSE FROM DATE) UTF-8 NOT FLAGGED",
    b"UID SORT RETURN (UPDATE) (ARRIVAL) UTF-8 SINCE 1-Jan-2024 ALL",
    b"UID SEARCH RETURN (UPDATE) FUZZY SUBJECT alfa SAVEDSINCE 1-Jan-2024 UNFLAGGED",
    b"SEARCH RETURN (UPDATE) FUZZY (TEXT evan SEEN)",
    b"SEARCH RETURN (UPDATE) MIMEPART (TYPE text) NOT KEYWORD work",
    b"UID SORT RETURN (UPDATE) (DISPLAYFROM REVERSE ARRIVAL) UTF-8 YOUNGER 999999999 NOT SEEN",
)
FLAGS = (b"\\Flagged", b"\\Deleted", b"\\Seen", b"work")
ESEARCH = re.compile(rb'\* ESEARCH \(TAG "([^"]+)"\)( UID)?(.*)')
ITEM = re.compile(rb" (REMOVEFROM|ADDTO) \(([^)]*)\)")


def message(number: int) -> bytes:
    subject = random.Random(number).choice(("alpha", "beta", "gamma", "Re: alpha"))
    return b"From: sender%d@example.org\r\nSubject: %b\r\nDate: Mon, %02d Jan 2024 10:00:00 +0000\r\n\r\n%b\r\n" % (
        number % 4,
        subject.encode(),
        number % 28 + 1,
        b"even" if number % 2 else b"odd",
    )


def append(client: Client, number: int, flags: bytes = b"") -> list[bytes]:
    text = message(number)
    arrived = b'"%02d-Jan-2024 12:00:00 +0000"' % (number * 7 % 28 + 1)
    return client.command(b"APPEND INBOX (%b) %b {%d+}\r\n%b" % (flags, arrived, len(text), text))


def numbers(text: bytes) -> list[int]:
    """A sequence set, in its order."""
    found: list[int] = []
    for part in text.split(b","):
        low, _, high = part.partition(b":")
        found += range(int(low), int(high or low) + 1)
    return found


class Results:
    """What a client makes of the responses to its searches: lists by tag, of UIDs or of message numbers."""

    def __init__(self) -> None:
        self.lists: dict[bytes, list[int]] = {}
        self.by_uid: dict[bytes, bool] = {}
        self.sorted: dict[bytes, bool] = {}

    def watch(self, client: Client, program: bytes) -> None:
        """Has the results of the program told as they change."""
        first = search(client, program)
        responses, tag = client.command(program), b"t%d" % client.count
        assert responses[0] == b'* ESEARCH (TAG "%b")%b' % (tag, b" UID" * program.startswith(b"UID "))
        assert responses[1].startswith(b"TAG OK")
        self.lists[tag], self.by_uid[tag], self.sorted[tag] = first, program.startswith(b"UID "), b"SORT" in program

    def take(self, responses: list[bytes]) -> None:
        for response in responses:
            if found := re.fullmatch(rb"\* (\d+) EXPUNGE", response):
                self._expunge(int(found[1]))
            elif found := ESEARCH.fullmatch(response):
                for word, pairs in ITEM.findall(found[3]):
                    self._apply(found[1], word, pairs.split())

    def _expunge(self, number: int) -> None:
        for tag, results in self.lists.items():
            if not self.by_uid[tag]:
                assert number not in results, "REMOVEFROM comes before EXPUNGE"
                results[:] = [one - (one > number) for one in results]

    def _apply(self, tag: bytes, word: bytes, pairs: list[bytes]) -> None:
        results = self.lists[tag]
        for place, text in zip(pairs[::2], pairs[1::2], strict=True):
            position, told = int(place), numbers(text)
            assert (position > 0) == self.sorted[tag]
            if word == b"ADDTO":
                assert not set(told) & set(results)
                results[position - 1 : position - 1 if position else 0] = told
                if not position:
                    results.sort()
            elif position:
                assert results[position - 1 : position - 1 + len(told)] == told
                del results[position - 1 : position - 1 + len(told)]
            else:
                assert set(told) <= set(results)
                results[:] = [one for one in results if one not in told]


def search(client: Client, program: bytes) -> list[int]:
    """The results of a program, without UPDATE."""
    program = re.sub(rb"RETURN \([^)]*\)", b"RETURN (ALL)", program)
    responses = client.command(program)
    assert responses[-1].startswith(b"TAG OK"), responses
    (line,) = [one for one in responses if one.startswith(b"* ESEARCH")]
    _, there, text = line.partition(b" ALL ")
    return numbers(text) if there else []


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path / "Maildir")
    yield house
    house.close()


def watching(house: House, programs: tuple[bytes, ...], count: int = 6) -> tuple[Client, Results]:
    """A client that has INBOX with so many messages selected and these updates."""
    client, results = house.login(), Results()
    for number in range(1, count + 1):
        append(client, number)
    client.command(b"SELECT INBOX")
    for program in programs:
        results.watch(client, program)
    return client, results


def step(rng: random.Random, client: Client, number: int) -> list[bytes]:
    """One command that may change something."""
    match rng.randrange(8):
        case 0 | 1:
            return append(client, number, rng.choice(FLAGS) if rng.random() < 0.5 else b"")
        case 2:
            return client.command(b"EXPUNGE" if rng.random() < 0.5 else b"NOOP")
        case 3:
            return client.command(b"FETCH 1:* (FLAGS)")
        case 4:
            return client.command(b"UID FETCH 1:* (BODY[TEXT])")
        case _:
            silent = rng.choice((b"", b".SILENT"))
            numbers = b"1:*" if rng.random() < 0.2 else b"%d" % rng.randrange(1, 9)
            return client.command(
                b"UID STORE %b %bFLAGS%b (%b)" % (numbers, rng.choice((b"+", b"-")), silent, rng.choice(FLAGS))
            )


@pytest.mark.parametrize("seed", range(6))
def test_updates_keep_every_result_list_right(house: House, seed: int) -> None:
    rng = random.Random(seed)
    client, results = watching(house, PROGRAMS)
    other = house.login()
    other.command(b"SELECT INBOX")
    told = 0
    for number in range(7, 60):
        if rng.random() < 0.5:
            responses = step(rng, client, number)
            results.take(responses)
            told += any(b"ESEARCH" in one for one in responses)
        else:
            step(rng, other, number)
        if rng.random() < 0.5:
            results.take(client.command(b"NOOP"))
            for tag, program in zip(results.lists, PROGRAMS, strict=True):
                assert results.lists[tag] == search(client, program), program
    assert told > 5


def test_update_of_an_expunged_message_that_may_not_be_told_yet(house: House) -> None:
    """RFC 5267 appendix A.3: the results lose it at once, the message numbers stay until EXPUNGE may come."""
    programs = (b"SEARCH RETURN (UPDATE) ALL", b"SORT RETURN (UPDATE) (REVERSE ARRIVAL) UTF-8 ALL")
    client, results = watching(house, programs)
    other = house.login()
    other.command(b"SELECT INBOX")
    other.command(b"STORE 2 +FLAGS (\\Deleted)")
    other.command(b"EXPUNGE")
    responses = client.command(b"FETCH 3 (UID)")
    assert [one for one in responses if b"EXPUNGE" in one] == []
    results.take(responses)
    assert list(map(sorted, results.lists.values())) == [[1, 3, 4, 5, 6]] * 2
    results.take(client.command(b"NOOP"))
    assert list(map(sorted, results.lists.values())) == [[1, 2, 3, 4, 5]] * 2


def test_message_numbers_of_a_program_are_those_of_its_time(house: House) -> None:
    """RFC 5267 §4.3: evaluated when the command is received, as is `$`."""
    client, _ = watching(house, ())
    client.command(b"SEARCH RETURN (SAVE) 5:6")
    client.command(b"UID SEARCH RETURN (UPDATE) OR 2:3 $")
    client.command(b"SEARCH RETURN (SAVE) 1")
    client.command(b"STORE 1 +FLAGS.SILENT (\\Deleted)")
    assert client.command(b"EXPUNGE") == [b"* 1 EXPUNGE", b"TAG OK Expunge completed."]
    assert client.command(b"STORE 1:* +FLAGS.SILENT (\\Seen)") == [b"TAG OK Store completed."]
    assert client.command(b"UID STORE 3 +FLAGS.SILENT (\\Deleted)") == [b"TAG OK Store completed."]
    assert client.command(b"EXPUNGE")[:2] == [b'* ESEARCH (TAG "t9") UID REMOVEFROM (0 3)', b"* 2 EXPUNGE"]


def test_age_alone_changes_results(house: House) -> None:
    """RFC 5032 §2: keys of age are asked again now and then."""
    now = [1_700_000_000.0]
    house.context = replace(house.context, clock=lambda: now[0])
    client = house.login()
    for age in (30, 100, 500):
        text, day = message(age), datetime.fromtimestamp(now[0] - age, UTC)
        arrived = day.strftime('"%d-%b-%Y %H:%M:%S +0000"').encode()
        client.command(b"APPEND INBOX %b {%d+}\r\n%b" % (arrived, len(text), text))
    client.command(b"SELECT INBOX")
    programs = (b"UID SEARCH RETURN (UPDATE) YOUNGER 120", b"SORT RETURN (UPDATE) (ARRIVAL) UTF-8 NOT NOT OLDER 110")
    results = Results()
    for program in programs:
        results.watch(client, program)
    assert client.command(b"NOOP") == [b"TAG OK NOOP completed."]
    for seconds, expected in ((30, [[1, 2], [3]]), (30, [[1], [3, 2]]), (100, [[], [3, 2, 1]])):
        now[0] += seconds
        results.take(client.command(b"NOOP"))
        assert list(results.lists.values()) == expected


def test_updates_in_idle(house: House) -> None:
    client, results = watching(house, (b"UID SEARCH RETURN (UPDATE) ALL",))
    assert client.send(b"i IDLE") == b"+ idling\r\n"
    other = house.login()
    append(other, 7)
    answer = client.run(client.session.resume(None))
    results.take(answer.splitlines())
    assert list(results.lists.values()) == [[1, 2, 3, 4, 5, 6, 7]]
    assert b"* 7 EXISTS" in answer.partition(b"* ESEARCH")[0]


def test_too_many_updates(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 5267 §4.3.1: the other options are honoured all the same, and there is room again after CANCELUPDATE."""
    client, _ = watching(house, (b"SEARCH RETURN (UPDATE) ALL",) * updates.MAX_UPDATES)
    responses = client.command(b"SEARCH RETURN (UPDATE COUNT) ALL")
    tag = b"t%d" % client.count
    assert responses == [
        b'* ESEARCH (TAG "%b") COUNT 6' % tag,
        b'* NO [NOUPDATE "%b"] Too many contexts.' % tag,
        b"TAG OK Search completed.",
    ]
    first = next(iter(client.session.updating.known))
    assert client.command(b'CANCELUPDATE "%b"' % first)[-1].startswith(b"TAG OK")
    assert client.command(b"SEARCH RETURN (UPDATE) ALL")[1:] == [b"TAG OK Search completed."]
    for one in list(client.session.updating.known)[1:]:
        client.command(b'CANCELUPDATE "%b"' % one)
    monkeypatch.setattr(updates, "MAX_RESULTS", 11)
    assert b"NOUPDATE" in client.command(b"SEARCH RETURN (UPDATE) ALL")[1]
    assert len(client.command(b"SEARCH RETURN (UPDATE) 1:5")) == 2


def test_the_first_update_is_never_refused(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 5267 §4.3.1: at least one per client."""
    monkeypatch.setattr(updates, "MAX_RESULTS", 0)
    client, _ = watching(house, (b"SEARCH RETURN (UPDATE) ALL",))
    assert len(client.session.updating.known) == 1


def shown(removed: list[Piece], added: list[Piece]) -> list[tuple[int, list[int]]]:
    return [(place, some.tolist()) for place, some in removed + added]


def test_a_list_that_changed_all_over_is_told_whole() -> None:
    old = np.arange(4 * PIECES)
    new = old[::2]
    assert shown(*pieces(old, new)) == [(1, old.tolist()), (1, new.tolist())]
    assert pieces(old, old) == ([], [])
    removed, added = pieces(np.array([4, 3, 2, 1]), np.array([5, 4, 2, 7, 8]))
    assert shown(removed, []) == [(4, [1]), (2, [3])]
    assert shown([], added) == [(1, [5]), (4, [7, 8])]


def test_an_order_that_is_another_one_is_told_whole() -> None:
    removed, added = pieces(np.array([1, 2, 3]), np.array([2, 1, 3]))
    assert shown(removed, added) == [(1, [1, 2, 3]), (1, [2, 1, 3])]
