"""Ids, previews and conversions of the odd messages: each is answered, and by itself as in bulk."""

import re
from collections.abc import Iterator

import pytest
from harness import Client, House

from tests.corpus.odd_messages import odd_messages

COUNT = len(odd_messages())


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("odd") / "mail"
    for part in ("cur", "new", "tmp"):
        (folder / part).mkdir(parents=True)
    for number, message in enumerate(odd_messages().values()):
        (folder / "cur" / f"17{number:08}.M{number}P1.host:2,S").write_bytes(message)
    house = House(folder)
    client = house.login()
    client.command(b"SELECT INBOX")
    yield client
    house.close()


def answers(client: Client, line: bytes, word: bytes) -> list[bytes]:
    """Each message's response, with its literals."""
    client.count += 1
    answer = client.send(b"t%d %b" % (client.count, line))
    assert re.search(rb"t%d OK [^\r\n]*\r\n\Z" % client.count, answer), answer[-300:]
    return re.split(rb"(?m)^(?=\* \d+ %b )" % word, answer.rpartition(b"t%d OK" % client.count)[0])[1:]


def test_odd_messages_have_ids_and_previews(client: Client) -> None:
    items = b"(EMAILID THREADID SAVEDATE PREVIEW)"
    together = answers(client, b"FETCH 1:* " + items, b"FETCH")
    assert len(together) == COUNT
    for number, one in enumerate(together, 1):
        found = re.fullmatch(
            rb"(?s)\* %d FETCH \(EMAILID \(M\w{40}\) THREADID \(T\w{40}\) SAVEDATE (?:NIL|\"[^\"]+\") "
            rb"PREVIEW (\{(\d+)\}\r\n.*|\".*\")\)\r\n" % number,
            one,
        )
        assert found is not None, one
        if found[2]:
            assert len(found[1].partition(b"\r\n")[2]) == int(found[2])
            assert len(found[1].partition(b"\r\n")[2].decode()) <= 200
    for number in range(1, COUNT + 1, 7):
        assert answers(client, b"FETCH %d %b" % (number, items), b"FETCH") == [together[number - 1]]


@pytest.mark.parametrize(
    "rest",
    [
        b"(NIL) (AVAILABLECONVERSIONS[] BINARY.SIZE[1] BODYPARTSTRUCTURE[1] BINARY[1]<0.9> BINARY[2] BINARY.SIZE[1.2])",
        b'("text/plain" ("charset" "iso-8859-1" "unknown-character-replacement" "?")) (UID BINARY.SIZE[1])',
        b'(NIL ("charset" "utf-8")) (BODY[HEADER] BODY[1.MIME] BODY[1.HEADER])',
    ],
)
def test_odd_messages_are_converted_or_refused(client: Client, rest: bytes) -> None:
    for low in range(1, COUNT + 1, 400):
        high = min(low + 399, COUNT)
        assert len(answers(client, b"CONVERT %d:%d %b" % (low, high, rest), b"CONVERTED")) == high - low + 1
