"""FILTER (RFC 5466): a search key that stands for a search which the user, or the administrator, gave a name.

Filters are entries of METADATA. Their keys take the place of the name before anything else is done with a search.
"""

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from doocot.imap.command import No
from doocot.imap.search_keys import Keys, parse_keys
from doocot.imap.search_reader import MAX_KEYS, charset_of, codec
from doocot.mailbox import metadata
from doocot.mailbox.search_tree import Filter, Key, fuzzied, mapped
from doocot.wire.cursor import BadSyntax, Cursor
from doocot.wire.flow import Job, Step

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

MAX_NESTED: Final = 10  # filters that name others


@dataclass(slots=True)
class _Reading:
    """The filters of one search. `keys` are how many it has with all of them in their places."""

    session: "ImapSession"
    keys: int
    known: dict[bytes, Keys] = field(default_factory=dict)


def without_filters(session: "ImapSession", keys: Keys) -> Generator[Step, Any, Keys]:
    """Steps to the same search with no FILTER in it. Raises No: UNDEFINED-FILTER (RFC 5466 §3.1)."""
    if not keys.filters:
        return keys
    mail = session.mail
    assert mail is not None
    root = mail.opened.root
    if session.context.metadata is not None and not metadata.is_restored(root):
        yield Job(lambda: metadata.restore(root))
    return _expanded(_Reading(session, keys.count), keys, ())


def _expanded(reading: _Reading, keys: Keys, inside: tuple[bytes, ...]) -> Keys:
    """The keys with those of their filters; `inside` are the filters that are being read."""
    found = {name: _filter(reading, name, inside) for name in keys.filters}

    def keys_of(one: Key) -> Key:
        if not isinstance(one, Filter):
            return one
        reading.keys += found[one.name].count
        if reading.keys > MAX_KEYS:
            raise No(b"With its filters the search has more than %d keys." % MAX_KEYS, b"LIMIT")
        return fuzzied(found[one.name].key) if one.fuzzy else found[one.name].key

    return replace(
        keys,
        key=mapped(keys.key, keys_of),
        has_modseq=keys.has_modseq or any(one.has_modseq for one in found.values()),
        has_gmail=keys.has_gmail or any(one.has_gmail for one in found.values()),
        has_recent=keys.has_recent or any(one.has_recent for one in found.values()),
        has_fuzzy=keys.has_fuzzy or any(one.has_fuzzy for one in found.values()),
        has_numbers=keys.has_numbers or any(one.has_numbers for one in found.values()),
        count=keys.count + sum(one.count for one in found.values()),
        filters=(),
    )


def _filter(reading: _Reading, name: bytes, inside: tuple[bytes, ...]) -> Keys:
    if name in reading.known:
        return reading.known[name]
    mail = reading.session.mail
    assert mail is not None
    if name in inside or len(inside) >= MAX_NESTED:
        raise _undefined(name, b"This filter names itself, or others too deep.")
    text = None
    if reading.session.context.metadata is not None:
        text = metadata.filter_text(mail, name.decode("ascii"))
    if text is None:
        raise _undefined(name, b"There is no such filter.")
    keys = reading.known[name] = _expanded(reading, _parsed(name, text), (*inside, name))
    return keys


def _parsed(name: bytes, text: bytes) -> Keys:
    """`["CHARSET" SP charset SP] search-key *(SP search-key)`; without a charset texts are UTF-8."""
    c = Cursor(text)
    try:
        charset = charset_of(c)
        known = codec(charset.decode("ascii", "replace")) if charset else "utf-8"
        keys = parse_keys(c, known or "utf-8")
        c.end()
    except BadSyntax:
        raise _undefined(name, b"What this filter has is no search.") from None
    if known is None or keys.undecodable:
        raise _undefined(name, b"The charset of this filter is unknown, or its texts are not in it.")
    return keys


def _undefined(name: bytes, text: bytes) -> No:
    return No(text, b"UNDEFINED-FILTER " + name)
