"""Doocot beside Debian's Dovecot 2.3 on the same messages, in one run.

    make bench                                      everything, docs/benchmarks.md is written
    make bench BENCH='--quick --rows "fetch*"'      while developing

Each server gets a fresh copy of the messages. A row is timed on both turn about; before each timing both servers are at
rest, so that work which one does after its answer does not burden the other.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bench import corpus, report
from bench.client import Answer, Client, Refused
from bench.idle import change_latency, idle_cost
from bench.lmtp import Undelivered, rate
from bench.neighbour import neighbour
from bench.processes import longest_gap, raise_file_limit, wait_for_rest
from bench.rows import Row, Target, bad_rows, first_rows, least, rows
from tests.parts import servers

USER = "u1"
NEIGHBOUR_SECONDS = 1.5  # how long a row is repeated beside another client
NEIGHBOUR_ROUNDS = 3
PAGE = Path("docs/benchmarks.md")
LMTP_ROWS = {"lmtp, 1 connection": 1, "lmtp, 8 connections": 8}


@dataclass(frozen=True, slots=True)
class Options:
    """The command line."""

    messages: int
    pattern: str
    rounds: int
    servers: tuple[str, ...]
    quick: bool
    write: bool
    strict: bool

    def wants(self, name: str) -> bool:
        return any(fnmatch(name, pattern.strip()) for pattern in self.pattern.split(","))


@dataclass(frozen=True, slots=True)
class Bench:
    """What all phases share."""

    options: Options
    corpus: Path
    progress: Progress
    console: Console


def arguments() -> Options:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--rows", default="*", help="names of rows, with * and ?, separated by commas")
    parser.add_argument("--rounds", type=int, help="timings of each row on each server (5; quick: 2)")
    parser.add_argument("--server", choices=("dovecot", "doocot", "both"), default="both")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, short rows; no page is written")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a row is below its bar")
    given = parser.parse_args()
    names = (report.PEER, report.OURS) if given.server == "both" else (given.server,)
    whole = given.rows == "*" and len(names) == 2 and not given.quick
    rounds = given.rounds or (2 if given.quick else 5)
    return Options(given.messages, given.rows, rounds, names, given.quick, whole, given.strict)


@contextmanager
def served(bench: Bench, name: str, *, empty: bool = False) -> Iterator[servers.Server]:
    """A server with a fresh copy of the corpus, beside the corpus in the file system."""
    with servers.work_folder("bench") as folder, tempfile.TemporaryDirectory(dir=corpus.cache_folder()) as place:
        mail = Path(place)
        mail.chmod(0o755)
        servers.give(mail, servers.mail_account())
        if not empty:
            corpus.fresh_copy(bench.corpus, mail)
        with servers.launcher(name)(folder, mail=mail) as server:
            yield server


def target(bench: Bench, server: servers.Server, *, tls: bool = False) -> Target:
    port = server.imaps if tls else server.imap
    return Target(port, USER, servers.PASSWORD, tls, bench.options.messages)


@dataclass(frozen=True, slots=True)
class Samples:
    """What was measured of one row so far."""

    values: dict[str, list[float]]
    sizes: dict[str, int]
    failures: list[str]

    def add(self, name: str, answer: Answer) -> None:
        self.values.setdefault(name, []).append(answer.seconds * 1e3)
        self.sizes[name] = answer.size

    def failed(self, name: str, why: Exception) -> None:
        said = f"{name} FAILED: {str(why)[:100]}"
        if said not in self.failures:
            self.failures.append(said)


def _line(row: str, unit: str, found: Samples, *, higher_is_better: bool = False) -> report.Line:
    values = {name: tuple(each) for name, each in found.values.items()}
    return report.Line(row, unit, values, found.sizes, higher_is_better, ", ".join(found.failures))


def first_phase(bench: Bench) -> list[report.Line]:
    """The rows of a Maildir never seen before: a fresh copy and a fresh server for each timing."""
    wanted = [row for row in first_rows() if bench.options.wants(row.name)]
    if not wanted:
        return []
    found = {row.name: Samples({}, {}, []) for row in first_rows()}
    rounds = bench.options.rounds
    task = bench.progress.add_task("first sight", total=rounds * len(bench.options.servers))
    for _ in range(rounds):
        for name in bench.options.servers:
            with served(bench, name) as server:
                _first_sight(name, server, target(bench, server), found)
            bench.progress.advance(task)
    return [_line(row.name, "ms", found[row.name]) for row in wanted]


def _first_sight(name: str, server: servers.Server, on: Target, found: dict[str, Samples]) -> None:
    """All first rows on a server that was just started: each prepares the next."""
    client = on.connect()
    capabilities = client.capabilities()
    for row in first_rows():
        if row.needs and row.needs not in capabilities:
            continue
        wait_for_rest(server.pid)
        try:
            found[row.name].add(name, row.run(client, on))
        except (Refused, OSError) as refused:
            found[row.name].failed(name, refused)
            client.close()
            client = on.connect()
            client.exists()
    client.close()


def warm_phase(bench: Bench, running: dict[str, servers.Server], *, tls: bool) -> list[report.Line]:
    """Every row on both servers, turn about."""
    singles = 300 if bench.options.quick else 2000
    suffix = ", TLS" if tls else ""
    wanted = [row for row in rows(singles) if (row.tls or not tls) and bench.options.wants(row.name + suffix)]
    targets = {name: target(bench, server, tls=tls) for name, server in running.items()}
    clients = {name: on.connect() for name, on in targets.items()}
    capabilities = {name: client.capabilities() for name, client in clients.items()}
    task = bench.progress.add_task("rows" + suffix, total=len(wanted))
    lines = []
    for client in clients.values():
        client.exists()
    for row in wanted:
        bench.progress.update(task, description=row.name + suffix)
        able = [name for name in running if not row.needs or row.needs in capabilities[name]]
        found = _turn_about(bench, row, able, running, clients, targets)
        lines.append(_line(row.name + suffix, "ms", found))
        bench.progress.advance(task)
    for client in clients.values():
        client.close()
    return lines


def _turn_about(
    bench: Bench,
    row: Row,
    able: list[str],
    running: dict[str, servers.Server],
    clients: dict[str, Client],
    targets: dict[str, Target],
) -> Samples:
    found = Samples({}, {}, [])
    pids = [server.pid for server in running.values()]
    for turn in range(bench.options.rounds + 1):  # the first is for the caches
        for name in able if turn % 2 else reversed(able):
            try:
                row.prepare(clients[name], targets[name])
                wait_for_rest(*pids)
                answer = least(row, clients[name], targets[name])
                row.undo(clients[name], targets[name])
            except (Refused, OSError) as refused:
                found.failed(name, refused)
                clients[name].close()
                clients[name] = targets[name].connect()
                clients[name].exists()
                continue
            if turn:
                found.add(name, answer)
    return found


def neighbour_phase(bench: Bench, running: dict[str, servers.Server]) -> list[report.Wait]:
    """Each bulk row, and bad input, again and again, while another client waits for its NOOPs."""
    wanted = [row for row in (*rows(), *bad_rows()) if row.bulk and bench.options.wants(row.name)]
    if not wanted:
        return []
    waits: dict[str, dict[str, list[float]]] = {name: {} for name in ("nothing", *(row.name for row in wanted))}
    rounds = 1 if bench.options.quick else NEIGHBOUR_ROUNDS
    task = bench.progress.add_task("neighbour", total=rounds * len(wanted) * len(running))
    for _ in range(rounds):
        for name, server in running.items():
            wait_for_rest(*(each.pid for each in running.values()))
            for row, p99 in _waits(target(bench, server), wanted):
                bench.progress.advance(task, row != "nothing")
                if p99 is not None:
                    waits[row].setdefault(name, []).append(p99)
    return [report.Wait(row, {name: tuple(each) for name, each in p99.items()}) for row, p99 in waits.items()]


def _waits(on: Target, wanted: list[Row]) -> Iterator[tuple[str, float | None]]:
    """How long the other client's NOOPs took during each row; None where the server does not have it, or refuses."""
    client = on.connect()
    client.exists()
    capabilities = client.capabilities()
    with neighbour(on.port, "u2", servers.PASSWORD) as other:
        time.sleep(NEIGHBOUR_SECONDS)
        yield "nothing", other.report().p99
        for row in wanted:
            if row.needs and row.needs not in capabilities:
                yield row.name, None
                continue
            other.report()
            try:
                _again_and_again(row, client, on)
            except (Refused, OSError):  # the row itself has told
                client.close()
                client = on.connect()
                client.exists()
                yield row.name, None
            else:
                yield row.name, other.report().p99
    client.close()


def _again_and_again(row: Row, client: Client, on: Target) -> None:
    end = time.monotonic() + NEIGHBOUR_SECONDS
    while time.monotonic() < end:
        for step in (row.prepare, row.run, row.undo):
            step(client, on)


def other_phase(bench: Bench, running: dict[str, servers.Server]) -> list[report.Line]:
    """LMTP, and how soon clients in IDLE are told."""
    quick = bench.options.quick
    lines = []
    for row, connections in LMTP_ROWS.items():
        if bench.options.wants(row):
            count = (200 if quick else 1000) * (1 if connections == 1 else 2)
            lines.append(_rates(bench, row, running, count, connections))
    if bench.options.wants("change seen in IDLE"):
        lines.append(_line("change seen in IDLE", "ms", _latencies(running)))
    return lines


def idle_phase(bench: Bench) -> list[report.Line]:
    """Memory of connections in IDLE, each time in a new server: in an old one freed memory would be used again."""
    lines = []
    for row, tls in (("idle connection", False), ("idle connection, TLS", True)):
        if not bench.options.wants(row):
            continue
        task, found = bench.progress.add_task(row, total=len(bench.options.servers)), Samples({}, {}, [])
        for name in bench.options.servers:
            with served(bench, name, empty=True) as server:
                port, count = (server.imaps if tls else server.imap), (400 if bench.options.quick else 1000)
                try:
                    found.values[name] = [idle_cost(port, server.pid, count, servers.PASSWORD, tls=tls).kib_each]
                except (Refused, OSError) as refused:
                    found.failed(name, refused)
            bench.progress.advance(task)
        lines.append(_line(row, "KiB", found))
    return lines


def _latencies(running: dict[str, servers.Server]) -> Samples:
    found = Samples({}, {}, [])
    for name, server in running.items():
        try:
            found.values[name] = [change_latency(server.imap, servers.PASSWORD)]
        except (Refused, OSError) as refused:
            found.failed(name, refused)
    return found


def _rates(bench: Bench, row: str, running: dict[str, servers.Server], messages: int, connections: int) -> report.Line:
    task = bench.progress.add_task(row, total=bench.options.rounds)
    found = Samples({}, {}, [])
    for _ in range(bench.options.rounds):
        for name, server in running.items():
            wait_for_rest(*(each.pid for each in running.values()))
            try:
                found.values.setdefault(name, []).append(rate(server.lmtp, messages, connections))
            except (Undelivered, OSError) as undelivered:
                found.failed(name, undelivered)
        bench.progress.advance(task)
    return _line(row, "msg/s", found, higher_is_better=True)


def longest_hold(server: servers.Server | None) -> float | None:
    """Milliseconds since the server was asked last, as `doocot stats` says."""
    if server is None:
        return None
    command = [str(Path(sys.executable).with_name("doocot")), "-c", str(server.configuration), "stats", "--json"]
    said = subprocess.run(command, capture_output=True, text=True)
    return float(json.loads(said.stdout)["longest_hold"]) * 1e3 if said.returncode == 0 else None


def versions() -> dict[str, str]:
    said = subprocess.run([servers.DOVECOT, "--version"], capture_output=True, text=True).stdout.split()
    return {"Dovecot": said[0] if said else "?", "Doocot": version("doocot")}


def measure(bench: Bench) -> report.Report:
    options = bench.options
    lines = first_phase(bench)
    with ExitStack() as stack:
        running = {name: stack.enter_context(served(bench, name)) for name in options.servers}
        lines += warm_phase(bench, running, tls=False) + warm_phase(bench, running, tls=True)
        lines += other_phase(bench, running)
        waits = neighbour_phase(bench, running)
        hold = longest_hold(running.get(report.OURS))
    lines += idle_phase(bench)
    return report.Report(options.messages, options.rounds, tuple(lines), tuple(waits), hold, longest_gap() * 1e3)


def main() -> None:
    options = arguments()
    console = Console(width=None if sys.stdout.isatty() else 150)
    if report.PEER in options.servers and not servers.has_dovecot():
        sys.exit("bench: Dovecot is missing; as root: apt-get install dovecot-imapd dovecot-lmtpd")
    raise_file_limit(20_000)
    columns = (TextColumn("{task.description:28}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=not sys.stdout.isatty()) as progress:
        task = progress.add_task("messages", total=options.messages)
        folder = corpus.cached(options.messages, lambda: progress.advance(task))
        progress.update(task, completed=options.messages)
        corpus.read_all(folder)
        result = measure(Bench(options, folder, progress, console))
    report.show(result, console)
    if options.write:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(report.markdown(result, versions()))
        console.print(f"written: {PAGE}")
    if options.strict and result.below():
        sys.exit(1)


if __name__ == "__main__":
    os.chdir(Path(__file__).resolve().parent.parent)
    main()
