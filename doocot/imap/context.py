"""What every IMAP session of a worker is given: settings, who checks logins, who opens mail, who is told of events."""

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from doocot.auth.settings import AuthSettings
from doocot.auth.types import AuthResult, LoginRequest, User
from doocot.errors import MailError
from doocot.events.table import ended_text
from doocot.imap import log_lines
from doocot.imap.identify import Identity
from doocot.imap.log_lines import LogFormats
from doocot.mailbox.metadata import Rules
from doocot.wire.flow import Job, Step

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession
    from doocot.mailbox.ahead import Compute
    from doocot.mailbox.user import Mail
    from doocot.store.root import Root

DEFLATE_LEVEL: Final = 6


UNLIMITED: Final = 1 << 62  # octets of a message


class Event(Protocol):
    """The event function: see `doocot.events`."""

    def __call__(self, name: str, /, **fields: Any) -> None: ...


def nothing_to_do(root: "Root") -> None:
    """Nobody settles: for tests that look at what is on disk before that."""


def nobody_computes() -> None:
    """There are no indexers to be made ready."""


def nobody_else(name: str) -> User | Job | None:
    """No other users are known here."""
    return None


@dataclass(frozen=True, slots=True)
class ImapContext:
    """`authenticate` answers at once or by a Job; `sleep` gives a Job that takes so many seconds.

    `expect` is told when `compute` will be wanted soon.
    """

    auth: AuthSettings
    authenticate: Callable[[LoginRequest], AuthResult | Job]
    open_mail: Callable[[User], "Generator[Step, Any, Mail]"]
    event: Event
    new_session_id: Callable[[], str]
    sleep: Callable[[float], Job]
    unsettled: "Callable[[Root], None]" = nothing_to_do
    compute: "Compute | None" = None
    expect: Callable[[], None] = nobody_computes
    greeting: bytes = b"Doocot ready."
    max_line: int = 65536
    max_line_before_login: int = 8192
    max_literal: int = 64 << 20  # of APPEND
    memory_literal: int = 128 << 10  # of one command; what is more goes to a file
    idle_notify: float = 120.0
    idle_check: float = 30.0  # how often folders are looked at of which NOTIFY wants to hear
    now: Callable[[], float] = time.monotonic
    clock: Callable[[], float] = time.time  # the time of day
    chunk: int = 64 << 10
    message_limit: int = 0  # messages that one command may work on, or only save (RFC 9738); 0: no limit
    save_limit: int = 0
    starttls: bool = False
    literal_minus: bool = False
    gmail: bool = False
    deflate_level: int = DEFLATE_LEVEL
    capability: bytes = b""  # imap_capability
    identity: Identity = field(default_factory=Identity)
    log_formats: LogFormats = field(default_factory=LogFormats)
    workarounds: frozenset[str] = frozenset()  # imap_client_workarounds
    metadata: Rules | None = field(default_factory=Rules)  # None: imap_metadata = no
    lookup: Callable[[str], "User | Job | None"] = nobody_else  # in the userdb
    urlauth_host: str = ""  # this server in URLs, `*` is any; URLAUTH is offered when there is one
    urlauth_port: int = 143
    urlauth_submit_user: str = ""  # who may fetch URLs for `submit+`

    @property
    def append_limit(self) -> int | None:
        """APPENDLIMIT, which RFC 7889 §5 wants to be a `number`; None where messages have no limit."""
        return min(self.max_literal, (1 << 32) - 1) if self.max_literal < UNLIMITED else None

    @property
    def _usual_lines(self) -> bool:
        """The table of events has the lines of the default formats: so a login need not pay for the settings."""
        return self.log_formats == log_lines.USUAL

    def refused(self, session: "ImapSession", error: MailError) -> None:
        """A command was refused for a reason that the log should keep."""
        if error.detail:
            self.event(
                "mail_error",
                service="imap",
                user=session.user,
                session=session.session_id,
                kind=error.kind.value,
                detail=error.detail,
            )

    def logged_in(self, session: "ImapSession", mechanism: str) -> None:
        """A login succeeded."""
        line = "" if self._usual_lines else log_lines.login_line(self.log_formats, "Login", session, mechanism)
        self.event("login", service="imap-login", message=line, **self._client(session, mechanism, session.user))

    def login_failed(self, session: "ImapSession", mechanism: str, answer: AuthResult) -> None:
        """A login was refused; `log` says more than the client was told."""
        session.failed_logins += 1
        if answer.log:
            self.event(
                "auth_failed",
                user="",
                remote_ip=session.peer.remote_ip,
                session=session.session_id,
                reason=answer.log,
            )

    def disconnected(self, session: "ImapSession") -> None:
        """The connection is gone."""
        reason = session.reason or "Connection closed"
        if session.user:
            self.event(
                "imap_logout",
                service="imap",
                user=session.user,
                session=session.session_id,
                reason=reason,
                message="" if self._usual_lines else log_lines.logout_line(self.log_formats, reason, session),
                bytes_in=session.bytes_in,
                bytes_out=session.bytes_out,
                **session.counts,
            )
        else:
            ended = f"Disconnected: {reason}"
            text = ended_text(ended, session.failed_logins)
            line = "" if self._usual_lines else log_lines.login_line(self.log_formats, text, session)
            self.event(
                "login_ended",
                service="imap-login",
                reason=ended,
                attempts=session.failed_logins,
                message=line,
                **self._client(session, "", ""),
            )

    def _client(self, session: "ImapSession", mechanism: str, user: str) -> dict[str, Any]:
        peer = session.peer
        return {
            "user": user,
            "method": mechanism,
            "remote_ip": peer.remote_ip,
            "local_ip": peer.local_ip,
            "tls": peer.tls,
            "secured": peer.secured,
            "session": session.session_id,
        }
