"""Every transcript against Doocot, whole and byte by byte, and against Debian's Dovecot as the oracle."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts import servers
from tests.transcripts import runner
from tests.transcripts.language import Transcript, read

HERE = Path(__file__).parent
TRANSCRIPTS = [read(path) for path in sorted(HERE.rglob("*.imap"))]
USER_NUMBERS = itertools.count(1)  # a new user for every run: nothing is left over from another one


def names(transcript: Transcript) -> str:
    return transcript.path.relative_to(HERE).with_suffix("").as_posix()


@pytest.fixture(scope="module")
def dovecot_port() -> Iterator[int]:
    if not servers.has_dovecot():
        pytest.skip("Dovecot is not installed: apt-get install dovecot-imapd dovecot-lmtpd")
    with servers.work_folder() as folder, servers.dovecot(folder, extra=servers.METADATA) as server:
        yield server.imap


@pytest.fixture(scope="module")
def doocot_port() -> Iterator[int]:
    with servers.work_folder() as folder, servers.doocot(folder) as server:
        yield server.imap


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=names)
def test_transcript_doocot(transcript: Transcript, doocot_port: int) -> None:
    runner.run(transcript, doocot_port, f"t{next(USER_NUMBERS)}")


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=names)
def test_transcript_doocot_bytewise(transcript: Transcript, doocot_port: int) -> None:
    runner.run(transcript, doocot_port, f"t{next(USER_NUMBERS)}", bytewise=True)


@pytest.mark.parametrize("transcript", [t for t in TRANSCRIPTS if not t.differs], ids=names)
def test_transcript_dovecot(transcript: Transcript, dovecot_port: int) -> None:
    runner.run(transcript, dovecot_port, f"t{next(USER_NUMBERS)}")
