"""Reads IMAP grammar out of a command, one method per ABNF rule; RFC 3501 §9 and what extends it.

A method reads at the cursor, moves it and gives the value; where the text does not fit it raises BadSyntax and the
cursor is of no more use. Methods that give no value give the cursor, so `c.sp().mailbox()` reads as the rule does.
"""

import re
from binascii import a2b_base64
from collections.abc import Callable, Sequence
from datetime import date
from typing import Final, TypeVar

from doocot.wire import mutf7
from doocot.wire.flow import Spool
from doocot.wire.frames import Frame
from doocot.wire.numset import NumSet, parse_num_set

MAX_LIST_ITEMS: Final = 10_000
MAX_TAG: Final = 256  # of what is no command, a longer first word is not repeated as its tag

_T = TypeVar("_T")

# atom-specials: ( ) { SP CTL % * " \ ]
_ATOM: Final = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]+")
_KEYWORD: Final = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z^_`a-z|}~]+")
_TAG: Final = re.compile(rb"[!#$&',\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]+")
_QUOTED: Final = re.compile(rb'"([^"\\\r\n\0]*(?:\\[^\r\n\0][^"\\\r\n\0]*)*)"')
_ASTRING: Final = re.compile(rb"([!#$&'+,\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]+)|" + _QUOTED.pattern)
_LIST_CHARS: Final = re.compile(rb"[!#$%&'*+,\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]+")
_LITERAL: Final = re.compile(rb"(~?)\{[0-9]+\+?\}\r\n")
_NIL: Final = re.compile(rb"NIL(?![!#$&'+,\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~])", re.IGNORECASE)
_NUMBER: Final = re.compile(rb"[0-9]+")
_SEQUENCE_SET: Final = re.compile(rb"[0-9*:,]+|\$")
_FLAG: Final = re.compile(rb"\\?" + _ATOM.pattern)
_ESCAPE: Final = re.compile(rb"\\(.)")
_BASE64: Final = re.compile(rb"=(?![^ )\r])|[A-Za-z0-9+/]*={0,2}")
_DATE: Final = re.compile(rb'("?)([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})\1')
_DATE_TIME: Final = re.compile(
    rb'"([0-9 ]?[0-9])-([A-Za-z]{3})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})"'
)
_MONTHS: Final = (b"JAN", b"FEB", b"MAR", b"APR", b"MAY", b"JUN", b"JUL", b"AUG", b"SEP", b"OCT", b"NOV", b"DEC")
_SYSTEM_FLAGS: Final = {
    flag.upper(): flag for flag in (b"\\Answered", b"\\Flagged", b"\\Deleted", b"\\Seen", b"\\Draft", b"\\Recent")
}
_EPOCH: Final = date(1970, 1, 1).toordinal()


class BadSyntax(Exception):
    """The command does not fit the grammar: a short sentence for the client, and where in the command's text."""

    def __init__(self, text: str, position: int) -> None:
        super().__init__(text)
        self.text = text
        self.position = position


class Cursor:
    """A place in the text of one command."""

    __slots__ = ("_literals", "_taken", "position", "text", "utf8")

    def __init__(self, source: Frame | bytes, literals: Sequence[bytes | Spool] = (), *, utf8: bool = False) -> None:
        if isinstance(source, Frame):
            self.text = source.text
            self._literals: Sequence[bytes | Spool] = source.literals
        else:
            self.text = source
            self._literals = literals
        self.position = 0
        self.utf8 = utf8  # mailbox names come in UTF-8 (RFC 6855 §3, RFC 9051 §5.1)
        self._taken = 0

    # Punctuation

    def sp(self) -> "Cursor":
        """`SP`. More than one is taken, as Dovecot does; RFC 3501 §9 (2) asks clients for one."""
        if not self.try_sp():
            raise self._bad("an argument is missing" if self.at_end() else "a space was expected")
        return self

    def try_sp(self) -> bool:
        """`[SP]`, and whether it was there."""
        position = self.position
        text = self.text
        while text.startswith(b" ", position):
            position += 1
        found = position > self.position
        self.position = position
        return found

    def at(self, byte: bytes) -> bool:
        """Whether this comes next; nothing moves."""
        return self.text.startswith(byte, self.position)

    def at_end(self) -> bool:
        return self.position == len(self.text)

    def take(self, expected: bytes) -> bool:
        """Go over exactly this text, if it comes next, and say whether it did."""
        if not self.text.startswith(expected, self.position):
            return False
        self.position += len(expected)
        return True

    def expect(self, expected: bytes) -> "Cursor":
        """Go over exactly this text."""
        if not self.take(expected):
            raise self._bad(f"{expected.decode('ascii')} was expected")
        return self

    def open_paren(self) -> "Cursor":
        return self.expect(b"(")

    def close_paren(self) -> "Cursor":
        return self.expect(b")")

    def end(self) -> None:
        """The command must be over. Spaces at its end are taken, as Dovecot does."""
        if self.position != len(self.text) and not (self.try_sp() and self.at_end()):
            raise self._bad("there is more than the command takes")

    def rest(self) -> bytes:
        """All that is left."""
        rest = self.text[self.position :]
        self.position = len(self.text)
        return rest

    # Atoms and strings

    def tag(self) -> bytes:
        """`tag = 1*<any ASTRING-CHAR except "+">`"""
        return self._match(_TAG, "a command begins with a tag")[0]

    def atom(self) -> bytes:
        """`atom = 1*ATOM-CHAR`"""
        return self._match(_ATOM, "an atom was expected")[0]

    def keyword(self) -> bytes:
        """An atom that is a word of the protocol, in capitals. It ends before `[`: `BODY[TEXT]` begins with BODY."""
        return self._match(_KEYWORD, "a keyword was expected")[0].upper()

    def astring(self) -> bytes:
        """`astring = 1*ASTRING-CHAR / string`"""
        found = _ASTRING.match(self.text, self.position)
        if found is None:
            return self._literal_string("an atom or a string was expected")
        self.position = found.end()
        return found[1] or _unescape(found[2])

    def string(self) -> bytes:
        r"""`string = quoted / literal`. In quotes 8-bit bytes are taken, and `\` before anything, as Dovecot does."""
        found = _QUOTED.match(self.text, self.position)
        if found is None:
            return self._literal_string("a string was expected")
        self.position = found.end()
        return _unescape(found[1])

    def nstring(self) -> bytes | None:
        """`nstring = string / nil`"""
        found = _NIL.match(self.text, self.position)
        if found is None:
            return self.string()
        self.position = found.end()
        return None

    def at_literal(self) -> bool:
        """Whether a literal comes next; nothing moves."""
        return _LITERAL.match(self.text, self.position) is not None

    def literal(self) -> bytes | Spool:
        """`literal = "{" number ["+"] "}" CRLF *CHAR8`, as it was accepted: bytes, or a spool. Also `literal8`."""
        self.position = self._match(_LITERAL, "a literal was expected").end()
        if self._taken >= len(self._literals):
            raise self._bad("a literal was expected")
        self._taken += 1
        return self._literals[self._taken - 1]

    def _literal_string(self, otherwise: str) -> bytes:
        header = _LITERAL.match(self.text, self.position)
        if header is None:
            if self.at(b'"'):
                raise self._bad("a quoted string does not end, or holds a byte or an escape that it may not")
            raise self._bad(otherwise)
        if header[1]:
            raise self._bad("a binary literal is not allowed here")
        value = self.literal()
        if not isinstance(value, bytes):
            raise self._bad("a literal is too large for this place")
        if b"\0" in value:
            raise self._bad("NUL is not allowed in a string")
        return value

    # Numbers

    def number(self) -> int:
        """`number = 1*DIGIT`, 0 <= n < 4,294,967,296"""
        return self._number(0, 2**32 - 1)

    def nz_number(self) -> int:
        """`nz-number = digit-nz *DIGIT`, 0 < n < 4,294,967,296"""
        return self._number(1, 2**32 - 1)

    def number64(self) -> int:
        """`number64 = 1*DIGIT`, 0 <= n <= 9,223,372,036,854,775,807 (RFC 9051 §9)"""
        return self._number(0, 2**63 - 1)

    def mod_sequence_value(self) -> int:
        """`mod-sequence-value = 1*DIGIT`, from 1 (RFC 7162 §7)"""
        return self._number(1, 2**63 - 1)

    def mod_sequence_valzer(self) -> int:
        """`mod-sequence-valzer = "0" / mod-sequence-value` (RFC 7162 §7)"""
        return self._number(0, 2**63 - 1)

    def _number(self, least: int, most: int) -> int:
        begin = self.position
        digits = self._match(_NUMBER, "a number was expected")[0]
        value = int(digits) if len(digits) <= 20 else most + 1
        if not least <= value <= most:
            self.position = begin
            raise self._bad(f"a number from {least} to {most} was expected")
        return value

    def sequence_set(self) -> NumSet:
        """`sequence-set`, or `$` for the saved search result (RFC 5182 §2)."""
        begin = self.position
        text = self._match(_SEQUENCE_SET, "a message set was expected")[0]
        try:
            return parse_num_set(text)
        except ValueError as error:
            raise BadSyntax(str(error), begin) from None

    # Names and flags

    def mailbox(self) -> str:
        """`mailbox = "INBOX" / astring`; INBOX in any case is INBOX, other names are decoded."""
        begin = self.position
        name = self.astring()
        if len(name) == 5 and name.upper() == b"INBOX":
            return "INBOX"
        return self._name(name, begin)

    def list_mailbox(self) -> str:
        """`list-mailbox = 1*list-char / string`: a pattern, decoded, with its `%` and `*`.

        One that no name could have is not an error, it only matches nothing; then it is given as it is.
        """
        found = _LIST_CHARS.match(self.text, self.position)
        if found is None:
            pattern = self.string()
        else:
            self.position = found.end()
            pattern = found[0]
        try:
            return pattern.decode("utf-8") if self.utf8 else mutf7.decode(pattern)
        except ValueError:
            return pattern.decode("utf-8", "replace")

    def _name(self, encoded: bytes, begin: int) -> str:
        try:
            return encoded.decode("utf-8") if self.utf8 else mutf7.decode(encoded)
        except UnicodeDecodeError:
            raise BadSyntax("the mailbox name is not valid UTF-8", begin) from None
        except ValueError as error:
            raise BadSyntax(f"bad mailbox name: {error}", begin) from None

    def flag(self) -> bytes:
        r"""`flag`: a system flag as RFC 3501 §2.3.2 writes it (`\Seen`), a keyword as the client does."""
        flag = self._match(_FLAG, "a flag was expected")[0]
        return _SYSTEM_FLAGS.get(flag.upper(), flag) if flag.startswith(b"\\") else flag

    def flag_list(self) -> tuple[bytes, ...]:
        """`flag-list = "(" [flag *(SP flag)] ")"`"""
        return tuple(self.paren_list(self.flag, empty=True))

    def flags(self) -> tuple[bytes, ...]:
        """`flag-list / (flag *(SP flag))`, the end of `store-att-flags`."""
        if self.at(b"("):
            return self.flag_list()
        flags = [self.flag()]
        while self.try_sp() and not self.at_end():
            flags.append(self.flag())
        return tuple(flags)

    def paren_list(self, item: Callable[[], _T], *, empty: bool = False, limit: int = MAX_LIST_ITEMS) -> list[_T]:
        """`"(" item *(SP item) ")"`: at most `limit` items, with `empty` also none. `item` is a method of ours."""
        self.open_paren()
        self.try_sp()
        items: list[_T] = []
        if empty and self.take(b")"):
            return items
        while True:
            items.append(item())
            spaced = self.try_sp()
            if self.take(b")"):
                return items
            if not spaced:
                raise self._bad("a list does not end" if self.at_end() else "a space or ) was expected")
            if len(items) >= limit:
                raise self._bad(f"a list has more than {limit} items")

    # Dates and base64

    def date(self) -> date:
        """`date = date-text / DQUOTE date-text DQUOTE`: `1-Feb-1994`"""
        begin = self.position
        found = self._match(_DATE, "a date like 1-Feb-1994 was expected")
        return _date(found[4], found[3], found[2], begin)

    def date_time(self) -> tuple[int, int]:
        """`date-time`, `"17-Jul-1996 02:44:25 -0700"`: seconds since 1970 in UTC, and the zone's offset in minutes.

        A day of one digit needs no space before it, as for Dovecot.
        """
        begin = self.position
        found = self._match(_DATE_TIME, 'a date and time like "17-Jul-1996 02:44:25 -0700" was expected')
        day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = found.groups()
        hours, minutes, seconds = int(hour), int(minute), int(second)
        if hours > 23 or minutes > 59 or seconds > 60 or int(zone_hours) > 23 or int(zone_minutes) > 59:
            raise BadSyntax("there is no such time of day or time zone", begin)
        offset = int(zone_hours) * 60 + int(zone_minutes)
        offset = -offset if sign == b"-" else offset
        days = _date(year, month, day, begin).toordinal() - _EPOCH
        return days * 86400 + hours * 3600 + (minutes - offset) * 60 + seconds, offset

    def base64(self) -> bytes:
        """`base64`, decoded; a lone `=` stands for no bytes (RFC 4959 §3)."""
        begin = self.position
        encoded = self._match(_BASE64, "base64 was expected")[0]
        if encoded == b"=":
            return b""
        if len(encoded) % 4:
            raise BadSyntax("the base64 is cut short, or has characters that base64 does not have", begin)
        return a2b_base64(encoded)

    def _match(self, rule: re.Pattern[bytes], otherwise: str) -> re.Match[bytes]:
        found = rule.match(self.text, self.position)
        if found is None:
            raise self._bad(otherwise)
        self.position = found.end()
        return found

    def _bad(self, text: str) -> BadSyntax:
        return BadSyntax(text, self.position)


def tag_of(text: bytes) -> bytes:
    """The tag that the answer to a command begins with; `*` when the text begins with none that could be repeated."""
    found = _TAG.match(text)
    if found is None or found.end() > MAX_TAG or text[found.end() : found.end() + 1] not in (b"", b" "):
        return b"*"
    return found[0]


def _unescape(value: bytes) -> bytes:
    return _ESCAPE.sub(rb"\1", value) if b"\\" in value else value


def _date(year: bytes, month: bytes, day: bytes, begin: int) -> date:
    try:
        return date(int(year), _MONTHS.index(month.upper()) + 1, int(day))
    except ValueError:
        raise BadSyntax("there is no such date", begin) from None
