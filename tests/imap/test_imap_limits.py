"""MESSAGELIMIT and SAVELIMIT (RFC 9738): what is done of a command, and what is said of the rest."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from doocot.imap.uid_batches import batches
from tests.imap.harness import Client, House

LIMIT = 3


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path / "Maildir")
    house.context = replace(house.context, message_limit=LIMIT)
    yield house
    house.close()


def filled(house: House, count: int = 6) -> Client:
    """INBOX with UIDs 1, 3, 4, 5 ... selected, and another mailbox."""
    client = house.login()
    for number in range(1, count + 2):
        text = b"Subject: number %d\r\n\r\nbody %d\r\n" % (number, number)
        client.command(b"APPEND INBOX {%d+}\r\n%b" % (len(text), text))
    client.command(b"CREATE Other")
    client.command(b"SELECT INBOX")
    client.command(b"STORE 2 +FLAGS.SILENT (\\Deleted)")
    client.command(b"EXPUNGE")
    return client


def test_the_limit_is_told_after_login(house: House) -> None:
    connected = house.connect()
    assert b"LIMIT" not in connected.command(b"CAPABILITY")[0]
    words = house.login().command(b"CAPABILITY")[0].split()
    assert b"MESSAGELIMIT=3" in words
    house.context = replace(house.context, save_limit=5)
    assert not [word for word in house.login().command(b"CAPABILITY")[0].split() if b"SAVELIMIT" in word]
    house.context = replace(house.context, message_limit=0)
    words = house.login().command(b"CAPABILITY")[0].split()
    assert b"SAVELIMIT=5" in words
    assert b"MESSAGELIMIT=3" not in words


def test_fetch_gives_the_newest_messages(house: House) -> None:
    client = filled(house)
    assert client.command(b"UID FETCH 1:* (UID)") == [
        b"* 4 FETCH (UID 5)",
        b"* 5 FETCH (UID 6)",
        b"* 6 FETCH (UID 7)",
        b"TAG OK [MESSAGELIMIT 3 5] Fetch completed.",
    ]
    assert client.command(b"UID FETCH 1,3:4,6 (UID)")[-2:] == [
        b"* 5 FETCH (UID 6)",
        b"TAG OK [MESSAGELIMIT 3 3] Fetch completed.",
    ]
    assert client.command(b"UID FETCH 1:4 (UID)")[-1] == b"TAG OK Fetch completed."
    assert client.command(b"FETCH 1:* (BODY[TEXT])")[-1] == b"TAG OK [MESSAGELIMIT 3 5] Fetch completed."
    assert client.command(b"UID SEARCH SEEN")[0] == b"* SEARCH 5 6 7"


def test_fetch_of_a_part_has_its_range_for_the_limit(house: House) -> None:
    client = filled(house)
    assert client.command(b"UID FETCH 1:* (UID) (PARTIAL 1:3)")[-1] == b"TAG OK Fetch completed."
    assert client.command(b"UID FETCH 1:* (UID) (PARTIAL -2:-5)")[-1].startswith(b"TAG NO [MESSAGELIMIT 3]")


def test_convert_converts_the_newest_messages(house: House) -> None:
    client = filled(house)
    told = client.command(b'UID CONVERT 1:* ("text/plain") BINARY.SIZE[1]')
    assert [line.split()[1] for line in told[:-1]] == [b"4", b"5", b"6"]
    assert told[-1] == b"TAG OK [MESSAGELIMIT 3 5] Convert completed."


def test_store_changes_the_newest_messages(house: House) -> None:
    client = filled(house)
    responses = client.command(b"STORE 1:* +FLAGS.SILENT (\\Flagged)")
    assert responses == [b"TAG OK [MESSAGELIMIT 3 5] Store completed."]
    assert client.command(b"UID SEARCH UID 5:* FLAGGED")[0] == b"* SEARCH 5 6 7"
    assert client.command(b"UID SEARCH UID 1:4 FLAGGED")[0] == b"* SEARCH"
    responses = client.command(b"UID STORE 1:* (UNCHANGEDSINCE 1) +FLAGS.SILENT (\\Seen)")
    assert b"* NO [MESSAGELIMIT 3 5] The limit of messages for one command is reached." in responses
    assert responses[-1].startswith(b"TAG OK [MODIFIED 5:7]")


def test_copy_is_all_or_nothing(house: House) -> None:
    client = filled(house)
    assert client.command(b"COPY 1:4 Other")[-1].startswith(b"TAG NO [MESSAGELIMIT 3 3]")
    assert client.command(b"UID COPY 1:4 Other")[-1].startswith(b"TAG OK [COPYUID")
    assert b"MESSAGES 3" in client.command(b"STATUS Other (MESSAGES)")[0]


def test_move_moves_the_newest_messages(house: House) -> None:
    client = filled(house)
    responses = client.command(b"UID MOVE 1:* Other")
    assert b"5:7" in responses[0]
    assert responses[-1] == b"TAG OK [MESSAGELIMIT 3 5] Move completed."
    assert client.command(b"UID SEARCH ALL")[0] == b"* SEARCH 1 3 4"


def test_uid_expunge_counts_what_is_deleted(house: House) -> None:
    client = filled(house)
    for uid in (1, 3, 5, 7):
        client.command(b"UID STORE %d +FLAGS.SILENT (\\Deleted)" % uid)
    assert client.command(b"UID EXPUNGE 1:5")[-1].startswith(b"TAG OK Expunge")
    assert client.command(b"UID SEARCH ALL")[0] == b"* SEARCH 4 6 7"
    text = b"Subject: x\r\n\r\nx"
    for _ in range(3):
        client.command(b"APPEND INBOX (\\Deleted) {%d+}\r\n%b" % (len(text), text))
    assert client.command(b"UID EXPUNGE 1:*")[-1].startswith(b"TAG OK [MESSAGELIMIT 3 8]")
    assert client.command(b"UID SEARCH ALL")[0] == b"* SEARCH 4 6 7"
    client.command(b"STORE 1:3 +FLAGS.SILENT (\\Deleted)")
    for _ in range(3):
        client.command(b"APPEND INBOX (\\Deleted) {%d+}\r\n%b" % (len(text), text))
    assert client.command(b"EXPUNGE")[-1].startswith(b"TAG OK Expunge")  # not limited, RFC 9738 §3.1
    assert client.command(b"UID SEARCH ALL")[0] == b"* SEARCH"


def test_append_of_too_many_is_refused(house: House) -> None:
    client = house.login()
    one = b"{15+}\r\nSubject: x\r\n\r\nx"
    assert client.command(b"APPEND INBOX " + b" ".join([one] * 3))[-1].startswith(b"TAG OK")
    assert client.command(b"APPEND INBOX " + b" ".join([one] * 4))[-1].startswith(b"TAG NO [MESSAGELIMIT 3]")
    assert b"MESSAGES 3" in client.command(b"STATUS INBOX (MESSAGES)")[0]


def test_search_looks_at_the_newest_messages(house: House) -> None:
    """RFC 9738 §3.1: the messages that are looked at count, which sequence sets among the keys say."""
    client = filled(house)
    assert client.command(b"UID SEARCH SUBJECT number") == [
        b"* SEARCH 5 6 7",
        b"TAG OK [MESSAGELIMIT 3 5] Search completed.",
    ]
    assert client.command(b"UID SEARCH UIDBEFORE 5 SUBJECT number") == [
        b"* SEARCH 1 3 4",
        b"TAG OK Search completed.",
    ]
    assert client.command(b"UID SEARCH (1:4 SUBJECT number)")[-1] == b"TAG OK [MESSAGELIMIT 3 3] Search completed."
    assert client.command(b"SEARCH RETURN (SAVE) NOT BODY nosuch")[-1].startswith(b"TAG OK [MESSAGELIMIT 3 5]")
    assert client.command(b"UID SEARCH $") == [b"* SEARCH 5 6 7", b"TAG OK Search completed."]


def test_updates_of_a_limited_search_have_the_keys_of_the_client(house: House) -> None:
    """RFC 5267 §4.3.3: nothing comes to the results when those that were looked at are expunged."""
    client = filled(house)
    told = client.command(b"UID SEARCH RETURN (ALL UPDATE) ALL")
    assert told[0].endswith(b"UID ALL 5:7")
    assert told[-1].startswith(b"TAG OK [MESSAGELIMIT 3 5]")
    client.command(b"UID STORE 5:7 +FLAGS.SILENT (\\Deleted)")
    told = client.command(b"EXPUNGE")
    assert [line for line in told if b"REMOVEFROM (0 5:7)" in line]
    assert not [line for line in told if b"ADDTO" in line]


def test_sort_that_is_refused_leaves_nothing_saved(house: House) -> None:
    """RFC 5182 §2.1."""
    client = filled(house)
    client.command(b"UID SEARCH RETURN (SAVE) UID 6:7")
    assert client.command(b"SORT RETURN (SAVE) (DATE) UTF-8 ALL")[-1].startswith(b"TAG NO [MESSAGELIMIT 3]")
    assert client.command(b"UID SEARCH $")[0] == b"* SEARCH"


def test_sort_and_thread_of_too_many_are_refused(house: House) -> None:
    """RFC 9738 §3.3."""
    client = filled(house)
    assert client.command(b"SORT (DATE) UTF-8 ALL")[-1].startswith(b"TAG NO [MESSAGELIMIT 3]")
    assert client.command(b"THREAD REFS UTF-8 ALL")[-1].startswith(b"TAG NO [MESSAGELIMIT 3]")
    assert client.command(b"UID SORT (ARRIVAL) UTF-8 UIDAFTER 4")[0] == b"* SORT 5 6 7"
    assert client.command(b"THREAD REFS UTF-8 UIDAFTER 4 ALL")[-1].startswith(b"TAG OK")


def test_without_limits_nothing_is_told(tmp_path: Path) -> None:
    house = House(tmp_path / "Other")
    client = filled(house)
    assert client.command(b"UID SEARCH ALL")[-1] == b"TAG OK Search completed."
    assert client.command(b"UID FETCH 1:* (UID)")[-1] == b"TAG OK Fetch completed."
    house.context = replace(house.context, save_limit=3)
    other = house.login()
    other.command(b"SELECT INBOX")
    assert other.command(b"UID SEARCH ALL")[-1] == b"TAG OK Search completed."
    assert other.command(b"COPY 1:4 Other")[-1].startswith(b"TAG NO [MESSAGELIMIT 3 3]")
    assert other.command(b"UID MOVE 1:* Other")[-1].startswith(b"TAG OK")
    house.close()


BAD_KEYS = (b"UIDAFTER", b"UIDAFTER 0", b"UIDAFTER *", b"UIDBEFORE 1:2", b"UIDBEFORE x", b"UIDBEFORE 4294967296")


@pytest.mark.parametrize("key", BAD_KEYS)
def test_uids_before_and_after_are_one_uid(house: House, key: bytes) -> None:
    client = filled(house, 1)
    assert client.command(b"SEARCH " + key)[-1].startswith(b"TAG BAD")
    assert client.command(b"SEARCH UIDAFTER 4294967295")[0] == b"* SEARCH"
    assert client.command(b"SEARCH UIDBEFORE 1")[0] == b"* SEARCH"


def test_uid_batches_cut_the_mailbox() -> None:
    uids = np.array([2, 5, 9, 10, 14, 20, 21])
    assert batches(uids, 3) == [(21, 14), (13, 5), (4, 1)]
    assert batches(uids, 7) == [(21, 1)]
    assert batches(uids, 100) == [(21, 1)]
    assert batches(uids[:6], 3) == [(20, 10), (9, 1)]
    assert batches(uids[:0], 3) == []


def test_uid_batches_of_a_mailbox(house: House) -> None:
    client = filled(house)
    assert client.command(b"UIDBATCHES 500")[0] == b'* UIDBATCHES (TAG "t%d") 7:1' % client.count
    assert client.command(b"UIDBATCHES 500 1:2")[0] == b'* UIDBATCHES (TAG "t%d") 7:1' % client.count
    assert client.command(b"UIDBATCHES 500 2:9")[0] == b'* UIDBATCHES (TAG "t%d")' % client.count
    assert client.command(b"UIDBATCHES 499")[-1].startswith(b"TAG NO [TOOFEW]")
    assert client.command(b"UIDBATCHES 500 1:201")[-1].startswith(b"TAG NO [TOOMANY]")
    assert client.command(b"UIDBATCHES 500 3:2")[-1].startswith(b"TAG BAD [CLIENTBUG]")
    client.command(b"SELECT Other")
    assert client.command(b"UIDBATCHES 500")[0] == b'* UIDBATCHES (TAG "t%d")' % client.count


@pytest.mark.parametrize("arguments", [b"", b" x", b" 0", b" 500 10", b" 500 0:1", b" 500 1:*", b" 500 1:2 3", b" 1:2"])
def test_bad_uid_batches(house: House, arguments: bytes) -> None:
    client = filled(house, 1)
    assert client.command(b"UIDBATCHES" + arguments)[-1].startswith(b"TAG BAD")
