"""The whole table of commands in each mode that ENABLE gives: what is good stays good, what is bad is refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from doocot.imap.commands import COMMANDS
from doocot.imap.extensions import EXTENSIONS, UIDONLY
from tests.imap.harness import Client, House

MESSAGE = b"Subject: x\r\n\r\nx\r\n"
MODES = {
    "rev1": (),
    "rev2": (b"IMAP4rev2",),
    "utf8": (b"UTF8=ACCEPT",),
    "uidonly": (b"UIDONLY",),
    "qresync": (b"QRESYNC",),
    "all": tuple(extension.capability for extension in EXTENSIONS.values()),
}
ENDS = frozenset((b"LOGOUT", b"STARTTLS", b"IDLE", b"COMPRESS", b"UNAUTHENTICATE"))  # of what follows them
GARBAGE = (b" (((((", b' "', b" \xff", b" {3+}\r\n\0\0\0", b" 0", b" * (", b" $ $ $", b" () ()", b" NIL NIL", b" a")
GOOD = (
    b"CAPABILITY",
    b"NOOP",
    b"ID NIL",
    b"NAMESPACE",
    b"CREATE box",
    b'LIST "" *',
    b'LIST (SUBSCRIBED) "" (* %) RETURN (CHILDREN STATUS (MESSAGES DELETED SIZE))',
    b'LSUB "" *',
    b"SUBSCRIBE box",
    b"UNSUBSCRIBE box",
    b"RENAME box other",
    b"STATUS other (MESSAGES UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE HIGHESTMODSEQ)",
    b"APPEND other (\\Seen) {%d+}\r\n%b" % (len(MESSAGE), MESSAGE),
    b"EXAMINE other",
    b"CLOSE",
    b"SELECT INBOX",
    b"CHECK",
    b"ENABLE CONDSTORE",
    b"UID FETCH 1:* (FLAGS ENVELOPE BODYSTRUCTURE BODY INTERNALDATE RFC822.SIZE MODSEQ)",
    b"UID FETCH 1 (BODY[] BODY.PEEK[HEADER] BINARY.PEEK[1] BINARY.SIZE[1])",
    b"UID STORE 1 +FLAGS (\\Flagged $Important)",
    b"UID STORE 2 FLAGS.SILENT (\\Deleted)",
    b"UID SEARCH UNSEEN",
    b"UID SEARCH RETURN (SAVE ALL) UID 1:*",
    b"UID SORT (DATE) UTF-8 ALL",
    b"UID THREAD REFERENCES UTF-8 ALL",
    b"UID COPY 1 other",
    b"UID MOVE 2 other",
    b"UID EXPUNGE 1:2",
    b"EXPUNGE",
    b"UNSELECT",
    b"DELETE other",
)
BY_NUMBER = (
    b"FETCH 1 FLAGS",
    b"STORE 1 FLAGS ()",
    b"SEARCH ALL",
    b"SEARCH RETURN (COUNT) 1",
    b"SORT (DATE) UTF-8 1",
    b"THREAD REFERENCES UTF-8 1",
    b"COPY 1 INBOX",
    b"MOVE 1 INBOX",
)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path / "mail")
    yield made
    made.close()


def selected(house: House, mode: str) -> Client:
    client = house.login()
    for _ in range(3):
        good(client, b"APPEND INBOX {%d+}\r\n%b" % (len(MESSAGE), MESSAGE))
    if MODES[mode]:
        good(client, b"ENABLE " + b" ".join(MODES[mode]))
    good(client, b"SELECT INBOX")
    return client


def good(client: Client, line: bytes) -> list[bytes]:
    answer = client.command(line)
    assert answer[-1].startswith(b"TAG OK "), (line, answer)
    return answer


@pytest.mark.parametrize("mode", MODES)
def test_modes_what_is_right_is_right_in_each(house: House, mode: str) -> None:
    client = selected(house, mode)
    for line in GOOD:
        for response in good(client, line):
            assert b" FETCH (" not in response or "uidonly" not in mode, response
    assert (mode in ("uidonly", "all")) == (UIDONLY in client.session.enabled)


@pytest.mark.parametrize("mode", MODES)
def test_modes_commands_with_sequence_numbers(house: House, mode: str) -> None:
    client = selected(house, mode)
    refused = mode in ("uidonly", "all")
    for line in BY_NUMBER:
        assert client.command(line)[-1].startswith(b"TAG BAD [UIDREQUIRED] " if refused else b"TAG OK "), line
    numbered = {name for name, bound in COMMANDS.items() if bound.by_number}
    assert {line.split()[0] for line in BY_NUMBER} <= numbered
    for name in numbered if refused else ():
        for arguments in (b"", b" 1", b" *", b" (((", b" {3+}\r\nabc"):
            assert client.command(name + arguments)[-1].startswith(b"TAG BAD [UIDREQUIRED] "), (name, arguments)
        good(client, b"NOOP")


@pytest.mark.parametrize("mode", MODES)
def test_modes_what_is_wrong_is_refused_in_each(house: House, mode: str) -> None:
    """Every command of the table, with what cannot be its arguments: one answer, and the next command works."""
    client = selected(house, mode)
    for name in sorted(COMMANDS.keys() - ENDS):
        for arguments in GARBAGE:
            answer = client.command(name + arguments)
            assert answer[-1].startswith((b"TAG BAD ", b"TAG NO ", b"TAG OK ")), (name, arguments, answer)
            if arguments in (b" (((((", b' "'):
                assert not answer[-1].startswith(b"TAG OK "), (name, arguments, answer)
            good(client, b"NOOP")
        if client.session.view is None:
            good(client, b"SELECT INBOX")


@pytest.mark.parametrize("mode", MODES)
def test_modes_search_keys_and_charset(house: House, mode: str) -> None:
    client = selected(house, mode)
    enabled = MODES[mode]
    for key in (b"NEW", b"OLD", b"RECENT", b"NOT OLD", b"(OR SEEN NEW)"):
        answer = client.command(b"UID SEARCH " + key)[-1]
        assert answer.startswith(b"TAG BAD " if b"IMAP4rev2" in enabled else b"TAG OK "), key
        answer = client.command(b"UID SORT (DATE) UTF-8 " + key)[-1]
        assert answer.startswith(b"TAG BAD " if b"IMAP4rev2" in enabled else b"TAG OK "), key
    answer = client.command(b"UID SEARCH CHARSET UTF-8 ALL")[-1]
    assert answer.startswith(b"TAG BAD " if b"UTF8=ACCEPT" in enabled else b"TAG OK ")
    good(client, b"UID THREAD REFERENCES UTF-8 ALL")
    answer = client.command(b"STATUS INBOX (MESSAGES RECENT)")[-1]
    assert answer.startswith(b"TAG BAD " if b"IMAP4rev2" in enabled else b"TAG OK ")
