"""EMAILID, THREADID and MAILBOXID when the index is made anew; SAVEDATE where nobody knows it."""

import re
from pathlib import Path

from harness import Client, House

from tests.imap.search_house import make_maildir

MESSAGES = (
    b"Message-ID: <1@example.org>\n\none\n",
    b"Message-ID: <2@example.org>\nReferences: <1@example.org>\n\ntwo\n",
    b"Subject: no id\n\nthree\n",
    b"Subject: no id either\n\nthree\n",
    b"no header at all\n",
    b"Message-ID: <1@example.org>\r\n\r\none\r\n",
)


def maildir(folder: Path) -> None:
    for part in ("cur", "new", "tmp"):
        (folder / part).mkdir(parents=True)
    for number, message in enumerate(MESSAGES, 1):
        (folder / "cur" / f"17000000{number:02}.M{number}P1.host:2,").write_bytes(message)


def ids(client: Client) -> list[tuple[bytes, bytes]]:
    answer = client.command(b"FETCH 1:* (EMAILID THREADID)")
    assert answer[-1].startswith(b"TAG OK")
    found = [
        re.fullmatch(rb"\* \d+ FETCH \(EMAILID \((M\w{40})\) THREADID \((T\w{40})\)\)", line) for line in answer[:-1]
    ]
    return [(one[1], one[2]) for one in found if one is not None]


def mailbox_id(answer: list[bytes]) -> bytes:
    return next(found[1] for line in answer if (found := re.search(rb"\[MAILBOXID \((F\w+)\)\]", line)))


def test_objectids_are_the_same_when_the_index_is_made_anew(tmp_path: Path) -> None:
    maildir(tmp_path / "mail")
    house = House(tmp_path / "mail")
    client = house.login()
    box = mailbox_id(client.command(b"SELECT INBOX"))
    before = ids(client)
    assert len(before) == len(MESSAGES)
    assert len({email for email, _ in before}) == len(MESSAGES) - 1
    assert before[0] == before[5], "line ends of the file are no part of the message"
    assert before[0][1] == before[1][1]
    assert len({thread for _, thread in before}) == 4
    house.close()
    gone = list((tmp_path / "mail").glob("doocot.index*"))
    assert gone
    for file in gone:
        file.unlink()
    house = House(tmp_path / "mail")
    client = house.login()
    assert mailbox_id(client.command(b"SELECT INBOX")) == box
    assert ids(client) == before
    house.close()


def test_objectids_are_searched_in_mail_that_nobody_has_read(tmp_path: Path) -> None:
    maildir(tmp_path / "mail")
    house = House(tmp_path / "mail")
    client = house.login()
    client.command(b"SELECT INBOX")
    email, thread = ids(client)[1]
    house.close()
    for file in (tmp_path / "mail").glob("doocot.index*"):
        file.unlink()
    house = House(tmp_path / "mail")
    client = house.login()
    client.command(b"SELECT INBOX")
    assert client.command(b"SEARCH EMAILID " + email)[0] == b"* SEARCH 2"
    assert client.command(b"SEARCH THREADID " + thread)[0] == b"* SEARCH 1 2 6"
    assert client.command(b"SEARCH EMAILID " + email[:-1])[0] == b"* SEARCH"
    assert client.command(b"SEARCH RETURN (COUNT) NOT THREADID Tx")[0] == b'* ESEARCH (TAG "t5") COUNT 6'
    house.close()


def test_ids_of_a_message_whose_file_is_gone(tmp_path: Path) -> None:
    maildir(tmp_path / "mail")
    house = House(tmp_path / "mail")
    client = house.login()
    client.command(b"SELECT INBOX")
    next((tmp_path / "mail" / "cur").glob("1700000003*")).unlink()
    answer = client.command(b"FETCH 1:* EMAILID")
    assert len(answer) == len(MESSAGES)
    assert answer[-1].startswith(b"TAG NO [EXPUNGEISSUED]")
    house.close()


def test_savedate_is_nil_of_mail_that_another_server_saved(tmp_path: Path) -> None:
    make_maildir(tmp_path / "mail", [(MESSAGES[0], "", 1_000_000_000)])
    house = House(tmp_path / "mail")
    client = house.login()
    client.command(b"SELECT INBOX")
    assert client.command(b"FETCH 1 SAVEDATE")[0] == b"* 1 FETCH (SAVEDATE NIL)"
    client.command(b"COPY 1 INBOX")
    assert re.fullmatch(
        rb'\* 2 FETCH \(SAVEDATE "[ \d]\d-\w{3}-\d{4} \d\d:\d\d:\d\d \+0000"\)', client.command(b"FETCH 2 SAVEDATE")[0]
    )
    house.close()
