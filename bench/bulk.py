"""The rows of the benchmark against one running server; any IMAP server will do.

python -m bench.bulk --port P --user u1 --password pass --rows 'fetch*'
"""

import argparse
import fnmatch
import sys

from bench.client import Client, Refused
from bench.rows import Row, Target, first_rows, rows


def matching(all_rows: tuple[Row, ...], patterns: str) -> tuple[Row, ...]:
    """The rows whose name matches one of the comma-separated shell patterns."""
    wanted = [pattern.strip() for pattern in patterns.split(",")]
    return tuple(row for row in all_rows if any(fnmatch.fnmatch(row.name, pattern) for pattern in wanted))


def measure(row: Row, client: Client, target: Target, rounds: int) -> str:
    """One line of text: the first time and the least one."""
    try:
        answers = []
        for _ in range(rounds):
            row.prepare(client, target)
            answers.append(row.run(client, target))
            row.undo(client, target)
    except Refused as refused:
        return f"{row.name:26} FAILED {refused}"
    times = [answer.seconds * 1e3 for answer in answers]
    return f"{row.name:26} first {times[0]:10.3f} ms   least {min(times):10.3f} ms   {answers[-1].size:>11} bytes"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--user", default="u1")
    parser.add_argument("--password", default="pass")
    parser.add_argument("--rows", default="*", help="names, with * and ?, separated by commas")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--singles", type=int, default=2000, help="commands in the rows of single commands")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--first", action="store_true", help="begin with the rows of a Maildir never seen before")
    options = parser.parse_args()
    client = Client(options.port, tls=options.tls)
    client.login(options.user, options.password)
    capabilities = client.capabilities()
    target = Target(options.port, options.user, options.password, options.tls, 1)
    for row in first_rows() if options.first else ():
        if not row.needs or row.needs in capabilities:
            print(measure(row, client, target, 1), flush=True)
    target = Target(options.port, options.user, options.password, options.tls, client.exists())
    print(f"{target.messages} messages", file=sys.stderr)
    for row in matching(rows(options.singles), options.rows):
        if not row.needs or row.needs in capabilities:
            print(measure(row, client, target, options.rounds), flush=True)


if __name__ == "__main__":
    main()
