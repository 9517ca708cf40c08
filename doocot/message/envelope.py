"""ENVELOPE of a message (RFC 3501 §7.4.2) as the bytes that go on the wire."""

from doocot.message.address import Shown, shown
from doocot.message.header import Fields
from doocot.message.quote import is_tidy, is_verbatim, phrase, unfolded
from doocot.message.tokens import REPLACEMENT

_NONE = Shown(b"NIL", b"")


def envelope(header: Fields) -> bytes:
    """`envelope`: date, subject, from, sender, reply-to, to, cc, bcc, in-reply-to, message-id."""
    return envelope_of(header, *addresses(header))


def addresses(header: Fields) -> tuple[Shown, Shown, Shown, Shown]:
    """From, To, Cc and Bcc, as lists in parentheses or NIL; those of a field that comes twice are joined."""
    return (
        _addresses(header, b"from"),
        _addresses(header, b"to"),
        _addresses(header, b"cc") if b"cc" in header else _NONE,
        _addresses(header, b"bcc") if b"bcc" in header else _NONE,
    )


def envelope_of(header: Fields, from_: Shown, to: Shown, cc: Shown, bcc: Shown) -> bytes:
    """The envelope with these addresses.

    Sender and Reply-To that are absent or hold no address are those of From; of other fields that come twice the last
    counts.
    """
    sender = reply_to = wire = from_.wire
    if b"sender" in header and (found := _addresses(header, b"sender")) != _NONE:
        sender = found.wire
    if b"reply-to" in header and (found := _addresses(header, b"reply-to")) != _NONE:
        reply_to = found.wire
    date, subject, message_id = header.get(b"date"), header.get(b"subject"), header.get(b"message-id")
    replied = header.get(b"in-reply-to")
    if date and subject and message_id:
        # One test for all: where nothing is to be escaped, decoded or unfolded, the values are sent as they are.
        title = subject[-1]
        every = date[-1] + title + message_id[-1] + (replied[-1] if replied else b"")
        if is_verbatim(every) and is_tidy(title):
            parent = b'"%b"' % replied[-1] if replied else b"NIL"
            fields = (date[-1], title, wire, sender, reply_to, to.wire, cc.wire, bcc.wire, parent, message_id[-1])
            return b'("%b" "%b" %b %b %b %b %b %b %b "%b")' % fields
    return b"(%b %b %b %b %b %b %b %b %b %b)" % (
        unfolded(_last(header, b"date")),
        phrase(_last(header, b"subject")),
        wire,
        sender,
        reply_to,
        to.wire,
        cc.wire,
        bcc.wire,
        unfolded(_last(header, b"in-reply-to")),
        unfolded(_last(header, b"message-id")),
    )


def _last(header: Fields, name: bytes) -> bytes | None:
    if (values := header.get(name)) is None:
        return None
    value = values[-1]
    return value.replace(b"\0", REPLACEMENT) if b"\0" in value else value


def _addresses(header: Fields, name: bytes) -> Shown:
    if (values := header.get(name)) is None:
        return _NONE
    if len(values) == 1:
        return shown(values[0])
    found = [one for one in map(shown, values) if one != _NONE]
    wire = b"".join([one.wire[1:-1] for one in found])
    return Shown(b"(%b)" % wire, b"\n".join([one.key for one in found])) if wire else _NONE
