"""CONVERSIONS, CONVERT and UID CONVERT (RFC 5259): text and headers in another charset, and HTML as text.

Conversions give the same each time and are not kept between commands, though §8.5 would like two to be: the texts that
are converted are small, and what is kept for a client that never asks again is memory.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from doocot.errors import Kind, MailError
from doocot.imap import limits
from doocot.imap.command import Bad, No, Ok, Result, State, Steps, command
from doocot.imap.extensions import uid_only
from doocot.imap.fetch_items import octet_range, section_part
from doocot.imap.sets import rows_of
from doocot.mailbox.read import GONE, Message, at_file
from doocot.message.charset import known_codec
from doocot.message.convert import (
    CHARSET,
    CONVERSIONS,
    PARAMETERS,
    Converted,
    Parameters,
    Refused,
    Target,
    available,
    convert,
)
from doocot.message.recode import recoded
from doocot.message.sections import Section, SectionText, section, wire
from doocot.store import maildir
from doocot.store.files import Files
from doocot.store.index.messages import files
from doocot.store.snapshot import column
from doocot.wire.cursor import BadSyntax, Cursor
from doocot.wire.flow import Job
from doocot.wire.numset import NumSet
from doocot.wire.respond import literal, string

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

MAX_MESSAGES: Final = 500
MAX_ITEMS: Final = 64
MAX_PARTS: Final = 16  # of a message that are converted at once
MAX_PARAMETERS: Final = 16
MAX_VALUE: Final = 256  # octets of a parameter's name or value
MAX_SIZE: Final = 64 << 20  # octets of a message that is read to be converted

_TOKEN = rb"[A-Za-z0-9!#$&^_.+-]{1,127}"
_concrete = re.compile(_TOKEN + rb"/" + _TOKEN).fullmatch
_pattern = re.compile(rb"\*|%b/(?:\*|%b)" % (_TOKEN, _TOKEN)).fullmatch
_name = re.compile(rb"[A-Za-z.]+").match
# Top-level types that there are (IANA); any other is an unrecognized media type (§9).
_KNOWN: Final = (
    *(b"application", b"audio", b"example", b"font", b"haptics", b"image", b"message", b"model", b"multipart"),
    *(b"text", b"video"),
)
_CONVERTING: Final = frozenset((b"BINARY", b"BINARY.SIZE", b"BODYPARTSTRUCTURE", b"AVAILABLECONVERSIONS"))


@dataclass(frozen=True, slots=True)
class Conversions:
    """`conversions-cmd = "CONVERSIONS" SP from-mime-type-req SP to-mime-type-req`"""

    source: bytes
    target: bytes

    @classmethod
    def parse(cls, c: Cursor) -> "Conversions":
        return cls(_type_pattern(c.sp()), _type_pattern(c.sp()))


def _type_pattern(c: Cursor) -> bytes:
    """`mime-type-req`: `*`, `type/*` or `type/subtype`, lower-case."""
    begin = c.position
    found = c.astring()
    if not _pattern(found):
        raise BadSyntax('a media type like "text/plain", "text/*" or "*" was expected', begin)
    return found.lower()


@command("CONVERSIONS", state=State.LOGGED_IN, parse=Conversions.parse)
def conversions(session: "ImapSession", args: Conversions, by_uid: bool) -> Result:
    parameters = b" ".join(b'"%b"' % name for name in PARAMETERS)
    lines = [
        b'* CONVERSION "%b" "%b" (%b)\r\n' % (source, target, parameters)
        for source, target in CONVERSIONS
        if _fits(args.source, source) and _fits(args.target, target)
    ]
    return Ok(b"Conversions completed.", data=b"".join(lines))


def _fits(pattern: bytes, media: bytes) -> bool:
    return pattern == media or (pattern.endswith(b"*") and media.startswith(pattern[:-1]))


@dataclass(frozen=True, slots=True)
class Item:
    """`convert-att`; `label` is the item as the response names it, `text` is HEADER or MIME of BODY[...]."""

    name: bytes
    label: bytes
    path: tuple[int, ...] = ()
    range: tuple[int, int] | None = None
    text: SectionText = SectionText.WHOLE


@dataclass(frozen=True, slots=True)
class Convert:
    """`convert = "CONVERT" SP sequence-set SP convert-params SP (convert-att / "(" ... ")")`"""

    messages: NumSet
    target: Target
    items: tuple[Item, ...]

    @classmethod
    def parse(cls, c: Cursor) -> "Convert":
        messages = c.sp().sequence_set()
        target = _target(c.sp())
        several = c.sp().at(b"(")
        items = c.paren_list(lambda: _item(c), limit=MAX_ITEMS) if several else [_item(c)]
        headers = [item for item in items if item.name == b"BODY"]
        if headers and (target.media is not None or CHARSET not in dict(target.parameters)):
            raise Bad(b'A header is converted by (NIL ("CHARSET" charset)), without a media type.')  # §6
        return cls(messages, target, tuple(dict.fromkeys(items)))


def _target(c: Cursor) -> Target:
    """`convert-params = "(" (quoted-to-mime-type / "NIL") [SP "(" transcoding-params ")"] ")"`"""
    begin = c.open_paren().position
    media = c.nstring()
    if media is not None and not _concrete(media):
        raise BadSyntax('a media type like "text/plain" or NIL was expected', begin)
    found: Parameters = ()
    if c.try_sp():
        found = tuple(c.paren_list(lambda: _parameter(c), limit=MAX_PARAMETERS))
    c.close_paren()
    if len(dict(found)) < len(found):
        raise Bad(b"A conversion parameter comes twice.")
    return Target(None if media is None else media.lower(), found)


def _parameter(c: Cursor) -> tuple[bytes, bytes]:
    """`transcoding-param = transcoding-param-name SP transcoding-param-value`"""
    name = c.astring().lower()
    value = c.sp().astring()
    if max(len(name), len(value)) > MAX_VALUE:
        raise Bad(b"A conversion parameter is longer than %d octets." % MAX_VALUE)
    return name, value


def _item(c: Cursor) -> Item:
    begin = c.position
    found = _name(c.text, begin)
    if found is None:
        raise BadSyntax("a CONVERT item was expected", begin)
    name = found[0].upper()
    c.position = found.end()
    if name == b"UID":
        return Item(name, name)
    if name != b"BODY" and name not in _CONVERTING:
        raise Bad(b"Unknown CONVERT item " + name)
    c.expect(b"[")
    path = section_part(c)
    number = b".".join([b"%d" % one for one in path])
    if name == b"BODY":
        return _header_item(c, path, number)
    c.expect(b"]")
    wanted = octet_range(c) if name == b"BINARY" else None
    origin = b"<%d>" % wanted[0] if wanted is not None else b""
    return Item(name, b"%b[%b]%b" % (name, number, origin), path, wanted)


def _header_item(c: Cursor, path: tuple[int, ...], number: bytes) -> Item:
    """`"BODY[HEADER]" / "BODY[" section-part ".HEADER]" / "BODY[" section-part ".MIME]"`"""
    if path:
        c.expect(b".")
    word = c.text[c.position : c.position + 6].upper()
    text = SectionText.HEADER if word == b"HEADER" else SectionText.MIME
    if text is SectionText.MIME and not (path and word.startswith(b"MIME")):
        raise BadSyntax("HEADER or MIME of a part was expected", c.position)
    c.position += len(text.value)
    c.expect(b"]")
    label = b".".join([one for one in (number, text.value.encode()) if one])
    return Item(b"BODY", b"BODY[%b]" % label, path, None, text)


# As with FETCH no EXPUNGE while it is under way, but by UID (§6).
@command("CONVERT", "UID CONVERT", state=State.SELECTED, parse=Convert.parse, expunge=False)
def convert_(session: "ImapSession", args: Convert, by_uid: bool) -> Result:
    media = args.target.media
    if uid_only(session):
        raise No(b"CONVERTED tells sequence numbers, which ENABLE UIDONLY forbids.", b"CANNOT")  # RFC 9586 §3.2
    if media is not None and media.partition(b"/")[0] not in _KNOWN:
        raise No(b"Unknown media type.")
    charset = dict(args.target.parameters).get(CHARSET)
    if charset is not None and known_codec(charset) is None and any(item.name == b"BODY" for item in args.items):
        raise No(b"Unknown charset.", b"BADCHARSET")
    if len({item.path for item in args.items if item.name in _CONVERTING}) > MAX_PARTS:
        raise No(b"Too many body parts at once.", b"MAXCONVERTPARTS %d" % MAX_PARTS)
    rows, code = limits.newest(session, rows_of(session, args.messages, by_uid))
    if sum(high - low for low, high in rows) > MAX_MESSAGES:
        raise No(b"Too many messages at once.", b"MAXCONVERTMESSAGES %d" % MAX_MESSAGES)
    steps = _convert(session, args, [row for low, high in rows for row in range(low, high)], by_uid)
    return limits.coded(steps, code)


def _convert(session: "ImapSession", args: Convert, rows: list[int], by_uid: bool) -> Steps:
    """A message at a time, on a thread: reading and converting may take half a second."""
    view = session.view
    assert view is not None
    root, mailbox = view.live.root, view.live.row.id
    folder = maildir.folder_of(root, view.live.row.name)
    uids = column(view.snapshot, "uid")
    with_uid = by_uid or any(item.name == b"UID" for item in args.items)
    succeeded, lost = not rows, False
    for row in rows:
        uid = int(uids[row])
        found = files(root.db.reader, mailbox, [(uid, uid)])
        try:
            if not found:
                raise MailError(Kind.EXPUNGE_ISSUED, GONE)
            read = partial(at_file, root, mailbox, folder, *found[0][1:], partial(_read, root.files), on_loop=False)
            told, good = yield Job(partial(_of_message, read, args))
        except MailError as error:
            if error.kind is not Kind.EXPUNGE_ISSUED:
                raise
            lost = True
            continue
        succeeded = succeeded or good
        words = ([b"UID %d" % uid] if with_uid else []) + told
        yield b'* %d CONVERTED (TAG "%b") (%b)\r\n' % (row + 1, session.tag, b" ".join(words))
    if lost:
        raise MailError(Kind.EXPUNGE_ISSUED, GONE)
    if not succeeded:
        raise No(b"All conversions failed.")
    return Ok(b"Convert completed.")


def _read(opened: Files, path: str) -> bytes:
    status = opened.stat(path)
    if status is None:
        raise FileNotFoundError(path)
    if status.st_size > MAX_SIZE:
        raise MailError(Kind.LIMIT, "A message is too large to be converted.")
    return opened.read_file(path, status.st_size)


def _of_message(read: Callable[[], bytes], args: Convert) -> tuple[list[bytes], bool]:
    """The `convert-msg-att` of one message, and whether something could be converted."""
    message = Message(read())
    done: dict[tuple[int, ...], Converted | Refused] = {}
    told, succeeded = [], False
    for item in args.items:
        if item.name == b"UID":
            succeeded = True
            continue
        value = (
            _header(message, item, args.target) if item.name == b"BODY" else _value(message, item, args.target, done)
        )
        succeeded = succeeded or not isinstance(value, Refused)
        told.append(b"%b %b" % (item.label, _error(value) if isinstance(value, Refused) else value))
    return told, succeeded


def _header(message: Message, item: Item, target: Target) -> bytes:
    octets = section(message.data, message.part, Section(item.path, item.text))
    return b"NIL" if octets is None else literal(wire(recoded(octets, dict(target.parameters)[CHARSET])))


def _value(
    message: Message, item: Item, target: Target, done: dict[tuple[int, ...], Converted | Refused]
) -> bytes | Refused:
    """What stands behind the item's name; a part that is asked for in several ways is converted once."""
    if item.name == b"AVAILABLECONVERSIONS":
        media = available(message.part, item.path, target)
        if not isinstance(media, Refused):
            return b'(("%b"))' % media
        return b"(())" if target.media is None and media.source is not None and not media.parameters else media
    if item.path not in done:
        done[item.path] = convert(message.data, message.part, item.path, target)
    found = done[item.path]
    if isinstance(found, Refused):
        return found
    if item.name == b"BINARY.SIZE":
        return b"%d" % len(found.octets)
    if item.name == b"BODYPARTSTRUCTURE":
        return _structure(found)
    octets = found.octets
    if item.range is not None:
        octets = octets[item.range[0] : item.range[0] + item.range[1]]
    return (b"~" if b"\0" in octets else b"") + literal(octets)


def _structure(found: Converted) -> bytes:
    """`body` of the converted part (§8.2), as the BINARY item gives it."""
    octets = found.octets
    encoding = b"7bit" if octets.isascii() else b"8bit"
    sizes = len(octets), octets.count(b"\n")
    if b"\0" in octets:
        encoding = b"binary"
    head = b'("text" "plain" ("charset" %b) NIL NIL "%b"' % (string(found.charset), encoding)
    return head + b" %d %d NIL NIL NIL NIL)" % sizes


def _error(refused: Refused) -> bytes:
    """`converterror-phrase`"""
    source = b"NIL" if refused.source is None else b'"%b"' % refused.source
    listed = b" ".join([b"%b %b" % (string(name), string(value)) for name, value in refused.parameters])
    return b'(ERROR "%b" BADPARAMETERS %b "%b"%b)' % (
        refused.text,
        source,
        refused.target,
        b" (%b)" % listed if listed else b"",
    )
