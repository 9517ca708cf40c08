"""What a client is told of changes, as untagged responses (RFC 3501 §7.3-7.4, RFC 7162 §3.2.10, RFC 9586 §3.3-3.4)."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from doocot.imap import extensions, updates
from doocot.mailbox import fetch
from doocot.mailbox.view import Delta, View, merge
from doocot.store.index.messages import Range, expunged_since
from doocot.store.root import keyword_names
from doocot.store.snapshot import Ints, Piece, column, gathered, of_chunks, pieces, row_of_uid
from doocot.wire.numset import NumSet, format_bounds, format_numbers

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

EXPUNGES = 1000  # lines of one part
COUNTED_SETS = 1 << 16  # ids of keyword sets up to which they are counted, in an array of that length
SYSTEM_FLAGS = b"\\Answered \\Flagged \\Deleted \\Seen \\Draft"

_RESYNC = fetch.plan([fetch.UID, fetch.FLAGS, fetch.MODSEQ])
_RESYNC_UIDFETCH = fetch.plan([fetch.FLAGS, fetch.MODSEQ], uid_only=True)


@cache
def _plan(uids: bool, modseqs: bool, flags: bool, uid_only: bool) -> fetch.Plan:
    """What a FETCH response that nobody asked for says; a UIDFETCH begins with its UID (RFC 9586 §3.3)."""
    columns = ((uids and not uid_only, fetch.UID), (modseqs, fetch.MODSEQ), (flags, fetch.FLAGS))
    return fetch.plan([column for told, column in columns if told], uid_only=uid_only)


def resync_plan(session: "ImapSession") -> fetch.Plan:
    """What QRESYNC tells of a message that changed (RFC 7162 §3.2.5.1)."""
    return _RESYNC_UIDFETCH if extensions.uid_only(session) else _RESYNC


NOTHING = Delta(np.empty(0, "i8"), np.empty(0, "i8"), np.empty(0, "i8"), -1)


def recent_count(view: View) -> int:
    """How many messages are \\Recent in this session."""
    return view.snapshot.count - row_of_uid(view.snapshot, view.recent_from)


def exists(session: "ImapSession", count: int) -> bytes:
    """`EXISTS`, and `RECENT` to those who know it (RFC 9051 appendix E)."""
    view = session.view
    assert view is not None
    if extensions.rev2(session):
        return b"* %d EXISTS\r\n" % count
    return b"* %d EXISTS\r\n* %d RECENT\r\n" % (count, recent_count(view))


def still_known(session: "ImapSession", delta: Delta) -> int:
    """How many of the messages that the client was told of are still there after this."""
    gone = delta.gone
    return session.told_exists - (int(np.searchsorted(gone, session.told_exists)) if len(gone) else 0)


def changes(session: "ImapSession", delta: Delta, by_uid: bool) -> bytes:
    """Everything that `changes_in_parts` tells."""
    return b"".join(changes_in_parts(session, delta, by_uid))


def changes_in_parts(session: "ImapSession", delta: Delta, by_uid: bool) -> Iterator[bytes]:
    """EXPUNGE or VANISHED, EXISTS and RECENT, then the flags that others changed; a part takes below a millisecond.

    What that means for the results of searches is told by `updates.changed` after it.
    """
    view, notify = session.view, session.notify
    assert view is not None
    yield updates.leaving(session, delta)
    known = still_known(session, delta)
    if session.told_exists > known:
        if extensions.QRESYNC in session.enabled or extensions.uid_only(session):
            yield b"* VANISHED %b\r\n" % format_numbers(delta.gone_uids)
        else:
            numbers = (delta.gone[: session.told_exists - known][::-1] + 1).tolist()
            for low in range(0, len(numbers), EXPUNGES):
                part = numbers[low : low + EXPUNGES]
                yield (b"* %d EXPUNGE\r\n" * len(part)) % tuple(part)
    altered, hidden = delta.altered, delta.hidden
    if session.delays_new or (notify is not None and not notify.selected.messages):  # it is not to hear of new messages
        altered, hidden, session.told_exists = altered[altered < known], hidden[hidden < known], known
    else:
        session.told_exists = view.snapshot.count
    yield new_keywords(session, np.concatenate((altered, hidden)) if len(hidden) else altered, known)
    if session.told_exists > known:
        yield exists(session, session.told_exists)
    condstore, uid_only = extensions.CONDSTORE in session.enabled, extensions.uid_only(session)
    uids = by_uid or extensions.tells_uids(session)
    if len(hidden) and condstore:  # a silent STORE still tells the new mod-sequences, RFC 7162 §3.1.3
        yield from rendered(view, _plan(uids, True, False, uid_only), hidden)
    if len(altered):
        yield from rendered(view, _plan(uids, condstore, True, uid_only), altered)


def is_long(delta: Delta) -> bool:
    """Whether telling it takes longer than others should wait."""
    return len(delta.gone) + len(delta.altered) + len(delta.hidden) > 2 * fetch.ROWS


def new_keywords(session: "ImapSession", altered: Ints, before: int) -> bytes:
    """FLAGS and PERMANENTFLAGS again, when a message has a keyword that is new to the client (RFC 3501 §7.2.6)."""
    view = session.view
    assert view is not None
    flags = column(view.snapshot, "flags")
    sets = keyword_sets(flags[altered]) | keyword_sets(flags[before:])
    if sets <= session.known_sets:
        return b""
    told = _keywords(session)
    session.known_sets |= sets
    return flags_lines(session) if _keywords(session) != told else b""


def keyword_sets(flags: Ints) -> set[int]:
    """The ids of the keyword sets of these flags. (`np.unique` sorts: 2 ms for 50,000.)"""
    if not len(flags):
        return set()
    highest = int(flags.max()) >> 8
    if not highest:
        return {0}
    sets = flags >> np.uint32(8)
    if highest < COUNTED_SETS:
        return set(np.flatnonzero(np.bincount(sets)).tolist())
    return set(np.unique(sets).tolist())


def flags_lines(session: "ImapSession") -> bytes:
    """`FLAGS` and `PERMANENTFLAGS` (RFC 3501 §7.1, §7.2.6)."""
    view = session.view
    assert view is not None
    keywords = b"".join(b" " + name.encode() for name in sorted(_keywords(session)))
    permanent = b"" if view.read_only else SYSTEM_FLAGS + keywords + b" \\*"
    text = b"Read-only mailbox." if view.read_only else b"Flags permitted."
    return b"* FLAGS (%b%b)\r\n* OK [PERMANENTFLAGS (%b)] %b\r\n" % (SYSTEM_FLAGS, keywords, permanent, text)


def _keywords(session: "ImapSession") -> set[str]:
    """The keywords that the client was told of."""
    view = session.view
    assert view is not None
    return {name for number in session.known_sets for name in keyword_names(view.live.root, number)}


def rendered(view: View, plan: fetch.Plan, rows: Ints) -> Iterator[bytes]:
    """FETCH responses of these ascending rows, in parts."""
    first, count = int(rows[0]), len(rows)
    if int(rows[-1]) - first + 1 == count:
        for piece in pieces(view.snapshot, first, first + count, plan.rows):
            yield fetch.render(view, plan, piece)
        return
    chunk, numbers = gathered(view.snapshot, rows), (rows + 1).tolist()
    for low in range(0, count, plan.rows):
        high = min(low + plan.rows, count)
        yield fetch.render(view, plan, Piece(chunk, low, high, 0), numbers[low:high])


def vanished(session: "ImapSession", uids: NumSet, since: int) -> bytes:
    """`VANISHED (EARLIER)`: those of the UIDs that were expunged after `since` (RFC 7162 §3.2.10.1).

    Where the log does not reach back so far, all of them that are not there: more than needed, never less.
    """
    view = session.view
    assert view is not None
    wanted = uids.resolve(view.live.row.uid_next - 1)
    gone = expunged_since(view.live.root.db.reader, view.live.row.id, since)
    there = column(view.snapshot, "uid")
    last = view.live.row.uid_next - 1
    looked_at = wanted if gone is None else list(_common(wanted, merge(gone)))
    lows, highs = _missing(there, last, looked_at)
    if not len(lows):
        return b""
    return b"* VANISHED (EARLIER) %b\r\n" % format_bounds(lows, highs)


def _common(left: Sequence[Range], right: Sequence[Range]) -> Iterator[Range]:
    """The numbers that are in both lists of ascending, disjoint ranges; each list is gone through once."""
    others = iter(right)
    first, last = next(others, (0, 0))
    for low, high in left:
        while last:
            if last >= low and first <= high:
                yield max(low, first), min(high, last)
            if last > high:
                break
            first, last = next(others, (0, 0))


def _missing(there: Ints, last: int, ranges: Sequence[Range]) -> tuple[Ints, Ints]:
    """The gaps between existing UIDs, from 1 to `last`, as far as they are in these ascending ranges that do not touch:

    the first and the last UID of each.
    """
    edges = np.concatenate(([0], there, [last + 1])).astype("i8")
    gaps = np.flatnonzero(np.diff(edges) > 1)
    lows, highs = edges[gaps] + 1, edges[gaps + 1] - 1
    first, final = np.array(ranges, "i8").reshape(-1, 2).T
    met = np.searchsorted(final, lows)  # the first range that reaches into a gap; so many do:
    counts = np.searchsorted(first, highs, side="right") - met
    gap = np.repeat(np.arange(len(gaps)), counts)
    met = np.repeat(met + counts - np.cumsum(counts), counts) + np.arange(len(gap))
    return np.maximum(lows[gap], first[met]), np.minimum(highs[gap], final[met])


def condstore(session: "ImapSession") -> bytes:
    """Mod-sequences are told from now on, with the highest of them to begin with (RFC 7162 §3.1)."""
    if b"CONDSTORE" in session.enabled:
        return b""
    session.enabled.add(b"CONDSTORE")
    view = session.view
    return b"* OK [HIGHESTMODSEQ %d] Highest\r\n" % highest_modseq(view) if view is not None else b""


def highest_modseq(view: View) -> int:
    """HIGHESTMODSEQ of the view (RFC 7162 §3.1.2.1): the highest of its messages' and of what was expunged from it."""
    highest = of_chunks(view.snapshot, "modseq", lambda chunk: int(chunk.modseq.max()))
    return max([view.live.row.modseq, 1, *highest])
