"""Object identifiers (RFC 8474): those of messages are hashes of what they are, so that every copy has the same.

`objectid = 1*255(ALPHA / DIGIT / "_" / "-")`. The first letter tells the kind of object (none of them is a hexadecimal
digit, so it is found nowhere else in an identifier); 160 bits follow for messages, as with fewer somebody could make
two messages of one identifier.
"""

import re
from collections.abc import Sequence
from hashlib import sha256

HEX_DIGITS = 40
NUMBER_DIGITS = 16  # of an identifier, which the 64-bit numbers of X-GM-EXT-1 are

is_objectid = re.compile(rb"[A-Za-z0-9_-]{1,255}").fullmatch


def mailbox_id(guid: str) -> bytes:
    """MAILBOXID (§4): `F` and the mailbox's GUID, which stays with it when it is renamed."""
    return b"F" + guid.encode("ascii")


def email_id(data: bytes) -> bytes:
    """EMAILID of a message with CRLF line ends: `M` and the hash of all its octets."""
    return b"M" + sha256(data).hexdigest()[:HEX_DIGITS].encode()


def thread_id(message_id: bytes, references: Sequence[bytes], alone: bytes) -> bytes:
    """THREADID: `T` and the hash of the oldest message id that the message names, its own when it names no other.

    A message without any id is a thread with those that have the same `alone`. See ADR 17.
    """
    oldest = references[0] if references else message_id
    return b"T" + sha256(b"<" + oldest if oldest else alone).hexdigest()[:HEX_DIGITS].encode()


def number(objectid: bytes) -> int:
    """The identifier as an unsigned 64-bit number."""
    return int(objectid[1 : 1 + NUMBER_DIGITS], 16)


def beginning(kind: bytes, number: int) -> bytes:
    """How the identifier of that number begins."""
    return kind + b"%016x" % number
