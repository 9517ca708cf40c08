"""CAPABILITY (RFC 3501 §6.1.1, RFC 9051 §6.1.1): what is offered follows the state of the connection."""

from typing import TYPE_CHECKING, Final

from doocot.auth import sasl
from doocot.imap import limits
from doocot.imap.command import Ok, Result, State, command
from doocot.imap.extensions import EXTENSIONS

if TYPE_CHECKING:
    from doocot.imap.context import ImapContext
    from doocot.imap.session import ImapSession

ALWAYS: Final = b" ".join(
    (
        b"IMAP4rev1",
        *(extension.capability for extension in EXTENSIONS.values() if extension.always),
        b"SASL-IR LOGIN-REFERRALS LITERAL+ ID ENABLE IDLE LANGUAGE",
    )
)

# What is offered after login, each on its line so that what an extension adds is seen at a glance.
LOGGED_IN: Final = (
    b"UIDPLUS",
    b"UNSELECT",
    b"CHILDREN",
    b"NAMESPACE",
    b"NOTIFY",
    b"MOVE",
    b"SPECIAL-USE",
    b"LIST-EXTENDED",
    b"LIST-STATUS",
    b"ESEARCH",
    b"SEARCHRES",
    *(one.capability for one in EXTENSIONS.values() if not (one.always or one.configured)),
    b"BINARY",
    b"MULTIAPPEND",
    b"CATENATE",
    b"URL-PARTIAL",
    b"REPLACE",
    b"SORT",
    b"SORT=DISPLAY",
    b"ESORT",
    b"PARTIAL",
    b"CONTEXT=SEARCH",
    b"CONTEXT=SORT",
    b"INPROGRESS",
    b"MULTISEARCH",
    b"UIDBATCHES",
    b"THREAD=REFERENCES",
    b"THREAD=REFS",
    b"THREAD=ORDEREDSUBJECT",
    b"COMPRESS=DEFLATE",
    b"STATUS=SIZE",
    b"CREATE-SPECIAL-USE",
    b"OBJECTID",
    b"SAVEDATE",
    b"PREVIEW",
    b"CONVERT",
    b"UNAUTHENTICATE",
    b"WITHIN",
    b"SEARCH=FUZZY",
    b"SEARCH=MIMEPART",
    b"I18NLEVEL=1",
    b"I18NLEVEL=2",
)


def capabilities(session: "ImapSession") -> bytes:
    """The capability list as it goes on the wire; `imap_capability` replaces what does not depend on the connection."""
    own = session.context.capability
    replaced = own != b"" and not own.startswith(b"+")
    if session.user:
        return own if replaced else b" ".join((*_always(session.context), *LOGGED_IN, *_configured(session.context)))
    offered = [own] if replaced else _always(session.context)
    if session.context.starttls and not session.peer.tls and not session.compressed:
        offered.append(b"STARTTLS")
    auth = session.context.auth
    offered += [b"AUTH=" + name.encode() for name in sasl.offered(auth, session.peer)]
    if sasl.login_disabled(auth, session.peer):
        offered.append(b"LOGINDISABLED")
    return b" ".join(offered)


def _always(context: "ImapContext") -> list[bytes]:
    """What is offered before and after login, with what `imap_capability = +...` adds."""
    offered = ALWAYS.replace(b"LITERAL+", b"LITERAL-") if context.literal_minus else ALWAYS
    return [offered, *context.capability[1:].split()]


def _configured(context: "ImapContext") -> list[bytes]:
    """What depends on settings."""
    limit = context.append_limit
    names = [b"APPENDLIMIT" if limit is None else b"APPENDLIMIT=%d" % limit]
    if context.metadata is not None:
        names += [b"METADATA", b"LIST-METADATA", b"FILTERS"]
    if context.urlauth_host:
        names += [b"URLAUTH", b"URLAUTH=BINARY"]
    if context.gmail:
        names.append(b"X-GM-EXT-1")
    return [*names, *limits.offered(context)]


@command("CAPABILITY", state=State.ANY)
def capability(session: "ImapSession", _: None, by_uid: bool) -> Result:
    return Ok(b"Capability completed.", data=b"* CAPABILITY %b\r\n" % capabilities(session))
