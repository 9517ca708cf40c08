"""Every event of the house, declared once: its name, what it means, its fields, and its log line if it has one.

The log lines are those of Dovecot 2.3, so that existing log readers (fail2ban, pflogsumm, dashboards) go on working. To
add an event, add a row; a test fails when something emits an event or a field that has none.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Any, Final, TypeAlias

Fields: TypeAlias = Mapping[str, Any]


class Level(IntEnum):
    """How much a line matters; the names are those in the log."""

    DEBUG = 0
    INFO = 1
    WARNING = 2
    ERROR = 3
    FATAL = 4


# Fields that any event may carry: they make the prefix of the line.
CONTEXT: Final = ("service", "user", "session", "pid")


@dataclass(frozen=True, slots=True)
class EventKind:
    """One row: `line` is a format of the fields or a function of them; without it the event is only counted."""

    name: str
    sentence: str
    fields: tuple[str, ...] = ()
    line: str | Callable[[Fields], str] = ""
    level: Level = Level.INFO
    level_of: Callable[[Fields], Level] | None = None
    sums: tuple[str, ...] = ()  # fields that are added up as metrics
    service: str = ""  # whose line it is when the fields do not say


def _client(fields: Fields) -> str:
    """The elements of `login_log_format_elements`, empty ones left out."""
    method, rip, lip, mpid = (fields[name] for name in ("method", "remote_ip", "local_ip", "mpid"))
    elements = [f"user=<{fields['user']}>"]
    elements += [f"method={method}"] if method else []
    elements += [f"rip={rip}"] if rip else []
    elements += [f"lip={lip}"] if lip else []
    elements += [f"mpid={mpid}"] if mpid else []
    elements += ["TLS"] if fields["tls"] else ["secured"] if fields["secured"] else []
    elements += [f"session=<{fields['session']}>"] if fields["session"] else []
    return ", ".join(elements)


def _login(fields: Fields) -> str:
    return str(fields["message"]) or f"Login: {_client(fields)}"


def _login_ended(fields: Fields) -> str:
    reason = fields["reason"] or "Disconnected: Connection closed"
    text = ended_text(reason, fields["attempts"] or 0, int(fields["seconds"] or 0))
    return str(fields["message"]) or f"{text}: {_client(fields)}"


def ended_text(reason: str, attempts: int, seconds: int = 0) -> str:
    """How a connection without a login ended, as Dovecot words it."""
    tried = f"auth failed, {attempts} attempts" if attempts else "no auth attempts"
    return f"{reason} ({tried} in {seconds} secs)"


_IMAP_COUNTS: Final = ("deleted", "expunged", "trashed", "hdr_count", "hdr_bytes", "body_count", "body_bytes")


def _imap_logout(fields: Fields) -> str:
    counts = " ".join(f"{name}={fields[name] or 0}" for name in _IMAP_COUNTS)
    reason = fields["reason"] or "Connection closed"
    said = reason if reason.startswith("Disconnected") else f"Disconnected: {reason}"
    transferred = f"in={fields['bytes_in'] or 0} out={fields['bytes_out'] or 0}"
    return str(fields["message"]) or f"{said} {transferred} {counts}"


def _delivered(fields: Fields) -> str:
    return str(fields["message"]) or f"msgid={fields['msgid']}: saved mail to {fields['mailbox']}"


def _delivery_level(fields: Fields) -> Level:
    return Level.ERROR if fields["error"] else Level.INFO


def _lmtp_peer(fields: Fields) -> str:
    return str(fields["remote_ip"] or "local")


def _lmtp_disconnected(fields: Fields) -> str:
    return f"Disconnect from {_lmtp_peer(fields)}: {fields['reason'] or 'Connection closed'} (state={fields['state']})"


def _auth_failed(fields: Fields) -> str:
    who = ",".join(part for part in (fields["user"], fields["remote_ip"]) if part)
    session = f",<{fields['session']}>" if fields["session"] else ""
    return f"{fields['database'] or 'auth'}({who}{session}): {fields['reason']}"


def _child_died(fields: Fields) -> str:
    end = f"killed with signal {fields['signal']}" if fields["signal"] else f"returned error {fields['status']}"
    return f"service({fields['child']}): child {fields['child_pid']} {end}"


_CLIENT: Final = ("message", "method", "remote_ip", "local_ip", "mpid", "tls", "secured")

_ROWS: Final = (
    EventKind("login", "A client has logged in.", _CLIENT, _login),
    EventKind(
        "login_ended",
        "A client went without having logged in.",
        (*_CLIENT, "reason", "attempts", "seconds"),
        _login_ended,
    ),
    EventKind(
        "auth_failed",
        "A password, a user name or a whole database was refused.",
        ("remote_ip", "database", "reason", "mechanism"),
        _auth_failed,
    ),
    EventKind(
        "auth_problem", "A password or user database does not work as it should.", ("text",), "{text}", Level.ERROR
    ),
    EventKind(
        "imap_logout",
        "An IMAP session has ended.",
        ("message", "reason", "bytes_in", "bytes_out", *_IMAP_COUNTS),
        _imap_logout,
        sums=("bytes_in", "bytes_out", "deleted", "expunged", "hdr_count", "hdr_bytes", "body_count", "body_bytes"),
        service="imap",
    ),
    EventKind(
        "imap_id_received",
        "A client has said what it is (RFC 2971); `message` is there when `imap_id_log` wants some of it logged.",
        ("id", "message"),
        "{message}",
    ),
    EventKind(
        "lmtp_connected",
        "An MTA has connected.",
        ("remote_ip",),
        lambda fields: f"Connect from {_lmtp_peer(fields)}",
        service="lmtp",
    ),
    EventKind(
        "lmtp_disconnected",
        "An MTA has gone.",
        ("remote_ip", "reason", "state", "deliveries"),
        _lmtp_disconnected,
        sums=("deliveries",),
        service="lmtp",
    ),
    EventKind(
        "lmtp_spool_failed",
        "A message could not be written to the spool folder.",
        ("error", "remote_ip"),
        "cannot spool the message: {error}",
        Level.ERROR,
        service="lmtp",
    ),
    EventKind(
        "mail_delivery_finished",
        "A message was delivered to one recipient, or could not be.",
        ("mailbox", "uid", "error", "message", "msgid"),
        _delivered,
        level_of=_delivery_level,
    ),
    EventKind(
        "mail_error",
        "A command was refused for a reason that its client is not told in full.",
        ("kind", "detail"),
        "{kind}: {detail}",
        Level.ERROR,
    ),
    EventKind(
        "crash",
        "An exception that nobody expected ended one command.",
        ("identifier", "error", "frames"),
        "Internal error {identifier}: {error} ({frames})",
        Level.ERROR,
    ),
    EventKind("connection_refused", "A connection was refused or failed before its session.", ("text",), "{text}"),
    EventKind(
        "started", "The server is ready.", ("version", "protocols"), "Doocot v{version} starting up for {protocols}"
    ),
    EventKind(
        "stopping",
        "The server stops, for a signal or a command.",
        ("reason",),
        "{reason}",
        Level.WARNING,
    ),
    EventKind("stopped", "The server has stopped.", ("seconds",), "Stopped after {seconds} secs"),
    EventKind(
        "reloaded", "A new configuration is in force.", ("path",), "Reloaded configuration from {path}", Level.WARNING
    ),
    EventKind(
        "reload_failed",
        "A new configuration has errors, the old one stays.",
        ("text",),
        "Reload refused, the old configuration stays: {text}",
        Level.ERROR,
    ),
    EventKind(
        "child_died",
        "A process of the server died by itself.",
        ("child", "child_pid", "signal", "status"),
        _child_died,
        Level.ERROR,
    ),
    EventKind(
        "throttled",
        "A process that keeps dying waits before it is started again.",
        ("child", "seconds"),
        "service({child}): command startup failed, throttling for {seconds} secs",
        Level.ERROR,
    ),
    EventKind("debug", "Something worth knowing when hunting a fault.", ("text",), "{text}", Level.DEBUG),
    EventKind("info", "Something worth knowing.", ("text",), "{text}"),
    EventKind("warning", "Something that an administrator should look at.", ("text",), "{text}", Level.WARNING),
    EventKind("error", "Something that does not work.", ("text",), "{text}", Level.ERROR),
    EventKind("fatal", "Something without which the server cannot run.", ("text",), "{text}", Level.FATAL),
)

EVENTS: Final[Mapping[str, EventKind]] = MappingProxyType({row.name: row for row in _ROWS})
