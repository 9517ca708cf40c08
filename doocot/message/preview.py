"""PREVIEW (RFC 8970): the first words of a message, from its text/plain part or else from what its HTML says.

Which part it is, and that lines of quotation are left out, is as in Dovecot. Only the beginning of the part is looked
at; a text that says nothing there has an empty preview (§3.2), as has a message without text.
"""

from doocot.message.charset import decode
from doocot.message.decode import tolerant
from doocot.message.html import html_text
from doocot.message.mime import disposition, mechanism
from doocot.message.quote import nstring
from doocot.message.scan import Kind, Part

MOST = 200  # characters; RFC 8970 §3.2
TEXT_OCTETS = 16 << 10
HTML_OCTETS = 128 << 10  # there may be much style before the text
HTML_TEXT = 4096  # characters of HTML's text, of which some may be quotations

_READABLE = frozenset((b"7bit", b"8bit", b"binary", b"base64", b"quoted-printable"))
_ASCII = frozenset((b"us-ascii", b"ascii"))
# Characters without width, with which HTML pads the text that a list of mail shall show. Joiners can have a meaning.
_INVISIBLE = dict.fromkeys((0xAD, 0x34F, 0x200B, 0x2060, 0xFEFF), "")
_JOINERS = "\u200c\u200d"
_SHOWN = {**dict.fromkeys((*range(32), *range(127, 160)), " "), **_INVISIBLE}


def preview(data: bytes, part: Part) -> bytes:
    """`nstring` of the preview of a scanned message, in UTF-8."""
    found = _text_part(part)
    return nstring(_words(_text_of(data, found)).encode("utf-8", "replace") if found is not None else b"")


def _media(part: Part) -> bytes:
    return part.content_type.media if part.content_type is not None else b"text/plain"


def _text_part(part: Part) -> Part | None:
    """The part that is shown: of alternatives plain text before HTML before other text, else the first there is."""
    if part.kind is Kind.TEXT:
        return part
    if part.kind is not Kind.MULTIPART:
        return None
    found = [one for child in part.children if not _is_attachment(child) and (one := _text_part(child))]
    if found and _media(part) == b"multipart/alternative":
        for media in (b"text/plain", b"text/html"):
            for one in found:
                if _media(one) == media:
                    return one
    return found[0] if found else None


def _is_attachment(part: Part) -> bool:
    values = part.header.get(b"content-disposition")
    found = disposition(values[0]) if values else None
    return found is not None and found.kind.lower() == b"attachment"


def _text_of(data: bytes, part: Part) -> str:
    """The beginning of what the part says, in lines."""
    is_html = _media(part) == b"text/html"
    most = HTML_OCTETS if is_html else TEXT_OCTETS
    values = part.header.get(b"content-transfer-encoding")
    encoding = mechanism(values[-1]) if values else b"7bit"
    if encoding not in _READABLE:
        return ""
    octets = tolerant(data[part.body : min(part.end, part.body + 2 * most)], encoding)[:most]
    charset = part.content_type.param(b"charset") if part.content_type is not None else None
    text = decode(octets, b"utf-8" if charset is None or charset.lower() in _ASCII else charset)
    return html_text(text, HTML_TEXT) if is_html else text


def _words(text: str) -> str:
    """The first characters of what is no quotation, else of the quotation, with white space pressed."""
    lines, said = list[str](), ""
    for most in (4 * MOST, len(text)):  # mostly the beginning is enough
        lines = [line.translate(_SHOWN) for line in text[:most].split("\n")]
        said = _pressed([line for line in lines if not line.startswith(">")])
        if len(said) >= MOST:
            break
    return (said or _quotation(lines))[:MOST].rstrip()


def _quotation(lines: list[str]) -> str:
    text = _pressed([line.lstrip("> ") for line in lines])
    return ">" + text if text else ""


def _pressed(lines: list[str]) -> str:
    return " ".join([word for word in " ".join(lines).split() if word.strip(_JOINERS)])
