"""RENAME (RFC 3501 §6.3.5): those below the mailbox go along; INBOX stays and gives its messages."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from doocot.imap import extensions, names, oldname
from doocot.imap.command import Ok, Result, State, Steps, command
from doocot.imap.registration import own_name
from doocot.mailbox import manage
from doocot.mailbox.places import find
from doocot.wire.cursor import Cursor

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession


@dataclass(frozen=True, slots=True)
class Rename:
    """`rename = "RENAME" SP mailbox SP mailbox`"""

    old: str
    new: str

    @classmethod
    def parse(cls, c: Cursor) -> "Rename":
        return cls(names.mailbox(c.sp()), names.mailbox(c.sp()))


@command("RENAME", state=State.LOGGED_IN, parse=Rename.parse)
def rename(session: "ImapSession", args: Rename, by_uid: bool) -> Result:
    return _rename(session, args)


def _rename(session: "ImapSession", args: Rename) -> Steps:
    mail = session.mail
    assert mail is not None
    name = names.new(session, args.new)
    yield from manage.rename(mail, args.old, name)
    session.context.unsettled(mail.opened.root)
    own_name(session, name, below=True)
    own_name(session, args.old, below=True)
    return Ok(b"Rename completed.", data=_renamed(session, args, name))


def _renamed(session: "ImapSession", args: Rename, name: str) -> bytes:
    """The new name with the old one (RFC 9051 §6.3.6, §6.3.9.7); INBOX, which stays, is no old name."""
    if args.old == "INBOX":
        return oldname.changed(session, args.new)
    assert session.mail is not None
    return oldname.told(session, find(session.mail, name), args.old) if extensions.rev2(session) else b""
