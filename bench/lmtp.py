"""Deliveries per second by LMTP: 4 KB messages, each connection to its own recipient.

python -m bench.lmtp --port P --messages 400 --connections 8
"""

import argparse
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

BODY = b"x" * 70 + b"\r\n" + (b"y" * 76 + b"\r\n") * 50
HEAD = (
    b"From: a@example.org\r\nTo: b@example.org\r\nSubject: test\r\nMessage-ID: <%d.%d@example.org>\r\n"
    b"Date: Mon, 1 Jan 2024 00:00:00 +0000\r\n\r\n"
)


class Undelivered(Exception):
    """A reply that was not the one of success."""


def _expect(file: BinaryIO, code: bytes) -> None:
    """One reply, of any number of lines (RFC 5321 §4.2.1)."""
    while True:
        line = file.readline()
        if not line.startswith(code):
            raise Undelivered(line.decode(errors="replace").strip() or "connection closed")
        if line[3:4] != b"-":
            return


def deliver(port: int, recipient: str, count: int) -> None:
    """`count` messages over one connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=120) as s, s.makefile("rb") as file:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _expect(file, b"220")
        s.sendall(b"LHLO bench\r\n")
        _expect(file, b"250")
        for number in range(count):
            for line in (b"MAIL FROM:<a@example.org>", b"RCPT TO:<%s>" % recipient.encode()):
                s.sendall(line + b"\r\n")
                _expect(file, b"250")
            s.sendall(b"DATA\r\n")
            _expect(file, b"354")
            s.sendall(HEAD % (id(s), number) + BODY + b".\r\n")
            _expect(file, b"250")
        s.sendall(b"QUIT\r\n")
        _expect(file, b"221")


def rate(port: int, messages: int, connections: int) -> float:
    """Messages a second over all connections."""
    each = max(messages // connections, 1)
    start = time.perf_counter()
    with ThreadPoolExecutor(connections) as pool:
        for done in [pool.submit(deliver, port, f"lmtp{k}", each) for k in range(connections)]:
            done.result()
    return each * connections / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=1)
    options = parser.parse_args()
    speed = rate(options.port, options.messages, options.connections)
    print(f"lmtp, {options.connections} connections: {speed:.0f} messages/s")


if __name__ == "__main__":
    main()
