"""Reads the keys of SEARCH, SORT and THREAD into the tree that `mailbox.search` answers (RFC 3501 §9 search-key)."""

import codecs
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from doocot.mailbox.search_tree import (
    Addresses,
    All,
    And,
    EmailId,
    Flag,
    Header,
    InternalDate,
    Key,
    Keyword,
    ModSeq,
    Not,
    Numbers,
    Or,
    SentDate,
    Size,
    Subject,
    Text,
    ThreadId,
)
from doocot.mailbox.view import RECENT
from doocot.message.charset import search_key
from doocot.message.objectid import is_objectid
from doocot.store.index.messages import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN
from doocot.wire.cursor import BadSyntax, Cursor
from doocot.wire.numset import MAX_NUMBER, NumSet

MAX_DEPTH: Final = 100
MAX_KEYS: Final = 2000

FOREVER: Final = 2**62
NOWHERE: Final = b"\xff"  # an octet that no object identifier has
_EPOCH: Final = date(1970, 1, 1).toordinal()
# Codecs of Python that are no charsets of mail; unicode_escape and its like interpret, idna takes quadratic time.
_NO_CHARSETS: Final = frozenset(
    ("idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "mbcs", "oem", "utf-8-sig")
)


@lru_cache(maxsize=256)
def codec(charset: str) -> str | None:
    """The Python codec of a charset, None when it is not known. US-ASCII is read as UTF-8, of which it is a part."""
    try:
        found = codecs.lookup(charset)
        b"a".decode(found.name, "replace")
    except (LookupError, ValueError):
        return None
    if found.name in _NO_CHARSETS:
        return None
    return "utf-8" if found.name == "ascii" else found.name


@dataclass(slots=True)
class _Reader:
    """Where the reading stands. A text that its charset does not allow makes `undecodable` true."""

    c: Cursor
    charset: str
    keys: int = 0
    undecodable: bool = False
    has_modseq: bool = False
    has_recent: bool = False
    has_numbers: bool = False

    def text(self) -> bytes:
        """A string as it is compared."""
        octets = self.c.sp().astring()
        try:
            return search_key(octets.decode(self.charset))
        except ValueError:
            self.undecodable = True
            return search_key(octets.decode(self.charset, "replace"))


def _day(c: Cursor) -> int:
    return c.sp().date().toordinal() - _EPOCH


def _modseq(r: _Reader) -> Key:
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


def _header(r: _Reader) -> Key:
    name = r.c.sp().astring().lower()
    return Header(name, r.text())


def _uid(r: _Reader) -> Key:
    return Numbers(r.c.sp().sequence_set(), True)


def _uid_of(r: _Reader) -> int:
    return r.c.sp().nz_number()


def _uids(low: int, high: int) -> Key:
    """`"UIDAFTER" SP uniqueid / "UIDBEFORE" SP uniqueid` (RFC 9738 §3.2)."""
    return Numbers(NumSet(((low, high),) if low <= high else ()), True)


def _keyword(r: _Reader) -> Key:
    return Keyword(r.c.sp().astring().decode("ascii", "surrogateescape"))


def _addresses(name: bytes, text: bytes) -> Key:
    return Addresses(name, text) if text else Header(name, b"")


def _subject(r: _Reader) -> Key:
    text = r.text()
    return Subject(text) if text else Header(b"subject", b"")


def _object_id(r: _Reader, kind: bytes) -> bytes:
    """`objectid` as `search_tree.EmailId` has it: one of another kind is found nowhere (RFC 8474 §5)."""
    begin = r.c.sp().position
    text = r.c.astring()
    if not is_objectid(text):
        raise BadSyntax("an object identifier of letters, digits, _ and - was expected", begin)
    return text + b"\0" if text.startswith(kind) else NOWHERE


def _before(r: _Reader) -> Key:
    return InternalDate(-FOREVER, _day(r.c))


def _on(r: _Reader) -> Key:
    day = _day(r.c)
    return InternalDate(day, day + 1)


def _since(r: _Reader) -> Key:
    return InternalDate(_day(r.c), FOREVER)


def _sent_before(r: _Reader) -> Key:
    return SentDate(-FOREVER, _day(r.c))


def _sent_on(r: _Reader) -> Key:
    day = _day(r.c)
    return SentDate(day, day + 1)


def _sent_since(r: _Reader) -> Key:
    return SentDate(_day(r.c), FOREVER)


_FIXED: Final[Mapping[bytes, Key]] = MappingProxyType(
    {
        b"ALL": All(),
        b"ANSWERED": Flag(ANSWERED),
        b"DELETED": Flag(DELETED),
        b"DRAFT": Flag(DRAFT),
        b"FLAGGED": Flag(FLAGGED),
        b"RECENT": Flag(RECENT),
        b"SEEN": Flag(SEEN),
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

_WITH_ARGUMENTS: Final[Mapping[bytes, Callable[[_Reader], Key]]] = MappingProxyType(
    {
        b"BCC": lambda r: _addresses(b"bcc", r.text()),
        b"BEFORE": _before,
        b"BODY": lambda r: Text(r.text(), False),
        b"CC": lambda r: _addresses(b"cc", r.text()),
        b"EMAILID": lambda r: EmailId(_object_id(r, b"M")),
        b"FROM": lambda r: _addresses(b"from", r.text()),
        b"HEADER": _header,
        b"KEYWORD": _keyword,
        b"LARGER": lambda r: Size(r.c.sp().number64() + 1, FOREVER),
        b"MODSEQ": _modseq,
        b"ON": _on,
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
    }
)


def _key(r: _Reader, depth: int) -> Key:
    """`search-key`"""
    c = r.c
    r.keys += 1
    if r.keys > MAX_KEYS:
        raise BadSyntax(f"a search has more than {MAX_KEYS} keys", c.position)
    if depth > MAX_DEPTH:
        raise BadSyntax(f"search keys are nested deeper than {MAX_DEPTH}", c.position)
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
    if name in _FIXED:
        r.has_recent |= name in _OF_RECENT
        return _FIXED[name]
    if name in _WITH_ARGUMENTS:
        return _WITH_ARGUMENTS[name](r)
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


def _keys(r: _Reader, depth: int) -> Key:
    """`search-key *(SP search-key)`"""
    c = r.c
    keys = [_key(r, depth)]
    while c.try_sp() and not c.at_end() and not c.at(b")"):
        keys.append(_key(r, depth))
    return keys[0] if len(keys) == 1 else And(tuple(keys))


@dataclass(frozen=True, slots=True)
class Keys:
    """A search program. With `undecodable` a text is not in the charset that the client named.

    `has_recent`: it asks for \\Recent; `has_numbers`: it has sequence numbers, for which `$` does not count.
    """

    key: Key
    undecodable: bool
    has_modseq: bool
    has_recent: bool = False
    has_numbers: bool = False


def parse_keys(c: Cursor, charset: str) -> Keys:
    """All keys to the end of the command; `charset` is one that `codec` gave."""
    r = _Reader(c, charset)
    key = _keys(r, 0)
    return Keys(key, r.undecodable, r.has_modseq, r.has_recent, r.has_numbers)
