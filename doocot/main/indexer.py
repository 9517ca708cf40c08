"""An indexer: computes Facts for a worker, after everybody else. `main/indexers.py` starts it.

Run as `python -m doocot.main.indexer FD`: requests and answers are one JSON line each on that socket; when it closes,
the worker is gone and the indexer ends. It imports little: somebody waits for it to be there.
"""

import os
import socket
import sys
from typing import Final

import msgspec

from doocot.mailbox.facts import Wanted, compute

NICE: Final = 10  # a client waits for them: not SCHED_IDLE, which gets nothing at all on a machine that is busy


def serve(connection: socket.socket) -> None:
    """Answers requests until the other end closes."""
    with connection, connection.makefile("rwb") as lines:
        for line in lines:
            done = compute(msgspec.json.decode(line, type=Wanted))
            lines.write(b"%d\n" % done)
            lines.flush()


def main() -> None:
    """The indexer process."""
    os.nice(NICE)
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    serve(socket.socket(fileno=int(sys.argv[1])))


if __name__ == "__main__":
    main()
