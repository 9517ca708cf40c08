"""Every transcript, whole and byte by byte, with results at once and as Jobs; the same against Dovecot's own LMTP."""

import re
from pathlib import Path

import pytest
from lmtp_dovecot import Dovecot
from lmtp_house import House, Transcript

FOLDER = Path(__file__).parent / "transcripts"
TRANSCRIPTS = sorted(path.stem for path in FOLDER.glob("*.txt"))

# What cannot be equal: session ids, and when it was.
ID = re.compile(rb"\tid .*")
DATE = re.compile(rb"; \w\w\w, \d\d \w\w\w \d{4} \d\d:\d\d:\d\d [+-]\d{4}$", re.MULTILINE)


def read(name: str) -> Transcript:
    return Transcript.read(FOLDER / f"{name}.txt")


def test_there_are_transcripts() -> None:
    assert len(TRANSCRIPTS) >= 7


@pytest.mark.parametrize("as_jobs", [False, True], ids=["at once", "jobs"])
@pytest.mark.parametrize("size", [1, 7, 10**6])
@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_transcript(name: str, size: int, as_jobs: bool) -> None:
    transcript = read(name)
    client = House(as_jobs=as_jobs).session()
    data = transcript.client()
    for at in range(0, len(data), size):
        client.send(data[at : at + size])
    assert client.closed
    transcript.check(client.output, "D")


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_dovecot_answers_the_same(name: str, dovecot: Dovecot) -> None:
    transcript = read(name)
    transcript.check(dovecot.talk(transcript.client()), "V")


@pytest.mark.parametrize("name", ["data", "bdat", "xclient"])
def test_dovecot_saves_the_same_files(name: str, dovecot: Dovecot, tmp_path: Path) -> None:
    transcript = read(name)
    dovecot.messages()
    dovecot.talk(transcript.client())
    theirs = dovecot.messages()
    house = House(mail=tmp_path)
    house.session().send(transcript.client())
    ours = {
        name: [path.read_bytes() for path in sorted((tmp_path / name / "new").glob("*"))]
        for name in (path.name for path in tmp_path.iterdir())
    }
    assert theirs
    assert {user: sorted(map(normal, mails)) for user, mails in ours.items()} == {
        user: sorted(map(normal, mails)) for user, mails in theirs.items()
    }


def normal(message: bytes) -> bytes:
    return DATE.sub(b"; date", ID.sub(b"\tid", message, count=1), count=1)


def test_dovecot_takes_a_bare_lf_for_the_end_and_we_do_not(dovecot: Dovecot) -> None:
    """The difference that is meant: CVE-2023-51764, RFC 5321 section 4.1.1.4."""
    smuggled = (
        b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<tim>\r\nDATA\r\n"
        b"x: y\r\n\r\nfirst\n.\nNOOP\n.\r\nNOOP\r\n.\r\nQUIT\r\n"  # wrong dots
    )
    assert dovecot.talk(smuggled).count(b" Saved\r\n") == 1
    dovecot.messages()
    house = House()
    client = house.session()
    client.send(smuggled)
    assert house.saved[0].body.start == b"x: y\n\nfirst\n.\nNOOP\n.\nNOOP\n"
    assert client.output.endswith(b"Saved\r\n221 2.0.0 Bye\r\n")
    assert b"NOOP" not in client.output
