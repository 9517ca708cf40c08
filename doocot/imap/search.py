"""SEARCH and UID SEARCH (RFC 3501 §6.4.4) with ESEARCH (RFC 4731), SEARCHRES (RFC 5182) and MODSEQ (RFC 7162
§3.1.5)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from doocot.imap import untagged
from doocot.imap.command import No, Ok, Result, State, Steps, command
from doocot.imap.search_keys import Keys, codec, parse_keys
from doocot.mailbox.search import matching
from doocot.store.index.messages import Range
from doocot.store.snapshot import Ints, column
from doocot.wire.cursor import BadSyntax, Cursor
from doocot.wire.numset import format_list, format_numbers

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

OPTIONS: Final = frozenset((b"MIN", b"MAX", b"COUNT", b"ALL", b"SAVE"))
_SAVE: Final = frozenset((b"SAVE",))


@dataclass(frozen=True, slots=True)
class Search:
    """`search = "SEARCH" [search-return-opts] SP search-program`; without RETURN `options` is None.

    `search-program = ["CHARSET" SP charset SP] search-key *(SP search-key)`; an unknown charset makes `known` false.
    """

    options: frozenset[bytes] | None
    known: bool
    keys: Keys

    @classmethod
    def parse(cls, c: Cursor) -> "Search":
        c.sp()
        options = None
        if _takes(c, b"RETURN"):
            options = _options(c)
            c.sp()
        charset: str | None = "utf-8"
        if _takes(c, b"CHARSET"):
            name = c.sp().astring().decode("ascii", "replace")
            charset = codec(name) if name else "utf-8"
            c.sp()
        if c.at_end():
            raise BadSyntax("a search key is missing", c.position)
        return cls(options, charset is not None, parse_keys(c, charset or "utf-8"))


def _takes(c: Cursor, word: bytes) -> bool:
    """Goes over this word, if it comes next with a space behind it, and says whether it did."""
    end = c.position + len(word)
    found = c.text[c.position : end].upper() == word and c.text[end : end + 1] == b" "
    if found:
        c.position = end
    return found


def _options(c: Cursor) -> frozenset[bytes]:
    """`"RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")"`; none stands for ALL (RFC 4731 §3.1)."""
    begin = c.sp().position
    options = frozenset(c.paren_list(c.keyword, empty=True))
    if not options <= OPTIONS:
        raise BadSyntax("RETURN takes MIN, MAX, COUNT, ALL and SAVE", begin)
    return options or frozenset((b"ALL",))


@command("SEARCH", "UID SEARCH", state=State.SELECTED, parse=Search.parse, expunge=False)
def search(session: "ImapSession", args: Search, by_uid: bool) -> Result:
    return _search(session, args, by_uid)


def _search(session: "ImapSession", args: Search, by_uid: bool) -> Steps:
    view = session.view
    assert view is not None
    saved = session.saved
    if args.options is not None and b"SAVE" in args.options:
        session.saved = ()  # what a search that is refused leaves, RFC 5182 §2.1
    if not args.known or args.keys.undecodable:
        raise No(b"Unknown charset" if not args.known else b"A text is not in its charset", b"BADCHARSET")
    if args.keys.has_modseq and b"CONDSTORE" not in session.enabled:
        session.enabled.add(b"CONDSTORE")
        yield b"* OK [HIGHESTMODSEQ %d] Highest\r\n" % untagged.highest_modseq(view)
    rows = yield from matching(view, args.keys.key, saved, session.context.compute)
    found = column(view.snapshot, "uid")[rows] if by_uid else rows + 1
    if args.options is None:
        data = b"* SEARCH" + (b" " + format_list(found) if len(found) else b"")
        if args.keys.has_modseq and len(rows):
            data += b" (MODSEQ %d)" % int(column(view.snapshot, "modseq")[rows].max())
        return Ok(b"Search completed.", data=data + b"\r\n")
    told = _told(args.options, rows)
    if b"SAVE" in args.options:
        session.saved = _saved(column(view.snapshot, "uid"), told)
    return Ok(b"Search completed.", data=_esearch(session, args, by_uid, found, told))


def _told(options: frozenset[bytes], rows: Ints) -> Ints:
    """The rows that the answer speaks of: MIN and MAX alone speak of one or two (RFC 5182 §2.4, RFC 7162 §3.1.5)."""
    if not options & {b"MIN", b"MAX"} or options & {b"ALL", b"COUNT"} or not len(rows):
        return rows
    ends = {int(row) for option, row in ((b"MIN", rows[0]), (b"MAX", rows[-1])) if option in options}
    return np.array(sorted(ends), "i8")


def _saved(uids: Ints, rows: Ints) -> tuple[Range, ...]:
    """The rows as ranges of UIDs that name no other message, not even one that comes between them later."""
    found = uids[rows].astype("i8")
    if not len(found):
        return ()
    breaks = np.flatnonzero(np.diff(found) != 1)
    lows, highs = found[np.concatenate(([0], breaks + 1))], found[np.concatenate((breaks, [len(found) - 1]))]
    return tuple(zip(lows.tolist(), highs.tolist(), strict=True))


def _esearch(session: "ImapSession", args: Search, by_uid: bool, found: Ints, told: Ints) -> bytes:
    """`* ESEARCH (TAG "t") [UID] ...` in Dovecot's order; SAVE alone is answered by nothing."""
    options = args.options
    assert options is not None
    assert session.view is not None
    if options == _SAVE and not args.keys.has_modseq:
        return b""
    words = [b'* ESEARCH (TAG "%b")' % session.tag]
    if by_uid:
        words.append(b"UID")
    if len(found):
        if b"MIN" in options:
            words.append(b"MIN %d" % int(found[0]))
        if b"MAX" in options:
            words.append(b"MAX %d" % int(found[-1]))
        if b"ALL" in options:
            words.append(b"ALL " + format_numbers(found))
    if b"COUNT" in options:
        words.append(b"COUNT %d" % len(found))
    if args.keys.has_modseq and len(told):
        words.append(b"MODSEQ %d" % int(column(session.view.snapshot, "modseq")[told].max()))
    return b" ".join(words) + b"\r\n"
