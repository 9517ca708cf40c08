"""Cuts a header block (RFC 5322 §2.2) into fields, and picks fields out of it for BODY[HEADER.FIELDS (...)].

All functions take a block with CRLF line ends. A line without a colon is no field, and neither are the folds after it.
Folds stay in the value as a bare LF: the grammars above this one skip it as they skip CRLF, and the wire forms drop it.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

Fields = dict[bytes, list[bytes]]
"""Lower-case field name to its values, first occurrence first."""

# A pattern that begins with a literal is searched for by that literal, which is several times faster than `^`; so every
# block gets a line end in front. White space after the colon goes, but of nothing but white space all but one is kept.
# One space, and a value that ends with the first CR, come first: they are nearly all there is, and quicker as cases of
# their own than as optional repeats. Any other value has the CR of its line ends in it.
_VALUE = (
    rb"[ \t]*:(?: (?=[^ \t\r\n])|[ \t]+(?=[^ \t\r\n])|[ \t]|)"
    rb"([^\r]*(?:(?=\r\n[^ \t])|[^\n]*(?:\n[ \t][^\n]*)*))"
)
_CR = ord("\r")  # looking for a number in bytes takes a tenth of the time of looking for bytes
_any = re.compile(rb"\n([^\n: \t][^\n:]*)" + _VALUE.removeprefix(rb"[ \t]*")).findall
# The usual spelling comes before any, as comparing without regard to case is slower.
_known = re.compile(
    rb"\n(?=[bcdfimrstBCDFIMRST])(Date|Subject|From|To|Message-I[Dd]|MIME-Version|Content-[a-zA-Z0-9-]*|In-Reply-To"
    rb"|References|(?i:date|subject|from|sender|reply-to|to|cc|bcc|in-reply-to|message-id|references"
    rb"|mime-version|content-[a-z0-9-]*))" + _VALUE
).findall


def fields(block: bytes) -> Fields:
    """All fields of a header block (the empty line that ends it may be there or not)."""
    return _collected([(name.rstrip(b" \t"), value) for name, value in _any(b"\n" + block)])


def known_fields(block: bytes) -> Fields:
    """The same for the fields that ENVELOPE, BODYSTRUCTURE and threads are made of, and no others, in half the time."""
    return _collected(_known(b"\n" + block))


def _collected(pairs: list[tuple[bytes, bytes]]) -> Fields:
    found: Fields = {}
    for name, value in pairs:
        if _CR in value:
            value = value.removesuffix(b"\r").replace(b"\r\n", b"\n")
        found.setdefault(name.lower(), []).append(value)
    return found


@lru_cache(maxsize=256)
def _picker(names: frozenset[bytes]) -> re.Pattern[bytes]:
    either = b"|".join(re.escape(name) for name in sorted(names))
    return re.compile(rb"\n((?i:%b)[ \t]*:[^\n]*(?:\n[ \t][^\n]*)*)" % either)


def header_fields(header_block: bytes, names: frozenset[bytes]) -> bytes:
    """The lines of the named fields (lower-case names) in their order, then the empty line: HEADER.FIELDS.

    A block without an empty line gets none, "the case of a message which has no body and no blank line" (RFC 3501
    §6.4.5); Dovecot adds one when it reads the message, and none when its cache answers.
    """
    blank = b"\r\n" if header_block.endswith(b"\n\r\n") or header_block == b"\r\n" else b""
    picked = _picker(names).findall(b"\n" + header_block) if names else []
    if not picked:
        return blank
    # The last line of a message may lack its line end.
    whole = header_block.endswith(b"\n") or not header_block.endswith(picked[-1])
    return b"\n".join(picked) + (b"\n" if whole else b"\r\n") + blank


def header_fields_not(header_block: bytes, names: frozenset[bytes]) -> bytes:
    """The block without the named fields, with its empty line: HEADER.FIELDS.NOT."""
    if not names:
        return header_block
    block = b"\n" + header_block
    rest = _picker(names).sub(b"", block)
    if not block.endswith(b"\n") and len(rest) < len(block):
        *_, last = _picker(names).finditer(block)
        if last.end() == len(block):
            rest += b"\n"
    return rest[1:]


def names_key(names: Iterable[bytes]) -> frozenset[bytes]:
    """The names of a request as `header_fields` wants them."""
    return frozenset(name.lower() for name in names)


def with_encoding(header: bytes, encoding: bytes) -> bytes:
    """The header block with this Content-Transfer-Encoding, whatever it said before."""
    blank = b"\r\n" if header.endswith(b"\n\r\n") else b""
    kept = header_fields_not(header[: len(header) - len(blank)], frozenset((b"content-transfer-encoding",)))
    return b"%bContent-Transfer-Encoding: %b\r\n%b" % (kept, encoding, blank)
