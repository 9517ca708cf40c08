"""The values of authentication: who asks, with what, and the answer, told apart for log and client."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

from doocot.errors import Kind
from doocot.wire.flow import Peer

NOTHING: Mapping[str, str] = MappingProxyType({})


def nothing() -> Mapping[str, str]:
    """No fields; a mappingproxy cannot be a dataclass default before Python 3.12."""
    return NOTHING


class Secret:
    """A password or token: bytes that no `repr`, log line or traceback shows; only `reveal()` gives them."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes | str) -> None:
        self._value = value.encode() if isinstance(value, str) else bytes(value)

    def reveal(self) -> bytes:
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Secret(...)"

    def __bool__(self) -> bool:
        return bool(self._value)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a SASL exchange yields: who authenticates, as whom he wants to act (RFC 4422 §3.4.1), and the password."""

    mechanism: str
    authcid: str
    authzid: str
    password: Secret


@dataclass(frozen=True, slots=True)
class LoginRequest:
    """One attempt to log in. `service` is Dovecot's name of the protocol: imap, pop3, smtp, lmtp, sieve."""

    service: str
    credentials: Credentials
    peer: Peer = field(default_factory=Peer)
    session_id: str = ""
    client_id: str = ""  # what an IMAP client says that it is, where imap_id_retain keeps it


@dataclass(frozen=True, slots=True)
class User:
    """A user as the user databases know him. `original_name` is what the client sent; `fields` is everything else."""

    name: str
    original_name: str = ""
    uid: int | None = None
    gid: int | None = None
    home: str = ""
    mail: str = ""
    fields: Mapping[str, str] = field(default_factory=nothing)


class Failure(Enum):
    """Why a login is refused. The log tells them apart; the client is told only what `REFUSALS` says."""

    WRONG_PASSWORD = "password mismatch"
    UNKNOWN_USER = "unknown user"
    INVALID_NAME = "invalid user name"
    NOT_AUTHORIZED = "not authorized to act as that user"
    TEMPORARY = "temporary failure"
    DISABLED = "user disabled"
    NOLOGIN = "login disabled"
    EXPIRED = "password expired"
    PLAINTEXT_NOT_ALLOWED = "plaintext authentication disallowed"
    TLS_REQUIRED = "TLS required"
    MECHANISM_NOT_ALLOWED = "mechanism not allowed"
    ADDRESS_NOT_ALLOWED = "address not in allow_nets"


class Refusal(NamedTuple):
    """How one `Failure` is told to the client: the response code (RFC 5530 §3) and a fixed sentence."""

    kind: Kind
    text: str


_FAILED = Refusal(Kind.AUTHENTICATION_FAILED, "Authentication failed.")

# A wrong password, an unknown user and a forbidden address must look the same: the client learns nothing from the text.
REFUSALS: Mapping[Failure, Refusal] = MappingProxyType(
    {
        Failure.WRONG_PASSWORD: _FAILED,
        Failure.UNKNOWN_USER: _FAILED,
        Failure.INVALID_NAME: _FAILED,
        Failure.ADDRESS_NOT_ALLOWED: _FAILED,
        Failure.NOT_AUTHORIZED: Refusal(Kind.AUTHORIZATION_FAILED, "Authorization failed."),
        Failure.TEMPORARY: Refusal(Kind.UNAVAILABLE, "Temporary authentication failure."),
        Failure.DISABLED: Refusal(Kind.AUTHORIZATION_FAILED, "User is disabled."),
        Failure.NOLOGIN: Refusal(Kind.CONTACT_ADMIN, "Login disabled for this user"),
        Failure.EXPIRED: Refusal(Kind.EXPIRED, "Password expired."),
        Failure.PLAINTEXT_NOT_ALLOWED: Refusal(
            Kind.PRIVACY_REQUIRED, "Plaintext authentication disallowed on non-secure (SSL/TLS) connections."
        ),
        Failure.TLS_REQUIRED: Refusal(Kind.PRIVACY_REQUIRED, "Authentication not allowed until SSL/TLS is enabled."),
        Failure.MECHANISM_NOT_ALLOWED: Refusal(Kind.CANNOT, "Unsupported authentication mechanism."),
    }
)


@dataclass(frozen=True, slots=True)
class AuthResult:
    """The answer to a LoginRequest.

    `user` is set when the login succeeds; `failure` otherwise. `log` is the reason in full, for the log only; `reason`
    is the administrator's own sentence for the client (`reason=` of a nologin account). `fields` are the passdb's extra
    fields (proxy, host, ...). The net layer waits `delay` seconds before the answer is written.
    """

    user: User | None = None
    failure: Failure | None = None
    log: str = ""
    reason: str = ""
    fields: Mapping[str, str] = field(default_factory=nothing)
    master_user: str = ""
    delay: float = 0.0

    @property
    def ok(self) -> bool:
        return self.failure is None

    @property
    def kind(self) -> Kind | None:
        """The RFC 5530 kind of a refusal; None when the login succeeded."""
        return None if self.failure is None else REFUSALS[self.failure].kind

    @property
    def client_text(self) -> str:
        """The sentence for the client; never says more than `REFUSALS` or the administrator's own reason."""
        if self.failure is None:
            return "Logged in"
        return self.reason or REFUSALS[self.failure].text


class UserUnavailable(Exception):
    """A user look-up could not be answered for the moment (a file unreadable, a server down): a temporary failure."""
