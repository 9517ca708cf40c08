"""Mailbox names in commands (RFC 3501 §5.1): what is no name is refused with NO, the command itself being right."""

import re
from typing import TYPE_CHECKING, Final
from unicodedata import normalize

from doocot.imap.command import No
from doocot.wire import mutf7
from doocot.wire.cursor import Cursor

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

# RFC 6855 §3 forbids them beside what RFC 5198 §2 does; those below space are refused for all clients.
_NO_NET_UNICODE: Final = re.compile("[\x7f-\x9f\u2028\u2029]")


def mailbox(c: Cursor) -> str:
    """`mailbox = "INBOX" / astring`, decoded."""
    return decoded(c.astring(), c.utf8)


def decoded(name: bytes, utf8: bool) -> str:
    """The name that the bytes stand for; INBOX in any case is INBOX."""
    if len(name) == 5 and name.upper() == b"INBOX":
        return "INBOX"
    try:
        return name.decode("utf-8") if utf8 else mutf7.decode(name)
    except ValueError as error:
        text = b"Mailbox name is not valid UTF-8" if utf8 else b"Mailbox name is not valid mUTF-7"
        raise No(text, b"CANNOT") from error


def new(session: "ImapSession", name: str) -> str:
    """The name that a new mailbox gets. In UTF-8 it is Net-Unicode: in form C, without control characters.

    (RFC 9051 §5.1, RFC 6855 §3, RFC 5198 §2.) In modified UTF-7 a client says one name and expects it back as it is.
    """
    if not session.utf8:
        return name
    if _NO_NET_UNICODE.search(name):
        raise No(b"Control characters not allowed in new mailbox names", b"CANNOT")
    return normalize("NFC", name)


def reference(c: Cursor) -> str:
    """The reference of LIST: where it is no name, nothing will match it, and that is no error."""
    name = c.astring()
    try:
        return name.decode("utf-8") if c.utf8 else mutf7.decode(name)
    except ValueError:
        return name.decode("utf-8", "replace")
