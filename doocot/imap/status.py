"""STATUS (RFC 3501 §6.3.10) with HIGHESTMODSEQ (RFC 7162 §3.1.5), SIZE (RFC 8438), APPENDLIMIT (RFC 7889), MAILBOXID
(RFC 8474 §4.3) and DELETED (RFC 9051 §6.3.11)."""

from collections.abc import Collection, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from doocot.imap import extensions, names
from doocot.imap.command import Bad, Ok, Result, State, Steps, command
from doocot.mailbox import status as mailbox_status
from doocot.mailbox.namespaces import Place
from doocot.mailbox.places import find
from doocot.mailbox.status import Counts
from doocot.message.objectid import mailbox_id
from doocot.store.index.mailboxes import MailboxRow
from doocot.wire import mutf7
from doocot.wire.cursor import Cursor
from doocot.wire.flow import Step
from doocot.wire.respond import astring

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

ITEMS = (
    *(b"MESSAGES", b"RECENT", b"UIDNEXT", b"UIDVALIDITY", b"UNSEEN", b"DELETED", b"HIGHESTMODSEQ", b"SIZE"),
    b"APPENDLIMIT",
    b"MAILBOXID",
)


@dataclass(frozen=True, slots=True)
class Status:
    """`status = "STATUS" SP mailbox SP "(" status-att *(SP status-att) ")"`; `echo` is the name as it came."""

    mailbox: str
    echo: bytes
    items: tuple[bytes, ...]

    @classmethod
    def parse(cls, c: Cursor) -> "Status":
        echo = c.sp().astring()
        return cls(names.decoded(echo, c.utf8), echo, parse_items(c.sp()))


def parse_items(c: Cursor) -> tuple[bytes, ...]:
    """The items in the order of their answer, each once."""
    wanted = c.paren_list(c.keyword, empty=True)
    if not wanted:
        raise Bad(b"Empty status list.")
    unknown = next((item for item in wanted if item not in ITEMS), None)
    if unknown is not None:
        raise Bad(b"Invalid status item %b." % unknown)
    return tuple(item for item in ITEMS if item in wanted)


@command("STATUS", state=State.LOGGED_IN, parse=Status.parse)
def status(session: "ImapSession", args: Status, by_uid: bool) -> Result:
    assert session.mail is not None
    place = find(session.mail, args.mailbox)
    enabled(session, args.items)
    line = known(session, place, args.echo, args.items)
    if line is None:
        return _counted(session, place, args)
    return _answer(session, place, line)


def _counted(session: "ImapSession", place: Place, args: Status) -> Steps:
    line = yield from counted(session, place, args.echo, args.items)
    return _answer(session, place, line)


def _answer(session: "ImapSession", place: Place, line: bytes) -> Ok:
    if session.view is not None and session.view.live.row.name == place.name:
        return Ok(b"Status on selected mailbox completed.", b"CLIENTBUG", line)
    return Ok(b"Status completed.", data=line)


def enabled(session: "ImapSession", items: tuple[bytes, ...]) -> None:
    """Who asks for HIGHESTMODSEQ has CONDSTORE (RFC 7162 §3.1). RECENT is no item of IMAP4rev2 (RFC 9051 §6.3.11)."""
    if b"RECENT" in items and extensions.rev2(session):
        raise Bad(b"Invalid status item RECENT.")
    if b"HIGHESTMODSEQ" in items:
        session.enabled.add(b"CONDSTORE")


def known(session: "ImapSession", place: Place, echo: bytes, items: tuple[bytes, ...]) -> bytes | None:
    """The response, when nothing need be waited for."""
    assert session.mail is not None
    row = mailbox_status.known(session.mail, place, _counts(items))
    return _line(session, row, echo, items) if row is not None else None


def counted(session: "ImapSession", place: Place, echo: bytes, items: tuple[bytes, ...]) -> Generator[Step, Any, bytes]:
    """Steps to the response."""
    assert session.mail is not None
    row = yield from mailbox_status.counted(session.mail, place, _counts(items), compute=session.context.compute)
    return _line(session, row, echo, items)


def _counts(items: tuple[bytes, ...]) -> Counts:
    return Counts(unseen=b"UNSEEN" in items, deleted=b"DELETED" in items, size=b"SIZE" in items)


def _line(session: "ImapSession", row: MailboxRow, echo: bytes, items: tuple[bytes, ...]) -> bytes:
    assert session.mail is not None
    limit = session.context.append_limit
    values: dict[bytes, int | bytes] = {
        b"MESSAGES": row.messages,
        b"UIDNEXT": row.uid_next,
        b"UIDVALIDITY": row.uid_validity,
        b"UNSEEN": row.unseen,
        b"DELETED": row.deleted,
        b"HIGHESTMODSEQ": max(row.modseq, 1),
        b"SIZE": max(row.size, 0),
        b"APPENDLIMIT": b"NIL" if limit is None else limit,
        b"MAILBOXID": b"(%b)" % mailbox_id(row.guid),
    }
    if b"RECENT" in items:
        values[b"RECENT"] = mailbox_status.recent(session.mail, row)
    told = b" ".join([_told(item, values[item]) for item in items])
    return b"* STATUS %b (%b)\r\n" % (astring(echo, session.utf8), told)


def _told(item: bytes, value: int | bytes) -> bytes:
    return b"%b %b" % (item, value) if isinstance(value, bytes) else b"%b %d" % (item, value)


def of_row(
    session: "ImapSession", row: MailboxRow, place: Place, name: str, items: Collection[bytes]
) -> Generator[Step, Any, bytes]:
    """Steps to the response for a row that was just read: its folder is not looked at."""
    ordered = tuple(item for item in ITEMS if item in items)
    echo = name.encode() if session.utf8 else mutf7.encode(name)
    if b"UNSEEN" in ordered and row.unseen < 0:
        return (yield from counted(session, place, echo, ordered))
    return _line(session, row, echo, ordered)
