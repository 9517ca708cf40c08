"""X-GM-EXT-1 where it is offered: ids, labels, searches; and where it is not."""

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from harness import Client, House

from doocot.mailbox.labels import Labels, keyword_of, label_of

MESSAGES = (
    b"Message-ID: <1@x>\nFrom: Ann <ann@x>\nTo: bob@x\nSubject: red apples\n\nthe first message\n",
    b"Message-ID: <2@x>\nReferences: <1@x>\nFrom: Bob <bob@x>\nTo: ann@x\nSubject: green apples\n\nsecond message\n",
    b"Message-ID: <3@x>\nFrom: Carl <carl@x>\nTo: bob@x\nSubject: pears\n\nthe third one " + b"x" * 3000 + b"\n",
)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    for part in ("cur", "new", "tmp"):
        (tmp_path / "mail" / part).mkdir(parents=True)
    for number, message in enumerate(MESSAGES, 1):
        file = tmp_path / "mail" / "cur" / f"170000000{number}.M{number}P1.host:2,"
        file.write_bytes(message)
        os.utime(file, (1_700_000_000, 1_700_000_000))
    house = House(tmp_path / "mail")
    house.context = replace(house.context, gmail=True)
    yield house
    house.close()


@pytest.fixture
def client(house: House) -> Client:
    client = house.login()
    client.command(b"SELECT INBOX")
    return client


def labels(client: Client, number: int) -> bytes:
    (line, _) = client.command(b"FETCH %d X-GM-LABELS" % number)
    found = re.fullmatch(rb"\* \d+ FETCH \(X-GM-LABELS \((.*)\)\)", line)
    assert found is not None
    return found[1]


def found(client: Client, keys: bytes) -> bytes:
    answer = client.command(b"SEARCH " + keys)
    assert answer[-1].startswith(b"TAG OK"), answer
    return answer[0].removeprefix(b"* SEARCH").strip()


def test_gmail_is_offered_where_it_is_wanted(client: Client, tmp_path: Path) -> None:
    assert b" X-GM-EXT-1" in client.command(b"CAPABILITY")[0]
    house = House(tmp_path / "other")
    other = house.login()
    other.command(b"SELECT INBOX")
    other.send(b"x APPEND INBOX {1+}\r\na")
    assert b"X-GM-EXT-1" not in other.command(b"CAPABILITY")[0]
    for line in (
        b"FETCH 1 X-GM-MSGID",
        b"FETCH 1 (X-GM-LABELS)",
        b"STORE 1 +X-GM-LABELS (a)",
        b"SEARCH X-GM-RAW a",
        b"SORT (DATE) UTF-8 X-GM-LABELS a",
        b"ESEARCH IN (personal) X-GM-MSGID 1",
        b"NOTIFY SET (SELECTED (MessageNew (X-GM-LABELS) MessageExpunge))",
        b"SEARCH RETURN (UPDATE (X-GM-MSGID)) ALL",
        b"SORT RETURN (UPDATE (X-GM-LABELS)) (DATE) UTF-8 ALL",
    ):
        assert other.command(line)[-1].startswith(b"TAG BAD X-GM-EXT-1 is not offered"), line
    house.close()


def test_gmail_ids_are_the_beginnings_of_object_ids(client: Client) -> None:
    answer = client.command(b"FETCH 1:2 (X-GM-MSGID X-GM-THRID EMAILID THREADID)")
    pattern = rb"\* \d FETCH \(X-GM-MSGID (\d+) X-GM-THRID (\d+) EMAILID \(M(\w+)\) THREADID \(T(\w+)\)\)"
    one, two = (re.fullmatch(pattern, line) for line in answer[:2])
    assert one is not None
    assert two is not None
    assert int(one[1]) == int(one[3][:16], 16)
    assert one[2] == two[2]
    assert found(client, b"X-GM-MSGID " + two[1]) == b"2"
    assert found(client, b"X-GM-THRID " + two[2]) == b"1 2"
    assert found(client, b"X-GM-THRID " + two[1]) == b""


def test_gmail_labels_are_keywords_and_flags(client: Client) -> None:
    assert labels(client, 1) == b"\\Inbox"
    answer = client.command(rb'STORE 1 +X-GM-LABELS (work "Muy Importante" "Gr&APwA3w-e" \Starred \Important \Inbox)')
    assert answer[-1] == b"TAG OK Store completed."
    told = [line for line in answer if line.startswith(b"* 1 FETCH (X-GM-LABELS")]
    assert len(told) == 1
    shown = rb'\Inbox \Starred \Important "Muy Importante" Gr&APwA3w-e work'
    assert sorted(labels(client, 1).split()) == sorted(shown.split())
    flags = client.command(b"FETCH 1 FLAGS")[0]
    assert b"\\Flagged" in flags
    assert b"=Muy=20Importante" in flags
    assert b"$Important" in flags
    assert found(client, b"KEYWORD =Muy=20Importante") == b"1"
    for label in (b'"muy importante"', b"Gr&APwA3w-e", b"\\Starred", b"\\Important", b"work", b"\\Inbox 1"):
        assert found(client, b"X-GM-LABELS " + label) == b"1", label
    assert found(client, b"X-GM-LABELS \\Sent") == b""
    assert found(client, b"NOT X-GM-LABELS work") == b"2 3"
    silent = client.command(rb'STORE 1 -X-GM-LABELS.SILENT ("Muy Importante" "Gr&APwA3w-e" \Starred)')
    assert silent == [b"TAG OK Store completed."]
    assert sorted(labels(client, 1).split()) == [b"\\Important", b"\\Inbox", b"work"]
    client.command(b"STORE 1 +FLAGS ($Forwarded)")
    assert b"Forwarded" not in labels(client, 1)


def test_gmail_labels_of_mailboxes_are_not_stored(client: Client) -> None:
    for line in (b"STORE 1 +X-GM-LABELS \\Trash", b"STORE 1 -X-GM-LABELS (\\Inbox)", b"STORE 1 X-GM-LABELS (a)"):
        assert client.command(line)[-1].startswith(b"TAG NO [CANNOT]"), line
    client.command(b"CREATE sent (USE (\\Sent))")
    client.command(b"COPY 1 sent")
    client.command(b"SELECT sent")
    assert labels(client, 1) == b"\\Sent"
    assert found(client, b"X-GM-LABELS \\Sent") == b"1"


def test_gmail_bad_input(client: Client) -> None:
    for line in (
        b"STORE 1 +X-GM-LABELS",
        b"STORE 1 +X-GM-LABELS (a",
        b'STORE 1 +X-GM-LABELS ""',
        b"STORE 1 +X-GM-LABELS (" + b"a" * 226 + b")",
        b'STORE 1 +X-GM-LABELS "&x"',
        b"STORE 1 +X-GM-LABEL (a)",
        b"SEARCH X-GM-MSGID",
        b"SEARCH X-GM-MSGID x",
        b"SEARCH X-GM-MSGID 18446744073709551616",
        b"SEARCH X-GM-RAW",
        b'SEARCH X-GM-RAW ""',
        b'SEARCH X-GM-RAW "has:attachment"',
        b'SEARCH X-GM-RAW "before:soon"',
        b'SEARCH X-GM-RAW "a OR"',
        b'SEARCH X-GM-RAW "(a b)"',
        rb'SEARCH X-GM-RAW "\"a"',
        b'SEARCH X-GM-RAW "' + b"a " * 51 + b'"',
        b"FETCH 1 X-GM-RAW",
        b"FETCH 1 X-GM-LABELS[1]",
    ):
        assert client.command(line)[-1].startswith(b"TAG BAD"), line


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        (b"apples", b"1 2"),
        (b"apples -green", b"1"),
        (b'\\"first message\\"', b"1"),
        (b"first message", b"1"),
        (b"from:ann", b"1"),
        (b"to:ann OR subject:pears", b"2 3"),
        (b"from:ann to:ann", b""),
        (b"larger:2K", b"3"),
        (b"smaller:1K -from:bob", b"1"),
        (b"after:2023/11/14 before:2023/11/16", b"1 2 3"),
        (b"older:2023-11-14", b""),
        (b"is:unread in:inbox", b"1 2 3"),
        (b"is:starred", b""),
        (b"in:sent", b""),
        (b"in:anywhere pears", b"3"),
        (b"label:work", b""),
        (b"rfc822msgid:2@x", b"2"),
        (b"http://x", b""),
    ],
)
def test_gmail_raw(client: Client, text: bytes, numbers: bytes) -> None:
    assert found(client, b'X-GM-RAW "%b"' % text) == numbers


@pytest.mark.parametrize("label", ["work", "a b", "=a", "$a", "Grüße", "a=20b", "a/b", 'q"q', "]x[", "%", "ß" * 50])
def test_gmail_labels_come_back_from_keywords(label: str) -> None:
    keyword = keyword_of(label)
    assert re.fullmatch(r"[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]+", keyword)
    assert label_of(keyword) == label


def test_gmail_registered_keywords_are_no_labels() -> None:
    assert label_of("$Forwarded") is None
    assert label_of("$important") == "\\Important"
    assert label_of("=FF=zz") is not None


KEYWORDS_THAT_ARE_NO_LABELS = (
    "=",
    "==5CA=29=29=0D=0A=2A=20BYE=20x",
    "==5CSeen",
    "=a=0D=0Ab",
    "=a=00",
    "=a=7F",
    "==C2=85",
)


def test_gmail_keywords_that_no_label_gives_are_not_shown(client: Client) -> None:
    client.command(b"STORE 1 +FLAGS (%b work)" % " ".join(KEYWORDS_THAT_ARE_NO_LABELS).encode())
    assert labels(client, 1) == b"\\Inbox work"
    assert found(client, b'X-GM-LABELS "\\\\Seen"') == b""
    assert client.command(b'STORE 1 +X-GM-LABELS "a&AA0ACg-b"')[-1].startswith(b"TAG BAD")


@pytest.mark.parametrize("keyword", KEYWORDS_THAT_ARE_NO_LABELS)
def test_gmail_keywords_that_no_label_gives_are_no_labels(keyword: str) -> None:
    assert label_of(keyword) is None


@pytest.mark.parametrize(
    ("label", "shown"), [("\\Sent", b"\\Sent"), ("\\A b", b'"\\\\A b"'), ("\\A)\r\n", b'"\\\\A)&AA0ACg-"')]
)
def test_gmail_only_a_word_behind_a_backslash_is_shown_as_it_is(client: Client, label: str, shown: bytes) -> None:
    view = client.session.view
    assert view is not None
    assert Labels(view.live.root, label, utf8=False)[0] == shown


def test_gmail_raw_is_nested_no_deeper_than_other_keys(client: Client) -> None:
    assert found(client, b'X-GM-RAW "' + b"-" * 98 + b'apples"') == b"1 2"
    for line in (
        b'SEARCH X-GM-RAW "' + b"-" * 100 + b'apples"',
        b'SEARCH X-GM-RAW "' + b"-" * 8000 + b'apples"',
        b"SEARCH " + b"NOT " * 60 + b'X-GM-RAW "' + b"-" * 60 + b'apples"',
        b"SEARCH" + (b' X-GM-RAW "' + b"a " * 50 + b'"') * 40,
    ):
        assert client.command(line)[-1].startswith(b"TAG BAD"), line


def test_gmail_labels_of_the_mailboxes_of_esearch(client: Client) -> None:
    client.command(b"CREATE sent (USE (\\Sent))")
    client.command(b"COPY 1 sent")
    esearch = b"ESEARCH IN (mailboxes (INBOX sent)) RETURN (COUNT) X-GM-LABELS "
    (told, _) = client.command(esearch + b"\\Sent")
    assert b" MAILBOX sent " in told
    assert told.endswith(b" COUNT 1")
    client.command(b"SELECT sent")
    assert client.command(esearch + b"\\Sent")[0].endswith(b" COUNT 1")
    (told, _) = client.command(esearch + b"\\Inbox")
    assert b" MAILBOX INBOX " in told


@pytest.mark.parametrize(
    "line",
    [
        b"NOTIFY SET (SELECTED (MessageNew (UID X-GM-LABELS) MessageExpunge))",
        b"SEARCH RETURN (UPDATE (UID X-GM-LABELS)) ALL",
    ],
)
def test_gmail_labels_of_new_messages(house: House, client: Client, line: bytes) -> None:
    client.command(b"CREATE sent (USE (\\Sent))")
    client.command(b"SELECT sent")
    assert client.command(line)[-1].startswith(b"TAG OK")
    house.login().command(b"APPEND sent {1+}\r\na")
    assert b"* 1 FETCH (UID 1 X-GM-LABELS (\\Sent))" in client.command(b"NOOP")


@pytest.mark.parametrize("enabled", [b"UTF8=ACCEPT", b"IMAP4rev2"])
def test_gmail_labels_are_encoded_as_names_of_mailboxes(house: House, client: Client, enabled: bytes) -> None:
    client.command(b"STORE 1 +X-GM-LABELS.SILENT (&AOk- a&-b)")
    other = house.login()
    other.command(b"ENABLE " + enabled)
    other.command(b"SELECT INBOX")
    utf8 = '\\Inbox a&b "é"'.encode()
    assert sorted(labels(other, 1).split()) == sorted(utf8.split())
    assert found_in_utf8(other, '"é"'.encode()) == found_in_utf8(other, b"a&b") != b""
    told = other.command('STORE 2 +X-GM-LABELS ("é" a&b)'.encode())
    assert any(line.startswith(b"* 2 FETCH (X-GM-LABELS") and '"é"'.encode() in line for line in told)
    client.command(b"NOOP")
    assert sorted(labels(client, 1).split()) == sorted(labels(client, 2).split())
    assert sorted(labels(client, 2).split()) == sorted(rb"\Inbox a&-b &AOk-".split())
    other.command(b"STORE 1:2 -X-GM-LABELS.SILENT (" + utf8.removeprefix(b"\\Inbox ") + b")")
    assert labels(other, 1) == labels(other, 2) == b"\\Inbox"


def found_in_utf8(client: Client, label: bytes) -> bytes:
    answer = client.command(b"SEARCH RETURN (ALL) X-GM-LABELS " + label)[0]
    return answer.partition(b" ALL ")[2]
