"""The one last-resort handler of the house: an exception that nobody expected ends one command, not the server.

Everything that `net` calls in a session goes through a `Run`. The one that `shell` makes reports what it catches with
an identifier and lets the session say so in its own words; `bare` catches nothing, so that tests see every fault.
"""

import secrets
from collections.abc import Callable
from typing import Any, TypeAlias

from doocot.wire.flow import CLOSE, Session

Run: TypeAlias = Callable[[Session, Callable[[Any], bytes], Any], bytes]
Report: TypeAlias = Callable[[str, Session, BaseException], None]


def bare(session: Session, call: Callable[[Any], bytes], argument: Any) -> bytes:
    """Call the session and let every exception through."""
    return call(argument)


def shell(report: Report) -> Run:
    """A Run that hands an unknown exception to `report(identifier, session, error)` and goes on."""

    def run(session: Session, call: Callable[[Any], bytes], argument: Any) -> bytes:
        try:
            return call(argument)
        except Exception as error:  # noqa: BLE001 - the one place that may
            return recover(session, error)

    def recover(session: Session, error: Exception) -> bytes:
        identifier = secrets.token_hex(4)
        report(identifier, session, error)
        session.pending = None
        try:
            return session.crashed(identifier)
        except Exception as again:  # noqa: BLE001 - its own apology failed: nothing is left but to hang up
            report(identifier, session, again)
            session.pending = CLOSE
            return b""

    return run
