"""What SEARCH MIMEPART asks of the parts of a message (draft-bosch-imap-search-mimepart), and the answer.

A message matches when one of its parts does. Most keys are answered by the BODYSTRUCTURE; those that ask for HEADER,
BODY and TEXT of a part need the message. Texts are search keys of `message.charset.search_key`, days are counted from
1970, and every range is low <= value < high.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final, TypeAlias
from urllib.parse import unquote_to_bytes

from doocot.message.bodystructure import bodystructure
from doocot.message.charset import decode, header_key, search_key
from doocot.message.dates import sent_date
from doocot.message.header import fields
from doocot.message.mime import Params
from doocot.message.scan import crlf, scan
from doocot.message.structure import BodyPart, Value, below, read_structure, with_places
from doocot.message.text import search_text, text_parts

FEW: Final = 1000  # steps of one key in one message, two milliseconds, that are taken off nothing
MAX_STEPS: Final = 2_000_000  # of one search, in messages that take more than FEW: some seconds of a thread


class TooMuch(Exception):
    """The keys and the message together are more work than there are steps left."""


@dataclass(slots=True)
class Budget:
    """Steps that are left: keys that are asked of parts, and texts that are compared."""

    steps: int = field(default_factory=lambda: MAX_STEPS)

    def take(self, steps: int) -> None:
        """Raises TooMuch where there are not that many."""
        self.steps -= steps
        if self.steps < 0:
            raise TooMuch


class How(Enum):
    """In which way a text must be there."""

    IS = "IS"
    CONTAINS = "CONTAINS"
    BEGINS = "BEGINS"
    ENDS = "ENDS"


@dataclass(frozen=True, slots=True)
class PartText:
    """A text of the BODYSTRUCTURE; `name` is one of TEXTS."""

    name: bytes
    how: How
    text: bytes


@dataclass(frozen=True, slots=True)
class PartParam:
    """`PARAM`, `DISPOSITION PARAM`: the parameter of this lower-case name contains the text."""

    of_disposition: bool
    name: bytes
    text: bytes


@dataclass(frozen=True, slots=True)
class PartNumber:
    """`SIZE`, `DEPTH`, `INDEX`. A multipart has no size."""

    name: bytes
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class PartSent:
    """`SENTBEFORE`, `SENTON`, `SENTSINCE`: of the message in the part."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class PartHeader:
    """`HEADER name text`: of the part's own header. An empty text asks whether the field is there."""

    name: bytes
    text: bytes


@dataclass(frozen=True, slots=True)
class PartBody:
    """`BODY`, and with the headers `TEXT`: of the part and all that is inside it."""

    text: bytes
    with_headers: bool


@dataclass(frozen=True, slots=True)
class Parent:
    """`PARENT`: the part around this one matches; without a key, there is one."""

    key: "PartKey | None"


@dataclass(frozen=True, slots=True)
class Child:
    """`CHILD`: a part inside this one, at any depth, matches; without a key, there is one. DEPTH counts from here."""

    key: "PartKey | None"


@dataclass(frozen=True, slots=True)
class PartNot:
    """`NOT`"""

    key: "PartKey"


@dataclass(frozen=True, slots=True)
class PartAnd:
    """Keys one after the other."""

    keys: tuple["PartKey", ...]


@dataclass(frozen=True, slots=True)
class PartOr:
    """`OR`"""

    keys: tuple["PartKey", ...]


PartKey: TypeAlias = (
    PartText | PartParam | PartNumber | PartSent | PartHeader | PartBody | Parent | Child | PartNot | PartAnd | PartOr
)


@dataclass(slots=True)
class _Message:
    """The message that is asked: its bytes with CRLF, None while nobody needed them, and the steps that are left."""

    data: bytes | None
    budget: Budget


def few_match(packed: bytes, key: PartKey) -> bool | None:
    """As `structure_matches`, in FEW steps. Raises TooMuch where it takes more."""
    return _any_matches(read_structure(packed), key, _Message(None, Budget(FEW)))


def structure_matches(packed: bytes, key: PartKey, budget: Budget) -> bool | None:
    """Whether the message with this BODYSTRUCTURE matches; None when that hangs on its bytes. Raises TooMuch."""
    return _in_budget(read_structure(packed), key, None, budget)


def message_matches(raw: bytes, key: PartKey, budget: Budget) -> bool:
    """Whether this message matches. Raises TooMuch."""
    data = crlf(raw)
    part = scan(data)
    root = with_places(read_structure(bodystructure(part)), part)
    return _in_budget(root, key, data, budget) is True


def _in_budget(root: BodyPart, key: PartKey, data: bytes | None, budget: Budget) -> bool | None:
    try:
        return _any_matches(root, key, _Message(data, Budget(FEW)))
    except TooMuch:
        return _any_matches(root, key, _Message(data, budget))


def _any_matches(root: BodyPart, key: PartKey, message: _Message) -> bool | None:
    unknown = False
    for part, depth in ((root, 0), *below(root)):
        found = _matches(part, depth, key, message)
        if found:
            return True
        unknown |= found is None
    return None if unknown else False


def _matches(part: BodyPart, depth: int, key: PartKey, message: _Message) -> bool | None:
    """Whether the part matches; None when nobody can tell without the message."""
    message.budget.take(1)
    match key:
        case PartAnd(keys):
            return _all([_matches(part, depth, one, message) for one in keys])
        case PartOr(keys):
            return _not(_all([_not(_matches(part, depth, one, message)) for one in keys]))
        case PartNot(inner):
            return _not(_matches(part, depth, inner, message))
        case Parent(inner):
            if part.parent is None or inner is None:
                return part.parent is not None
            return _matches(part.parent, depth - 1, inner, message)
        case Child(None):
            return bool(part.children)
        case Child(inner):
            assert inner is not None
            return _not(_all([_not(_matches(one, at, inner, message)) for one, at in below(part)]))
        case PartHeader() | PartBody():
            return None if message.data is None else _in_message(part, key, message.data)
        case PartNumber(name, low, high):
            number = {b"SIZE": part.size, b"DEPTH": depth, b"INDEX": part.index}[name]
            return number is not None and low <= number < high
        case PartParam(of_disposition, name, text):
            value = param_key(part.disposition_params if of_disposition else part.params, name)
            return value is not None and text in value
        case PartSent(low, high):
            sent = sent_date(_envelope_text(part, 0) or b"")
            return sent is not None and low <= sent.day < high
    assert isinstance(key, PartText)
    values = TEXTS[key.name](part)
    message.budget.take(len(values))
    return any(_fits(value, key) for value in values)


def _all(found: Sequence[bool | None]) -> bool | None:
    return False if False in found else None if None in found else True


def _not(found: bool | None) -> bool | None:
    return None if found is None else not found


def _fits(value: bytes, key: PartText) -> bool:
    match key.how:
        case How.IS:
            return value == key.text
        case How.CONTAINS:
            return key.text in value
        case How.BEGINS:
            return value.startswith(key.text)
        case How.ENDS:
            return value.endswith(key.text)


def _in_message(part: BodyPart, key: PartHeader | PartBody, data: bytes) -> bool:
    place = part.part
    if place is None:
        return False
    if isinstance(key, PartBody):
        return search_text(data, text_parts(place), key.text, key.with_headers)
    values = fields(data[place.start : place.body]).get(key.name, ())
    return any(key.text in header_key(value) for value in values)


def param_key(params: Params, name: bytes) -> bytes | None:
    """The parameter of this lower-case name as it is compared; None when there is none.

    A value may be encoded as RFC 2231 §4 has it (`charset'language'%xx`), or as RFC 2047 does, which that forbids.
    """
    for written, value in params:
        lower = written.lower()
        if lower == name:
            return header_key(value)
        if lower == name + b"*" and value.count(b"'") >= 2:
            charset, _, text = value.split(b"'", 2)
            return search_key(decode(unquote_to_bytes(text), charset or b"utf-8"))
    return None


def _filename(part: BodyPart) -> list[bytes]:
    """The name for saving the part (RFC 2183 §2.3), or of the time before that the parameter of the type."""
    for params, name in ((part.disposition_params, b"filename"), (part.params, b"name")):
        if (value := param_key(params, name)) is not None:
            return [value]
    return []


def _keys(*values: bytes | None) -> list[bytes]:
    return [header_key(value) for value in values if value is not None]


def _languages(part: BodyPart) -> list[bytes]:
    """Each language and what it is a kind of, so that `de` finds `de-AT` (RFC 4647 §3.3.1)."""
    found = [b"*"] if part.languages else []
    for language in part.languages:
        words = language.upper().split(b"-")
        found += [b"-".join(words[: count + 1]) for count in range(len(words))]
    return found


def _envelope_text(part: BodyPart, number: int) -> bytes | None:
    value = part.envelope[number] if part.envelope else None
    return value if isinstance(value, bytes) else None


def _addresses(number: int) -> Callable[[BodyPart], list[bytes]]:
    """The addresses of that field of the envelope, each as `"Name" <local@domain>`."""

    def keys(part: BodyPart) -> list[bytes]:
        listed = part.envelope[number] if part.envelope else None
        return [_address_key(one) for one in listed if isinstance(one, list)] if isinstance(listed, list) else []

    return keys


def _address_key(address: "list[Value]") -> bytes:
    name, _, mailbox, domain = (value if isinstance(value, bytes) else b"" for value in address)
    return header_key(b'"%b" <%b@%b>' % (name, mailbox, domain) if name else b"<%b@%b>" % (mailbox, domain))


def _of_envelope(number: int) -> Callable[[BodyPart], list[bytes]]:
    return lambda part: _keys(_envelope_text(part, number))


# What each text is, by the word of the key; several where one of several may fit.
TEXTS: Final[Mapping[bytes, Callable[[BodyPart], list[bytes]]]] = MappingProxyType(
    {
        b"TYPE": lambda part: _keys(part.type),
        b"SUBTYPE": lambda part: _keys(part.subtype),
        b"ID": lambda part: _keys(part.id),
        b"DESCRIPTION": lambda part: _keys(part.description),
        b"ENCODING": lambda part: _keys(part.encoding),
        b"MD5": lambda part: [part.md5] if part.md5 is not None else [],
        b"DISPOSITION": lambda part: _keys(part.disposition),
        b"LANGUAGE": _languages,
        b"LOCATION": lambda part: _keys(part.location),
        b"FILENAME": _filename,
        b"SUBJECT": _of_envelope(1),
        b"FROM": _addresses(2),
        b"SENDER": _addresses(3),
        b"REPLY-TO": _addresses(4),
        b"TO": _addresses(5),
        b"CC": _addresses(6),
        b"BCC": _addresses(7),
        b"IN-REPLY-TO": _of_envelope(8),
        b"MESSAGE-ID": _of_envelope(9),
    }
)
