"""COMPRESS (RFC 4978) beside Dovecot's imap_zlib: the same refusals, and the same answers through the compression."""

import os
import socket
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.oracle.allowed import remaining
from tests.oracle.normalise import normalise
from tests.parts import servers
from tests.parts.imap import Connection, login

EXTRA = "protocol imap {\n  mail_plugins = imap_zlib\n}\n"
MESSAGE = b"Subject: deflated\r\n\r\n" + b"the same line again\r\n" * 500
REFUSED = (b"COMPRESS", b"COMPRESS NOSUCH", b"COMPRESS DEFLATE X", b"COMPRESS (DEFLATE)", b'COMPRESS ""', b"COMPRESS  ")
ASKED = (
    b"COMPRESS DEFLATE",
    b"COMPRESS NOSUCH",
    b"NOOP",
    b"SELECT INBOX",
    b"FETCH 1 (UID RFC822.SIZE BODY.PEEK[])",
    b"FETCH 1 BODY.PEEK[]<100.5000>",
    b"STATUS INBOX (MESSAGES UNSEEN)",
    b'LIST "" *',
    b"NOSUCH",
    b"UID SEARCH ALL",
)


@dataclass
class DeflatedSocket:
    """What a Connection needs of a socket, with RFC 4978 in between."""

    inner: socket.socket
    deflater: Any = field(default_factory=lambda: zlib.compressobj(9, zlib.DEFLATED, -15))
    inflater: Any = field(default_factory=lambda: zlib.decompressobj(-15))

    def recv(self, size: int) -> bytes:
        while data := self.inner.recv(size):
            if plain := self.inflater.decompress(data):
                return bytes(plain)
        return b""

    def sendall(self, data: bytes) -> None:
        self.inner.sendall(self.deflater.compress(data) + self.deflater.flush(zlib.Z_SYNC_FLUSH))

    def close(self) -> None:
        self.inner.close()


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[servers.Server, servers.Server]]:
    if not servers.has_dovecot():
        pytest.skip("Dovecot is not installed: apt-get install dovecot-imapd")
    with (
        servers.work_folder() as one,
        servers.work_folder() as other,
        servers.dovecot(one, extra=EXTRA) as theirs,
        servers.launcher(os.environ.get("ORACLE_OTHER", "doocot"))(other, extra=EXTRA) as ours,
    ):
        yield theirs, ours


def same(theirs: Connection, ours: Connection, line: bytes) -> None:
    answers = [normalise(connection.command(line)) for connection in (theirs, ours)]
    assert remaining(line, *answers) == ([], [])


def compressed(connection: Connection) -> Connection:
    connection.ok(b"COMPRESS DEFLATE")
    inner: Any = DeflatedSocket(connection.socket)
    return Connection(inner)


@pytest.mark.parametrize("line", REFUSED)
def test_oracle_compress_refused(pair: tuple[servers.Server, servers.Server], line: bytes) -> None:
    theirs, ours = (login(server.imap, "refused") for server in pair)
    same(theirs, ours, line)
    same(theirs, ours, b"NOOP")


def test_oracle_compress_before_login(pair: tuple[servers.Server, servers.Server]) -> None:
    from tests.parts.imap import connect

    same(*(connect(server.imap) for server in pair), b"COMPRESS DEFLATE")


def test_oracle_compressed_answers(pair: tuple[servers.Server, servers.Server]) -> None:
    both = []
    for server in pair:
        connection = compressed(login(server.imap, "compressed"))
        connection.append(b"INBOX", MESSAGE, b'"01-Feb-2024 10:00:00 +0000" ')
        both.append(connection)
    for line in ASKED:
        same(*both, line)


def test_oracle_capability_names_compression(pair: tuple[servers.Server, servers.Server]) -> None:
    for server in pair:
        assert b" COMPRESS=DEFLATE" in login(server.imap, "capable").ok(b"CAPABILITY")[0]
