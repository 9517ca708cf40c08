"""What two right servers may say differently is made equal here, and nowhere else.

Touched are: the human-readable text after a status and its code (RFC 3501 §7.1), the times at which mailboxes came to
be (their UIDVALIDITY, where the test made them), mod-sequences (RFC 7162 §3.1), RECENT and when it is told (§7.3.2),
and the order that the RFC leaves free: of untagged responses, of the items in FETCH, STATUS, SEARCH, FLAGS, METADATA
and LIST attributes (§7.2, §7.4), of EXPUNGEs; values of METADATA may be quoted or literals (RFC 5464 §5).
"""

import re
from collections.abc import Iterable

STATUS = re.compile(rb"(\S+) (OK|NO|BAD|BYE|PREAUTH)(?: (\[[^\]]*\]))?.*", re.DOTALL)
FETCH = re.compile(rb"\* (\d+) FETCH \((.*)\)", re.DOTALL)
EXPUNGE = re.compile(rb"\* (\d+) EXPUNGE")
RECENT = re.compile(rb"\* \d+ RECENT")
LIST = re.compile(rb"\* (X?LIST|LSUB) \(([^)]*)\) (.*)", re.DOTALL)
STATUS_ITEMS = re.compile(rb"\* STATUS (.*) \(([^)]*)\)", re.DOTALL)
SEARCH = re.compile(rb"\* SEARCH((?: \d+)*)")
METADATA = re.compile(rb"\* METADATA (\S+) \((.*)\)", re.DOTALL)
LITERAL = re.compile(rb"\{(\d+)\}\r\n")
FLAGS = re.compile(rb"\(([^()]*)\)")
MODSEQ = re.compile(rb"(MODSEQ \(?)\d+(?=[\])])")
NEW_VALIDITY = re.compile(rb"(APPENDUID|COPYUID|UIDVALIDITY) (\d+)")


def normalise(responses: Iterable[bytes], *, own_validity: bytes = b"") -> list[bytes]:
    """The responses to one command, the tagged one last; `own_validity` is the UIDVALIDITY that both servers share."""
    responses = list(responses)
    selecting = any(response.startswith(b"* FLAGS") for response in responses)
    untagged: list[bytes] = []
    expunged: list[int] = []
    for response in responses[:-1]:
        if found := EXPUNGE.fullmatch(response):
            expunged.append(_original(int(found[1]), expunged))
        elif selecting or not RECENT.fullmatch(response):
            untagged.append(_validity(_untagged(response), own_validity))
    if expunged:
        untagged.append(b"* EXPUNGED " + b",".join(b"%d" % number for number in sorted(expunged)))
    return [*sorted(untagged, key=_place), _validity(_status(responses[-1], b"TAG"), own_validity)]


def _place(response: bytes) -> tuple[int, bytes]:
    """Where a response is put: FETCHes by number, the others by their text."""
    found = FETCH.fullmatch(response)
    return (int(found[1]) if found else 0, response)


def _original(number: int, gone: list[int]) -> int:
    for earlier in sorted(gone):
        number += earlier <= number
    return number


def _status(response: bytes, tag: bytes) -> bytes:
    found = STATUS.fullmatch(response)
    if not found:
        return response
    code = b" " + _flag_list(found[3]) if found[3] else b""
    return tag + b" " + found[2] + code


def _validity(response: bytes, own: bytes) -> bytes:
    response = MODSEQ.sub(rb"\1N", response)
    return NEW_VALIDITY.sub(lambda found: found[0] if found[2] == own else found[1] + b" NEW", response)


def _flag_list(text: bytes) -> bytes:
    """A parenthesised list of flags or attributes in one order."""
    return FLAGS.sub(lambda found: b"(" + b" ".join(sorted(found[1].split())) + b")", text)


def _untagged(response: bytes) -> bytes:
    if response.startswith((b"* OK", b"* NO", b"* BAD", b"* BYE")):
        return _status(response, b"*")
    if response.startswith(b"* FLAGS"):
        return _flag_list(response)
    if found := FETCH.fullmatch(response):
        return b"* %s FETCH (%s)" % (found[1], b" ".join(b"%s %s" % item for item in sorted(fetch_items(found[2]))))
    if found := LIST.fullmatch(response):
        return b"* %s (%s) %s" % (found[1], b" ".join(sorted(found[2].lower().split())), found[3])
    if found := STATUS_ITEMS.fullmatch(response):
        words = found[2].split()
        pairs = sorted(zip(words[::2], words[1::2], strict=True))
        return b"* STATUS %s (%s)" % (found[1], b" ".join(b"%s %s" % pair for pair in pairs))
    if found := METADATA.fullmatch(response):
        return b"* METADATA %s (%s)" % (found[1], _pairs(found[2]))
    if found := SEARCH.fullmatch(response):
        return b"* SEARCH " + b" ".join(b"%d" % number for number in sorted(map(int, found[1].split())))
    return response


def _pairs(data: bytes) -> bytes:
    """Entries and their values in one order, each value as a literal."""
    pairs = sorted((name, b"{%d}\r\n%b" % (len(text), text)) for name, text in map(_valued, fetch_items(data)))
    return b" ".join(b"%b %b" % pair for pair in pairs)


def _valued(item: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    name, value = item
    if value.startswith(b'"'):
        value = re.sub(rb"\\(.)", rb"\1", value[1:-1])
    return name, LITERAL.sub(b"", value, count=1)


def fetch_items(data: bytes) -> list[tuple[bytes, bytes]]:
    """Names and values of what stands between the parentheses of a FETCH response."""
    items = []
    place = 0
    while place < len(data):
        end = _name_end(data, place)
        name, place = data[place:end], end + 1
        end = _value_end(data, place)
        value, place = data[place:end], end + 1
        items.append((name, _flag_list(value) if name == b"FLAGS" else value))
    return items


def _name_end(data: bytes, place: int) -> int:
    """A name may hold spaces between brackets: BODY[HEADER.FIELDS (TO CC)]<0>."""
    depth = 0
    while place < len(data) and (depth or data[place : place + 1] != b" "):
        depth += {b"[": 1, b"]": -1}.get(data[place : place + 1], 0)
        place += 1
    return place


def _value_end(data: bytes, place: int) -> int:
    """The end of an atom, a string or a parenthesised list that begins at `place`."""
    depth = 0
    while place < len(data):
        byte = data[place : place + 1]
        if byte == b'"':
            place = _quoted_end(data, place)
            continue
        if byte in b"~{" and (found := re.compile(rb"~?\{(\d+)\}\r\n").match(data, place)):
            place = found.end() + int(found[1])
            continue
        if depth == 0 and byte == b" ":
            return place
        depth += {b"(": 1, b")": -1}.get(byte, 0)
        place += 1
    return place


def _quoted_end(data: bytes, place: int) -> int:
    place += 1
    while data[place : place + 1] != b'"':
        place += 2 if data[place : place + 1] == b"\\" else 1
    return place + 1
