"""LHLO, STARTTLS, NOOP, RSET, VRFY, HELP and QUIT: everything around a transaction; RFC 2033, RFC 5321 §4.1.1."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from doocot.lmtp.conversation import Answer, Command, Conversation
from doocot.wire.flow import CLOSE, START_TLS
from doocot.wire.smtp import Refused, Reply, multi_line, text

OK: Final = Reply(250, "2.0.0", "OK").encode()
XCLIENT_FIELDS: Final = ("ADDR", "PORT", "PROTO", "HELO", "LOGIN", "SESSION", "TTL", "TIMEOUT")

_HOST: Final = re.compile(r"[A-Za-z0-9\u0080-\U0010ffff_-][A-Za-z0-9\u0080-\U0010ffff_.-]*|\[[A-Za-z0-9:.]+\]")


def host(word: str) -> str:
    """`Domain / address-literal` as a client names itself, or "" for anything that must not get into a header field."""
    return word if len(word) <= 255 and _HOST.fullmatch(word) else ""


def lhlo(c: Conversation, arguments: bytes) -> Answer:
    """`lhlo = "LHLO" SP ( Domain / address-literal ) CRLF`, RFC 2033 §4.1. A strange name is taken, not believed."""
    name = text(arguments)
    if not name:
        raise Refused(501, "", "Missing hostname")  # no status code in a reply to LHLO, RFC 2034 §4
    c.reset()
    c.greeted = True
    c.helo = host(name.split(" ")[0])
    return multi_line(250, (c.settings.hostname, *extensions(c)))


def extensions(c: Conversation) -> Iterable[str]:
    """The keywords of what is offered to this client now."""
    yield "8BITMIME"
    yield "CHUNKING"
    yield "ENHANCEDSTATUSCODES"
    yield "PIPELINING"
    yield f"SIZE {c.settings.max_message_size}" if c.settings.max_message_size else "SIZE"
    yield "SMTPUTF8"
    if c.settings.tls and not c.peer.tls:
        yield "STARTTLS"
    if c.peer.trusted:
        yield "XCLIENT " + " ".join(XCLIENT_FIELDS)


def starttls(c: Conversation, arguments: bytes) -> Answer:
    """`STARTTLS`, RFC 3207 §4; `Session.secured` drops what was sent behind it."""
    _no_arguments(arguments)
    if c.peer.tls:
        raise Refused(502, "5.5.1", "TLS is already active.")
    if not c.settings.tls:
        raise Refused(502, "5.5.1", "TLS support is not enabled.")
    c.pending = START_TLS
    return Reply(220, "2.0.0", "Begin TLS negotiation now.").encode()


def noop(c: Conversation, arguments: bytes) -> Answer:
    text(arguments)
    return OK


def rset(c: Conversation, arguments: bytes) -> Answer:
    _no_arguments(arguments)
    c.reset()
    return OK


def vrfy(c: Conversation, arguments: bytes) -> Answer:
    """Never says who exists (RFC 5321 §7.3); only RCPT does, for an MTA needs it."""
    if not text(arguments):
        raise Refused(501, "5.5.4", "Invalid parameters")
    return Reply(252, "2.3.3", "Try RCPT instead").encode()


def help_(syntaxes: Mapping[bytes, str], c: Conversation, arguments: bytes) -> Answer:
    """The syntax of one command, or of all."""
    one = syntaxes.get(text(arguments).upper().encode())
    return Reply(214, "2.0.0", one or "\n".join(syntaxes.values())).encode()


def quit_(c: Conversation, arguments: bytes) -> Answer:
    _no_arguments(arguments)
    c.reset()
    c.logout = "Logged out"
    c.pending = CLOSE
    return Reply(221, "2.0.0", "Bye").encode()


def _no_arguments(arguments: bytes) -> None:
    if arguments:
        raise Refused(501, "5.5.4", "Invalid parameters")


ROWS: Final = (
    Command(b"LHLO", lhlo, "LHLO host"),
    Command(b"STARTTLS", starttls, "STARTTLS"),
    Command(b"NOOP", noop, "NOOP [string]"),
    Command(b"RSET", rset, "RSET"),
    Command(b"VRFY", vrfy, "VRFY string"),
    Command(b"QUIT", quit_, "QUIT"),
)
