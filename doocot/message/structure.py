"""Reads a BODYSTRUCTURE back (RFC 3501 §9 `body`), as `message.bodystructure` writes it, into a tree of parts."""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from doocot.message.mime import Params
from doocot.message.scan import Part

Value: TypeAlias = "bytes | list[Value] | None"

_token = re.compile(rb'[ ]*(?:(\()|(\))|"((?:[^"\\]|\\.)*)"|\{([0-9]+)\}\r\n|(NIL)|([0-9]+))', re.DOTALL).match
_escape = re.compile(rb"\\(.)", re.DOTALL).sub


@dataclass(slots=True, eq=False)
class BodyPart:
    """One part as its BODYSTRUCTURE describes it: `index` counts from 1 among the children of `parent`.

    `envelope` is that of the message in a message/rfc822. A multipart has no size, encoding, id, description and md5.
    `part` is where it lies in the message, for who has that.
    """

    type: bytes
    subtype: bytes
    params: Params
    id: bytes | None = None
    description: bytes | None = None
    encoding: bytes | None = None
    size: int | None = None
    md5: bytes | None = None
    disposition: bytes | None = None
    disposition_params: Params = ()
    languages: tuple[bytes, ...] = ()
    location: bytes | None = None
    envelope: "Sequence[Value]" = ()
    children: "tuple[BodyPart, ...]" = ()
    parent: "BodyPart | None" = field(default=None, repr=False)
    index: int = 1
    part: Part | None = field(default=None, repr=False)


def read_structure(text: bytes) -> BodyPart:
    """The tree of what `bodystructure` made."""
    return _part(_read(text))


def with_places(root: BodyPart, part: Part) -> BodyPart:
    """The same tree, each part with its place in the message that was scanned for it."""
    root.part = part
    for child, inner in zip(root.children, part.children, strict=False):  # a multipart of nothing shows one part
        with_places(child, inner)
    return root


def below(part: BodyPart) -> Iterator[tuple[BodyPart, int]]:
    """All parts inside this one, in their order, and how far below it."""
    rest = [(child, 1) for child in reversed(part.children)]
    while rest:
        one, depth = rest.pop()
        yield one, depth
        rest += ((child, depth + 1) for child in reversed(one.children))


def _read(text: bytes) -> list[Value]:
    """The nested lists of a parenthesized list."""
    stack: list[list[Value]] = [[]]
    at = 0
    while found := _token(text, at):
        at = found.end()
        opened, closed, quoted, literal, nil, number = found.groups()
        if opened:
            stack.append([])
        elif closed:
            inner = stack.pop()
            stack[-1].append(inner)
        elif literal is not None:
            stack[-1].append(text[at : at + int(literal)])
            at += int(literal)
        elif nil:
            stack[-1].append(None)
        else:
            stack[-1].append(number if number is not None else _escape(rb"\1", quoted))
    (whole,) = stack[0]
    assert isinstance(whole, list)
    return whole


def _part(values: list[Value]) -> BodyPart:
    lists = itertools.takewhile(lambda value: isinstance(value, list), values)
    children = [_part(inner) for inner in lists if isinstance(inner, list)]
    values = values[len(children) :]
    if children:
        subtype, params, *extension = values
        part = BodyPart(b"multipart", _octets(subtype), _params(params))
    else:
        type_, subtype, params, identifier, description, encoding, size, *extension = values
        part = BodyPart(
            _octets(type_),
            _octets(subtype),
            _params(params),
            _text(identifier),
            _text(description),
            _text(encoding),
            int(_octets(size)),
        )
        media = (part.type.lower(), part.subtype.lower())
        if media == (b"message", b"rfc822"):
            envelope, message, _, *extension = extension
            assert isinstance(envelope, list)
            assert isinstance(message, list)
            part.envelope, children = envelope, [_part(message)]
        elif media[0] == b"text":
            extension = extension[1:]  # the number of lines
        part.md5, extension = _text(extension[0]), extension[1:]
    _extend(part, extension)
    part.children = tuple(children)
    for number, child in enumerate(children, 1):
        child.parent, child.index = part, number
    return part


def _extend(part: BodyPart, extension: Sequence[Value]) -> None:
    shown, spoken, location = extension
    if isinstance(shown, list):
        part.disposition, part.disposition_params = _octets(shown[0]), _params(shown[1])
    if isinstance(spoken, list):
        part.languages = tuple(map(_octets, spoken))
    part.location = _text(location)


def _octets(value: Value) -> bytes:
    return value if isinstance(value, bytes) else b""


def _text(value: Value) -> bytes | None:
    return value if isinstance(value, bytes) else None


def _params(value: Value) -> Params:
    if not isinstance(value, list):
        return ()
    words = list(map(_octets, value))
    return tuple(zip(words[::2], words[1::2], strict=True))
