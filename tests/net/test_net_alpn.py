"""ALPN on implicit TLS (RFC 7301): `imap` is chosen, and who offers other protocols only is refused."""

import asyncio
import socket
import ssl

import pytest
from net_fakes import TIMEOUT, Client, Server, contexts, drive, raw_client, start
from test_net_tls import trusting

from doocot.net.limits import Limits
from doocot.net.tls import Contexts, TlsSettings, self_signed


async def imaps(limits: Limits | None = None) -> Server:
    settings = TlsSettings(*self_signed(["a.example"]), alpn="imap")
    return await start(contexts=Contexts(settings), implicit_tls=True, alpn="imap", limits=limits)


def offering(*protocols: str) -> ssl.SSLContext:
    context = trusting()
    if protocols:
        context.set_alpn_protocols(protocols)
    return context


@pytest.mark.parametrize(
    ("offered", "chosen"), [((), None), (("imap",), "imap"), (("h2", "imap"), "imap"), (("imap", "x"), "imap")]
)
def test_alpn_is_chosen(offered: tuple[str, ...], chosen: str | None) -> None:
    async def run() -> None:
        client = await Client.connect(await imaps(), ssl=offering(*offered))
        assert client.writer.get_extra_info("ssl_object").selected_alpn_protocol() == chosen
        assert await client.ask("NOOP") == "ok NOOP"

    drive(run)


@pytest.mark.parametrize("offered", [("h2", "http/1.1"), ("pop3",), ("IMAP",)])
def test_a_client_of_another_protocol_is_refused(offered: tuple[str, ...]) -> None:
    async def run() -> None:
        server = await imaps()

        def handshake() -> None:
            with raw_client(server.port) as sock, pytest.raises(ssl.SSLError, match=r"(?i)no.application.protocol"):
                offering(*offered).wrap_socket(sock, server_hostname="a.example")

        await asyncio.to_thread(handshake)
        while server.gate.total:
            await asyncio.sleep(0)
        assert server.reports == [
            f"fake: connection from 127.0.0.1 failed: it offers {', '.join(offered)} and not imap (ALPN)"
        ]
        assert not server.net.connections

    drive(run)


def test_a_hello_in_pieces_is_waited_for() -> None:
    async def run() -> None:
        server = await imaps()

        def handshake() -> str | None:
            with raw_client(server.port) as sock:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
                tls = offering("imap").wrap_bio(into, out, server_hostname="a.example")
                while True:
                    try:
                        tls.do_handshake()
                        return tls.selected_alpn_protocol()
                    except ssl.SSLWantReadError:
                        for byte in out.read():
                            sock.sendall(bytes([byte]))
                        into.write(sock.recv(65536))

        assert await asyncio.to_thread(handshake) == "imap"

    drive(run)


@pytest.mark.parametrize("data", [b"", b"\x16\x03", b"\x16\x03\x01\x02\0half", b"a NOOP\r\n"])
def test_what_is_no_hello_ends(data: bytes) -> None:
    async def run() -> None:
        server = await imaps()

        def talk() -> None:
            with raw_client(server.port) as sock:
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(65536):
                    continue

        await asyncio.to_thread(talk)
        while server.gate.total:
            await asyncio.sleep(0)
        assert not server.net.connections

    drive(run)


def test_a_client_that_says_nothing_is_not_waited_for_long() -> None:
    async def run() -> None:
        server = await imaps(Limits(handshake=0.05))

        def talk() -> bytes:
            with raw_client(server.port) as sock:
                return sock.recv(65536)

        assert await asyncio.wait_for(asyncio.to_thread(talk), TIMEOUT) == b""
        assert not server.net.connections

    drive(run)


def test_without_alpn_anything_may_be_offered() -> None:
    async def run() -> None:
        server = await start(contexts=contexts("a.example"), implicit_tls=True)
        client = await Client.connect(server, ssl=offering("h2"))
        assert await client.ask("NOOP") == "ok NOOP"

    drive(run)
