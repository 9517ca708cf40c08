"""Bad input by kind, each for one connection: sent whole, then the client closes its half and reads what is said."""

import socket
from dataclasses import dataclass

TIMES = 8  # of a bad line on one connection: after 20 of them servers hang up
OPEN_LISTS = 100


@dataclass(frozen=True, slots=True)
class BadInput:
    """What is sent, and whether after a login."""

    data: bytes
    after_login: bool = True


BAD_INPUT = {
    "unknown command": BadInput(b"a XYZZY\r\n" * TIMES),
    "bad tag": BadInput(b"(a) NOOP\r\n" * TIMES),
    "unbalanced parentheses": BadInput(b"a STATUS INBOX ((MESSAGES)\r\n" * TIMES),
    "1 GB announced": BadInput(b"a APPEND INBOX {1073741824}\r\n"),
    "too long a line with a literal": BadInput(b"a SEARCH SUBJECT " + b"x" * 70_000 + b" {6+}\r\nb NOOP\r\n"),
    "NUL": BadInput(b"a NOO\0P\r\n" * TIMES),
    "bare LF": BadInput(b"a NOOP\n" * TIMES),
    "half a command": BadInput(b"a APPEND INBOX {100000+}\r\n" + b"x" * 50_000),
    "8-bit": BadInput(b"a CREATE caf\xe9\r\n" * TIMES),
    "endless line": BadInput(b"x" * 1_000_000, after_login=False),
    "100 open lists": BadInput((b"a SEARCH " + b"(" * OPEN_LISTS + b"\r\n") * TIMES),
}


def send_all(connection: socket.socket, data: bytes) -> None:
    """Send to the end, and read to the end; a server may hang up before either."""
    try:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 16):
            pass
    except TimeoutError:
        raise
    except OSError:  # reset, broken pipe, or not connected any more
        return
