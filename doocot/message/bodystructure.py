"""BODYSTRUCTURE and BODY (RFC 3501 §7.4.2) of a scanned message as the bytes that go on the wire."""

from functools import lru_cache

from doocot.message.envelope import envelope
from doocot.message.header import Fields
from doocot.message.memo import remembered
from doocot.message.mime import Params, content_type, disposition, languages, transfer_encoding
from doocot.message.quote import is_verbatim, nstring, unfolded
from doocot.message.scan import Head, Kind, Part
from doocot.message.tokens import REPLACEMENT

# A multipart must have a part (RFC 2046 §5.1.1); where a message has none, this stands for it.
_NO_PART = b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0'
_MULTIPART, _MESSAGE = Kind.MULTIPART, Kind.MESSAGE
_NO_EXTENSION = b" NIL NIL NIL NIL"


def bodystructure(part: Part) -> bytes:
    """`body` with its extension data."""
    return b"(%b)" % _structure(part)[1]


def body(part: Part) -> bytes:
    """`body` without extension data, as FETCH BODY asks for it."""
    return b"(%b)" % _structure(part)[0]


def _structure(part: Part) -> tuple[bytes, bytes]:
    """The inside of `body`, without and with extension data."""
    return _multipart(part) if part.kind is _MULTIPART else _single(part)


def _multipart(part: Part) -> tuple[bytes, bytes]:
    if part.children:
        inside = [_structure(child) for child in part.children]
        short = b"(%b)" % b")(".join([one for one, _ in inside])
        extended = b"(%b)" % b")(".join([one for _, one in inside])
    else:
        short, extended = _NO_PART + b")", _NO_PART + _NO_EXTENSION + b")"
    typed = part.head.content_type
    assert typed is not None
    subtype = nstring(typed.subtype)
    tail = _extension(part.head.fields)
    return b"%b %b" % (short, subtype), b"%b %b %b%b" % (extended, subtype, _params(typed.params), tail)


def _single(part: Part) -> tuple[bytes, bytes]:
    is_message = part.kind is _MESSAGE
    # The message's own header is like no other, those inside it are mostly the same few.
    said = _said_by_few if part.start else _said
    start, is_text, tail = said(part.head, is_message)
    size = part.end - part.body
    if is_text:
        short = b"%b %d %d" % (start, size, part.lines)
        return short, short + tail
    short = b"%b %d" % (start, size)
    if not is_message:
        return short, short + tail
    (child,) = part.children
    inner, inner_extended = _structure(child)
    short = b"%b %b" % (short, envelope(child.head.fields))
    lines = b" %d" % part.lines
    return b"%b (%b)%b" % (short, inner, lines), b"%b (%b)%b%b" % (short, inner_extended, lines, tail)


def _said(head: Head, is_message: bool) -> tuple[bytes, bool, bytes]:
    """What a header says about its part: all before the size, whether lines are told, all behind them."""
    header = head.fields if head.is_mime else {}
    typed = head.content_type
    text = False
    if is_message:
        start = b'"message" "rfc822" ' + _params(typed.params if typed else ())
    elif typed is None:
        start, text = b'"text" "plain" ("charset" "us-ascii")', True
    elif typed.media == b"message/rfc822":
        # Too deep or too many to be looked into: a message here must show its envelope (RFC 3501 §7.4.2).
        start = b'"application" "octet-stream" ' + _params(typed.params)
    else:
        start, text = _media(head.fields[b"content-type"][0])
    encoding = _encoding(header)
    labels = b"NIL NIL"
    if b"content-id" in header or b"content-description" in header:
        labels = b"%b %b" % (_text(header, b"content-id"), _text(header, b"content-description"))
    return b"%b %b %b" % (start, labels, encoding), text, b" %b%b" % (_text(header, b"content-md5"), _extension(header))


_said_by_few = lru_cache(maxsize=512)(_said)


@remembered(512)
def _media(value: bytes) -> tuple[bytes, bool]:
    """Type, subtype and parameters on the wire, and whether it is text, whose charset is always told."""
    typed = content_type(value)
    text = typed.type.lower() == b"text"
    params = typed.params
    if typed.type.lower() == b"multipart":
        # Not looked into: only `body-type-mpart` may say multipart, with the parts before it.
        return b'"application" "octet-stream" ' + _params(params), False
    if text and typed.param(b"charset") is None:
        params = (*params, (b"charset", b"us-ascii"))
    return b"%b %b %b" % (nstring(typed.type), nstring(typed.subtype), _params(params)), text


def _params(params: Params) -> bytes:
    """`body-fld-param`"""
    if not params:
        return b"NIL"
    if len(params) == 1 and is_verbatim(params[0][0] + params[0][1]):
        return b'("%b" "%b")' % params[0]
    return b"(%b)" % b" ".join([b"%b %b" % (nstring(name), nstring(value)) for name, value in params])


def _encoding(header: Fields) -> bytes:
    """`body-fld-enc`: that of the first header that can be read."""
    for value in header.get(b"content-transfer-encoding", ()):
        if found := _encoding_word(value):
            return found
    return b'"7bit"'


@remembered(256)
def _encoding_word(value: bytes) -> bytes | None:
    """The encoding on the wire, None when something else stands in the field."""
    word = transfer_encoding(value)
    return None if word is None else nstring(word)


def _text(header: Fields, name: bytes) -> bytes:
    values = header.get(name)
    return b"NIL" if values is None else unfolded(values[0].replace(b"\0", REPLACEMENT))


def _extension(header: Fields) -> bytes:
    """`SP body-fld-dsp SP body-fld-lang SP body-fld-loc`"""
    if not (b"content-disposition" in header or b"content-language" in header or b"content-location" in header):
        return _NO_EXTENSION[4:]
    shown, spoken = b"NIL", b"NIL"
    for value in header.get(b"content-disposition", ()):
        if (found := disposition(value)) is not None:
            shown = b"(%b %b)" % (nstring(found.kind), _params(found.params))
            if found.params:
                break
    for value in header.get(b"content-language", ()):
        if tags := languages(value):
            spoken = b"(%b)" % b" ".join(map(nstring, tags))
            break
    return b" %b %b %b" % (shown, spoken, _text(header, b"content-location"))
