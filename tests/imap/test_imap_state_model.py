"""Several sessions on one mailbox, random commands: what each was told is what is there.

Each session rebuilds the mailbox from the responses alone, as a client does. After a NOOP what it has rebuilt must be
what a session sees that selects the mailbox anew, however many commands of others came between. Sequence numbers may
not shift where RFC 9051 §7.5.1 forbids it, mod-sequences only grow, and QRESYNC from any earlier point must lead to the
same state.
"""

import re
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from harness import Client, House
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, rule

FLAGS = (b"\\Seen", b"\\Deleted", b"\\Flagged", b"\\Answered", b"\\Draft", b"one", b"$two")
SESSIONS = 3
MOST_MESSAGES = 40

_fetched = re.compile(rb"\* (\d+) FETCH \((.*)\)")
_vanished = re.compile(rb"\* VANISHED (\(EARLIER\) )?(\S+)")
_counted = re.compile(rb"\* (\d+) (EXISTS|EXPUNGE)")
_highest = re.compile(rb"HIGHESTMODSEQ (\d+)")

NONE = b"NONE"

Flags = frozenset[bytes]


@dataclass(slots=True)
class Message:
    """What a client knows of a message; None is what it was not told yet."""

    uid: int | None = None
    flags: Flags | None = None
    modseq: int = 0


@dataclass(frozen=True, slots=True)
class Past:
    """What a client kept when it went away."""

    validity: int
    modseq: int
    messages: dict[int, Flags]


def numbers(text: bytes) -> list[int]:
    """`sequence-set` without `*`"""
    found: list[int] = []
    for part in text.split(b","):
        low, _, high = part.partition(b":")
        found += range(int(low), int(high or low) + 1)
    return found


def told_flags(items: bytes) -> Flags | None:
    found = re.search(rb"FLAGS \(([^)]*)\)", items)
    return frozenset(found[1].split()) - {b"\\Recent"} if found else None


@dataclass(slots=True)
class Told:
    """A client and the mailbox as it was told."""

    client: Client
    enabled: bytes = b""
    messages: list[Message] = field(default_factory=list)
    highest: int = 0
    validity: int = 0
    notified: bytes = b""  # of which NOTIFY tells

    def command(self, line: bytes, *, may_expunge: bool = True) -> list[bytes]:
        lines = self.client.command(line)
        assert lines[-1].startswith(b"TAG OK"), (line, lines)
        self.take(lines, may_expunge=may_expunge)
        return lines

    def select(self, extra: bytes = b"") -> list[bytes]:
        self.messages = []
        lines = self.client.command(b"SELECT INBOX" + extra)
        assert lines[-1].startswith(b"TAG OK"), lines
        found = re.search(rb"UIDVALIDITY (\d+)", b"\n".join(lines))
        assert found
        self.validity = int(found[1])
        return lines

    def take(self, lines: list[bytes], *, may_expunge: bool) -> None:
        may_expunge |= self.notified == b"selected"  # RFC 5465 §5.3
        for line in lines:
            if found := _counted.fullmatch(line):
                self._count(int(found[1]), found[2], may_expunge)
            elif found := _vanished.fullmatch(line):
                assert b"QRESYNC" in self.enabled, line
                assert may_expunge or found[1], line
                self._vanish(numbers(found[2]))
            elif found := _fetched.fullmatch(line):
                self._fetched(int(found[1]), found[2])
            if found := _highest.search(line):
                assert int(found[1]) >= self.highest, "mod-sequences only grow"
                self.highest = int(found[1])

    def _count(self, number: int, what: bytes, may_expunge: bool) -> None:
        if what == b"EXPUNGE":
            assert may_expunge, "sequence numbers shift where they must not"
            assert b"QRESYNC" not in self.enabled, "VANISHED was promised"
            del self.messages[number - 1]
        else:
            assert number >= len(self.messages), "EXISTS takes messages away"
            self.messages += [Message() for _ in range(number - len(self.messages))]

    def _vanish(self, uids: list[int]) -> None:
        """Each UID is a message less (RFC 7162 §3.2.10); one that was not told of yet is one of the last."""
        gone = set(uids)
        before = len(self.messages)
        self.messages = [message for message in self.messages if message.uid not in gone]
        for _ in range(len(uids) - (before - len(self.messages))):
            assert self.messages.pop().uid is None, "a message vanishes that never was"
            for message in self.messages:
                if message.uid is None:
                    message.flags = None

    def _fetched(self, number: int, items: bytes) -> None:
        message = self.messages[number - 1]
        if found := re.search(rb"UID (\d+)", items):
            assert message.uid in (None, int(found[1])), "another message has the number"
            message.uid = int(found[1])
        if (flags := told_flags(items)) is not None:
            message.flags = flags
        if found := re.search(rb"MODSEQ \((\d+)\)", items):
            assert int(found[1]) >= message.modseq, "mod-sequences only grow"
            message.modseq = int(found[1])

    def learn(self) -> None:
        """Asks for what it was not told, until the answers tell of nothing new."""
        while unknown := [n for n, one in enumerate(self.messages, 1) if one.uid is None or one.flags is None]:
            self.command(b"FETCH %b (UID FLAGS)" % b",".join(b"%d" % n for n in unknown), may_expunge=False)

    def known(self) -> dict[int, Flags]:
        found = {message.uid: message.flags for message in self.messages if message.uid and message.flags is not None}
        assert len(found) == len(self.messages)
        return found


picks = st.lists(st.integers(0, MOST_MESSAGES - 1), min_size=1, max_size=6)
some_flags = st.lists(st.sampled_from(FLAGS), max_size=3, unique=True)
sessions = st.integers(0, SESSIONS - 1)


class Sessions(RuleBasedStateMachine):
    """`pasts` are what clients kept of the mailbox at some time."""

    pasts = Bundle("pasts")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="model"))
        self.house = House(self.folder / "Maildir")
        self.told: list[Told] = []

    @initialize(count=st.integers(0, 5))
    def begin(self, count: int) -> None:
        for enabled in (b"", b"CONDSTORE", b"QRESYNC"):
            one = Told(self.house.login(), enabled)
            if enabled:
                one.command(b"ENABLE " + enabled)
            self.told.append(one)
        self._append(self.told[0], [[] for _ in range(count)])
        for one in self.told:
            one.take(one.select(), may_expunge=True)
            one.learn()

    def teardown(self) -> None:
        self.house.close()
        shutil.rmtree(self.folder)

    def _append(self, one: Told, messages: list[list[bytes]]) -> None:
        """As many messages as there are lists of flags, in one command."""
        text = b"Subject: x\r\n\r\nbody\r\n"
        parts = [b" (%b) {%d+}\r\n%b" % (b" ".join(flags), len(text), text) for flags in messages]
        if parts:
            one.command(b"APPEND INBOX" + b"".join(parts))

    def _picked(self, one: Told, picked: list[int]) -> list[int]:
        """Sequence numbers that the session believes in, of messages whose UIDs it knows."""
        one.learn()  # which may tell of others
        known = [number for number, message in enumerate(one.messages, 1) if message.uid]
        return sorted({known[pick % len(known)] for pick in picked}) if known else []

    def _set(self, one: Told, chosen: list[int], by_uid: bool) -> bytes:
        return b",".join(b"%d" % (one.messages[n - 1].uid or 0 if by_uid else n) for n in chosen)

    @rule(who=sessions, messages=st.lists(some_flags, min_size=1, max_size=3))
    def append(self, who: int, messages: list[list[bytes]]) -> None:
        if len(self.told[who].messages) < MOST_MESSAGES:
            self._append(self.told[who], messages)

    @rule(who=sessions, picked=picks, flags=some_flags, how=st.sampled_from((b"+", b"-", b"")), by_uid=st.booleans(),
          silent=st.booleans())  # fmt: skip
    def store(self, who: int, picked: list[int], flags: list[bytes], how: bytes, by_uid: bool, silent: bool) -> None:
        one = self.told[who]
        chosen = self._picked(one, picked)
        if not chosen:
            return
        what = how + b"FLAGS" + b".SILENT" * silent + b" (%b)" % b" ".join(flags)
        if silent:
            for number in chosen:
                one.messages[number - 1].flags = None
        verb = b"UID STORE " if by_uid else b"STORE "
        lines = one.client.command(verb + self._set(one, chosen, by_uid) + b" " + what)
        # Another session may have expunged some of them (RFC 2180 §4.2.1): NO, or OK about the others.
        assert lines[-1].startswith((b"TAG OK", b"TAG NO [EXPUNGEISSUED]")), lines
        one.take(lines, may_expunge=by_uid)

    @rule(who=sessions, picked=picks, since=st.integers(0, MOST_MESSAGES - 1))
    def store_unchanged_since(self, who: int, picked: list[int], since: int) -> None:
        """RFC 7162 §3.1.3; messages that another session expunged meanwhile are neither changed nor told of."""
        one = self.told[who]
        chosen = self._picked(one, picked)
        if not chosen or not one.enabled:
            return
        bound = one.messages[since % len(one.messages)].modseq
        before = {one.messages[n - 1].uid: one.messages[n - 1].modseq for n in chosen}
        line = b"UID STORE %b (UNCHANGEDSINCE %d) +FLAGS (one)" % (self._set(one, chosen, True), bound)
        lines = one.client.command(line)
        one.take(lines, may_expunge=True)
        refused = re.search(rb"\[MODIFIED ([^\]]*)\]", lines[-1])
        kept = set(numbers(refused[1])) if refused else set()
        one.command(b"NOOP")
        there = {message.uid for message in one.messages}
        for uid, modseq in before.items():
            assert modseq <= bound or uid in kept or uid not in there, "it was changed since"

    @rule(who=sessions)
    def expunge(self, who: int) -> None:
        self.told[who].command(b"EXPUNGE")

    @rule(who=sessions, picked=picks)
    def uid_expunge(self, who: int, picked: list[int]) -> None:
        one = self.told[who]
        if chosen := self._picked(one, picked):
            one.command(b"UID EXPUNGE " + self._set(one, chosen, True))

    @rule(who=sessions, picked=picks, verb=st.sampled_from((b"COPY", b"MOVE")), by_uid=st.booleans())
    def copy(self, who: int, picked: list[int], verb: bytes, by_uid: bool) -> None:
        one = self.told[who]
        chosen = self._picked(one, picked)
        if not chosen or len(one.messages) > MOST_MESSAGES:
            return
        lines = one.client.command(b"UID " * by_uid + b"%b %b INBOX" % (verb, self._set(one, chosen, by_uid)))
        assert lines[-1].startswith((b"TAG OK", b"TAG NO [EXPUNGEISSUED]")), lines
        one.take(lines, may_expunge=True)

    @rule(who=sessions, line=st.sampled_from((b"FETCH 1:* FLAGS", b"SEARCH DELETED", b"SEARCH KEYWORD one")))
    def look(self, who: int, line: bytes) -> None:
        if self.told[who].messages and self.told[who].notified != NONE:
            self.told[who].command(line, may_expunge=False)

    @rule(who=sessions, other=sessions)
    def change_during_idle(self, who: int, other: int) -> None:
        one, another = self.told[who], self.told[other]
        if one is another:
            return
        idling, *lines = one.client.send(b"i IDLE").split(b"\r\n")[:-1]
        assert idling.startswith(b"+ ")
        one.take(lines, may_expunge=True)
        self._append(another, [[b"\\Deleted"]])
        another.command(b"EXPUNGE")
        heard = one.client.run(one.client.session.resume(None))
        one.take(heard.split(b"\r\n")[:-1], may_expunge=True)
        one.take(one.client.send(b"DONE").split(b"\r\n")[:-1], may_expunge=True)

    @rule(who=sessions, what=st.sampled_from((b"selected", b"selected-delayed", NONE)))
    def notify(self, who: int, what: bytes) -> None:
        """RFC 5465 §6.1; after NONE a client does not know which flags changed meanwhile."""
        one = self.told[who]
        if one.notified == NONE:
            for message in one.messages:
                message.flags = None
        one.notified = what
        events = b"" if what == NONE else b"SET (%b (MessageNew MessageExpunge FlagChange))" % what
        one.command(b"NOTIFY " + (events or NONE))

    @rule(who=sessions)
    def hear(self, who: int) -> None:
        """What NOTIFY tells while no command is under way."""
        one = self.told[who]
        if one.notified not in (b"", NONE):
            heard = one.client.run(one.client.session.resume(None))
            one.take(heard.split(b"\r\n")[:-1], may_expunge=False)

    @rule()
    def settle(self) -> None:
        self.house.settle()

    @rule(target=pasts)
    def go_away(self) -> Past:
        one = self.told[2]
        if one.notified == NONE:
            self.notify(2, b"selected")
        one.command(b"NOOP")
        one.learn()
        return Past(one.validity, one.highest or 1, one.known())

    @rule(past=consumes(pasts))
    def come_back(self, past: Past) -> None:
        """RFC 7162 §3.2.5: what vanished and what changed since, applied to what was kept."""
        one = self.told[2]
        lines = one.select(b" (QRESYNC (%d %d))" % (past.validity, past.modseq))
        assert one.validity == past.validity
        messages = dict(past.messages)
        for line in lines:
            if found := _vanished.fullmatch(line):
                for uid in numbers(found[2]):
                    messages.pop(uid, None)
            elif found := _fetched.fullmatch(line):
                uid, flags = re.search(rb"UID (\d+)", found[2]), told_flags(found[2])
                assert uid
                assert flags is not None
                messages[int(uid[1])] = flags
        one.take([line for line in lines if not _vanished.fullmatch(line)], may_expunge=True)
        one.learn()
        assert messages == one.known()

    @rule(who=sessions)
    def noop(self, who: int) -> None:
        self.told[who].command(b"NOOP")

    @rule()
    def all_know_what_is_there(self) -> None:
        fresh = Told(self.house.login())
        fresh.take(fresh.select(), may_expunge=True)
        fresh.learn()
        for number, one in enumerate(self.told):
            if one.notified == NONE:
                self.notify(number, b"selected-delayed")
            one.command(b"NOOP")
            one.learn()
            assert one.known() == fresh.known(), one.enabled
        fresh.client.send(b"x LOGOUT")
        fresh.client.session.lost()


Sessions.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)
TestSessions = Sessions.TestCase
