"""SELECT, EXAMINE, CLOSE and UNSELECT (RFC 3501 §6.3.1-6.3.2, §6.4.2, RFC 3691), with CONDSTORE and QRESYNC (RFC
7162), and what IMAP4rev2 tells otherwise (RFC 9051 §6.3.2)."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from doocot.imap import extensions, names, oldname, untagged
from doocot.imap.command import Bad, Ok, Result, State, Steps, command
from doocot.imap.sets import rows_of_ranges
from doocot.imap.updates import Updates
from doocot.mailbox import user
from doocot.mailbox.namespaces import shown
from doocot.mailbox.places import find
from doocot.mailbox.view import NEVER_RECENT, View
from doocot.message.objectid import mailbox_id
from doocot.store.index.messages import SEEN
from doocot.store.snapshot import Snapshot, of_chunks, places_by_flag, rows_where
from doocot.wire.cursor import BadSyntax, Cursor
from doocot.wire.flow import MORE, Step
from doocot.wire.numset import NumSet, parse_num_set

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

MANY = 1000  # messages from which on indexers are made ready
ALL = parse_num_set(b"1:*")


@dataclass(frozen=True, slots=True)
class Resync:
    """`QRESYNC (uidvalidity modseq [known-uids [seq-match-data]])` (RFC 7162 §3.2.5); the last is only a hint."""

    uid_validity: int
    modseq: int
    known_uids: NumSet
    matched: bool  # seq-match-data, which has sequence numbers, was there


@dataclass(frozen=True, slots=True)
class Select:
    """`select = "SELECT" SP mailbox [SP "(" select-param *(SP select-param) ")"]`

    `mailbox` is as it came: also for what is no name "no mailbox is selected" afterwards (RFC 3501 §6.3.1).
    """

    mailbox: bytes
    utf8: bool
    condstore: bool = False
    resync: Resync | None = None

    @classmethod
    def parse(cls, c: Cursor) -> "Select":
        mailbox = c.sp().astring()
        condstore, resync = False, None
        if c.try_sp():
            c.open_paren()
            while not c.take(b")"):
                name = c.keyword()
                if name == b"CONDSTORE":
                    condstore = True
                elif name == b"QRESYNC":
                    resync = _resync(c.sp())
                else:
                    raise BadSyntax("unknown SELECT parameter", c.position)
                c.try_sp()
        return cls(mailbox, c.utf8, condstore, resync)


def _resync(c: Cursor) -> Resync:
    c.open_paren()
    validity = c.nz_number()
    modseq = c.sp().mod_sequence_value()
    known = ALL
    if c.try_sp() and not c.at(b"("):
        known = c.sequence_set()
        c.try_sp()
    matched = c.at(b"(")
    if matched:
        c.open_paren().sequence_set()
        c.sp().sequence_set()
        c.close_paren()
    c.close_paren()
    return Resync(validity, modseq, known, matched)


@command("SELECT", state=State.LOGGED_IN, parse=Select.parse, sync=False)
def select(session: "ImapSession", args: Select, by_uid: bool) -> Result:
    return _open(session, args, read_only=False)


@command("EXAMINE", state=State.LOGGED_IN, parse=Select.parse, sync=False)
def examine(session: "ImapSession", args: Select, by_uid: bool) -> Result:
    return _open(session, args, read_only=True)


def _open(session: "ImapSession", args: Select, *, read_only: bool) -> Steps:
    assert session.mail is not None
    if args.resync is not None and b"QRESYNC" not in session.enabled:
        raise Bad(b"QRESYNC not enabled.")
    if args.resync is not None and args.resync.matched and extensions.uid_only(session):
        raise Bad(b"Sequence numbers are not used after ENABLE UIDONLY.", b"UIDREQUIRED")  # RFC 9586 §3.7
    before = session.view
    if before is not None:
        _forget(session)
        yield b"* OK [CLOSED] Previous mailbox closed.\r\n"
    try:
        if args.condstore:
            session.enabled.add(b"CONDSTORE")
        mailbox = names.decoded(args.mailbox, args.utf8)
        view = yield from user.select(session.mail, mailbox, read_only=read_only)
    finally:
        # Not sooner: when it is the same mailbox, its folder need not be watched anew, which takes the kernel a
        # millisecond where it knows many files of the folder.
        if before is not None:
            user.deselect(session.mail, before)
    place = find(session.mail, mailbox)
    session.view, session.mailbox, session.state = view, shown(place.space, place.name), State.SELECTED
    session.told_exists = view.snapshot.count
    if extensions.rev2(session):
        view.recent_from = NEVER_RECENT
    if is_new(view.snapshot):
        session.context.expect()
    yield opened(session, view)
    if extensions.rev2(session):
        yield oldname.told(session, place, mailbox)
    resync = args.resync
    if resync is not None and resync.uid_validity == view.live.row.uid_validity:
        yield from _resynchronise(session, view, resync)
    text = b"Examine completed." if read_only else b"Select completed."
    return Ok(text, code=b"READ-ONLY" if read_only else b"READ-WRITE")


def opened(session: "ImapSession", view: View) -> bytes:
    """What SELECT tells of the mailbox (RFC 3501 §6.3.1). RECENT and UNSEEN are gone from IMAP4rev2 (RFC 9051 §6.3.2),

    and UNSEEN, which is a sequence number, from UIDONLY (RFC 9586 §3). MAILBOXID: RFC 8474 §4.2.
    """
    row, rev2 = view.live.row, extensions.rev2(session)
    session.known_sets = set().union(*of_chunks(view.snapshot, "sets", lambda one: untagged.keyword_sets(one.flags)))
    lines = [untagged.flags_lines(session), untagged.exists(session, view.snapshot.count)]
    first = 0 if rev2 or extensions.uid_only(session) else first_unseen(view)
    if first:
        lines.append(b"* OK [UNSEEN %d] First unseen.\r\n" % first)
    lines += [
        b"* OK [UIDVALIDITY %d] UIDs valid\r\n" % row.uid_validity,
        b"* OK [UIDNEXT %d] Predicted next UID\r\n" % row.uid_next,
        b"* OK [MAILBOXID (%b)] Identifier of the mailbox\r\n" % mailbox_id(row.guid),
        b"* OK [HIGHESTMODSEQ %d] Highest\r\n" % untagged.highest_modseq(view),
    ]
    return b"".join(lines)


def _resynchronise(session: "ImapSession", view: View, resync: Resync) -> Generator[Step, Any, None]:
    """What vanished and what changed since the client was last here, of the UIDs it knows (RFC 7162 §3.2.5.1-2)."""
    gone = untagged.vanished(session, resync.known_uids, resync.modseq)
    if gone:
        yield gone
    known = rows_of_ranges(view.snapshot, resync.known_uids.resolve(max(view.live.row.uid_next - 1, 1)))
    rows = rows_where(view.snapshot, known, "modseq", lambda modseqs: modseqs > resync.modseq)
    if len(rows):
        for part in untagged.rendered(view, untagged.resync_plan(session), rows):
            yield part
            yield MORE


def is_new(snapshot: Snapshot) -> bool:
    """Whether there are many messages here of which nothing is known yet but their names."""
    return snapshot.count >= MANY and int(snapshot.chunks[-1].date[-1]) < 0


def first_unseen(view: View) -> int:
    """The sequence number of the first message without \\Seen, 0 when there is none."""
    unseen = places_by_flag(view.snapshot, SEEN, there=False)
    begun = zip(view.snapshot.starts[:-1], unseen, strict=True)
    return next((start + int(some[0]) + 1 for start, some in begun if len(some)), 0)


def leave(session: "ImapSession") -> None:
    """No mailbox is selected any more."""
    assert session.mail is not None
    assert session.view is not None
    user.deselect(session.mail, session.view)
    _forget(session)


def _forget(session: "ImapSession") -> None:
    session.view, session.mailbox, session.state, session.saved = None, "", State.AUTHENTICATED, ()
    session.updating = Updates()


@command("UNSELECT", state=State.SELECTED, sync=False)
def unselect(session: "ImapSession", _: None, by_uid: bool) -> Result:
    leave(session)
    return Ok(b"Unselect completed.")
