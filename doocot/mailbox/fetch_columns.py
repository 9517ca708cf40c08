"""Columns of FETCH beyond those of RFC 3501: SAVEDATE (RFC 8514), object ids (RFC 8474), PREVIEW (RFC 8970), X-GM-*."""

from collections.abc import Callable, Sequence

from doocot.mailbox import facts
from doocot.mailbox.fetch import Arguments, Column, date_time, fact_arguments
from doocot.mailbox.labels import label_arguments, utf8_label_arguments
from doocot.mailbox.view import View
from doocot.message.objectid import number
from doocot.store.index.facts import facts_of
from doocot.store.index.messages import saved_dates
from doocot.store.snapshot import Piece


def savedate_arguments(view: View, piece: Piece) -> Arguments:
    """When the message came into this mailbox; NIL where it was there before the index was."""
    uids = piece.chunk.uid[piece.low : piece.high].tolist()
    known = dict(saved_dates(view.live.root.db.reader, view.live.row.id, uids[0], uids[-1]))
    return [[date_time(known[uid]) if uid in known else b"NIL" for uid in uids]]


def made_of(item: int, make: Callable[[bytes], bytes | int]) -> Callable[[View, Piece], Arguments]:
    """As `fact_arguments`, with what `make` gives for each Fact."""
    read = fact_arguments(item)

    def arguments(view: View, piece: Piece) -> Arguments:
        return [list(map(make, read(view, piece)[0]))]

    return arguments


def where_known(item: int) -> Callable[[View, Piece], Arguments]:
    """As `fact_arguments`, with NIL for messages of which the Fact was not computed yet."""

    def arguments(view: View, piece: Piece) -> Arguments:
        contents: Sequence[int] = piece.chunk.content[piece.low : piece.high].tolist()
        known = facts_of(view.live.root.db.reader, item, contents)
        return [[known.get(content, b"NIL") for content in contents]]

    return arguments


SAVEDATE = Column(b"SAVEDATE %b", savedate_arguments)
EMAILID = Column(b"EMAILID (%b)", fact_arguments(facts.EMAILID))
THREADID = Column(b"THREADID (%b)", made_of(facts.KEYS, facts.thread_of))


MSGID = Column(b"X-GM-MSGID %d", made_of(facts.EMAILID, number))
THRID = Column(b"X-GM-THRID %d", made_of(facts.KEYS, lambda packed: number(facts.thread_of(packed))))
LABELS = Column(b"X-GM-LABELS (%b)", label_arguments)
UTF8_LABELS = Column(b"X-GM-LABELS (%b)", utf8_label_arguments)


def preview(template: bytes, *, lazy: bool) -> Column:
    """The first words; `lazy` ones are those that are known (RFC 8970 §4.1)."""
    return Column(template, (where_known if lazy else fact_arguments)(facts.PREVIEW))
