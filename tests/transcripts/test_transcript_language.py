"""The runner of transcripts must notice what is wrong: each of these answers differs from its transcript."""

import socket
import threading
from pathlib import Path

import pytest

from tests.transcripts import language, runner

GOOD = "1 C: a NOOP\n1 S~ * 1 EXISTS\n1 S~ * OK [X $v] hi\n1 S: a OK [X $v] $*\n"
ANSWER = b"* OK [X 7] hi\r\n* 1 EXISTS\r\na OK [X 7] done\r\n"


def play(tmp_path: Path, text: str, answer: bytes) -> None:
    """Run `text` against a server that greets, reads one line and says `answer`."""
    path = tmp_path / "one.imap"
    path.write_text(text)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener.accept()[0] as client:
            client.sendall(b"* OK ready\r\n")
            client.recv(1000)
            client.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        runner.run(language.read(path), listener.getsockname()[1], "u")
    finally:
        thread.join()
        listener.close()


def test_a_right_answer_passes(tmp_path: Path) -> None:
    play(tmp_path, GOOD, ANSWER)


@pytest.mark.parametrize(
    "answer",
    [
        b"* 1 EXISTS\r\na OK [X 7] done\r\n",  # one missing
        b"* OK [X 7] hi\r\n* 1 EXISTS\r\na OK [X 8] done\r\n",  # another value of a variable
        b"* OK [X 7] hi\r\n* 1 EXISTS\r\n* 2 EXPUNGE\r\na OK [X 7] done\r\n",  # one too many
        b"* OK [X 7] hi\r\n* 1 EXISTS\r\na NO [X 7] done\r\n",
        b"a OK [X 7] done\r\n* OK [X 7] hi\r\n* 1 EXISTS\r\n",  # the set after what follows it
        b"* OK [X 7] hi\r\n* 1 EXISTS\r\na OK [X 7] done\r\n* 2 EXISTS\r\n",  # left over
        b"* OK [X 7] hi\r\n",  # closed in the midst
        b"",
    ],
)
def test_a_wrong_answer_fails(tmp_path: Path, answer: bytes) -> None:
    with pytest.raises(runner.Mismatch, match=r"one\.imap"):
        play(tmp_path, GOOD, answer)


@pytest.mark.parametrize(
    ("told", "right"),
    [(b"4 2", True), (b"2 3", True), (b"2 4", False), (b"2", False), (b"3 2", False), (b"2 3 2", False)],
)
def test_expunge_sets(tmp_path: Path, told: bytes, right: bool) -> None:
    answer = b"".join(b"* %s EXPUNGE\r\n" % n for n in told.split()) + b"a OK\r\n"
    text = "1 C: a EXPUNGE\n1 S: * {2,4} EXPUNGE\n1 S: a OK\n"
    if right:
        play(tmp_path, text, answer)
    else:
        with pytest.raises(runner.Mismatch):
            play(tmp_path, text, answer)


def test_literals(tmp_path: Path) -> None:
    text = "1 C: a FETCH 1 BODY[]\n1 S: * 1 FETCH (BODY[] {|}\n  | one\n  |- two\n  > )\n1 S: a OK\n"
    play(tmp_path, text, b"* 1 FETCH (BODY[] {8}\r\none\r\ntwo)\r\na OK\r\n")
    with pytest.raises(runner.Mismatch):
        play(tmp_path, text, b"* 1 FETCH (BODY[] {8}\r\none\r\ntwx)\r\na OK\r\n")


@pytest.mark.parametrize("text", ["1 X: a\n", "@ nosuch 1\n", "  | lost\n", "# dovecot: differs because\n1 C: a\n"])
def test_a_bad_transcript_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.imap"
    path.write_text(text)
    with pytest.raises(language.TranscriptError, match=r"bad\.imap:1"):
        language.read(path)
