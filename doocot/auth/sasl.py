"""SASL mechanisms (RFC 4422) as pure steps, one declared row each, and the rule which of them a client may use.

An exchange is begun with `start(mechanism, initial)`; while the outcome is a Challenge, the client's answer goes to its
`step`. Bytes here are already out of base64; a client's `*` (RFC 4422 §3.5) is the protocol's own business.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from doocot.auth.settings import AuthSettings
from doocot.auth.types import Credentials, Failure, Secret
from doocot.wire.flow import Peer

MAX_RESPONSE = 8192  # bytes of one answer; RFC 4616 §2 allows 255 characters for each of its three parts


@dataclass(frozen=True, slots=True)
class Challenge:
    """Send `data` and hand the answer to `step`."""

    data: bytes
    step: Callable[[bytes], "Outcome"]


@dataclass(frozen=True, slots=True)
class Malformed:
    """The client broke the mechanism's grammar; `text` may be told to it. The exchange is over."""

    text: str


Outcome: TypeAlias = Challenge | Credentials | Malformed


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One row: `begin` is given the initial response, None when the client sent none (RFC 4422 §4)."""

    name: str
    begin: Callable[[bytes | None], Outcome]
    plaintext: bool


def _name(data: bytes) -> str | None:
    """A user name: UTF-8 without NUL; None when it is neither."""
    if b"\0" in data:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _plain(data: bytes) -> Outcome:
    """`message = [authzid] UTF8NUL authcid UTF8NUL passwd` (RFC 4616 §2)."""
    if len(data) > MAX_RESPONSE:
        return Malformed("PLAIN response is too long.")
    parts = data.split(b"\0")
    if len(parts) != 3:
        return Malformed("PLAIN response needs authzid NUL authcid NUL password (RFC 4616).")
    authzid, authcid = _name(parts[0]), _name(parts[1])
    if not authcid or authzid is None:
        return Malformed("PLAIN response has an empty user name or one that is not UTF-8.")
    return Credentials("PLAIN", authcid, authzid, Secret(parts[2]))


def _begin_plain(initial: bytes | None) -> Outcome:
    return Challenge(b"", _plain) if initial is None else _plain(initial)


def _begin_login(initial: bytes | None) -> Outcome:
    """LOGIN (draft-murchison-sasl-login-00): two prompts; an initial response is the name."""

    def password_given(username: str, data: bytes) -> Outcome:
        if len(data) > MAX_RESPONSE or b"\0" in data:
            return Malformed("LOGIN password is too long or contains NUL.")
        return Credentials("LOGIN", username, "", Secret(data))

    def name_given(data: bytes) -> Outcome:
        username = _name(data) if len(data) <= MAX_RESPONSE else None
        if not username:
            return Malformed("LOGIN user name is empty, too long or not UTF-8.")
        return Challenge(b"Password:", lambda answer: password_given(username, answer))

    return name_given(initial) if initial else Challenge(b"Username:", name_given)


_ROWS = (Mechanism("PLAIN", _begin_plain, True), Mechanism("LOGIN", _begin_login, True))
MECHANISMS: Mapping[str, Mechanism] = {row.name: row for row in _ROWS}


def start(mechanism: str, initial: bytes | None = None) -> Outcome:
    """Begin an exchange; the name is taken in any case (RFC 4422 §3.1)."""
    row = MECHANISMS.get(mechanism.upper())
    return row.begin(initial) if row else Malformed("Unsupported authentication mechanism.")


def from_password(username: str, password: bytes | str) -> Credentials | Malformed:
    """IMAP LOGIN and POP3 USER/PASS give what PLAIN would give."""
    secret = Secret(password)
    if not username or "\0" in username or b"\0" in secret.reveal():
        return Malformed("User name is empty, or user name or password contains NUL.")
    if len(username) > MAX_RESPONSE or len(secret.reveal()) > MAX_RESPONSE:
        return Malformed("User name or password is too long.")
    return Credentials("PLAIN", username, "", secret)


def forbidden(settings: AuthSettings, peer: Peer, mechanism: str) -> Failure | None:
    """Why this client may not use `mechanism` now; None when it may (RFC 3501 §6.2.3, §11.1)."""
    name = mechanism.upper()
    row = MECHANISMS.get(name)
    if row is None or name not in settings.mechanisms:
        return Failure.MECHANISM_NOT_ALLOWED
    return insecure(settings, peer, row.plaintext)


def insecure(settings: AuthSettings, peer: Peer, plaintext: bool = True) -> Failure | None:
    """Why this connection is not private enough; None when it is, or need not be."""
    if peer.secured:
        return None
    if settings.ssl_required:
        return Failure.TLS_REQUIRED
    return Failure.PLAINTEXT_NOT_ALLOWED if plaintext and settings.disable_plaintext_auth else None


def offered(settings: AuthSettings, peer: Peer) -> tuple[str, ...]:
    """The mechanisms to advertise to this client, in the order of `auth_mechanisms`."""
    return tuple(name for name in settings.mechanisms if forbidden(settings, peer, name) is None)


def login_disabled(settings: AuthSettings, peer: Peer) -> bool:
    """LOGINDISABLED (RFC 3501 §6.2.3): a password in clear text would be refused.

    IMAP's LOGIN command is not a SASL mechanism: it stays allowed where `auth_mechanisms` does not name PLAIN.
    """
    return insecure(settings, peer) is not None


def unknown(names: Iterable[str]) -> list[str]:
    """The names in `auth_mechanisms` that this server does not have."""
    return [name for name in names if name.upper() not in MECHANISMS]
