"""NOOP, CHECK, LOGOUT and STARTTLS: commands that move nothing but the connection's state."""

from typing import TYPE_CHECKING

from doocot.imap.command import Bad, Ok, Result, State, command
from doocot.wire.flow import CLOSE, START_TLS

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession


@command("NOOP", state=State.ANY)
def noop(session: "ImapSession", _: None, by_uid: bool) -> Result:
    """RFC 3501 §6.1.2: the answer tells what changed."""
    return Ok(b"NOOP completed.")


@command("CHECK", state=State.SELECTED)
def check(session: "ImapSession", _: None, by_uid: bool) -> Result:
    """RFC 3501 §6.4.1: everything acknowledged is on disk already."""
    return Ok(b"Check completed.")


@command("LOGOUT", state=State.ANY, sync=False)
def logout(session: "ImapSession", _: None, by_uid: bool) -> Result:
    """RFC 3501 §6.1.3."""
    session.reason = "Logged out"
    session.pending = CLOSE
    return Ok(b"Logout completed.", data=b"* BYE Logging out\r\n")


@command("STARTTLS", state=State.NOT_AUTHENTICATED)
def starttls(session: "ImapSession", _: None, by_uid: bool) -> Result:
    """RFC 3501 §6.2.1: what was sent in the clear behind the command is thrown away."""
    if session.peer.tls or not session.context.starttls:
        raise Bad(b"TLS is already active." if session.peer.tls else b"TLS support isn't enabled.")
    if session.compressed:  # after UNAUTHENTICATE (RFC 8437): TLS would have to come outside of it
        raise Bad(b"TLS cannot begin under compression.")
    session.pending = START_TLS
    return Ok(b"Begin TLS negotiation now.")
