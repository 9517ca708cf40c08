"""The grammar of SMTP and LMTP, server side: command lines, paths, parameters and replies; RFC 5321 §4.1.2, RFC 2033.

With the parameters of SIZE (RFC 1870), 8BITMIME (RFC 6152), SMTPUTF8 (RFC 6531) and DSN (RFC 3461), and with CHUNKING
(RFC 3030).
A refusal is a value, `Reply`, raised as `Refused`; its texts are those of Dovecot where Dovecot refuses the same.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Flag, auto
from typing import Final


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: code, enhanced status code (RFC 2034; "" for none), and text."""

    code: int
    status: str
    text: str

    def encode(self) -> bytes:
        """`Reply-line = Reply-code SP textstring CRLF`, or several lines for a text in several, RFC 5321 §4.2.1."""
        start = f"{self.status} " if self.status else ""
        if self.text.isprintable():
            return f"{self.code} {start}{self.text}\r\n".encode()
        return multi_line(self.code, [f"{start}{line}" for line in self.text.splitlines()])


class Refused(Exception):
    """The command is refused with this reply, and has no effect."""

    def __init__(self, code: int, status: str, text: str) -> None:
        super().__init__(text)
        self.reply = Reply(code, status, text)


def multi_line(code: int, lines: Iterable[str]) -> bytes:
    """A reply of several lines; every one but the last has a hyphen behind the code."""
    *before, last = lines
    texts = [f"{code}-{line}\r\n" for line in before]
    return ("".join(texts) + f"{code} {last}\r\n").encode()


class Workaround(Flag):
    """Faults of clients that may be tolerated: the values of Dovecot's `lmtp_client_workarounds`."""

    NONE = 0
    WHITESPACE_BEFORE_PATH = auto()  # MAIL FROM: <user@example.org>
    MAILBOX_FOR_PATH = auto()  # MAIL FROM:user@example.org


def client_workarounds(setting: str) -> Workaround:
    """The value of `lmtp_client_workarounds`; ValueError for a name that is none."""
    found = Workaround.NONE
    for name in setting.replace(",", " ").split():
        try:
            found |= Workaround[name.upper().replace("-", "_")]
        except KeyError:
            known = ", ".join(each.name.lower().replace("_", "-") for each in Workaround if each.name)
            raise ValueError(f"lmtp_client_workarounds: {name} is not one of {known}") from None
    return found


@dataclass(frozen=True, slots=True)
class Address:
    """`Mailbox`, or with an empty `local` the empty reverse path `<>`; unquoted, the source route dropped.

    A domain may be missing: a local delivery agent knows its users by name.
    """

    local: str
    domain: str = ""

    def __str__(self) -> str:
        """As it stands between angle brackets."""
        if not self.local and not self.domain:
            return ""
        local = self.local if _DOT_STRING.fullmatch(self.local) else _quoted(self.local)
        return f"{local}@{self.domain}" if self.domain else local

    @property
    def plain(self) -> str:
        """Without quoting: the form in which a user is looked up."""
        return f"{self.local}@{self.domain}" if self.domain else self.local

    @property
    def internationalized(self) -> bool:
        return not (self.local.isascii() and self.domain.isascii())


NULL_PATH: Final = Address("")


@dataclass(frozen=True, slots=True)
class MailFrom:
    """`mail = "MAIL FROM:" Reverse-path [SP Mail-parameters] CRLF`"""

    path: Address
    size: int = 0
    body: str = "7BIT"
    smtputf8: bool = False
    ret: str = ""
    envid: str = ""


@dataclass(frozen=True, slots=True)
class RcptTo:
    """`rcpt = "RCPT TO:" Forward-path [SP Rcpt-parameters] CRLF`"""

    path: Address
    orcpt: str = ""  # the original recipient, decoded, without its address type
    notify: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bdat:
    """`bdat-cmd = "BDAT" SP chunk-size [SP end-marker] CRLF`, RFC 3030 §2"""

    size: int
    marker: str = ""  # in capitals; anything but LAST is an error, but the octets come all the same


# Quirk: dots anywhere in a local part, though RFC 5321 has them between atoms only. Japanese mobile carriers gave out
# addresses like `foo..bar.@docomo.ne.jp` for years; Dovecot takes them unquoted as well. Quirk: underscore in a domain.
# Characters are given by those of ASCII that are not among them: classes with all of Unicode take 20 ms to compile.
_NOT_ATEXT: Final = r'\x00-\x20"(),:;<>@\[\\\]\x7f'  # `atext` of RFC 5322 §3.2.3 and RFC 6531 §3.3, and the dot
_LOCAL: Final = rf'(?P<atoms>[^{_NOT_ATEXT}]+)|"(?P<quoted>(?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*)"'
_LABELS: Final = r"[^\x00-/:-@\[-^`{-\x7f][^\x00-,/:-@\[-^`{-\x7f]*"  # letters, digits, "_"; then also "." and "-"
_LITERAL: Final = r"\[[\x21-\x5a\x5e-\x7e]+\]"
_PATH: Final = re.compile(rf"<(?:@{_LABELS}(?:,@{_LABELS})*:)?(?:{_LOCAL})(?:@(?P<domain>{_LABELS}|{_LITERAL}))?>")
_MAILBOX: Final = re.compile(rf"(?:{_LOCAL})@(?P<domain>{_LABELS}|{_LITERAL})(?= |\Z)")
_LOCAL_ALONE: Final = re.compile(_LOCAL)
_DOT_STRING: Final = re.compile(rf"[^.{_NOT_ATEXT}]+(?:\.[^.{_NOT_ATEXT}]+)*")
_QUOTED_PAIR: Final = re.compile(r"\\(.)")
_NEEDS_PAIR: Final = re.compile(r'(["\\])')
_HEXCHAR: Final = re.compile(r"\+([0-9A-F]{2})")
_XTEXT: Final = re.compile(r"(?:[\x21-\x2a\x2c-\x3c\x3e-\x7e]|\+[0-9A-F]{2})*")
_UTF8_XCHAR: Final = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
_PARAMETER: Final = re.compile(r"(?P<keyword>[A-Za-z0-9][A-Za-z0-9-]*)(?:=(?P<value>[^\x00-\x20=\x7f]+))?")
_DIGITS: Final = re.compile(r"[0-9]{1,20}")


def _quoted(local: str) -> str:
    return '"' + _NEEDS_PAIR.sub(r"\\\1", local) + '"'


def command_name(line: bytes) -> tuple[bytes, bytes]:
    """The verb of a command line in capitals, and what follows it, without the space between and those at the end."""
    name, _, arguments = line.partition(b" ")
    return name.upper(), arguments.rstrip(b" \t")


def text(arguments: bytes) -> str:
    """Arguments as text: no control characters, and 8-bit bytes only as UTF-8 (RFC 6531 §3.3)."""
    try:
        decoded = arguments.decode()
    except UnicodeDecodeError:
        raise Refused(500, "5.5.2", "Invalid command syntax: not UTF-8") from None
    if not decoded.isprintable():
        raise Refused(500, "5.5.2", "Invalid command syntax")
    return decoded


def mail_from(arguments: bytes, workarounds: Workaround = Workaround.NONE) -> MailFrom:
    """The arguments of MAIL; RFC 5321 §4.1.1.2."""
    path, parameters = _path(text(arguments), "FROM", workarounds)
    size, body, smtputf8, ret, envid = 0, "7BIT", False, "", ""
    for keyword, value in parameters:
        if keyword == "SIZE":
            if _DIGITS.fullmatch(value) is None:
                raise Refused(501, "5.5.4", "Invalid SIZE parameter")
            size = int(value)
        elif keyword == "BODY":
            body = value.upper()
            if body not in ("7BIT", "8BITMIME"):  # BINARYMIME is not offered, RFC 3030 §3
                raise Refused(555, "5.5.4", "Unsupported mail BODY type")
        elif keyword == "SMTPUTF8" and not value:
            smtputf8 = True
        elif keyword == "RET":
            ret = value.upper()
            if ret not in ("FULL", "HDRS"):
                raise Refused(501, "5.5.4", "Invalid RET parameter")
        elif keyword == "ENVID":
            envid = xtext(value, "ENVID")
        else:
            raise Refused(555, "5.5.4", "Unsupported parameters")
    if path.internationalized and not smtputf8:
        raise Refused(
            550, "5.6.7", "Invalid FROM: Address is not ASCII, and SMTPUTF8 was not asked for"
        )  # RFC 6531 §3.5
    return MailFrom(path, size, body, smtputf8, ret, envid)


def rcpt_to(arguments: bytes, smtputf8: bool = False, workarounds: Workaround = Workaround.NONE) -> RcptTo:
    """The arguments of RCPT; RFC 5321 §4.1.1.3."""
    path, parameters = _path(text(arguments), "TO", workarounds)
    if not path.local:
        raise Refused(501, "5.5.4", "Invalid TO: Null path not allowed")
    orcpt, notify = "", ()  # type: str, tuple[str, ...]
    for keyword, value in parameters:
        if keyword == "ORCPT":
            orcpt = _original_recipient(value)
        elif keyword == "NOTIFY":
            notify = tuple(value.upper().split(","))
            if not set(notify) <= {"SUCCESS", "FAILURE", "DELAY"} and notify != ("NEVER",):
                raise Refused(501, "5.5.4", "Invalid NOTIFY parameter")
        else:
            raise Refused(555, "5.5.4", "Unsupported parameters")
    if path.internationalized and not smtputf8:
        raise Refused(553, "5.6.7", "Invalid TO: Address is not ASCII, and SMTPUTF8 was not asked for")  # RFC 6531 §3.5
    return RcptTo(path, orcpt, notify)


def bdat(arguments: bytes) -> Bdat:
    """The arguments of BDAT; RFC 3030 §2."""
    size, _, marker = text(arguments).partition(" ")
    if _DIGITS.fullmatch(size) is None:
        raise Refused(501, "5.5.4", "Invalid chunk size parameter")
    return Bdat(int(size), marker.upper())


def address(value: str) -> Address:
    """A path or mailbox given on a command line, with or without angle brackets; ValueError when it is neither."""
    match = _PATH.fullmatch(value if value.startswith("<") else f"<{value}>")
    if match is None:
        if value in ("", "<>"):
            return NULL_PATH
        raise ValueError(f"{value!r} is not a mail address")
    return _matched(match)


def esmtp_parameters(words: Iterable[str], command: str) -> list[tuple[str, str]]:
    """`esmtp-param = esmtp-keyword ["=" esmtp-value]`, keywords in capitals."""
    pairs = []
    for word in words:
        match = _PARAMETER.fullmatch(word)
        if match is None:
            reason = "Unexpected character in parameter" if word else "Parameter is empty"
            raise Refused(501, "5.5.4", f"Invalid {command} parameter: {reason}")
        pairs.append((match["keyword"].upper(), match["value"] or ""))
    return pairs


def _path(arguments: str, keyword: str, workarounds: Workaround) -> tuple[Address, list[tuple[str, str]]]:
    """`Path = "<" [ A-d-l ":" ] Mailbox ">"` behind `FROM:` or `TO:`, and the parameters behind it."""
    found, colon, rest = arguments.partition(":")
    if not colon or found.upper() != keyword:
        raise Refused(501, "5.5.4", "Invalid parameters")
    if Workaround.WHITESPACE_BEFORE_PATH in workarounds:
        rest = rest.lstrip(" ")
    match = _PATH.match(rest)
    if match is None and Workaround.MAILBOX_FOR_PATH in workarounds:
        match = _MAILBOX.match(rest)
    if match is not None:
        found_address, end = _matched(match), match.end()
    elif rest.startswith("<>"):
        found_address, end = NULL_PATH, 2
    else:
        raise Refused(501, "5.5.4", f"Invalid {keyword}: {_path_fault(rest)}")
    if end == len(rest):
        return found_address, []
    if rest[end] != " ":
        raise Refused(501, "5.5.4", f"Invalid {keyword}: Invalid character in path")
    return found_address, esmtp_parameters(rest[end + 1 :].split(" "), "MAIL" if keyword == "FROM" else "RCPT")


def _matched(match: re.Match[str]) -> Address:
    local = match["atoms"]
    if local is None:
        local = _QUOTED_PAIR.sub(r"\1", match["quoted"])
    return Address(local, match["domain"] or "")


def _path_fault(rest: str) -> str:
    """What is wrong with a path that is no path."""
    if rest.startswith(" "):
        return "Unexpected whitespace before path"
    if not rest.startswith("<"):
        return "Missing '<' at beginning of path"
    inside = rest[1:].rsplit(":", 1)[-1] if rest.startswith("<@") else rest[1:]
    match = _LOCAL_ALONE.match(inside)
    if match is None:
        return "Premature end of quoted string" if inside.startswith('"') else "Invalid character in localpart"
    behind = inside[match.end() :]
    if behind.startswith(("@>", "@ ")) or behind == "@":
        return "Missing domain after '@'"
    if behind.startswith("@["):
        return "Invalid address literal"
    if behind.startswith("@") and ">" in behind:
        return "Invalid character in domain"
    if ">" in behind:
        return "Invalid character in localpart"
    return "Missing '>' at end of path"


def xtext(value: str, parameter: str) -> str:
    """`xtext = *( xchar / hexchar )`, RFC 3461 §4"""
    if not value or _XTEXT.fullmatch(value) is None:
        raise Refused(501, "5.5.4", f"Invalid {parameter}= parameter")
    return _HEXCHAR.sub(lambda match: chr(int(match[1], 16)), value)


def _original_recipient(value: str) -> str:
    """`original-recipient-address = addr-type ";" xtext`, RFC 3461 §4.2; or utf-8 with its own escapes, RFC 6533 §3"""
    kind, semicolon, encoded = value.partition(";")
    if not semicolon or kind.lower() not in ("rfc822", "utf-8"):
        raise Refused(501, "5.5.4", "Invalid addr-type for ORCPT= parameter")
    if kind.lower() == "rfc822":
        decoded = xtext(encoded, "ORCPT")
    else:
        decoded = _UTF8_XCHAR.sub(lambda match: _character(match[1]), encoded)
    if not decoded or not decoded.isprintable():  # it may end up in a header field
        raise Refused(501, "5.5.4", "Invalid ORCPT= parameter")
    return decoded


def _character(code_point: str) -> str:
    number = int(code_point, 16)
    return chr(number) if number < 0xD800 or 0xDFFF < number <= 0x10FFFF else "\n"
