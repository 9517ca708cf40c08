"""Users that were found a moment ago: a burst of mail for one recipient asks the userdb once.

What changes in the userdb takes effect for deliveries after KEPT seconds. Only users are remembered, never that there
is none: a mail for somebody who was just added must not bounce.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

from doocot.auth.types import User
from doocot.wire.flow import Job

KEPT: Final = 1.0  # seconds
MOST: Final = 1000  # users


@dataclass(slots=True)
class RecentUsers:
    """Stands before `lookup`, on the loop."""

    ask: Callable[[str], User | Job | None]
    clock: Callable[[], float] = monotonic
    _found: dict[str, tuple[float, User]] = field(default_factory=dict)

    def lookup(self, name: str) -> User | Job | None:
        """The user, None when there is none, or a Job that gives either."""
        known = self._found.get(name)
        if known is not None and self.clock() - known[0] < KEPT:
            return known[1]
        answer = self.ask(name)
        if not isinstance(answer, Job) or not answer.awaited:
            return answer
        return Job(lambda: self._asked(name, answer), awaited=True)

    def _asked(self, name: str, job: Job) -> "asyncio.Future[Any]":
        asked: asyncio.Future[Any] = asyncio.ensure_future(job.call())
        asked.add_done_callback(lambda done: self._answered(name, done))
        return asked

    def _answered(self, name: str, done: "asyncio.Future[Any]") -> None:
        if done.cancelled() or done.exception() is not None or not isinstance(done.result(), User):
            return
        if len(self._found) >= MOST:
            self._found.clear()
        self._found[name] = (self.clock(), done.result())
