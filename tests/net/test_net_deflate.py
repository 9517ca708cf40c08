"""COMPRESS on a connection: both directions, flush points, limits, damage."""

import asyncio
import os
import zlib
from pathlib import Path
from typing import Any

import pytest
from net_fakes import Client, Script, Server, contexts, drive, start

from doocot.net import deflate
from doocot.net.connection import INACTIVE, Connection
from doocot.net.deflate import DAMAGED, PIECE_IN, PIECE_OUT
from doocot.net.limits import Limits
from doocot.net.rawlog import open_raw_log

FLUSHED = b"\0\0\xff\xff"  # the end of an empty stored block (RFC 1951 §3.2.4), which is what Z_SYNC_FLUSH adds


class Deflating(Client):
    """A client that has compressed; `wire` is what came from the server as it was."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(reader, writer)
        self.deflater: Any = zlib.compressobj(9, zlib.DEFLATED, -15)
        self.inflater = zlib.decompressobj(-15)
        self.wire = b""
        self.plain = b""

    @classmethod
    async def begin(cls, server: Server, **arguments: Any) -> "Deflating":
        client = await cls.connect(server, **arguments)
        client.writer.write(b"COMPRESS\r\n")
        assert await client.reader.readuntil(b"\n") == b"compressing\r\n"
        return client

    @classmethod
    async def connect(cls, server: Server, **arguments: Any) -> "Deflating":
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, **arguments)
        assert await reader.readuntil(b"\n") == b"* hello\r\n"
        return cls(reader, writer)

    def deflated(self, data: bytes) -> bytes:
        return bytes(self.deflater.compress(data) + self.deflater.flush(zlib.Z_SYNC_FLUSH))

    def send(self, *lines: str) -> None:
        self.writer.write(self.deflated("".join(line + "\r\n" for line in lines).encode()))

    async def fill(self) -> bool:
        data = await self.reader.read(65536)
        self.wire += data
        self.plain += self.inflater.decompress(data)
        return bool(data)

    async def line(self) -> str:
        while b"\n" not in self.plain:
            assert await self.fill(), "the server hung up"
        line, _, self.plain = self.plain.partition(b"\n")
        return line.decode().rstrip("\r")

    async def rest(self) -> bytes:
        while await self.fill():
            pass
        return self.plain


def test_both_directions_are_deflated() -> None:
    async def run() -> None:
        client = await Deflating.begin(await start())
        assert await client.ask("NOOP") == "ok NOOP"
        client.send("a", "LOGIN u1", *["b" * 1000] * 20)
        assert [await client.line() for _ in range(22)] == ["ok a", "logged in", *["ok " + "b" * 1000] * 20]
        assert len(client.wire) < 500
        client.send("LOGOUT")
        assert await client.rest() == b"bye\r\n"

    drive(run)


def test_deflated_input_byte_by_byte_is_the_same() -> None:
    async def run() -> None:
        client = await Deflating.begin(await start())
        for byte in client.deflated(b"NOOP\r\nLOGIN u1\r\n"):
            client.writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert [await client.line(), await client.line()] == ["ok NOOP", "logged in"]

    drive(run)


@pytest.mark.parametrize("before", ["", "JOB slow\r\n"])
def test_what_comes_behind_the_command_is_deflated_already(before: str) -> None:
    async def run() -> None:
        client = await Deflating.connect(await start(Script({"slow": lambda: b"slow done\r\n"})))
        client.writer.write(before.encode() + b"COMPRESS\r\n" + client.deflated(b"NOOP\r\n"))
        await asyncio.sleep(0)
        client.send("more")
        if before:
            assert await client.reader.readuntil(b"\n") == b"slow done\r\n"
        assert await client.reader.readuntil(b"\n") == b"compressing\r\n"
        assert [await client.line(), await client.line()] == ["ok NOOP", "ok more"]

    drive(run)


@pytest.mark.parametrize("data", [b"NOOP\r\n", b"\xff" * 10])
@pytest.mark.parametrize("behind", [True, False])
def test_damaged_input_is_told_and_ends_the_connection(data: bytes, behind: bool) -> None:
    async def run() -> None:
        server = await start()
        client = await Deflating.connect(server)
        client.writer.write(b"COMPRESS\r\n" + data * behind)
        assert await client.reader.readuntil(b"\n") == b"compressing\r\n"
        if not behind:
            client.send("IDLE")
            assert await client.line() == "+ idling"
            client.writer.write(data)
        assert (await client.rest()).endswith(f"* BYE {DAMAGED}\r\n".encode())
        await server.closed.get()
        assert server.script.lost == 1

    drive(run)


def test_a_client_that_ends_its_stream_gets_its_answers() -> None:
    async def run() -> None:
        server = await start(Script({"slow": lambda: b"slow done\r\n"}))
        client = await Deflating.begin(server)
        end = client.deflater.compress(b"NOOP\r\nJOB slow\r\nlast\r\n") + client.deflater.flush(zlib.Z_FINISH)
        client.writer.write(end + b"what nobody looks at")
        assert await client.rest() == b"ok NOOP\r\nslow done\r\nok last\r\n"
        assert server.script.lost == 1

    drive(run)


def test_a_half_closed_compressing_client_gets_its_answers() -> None:
    async def run() -> None:
        script = Script({"slow": lambda: b"slow done\r\n"})
        client = await Deflating.begin(await start(script))
        client.send("JOB slow", "STREAM 3", "last")
        client.writer.write_eof()
        assert await client.rest() == b"slow done\r\n" + script.chunk * 3 + b"streamed\r\nok last\r\n"

    drive(run)


def test_what_inflates_a_thousandfold_takes_turns_and_is_bounded() -> None:
    async def run() -> None:
        server = await start()
        client, total, most = await Deflating.begin(server), 30_000_000, 0
        server.script.received = 0
        bomb = client.deflated(b"x" * total)
        assert len(bomb) < total / 900
        client.writer.write(bomb)
        while (before := server.script.received) < total:
            await asyncio.sleep(0)
            most = max(most, server.script.received - before)
        assert 0 < most <= 2 * PIECE_IN
        client.send("")
        await client.line()
        assert await client.ask("NOOP") == "ok NOOP"

    drive(run)


def test_input_is_held_back_while_a_job_runs() -> None:
    async def run() -> None:
        release = asyncio.Event()

        async def slow() -> bytes:
            await release.wait()
            return b"slow done\r\n"

        server = await start(Script({"slow": slow}), limits=Limits(held=10_000))
        client = await Deflating.begin(server)
        client.send("AJOB slow")
        client.send(*["y" * 1000] * 3000)
        (connection,) = server.net.connections
        while connection._reading:
            await asyncio.sleep(0)
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(connection._held or b"") <= 10_000 + PIECE_IN
        release.set()
        assert await client.line() == "slow done"
        assert [await client.line() for _ in range(3000)] == ["ok " + "y" * 1000] * 3000

    drive(run)


def test_slow_reader_of_deflated_output_bounds_memory() -> None:
    async def run() -> None:
        script = Script(chunk=os.urandom(65536))
        limits = Limits(high_water=100_000, low_water=10_000)
        server = await start(script, limits=limits)
        client = await Deflating.begin(server)
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        client.send("STREAM 500")
        made = -1
        while made != script.chunks_made or not made:
            made = script.chunks_made
            for _ in range(500):
                await asyncio.sleep(0)
        (connection,) = server.net.connections
        assert made < 500
        assert connection._buffered() <= 2 * (limits.high_water + len(script.chunk))
        client.reader._transport.resume_reading()  # type: ignore[attr-defined]
        wanted = script.chunk * 500 + b"streamed\r\n"
        while len(client.plain) < len(wanted):
            assert await client.fill()
        assert client.plain == wanted

    drive(run)


def test_stalled_compressing_client_is_cut_off() -> None:
    async def run() -> None:
        script = Script(chunk=os.urandom(1_000_000))
        server = await start(script, limits=Limits(stall=0.05))
        client = await Deflating.begin(server)
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        client.send("STREAM 100")
        await server.closed.get()
        assert script.lost == 1

    drive(run)


def test_a_long_answer_is_flushed_at_its_end() -> None:
    async def run() -> None:
        script = Script(chunk=os.urandom(PIECE_OUT * 3))
        client = await Deflating.begin(await start(script))
        client.send("STREAM 40")
        while not client.plain.endswith(b"streamed\r\n"):
            assert await client.fill()
        assert client.wire.endswith(FLUSHED)
        assert client.wire.count(FLUSHED) == 1

    drive(run)


def test_what_comes_by_itself_is_flushed() -> None:
    async def run() -> None:
        server = await start(limits=Limits(idle=60))
        client = await Deflating.begin(server)
        assert await client.ask("IDLE") == "+ idling"
        server.net.waiting.wake(7)
        assert await client.line() == "* changed"
        for connection in tuple(server.net.connections):
            connection.end(INACTIVE)
        assert await client.rest() == f"* BYE {INACTIVE}\r\n".encode()

    drive(run)


def test_an_idle_deflater_is_dropped_and_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        server = await start()
        client = await Deflating.begin(server)
        (connection,) = server.net.connections
        layer: Any = connection._transport
        for number in range(3):
            assert await client.ask(f"NOOP {number}") == f"ok NOOP {number}"
            while layer._deflater is not None:
                await asyncio.sleep(0)
        monkeypatch.setattr(deflate, "KEEP", 1000.0)
        assert await client.ask("NOOP") == "ok NOOP"
        kept = layer._deflater
        assert await client.ask("NOOP") == "ok NOOP"
        assert layer._deflater is kept is not None

    monkeypatch.setattr(deflate, "KEEP", 0.0)
    drive(run)


def test_compression_inside_tls() -> None:
    async def run() -> None:
        import ssl

        server = await start(contexts=contexts("localhost"), implicit_tls=True)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        client = await Deflating.begin(server, ssl=context)
        assert await client.ask("NOOP") == "ok NOOP"
        client.send("STREAM 3", "LOGOUT")
        assert await client.rest() == server.script.chunk * 3 + b"streamed\r\nbye\r\n"

    drive(run)


def test_raw_log_of_a_compressed_connection_is_plain(tmp_path: Path) -> None:
    async def run() -> None:
        def logged_in(connection: Connection) -> None:
            log = open_raw_log(tmp_path, "sid")
            assert log is not None
            connection.log_raw(log)

        client = await Deflating.connect(await start(logged_in=logged_in))
        client.writer.write(b"LOGIN u1\r\nCOMPRESS\r\n")
        assert await client.reader.readuntil(b"compressing\r\n") == b"logged in\r\ncompressing\r\n"
        assert await client.ask("NOOP plain") == "ok NOOP plain"
        client.send("LOGIN u2")
        assert await client.line() == "logged in"
        assert await client.ask("NOOP again") == "ok NOOP again"
        client.send("LOGOUT")
        await client.rest()
        said = b"".join(path.read_bytes() for path in tmp_path.glob("*.in"))
        heard = b"".join(path.read_bytes() for path in tmp_path.glob("*.out"))
        for line in (b"NOOP plain\r\n", b"NOOP again\r\n"):
            assert line in said
            assert b"ok " + line in heard

    drive(run)
