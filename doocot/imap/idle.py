"""IDLE (RFC 2177): what changes is told as it happens, until the client says DONE."""

from typing import TYPE_CHECKING

from doocot.imap import telling
from doocot.imap.command import Bad, Ok, Result, State, Steps, command

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession


@command("IDLE", state=State.LOGGED_IN)
def idle(session: "ImapSession", _: None, by_uid: bool) -> Result:
    return _idle(session)


def _idle(session: "ImapSession") -> Steps:
    """Wakes for changes, and now and then for "Still here", so that a dead connection is found out."""
    yield b"+ idling\r\n"
    context = session.context
    spoken = context.now()
    while True:
        if (yield from telling.news(session, expunge=True)):
            spoken = context.now()
        elif context.idle_notify and context.now() - spoken >= context.idle_notify:
            spoken = context.now()
            yield b"* OK Still here\r\n"
        line = yield telling.waiting(session)
        if line is None:
            continue
        if line.upper() == b"DONE":
            return Ok(b"Idle completed.")
        raise Bad(b"Expected DONE.")
