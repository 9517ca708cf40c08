"""Where the reading of search keys stands: the cursor, the charset of texts, and what was met on the way."""

import codecs
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Final

from doocot.message.charset import search_key
from doocot.wire.cursor import BadSyntax, Cursor

MAX_DEPTH: Final = 100
MAX_KEYS: Final = 2000

FOREVER: Final = 2**62
_EPOCH: Final = date(1970, 1, 1).toordinal()
# Codecs of Python that are no charsets of mail; unicode_escape and its like interpret, idna takes quadratic time.
_NO_CHARSETS: Final = frozenset(
    ("idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "mbcs", "oem", "utf-8-sig")
)


@lru_cache(maxsize=256)
def codec(charset: str) -> str | None:
    """The Python codec of a charset, None when it is not known. US-ASCII is read as UTF-8, of which it is a part."""
    try:
        found = codecs.lookup(charset)
        b"a".decode(found.name, "replace")
    except (LookupError, ValueError):
        return None
    if found.name in _NO_CHARSETS:
        return None
    return "utf-8" if found.name == "ascii" else found.name


def takes(c: Cursor, word: bytes) -> bool:
    """Goes over this word, if it comes next with a space behind it, and says whether it did."""
    end = c.position + len(word)
    found = c.text[c.position : end].upper() == word and c.text[end : end + 1] == b" "
    if found:
        c.position = end
    return found


def charset_of(c: Cursor) -> bytes:
    """`["CHARSET" SP charset SP]`"""
    if not takes(c, b"CHARSET"):
        return b""
    charset = c.sp().astring()
    c.sp()
    return charset


@dataclass(slots=True)
class Reader:
    """Where the reading stands. A text that its charset does not allow makes `undecodable` true."""

    c: Cursor
    charset: str
    keys: int = 0
    undecodable: bool = False
    has_modseq: bool = False
    has_recent: bool = False
    has_numbers: bool = False
    has_fuzzy: bool = False
    filters: list[bytes] = field(default_factory=list)
    has_gmail: bool = False

    def text(self) -> bytes:
        """`SP astring` in UTF-8."""
        return self._text().encode("utf-8", "replace")

    def key(self) -> bytes:
        """`SP astring` as i;unicode-casemap compares it."""
        return search_key(self._text())

    def _text(self) -> str:
        octets = self.c.sp().astring()
        try:
            return octets.decode(self.charset)
        except ValueError:
            self.undecodable = True
            return octets.decode(self.charset, "replace")

    def day(self) -> int:
        """`SP date`, days since 1970."""
        return self.c.sp().date().toordinal() - _EPOCH

    def enter(self, depth: int) -> None:
        """A key begins, so deep inside others."""
        self.keys += 1
        if self.keys > MAX_KEYS:
            raise BadSyntax(f"a search has more than {MAX_KEYS} keys", self.c.position)
        if depth > MAX_DEPTH:
            raise BadSyntax(f"search keys are nested deeper than {MAX_DEPTH}", self.c.position)
