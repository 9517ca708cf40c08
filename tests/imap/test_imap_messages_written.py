"""Messages that clients write: large ones put together by CATENATE, limits, NULs, and binary content in literal8."""

import gc
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from harness import Client, House

from doocot.mailbox import excerpt, read
from doocot.message.scan import scan
from doocot.store.settle import settle_all

LINE = b"x" * 70 + b"\r\n"
LARGE = b"Subject: large\r\n\r\n" + LINE * 20_000


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "mail")


def limited(house: House, octets: int) -> Client:
    house.context = replace(house.context, max_literal=octets)
    return house.login()


def literal(data: bytes, mark: bytes = b"") -> bytes:
    return mark + b"{%d+}\r\n%b" % (len(data), data)


def body(client: Client, number: int, item: bytes = b"BODY.PEEK[]") -> bytes:
    answer = client.send(b"f FETCH %d %b" % (number, item))
    found = re.search(rb"\{(\d+)\}\r\n", answer)
    assert found is not None, answer
    return answer[found.end() : found.end() + int(found[1])]


def descriptors() -> int:
    """Those that are open; what tests before this one left is closed first."""
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


def test_large_parts_are_put_together_and_given_back(house: House) -> None:
    client = house.login()
    client.send(b"a SELECT INBOX")
    assert b" OK " in client.send(b"b APPEND INBOX " + literal(LARGE))
    before = descriptors()
    answer = client.send(
        b"c APPEND INBOX CATENATE (TEXT %b URL /INBOX/;UID=1/;SECTION=TEXT URL ;UID=1/;PARTIAL=18.144 TEXT %b)"
        % (literal(LARGE), literal(b"end\r\n"))
    )
    assert b"c OK [APPENDUID" in answer
    assert descriptors() == before
    assert body(client, 2) == LARGE + LINE * 20_002 + b"end\r\n"


def test_too_big_a_message_is_refused_and_nothing_is_left(house: House) -> None:
    client = limited(house, 2_000_000)
    client.send(b"a SELECT INBOX")
    assert b" OK " in client.send(b"b APPEND INBOX " + literal(LARGE))
    before = descriptors()
    assert b"c NO [TOOBIG] " in client.send(b"c APPEND INBOX CATENATE (URL ;UID=1 URL ;UID=1)")
    assert b"d NO [TOOBIG] " in client.send(b"d APPEND INBOX CATENATE (URL ;UID=1) CATENATE (URL ;UID=1)")
    assert b"e NO [TOOBIG] " in client.send(b"e REPLACE 1 INBOX CATENATE (TEXT %b URL ;UID=1)" % literal(LARGE))
    assert client.send(b"f REPLACE 1 INBOX {9000000}\r\n").startswith(b"f NO [TOOBIG] ")
    assert descriptors() == before
    assert b"MESSAGES 1" in client.send(b"g STATUS INBOX (MESSAGES)")
    assert list((house.mail / "tmp").iterdir()) == []


def test_a_message_of_a_catenate_that_fails_later_is_not_saved(house: House) -> None:
    client = house.login()
    assert b"b NO [BADURL x] " in client.send(b"b APPEND INBOX %b CATENATE (URL x)" % literal(b"Subject: a\r\n\r\n"))
    assert b"MESSAGES 0" in client.send(b"g STATUS INBOX (MESSAGES)")


def test_the_files_of_one_command_are_bounded(house: House) -> None:
    client = house.login()
    client.send(b"a APPEND INBOX " + literal(b"Subject: a\r\n\r\n"))
    before = descriptors()
    many = b" CATENATE (URL /INBOX/;UID=1)" * 100
    assert b"b OK " in client.send(b"b APPEND INBOX" + many)
    assert b"c NO [LIMIT] " in client.send(b"c APPEND INBOX" + many + b" CATENATE (URL /INBOX/;UID=1)")
    assert descriptors() == before
    assert b"MESSAGES 101" in client.send(b"d STATUS INBOX (MESSAGES)")


def test_octets_that_one_command_reads_are_bounded(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message of which several sections are wanted one after the other is read and scanned once."""
    client = house.login()
    for tag in (b"a", b"b"):
        client.send(tag + b" APPEND INBOX " + literal(b"Subject: %b\r\n\r\n" % tag + LINE * 10))
    scans: list[int] = []
    monkeypatch.setattr(read, "scan", lambda data: scans.append(len(data)) or scan(data))
    monkeypatch.setattr(excerpt, "MAX_READ", 3000)
    one, other = (b" URL /INBOX/;UID=%d/;SECTION=HEADER" % uid for uid in (1, 2))
    before = descriptors()
    assert b"c OK " in client.send(b"c APPEND INBOX CATENATE (TEXT {1+}\r\n\n" + one * 50 + b")")
    assert len(scans) == 1
    refused = client.send(b"d APPEND INBOX CATENATE (" + (one + other).strip() + (one + other) * 2 + b")")
    assert refused.startswith(b"d NO [LIMIT] One command reads at most 3000 octets of messages")
    assert b"e NO [LIMIT] " in client.send(b"e APPEND INBOX" + b" CATENATE (%b%b)" % (one.strip(), other) * 3)
    partial = b" URL /INBOX/;UID=1/;PARTIAL=700.1"
    assert b"f OK " in client.send(b"f APPEND INBOX CATENATE (" + (partial * 3).strip() + b")")
    assert b"g NO [LIMIT] " in client.send(b"g APPEND INBOX CATENATE (" + (partial * 5).strip() + b")")
    assert b"h OK " in client.send(b"h APPEND INBOX CATENATE (" + (b" URL /INBOX/;UID=1" * 9).strip() + b")")
    assert descriptors() == before


def test_spools_of_a_client_that_goes_away_are_given_back(house: House) -> None:
    client = house.login()
    client.send(b"a APPEND INBOX " + literal(LARGE))
    before = descriptors()
    client.session.receive(b"b APPEND INBOX CATENATE (URL /INBOX/;UID=1 URL /INBOX/;UID=1)\r\n")
    assert client.session.pending is not None
    assert descriptors() == before + 1
    client.session.lost()
    assert descriptors() == before


@pytest.mark.parametrize("number", [1, 40_000])
def test_nul_is_for_literal8_only(house: House, number: int) -> None:
    text = b"Subject: nul\r\n\r\n" + b"a\0b\r\n" * number
    client = house.login()
    client.send(b"a SELECT INBOX")
    assert b" OK " in client.send(b"b APPEND INBOX " + literal(text))
    assert b" OK " in client.send(b"c APPEND INBOX CATENATE (TEXT %b)" % literal(text))
    assert b" OK " in client.send(b"d APPEND INBOX " + literal(text, b"~"))
    assert [body(client, one, b"BINARY.PEEK[]") for one in (1, 2)] == [text.replace(b"\0", b"\x80")] * 2
    assert body(client, 3, b"BINARY.PEEK[]") == text
    assert body(client, 3) == text.replace(b"\0", b"\x80")


@pytest.mark.parametrize("number", [1, 40_000])
def test_binary_content_is_given_back_as_it_was(house: House, number: int) -> None:
    content = b"\0\x01\r\r\n\n\xff\r\n" * number + b"\r"
    head = (
        b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    )
    part = b"--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: BINARY\r\n\r\n"
    text = b"--b\r\nContent-Transfer-Encoding: binary\r\n\r\nplain\r\n--b--\r\n"
    client = house.login()
    client.send(b"a SELECT INBOX")
    whole = head + part + content + b"\r\n" + text
    assert b" OK " in client.send(b"b APPEND INBOX " + literal(whole, b"~"))
    assert b" OK " in client.send(
        b"c APPEND INBOX CATENATE (TEXT %b TEXT %b)" % (literal(head), literal(whole[len(head) :], b"~"))
    )
    for one in (1, 2):
        assert body(client, one, b"BINARY.PEEK[1]") == content
        assert body(client, one, b"BINARY.PEEK[2]") == b"plain"
        assert b"base64" in body(client, one, b"BODY.PEEK[1.MIME]").lower()
        assert b"\0" not in body(client, one)


def test_replace_of_a_message_that_is_gone_leaves_nothing(house: House) -> None:
    """The message that was to be replaced is gone for somebody else's command: nothing of the new one is left."""
    client, other = house.login(), house.login()
    client.send(b"a APPEND INBOX " + literal(b"Subject: old\r\n\r\n"))
    client.send(b"b SELECT INBOX")
    other.send(b"c SELECT INBOX")
    other.send(b"d STORE 1 +FLAGS (\\Deleted)")
    other.send(b"e EXPUNGE")
    settle_all(house.root)
    assert b"f NO [EXPUNGEISSUED] " in client.send(b"f REPLACE 1 INBOX " + literal(b"Subject: new\r\n\r\n"))
    assert [list((house.mail / part).iterdir()) for part in ("new", "cur", "tmp")] == [[], [], []]


def test_replace_tells_vanished_after_enable_qresync(house: House) -> None:
    client = house.login()
    client.send(b"a APPEND INBOX " + literal(b"Subject: old\r\n\r\n"))
    client.send(b"b ENABLE QRESYNC")
    client.send(b"c SELECT INBOX")
    lines = client.send(b"d UID REPLACE 1 INBOX " + literal(b"Subject: new\r\n\r\n")).split(b"\r\n")
    assert lines[0].startswith(b"* OK [APPENDUID ")
    assert lines[1] == b"* VANISHED 1"
    assert lines[-2].startswith(b"d OK")


@pytest.mark.parametrize(
    "line",
    [
        *(b"REPLACE", b"REPLACE 1", b"REPLACE 1 INBOX", b"REPLACE x INBOX {1+}\r\nx", b"REPLACE 1 INBOX x"),
        *(
            b"UID REPLACE",
            b"UID REPLACE *",
            b"REPLACE 99999999999 INBOX {1+}\r\nx",
            b"REPLACE 1 INBOX (\\Seen {1+}\r\nx",
        ),
        *(b"REPLACE 1 INBOX CATENATE (TEXT {1+}\r\nx", b"REPLACE 1 INBOX CATENATE (URL {100+}\r\n" + b"x" * 100),
    ],
)
def test_bad_replace(house: House, line: bytes) -> None:
    client = house.login()
    client.send(b"a APPEND INBOX " + literal(b"Subject: old\r\n\r\n"))
    client.send(b"b SELECT INBOX")
    assert client.send(b"c " + line).startswith(b"c BAD ")
    assert b"MESSAGES 1" in client.send(b"g STATUS INBOX (MESSAGES)")
