"""What was measured, as a table on the terminal and as docs/benchmarks.md."""

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.bars import BARS, HOLD_MILLISECONDS, NEIGHBOUR_MILLISECONDS, Bar

PEER, OURS = "dovecot", "doocot"


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table: the samples of each server, in the order of the rounds."""

    name: str
    unit: str
    samples: dict[str, tuple[float, ...]]
    sizes: dict[str, int]
    higher_is_better: bool = False
    note: str = ""

    def best(self, server: str) -> float | None:
        values = self.samples.get(server, ())
        return (max if self.higher_is_better else min)(values) if values else None

    def _ratio(self, peer: float, ours: float) -> float:
        return ours / peer if self.higher_is_better else peer / ours

    def ratio(self) -> float | None:
        """How many times better than the peer, best against best."""
        peer, ours = self.best(PEER), self.best(OURS)
        return self._ratio(peer, ours) if peer and ours else None

    def spread(self) -> tuple[float, float] | None:
        """The least and the greatest ratio of a single round."""
        pairs = zip(self.samples.get(PEER, ()), self.samples.get(OURS, ()), strict=False)
        ratios = [self._ratio(peer, ours) for peer, ours in pairs if peer and ours]
        return (min(ratios), max(ratios)) if ratios else None

    def verdict(self) -> str:
        """`yes`, `NO`, or nothing where there is no bar or nothing to compare."""
        bar, ratio, ours = BARS.get(self.name), self.ratio(), self.best(OURS)
        if bar is None or ours is None or (bar.most is None and ratio is None):
            return ""
        reached = (bar.ratio is None or (ratio or 0) >= bar.ratio) and (bar.most is None or ours <= bar.most)
        return "yes" if reached else "NO"


@dataclass(frozen=True, slots=True)
class Wait:
    """Another client's NOOPs during a row, in milliseconds at p99, by server, one figure of each round."""

    name: str
    p99: dict[str, tuple[float, ...]]

    def least(self, server: str) -> float | None:
        """Of the quietest round: the machine takes its processors away for longer than the bar now and then."""
        return min(self.p99.get(server, ()), default=None)

    def verdict(self) -> str:
        ours = self.least(OURS)
        return "" if ours is None else "yes" if ours <= NEIGHBOUR_MILLISECONDS else "NO"


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run."""

    messages: int
    rounds: int
    lines: tuple[Line, ...]
    waits: tuple[Wait, ...]
    longest_hold: float | None  # milliseconds, as the server says
    longest_gap: float  # milliseconds that the machine took a processor away from a program that did nothing else

    def below(self) -> list[str]:
        """The names of the rows that do not reach their bar."""
        rows = [line.name for line in self.lines if line.verdict() == "NO"]
        rows += [f"NOOP during {wait.name}" for wait in self.waits if wait.verdict() == "NO"]
        too_long = self.longest_hold is not None and self.longest_hold > HOLD_MILLISECONDS
        return [*rows, "longest hold"] if too_long else rows


HEADINGS = ("row", "Dovecot", "Doocot", "unit", "ratio", "spread", "bar", "reached")
WAIT_HEADINGS = ("during", "Dovecot", "Doocot", "rounds", "reached")


def number(value: float | None) -> str:
    """Three digits that matter."""
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3g}"


def _bar(bar: Bar | None) -> str:
    if bar is None:
        return ""
    parts = [] if bar.ratio is None else [f"{bar.ratio:g}"]
    return " ".join(parts if bar.most is None else [*parts, f"at most {bar.most:g}"])


def cells(line: Line) -> tuple[str, ...]:
    spread = line.spread()
    sizes = {size for size in line.sizes.values() if size}
    note = f" ({line.note})" if line.note else ""
    if line.name.startswith("fetch") and len(sizes) > 1:
        note += " (answers differ in size: " + ", ".join(f"{k} {v}" for k, v in line.sizes.items()) + ")"
    return (
        line.name + note,
        number(line.best(PEER)),
        number(line.best(OURS)),
        line.unit,
        number(line.ratio()),
        f"{number(spread[0])} - {number(spread[1])}" if spread else "",
        _bar(BARS.get(line.name)),
        line.verdict(),
    )


def wait_cells(wait: Wait) -> tuple[str, ...]:
    rounds = " ".join(map(number, wait.p99.get(OURS, ())))
    return (wait.name, number(wait.least(PEER)), number(wait.least(OURS)), rounds, wait.verdict())


def show(report: Report, console: Console) -> None:
    for title, headings, rows in (
        (f"{report.messages} messages, {report.rounds} rounds", HEADINGS, map(cells, report.lines)),
        ("another client's NOOP, p99 in ms", WAIT_HEADINGS, map(wait_cells, report.waits)),
    ):
        table = Table(title=title, title_justify="left")
        for place, heading in enumerate(headings):
            table.add_column(heading, justify="left" if place == 0 else "right")
        for row in rows:
            table.add_row(*row, style="red" if row[-1] == "NO" else None)
        if table.row_count:
            console.print(table)
    console.print(f"longest hold of a worker's loop: {number(report.longest_hold)} ms")
    console.print(f"longest gap of a program that only reads the clock: {number(report.longest_gap)} ms")
    console.print("below the bar: " + (", ".join(report.below()) or "none"))


def _markdown(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def markdown(report: Report, versions: dict[str, str]) -> str:
    """The page docs/benchmarks.md."""
    waits = _markdown(WAIT_HEADINGS, map(wait_cells, report.waits)) if report.waits else "Not measured.\n"
    programs = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"""# Benchmarks

Written by `make bench`: the same {report.messages} messages (6.8 KB each, Maildir) served by both programs on one
machine in one run, turn about, over loopback, the files in memory. A ratio counts, an absolute figure is of this
machine: {cpu_model()}, {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()},
{programs}. Both sync to the disk alike (`mail_fsync = optimized`).

Times are the least of {report.rounds} rounds (of three times in a round, where a row is short and changes
nothing); rows named *first* are of a copy that the server had not seen before
(with the `dovecot-uidlist` that Dovecot left there). *Ratio* is how many times better Doocot is, *spread* the least
and the greatest ratio of a single round, *bar* what the ratio must reach (bench/bars.py). A block is 5,000 messages.

{_markdown(HEADINGS, map(cells, report.lines))}
## Another client meanwhile

Milliseconds that a NOOP of another client took at the 99th percentile while the row ran again and again, on the worst
of its six connections, in the quietest round; *rounds* are all of Doocot's. The bar is {NEIGHBOUR_MILLISECONDS:g} ms.

{waits}
Longest time that a worker's event loop was held during the run, as the server reports it:
{number(report.longest_hold)} ms. The bar is {HOLD_MILLISECONDS:g} ms. A program that did nothing but read the clock
on the otherwise idle machine was away from its processor for up to {number(report.longest_gap)} ms.
"""
