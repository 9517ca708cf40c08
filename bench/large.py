"""What a mailbox of a million messages costs beside one of ten thousand, on one server: `make bench-large`.

    python -m bench.large [--messages 1000000] [--small 10000] [--rounds 7]

Messages are hard links to a few files. Each row is timed on both mailboxes turn about, the least counts; a row costs at
most BAR times as much in the large one.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench import corpus
from bench.client import Answer
from bench.processes import raise_file_limit, wait_for_rest
from bench.rows import Target, position
from tests.parts import servers

BAR = 2.0
TEXTS = 200  # files that the messages are links to
UNSEEN = 20  # messages without \\Seen
FETCHED = 50

Run = Callable[[Target], Answer]


def make_maildir(folder: Path, texts: list[Path], count: int, console: Console) -> None:
    """A Maildir of `count` messages of which UNSEEN are unseen."""
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir(parents=True)
    sizes = [text.name.partition(",")[2].partition(":")[0] for text in texts]
    every = max(count // UNSEEN, 1)
    for number in track(range(count), f"{count} messages", console=console, disable=not sys.stdout.isatty()):
        flags = "" if number % every == every - 1 else "S"
        name = f"{1_500_000_000 + number}.M{number}P1.host,{sizes[number % TEXTS]}:2,{flags}"
        os.link(texts[number % TEXTS], folder / "cur" / name)


def _selected(line: str) -> Run:
    """`line` in a session that has the mailbox selected; {first} is the first of the last FETCHED messages."""

    def run(target: Target) -> Answer:
        client = target.connect()
        client.exists()
        answer = client.command(line.format(first=target.messages - FETCHED + 1, last=target.messages))
        client.close()
        return answer

    return run


def _resync(target: Target) -> Answer:
    """A reconnect after ten messages changed their flags."""
    client = target.connect()
    client.exists()
    validity, modseq = position(client)
    for sign in "+-":
        client.command(f"STORE {target.messages - 9}:{target.messages} {sign}FLAGS.SILENT (\\Draft)")
    client.close()
    client = target.connect()
    client.command("ENABLE QRESYNC")
    answer = client.command(f"SELECT INBOX (QRESYNC ({validity} {modseq}))")
    client.close()
    return answer


ROWS: dict[str, Run] = {
    "select": _selected("SELECT INBOX"),
    f"fetch the last {FETCHED}": _selected("FETCH {first}:{last} (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)"),
    "store one": _selected("STORE {last} +FLAGS (\\Flagged)"),
    "search unseen": _selected("SEARCH UNSEEN"),
    "qresync": _resync,
}


def measure(targets: tuple[Target, Target], pid: int, rounds: int) -> dict[str, tuple[float, float]]:
    """Milliseconds of each row in both mailboxes."""
    found = {}
    for name, run in ROWS.items():
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(rounds):
            for target, samples in zip(targets, times, strict=True):
                wait_for_rest(pid)
                samples.append(run(target).seconds * 1e3)
        found[name] = (min(times[0]), min(times[1]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    console = Console()
    raise_file_limit(20_000)
    texts = sorted((corpus.cached(TEXTS) / "u1" / "cur").iterdir())
    with servers.work_folder("large") as folder, tempfile.TemporaryDirectory(dir=corpus.cache_folder()) as place:
        mail = Path(place)
        mail.chmod(0o755)
        for user, count in (("small", options.small), ("large", options.messages)):
            make_maildir(mail / user, texts, count, console)
        servers.give(mail, servers.mail_account())
        with servers.launcher("doocot")(folder, mail=mail) as server:
            targets = (
                Target(server.imap, "small", servers.PASSWORD, False, options.small),
                Target(server.imap, "large", servers.PASSWORD, False, options.messages),
            )
            for target in targets:
                target.connect().exists()
            found = measure(targets, server.pid, options.rounds)
    table = Table(title=f"ms in a mailbox of {options.small} and of {options.messages}", title_justify="left")
    for heading in ("row", "small", "large", "ratio", "reached"):
        table.add_column(heading, justify="left" if heading == "row" else "right")
    for name, (small, large) in found.items():
        table.add_row(
            name, f"{small:.2f}", f"{large:.2f}", f"{large / small:.2f}", "yes" if large <= BAR * small else "NO"
        )
    console.print(table)


if __name__ == "__main__":
    os.chdir(Path(__file__).resolve().parent.parent)
    main()
