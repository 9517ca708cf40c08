"""Mailbox names in commands (RFC 3501 §5.1): what is no name is refused with NO, the command itself being right."""

from doocot.imap.command import No
from doocot.wire import mutf7
from doocot.wire.cursor import Cursor


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


def reference(c: Cursor) -> str:
    """The reference of LIST: where it is no name, nothing will match it, and that is no error."""
    name = c.astring()
    try:
        return name.decode("utf-8") if c.utf8 else mutf7.decode(name)
    except ValueError:
        return name.decode("utf-8", "replace")
