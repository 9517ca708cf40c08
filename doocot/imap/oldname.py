"""LIST responses that say what a mailbox is called where a client called it otherwise (RFC 9051 §6.3.9.7).

They are told to clients that enabled IMAP4rev2 and to no others: RFC 3501 does not know LIST responses with extended
data, nor those that nobody asked for.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from doocot.errors import MailError
from doocot.imap import extensions
from doocot.imap.list import response
from doocot.mailbox.namespaces import Place, shown
from doocot.mailbox.places import find
from doocot.wire.respond import mailbox

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession


def told(session: "ImapSession", place: Place, given: str, words: Sequence[bytes] = ()) -> bytes:
    """`LIST`, with `oldname-extended-item = "OLDNAME" SP "(" mailbox ")"` where `given` is not the mailbox's name."""
    name = shown(place.space, place.name)
    old = b' ("OLDNAME" (%b))' % mailbox(given, session.utf8) if name != given else b""
    return response(b"LIST", words, place.space.separator, name, session.utf8, old)


def changed(session: "ImapSession", given: str, words: Sequence[bytes] = ()) -> bytes:
    """`told` for a mailbox that has another name than the one given; for all others nothing."""
    assert session.mail is not None
    if not extensions.rev2(session):
        return b""
    try:
        place = find(session.mail, given)
    except MailError:
        return b""  # no mailbox; the command says so in its own words
    return told(session, place, given, words) if shown(place.space, place.name) != given else b""
