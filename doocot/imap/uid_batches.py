"""UIDBATCHES (draft-ietf-mailmaint-imap-uidbatches): UID ranges that cut a mailbox into parts of so many messages."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from doocot.imap.command import Bad, No, Ok, Result, State, command
from doocot.store.snapshot import Ints, column
from doocot.wire.cursor import Cursor

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

LEAST: Final = 500  # messages of a batch
MOST: Final = 100_000  # messages of a range of batches


@dataclass(frozen=True, slots=True)
class UidBatches:
    """`uidbatches = "UIDBATCHES" SP nz-number [SP nz-number ":" nz-number]`: the size, and which of the batches."""

    size: int
    first: int = 1
    last: int = 0

    @classmethod
    def parse(cls, c: Cursor) -> "UidBatches":
        size = c.sp().nz_number()
        if not c.try_sp() or c.at_end():
            return cls(size)
        first = c.nz_number()
        return cls(size, first, c.expect(b":").nz_number())


@command("UIDBATCHES", state=State.SELECTED, parse=UidBatches.parse)
def uid_batches(session: "ImapSession", args: UidBatches, by_uid: bool) -> Result:
    """The newest messages are in the first batch."""
    view = session.view
    assert view is not None
    if args.size < LEAST:
        raise No(b"Batches have at least %d messages." % LEAST, b"TOOFEW")
    if args.last and args.last < args.first:
        raise Bad(b"The first batch of the range comes after its last.", b"CLIENTBUG")
    if args.last and (args.last - args.first + 1) * args.size > MOST:
        raise No(b"A range of batches has at most %d messages." % MOST, b"TOOMANY")
    ranges = batches(column(view.snapshot, "uid"), args.size)[args.first - 1 : args.last or None]
    told = b" " * bool(ranges) + b",".join([b"%d:%d" % pair for pair in ranges])
    return Ok(b"Uidbatches completed.", data=b'* UIDBATCHES (TAG "%b")%b\r\n' % (session.tag, told))


def batches(uids: Ints, size: int) -> list[tuple[int, int]]:
    """Pairs of the highest and the lowest UID, from the highest UID down to 1 and without gaps between them."""
    if not len(uids):
        return []
    lows = [*uids[list(range(len(uids) - size, 0, -size))].tolist(), 1]
    highs = [int(uids[-1]), *(low - 1 for low in lows[:-1])]
    return list(zip(highs, lows, strict=True))
