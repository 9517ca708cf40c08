"""The grammar of dovecot.conf as Dovecot 2.3 reads it: text to a tree of assignments, sections and includes, and back.

Nothing here knows what a setting means and nothing opens a file. Every error of a text is reported, each at its place;
after an error the parser goes on with the next line, and a section that was begun wrongly still counts as begun, so one
fault gives one error.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

MAX_DEPTH = 20
_BLANK = " \t"


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was written: file and line, counted from 1; line 0 means the file as a whole."""

    path: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong (or only worth saying) about a configuration, and where it was written."""

    place: Place
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


class Form(Enum):
    """How a value was written."""

    TEXT = "text"
    FILE = "file"  # key = <path
    VARIABLE = "variable"  # unquoted and with a `$` in it


@dataclass(frozen=True, slots=True)
class Assignment:
    """`key = value`; the place is not part of its identity."""

    key: str
    text: str
    form: Form = Form.TEXT
    place: Place = field(default=Place(""), compare=False)


@dataclass(frozen=True, slots=True)
class Include:
    """`!include pattern` or, with `optional`, `!include_try pattern`."""

    pattern: str
    optional: bool = False
    place: Place = field(default=Place(""), compare=False)


@dataclass(frozen=True, slots=True)
class Section:
    """`kind [name] {` up to its `}`; an unnamed section has the name ""."""

    kind: str
    name: str
    items: "tuple[Item, ...]" = ()
    place: Place = field(default=Place(""), compare=False)


Item: TypeAlias = Assignment | Include | Section


@dataclass(slots=True)
class _Open:
    """A section whose `}` has not come yet."""

    kind: str
    name: str
    place: Place
    items: list[Item]


@dataclass(frozen=True, slots=True)
class _Bad:
    """What is wrong with a line; `opens` when the line nevertheless begins a section."""

    text: str
    opens: bool = False


def parse(text: str, path: str) -> tuple[tuple[Item, ...], list[Problem], list[Problem]]:
    """The items of a file, its errors, and its warnings."""
    errors: list[Problem] = []
    warnings: list[Problem] = []
    stack = [_Open("", "", Place(path), [])]
    for line, number in _logical_lines(text, path, warnings):
        place = Place(path, number)
        if line == "}":
            if len(stack) == 1:
                errors.append(Problem(place, "Unexpected '}': no section is open here"))
            else:
                _close(stack)
            continue
        match _line(line):
            case _Bad(text=reason, opens=opens):
                errors.append(Problem(place, reason))
                if opens:
                    stack.append(_Open("", "", place, []))
            case Assignment(key=key, text=value, form=form):
                stack[-1].items.append(Assignment(key, value, form, place))
            case Include(pattern=pattern, optional=optional):
                stack[-1].items.append(Include(pattern, optional, place))
            case (str(kind), str(name)):
                if len(stack) > MAX_DEPTH:
                    errors.append(Problem(place, f"Sections are nested more than {MAX_DEPTH} deep"))
                stack.append(_Open(kind, name, place, []))
    while len(stack) > 1:
        errors.append(Problem(stack[-1].place, f"Missing '}}': the section that starts here is not closed in {path}"))
        _close(stack)
    return tuple(stack[0].items), errors, warnings


def _close(stack: list[_Open]) -> None:
    """Turn the innermost open section into an item of the one around it; a misspelt one (kind "") is dropped."""
    done = stack.pop()
    if done.kind and len(stack) <= MAX_DEPTH:
        stack[-1].items.append(Section(done.kind, done.name, tuple(done.items), done.place))


def _logical_lines(text: str, path: str, warnings: list[Problem]) -> Iterator[tuple[str, int]]:
    """Lines without comments and outer blanks, continued ones joined, each with the number of its last line.

    A comment or an empty line ends a continuation and, as in Dovecot, takes along what it continued; a warning says so.
    """
    pending = ""
    number = 0
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.rstrip("\r").lstrip(_BLANK)
        if not line or line[0] == "#":
            if pending:
                warnings.append(
                    Problem(Place(path, number), f"A comment or empty line loses the line before: {pending}")
                )
                pending = ""
            continue
        line = _without_comment(line, Place(path, number), warnings).rstrip(_BLANK)
        if line.endswith("\\"):
            line = line[:-1].rstrip(_BLANK)
            pending += line + " " if line else ""
            continue
        yield pending + line, number
        pending = ""
    if pending:
        warnings.append(Problem(Place(path, number), f"The file ends inside a continued line: {pending}"))


def _without_comment(line: str, place: Place, warnings: list[Problem]) -> str:
    """Cut a line at its `#`, unless that stands in quotes; an opened quote without an end protects the rest."""
    if "#" not in line:
        return line
    at = 0
    while at < len(line):
        char = line[at]
        if char in "'\"":
            at = _closing_quote(line, at)
        elif char == "#":
            if line[at - 1] not in _BLANK:
                warnings.append(
                    Problem(place, "Ambiguous '#' is read as a comment: put a blank before it, or quote it")
                )
            return line[:at]
        at += 1
    return line


def _closing_quote(line: str, at: int) -> int:
    """Where the quote that opens at `at` is closed; the length of the line when it is not."""
    quote = line[at]
    at += 1
    while at < len(line) and line[at] != quote:
        at += 2 if line[at] == "\\" and at + 1 < len(line) else 1
    return at


def _line(line: str) -> Assignment | Include | tuple[str, str] | _Bad:
    """One logical line that is not `}`."""
    end = next((at for at, char in enumerate(line) if char in " \t="), len(line))
    key, rest = line[:end], line[end:].lstrip(_BLANK)
    if key in ("!include", "!include_try"):
        return Include(unquote(rest), key == "!include_try") if rest else _Bad(f"{key} needs the name of a file")
    if rest.startswith("="):
        if not key:
            return _Bad("Missing key name: the line begins with '='")
        text, form = _value(rest[1:].lstrip(_BLANK))
        return Assignment(key, text, form)
    return _section(key, rest)


def _value(raw: str) -> tuple[str, Form]:
    if raw.startswith("<"):
        return raw[1:].lstrip(_BLANK), Form.FILE
    if len(raw) > 1 and raw[0] == raw[-1] and raw[0] in "'\"":
        return unquote(raw), Form.TEXT
    return raw, Form.VARIABLE if "$" in raw else Form.TEXT


def unquote(raw: str) -> str:
    """The text without its surrounding quotes, in which a backslash stands for the character after it."""
    if not (len(raw) > 1 and raw[0] == raw[-1] and raw[0] in "'\""):
        return raw
    inner = raw[1:-1]
    if "\\" not in inner:
        return inner
    out: list[str] = []
    chars = iter(inner)
    for char in chars:
        out.append(next(chars, "") if char == "\\" else char)
    return "".join(out)


def _section(kind: str, rest: str) -> tuple[str, str] | _Bad:
    """`kind [name] {`: Dovecot 2.3 wants the brace at the end of that line and nothing after it."""
    opens = rest.endswith("{")
    if rest.startswith('"'):
        end = _closing_quote(rest, 0)
        if end >= len(rest):
            return _Bad(f"The name of section '{kind}' has no closing quote", opens)
        name, rest = unquote(rest[: end + 1]), rest[end + 1 :].lstrip(_BLANK)
    elif rest.startswith("{"):
        name = ""
    else:
        name, _, rest = rest.replace("\t", " ").partition(" ")
        rest = rest.lstrip(_BLANK)
    if rest == "{":
        return kind, name
    if rest.startswith("{"):
        reason = "Garbage after '{': the brace must end its line, write each setting and the '}' on lines of their own"
        return _Bad(reason, opens=not rest.endswith("}"))
    if kind.endswith("{") or name.endswith("{"):
        return _Bad(f"Expecting a blank before '{{' in '{' '.join((kind, name)).rstrip()}'", opens=True)
    if opens:
        return _Bad(f"Section '{kind}' has more than one name: put quotes around a name with blanks", opens=True)
    return _Bad(f"Expecting '=' or '{{' after '{kind}': write 'key = value' or 'section name {{'")


def format(items: Sequence[Item], indent: str = "") -> str:
    """The text of a tree; parse(format(x)) gives x."""
    lines: list[str] = []
    for item in items:
        match item:
            case Assignment(key=key, text=text, form=form):
                lines.append(f"{indent}{key} = {format_value(text, form)}\n")
            case Include(pattern=pattern, optional=optional):
                lines.append(f"{indent}!include{'_try' if optional else ''} {pattern}\n")
            case Section(kind=kind, name=name, items=inner):
                lines.append(f"{indent}{kind} {quote(name) + ' ' if name else ''}{{\n")
                lines.append(format(inner, indent + "  ") + f"{indent}}}\n")
    return "".join(lines)


def format_value(text: str, form: Form) -> str:
    """A value so that it is read back as it is."""
    if form is Form.FILE:
        return "<" + text
    if form is Form.VARIABLE:
        return text
    plain = not any(char in text for char in "\"'#$\\") and not text.startswith("<") and text == text.strip(_BLANK)
    return text if plain else quote(text)


def quote(text: str) -> str:
    """The text in double quotes, with backslashes where they are needed."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
