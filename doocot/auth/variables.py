"""Dovecot's `%variables` in database arguments and fields: a text is compiled once and expanded for each look-up."""

import hashlib
import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from doocot.auth.settings import SettingsError

# Short letter -> long name; the long names are the keys of the mapping that a template is expanded with.
LETTERS: Mapping[str, str] = {
    "u": "user",
    "n": "username",
    "d": "domain",
    "s": "service",
    "r": "rip",
    "l": "lip",
    "a": "lport",
    "b": "rport",
    "m": "mech",
    "c": "secured",
    "k": "cert",
}
OTHER_NAMES = frozenset(
    {
        "auth_user",
        "login_user",
        "orig_user",
        "orig_username",
        "orig_domain",
        "session",
        "client_id",
        "master_user",
        "local_name",
    }
)

MODIFIERS: Mapping[str, Callable[[str], str]] = {
    "L": str.lower,
    "U": str.upper,
    "E": lambda value: re.sub(r"([\"'\\])", r"\\\1", value),
    "X": lambda value: format(int(value), "x") if value.isdecimal() else value,
    "R": lambda value: value[::-1],
    "M": lambda value: hashlib.md5(value.encode(), usedforsecurity=False).hexdigest(),
    "T": lambda value: value.rstrip(),
    "D": lambda value: value.replace(".", ",dc="),
}

_VARIABLE = re.compile(
    r"%(?:%|(?P<range>-?\d+(?:\.-?\d+)?)?(?P<mods>[LUEXRMTD]*)(?:\{(?P<long>[^}]*)\}|(?P<letter>[a-z])))"
)

Values = Mapping[str, str]
Template = Callable[[Values], str]


def _cut(value: str, spec: str) -> str:
    """Apply `offset.width` (or `width` alone); a negative offset counts from the end."""
    offset, dot, width = spec.partition(".")
    if not dot:
        offset, width = "0", spec
    start = int(offset)
    if start < 0:
        start = max(0, len(value) + start)
    length = int(width)
    return value[start : start + length] if length >= 0 else value[start:length]


def _piece(match: re.Match[str]) -> Template:
    if match.group() == "%%":
        return lambda values: "%"
    long, letter = match["long"], match["letter"]
    name = LETTERS.get(letter, "") if letter else long
    if name not in OTHER_NAMES and name not in LETTERS.values():
        raise SettingsError(f"unknown variable {match.group()}; use one of %u %n %d %s %r %l or a long name")
    changes = [MODIFIERS[letter] for letter in match["mods"]]
    spec = match["range"] or ""
    if not changes and not spec:
        return lambda values: values.get(name, "")

    def expand(values: Values) -> str:
        value = values.get(name, "")
        for change in changes:
            value = change(value)
        return _cut(value, spec) if spec else value

    return expand


@lru_cache(maxsize=4096)
def template(text: str) -> Template:
    """Compile `text`; raises SettingsError for a variable that does not exist."""
    if "%" not in text:
        return lambda values: text
    pieces: list[Template | str] = []
    at = 0
    while True:
        found = text.find("%", at)
        if found < 0:
            pieces.append(text[at:])
            break
        match = _VARIABLE.match(text, found)
        if match is None:
            raise SettingsError(f"bad % at position {found}; write %% for a percent sign")
        pieces.append(text[at:found])
        pieces.append(_piece(match))
        at = match.end()
    parts = [piece for piece in pieces if piece != ""]
    if len(parts) == 1 and not isinstance(parts[0], str):
        return parts[0]
    return lambda values: "".join([part if isinstance(part, str) else part(values) for part in parts])


@lru_cache(maxsize=4096)
def names_in(text: str) -> frozenset[str]:
    """The long names of all variables in `text`."""
    found = (LETTERS.get(m["letter"], "") if m["letter"] else m["long"] for m in _VARIABLE.finditer(text))
    return frozenset(name for name in found if name)
