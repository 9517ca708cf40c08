"""LIST and LSUB (RFC 3501 §6.3.8-6.3.9), LIST-EXTENDED (RFC 5258), SPECIAL-USE (RFC 6154), LIST-STATUS (RFC 5819) and
LIST-METADATA (RFC 9590); XLIST, by which Gmail told special uses before there was an RFC."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from doocot.errors import MailError
from doocot.imap import extensions, metadata, names, status
from doocot.imap.command import Bad, Ok, Result, State, Steps, command
from doocot.mailbox.listing import RENDERED, Entry, Listing, listing, matching
from doocot.mailbox.metadata import of_mailbox, special_uses
from doocot.mailbox.namespaces import Place, find_space
from doocot.mailbox.patterns import Pattern, compiled
from doocot.mailbox.places import forms, synced
from doocot.mailbox.user import mailbox_row
from doocot.wire import mutf7
from doocot.wire.cursor import Cursor
from doocot.wire.flow import MORE, Job, Step
from doocot.wire.respond import mailbox, string

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

SUBSCRIBED, REMOTE, RECURSIVE, SPECIAL_USE = b"SUBSCRIBED", b"REMOTE", b"RECURSIVEMATCH", b"SPECIAL-USE"
CHILDREN, STATUS, METADATA = b"CHILDREN", b"STATUS", b"METADATA"
SELECTIONS = frozenset((SUBSCRIBED, REMOTE, RECURSIVE, SPECIAL_USE))
RETURNS = frozenset((SUBSCRIBED, CHILDREN, SPECIAL_USE))
TB_LSUB_FLAGS = "tb-lsub-flags"  # Thunderbird shows what cannot be selected greyed out only when LSUB says so
MAX_PATTERNS = 1000  # of one LIST
FEW = 10  # patterns up to which there is no thread for them
SLICE = 50  # mailboxes of a LIST-STATUS before others get their turn
_PLAIN = frozenset((CHILDREN, SPECIAL_USE))  # what LIST without any option tells
_ALL = _PLAIN | {SUBSCRIBED}


@dataclass(frozen=True, slots=True)
class List:
    """`list = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]` (RFC 5258 §6)"""

    reference: str
    patterns: tuple[str, ...]
    extended: bool = False
    selection: frozenset[bytes] = frozenset()
    returned: frozenset[bytes] = _PLAIN
    status: tuple[bytes, ...] = ()
    metadata: tuple[str, ...] = ()
    xlist: bool = False

    @classmethod
    def parse(cls, c: Cursor) -> "List":
        extended = c.sp().at(b"(")
        selection = frozenset(c.paren_list(c.keyword, empty=True)) if extended else frozenset[bytes]()
        if not selection <= SELECTIONS:
            raise Bad(b"Unknown select options.")
        if RECURSIVE in selection and not selection & {SUBSCRIBED, SPECIAL_USE}:
            raise Bad(b"RECURSIVEMATCH must not be the only selection.")  # RFC 5258 §3.1
        if extended:
            c.sp()
        reference = names.reference(c)
        several = c.sp().at(b"(")
        patterns = c.paren_list(c.list_mailbox, empty=True, limit=MAX_PATTERNS) if several else [c.list_mailbox()]
        with_returns = c.try_sp() and not c.at_end()
        returned, items, entries = _returns(c) if with_returns else (frozenset[bytes](), (), ())
        extended = extended or several or with_returns
        return cls(
            reference,
            tuple(dict.fromkeys(patterns)),
            extended,
            selection,
            returned if extended else _PLAIN,
            items,
            entries,
        )


def _returns(c: Cursor) -> tuple[frozenset[bytes], tuple[bytes, ...], tuple[str, ...]]:
    """`list-return-opts = "RETURN" SP "(" [return-option *(SP return-option)] ")"`"""
    if c.keyword() != b"RETURN" or not c.try_sp():
        raise Bad(b"Extra arguments.")
    items: list[tuple[bytes, ...]] = []
    entries: list[tuple[str, ...]] = []

    def option() -> bytes:
        name = c.keyword()
        if name == STATUS:
            items.append(status.parse_items(c.sp()))
        elif name == METADATA:
            entries.append(metadata.parse_entries(c.sp()))
        elif name not in RETURNS:
            raise Bad(b"Unknown return options.")
        return name

    found = frozenset(c.paren_list(option, empty=True))
    return found & RETURNS, (items or [()])[-1], (entries or [()])[-1]


@command("LIST", state=State.LOGGED_IN, parse=List.parse)
def list_(session: "ImapSession", args: List, by_uid: bool) -> Result:
    return _run(session, args, b"List completed.")


def parse_lsub(c: Cursor) -> List:
    """`lsub = "LSUB" SP mailbox SP list-mailbox`"""
    return List(names.reference(c.sp()), (c.sp().list_mailbox(),), False, frozenset((SUBSCRIBED,)))


@command("LSUB", state=State.LOGGED_IN, parse=parse_lsub)
def lsub(session: "ImapSession", args: List, by_uid: bool) -> Result:
    return _run(session, args, b"Lsub completed.")


def parse_xlist(c: Cursor) -> List:
    """`xlist = "XLIST" SP mailbox SP list-mailbox`"""
    return List(names.reference(c.sp()), (c.sp().list_mailbox(),), xlist=True)


@command("XLIST", state=State.LOGGED_IN, parse=parse_xlist)
def xlist(session: "ImapSession", args: List, by_uid: bool) -> Result:
    return _run(session, args, b"Xlist completed.")


def _run(session: "ImapSession", args: List, done: bytes) -> Result:
    mail = session.mail
    assert mail is not None
    if args.metadata:
        metadata.rules(session)
    if args.patterns == ("",) or not args.patterns:
        plain = not args.extended and not args.selection and args.patterns
        return Ok(done, data=_root(session, args) if plain else b"")
    special_uses(mail)
    if mail.opened.listing is None or args.status or args.metadata or len(args.patterns) > FEW:
        return _steps(session, args, done)
    return Ok(done, data=_answer(session, listing(mail), args))


def _root(session: "ImapSession", args: List) -> bytes:
    """The answer to the empty pattern: separator and root of the reference (RFC 3501 §6.3.8)."""
    assert session.mail is not None
    spaces, reference = session.mail.spaces, args.reference
    space = find_space(spaces, reference) if reference else None
    if space is not None and space.prefix:
        root = space.prefix
    else:
        space = space or spaces[0]
        first, separator, _ = reference.partition(space.separator)
        root = first + separator if separator else ""
    return response(_verb(args), (b"\\Noselect",), space.separator, root, session.utf8)


def _verb(args: List) -> bytes:
    return b"XLIST" if args.xlist else b"LIST"


def _steps(session: "ImapSession", args: List, done: bytes) -> Steps:
    mail = session.mail
    assert mail is not None
    found: Listing = yield Job(lambda: listing(mail))
    if not (args.status or args.metadata):
        return Ok(done, data=(yield Job(partial(_answer, session, found, args))))
    status.enabled(session, args.status)
    lines: list[tuple[Entry, bytes]] = yield Job(partial(_lines, session, found, args))
    for number, (entry, line) in enumerate(lines, 1):
        yield line
        if number % SLICE == 0:
            yield MORE
        if entry.exists and entry.index:
            if args.metadata:
                yield from _metadata(session, entry, args.metadata)
            if args.status:
                yield (yield from status_of(session, entry, args.status))
    return Ok(done)


def status_of(session: "ImapSession", entry: Entry, items: tuple[bytes, ...]) -> Generator[Step, Any, bytes]:
    """The STATUS response behind a LIST response (RFC 5819 §2); nothing for a mailbox that cannot be opened."""
    place = Place(entry.space, entry.index)
    echo = entry.name.encode() if session.utf8 else mutf7.encode(entry.name)
    line = status.known(session, place, echo, items)
    if line is not None:
        return line
    try:
        return (yield from status.counted(session, place, echo, items))
    except MailError as error:
        session.context.refused(session, error)
        return b""


def _metadata(session: "ImapSession", entry: Entry, entries: tuple[str, ...]) -> Generator[Step, Any, None]:
    """The METADATA responses behind a LIST response (RFC 9590 §3); none for a mailbox that cannot be opened."""
    mail, place = session.mail, Place(entry.space, entry.index)
    assert mail is not None
    try:
        row = mailbox_row(mail, place.name) or (yield Job(lambda: synced(mail, place)))
        yield from metadata.responses(session, of_mailbox(place, row), entry.name, entries)
    except MailError as error:
        session.context.refused(session, error)


def _answer(session: "ImapSession", found: Listing, args: List) -> bytes:
    """All responses, which are kept with the tree."""
    key = (args, session.utf8, extensions.rev2(session), TB_LSUB_FLAGS in session.context.workarounds)
    answer = found.rendered.get(key)
    if answer is None:
        answer = b"".join([line for _, line in _lines(session, found, args)])
        if len(found.rendered) >= RENDERED:
            found.rendered.clear()
        found.rendered[key] = answer
    return answer


def _lines(session: "ImapSession", found: Listing, args: List) -> list[tuple[Entry, bytes]]:
    texts = [form for text in args.patterns if text for form in forms(args.reference + text)]
    patterns = [compiled(text, _separator(session)) for text in texts]
    fitting = matching(found, patterns)
    if args.selection and not args.extended:
        return _lsub_lines(session, found, fitting, patterns)
    chosen = [entry for entry in fitting if _selected(entry, args.selection)]
    if RECURSIVE in args.selection:
        chosen = _with_parents(found, fitting, chosen, args.selection)
    return [(entry, _list_line(session, entry, args)) for entry in chosen]


def _separator(session: "ImapSession") -> str:
    """`%` stops at the separator; namespaces of one user have the same (Dovecot insists on it)."""
    assert session.mail is not None
    return session.mail.spaces[0].separator


def _selected(entry: Entry, selection: frozenset[bytes]) -> bool:
    """Whether the selection options ask for it (RFC 5258 §3.1)."""
    if SUBSCRIBED in selection:
        return entry.subscribed and (SPECIAL_USE not in selection or bool(entry.special_use))
    return entry.exists and bool(entry.special_use) if SPECIAL_USE in selection else entry.listed


def _with_parents(
    found: Listing, fitting: Sequence[Entry], chosen: Sequence[Entry], selection: frozenset[bytes]
) -> list[Entry]:
    """RECURSIVEMATCH: names with something selected below them that is not told itself (RFC 5258 §3.5)."""
    told = {entry.name for entry in chosen}
    above: set[str] = set()
    for entry in found.entries.values():
        if entry.name not in told and _selected(entry, selection):
            above.update(_parents(entry))
    return [entry for entry in fitting if entry.name in told or entry.name in above]


def _parents(entry: Entry) -> list[str]:
    """Every name above it, the nearest first."""
    parents, name = [], entry.name
    while entry.space.separator in name:
        name = name.rpartition(entry.space.separator)[0]
        parents.append(name)
    return parents


def unasked(session: "ImapSession", entry: Entry, old: str = "") -> bytes:
    """LIST as NOTIFY tells it, with the name that a renamed mailbox had (RFC 5465 §5.4-5.5)."""
    told = _ALL if entry.exists else _ALL - {CHILDREN}
    further = b' ("OLDNAME" (%b))' % mailbox(old, session.utf8) if old else b""
    return _list_line(session, entry, List("", (), extended=True, returned=told), further)


def _list_line(session: "ImapSession", entry: Entry, args: List, further: bytes = b"") -> bytes:
    words: list[bytes] = []
    if args.xlist and entry.name == "INBOX":
        words.append(b"\\Inbox")
    if entry.subscribed and (SUBSCRIBED in args.selection or SUBSCRIBED in args.returned):
        words.append(b"\\Subscribed")
    if not entry.exists:
        words.append(b"\\NonExistent" if args.extended or extensions.rev2(session) else b"\\Noselect")
    if CHILDREN in args.returned:
        children = entry.children or (RECURSIVE in args.selection and entry.subscribed_below)
        words.append(b"\\HasChildren" if children else b"\\HasNoChildren")
    if SPECIAL_USE in args.returned or SPECIAL_USE in args.selection:
        words += [use.encode() for use in entry.special_use]
    if RECURSIVE in args.selection:
        asked = ((SUBSCRIBED, entry.subscribed_below), (SPECIAL_USE, entry.special_below))
        kinds = [b'"%b"' % kind for kind, there in asked if there and kind in args.selection]
        further = b" (CHILDINFO (%b))" % b" ".join(kinds) if kinds else b""
    return response(_verb(args), words, entry.space.separator, entry.name, session.utf8, further)


def _lsub_lines(
    session: "ImapSession", found: Listing, fitting: Sequence[Entry], patterns: Sequence[Pattern]
) -> list[tuple[Entry, bytes]]:
    """Subscribed names; with `%` also those above subscribed names that it does not fit (RFC 3501 §6.3.9)."""
    parents: set[str] = set()
    if any(pattern.ends_in_level for pattern in patterns):
        told = {entry.name for entry in fitting if entry.subscribed}
        for entry in found.entries.values():
            if entry.subscribed and entry.name not in told:
                parents.update(_parents(entry))
    lines = []
    for entry in fitting:
        if entry.subscribed:
            words = [use.encode() for use in entry.special_use]
            if not entry.exists and TB_LSUB_FLAGS in session.context.workarounds:
                words.append(b"\\Noselect")
        elif entry.name in parents:
            words = [b"\\Noselect"]
        else:
            continue
        lines.append((entry, response(b"LSUB", words, entry.space.separator, entry.name, session.utf8)))
    return lines


def response(
    verb: bytes, words: Sequence[bytes], separator: str, name: str, utf8: bool = False, further: bytes = b""
) -> bytes:
    """`mailbox-list = "(" [mbx-list-flags] ")" SP (DQUOTE QUOTED-CHAR DQUOTE / nil) SP mailbox [SP extended]`"""
    text = mailbox(name, utf8)
    return b"* %b (%b) %b %b%b\r\n" % (verb, b" ".join(words), string(separator.encode()), text, further)
