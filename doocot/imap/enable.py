"""ENABLE (RFC 5161 §3.1, RFC 9051 §6.3.1): the client says which extensions may change what it is told."""

from typing import TYPE_CHECKING

from doocot.imap import extensions, updates
from doocot.imap.command import Ok, Result, State, command
from doocot.imap.untagged import highest_modseq
from doocot.mailbox.view import NEVER_RECENT
from doocot.wire.cursor import Cursor

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession


def parse(c: Cursor) -> list[bytes]:
    """`enable = "ENABLE" 1*(SP capability)`"""
    names = [c.sp().keyword()]
    while c.try_sp() and not c.at_end():
        names.append(c.keyword())
    return names


@command("ENABLE", state=State.LOGGED_IN, parse=parse)
def enable(session: "ImapSession", names: list[bytes], by_uid: bool) -> Result:
    """What is not known or was enabled before is passed over. A selected mailbox is no hindrance (RFC 5161 §3.1)."""
    new = extensions.enable(session, names)
    data = b"* ENABLED%b\r\n" % b"".join(b" " + capability for capability in new)
    view = session.view
    if view is not None:
        if extensions.rev2(session):
            view.recent_from = NEVER_RECENT
        if extensions.CONDSTORE in new or extensions.QRESYNC in new:
            data += b"* OK [HIGHESTMODSEQ %d] Highest\r\n" % highest_modseq(view)
        if extensions.UIDONLY in new:
            data += updates.only_by_uid(session)
    return Ok(b"Enabled.", data=data)
