"""What sessions use: credentials in, an AuthResult out, at once where that is cheap and as a Job where it is not."""

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from doocot.auth import chain, sasl
from doocot.auth.cache import AuthCache, open_cache
from doocot.auth.chain import Chain, Steps
from doocot.auth.database import Query
from doocot.auth.names import BadName, name_values, normal_name
from doocot.auth.passwd_file import Report
from doocot.auth.penalty import Penalties
from doocot.auth.settings import AuthSettings
from doocot.auth.types import AuthResult, Failure, LoginRequest, User
from doocot.wire.flow import Job

_T = TypeVar("_T")

# These tell nothing about a password, so they are answered at once and count against nobody.
_NO_PENALTY = frozenset({Failure.TEMPORARY, Failure.PLAINTEXT_NOT_ALLOWED, Failure.TLS_REQUIRED})


@dataclass(slots=True)
class Authenticator:
    """The chain with its cache, its penalties and the threads that hash. Its methods are called on the event loop."""

    settings: AuthSettings
    chain: Chain
    penalties: Penalties
    cache: AuthCache | None = None
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(os.cpu_count() or 2, "auth"))

    def authenticate(self, request: LoginRequest) -> AuthResult | Job:
        """Verify and look up. A Job is awaited; either way the caller waits `result.delay` before it answers."""
        refused = sasl.insecure(self.settings, request.peer)
        if refused is not None:
            return AuthResult(failure=refused, log=refused.value)
        cache = self.cache
        if cache is None:
            return self._go(chain.authenticate(self.chain, request), partial(self._finish, request))
        key, versions = cache.key(request), self._versions(request)
        known = cache.get(key, versions)
        if known is not None:
            return self._finish(request, known)
        return self._go(chain.authenticate(self.chain, request), partial(self._remember, request, cache, key, versions))

    def lookup(self, username: str, service: str) -> User | Job | None:
        """A user without a login; None when he does not exist. Raises UserUnavailable, from the Job too."""
        return self._go(chain.lookup(self.chain, username, service), lambda user: user)

    def iterate(self) -> list[str] | Job:
        """The names of all users."""
        return self._go(chain.iterate(self.chain), lambda names: names)

    def reload(self, settings: AuthSettings, report: Report) -> None:
        """Take new settings; SettingsError leaves the old ones. Penalties stay, questions under way end as they began.

        The cache begins empty: an entry is only as good as the databases that it came from.
        """
        self.chain = _open(settings, report)
        self.settings = settings
        self.cache = open_cache(settings, self.penalties.clock)

    def close(self) -> None:
        """End the threads; what they compute is dropped."""
        self.pool.shutdown(wait=False, cancel_futures=True)

    def _go(self, steps: Steps[_T], finish: Callable[[_T], _T]) -> _T | Job:
        try:
            job = next(steps)
        except StopIteration as stop:
            return finish(stop.value)
        return Job(partial(self._rest, steps, job, finish), awaited=True)

    async def _rest(self, steps: Steps[_T], job: Job, finish: Callable[[_T], _T]) -> _T:
        loop = asyncio.get_running_loop()
        try:
            while True:
                value: Any = await (job.call() if job.awaited else loop.run_in_executor(self.pool, job.call))
                job = steps.send(value)
        except StopIteration as stop:
            result: _T = stop.value
        return finish(result)

    def _finish(self, request: LoginRequest, result: AuthResult) -> AuthResult:
        peer = request.peer
        delay = self.penalties.delay(peer)
        if result.failure is None:
            self.penalties.succeeded(peer)
        elif result.failure not in _NO_PENALTY:
            self.penalties.failed(peer)
            delay = max(delay, self.settings.failure_delay)
        else:
            delay = max(delay, self.settings.failure_delay)
        if not delay or "nodelay" in result.fields:
            return result
        return replace(result, delay=delay)

    def _remember(
        self, request: LoginRequest, cache: AuthCache, key: bytes, versions: Any, result: AuthResult
    ) -> AuthResult:
        # With the versions from before the look-up: a file changed meanwhile makes the entry stale, never too new.
        cache.put(key, versions, result)
        return self._finish(request, result)

    def _versions(self, request: LoginRequest) -> Any:
        try:
            name = normal_name(self.chain.names, request.credentials.authcid)
        except BadName:
            return None
        return chain.versions(self.chain, Query(name, partial(name_values, name)))


def open_authenticator(
    settings: AuthSettings, report: Report, clock: Callable[[], float] = time.monotonic
) -> Authenticator:
    """Open all databases; `report` is given each sentence that the administrator should read. Raises SettingsError."""
    return Authenticator(settings, _open(settings, report), Penalties(clock), open_cache(settings, clock))


def _open(settings: AuthSettings, report: Report) -> Chain:
    missing = sasl.unknown(settings.mechanisms)
    if missing:
        report(f"auth_mechanisms: not offered, because not known here: {' '.join(missing)}")
    return chain.open_chain(settings, report)
