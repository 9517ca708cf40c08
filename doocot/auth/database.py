"""What a password or user database is to the chain: a question, three possible answers, and a record of functions.

A driver is one file with a function from DatabaseSettings to one of these records; `drivers.py` is the table of them.
A look-up answers at once, or returns a `flow.Job` whose result is the answer.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from doocot.auth.settings import SettingsError
from doocot.auth.types import nothing
from doocot.auth.variables import Template, Values, template
from doocot.wire.flow import Job


@dataclass(frozen=True, slots=True)
class Query:
    """One look-up. `variables` makes the %variables when asked; `reply` are the userdb fields found so far."""

    user: str
    variables: Callable[[], Values]
    reply: Mapping[str, str] = field(default_factory=nothing)


@dataclass(frozen=True, slots=True)
class Found:
    """The user is there. `password` is the stored form (`{SCHEME}hash`), None in a user database."""

    fields: Mapping[str, str] = field(default_factory=nothing)
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class NotFound:
    """No such user. `example` is some other user's stored password: checking it makes both answers take as long."""

    example: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The question cannot be answered now; `detail` is for the log."""

    detail: str


Answer: TypeAlias = Found | NotFound | Unavailable


def _no_version(query: Query) -> Hashable:
    return None


@dataclass(frozen=True, slots=True)
class PasswordDatabase:
    """A passdb driver at work. `version` changes when cached answers about this user are no longer true."""

    lookup: Callable[[Query], Answer | Job]
    default_scheme: str = "PLAIN"
    version: Callable[[Query], Hashable] = _no_version


@dataclass(frozen=True, slots=True)
class UserDatabase:
    """A userdb driver at work. With `needs_passdb` it knows nobody itself: the passdbs must know the user."""

    lookup: Callable[[Query], Answer | Job]
    iterate: Callable[[], Iterable[str] | Job] | None = None
    version: Callable[[Query], Hashable] = _no_version
    needs_passdb: bool = False


Fields: TypeAlias = tuple[tuple[str, Template], ...]


def parse_fields(text: str) -> Fields:
    """`key=value key2` as pairs; a key without a value means `yes`."""
    pairs = []
    for word in text.split():
        key, equals, value = word.partition("=")
        if not key:
            raise SettingsError("a field has no name before its =; write name=value")
        pairs.append((key, template(value if equals else "yes")))
    return tuple(pairs)


def expand_fields(fields: Fields, values: Values) -> dict[str, str]:
    return {key: value(values) for key, value in fields}
