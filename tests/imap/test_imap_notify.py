"""NOTIFY (RFC 5465) without sockets: filters, events, what is the client's own, bounds, and bad input."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from harness import Client, House

from doocot.imap import registration
from doocot.store.index.mailboxes import MailboxRow
from doocot.wire.flow import Idle
from tests.transcripts.runner import standard_message

ALL = b"(MessageNew MessageExpunge FlagChange)"


@dataclass
class Clock:
    """The time of the sessions, which only the test moves."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Two:
    """A client that listens, and one that does things."""

    house: House
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.house.context = replace(self.house.context, now=self.clock)
        self.listener, self.other = self.house.login(), self.house.login()

    def hears(self) -> list[bytes]:
        """What the listener is told when it is woken."""
        return heard(self.listener)

    def does(self, *lines: bytes) -> list[bytes]:
        """What the listener is told of these commands of the other one."""
        for line in lines:
            assert self.other.command(line)[-1].startswith(b"TAG OK"), line
        return self.hears()


def heard(client: Client) -> list[bytes]:
    """What a client is told that is woken while it waits."""
    return client.run(client.session.resume(None)).split(b"\r\n")[:-1]


def append(client: Client, mailbox: bytes, number: int = 1, flags: bytes = b"") -> None:
    message = standard_message(number)
    assert b" OK " in client.send(b"a APPEND %b %b{%d+}\r\n%b" % (mailbox, flags, len(message), message))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path / "mail")
    yield house
    house.close()


@pytest.fixture
def two(house: House) -> Two:
    return Two(house)


def ask(client: Client, line: bytes) -> list[bytes]:
    """The untagged responses to a NOTIFY that is taken."""
    *told, tagged = client.command(b"NOTIFY " + line)
    assert tagged == b"TAG OK NOTIFY completed."
    return told


def test_messages_of_another_mailbox(two: Two) -> None:
    two.does(b"CREATE box")
    assert ask(two.listener, b"SET (personal %b)" % ALL) == []
    append(two.other, b"box")
    assert two.hears() == [b"* STATUS box (MESSAGES 1 UIDNEXT 2 UNSEEN 1)"]
    assert two.hears() == []
    assert two.does(b"SELECT box", b"STORE 1 +FLAGS.SILENT (\\Seen)") == [
        b"* STATUS box (UIDVALIDITY %d UNSEEN 0 HIGHESTMODSEQ %d)" % numbers(two.other)
    ]
    assert two.does(b"STORE 1 +FLAGS.SILENT (\\Deleted)", b"EXPUNGE")[-1].startswith(
        b"* STATUS box (MESSAGES 0 UIDNEXT 2"
    )


def numbers(client: Client) -> tuple[int, int]:
    """UIDVALIDITY and HIGHESTMODSEQ of the selected mailbox."""
    view = client.session.view
    assert view is not None
    return view.live.row.uid_validity, view.live.row.modseq


def test_the_selected_mailbox_between_commands(two: Two) -> None:
    append(two.other, b"INBOX", 1)
    append(two.other, b"INBOX", 2)
    two.listener.command(b"SELECT INBOX")
    ask(two.listener, b"SET (selected (MessageNew (UID FLAGS) MessageExpunge FlagChange))")
    append(two.other, b"INBOX", 3)
    assert two.hears()[0] == b"* 3 EXISTS"
    assert two.hears() == []
    assert two.does(b"SELECT INBOX", b"STORE 1 +FLAGS.SILENT (\\Seen)") == [
        b"* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent))"
    ]
    assert two.does(b"STORE 2 +FLAGS.SILENT (\\Deleted)", b"EXPUNGE")[-1] == b"* 2 EXPUNGE"


def test_it_waits_for_the_root_after_every_command(two: Two) -> None:
    session = two.listener.session
    two.listener.command(b"NOOP")
    assert session.pending is None
    ask(two.listener, b"SET (inboxes (MessageNew MessageExpunge))")
    for line in (b"x NOOP\r\n", b"x NO", b"OP\r\n"):
        session.pending = None
        session.receive(line)
        assert isinstance(session.pending, Idle)
        assert session.pending.roots == (two.house.root.slot,)
        assert session.pending.seconds == two.house.context.idle_check
    two.listener.run(b"")
    ask(two.listener, b"NONE")
    assert session.pending is None


def test_overflow_is_told_and_ends_it(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    two.does(b"CREATE box")
    ask(two.listener, b"SET (personal %b)" % ALL)
    monkeypatch.setattr("doocot.mailbox.happened.MOST", 2)
    for number in range(1, 4):
        append(two.other, b"box", number)
    assert two.hears() == [registration.OVERFLOW.strip()]
    append(two.other, b"box", 4)
    assert two.hears() == []


def test_what_other_programs_do_is_looked_for_now_and_then(two: Two) -> None:
    two.does(b"CREATE box")
    ask(two.listener, b"SET (personal (MessageNew MessageExpunge MailboxName SubscriptionChange))")
    mail = two.house.mail
    (mail / ".box" / "new" / "1700000000.M1P1.host").write_bytes(standard_message(1))
    assert two.hears() == []
    two.clock.seconds += two.house.context.idle_check
    assert two.hears() == [b"* STATUS box (MESSAGES 1 UIDNEXT 2 UNSEEN 1)"]
    for part in ("cur", "new", "tmp"):
        (mail / ".made" / part).mkdir(parents=True)
    (mail / "subscriptions").write_text("V\t2\n\nbox\n")
    two.clock.seconds += two.house.context.idle_check
    assert two.hears() == [
        b'* LIST (\\Subscribed \\HasNoChildren) "." box',
        b'* LIST (\\HasNoChildren) "." made',
    ]
    (mail / ".made" / "new" / "1700000000.M1P1.host").write_bytes(standard_message(1))
    two.clock.seconds += two.house.context.idle_check
    assert two.hears() == [b"* STATUS made (MESSAGES 1 UIDNEXT 2 UNSEEN 1)"]


def test_metadata_of_others_without_values(two: Two) -> None:
    two.does(b"CREATE box")
    ask(two.listener, b"SET (mailboxes box (MailboxMetadataChange)) (subscribed (ServerMetadataChange))")
    assert two.does(b'SETMETADATA box (/private/comment "a" /private/vendor/x "b")') == [
        b"* METADATA box /private/comment /private/vendor/x"
    ]
    assert two.does(b"SETMETADATA box (/private/comment NIL)", b'SETMETADATA INBOX (/private/comment "a")') == [
        b"* METADATA box /private/comment"
    ]
    assert two.does(b'SETMETADATA "" (/private/comment "a")') == [b'* METADATA "" /private/comment']
    two.listener.command(b'SETMETADATA box (/private/comment "own")')
    assert two.hears() == []


def test_metadata_events_only_where_there_are_metadata(house: House) -> None:
    house.context = replace(house.context, metadata=None)
    answer = house.login().command(b"NOTIFY SET (personal (MailboxMetadataChange))")
    names = b"MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange"
    assert answer == [b"TAG NO [BADEVENT (%b)] Unsupported NOTIFY events." % names]


def test_nothing_is_told_of_the_selected_mailbox_that_is_not_asked_for(two: Two) -> None:
    for number in range(1, 4):
        append(two.other, b"INBOX", number)
    two.other.command(b"SELECT INBOX")
    two.listener.command(b"SELECT INBOX")
    ask(two.listener, b"SET (selected NONE) (mailboxes INBOX (MessageNew MessageExpunge FlagChange))")
    append(two.other, b"INBOX", 4)
    assert two.does(b"STORE 1 +FLAGS.SILENT (\\Flagged)", b"STORE 2 +FLAGS.SILENT (\\Deleted)", b"EXPUNGE") == []
    assert two.listener.command(b"NOOP") == [b"TAG OK NOOP completed."]
    # Its numbers stay right, and the answers to what it asks for come.
    assert two.listener.command(b"FETCH 2:3 (UID)")[:-1] == [b"* 2 FETCH (UID 2)", b"* 3 FETCH (UID 3)"]
    assert two.listener.command(b"STORE 3 +FLAGS (\\Seen)")[:-1] == [b"* 3 FETCH (UID 3 FLAGS (\\Seen))"]
    assert two.listener.command(b"STORE 3 +FLAGS.SILENT (\\Answered)")[:-1] == []
    # What came meanwhile is told when it is asked for (RFC 5465 §3.1).
    assert ask(two.listener, b"SET (selected (MessageNew MessageExpunge))") == [
        b"* 2 EXPUNGE",
        b"* 3 EXISTS",
        b"* 1 RECENT",
    ]
    assert two.does(b"STORE 1 -FLAGS.SILENT (\\Flagged)") == []


def test_its_own_expunge_is_told_with_none(two: Two) -> None:
    for number in range(1, 4):
        append(two.other, b"INBOX", number)
    two.listener.command(b"SELECT INBOX")
    ask(two.listener, b"NONE")
    append(two.other, b"INBOX", 4)
    two.listener.command(b"NOOP")
    two.listener.command(b"UID STORE 2,4 +FLAGS.SILENT (\\Deleted)")
    assert two.listener.command(b"EXPUNGE")[:-1] == [b"* 2 EXPUNGE"]
    two.listener.command(b"STORE 1 +FLAGS.SILENT (\\Deleted)")
    assert two.listener.command(b"UID MOVE 3 INBOX")[-2] == b"* 2 EXPUNGE"
    assert ask(two.listener, b"SET (selected (MessageNew MessageExpunge))")[0] == b"* 2 EXISTS"


def test_vanished_and_mod_sequences(two: Two) -> None:
    for number in range(1, 4):
        append(two.other, b"INBOX", number)
    two.other.command(b"SELECT INBOX")
    two.listener.command(b"ENABLE QRESYNC")
    two.listener.command(b"SELECT INBOX")
    ask(two.listener, b"SET (selected (MessageNew MessageExpunge FlagChange))")
    (line,) = two.does(b"STORE 1 +FLAGS.SILENT (\\Flagged)")
    assert line == b"* 1 FETCH (UID 1 MODSEQ (%d) FLAGS (\\Flagged))" % numbers(two.other)[1]
    assert two.does(b"STORE 2:3 +FLAGS.SILENT (\\Deleted)", b"EXPUNGE")[-1] == b"* VANISHED 2:3"


def test_mod_sequences_of_new_messages_enable_them(two: Two) -> None:
    """RFC 7162 §3.1: whoever asks for MODSEQ gets it with every change of flags."""
    append(two.other, b"INBOX")
    two.other.command(b"SELECT INBOX")
    two.listener.command(b"SELECT INBOX")
    (line,) = ask(two.listener, b"SET (selected (MessageNew (UID MODSEQ) MessageExpunge FlagChange))")
    assert line == b"* OK [HIGHESTMODSEQ %d] Highest" % numbers(two.other)[1]
    (line,) = two.does(b"STORE 1 +FLAGS.SILENT (\\Flagged)")
    assert b"MODSEQ (%d)" % numbers(two.other)[1] in line
    assert not ask(two.listener, b"SET (selected (MessageNew (MODSEQ) MessageExpunge))")


def test_a_new_message_that_cannot_be_decoded_hides_no_other(two: Two) -> None:
    append(two.other, b"INBOX")
    two.listener.command(b"SELECT INBOX")
    ask(two.listener, b"SET (selected (MessageNew (UID BINARY.PEEK[1]) MessageExpunge))")
    for encoding in (b"7bit", b"x-unknown", b"x-unknown", b"8bit", b"x-unknown", b"7bit"):
        text = b"Content-Transfer-Encoding: %b\r\n\r\nhello" % encoding
        two.other.command(b"APPEND INBOX {%d+}\r\n%b" % (len(text), text))
    told = [line.partition(b" BINARY")[0] for line in two.hears() if b"BINARY[1] ~{5}" in line]
    assert told == [b"* %d FETCH (UID %d" % (number, number) for number in (2, 5, 7)]


def test_nothing_is_told_in_the_middle_of_a_command(two: Two) -> None:
    two.does(b"CREATE box")
    ask(two.listener, b"SET (personal (MessageNew MessageExpunge))")
    two.listener.run(two.listener.session.receive(b"x NO"))
    append(two.other, b"box")
    assert two.hears() == []
    assert two.listener.run(two.listener.session.receive(b"OP\r\n")).split(b"\r\n")[:-1] == [
        b"x OK NOOP completed.",
        b"* STATUS box (MESSAGES 1 UIDNEXT 2 UNSEEN 1)",
    ]


def test_a_selected_mailbox_that_is_deleted_ends_the_session_at_once(two: Two) -> None:
    two.does(b"CREATE box")
    two.listener.command(b"SELECT box")
    ask(two.listener, b"SET (selected (MessageNew MessageExpunge))")
    assert two.does(b"DELETE box") == [b"* BYE Selected mailbox was deleted, have to disconnect."]
    assert two.listener.closed


def test_many_responses_are_joined(two: Two) -> None:
    two.does(b"CREATE box")
    ask(two.listener, b"SET (personal (MessageNew MessageExpunge))")
    told = 0
    for number in range(registration.LIVELY + 5):
        append(two.other, b"box", number + 1)
        told += len(two.hears())
    assert told == registration.LIVELY + 1
    assert two.listener.run(two.listener.session.receive(b"x NOOP\r\n")) == b"x OK NOOP completed.\r\n"
    two.clock.seconds += 1.0
    assert two.hears() == [b"* STATUS box (MESSAGES %d UIDNEXT %d UNSEEN %d)" % ((told + 4), (told + 5), (told + 4))]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (b"(subtree a (MessageNew))", [b"a", b"a.b", b"a.b.c"]),
        (b"(subtree (a.b ab) (MessageNew))", [b"a.b", b"a.b.c", b"ab"]),
        (b"(mailboxes (a inbox) (MessageNew))", [b"INBOX", b"a"]),
        (b'(mailboxes "a*" (MessageNew))', []),
        (b"(subscribed (MessageNew))", [b"a.b"]),
        (b"(inboxes (MessageNew))", [b"INBOX", b"a", b"a.b", b"a.b.c", b"ab"]),
        (b"(personal (MessageNew))", [b"INBOX", b"a", b"a.b", b"a.b.c", b"ab"]),
        (b"(personal (MailboxName)) (mailboxes ab (MessageNew)) (mailboxes a NONE)", [b"ab"]),
        (b"(personal (FlagChange))", []),
    ],
)
def test_filters(two: Two, asked: bytes, told: list[bytes]) -> None:
    names = (b"INBOX", b"a", b"a.b", b"a.b.c", b"ab")
    two.does(*(b"CREATE " + name for name in names[1:]), b"SUBSCRIBE a.b")
    at_once = ask(two.listener, b"SET STATUS " + asked)
    assert [line.split()[2] for line in at_once] == (list(names) if b"FlagChange" in asked else told)
    for name in names:
        append(two.other, name)
    assert sorted(line.split()[2] for line in two.hears()) == told


def test_a_crash_over_it_ends_it(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(two.listener, b"SET (personal (MessageNew MessageExpunge))")

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("doocot.imap.notices.touched", broken)
    append(two.other, b"INBOX")
    with pytest.raises(ZeroDivisionError):
        two.hears()
    answer = two.listener.run(two.listener.session.crashed("id"))
    assert answer.startswith(b"* NO [SERVERBUG]")
    assert registration.OVERFLOW in answer
    assert two.listener.session.pending is None
    assert two.listener.command(b"NOOP") == [b"TAG OK NOOP completed."]


def test_folders_are_watched_until_it_ends(two: Two) -> None:
    watching: list[str] = []

    def further(_: object, row: MailboxRow) -> bool:
        watching.append(row.name)
        return True

    two.house.roots.watch_further = further
    two.house.roots.unwatch_further = lambda _, row: watching.remove(row.name)
    two.does(b"CREATE a", b"CREATE b")
    two.listener.command(b"EXAMINE INBOX")
    ask(two.listener, b"SET (personal (MessageNew MessageExpunge))")
    assert watching == ["INBOX", "a", "b"]
    ask(two.listener, b"SET (mailboxes b (MessageNew MessageExpunge)) (mailboxes a (MailboxName))")
    assert watching == ["b"]
    two.listener.command(b"NOTIFY SET (mailboxes b (Nonsense))")
    assert watching == ["b"]
    two.listener.session.lost()
    assert watching == []
    ask(two.other, b"SET (mailboxes a (MessageNew MessageExpunge))")
    ask(two.other, b"NONE")
    assert watching == []
