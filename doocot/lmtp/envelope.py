"""MAIL and RCPT: who sends, and who gets it; RFC 5321 §4.1.1.2 and §4.1.1.3."""

from typing import Final

from doocot.auth.types import User, UserUnavailable
from doocot.delivery.recipient import Recipient, split_detail
from doocot.errors import MailError
from doocot.lmtp.conversation import LHLO_NEEDED, MAIL_NEEDED, Answer, Command, Conversation, Transaction
from doocot.wire.flow import Job, Steps
from doocot.wire.smtp import RcptTo, Refused, Reply, mail_from, rcpt_to

MAIL_OK: Final = Reply(250, "2.1.0", "OK").encode()
RCPT_OK: Final = Reply(250, "2.1.5", "OK").encode()


def mail(c: Conversation, arguments: bytes) -> Answer:
    """Opens a transaction, once the client has said LHLO (RFC 5321 §4.1.4, RFC 2033 §4.1); Dovecot does without."""
    if not c.greeted:
        return LHLO_NEEDED
    if c.transaction is not None:
        raise Refused(503, "5.5.0", "MAIL already given")
    parsed = mail_from(arguments, c.settings.lmtp_client_workarounds)
    if 0 < c.settings.max_message_size < parsed.size:  # RFC 1870 §6.1
        raise Refused(552, "5.3.4", "Message size exceeds fixed maximum message size")
    c.begin(parsed)
    return MAIL_OK


def rcpt(c: Conversation, arguments: bytes) -> Answer:
    """Asks the userdb: whoever is accepted here exists, and gets a reply of his own after the data."""
    transaction = c.transaction
    if transaction is None:
        return MAIL_NEEDED
    if len(transaction.recipients) >= c.settings.max_recipients:
        raise Refused(452, "4.5.3", "Too many recipients")  # RFC 5321 §4.5.3.1.10
    parsed = rcpt_to(arguments, transaction.mail.smtputf8, c.settings.lmtp_client_workarounds)
    username, detail = split_detail(parsed.path, c.settings.recipient_delimiter)
    try:
        found = c.services.lookup(username)
    except (UserUnavailable, MailError) as error:
        return _lookup_failed(c, parsed, error)
    if isinstance(found, Job):
        return _when_found(c, transaction, parsed, username, detail, found)
    return _admit(c, transaction, parsed, username, detail, found)


def _when_found(c: Conversation, to: Transaction, parsed: RcptTo, username: str, detail: str, job: Job) -> Steps:
    try:
        found: User | None = yield job
    except (UserUnavailable, MailError) as error:
        return _lookup_failed(c, parsed, error)
    return _admit(c, to, parsed, username, detail, found)


def _admit(c: Conversation, to: Transaction, parsed: RcptTo, username: str, detail: str, user: User | None) -> bytes:
    if user is None:
        return Reply(550, "5.1.1", f"<{parsed.path}> User doesn't exist: {username}").encode()
    if not c.services.concurrency.enter(user.name):
        return Reply(451, "4.3.0", f"<{parsed.path}> Too many concurrent deliveries for user").encode()
    to.recipients.append(Recipient(user, parsed.path, detail, parsed.orcpt))
    return RCPT_OK


def _lookup_failed(c: Conversation, parsed: RcptTo, error: UserUnavailable | MailError) -> bytes:
    """The client is told that it shall come again, the log why."""
    detail = error.detail or error.text if isinstance(error, MailError) else str(error)
    c.services.delivering.event("auth_problem", session=c.session_id, text=f"lookup of {parsed.path}: {detail}")
    return Reply(451, "4.3.0", f"<{parsed.path}> Temporary internal error").encode()


ROWS: Final = (
    Command(b"MAIL", mail, "MAIL FROM:<path> [SIZE=n] [BODY=7BIT|8BITMIME] [SMTPUTF8]"),
    Command(b"RCPT", rcpt, "RCPT TO:<path>"),
)
