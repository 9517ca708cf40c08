"""A small IMAP client that costs little beside what it measures: it looks for the tagged line and parses nothing."""

import re
import socket
import ssl
import time
from dataclasses import dataclass

RECEIVE_SIZE = 1 << 20
TAIL_SIZE = 1000
TIMEOUT_SECONDS = 300.0


class Refused(Exception):
    """A command that was answered NO or BAD."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How long an answer took, the size of its untagged part, and its end."""

    seconds: float
    size: int
    tail: bytes


def insecure_context() -> ssl.SSLContext:
    """TLS to a server with a self-signed certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Client:
    """One connection, blocking."""

    def __init__(self, port: int, *, host: str = "127.0.0.1", tls: bool = False) -> None:
        self.socket = socket.create_connection((host, port), timeout=TIMEOUT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = insecure_context().wrap_socket(self.socket, server_hostname=host)
        self.count = 0
        self.read_until(b"\r\n")

    def login(self, user: str, password: str) -> None:
        self.command(f"LOGIN {user} {password}")

    def command(self, line: str) -> Answer:
        """Send a command and read its answer to the tagged line; Refused unless OK."""
        self.count += 1
        tag = b"T%d " % self.count
        request = tag + line.encode() + b"\r\n"
        receive, size, tail = self.socket.recv, 0, b""
        start = time.perf_counter()
        self.socket.sendall(request)
        while True:
            data = receive(RECEIVE_SIZE)
            if not data:
                raise Refused(f"{line}: connection closed after {size} bytes")
            size += len(data)
            tail = (tail + data)[-TAIL_SIZE:] if len(data) < TAIL_SIZE else data[-TAIL_SIZE:]
            if tail.endswith(b"\r\n"):
                last = tail[tail.rfind(b"\n", 0, -2) + 1 :]
                if last.startswith(tag):
                    break
        seconds = time.perf_counter() - start
        if not last.startswith(tag + b"OK"):
            raise Refused(f"{line}: {last.decode(errors='replace').strip()}")
        return Answer(seconds, size - len(last), tail)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read_until(self, mark: bytes) -> bytes:
        """What comes up to and with `mark`; for greetings, continuations and IDLE."""
        got = b""
        while mark not in got:
            data = self.socket.recv(RECEIVE_SIZE)
            if not data:
                raise Refused(f"connection closed, waiting for {mark!r} after {got!r}")
            got += data
        return got

    def exists(self) -> int:
        """How many messages the selected INBOX has, by a SELECT."""
        found = re.search(rb"\* (\d+) EXISTS", self.command("SELECT INBOX").tail)
        return int(found[1]) if found else 0

    def capabilities(self) -> frozenset[str]:
        found = re.search(rb"\* CAPABILITY ([^\r]*)", self.command("CAPABILITY").tail)
        return frozenset(found[1].decode().split()) if found else frozenset()

    def close(self) -> None:
        self.socket.close()
