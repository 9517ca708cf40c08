"""What the commands of LMTP work on: settings, the services of the house, and the state of one conversation."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias

from doocot.auth.types import User
from doocot.delivery.body import Intake, SpoolFactory
from doocot.delivery.concurrency import Concurrency
from doocot.delivery.deliver import Delivering
from doocot.delivery.headers import Envelope
from doocot.delivery.recipient import Recipient
from doocot.wire.flow import Job, Peer, Pending, Step
from doocot.wire.smtp import MailFrom, Reply, Workaround
from doocot.wire.smtp_input import SmtpInput

Answer: TypeAlias = bytes | Generator[Step, Any, bytes]


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of LMTP; those that Dovecot has are under Dovecot's names."""

    hostname: str = "localhost"
    login_greeting: str = "Doocot ready."
    recipient_delimiter: str = "+"
    lmtp_save_to_detail_mailbox: bool = False
    lmtp_hdr_delivery_address: str = "final"
    lmtp_add_received_header: bool = True
    lmtp_client_workarounds: Workaround = Workaround.NONE
    quota_full_tempfail: bool = False
    tls: bool = False  # whether STARTTLS is offered
    max_line: int = 8192  # RFC 5321 §4.5.3.1.4 asks for 512, and SMTPUTF8 and the DSN parameters for about 1,500 more
    max_message_size: int = 0  # bytes, 0: no limit
    max_recipients: int = 1000  # RFC 5321 §4.5.3.1.8: at least 100
    max_bad_commands: int = 10  # in a row


# The userdb: the user, None when he certainly does not exist, or a Job with one of these. Trouble is raised, as
# UserUnavailable or MailError.
Lookup: TypeAlias = Callable[[str], User | Job | None]


@dataclass(frozen=True, slots=True)
class Services:
    """What the sessions of one server share."""

    lookup: Lookup
    delivering: Delivering
    spool: SpoolFactory
    now: Callable[[], float]
    new_id: Callable[[], str]
    concurrency: Concurrency = field(default_factory=Concurrency)


@dataclass(slots=True)
class Transaction:
    """One message being handed over: from MAIL to the reply to its data; RFC 5321 §3.3."""

    session_id: str
    mail: MailFrom
    recipients: list[Recipient] = field(default_factory=list)
    intake: Intake | None = None  # since DATA or the first BDAT
    failed: Reply | None = None  # why the data that came is thrown away


class Receiver(Protocol):
    """Takes the input while it is message data: None until more has come, else the answer to the data."""

    def __call__(self, c: "Conversation") -> Answer | None: ...


@dataclass(slots=True)
class Conversation:
    """The state of one client."""

    settings: Settings
    services: Services
    input: SmtpInput
    peer: Peer = field(default_factory=Peer)
    session_id: str = ""
    helo: str = ""
    greeted: bool = False  # by LHLO, with whatever name
    transactions: int = 0
    transaction: Transaction | None = None
    receiver: Receiver | None = None  # set while the input is message data
    pending: Pending | None = None
    bad_commands: int = 0
    logout: str = ""  # why the conversation ends, when it was the client's wish or its fault
    deliveries: int = 0

    def begin(self, mail: MailFrom) -> None:
        """Open a transaction. Its id is the session's, with a number from the second on, as in Dovecot."""
        self.transactions += 1
        if self.transactions == 1:
            self.transaction = Transaction(self.session_id, mail)
        else:
            self.transaction = Transaction(f"{self.session_id}:T{self.transactions}", mail)

    def reset(self) -> None:
        """Forget the transaction and release what it holds."""
        transaction = self.transaction
        self.receiver = None
        if transaction is None:
            return
        self.transaction = None
        for recipient in transaction.recipients:
            self.services.concurrency.leave(recipient.user.name)
        if transaction.intake is not None:
            transaction.intake.abort()

    def restart(self, peer: Peer) -> None:
        """Begin anew as after connecting: STARTTLS (RFC 3207 §4.2) and XCLIENT."""
        self.reset()
        self.peer = peer
        self.helo = ""
        self.greeted = False

    def envelope(self, transaction: Transaction) -> Envelope:
        protocol = "LMTPS" if self.peer.tls else "LMTP"
        return Envelope(
            transaction.mail.path,
            transaction.session_id,
            self.helo,
            self.peer.remote_ip,
            "UTF8" + protocol if transaction.mail.smtputf8 else protocol,
            self.settings.hostname,
            self.services.now(),
        )

    @property
    def state(self) -> str:
        """The word of Dovecot's log for where the conversation is."""
        transaction = self.transaction
        if transaction is None:
            return "READY" if self.helo else "GREETING"
        if transaction.intake is not None:
            return "DATA"
        return "RCPT TO" if transaction.recipients else "MAIL FROM"


@dataclass(frozen=True, slots=True)
class Command:
    """One row of the table: a verb, what it does with its arguments, and its line in HELP."""

    name: bytes
    run: Callable[[Conversation, bytes], Answer]
    syntax: str


LHLO_NEEDED: Final = Reply(503, "5.5.1", "LHLO needed first").encode()
MAIL_NEEDED: Final = Reply(503, "5.5.0", "MAIL needed first").encode()
NO_RECIPIENTS: Final = Reply(503, "5.5.0", "No valid recipients").encode()


def greeting(c: Conversation) -> bytes:
    """The first line of the server; RFC 5321 §4.2."""
    return f"220 {c.settings.hostname} {c.settings.login_greeting}\r\n".encode()
