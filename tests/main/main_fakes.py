"""A server of real processes whose sessions are faked: started as an administrator would, on sockets that we opened."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from doocot.main import protocols
from doocot.main.plan import Listening
from doocot.main.services import MakeSession, ProtocolRow, WorkerContext
from doocot.net.wakeup import slot_of
from doocot.wire.flow import CLOSE, START_TLS, Admit, Idle, Job, Peer, Pending

TESTS: Final = Path(__file__).parent
TIMEOUT: Final = 60.0
# As systemd does it: the socket is descriptor 3, and LISTEN_PID that of the server, which this becomes by exec.
ACTIVATE: Final = """
import os, sys
spare = [int(number) for number in sys.argv[1].split()]
while min(spare) < 3 + len(spare):  # out of the way of the numbers that they get
    spare = [os.dup(number) for number in spare]
for at, number in enumerate(spare):
    os.dup2(number, 3 + at)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""
ROOT_SLOT: Final = slot_of("/mail/u1")


class FakeSession:
    """Lines: PID, LOGIN user, GREETING, SLOW file, IDLE, BUMP, SEEN, STARTTLS, CRASH, LOGOUT."""

    def __init__(self, context: WorkerContext, greeting: str, stop_file: str) -> None:
        self.pending: Pending | None = None
        self.user = ""
        self._context = context
        self._greeting = greeting
        self._buffer = b""
        self._name = ""
        self._seen = b""
        self._idle = False
        self._stop_file = stop_file

    def connected(self, peer: Peer) -> bytes:
        return f"* {self._greeting}\r\n".encode()

    def receive(self, data: bytes) -> bytes:
        self._buffer += data
        out = b""
        while (self.pending is None or isinstance(self.pending, Idle)) and b"\n" in self._buffer:
            self.pending, self._idle = None, False
            line, _, self._buffer = self._buffer.partition(b"\n")
            out += self._line(line.strip().decode())
        return out

    def _line(self, line: str) -> bytes:
        word, _, rest = line.partition(" ")
        match word:
            case "PID":
                return f"{os.getpid()} {os.getuid()} {os.getgid()} {os.getgroups()}\r\n".encode()
            case "LOGIN":
                self._name, self.user = rest, ""
                self.pending = Admit(rest)
            case "SLOW":
                # Says that it has begun, and ends when the test says so: a file that does so by vanishing.
                self.pending = Job(lambda: _wait_for(rest))
            case "IDLE":
                self._idle = True
                self._seen = self._context.page.read(ROOT_SLOT)
                self.pending = Idle((ROOT_SLOT,))
                return b"+ idling\r\n"
            case "BUMP":
                self._context.page.bump(ROOT_SLOT)
                self._context.wakeups.send(ROOT_SLOT)
                return b"bumped\r\n"
            case "SEEN":
                return self._context.page.read(ROOT_SLOT).hex().encode() + b"\r\n"
            case "STARTTLS":
                self.pending = START_TLS
            case "CRASH":
                raise ZeroDivisionError("as asked")
            case "LOGOUT":
                self.pending = CLOSE
                return b"bye\r\n"
            case _:
                return f"ok {line}\r\n".encode()
        return b""

    def resume(self, result: Any) -> bytes:
        if self._idle:
            self.pending = Idle((ROOT_SLOT,))
            before, self._seen = self._seen, self._context.page.read(ROOT_SLOT)
            return b"* changed\r\n" if self._seen != before else b""
        if isinstance(result, Job):
            self.pending = result
            return b""
        if self._name:
            name, self._name = self._name, ""
            if result:
                return f"no {result}\r\n".encode()
            self.user = name
            return b"in\r\n"
        return result if isinstance(result, bytes) else b""

    def fail(self, error: BaseException) -> bytes:
        return f"failed {error}\r\n".encode()

    def secured(self, peer: Peer) -> None:
        self._buffer = b""

    def closing(self, reason: str) -> bytes:
        return f"* BYE {reason}\r\n".encode()

    def crashed(self, identifier: str) -> bytes:
        return f"internal error {identifier}\r\n".encode()

    def lost(self) -> None:
        return


def _wait_for(fifo: str) -> bytes:
    """Blocks until the test opens and closes the FIFO."""
    with open(fifo) as file:
        file.read()
    return b"slow done\r\n"


def _row(context: WorkerContext, listening: Listening) -> MakeSession:
    from doocot.config.effective import effective

    settings = effective(context.config, listening.protocol)
    stop_file = os.path.join(settings.state_dir, "settled")
    if not context.at_stop:
        context.at_stop.append(lambda: Path(stop_file).touch())
    return lambda: FakeSession(context, settings.login_greeting, stop_file)


def _broken_row(context: WorkerContext, listening: Listening) -> MakeSession:
    os._exit(3)


PROTOCOLS: Final[Mapping[str, ProtocolRow]] = {"imap": _row, "lmtp": _row}
REAL: Final[Mapping[str, ProtocolRow]] = protocols.PROTOCOLS
BROKEN: Final[Mapping[str, ProtocolRow]] = {"imap": _broken_row}


class Client:
    """Blocking lines."""

    def __init__(self, sock: socket.socket, greeted: bool = True) -> None:
        sock.settimeout(TIMEOUT)
        self.sock = sock
        self._file = sock.makefile("rb")
        self.greeting = self.line() if greeted else ""

    def send(self, line: str) -> None:
        self.sock.sendall(line.encode() + b"\r\n")

    def line(self) -> str:
        return self._file.readline().decode().strip()

    def ask(self, line: str) -> str:
        self.send(line)
        return self.line()

    def pid(self) -> int:
        return int(self.ask("PID").split()[0])

    def close(self) -> None:
        self._file.close()
        self.sock.close()


class Server:
    """A running `doocot serve`."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path, port: int) -> None:
        self.process = process
        self.folder = folder
        self.port = port

    def client(self) -> Client:
        return Client(socket.create_connection(("127.0.0.1", self.port), TIMEOUT))

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def control(self, verb: str, **arguments: Any) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(TIMEOUT)
            sock.connect(str(self.folder / "run" / "control"))
            sock.sendall(json.dumps({"verb": verb, **arguments}).encode() + b"\n")
            answer: dict[str, Any] = json.loads(sock.makefile("rb").readline())
            return answer

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def wait(self) -> int:
        return self.process.wait(TIMEOUT)


def write_config(folder: Path, port: int, extra: str = "", greeting: str = "hello") -> Path:
    path = folder / "dovecot.conf"
    path.write_text(
        f"""
protocols = imap
listen = 127.0.0.1
base_dir = {folder}/run
state_dir = {folder}
log_path = {folder}/log
ssl = no
login_greeting = {greeting}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
{extra}
"""
    )
    return path


@contextmanager
def serving(
    folder: Path,
    *,
    workers: int = 2,
    extra: str = "",
    table: str = "PROTOCOLS",
    wait: bool = True,
    more: Sequence[socket.socket] = (),
) -> Iterator[Server]:
    """Start it with a socket on a free port, as systemd would pass it, and stop it for good at the end."""
    listener = socket.create_server(("127.0.0.1", 0))
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(str(folder / "notify"))
    notify.settimeout(TIMEOUT)
    port = listener.getsockname()[1]
    passed = [listener.fileno(), *(sock.fileno() for sock in more)]
    config = write_config(folder, port, extra)
    command = [sys.executable, "-m", "doocot.main.cli", "serve", "-c", str(config), "--workers", str(workers)]
    command += ["--protocol-table", f"main_fakes:{table}"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(TESTS),
        "LISTEN_FDS": str(1 + len(more)),
        "NOTIFY_SOCKET": str(folder / "notify"),
    }
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", ACTIVATE, " ".join(map(str, passed)), *command],
        env=environment,
        pass_fds=passed,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    server = Server(process, folder, port)
    try:
        if wait:
            assert notified(notify).startswith("READY=1"), process.communicate()[0]
        server.notify = lambda: notified(notify)  # type: ignore[attr-defined]
        yield server
    finally:
        _end(process)
        listener.close()
        notify.close()
        (folder / "notify").unlink()


def _end(process: "subprocess.Popen[str]") -> None:
    """Kill what is left of the server, and wait until nobody has its output any more.

    A worker that lost its supervisor would settle, and write into folders that the test is removing.
    """
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    assert process.stdout is not None
    if not process.stdout.closed:
        process.communicate(timeout=TIMEOUT)


def notified(notify: socket.socket) -> str:
    return notify.recv(4096).decode()
