"""Deliveries of a process that serves LMTP: what arrives while a batch is under way is the next one.

Only syncs are done by threads: one that saves beside the loop hands the interpreter to and fro at every system
call, which took half of the time. What cannot be done at once (a lock that somebody has, a root that is not open, a
mailbox that is new, a large message, a file system where syncfs is slow) is saved by threads all the same.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

from doocot.config.load import Config
from doocot.delivery.deliver import Delivery, SaveResult
from doocot.delivery.saving import Opened, Saving, save_all, saving_now
from doocot.errors import Kind, MailError
from doocot.mailbox.user import Mail
from doocot.main.mail import MailServices
from doocot.store.index.database import Busy
from doocot.store.save import synced
from doocot.wire.flow import Job

MOST: Final = 200  # deliveries in one batch
MOST_OCTETS: Final = 4 << 20  # after which no more are added to it: a batch is written on the loop
APART: Final = 2  # batches on threads side by side
SLOW: Final = 0.05  # seconds that a sync may take on the loop, for a client that is alone
SLOW_PAUSE: Final = 10.0  # seconds for which threads sync after that
COMMITS: Final = 8  # commits of one batch on a thread that are under way side by side

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


@dataclass(frozen=True, slots=True)
class _Flight:
    """A batch under way."""

    steps: Saving
    ready: list[_Waiting]
    mails: list[Mail]


@dataclass(slots=True)
class Deliveries:
    """The queue of one process, and the queue of those that need a thread."""

    services: MailServices
    config: Config
    alone: Callable[[], bool]  # whether the process has one client only
    _waiting: list[_Waiting] = field(default_factory=list)
    _due: bool = False
    _flying: bool = False
    _slow_until: float = 0.0
    _syncs: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "sync"))
    _apart: list[_Waiting] = field(default_factory=list)
    _running: int = 0
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(APART, "deliver"))
    _commits: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(COMMITS, "commit"))

    def save_batch(self, deliveries: list[Delivery]) -> Job:
        """Saves all; the results come in the same order, a MailError for each that failed."""
        call = _Call(self.services.loop.create_future(), [_INTERNAL] * len(deliveries), len(deliveries))
        self._waiting += [_Waiting(one, call, place) for place, one in enumerate(deliveries)]
        self._soon()
        return Job(lambda: call.answer, awaited=True)

    # On the loop.

    def _soon(self) -> None:
        """The turn comes when every socket that is ready now has been read."""
        if not self._due:
            self._due = True
            self.services.loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._due = False
        if self._flying:
            return  # what waits is the next batch
        count, octets = 0, 0
        while count < min(MOST, len(self._waiting)) and octets < MOST_OCTETS:
            octets += self._waiting[count].delivery.body.size
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        if self._waiting:
            self._soon()
        ready: list[_Waiting] = []
        opened: list[Opened] = []
        try:
            for one in batch:
                delivery = one.delivery
                mail = None
                if delivery.body.spool is None:
                    mail = self.services.open_now(self.config, "lmtp", delivery.user)
                if mail is None:
                    self._apart.append(one)
                else:
                    ready.append(one)
                    opened.append(Opened(delivery, mail))
        except BaseException:  # a fault of ours: everybody gets an answer all the same
            self._apart = [one for one in self._apart if one not in batch]
            for one in batch:
                one.give(_INTERNAL)
            self._release([one.mail for one in opened])
            raise
        if ready:
            self._flying = True
            self._advance(_Flight(saving_now(opened, self.services.roots.names), ready, [one.mail for one in opened]))
        self._start()

    def _advance(self, flight: "_Flight", error: BaseException | None = None) -> None:
        """On to its next sync, or its end. With one client there is nobody who would wait for the loop."""
        try:
            sync = next(flight.steps) if error is None else flight.steps.throw(error)
            while self.alone() and monotonic() >= self._slow_until:
                started = monotonic()
                sync = synced(flight.steps, sync)
                if monotonic() - started > SLOW:
                    self._slow_until = monotonic() + SLOW_PAUSE
        except StopIteration as end:
            self._landed(flight, end.value)
        except BaseException:
            self._landed(flight, [_INTERNAL] * len(flight.ready))
            raise  # for the log: the loop's exception handler writes it
        else:
            running = self.services.loop.run_in_executor(self._syncs, sync)
            running.add_done_callback(lambda done: self._advance(flight, done.exception()))

    def _landed(self, flight: "_Flight", results: Sequence[SaveResult | Busy]) -> None:
        self._flying = False
        for one, result in zip(flight.ready, results, strict=True):
            if isinstance(result, Busy):
                self._apart.append(one)
            else:
                one.give(result)
        if self._waiting:
            self._soon()
        self._start()
        self._release(flight.mails)  # last, as a fault of it shall keep nobody waiting

    def _release(self, mails: Sequence[Mail]) -> None:
        for mail in mails:
            self.services.saved(mail.opened.root)
            mail.close()

    # On threads.

    def _start(self) -> None:
        while self._apart and self._running < APART:
            batch, self._apart = self._apart[:MOST], self._apart[MOST:]
            self._running += 1
            running = self.services.loop.run_in_executor(self._threads, self._save, [one.delivery for one in batch])
            running.add_done_callback(lambda done, batch=batch: self._done(batch, done))  # type: ignore[misc]

    def _done(self, batch: Sequence[_Waiting], done: "asyncio.Future[_Saved]") -> None:
        self._running -= 1
        error = done.exception()
        saved = done.result() if error is None else _Saved([_INTERNAL] * len(batch), [])
        for one, result in zip(batch, saved.results, strict=True):
            one.give(result)
        self._start()
        self._release(saved.mails)
        if error is not None:
            raise error  # for the log: the loop's exception handler writes it

    def _save(self, batch: Sequence[Delivery]) -> "_Saved":
        """On a thread; the commits of one batch on several."""
        opened: list[Opened] = []
        places: list[int] = []
        results: list[SaveResult] = [_INTERNAL] * len(batch)
        try:
            for number, delivery in enumerate(batch):
                try:
                    mail = self.services.open(self.config, "lmtp", delivery.user)
                except MailError as error:
                    results[number] = error
                else:
                    opened.append(Opened(delivery, mail))
                    places.append(number)
            saved = save_all(opened, self.services.roots.names, self._side_by_side)
            for place, result in zip(places, saved, strict=True):
                results[place] = result
        except BaseException:  # a fault of ours: what was opened is given back all the same
            self.services.loop.call_soon_threadsafe(self._release, [one.mail for one in opened])
            raise
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
