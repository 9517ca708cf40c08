"""Everything that is computed from a message once and kept in the index, in one pass over the file.

Wire forms are ready to be sent; keys are ready to be compared with a `search_key`. Dropping all facts loses nothing.
"""

from typing import NamedTuple

from doocot.message.bodystructure import body_and_structure
from doocot.message.charset import header_key
from doocot.message.dates import SentDate, sent_date
from doocot.message.envelope import addresses, envelope_of
from doocot.message.header import Fields
from doocot.message.scan import DEFAULT_LIMITS, Limits, crlf, scan
from doocot.message.subject import base_subject
from doocot.message.text import TextPart, file_text_parts
from doocot.message.threads import message_ids, parents


class Facts(NamedTuple):
    """What the index keeps of one message."""

    size: int
    """RFC822.SIZE: octets with CRLF line ends."""
    header_size: int
    """Octets of BODY[HEADER]."""
    envelope: bytes
    body: bytes
    bodystructure: bytes
    sent: SentDate | None
    """The first Date header, None when absent or not a date."""
    from_key: bytes
    to_key: bytes
    cc_key: bytes
    bcc_key: bytes
    subject_key: bytes
    """Search keys; several fields of a name are apart by LF. Addresses are in the form `"Name" <local@domain>`."""
    base_subject: bytes
    is_reply: bool
    message_id: bytes
    """Without brackets, empty when there is none."""
    references: list[bytes]
    """The ancestors, oldest first, without brackets."""
    text: list[TextPart]
    """Where SEARCH BODY and TEXT look in the file."""


def facts(raw: bytes, limits: Limits = DEFAULT_LIMITS) -> Facts:
    """The facts of a message file, whatever its line ends are."""
    data = crlf(raw)
    part = scan(data, limits)
    header = part.head.fields
    shown, structure = body_and_structure(part)
    people = addresses(header)
    subject = header.get(b"subject")
    base, is_reply = base_subject(subject[0]) if subject else (b"", False)
    ids = header.get(b"message-id")
    dates = header.get(b"date")
    return Facts(
        len(data),
        part.body,
        envelope_of(header, *people),
        shown,
        structure,
        sent_date(dates[0]) if dates else None,
        people[0].key,
        people[1].key,
        people[2].key,
        people[3].key,
        _subject_key(subject),
        base,
        is_reply,
        next(iter(message_ids(ids[0])), b"") if ids else b"",
        parents(_first(header, b"references"), _first(header, b"in-reply-to")),
        file_text_parts(part, raw, data),
    )


def _first(header: Fields, name: bytes) -> bytes | None:
    values = header.get(name)
    return values[0] if values else None


def _subject_key(values: list[bytes] | None) -> bytes:
    if not values:
        return b""
    return header_key(values[0]) if len(values) == 1 else b"\n".join(map(header_key, values))
