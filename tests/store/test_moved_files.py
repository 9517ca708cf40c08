"""Files that are renamed between the look into the index and the look at the disk are found all the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from store_house import House, open_house, text_of

from doocot.errors import Kind, MailError
from doocot.mailbox import facts
from doocot.mailbox.facts import Wanted
from doocot.mailbox.read import at_file, read_piece
from doocot.store import maildir
from doocot.store.files import Files
from doocot.store.index import messages
from doocot.store.index.database import rows
from doocot.store.index.messages import ANSWERED, FLAGGED, SEEN
from doocot.store.snapshot import pieces


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = open_house(tmp_path / "mail")
    house.row()
    yield house
    house.close()


def rename(house: House, letters: str) -> None:
    """Another program gives the only message these letters."""
    (path,) = [*Path(house.root.path, "new").iterdir(), *Path(house.root.path, "cur").iterdir()]
    path.rename(Path(house.root.path, "cur", path.name.partition(":")[0] + ":2," + letters))


def test_facts_of_a_message_that_another_program_renamed(house: House) -> None:
    _, (uid,) = house.save(["one"], flags=ANSWERED)
    house.settle()
    rename(house, "FRS")
    wanted = Wanted(house.root.db.path, house.row().id, maildir.folder_of(house.root, "INBOX"), uid, uid)
    assert facts.compute_in(house.root.db, Files(), wanted) == 1
    found = rows(house.root.db.reader, "SELECT item FROM fact ORDER BY item")
    assert [item for (item,) in found] == [facts.ENVELOPE, facts.BODYSTRUCTURE, facts.KEYS, facts.TEXT]


def test_a_file_that_the_settler_renamed_after_the_row_was_read(house: House) -> None:
    """The row is read, then STORE and settler come twice: neither name that was told is there any more."""
    _, (uid,) = house.save(["one"], flags=ANSWERED)
    house.settle()
    ((_, base, letters, target),) = messages.files(house.root.db.reader, house.row().id, [(uid, uid)])
    for flag in (SEEN, FLAGGED):
        house.store([uid], flag)
        house.settle()
    folder = maildir.folder_of(house.root, "INBOX")
    looked: list[str] = []

    def read(path: str) -> bytes:
        looked.append(path)
        return Files().read_file(path)

    assert at_file(house.root, house.row().id, folder, base, letters, target, read) == text_of("one")
    assert [path.rpartition(":")[2] for path in looked] == ["2,R", "2,FRS"]


def test_a_file_renamed_by_somebody_else_is_read(house: House) -> None:
    house.save(["one"], flags=ANSWERED)
    house.settle()
    view = house.view()
    rename(house, "T")
    (piece,) = pieces(view.snapshot, 0, 1)
    assert read_piece(view, piece)[0].raw == text_of("one")


def test_a_message_that_is_gone_is_told_so(house: House) -> None:
    _, (uid,) = house.save(["one"], flags=ANSWERED)
    house.settle()
    ((_, base, letters, target),) = messages.files(house.root.db.reader, house.row().id, [(uid, uid)])
    (path,) = Path(house.root.path, "cur").iterdir()
    path.unlink()
    folder = maildir.folder_of(house.root, "INBOX")
    with pytest.raises(MailError) as told:
        at_file(house.root, house.row().id, folder, base, letters, target, Files().read_file)
    assert told.value.kind is Kind.EXPUNGE_ISSUED
