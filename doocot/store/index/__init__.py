"""The index of one root: a SQLite database in WAL mode, asked in set-oriented calls; no SQL leaves this package."""
