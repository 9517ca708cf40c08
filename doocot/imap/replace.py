"""REPLACE and UID REPLACE (RFC 8508): a message takes the place of another, in one step that happens whole or not."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from doocot.imap import names, telling
from doocot.imap.append import AppendMessage, new_mails, parse_message
from doocot.imap.command import Bad, No, Ok, Result, State, Steps, command
from doocot.imap.registration import own_change
from doocot.mailbox import append as mailbox_append
from doocot.mailbox import change
from doocot.mailbox.view import View
from doocot.store.snapshot import column, last_uid, row_of_uid
from doocot.wire.cursor import Cursor

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession


@dataclass(frozen=True, slots=True)
class Replace:
    """`replace = "REPLACE" SP seq-number SP mailbox append-message`; `number` 0 is `*` (RFC 3501 §9 seq-number)."""

    number: int
    mailbox: str
    message: AppendMessage

    @classmethod
    def parse(cls, c: Cursor) -> "Replace":
        number = 0 if c.sp().take(b"*") else c.nz_number()
        return cls(number, names.mailbox(c.sp()), parse_message(c))


@command("REPLACE", "UID REPLACE", state=State.SELECTED, parse=Replace.parse)
def replace(session: "ImapSession", args: Replace, by_uid: bool) -> Result:
    view = session.view
    assert view is not None
    change.writable(view)
    return _replace(session, args, _uid(view, args.number, by_uid), by_uid)


def _uid(view: View, number: int, by_uid: bool) -> int:
    """The UID of the message to be replaced. Raises Bad for no sequence number, No for no UID of it."""
    count = view.snapshot.count
    if not by_uid:
        number = number or count
        if not 1 <= number <= count:
            raise Bad(b"Invalid messageset")
        return int(column(view.snapshot, "uid", [(number - 1, number)])[0])
    uid = number or last_uid(view.snapshot)
    row = row_of_uid(view.snapshot, uid)
    if row >= count or int(column(view.snapshot, "uid", [(row, row + 1)])[0]) != uid:
        raise No(b"There is no message with this UID.")
    return uid


def _replace(session: "ImapSession", args: Replace, uid: int, by_uid: bool) -> Steps:
    """APPENDUID comes in an untagged OK before the EXPUNGE (RFC 8508 §4.3)."""
    view, mail = session.view, session.mail
    assert view is not None
    assert mail is not None
    (new,) = yield from new_mails(session, (args.message,))
    validity, uids = yield from mailbox_append.replace(mail, view, uid, args.mailbox, new)
    session.context.unsettled(mail.opened.root)
    own_change(session, args.mailbox, uids)
    yield b"* OK [APPENDUID %d %d] Replacement message ready.\r\n" % (validity, uids[0])
    yield from telling.of_view(session, view, expunge=True, by_uid=by_uid)
    return Ok(b"Replace completed.")
