"""SELECT of a folder that the index has never seen: the view is made of what was imported, and is what `load` reads."""

from pathlib import Path

import numpy as np
import pytest

from doocot.mailbox import view
from doocot.mailbox.ahead import WINDOW
from doocot.mailbox.fetch import ROWS, ROWS_WITH_FILES
from doocot.mailbox.view import Live
from doocot.store import maildir_sync, recovery
from doocot.store.files import Files, MailFsync
from doocot.store.index.database import write
from doocot.store.index.messages import FLAGGED, SEEN, TOGETHER, set_flags
from doocot.store.root import Location, Root, close_root, committed, open_root
from doocot.store.snapshot import Snapshot, column

GUID = "0123456789abcdef" * 2
COUNT = 2 * TOGETHER + 3


def opened(path: Path) -> Root:
    return open_root(Location(str(path)), Files(MailFsync.NEVER), 1)


@pytest.fixture
def mail(tmp_path: Path) -> Path:
    """Every third UID is given, the file of the first one is gone."""
    for part in ("cur", "new", "tmp"):
        (tmp_path / part).mkdir()
    rows = [f"{3 * number} :{number}.M1P1.host,S=1,W=2\n" for number in range(1, COUNT + 1)]
    (tmp_path / "dovecot-uidlist").write_text(f"3 V77 N1 G{GUID}\n" + "".join(rows))
    (tmp_path / "dovecot-keywords").write_text("0 Work\n")
    for number in range(2, COUNT + 1):
        name = f"{number}.M1P1.host,S=1,W=2"
        letters = ("", "S", "FS", "a")[number % 4]
        (tmp_path / (f"new/{name}" if number > COUNT - 2 else f"cur/{name}:2,{letters}")).write_text("Subject: x\n\n")
    return tmp_path


def look(root: Root) -> Live:
    row, imported = maildir_sync.look(root, "INBOX")
    assert imported is not None
    return view.load_imported(root, row, imported)


def same(one: Snapshot, other: Snapshot) -> bool:
    names = ("uid", "flags", "modseq", "content", "date", "size")
    return one.mailbox == other.mailbox and all(
        np.array_equal(column(one, name), column(other, name)) and column(one, name).dtype == column(other, name).dtype
        for name in names
    )


def test_first_sight_gives_the_columns_that_the_index_has(mail: Path) -> None:
    root = opened(mail)
    live = look(root)
    stored = view.load(root, live.row)
    assert (live.snapshot.count, live.row.first_recent_uid) == (COUNT - 1, 3 * (COUNT - 1))
    assert same(live.snapshot, stored.snapshot)
    assert live.row == stored.row
    view.refresh(live)
    assert live.snapshot.position == stored.snapshot.position
    assert maildir_sync.look(root, "INBOX")[1] is None
    close_root(root)


def test_first_sight_and_what_others_committed_since(mail: Path) -> None:
    root, other = opened(mail), opened(mail)
    (mail / "new" / "99.M1P1.host").write_text("Subject: not listed\n\n")
    live = look(root)
    with write(other.db) as writer:
        set_flags(other.db, writer, live.row.id, [(6, 12)], ~SEEN & 0xFFFFFFFF, FLAGGED)
    committed(other)
    view.refresh(live)
    assert live.snapshot.count == COUNT
    assert same(live.snapshot, view.load(other, live.row).snapshot)
    for one in (root, other):
        close_root(one)


def test_first_sight_with_a_recovery_file_reads_what_that_restored(mail: Path) -> None:
    root = opened(mail)
    row = maildir_sync.sync_mailbox(root, "INBOX")
    with write(root.db) as writer:
        writer.execute("UPDATE message SET savedate = 5")
    recovery.write_recovery(root)
    close_root(root)
    for file in mail.glob("doocot.index*"):
        file.unlink()
    root = opened(mail)
    again, imported = maildir_sync.look(root, "INBOX")
    assert (again.guid, again.messages, imported) == (row.guid, row.messages, None)
    close_root(root)


def test_windows_hold_whole_pieces() -> None:
    """Else a piece reaches into a window whose Facts are not there, and all that follow are computed twice."""
    assert WINDOW % ROWS == 0
    assert WINDOW % ROWS_WITH_FILES == 0
