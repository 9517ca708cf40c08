"""What the answer to a search hangs on in a session, beside its keys and the mailbox."""

from typing import TYPE_CHECKING

from doocot.mailbox.search import Given

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession


def given_to(session: "ImapSession") -> Given:
    """As it is now."""
    return Given(session.saved, int(session.context.clock()), session.collation, session.context.compute)
