"""SEARCH and UID SEARCH (RFC 3501 §6.4.4, RFC 9051 §6.4.4) with ESEARCH (RFC 4731), SEARCHRES (RFC 5182), PARTIAL (RFC
9394), CONTEXT=SEARCH (RFC 5267) and MODSEQ (RFC 7162 §3.1.5)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from doocot.imap import extensions, gmail, limits, progress, untagged, updates
from doocot.imap.command import Bad, No, Ok, Result, State, Steps, command
from doocot.imap.fetch_items import Item, parse_list
from doocot.imap.filters import without_filters
from doocot.imap.given import given_to
from doocot.imap.partial import Partial, partial_range
from doocot.imap.search_keys import Keys, parse_keys
from doocot.imap.search_reader import charset_of, codec, takes
from doocot.mailbox.search import Scored, scored
from doocot.mailbox.view import View
from doocot.store.index.messages import Range
from doocot.store.snapshot import Ints, column
from doocot.wire.cursor import BadSyntax, Cursor
from doocot.wire.numset import format_in_order, format_list, format_numbers

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

OPTIONS: Final = frozenset((b"MIN", b"MAX", b"COUNT", b"ALL", b"SAVE", b"PARTIAL", b"CONTEXT", b"UPDATE", b"RELEVANCY"))
_SAVE: Final = frozenset((b"SAVE",))
_ALL: Final = frozenset((b"ALL",))


@dataclass(frozen=True, slots=True)
class Search:
    """`search = "SEARCH" [search-return-opts] SP search-program`; without RETURN `options` is None.

    `search-program = ["CHARSET" SP charset SP] search-key *(SP search-key)`; an unknown charset makes `known` false.
    `partial` is the range of the option PARTIAL.
    """

    options: frozenset[bytes] | None
    known: bool
    keys: Keys
    partial: Partial | None = None
    charset: bool = False  # CHARSET was said, which SORT and THREAD always do in their way
    items: tuple[Item, ...] = ()  # of UPDATE

    @classmethod
    def parse(cls, c: Cursor) -> "Search":
        returned = return_options(c.sp())
        charset = charset_of(c)
        return replace(program(c, returned, charset), charset=bool(charset))


@dataclass(frozen=True, slots=True)
class Returned:
    """The options of RETURN; `partial` is the range of PARTIAL, `items` are what UPDATE wants of new messages."""

    options: frozenset[bytes]
    partial: Partial | None
    items: tuple[Item, ...] = ()


def return_options(c: Cursor) -> Returned | None:
    """`["RETURN" SP "(" ... ")" SP]`"""
    returned = None
    if takes(c, b"RETURN"):
        returned = _options(c)
        c.sp()
    return returned


def program(c: Cursor, returned: Returned | None, charset: bytes) -> Search:
    """`search-key *(SP search-key)` whose texts are in that charset; empty is UTF-8."""
    name = codec(charset.decode("ascii", "replace")) if charset else "utf-8"
    if c.at_end():
        raise BadSyntax("a search key is missing", c.position)
    keys = parse_keys(c, name or "utf-8")
    if returned is None:
        return Search(None, name is not None, keys)
    return Search(returned.options, name is not None, keys, returned.partial, items=returned.items)


def criteria(c: Cursor, returned: Returned | None = None) -> Search:
    """`SP search-criteria` of SORT and THREAD: `charset 1*(SP search-key)` (RFC 5256 §5)."""
    charset = c.sp().astring()
    if not c.at_end():
        c.sp()
    return program(c, returned, charset)


def _options(c: Cursor) -> Returned:
    """`"RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")"`; none stands for ALL (RFC 4731 §3.1)."""
    begin = c.sp().position
    ranges: list[Partial] = []
    items: list[Item] = []

    def option() -> bytes:
        name, end = c.keyword(), c.position
        if name == b"PARTIAL":
            ranges.append(partial_range(c.sp()))
        elif name == b"UPDATE" and c.try_sp() and c.at(b"("):  # `modifier-update`, RFC 5465 §8
            items.extend(parse_list(c))
        elif name == b"UPDATE":
            c.position = end
        return name

    options = frozenset(c.paren_list(option, empty=True))
    if not options <= OPTIONS:
        raise BadSyntax("RETURN takes MIN, MAX, COUNT, ALL, PARTIAL, SAVE, UPDATE, CONTEXT and RELEVANCY", begin)
    if len(ranges) > 1 or (ranges and b"ALL" in options):
        raise BadSyntax("RETURN takes one PARTIAL or ALL", begin)  # RFC 9394 §3.1
    options -= {b"CONTEXT"}  # "servers MAY ignore this return option", RFC 5267 §4.2: columns are kept for every search
    return Returned(options or _ALL, ranges[0] if ranges else None, tuple(dict.fromkeys(items)))


@command("SEARCH", "UID SEARCH", state=State.SELECTED, parse=Search.parse, expunge=False)
def search(session: "ImapSession", args: Search, by_uid: bool) -> Result:
    updates.check(session, args.options)
    return saving(session, args, _search(session, args, by_uid))


def _search(session: "ImapSession", args: Search, by_uid: bool) -> Steps:
    given = given_to(session)
    args = replace(args, keys=(yield from without_filters(session, args.keys)))
    within, code = limits.searched(session, args)
    rows, scores = yield from found_rows(session, within)
    data = answer(session, within, by_uid, rows, scores)
    if args.options is not None and b"UPDATE" in args.options:
        # Kept by the client's own keys: `*` of the limit's would become a message that they do not ask for.
        data += updates.begin(session, args.keys.key, given, rows, by_uid, items=args.items)
    return Ok(b"Search completed.", code, data)


def saving(session: "ImapSession", args: Search, steps: Steps) -> Steps:
    """The steps of a searching command: with SAVE, NO leaves nothing in `$`, and BAD what it was (RFC 5182 §2.1)."""
    try:
        return (yield from steps)
    except Bad:
        raise
    except Exception:
        unsaved(session, args)
        raise


def unsaved(session: "ImapSession", args: Search) -> None:
    """Nothing was found that could be saved."""
    if args.options is not None and b"SAVE" in args.options:
        session.saved = ()


def found_rows(session: "ImapSession", args: Search) -> Scored:
    """Steps to what `mailbox.search.scored` gives for the program; No when its texts cannot be understood."""
    view = session.view
    assert view is not None
    allowed(session, args)
    progress.begin(session, view)
    given = given_to(session)
    understood(args)
    if args.keys.has_gmail:
        gmail.ready(session)
    if args.keys.has_modseq and b"CONDSTORE" not in session.enabled:
        session.enabled.add(b"CONDSTORE")
        yield b"* OK [HIGHESTMODSEQ %d] Highest\r\n" % untagged.highest_modseq(view)
    return (yield from scored(view, args.keys.key, given))


def allowed(session: "ImapSession", args: Search) -> None:
    """Raises Bad for what an extension took away when the client enabled it."""
    if args.charset and extensions.UTF8_ACCEPT in session.enabled:
        raise Bad(b"CHARSET is not used after ENABLE UTF8=ACCEPT: texts are in UTF-8.")  # RFC 6855 §3
    if args.keys.has_gmail or gmail.among(args.items):
        gmail.offered(session)
    if args.keys.has_recent and extensions.rev2(session):
        raise Bad(b"NEW, OLD and RECENT are no search keys of IMAP4rev2.")  # RFC 9051 §6.4.4
    if args.options is not None and b"RELEVANCY" in args.options and not args.keys.has_fuzzy:
        raise Bad(b"RELEVANCY is told of FUZZY searches only.")  # RFC 6203 §4
    if args.keys.has_numbers and extensions.uid_only(session):
        raise Bad(b"Sequence numbers are not used after ENABLE UIDONLY: say UID.", b"UIDREQUIRED")  # RFC 9586 §3.5


def understood(args: Search) -> None:
    """No when its texts cannot be understood."""
    if not args.known or args.keys.undecodable:
        raise No(b"Unknown charset" if not args.known else b"A text is not in its charset", b"BADCHARSET")


def answer(
    session: "ImapSession", args: Search, by_uid: bool, rows: Ints, scores: Ints | None, word: bytes = b"SEARCH"
) -> bytes:
    """The untagged response: the rows in the order in which they are; what is to be saved is."""
    view = session.view
    assert view is not None
    if args.options is None and word == b"SEARCH" and extensions.rev2(session):
        args = replace(args, options=_ALL)  # RFC 9051 §6.4.4: all answers are ESEARCH; SORT and THREAD are not of it
    if args.options is None:
        found = column(view.snapshot, "uid")[rows] if by_uid else rows + 1
        data = b"* " + word + (b" " + format_list(found) if len(found) else b"")
        if args.keys.has_modseq and len(rows):
            data += b" (MODSEQ %d)" % int(column(view.snapshot, "modseq")[rows].max())
        return data + b"\r\n"
    if b"SAVE" in args.options:
        save(session, args, rows)
    numbers = format_numbers if word == b"SEARCH" else format_in_order
    return esearch(view, args, by_uid, rows, scores, b'TAG "%b"' % session.tag, numbers)


def save(session: "ImapSession", args: Search, rows: Ints) -> None:
    """What `$` stands for from now on."""
    assert session.view is not None
    assert args.options is not None
    session.saved = _saved(column(session.view.snapshot, "uid"), np.sort(_told(args.options, args.partial, rows)))


def _told(options: frozenset[bytes], partial: Partial | None, rows: Ints) -> Ints:
    """The rows that the answer speaks of: MIN and MAX alone speak of one or two (RFC 5182 §2.4, RFC 7162 §3.1.5).

    With PARTIAL of those in its range as well (RFC 9394 §3.2).
    """
    if not options & {b"MIN", b"MAX", b"PARTIAL"} or options & {b"ALL", b"COUNT"} or not len(rows):
        return rows
    ends = [end for option, end in ((b"MIN", rows[:1]), (b"MAX", rows[-1:])) if option in options]
    return np.unique(np.concatenate([*ends, _part(partial, rows)]))


def _part(partial: Partial | None, results: Ints) -> Ints:
    """Those of the results that PARTIAL asks for."""
    low, high = partial.of(len(results)) if partial is not None else (0, 0)
    return results[low : max(low, high)]


def _saved(uids: Ints, rows: Ints) -> tuple[Range, ...]:
    """The rows as ranges of UIDs that name no other message, not even one that comes between them later."""
    found = uids[rows].astype("i8")
    if not len(found):
        return ()
    breaks = np.flatnonzero(np.diff(found) != 1)
    lows, highs = found[np.concatenate(([0], breaks + 1))], found[np.concatenate((breaks, [len(found) - 1]))]
    return tuple(zip(lows.tolist(), highs.tolist(), strict=True))


def esearch(
    view: View,
    args: Search,
    by_uid: bool,
    rows: Ints,
    scores: Ints | None,
    correlators: bytes,
    numbers: Callable[[Ints], bytes] = format_numbers,
) -> bytes:
    """`* ESEARCH (TAG "t") [UID] ...` in Dovecot's order; SAVE alone is answered by nothing."""
    options = args.options
    assert options is not None
    if options == _SAVE and not args.keys.has_modseq:
        return b""
    words, found = [b"* ESEARCH (%b)" % correlators], rows + 1
    if by_uid:
        words.append(b"UID")
        found = column(view.snapshot, "uid")[rows]
    if len(found):
        if b"MIN" in options:
            words.append(b"MIN %d" % int(found[0]))
        if b"MAX" in options:
            words.append(b"MAX %d" % int(found[-1]))
        if b"ALL" in options:
            words.append(b"ALL " + numbers(found))
    if args.partial is not None:
        words.append(b"PARTIAL (%b %b)" % (args.partial.text, numbers(_part(args.partial, found)) or b"NIL"))
    if b"RELEVANCY" in options:
        told = _part(args.partial, rows) if args.partial is not None else rows
        words.append(b"RELEVANCY (%b)" % format_list(np.full(len(told), 100) if scores is None else scores[told]))
    if b"COUNT" in options:
        words.append(b"COUNT %d" % len(found))
    if args.keys.has_modseq and len(rows):
        told = _told(options, args.partial, rows)
        words.append(b"MODSEQ %d" % int(column(view.snapshot, "modseq")[told].max()))
    return b" ".join(words) + b"\r\n"
