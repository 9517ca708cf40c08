"""APPEND (RFC 3501 §6.3.11) with MULTIAPPEND (RFC 3502), UIDPLUS (RFC 4315 §3), literal8 (RFC 3516 §4.4) and UTF8
(RFC 6855 §4)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from doocot.errors import Kind, MailError
from doocot.imap import names
from doocot.imap.command import No, Ok, Result, State, Steps, command
from doocot.imap.flags import parse_flags
from doocot.mailbox import append as mailbox_append
from doocot.mailbox.append import NewMail
from doocot.store.spool import FileSpool
from doocot.wire.cursor import BadSyntax, Cursor
from doocot.wire.numset import format_numbers

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession


@dataclass(frozen=True, slots=True)
class Append:
    """`append = "APPEND" SP mailbox 1*append-message` (RFC 3502 §6.3.11)"""

    mailbox: str
    messages: tuple[NewMail, ...]

    @classmethod
    def parse(cls, c: Cursor) -> "Append":
        mailbox = names.mailbox(c.sp())
        messages = [_message(c)]
        while c.at(b" "):
            messages.append(_message(c))
        return cls(mailbox, tuple(messages))


def _message(c: Cursor) -> NewMail:
    """`append-message = [SP flag-list] [SP date-time] SP (literal / "UTF8" SP "(" literal8 ")")`

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
    in_utf8 = c.text[c.position : c.position + 5].upper() == b"UTF8 "
    if in_utf8:
        if not c.utf8:
            raise No(b"UTF8 needs ENABLE UTF8=ACCEPT before.")
        c.position += 4
        c.sp().open_paren()
    if not c.at_literal():
        raise BadSyntax("a literal was expected", c.position)
    data = c.literal()
    assert isinstance(data, bytes | FileSpool)  # what `literals.judge` gives
    if in_utf8:
        c.close_paren()
    if data == b"":  # some clients cancel an APPEND like that
        raise No(b"A message of zero octets cannot be saved.")
    return NewMail(data, bits, keywords, date)


@command("APPEND", state=State.LOGGED_IN, parse=Append.parse)
def append(session: "ImapSession", args: Append, by_uid: bool) -> Result:
    return _append(session, args)


def _append(session: "ImapSession", args: Append) -> Steps:
    assert session.mail is not None
    try:
        saved = yield from mailbox_append.append(session.mail, args.mailbox, args.messages)
    except MailError as error:
        if error.kind is Kind.NON_EXISTENT:
            raise MailError(Kind.TRY_CREATE, error.text, error.detail) from error
        raise
    session.context.unsettled(session.mail.opened.root)
    validity, uids = saved
    return Ok(b"Append completed.", code=b"APPENDUID %d %b" % (validity, format_numbers(uids)))
