"""Message ids of Message-ID, References and In-Reply-To in the form in which THREAD compares them (RFC 5256 §3)."""

import re

from doocot.message.tokens import MORE, Reader

_normal = re.compile(rb"[^>\"(\[]*(?:>|\Z)").match
_single = re.compile(rb"\s*<([^<>\"()\[\s]*@[^<>\"()\[\s]*)>\s*").fullmatch
_white = b" \t\r\n"


def message_ids(value: bytes) -> list[bytes]:
    """All ids of a header value without their angle brackets; what is no `msg-id` is passed over."""
    if single := _single(value):
        return [single[1]]
    found, at = list[bytes](), value.find(b"<")
    while at >= 0:
        at += 1
        text = _normal(value, at)
        if text:
            if not text[0].endswith(b">"):
                break
            word = text[0][:-1]
            if b"@" in word:
                found.append(word.translate(None, _white))
            at = text.end()
        else:
            word, at = _quoted_id(value, at)
            if word:
                found.append(word)
        at = value.find(b"<", at)
    return found


def _quoted_id(value: bytes, at: int) -> tuple[bytes, int]:
    """`id-left "@" id-right ">"` with quoted strings, comments or literals, and where to go on."""
    r = Reader(value, at)
    r.skip_lwsp()
    left = r.read_quoted_string() if r.peek() == b'"' else r.read_dot_atom()
    if left is not MORE or r.peek() != b"@":
        return b"", at
    r.text.append(b"@")
    if r.read_domain() is not MORE or r.peek() != b">":
        return b"", at
    return r.take(), r.pos + 1


def parents(references: bytes | None, in_reply_to: bytes | None) -> list[bytes]:
    """The ancestors of a message, oldest first: References, or else the first id of In-Reply-To (RFC 5256 §3)."""
    if references is not None and (found := message_ids(references)):
        return found
    return message_ids(in_reply_to)[:1] if in_reply_to is not None else []
