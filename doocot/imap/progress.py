"""INPROGRESS (RFC 9585): a client that waits for a long command is told that it goes on, and how far it has come."""

from typing import TYPE_CHECKING, Final

from doocot.mailbox.view import View

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

INTERVAL: Final = 10.0  # seconds from the command to the first, and from one to the next


def begin(session: "ImapSession", view: View, done: int = 0, goal: int = 0) -> None:
    """From here on a line may come wherever the command waits for something, as it is not within a response."""
    session.progress = view.progress
    session.progress.done, session.progress.goal = done, goal


def end(session: "ImapSession") -> None:
    """The command speaks again itself."""
    session.progress = None


def due(session: "ImapSession") -> bytes:
    """`* OK [INPROGRESS ("tag" progress goal)]`, when it is time for it; without a goal while none is known."""
    progress = session.progress
    if progress is None:
        return b""
    now = session.context.now()
    if now - session.spoken < INTERVAL:
        return b""
    session.spoken = now
    state = b"%d %d" % (progress.done, progress.goal) if progress.goal else b"NIL NIL"
    return b'* OK [INPROGRESS ("%b" %b)] Still at it.\r\n' % (session.tag, state)
