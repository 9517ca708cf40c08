"""How LMTP says what a delivery refuses: from the kind of a MailError to reply code and status code; RFC 3463."""

from typing import Final

from doocot.errors import Kind, MailError
from doocot.wire.smtp import Address, Reply

# Only what will not be better tomorrow is permanent (as in Dovecot): everything else stays in the MTA's queue.
_PERMANENT: Final = {
    Kind.OVER_QUOTA: (552, "5.2.2"),
    Kind.TOO_BIG: (552, "5.2.3"),
}
_TEMPORARY: Final = {
    Kind.OVER_QUOTA: (452, "4.2.2"),
    Kind.UNAVAILABLE: (451, "4.3.0"),
    Kind.SERVER_BUG: (451, "4.3.0"),
    Kind.LIMIT: (451, "4.3.2"),
    Kind.IN_USE: (451, "4.2.0"),
}


def delivery_refused(recipient: Address, error: MailError, quota_full_tempfail: bool) -> Reply:
    """The reply for one recipient whose message could not be saved."""
    found = None
    if error.kind is not Kind.OVER_QUOTA or not quota_full_tempfail:
        found = _PERMANENT.get(error.kind)
    code, status = found or _TEMPORARY.get(error.kind, (451, "4.2.0"))
    return Reply(code, status, f"<{recipient}> {error.text}")


def spool_failed(error: MailError | OSError) -> Reply:
    """The reply when the message could not be taken in: mostly a full disk, which is temporary; RFC 5321 §4.2.3."""
    if isinstance(error, MailError) and error.kind is Kind.UNAVAILABLE:
        return Reply(451, "4.3.0", error.text)
    return Reply(452, "4.3.1", "Cannot store the message now, try again later")
