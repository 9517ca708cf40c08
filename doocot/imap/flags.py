"""Flags of a command as bits and keywords (RFC 3501 §2.3.2, §9 flag)."""

from collections.abc import Sequence
from functools import lru_cache

from doocot.imap.command import Bad
from doocot.store.index import messages

MAX_KEYWORD = 1024  # octets; longer ones are somebody's mistake

_BITS = {
    b"\\ANSWERED": messages.ANSWERED,
    b"\\FLAGGED": messages.FLAGGED,
    b"\\DELETED": messages.DELETED,
    b"\\SEEN": messages.SEEN,
    b"\\DRAFT": messages.DRAFT,
}


@lru_cache(maxsize=1024)
def _parse(words: tuple[bytes, ...]) -> tuple[int, frozenset[str]]:
    bits, keywords = 0, set()
    for word in words:
        if word.startswith(b"\\"):
            bit = _BITS.get(word.upper())
            if bit is None:
                raise Bad(b"Invalid system flag " + word)
            bits |= bit
        elif len(word) > MAX_KEYWORD:
            raise Bad(b"Keyword is too long.")
        else:
            keywords.add(word.decode("ascii", "surrogateescape"))
    return bits, frozenset(keywords)


def parse_flags(words: Sequence[bytes]) -> tuple[int, frozenset[str]]:
    """(bits, keywords). \\Recent cannot be set by a client, and unknown flags with a backslash are refused."""
    return _parse(tuple(words))
