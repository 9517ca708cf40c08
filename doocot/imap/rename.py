"""RENAME (RFC 3501 §6.3.5): those below the mailbox go along; INBOX stays and gives its messages."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from doocot.imap import names
from doocot.imap.command import Ok, Result, State, Steps, command
from doocot.mailbox import manage
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
    yield from manage.rename(mail, args.old, args.new)
    session.context.unsettled(mail.opened.root)
    return Ok(b"Rename completed.")
