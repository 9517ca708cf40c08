"""The supervisor: binds, starts the workers, restarts what dies, reloads, answers the control socket, stops.

It handles no mail and no client. As root it stays root, because it must bind ports, read keys and start processes
again; the workers never are.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from doocot import __version__
from doocot.config.effective import effective
from doocot.config.load import Config, ConfigError
from doocot.events.events import Events
from doocot.events.log import Log, attach_log
from doocot.main.auth_service import AuthService, without_secrets
from doocot.main.channel import Channel, ChannelError, Handler, Message, close_all, put
from doocot.main.children import HEALTHY, Child, backoff, can_run, start_child
from doocot.main.control import Answer, ControlServer
from doocot.main.identity import PlanError
from doocot.main.logins import Logins, new_login
from doocot.main.logs import log_settings
from doocot.main.names import CONTROL, WAKEUP
from doocot.main.notify import Notifier
from doocot.main.plan import Listening, Plan, left_out, make_plan
from doocot.main.scheduling import prefer
from doocot.main.services import TABLE
from doocot.main.sockets import Sockets
from doocot.main.worker import DRAIN, Boot
from doocot.net.listener import Address, ListenError, bind, inherited
from doocot.net.tls import Contexts, TlsError
from doocot.net.wakeup import EVERY_SLOT, GenerationPage, Wakeups, create_page, told, wakeup_channel

STOP_TIMEOUT: Final = DRAIN + 5.0
ANSWER_TIMEOUT: Final = 30.0
TOO_MANY: Final = "Maximum number of connections from user+IP exceeded"


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    load: Callable[[], Config]
    workers: int | None = None
    protocols: str = TABLE
    spin: bool = True
    foreground: bool = False  # log to standard error, whatever the settings say


class Supervisor:
    """The server as a whole."""

    def __init__(self, options: Options, plan: Plan, loop: asyncio.AbstractEventLoop) -> None:
        self._options = options
        self._plan = plan
        self._loop = loop
        self._events = Events()
        self._log: Log | None = None
        self._notifier = Notifier(os.environ)
        self._logins = Logins()
        self._children: dict[int, Child] = {}
        self._deaths: dict[int, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()
        self._stopped_by = ""
        self._reloading = asyncio.Lock()
        self._started = time.time()
        self._outside: socket.socket
        # One column of the page for each worker, and one for us.
        self._processes = plan.processes + 1
        self._page_fd = create_page(self._processes)
        self._page = GenerationPage(self._page_fd, self._processes, plan.processes)
        self._channels = [wakeup_channel() for _ in range(self._processes)]
        self._wakeups = Wakeups(self._channels[-1][0], [sender for _, sender in self._channels], self._page)
        self._auth = AuthService(loop, self._events, plan, self._stop, self._worker_channels)
        self._sockets = Sockets(plan.serving, inherited(os.environ, os.getpid()))
        self._control = ControlServer(
            {
                "stop": self._verb_stop,
                "reload": self._verb_reload,
                "who": self._verb_who,
                "kick": self._verb_kick,
                "stats": self._verb_stats,
            }
        )

    # Start and stop.

    async def run(self, ready: Callable[[Sequence[tuple[Listening, str]]], None]) -> None:
        """Serve until told to stop; `ready` is called with the addresses once every worker accepts."""
        self._set_log(self._plan)
        check_tls(self._plan)
        if self._plan.identity.uid >= 0 and not can_run(self._plan.identity):
            raise PlanError(
                f"mail_uid: user {self._plan.identity.uid} cannot run {sys.executable}: install Doocot where "
                "every user can read it, such as /opt"
            )
        for text in self._sockets.open(self._plan.listening, self._plan.optional):
            self._events.event("info", service="master", text=f"left out: {text}")
        for text in self._sockets.unused():
            self._events.event("warning", service="master", text=f"no listener wants systemd's socket on {text}")
        for note in left_out(self._plan.config):
            self._events.event("warning", service="master", text=note)
        control = _bind_control(self._plan.base_dir)
        self._outside = _bind_wakeup(self._plan.base_dir)
        self._loop.add_reader(self._outside, self._told)
        try:
            await self._auth.start()
            await self._start_wanted(self._start)
            await asyncio.wait_for(self._all_ready(), ANSWER_TIMEOUT)
            await self._control.start(control)
            self._handle_signals()
            protocols = ", ".join(dict.fromkeys(each.protocol for each in self._plan.listening))
            self._events.event("started", service="master", version=__version__, protocols=protocols)
            self._notifier.ready(f"Serving {protocols}")
            ready(self._sockets.addresses())
            await self._stop.wait()
        finally:
            await self._shut_down()
            control.close()
            self._loop.remove_reader(self._outside)
            self._outside.close()
            for name in (CONTROL, WAKEUP):
                Path(self._plan.base_dir, name).unlink(missing_ok=True)

    async def _all_ready(self) -> None:
        """Every worker accepts; one that dies first means that starting failed."""
        for child in tuple(self._children.values()):
            ended = asyncio.ensure_future(child.process.wait())
            ready = asyncio.ensure_future(child.ready.wait())
            await asyncio.wait((ended, ready), return_when=asyncio.FIRST_COMPLETED)
            failed = not ready.done()
            ended.cancel()
            ready.cancel()
            if failed:
                raise PlanError("a worker could not start; what it said is above or in the log")

    def _handle_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self.stop, f"Killed with signal {int(number)}")
        self._loop.add_signal_handler(signal.SIGHUP, self._spawn_reload)
        self._loop.add_signal_handler(signal.SIGUSR1, self._reopen_logs)

    def stop(self, reason: str) -> None:
        """Stop as soon as the replies under way are written."""
        if not self._stop.is_set():
            self._stopped_by = reason
            self._stop.set()

    async def _shut_down(self) -> None:
        self._stop.set()
        begun = time.monotonic()
        if self._stopped_by:
            self._events.event("stopping", service="master", reason=self._stopped_by)
        self._notifier.stopping()
        children = tuple(self._children.values())
        for child in children:
            child.channel.send({"op": "stop"})
        if children:
            waits = [self._loop.create_task(child.process.wait()) for child in children]
            _, late = await asyncio.wait(waits, timeout=STOP_TIMEOUT)
            for child in children:
                if child.process.returncode is None:
                    child.process.kill()
            if late:
                await asyncio.wait(late)
        for task in tuple(self._tasks):
            task.cancel()
        await self._auth.stop()
        await self._control.stop()
        self._sockets.close()
        self._events.event("stopped", service="master", seconds=round(time.monotonic() - begun, 1))

    # Workers.

    async def _start_wanted(self, start: Callable[[int], Coroutine[Any, Any, None]]) -> None:
        """Every worker that has something to listen on and does not run."""
        for number in range(self._plan.processes):
            if number not in self._children and self._sockets.of_worker(number)[0] and not self._stop.is_set():
                await start(number)

    async def _start(self, number: int) -> None:
        child = await start_child(number, self._plan.identity, self._handler, self._channel_lost)
        self._children[number] = child
        self._send_boot(child, "boot")
        self._auth.connect(child.channel)
        self._spawn(self._watch(child))
        if self._stop.is_set():  # while it was started
            child.channel.send({"op": "stop"})

    def _worker_channels(self) -> list[Channel]:
        return [child.channel for child in self._children.values()]

    def _boot_message(self, number: int) -> tuple[Boot, list[int]]:
        listening, descriptors = self._sockets.of_worker(number)
        options = self._options
        plan = replace(self._plan, config=without_secrets(self._plan.config))
        boot = Boot(number, self._processes, plan, listening, options.protocols, options.spin)
        return boot, descriptors

    def _send_boot(self, child: Child, operation: str) -> None:
        boot, listening = self._boot_message(child.number)
        settings = put(boot)
        try:
            senders = [sender.fileno() for _, sender in self._channels]
            receiver = self._channels[child.number][0].fileno()
            child.channel.send({"op": operation}, [settings, self._page_fd, receiver, *senders, *listening])
        finally:
            os.close(settings)

    async def _watch(self, child: Child) -> None:
        """Wait for the end of a worker; one that was not told to end is started again."""
        status = await child.process.wait()
        child.channel.close()
        self._logins.worker_died(child.number)
        if self._stop.is_set():
            return
        self._events.event(
            "child_died",
            service="master",
            child="worker",
            child_pid=child.pid,
            signal=-status if status < 0 else 0,
            status=max(status, 0),
        )
        # It may have died between a commit and its bump.
        self._page.bump_all()
        self._wakeups.send(EVERY_SLOT)
        healthy = child.ready.is_set() and time.monotonic() - child.started >= HEALTHY
        deaths = self._deaths[child.number] = 1 if healthy else self._deaths.get(child.number, 0) + 1
        delay = backoff(deaths)
        if delay:
            self._events.event("throttled", service="master", child="worker", seconds=round(delay, 1))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), delay)
        if self._stop.is_set():
            return
        if self._sockets.of_worker(child.number)[0]:
            await self._restart(child.number)
        else:  # a reload has taken away what it listened on
            del self._children[child.number]

    async def _restart(self, number: int) -> None:
        try:
            await self._start(number)
        except OSError as error:  # no memory or no process left: try again, later and later
            self._deaths[number] = self._deaths.get(number, 0) + 1
            self._events.event("error", service="master", text=f"cannot start a worker: {error}")
            self._loop.call_later(backoff(self._deaths[number]) + 1.0, self._restart_soon, number)

    def _restart_soon(self, number: int) -> None:
        if not self._stop.is_set():
            self._spawn(self._restart(number))

    def _channel_lost(self, number: int) -> None:
        """A worker that closes its channel is ending; `_watch` sees it."""

    def _handler(self, number: int) -> Handler:
        def handle(message: Message, descriptors: list[int]) -> None:
            close_all(descriptors)
            match message.get("op"):
                case "ready":
                    if number not in self._plan.serving("lmtp"):
                        prefer(self._children[number].pid)
                    self._children[number].ready.set()
                case "login":
                    self._login(number, message)
                case "logout":
                    self._logins.leave(number, int(message["key"]))

        return handle

    def _login(self, number: int, message: Message) -> None:
        child = self._children[number]
        key, limit = int(message["key"]), int(message["limit"])
        login = new_login(number, key, message["user"], message["service"], message["ip"], child.pid)
        admitted = self._logins.enter(login, limit)
        if limit:
            refusal = "" if admitted else f"{TOO_MANY} (mail_max_userip_connections={limit})"
            child.channel.answer(message, refusal=refusal)

    # Reload.

    def _spawn_reload(self) -> None:
        async def reload() -> None:
            await self.reload()

        self._spawn(reload())

    async def reload(self) -> str:
        """Take a new configuration: "" when it is in force, else why not; then the old one stays."""
        async with self._reloading:
            self._notifier.reloading()
            error = await self._reload()
            if error:
                self._events.event("reload_failed", service="master", text=error)
            else:
                self._events.event("reloaded", service="master", path=self._plan.config.path)
            self._notifier.ready("Serving" if not error else "Serving the old configuration")
            return error

    async def _reload(self) -> str:
        try:
            plan = make_plan(self._options.load(), self._plan.workers)
            if plan.identity != self._plan.identity or plan.base_dir != self._plan.base_dir:
                raise PlanError("mail_uid, mail_gid and base_dir take effect only after a restart")
            check_tls(plan)
            self._sockets.open(plan.listening, plan.optional)
            if error := await self._auth.reload(plan):
                self._sockets.keep(self._plan.listening)
                return error
        except (ConfigError, PlanError, TlsError, ListenError) as error:
            return str(error)
        self._plan = plan
        self._sockets.keep(plan.listening)
        self._set_log(plan)
        children = tuple(self._children.values())
        answers = await asyncio.gather(*map(self._reload_child, children))
        await self._start_wanted(self._restart)
        late = [str(child.pid) for child, done in zip(children, answers, strict=True) if not done]
        return f"workers {', '.join(late)} did not answer" if late else ""

    async def _reload_child(self, child: Child) -> bool:
        boot, listening = self._boot_message(child.number)
        settings = put(boot)
        try:
            answer = await asyncio.wait_for(child.channel.ask({"op": "reload"}, [settings, *listening]), ANSWER_TIMEOUT)
            return bool(answer)
        except (TimeoutError, ChannelError):
            return False
        finally:
            os.close(settings)

    def _told(self) -> None:
        """A process outside (`doocot deliver`, `doocot fsck`) has changed mail."""
        for slot in told(self._outside):
            self._page.bump(slot)
            self._wakeups.send(slot)

    def _set_log(self, plan: Plan) -> None:
        if self._log is not None:
            self._events.ignore(self._log.listen)
            self._log.close()
        owner = (plan.identity.uid, plan.identity.gid)
        self._log = attach_log(self._events, log_settings(effective(plan.config), owner), "master")

    def _reopen_logs(self) -> None:
        if self._log is not None:
            self._log.reopen()
        for child in self._children.values():
            child.channel.send({"op": "reopen"})

    # The verbs of the control socket.

    async def _verb_stop(self, request: Mapping[str, Any]) -> Answer:
        self._loop.call_soon(self.stop, "Stopped by doocot stop")
        return {"ok": True, "pid": os.getpid()}

    async def _verb_reload(self, request: Mapping[str, Any]) -> Answer:
        error = await self.reload()
        return {"ok": not error, "error": error}

    async def _verb_who(self, request: Mapping[str, Any]) -> Answer:
        found = self._logins.find(str(request.get("user", "")), str(request.get("ip", "")))
        rows = [
            {"user": row.user, "service": row.service, "ip": row.remote_ip, "pid": row.pid, "since": row.since}
            for row in found
        ]
        return {"ok": True, "logins": rows}

    async def _verb_kick(self, request: Mapping[str, Any]) -> Answer:
        user, remote_ip = str(request.get("user", "")), str(request.get("ip", ""))
        if not user and not remote_ip:
            return {"ok": False, "error": "kick wants a user, an address, or both"}
        keys: dict[int, list[int]] = {}
        for row in self._logins.find(user, remote_ip):
            keys.setdefault(row.worker, []).append(row.key)
        for number, each in keys.items():
            message = {"op": "end", "keys": each, "reason": "Disconnected by administrator."}
            await self._ask(self._children[number], message)
        return {"ok": True, "kicked": sum(map(len, keys.values()))}

    async def _verb_stats(self, request: Mapping[str, Any]) -> Answer:
        answers = await asyncio.gather(*(self._ask(child, {"op": "stats"}) for child in self._children.values()))
        counts: dict[str, int] = {}
        for answer in answers:
            for name, value in answer.get("counts", {}).items():
                counts[name] = counts.get(name, 0) + value
        return {
            "ok": True,
            "version": __version__,
            "seconds": round(time.time() - self._started),
            "workers": len(answers),
            "logins": len(self._logins),
            "connections": sum(answer.get("connections", 0) for answer in answers),
            "longest_hold": max((answer.get("longest_hold", 0.0) for answer in answers), default=0.0),
            "counts": counts,
        }

    async def _ask(self, child: Child, message: Message) -> Message:
        try:
            return await asyncio.wait_for(child.channel.ask(message), ANSWER_TIMEOUT)
        except (TimeoutError, ChannelError):
            return {}

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def check_tls(plan: Plan) -> None:
    """Make every context once, so that a bad certificate is refused before a worker sees it."""
    for _, tls in plan.tls:
        Contexts(tls.default, dict(tls.by_name))


def _bind_wakeup(base_dir: str) -> socket.socket:
    """Anybody may write here: a recipient's own `doocot deliver` does, and a slot number can do no harm."""
    path = Path(base_dir) / WAKEUP
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    sock.bind(str(path))
    path.chmod(0o666)
    return sock


def _bind_control(base_dir: str) -> socket.socket:
    Path(base_dir).mkdir(parents=True, exist_ok=True, mode=0o755)
    (sock,) = bind(Address(path=str(Path(base_dir) / CONTROL), mode=0o600))
    return sock
