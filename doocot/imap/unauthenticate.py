"""UNAUTHENTICATE (RFC 8437): the session is as before its login, over the same connection with its TLS."""

from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Final

from doocot.imap.capability import capabilities
from doocot.imap.command import Ok, Result, State, command
from doocot.wire.flow import MORE

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

# What belongs to the connection. All else begins anew, so that what an extension adds to a session is not forgotten.
KEPT: Final = frozenset(("context", "commands", "frames", "peer", "compressed", "pending", "spools", "failed_logins"))


@command("UNAUTHENTICATE", state=State.LOGGED_IN, sync=False)
def unauthenticate(session: "ImapSession", _: None, by_uid: bool) -> Result:
    """The selected mailbox is left without an EXPUNGE (RFC 8437 §3)."""
    assert session.mail is not None
    session.mail.close(session.view)
    session.reason = "Unauthenticated"
    session.context.disconnected(session)
    for one in fields(session):
        if one.name not in KEPT and not one.name.startswith("_"):
            setattr(session, one.name, one.default if one.default_factory is MISSING else one.default_factory())
    session.frames.max_line = session.context.max_line_before_login
    session.session_id = session.context.new_session_id()
    session.pending = MORE  # who counts logins looks at the user before the next command
    return Ok(b"Unauthenticate completed.", code=b"CAPABILITY " + capabilities(session))
