"""The item list of FETCH as values (RFC 3501 §6.4.5 fetch-att, BINARY RFC 3516 §4.2, MODSEQ RFC 7162 §3.1.4, SAVEDATE
RFC 8514 §4.2, EMAILID and THREADID RFC 8474 §5, PREVIEW RFC 8970 §6)."""

import re
from dataclasses import dataclass
from functools import lru_cache

from doocot.imap.command import Bad
from doocot.imap.partial import Partial, partial_range
from doocot.message.sections import Section, SectionText
from doocot.wire.cursor import BadSyntax, Cursor
from doocot.wire.frames import Frame
from doocot.wire.respond import astring

MAX_ITEMS = 256
MAX_HEADER_NAMES = 1000
MAX_DEPTH = 100

_PLAIN = frozenset(
    (
        *(b"UID", b"FLAGS", b"MODSEQ", b"INTERNALDATE", b"RFC822.SIZE", b"ENVELOPE", b"BODYSTRUCTURE", b"BODY"),
        *(b"SAVEDATE", b"EMAILID", b"THREADID", b"X-GM-MSGID", b"X-GM-THRID", b"X-GM-LABELS"),
    )
)
_PREVIEWS = (b"PREVIEW", b"SNIPPET")
_MACROS = {
    b"ALL": (b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE", b"ENVELOPE"),
    b"FAST": (b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE"),
    b"FULL": (b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE", b"ENVELOPE", b"BODY"),
}
_RFC822 = {
    b"RFC822": (Section(), True),
    b"RFC822.HEADER": (Section((), SectionText.HEADER), False),
    b"RFC822.TEXT": (Section((), SectionText.TEXT), True),
}
_LIST_FOLLOWS = re.compile(rb" *\(")
_PREVIEW_MODIFIERS = re.compile(rb"(?i) +\( *((?:LAZY|FUZZY|LAZY=FUZZY)(?: +(?:LAZY|FUZZY|LAZY=FUZZY)){0,9}) *\)")
_ATTRIBUTE = re.compile(rb"[A-Za-z0-9.-]+")
_PARTIAL = re.compile(rb"<([0-9]{1,19})\.([0-9]{1,19})>")  # number64 of RFC 9051 §9
_PART = re.compile(rb"[1-9][0-9]{0,8}(?:\.[1-9][0-9]{0,8})*")


@dataclass(frozen=True, slots=True)
class Plain:
    """An item that is a word: UID, FLAGS, ENVELOPE ... with its modifiers behind it: PREVIEW LAZY."""

    name: bytes


@dataclass(frozen=True, slots=True)
class Body:
    """`BODY[section]<origin.length>` and its relatives; `label` is the item as the response names it."""

    label: bytes
    section: Section
    sets_seen: bool
    partial: tuple[int, int] | None = None
    names: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Binary:
    """`BINARY[part]<origin.length>` or, with `size_only`, `BINARY.SIZE[part]`."""

    label: bytes
    path: tuple[int, ...]
    sets_seen: bool
    size_only: bool
    partial: tuple[int, int] | None = None


Item = Plain | Body | Binary


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """A whole list; `changed_since` is the CHANGEDSINCE modifier, with `vanished` (RFC 7162 §3.1.4.1, §3.2.6), and
    `partial` the PARTIAL modifier (RFC 9394 §3.3).

    Compared by identity: what is made of a list is remembered by it, and `parse_items` remembers the list by its text.
    """

    items: tuple[Item, ...]
    changed_since: int | None = None
    vanished: bool = False
    partial: Partial | None = None


def parse_items(c: Cursor) -> Items:
    """The list and its modifiers. Without literals the result is remembered by the text."""
    text, start = c.text, c.position
    if b"{" not in text[start:]:
        items = _parse_text(text[start:])
        c.position = len(text)
        return items
    return _parse(c)


@lru_cache(maxsize=1024)
def _parse_text(text: bytes) -> Items:
    c = Cursor(Frame(text))
    items = _parse(c)
    c.end()
    return items


def parse_list(c: Cursor) -> list[Item]:
    """`"(" fetch-att *(SP fetch-att) ")"`"""
    items: list[Item] = []
    c.open_paren()
    c.try_sp()  # spaces beside the parentheses are taken, as Dovecot does
    while True:
        items += _attribute(c, in_list=True)
        if len(items) > MAX_ITEMS:
            raise Bad(b"Too many FETCH items.")
        if not c.try_sp() or c.at(b")"):
            break
    c.close_paren()
    return items


def _parse(c: Cursor) -> Items:
    items = parse_list(c) if c.at(b"(") else _attribute(c, in_list=False)
    changed_since, vanished, partial = None, False, None
    if c.try_sp() and not c.at_end():
        changed_since, vanished, partial = _modifiers(c)
    return Items(tuple(dict.fromkeys(items)), changed_since, vanished, partial)


def _modifiers(c: Cursor) -> tuple[int | None, bool, Partial | None]:
    """`fetch-modifiers = "(" fetch-modifier *(SP fetch-modifier) ")"` (RFC 4466 §2.4)"""
    changed_since, vanished, partial = None, False, None
    c.open_paren()
    while True:
        name = c.keyword()
        if name == b"CHANGEDSINCE":
            changed_since = c.sp().mod_sequence_value()
        elif name == b"VANISHED":
            vanished = True
        elif name == b"PARTIAL" and partial is None:
            partial = partial_range(c.sp())
        else:
            raise Bad(b"Unknown FETCH modifier.")
        if not c.try_sp():
            break
    c.close_paren()
    if vanished and changed_since is None:
        raise Bad(b"VANISHED needs CHANGEDSINCE.")
    return changed_since, vanished, partial


def _attribute(c: Cursor, *, in_list: bool) -> list[Item]:
    found = _ATTRIBUTE.match(c.text, c.position)
    if found is None:
        raise BadSyntax("a FETCH item was expected", c.position)
    name = found[0].upper()
    c.position = found.end()
    if c.at(b"["):
        return [_section_item(c, name)]
    if name in _PLAIN:
        return [Plain(name)]
    if name in _RFC822:
        section, sets_seen = _RFC822[name]
        return [Body(name, section, sets_seen)]
    if name in _PREVIEWS:
        return [_preview(c, name, in_list=in_list)]
    if name in _MACROS:
        if in_list:
            raise Bad(name + b" stands for a list and is in none.")
        return [Plain(word) for word in _MACROS[name]]
    raise Bad(b"Unknown parameter " + name)


def _preview(c: Cursor, name: bytes, *, in_list: bool) -> Plain:
    """`"PREVIEW" [SP "(" preview-mod *(SP preview-mod) ")"]`, `preview-mod = "LAZY"` (RFC 8970 §6).

    Also what Dovecot had before there was an RFC: SNIPPET, and the modifiers FUZZY and LAZY=FUZZY, which are in the
    answer as well. Without a list around it, a list behind PREVIEW that has none of these is of fetch-modifiers.
    """
    found = _PREVIEW_MODIFIERS.match(c.text, c.position)
    if found is None:
        if in_list and _LIST_FOLLOWS.match(c.text, c.position):
            raise Bad(name + b" takes the modifier LAZY.")
        words: set[bytes] = set()
    else:
        c.position = found.end()
        words = set(found[1].upper().replace(b"=", b" ").split())
    if name == b"SNIPPET":
        words.add(b"FUZZY")
    return Plain(b" ".join([name, *sorted(words)]))


def _section_item(c: Cursor, name: bytes) -> Item:
    base, _, peek = name.partition(b".PEEK")
    if base == b"BODY" and not peek:
        return _body(c, sets_seen=name == b"BODY")
    if name in (b"BINARY", b"BINARY.PEEK", b"BINARY.SIZE"):
        return _binary(c, name)
    raise Bad(b"Unknown parameter " + name)


def _body(c: Cursor, *, sets_seen: bool) -> Body:
    c.expect(b"[")
    path = section_part(c)
    kind, words = SectionText.WHOLE, b""
    names: tuple[bytes, ...] = ()
    if not c.at(b"]"):
        if path:
            c.expect(b".")
        kind, names, words = _section_text(c, inside=bool(path))
    c.expect(b"]")
    label = b".".join(filter(None, (b".".join(b"%d" % number for number in path), words)))
    partial = octet_range(c)
    origin = b"" if partial is None else b"<%d>" % partial[0]
    section = Section(path, kind, frozenset(name.lower() for name in names))
    return Body(b"BODY[%b]%b" % (label, origin), section, sets_seen, partial, names)


def section_part(c: Cursor) -> tuple[int, ...]:
    """`section-part = nz-number *("." nz-number)`"""
    found = _PART.match(c.text, c.position)
    if found is None:
        return ()
    c.position = found.end()
    path = tuple(map(int, found[0].split(b".")))
    if len(path) > MAX_DEPTH:
        raise Bad(b"Section is nested too deep.")
    return path


def _section_text(c: Cursor, *, inside: bool) -> tuple[SectionText, tuple[bytes, ...], bytes]:
    """`section-text`: the kind, the header names, and the words as the response repeats them."""
    found = _ATTRIBUTE.match(c.text, c.position)
    word = found[0].upper() if found is not None else b""
    if found is not None:
        c.position = found.end()
    if word in (b"HEADER", b"TEXT") or (word == b"MIME" and inside):
        return SectionText(word.decode()), (), word
    if word not in (b"HEADER.FIELDS", b"HEADER.FIELDS.NOT"):
        raise Bad(b"Invalid BODY[..] parameter")
    names = tuple(c.sp().paren_list(c.astring, limit=MAX_HEADER_NAMES))
    listed = b" ".join(astring(name.upper()) for name in names)
    return SectionText(word.decode()), names, b"%b (%b)" % (word, listed)


def octet_range(c: Cursor) -> tuple[int, int] | None:
    """`partial = "<" number64 "." nz-number64 ">"`"""
    if not c.at(b"<"):
        return None
    found = _PARTIAL.match(c.text, c.position)
    if found is None or int(found[2]) == 0:
        raise Bad(b"Invalid <> parameter")
    c.position = found.end()
    return int(found[1]), int(found[2])


def _binary(c: Cursor, name: bytes) -> Binary:
    c.expect(b"[")
    path = section_part(c)
    c.expect(b"]")
    size_only = name == b"BINARY.SIZE"
    partial = None if size_only else octet_range(c)
    origin = b"" if partial is None else b"<%d>" % partial[0]
    label = b"%b[%b]%b" % (b"BINARY.SIZE" if size_only else b"BINARY", b".".join(b"%d" % n for n in path), origin)
    return Binary(label, path, name == b"BINARY", size_only, partial)


def parse_section(text: bytes) -> Section:
    """`[section-spec]` alone, as a URL has it (RFC 5092 §11 enc-section). Raises Bad or BadSyntax."""
    c = Cursor(b"[%b]" % text)
    section = _body(c, sets_seen=False).section
    c.end()
    return section
