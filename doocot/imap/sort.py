"""SORT and UID SORT (RFC 5256 §3) with DISPLAYFROM and DISPLAYTO (RFC 5957), ESORT and CONTEXT=SORT (RFC
5267)."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from doocot.imap import limits, updates
from doocot.imap.command import Bad, Ok, Result, State, Steps, command
from doocot.imap.filters import without_filters
from doocot.imap.given import given_to
from doocot.imap.search import Search, answer, criteria, found_rows, return_options, saving
from doocot.mailbox.sort import INLINE, KEYS, RELEVANCY, Criterion, in_order
from doocot.wire.cursor import BadSyntax, Cursor
from doocot.wire.flow import MORE, Job

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

MAX_CRITERIA: Final = 100


@dataclass(frozen=True, slots=True)
class Sort:
    """`sort = "SORT" [search-return-opts] SP "(" sort-criterion *(SP sort-criterion) ")" SP search-criteria`

    `search-criteria` as in `search.criteria`.
    """

    order: tuple[Criterion, ...]
    program: Search

    @classmethod
    def parse(cls, c: Cursor) -> "Sort":
        returned = return_options(c.sp())
        order = c.paren_list(lambda: _criterion(c), limit=MAX_CRITERIA)
        return cls(tuple(order), criteria(c, returned))


def _criterion(c: Cursor) -> Criterion:
    """`sort-criterion = ["REVERSE" SP] sort-key`"""
    begin = c.position
    key = c.keyword()
    reverse = key == b"REVERSE"
    if reverse:
        if not c.try_sp():
            raise BadSyntax("REVERSE stands before a sort key", begin)
        begin = c.position
        key = c.keyword()
    if key not in KEYS:
        raise BadSyntax(f"unknown sort key {key.decode('ascii')}", begin)
    return Criterion(key, reverse)


@command("SORT", "UID SORT", state=State.SELECTED, parse=Sort.parse, expunge=False)
def sort(session: "ImapSession", args: Sort, by_uid: bool) -> Result:
    updates.check(session, args.program.options)
    return saving(session, args.program, _sort(session, args, by_uid))


def _sort(session: "ImapSession", args: Sort, by_uid: bool) -> Steps:
    view = session.view
    assert view is not None
    given, options = given_to(session), args.program.options
    program = replace(args.program, keys=(yield from without_filters(session, args.program.keys)))
    limits.check_searched(session, program)
    by_relevancy = any(one.key == RELEVANCY for one in args.order)
    if by_relevancy and not program.keys.has_fuzzy:
        raise Bad(b"RELEVANCY is a sort key for FUZZY searches only.")  # RFC 6203 §6
    rows, scores = yield from found_rows(session, program)
    rows = yield from in_order(view, rows, args.order, given, scores)
    yield MORE
    if len(rows) <= INLINE:
        data = answer(session, program, by_uid, rows, scores, b"SORT")
    else:
        data = yield Job(lambda: answer(session, program, by_uid, rows, scores, b"SORT"))
    if options is not None and b"UPDATE" in options and by_relevancy:
        data += updates.refused(session, b"An order by relevancy is not kept up to date.")
    elif options is not None and b"UPDATE" in options:
        data += updates.begin(session, program.keys.key, given, rows, by_uid, args.order, items=program.items)
    return Ok(b"Sort completed.", data=data)
