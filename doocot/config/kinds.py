"""The kinds of values that settings have: how each is read, and how `doocot config` writes it (doveconf's forms).

The functions at the end declare one setting as a dataclass field: its annotation is its type, which mypy checks against
the kind, and its metadata hold kind, default, sentence and status. The class that holds the fields is the table.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from types import MappingProxyType
from typing import Any, cast

UINT_MAX = 2**32 - 1
UNLIMITED_SIZE = 2**64 - 1
UNLIMITED_TIME = UINT_MAX
_KEY = "setting"


class BadValue(Exception):
    """A text is not a value of its kind; the message says what it should be."""


def read_file(path: str) -> str:
    """The text of a file; bytes that are not UTF-8 survive as surrogates."""
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        return file.read()


@dataclass(frozen=True, slots=True)
class Content:
    """A text given in place, or the file that holds it (`<path`), read each time it is used."""

    text: str = ""
    path: str = ""

    def __bool__(self) -> bool:
        return bool(self.text or self.path)

    def read(self) -> str:
        """The text; raises OSError when the file cannot be read."""
        return read_file(self.path) if self.path else self.text


@dataclass(frozen=True, slots=True)
class Kind:
    """A name for messages, the way from a text to a value, and the way back to what doveconf would print."""

    name: str
    parse: Callable[[str], Any]
    show: Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class Setting:
    """One declared setting."""

    name: str
    attribute: str
    kind: Kind
    default: str
    doc: str
    inert: bool = False  # accepted, but without meaning here
    hidden: bool = False  # listed by `doocot config -a` only when it was changed


def _bool(text: str) -> bool:
    lowered = text.lower()
    if lowered in ("yes", "y", "1"):
        return True
    if lowered == "no":
        return False
    raise BadValue(f"Invalid boolean value: {text} (use yes or no)")


def _uint(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        small = text[:1] == "-" and text[1:].isdigit()
        raise BadValue(f"Invalid number {text}: {'must not be negative' if small else 'not a number'}")
    if (value := int(text)) > UINT_MAX:
        raise BadValue(f"Invalid number {text}: must not be larger than {UINT_MAX}")
    return value


def _octal(text: str) -> int:
    """Digits after a leading 0 are octal, others decimal, as Dovecot reads a file mode."""
    if text.startswith("0") and text.isascii() and text.isdigit():
        if any(digit in "89" for digit in text):
            raise BadValue(f"Invalid number {text}: not an octal number")
        return int(text, 8)
    return _uint(text)


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) <= 65535:
        return int(text)
    raise BadValue(f"Invalid port number {text}: use 0 to 65535")


_SIZE = re.compile(r"(\d+)[ \t]*(?:([kmgt])(?:i?b?)|b)?", re.ASCII | re.IGNORECASE)
_SIZES = (("T", 2**40), ("G", 2**30), ("M", 2**20), ("k", 2**10))


def _size(text: str) -> int:
    if (match := _SIZE.fullmatch(text)) is None:
        raise BadValue(f"Invalid size: {text} (use a number and B, k, M, G or T)")
    factor = 1 << 10 * " kmgt".index((match[2] or " ").lower())
    if (value := int(match[1]) * factor) > UNLIMITED_SIZE:
        raise BadValue(f"Size is too large: {text}")
    return value


def _show_size(value: int) -> str:
    for unit, factor in _SIZES:
        if value and value % factor == 0:
            return f"{value // factor} {unit}"
    return f"{value} B" if value else "0"


_TIME = re.compile(r"(\d+)[ \t]*([a-z]*)", re.ASCII | re.IGNORECASE)
# The longest word of each unit; any beginning of one is that unit, the first in this order winning.
_UNITS = (
    ("secs seconds", 1000),
    ("mins minutes", 60_000),
    ("ms msecs mseconds milliseconds", 1),
    ("hours", 3_600_000),
    ("days", 86_400_000),
    ("weeks", 7 * 86_400_000),
)


def _milliseconds(text: str) -> int:
    match = _TIME.fullmatch(text)
    if match is None:
        raise BadValue(f"Invalid time interval: {text} (use a number and s, m, h, d or w)")
    number, unit = int(match[1]), match[2].lower()
    if not unit:
        if number:
            raise BadValue(f"Time interval '{text}' is missing units (add e.g. 's' for seconds)")
        return 0
    factor = next((size for words, size in _UNITS if any(word.startswith(unit) for word in words.split())), 0)
    if not factor:
        raise BadValue(f"Invalid time interval: {text} (use a number and s, m, h, d or w)")
    if number * factor > UINT_MAX * 1000:
        raise BadValue(f"Time interval is too large: {text}")
    return number * factor


def _interval(text: str) -> int:
    value = _milliseconds(text)
    if value % 1000:
        raise BadValue(f"Milliseconds not supported for this setting: {text}")
    return value // 1000


_INTERVALS = (("weeks", 604_800), ("days", 86_400), ("hours", 3600), ("mins", 60), ("secs", 1))


def _show_interval(value: int) -> str:
    for unit, factor in _INTERVALS:
        if value and value % factor == 0:
            return f"{value // factor} {unit}"
    return "0"


def _show_milliseconds(value: int) -> str:
    return f"{value} ms" if value % 1000 else _show_interval(value // 1000)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


def _content(text: str) -> Content:
    return Content(text=text)


def _show_content(value: Content) -> str:
    return f"<{value.path}" if value.path else value.text


BOOL = Kind("yes or no", _bool, lambda value: "yes" if value else "no")
UINT = Kind("number", _uint, str)
MODE = Kind("file mode", _octal, lambda value: f"0{value:o}")
PORT = Kind("port", _port, str)
SIZE = Kind("size", _size, _show_size)
INTERVAL = Kind("time", _interval, _show_interval)
MILLISECONDS = Kind("time in milliseconds", _milliseconds, _show_milliseconds)
STRING = Kind("text", str, str)
WORDS = Kind("list", _words, " ".join)
CONTENT = Kind("text or <file", _content, _show_content)
VERBATIM = (STRING, WORDS, CONTENT)  # printed as they were written


@lru_cache(maxsize=256)
def enum_kind(words: tuple[str, ...]) -> Kind:
    """The kind of a setting that takes one of these words."""

    def parse(text: str) -> str:
        if text not in words:
            raise BadValue(f"Invalid value: {text} (use {', '.join(words[:-1])} or {words[-1]})")
        return text

    return Kind("one of " + ", ".join(words), parse, str)


def _declare(kind: Kind, default: str, doc: str, flags: Mapping[str, bool]) -> Any:
    value = kind.parse(default)
    return field(default=value, metadata={_KEY: (kind, default, doc, flags)})


def yes_no(default: str, doc: str, **flags: bool) -> bool:
    """A setting that is yes or no."""
    return cast(bool, _declare(BOOL, default, doc, flags))


def uint(default: int, doc: str, **flags: bool) -> int:
    """A whole number from 0 to 4294967295."""
    return cast(int, _declare(UINT, str(default), doc, flags))


def mode(default: str, doc: str, **flags: bool) -> int:
    """The permission bits of a file."""
    return cast(int, _declare(MODE, default, doc, flags))


def port(default: int, doc: str, **flags: bool) -> int:
    """A TCP port; 0 means none."""
    return cast(int, _declare(PORT, str(default), doc, flags))


def size(default: str, doc: str, **flags: bool) -> int:
    """A number of bytes."""
    return cast(int, _declare(SIZE, default, doc, flags))


def interval(default: str, doc: str, **flags: bool) -> int:
    """A time in whole seconds."""
    return cast(int, _declare(INTERVAL, default, doc, flags))


def milliseconds(default: str, doc: str, **flags: bool) -> int:
    """A time in milliseconds."""
    return cast(int, _declare(MILLISECONDS, default, doc, flags))


def string(default: str, doc: str, **flags: bool) -> str:
    """Any text."""
    return cast(str, _declare(STRING, default, doc, flags))


def words(default: str, doc: str, **flags: bool) -> tuple[str, ...]:
    """Words separated by blanks or commas."""
    return cast("tuple[str, ...]", _declare(WORDS, default, doc, flags))


def content(doc: str, **flags: bool) -> Content:
    """A text (certificate, key) that is usually in a file of its own: `<path`."""
    return cast(Content, _declare(CONTENT, "", doc, flags))


def enum(choices: str, doc: str, **flags: bool) -> str:
    """One of several words, the first being the default."""
    options = tuple(choices.split())
    return cast(str, _declare(enum_kind(options), options[0], doc, flags))


@lru_cache(maxsize=32)
def table(cls: type) -> Mapping[str, Setting]:
    """The settings that a dataclass declares, by name and in the order of declaration."""
    found: dict[str, Setting] = {}
    for each in fields(cls):
        if _KEY in each.metadata:
            kind, default, doc, flags = each.metadata[_KEY]
            name = each.name.rstrip("_")  # `pass_`, because `pass` is a word of Python
            found[name] = Setting(name, each.name, kind, default, doc, **flags)
    return MappingProxyType(found)
