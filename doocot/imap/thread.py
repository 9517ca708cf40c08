"""THREAD and UID THREAD (RFC 5256 §3, §4) with ORDEREDSUBJECT, REFERENCES and REFS (draft-ietf-morg-inthread)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from doocot.imap import untagged
from doocot.imap.command import No, Ok, Result, State, Steps, command
from doocot.imap.search_keys import Keys, codec, parse_keys
from doocot.mailbox.search import matching
from doocot.mailbox.thread import ORDEREDSUBJECT, REFERENCES, REFS
from doocot.mailbox.thread_columns import threads
from doocot.wire.cursor import BadSyntax, Cursor

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

ALGORITHMS: Final = (ORDEREDSUBJECT, REFERENCES, REFS)


@dataclass(frozen=True, slots=True)
class Thread:
    """`thread = ["UID" SP] "THREAD" SP thread-alg SP search-criteria`; an unknown charset makes `known` false.

    `search-criteria = charset 1*(SP search-key)`
    """

    algorithm: bytes
    known: bool
    keys: Keys

    @classmethod
    def parse(cls, c: Cursor) -> "Thread":
        begin = c.sp().position
        algorithm = c.keyword()
        if algorithm not in ALGORITHMS:
            raise BadSyntax("THREAD takes ORDEREDSUBJECT, REFERENCES and REFS", begin)
        name = c.sp().astring().decode("ascii", "replace")
        charset = codec(name) if name else "utf-8"
        c.sp()
        if c.at_end():
            raise BadSyntax("a search key is missing", c.position)
        return cls(algorithm, charset is not None, parse_keys(c, charset or "utf-8"))


# RFC 5256 §4: as with SEARCH no EXPUNGE while it is under way, but by UID.
@command("THREAD", "UID THREAD", state=State.SELECTED, parse=Thread.parse, expunge=False)
def thread(session: "ImapSession", args: Thread, by_uid: bool) -> Result:
    return _thread(session, args, by_uid)


def _thread(session: "ImapSession", args: Thread, by_uid: bool) -> Steps:
    view = session.view
    assert view is not None
    if not args.known or args.keys.undecodable:
        raise No(b"Unknown charset" if not args.known else b"A text is not in its charset", b"BADCHARSET")
    if args.keys.has_modseq and b"CONDSTORE" not in session.enabled:
        session.enabled.add(b"CONDSTORE")
        yield b"* OK [HIGHESTMODSEQ %d] Highest\r\n" % untagged.highest_modseq(view)
    rows = yield from matching(view, args.keys.key, session.saved, session.context.compute)
    found = yield from threads(view, args.algorithm, rows, by_uid, session.context.compute)
    return Ok(b"Thread completed.", data=b"* THREAD %b\r\n" % found)
