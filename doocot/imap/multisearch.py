"""ESEARCH, the search of several mailboxes (RFC 7377), whose source options are those of NOTIFY (RFC 5465 §6)."""

from collections.abc import Generator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from doocot.errors import Kind, MailError
from doocot.imap import gmail, names, progress, updates
from doocot.imap.command import Bad, No, Ok, Result, State, Steps, command
from doocot.imap.filters import without_filters
from doocot.imap.given import given_to
from doocot.imap.search import (
    Returned,
    Search,
    allowed,
    esearch,
    program,
    return_options,
    save,
    saving,
    understood,
    unsaved,
)
from doocot.imap.search_reader import charset_of, takes
from doocot.mailbox.listing import Entry, Listing, listing
from doocot.mailbox.namespaces import Type
from doocot.mailbox.places import forms
from doocot.mailbox.search import Scored, scored
from doocot.mailbox.user import deselect, select
from doocot.mailbox.view import View
from doocot.wire.cursor import BadSyntax, Cursor
from doocot.wire.flow import MORE, Job, Step
from doocot.wire.respond import mailbox

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

MAX_NAMES: Final = 1000  # in the source options of one command
MAX_MAILBOXES: Final = 10_000  # of one command; they are opened one after the other
SELECTED: Final = b"SELECTED"
NAMED: Final = frozenset((b"MAILBOXES", b"SUBTREE", b"SUBTREE-ONE"))
# RFC 5465 §6.2: where it is not easy to say to which mailboxes mail may be delivered, INBOXES is PERSONAL.
GROUPS: Final = frozenset((SELECTED, b"INBOXES", b"PERSONAL", b"SUBSCRIBED"))


@dataclass(frozen=True, slots=True)
class Source:
    """`filter-mailboxes`: its word, and the mailboxes that follow it."""

    word: bytes
    mailboxes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MultiSearch:
    """`esearch = "ESEARCH" [SP esearch-source-opts] [SP search-return-opts] SP search-program`"""

    sources: tuple[Source, ...]
    program: Search

    @classmethod
    def parse(cls, c: Cursor) -> "MultiSearch":
        sources: tuple[Source, ...] = (Source(SELECTED),)
        c.sp()
        if takes(c, b"IN"):
            sources = source_options(c.sp())
            c.sp()
        begin = c.position
        returned = return_options(c) or Returned(frozenset((b"ALL",)), None)  # RFC 7377 §2.1
        charset = charset_of(c)
        found = cls(sources, replace(program(c, returned, charset), charset=bool(charset)))
        if b"SAVE" in returned.options and set(sources) != {Source(SELECTED)}:
            raise BadSyntax("SAVE is for the selected mailbox alone", begin)  # RFC 7377 §2.2
        return found


def source_options(c: Cursor) -> tuple[Source, ...]:
    """`"(" filter-mailboxes *(SP filter-mailboxes) [SP "(" scope-options ")"] ")"`; there are no scope options yet."""
    begin = c.position
    found = dict.fromkeys(c.paren_list(lambda: _source(c), limit=MAX_NAMES))
    if sum(len(source.mailboxes) for source in found) > MAX_NAMES:
        raise BadSyntax(f"there are more than {MAX_NAMES} names of mailboxes", begin)
    return tuple(found)


def _source(c: Cursor) -> Source:
    begin = c.position
    word = c.keyword()
    if word in GROUPS:
        return Source(word)
    if word not in NAMED:
        raise BadSyntax("mailboxes are named by selected, inboxes, personal, subscribed, subtree or mailboxes", begin)
    if c.sp().at(b"("):
        return Source(word, tuple(c.paren_list(lambda: names.mailbox(c), limit=MAX_NAMES)))
    return Source(word, (names.mailbox(c),))


# Message numbers may be among the keys (RFC 7377 §2), so that none may change meanwhile.
@command("ESEARCH", state=State.LOGGED_IN, parse=MultiSearch.parse, expunge=False)
def multi_search(session: "ImapSession", args: MultiSearch, by_uid: bool) -> Result:
    options = args.program.options
    if session.view is None and Source(SELECTED) in args.sources:
        raise Bad(b"No mailbox selected.")
    if session.view is None and options is not None and b"UPDATE" in options:
        raise Bad(b"UPDATE needs a selected mailbox.")
    updates.check(session, options)
    return saving(session, args.program, _multi_search(session, args))


def _multi_search(session: "ImapSession", args: MultiSearch) -> Steps:
    program = replace(args.program, keys=(yield from without_filters(session, args.program.keys)))
    args = replace(args, program=program)
    allowed(session, args.program)
    understood(args.program)
    if args.program.keys.has_modseq:
        session.enabled.add(b"CONDSTORE")
    wanted = yield from _mailboxes(session, args.sources)
    if len(wanted) > MAX_MAILBOXES:
        raise No(b"Too many mailboxes to search at once.", b"LIMIT")
    for name in wanted:
        try:
            if name == session.mailbox and session.view is not None:
                yield from _selected(session, args.program)
            else:
                yield from _other(session, args.program, name)
        except MailError as error:  # one that went away or cannot be read is passed over (RFC 7377 §2.2)
            unsaved(session, args.program)
            if error.kind is not Kind.NON_EXISTENT:
                session.context.refused(session, error)
        yield MORE
    data = b""
    if session.mailbox not in wanted and args.program.options is not None and b"UPDATE" in args.program.options:
        data = updates.refused(session, b"The selected mailbox is not among those that were searched.")
    return Ok(b"Search completed.", data=data)


def _selected(session: "ImapSession", args: Search) -> Generator[Step, Any, None]:
    """The selected mailbox, as the client knows it."""
    view, given = session.view, given_to(session)
    assert view is not None
    rows, scores = yield from _found(session, view, session.mailbox, args)
    correlators = _correlators(session, view, session.mailbox)
    if len(rows):
        yield esearch(view, args, True, rows, scores, correlators)
    if args.options is None:
        return
    if b"SAVE" in args.options:
        save(session, args, rows)
    if b"UPDATE" in args.options:
        yield updates.begin(session, args.keys.key, given, rows, True, correlators=correlators, items=args.items)


def _other(session: "ImapSession", args: Search, name: str) -> Generator[Step, Any, None]:
    mail = session.mail
    assert mail is not None
    view = yield from select(mail, name, read_only=True)
    try:
        rows, scores = yield from _found(session, view, name, args)
        if len(rows):
            yield esearch(view, args, True, rows, scores, _correlators(session, view, name))
    finally:
        session.progress = None
        deselect(mail, view)


def _found(session: "ImapSession", view: View, name: str, args: Search) -> Scored:
    """`$` is of the selected mailbox: elsewhere it stands for nothing."""
    progress.begin(session, view)
    if args.keys.has_gmail:
        gmail.prepare(session, view, name)
    given = given_to(session)
    if view is not session.view:
        given = replace(given, saved=())
    return (yield from scored(view, args.keys.key, given))


def _correlators(session: "ImapSession", view: View, name: str) -> bytes:
    """`one-correlator *(SP one-correlator)`: all three, each once (RFC 7377 §2.1)."""
    told = mailbox(name, session.utf8)
    return b'TAG "%b" MAILBOX %b UIDVALIDITY %d' % (session.tag, told, view.live.row.uid_validity)


def _mailboxes(session: "ImapSession", sources: Sequence[Source]) -> Generator[Step, Any, list[str]]:
    """The names of the mailboxes that there are, each once: one that two sources name is searched once."""
    mail = session.mail
    assert mail is not None
    if set(sources) == {Source(SELECTED)}:
        return [session.mailbox]
    selected = [session.mailbox] if Source(SELECTED) in sources else []
    found: list[str] = yield Job(lambda: _named(listing(mail), sources))
    return list(dict.fromkeys(selected + found))


def _named(tree: Listing, sources: Sequence[Source]) -> list[str]:
    """The mailboxes that the sources name, beside the selected one, in the order of the tree."""
    words = {source.word for source in sources}
    named = {
        word: {form for source in sources if source.word == word for name in source.mailboxes for form in forms(name)}
        for word in NAMED
    }
    return [entry.name for entry in tree.entries.values() if entry.exists and _wanted(entry, words, named)]


def _wanted(entry: Entry, words: Set[bytes], named: Mapping[bytes, Set[str]]) -> bool:
    """Whether it is of a group, or one of the names, or below one: for SUBTREE-ONE on the next level."""
    if entry.subscribed and b"SUBSCRIBED" in words:
        return True
    if entry.space.type is Type.PRIVATE and not words.isdisjoint((b"PERSONAL", b"INBOXES")):
        return True
    if any(entry.name in some for some in named.values()):
        return True
    above, separator, _ = entry.name.rpartition(entry.space.separator)
    if above in named[b"SUBTREE-ONE"]:
        return bool(separator)
    while separator:
        if above in named[b"SUBTREE"]:
            return True
        above, separator, _ = above.rpartition(entry.space.separator)
    return False
