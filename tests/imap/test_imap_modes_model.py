"""Clients of every mode on one mailbox: from what each is told, each knows the mailbox as it is (RFC 9051 §7.5.1).

Each client keeps a mirror that is changed by untagged responses alone, in the terms of its mode: by sequence numbers
with EXPUNGE, by both with VANISHED (RFC 7162), by UIDs alone (RFC 9586). One that comes back with QRESYNC begins with
what it knew at some earlier point.
"""

import re
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.imap.harness import Client, House

MESSAGE = b"Subject: x\r\n\r\nx\r\n"
MODES = (b"", b"IMAP4rev2", b"QRESYNC", b"UIDONLY", b"IMAP4rev2 QRESYNC", b"CONDSTORE UIDONLY", b"QRESYNC UIDONLY")
FLAGS = (b"\\Seen", b"\\Deleted", b"\\Flagged", b"$Junk")
FETCHED = re.compile(rb"\* (\d+) (UID)?FETCH \((?:UID (\d+) ?)?(?:MODSEQ \(\d+\) ?)?(?:FLAGS \(([^)]*)\))?.*")
COUNTED = re.compile(rb"\* (\d+) (EXISTS|EXPUNGE|RECENT)")
VANISHED = re.compile(rb"\* VANISHED ([\d:,]+)")
VANISHED_EARLIER = re.compile(rb"\* VANISHED \(EARLIER\) ([\d:,]+)")
POINT = re.compile(rb"\[UIDVALIDITY (\d+)\].*\[HIGHESTMODSEQ (\d+)\]", re.DOTALL)
BY_NUMBER = (b"FETCH", b"STORE", b"SEARCH")
Row = list[object]  # the UID (0 while it is not known) and the flags


class WrongError(AssertionError):
    """What a client was told cannot be."""


def numbers(text: bytes) -> list[int]:
    """`1:3,5` as numbers."""
    found: list[int] = []
    for part in text.split(b",") if text else ():
        low, _, high = part.partition(b":")
        found += range(int(low), int(high or low) + 1)
    return found


@dataclass
class Mirror:
    """A client, and the mailbox as it believes it to be: rows in their order."""

    mode: bytes
    client: Client
    rows: list[Row] = field(default_factory=list)

    @property
    def uid_only(self) -> bool:
        return b"UIDONLY" in self.mode

    def say(self, line: bytes) -> list[bytes]:
        """A command whose answer is taken in."""
        answer = self.client.command(line)
        if not answer[-1].startswith((b"TAG OK", b"TAG NO")):
            raise WrongError(f"{self.mode!r} {line!r}: {answer}")
        for told in answer[:-1]:
            self.hear(told, line)
        return answer

    def hear(self, told: bytes, line: bytes) -> None:
        """One untagged response."""
        if (counted := COUNTED.fullmatch(told)) is not None:
            self.count(int(counted[1]), counted[2], line)
        elif (gone := VANISHED.fullmatch(told)) is not None:
            self.vanish(set(numbers(gone[1])), told, line)
        elif (fetched := FETCHED.fullmatch(told)) is not None:
            self.fetched(int(fetched[1]), bool(fetched[2]), int(fetched[3] or 0), fetched[4], told)

    def count(self, number: int, word: bytes, line: bytes) -> None:
        if word == b"RECENT":
            if b"IMAP4rev2" in self.mode:
                raise WrongError("RECENT was told")
        elif word == b"EXISTS":
            if number < len(self.rows):
                raise WrongError(f"{number} EXISTS, but {len(self.rows)} were there")
            self.rows += [[0, None] for _ in range(number - len(self.rows))]
        elif line.startswith(BY_NUMBER) or b"QRESYNC" in self.mode or self.uid_only:
            raise WrongError(f"{self.mode!r} {line!r}: EXPUNGE")
        else:
            del self.rows[number - 1]

    def vanish(self, uids: set[int], told: bytes, line: bytes) -> None:
        if line.startswith(BY_NUMBER) or not (b"QRESYNC" in self.mode or self.uid_only):
            raise WrongError(f"{self.mode!r} {line!r}: {told!r}")
        if not uids <= {row[0] for row in self.rows}:
            raise WrongError(f"{told!r}, but there are {self.rows}")
        self.rows = [row for row in self.rows if row[0] not in uids]

    def fetched(self, number: int, by_uid: bool, uid: int, flags: bytes | None, told: bytes) -> None:
        if by_uid != self.uid_only or (b"\\Recent" in told and b"IMAP4rev2" in self.mode):
            raise WrongError(f"{self.mode!r}: {told!r}")
        if by_uid:
            row = next((row for row in self.rows if row[0] == number), None)
            if row is None:  # new ones come in their order, and are asked for at once
                row = next(row for row in self.rows if row[0] == 0)
                row[0] = number
        else:
            row = self.rows[number - 1]
            if uid and row[0] not in (0, uid):
                raise WrongError(f"{told!r} is another message than {row}")
            row[0] = uid or row[0]
        if flags is not None:
            row[1] = frozenset(flags.split()) - {b"\\Recent"}

    def catch_up(self) -> None:
        """Asks for what it does not know."""
        while unknown := [number for number, row in enumerate(self.rows) if row[0] == 0 or row[1] is None]:
            after = max([int(str(row[0])) for row in self.rows[: unknown[0]]], default=0)
            self.say(b"UID FETCH %d:* (FLAGS)" % (after + 1))

    def come_back(self, validity: bytes, modseq: bytes, rows: list[tuple[object, object]]) -> None:
        """SELECT with what it knew at that point; all that is told is what became of it since (RFC 7162 §3.2.5)."""
        answer = self.client.command(b"SELECT INBOX (QRESYNC (%b %b))" % (validity, modseq))
        assert answer[-1].startswith(b"TAG OK"), answer
        found = dict(rows)
        for told in answer:
            if (gone := VANISHED_EARLIER.fullmatch(told)) is not None:
                found = {uid: flags for uid, flags in found.items() if uid not in numbers(gone[1])}
            elif (fetched := FETCHED.fullmatch(told)) is not None:
                assert bool(fetched[2]) == self.uid_only, told
                found[int(fetched[1] if self.uid_only else fetched[3])] = frozenset(fetched[4].split()) - {b"\\Recent"}
        self.rows = [[uid, flags] for uid, flags in found.items()]
        assert b"* %d EXISTS" % len(found) in answer, (rows, answer)

    def known(self) -> list[tuple[object, object]]:
        return [(row[0], row[1]) for row in self.rows]

    def some(self, picks: Iterable[int]) -> bytes:
        """A set of its messages: by UID in the modes with UIDONLY, else by number; b"" when there are none."""
        rows = sorted({pick % len(self.rows) for pick in picks}) if self.rows else []
        chosen = [self.rows[row][0] if self.uid_only else row + 1 for row in rows]
        return b",".join(b"%d" % int(str(number)) for number in chosen)


picks = st.lists(st.integers(0, 50), min_size=1, max_size=4)
which = st.integers(0, len(MODES) - 1)
with_qresync = st.sampled_from([at for at, mode in enumerate(MODES) if b"QRESYNC" in mode])
flag = st.sampled_from(FLAGS)


class Modes(RuleBasedStateMachine):
    """Any client does anything; at the end of each step all say NOOP and are compared with a fresh session."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.house = House(self.folder / "mail")
        self.mirrors: list[Mirror] = []
        self.points: list[tuple[bytes, bytes, list[tuple[object, object]]]] = []  # (UIDVALIDITY, HIGHESTMODSEQ, rows)

    @initialize(count=st.integers(0, 6))
    def begin(self, count: int) -> None:
        for mode in MODES:
            mirror = Mirror(mode, self.house.login())
            if mode:
                mirror.say(b"ENABLE " + mode)
            if mode == b"":
                mirror.say(b"CREATE box")
                for _ in range(count):
                    mirror.say(b"APPEND INBOX {%d+}\r\n%b" % (len(MESSAGE), MESSAGE))
            self.mirrors.append(mirror)
            self.select(len(self.mirrors) - 1)

    def teardown(self) -> None:
        for mirror in self.mirrors:
            mirror.client.session.lost()
        self.house.close()
        shutil.rmtree(self.folder)

    def run(self, at: int, verb: bytes, rest: bytes, chosen: Iterable[int]) -> list[bytes]:
        mirror = self.mirrors[at]
        some = mirror.some(chosen)
        if not some:
            return []
        return mirror.say((b"UID " if mirror.uid_only else b"") + verb + b" " + some + rest)

    @rule(at=which)
    def select(self, at: int) -> None:
        self.mirrors[at].rows = []
        self.mirrors[at].say(b"SELECT INBOX")

    @rule(at=with_qresync, point=st.integers(1, 30))
    def come_back(self, at: int, point: int) -> None:
        self.mirrors[at].come_back(*self.points[-min(point, len(self.points))])

    @rule(at=which, flag=flag, mailbox=st.sampled_from((b"INBOX", b"box")))
    def append(self, at: int, flag: bytes, mailbox: bytes) -> None:
        self.mirrors[at].say(b"APPEND %b (%b) {%d+}\r\n%b" % (mailbox, flag, len(MESSAGE), MESSAGE))

    @rule(at=which, chosen=picks, flag=flag, sign=st.sampled_from((b"", b"+", b"-")))
    def store(self, at: int, chosen: list[int], flag: bytes, sign: bytes) -> None:
        self.run(at, b"STORE", b" %bFLAGS (%b)" % (sign, flag), chosen)

    @rule(at=which, chosen=picks, flag=flag)
    def store_silently(self, at: int, chosen: list[int], flag: bytes) -> None:
        """Nobody tells the client of its own change: it asks."""
        self.run(at, b"STORE", b" +FLAGS.SILENT (%b)" % flag, chosen)
        for row in self.mirrors[at].rows:
            row[1] = None

    @rule(at=which, chosen=picks)
    def fetch_and_see(self, at: int, chosen: list[int]) -> None:
        self.run(at, b"FETCH", b" (UID BODY[TEXT]<0.1>)", chosen)

    @rule(at=which, chosen=picks, verb=st.sampled_from((b"COPY", b"MOVE")), mailbox=st.sampled_from((b"INBOX", b"box")))
    def copy(self, at: int, chosen: list[int], verb: bytes, mailbox: bytes) -> None:
        self.run(at, verb, b" " + mailbox, chosen)

    @rule(at=which)
    def expunge(self, at: int) -> None:
        self.mirrors[at].say(b"EXPUNGE")

    @rule(at=which, flag=st.sampled_from((b"FLAGGED", b"DELETED", b"KEYWORD $Junk")))
    def search(self, at: int, flag: bytes) -> None:
        """The numbers found are those of the client's own mailbox, as it was before the command."""
        mirror = self.mirrors[at]
        name = {b"FLAGGED": b"\\Flagged", b"DELETED": b"\\Deleted"}.get(flag, b"$Junk")
        rows = [row for row in enumerate(mirror.rows, 1) if name in frozenset(row[1][1] or ())]  # type: ignore[call-overload]
        told = mirror.say((b"UID SEARCH " if mirror.uid_only else b"SEARCH ") + flag)
        answer = next(line for line in told if b"SEARCH" in line[:9])
        if b"IMAP4rev2" in mirror.mode:
            found = numbers(answer.partition(b" ALL ")[2])
        else:
            found = [int(number) for number in answer.split()[2:]]
        assert found == [row[0] if mirror.uid_only else number for number, row in rows], (mirror.mode, told)

    @invariant()
    def all_know_the_mailbox(self) -> None:
        if not self.mirrors:
            return
        fresh = Mirror(b"", self.house.login())
        try:
            found = POINT.search(b" ".join(fresh.say(b"EXAMINE INBOX")))
            assert found is not None
            fresh.catch_up()
            assert not self.points or int(self.points[-1][1]) <= int(found[2]), "mod-sequences only grow"
            self.points.append((found[1], found[2], fresh.known()))
            for mirror in self.mirrors:
                mirror.catch_up()
                mirror.say(b"NOOP")
                mirror.catch_up()
                assert mirror.known() == fresh.known(), mirror.mode
        finally:
            fresh.client.session.lost()


Modes.TestCase.settings = settings(
    max_examples=15, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
test_modes_model = Modes.TestCase


def test_modes_model_notices_what_is_wrong() -> None:
    """The mirror refuses what each mode may not be told."""
    for mode, told, line in (
        (b"", b"* VANISHED 1", b"NOOP"),
        (b"", b"* 1 EXPUNGE", b"FETCH 1 FLAGS"),
        (b"", b"* 1 UIDFETCH (FLAGS ())", b"NOOP"),
        (b"", b"* 1 EXISTS", b"NOOP"),
        (b"", b"* 1 FETCH (UID 9 FLAGS ())", b"NOOP"),
        (b"IMAP4rev2", b"* 0 RECENT", b"NOOP"),
        (b"IMAP4rev2", b"* 1 FETCH (FLAGS (\\Recent))", b"NOOP"),
        (b"QRESYNC", b"* 1 EXPUNGE", b"NOOP"),
        (b"QRESYNC", b"* VANISHED 1", b"STORE 1 FLAGS ()"),
        (b"QRESYNC", b"* VANISHED 3", b"NOOP"),
        (b"UIDONLY", b"* 1 EXPUNGE", b"NOOP"),
        (b"UIDONLY", b"* 1 FETCH (FLAGS ())", b"UID FETCH 1 FLAGS"),
    ):
        mirror = Mirror(mode, None, [[1, frozenset()], [2, frozenset()]])  # type: ignore[arg-type]
        with pytest.raises(WrongError):
            mirror.hear(told, line)
