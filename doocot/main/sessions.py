"""Names of sessions for the log: short, unique on this machine for all practical purposes, no secret."""

import itertools
import secrets
from collections.abc import Callable


def session_ids() -> Callable[[], str]:
    """A maker of session ids: a random start for this process and protocol, then a count."""
    start, numbers = secrets.token_hex(4), itertools.count(1)
    return lambda: f"{start}{next(numbers):06x}"
