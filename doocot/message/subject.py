"""Base subject of a message for SORT and THREAD (RFC 5256 §2.1)."""

import re

# Nobody compares more; and a line of a million `[x]` would take for ever to peel.
_LONGEST = 2000

_TAB, _CR = b"\t\r"
_white = re.compile(rb"[ \t\r]+")
_BLOB = rb"\[[^\[\]]*\] ?"
_leader = re.compile(rb"(?:%b)*(?:RE|FWD?) ?(?:%b)?:" % (_BLOB, _BLOB)).match
_blob = re.compile(_BLOB).match


def base_subject(key: bytes) -> tuple[bytes, bool]:
    """The base subject and whether the message is a reply or forward.

    `key` is the search key of the Subject header: upper case, encoded words are UTF-8, which is half of step (1).
    """
    _, text, is_reply = _base(_pressed(key))
    return text, is_reply


def base_subject_of(subject: bytes) -> tuple[bytes, bool]:
    """The same of a subject in which letters keep their case."""
    pressed = _pressed(subject)
    begin, text, is_reply = _base(pressed.upper())
    return pressed[begin : begin + len(text)], is_reply


def _pressed(text: bytes) -> bytes:
    """Step (1): all white space to one space."""
    text = text[:_LONGEST]
    return _white.sub(b" ", text) if text.find(b"  ") >= 0 or _TAB in text or _CR in text else text


def _base(text: bytes) -> tuple[int, bytes, bool]:
    """Where the base subject begins in the upper-case text, itself, and whether something was taken off it."""
    begin, is_reply = 0, False
    while True:
        # (2) subj-trailer
        while text.endswith((b" ", b"(FWD)")):
            is_reply |= text.endswith(b")")
            text = text[:-1] if text.endswith(b" ") else text[:-5]
        # (5) until neither subj-leader nor subj-blob is left
        while True:
            before = len(text)
            # (3) subj-leader
            text = text.removeprefix(b" ")
            if found := _leader(text):
                is_reply = True
                text = text[found.end() :]
            # (4) subj-blob, unless nothing would remain
            if (found := _blob(text)) and found.end() < len(text):
                text = text[found.end() :]
            if len(text) == before:
                break
            begin += before - len(text)
        # (6) subj-fwd-hdr and subj-fwd-trl
        if not (text.startswith(b"[FWD:") and text.endswith(b"]")):
            return begin, text, is_reply
        is_reply = True
        begin += 5
        text = text[5:-1]
