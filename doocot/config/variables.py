"""Dovecot 2.3's `%variables`: short `%u` and long `%{user}` forms, modifiers, substrings, hashes and conditionals.

A template is compiled once and expanded with a mapping whose keys are the long names, or the letters of variables that
only one setting has (`%i` in imap_logout_format). Only `%{env:NAME}` looks outside of the mapping.
"""

import base64
import binascii
import hashlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from types import MappingProxyType
from typing import TypeAlias

# Letters that mean the same thing (almost) everywhere.
LETTERS: Mapping[str, str] = MappingProxyType(
    {
        "u": "user",
        "n": "username",
        "d": "domain",
        "s": "service",
        "p": "pid",
        "l": "lip",
        "r": "rip",
        "h": "home",
        "i": "uid",
        "m": "mech",
        "a": "lport",
        "b": "rport",
        "c": "secured",
        "w": "password",
        "k": "cert",
        "e": "mail_pid",
    }
)
_LETTER_OF = {name: letter for letter, name in LETTERS.items()}
_HASHES = ("md4", "md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3-256", "sha3-512", "pkcs5")


class VariableError(Exception):
    """A template names a variable that does not exist where it is used, or is not well formed."""


@dataclass(frozen=True, slots=True)
class _Variable:
    """`%[offset.][width][modifiers]letter` or the same before `{name}`."""

    name: str
    modifiers: str
    offset: int
    width: int | None
    zero: bool


@dataclass(frozen=True, slots=True)
class _Hash:
    """`%{algorithm;rounds=..,truncate=..,salt=..,format=..:field}`."""

    algorithm: str
    options: tuple[tuple[str, str], ...]
    field: _Variable


@dataclass(frozen=True, slots=True)
class _If:
    """`%{if;left;operator;right;then;otherwise}`, every part a template but the operator."""

    left: "_Parts"
    operator: str
    right: "_Parts"
    then: "_Parts"
    otherwise: "_Parts"


_Parts: TypeAlias = tuple["str | _Variable | _Hash | _If", ...]


def expand(template: str, values: Mapping[str, str]) -> str:
    """The template with every variable replaced; raises VariableError for one that `values` does not have."""
    if "%" not in template:
        return template
    return _expand(compile_template(template), values)


@lru_cache(maxsize=2048)
def compile_template(template: str) -> _Parts:
    """The parts of a template; raises VariableError when it is not well formed."""
    parts: list[str | _Variable | _Hash | _If] = []
    at = 0
    while (percent := template.find("%", at)) >= 0:
        if percent > at:
            parts.append(template[at:percent])
        part, at = _variable(template, percent)
        parts.append(part)
    if at < len(template):
        parts.append(template[at:])
    return tuple(parts)


_SHAPE = re.compile(r"%(?:(-?\d+)\.)?(-?\d+)?([LUEXRNHMDT]*)(?=(.))", re.DOTALL)


def _variable(template: str, percent: int) -> tuple[str | _Variable | _Hash | _If, int]:
    """The variable at a `%` and where it ends."""
    # The regex leaves the last letter for the variable, so `%L` at the end of a log format is the variable L.
    match = _SHAPE.match(template, percent)
    if match is None:
        raise VariableError(f"'%' at the end of '{template}': write %% for a percent sign")
    at = match.end()
    if match[4] == "%":
        return "%", at + 1
    offset, width = int(match[1] or 0), match[2]
    zero = width is not None and width.lstrip("-").startswith("0") and width != "0"
    size = None if width is None else int(width)
    if match[4] != "{":
        return _Variable(match[4], match[3], offset, size, zero), at + 1
    end = _closing_brace(template, at)
    name = template[at + 1 : end]
    if name.startswith("if;"):
        return _conditional(name, template), end + 1
    algorithm, _, field = name.partition(":")
    algorithm, _, options = algorithm.partition(";")
    if algorithm in _HASHES and field:
        pairs = tuple((key, value) for key, _, value in (each.partition("=") for each in options.split(",") if each))
        return _Hash(algorithm, pairs, _Variable(field, match[3], offset, size, zero)), end + 1
    return _Variable(name, match[3], offset, size, zero), end + 1


def _closing_brace(template: str, at: int) -> int:
    """The `}` of the `{` at a place; braces of variables inside it are counted, escaped ones are not."""
    depth = 0
    while at < len(template):
        char = template[at]
        if char == "\\":
            at += 1
        elif char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                return at
        at += 1
    raise VariableError(f"'%{{' without its '}}' in '{template}'")


def _conditional(text: str, template: str) -> _If:
    fields: list[str] = [""]
    depth = at = 0
    while at < len(text):
        char = text[at]
        if char == "\\" and at + 1 < len(text):
            # An escaped % stays a percent sign, any other escaped character is itself.
            fields[-1] += "%%" if text[at + 1] == "%" else text[at + 1]
            at += 2
            continue
        depth += (char == "{") - (char == "}")
        if char == ";" and depth == 0:
            fields.append("")
        else:
            fields[-1] += char
        at += 1
    if len(fields) != 6:
        raise VariableError(f"'%{{{text}}}' in '{template}': write %{{if;value;operator;value;then;else}}")
    _, left, operator, right, then, otherwise = fields
    if operator not in _OPERATORS:
        raise VariableError(f"unknown operator '{operator}' in '{template}': use {' '.join(_OPERATORS)}")
    return _If(
        compile_template(left),
        operator,
        compile_template(right),
        compile_template(then),
        compile_template(otherwise),
    )


def _expand(parts: _Parts, values: Mapping[str, str]) -> str:
    out: list[str] = []
    for part in parts:
        match part:
            case str():
                out.append(part)
            case _Variable():
                out.append(_cut(part, _modified(part, _lookup(part.name, values))))
            case _Hash(algorithm=algorithm, options=options, field=field):
                value = _modified(field, _lookup(field.name, values))
                out.append(_cut(field, _hashed(algorithm, dict(options), value)))
            case _If():
                holds = _OPERATORS[part.operator](_expand(part.left, values), _expand(part.right, values))
                out.append(_expand(part.then if holds else part.otherwise, values))
    return "".join(out)


def _lookup(name: str, values: Mapping[str, str]) -> str:
    """The value of a variable under its own name, or the other form of it."""
    found = values.get(name)
    if found is None:
        found = values.get(LETTERS.get(name, "") or _LETTER_OF.get(name, ""))
    if found is not None:
        return found
    kind, colon, rest = name.partition(":")
    if kind == "env":
        return os.environ.get(rest, "")
    if colon and kind in ("userdb", "passdb"):
        # %{userdb:name:default}: the default stands in for a field that is not there, not for an empty one.
        field, _, default = rest.partition(":")
        return values.get(f"{kind}:{field}", default)
    shown = f"%{name}" if len(name) == 1 else f"%{{{name}}}"
    raise VariableError(f"unknown variable {shown}")


def _modified(variable: _Variable, value: str) -> str:
    """The value after its modifiers, from left to right."""
    for modifier in variable.modifiers:
        if modifier in "NH":
            digest = _new_hash(value) if modifier == "N" else _old_hash(value)
            limit = variable.width or 0
            value = format(digest % limit if limit > 0 else digest, "x").rjust(variable.offset, "0")
        else:
            value = _MODIFIERS[modifier](value)
    return value


def _cut(variable: _Variable, value: str) -> str:
    """The substring that offset and width take; hashes have used both already."""
    if variable.width is None or "N" in variable.modifiers or "H" in variable.modifiers:
        return value
    offset, width = variable.offset, variable.width
    if variable.zero and width > 0:
        return value.rjust(width, "0")[offset:]
    start = max(len(value) + offset, 0) if offset < 0 else offset
    return value[start:][:width] if width >= 0 else value[start : max(len(value) + width, start)]


def _escape(value: str) -> str:
    return re.sub(r"([\"'\\])", r"\\\1", value)


def _hexadecimal(value: str) -> str:
    return format(int(value), "x") if value.isascii() and value.isdigit() else value


def _ldap_domain(value: str) -> str:
    return value.replace(".", ",dc=")


def _md5(value: str) -> str:
    return hashlib.md5(_bytes(value), usedforsecurity=False).hexdigest()


def _bytes(value: str) -> bytes:
    return value.encode("utf-8", "surrogateescape")


_MODIFIERS: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {
        "L": str.lower,
        "U": str.upper,
        "E": _escape,
        "X": _hexadecimal,
        "R": lambda value: value[::-1],
        "M": _md5,
        "D": _ldap_domain,
        "T": lambda value: value.rstrip(" \t"),
    }
)


def _new_hash(value: str) -> int:
    """`%N`: the first 32 bits of the MD5 sum."""
    return int.from_bytes(hashlib.md5(_bytes(value), usedforsecurity=False).digest()[:4], "big")


def _old_hash(value: str) -> int:
    """`%H`: the ELF hash, 28 bits."""
    result = 0
    for byte in _bytes(value):
        result = ((result << 4) + byte) & 0xFFFFFFFF
        high = result & 0xF0000000
        result ^= high >> 24
        result ^= high
    return result


def _hashed(algorithm: str, options: Mapping[str, str], value: str) -> str:
    """The generic hash function; without options, the digest in hexadecimal."""
    rounds, salt = int(options.get("rounds", "1")), options.get("salt", "")
    if algorithm == "pkcs5":
        rounds = int(options.get("rounds", "2048"))
        digest = hashlib.pbkdf2_hmac("sha256", _bytes(value), _bytes(salt), rounds)
    else:
        name = algorithm.replace("-", "_")
        digest = hashlib.new(name, _bytes(salt + value), usedforsecurity=False).digest()
        for _ in range(rounds - 1):
            digest = hashlib.new(name, digest, usedforsecurity=False).digest()
    if bits := int(options.get("truncate", "0")):
        number = int.from_bytes(digest, "big") >> max(len(digest) * 8 - bits, 0)
        digest = number.to_bytes((min(bits, len(digest) * 8) + 7) // 8, "big")
    match options.get("format", "hex"):
        case "base64":
            return base64.b64encode(digest).decode()
        case "hexuc":
            return binascii.hexlify(digest).decode().upper()
        case "hex":
            return binascii.hexlify(digest).decode()
        case other:
            raise VariableError(f"unknown format={other} of %{{{algorithm}}}: use hex, hexuc or base64")


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise VariableError(f"'{text}' is compared as a number but is none: use eq, ne, lt, le, gt or ge") from None


def _wildcard(value: str, mask: str) -> bool:
    return re.match(translate(mask.replace("[", "[[]")), value) is not None


_OPERATORS: Mapping[str, Callable[[str, str], bool]] = MappingProxyType(
    {
        "==": lambda left, right: _number(left) == _number(right),
        "!=": lambda left, right: _number(left) != _number(right),
        "<": lambda left, right: _number(left) < _number(right),
        "<=": lambda left, right: _number(left) <= _number(right),
        ">": lambda left, right: _number(left) > _number(right),
        ">=": lambda left, right: _number(left) >= _number(right),
        "eq": lambda left, right: left == right,
        "ne": lambda left, right: left != right,
        "lt": lambda left, right: left < right,
        "le": lambda left, right: left <= right,
        "gt": lambda left, right: left > right,
        "ge": lambda left, right: left >= right,
        "*": _wildcard,
        "!*": lambda left, right: not _wildcard(left, right),
        "~": lambda left, right: re.search(right, left) is not None,
        "!~": lambda left, right: re.search(right, left) is None,
    }
)
