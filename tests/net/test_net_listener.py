"""Binding, systemd's sockets, limits before the session, and the PROXY header on the way in."""

import asyncio
import contextlib
import ipaddress
import os
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from net_fakes import TIMEOUT, Client, FakeSession, contexts, drive, raw_client, received, start
from test_net_tls import trusting

from doocot.net.limits import Gate
from doocot.net.listener import Acceptor, Address, ListenError, Proxies, bind, inherited, is_bound_to
from doocot.net.service import Service

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


def test_copies_share_one_port() -> None:
    sockets = bind(Address("127.0.0.1", 0), copies=3)
    assert len({sock.getsockname() for sock in sockets}) == 1
    with pytest.raises(
        ListenError, match=r"cannot listen on 127\.0\.0\.1:\d+: Address already in use \(another program"
    ):
        bind(Address("127.0.0.1", sockets[0].getsockname()[1]))
    for sock in sockets:
        sock.close()


def test_of_a_shared_socket_who_has_no_connection_takes_the_next() -> None:
    async def run() -> None:
        server = await start()
        (sock,) = bind(Address("127.0.0.1", 0))
        gates = [Gate(), Gate()]
        for gate in gates:
            service = Service("shared", lambda: FakeSession(server.script))
            Acceptor(server.net, service, sock.dup(), gate, server.reports.append, shared=True).start()
        clients = [await asyncio.open_connection(*sock.getsockname()) for _ in range(8)]
        for reader, _ in clients:  # also who is connected to a worker that has others is served
            assert await reader.readline() == b"* hello\r\n"
        assert min(gate.total for gate in gates) >= 1
        for _, writer in clients:
            writer.close()

    drive(run)


def test_ipv6_and_ipv4_do_not_collide() -> None:
    (six,) = bind(Address("::", 0))
    port = six.getsockname()[1]
    (four,) = bind(Address("0.0.0.0", port))
    assert is_bound_to(six, Address("::", port))
    assert not is_bound_to(four, Address("::", port + 1))
    six.close()
    four.close()


def test_address_that_is_not_ours_is_named() -> None:
    with pytest.raises(ListenError, match=r"192\.0\.2\.1:0.*no such address"):
        bind(Address("192.0.2.1", 0))


def test_unix_socket_has_its_mode_and_replaces_a_stale_one(tmp_path: Path) -> None:
    address = Address(path=str(tmp_path / "lmtp"), mode=0o660)
    (sock,) = bind(address)
    assert os.stat(address.path).st_mode & 0o777 == 0o660
    with pytest.raises(ListenError, match="another program listens there"):
        bind(address)
    sock.close()
    (sock,) = bind(address)
    assert is_bound_to(sock, address)
    sock.close()


def test_a_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "lmtp").write_text("precious")
    with pytest.raises(ListenError, match="no socket"):
        bind(Address(path=str(tmp_path / "lmtp")))
    assert (tmp_path / "lmtp").read_text() == "precious"
    with pytest.raises(ListenError, match="its folder does not exist"):
        bind(Address(path=str(tmp_path / "no" / "lmtp")))


def test_systemd_sockets_are_taken_only_by_the_process_they_are_for() -> None:
    code = (
        "import os; from doocot.net.listener import *\n"
        "me = os.getpid()\n"
        "assert inherited({'LISTEN_PID': str(me + 1), 'LISTEN_FDS': '1'}, me) == []\n"
        "(sock,) = inherited({'LISTEN_PID': str(me), 'LISTEN_FDS': '1'}, me)\n"
        "host, port = sock.getsockname()\n"
        "assert is_bound_to(sock, Address(host, port)) and not is_bound_to(sock, Address(host, port + 1))\n"
        "assert not os.get_inheritable(sock.fileno())\n"
        "sock.setblocking(True); sock.accept()[0].sendall(b'hello')\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        spare = os.dup(server.fileno())
        child = subprocess.Popen([sys.executable, "-c", code], pass_fds=(3,), preexec_fn=lambda: os.dup2(spare, 3))
        with socket.create_connection(server.getsockname()) as client:
            client.settimeout(TIMEOUT)
            assert client.recv(10) == b"hello"
        assert child.wait(TIMEOUT) == 0
        os.close(spare)


def test_without_systemd_there_are_none() -> None:
    assert inherited({}, os.getpid()) == []


def test_gate_refuses_too_many_from_one_address_and_counts_back() -> None:
    async def run() -> None:
        server = await start(gate=Gate(max_per_address=1))
        client = await Client.connect(server)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        assert await reader.read() == b""
        assert server.reports == ["fake: connection from 127.0.0.1 refused: more than 1 connections from 127.0.0.1"]
        writer.close()
        client.send("LOGOUT")
        await client.rest()
        client.writer.close()
        while server.gate.total:
            await asyncio.sleep(0)
        await Client.connect(server)

    drive(run)


def test_gate_arithmetic() -> None:
    gate = Gate(2)
    assert [gate.enter("a"), gate.enter("b"), gate.enter("c")] == ["", "", "more than 2 connections"]
    gate.leave("a")
    assert gate.enter("c") == ""
    gate.change(0, 1)
    assert gate.enter("c") == "more than 1 connections from c"
    assert gate.total == 2


V1 = b"PROXY TCP4 192.0.2.7 198.51.100.9 5555 143\r\n"


@pytest.mark.parametrize("pieces", [1, len(V1)])
def test_proxy_header_names_the_client(pieces: int) -> None:
    async def run() -> None:
        server = await start(proxies=Proxies(LOOPBACK))

        def talk() -> bytes:
            with raw_client(server.port) as sock:
                step = len(V1) // pieces
                for at in range(0, len(V1), step):
                    sock.sendall(V1[at : at + step] + (b"NOOP\r\n" if at + step >= len(V1) else b""))
                answer = b""
                while b"ok" not in answer:
                    answer += received(sock)
                return answer

        assert await asyncio.to_thread(talk) == b"* hello\r\nok NOOP\r\n"
        (peer,) = server.script.peers
        assert (peer.remote_ip, peer.remote_port, peer.local_ip, peer.local_port) == (
            "192.0.2.7",
            5555,
            "198.51.100.9",
            143,
        )

    drive(run)


def test_proxy_header_and_tls_handshake_in_one_packet() -> None:
    async def run() -> None:
        server = await start(proxies=Proxies(LOOPBACK), contexts=contexts("a.example"), implicit_tls=True)

        def talk() -> bytes:
            into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = trusting().wrap_bio(into, out, server_hostname="a.example")

            def receive() -> None:
                into.write(received(sock))

            with raw_client(server.port) as sock:
                prefix = V1
                while True:
                    try:
                        tls.do_handshake()
                        break
                    except ssl.SSLWantReadError:
                        sock.sendall(prefix + out.read())
                        prefix = b""
                        receive()
                sock.sendall(out.read())
                while True:
                    try:
                        return tls.read(100)
                    except ssl.SSLWantReadError:
                        receive()

        assert await asyncio.to_thread(talk) == b"* hello\r\n"
        (peer,) = server.script.peers
        assert (peer.tls, peer.remote_ip) == (True, "192.0.2.7")

    drive(run)


@pytest.mark.parametrize(
    ("proxies", "sent", "words"),
    [
        (Proxies(LOOPBACK), b"a NOOP\r\n", "no PROXY header"),
        (Proxies((ipaddress.ip_network("192.0.2.0/24"),)), V1, "not in haproxy_trusted_networks"),
        (Proxies(()), V1, "not in haproxy_trusted_networks"),
        (Proxies(LOOPBACK), V1[:20], "closed before the PROXY header was whole"),
    ],
)
def test_connection_without_a_trusted_header_is_dropped(proxies: Proxies, sent: bytes, words: str) -> None:
    async def run() -> None:
        server = await start(proxies=proxies)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(sent)
        writer.write_eof()
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        while server.gate.total:
            await asyncio.sleep(0)
        assert words in server.reports[0]
        assert server.script.peers == []

    drive(run)


def test_header_that_does_not_come_is_given_up() -> None:
    async def run() -> None:
        server = await start(proxies=Proxies(LOOPBACK, timeout=0.05))
        reader, _ = await asyncio.open_connection("127.0.0.1", server.port)
        assert await reader.read() == b""
        assert server.gate.total == 0

    drive(run)


def test_unix_clients_are_served(tmp_path: Path) -> None:
    async def run() -> None:
        server = await start()
        (sock,) = bind(Address(path=str(tmp_path / "s")))
        acceptor = Acceptor(
            server.net, Service("unix", lambda: FakeSession(server.script)), sock, Gate(), server.reports.append
        )
        acceptor.start()
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        writer.write(b"NOOP\r\n")
        writer.write_eof()
        assert await reader.read() == b"* hello\r\nok NOOP\r\n"
        assert server.script.peers[0].secured
        acceptor.stop()

    drive(run)
