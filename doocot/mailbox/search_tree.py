"""What a SEARCH asks for (RFC 3501 §6.4.4): a frozen tree of search keys, as the grammar makes it.

Texts are search keys of `message.charset.search_key`, days are counted from 1970, and every range is low <= value <
high.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

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
    | SentDate
    | Size
    | ModSeq
    | EmailId
    | ThreadId
    | Header
    | Addresses
    | Subject
    | Text
    | Not
    | And
    | Or
)


def with_numbers(key: Key, change: Callable[[Numbers], Numbers]) -> Key:
    """The tree with each of its sequence sets changed."""
    match key:
        case Numbers():
            return change(key)
        case Not(inner):
            return Not(with_numbers(inner, change))
        case And(keys):
            return And(tuple(with_numbers(one, change) for one in keys))
        case Or(keys):
            return Or(tuple(with_numbers(one, change) for one in keys))
    return key
