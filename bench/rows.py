"""The rows of the benchmark: what is timed, under which name, in which order.

A row is timed several times on a connection with INBOX selected; what it changes it changes back. `warm` rows give the
least time, `first` rows run once on a Maildir that the server has never seen.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from bench.client import Answer, Client
from tests.parts.bad_input import BAD_INPUT, BadInput, send_all

LIST_ITEMS = "UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE"
HEADER_ITEMS = "UID BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE MESSAGE-ID REFERENCES)]"
SEEN = "STORE 1:* +FLAGS.SILENT (\\Seen)"
UNSEEN = "STORE 1:* -FLAGS.SILENT (\\Seen)"
DELETED = "+FLAGS.SILENT (\\Deleted)"
SOON_SECONDS = 0.2
BLOCK = 5000  # messages of the rows that do not touch the whole mailbox
CHANGES = 100  # messages that changed while a client was away
MAILBOXES = 1000
STRIDE = 7  # single-message rows hop through the mailbox, so that no block of it is favoured


@dataclass(frozen=True, slots=True)
class Target:
    """The server and the account that a row runs on."""

    port: int
    user: str
    password: str
    tls: bool
    messages: int

    def connect(self) -> Client:
        client = Client(self.port, tls=self.tls)
        client.login(self.user, self.password)
        return client

    @property
    def block(self) -> int:
        return min(BLOCK, self.messages)


Run = Callable[[Client, Target], Answer]
Prepare = Callable[[Client, Target], object]


def nothing(client: Client, target: Target) -> None:
    """The row needs no preparation, or leaves nothing to be undone."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `run` does it once, between `prepare` and `undo`; its seconds are those of one command."""

    name: str
    run: Run
    prepare: Prepare = nothing
    undo: Prepare = nothing
    needs: str = ""  # a capability
    bulk: bool = False  # timed once more with another client's NOOPs beside it
    tls: bool = False  # also over TLS
    once: bool = False  # first sight only: see `first_rows`


def least(row: Row, client: Client, target: Target) -> Answer:
    """Runs the row; one that changes nothing and is over soon three times, and the least counts."""
    answer = row.run(client, target)
    if row.prepare is nothing and answer.seconds < SOON_SECONDS:
        answer = min(answer, *(row.run(client, target) for _ in range(2)), key=lambda one: one.seconds)
    return answer


def _command(line: str) -> Run:
    return lambda client, target: client.command(line)


def _block_command(line: str) -> Run:
    return lambda client, target: client.command(line.format(block=target.block))


def _each(line: str, count: int) -> Run:
    """`line` for `count` single messages, one after the other."""

    def run(client: Client, target: Target) -> Answer:
        numbers = (n * STRIDE % target.block + 1 for n in range(count))
        answers = [client.command(line.format(n=number)) for number in numbers]
        return Answer(sum(a.seconds for a in answers) / count, sum(a.size for a in answers), b"")

    return run


def _logins(count: int) -> Run:
    """New connections, each to the end of LOGIN."""

    def run(client: Client, target: Target) -> Answer:
        start = time.perf_counter()
        for _ in range(count):
            target.connect().close()
        return Answer((time.perf_counter() - start) / count, 0, b"")

    return run


def _commands(*lines: str) -> Prepare:
    def run(client: Client, target: Target) -> None:
        for line in lines:
            client.command(line.format(block=target.block))

    return run


def position(client: Client) -> tuple[int, int]:
    """UIDVALIDITY and HIGHESTMODSEQ of INBOX."""
    said = client.command("STATUS INBOX (UIDVALIDITY HIGHESTMODSEQ)").tail
    validity, modseq = re.search(rb"UIDVALIDITY (\d+)", said), re.search(rb"HIGHESTMODSEQ (\d+)", said)
    assert validity
    assert modseq
    return int(validity[1]), int(modseq[1])


def _resync() -> tuple[Prepare, Run]:
    """A client comes back after 100 messages changed their flags: SELECT with QRESYNC on a new connection."""
    places: dict[int, tuple[int, int]] = {}

    def change(client: Client, target: Target) -> None:
        places[target.port] = position(client)
        client.command(f"STORE {_spread(target)} +FLAGS.SILENT (\\Draft)")

    def run(_: Client, target: Target) -> Answer:
        returning = target.connect()
        returning.command("ENABLE QRESYNC")
        validity, modseq = places[target.port]
        answer = returning.command(f"SELECT INBOX (QRESYNC ({validity} {modseq}))")
        returning.close()
        return answer

    return change, run


def _spread(target: Target) -> str:
    """The numbers of CHANGES messages all over the mailbox."""
    return ",".join(str(number) for number in range(1, target.messages, max(target.messages // CHANGES, 1)))


def _unspread(client: Client, target: Target) -> None:
    client.command(f"STORE {_spread(target)} -FLAGS.SILENT (\\Draft)")


def _owner_of_many(target: Target) -> Client:
    return replace(target, user="u3").connect()


def _many_mailboxes(_: Client, target: Target) -> None:
    """An account with MAILBOXES mailboxes, made when it has none."""
    client = _owner_of_many(target)
    if not client.command(f'LIST "" m{MAILBOXES - 1}').size:
        for number in range(MAILBOXES):
            client.command(f"CREATE m{number}")
    client.close()


def _list_status(_: Client, target: Target) -> Answer:
    client = _owner_of_many(target)
    answer = client.command('LIST "" * RETURN (STATUS (MESSAGES UNSEEN UIDNEXT))')
    client.close()
    return answer


def rows(single_count: int = 2000) -> tuple[Row, ...]:
    """All rows that are timed warm, in order; `single_count` commands in the rows of single commands."""
    some = max(single_count // 10, 10)
    change, resync = _resync()
    return (
        Row("login", _logins(some), tls=True),
        Row("select", _command("SELECT INBOX")),
        Row("fetch uid flags", _command("FETCH 1:* (UID FLAGS)"), bulk=True, tls=True),
        Row("fetch list", _command(f"FETCH 1:* ({LIST_ITEMS})"), bulk=True, tls=True),
        Row("fetch header fields", _command(f"FETCH 1:* ({HEADER_ITEMS})"), bulk=True),
        Row("fetch bodystructure", _command("FETCH 1:* (BODYSTRUCTURE)"), bulk=True),
        Row("fetch full", _block_command("FETCH 1:{block} (BODY.PEEK[])"), bulk=True, tls=True),
        Row("search unseen", _command("SEARCH UNSEEN")),
        Row("search from", _command('SEARCH FROM "bako"'), bulk=True),
        Row("search subject", _command('SEARCH SUBJECT "bako"'), bulk=True),
        Row("search sentsince", _command("SEARCH SENTSINCE 1-Jan-2023")),
        Row("search larger", _command("SEARCH LARGER 20000")),
        Row("search since", _command("SEARCH SINCE 1-Jan-2023")),
        Row(
            "search keyword",
            _command("SEARCH KEYWORD label"),
            prepare=_commands("STORE 1:{block} +FLAGS.SILENT (label)"),
            undo=_commands("STORE 1:{block} -FLAGS.SILENT (label)"),
        ),
        Row("esearch count", _command("SEARCH RETURN (COUNT) SEEN")),
        Row("search text", _command('SEARCH TEXT "bakodu zozofu"'), bulk=True),
        Row("search body", _command('SEARCH BODY "bakodu"'), bulk=True),
        Row("sort date", _command("SORT (REVERSE DATE) UTF-8 ALL"), needs="SORT", bulk=True),
        Row("sort subject", _command("SORT (SUBJECT) UTF-8 ALL"), needs="SORT", bulk=True),
        Row("thread references", _command("THREAD REFERENCES UTF-8 ALL"), needs="THREAD=REFERENCES", bulk=True),
        Row("store +seen", _command(SEEN), prepare=_commands(UNSEEN), bulk=True),
        Row("store -seen", _command(UNSEEN), prepare=_commands(SEEN), bulk=True),
        Row(
            "copy block",
            _block_command("COPY 1:{block} bulk"),
            prepare=_commands("CREATE bulk"),
            undo=_commands("DELETE bulk"),
            bulk=True,
        ),
        Row(
            "expunge block",
            _command("EXPUNGE"),
            prepare=_commands("CREATE bulk", "COPY 1:{block} bulk", "SELECT bulk", f"STORE 1:* {DELETED}"),
            undo=_commands("SELECT INBOX", "DELETE bulk"),
            bulk=True,
        ),
        Row(
            "single store",
            _each("STORE {n} +FLAGS (\\Flagged)", some),
            prepare=_each("STORE {n} -FLAGS (\\Flagged)", some),
        ),
        Row("qresync", resync, prepare=change, undo=_unspread),
        Row("list status", _list_status, prepare=_many_mailboxes),
        Row("noop", _each("NOOP", single_count), tls=True),
        Row("fetch one flags", _each("FETCH {n} (FLAGS)", single_count), tls=True),
        Row("fetch one envelope", _each("FETCH {n} (ENVELOPE)", single_count)),
        Row("fetch one body", _each("FETCH {n} (BODY.PEEK[])", single_count), tls=True),
    )


def _bad_input(bad: BadInput) -> Run:
    def run(client: Client, target: Target) -> Answer:
        start = time.perf_counter()
        other = target.connect() if bad.after_login else Client(target.port, tls=target.tls)
        send_all(other.socket, bad.data)
        other.close()
        return Answer(time.perf_counter() - start, 0, b"")

    return run


def bad_rows() -> tuple[Row, ...]:
    """What no client should send, on a connection of its own: only what it does to another client is measured."""
    return tuple(Row(f"bad input: {kind}", _bad_input(bad), bulk=True) for kind, bad in BAD_INPUT.items())


def _first_thread(client: Client, target: Target) -> Answer:
    return client.command("THREAD REFERENCES UTF-8 ALL")


def first_rows() -> tuple[Row, ...]:
    """The rows of a fresh copy, in this order: each finds what the ones before it left."""
    return (
        Row("select, first sight", _command("SELECT INBOX"), once=True),
        Row("list + structure, first", _command(f"FETCH 1:* ({LIST_ITEMS} BODYSTRUCTURE)"), once=True),
        Row("header fields, first", _command(f"FETCH 1:* ({HEADER_ITEMS})"), once=True),
        Row("thread references, first", _first_thread, needs="THREAD=REFERENCES", once=True),
        Row("search text, first", _command('SEARCH TEXT "bakodu zozofu"'), once=True),
    )
