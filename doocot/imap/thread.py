"""THREAD and UID THREAD (RFC 5256 §3, §4) with ORDEREDSUBJECT, REFERENCES and REFS (draft-ietf-morg-inthread)."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from doocot.imap import limits
from doocot.imap.command import Ok, Result, State, Steps, command
from doocot.imap.filters import without_filters
from doocot.imap.given import given_to
from doocot.imap.search import Search, criteria, found_rows
from doocot.mailbox.thread import ORDEREDSUBJECT, REFERENCES, REFS
from doocot.mailbox.thread_columns import threads
from doocot.wire.cursor import BadSyntax, Cursor

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

ALGORITHMS: Final = (ORDEREDSUBJECT, REFERENCES, REFS)


@dataclass(frozen=True, slots=True)
class Thread:
    """`thread = ["UID" SP] "THREAD" SP thread-alg SP search-criteria`, the last as in `search.criteria`."""

    algorithm: bytes
    program: Search

    @classmethod
    def parse(cls, c: Cursor) -> "Thread":
        begin = c.sp().position
        algorithm = c.keyword()
        if algorithm not in ALGORITHMS:
            raise BadSyntax("THREAD takes ORDEREDSUBJECT, REFERENCES and REFS", begin)
        return cls(algorithm, criteria(c))


# RFC 5256 §4: as with SEARCH no EXPUNGE while it is under way, but by UID.
@command("THREAD", "UID THREAD", state=State.SELECTED, parse=Thread.parse, expunge=False)
def thread(session: "ImapSession", args: Thread, by_uid: bool) -> Result:
    return _thread(session, args, by_uid)


def _thread(session: "ImapSession", args: Thread, by_uid: bool) -> Steps:
    view = session.view
    assert view is not None
    program = replace(args.program, keys=(yield from without_filters(session, args.program.keys)))
    limits.check_searched(session, program)
    rows, _ = yield from found_rows(session, program)
    found = yield from threads(view, args.algorithm, rows, by_uid, given_to(session))
    return Ok(b"Thread completed.", data=b"* THREAD %b\r\n" % found)
