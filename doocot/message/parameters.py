"""Parameters in a BODYSTRUCTURE as RFC 9051 §7.5.2 wants them: decoded of RFC 2231 §4, in UTF-8.

A structure is kept as Dovecot tells it to clients of IMAP4rev1, with the joined parameter encoded and a star behind its
name. Here its bytes are rewritten for others: `"filename*" "utf-8''na%C3%AFve"` is `"filename" "naïve"`. A value stays
as it is when it is not what RFC 2231 says, cannot be decoded or has control characters.
"""

import re

from doocot.message.charset import decode

_token = re.compile(rb'"((?:[^"\\]|\\.)*)"|\{([0-9]+)\}\r\n|[()]|[^"{() ]+', re.DOTALL).match
_extended = re.compile(rb"([A-Za-z0-9_.:+\-]*)'[A-Za-z0-9\-]*'((?:[^%]|%[0-9A-Fa-f]{2})*)", re.DOTALL).fullmatch
_octet = re.compile(rb"%([0-9A-Fa-f]{2})").sub
_unfit = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\ufffd]").search  # U+FFFD stands for what could not be decoded
_escape = re.compile(rb"\\(.)", re.DOTALL)


def decoded(structure: bytes) -> bytes:
    """The structure with its parameters decoded. Only lists of names and values are touched."""
    if b'*" ' not in structure:
        return structure
    out: list[bytes] = []
    strings: list[tuple[int, bytes]] | None = None  # of the list that is open, where they are; None: it has others too
    at = kept = 0
    while at < len(structure):
        found = _token(structure, at)
        if found is None:  # a space
            at += 1
            continue
        end = found.end() + int(found[2] or 0)
        if found[0] == b"(":
            strings = []
        elif found[0] == b")":
            for begin, stop, text in _changes(strings or []):
                out += (structure[kept:begin], text)
                kept = stop
            strings = None
        elif strings is not None and (found[1] is not None or found[2] is not None):
            strings.append((at, structure[at:end]))
        else:
            strings = None
        at = end
    return b"".join((*out, structure[kept:]))


def _changes(strings: list[tuple[int, bytes]]) -> list[tuple[int, int, bytes]]:
    """From where to where what is to be put, for a list of strings."""
    if len(strings) % 2:
        return []
    changes = []
    for (begin, name), (start, value) in zip(strings[::2], strings[1::2], strict=True):
        if name.endswith(b'*"') and value.startswith(b'"'):
            text = _value(_escape.sub(rb"\1", value[1:-1]))
            if text is not None:
                changes.append((begin, start + len(value), b'%b" %b' % (name[:-2], text)))
    return changes


def _value(value: bytes) -> bytes | None:
    """`[charset] "'" [language] "'" other-characters` as a string in UTF-8."""
    found = _extended(value)
    if found is None:
        return None
    text = decode(_octet(lambda octet: bytes((int(octet[1], 16),)), found[2]), found[1])
    if _unfit(text):
        return None
    octets = text.encode("utf-8", "replace")
    if octets.isascii():
        return b'"%b"' % octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b"{%d}\r\n%b" % (len(octets), octets)
