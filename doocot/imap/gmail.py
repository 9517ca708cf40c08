"""X-GM-EXT-1, Gmail's extension: labels and search keys. Offered where `doocot_gmail_extensions` says so (ADR 18)."""

import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from doocot.imap import extensions
from doocot.imap.command import Bad, No, Steps
from doocot.imap.fetch_items import Item, Plain
from doocot.imap.search_reader import Reader
from doocot.mailbox import fetch as columns
from doocot.mailbox import fetch_columns
from doocot.mailbox.change import FlagChange, Operation
from doocot.mailbox.labels import (
    FLAG_LABELS,
    IMPORTANT,
    MAX_LABEL,
    changed_by,
    control,
    keyword_of,
    know_use,
    labels_of,
)
from doocot.mailbox.metadata import special_uses
from doocot.mailbox.namespaces import special
from doocot.mailbox.places import find
from doocot.mailbox.search_tree import (
    Addresses,
    And,
    EmailId,
    Flag,
    Header,
    InternalDate,
    Key,
    Keyword,
    Not,
    Or,
    OwnLabel,
    Size,
    Subject,
    Text,
    ThreadId,
)
from doocot.mailbox.view import View, sync
from doocot.message.objectid import beginning
from doocot.store.index.messages import FLAGGED, SEEN, Range
from doocot.store.snapshot import pieces
from doocot.wire import mutf7
from doocot.wire.cursor import BadSyntax, Cursor
from doocot.wire.flow import MORE

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

FOREVER: Final = 2**62
MAX_LABELS: Final = 100  # of one command
MAX_TERMS: Final = 50  # of X-GM-RAW
_EPOCH: Final = date(1970, 1, 1).toordinal()
_system = re.compile(rb"\\[A-Za-z]+").match
_number = re.compile(rb"[0-9]{1,20}").fullmatch


def offered(session: "ImapSession") -> None:
    """Raises Bad where the administrator did not turn this extension on."""
    if not session.context.gmail:
        raise Bad(b"X-GM-EXT-1 is not offered here.")


def ready(session: "ImapSession") -> None:
    """Labels of the selected mailbox are asked for. Raises Bad where the extension is not offered."""
    offered(session)
    assert session.view is not None
    prepare(session, session.view, session.mailbox)


def prepare(session: "ImapSession", view: View, name: str) -> None:
    """Labels of the mailbox of this name are asked for, where it was found that the extension is offered."""
    assert session.mail is not None
    found = special(find(session.mail, name))
    uses = special_uses(session.mail).get(view.live.row.name, ())
    know_use(view, (*uses, *(found.special_use if found is not None else ())))


def among(items: Iterable[Item]) -> bool:
    """Whether some of these FETCH items are of this extension."""
    return any(isinstance(item, Plain) and item.name.startswith(b"X-GM-") for item in items)


def labels(c: Cursor) -> tuple[str, ...]:
    """`"(" [label *(SP label)] ")" / label`"""
    if c.at(b"("):
        return tuple(c.paren_list(lambda: label(c), empty=True, limit=MAX_LABELS))
    return (label(c),)


def label(c: Cursor) -> str:
    r"""A label: `\Starred`, an atom, or a string; in modified UTF-7 or UTF-8 as names of mailboxes are."""
    begin = c.position
    found = _system(c.text, begin)
    if found is not None:
        c.position = found.end()
        return found[0].decode("ascii")
    encoded = c.astring()
    try:
        text = encoded.decode("utf-8") if c.utf8 else mutf7.decode(encoded)
    except ValueError:
        encoding = "UTF-8" if c.utf8 else "modified UTF-7"
        raise BadSyntax(f"the label is not in {encoding}", begin) from None
    if not text or len(text) > MAX_LABEL:
        raise BadSyntax(f"a label has from 1 to {MAX_LABEL} characters", begin)
    if control(text):
        raise BadSyntax("a label has no control characters", begin)
    return text


def as_flags(session: "ImapSession", names: tuple[str, ...], change: FlagChange) -> FlagChange:
    """The change of flags and keywords that a change of labels is. Raises MailError for labels that are mailboxes."""
    ready(session)
    assert session.view is not None
    if change.operation is Operation.REPLACE:
        raise No(b"Labels are added by +X-GM-LABELS and removed by -X-GM-LABELS.", b"CANNOT")
    bits, keywords = changed_by(names, labels_of(session.view).own, adding=change.operation is Operation.ADD)
    return replace(change, flags=bits, keywords=keywords)


def telling_labels(session: "ImapSession", rows: Sequence[Range], steps: Steps) -> Steps:
    """Steps of a STORE, with the labels that the messages of these rows have then."""
    done = yield from steps
    view = session.view
    assert view is not None
    if (told := sync(view, expunge=False)) is not None:
        session.later(told)
    column = fetch_columns.UTF8_LABELS if session.utf8 else fetch_columns.LABELS
    plan = columns.plan([column], uid_only=extensions.uid_only(session))
    for low, high in rows:
        for piece in pieces(view.snapshot, low, high, plan.rows):
            yield columns.render(view, plan, piece)
            yield MORE
    return done


def label_key(text: str) -> Key:
    """X-GM-LABELS: the messages that have this label."""
    bit = next((bit for bit, name in FLAG_LABELS if name.lower() == text.lower()), 0)
    if bit:
        return Flag(bit)
    if text.lower() == "\\important":
        return Or((Keyword(IMPORTANT), OwnLabel(text)))
    return OwnLabel(text) if text.startswith("\\") else Keyword(keyword_of(text))


def number(c: Cursor) -> int:
    """An unsigned 64-bit number."""
    begin = c.position
    text = c.atom()
    if not _number(text) or int(text) >> 64:
        raise BadSyntax("an unsigned number of 64 bits was expected", begin)
    return int(text)


def message_key(c: Cursor) -> Key:
    """`"X-GM-MSGID" SP number`"""
    return EmailId(beginning(b"M", number(c.sp())))


def thread_key(c: Cursor) -> Key:
    """`"X-GM-THRID" SP number`"""
    return ThreadId(beginning(b"T", number(c.sp())))


# X-GM-RAW: what people type into the search field of Gmail, as far as it is words and the commonest operators.


def raw(r: Reader, depth: int) -> Key:
    """`"X-GM-RAW" SP astring`: words, "phrases", `-` before a term, OR between two, and the operators below.

    Its terms are keys so deep inside others. Raises BadSyntax for what is not understood, as a wrong answer would be
    worse.
    """
    text, position = r.text().decode("utf-8"), r.c.position
    try:
        words = shlex.shlex(text, posix=True, punctuation_chars="")
        words.whitespace_split, words.commenters, words.quotes, words.escape = True, "", '"', ""
        terms = list(words)
    except ValueError:
        raise BadSyntax("a phrase in X-GM-RAW has no end", position) from None
    if not 0 < len(terms) <= MAX_TERMS:
        raise BadSyntax(f"X-GM-RAW takes from 1 to {MAX_TERMS} terms", position)
    keys: list[Key] = []
    either = False
    for term in terms:
        if term == "OR" and keys and not either:
            either = True
            continue
        key = _term(r, term, depth)
        keys.append(Or((keys.pop(), key)) if either else key)
        either = False
    if either:
        raise BadSyntax("OR in X-GM-RAW stands between two terms", position)
    return keys[0] if len(keys) == 1 else And(tuple(keys))


def _term(r: Reader, term: str, depth: int) -> Key:
    r.enter(depth)
    if term.startswith("-") and len(term) > 1:
        return Not(_term(r, term[1:], depth + 1))
    position = r.c.position
    operator, colon, value = term.partition(":")
    if not colon or not value or value.startswith("//") or not operator.isalnum():
        if any(bracket in term for bracket in "(){}"):
            raise BadSyntax("X-GM-RAW takes no brackets here", position)
        return Text(term.encode(), True)
    known = _OPERATORS.get(operator.lower())
    key = known(value) if known is not None else None
    if key is None:
        raise BadSyntax(f"X-GM-RAW does not know {operator}: with this value", position)
    return key


def _addresses(name: bytes) -> Callable[[str], Key | None]:
    return lambda value: Addresses(name, value.encode())


def _place(value: str) -> Key | None:
    """`in:` and `label:`; the mailboxes of Gmail by their names there."""
    known = {"anywhere": None, "inbox": "\\Inbox", "sent": "\\Sent", "trash": "\\Trash", "spam": "\\Spam"}
    if value.lower() in known:
        found = known[value.lower()]
        return label_key(found) if found is not None else Size(0, FOREVER)
    return label_key(value)


def _state(value: str) -> Key | None:
    states: dict[str, Key] = {
        "read": Flag(SEEN),
        "unread": Not(Flag(SEEN)),
        "starred": Flag(FLAGGED),
        "important": label_key("\\Important"),
    }
    return states.get(value.lower())


_size = re.compile(r"([0-9]{1,12})([kKmM]?)[bB]?").fullmatch


def _octets(value: str) -> int | None:
    found = _size(value)
    return int(found[1]) << {"": 0, "k": 10, "m": 20}[found[2].lower()] if found is not None else None


def _larger(value: str) -> Key | None:
    octets = _octets(value)
    return Size(octets, FOREVER) if octets is not None else None


def _smaller(value: str) -> Key | None:
    octets = _octets(value)
    return Size(0, octets) if octets is not None else None


_date = re.compile(r"([0-9]{4})[/-]([0-9]{1,2})[/-]([0-9]{1,2})").fullmatch


def _day(value: str) -> int | None:
    found = _date(value)
    if found is None:
        return None
    try:
        return date(int(found[1]), int(found[2]), int(found[3])).toordinal() - _EPOCH
    except ValueError:
        return None


def _after(value: str) -> Key | None:
    day = _day(value)
    return InternalDate(day, FOREVER) if day is not None else None


def _before(value: str) -> Key | None:
    day = _day(value)
    return InternalDate(-FOREVER, day) if day is not None else None


def _message_id(value: str) -> Key | None:
    return Header(b"message-id", value.encode())


_OPERATORS: Final[Mapping[str, Callable[[str], Key | None]]] = MappingProxyType(
    {
        "from": _addresses(b"from"),
        "to": _addresses(b"to"),
        "cc": _addresses(b"cc"),
        "bcc": _addresses(b"bcc"),
        "subject": lambda value: Subject(value.encode()),
        "label": _place,
        "in": _place,
        "is": _state,
        "larger": _larger,
        "size": _larger,
        "smaller": _smaller,
        "after": _after,
        "newer": _after,
        "before": _before,
        "older": _before,
        "rfc822msgid": _message_id,
    }
)
