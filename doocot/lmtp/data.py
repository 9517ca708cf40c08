"""DATA and BDAT: takes the message in, once, and has it delivered; RFC 2033 §4.2, RFC 5321 §4.1.1.4, RFC 3030.

Whatever goes wrong while the data comes in, it is read to its end first: only then the client listens to the reply.
"""

from collections.abc import Generator
from typing import Any, Final

from doocot.delivery.body import Intake
from doocot.delivery.deliver import Addressed, SaveResult, deliver
from doocot.delivery.headers import lmtp_head
from doocot.errors import MailError
from doocot.lmtp.conversation import MAIL_NEEDED, NO_RECIPIENTS, Answer, Command, Conversation, Receiver, Transaction
from doocot.lmtp.errors import delivery_refused, spool_failed
from doocot.wire.dot import DotDecoder
from doocot.wire.flow import Step
from doocot.wire.smtp import Bdat, Refused, Reply
from doocot.wire.smtp import bdat as parse_bdat

GO_AHEAD: Final = Reply(354, "", "OK").encode()
TOO_BIG: Final = Reply(552, "5.3.4", "Message size exceeds fixed maximum message size")
INVALID_MARKER: Final = Reply(501, "5.5.4", "Invalid end marker parameter").encode()
CHUNK_FAILED: Final = Reply(503, "5.5.0", "Previous data chunk failed, issue RSET first")


def data(c: Conversation, arguments: bytes) -> Answer:
    """`data = "DATA" CRLF`; the message follows when the reply was 354, up to a line with a dot."""
    if arguments:
        raise Refused(501, "5.5.4", "Invalid parameters")
    transaction = c.transaction
    if transaction is None:
        return MAIL_NEEDED
    if transaction.intake is not None or transaction.failed is not None:  # RFC 3030 §2: not after BDAT
        raise Refused(503, "5.5.0", "Bad sequence of commands")
    if not transaction.recipients:
        return NO_RECIPIENTS
    transaction.intake = Intake(c.services.spool)
    c.receiver = _until_dot(transaction)
    return GO_AHEAD


def _until_dot(transaction: Transaction) -> Receiver:
    decoder = DotDecoder()

    def receive(c: Conversation) -> Answer | None:
        content, rest = decoder.feed(c.input.take())
        _keep(c, transaction, content)
        if not decoder.done:
            return None
        c.input.put_back(rest)
        return _complete(c, transaction)

    return receive


def bdat(c: Conversation, arguments: bytes) -> Answer:
    """`bdat-cmd`; the chunk follows at once, and is read also when it is not wanted."""
    transaction = c.transaction
    try:
        chunk = parse_bdat(arguments)
    except Refused:
        if transaction is not None:
            transaction.failed = CHUNK_FAILED
        raise
    if chunk.marker not in ("", "LAST"):
        if transaction is not None:
            transaction.failed = CHUNK_FAILED
        c.receiver = _chunk(chunk, None, INVALID_MARKER)
    elif transaction is None:
        c.receiver = _chunk(chunk, None, MAIL_NEEDED)
    elif transaction.failed is not None:
        c.receiver = _chunk(chunk, None, CHUNK_FAILED.encode())
    elif not transaction.recipients:
        transaction.failed = CHUNK_FAILED
        c.receiver = _chunk(chunk, None, NO_RECIPIENTS)
    else:
        if transaction.intake is None:
            transaction.intake = Intake(c.services.spool)
        c.receiver = _chunk(chunk, transaction, b"")
    return b""


def _chunk(chunk: Bdat, transaction: Transaction | None, refusal: bytes) -> Receiver:
    """Takes the octets of one chunk, or throws them away when there is a `refusal`."""
    missing = chunk.size

    def receive(c: Conversation) -> Answer | None:
        nonlocal missing
        content = c.input.take(missing)
        missing -= len(content)
        if transaction is not None:
            _keep(c, transaction, content)
        if missing:
            return None
        c.receiver = None
        if transaction is None:
            return refusal
        if chunk.marker:
            return _complete(c, transaction)
        if transaction.failed is not None:
            return transaction.failed.encode()
        return Reply(250, "2.0.0", f"Added {chunk.size} octets").encode()

    return receive


def _keep(c: Conversation, transaction: Transaction, content: bytes) -> None:
    """Store a piece of the message, unless it is lost already."""
    intake = transaction.intake
    if intake is None or transaction.failed is not None:
        return
    if 0 < c.settings.max_message_size < intake.received + len(content):
        transaction.failed = TOO_BIG
    else:
        try:
            intake.write(content)
            return
        except (MailError, OSError) as error:
            transaction.failed = spool_failed(error)
            detail = error.detail if isinstance(error, MailError) else str(error)
            c.services.delivering.event("lmtp_spool_failed", session=transaction.session_id, error=detail)
    intake.abort()


def _complete(c: Conversation, transaction: Transaction) -> Answer:
    """The message is there: deliver, or say to each recipient why not."""
    c.receiver = None
    intake = transaction.intake
    if transaction.failed is not None or intake is None:
        failed = transaction.failed or CHUNK_FAILED
        answer = b"".join(
            Reply(failed.code, failed.status, f"<{recipient.address}> {failed.text}").encode()
            for recipient in transaction.recipients
        )
        c.reset()
        return answer
    return _deliver(c, transaction, intake)


def _deliver(c: Conversation, transaction: Transaction, intake: Intake) -> Generator[Step, Any, bytes]:
    settings = c.settings
    envelope = c.envelope(transaction)
    head = lmtp_head(
        envelope, transaction.recipients, settings.lmtp_add_received_header, settings.lmtp_hdr_delivery_address
    )
    to_detail = settings.lmtp_save_to_detail_mailbox
    addressed = [Addressed(one, one.detail if to_detail else "") for one in transaction.recipients]
    results = yield from deliver(c.services.delivering, envelope, addressed, head, intake.finish())
    answer = _replies(c, transaction, results)
    c.reset()
    return answer


def _replies(c: Conversation, transaction: Transaction, results: list[SaveResult]) -> bytes:
    """One reply for each recipient that was accepted, in their order; RFC 2033 §4.2."""
    lines = []
    ids: dict[str, str] = {}
    for number, (recipient, result) in enumerate(zip(transaction.recipients, results, strict=True), 1):
        address = str(recipient.address)
        # An address that comes again bears the id of its first appearance; others are numbered.
        id_ = ids.setdefault(address, f"{transaction.session_id}:R{number}" if number > 1 else transaction.session_id)
        if isinstance(result, MailError):
            lines.append(delivery_refused(recipient.address, result, c.settings.quota_full_tempfail).encode())
        else:
            c.deliveries += 1
            lines.append(f"250 2.0.0 <{address}> {id_} Saved\r\n".encode())
    return b"".join(lines)


ROWS: Final = (
    Command(b"DATA", data, "DATA"),
    Command(b"BDAT", bdat, "BDAT size [LAST]"),
)
