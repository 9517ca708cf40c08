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
    groups = [_group(spaces, type_, session.utf8) for type_ in (Type.PRIVATE, Type.SHARED, Type.PUBLIC)]
    return Ok(b"Namespace completed.", data=b"* NAMESPACE %b\r\n" % b" ".join(groups))


def _group(spaces: Sequence[Space], type_: Type, utf8: bool) -> bytes:
    """`Namespace = nil / "(" 1*("(" string SP (DQUOTE QUOTED-CHAR DQUOTE / nil) ")") ")"`"""
    members = [_member(space, utf8) for space in spaces if space.type is type_]
    return b"(%b)" % b"".join(members) if members else b"NIL"


def _member(space: Space, utf8: bool) -> bytes:
    prefix = space.prefix.partition("%")[0]  # of other users: what stands before the user's name
    name = prefix.encode() if utf8 else mutf7.encode(prefix)
    return b"(%b %b)" % (string(name, utf8), string(space.separator.encode()))
