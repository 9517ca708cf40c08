"""Reads the lexical tokens of RFC 5322 §3.2 and RFC 2045 §5.1 from one header value, as tolerantly as Dovecot does.

Every `read_*` leaves the position behind the token and the white space and comments that follow it, and tells by an
`Outcome` what is there: MORE input, the END, or something BROKEN at the position. A broken token still appends to the
text what could be read, because an ENVELOPE shows as much of a bad address as possible.
"""

import re
from dataclasses import dataclass, field
from enum import IntEnum

# RFC 5322 atext; bytes above ASCII count as letters (RFC 6532, and the 8-bit headers that came before it).
ATEXT = rb"!#-'*+\-/-9=?A-Z^_`a-~\x80-\xff"
# RFC 2045 §5.1 token, with the dot and without the three tspecials that are atext: / ? =
TOKEN = rb"!#-'*+\-.0-9A-Z^_`a-~\x80-\xff"
# What stands for a NUL inside a value: U+FFFD in UTF-8.
REPLACEMENT = b"\xef\xbf\xbd"

_lwsp = re.compile(rb"[ \t\r\n]*").match
_atoms = re.compile(rb"[" + ATEXT + rb"]*").match
_atoms_and_dots = re.compile(rb"[" + ATEXT + rb".]*").match
_token = re.compile(rb"[" + TOKEN + rb"]*").match
_comment_stop = re.compile(rb"[()\\\n\0]").search
_quoted_stop = re.compile(rb'["\n\\]').search
_literal_stop = re.compile(rb"[\[\]\\\n]").search


class Outcome(IntEnum):
    """What follows a token that was read."""

    BROKEN = -1
    END = 0
    MORE = 1


BROKEN, END, MORE = Outcome.BROKEN, Outcome.END, Outcome.MORE


@dataclass(slots=True)
class Reader:
    """A position in one header value; `comment` is the last comment that was skipped, `text` collects the token."""

    data: bytes
    pos: int = 0
    comment: bytes = b""
    text: list[bytes] = field(default_factory=list)

    def peek(self) -> bytes:
        """The byte at the position, empty at the end."""
        return self.data[self.pos : self.pos + 1]

    def take(self) -> bytes:
        """The text collected since the last call, NULs replaced."""
        text = b"".join(self.text)
        self.text.clear()
        return text.replace(b"\0", REPLACEMENT) if b"\0" in text else text

    def here(self) -> Outcome:
        """MORE or END."""
        return MORE if self.pos < len(self.data) else END

    def skip_comment(self) -> Outcome:
        """`comment = "(" *([FWS] ccontent) [FWS] ")"`, nested; line ends and the backslashes of quoted pairs go."""
        data, level, kept, start = self.data, 1, [], self.pos + 1
        at = start
        while stop := _comment_stop(data, at):
            at = stop.end()
            match stop[0]:
                case b"(":
                    level += 1
                case b")":
                    level -= 1
                    if not level:
                        kept.append(data[start : at - 1])
                        self.comment = b"".join(kept)
                        self.pos = at
                        return self.here()
                case b"\n":
                    kept.append(data[start : at - 1].removesuffix(b"\r"))
                    start = at
                case b"\0":
                    kept += (data[start : at - 1], REPLACEMENT)
                    start = at
                case _:
                    kept.append(data[start : at - 1])
                    start = at
                    at += 1
        self.comment = b"".join(kept)
        self.pos = len(data)
        return BROKEN

    def skip_lwsp(self) -> Outcome:
        """`CFWS`: white space, line ends and comments."""
        while True:
            found = _lwsp(self.data, self.pos)
            self.pos = found.end() if found else self.pos
            if self.peek() != b"(":
                return self.here()
            if self.skip_comment() is BROKEN:
                return BROKEN

    def read_atom(self) -> Outcome:
        """`atom = [CFWS] 1*atext [CFWS]`"""
        found = _atoms(self.data, self.pos)
        if not found or not found[0]:
            return BROKEN
        return self._word(found)

    def read_atom_or_dot(self) -> Outcome:
        """An atom in which dots may stand anywhere, as obs-phrase allows; may be empty."""
        return self._word(_atoms_and_dots(self.data, self.pos))

    def read_token(self) -> Outcome:
        """`token` of RFC 2045; may be empty."""
        return self._word(_token(self.data, self.pos))

    def _word(self, found: "re.Match[bytes] | None") -> Outcome:
        if found:
            self.text.append(found[0])
            self.pos = found.end()
        return self.skip_lwsp() if self.pos < len(self.data) else END

    def read_dot_atom(self) -> Outcome:
        """`dot-atom`, with white space and comments around the dots as RFC 822 had it."""
        found = _atoms(self.data, self.pos)
        if not found or not found[0]:
            return BROKEN
        bad_dots = False
        while True:
            if (outcome := self._word(found)) is not MORE or self.peek() != b".":
                return BROKEN if bad_dots else outcome
            self.pos += 1
            self.text.append(b".")
            outcome = self.skip_lwsp()
            found = _atoms(self.data, self.pos)
            bad_dots |= not found or not found[0]
            if outcome is not MORE:
                return BROKEN

    def read_local_part(self) -> Outcome:
        """`local-part`, in which dots may stand anywhere, but nothing between a dot and the word after it."""
        if self.peek() == b'"':
            return self.read_quoted_string()
        outcome = BROKEN
        while True:
            while self.peek() == b".":
                self.pos += 1
                self.text.append(b".")
                outcome = self.here()
            if outcome is END or self.peek() == b"@":
                return outcome
            outcome = self.read_atom()
            if outcome is not MORE or self.peek() != b".":
                return outcome

    def read_quoted_string(self) -> Outcome:
        """`quoted-string`: without the quotes, the line ends of folds and the backslashes of quoted pairs."""
        data, start = self.data, self.pos + 1
        at = start
        while stop := _quoted_stop(data, at):
            at = stop.end()
            match stop[0]:
                case b'"':
                    self.text.append(data[start : at - 1])
                    self.pos = at
                    return self.skip_lwsp()
                case b"\n":
                    self.text.append(data[start : at - 1].removesuffix(b"\r"))
                    start = at
                case _:
                    if at >= len(data):
                        break
                    self.text.append(data[start : at - 1])
                    start = at
                    at += 1
        self.pos = len(data)
        return BROKEN

    def read_phrase(self) -> Outcome:
        """`phrase = 1*word / obs-phrase`: words joined by one space each."""
        if self.pos >= len(self.data):
            return END
        if self.peek() == b".":
            return BROKEN
        while True:
            outcome = self.read_quoted_string() if self.peek() == b'"' else self.read_atom_or_dot()
            if outcome is not MORE:
                return outcome
            follows = self.peek()
            if follows != b'"' and not _atoms_and_dots(follows)[0]:  # type: ignore[index]
                return self.skip_lwsp()
            self.text.append(b" ")

    def read_domain(self) -> Outcome:
        """`"@" domain`: dot-atom or domain-literal, the latter with its brackets."""
        self.pos += 1
        if self.skip_lwsp() is not MORE:
            return BROKEN
        if self.peek() != b"[":
            return self.read_dot_atom()
        return self._read_domain_literal()

    def _read_domain_literal(self) -> Outcome:
        """`domain-literal`, with its brackets and backslashes and without line ends."""
        data, start = self.data, self.pos
        at = start + 1
        while stop := _literal_stop(data, at):
            at = stop.end()
            match stop[0]:
                case b"]":
                    self.text.append(data[start:at])
                    self.pos = at
                    return self.skip_lwsp()
                case b"[":
                    self.pos = at - 1
                    return BROKEN
                case b"\n":
                    self.text.append(data[start : at - 1].removesuffix(b"\r"))
                    start = at
                case _:
                    at += 1
        self.pos = len(data)
        return BROKEN
