"""UPDATE and CANCELUPDATE (RFC 5267 §4.3): the results of SEARCH and SORT, told again as they change.

`leaving` speaks before an EXPUNGE, as its message numbers are those from before; `changed` after EXISTS and FETCH.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from doocot.errors import MailError
from doocot.imap.command import Bad, No, Ok, Result, State, command
from doocot.imap.fetch_items import Item
from doocot.mailbox.search import Given
from doocot.mailbox.search_tree import Key
from doocot.mailbox.search_updates import aged, matched, names_last, names_time, pieces, settled
from doocot.mailbox.sort import Criterion, in_order
from doocot.mailbox.view import Delta, merge, rows_at, uids_at
from doocot.store.index.messages import Range, ranges_of
from doocot.store.snapshot import Ints, column, last_uid, row_of_uid, rows_of_uids
from doocot.wire.cursor import Cursor
from doocot.wire.flow import Step
from doocot.wire.numset import format_in_order, format_numbers

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

Fetch: TypeAlias = 'Callable[["ImapSession", tuple[Item, ...], list[Range]], Generator[Step, Any, None]]'

MAX_UPDATES: Final = 16  # of one session
MAX_RESULTS: Final = 1 << 20  # of all updates of a session but the first, which a client must have (RFC 5267 §4.3.1)


AGING: Final = 60  # seconds after which keys of age are asked again


@dataclass(slots=True)
class Update:
    """A searching command whose results are kept up to date; `order` is empty for those in mailbox order.

    `uids` are the results as the client knows them, in their order; `correlators` name the command. The comparator
    stays that of the command, the time is that of the last look.
    """

    correlators: bytes
    key: Key
    by_uid: bool
    order: Sequence[Criterion]
    uids: Ints
    given: Given
    names_last: bool
    names_time: bool
    items: tuple[Item, ...] = ()


@dataclass(slots=True)
class Updates:
    """Those of a session, by tag. `last` is the highest UID they were asked of, `touched` UIDs to be asked again."""

    known: dict[bytes, Update] = field(default_factory=dict)
    last: int = 0
    touched: list[Ints] = field(default_factory=list)
    stale: bool = False


def check(session: "ImapSession", options: frozenset[bytes] | None) -> None:
    """The tag of a command with UPDATE may not be that of another one (RFC 5267 §4.3)."""
    if options is not None and b"UPDATE" in options and session.tag in session.updating.known:
        raise Bad(b"Duplicate search update tag.")


def begin(
    session: "ImapSession",
    key: Key,
    given: Given,
    rows: Ints,
    by_uid: bool,
    order: Sequence[Criterion] = (),
    correlators: bytes = b"",
    items: tuple[Item, ...] = (),
) -> bytes:
    """Keeps these results up to date from now on; what the client is told where there are too many already.

    `given` is what the search began with, `items` are wanted of new messages that come to the results.
    """
    view, updates = session.view, session.updating
    assert view is not None
    held = sum(len(one.uids) for one in updates.known.values())
    if updates.known and (len(updates.known) >= MAX_UPDATES or held + len(rows) > MAX_RESULTS):
        return refused(session)
    if not updates.known:
        updates.last, updates.touched, updates.stale = last_uid(view.snapshot), [], False
    uids = column(view.snapshot, "uid")[rows]
    correlators = correlators or b'TAG "%b"' % session.tag
    key = settled(view, key, given.saved)
    last, time = names_last(key), names_time(key)
    updates.known[session.tag] = Update(correlators, key, by_uid, order, uids, given, last, time, items)
    return b""


def refused(session: "ImapSession", text: bytes = b"Too many contexts.") -> bytes:
    """The results of this command will not be told again (RFC 5267 §4.3.1)."""
    return b'* NO [NOUPDATE "%b"] %b\r\n' % (session.tag, text)


def only_by_uid(session: "ImapSession") -> bytes:
    """Ends those whose results were told by sequence numbers, which are not told any more (RFC 9586 §3)."""
    known = session.updating.known
    ended = [tag for tag, one in known.items() if not one.by_uid]
    for tag in ended:
        del known[tag]
    return b"".join(b'* NO [NOUPDATE "%b"] Its results were sequence numbers.\r\n' % tag for tag in ended)


def note(session: "ImapSession", delta: Delta) -> None:
    """Something changed, of which `changed` will speak: also what the client need not be told otherwise."""
    view, updates = session.view, session.updating
    if updates.known and view is not None:
        updates.stale = True
        updates.touched += [uids_at(view.snapshot, rows) for rows in (delta.altered, delta.hidden) if len(rows)]


def leaving(session: "ImapSession", delta: Delta) -> bytes:
    """REMOVEFROM of what is expunged, before the client is told of that (RFC 5267 §4.3.4).

    What is expunged but may not be told yet has left the results all the same (RFC 5267 appendix A.3).
    """
    view, updates = session.view, session.updating
    if not updates.known:
        return b""
    assert view is not None
    note(session, delta)
    numbers, gone = column(view.snapshot, "uid"), delta.gone_uids
    if view.held:
        gone = column(view.snapshot, "uid", rows_of_uids(view.snapshot, merge(view.held)))
    elif len(gone):
        numbers = np.insert(numbers, np.searchsorted(numbers, gone), gone)
    if not len(gone):
        return b""
    lines = []
    for one in updates.known.values():
        stays = ~np.isin(one.uids, gone)
        if not stays.all():
            lines.append(_line(one, one.uids[stays], numbers))
            one.uids = one.uids[stays]
    return b"".join(lines)


def waiting(session: "ImapSession", delta: Delta | None) -> bool:
    """Whether `changed` will have something to look at once this is told: time alone changes results too.

    RFC 5032 §2: that may be looked at periodically.
    """
    updates = session.updating
    if updates.known and not updates.stale:
        now = session.context.clock()
        updates.stale = any(one.names_time and now - one.given.now >= AGING for one in updates.known.values())
    return updates.stale or (delta is not None and bool(updates.known))


def changed(session: "ImapSession", fetch: Fetch) -> Generator[Step, Any, None]:
    """Steps that tell what came to the results and what left them otherwise (RFC 5267 §4.3.3-4).

    `fetch` gives the FETCH responses for new messages, before the ESEARCH response that adds them (RFC 5465 §7).
    """
    view, updates = session.view, session.updating
    if view is None or not updates.stale:
        return
    touched, first = updates.touched, row_of_uid(view.snapshot, updates.last + 1)
    updates.touched, updates.stale = [], False
    updates.last = max(updates.last, last_uid(view.snapshot))
    altered = rows_at(view.snapshot, np.unique(np.concatenate(touched))) if touched else np.empty(0, "i8")
    altered = altered[altered < first]
    for tag, one in list(updates.known.items()):
        rows = altered
        if one.names_time:
            since, now = one.given.now, int(session.context.clock())
            one.given = replace(one.given, now=now)
            rows = np.union1d(rows, aged(view, one.key, since, now))
            rows = rows[rows < first]
        if one.names_last:
            rows = np.union1d(rows, np.arange(max(first - 1, 0), first))  # until now, or again
        try:
            yield from _look(session, one, rows, np.arange(first, view.snapshot.count), fetch)
        except MailError as error:
            session.context.refused(session, error)
            del updates.known[tag]
            yield b'* NO [NOUPDATE "%b"] %b\r\n' % (tag, error.text.encode("ascii", "replace"))


def _look(session: "ImapSession", one: Update, altered: Ints, new: Ints, fetch: Fetch) -> Generator[Step, Any, None]:
    """Asks of the altered rows and of the new ones, each on their own: the new ones have no Facts yet."""
    view = session.view
    assert view is not None
    last, masks = last_uid(view.snapshot), []
    for rows in (altered, new):
        masks.append((yield from matched(view, one.key, rows, last, one.given)))
    rows, mask = np.concatenate((altered, new)).astype("i8"), np.concatenate(masks).astype(bool)
    uids = column(view.snapshot, "uid")
    if view.held:  # they have left the results
        mask &= ~np.isin(rows, rows_at(view.snapshot, _held(session)))
    known = np.isin(uids[rows], one.uids)
    come, leave = uids[rows[mask & ~known]], uids[rows[~mask & known]]
    if not len(come) and not len(leave):
        return
    fresh = new[np.isin(uids[new], come)] if one.items else new[:0]
    if len(fresh):
        yield from fetch(session, one.items, [(low, high + 1) for low, high in ranges_of(fresh.tolist())])
    results = one.uids[~np.isin(one.uids, leave)]
    if one.order:
        results = np.sort(np.concatenate((results, come)))
        ordered = yield from in_order(view, np.searchsorted(uids, results), one.order, one.given)
        results = uids[ordered]
    else:
        results = np.insert(results, np.searchsorted(results, come), come)
    line = _line(one, results, uids)
    one.uids = results
    yield line


def _held(session: "ImapSession") -> Ints:
    view = session.view
    assert view is not None
    return column(view.snapshot, "uid", rows_of_uids(view.snapshot, merge(view.held)))


def _line(one: Update, results: Ints, there: Ints) -> bytes:
    """`* ESEARCH (TAG "t") [UID] [REMOVEFROM (...)] [ADDTO (...)]` from the results it has to these.

    `there` are the UIDs of the mailbox, whose places are the message numbers.
    """
    if one.order:
        removed, added = pieces(one.uids, results)
    else:  # 0: wherever they belong
        removed = [(0, one.uids[~np.isin(one.uids, results)])]
        added = [(0, results[~np.isin(results, one.uids)])]
    words = [b"* ESEARCH (%b)%b" % (one.correlators, b" UID" if one.by_uid else b"")]
    for word, told in ((b"REMOVEFROM", removed), (b"ADDTO", added)):
        pairs = [b"%d %b" % (place, _set(one, uids, there)) for place, uids in told if len(uids)]
        if pairs:
            words.append(b"%b (%b)" % (word, b" ".join(pairs)))
    return b" ".join(words) + b"\r\n"


def _set(one: Update, uids: Ints, there: Ints) -> bytes:
    """Results as a sequence set, in their order."""
    numbers = uids if one.by_uid else np.searchsorted(there, uids) + 1
    return format_in_order(numbers) if one.order else format_numbers(numbers)


def parse_tags(c: Cursor) -> list[bytes]:
    """`"CANCELUPDATE" 1*(SP quoted)`"""
    tags = [c.sp().string()]
    while c.try_sp() and not c.at_end():
        tags.append(c.string())
    return tags


@command("CANCELUPDATE", state=State.SELECTED, parse=parse_tags)
def cancel_update(session: "ImapSession", tags: list[bytes], by_uid: bool) -> Result:
    """RFC 5267 §4.3.5."""
    known = session.updating.known
    if any(tag not in known for tag in tags):
        raise No(b"Unknown tag.")
    for tag in tags:
        known.pop(tag, None)
    return Ok(b"Updates cancelled.")
