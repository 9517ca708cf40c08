"""Log lines in the forms of `login_log_format`, `login_log_format_elements` and `imap_logout_format`."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from doocot.config.settings import Settings
from doocot.config.variables import VariableError, expand

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

_DEFAULTS: Final = Settings()
_NAMES_USER: Final = re.compile(r"%[^%{}a-z]*(?:[un](?![a-z])|\{user(?:name)?\})")
_COUNTS: Final = {  # Dovecot's name of a count -> ours
    "fetch_hdr_count": "hdr_count",
    "fetch_hdr_bytes": "hdr_bytes",
    "fetch_body_count": "body_count",
    "fetch_body_bytes": "body_bytes",
    "deleted": "deleted",
    "expunged": "expunged",
    "trashed": "trashed",
    "autoexpunged": "autoexpunged",
}


@dataclass(frozen=True, slots=True)
class LogFormats:
    """The settings of these names."""

    login: str = _DEFAULTS.login_log_format
    elements: str = _DEFAULTS.login_log_format_elements
    logout: str = _DEFAULTS.imap_logout_format


USUAL: Final = LogFormats()


def login_line(formats: LogFormats, text: str, session: "ImapSession", mechanism: str = "") -> str:
    """What imap-login logs of a client: `%$` is the text, `%s` the elements, without those that have nothing to say."""
    values = _client(session, mechanism)
    blank = dict.fromkeys(values, "")
    elements = []
    for element in formats.elements.split():
        shown = _expanded(element, values)
        if _NAMES_USER.search(element) or shown != _expanded(element, blank):
            elements.append(shown)
    return _expanded(formats.login, {**values, "$": text, "s": ", ".join(elements)})


def logout_line(formats: LogFormats, reason: str, session: "ImapSession") -> str:
    """The end of an IMAP session: `%i` and `%o` are the bytes of both directions."""
    counts = {name: str(session.counts.get(ours, 0)) for name, ours in _COUNTS.items()}
    transferred = {"i": str(session.bytes_in), "o": str(session.bytes_out)}
    values = {**_client(session, ""), **counts, **transferred}
    return f"Disconnected: {reason} {_expanded(formats.logout, values)}"


def _expanded(template: str, values: Mapping[str, str]) -> str:
    """A log line is written also where the template is wrong: then the template is in it, and shows it."""
    try:
        return expand(template, values)
    except VariableError:
        return template


def _client(session: "ImapSession", mechanism: str) -> dict[str, str]:
    peer, user = session.peer, session.user
    name, _, domain = user.partition("@")
    secured = "TLS" if peer.tls else "secured" if peer.secured else ""
    return {
        "user": user,
        "username": name,
        "domain": domain,
        "orig_user": user,
        "auth_user": user,
        "service": "imap",
        "protocol": "imap",
        "mech": mechanism,
        "rip": peer.remote_ip,
        "rport": str(peer.remote_port),
        "lip": peer.local_ip,
        "lport": str(peer.local_port),
        "real_rip": peer.remote_ip,
        "real_rport": str(peer.remote_port),
        "real_lip": peer.local_ip,
        "real_lport": str(peer.local_port),
        "local_name": peer.local_name,
        "secured": secured,
        "cert": "",
        "ssl_security": "",
        "session": session.session_id,
        "pid": str(os.getpid()),
        "mail_pid": "",
        "home": "",
    }
