"""One client's socket: an asyncio protocol that drives a `flow.Session` and does what the session leaves in `pending`.

The common case is the first lines of `data_received`: bytes in, one call, bytes out. Everything else (a job, a slow
client, TLS, closing) is `_advance`, which works until something has to be waited for and is entered again when it came.

Bounds: input that arrives while a step is under way is held up to `Limits.held`, then reading stops; output above
`Limits.high_water` stops the session until the client has taken it; a client that takes nothing for `Limits.stall`
seconds is cut off; one that says nothing is told so and sent away after `Limits.login` or `Limits.idle` seconds.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from socket import AF_INET, AF_INET6, IPPROTO_TCP, TCP_QUICKACK
from time import perf_counter
from typing import Any, Final, cast

from doocot.net.deflate import Deflated
from doocot.net.rawlog import RawLog, Tapped
from doocot.net.service import Net, Service
from doocot.net.slices import SliceReader
from doocot.net.stall import Stall, hang_up
from doocot.wire.flow import Admit, Close, Compress, Idle, Job, More, Peer, Pending, Session, Slice, StartTls

INACTIVE: Final = "Disconnected for inactivity."
MUCH: Final = 128 * 1024  # bytes in one piece of input after which the other connections have their turn
_FULL: Final = More()  # the client does not read: the session waits for nothing, but gets no more input either


class Connection(asyncio.Protocol):
    """A client and its session; `peer` says who it is, `started` when it came, `user` as whom it logged in."""

    __slots__ = (
        "_alarm",
        "_blocked",
        "_ending",
        "_eof",
        "_gone",
        "_held",
        "_holds",
        "_last",
        "_net",
        "_over",
        "_paused",
        "_raw_log",
        "_reader",
        "_reading",
        "_run",
        "_session",
        "_socket",
        "_spin",
        "_stall",
        "_step",
        "_task",
        "_timer",
        "_transport",
        "_write",
        "peer",
        "service",
        "started",
        "user",
    )

    def __init__(self, net: Net, service: Service, peer: Peer, gone: Callable[[], None] | None = None) -> None:
        self.service = service
        self.peer = peer
        self.user = ""
        self.started = self._last = perf_counter()
        self._gone = gone  # told when the socket is
        self._net = net
        self._run = net.run
        self._spin = net.spin
        self._holds = net.holds
        self._session: Session = service.session()
        self._step: Pending | None = None  # what is being waited for
        self._held: bytearray | None = None  # input that came meanwhile
        self._reader: SliceReader | None = None
        self._task: asyncio.Future[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stall: Stall | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._raw_log: RawLog | None = None
        self._transport: asyncio.Transport
        self._write: Callable[[bytes | bytearray], None]
        self._ending = ""  # the server ends this connection as soon as the session is between commands
        self._paused = False  # the write buffer is above its high-water mark
        self._blocked = False  # the step goes on when there is room again
        self._reading = True
        self._eof = False
        self._over = False  # no session any more: it is lost, or will be when its Job has ended

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._adopt(cast(asyncio.Transport, transport))
        self._net.connections.add(self)
        service = self.service
        if service.implicit_tls:
            self.peer = replace(self.peer, tls=True)
            if service.secured is not None:
                self.peer = service.secured(self.peer, transport)
        if service.opened is not None:
            service.opened(self)
        self._arm(service.limits.login)
        session = self._session
        self._put(self._run(session, session.connected, self.peer))
        self._advance()

    def data_received(self, data: bytes) -> None:
        if len(data) >= MUCH:
            self._take_turns()
        if self._step is not None or self._over:
            self._input_meanwhile(data)
            return
        start = perf_counter()
        session = self._session
        out = self._run(session, session.receive, data)
        if out:
            self._write(out)
        elif session.pending is None:
            self._acknowledge()
        if session.pending is not None or self._paused or self._ending:
            self._advance()
        now = perf_counter()
        if now - start > self._holds.longest:
            self._holds.longest = now - start
        spin = self._spin
        if spin is not None:
            spin.ready += 1
            if start - self._last < spin.near and len(self._net.connections) <= spin.clients:
                spin.quick(now)
        self._last = now

    def _acknowledge(self) -> None:
        """There is nothing to answer yet: the client has more to send.

        One that leaves Nagle's algorithm on waits for the acknowledgement of what it sent before it sends the rest, and
        the kernel would hold that back for 40 ms, hoping for an answer to put it on.
        """
        if self._socket is not None:
            self._socket.setsockopt(IPPROTO_TCP, TCP_QUICKACK, 1)

    def pause_writing(self) -> None:
        self._paused = True
        self._stall = Stall(self._net.loop, self.service.limits.stall, self._buffered, self._cut_off)

    def resume_writing(self) -> None:
        self._paused = False
        self._cancel_stall()
        if self._blocked:
            # Not at once: the loop may call this from inside a `write` of ours.
            self._net.loop.call_soon(self._room)

    def eof_received(self) -> bool:
        self._eof = True
        if self._over:
            return False
        if isinstance(self._step, Idle):
            self._leave_idle(self._step)
        if self._step is None:
            self._close()
        # The client has only closed its half: it still gets the answers to what it sent. TLS has no such half.
        return not self.peer.tls

    def connection_lost(self, exc: Exception | None) -> None:
        self._net.connections.discard(self)
        self._paused = False
        self._cancel_stall()
        self._finish()
        if self._gone is not None:
            self._gone()

    # What the worker calls.

    def end(self, reason: str) -> None:
        """Let the command under way finish, then say `reason` in the session's words and close."""
        if self._over or self._ending:
            return
        self._ending = reason
        if isinstance(self._step, Idle):
            self._leave_idle(self._step)
        if self._step is None:
            self._advance()

    def abort(self) -> None:
        """Drop the connection and what is not yet written."""
        self._transport.abort()

    def log_raw(self, raw_log: RawLog) -> None:
        """From now on copy all input and output."""
        self._raw_log = raw_log
        self._session = Tapped(self._session, raw_log)
        self._write = raw_log.tap(self._transport.write)

    # The pump.

    def _advance(self) -> None:
        """Do what the session left in `pending`, then feed what was held, until there is something to wait for."""
        session = self._session
        while not self._over:
            step = session.pending
            if step is not None:
                session.pending = None
                if not self._begin(step):
                    return
            elif self._ending:
                self._put(self._run(session, session.closing, self._ending))
                self._close()
            elif self._paused:
                self._wait_for_room(_FULL)
                return
            elif self._held:
                data = bytes(self._held)
                self._held = None
                self._put(self._run(session, session.receive, data))
            elif self._eof:
                self._close()
            else:
                self._read_on()
                return

    def _begin(self, step: Pending) -> bool:
        """Start one step; True when it is done and the session has been told, so that its next step can follow."""
        match step:
            case Job():
                self._start_job(step)
            case More():
                self._step = step
                if self._paused:
                    self._blocked = True
                else:
                    self._net.loop.call_soon(self._more)
            case Slice():
                return self._start_slice(step)
            case Idle():
                return self._start_idle(step)
            case StartTls():
                self._start_tls(step)
            case Compress():
                self._start_compress(step)
                return True
            case Admit():
                self._admit(step)
                return True
            case Close():
                self._close()
        return False

    def _resume(self, value: Any) -> None:
        """The step is done: tell the session and go on."""
        start = perf_counter()
        self._told(self._session.resume, value)
        self._advance()
        self._last = now = perf_counter()
        if now - start > self._holds.longest:
            self._holds.longest = now - start

    def _fail(self, error: BaseException) -> None:
        self._told(self._session.fail, error)
        self._advance()

    def _told(self, call: Callable[[Any], bytes], value: Any) -> None:
        self._step = None
        session = self._session
        self._put(self._run(session, call, value))
        if session.user != self.user:
            self._user_changed()

    def _quietly(self, call: Callable[[], None]) -> None:
        """Tell the session something that it answers with nothing."""

        def nothing_to_say(_: None) -> bytes:
            call()
            return b""

        self._put(self._run(self._session, nothing_to_say, None))

    def _put(self, out: bytes) -> None:
        if out and not self._transport.is_closing():
            self._write(out)

    # The steps.

    def _wait_for_room(self, step: Pending) -> None:
        self._step = step
        self._blocked = True

    def _room(self) -> None:
        """The client has taken what was written."""
        step = self._step
        if not self._blocked or self._paused or self._over:
            return
        self._blocked = False
        if isinstance(step, Slice):
            self._go_on_with_slice()
        elif step is _FULL:
            self._step = None
            self._advance()
        else:
            self._resume(None)

    def _more(self) -> None:
        if self._over:
            return
        if self._paused:
            self._blocked = True
        else:
            self._resume(None)

    def _start_job(self, job: Job) -> None:
        self._step = job
        if job.awaited:
            self._task = asyncio.ensure_future(job.call(), loop=self._net.loop)
        else:
            self._task = self._net.loop.run_in_executor(self._net.pool, job.call)
        self._task.add_done_callback(self._job_done)

    def _job_done(self, task: "asyncio.Future[Any]") -> None:
        self._task = None
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if self._over:
            self._lost()
        elif error is not None:
            self._fail(error)
        else:
            self._resume(task.result())

    def _admit(self, step: Admit) -> None:
        """The question is asked, and the session told of the Job that gives the answer."""
        if self._session.user != self.user:
            self._user_changed()
        answer = self.service.admit(self, step.user) if self.service.admit is not None else None
        self._told(self._session.resume, Job(lambda: answer, awaited=True) if answer is not None else None)

    def _start_idle(self, idle: Idle) -> bool:
        if self._held or self._ending or self._eof:
            return True
        if self._paused:  # else it would be woken, and asked, to say more
            self._wait_for_room(idle)
            return False
        self._step = idle
        if self._net.waiting.add(idle.roots, self._woken):
            self._net.loop.call_soon(self._woken)
        if idle.seconds:
            self._alarm = self._net.loop.call_later(idle.seconds, self._woken)
        self._read_on()
        return False

    def _woken(self) -> None:
        if isinstance(self._step, Idle):
            last = self._last
            self._leave_idle(self._step)
            self._resume(None)
            self._last = last  # the client has not said anything

    def _leave_idle(self, idle: Idle) -> None:
        self._net.waiting.remove(idle.roots, self._woken)
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self._step = None

    def _start_slice(self, part: Slice) -> bool:
        self._reader = SliceReader(part.fd, part.offset, part.length)
        if not self._send_slice():
            self._step = part
            return False
        self._told(self._session.resume, None)
        return True

    def _go_on_with_slice(self) -> None:
        if self._send_slice():
            self._resume(None)

    def _send_slice(self) -> bool:
        """Write pieces of the file until the client is full; a piece that is not in memory is read by a thread."""
        reader = self._reader
        while reader is not None and reader.left:
            if self._paused:
                self._blocked = True
                return False
            piece = reader.cached()
            if piece is None:
                self._task = self._net.loop.run_in_executor(self._net.pool, reader.read)
                self._task.add_done_callback(self._piece_read)
                return False
            self._write(piece)
        self._reader = None
        return True

    def _piece_read(self, task: "asyncio.Future[bytes]") -> None:
        self._task = None
        error = task.exception()
        if self._over:
            self._lost()
        elif error is not None:
            # Its length has been announced, so nothing can be said any more that the client would understand.
            self._reader = None
            self._run(self._session, self._session.fail, error)
            self._close()
        else:
            self._write(task.result())
            self._go_on_with_slice()

    def _start_tls(self, step: StartTls) -> None:
        if self.service.tls is None:
            self._fail(RuntimeError(f"{self.service.name}: TLS was asked for, but this service has no certificate"))
            return
        self._step = step
        self._held = None
        self._transport.pause_reading()
        start = self._net.loop.start_tls(
            self._transport,
            self,
            self.service.tls(),
            server_side=True,
            ssl_handshake_timeout=self.service.limits.handshake,
        )
        self._task = self._net.loop.create_task(start)
        self._task.add_done_callback(self._tls_done)

    def _tls_done(self, task: "asyncio.Future[asyncio.Transport]") -> None:
        self._task = None
        if self._over:
            self._lost()
        elif task.cancelled() or task.exception() is not None:
            self._cut_off()
        else:
            transport = task.result()
            self._adopt(transport)
            self._reading = True
            self.peer = replace(self.peer, tls=True)
            if self.service.secured is not None:
                self.peer = self.service.secured(self.peer, transport)
            self._quietly(partial(self._session.secured, self.peer))
            self._resume(None)

    def _start_compress(self, step: Compress) -> None:
        """Put the layer in between. What came behind the command is deflated, too."""
        data = step.data + bytes(self._held or b"")
        self._held = None
        self._read_on()
        self._adopt(Deflated(self._net.loop, self._transport, self, data, step.level, self._paused))

    # Input and output.

    def _adopt(self, transport: asyncio.Transport) -> None:
        limits = self.service.limits
        self._transport = transport
        tcp = transport.get_extra_info("socket")
        self._socket = tcp if tcp is not None and tcp.family in (AF_INET, AF_INET6) else None
        self._write = transport.write if self._raw_log is None else self._raw_log.tap(transport.write)
        transport.set_write_buffer_limits(limits.high_water, limits.low_water)

    def _input_meanwhile(self, data: bytes) -> None:
        """Input that came during a step: it ends Idle where there is room for an answer, else it is held.

        During StartTls the socket is not read any more: what comes then came encrypted, behind the client's last
        message of the handshake, and before the loop could tell that this is done.
        """
        if self._over:
            return
        self._last = perf_counter()
        if isinstance(self._step, Idle) and not self._blocked:
            self._leave_idle(self._step)
            session = self._session
            out = self._run(session, session.receive, data)
            if out:
                self._put(out)
            else:
                self._acknowledge()
            self._advance()
            return
        if self._held is None:
            self._held = bytearray(data)
        else:
            self._held += data
        full = len(self._held) >= self.service.limits.held
        if full and self._reading and not isinstance(self._step, StartTls):
            self._reading = False
            self._transport.pause_reading()

    def _take_turns(self) -> None:
        """Read no more in this turn of the loop.

        libuv reads a socket up to 32 times in a row while that fills its buffer of 256 KB: 8 MB from one client, with
        the others waiting.
        """
        if self._reading and not isinstance(self._step, StartTls):
            self._transport.pause_reading()
            self._net.loop.call_soon(self._my_turn)

    def _my_turn(self) -> None:
        wanted = self._reading and not self._eof and not isinstance(self._step, StartTls)
        if wanted and not self._transport.is_closing():
            self._transport.resume_reading()

    def _read_on(self) -> None:
        if not self._reading:
            self._reading = True
            self._transport.resume_reading()

    def _buffered(self) -> int:
        return self._transport.get_write_buffer_size()

    # Time.

    def _arm(self, seconds: float) -> None:
        self._timer = self._net.loop.call_later(seconds, self._timed_out)

    def _timed_out(self) -> None:
        """Before login the whole time counts, after it the time without input, but not while the server is at work.

        An Idle with an alarm finds out by itself whether the client is there, and may last for ever, as in Dovecot:
        RFC 2177 §3 has clients come back every 29 minutes for servers where it may not.
        """
        left = 0.0
        if self.user:
            left = self._last + self.service.limits.idle - perf_counter()
            step = self._step
            if step is not None and (not isinstance(step, Idle) or step.seconds):
                left = self.service.limits.idle
        if left > 0:
            self._arm(left)
        else:
            self.end(INACTIVE)

    def _cut_off(self) -> None:
        self._finish()
        self._transport.abort()

    def _cancel_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    # The ends.

    def _user_changed(self) -> None:
        """A login, or the end of one (UNAUTHENTICATE, RFC 8437), or one after the other."""
        if self.user:
            self._logged_out()
        self.user = self._session.user
        if self._timer is not None:
            self._timer.cancel()
        self._arm(self.service.limits.idle if self.user else self.service.limits.login)
        if self.user and self.service.logged_in is not None:
            self.service.logged_in(self)

    def _logged_out(self) -> None:
        if self._raw_log is not None:
            self._raw_log.close()
            self._raw_log = None
            self._session = cast(Tapped, self._session).session
            self._write = self._transport.write
        if self.service.logged_out is not None:
            self.service.logged_out(self)

    def _close(self) -> None:
        """Write what is pending and hang up, waiting a bounded time for the client to take it."""
        self._finish()
        transport = self._transport
        if transport.is_closing():
            return
        loop, limits = self._net.loop, self.service.limits
        loop.call_later(limits.linger, hang_up, loop, transport, limits.stall)
        if self.peer.tls or self._eof:
            transport.close()
        else:
            # Closing a socket with unread input resets it, and the client might lose our last line: only say that no
            # more will come; the client's own end, or the timer, closes it.
            self._read_on()
            transport.write_eof()

    def _finish(self) -> None:
        """The session is over; a Job still running is waited for, because it may use what the session holds."""
        if self._over:
            return
        if isinstance(self._step, Idle):
            self._leave_idle(self._step)
        self._over = True
        self._held = None
        self._reader = None
        if self._timer is not None:
            self._timer.cancel()
        if self._task is None:
            self._lost()
        elif isinstance(self._step, Job) and self._step.awaited:
            self._task.cancel()

    def _lost(self) -> None:
        self._step = None
        self._quietly(self._session.lost)
        if self._raw_log is not None:
            self._raw_log.close()
        if self.service.closed is not None:
            self.service.closed(self)
