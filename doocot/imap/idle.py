"""IDLE (RFC 2177): what changes is told as it happens, until the client says DONE."""

from typing import TYPE_CHECKING

from doocot.imap import untagged, updates
from doocot.imap.command import Bad, NextLine, Ok, Result, State, Steps, command
from doocot.mailbox.view import sync

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession


@command("IDLE", state=State.LOGGED_IN)
def idle(session: "ImapSession", _: None, by_uid: bool) -> Result:
    return _idle(session)


def _idle(session: "ImapSession") -> Steps:
    """Wakes for changes, and now and then for "Still here", so that a dead connection is found out."""
    yield b"+ idling\r\n"
    view, context = session.view, session.context
    waiting = NextLine(() if view is None else (view.live.root.slot,), context.idle_notify)
    spoken = context.now()
    while True:
        told = b""
        if view is not None:
            delta = sync(view, expunge=True)
            if delta is not None:
                told = untagged.changes(session, delta, by_uid=False)
        if not told and context.idle_notify and context.now() - spoken >= context.idle_notify:
            told = b"* OK Still here\r\n"
        if told:
            spoken = context.now()
            yield told
        yield from updates.changed(session)
        line = yield waiting
        if line is None:
            continue
        if line.upper() == b"DONE":
            return Ok(b"Idle completed.")
        raise Bad(b"Expected DONE.")
