"""What SEARCH, SORT and THREAD compare of a message, taken from its header alone, ready to meet the key of a text."""

from typing import NamedTuple

from doocot.message.address import written
from doocot.message.charset import header_key
from doocot.message.collation import UNICODE_CASEMAP, Collation
from doocot.message.dates import SentDate, sent_date
from doocot.message.envelope import addresses
from doocot.message.header import Fields
from doocot.message.subject import base_subject, base_subject_of
from doocot.message.threads import message_ids, parents


class Keys(NamedTuple):
    """Several fields of a name are apart by LF. Addresses are in the form `"Name" <local@domain>`."""

    from_: bytes
    to: bytes
    cc: bytes
    bcc: bytes
    subject: bytes
    base_subject: bytes
    is_reply: bool
    message_id: bytes
    """Without brackets, empty when there is none."""
    references: list[bytes]
    """The ancestors, oldest first, without brackets."""
    sent: SentDate | None
    """The first Date header, None when absent or not a date."""


def keys(header: Fields) -> Keys:
    """The keys of a message with this header, of which the fields that `known_fields` finds are looked at."""
    from_, to, cc, bcc = addresses(header)
    subjects = [header_key(value) for value in header.get(b"subject", ())]
    ids = header.get(b"message-id")
    dates = header.get(b"date")
    return Keys(
        from_.key,
        to.key,
        cc.key,
        bcc.key,
        b"\n".join(subjects),
        *(base_subject(subjects[0]) if subjects else (b"", False)),
        next(iter(message_ids(ids[0])), b"") if ids else b"",
        parents(_first(header, b"references"), _first(header, b"in-reply-to")),
        sent_date(dates[0]) if dates else None,
    )


def keys_by(collation: Collation, header: Fields) -> Keys:
    """As `keys`, by this comparator. `keys` is the quick way to what the first of them gives."""
    if collation is UNICODE_CASEMAP:
        return keys(header)
    subjects = [collation.header_key(value) for value in header.get(b"subject", ())]
    from_, to, cc, bcc = (_addresses(collation, header, name) for name in (b"from", b"to", b"cc", b"bcc"))
    base, is_reply = base_subject_of(subjects[0]) if subjects else (b"", False)
    return keys(header)._replace(
        from_=from_,
        to=to,
        cc=cc,
        bcc=bcc,
        subject=b"\n".join(subjects),
        base_subject=base,
        is_reply=is_reply,
    )


def _addresses(collation: Collation, header: Fields, name: bytes) -> bytes:
    found = [collation.header_key(written(value)) for value in header.get(name, ())]
    return b"\n".join([one for one in found if one])


def _first(header: Fields, name: bytes) -> bytes | None:
    values = header.get(name)
    return values[0] if values else None
