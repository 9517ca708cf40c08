"""Mailbox access keys (RFC 4467 §2.2): one secret for each mailbox of which somebody asked for an authorised URL.

A key hangs on the mailbox's id, so it stays when the mailbox gets another name. An index that was made anew has none:
the URLs given out before are refused, as after RESETKEY.
"""

import secrets

import apsw

from doocot.store.index.database import rows

OCTETS = 32


def key_of(connection: apsw.Connection, mailbox: int) -> bytes | None:
    """The mailbox's key, None when it has none."""
    found = rows(connection, "SELECT key FROM urlauth_key WHERE mailbox = ?", (mailbox,))
    return bytes(found[0][0]) if found else None


def made_key(writer: apsw.Connection, mailbox: int) -> bytes:
    """The mailbox's key, made if it had none; the caller's transaction is durable."""
    known = key_of(writer, mailbox)
    if known is None:
        known = secrets.token_bytes(OCTETS)
        writer.execute("INSERT INTO urlauth_key VALUES(?, ?)", (mailbox, known))
    return known


def drop_keys(writer: apsw.Connection, mailbox: int | None) -> None:
    """Takes the key of one mailbox away, or those of all."""
    if mailbox is None:
        writer.execute("DELETE FROM urlauth_key")
    else:
        writer.execute("DELETE FROM urlauth_key WHERE mailbox = ?", (mailbox,))
