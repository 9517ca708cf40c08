"""GETMETADATA and SETMETADATA (RFC 5464): what is noted of a mailbox or, under the name "", of the server."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from doocot.errors import Kind, MailError
from doocot.imap import names
from doocot.imap.command import Bad, No, Ok, Result, State, Steps, command
from doocot.imap.registration import own_position
from doocot.mailbox import metadata
from doocot.mailbox.metadata import INFINITY, Holder, Rules
from doocot.mailbox.places import find, synced
from doocot.mailbox.user import mailbox_row
from doocot.store.folders import exists
from doocot.store.index.messages import position_of
from doocot.store.index.metadata import SERVER, SPECIAL_USE, changed_entries
from doocot.wire.cursor import Cursor
from doocot.wire.flow import MORE, Job, Step
from doocot.wire.respond import astring, literal, mailbox, string

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

MAX_ENTRIES: Final = 1000  # that one command names
SLICE: Final = 50  # entries before others get their turn
PART: Final = 64 << 10  # octets after which another METADATA response begins
_DEPTHS: Final = {b"0": 0, b"1": 1, b"INFINITY": INFINITY}


@dataclass(frozen=True, slots=True)
class Get:
    """`getmetadata = "GETMETADATA" [SP getmetadata-options] SP mailbox SP entries`

    The options may also stand behind the mailbox, as in the examples of RFC 5464 §4.2.
    """

    mailbox: str
    entries: tuple[str, ...]
    max_size: int | None = None
    depth: int = 0

    @classmethod
    def parse(cls, c: Cursor) -> "Get":
        max_size, depth = None, 0
        if c.sp().at(b"("):
            max_size, depth = _options(c)
            c.sp()
        name = _mailbox(c)
        c.sp()
        if c.at(b"(") and c.text[c.position + 1 : c.position + 2].isalpha():
            max_size, depth = _options(c)
            c.sp()
        return cls(name, parse_entries(c), max_size, depth)


@dataclass(frozen=True, slots=True)
class Set:
    """`setmetadata = "SETMETADATA" SP mailbox SP entry-values`"""

    mailbox: str
    values: tuple[tuple[str, bytes | None], ...]

    @classmethod
    def parse(cls, c: Cursor) -> "Set":
        name = _mailbox(c.sp())
        return cls(name, tuple(c.sp().paren_list(lambda: (_entry(c), _value(c.sp())), limit=MAX_ENTRIES)))


def _mailbox(c: Cursor) -> str:
    """The name, "" for the server."""
    name = c.astring()
    return names.decoded(name, c.utf8) if name else ""


def _options(c: Cursor) -> tuple[int | None, int]:
    """`getmetadata-options = "(" getmetadata-option *(SP getmetadata-option) ")"`: MAXSIZE and DEPTH."""
    sizes: list[int] = []
    depths: list[int] = []

    def option() -> None:
        name = c.keyword()
        if name == b"MAXSIZE":
            sizes.append(c.sp().number())
        elif name == b"DEPTH":
            word = c.sp().keyword()
            if word not in _DEPTHS:
                raise Bad(b"DEPTH is 0, 1 or infinity.")
            depths.append(_DEPTHS[word])
        else:
            raise Bad(b"Unknown GETMETADATA option.")

    c.paren_list(option)
    return sizes[-1] if sizes else None, depths[-1] if depths else 0


def parse_entries(c: Cursor) -> tuple[str, ...]:
    """`entries = entry / "(" entry *(SP entry) ")"`, each once."""
    found = c.paren_list(lambda: _entry(c), limit=MAX_ENTRIES) if c.at(b"(") else [_entry(c)]
    return tuple(dict.fromkeys(found))


def _entry(c: Cursor) -> str:
    try:
        return metadata.entry_name(c.astring())
    except ValueError as error:
        raise Bad(str(error).encode()) from None


def _value(c: Cursor) -> bytes | None:
    """`value = nstring / literal8`"""
    if not c.at(b"~"):
        return c.nstring()
    value = c.literal()
    assert isinstance(value, bytes)  # only APPEND has others
    return value


@command("GETMETADATA", state=State.LOGGED_IN, parse=Get.parse)
def getmetadata(session: "ImapSession", args: Get, by_uid: bool) -> Result:
    return _get(session, args)


@command("SETMETADATA", state=State.LOGGED_IN, parse=Set.parse)
def setmetadata(session: "ImapSession", args: Set, by_uid: bool) -> Result:
    return _set(session, args)


def rules(session: "ImapSession") -> Rules:
    """The bounds. Raises Bad where the configuration does without METADATA."""
    found = session.context.metadata
    if found is None:
        raise Bad(b"METADATA is not enabled here.")
    return found


def _holder(session: "ImapSession", name: str) -> Generator[Step, Any, Holder]:
    """Steps to what the name stands for. Raises MailError(NON_EXISTENT)."""
    assert session.mail is not None
    if not name:
        root = session.mail.opened.root
        if not metadata.is_restored(root):
            yield Job(lambda: metadata.restore(root))
        return metadata.of_server(rules(session))
    mail, place = session.mail, find(session.mail, name)
    row = mailbox_row(mail, place.name)
    if row is None or not exists(mail.opened.root, place.name):
        row = yield Job(lambda: synced(mail, place))
    return metadata.of_mailbox(place, row)


def _get(session: "ImapSession", args: Get) -> Steps:
    rules(session)
    whose = yield from _holder(session, args.mailbox)
    longest = yield from responses(session, whose, args.mailbox, args.entries, depth=args.depth, max_size=args.max_size)
    code = b"METADATA LONGENTRIES %d" % longest if longest else None
    return Ok(b"Getmetadata completed.", code)


def responses(
    session: "ImapSession",
    whose: Holder,
    name: str,
    entries: Sequence[str],
    *,
    depth: int = 0,
    max_size: int | None = None,
) -> Generator[Step, Any, int]:
    """METADATA responses with values (RFC 5464 §4.4.1); the size of the longest value that was left out, or 0.

    An entry that is not there has the value NIL, where it alone was asked for.
    """
    assert session.mail is not None
    db = session.mail.opened.root.db
    echo, parts, length, longest, looked = mailbox(name, session.utf8), list[bytes](), 0, 0, 0
    for entry in entries:
        found = metadata.find(db.reader, whose, entry, depth)
        for each, size in found or [(entry, 0)]:
            looked += 1
            if looked % SLICE == 0:
                yield MORE
            if depth and not found:
                continue
            if max_size is not None and size > max_size:
                longest = max(longest, size)
                continue
            parts.append(b"%b %b" % (astring(each.encode()), _shown(metadata.value(db.reader, whose, each))))
            length += size
            if length >= PART:
                yield b"* METADATA %b (%b)\r\n" % (echo, b" ".join(parts))
                parts, length = [], 0
    if parts:
        yield b"* METADATA %b (%b)\r\n" % (echo, b" ".join(parts))
    return longest


def _shown(value: bytes | None) -> bytes:
    """`value = nstring / literal8`"""
    if value is None:
        return b"NIL"
    return b"~" + literal(value) if b"\0" in value else string(value)


def _set(session: "ImapSession", args: Set) -> Steps:
    bounds, values = rules(session), dict(args.values)
    if any(value is not None and len(value) > bounds.max_size for value in values.values()):
        raise No(b"A value is too long.", b"METADATA MAXSIZE %d" % bounds.max_size)
    if not args.mailbox and any(entry.startswith("/shared") for entry in values):
        raise No(b"What is shared by all users is set by the administrator.", b"NOPERM")
    whose = yield from _holder(session, args.mailbox)
    assert session.mail is not None
    if values.get(SPECIAL_USE) is not None:
        values[SPECIAL_USE] = _special_use(session, args.mailbox, values[SPECIAL_USE] or b"")
    root = session.mail.opened.root
    try:
        session.hide = yield Job(lambda: metadata.set_entries(root, whose.mailbox, values, bounds))
        own_position(session, session.hide)
    except MailError as error:
        if error.kind is Kind.LIMIT:
            raise No(error.text.encode(), b"METADATA TOOMANY") from error
        raise
    session.context.unsettled(root)
    return Ok(b"Setmetadata completed.")


def _special_use(session: "ImapSession", name: str, value: bytes) -> bytes:
    """The value of /private/specialuse as LIST tells it (RFC 6154 §4)."""
    if not name:
        raise No(b"The server has no special use.", b"CANNOT")
    assert session.mail is not None
    words = tuple(value.decode("ascii", "replace").split())
    try:
        return " ".join(metadata.canonical_uses(words, find(session.mail, name))).encode()
    except ValueError as error:
        raise No(str(error).encode("ascii", "replace"), b"CANNOT") from None


def unsolicited(session: "ImapSession") -> bytes:
    """What others changed, of the server and of the selected mailbox, without values (RFC 5464 §4.4.2).

    For those who have ENABLEd METADATA. On the first call nothing: what was changed before is not told.
    """
    try:
        return _unsolicited(session)
    except MailError as error:
        session.context.refused(session, error)  # the next command tries again
        return b""


def _unsolicited(session: "ImapSession") -> bytes:
    assert session.mail is not None
    reader, since = session.mail.opened.root.db.reader, session.metadata_told
    session.metadata_told = position_of(reader)
    if not since or session.metadata_told == since:
        return b""
    places = [(SERVER, "")]
    if session.view is not None:
        places.append((session.view.live.row.id, session.mailbox))
    told = b""
    for number, name in places:
        changes = changed_entries(reader, number, since)
        entries = dict.fromkeys(entry for at, found in changes if at != session.hide for entry in found)
        if entries:
            shown = b" ".join(astring(entry.encode()) for entry in entries)
            told += b"* METADATA %b %b\r\n" % (mailbox(name, session.utf8), shown)
    return told
