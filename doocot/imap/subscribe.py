"""SUBSCRIBE and UNSUBSCRIBE (RFC 3501 §6.3.6-6.3.7)."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from doocot.imap import names, oldname
from doocot.imap.command import Ok, Result, State, Steps, command
from doocot.imap.registration import own_name
from doocot.mailbox import manage
from doocot.mailbox.user import Mail
from doocot.wire.cursor import Cursor
from doocot.wire.flow import Job

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession


def parse(c: Cursor) -> str:
    """`subscribe = "SUBSCRIBE" SP mailbox`; `unsubscribe` is alike."""
    return names.mailbox(c.sp())


@command("SUBSCRIBE", state=State.LOGGED_IN, parse=parse)
def subscribe(session: "ImapSession", mailbox: str, by_uid: bool) -> Result:
    return _change(session, mailbox, manage.subscribe, b"Subscribe completed.", (b"\\Subscribed",))


@command("UNSUBSCRIBE", state=State.LOGGED_IN, parse=parse)
def unsubscribe(session: "ImapSession", mailbox: str, by_uid: bool) -> Result:
    return _change(session, mailbox, manage.unsubscribe, b"Unsubscribe completed.", ())


def _change(
    session: "ImapSession", mailbox: str, change: Callable[[Mail, str], None], text: bytes, words: tuple[bytes, ...]
) -> Steps:
    mail = session.mail
    assert mail is not None
    yield Job(lambda: change(mail, mailbox))
    own_name(session, mailbox)
    return Ok(text, data=oldname.changed(session, mailbox, words))
