"""Another client of the server: sends NOOP all the time on several connections (so that each worker has one).

    python -m bench.neighbour --port P --user u2 --password pass

prints `ready`; each line on its standard input is answered with one line of JSON, the milliseconds since the last line:
`p99` and `most` of the worst connection, and the number of NOOPs. It ends with its standard input.
"""

import argparse
import json
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.client import Client

CONNECTIONS = 6
PAUSE_SECONDS = 0.0005


@dataclass(frozen=True, slots=True)
class Waits:
    """Milliseconds that NOOPs took, on the connection that fared worst."""

    p99: float
    most: float
    count: int


def worst(samples: list[list[float]]) -> Waits:
    """Of the samples of each connection in seconds."""
    highest = [sorted(waits) for waits in samples if waits]
    if not highest:
        return Waits(0.0, 0.0, 0)
    p99 = max(waits[min(int(len(waits) * 0.99), len(waits) - 1)] for waits in highest)
    return Waits(p99 * 1e3, max(waits[-1] for waits in highest) * 1e3, sum(map(len, highest)))


class Neighbour:
    """The process, seen from the benchmark."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self._line()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def report(self) -> Waits:
        """What it saw since the last report."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return Waits(**json.loads(self._line()))


@contextmanager
def neighbour(port: int, user: str, password: str) -> Iterator[Neighbour]:
    command = [sys.executable, "-m", "bench.neighbour", "--port", str(port), "--user", user, "--password", password]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        yield Neighbour(process)
        assert process.stdin is not None
        process.stdin.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--user", default="u2")
    parser.add_argument("--password", default="pass")
    options = parser.parse_args()
    clients = [Client(options.port) for _ in range(CONNECTIONS)]
    for client in clients:
        client.login(options.user, options.password)
        client.command("SELECT INBOX")
    samples: list[list[float]] = [[] for _ in clients]
    print("ready", flush=True)
    while True:
        for client, waits in zip(clients, samples, strict=True):
            waits.append(client.command("NOOP").seconds)
            if select.select([sys.stdin], [], [], PAUSE_SECONDS)[0]:
                if not sys.stdin.readline():
                    return
                seen = worst(samples)
                print(json.dumps({"p99": seen.p99, "most": seen.most, "count": seen.count}), flush=True)
                for each in samples:
                    each.clear()


if __name__ == "__main__":
    main()
