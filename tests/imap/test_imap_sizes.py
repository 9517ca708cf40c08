"""STATUS=SIZE (RFC 8438) and APPENDLIMIT (RFC 7889), and the keywords that have a name in a registry (RFC 8457)."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from doocot.imap.context import UNLIMITED
from tests.imap.harness import Client, House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path / "mail")
    yield made
    made.close()


def size_of(client: Client, mailbox: bytes) -> int:
    found = re.fullmatch(rb"\* STATUS \S+ \(SIZE (\d+)\)", client.command(b"STATUS %b (SIZE)" % mailbox)[0])
    assert found is not None
    return int(found[1])


def test_size_is_the_sum_of_rfc822_size(house: House) -> None:
    client = house.login()
    for text in (b"a\r\n\r\nb\r\n", b"Subject: bare\n\nline feeds\n", b"x" * 5000):
        client.command(b"APPEND INBOX {%d+}\r\n%b" % (len(text), text))
    client.command(b"SELECT INBOX")
    sizes = [int(line.split()[-1][:-1]) for line in client.command(b"FETCH 1:* RFC822.SIZE")[:-1]]
    assert len(sizes) == 3
    client.command(b"UNSELECT")
    assert size_of(client, b"INBOX") == sum(sizes)
    client.command(b"SELECT INBOX")
    client.command(b"STORE 3 +FLAGS.SILENT (\\Deleted)")
    client.command(b"EXPUNGE")
    client.command(b"CREATE empty")
    client.command(b"COPY 1:2 empty")
    client.command(b"UNSELECT")
    assert size_of(client, b"INBOX") == size_of(client, b"empty") == sum(sizes[:2])
    answer = client.command(b'LIST "" empty RETURN (STATUS (SIZE APPENDLIMIT MESSAGES))')
    assert answer[1] == b"* STATUS empty (MESSAGES 2 SIZE %d APPENDLIMIT 67108864)" % sum(sizes[:2])


def test_size_of_other_programs_messages_is_counted(house: House) -> None:
    client = house.login()
    (house.mail / "new").mkdir(exist_ok=True)
    (house.mail / "new" / "1.x.host").write_bytes(b"Subject: one\n\nbody\n")
    assert size_of(client, b"INBOX") == len(b"Subject: one\r\n\r\nbody\r\n")


def test_append_limit_is_told_and_kept(house: House) -> None:
    house.context = replace(house.context, max_literal=100)
    client = house.login()
    assert b" APPENDLIMIT=100 " in client.command(b"CAPABILITY")[0] + b" "
    assert client.command(b"STATUS INBOX (APPENDLIMIT)")[0] == b"* STATUS INBOX (APPENDLIMIT 100)"
    assert client.command(b"APPEND INBOX {101}")[0].startswith(b"TAG NO [TOOBIG]")
    assert client.command(b"APPEND INBOX {101+}\r\n" + b"x" * 101)[0].startswith(b"TAG NO [TOOBIG]")
    assert client.command(b"APPEND INBOX {100+}\r\n" + b"x" * 100)[-1].startswith(b"TAG OK")
    assert b"APPENDLIMIT" not in house.connect().command(b"CAPABILITY")[0]


@pytest.mark.parametrize(("limit", "told"), [(UNLIMITED, None), (1 << 40, 4294967295)])
def test_append_limit_that_is_no_number(house: House, limit: int, told: int | None) -> None:
    house.context = replace(house.context, max_literal=limit)
    client = house.login()
    words = client.command(b"CAPABILITY")[0].split()
    assert (b"APPENDLIMIT" if told is None else b"APPENDLIMIT=%d" % told) in words
    shown = b"NIL" if told is None else b"%d" % told
    assert client.command(b"STATUS INBOX (APPENDLIMIT)")[0] == b"* STATUS INBOX (APPENDLIMIT %b)" % shown


REGISTERED = (
    *(b"$Important", b"$Forwarded", b"$MDNSent", b"$Junk", b"$NotJunk", b"$Phishing", b"$SubmitPending", b"$Submitted"),
    *(b"$hasAttachment", b"$hasNoAttachment", b"$followed", b"$ignored", b"$memo", b"$label1", b"NonJunk", b"Junk"),
)


def test_registered_keywords_are_kept_as_they_are_written(house: House) -> None:
    client = house.login()
    assert client.command(b"APPEND INBOX (%b) {1+}\r\nx" % b" ".join(REGISTERED))[-1].startswith(b"TAG OK")
    answer = client.command(b"SELECT INBOX")
    assert all(keyword in answer[0].strip(b")").split() for keyword in (b"$Important", b"$Forwarded", b"$MDNSent"))
    (flags,) = re.findall(rb"\(FLAGS \(([^)]*)\)\)", client.command(b"FETCH 1 FLAGS")[0])
    assert set(flags.split()) - {b"\\Recent"} == set(REGISTERED)
    assert client.command(b"SEARCH KEYWORD $important")[0] == b"* SEARCH 1"
    client.command(b"STORE 1 -FLAGS.SILENT ($IMPORTANT)")
    assert client.command(b"SEARCH UNKEYWORD $Important")[0] == b"* SEARCH 1"
