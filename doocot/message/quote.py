"""How the value of a header becomes an `nstring` (RFC 3501 §4.3): quoted where possible and short, else a literal.

The choices (when to use a literal, how folding is undone) are Dovecot's, so that a client which compares an ENVELOPE
it has cached with the one it is sent finds the same bytes.
"""

import re

# Up to this many backslashes a quoted string is shorter than a literal of usual length.
_MAX_ESCAPES = 4

# Dovecot quotes up to this length what people read; some clients have a limit for a line, but none for a literal.
_MAX_QUOTED = 8180

# Deleting all harmless bytes and looking whether any is left is the fastest test that Python has.
_QUOTABLE = bytes(byte for byte in range(128) if byte not in b'"\\\r\n')
_TIDY = bytes(byte for byte in _QUOTABLE if byte not in b"\0\t")
_literal_needed = re.compile(rb"[\r\n\x80-\xff]").search
_escaped = re.compile(rb'(["\\])')
# Where no white space follows, as it does in a fold, words would run together.
_lone_end = re.compile(rb"[\r\n]+(?=[^ \t\r\n])")
_space = re.compile(rb"[ \t\r\n]+")
_for_people = bytes.maketrans(b"\0", b"\x80")


def nstring(value: bytes | None) -> bytes:
    """`nstring = string / nil` of the bytes as they are."""
    if value is None:
        return b"NIL"
    if not value.translate(None, _QUOTABLE):
        return b'"%b"' % value
    if _literal_needed(value) or value.count(b'"') + value.count(b"\\") > _MAX_ESCAPES:
        return b"{%d}\r\n%b" % (len(value), value)
    return b'"%b"' % _escaped.sub(rb"\\\1", value)


def unfolded(value: bytes | None) -> bytes:
    """The same with the folds of the header line undone (RFC 5322 §2.2.3)."""
    if value is not None:
        if not value.translate(None, _QUOTABLE):
            return b'"%b"' % value
        if b"\r" in value:
            value = _lone_end.sub(b" ", value)
        value = value.translate(None, b"\r\n")
    return nstring(value)


def phrase(value: bytes | None) -> bytes:
    """The same for what people read (subject, display name): white space becomes one space, NUL becomes 0x80."""
    if value is None:
        return b"NIL"
    tidy = not value.translate(None, _TIDY) and b"  " not in value and value.strip(b" ") == value
    if tidy and len(value) <= _MAX_QUOTED:
        return b'"%b"' % value
    text = _space.sub(b" ", value.translate(_for_people)).strip(b" ")
    return b"{%d}\r\n%b" % (len(text), text) if text else b'""'
