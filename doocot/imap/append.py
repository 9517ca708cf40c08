"""APPEND (RFC 3501 §6.3.11) with MULTIAPPEND (RFC 3502), CATENATE (RFC 4469), UIDPLUS (RFC 4315 §3), literal8 (RFC 3516
§4.4) and UTF8 (RFC 6855 §4)."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from doocot.imap import limits, names
from doocot.imap.catenate import Part, Url, catenated, parse_catenate, parse_text, parse_utf8
from doocot.imap.command import No, Ok, Result, State, Steps, command
from doocot.imap.flags import parse_flags
from doocot.imap.registration import own_change
from doocot.mailbox import append as mailbox_append
from doocot.mailbox.append import NewMail
from doocot.mailbox.excerpt import Reader
from doocot.wire.cursor import Cursor
from doocot.wire.flow import Step
from doocot.wire.numset import format_numbers

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

MAX_CATENATED: Final = 100  # messages of one command, each of which holds a file open


@dataclass(frozen=True, slots=True)
class AppendMessage:
    """`append-message = [SP flag-list] [SP date-time] SP append-data`

    `append-data = literal / literal8 / "UTF8" SP "(" literal8 ")" / "CATENATE" SP "(" cat-part *(SP cat-part) ")"`
    """

    parts: tuple[Part, ...]
    catenate: bool
    binary: bool
    flags: int = 0
    keywords: frozenset[str] = frozenset()
    internaldate: int | None = None


@dataclass(frozen=True, slots=True)
class Append:
    """`append = "APPEND" SP mailbox 1*append-message` (RFC 3502 §6.3.11)"""

    mailbox: str
    messages: tuple[AppendMessage, ...]

    @classmethod
    def parse(cls, c: Cursor) -> "Append":
        mailbox = names.mailbox(c.sp())
        messages = [parse_message(c)]
        while c.at(b" "):
            messages.append(parse_message(c))
        return cls(mailbox, tuple(messages))


def parse_message(c: Cursor) -> AppendMessage:
    """`append-message`. Raises No for one of zero octets, by which some clients cancel an APPEND.

    Headers with 8-bit bytes are also saved when no UTF8 is said. RFC 6855 §4 wants NO for clients that have not enabled
    it; but such bytes are in old mail of every kind, and who copies it from elsewhere would lose it.
    """
    c.sp()
    bits, keywords, date = 0, frozenset[str](), None
    if c.at(b"("):
        bits, keywords = parse_flags([flag for flag in c.flag_list() if flag.upper() != b"\\RECENT"])
        c.sp()
    if c.at(b'"'):
        date, _ = c.date_time()
        c.sp()
    if c.at(b"C") or c.at(b"c"):
        parts, binary = parse_catenate(c)
        return AppendMessage(parts, True, binary, bits, keywords, date)
    data, binary = parse_utf8(c) if c.at(b"U") or c.at(b"u") else parse_text(c)
    if data == b"":
        raise No(b"A message of zero octets cannot be saved.")
    return AppendMessage((data,), False, binary, bits, keywords, date)


def new_mails(session: "ImapSession", messages: Sequence[AppendMessage]) -> Generator[Step, Any, list[NewMail]]:
    """Steps to the messages as they are saved; those that are put together have one limit of size in all."""
    if sum(message.catenate for message in messages) > MAX_CATENATED:
        raise No(b"More than %d messages of one command are put together." % MAX_CATENATED, b"LIMIT")
    found: list[NewMail] = []
    left, reader = session.context.max_literal, Reader()
    for message in messages:
        data = message.parts[0]
        if message.catenate:
            data = yield from catenated(session, message.parts, left, reader)
            left -= data.size
            if not data.size:
                raise No(b"A message of zero octets cannot be saved.")
        assert not isinstance(data, Url)
        found.append(NewMail(data, message.flags, message.keywords, message.internaldate, message.binary))
    return found


@command("APPEND", state=State.LOGGED_IN, parse=Append.parse)
def append(session: "ImapSession", args: Append, by_uid: bool) -> Result:
    limits.check_appended(session, len(args.messages))
    return _append(session, args)


def _append(session: "ImapSession", args: Append) -> Steps:
    assert session.mail is not None
    new = yield from new_mails(session, args.messages)
    validity, uids = yield from mailbox_append.append(session.mail, args.mailbox, new)
    session.context.unsettled(session.mail.opened.root)
    own_change(session, args.mailbox, uids)
    return Ok(b"Append completed.", code=b"APPENDUID %d %b" % (validity, format_numbers(uids)))
