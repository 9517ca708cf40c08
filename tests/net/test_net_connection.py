"""How a connection drives a session: every step of the contract over a real socket."""

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from net_fakes import TIMEOUT, Client, Script, Server, drive, start

from doocot.net.connection import INACTIVE, MUCH, Connection
from doocot.net.limits import Limits
from doocot.net.rawlog import open_raw_log
from doocot.net.shell import shell
from doocot.net.slices import PIECE
from doocot.wire.flow import Session


def test_pipelined_commands_are_answered_in_order() -> None:
    async def run() -> None:
        client = await Client.connect(await start())
        client.send("a", "b", "LOGIN u1", "c")
        assert [await client.line() for _ in range(4)] == ["ok a", "ok b", "logged in", "ok c"]

    drive(run)


def test_input_byte_by_byte_is_the_same() -> None:
    async def run() -> None:
        client = await Client.connect(await start())
        for byte in b"NOOP\r\nLOGIN u1\r\n":
            client.writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert [await client.line(), await client.line()] == ["ok NOOP", "logged in"]

    drive(run)


def test_job_runs_on_a_thread_and_its_error_comes_back() -> None:
    async def run() -> None:
        main_thread = threading.get_ident()
        script = Script(
            {
                "thread": lambda: b"other thread\r\n" if threading.get_ident() != main_thread else b"same\r\n",
                "error": lambda: 1 // 0,
            }
        )
        client = await Client.connect(await start(script))
        assert await client.ask("JOB thread") == "other thread"
        assert await client.ask("JOB error") == "failed ZeroDivisionError"

    drive(run)


def test_awaited_job_runs_on_the_loop_and_is_cancelled_when_the_client_goes() -> None:
    async def run() -> None:
        begun, ended = asyncio.Event(), asyncio.Event()

        async def forever() -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        async def quick() -> bytes:
            return b"quick\r\n"

        server = await start(Script({"forever": forever, "quick": quick}))
        client = await Client.connect(server)
        assert await client.ask("AJOB quick") == "quick"
        client.send("AJOB forever")
        await begun.wait()
        client.reset()
        await ended.wait()
        await server.closed.get()
        assert server.script.lost == 1

    drive(run)


def test_a_session_is_lost_only_after_its_running_job() -> None:
    async def run() -> None:
        release, begun = threading.Event(), threading.Event()
        lost_during_job: list[int] = []

        def job() -> None:
            begun.set()
            release.wait(TIMEOUT)
            lost_during_job.append(script.lost)

        script = Script({"slow": job})
        server = await start(script)
        client = await Client.connect(server)
        client.send("JOB slow")
        await asyncio.to_thread(begun.wait, TIMEOUT)
        client.reset()
        while server.net.connections:
            await asyncio.sleep(0)
        release.set()
        await server.closed.get()
        assert (lost_during_job, script.lost) == ([0], 1)

    drive(run)


@pytest.mark.parametrize("size", [0, 1, 128 * 1024, 3_000_001])
def test_slice_sends_exactly_these_bytes(tmp_path: Path, size: int) -> None:
    async def run() -> None:
        content = os.urandom(size + 10)
        (tmp_path / "f").write_bytes(content)
        client = await Client.connect(await start(Script(file=tmp_path / "f")))
        client.send(f"SLICE {size}", "NOOP")
        assert await client.reader.readexactly(size) == content[:size]
        assert [await client.line(), await client.line()] == ["sliced", "ok NOOP"]

    drive(run)


def test_slice_of_a_file_that_shrank_ends_the_connection(tmp_path: Path) -> None:
    async def run() -> None:
        (tmp_path / "f").write_bytes(b"short")
        server = await start(Script(file=tmp_path / "f"))
        client = await Client.connect(server)
        client.send("SLICE 100", "NOOP")
        assert await client.rest() == b"short"
        assert server.script.lost == 1

    drive(run)


async def slow_client(server: Server) -> socket.socket:
    """A client for which the kernel keeps little."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", server.port))
    while not server.net.connections:
        await asyncio.sleep(0)
    return sock


async def until_steady(value: Callable[[], int]) -> int:
    """Let everything run until the value has stopped changing, and is not 0 any more."""
    before = -1
    while before != value() or not before:
        before = value()
        for _ in range(200):
            await asyncio.sleep(0)
    return before


def test_slow_reader_stops_the_session_and_bounds_memory() -> None:
    async def run() -> None:
        script = Script()
        limits = Limits(high_water=100_000, low_water=10_000)
        server = await start(script, limits=limits)
        loop = asyncio.get_running_loop()
        with await slow_client(server) as sock:
            await loop.sock_sendall(sock, b"STREAM 1000\r\n")
            made = await until_steady(lambda: script.chunks_made)
            (connection,) = server.net.connections
            assert made < 200  # what the kernel takes, not the 1000 that were asked for
            assert connection._buffered() <= limits.high_water + len(script.chunk)
            received = 0
            while received < 1000 * len(script.chunk) + 10:
                received += len(await loop.sock_recv(sock, 1 << 20))
        assert script.chunks_made == 1000

    drive(run)


def test_slow_reader_of_a_large_file_bounds_memory(tmp_path: Path) -> None:
    async def run() -> None:
        size = 40_000_000
        with open(tmp_path / "f", "wb") as file:
            file.truncate(size)
        limits = Limits(high_water=100_000, low_water=10_000)
        server = await start(Script(file=tmp_path / "f"), limits=limits)
        loop = asyncio.get_running_loop()
        with await slow_client(server) as sock:
            await loop.sock_sendall(sock, b"SLICE %d\r\n" % size)
            (connection,) = server.net.connections
            buffered = await until_steady(connection._buffered)
            assert buffered <= limits.high_water + PIECE
            received = 0
            while received < size:
                received += len(await loop.sock_recv(sock, 1 << 20))

    drive(run)


def test_client_that_sends_commands_but_reads_nothing_is_held_back() -> None:
    async def run() -> None:
        limits = Limits(high_water=10_000, low_water=1_000, held=10_000)
        server = await start(limits=limits)
        sent = 0

        def send() -> int:
            nonlocal sent
            with contextlib.suppress(BlockingIOError):
                while sent < 60_000_000:
                    sent += sock.send(b"NOOP " + b"y" * 995 + b"\r\n")
            return sent

        with await slow_client(server) as sock:
            assert await until_steady(send) < 60_000_000
            (connection,) = server.net.connections
            assert connection._buffered() < 1_000_000
            assert len(connection._held or b"") < 400_000
            assert not connection._reading

    drive(run)


def test_a_flood_takes_turns_with_the_others() -> None:
    async def run() -> None:
        server = await start()
        client = await Client.connect(server)
        total, most = 8_000_000, 0
        client.writer.write(b"x" * total)
        while (before := server.script.received) < total:
            await asyncio.sleep(0)
            most = max(most, server.script.received - before)
        assert most <= MUCH + 256 * 1024
        client.send("")
        assert await client.reader.readexactly(total + 5) == b"ok " + b"x" * total + b"\r\n"

    drive(run)


def test_stalled_client_is_cut_off() -> None:
    async def run() -> None:
        script = Script(chunk=b"x" * 1_000_000)
        server = await start(script, limits=Limits(stall=0.05))
        client = await Client.connect(server)
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        client.send("STREAM 1000")
        await server.closed.get()
        assert script.lost == 1

    drive(run)


def test_idle_is_ended_by_a_wake_up_and_by_input() -> None:
    async def run() -> None:
        server = await start()
        client = await Client.connect(server)
        assert await client.ask("IDLE") == "+ idling"
        server.net.waiting.wake(8)
        server.net.waiting.wake(7)
        assert await client.line() == "* changed"
        assert await client.ask("DONE") == "idle ended by DONE"
        server.net.waiting.wake(7)
        assert await client.ask("NOOP") == "ok NOOP"
        client.send("IDLE", "DONE", "NOOP")
        assert [await client.line() for _ in range(3)] == ["+ idling", "idle ended by DONE", "ok NOOP"]

    drive(run)


def test_a_session_that_listens_answers_as_well_and_is_not_woken_while_its_client_does_not_read() -> None:
    async def run() -> None:
        script = Script()
        limits = Limits(high_water=100_000, low_water=10_000)
        server = await start(script, limits=limits)
        loop = asyncio.get_running_loop()
        with await slow_client(server) as sock:
            await loop.sock_sendall(sock, b"LISTEN\r\nNOOP 1\r\n")
            (connection,) = server.net.connections

            def wake() -> int:
                for _ in range(50):
                    server.net.waiting.wake(7)
                return script.chunks_made

            made = await until_steady(wake)
            assert connection._buffered() <= limits.high_water + len(script.chunk)
            await loop.sock_sendall(sock, b"NOOP 2\r\n")
            wanted = b"ok NOOP 2\r\n"
            received = b""
            while not received.endswith(wanted):
                received += await loop.sock_recv(sock, 1 << 20)
        assert received.count(script.chunk) >= made
        assert b"* hello\r\nlistening\r\nok NOOP 1\r\n" in received

    drive(run)


def test_idle_with_an_alarm_is_woken_by_time_and_lasts() -> None:
    async def run() -> None:
        server = await start(limits=Limits(idle=0.02))
        client = await Client.connect(server)
        client.send("LOGIN u1", "ALARM 0.001")
        assert [await client.line() for _ in range(2)] == ["logged in", "+ idling"]
        (connection,) = server.net.connections
        until = connection._last + 10 * 0.02
        while server.net.loop.time() < until:
            assert await client.line() == "* changed"
        client.send("DONE")
        while (line := await client.line()) == "* changed":
            continue
        assert line == "idle ended by DONE"

    drive(run)


def test_a_login_is_answered_when_it_is_admitted() -> None:
    async def run() -> None:
        asked: list[str] = []

        def admit(connection: Connection, user: str) -> Awaitable[str] | None:
            asked.append(user)
            return asyncio.to_thread(lambda: "too many" if user == "u1" else "") if user != "u3" else None

        told: list[str] = []
        server = await start(admit=admit, logged_in=lambda connection: told.append(connection.user))
        client = await Client.connect(server)
        client.send("LOGIN u1", "NOOP", "LOGIN u2", "NOOP")
        answers = [await client.line() for _ in range(4)]
        assert answers == ["refused: too many", "ok NOOP", "logged in", "ok NOOP"]
        assert await client.ask("LOGIN u3") == "logged in"
        assert (asked, told) == (["u1", "u2", "u3"], ["u2", "u3"])

    drive(run)


def test_a_client_that_goes_before_it_is_admitted_cancels_the_question() -> None:
    async def run() -> None:
        asked, cancelled = asyncio.Event(), asyncio.Event()

        async def never() -> str:
            asked.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
            return ""

        server = await start(admit=lambda connection, user: never())
        client = await Client.connect(server)
        client.send("LOGIN u1")
        await asked.wait()
        client.reset()
        await cancelled.wait()
        connection = await server.closed.get()
        assert connection.user == ""
        assert server.script.lost == 1

    drive(run)


@pytest.mark.parametrize("before", [{}, {"LOGIN u1": "logged in"}, {"LOGIN u1": "logged in", "IDLE": "+ idling"}])
def test_silent_client_is_told_and_sent_away(before: dict[str, str]) -> None:
    async def run() -> None:
        server = await start(limits=Limits(login=TIMEOUT if before else 0.05, idle=0.05))
        client = await Client.connect(server)
        client.send(*before)
        said = (await client.rest()).decode().splitlines()
        assert said == [*before.values(), f"* BYE {INACTIVE}"]
        assert server.script.lost == 1

    drive(run)


def test_login_time_counts_even_when_the_client_talks() -> None:
    async def run() -> None:
        server = await start(limits=Limits(login=0.1, idle=60))
        client = await Client.connect(server)
        loop = asyncio.get_running_loop()
        until = loop.time() + 10
        while (line := await client.ask("NOOP")) == "ok NOOP":
            assert loop.time() < until
        assert line == f"* BYE {INACTIVE}"

    drive(run)


def test_half_closed_client_gets_its_answers() -> None:
    async def run() -> None:
        script = Script({"slow": lambda: b"slow done\r\n"})
        client = await Client.connect(await start(script))
        client.send("NOOP", "JOB slow", "STREAM 3", "last")
        client.writer.write_eof()
        assert await client.rest() == b"ok NOOP\r\nslow done\r\n" + script.chunk * 3 + b"streamed\r\nok last\r\n"

    drive(run)


def test_half_open_in_idle_ends() -> None:
    async def run() -> None:
        server = await start()
        client = await Client.connect(server)
        await client.ask("IDLE")
        client.writer.write_eof()
        assert await client.rest() == b""
        assert server.script.lost == 1
        assert server.net.waiting.slots() == ()

    drive(run)


def test_close_delivers_the_last_line_though_input_is_left_unread() -> None:
    async def run() -> None:
        client = await Client.connect(await start())
        client.send("LOGOUT", *["unread"] * 20_000)
        assert await client.rest() == b"bye\r\n"

    drive(run)


def test_end_lets_the_command_finish_first() -> None:
    async def run() -> None:
        release = threading.Event()
        script = Script({"slow": lambda: release.wait(TIMEOUT) and b"done\r\n"})
        server = await start(script)
        busy, idle = await Client.connect(server), await Client.connect(server)
        await idle.ask("IDLE")
        busy.send("JOB slow", "never seen")
        while not any(connection._step for connection in server.net.connections if connection._task):
            await asyncio.sleep(0)
        for connection in tuple(server.net.connections):
            connection.end("Server shutting down.")
        release.set()
        assert await idle.rest() == b"* BYE Server shutting down.\r\n"
        answers = (await busy.rest()).split(b"\r\n")
        assert answers[0] == b"done"
        assert answers[-2] == b"* BYE Server shutting down."

    drive(run)


def test_shell_reports_an_unknown_exception_and_the_session_goes_on() -> None:
    async def run() -> None:
        reports: list[tuple[str, Session, BaseException]] = []
        server = await start(run=shell(lambda *report: reports.append(report)))
        client = await Client.connect(server)
        answer = await client.ask("CRASH")
        identifier, _, error = reports[0]
        assert answer == f"internal error {identifier}"
        assert isinstance(error, ZeroDivisionError)
        assert await client.ask("NOOP") == "ok NOOP"

    drive(run)


def test_a_session_whose_apology_fails_too_is_closed() -> None:
    class Broken:
        pending: Any = None
        user = ""

        def crashed(self, identifier: str) -> bytes:
            raise KeyError(identifier)

    reports: list[str] = []
    session: Any = Broken()
    run = shell(lambda identifier, session, error: reports.append(type(error).__name__))
    assert run(session, lambda _: bytes(1 // 0), None) == b""
    assert reports == ["ZeroDivisionError", "KeyError"]
    assert session.pending is not None


def test_raw_log_has_both_directions(tmp_path: Path) -> None:
    async def run() -> None:
        def logged_in(connection: Connection) -> None:
            log = open_raw_log(tmp_path, "sid/1")
            assert log is not None
            connection.log_raw(log)

        client = await Client.connect(await start(logged_in=logged_in))
        await client.ask("LOGIN u1")
        assert await client.ask("NOOP") == "ok NOOP"
        assert await client.ask("IDLE") == "+ idling"
        client.send("DONE", "LOGOUT")
        await client.rest()
        (into,) = tmp_path.glob("*.in")
        (out,) = tmp_path.glob("*.out")
        assert into.stat().st_mode & 0o777 == 0o600
        assert b"NOOP\r\n" in into.read_bytes()
        assert b"LOGIN" not in into.read_bytes()
        assert b"ok NOOP\r\n" in out.read_bytes()

    drive(run)
    assert open_raw_log(tmp_path / "missing", "x") is None


def test_a_login_may_end_before_the_connection(tmp_path: Path) -> None:
    """UNAUTHENTICATE: each login is counted once, and has a raw log of its own."""

    async def run() -> None:
        told: list[str] = []

        def logged_in(connection: Connection) -> None:
            told.append(f"in {connection.user}")
            log = open_raw_log(tmp_path, connection.user)
            assert log is not None
            connection.log_raw(log)

        def logged_out(connection: Connection) -> None:
            told.append(f"out {connection.user}")

        client = await Client.connect(await start(logged_in=logged_in, logged_out=logged_out))
        for user in ("u1", "u2", "u3"):
            await client.ask(f"LOGIN {user}")
            assert await client.ask(f"NOOP {user}") == f"ok NOOP {user}"
            if user != "u3":
                assert await client.ask("UNAUTHENTICATE") == "nobody"
                assert await client.line() == "resumed"
                assert await client.ask("NOOP nobody") == "ok NOOP nobody"
        client.send("LOGOUT")
        await client.rest()
        assert told == ["in u1", "out u1", "in u2", "out u2", "in u3"]
        texts = [path.read_text() for path in sorted(tmp_path.glob("*.in"))]
        assert [text.count("NOOP") for text in texts] == [1, 1, 1]
        assert [f"NOOP u{number}" in text for number, text in enumerate(texts, 1)] == [True, True, True]

    drive(run)


def test_spin_polls_for_a_quick_client_and_stops() -> None:
    async def run() -> None:
        server = await start(spin=True)
        client = await Client.connect(server)
        spin = server.net.spin
        assert spin is not None
        spin.near = spin.hold = TIMEOUT  # everybody is quick, and is polled for until the test says so
        assert await client.ask("NOOP") == "ok NOOP"
        assert await client.ask("NOOP") == "ok NOOP"
        assert spin._on
        spin._until = 0.0
        while spin._on:
            await asyncio.sleep(0)

    drive(run)
