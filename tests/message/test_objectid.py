"""Object identifiers are hashes: what they depend on, and what they do not."""

from doocot.message.objectid import beginning, email_id, is_objectid, mailbox_id, number, thread_id


def test_objectid_known_answers() -> None:
    assert email_id(b"abc") == b"Mba7816bf8f01cfea414140de5dae2223b00361a3"
    assert mailbox_id("0" * 31 + "1") == b"F" + b"0" * 31 + b"1"


def test_objectid_has_only_its_octets() -> None:
    for one in (email_id(b""), thread_id(b"", [], b""), mailbox_id("ab" * 16)):
        assert is_objectid(one)
    assert not is_objectid(b"")
    assert not is_objectid(b"a" * 256)
    assert not is_objectid(b"a.b")


def test_objectid_thread_is_the_oldest_id() -> None:
    first = thread_id(b"1@x", [], b"one")
    assert thread_id(b"2@x", [b"1@x"], b"two") == first
    assert thread_id(b"3@x", [b"1@x", b"2@x"], b"three") == first
    assert thread_id(b"2@x", [], b"one") != first


def test_objectid_thread_of_a_message_without_ids() -> None:
    assert thread_id(b"", [], b"one") == thread_id(b"", [], b"one") != thread_id(b"", [], b"two")
    assert thread_id(b"", [], b"1@x") != thread_id(b"1@x", [], b"")


def test_objectid_number_is_the_beginning() -> None:
    found = email_id(b"abc")
    assert number(found) == 0xBA7816BF8F01CFEA
    assert found.startswith(beginning(b"M", number(found)))
    assert beginning(b"T", 1) == b"T0000000000000001"
