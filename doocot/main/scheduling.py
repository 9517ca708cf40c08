"""The loop goes before the threads: how a worker's threads share the processors and the interpreter.

A thread that the loop wakes may take its processor until the next tick of the kernel (4 ms at 250 Hz), another
processor idle or not. So threads are nice, of the batch policy (which does not preempt who wakes it), and the loop asks
for a short time slice, with which Linux lets it run at once when it wakes (6.12 and later; before, nothing is lost). A
server that runs as root prefers the loops that clients wait for.
"""

import contextlib
import ctypes
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

LOOP_NICE: Final = -10  # loops of those who read and write mail
JOB_NICE: Final = 5  # threads that a client waits for
BACKGROUND_NICE: Final = 10  # threads that nobody waits for
SWITCH: Final = 0.0001  # seconds that a thread may keep the interpreter from the loop; Python has 5 ms
SLICE: Final = 200_000  # nanoseconds of the loop's time slice

_SYS_SCHED_SETATTR: Final = {"x86_64": 314, "aarch64": 274}
_RESET_ON_FORK: Final = 1  # the slice is the loop's, not its threads'


class _Attributes(ctypes.Structure):
    """`struct sched_attr`; the runtime of a normal policy is its time slice."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("policy", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32),
        ("runtime", ctypes.c_uint64),
        ("deadline", ctypes.c_uint64),
        ("period", ctypes.c_uint64),
    )


def loop_goes_first() -> None:
    """To be called on the loop's thread. A kernel that knows nothing of it refuses, and all stays as it is."""
    sys.setswitchinterval(SWITCH)
    call = _SYS_SCHED_SETATTR.get(os.uname().machine)
    if call is not None:
        wanted = _Attributes(
            size=ctypes.sizeof(_Attributes),
            policy=os.SCHED_OTHER,
            flags=_RESET_ON_FORK,
            nice=os.getpriority(os.PRIO_PROCESS, 0),
            runtime=SLICE,
        )
        ctypes.CDLL(None).syscall(call, 0, ctypes.byref(wanted), 0)


def prefer(pid: int) -> None:
    """Prefers the loop of this process, not its threads. It may have ended, and who is not root may not do so."""
    with contextlib.suppress(PermissionError, ProcessLookupError):
        os.setpriority(os.PRIO_PROCESS, pid, LOOP_NICE)


def thread_pool(threads: int, name: str, nice: int) -> ThreadPoolExecutor:
    """Threads that leave the processor to the loops. All run already: to start one takes the loop milliseconds."""

    pool = ThreadPoolExecutor(threads, name, partial(_stand_back, nice))
    all_there = threading.Barrier(threads)
    for _ in range(threads):
        pool.submit(all_there.wait)
    return pool


def _stand_back(nice: int) -> None:
    """Of the thread that calls. Where a sandbox refuses, all stays as it is: an error here would break the pool."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), max(nice, os.getpriority(os.PRIO_PROCESS, 0)))
