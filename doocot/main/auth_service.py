"""The supervisor's side of the auth process: starts it, starts it again when it dies, and connects workers to it."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from doocot.auth.settings import from_config
from doocot.config.effective import effective
from doocot.config.embedded import EMBEDDED_PATH
from doocot.config.load import Config
from doocot.config.settings import Settings
from doocot.events.events import Events
from doocot.main.auth import AuthBoot
from doocot.main.channel import Channel, ChannelError, Handler, Message, close_all, put
from doocot.main.children import HEALTHY, Child, backoff, start_child
from doocot.main.identity import Identity, PlanError, group_id, primary_group, user_id
from doocot.main.names import LOOKUP
from doocot.main.plan import Plan
from doocot.net.listener import Address, bind

MODULE: Final = "doocot.main.auth"
START_TIMEOUT: Final = 30.0
_NUMBER: Final = -1  # workers are counted from 0
_SECRETS: Final = frozenset({"args", "default_fields", "override_fields"})


def inside_worker(config: Config) -> bool:
    """Only the embedded default, to be tried out, verifies logins in the workers themselves."""
    return config.path == EMBEDDED_PATH


def without_secrets(config: Config) -> Config:
    """The configuration as workers get it: what the databases are given is for the auth process alone."""
    if inside_worker(config):
        return config
    layers = tuple(
        replace(
            layer,
            values={
                path: value
                for path, value in layer.values.items()
                if not (path[0] in ("passdb", "userdb") and path[-1] in _SECRETS)
            },
        )
        for layer in config.layers
    )
    return replace(config, layers=layers)


def auth_identity(settings: Settings) -> Identity:
    """Whom the auth process runs as when root starts it: `service auth { user }`, that is default_internal_user.

    Where there is no such user it stays root, without root's capabilities.
    """
    service = next((each for each in settings.services if each.name == "auth"), None)
    if os.geteuid() != 0 or service is None or not service.user:
        return Identity()
    try:
        uid = user_id(service.user, "service auth: user")
    except PlanError:
        if service.user != settings.default_internal_user:
            raise
        return Identity()
    return Identity(uid, group_id(service.group, "service auth: group") if service.group else primary_group(uid))


class AuthService:
    """One process at a time. `workers` gives the channels of the workers that there are now."""

    __slots__ = (
        "_base_dir",
        "_boot",
        "_child",
        "_events",
        "_failed",
        "_listener",
        "_loop",
        "_stop",
        "_task",
        "_workers",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        events: Events,
        plan: Plan,
        stop: asyncio.Event,
        workers: Callable[[], Iterable[Channel]],
    ) -> None:
        self._loop = loop
        self._events = events
        self._base_dir = plan.base_dir
        self._boot = None if inside_worker(plan.config) else _boot(plan)
        self._stop = stop
        self._workers = workers
        self._child: Child | None = None
        self._failed = ""
        self._task: asyncio.Task[None] | None = None
        self._listener: socket.socket | None = None

    async def start(self) -> None:
        """Start it and wait until it answers; PlanError says why it cannot."""
        if self._boot is None:
            return
        (self._listener,) = bind(Address(path=str(self._path), mode=0o666))
        child = await self._start()
        ended = asyncio.ensure_future(child.process.wait())
        ready = asyncio.ensure_future(child.ready.wait())
        await asyncio.wait((ended, ready), timeout=START_TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        ready.cancel()
        if not child.ready.is_set():
            raise PlanError(self._failed or "the auth process could not start; what it said is above or in the log")
        self._task = self._loop.create_task(self._keep(child))

    def connect(self, worker: Channel) -> None:
        """Give a worker its own way to the process that runs now; it has another one as soon as that dies."""
        if self._child is None:
            return
        ours, theirs = socket.socketpair()
        with ours, theirs:
            self._child.channel.send({"op": "worker"}, [ours.fileno()])
            worker.send({"op": "auth"}, [theirs.fileno()])

    async def reload(self, plan: Plan) -> str:
        """Take new settings: "" when they are in force, else why not; then the old ones stay."""
        if self._boot is None:
            return ""
        boot = _boot(plan)
        if self._child is not None:  # else it takes them when it has been started again
            settings = put(boot)
            try:
                ask = self._child.channel.ask({"op": "reload"}, [settings])
                answer = await asyncio.wait_for(ask, START_TIMEOUT)
            except (TimeoutError, ChannelError):
                answer = {}
            finally:
                os.close(settings)
            if error := str(answer.get("error", "the auth process did not answer")):
                return error
        self._boot = boot
        return ""

    async def stop(self) -> None:
        """End it, after the workers."""
        if self._task is not None:
            self._task.cancel()
        child, self._child = self._child, None
        if child is not None:
            child.channel.send({"op": "stop"})
            try:
                await asyncio.wait_for(child.process.wait(), START_TIMEOUT)
            except TimeoutError:
                child.process.kill()
                await child.process.wait()
            child.channel.close()
        if self._listener is not None:
            self._listener.close()
            self._path.unlink(missing_ok=True)

    @property
    def _path(self) -> Path:
        return Path(self._base_dir, LOOKUP)

    async def _start(self) -> Child:
        assert self._listener is not None
        # It begins as root and gives that up by itself: only so can it keep the one capability that reads databases.
        child = await start_child(_NUMBER, Identity(), self._handler, lambda number: None, MODULE)
        settings = put(self._boot)
        try:
            child.channel.send({"op": "boot"}, [settings, self._listener.fileno()])
        finally:
            os.close(settings)
        self._child = child
        for worker in self._workers():
            self.connect(worker)
        return child

    async def _keep(self, child: Child) -> None:
        """Start it again whenever it dies."""
        deaths = 0
        while True:
            status = await child.process.wait()
            child.channel.close()
            self._child = None
            if self._stop.is_set():
                return
            self._events.event(
                "child_died",
                service="master",
                child="auth",
                child_pid=child.pid,
                signal=-status if status < 0 else 0,
                status=max(status, 0),
            )
            healthy = child.ready.is_set() and time.monotonic() - child.started >= HEALTHY
            deaths = 1 if healthy else deaths + 1
            started = None
            while started is None:
                await self._pause(backoff(deaths))
                if self._stop.is_set():
                    return
                try:
                    started = await self._start()
                except OSError as error:  # no memory or no process left: try again, later and later
                    deaths += 1
                    self._events.event("error", service="master", text=f"cannot start the auth process: {error}")
            child = started

    async def _pause(self, seconds: float) -> None:
        if seconds:
            self._events.event("throttled", service="master", child="auth", seconds=round(seconds, 1))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), seconds)

    def _handler(self, number: int) -> Handler:
        def handle(message: Message, descriptors: list[int]) -> None:
            close_all(descriptors)
            match message.get("op"):
                case "ready" if self._child is not None:
                    self._child.ready.set()
                case "failed":
                    self._failed = str(message["text"])
                    self._events.event("auth_problem", service="auth", text=self._failed)
                case "problem":
                    self._events.event("auth_problem", service="auth", text=str(message["text"]))

        return handle


def _boot(plan: Plan) -> AuthBoot:
    settings = effective(plan.config)
    own = {os.geteuid()} | ({plan.identity.uid} if plan.identity.uid >= 0 else set())
    return AuthBoot(from_config(settings), frozenset(own), auth_identity(settings))
