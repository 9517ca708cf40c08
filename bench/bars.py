"""What each row must reach beside Dovecot 2.3 on the same machine in the same run: see docs/architecture.md §7.

`ratio` is how many times faster than Dovecot; `most` is an absolute bound in the row's own unit. A row without a bar is
printed for information.
"""

from dataclasses import dataclass

NEIGHBOUR_MILLISECONDS = 3.0  # another client's NOOP at p99, whatever runs beside it
HOLD_MILLISECONDS = 5.0  # the longest time that a worker's loop was held


@dataclass(frozen=True, slots=True)
class Bar:
    """At least `ratio` times as good as Dovecot, at most `most`."""

    ratio: float | None = None
    most: float | None = None


BARS = {
    "login": Bar(15),
    "select": Bar(20),
    "select, first sight": Bar(0.8),
    "fetch uid flags": Bar(2),
    "fetch list": Bar(6),
    "fetch header fields": Bar(3.5),
    "fetch bodystructure": Bar(1.8),
    "list + structure, first": Bar(1.0),
    "fetch full": Bar(1.2),
    "search unseen": Bar(3),
    "search from": Bar(25),
    "search subject": Bar(25),
    "search sentsince": Bar(8),
    "search text": Bar(3.5),
    "search body": Bar(3.5),
    "search larger": Bar(2),
    "search since": Bar(2),
    "search keyword": Bar(2),
    "esearch count": Bar(2),
    "qresync": Bar(2),
    "list status": Bar(2),
    "sort date": Bar(10),
    "sort subject": Bar(3),
    "thread references": Bar(50),
    "thread references, first": Bar(1.3),
    "store +seen": Bar(8),
    "store -seen": Bar(8),
    "copy block": Bar(2),
    "expunge block": Bar(1.8),
    "single store": Bar(8),
    "noop": Bar(1.2),
    "fetch one flags": Bar(1.2),
    "fetch one envelope": Bar(1.1),
    "fetch one body": Bar(1.0),
    "lmtp, 1 connection": Bar(2),
    "lmtp, 8 connections": Bar(2),
    "idle connection": Bar(20),
    "idle connection, TLS": Bar(most=70),
    "change seen in IDLE": Bar(most=1.0),
}
