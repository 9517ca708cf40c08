"""The same Maildir, served by Debian's Dovecot 2.3 and by Doocot, gives the same answers (see normalise, allowed)."""

import itertools
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from doocot.message.scan import crlf
from tests.corpus.odd_messages import odd_messages
from tests.oracle import commands
from tests.oracle.allowed import remaining
from tests.oracle.normalise import normalise
from tests.parts import servers
from tests.parts.imap import Connection, connect, login
from tests.transcripts.runner import standard_message

ARRIVED = 1708000000  # 15 February 2024; a message a day from then on
DAY = 86400
FLAGS = ("", "S", "FS", "RS", "T", "DF", "Sa", "ab", "S", "FRST")
KEYWORDS = "0 work\n1 $Forwarded\n"
SHOWN = 6  # differences that a failure shows
USERS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Pair:
    """Both servers over copies of one mail folder."""

    theirs: servers.Server
    ours: servers.Server

    def ask(self, user: str, *setup: bytes) -> "Both":
        both = Both(user, login(self.theirs.imap, user), login(self.ours.imap, user))
        for line in setup:
            both.theirs.ok(line)
            both.ours.ok(line)
        return both


@dataclass(frozen=True, slots=True)
class Both:
    """A connection of one user to each."""

    user: str
    theirs: Connection
    ours: Connection

    def differences(self, line: bytes) -> tuple[list[bytes], list[bytes]]:
        """What each says to a command that the other does not."""
        answers = [connection.command(line) for connection in (self.theirs, self.ours)]
        validity = _validity(answers[0])
        theirs, ours = (normalise(answer, own_validity=validity) for answer in answers)
        return remaining(line, theirs, ours)

    def same(self, line: bytes) -> None:
        """Both say the same to a command."""
        theirs, ours = self.differences(line)
        assert (theirs, ours) == ([], []), _shown(line, theirs, ours)

    def close(self) -> None:
        self.theirs.close()
        self.ours.close()


def _validity(answer: Sequence[bytes]) -> bytes:
    """A UIDVALIDITY that came from the uidlist both began with; mailboxes made in the test have their own."""
    return b"%d" % ARRIVED if any(b"%d" % ARRIVED in response for response in answer) else b""


def _shown(line: bytes, theirs: Sequence[bytes], ours: Sequence[bytes]) -> str:
    def clip(response: bytes) -> str:
        return repr(response if len(response) < 400 else response[:250] + b" ... " + response[-100:])

    lines = [f"{line[:300]!r}: {len(theirs)} responses of Dovecot, {len(ours)} of Doocot differ"]
    for kind, responses in (("dovecot", theirs), ("doocot ", ours)):
        lines += [f"  {kind} {clip(response)}" for response in responses[:SHOWN]]
    return "\n".join(lines)


def _maildir(folder: Path, messages: Sequence[bytes], flags: Sequence[str], *, sized: bool = True) -> None:
    """A Maildir as Dovecot leaves one; with `sized` the file names tell the sizes."""
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir(parents=True)
    (folder / "dovecot-keywords").write_text(KEYWORDS)
    uidlist = [f"3 V{ARRIVED} N{len(messages) + 1} G{'0' * 31}1"]
    for number, message in enumerate(messages):
        when = ARRIVED + number * DAY
        base = f"{when}.M{number}P1.host" + (f",S={len(message)},W={len(crlf(message))}" if sized else "")
        uidlist.append(f"{number + 1} :{base}")
        file = folder / "cur" / f"{base}:2,{flags[number % len(flags)]}"
        file.write_bytes(message)
        os.utime(file, (when, when))
    (folder / "dovecot-uidlist").write_text("\n".join(uidlist) + "\n")


def _texts() -> list[bytes]:
    """Small messages to search in."""
    umlauts = "Subject: =?utf-8?B?R3LDvMOf?= aus K=?iso-8859-1?Q?=F6?=ln\nFrom: a@example.org\n"
    euro = "Content-Type: text/plain; charset=iso-8859-15\nContent-Transfer-Encoding: quoted-printable\n\nnur =A41\n"
    return [*(standard_message(number).replace(b"\r\n", b"\n") for number in range(1, 10)), (umlauts + euro).encode()]


def _prepare(mail: Path) -> None:
    _maildir(mail / "odd", list(odd_messages().values()), ("S", "", "FS"), sized=False)
    _maildir(mail / "text", _texts(), FLAGS)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    if not servers.has_dovecot():
        pytest.skip("Dovecot is not installed: apt-get install dovecot-imapd dovecot-lmtpd")
    with servers.work_folder() as one, servers.work_folder() as other:
        _prepare(one / "mail")
        shutil.copytree(one / "mail", other / "mail")
        for folder in (one, other):
            servers.give(folder / "mail", servers.mail_account())
        other_server = servers.launcher(os.environ.get("ORACLE_OTHER", "doocot"))
        extra = servers.METADATA + commands.SERVER
        with servers.dovecot(one, extra=extra) as theirs, other_server(other, extra=extra) as ours:
            yield Pair(theirs, ours)


@pytest.fixture
def odd(pair: Pair) -> Iterator[Both]:
    both = pair.ask("odd", b"EXAMINE INBOX")
    yield both
    both.close()


@pytest.fixture
def text(pair: Pair) -> Iterator[Both]:
    both = pair.ask("text", b"EXAMINE INBOX")
    yield both
    both.close()


@pytest.fixture(scope="module")
def mailboxes(pair: Pair) -> str:
    """A user with mailboxes of many names."""
    both = pair.ask("named")
    for name in commands.MAILBOXES:
        both.theirs.ok(f"CREATE {name}".encode())
        both.ours.ok(f"CREATE {name}".encode())
    for name in commands.SUBSCRIBED:
        both.theirs.ok(f"SUBSCRIBE {name}".encode())
        both.ours.ok(f"SUBSCRIBE {name}".encode())
    both.close()
    return "named"


@pytest.fixture
def named(pair: Pair, mailboxes: str) -> Iterator[Both]:
    both = pair.ask(mailboxes)
    yield both
    both.close()


@pytest.fixture
def fresh(pair: Pair) -> Iterator[Both]:
    """A user of his own with ten messages, INBOX selected."""
    user = f"fresh{next(USERS)}"
    for server in (pair.theirs, pair.ours):
        _maildir(server.maildir(user), _texts(), FLAGS)
        servers.give(server.maildir(user), server.account)
    both = pair.ask(user, b"SELECT INBOX")
    yield both
    both.close()


@pytest.mark.parametrize("item", commands.FETCH_ITEMS)
def test_oracle_fetch_odd(odd: Both, item: str) -> None:
    odd.same(f"UID FETCH 1:* {item}".encode())


@pytest.mark.parametrize("item", commands.BINARY_ITEMS)
def test_oracle_fetch_binary(pair: Pair, item: str) -> None:
    """One message at a time: Dovecot 2.3 closes the connection at content that it cannot decode to its end."""
    failed = []
    both = pair.ask("odd", b"EXAMINE INBOX")
    for number, name in enumerate(odd_messages(), 1):
        line = f"FETCH {number} {item}".encode()
        try:
            theirs = both.theirs.command(line)
        except EOFError:
            both.close()
            both = pair.ask("odd", b"EXAMINE INBOX")
            continue
        ours = both.ours.command(line)
        differences = remaining(line, normalise(theirs), normalise(ours))
        if any(differences):
            failed.append(name + " " + _shown(line, *differences))
    both.close()
    assert not failed, f"{len(failed)} messages\n" + "\n".join(failed[:SHOWN])


@pytest.mark.parametrize("item", commands.BAD_FETCH_ITEMS)
def test_oracle_fetch_bad(text: Both, item: str) -> None:
    text.same(f"FETCH 1 {item}".encode())


@pytest.mark.parametrize("numbers", commands.FETCH_SETS)
@pytest.mark.parametrize("verb", ["FETCH", "UID FETCH"])
def test_oracle_fetch_sets(text: Both, verb: str, numbers: str) -> None:
    text.same(f"{verb} {numbers} (UID)".encode())


@pytest.mark.parametrize("key", commands.search_keys())
def test_oracle_search(text: Both, key: bytes) -> None:
    text.same(b"SEARCH " + key)
    text.same(b"UID SEARCH " + key)


@pytest.mark.parametrize("key", ["ALL", "SEEN", "KEYWORD nosuch", "OR 1 3:5"])
@pytest.mark.parametrize("returned", commands.RETURNS)
def test_oracle_esearch(text: Both, returned: str, key: str) -> None:
    theirs, ours = text.differences(f"UID SEARCH RETURN {returned} {key}".encode())
    assert (theirs, ours) == ([], []), _shown(returned.encode(), theirs, ours)


@pytest.mark.parametrize("key", ["ALL", "SEEN", "KEYWORD nosuch"])
@pytest.mark.parametrize("returned", commands.CONTEXTS)
def test_oracle_context(text: Both, returned: str, key: str) -> None:
    text.same(f"SEARCH RETURN {returned} {key}".encode())
    text.same(f"UID SEARCH RETURN {returned} {key}".encode())


def test_oracle_updates(fresh: Both, pair: Pair) -> None:
    """What changes the results of a search is told with UPDATE, at the same commands."""
    other = pair.ask(fresh.user, b"SELECT INBOX")
    failed = []
    for number, line in commands.UPDATES:
        theirs, ours = (fresh, other)[number].differences(line.encode())
        if theirs or ours:
            failed.append(f"session {number}: " + _shown(line.encode(), theirs, ours))
    other.close()
    assert not failed, "\n".join(failed)


@pytest.mark.parametrize("key", commands.BAD_KEYS)
def test_oracle_search_bad(text: Both, key: str) -> None:
    text.same(f"SEARCH {key}".encode())


@pytest.mark.parametrize("arguments", [*commands.THREADS, *commands.BAD_THREADS])
@pytest.mark.parametrize("verb", ["THREAD", "UID THREAD"])
def test_oracle_thread(text: Both, verb: str, arguments: str) -> None:
    text.same(f"{verb} {arguments}".encode())


@pytest.mark.parametrize("program", commands.SORTS)
@pytest.mark.parametrize("verb", ["SORT", "UID SORT"])
def test_oracle_sort(text: Both, verb: str, program: str) -> None:
    text.same(f"{verb} {program}".encode())


@pytest.mark.parametrize("program", commands.BAD_SORTS)
def test_oracle_sort_bad(text: Both, program: str) -> None:
    text.same(f"SORT {program}".encode())


@pytest.mark.parametrize("key", ["subject", "from", "text", "body", "header message-id", "header content-type"])
def test_oracle_search_odd(odd: Both, key: str) -> None:
    for word in ("a", "example", "multipart", "=?", "@", "Content"):
        odd.same(f"UID SEARCH {key} {word}".encode())


@pytest.mark.parametrize("line", commands.list_commands())
def test_oracle_list(named: Both, line: bytes) -> None:
    named.same(line)


@pytest.mark.parametrize("line", commands.status_commands())
def test_oracle_status(named: Both, line: bytes) -> None:
    named.same(line)


@pytest.mark.parametrize(
    "script",
    [
        *(commands.STORES, commands.COPIES, commands.MAILBOX_CHANGES, commands.APPENDS, commands.MORE_APPENDS),
        *(commands.MODSEQS, commands.RESYNCS, commands.METADATA, commands.CATENATES, commands.URLAUTHS),
    ],
    ids=["store", "copy", "mailboxes", "append", "append-more", "modseq", "resync", "metadata", "catenate", "urlauth"],
)
def test_oracle_script(fresh: Both, script: Sequence[str | bytes]) -> None:
    failed = []
    for line in script:
        command = line if isinstance(line, bytes) else line.encode()
        theirs, ours = fresh.differences(command)
        if theirs or ours:
            failed.append(_shown(command, theirs, ours))
    assert not failed, "\n".join(failed)


def test_oracle_two_sessions(fresh: Both, pair: Pair) -> None:
    """What one session changes the other is told, at the same commands."""
    other = pair.ask(fresh.user, b"SELECT INBOX")
    failed = []
    for number, line in commands.TWO_SESSIONS:
        theirs, ours = (fresh, other)[number].differences(line.encode())
        if theirs or ours:
            failed.append(f"session {number}: " + _shown(line.encode(), theirs, ours))
    other.close()
    assert not failed, "\n".join(failed)


@pytest.mark.parametrize("item", commands.MORE_FETCH_ITEMS)
def test_oracle_fetch_more(text: Both, item: str) -> None:
    text.same(f"FETCH 1:3 {item}".encode())


@pytest.mark.parametrize("line", commands.BAD_COMMANDS)
def test_oracle_bad(text: Both, line: str) -> None:
    text.same(line.encode())


@pytest.mark.parametrize("line", commands.BAD_APPENDS)
def test_oracle_append_bad(fresh: Both, line: bytes) -> None:
    """The tagged reply only: what is left of a literal Dovecot takes for the next command."""
    theirs, ours = fresh.differences(line)
    assert (theirs[-1:], ours[-1:]) == ([], []), _shown(line, theirs, ours)


@pytest.mark.parametrize("line", commands.WITHOUT_LOGIN)
def test_oracle_without_login(pair: Pair, line: str) -> None:
    both = Both("", connect(pair.theirs.imap), connect(pair.ours.imap))
    both.same(line.encode())
    both.close()
