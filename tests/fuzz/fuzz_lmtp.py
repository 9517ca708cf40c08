"""Random LMTP conversations for `FUZZ_SECONDS` (or the first argument): nothing unknown is raised, all is released.

Commands are mostly whole and in order, with mistakes in between, so that the handlers are reached: at least half of the
answers must be 2xx or 3xx.
"""

import os
import random
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "lmtp"))

from lmtp_house import House, content

GOOD = [
    b"LHLO me.example\r\n",
    b"NOOP\r\n",
    b"RSET\r\n",
    b"VRFY tim\r\n",
    b"HELP\r\n",
    b"XCLIENT ADDR=192.0.2.1 HELO=x.example\r\n",
    b"STARTTLS\r\n",
]
ODD = [
    b"MAIL FROM:<a@b> SIZE=99999999999999999999\r\n",
    b"MAIL FROM:<@a,@b:c@d>\r\n",
    b'RCPT TO:<"a\\"b"@x>\r\n',
    b"RCPT TO:<broken>\r\n",
    b"RCPT TO:<tim+detail> ORCPT=rfc822;a+40b NOTIFY=NEVER\r\n",
    b"DATA\r\n",
    b"BDAT 5\r\nabcde",
    b"BDAT 0 LAST\r\n",
    b"BDAT x\r\n",
    b"XCLIENT ADDR=[UNAVAILABLE]\r\n",
    b"\r\n",
    b"EHLO x\r\n",
]
PIECES = [
    b"\r\n",
    b"\n",
    b".",
    b"\r\n.\r\n",
    b"\x00",
    b"\xff",
    b"x" * 9000,
    b"<",
    b">",
    b"@",
    b" ",
    b"BDAT 3",
    b"\xc3\xa9",
]


def transaction(rng: random.Random) -> bytes:
    """A transaction that should succeed, by DATA or by chunks."""
    recipients = [b"RCPT TO:<many%d@x>\r\n" % rng.randrange(9) for _ in range(rng.randrange(1, 4))]
    start = b"LHLO x\r\nMAIL FROM:<a@b>\r\n" + b"".join(recipients)
    text = b"".join(rng.choice([b"a", b"\r\n", b"..", b"\n.\n", b"z" * rng.randrange(5000)]) for _ in range(20))
    if rng.random() < 0.5:
        return start + b"DATA\r\n" + text.replace(b"\r\n.\r\n", b"") + b"\r\n.\r\n"
    cut = rng.randrange(len(text) + 1)
    return start + b"BDAT %d\r\n%bBDAT %d LAST\r\n%b" % (cut, text[:cut], len(text) - cut, text[cut:])


def mutate(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(PIECES) + data[at + rng.randrange(3) :]


def conversation(rng: random.Random) -> tuple[bytes, House]:
    house = House(as_jobs=rng.random() < 0.5)
    client = house.session()
    for _ in range(rng.randrange(1, 12)):
        kind = rng.random()
        data = transaction(rng) if kind < 0.6 else rng.choice(GOOD) if kind < 0.85 else rng.choice(ODD)
        if rng.random() < 0.15:
            data = mutate(rng, data)
        size = rng.choice([1, 7, 4096, len(data)])
        for at in range(0, len(data), size):
            client.send(data[at : at + size])
    if not client.closed:
        client.lose()
    for delivery in house.saved:
        assert content(delivery).startswith(b"Return-Path: <")
    assert all(spool.aborted for spool in house.spools)
    return client.output, house


def main(seconds: float, seed: int) -> None:
    codes: Counter[str] = Counter()
    saved = conversations = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        rng = random.Random(seed + conversations)
        try:
            output, house = conversation(rng)
        except BaseException:
            print(f"seed {seed + conversations}")
            raise
        conversations += 1
        saved += len(house.saved)
        for line in output.decode().splitlines():
            assert line[:3].isdigit(), line
            codes[line[0]] += line[3] == " "
    good = codes["2"] + codes["3"]
    total = sum(codes.values())
    print(f"{conversations} conversations, {saved} messages saved, {total} answers, {100 * good // total} % good")
    assert good * 2 >= total, dict(codes)
    assert saved > conversations


if __name__ == "__main__":
    main(float(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("FUZZ_SECONDS", "60")), random.randrange(2**32))
