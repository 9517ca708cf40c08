"""A mailbox that another session renames while this one has it selected."""

from pathlib import Path

from harness import House

from doocot.store import folders


def test_fetch_in_a_mailbox_that_was_just_renamed_is_refused_once(tmp_path: Path) -> None:
    house = House(tmp_path / "mail")
    client = house.login()
    client.send(b"a CREATE box")
    assert b" OK " in client.send(b"b APPEND box {4+}\r\na\r\n\r\n")
    client.send(b"c SELECT box")
    folders.rename_folders(house.root, "box", "other")
    assert client.command(b"FETCH 1 BODY.PEEK[]")[-1].startswith(b"TAG NO [EXPUNGEISSUED] ")
    assert client.command(b"FETCH 1 BODY.PEEK[]")[-1] == b"TAG OK Fetch completed."
