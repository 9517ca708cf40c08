"""THREAD against a real Dovecot over the odd messages, messages with every kind of reference and those of the bench."""

import os
import random
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from bench.corpus import message, vocabulary
from tests.corpus.odd_messages import odd_messages
from tests.imap.harness import House
from tests.imap.search_house import Searcher, make_maildir, open_roots
from tests.message.dovecot_oracle import Oracle, missing_part

ALGORITHMS = (b"ORDEREDSUBJECT", b"REFERENCES", b"REFS")
REAL = 5000
BEGIN = 978_307_200
KEYS = (b"ALL", b"2:*", b"UID 1,5,7:30 NOT 12", b"SUBJECT zzzzz", b"ALL")

# Messages over which the two servers differ, and why.
DIFFERING = {
    "date-016": "RFC 5256 §2.2: INTERNALDATE is for a date that cannot be determined; Dovecot takes it for 1970 too.",
    "date-023": "As date-016: the second before 1970.",
    "date-022": "RFC 5322 §4.3: a zone that nobody knows counts as -0000.",
    "date-031": "A zone of one letter in lower case, which the two read differently.",
}


def _tangled(seed: int, dates: bool, count: int = 60) -> dict[str, bytes]:
    """Few ids, subjects and dates, referred to at random: loops, duplicates, missing messages, messages out of order.

    With `dates` every date is another, which REFS needs: RFC 5256 §3 (the sequence number for equal dates) is not
    about its order of threads, and Dovecot has none that could be said.
    """
    rng = random.Random(seed)
    found = {}
    times = rng.sample(range(24 * 60), count)
    for number in range(count):
        ids = [f"<{rng.randrange(count)}@x>" for _ in range(rng.choice((0, 0, 1, 1, 2, 5)))]
        lines = [f"Subject: {rng.choice(('', '', 'Re: ', 'Fwd: '))}{rng.choice(('', 'a', 'b', 'c', 'd', str(number)))}"]
        if rng.random() < 0.9:
            lines.append(f"Message-ID: <{rng.choice((number, number, number, rng.randrange(count)))}@x>")
        if ids:
            lines.append(rng.choice(("References: ", "References: ", "In-Reply-To: ")) + " ".join(ids))
        if dates:
            lines.append(f"Date: 7 Feb 2003 {times[number] // 60:02}:{times[number] % 60:02}:00 +0000")
        elif rng.random() < 0.9:
            lines.append(f"Date: {rng.randrange(1, 29)} Feb 2003 {rng.randrange(3):02}:00:00 +0{rng.randrange(3)}00")
        found[f"tangled-{number:03}"] = ("\n".join(lines) + "\n\nx\n").encode()
    return found


def _real() -> dict[str, bytes]:
    dice = random.Random(7)
    words = vocabulary(dice)
    earlier: list[tuple[str, str]] = []
    found = {}
    for number in range(REAL):
        made = message(dice, words, number, earlier)
        earlier.append((made.message_id, made.subject))
        found[f"real-{number}"] = made.data
    return found


def _odd() -> dict[str, bytes]:
    return {name: content for name, content in odd_messages().items() if name not in DIFFERING}


# The messages, and the algorithms that are compared over them.
SETS: dict[str, tuple[Callable[[], dict[str, bytes]], tuple[bytes, ...]]] = {
    "odd": (_odd, ALGORITHMS[:2]),
    "real": (_real, ALGORITHMS),
    **{f"tangled-{seed}": (partial(_tangled, seed, False), ALGORITHMS[:2]) for seed in range(10)},
    **{f"dated-{seed}": (partial(_tangled, seed, True), ALGORITHMS) for seed in range(10)},
}


def _date(folder: Path) -> None:
    """INTERNALDATEs that are out of order."""
    for number, file in enumerate(sorted(folder.iterdir())):
        when = BEGIN + number * 7919 % 6007 * 3600
        os.utime(file, (when, when))


@pytest.fixture(params=list(SETS))
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Oracle, Searcher, tuple[bytes, ...]]]:
    """The same messages at both servers."""
    if reason := missing_part():
        pytest.skip(f"ORACLE NOT RUN: {reason}")
    make, algorithms = SETS[request.param]
    messages = make()
    dovecot = Oracle(tmp_path, messages)
    _date(dovecot.root / "home" / "Maildir" / "cur")
    make_maildir(tmp_path / "Maildir", [(content, "", 0) for content in messages.values()])
    _date(tmp_path / "Maildir" / "cur")
    with dovecot:
        yield dovecot, Searcher(open_roots(), tmp_path / "Maildir"), algorithms


def test_threads_match_dovecot(both: tuple[Oracle, Searcher, tuple[bytes, ...]]) -> None:
    dovecot, doocot, algorithms = both
    for command in (b"THREAD", b"UID THREAD"):
        for algorithm in algorithms:
            for keys in KEYS:
                line = b"%b %b UTF-8 %b" % (command, algorithm, keys)
                untagged, tagged = dovecot.command(line)
                assert tagged.startswith(b"OK")
                theirs = [response for response in untagged if response.startswith(b"* THREAD")]
                ours = doocot.send(b"t " + line).splitlines(keepends=True)
                assert ours[:-1] == theirs, line


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    one = House(tmp_path / "Maildir")
    yield one
    one.close()


def _append(client: object, *headers: bytes) -> None:
    text = b"\r\n".join(headers) + b"\r\n\r\nx\r\n"
    assert b"OK" in client.send(b"a APPEND INBOX {%d+}\r\n%b" % (len(text), text))  # type: ignore[attr-defined]


def test_kept_threads_follow_the_mailbox(house: House) -> None:
    client, other = house.login(), house.login()
    for number, parent in ((1, 0), (2, 1), (3, 9), (4, 2)):
        _append(client, b"Message-ID: <%d@x>" % number, b"References: <%d@x>" % parent)
    client.command(b"SELECT INBOX")
    other.command(b"SELECT INBOX")
    assert client.command(b"THREAD REFERENCES UTF-8 ALL")[0] == b"* THREAD (1 2 4)(3)"
    assert client.command(b"UID THREAD REFERENCES UTF-8 ALL")[0] == b"* THREAD (1 2 4)(3)"
    _append(other, b"Message-ID: <5@x>", b"References: <9@x>")
    client.command(b"NOOP")
    assert client.command(b"THREAD REFERENCES UTF-8 ALL")[0] == b"* THREAD (1 2 4)((3)(5))"
    other.command(b"STORE 2 +FLAGS (\\Deleted)")
    other.command(b"EXPUNGE")
    # No EXPUNGE during THREAD (RFC 5256 §4), so it is still there; after UID THREAD it may be told.
    assert client.command(b"THREAD REFERENCES UTF-8 ALL")[0] == b"* THREAD (1 2 4)((3)(5))"
    assert other.command(b"THREAD REFERENCES UTF-8 ALL")[0] == b"* THREAD (1)((2)(4))(3)"
    answer = client.command(b"UID THREAD REFERENCES UTF-8 ALL")
    assert answer[0] == b"* THREAD (1 2 4)((3)(5))"
    assert b"* 2 EXPUNGE" in answer
    assert client.command(b"UID THREAD REFERENCES UTF-8 ALL")[0] == b"* THREAD (1)((3)(5))(4)"
    assert client.command(b"THREAD REFERENCES UTF-8 1,3")[0] == b"* THREAD (1)(3)"


def test_empty_mailbox(house: House) -> None:
    client = house.login()
    client.command(b"SELECT INBOX")
    for algorithm in ALGORITHMS:
        assert client.command(b"THREAD %b UTF-8 ALL" % algorithm)[0] == b"* THREAD "


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (b"", b"TAG BAD"),
        (b" REFERENCES", b"TAG BAD"),
        (b" REFERENCES UTF-8", b"TAG BAD"),
        (b" REFERENCES UTF-8 ", b"TAG BAD"),
        (b" NOSUCH UTF-8 ALL", b"TAG BAD"),
        (b" (REFERENCES) UTF-8 ALL", b"TAG BAD"),
        (b" REFERENCES (UTF-8) ALL", b"TAG BAD"),
        (b" REFERENCES UTF-8 NOSUCH", b"TAG BAD"),
        (b" REFERENCES UTF-8 (ALL", b"TAG BAD"),
        (b" REFERENCES UTF-8 ALL)", b"TAG BAD"),
        (b" REFERENCES UTF-8 " + b"(" * 200 + b"ALL" + b")" * 200, b"TAG BAD"),
        (b" REFERENCES NO-SUCH ALL", b"TAG NO [BADCHARSET]"),
        (b" REFERENCES UTF-8 SUBJECT {1+}\r\n\xe9", b"TAG NO [BADCHARSET]"),
        (b' references "us-ascii" all', b"TAG OK"),
    ],
)
def test_bad_arguments(house: House, arguments: bytes, answer: bytes) -> None:
    client = house.login()
    assert client.command(b"THREAD REFERENCES UTF-8 ALL")[-1].startswith(b"TAG BAD")  # nothing is selected
    client.command(b"SELECT INBOX")
    for name in (b"THREAD", b"UID THREAD"):
        assert client.command(name + arguments)[-1].startswith(answer)


def test_a_modseq_key_turns_condstore_on(house: House) -> None:
    client = house.login()
    _append(client, b"Subject: a")
    client.command(b"SELECT INBOX")
    answer = client.command(b"THREAD REFS UTF-8 MODSEQ 1")
    assert re.fullmatch(rb"\* OK \[HIGHESTMODSEQ \d+\] Highest", answer[0])
    assert answer[1] == b"* THREAD (1)"
