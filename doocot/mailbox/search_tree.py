"""What a SEARCH asks for (RFC 3501 §6.4.4): a frozen tree of search keys, as the grammar makes it.

Texts are UTF-8 as the client wrote them, days are counted from 1970, and every range is low <= value < high.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from doocot.message.mimepart import PartKey
from doocot.wire.numset import NumSet


@dataclass(frozen=True, slots=True)
class All:
    """`ALL`"""


@dataclass(frozen=True, slots=True)
class Flag:
    """A system flag, or RECENT of `mailbox.view`."""

    bit: int


@dataclass(frozen=True, slots=True)
class Keyword:
    """`KEYWORD`; compared without case, as Dovecot does."""

    name: str


@dataclass(frozen=True, slots=True)
class Numbers:
    """A sequence set, or `UID` with one."""

    numbers: NumSet
    by_uid: bool


@dataclass(frozen=True, slots=True)
class InternalDate:
    """`BEFORE`, `ON`, `SINCE`"""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Within:
    """`YOUNGER`, `OLDER` (RFC 5032 §3): the internal date is at most, or at least, so many seconds ago."""

    seconds: int
    younger: bool


@dataclass(frozen=True, slots=True)
class SaveDate:
    """`SAVEDBEFORE`, `SAVEDON`, `SAVEDSINCE` (RFC 8514 §4.3)"""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class SentDate:
    """`SENTBEFORE`, `SENTON`, `SENTSINCE`: by the sender's own calendar."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Size:
    """`LARGER`, `SMALLER`"""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class ModSeq:
    """`MODSEQ n`: changed since, n included (RFC 7162 §3.1.5)."""

    least: int


@dataclass(frozen=True, slots=True)
class EmailId:
    """`EMAILID` (RFC 8474 §5.1): `text` is an identifier and the NUL behind it, or how identifiers begin."""

    text: bytes


@dataclass(frozen=True, slots=True)
class ThreadId:
    """`THREADID` (RFC 8474 §5.2), as `EmailId`."""

    text: bytes


@dataclass(frozen=True, slots=True)
class OwnLabel:
    """`X-GM-LABELS` with a label that all messages of one mailbox have, as `\\Inbox`."""

    label: str


@dataclass(frozen=True, slots=True)
class Header:
    """`HEADER name text`: lower-case name. An empty text asks whether the field is there."""

    name: bytes
    text: bytes


@dataclass(frozen=True, slots=True)
class Addresses:
    """`FROM`, `TO`, `CC`, `BCC`: the addresses as they are understood; `HEADER FROM` sees them as they are written."""

    name: bytes
    text: bytes


@dataclass(frozen=True, slots=True)
class Subject:
    """`SUBJECT`: of the subject with white space pressed to single spaces, unlike `HEADER SUBJECT`, as Dovecot does."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Text:
    """`BODY`, and with the headers `TEXT`."""

    text: bytes
    with_headers: bool


@dataclass(frozen=True, slots=True)
class MimePart:
    """`MIMEPART`: one of the parts matches."""

    key: PartKey


@dataclass(frozen=True, slots=True)
class Fuzzy:
    """`FUZZY` (RFC 6203): of a text that is not empty; other keys are as exact with it as without."""

    key: Header | Addresses | Subject | Text


@dataclass(frozen=True, slots=True)
class Filter:
    """`FILTER` (RFC 5466): the keys that have this name take its place before the search, `fuzzy` as FUZZY has them."""

    name: bytes
    fuzzy: bool = False


@dataclass(frozen=True, slots=True)
class Not:
    """`NOT`"""

    key: "Key"


@dataclass(frozen=True, slots=True)
class And:
    """Keys one after the other."""

    keys: tuple["Key", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """`OR`; nested ones are joined."""

    keys: tuple["Key", ...]


Key: TypeAlias = (
    All
    | Flag
    | Keyword
    | Numbers
    | InternalDate
    | Within
    | SaveDate
    | SentDate
    | Size
    | ModSeq
    | EmailId
    | ThreadId
    | OwnLabel
    | Header
    | Addresses
    | Subject
    | Text
    | MimePart
    | Fuzzy
    | Filter
    | Not
    | And
    | Or
)


def leaves(key: Key) -> Iterator[Key]:
    """The keys that are not made of others."""
    match key:
        case And(keys) | Or(keys):
            for one in keys:
                yield from leaves(one)
        case Not(inner):
            yield from leaves(inner)
        case _:
            yield key


def mapped(key: Key, change: Callable[[Key], Key]) -> Key:
    """The tree with each key that has no others in it changed."""
    match key:
        case Not(inner):
            return Not(mapped(inner, change))
        case And(keys):
            return And(tuple(mapped(one, change) for one in keys))
        case Or(keys):
            return Or(tuple(mapped(one, change) for one in keys))
    return change(key)


def with_numbers(key: Key, change: Callable[[Numbers], Numbers]) -> Key:
    """The tree with each of its sequence sets changed."""
    return mapped(key, lambda one: change(one) if isinstance(one, Numbers) else one)


def folded(key: Key, fold: Callable[[str], bytes]) -> Key:
    """The tree with each text that a comparator compares (RFC 5255 §4.2) as that has it."""

    def fold_text(one: Key) -> Key:
        match one:
            case Header() | Addresses() | Subject() | Text():
                return replace(one, text=fold(one.text.decode("utf-8", "replace")))
        return one

    return mapped(key, fold_text)


def fuzzied(key: Key) -> Key:
    """The tree as FUZZY before it makes it."""

    def blur(one: Key) -> Key:
        match one:
            case Header() | Addresses() | Subject() | Text() if one.text:
                return Fuzzy(one)
            case Filter(name):
                return Filter(name, fuzzy=True)
        return one

    return mapped(key, blur)
