"""EXPUNGE, UID EXPUNGE and CLOSE (RFC 3501 §6.4.2-6.4.3, RFC 4315 §2.1)."""

from typing import TYPE_CHECKING

from doocot.imap import limits
from doocot.imap.command import Ok, Result, State, Steps, command
from doocot.imap.select import leave
from doocot.imap.untagged import highest_modseq
from doocot.mailbox import change
from doocot.mailbox.view import refresh
from doocot.store.index.messages import Change, Range
from doocot.store.snapshot import last_uid
from doocot.wire.cursor import Cursor
from doocot.wire.flow import Job
from doocot.wire.numset import NumSet

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession


def parse_uids(c: Cursor) -> NumSet:
    """`uid-expunge = "UID" SP "EXPUNGE" SP sequence-set`"""
    return c.sp().sequence_set()


@command("EXPUNGE", state=State.SELECTED)
def expunge(session: "ImapSession", _: None, by_uid: bool) -> Result:
    return _expunge(session, None)


@command("UID EXPUNGE", state=State.SELECTED, parse=parse_uids)
def uid_expunge(session: "ImapSession", uids: NumSet, by_uid: bool) -> Result:
    view = session.view
    assert view is not None
    wanted = list(session.saved if uids.saved else uids.resolve(last_uid(view.snapshot)))
    wanted, code = limits.newest_deleted(session, wanted)
    return limits.coded(_expunge(session, wanted), code)


def _expunge(session: "ImapSession", uids: list[Range] | None) -> Steps:
    view = session.view
    assert view is not None
    change.writable(view)
    done = yield Job(lambda: change.expunge(view, uids, wait=True))
    code = None
    if done is not None:
        _count(session, done)
        session.context.unsettled(view.live.root)
        if b"CONDSTORE" in session.enabled:
            refresh(view.live)
            code = b"HIGHESTMODSEQ %d" % highest_modseq(view)
    return Ok(b"Expunge completed.", code=code)


def _count(session: "ImapSession", done: Change) -> None:
    """For the log line of the session's end."""
    expunged = sum(high - low + 1 for low, high in done.ranges)
    session.counts["expunged"] = session.counts.get("expunged", 0) + expunged


@command("CLOSE", state=State.SELECTED, sync=False)
def close(session: "ImapSession", _: None, by_uid: bool) -> Result:
    """Expunges without telling, but not in a mailbox that was opened by EXAMINE."""
    view = session.view
    assert view is not None
    if view.read_only:
        leave(session)
        return Ok(b"Close completed.")
    return _close(session)


def _close(session: "ImapSession") -> Steps:
    view = session.view
    assert view is not None
    done = yield Job(lambda: change.expunge(view, None, wait=True))
    if done is not None:
        _count(session, done)
        session.context.unsettled(view.live.root)
    leave(session)
    return Ok(b"Close completed.")
