"""Connections in IDLE: what one costs in memory, how many log in per second, and how soon a change is seen.

python -m bench.idle --port P --pid PID --connections 500 [--tls]
"""

import argparse
import statistics
import time
from dataclasses import dataclass

from bench.client import Client
from bench.processes import memory, raise_file_limit, wait_for_rest

USERS = 200
WATCHERS = 4  # connections in IDLE on one mailbox, so that some are in another worker than the one that changes it
CHANGES = 10


@dataclass(frozen=True, slots=True)
class Idle:
    """Of many connections."""

    kib_each: float
    logins_per_second: float


def idle_cost(port: int, pid: int, count: int, password: str, *, tls: bool = False) -> Idle:
    """`count` connections that log in, select INBOX and stay in IDLE."""
    raise_file_limit(count + 200)
    for number in range(min(USERS, count)):  # so that first-time work is not counted
        _idle_client(port, f"idle{number}", password, tls).close()
    wait_for_rest(pid)
    base, start = memory(pid), time.perf_counter()
    clients = [_idle_client(port, f"idle{number % USERS}", password, tls) for number in range(count)]
    seconds = time.perf_counter() - start
    wait_for_rest(pid)
    used = memory(pid) - base
    for client in clients:
        client.close()
    return Idle(used / count, count / seconds)


def _idle_client(port: int, user: str, password: str, tls: bool) -> Client:
    client = Client(port, tls=tls)
    client.login(user, password)
    client.command("SELECT INBOX")
    client.send(b"idle IDLE\r\n")
    client.read_until(b"+ ")
    return client


def change_latency(port: int, password: str) -> float:
    """Median milliseconds from the answer to a STORE until the slowest of the clients in IDLE has been told."""
    user = "watched"
    writer = Client(port)
    writer.login(user, password)
    text = b"Subject: watched\r\n\r\n"
    writer.send(b"a APPEND INBOX {%d+}\r\n%s\r\n" % (len(text), text))
    writer.read_until(b"a OK")
    writer.command("SELECT INBOX")
    watchers = [_idle_client(port, user, password, False) for _ in range(WATCHERS)]
    seen = []
    for number in range(CHANGES):
        sign = "-" if number % 2 else "+"
        writer.command(f"STORE 1 {sign}FLAGS.SILENT (\\Flagged)")
        answered = time.perf_counter()
        for watcher in watchers:
            watcher.read_until(b" FETCH ")
        seen.append(time.perf_counter() - answered)
    for client in (writer, *watchers):
        client.close()
    return statistics.median(seen) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pid", type=int, required=True, help="the server's first process")
    parser.add_argument("--connections", type=int, default=500)
    parser.add_argument("--password", default="pass")
    parser.add_argument("--tls", action="store_true")
    options = parser.parse_args()
    cost = idle_cost(options.port, options.pid, options.connections, options.password, tls=options.tls)
    print(f"{cost.kib_each:.1f} KiB each, {cost.logins_per_second:.0f} logins/s")
    if not options.tls:
        print(f"change seen after {change_latency(options.port, options.password):.2f} ms")


if __name__ == "__main__":
    main()
