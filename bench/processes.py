"""What the processes of a server use: memory, CPU time, and whether they are at rest (proc(5))."""

import os
import resource
import time
from pathlib import Path

REST_SECONDS = 0.05
REST_LIMIT_SECONDS = 30.0
GAP_SECONDS = 10.0  # on each processor


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields:
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return found


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; the name before it may hold anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it ended meanwhile
        return []


def cpu_ticks(pid: int) -> int:
    """User and system time of the family, in clock ticks."""
    return sum(int(fields[11]) + int(fields[12]) for member in family(pid) if (fields := _stat(member)))


def memory(pid: int) -> float:
    """The proportional set size of the family in KiB: shared pages are counted once."""
    total = 0
    for member in family(pid):
        try:
            lines = Path(f"/proc/{member}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return float(total)


def wait_for_rest(*pids: int) -> None:
    """Until no family has used CPU time for a moment: work settled after an answer must not burden a peer."""
    end = time.monotonic() + REST_LIMIT_SECONDS
    before = [cpu_ticks(pid) for pid in pids]
    while time.monotonic() < end:
        time.sleep(REST_SECONDS)
        now = [cpu_ticks(pid) for pid in pids]
        if now == before:
            return
        before = now


def raise_file_limit(count: int) -> None:
    """Let this process, and servers started from it, hold `count` files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if os.getuid() == 0:
        hard = max(hard, count)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(count, hard)), hard))


def longest_gap(seconds: float = GAP_SECONDS) -> float:
    """The longest time in seconds that a program that only reads the clock is away from its processor, any of them.

    What a machine shared with others takes away, no server can answer in.
    """
    before, longest = os.sched_getaffinity(0), 0.0
    try:
        for processor in before:
            os.sched_setaffinity(0, {processor})
            last = time.perf_counter()
            end = last + seconds
            while last < end:
                now = time.perf_counter()
                longest, last = max(longest, now - last), now
    finally:
        os.sched_setaffinity(0, before)
    return longest
