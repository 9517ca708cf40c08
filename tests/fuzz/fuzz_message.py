"""Mutates the odd messages for FUZZ_SECONDS (or the argument) and checks that all that is computed of them agrees.

A crash prints the seed and the message; run again with FUZZ_SEED to see it. The run fails when its mutants are all
dull: at least a third must be multiparts or messages, else the scanner was never really reached.
"""

import os
import random
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "corpus"))

from odd_messages import odd_messages

from doocot.errors import MailError
from doocot.message.bodystructure import body, bodystructure
from doocot.message.header import header_fields, header_fields_not
from doocot.message.keys import keys
from doocot.message.scan import Kind, Part, crlf, scan
from doocot.message.sections import Section, SectionText, binary, section
from doocot.message.text import file_text_parts, search_text

LINES = (
    b"Content-Type: multipart/mixed; boundary=b",
    b'Content-Type: multipart/digest; boundary="b b"',
    b"Content-Type: message/rfc822",
    b"Content-Type: text/plain; charset=utf-16",
    b"Content-Transfer-Encoding: base64",
    b"Content-Transfer-Encoding: quoted-printable",
    b"--b",
    b"--b--",
    b"",
    b" folded",
    b'To: "x, y" <a@b>, c@d (e), f: g@h;',
    b"Subject: =?utf-7?b?K0FPay0=?= [a] re:",
    b"Date: 1 Jan 2020 00:00 +0000",
    b"MIME-Version: 1.0",
)


def cut(rng: random.Random, data: bytes, _: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + data[at + rng.randrange(20) :]


def flip(rng: random.Random, data: bytes, _: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + bytes((rng.randrange(256),)) + data[at + 1 :]


def line(rng: random.Random, data: bytes, _: bytes) -> bytes:
    lines = data.split(b"\n")
    lines.insert(rng.randrange(len(lines) + 1), rng.choice(LINES))
    return b"\n".join(lines)


def repeat(rng: random.Random, data: bytes, _: bytes) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[: start + 40] + data[start:]


def join(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


def ends(rng: random.Random, data: bytes, _: bytes) -> bytes:
    return data.replace(b"\n", rng.choice((b"\r\n", b"\n", b"\r")), rng.randrange(9))


MUTATIONS: tuple[Callable[[random.Random, bytes, bytes], bytes], ...] = (cut, flip, line, repeat, join, ends)


def check_tree(part: Part, data: bytes) -> int:
    """Nested, in order and in range; returns the number of parts."""
    assert 0 <= part.start <= part.body <= part.end <= len(data)
    at, count = part.body, 1
    for child in part.children:
        assert at <= child.start <= child.end <= part.end
        count += check_tree(child, data)
        at = child.end
    return count


def check(raw: bytes, rng: random.Random) -> bool:
    """All that is computed of one message; whether it had parts."""
    data = crlf(raw)
    part = scan(data)
    parts = check_tree(part, data)
    assert part.end == len(data)
    assert body(part).count(b"(") <= bodystructure(part).count(b"(")
    keys(part.head.fields)
    search_text(raw, file_text_parts(part, raw, data), b"FOLDED", True)
    names = frozenset((b"to", b"subject", b"content-type"))
    block = data[: part.body]
    assert len(header_fields(block, names)) + len(header_fields_not(block, names)) <= len(block) + 4
    path = tuple(rng.randrange(4) for _ in range(rng.randrange(5)))
    for kind in SectionText:
        section(data, part, Section(path, kind, names))
    with suppress(MailError):
        binary(data, part, path)
    return parts > 1 or part.kind in (Kind.MULTIPART, Kind.MESSAGE)


def main() -> None:
    seconds = float(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("FUZZ_SECONDS", "10"))
    seed = int(os.environ.get("FUZZ_SEED", time.time_ns()))
    rng = random.Random(seed)
    pool = [raw for raw in odd_messages().values() if len(raw) < 20_000]
    structured = [raw for raw in pool if b"boundary" in raw or b"rfc822" in raw]
    until, runs, reached = time.monotonic() + seconds, 0, 0
    while time.monotonic() < until:
        raw = rng.choice(structured if rng.random() < 0.7 else pool)
        for _ in range(rng.randrange(1, 6)):
            raw = rng.choice(MUTATIONS)(rng, raw, rng.choice(pool))
        try:
            reached += check(raw, rng)
        except Exception:
            print(f"seed {seed}, run {runs}:\n{raw!r}", file=sys.stderr)
            raise
        runs += 1
    print(f"{runs} messages, {reached * 100 // max(runs, 1)} % with parts, seed {seed}")
    assert reached * 3 > runs, "too few mutants had parts"


if __name__ == "__main__":
    main()
