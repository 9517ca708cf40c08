"""ID (RFC 2971): what the server says of itself, and what is kept of what the client says: imap_id_*."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from doocot import __version__
from doocot.imap import log_lines
from doocot.imap.command import Bad, Ok, Result, State, command
from doocot.wire.cursor import Cursor

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

MAX_FIELDS: Final = 30  # RFC 2971 §3.3
MAX_RETAINED: Final = 4096  # characters for %{client_id}
ALL: Final = "*"

Fields = list[tuple[bytes, bytes | None]]


@dataclass(frozen=True, slots=True)
class Identity:
    """`response` is the parameter list of our ID response; `log` names the client's fields that are logged."""

    response: bytes = b'("name" "Doocot")'
    log: frozenset[str] = frozenset()
    retain: bool = False


def identity(send: str, log: str, retain: bool) -> Identity:
    """From the settings imap_id_*; in imap_id_send a value `*` stands for what we know of ourselves."""
    words = send.split()
    pairs = [(name, words[at + 1] if at + 1 < len(words) else "") for at, name in enumerate(words) if at % 2 == 0]
    own = _own()
    values = [(name, own.get(name.lower(), "") if value == ALL else value) for name, value in pairs[:MAX_FIELDS]]
    fields = [b"%b %b" % (_quoted(name), _quoted(value) if value else b"NIL") for name, value in values]
    return Identity(b"(%b)" % b" ".join(fields) if fields else b"NIL", frozenset(log.lower().split()), retain)


def _own() -> Mapping[str, str]:
    system = os.uname()
    return {"name": "Doocot", "version": __version__, "os": system.sysname, "os-version": system.release}


def _quoted(text: str) -> bytes:
    """`quoted` (RFC 3501 §9); what may not stand in one is left out."""
    plain = "".join(character for character in text if " " <= character <= "~")
    return b'"%b"' % plain.replace("\\", "\\\\").replace('"', '\\"').encode()


def parse(cursor: Cursor) -> Fields:
    """`id = "ID" SP id_params_list` (RFC 2971 §4)."""
    cursor.sp()
    if cursor.take(b"NIL") or cursor.take(b"nil"):
        return []
    cursor.open_paren()
    fields: Fields = []
    while not cursor.at(b")"):
        if fields:
            cursor.sp()
        name = cursor.string()
        cursor.sp()
        fields.append((name, cursor.nstring()))
        if len(fields) > MAX_FIELDS:
            raise Bad(b"Too many ID fields.")
    cursor.close_paren()
    return fields


@command("ID", state=State.ANY, parse=parse)
def identify(session: "ImapSession", fields: Fields, by_uid: bool) -> Result:
    """RFC 2971 §3.1: who the client is goes to the log, once before login and once after it."""
    context, own = session.context, session.context.identity
    if fields and not session.id_sent:
        session.id_sent = True
        known = {_text(name): "NIL" if value is None else _text(value) for name, value in fields}
        if own.retain and not session.user:
            session.client_id = _retained(fields)
        shown = {name: value for name, value in known.items() if ALL in own.log or name.lower() in own.log}
        text = "ID sent: " + ", ".join(f"{name}={value}" for name, value in shown.items()) if shown else ""
        if text and not session.user:
            text = log_lines.login_line(context.log_formats, text, session)
        context.event(
            "imap_id_received",
            service="imap" if session.user else "imap-login",
            user=session.user,
            session=session.session_id,
            id=known,
            message=text,
        )
    return Ok(b"ID completed.", data=b"* ID %b\r\n" % own.response)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _retained(fields: Fields) -> str:
    """`"name" "value" ...` for %{client_id}, whole pairs up to a bound."""
    retained = ""
    for name, value in fields:
        pair = b"%b %b" % (_quoted(_text(name)), b"NIL" if value is None else _quoted(_text(value)))
        if len(retained) + len(pair) >= MAX_RETAINED:
            break
        retained += " " * bool(retained) + pair.decode()
    return retained
