"""CREATE (RFC 3501 §6.3.3), with USE (RFC 6154 §3): the mailbox begins with these special uses.

The answer tells the MAILBOXID (RFC 8474 §4.1).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from doocot.imap import names, oldname
from doocot.imap.command import Bad, No, Ok, Result, State, Steps, command
from doocot.imap.registration import own_name
from doocot.mailbox import manage
from doocot.mailbox.metadata import canonical_uses
from doocot.mailbox.namespaces import locate_new
from doocot.message.objectid import mailbox_id
from doocot.store.index.mailboxes import MailboxRow
from doocot.wire.cursor import Cursor
from doocot.wire.flow import Job

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession


@dataclass(frozen=True, slots=True)
class Create:
    """`create = "CREATE" SP mailbox [SP "(" "USE" SP "(" [use-attr *(SP use-attr)] ")" ")"]`"""

    mailbox: str
    special_use: tuple[str, ...] = ()

    @classmethod
    def parse(cls, c: Cursor) -> "Create":
        name = names.mailbox(c.sp())
        if not c.try_sp() or c.at_end():
            return cls(name)
        c.open_paren()
        if c.keyword() != b"USE":
            raise Bad(b"Unknown CREATE parameter.")
        uses = c.sp().flag_list()
        c.close_paren()
        return cls(name, tuple(use.decode("ascii") for use in uses))


@command("CREATE", state=State.LOGGED_IN, parse=Create.parse)
def create(session: "ImapSession", args: Create, by_uid: bool) -> Result:
    return _create(session, args)


def _create(session: "ImapSession", args: Create) -> Steps:
    mail = session.mail
    assert mail is not None
    name = names.new(session, args.mailbox)
    try:
        uses = canonical_uses(args.special_use, locate_new(mail.spaces, name))
    except ValueError as error:
        raise No(str(error).encode(), b"USEATTR") from None
    row: MailboxRow = yield Job(lambda: manage.create(mail, name, uses))
    own_name(session, name)
    told = oldname.changed(session, args.mailbox) if name != args.mailbox else b""
    return Ok(b"Create completed.", b"MAILBOXID (%b)" % mailbox_id(row.guid), told)
