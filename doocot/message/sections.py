"""BODY[section] (RFC 3501 §6.4.5) and BINARY[section] (RFC 3516 §4.2) of a scanned message.

The request is parsed in the IMAP layer; here it is a frozen `Section`. An answer of None means that the message has no
such part.
"""

from dataclasses import dataclass
from enum import Enum

from doocot.errors import Kind as ErrorKind
from doocot.errors import MailError
from doocot.message.decode import exact
from doocot.message.header import header_fields, header_fields_not, with_encoding
from doocot.message.mime import mechanism
from doocot.message.scan import Kind, Part

_PLAIN = (b"7bit", b"8bit", b"binary")
_CONVERTED = (b"base64", b"quoted-printable")
_NUL_SHOWN = bytes.maketrans(b"\0", b"\x80")


class SectionText(Enum):
    """`section-text`, or WHOLE where a section names none."""

    WHOLE = ""
    HEADER = "HEADER"
    TEXT = "TEXT"
    MIME = "MIME"
    HEADER_FIELDS = "HEADER.FIELDS"
    HEADER_FIELDS_NOT = "HEADER.FIELDS.NOT"


@dataclass(frozen=True, slots=True)
class Section:
    """`section-spec`: the numbers of the part, what of it, and for the HEADER.FIELDS the lower-case names."""

    path: tuple[int, ...] = ()
    text: SectionText = SectionText.WHOLE
    names: frozenset[bytes] = frozenset()


def wire(octets: bytes) -> bytes:
    """The octets as a literal may hold them: NUL is not allowed in one (RFC 3501 §9 CHAR8) and goes out as 0x80."""
    return octets.translate(_NUL_SHOWN) if b"\0" in octets else octets


def find(part: Part, path: tuple[int, ...]) -> Part | None:
    """The part with these numbers (RFC 3501 §6.4.5): a message that is no multipart has one part, number 1."""
    for depth, number in enumerate(path, 1):
        more = depth < len(path)
        if part.kind is Kind.MULTIPART:
            if not 0 < number <= len(part.children):
                return None
            part = part.children[number - 1]
        elif number != 1 or (more and part.kind is not Kind.MESSAGE):
            return None
        if more and part.kind is Kind.MESSAGE:
            part = part.children[0]
    return part


def section(data: bytes, part: Part, spec: Section) -> bytes | None:
    """The octets of BODY[section], NULs already replaced."""
    octets = exact_section(data, part, spec)
    return None if octets is None else wire(octets)


def exact_section(data: bytes, part: Part, spec: Section) -> bytes | None:
    """The same with its NULs."""
    if (span := section_span(part, spec)) is None:
        return None
    octets = data[span[0] : span[1]]
    if spec.text is SectionText.HEADER_FIELDS:
        return header_fields(octets, spec.names)
    if spec.text is SectionText.HEADER_FIELDS_NOT:
        return header_fields_not(octets, spec.names)
    return octets


def section_span(part: Part, spec: Section) -> tuple[int, int] | None:
    """Where the section lies in the message; for HEADER.FIELDS the header to pick from."""
    if not spec.path and spec.text is SectionText.WHOLE:
        return 0, part.end
    found = find(part, spec.path)
    if found is None:
        return None
    if spec.text is SectionText.MIME:
        return found.start, found.body
    if spec.text is SectionText.WHOLE:
        return found.body, found.end
    if spec.path:
        if found.kind is not Kind.MESSAGE:
            return None
        found = found.children[0]
    return (found.body, found.end) if spec.text is SectionText.TEXT else (found.start, found.body)


def binary(data: bytes, part: Part, path: tuple[int, ...] = ()) -> bytes | None:
    """The octets of BINARY[section-part], encodings removed in the part and in all that is inside it.

    The whole message, and the parts in a multipart or a message, come with their headers, in which the encoding that
    was removed is then called binary. BINARY.SIZE is the length of this.
    """
    found = find(part, path)
    if found is None:
        return None
    out: list[bytes] = []
    _binary(data, found, not path, out)
    return b"".join(out)


def is_converted(part: Part) -> bool:
    """Whether `binary` of this part is anything else than its octets, so that a client must expect NULs."""
    return any(map(is_converted, part.children)) if part.children else _encoding(part) in _CONVERTED


def _encoding(part: Part) -> bytes:
    values = part.header.get(b"content-transfer-encoding")
    return mechanism(values[-1]) if values else b"7bit"


def _binary(data: bytes, part: Part, with_header: bool, out: list[bytes]) -> None:
    encoding = _encoding(part)
    if encoding not in _PLAIN and encoding not in _CONVERTED:
        raise MailError(ErrorKind.UNKNOWN_CTE, "Unknown Content-Transfer-Encoding.")
    if with_header:
        header = data[part.start : part.body]
        if encoding in _CONVERTED and part.end > part.body and not part.children:
            header = with_encoding(header, b"binary")
        out.append(header)
    if not part.children:
        out.append(exact(data[part.body : part.end], encoding))
        return
    at = part.body
    for child in part.children:
        out.append(data[at : child.start])
        _binary(data, child, True, out)
        at = child.end
    out.append(data[at : part.end])


def decoded(data: bytes, part: Part) -> Part:
    """The part with the sizes that it and those inside it have once encodings are removed (RFC 5524 §3)."""
    out: list[bytes] = []
    _binary(data, part, False, out)
    octets = b"".join(out)
    children = tuple(decoded(data, child) for child in part.children)
    return part._replace(end=part.body + len(octets), lines=octets.count(b"\n"), children=children)
