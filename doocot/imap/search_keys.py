"""Reads the keys of SEARCH, SORT and THREAD into the tree that `mailbox.search` answers (RFC 3501 §9 search-key)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from doocot.imap import gmail
from doocot.imap.search_mimepart import mimepart
from doocot.imap.search_reader import FOREVER, Reader
from doocot.mailbox.search_tree import (
    Addresses,
    All,
    And,
    EmailId,
    Filter,
    Flag,
    Header,
    InternalDate,
    Key,
    Keyword,
    MimePart,
    ModSeq,
    Not,
    Numbers,
    Or,
    SaveDate,
    SentDate,
    Size,
    Subject,
    Text,
    ThreadId,
    Within,
    fuzzied,
)
from doocot.mailbox.view import RECENT
from doocot.message.objectid import is_objectid
from doocot.store.index.messages import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN
from doocot.wire.cursor import BadSyntax, Cursor
from doocot.wire.numset import MAX_NUMBER, NumSet

NOWHERE: Final = b"\xff"  # an octet that no object identifier has


def _modseq(r: Reader) -> Key:
    """`"MODSEQ" [SP entry-name SP entry-type-req] SP mod-sequence-valzer`; all entries have the one mod-sequence."""
    c = r.c
    r.has_modseq = True
    c.sp()
    if c.at(b'"'):
        c.string()
        if c.sp().keyword() not in (b"ALL", b"PRIV", b"SHARED"):
            raise BadSyntax("all, priv or shared was expected", c.position)
        c.sp()
    return ModSeq(c.mod_sequence_valzer())


def _header(r: Reader) -> Key:
    name = r.c.sp().astring().lower()
    return Header(name, r.text())


def _uid(r: Reader) -> Key:
    return Numbers(r.c.sp().sequence_set(), True)


def _uid_of(r: Reader) -> int:
    return r.c.sp().nz_number()


def _uids(low: int, high: int) -> Key:
    """`"UIDAFTER" SP uniqueid / "UIDBEFORE" SP uniqueid` (RFC 9738 §3.2)."""
    return Numbers(NumSet(((low, high),) if low <= high else ()), True)


def _filter(r: Reader) -> Key:
    """`"FILTER" SP filter-name`, `filter-name = 1*<any ATOM-CHAR except "/">` (RFC 5466 §4)."""
    begin = r.c.sp().position
    name = r.c.atom()
    if b"/" in name:
        raise BadSyntax("the name of a filter has no /", begin)
    r.filters.append(name)
    return Filter(name)


def _keyword(r: Reader) -> Key:
    return Keyword(r.c.sp().astring().decode("ascii", "surrogateescape"))


def _addresses(name: bytes, text: bytes) -> Key:
    return Addresses(name, text) if text else Header(name, b"")


def _subject(r: Reader) -> Key:
    text = r.text()
    return Subject(text) if text else Header(b"subject", b"")


def _object_id(r: Reader, kind: bytes) -> bytes:
    """`objectid` as `search_tree.EmailId` has it: one of another kind is found nowhere (RFC 8474 §5)."""
    begin = r.c.sp().position
    text = r.c.astring()
    if not is_objectid(text):
        raise BadSyntax("an object identifier of letters, digits, _ and - was expected", begin)
    return text + b"\0" if text.startswith(kind) else NOWHERE


def _before(r: Reader) -> Key:
    return InternalDate(-FOREVER, r.day())


def _on(r: Reader) -> Key:
    day = r.day()
    return InternalDate(day, day + 1)


def _since(r: Reader) -> Key:
    return InternalDate(r.day(), FOREVER)


def _sent_before(r: Reader) -> Key:
    return SentDate(-FOREVER, r.day())


def _sent_on(r: Reader) -> Key:
    day = r.day()
    return SentDate(day, day + 1)


def _sent_since(r: Reader) -> Key:
    return SentDate(r.day(), FOREVER)


def _saved_before(r: Reader) -> Key:
    return SaveDate(-FOREVER, r.day())


def _saved_on(r: Reader) -> Key:
    day = r.day()
    return SaveDate(day, day + 1)


def _saved_since(r: Reader) -> Key:
    return SaveDate(r.day(), FOREVER)


_FIXED: Final[Mapping[bytes, Key]] = MappingProxyType(
    {
        b"ALL": All(),
        b"ANSWERED": Flag(ANSWERED),
        b"DELETED": Flag(DELETED),
        b"DRAFT": Flag(DRAFT),
        b"FLAGGED": Flag(FLAGGED),
        b"RECENT": Flag(RECENT),
        b"SEEN": Flag(SEEN),
        b"SAVEDATESUPPORTED": All(),
        b"UNANSWERED": Not(Flag(ANSWERED)),
        b"UNDELETED": Not(Flag(DELETED)),
        b"UNDRAFT": Not(Flag(DRAFT)),
        b"UNFLAGGED": Not(Flag(FLAGGED)),
        b"UNSEEN": Not(Flag(SEEN)),
        b"OLD": Not(Flag(RECENT)),
        b"NEW": And((Flag(RECENT), Not(Flag(SEEN)))),
    }
)

_OF_RECENT: Final = frozenset((b"RECENT", b"OLD", b"NEW"))

_WITH_ARGUMENTS: Final[Mapping[bytes, Callable[[Reader], Key]]] = MappingProxyType(
    {
        b"BCC": lambda r: _addresses(b"bcc", r.text()),
        b"BEFORE": _before,
        b"BODY": lambda r: Text(r.text(), False),
        b"CC": lambda r: _addresses(b"cc", r.text()),
        b"EMAILID": lambda r: EmailId(_object_id(r, b"M")),
        b"FILTER": _filter,
        b"FROM": lambda r: _addresses(b"from", r.text()),
        b"HEADER": _header,
        b"KEYWORD": _keyword,
        b"LARGER": lambda r: Size(r.c.sp().number64() + 1, FOREVER),
        b"MODSEQ": _modseq,
        b"OLDER": lambda r: Within(r.c.sp().nz_number(), False),
        b"ON": _on,
        b"SAVEDBEFORE": _saved_before,
        b"SAVEDON": _saved_on,
        b"SAVEDSINCE": _saved_since,
        b"SENTBEFORE": _sent_before,
        b"SENTON": _sent_on,
        b"SENTSINCE": _sent_since,
        b"SINCE": _since,
        b"SMALLER": lambda r: Size(0, r.c.sp().number64()),
        b"SUBJECT": _subject,
        b"TEXT": lambda r: Text(r.text(), True),
        b"THREADID": lambda r: ThreadId(_object_id(r, b"T")),
        b"TO": lambda r: _addresses(b"to", r.text()),
        b"UID": _uid,
        b"UIDAFTER": lambda r: _uids(_uid_of(r) + 1, MAX_NUMBER),
        b"UIDBEFORE": lambda r: _uids(1, _uid_of(r) - 1),
        b"UNKEYWORD": lambda r: Not(_keyword(r)),
        b"YOUNGER": lambda r: Within(r.c.sp().nz_number(), True),
        b"X-GM-LABELS": lambda r: gmail.label_key(gmail.label(r.c.sp())),
        b"X-GM-MSGID": lambda r: gmail.message_key(r.c),
        b"X-GM-THRID": lambda r: gmail.thread_key(r.c),
    }
)


def _key(r: Reader, depth: int) -> Key:
    """`search-key`"""
    c = r.c
    r.enter(depth)
    if c.take(b"("):
        c.try_sp()
        key = _keys(r, depth + 1)
        c.close_paren()
        return key
    if c.text[c.position : c.position + 1] in _SET_BEGINS:
        numbers = c.sequence_set()
        r.has_numbers |= not numbers.saved
        return Numbers(numbers, False)
    begin = c.position
    name = c.keyword()
    r.has_gmail |= name.startswith(b"X-GM-")
    if name in _FIXED:
        r.has_recent |= name in _OF_RECENT
        return _FIXED[name]
    if name in _WITH_ARGUMENTS:
        return _WITH_ARGUMENTS[name](r)
    if name == b"MIMEPART":
        return MimePart(mimepart(r, depth + 1))
    if name == b"X-GM-RAW":
        return gmail.raw(r, depth + 1)
    if name == b"FUZZY":
        c.sp()
        r.has_fuzzy = True
        return fuzzied(_key(r, depth + 1))
    if name == b"NOT":
        c.sp()
        return Not(_key(r, depth + 1))
    if name == b"OR":
        c.sp()
        one = _key(r, depth + 1)
        c.sp()
        other = _key(r, depth + 1)
        return Or((*_alternatives(one), *_alternatives(other)))
    raise BadSyntax(f"unknown search key {name.decode('ascii')}", begin)


_SET_BEGINS: Final = tuple(b"0123456789*$"[n : n + 1] for n in range(12))


def _alternatives(key: Key) -> tuple[Key, ...]:
    return key.keys if isinstance(key, Or) else (key,)


def _keys(r: Reader, depth: int) -> Key:
    """`search-key *(SP search-key)`"""
    c = r.c
    keys = [_key(r, depth)]
    while c.try_sp() and not c.at_end() and not c.at(b")"):
        keys.append(_key(r, depth))
    return keys[0] if len(keys) == 1 else And(tuple(keys))


@dataclass(frozen=True, slots=True)
class Keys:
    """A search program. With `undecodable` a text is not in the charset that the client named.

    `has_recent`: it asks for \\Recent; `has_numbers`: it has sequence numbers, for which `$` does not count;
    `has_fuzzy`: it has FUZZY; `count` is how many keys it has; `filters` the names of FILTER; `has_gmail`: it has keys
    of X-GM-EXT-1.
    """

    key: Key
    undecodable: bool
    has_modseq: bool
    has_recent: bool = False
    has_numbers: bool = False
    has_fuzzy: bool = False
    count: int = 0
    filters: tuple[bytes, ...] = ()
    has_gmail: bool = False


def parse_keys(c: Cursor, charset: str) -> Keys:
    """All keys to the end of the command; `charset` is one that `codec` gave."""
    r = Reader(c, charset)
    key = _keys(r, 0)
    filters = tuple(dict.fromkeys(r.filters))
    return Keys(
        key,
        r.undecodable,
        r.has_modseq,
        r.has_recent,
        r.has_numbers,
        r.has_fuzzy,
        r.keys,
        filters,
        r.has_gmail,
    )
