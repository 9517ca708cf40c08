"""The log line of a delivery, in the form that `deliver_log_format` gives."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from doocot.delivery.body import Body
from doocot.delivery.headers import Envelope
from doocot.delivery.recipient import Recipient

SHOWN: Final = 255  # characters of a header field that go into a log line
HEADER: Final = 32 * 1024  # bytes of a message that are searched for a header field

_LONG_NAMES: Final = {
    "msgid": "m",
    "subject": "s",
    "from": "f",
    "from_envelope": "e",
    "size": "p",
    "to_envelope": "T",
    "session": "S",
    "status": "$",
}
_VARIABLE: Final = re.compile(r"%(?:\{([a-z_]+)\}|(.))", re.DOTALL)
_FIELD_END: Final = re.compile(rb"\r?\n(?![ \t])")
_MESSAGE_ID: Final = re.compile(r"<[^<>\s]+>")


class Line:
    """What the lines of one message have in common. A header field is looked for once, not for each recipient."""

    __slots__ = ("_body", "_fields", "envelope")

    def __init__(self, envelope: Envelope, body: Body) -> None:
        self.envelope = envelope
        self._body = body
        self._fields: dict[str, str] = {}

    def value(self, letter: str) -> str | None:
        """The value of a variable that does not depend on the recipient."""
        value = self._fields.get(letter)
        if value is None and (find := _MESSAGE.get(letter)) is not None:
            value = self._fields[letter] = find(self.envelope, self._body)
        return value


def log_line(log_format: str, line: Line, recipient: Recipient, status: str) -> str:
    """`log_format` with its variables filled in; an unknown one stays as it is."""
    pieces: list[str] = []
    for text, letter, written in _pieces(log_format):
        value = status if letter == "$" else f"<{recipient.address}>" if letter == "T" else line.value(letter)
        pieces += (text, written if value is None else value)
    return "".join(pieces)


@lru_cache(maxsize=64)
def _pieces(log_format: str) -> tuple[tuple[str, str, str], ...]:
    """Each variable: the text before it, its letter, and how it is written; at the end the text behind the last."""
    found, end = [], 0
    for match in _VARIABLE.finditer(log_format):
        letter = _LONG_NAMES.get(match[1], "") if match[1] else match[2]
        found.append((log_format[end : match.start()], letter, match[0]))
        end = match.end()
    return (*found, (log_format[end:], "", ""))


def message_id(start: bytes) -> str:
    """The Message-ID, or Dovecot's word for a message without one."""
    value = header_field(start, b"message-id")
    match = _MESSAGE_ID.search(value)
    return match[0] if match else value or "unspecified"


def header_field(start: bytes, name: bytes) -> str:
    """The first header field `name` (in lower case) of a message, on one line and without anything unprintable."""
    end = start.find(b"\r\n\r\n", 0, HEADER)
    if end < 0:
        end = start.find(b"\n\n", 0, HEADER)
    header = b"\n" + start[: HEADER if end < 0 else end]
    at = header.lower().find(b"\n" + name + b":")
    if at < 0:
        return ""
    at += len(name) + 2
    stop = _FIELD_END.search(header, at)
    value = header[at : stop.start() if stop else len(header)].decode("utf-8", "replace")
    value = " ".join(value.split())[:SHOWN]
    return value if value.isprintable() else "".join(c if c.isprintable() else " " for c in value)


_MESSAGE: Final[Mapping[str, Callable[[Envelope, Body], str]]] = MappingProxyType(
    {
        "%": lambda envelope, body: "%",
        "m": lambda envelope, body: message_id(body.start),
        "s": lambda envelope, body: header_field(body.start, b"subject"),
        "f": lambda envelope, body: header_field(body.start, b"from"),
        "e": lambda envelope, body: f"<{envelope.sender}>",
        "p": lambda envelope, body: str(body.size),
        "S": lambda envelope, body: envelope.session_id,
    }
)
