"""Commands about mailboxes, driven through sessions without a socket."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from doocot.imap.list import MAX_PATTERNS
from doocot.wire.flow import Job
from tests.imap.harness import Client, House, spaces_from

SPECIALS = """
namespace inbox {
  inbox = yes
  mailbox Sent {
    special_use = \\Sent
  }
  mailbox Drafts {
    auto = subscribe
    special_use = \\Drafts
  }
}
"""
PREFIX = """
namespace inbox {
  inbox = yes
  prefix = INBOX.
  separator = .
}
namespace old {
  prefix = mail.
  separator = .
  hidden = yes
  list = no
  inbox = no
}
"""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path / "mail")
    yield made
    made.close()


def make(house: House, *lines: bytes) -> Client:
    client = house.login()
    for line in lines:
        answer = client.command(line)
        assert answer[-1].startswith(b"TAG OK"), answer
    return client


def message(house: House, name: str, folder: str = "new", mailbox: str = "") -> None:
    path = house.mail / mailbox / folder
    path.mkdir(parents=True, exist_ok=True)
    (path / name).write_text("Subject: x\n\nbody\n")


def test_patterns_of_one_list_are_bounded(house: House) -> None:
    client = make(house, b"CREATE some", b"CREATE other", b'LIST "" *')  # by now the tree is known
    many = b" ".join([b"*o*m*e"] * MAX_PATTERNS)
    assert client.command(b'LIST "" (%b x)' % many)[-1].startswith(b"TAG BAD")
    (line, _) = client.command(b'LIST "" (%b)' % many)
    assert line.endswith(b" some")
    several = b" ".join(b"*%d" % number for number in range(20))
    (line, _) = client.command(b'LIST "" (%b so*)' % several)
    assert line.endswith(b" some")
    client.session.receive(b'x LIST "" (%b so*e)\r\n' % several)
    assert isinstance(client.session.pending, Job)
    client.session.lost()


def test_list_shows_what_another_program_made(house: House) -> None:
    client = make(house, b"CREATE mine")
    assert client.command(b'LIST "" theirs') == [b"TAG OK List completed."]
    for part in ("cur", "new", "tmp"):
        (house.mail / ".theirs" / part).mkdir(parents=True)
    assert client.command(b'LIST "" theirs') == [b'* LIST (\\HasNoChildren) "." theirs', b"TAG OK List completed."]
    (house.mail / ".theirs").rename(house.mail / "gone")
    assert client.command(b'LIST "" theirs') == [b"TAG OK List completed."]


def test_list_shows_what_another_session_did(house: House) -> None:
    one, two = make(house, b"CREATE a"), make(house)
    assert len(two.command(b'LIST "" *')) == 3
    make(house, b"CREATE a.b", b"SUBSCRIBE a.b")
    assert two.command(b'LIST "" % RETURN (CHILDREN)')[1] == b'* LIST (\\HasChildren) "." a'
    assert two.command(b'LSUB "" *')[0] == b'* LSUB () "." a.b'
    one.command(b"DELETE a.b")
    assert two.command(b'LIST "" a*')[0] == b'* LIST (\\HasNoChildren) "." a'


def test_create_of_a_special_use_that_the_configuration_gives(tmp_path: Path) -> None:
    house = House(tmp_path / "mail", spaces_from(SPECIALS))
    client = make(house, b"CREATE Sent (USE (\\Sent))")
    assert client.command(b"CREATE Other (USE (\\Sent)")[-1].startswith(b"TAG BAD")
    assert client.command(b'LIST (SPECIAL-USE) "" *') == [
        b'* LIST (\\Drafts) "." Drafts',
        b'* LIST (\\Sent) "." Sent',
        b"TAG OK List completed.",
    ]
    house.close()


def test_select_and_append_make_an_auto_mailbox(tmp_path: Path) -> None:
    house = House(tmp_path / "mail", spaces_from(SPECIALS))
    client = make(house)
    assert b'* LSUB (\\Drafts) "." Drafts' in client.command(b'LSUB "" *')
    assert not (house.mail / ".Drafts").exists()
    assert client.command(b"STATUS Drafts (MESSAGES)")[0] == b"* STATUS Drafts (MESSAGES 0)"
    assert (house.mail / ".Drafts" / "cur").is_dir()
    assert "Drafts" in (house.mail / "subscriptions").read_text()
    client.command(b"DELETE Drafts")
    assert client.command(b"APPEND Drafts {1+}\r\nx")[-1].startswith(b"TAG OK [APPENDUID ")
    assert client.command(b"SELECT Sent")[-1].startswith(b"TAG NO [NONEXISTENT] ")
    house.close()


def test_session_with_a_deleted_mailbox_is_ended(house: House) -> None:
    clients = [make(house, b"CREATE a"), make(house), make(house)]
    for client in clients[:2]:
        client.command(b"SELECT a")
    clients[1].send(b"i IDLE")
    assert clients[0].command(b"DELETE a") == [b"TAG OK Delete completed."]
    bye = [b"* BYE Selected mailbox was deleted, have to disconnect."]
    assert clients[0].command(b"NOOP") == bye
    assert clients[1].session.resume(None).split(b"\r\n")[0] == bye[0]
    assert clients[0].closed
    assert clients[1].session.pending is not None
    assert clients[2].command(b"NOOP")[-1].startswith(b"TAG OK")


def test_new_mailbox_is_not_taken_for_a_deleted_one(house: House) -> None:
    one, two = make(house, b"CREATE a", b"SELECT a"), make(house)
    for line in (b"DELETE a", b"CREATE a", b"APPEND a {1+}\r\nx"):
        assert two.command(line)[-1].startswith(b"TAG OK")
    assert one.command(b"NOOP")[0].startswith(b"* BYE")
    assert two.command(b"STATUS a (MESSAGES UIDNEXT)")[0] == b"* STATUS a (MESSAGES 1 UIDNEXT 2)"


def test_session_with_a_renamed_mailbox_goes_on(house: House) -> None:
    one, two = make(house, b"CREATE a", b"APPEND a {1+}\r\nx", b"SELECT a"), make(house)
    assert two.command(b"RENAME a b.c")[-1] == b"TAG OK Rename completed."
    assert two.command(b"APPEND b.c {1+}\r\ny")[-1].startswith(b"TAG OK [APPENDUID ")
    assert b"* 2 EXISTS" in one.command(b"NOOP")
    assert one.command(b"STORE 1 +FLAGS (\\Flagged)")[-1].startswith(b"TAG OK")
    house.settle()
    assert any(name.endswith(":2,F") for name in os.listdir(house.mail / ".b.c" / "cur"))


def test_rename_of_inbox_moves_its_messages(house: House) -> None:
    for number in range(3):
        message(house, f"170000000{number}.x.host")
    one, two = make(house, b"CREATE INBOX.kid"), make(house, b"SELECT INBOX")
    assert one.command(b"RENAME INBOX saved.all") == [b"TAG OK Rename completed."]
    house.settle()
    assert one.command(b"STATUS INBOX (MESSAGES)")[0] == b"* STATUS INBOX (MESSAGES 0)"
    assert one.command(b"STATUS saved.all (MESSAGES UNSEEN)")[0] == b"* STATUS saved.all (MESSAGES 3 UNSEEN 3)"
    assert one.command(b'LIST "" INBOX.*')[0] == b'* LIST (\\HasNoChildren) "." INBOX.kid'
    assert two.command(b"NOOP")[:3] == [b"* 3 EXPUNGE", b"* 2 EXPUNGE", b"* 1 EXPUNGE"]
    assert len(os.listdir(house.mail / ".saved.all" / "cur")) == 3


def test_status_counts_once_and_keeps_it(house: House) -> None:
    for number, flags in enumerate(("S", "", "ST")):
        message(house, f"170000000{number}.x.host:2,{flags}", "cur")
    client = make(house)
    items = b"(MESSAGES RECENT UIDNEXT UNSEEN SIZE)"
    expected = b"* STATUS INBOX (MESSAGES 3 RECENT 0 UIDNEXT 4 UNSEEN 1 SIZE 60)"
    assert client.command(b"STATUS INBOX " + items)[0] == expected
    for part in ("cur", "new"):
        os.utime(house.mail / part, (1, 1))
    client.command(b"STATUS INBOX " + items)
    jobs = client.jobs
    assert client.command(b"STATUS INBOX " + items)[0] == expected
    assert client.jobs == jobs


def test_status_of_the_selected_mailbox_is_a_client_bug(house: House) -> None:
    client = make(house, b"SELECT INBOX")
    assert client.command(b"STATUS inbox (MESSAGES)") == [
        b"* STATUS inbox (MESSAGES 0)",
        b"TAG OK [CLIENTBUG] Status on selected mailbox completed.",
    ]


def test_status_with_highestmodseq_enables_condstore(house: House) -> None:
    client = make(house, b"APPEND INBOX {1+}\r\nx")
    assert b"HIGHESTMODSEQ" in client.command(b"STATUS INBOX (HIGHESTMODSEQ)")[0]
    assert b"CONDSTORE" in client.session.enabled


def test_list_status_goes_on_when_a_mailbox_is_lost(house: House) -> None:
    client = make(house, b"CREATE a", b"CREATE b")
    os.utime(house.mail, (1, 1))
    assert len(client.command(b'LIST "" *')) == 4
    (house.mail / ".a").rename(house.mail / "gone")
    os.utime(house.mail, (1, 1))  # as if it went between the look into the folder and the STATUS
    answer = client.command(b'LIST "" * RETURN (STATUS (MESSAGES))')
    assert b"* STATUS b (MESSAGES 0)" in answer
    assert answer[-1] == b"TAG OK List completed."
    assert not any(b"STATUS a " in line for line in answer)


def test_namespaces_of_one_root_show_the_same_mailboxes(tmp_path: Path) -> None:
    house = House(tmp_path / "mail", spaces_from(PREFIX))
    client = make(house, b"CREATE INBOX.a.b", b"SUBSCRIBE INBOX.a.b")
    assert client.command(b"NAMESPACE")[0] == b'* NAMESPACE (("INBOX." ".")) NIL NIL'
    assert client.command(b'LIST "" *') == [
        b'* LIST (\\HasChildren) "." INBOX',
        b'* LIST (\\Noselect \\HasChildren) "." INBOX.a',
        b'* LIST (\\HasNoChildren) "." INBOX.a.b',
        b"TAG OK List completed.",
    ]
    assert client.command(b'LIST "" %') == [b'* LIST (\\HasChildren) "." INBOX', b"TAG OK List completed."]
    assert client.command(b'LIST "" mail.*')[0] == b'* LIST (\\Noselect \\HasChildren) "." mail.a'
    assert client.command(b"SUBSCRIBE INBOX.")[-1].startswith(b"TAG NO [NONEXISTENT] ")
    assert client.command(b"CREATE other")[-1].startswith(b"TAG NO [NONEXISTENT] ")
    assert client.command(b"SELECT INBOX.a.b")[-1].startswith(b"TAG OK [READ-WRITE]")
    assert (house.mail / ".a.b" / "cur").is_dir()
    assert (house.mail / "subscriptions").read_text() == "V\t2\n\na\tb\n"
    house.close()


def test_courier_subscriptions_are_read_once(house: House) -> None:
    house.mail.mkdir(exist_ok=True)
    (house.mail / "courierimapsubscribed").write_text("INBOX\nINBOX.Sent\n")
    client = make(house)
    assert client.command(b'LSUB "" *') == [b'* LSUB () "." INBOX', b'* LSUB () "." Sent', b"TAG OK Lsub completed."]
