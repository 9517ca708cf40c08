"""TLS with real handshakes: implicit and STARTTLS, names, reload, refused settings, injection before STARTTLS."""

import asyncio
import re
import ssl
import stat
from pathlib import Path

import pytest
from net_fakes import Client, contexts, drive, raw_client, start

from doocot.net.limits import Limits
from doocot.net.tls import Contexts, TlsError, TlsSettings, ensure_self_signed, make_context, self_signed


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def common_name(tls: ssl.SSLSocket) -> str:
    from cryptography import x509

    certificate = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"")
    return str(certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)


def test_implicit_tls_serves_and_names_what_was_asked_for() -> None:
    async def run() -> None:
        server = await start(contexts=contexts("a.example", "b.example"), implicit_tls=True)
        client = await Client.connect(server, ssl=trusting(), server_hostname="B.example")
        assert await client.ask("NOOP") == "ok NOOP"
        (peer,) = server.script.peers
        assert peer.tls
        assert peer.local_name.lower() == "b.example"
        client.send("LOGOUT")
        assert await client.rest() == b"bye\r\n"

    drive(run)


@pytest.mark.parametrize(
    ("asked", "given"), [("a.example", "a.example"), ("b.example", "b.example"), ("c.example", "a.example")]
)
def test_certificate_is_chosen_by_name(asked: str, given: str) -> None:
    async def run() -> None:
        server = await start(contexts=contexts("a.example", "b.example"), implicit_tls=True)

        def handshake() -> str:
            with raw_client(server.port) as sock, trusting().wrap_socket(sock, server_hostname=asked) as tls:
                return common_name(tls)

        assert await asyncio.to_thread(handshake) == given

    drive(run)


def test_reload_changes_the_certificate_of_new_connections_only() -> None:
    async def run() -> None:
        both = contexts("a.example")
        server = await start(contexts=both, implicit_tls=True)

        def handshake() -> str:
            with raw_client(server.port) as sock, trusting().wrap_socket(sock) as tls:
                return common_name(tls)

        old = await Client.connect(server, ssl=trusting(), server_hostname="a.example")
        assert await asyncio.to_thread(handshake) == "a.example"
        both.replace(TlsSettings(*self_signed(["new.example"])))
        assert await asyncio.to_thread(handshake) == "new.example"
        assert await old.ask("NOOP") == "ok NOOP"
        with pytest.raises(TlsError):
            both.replace(TlsSettings("", ""))
        assert await asyncio.to_thread(handshake) == "new.example"

    drive(run)


def test_starttls_goes_on_encrypted() -> None:
    async def run() -> None:
        server = await start(contexts=contexts("a.example"))
        client = await Client.connect(server)
        await client.ask("NOOP")
        client.send("STARTTLS")
        assert await client.line() == "begin"
        await client.writer.start_tls(trusting(), server_hostname="a.example")
        assert await client.line() == "resumed"
        assert await client.ask("NOOP") == "ok NOOP"
        assert [peer.tls for peer in server.script.peers] == [False, True]

    drive(run)


def test_plaintext_behind_starttls_never_reaches_the_protected_session() -> None:
    async def run() -> None:
        server = await start(contexts=contexts("a.example"))

        def attack() -> tuple[bytes, bytes]:
            with raw_client(server.port) as sock:
                sock.recv(100)
                sock.sendall(b"STARTTLS\r\nLOGIN victim\r\n")
                begun = sock.recv(100)
                with trusting().wrap_socket(sock) as tls:
                    answer = tls.recv(100)
                    tls.sendall(b"NOOP\r\n")
                    return begun, answer + tls.recv(100)

        begun, answers = await asyncio.to_thread(attack)
        assert begun == b"begin\r\n"
        assert answers == b"resumed\r\nok NOOP\r\n"
        assert server.script.plaintext_dropped == b"LOGIN victim\r\n"

    drive(run)


def test_what_comes_with_the_end_of_the_handshake_is_answered() -> None:
    """curl sends its next command in the same packet: before the loop can tell that the handshake is done."""

    async def run() -> None:
        server = await start(contexts=contexts("a.example"))

        def client() -> bytes:
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = trusting().wrap_bio(incoming, outgoing)
            with raw_client(server.port) as sock:
                sock.recv(100)
                sock.sendall(b"STARTTLS\r\n")
                assert sock.recv(100) == b"begin\r\n"
                while True:
                    try:
                        tls.do_handshake()
                        break
                    except ssl.SSLWantReadError:
                        sock.sendall(outgoing.read())
                        incoming.write(sock.recv(65536))
                tls.write(b"NOOP\r\n")
                sock.sendall(outgoing.read())
                answer = b""
                while b"ok NOOP" not in answer:
                    try:
                        answer += tls.read()
                    except ssl.SSLWantReadError:
                        incoming.write(sock.recv(65536))
                return answer

        assert await asyncio.to_thread(client) == b"resumed\r\nok NOOP\r\n"

    drive(run)


def test_plaintext_instead_of_a_handshake_ends_the_connection() -> None:
    async def run() -> None:
        server = await start(contexts=contexts("a.example"))
        client = await Client.connect(server)
        assert await client.ask("STARTTLS") == "begin"
        client.send("LOGIN victim")
        assert b"logged in" not in await client.rest()
        await server.closed.get()
        assert server.script.lost == 1

    drive(run)


def test_starttls_without_a_certificate_is_an_error_of_the_session() -> None:
    async def run() -> None:
        client = await Client.connect(await start())
        client.send("STARTTLS", "NOOP")
        assert [await client.line() for _ in range(3)] == ["begin", "failed RuntimeError", "ok NOOP"]

    drive(run)


def test_handshake_that_does_not_come_is_given_up() -> None:
    async def run() -> None:
        server = await start(contexts=contexts("a.example"), implicit_tls=True, limits=Limits(handshake=0.05))
        reader, _ = await asyncio.open_connection("127.0.0.1", server.port)
        assert await reader.read() == b""
        while server.gate.total:
            await asyncio.sleep(0)
        assert "failed" in server.reports[0]

    drive(run)


def test_old_protocols_are_refused_by_default() -> None:
    context = make_context(TlsSettings(*self_signed(["a"])))
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (TlsSettings("", ""), "ssl_cert, ssl_key: both are needed"),
        (TlsSettings("nonsense", "nonsense"), "ssl_cert, ssl_key: not usable"),
        (TlsSettings(self_signed(["a"])[0], self_signed(["a"])[1]), "the key belongs to another certificate"),
        (TlsSettings(*self_signed(["a"]), min_protocol="SSLv3"), "ssl_min_protocol = SSLv3: unknown"),
        (TlsSettings(*self_signed(["a"]), cipher_list="ROT13"), "ssl_cipher_list = ROT13"),
        (TlsSettings(*self_signed(["a"]), ca="nonsense"), "ssl_ca"),
    ],
)
def test_wrong_settings_are_named(settings: TlsSettings, words: str) -> None:
    with pytest.raises(TlsError, match=re.escape(words)):
        Contexts(settings)


def test_self_signed_files_are_made_once_and_private(tmp_path: Path) -> None:
    cert, key = ensure_self_signed(tmp_path / "tls", lambda: ["mail.example", "127.0.0.1", "::1"])
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before = cert.read_text(), key.read_text()
    assert ensure_self_signed(tmp_path / "tls", lambda: ["other"]) == (cert, key)
    assert (cert.read_text(), key.read_text()) == before
    client = ssl.create_default_context(cafile=str(cert))
    server = make_context(TlsSettings(*before))
    for name in ("mail.example", "127.0.0.1", "::1"):
        into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
        a = client.wrap_bio(into, out, server_hostname=name)
        b = server.wrap_bio(out, into, server_side=True)
        for _ in range(4):
            for side in (a, b):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    continue
        assert a.version() == "TLSv1.3"
