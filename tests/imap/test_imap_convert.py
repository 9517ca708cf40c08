"""CONVERT of many messages and parts, of messages that are gone, and of large ones."""

from pathlib import Path

from harness import House

from doocot.imap.convert import MAX_MESSAGES, MAX_PARTS


def maildir(folder: Path, count: int) -> None:
    for part in ("cur", "new", "tmp"):
        (folder / part).mkdir(parents=True)
    for number in range(1, count + 1):
        (folder / "cur" / f"170000{number:04}.M{number}P1.host:2,").write_bytes(b"\nmessage %d\n" % number)


def test_convert_of_too_many_is_refused(tmp_path: Path) -> None:
    maildir(tmp_path / "mail", MAX_MESSAGES + 1)
    house = House(tmp_path / "mail")
    client = house.login()
    client.command(b"SELECT INBOX")
    assert client.command(b"CONVERT 1:* (NIL) BINARY[1]") == [
        b"TAG NO [MAXCONVERTMESSAGES %d] Too many messages at once." % MAX_MESSAGES
    ]
    parts = b" ".join([b"BINARY.SIZE[%d]" % number for number in range(1, MAX_PARTS + 2)])
    assert client.command(b"CONVERT 1 (NIL) (%b)" % parts) == [
        b"TAG NO [MAXCONVERTPARTS %d] Too many body parts at once." % MAX_PARTS
    ]
    sizes = client.command(b"CONVERT 1:%d (NIL) BINARY.SIZE[1]" % MAX_MESSAGES)
    assert sizes[9] == b'* 10 CONVERTED (TAG "t4") (BINARY.SIZE[1] 12)'
    assert len(sizes) == MAX_MESSAGES + 1
    house.close()


def test_convert_of_a_message_whose_file_is_gone(tmp_path: Path) -> None:
    maildir(tmp_path / "mail", 3)
    house = House(tmp_path / "mail")
    client = house.login()
    client.command(b"SELECT INBOX")
    next((tmp_path / "mail" / "cur").glob("1700000002*")).unlink()
    answer = client.command(b"CONVERT 1:3 (NIL) BINARY.SIZE[1]")
    assert [line.partition(b" (")[0] for line in answer[:-1]] == [b"* 1 CONVERTED", b"* 3 CONVERTED"]
    assert answer[-1].startswith(b"TAG NO [EXPUNGEISSUED]")
    house.close()


def test_convert_and_uidonly_exclude_each_other(tmp_path: Path) -> None:
    maildir(tmp_path / "mail", 1)
    house = House(tmp_path / "mail")
    client = house.login()
    client.command(b"ENABLE UIDONLY")
    client.command(b"SELECT INBOX")
    assert client.command(b"CONVERT 1 (NIL) BINARY[1]")[-1].startswith(b"TAG BAD [UIDREQUIRED]")
    assert client.command(b"UID CONVERT 1 (NIL) BINARY[1]")[-1].startswith(b"TAG NO [CANNOT]")
    assert client.command(b'CONVERSIONS "text/html" "*"')[-1].startswith(b"TAG OK")
    house.close()


def test_convert_of_wide_characters_is_a_binary_literal(tmp_path: Path) -> None:
    maildir(tmp_path / "mail", 1)
    house = House(tmp_path / "mail")
    client = house.login()
    client.command(b"SELECT INBOX")
    answer = client.send(b'a CONVERT 1 (NIL ("charset" "utf-16be")) (BODYPARTSTRUCTURE[1] BINARY[1]<0.4>)')
    assert b'"binary" 22 1 NIL NIL NIL NIL) BINARY[1]<0> ~{4}\r\n\0m\0e)\r\n' in answer
    house.close()
