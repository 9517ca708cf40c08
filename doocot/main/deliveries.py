"""Deliveries of a worker: what arrives while the disk is busy is saved together, so that many share one sync."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from doocot.config.load import Config
from doocot.delivery.deliver import Delivery, SaveResult
from doocot.delivery.saving import Opened, save_all
from doocot.errors import Kind, MailError
from doocot.mailbox.user import Mail
from doocot.main.mail import MailServices
from doocot.wire.flow import Job

MOST: Final = 200  # deliveries in one batch
BATCHES: Final = 2  # batches under way side by side: one computes while the other waits for the disk
COMMITS: Final = 8  # commits of one batch that are under way side by side


@dataclass(slots=True)
class _Waiting:
    delivery: Delivery
    answer: "asyncio.Future[SaveResult]"


@dataclass(slots=True)
class Deliveries:
    """One queue a worker; while some batches are saved on threads the next one gathers."""

    services: MailServices
    config: Config
    _waiting: list[_Waiting] = field(default_factory=list)
    _running: int = 0
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(BATCHES, "deliver"))
    _commits: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(COMMITS, "commit"))

    def save_batch(self, deliveries: list[Delivery]) -> Job:
        """Saves all; the results come in the same order, a MailError for each that failed."""
        answers = [self._enqueue(one) for one in deliveries]
        if self._running < BATCHES:
            self._start()
        return Job(lambda: asyncio.gather(*answers), awaited=True)

    def _enqueue(self, delivery: Delivery) -> "asyncio.Future[SaveResult]":
        answer: asyncio.Future[SaveResult] = self.services.loop.create_future()
        self._waiting.append(_Waiting(delivery, answer))
        return answer

    def _start(self) -> None:
        batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        self._running += 1
        running = self.services.loop.run_in_executor(self._threads, self._save, [one.delivery for one in batch])
        running.add_done_callback(lambda done: self._done(batch, done))

    def _done(self, batch: Sequence[_Waiting], done: "asyncio.Future[_Saved]") -> None:
        self._running -= 1
        error = done.exception()
        saved = done.result() if error is None else _Saved([], [])
        for mail in saved.mails:
            self.services.unsettled(mail.opened.root)
            mail.close()
        for number, one in enumerate(batch):
            if one.answer.done():
                continue
            if error is not None:
                one.answer.set_exception(error)
            else:
                one.answer.set_result(saved.results[number])
        if self._waiting and self._running < BATCHES:
            self._start()

    def _save(self, batch: Sequence[Delivery]) -> "_Saved":
        """On a thread; the commits of one batch on several."""
        opened: list[Opened] = []
        places: list[int] = []
        results: list[SaveResult] = [MailError(Kind.SERVER_BUG, "Internal error")] * len(batch)
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
