"""DELETE (RFC 3501 §6.3.4): the mailbox goes, those below it and its subscription stay."""

from typing import TYPE_CHECKING

from doocot.imap import names, oldname
from doocot.imap.command import Ok, Result, State, Steps, command
from doocot.imap.registration import own_name
from doocot.mailbox import manage
from doocot.wire.cursor import Cursor
from doocot.wire.flow import Job

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession


def parse(c: Cursor) -> str:
    """`delete = "DELETE" SP mailbox`"""
    return names.mailbox(c.sp())


@command("DELETE", state=State.LOGGED_IN, parse=parse, sync=False)
def delete(session: "ImapSession", mailbox: str, by_uid: bool) -> Result:
    """A session that has it selected, this one too, is told so with its next command."""
    return _delete(session, mailbox)


def _delete(session: "ImapSession", mailbox: str) -> Steps:
    mail = session.mail
    assert mail is not None
    told = oldname.changed(session, mailbox, (b"\\NonExistent",))
    yield Job(lambda: manage.delete(mail, mailbox))
    session.context.unsettled(mail.opened.root)
    own_name(session, mailbox)
    return Ok(b"Delete completed.", data=told)
