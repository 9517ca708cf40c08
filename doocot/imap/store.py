"""STORE and UID STORE (RFC 3501 §6.4.6, UNCHANGEDSINCE RFC 7162 §3.1.3)."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from doocot.imap import flags, gmail, limits, untagged
from doocot.imap.command import Ok, Result, State, Steps, command
from doocot.imap.sets import rows_of
from doocot.mailbox import change
from doocot.mailbox.change import FlagChange, FlagResult, Operation
from doocot.store.index.database import Busy
from doocot.store.index.messages import Range
from doocot.store.snapshot import rows_of_uids, uid_ranges
from doocot.wire.cursor import BadSyntax, Cursor
from doocot.wire.flow import Job
from doocot.wire.numset import NumSet, format_ranges

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession


@dataclass(frozen=True, slots=True)
class Store:
    """`store = "STORE" SP sequence-set [SP store-modifiers] SP store-att-flags`"""

    messages: NumSet
    change: FlagChange
    silent: bool
    labels: tuple[str, ...] | None = None

    @classmethod
    def parse(cls, c: Cursor) -> "Store":
        messages = c.sp().sequence_set()
        since = None
        c.sp()
        if c.at(b"("):
            since = _unchanged_since(c)
            c.sp()
        operation = Operation.ADD if c.take(b"+") else Operation.REMOVE if c.take(b"-") else Operation.REPLACE
        item = c.keyword()
        silent = item.endswith(b".SILENT")
        if item in (b"X-GM-LABELS", b"X-GM-LABELS.SILENT"):
            return cls(messages, FlagChange(operation, 0, frozenset(), since), silent, gmail.labels(c.sp()))
        if item not in (b"FLAGS", b"FLAGS.SILENT"):
            raise BadSyntax("FLAGS or FLAGS.SILENT was expected", c.position)
        words = c.sp().flags()
        bits, keywords = flags.parse_flags(words)
        return cls(messages, FlagChange(operation, bits, keywords, since), silent)


def _unchanged_since(c: Cursor) -> int:
    """`store-modifier = "UNCHANGEDSINCE" SP mod-sequence-valzer`"""
    c.open_paren()
    if c.keyword() != b"UNCHANGEDSINCE":
        raise BadSyntax("UNCHANGEDSINCE was expected", c.position)
    since = c.sp().mod_sequence_valzer()
    c.close_paren()
    return since


@command("STORE", "UID STORE", state=State.SELECTED, parse=Store.parse, expunge=False)
def store(session: "ImapSession", args: Store, by_uid: bool) -> Result:
    view = session.view
    assert view is not None
    change.writable(view)
    if args.labels is not None:
        args = replace(args, change=gmail.as_flags(session, args.labels, args.change))
    told = untagged.condstore(session) if args.change.unchanged_since is not None else b""
    rows, code = limits.newest(session, rows_of(session, args.messages, by_uid))
    if not rows:
        return Ok(b"Store completed.", data=told)
    return limits.coded(_store(session, args, by_uid, rows, told), code)


def _store(session: "ImapSession", args: Store, by_uid: bool, rows: list[Range], told: bytes) -> Result:
    view = session.view
    assert view is not None
    uids = uid_ranges(view.snapshot, rows)
    if args.labels is not None and not args.silent:
        return gmail.telling_labels(session, rows, _long(session, args, by_uid, uids, told))
    if sum(high - low for low, high in rows) <= change.INLINE:
        try:
            return _done(session, args, by_uid, change.set_flags(view, uids, args.change, wait=False), told)
        except Busy:
            pass
    return _long(session, args, by_uid, uids, told)


def _long(session: "ImapSession", args: Store, by_uid: bool, uids: list[Range], told: bytes) -> Steps:
    view = session.view
    assert view is not None
    result = yield Job(lambda: change.set_flags(view, uids, args.change, wait=True))
    return _done(session, args, by_uid, result, told)


def _done(session: "ImapSession", args: Store, by_uid: bool, result: FlagResult, told: bytes) -> Ok:
    """The changes are told by the sync that ends the command; .SILENT hides this command's own."""
    view = session.view
    assert view is not None
    if result.change is not None:
        session.context.unsettled(view.live.root)
        if args.silent:
            session.hide = result.change.position
    return Ok(b"Store completed.", code=_modified(session, by_uid, result), data=told)


def _modified(session: "ImapSession", by_uid: bool, result: FlagResult) -> bytes | None:
    """`[MODIFIED set]`: the messages that UNCHANGEDSINCE protected."""
    if not result.modified:
        return None
    if by_uid:
        return b"MODIFIED " + format_ranges(result.modified)
    view = session.view
    assert view is not None
    rows = rows_of_uids(view.snapshot, result.modified)
    return b"MODIFIED " + format_ranges([(low + 1, high) for low, high in rows])
