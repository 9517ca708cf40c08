"""NAMESPACE (RFC 2342): prefixes and separators of the user's, other users' and shared mailboxes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from doocot.imap.command import Ok, Result, State, command
from doocot.imap.languages import translation
from doocot.mailbox.namespaces import Space, Type
from doocot.wire import mutf7
from doocot.wire.respond import string

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession


@command("NAMESPACE", state=State.LOGGED_IN)
def namespace(session: "ImapSession", _: None, by_uid: bool) -> Result:
    return Ok(b"Namespace completed.", data=namespaces(session))


def namespaces(session: "ImapSession") -> bytes:
    """The untagged response."""
    groups = [_group(session, type_) for type_ in (Type.PRIVATE, Type.SHARED, Type.PUBLIC)]
    return b"* NAMESPACE %b\r\n" % b" ".join(groups)


def translated(session: "ImapSession", language: bytes) -> list[str | None]:
    """What the namespaces are called in a language (RFC 5255 §3.4)."""
    return [translation(language, _prefix(space), space.separator) for space in _shown(session)]


def _shown(session: "ImapSession") -> Sequence[Space]:
    assert session.mail is not None
    return [space for space in session.mail.spaces if not space.hidden]


def _prefix(space: Space) -> str:
    return space.prefix.partition("%")[0]  # of other users: what stands before the user's name


def _group(session: "ImapSession", type_: Type) -> bytes:
    """`Namespace = nil / "(" 1*("(" string SP (DQUOTE QUOTED-CHAR DQUOTE / nil) *(extension) ")") ")"`"""
    members = [_member(space, session.language, session.utf8) for space in _shown(session) if space.type is type_]
    return b"(%b)" % b"".join(members) if members else b"NIL"


def _member(space: Space, language: bytes, utf8: bool) -> bytes:
    def written(name: str) -> bytes:
        return string(name.encode() if utf8 else mutf7.encode(name), utf8)

    prefix = _prefix(space)
    name = translation(language, prefix, space.separator)
    extension = b"" if name is None else b' "TRANSLATION" (%b)' % written(name)
    return b"(%b %b%b)" % (written(prefix), string(space.separator.encode()), extension)
