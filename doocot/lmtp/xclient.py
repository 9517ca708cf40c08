"""XCLIENT: a trusted proxy says for whom it speaks; Postfix's XCLIENT_README, with the fields that Dovecot added."""

import ipaddress
import re
from dataclasses import replace
from typing import Final

from doocot.lmtp.conversation import Answer, Command, Conversation, greeting
from doocot.lmtp.hello import XCLIENT_FIELDS, host
from doocot.wire.smtp import Refused, esmtp_parameters, text, xtext

_SESSION_ID: Final = re.compile(r"[A-Za-z0-9+/=:._-]{1,64}")
_UNKNOWN: Final = ("[UNAVAILABLE]", "[TEMPUNAVAIL]")


def xclient(c: Conversation, arguments: bytes) -> Answer:
    """`XCLIENT *( SP attribute-name "=" attribute-value )`, values in xtext; the conversation then begins anew."""
    if not c.peer.trusted:
        raise Refused(550, "5.7.14", "You are not from trusted IP")
    if c.transaction is not None:
        raise Refused(503, "5.5.0", "XCLIENT not permitted during a mail transaction")
    words = text(arguments)
    given = {
        name: xtext(value, name)
        for name, value in (esmtp_parameters(words.split(" "), "XCLIENT") if words else ())
        if name in XCLIENT_FIELDS and value.upper() not in _UNKNOWN
    }
    peer = c.peer
    if "ADDR" in given:
        peer = replace(peer, remote_ip=_address(given["ADDR"]))
    if "PORT" in given:
        peer = replace(peer, remote_port=_number(given["PORT"], "PORT", 65535))
    for name in ("TTL", "TIMEOUT"):
        if name in given:
            _number(given[name], name, 2**32 - 1)
    if "SESSION" in given and _SESSION_ID.fullmatch(given["SESSION"]) is None:
        raise Refused(501, "5.5.4", "Invalid SESSION parameter")
    c.restart(peer)
    c.session_id = given.get("SESSION", c.session_id)
    c.helo = host(given.get("HELO", ""))
    return greeting(c)


def _address(value: str) -> str:
    literal = value[5:] if value[:5].upper() == "IPV6:" else value
    try:
        return str(ipaddress.ip_address(literal))
    except ValueError:
        raise Refused(501, "5.5.4", "Invalid ADDR parameter") from None


def _number(value: str, name: str, highest: int) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 10 and int(value) <= highest):
        raise Refused(501, "5.5.4", f"Invalid {name} parameter")
    return int(value)


ROWS: Final = (Command(b"XCLIENT", xclient, "XCLIENT name=value ..."),)
