"""A raw IMAP connection for tests: whole responses with their literals, nothing parsed, nothing hidden."""

import re
import socket
from dataclasses import dataclass, field

TIMEOUT_SECONDS = 60.0
LITERAL = re.compile(rb"\{(\d+)\}\r\n$")


@dataclass(slots=True)
class Connection:
    """One client connection; `log` is what was said in both directions."""

    socket: socket.socket
    buffer: bytes = b""
    log: list[str] = field(default_factory=list)
    count: int = 0

    def fill(self) -> None:
        data = self.socket.recv(1 << 16)
        if not data:
            raise EOFError("the server closed the connection")
        self.buffer += data

    def line(self) -> bytes:
        start = 0
        while (end := self.buffer.find(b"\r\n", start)) < 0:
            start = max(len(self.buffer) - 1, 0)
            self.fill()
        line, self.buffer = self.buffer[: end + 2], self.buffer[end + 2 :]
        return line

    def take(self, size: int) -> bytes:
        while len(self.buffer) < size:
            self.fill()
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def response(self) -> bytes:
        """One response with its literals, without the final CRLF."""
        got = self.line()
        while found := LITERAL.search(got):
            got += self.take(int(found[1]))
            got += self.line()
        self.log.append("S: " + got[:-2].decode(errors="replace"))
        return got[:-2]

    def send(self, data: bytes, *, bytewise: bool = False) -> None:
        self.log.append("C: " + data.decode(errors="replace").rstrip("\r\n"))
        if not bytewise:
            self.socket.sendall(data)
            return
        for place in range(len(data)):
            self.socket.sendall(data[place : place + 1])

    def tagged(self, tag: bytes) -> list[bytes]:
        """The responses up to the tagged one, which is the last."""
        responses = [self.response()]
        while not responses[-1].startswith(tag + b" "):
            responses.append(self.response())
        return responses

    def command(self, line: bytes) -> list[bytes]:
        """Send a command, which may hold non-synchronizing literals; its responses, the tagged one last."""
        self.count += 1
        tag = b"t%d" % self.count
        self.send(tag + b" " + line + b"\r\n")
        return self.tagged(tag)

    def ok(self, line: bytes) -> list[bytes]:
        """A command that must succeed."""
        responses = self.command(line)
        assert b" OK" in responses[-1][:12], f"{line[:200]!r}: {responses[-1]!r}"
        return responses

    def append(self, mailbox: bytes, message: bytes, options: bytes = b"") -> list[bytes]:
        return self.ok(b"APPEND %s %s{%d+}\r\n%s" % (mailbox, options, len(message), message))

    def close(self) -> None:
        self.socket.close()


def connect(port: int, *, greeting: bool = True) -> Connection:
    """A new connection, its greeting read."""
    s = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection = Connection(s)
    if greeting:
        connection.response()
    return connection


def login(port: int, user: str) -> Connection:
    """A new connection, logged in."""
    connection = connect(port)
    connection.ok(f"LOGIN {user} pass".encode())
    return connection
