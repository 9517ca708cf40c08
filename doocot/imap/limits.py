"""MESSAGELIMIT and SAVELIMIT (RFC 9738): how many messages one command may work on.

FETCH, CONVERT, STORE, MOVE, SEARCH and UID EXPUNGE work on those with the highest UIDs and say down to which; COPY,
APPEND, SORT and THREAD, which are done for all or none, are refused. EXPUNGE and CLOSE have no limit (§3.1). ESEARCH is
not bounded: it searches one mailbox after the other, and the response code has room for the UID of one.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from doocot.imap.command import No, Ok, Result, Steps
from doocot.imap.given import given_to
from doocot.imap.sets import rows_of_ranges
from doocot.mailbox.search import reachable
from doocot.mailbox.search_tree import And, Numbers
from doocot.store.index.messages import DELETED, Range
from doocot.store.snapshot import column, uid_at
from doocot.wire.numset import STAR, NumSet

if TYPE_CHECKING:
    from doocot.imap.context import ImapContext
    from doocot.imap.search import Search
    from doocot.imap.session import ImapSession

TEXT: Final = b"The limit of messages for one command is reached."


def offered(context: "ImapContext") -> tuple[bytes, ...]:
    """The capability: never both (RFC 9738 §3)."""
    if context.message_limit:
        return (b"MESSAGELIMIT=%d" % context.message_limit,)
    return (b"SAVELIMIT=%d" % context.save_limit,) if context.save_limit else ()


def newest(session: "ImapSession", rows: list[Range]) -> tuple[list[Range], bytes | None]:
    """Of these rows those that a command may work on, and the response code when that is not all."""
    return _newest(session, rows, session.context.message_limit)


def _newest(session: "ImapSession", rows: list[Range], limit: int) -> tuple[list[Range], bytes | None]:
    if not limit or sum(high - low for low, high in rows) <= limit:
        return rows, None
    left, kept = limit, list[Range]()
    for low, high in reversed(rows):
        kept.insert(0, (max(high - left, low), high))
        left -= kept[0][1] - kept[0][0]
        if not left:
            break
    assert session.view is not None
    return kept, _code(limit, uid_at(session.view.snapshot, kept[0][0]))


def newest_deleted(session: "ImapSession", uids: list[Range]) -> tuple[list[Range], bytes | None]:
    """As `newest`, for UID ranges of which only the messages with \\Deleted count."""
    limit, view = session.context.message_limit, session.view
    assert view is not None
    if not limit:
        return uids, None
    rows = rows_of_ranges(view.snapshot, uids)
    deleted = column(view.snapshot, "uid", rows)[column(view.snapshot, "flags", rows) & np.uint32(DELETED) != 0]
    if len(deleted) <= limit:
        return uids, None
    lowest = int(deleted[-limit])
    return [(max(low, lowest), high) for low, high in uids if high >= lowest], _code(limit, lowest)


def check(session: "ImapSession", count: int) -> None:
    """Raises No where a command would have to read more messages than may be."""
    limit = session.context.message_limit
    if limit and count > limit:
        raise No(TEXT, _code(limit))


def check_appended(session: "ImapSession", count: int) -> None:
    """Raises No for an APPEND of more messages than may be saved at once."""
    limit = session.context.message_limit or session.context.save_limit
    if limit and count > limit:
        raise No(TEXT, _code(limit))


def check_copied(session: "ImapSession", rows: list[Range]) -> None:
    """Raises No for a COPY of more messages than may be saved at once; it says from which UID on it would be done."""
    _, code = _newest(session, rows, session.context.message_limit or session.context.save_limit)
    if code is not None:
        raise No(TEXT, code)


def searched(session: "ImapSession", args: "Search") -> tuple["Search", bytes | None]:
    """The search of the messages that may be looked at: those count, not the ones that match (RFC 9738 §3.1)."""
    limit, view = session.context.message_limit, session.view
    assert view is not None
    if not limit:
        return args, None
    rows = np.flatnonzero(reachable(view, args.keys.key, given_to(session)))
    if len(rows) <= limit:
        return args, None
    lowest = int(column(view.snapshot, "uid")[rows[-limit]])
    key = And((Numbers(NumSet(((lowest, STAR),)), True), args.keys.key))
    return replace(args, keys=replace(args.keys, key=key)), _code(limit, lowest)


def check_searched(session: "ImapSession", args: "Search") -> None:
    """Raises No for SORT and THREAD of more messages than may be (RFC 9738 §3.3)."""
    if session.context.message_limit:
        assert session.view is not None
        check(session, int(reachable(session.view, args.keys.key, given_to(session)).sum()))


def coded(result: Result, code: bytes | None) -> Result:
    """The result with the response code; where there is one already, it comes in an untagged NO (RFC 9738 §3.1)."""
    if code is None:
        return result
    return _with(result, code) if isinstance(result, Ok) else _steps(result, code)


def _steps(steps: Steps, code: bytes) -> Steps:
    return _with((yield from steps), code)


def _with(ok: Ok, code: bytes) -> Ok:
    if ok.code is None:
        return replace(ok, code=code)
    return replace(ok, data=ok.data + b"* NO [%b] %b\r\n" % (code, TEXT))


def _code(limit: int, lowest: int = 0) -> bytes:
    """`"MESSAGELIMIT" SP message-limit [SP uniqueid]`: the UID is the lowest that was worked on."""
    return b"MESSAGELIMIT %d %d" % (limit, lowest) if lowest else b"MESSAGELIMIT %d" % limit
