"""NAMESPACE (RFC 2342): prefixes and separators of the user's, other users' and shared mailboxes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from doocot.imap.command import Ok, Result, State, command
from doocot.mailbox.namespaces import Space, Type
from doocot.wire import mutf7
from doocot.wire.respond import string

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession


@command("NAMESPACE", state=State.LOGGED_IN)
def namespace(session: "ImapSession", _: None, by_uid: bool) -> Result:
    assert session.mail is not None
    spaces = [space for space in session.mail.spaces if not space.hidden]
    groups = [_group(spaces, type_) for type_ in (Type.PRIVATE, Type.SHARED, Type.PUBLIC)]
    return Ok(b"Namespace completed.", data=b"* NAMESPACE %b\r\n" % b" ".join(groups))


def _group(spaces: Sequence[Space], type_: Type) -> bytes:
    """`Namespace = nil / "(" 1*("(" string SP (DQUOTE QUOTED-CHAR DQUOTE / nil) ")") ")"`"""
    members = [_member(space) for space in spaces if space.type is type_]
    return b"(%b)" % b"".join(members) if members else b"NIL"


def _member(space: Space) -> bytes:
    prefix = space.prefix.partition("%")[0]  # of other users: what stands before the user's name
    return b"(%b %b)" % (string(mutf7.encode(prefix)), string(space.separator.encode()))
