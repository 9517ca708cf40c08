"""The INTERNAL mechanism of URLAUTH (RFC 4467 §2.4.1): tokens that vouch for URLs, by keys of mailboxes. All blocking.

A token is the octet 1, for the algorithm, and the HMAC-SHA256 of the rump URL under the key of the mailbox.
"""

import hmac
import secrets

from doocot.errors import Kind, MailError
from doocot.mailbox.places import existing
from doocot.mailbox.user import Mail
from doocot.store.index import urlauth
from doocot.store.index.database import reading, write

ALGORITHM = b"\x01"


def make_token(mail: Mail, name: str, uid_validity: int, rump: bytes) -> bytes:
    """The token for a URL of that mailbox, which gets a key if it had none. Raises MailError(NON_EXISTENT)."""
    root, row = mail.opened.root, existing(mail, name)
    if uid_validity not in (0, row.uid_validity):
        raise MailError(Kind.NON_EXISTENT, "The mailbox has another UIDVALIDITY")
    with reading(root.db) as connection:
        key = urlauth.key_of(connection, row.id)
    if key is None:
        with write(root.db, durable=True) as writer:
            key = urlauth.made_key(writer, row.id)
    return _token(key, rump)


def is_token(mail: Mail | None, name: str, rump: bytes, token: bytes) -> bool:
    """Whether the token vouches for the URL.

    Where there is no such mailbox, or no mail at all, a key is made up, so that the time does not tell (RFC 4467 §6).
    """
    key = None
    if mail is not None:
        try:
            row = existing(mail, name)
        except MailError:
            pass
        else:
            with reading(mail.opened.root.db) as connection:
                key = urlauth.key_of(connection, row.id)
    same = hmac.compare_digest(_token(key or secrets.token_bytes(urlauth.OCTETS), rump), token)
    return same and key is not None


def reset_keys(mail: Mail, name: str | None) -> None:
    """Makes all URLs given out so far useless, those of one mailbox or of all. Raises MailError(NON_EXISTENT)."""
    root = mail.opened.root
    mailbox = None if name is None else existing(mail, name).id
    with write(root.db, durable=True) as writer:
        urlauth.drop_keys(writer, mailbox)


def _token(key: bytes, rump: bytes) -> bytes:
    return ALGORITHM + hmac.digest(key, rump, "sha256")
