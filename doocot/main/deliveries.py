"""Deliveries of a process that serves LMTP: what arrives in one turn of the loop is saved together, with two syncs.

They are saved on the loop itself, as nobody but other deliveries waits for it: threads would hand the interpreter to
and fro at every system call, which took half of the time. What cannot be done at once (a lock that somebody has, a root
that is not open, a mailbox that is new, a large message) goes to a thread, and so does everything for a while after the
disk was slow.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

from doocot.config.load import Config
from doocot.delivery.deliver import Delivery, SaveResult
from doocot.delivery.saving import Opened, save_all, save_now
from doocot.errors import Kind, MailError
from doocot.mailbox.user import Mail
from doocot.main.mail import MailServices
from doocot.store.index.database import Busy
from doocot.wire.flow import Job

MOST: Final = 200  # deliveries in one batch
BATCHES: Final = 2  # batches on threads side by side: one computes while the other waits for the disk
COMMITS: Final = 8  # commits of such a batch that are under way side by side
SLOW: Final = 0.25  # seconds that a batch may take on the loop
SLOW_PAUSE: Final = 10.0  # seconds for which batches go to threads when one took longer

_INTERNAL: Final = MailError(Kind.SERVER_BUG, "Internal error")


@dataclass(slots=True)
class _Call:
    """One transaction of a session: its answers are given together."""

    answer: "asyncio.Future[list[SaveResult]]"
    results: list[SaveResult]
    missing: int


@dataclass(slots=True)
class _Waiting:
    """One delivery of a call."""

    delivery: Delivery
    call: _Call
    place: int

    def give(self, result: SaveResult) -> None:
        call = self.call
        call.results[self.place] = result
        call.missing -= 1
        if not call.missing and not call.answer.done():  # it is done when the client has gone
            call.answer.set_result(call.results)


@dataclass(slots=True)
class Deliveries:
    """The queue of one process, and the queue of those that need a thread."""

    services: MailServices
    config: Config
    _waiting: list[_Waiting] = field(default_factory=list)
    _due: bool = False
    _slow_until: float = 0.0
    _apart: list[_Waiting] = field(default_factory=list)
    _running: int = 0
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(BATCHES, "deliver"))
    _commits: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(COMMITS, "commit"))

    def save_batch(self, deliveries: list[Delivery]) -> Job:
        """Saves all; the results come in the same order, a MailError for each that failed."""
        call = _Call(self.services.loop.create_future(), [_INTERNAL] * len(deliveries), len(deliveries))
        self._waiting += [_Waiting(one, call, place) for place, one in enumerate(deliveries)]
        self._soon()
        return Job(lambda: call.answer, awaited=True)

    def _soon(self) -> None:
        """The turn comes when every socket that is ready now has been read."""
        if not self._due:
            self._due = True
            self.services.loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._due = False
        batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        if self._waiting:
            self._soon()
        started = monotonic()
        if started < self._slow_until:
            self._apart += batch
        else:
            self._apart += self._save_here(batch)
            ended = monotonic()
            if ended - started > SLOW:
                self._slow_until = ended + SLOW_PAUSE
        self._start()

    def _save_here(self, batch: Sequence[_Waiting]) -> list[_Waiting]:
        """Saves what can be saved at once; gives the others."""
        ready: list[_Waiting] = []
        opened: list[Opened] = []
        others: list[_Waiting] = []
        for one in batch:
            delivery = one.delivery
            mail = self.services.open_now(self.config, "lmtp", delivery.user) if delivery.body.spool is None else None
            if mail is None:
                others.append(one)
            else:
                ready.append(one)
                opened.append(Opened(delivery, mail))
        try:
            results = save_now(opened, self.services.roots.names)
            for one, result in zip(ready, results, strict=True):
                if isinstance(result, Busy):
                    others.append(one)
                else:
                    one.give(result)
        finally:
            self._release([one.mail for one in opened])
        return others

    def _release(self, mails: Sequence[Mail]) -> None:
        for mail in mails:
            self.services.saved(mail.opened.root)
            mail.close()

    def _start(self) -> None:
        while self._apart and self._running < BATCHES:
            batch, self._apart = self._apart[:MOST], self._apart[MOST:]
            self._running += 1
            running = self.services.loop.run_in_executor(self._threads, self._save, [one.delivery for one in batch])
            running.add_done_callback(lambda done, batch=batch: self._done(batch, done))  # type: ignore[misc]

    def _done(self, batch: Sequence[_Waiting], done: "asyncio.Future[_Saved]") -> None:
        self._running -= 1
        error = done.exception()
        saved = done.result() if error is None else _Saved([_INTERNAL] * len(batch), [])
        self._release(saved.mails)
        for one, result in zip(batch, saved.results, strict=True):
            one.give(result)
        self._start()
        if error is not None:
            raise error  # for the log: the loop's exception handler writes it

    def _save(self, batch: Sequence[Delivery]) -> "_Saved":
        """On a thread; the commits of one batch on several."""
        opened: list[Opened] = []
        places: list[int] = []
        results: list[SaveResult] = [_INTERNAL] * len(batch)
        for number, delivery in enumerate(batch):
            try:
                mail = self.services.open(self.config, "lmtp", delivery.user)
            except MailError as error:
                results[number] = error
            else:
                opened.append(Opened(delivery, mail))
                places.append(number)
        for place, result in zip(places, save_all(opened, self.services.roots.names, self._side_by_side), strict=True):
            results[place] = result
        return _Saved(results, [one.mail for one in opened])

    def _side_by_side(self, steps: Sequence[Callable[[], None]]) -> None:
        if len(steps) == 1:
            steps[0]()
        else:
            list(self._commits.map(lambda step: step(), steps))


@dataclass(frozen=True, slots=True)
class _Saved:
    results: list[SaveResult]
    mails: list[Mail]
