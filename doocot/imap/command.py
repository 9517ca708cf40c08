"""What a command is: one declared row with its names, states, grammar and action (RFC 3501 §6)."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntFlag
from typing import TYPE_CHECKING, Any, TypeAlias

from doocot.wire.cursor import Cursor
from doocot.wire.flow import Step

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession


class State(IntFlag):
    """RFC 3501 §3. Rows name the states in which a command may come."""

    NOT_AUTHENTICATED = 1
    AUTHENTICATED = 2
    SELECTED = 4
    ANY = 7
    LOGGED_IN = 6


@dataclass(frozen=True, slots=True)
class Ok:
    """`OK [code] text`, after the untagged responses in `data`."""

    text: bytes
    code: bytes | None = None
    data: bytes = b""


class No(Exception):
    """`NO [code] text`: the command was understood and refused."""

    def __init__(self, text: bytes, code: bytes | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.code = code


class Bad(Exception):
    """`BAD text`: the command was not understood or came at the wrong time."""

    def __init__(self, text: bytes, code: bytes | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.code = code


@dataclass(frozen=True, slots=True)
class NextLine:
    """Yielded by a command that needs one more plain line (AUTHENTICATE, IDLE); `idle` also wakes it for changes."""

    idle: tuple[int, ...] | None = None
    seconds: float = 0.0


Steps: TypeAlias = Generator[Step | NextLine, Any, Ok]
Result: TypeAlias = Ok | Steps
Run: TypeAlias = Callable[["ImapSession", Any, bool], Result]


@dataclass(frozen=True, slots=True)
class Row:
    """One command. With a name `UID X` the action is told that numbers are UIDs.

    `expunge`: the answer may carry EXPUNGE of other sessions (RFC 3501 §7.4.1 forbids it for FETCH, STORE and SEARCH by
    sequence number, and while no command is under way). `sync`: the answer tells what changed at all.
    """

    names: tuple[bytes, ...]
    state: State
    parse: Callable[[Cursor], Any]
    run: Run
    expunge: bool = True
    sync: bool = True


@dataclass(frozen=True, slots=True)
class Bound:
    """A row under one of its names. `by_number`: its numbers are sequence numbers, and UID X is the same by UID."""

    row: Row
    by_uid: bool
    expunge: bool
    by_number: bool = False


def no_arguments(_: Cursor) -> None:
    """For commands that take none."""


def command(
    *names: str,
    state: State,
    parse: Callable[[Cursor], Any] = no_arguments,
    expunge: bool = True,
    sync: bool = True,
) -> Callable[[Run], Row]:
    """Declares the decorated function as the action of a command."""

    def declare(run: Run) -> Row:
        return Row(tuple(name.encode() for name in names), state, parse, run, expunge, sync)

    return declare


def table(rows: Sequence[Row]) -> Mapping[bytes, Bound]:
    """Every name of every row. By UID an EXPUNGE may always be told (RFC 3501 §7.4.1 speaks of sequence numbers)."""
    bound: dict[bytes, Bound] = {}
    for row in rows:
        for name in row.names:
            by_uid = name.startswith(b"UID ")
            bound[name] = Bound(row, by_uid, row.expunge or by_uid, b"UID " + name in row.names)
    return bound
