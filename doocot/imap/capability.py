"""CAPABILITY (RFC 3501 §6.1.1): what is offered follows the state of the connection."""

from typing import TYPE_CHECKING

from doocot.auth import sasl
from doocot.imap.command import Ok, Result, State, command

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

ALWAYS = b"IMAP4rev1 SASL-IR LITERAL+ ID ENABLE IDLE"
LOGGED_IN = (
    b"UIDPLUS UNSELECT CHILDREN NAMESPACE MOVE SPECIAL-USE LIST-EXTENDED LIST-STATUS ESEARCH SEARCHRES CONDSTORE"
    b" QRESYNC BINARY MULTIAPPEND SORT SORT=DISPLAY ESORT THREAD=REFERENCES THREAD=REFS THREAD=ORDEREDSUBJECT"
)


def capabilities(session: "ImapSession") -> bytes:
    """The capability list as it goes on the wire."""
    if session.user:
        return ALWAYS + b" " + LOGGED_IN
    offered = [ALWAYS]
    if session.context.starttls and not session.peer.tls:
        offered.append(b"STARTTLS")
    auth = session.context.auth
    offered += [b"AUTH=" + name.encode() for name in sasl.offered(auth, session.peer)]
    if sasl.login_disabled(auth, session.peer):
        offered.append(b"LOGINDISABLED")
    return b" ".join(offered)


@command("CAPABILITY", state=State.ANY)
def capability(session: "ImapSession", _: None, by_uid: bool) -> Result:
    return Ok(b"Capability completed.", data=b"* CAPABILITY %b\r\n" % capabilities(session))
