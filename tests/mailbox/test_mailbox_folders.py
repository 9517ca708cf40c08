"""Folders and rows of mailboxes: the steps of the crash table in doocot.store.folders, numbers that never repeat."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from doocot.errors import Kind, MailError
from doocot.store import folders, maildir, maildir_sync, uidlist
from doocot.store.files import Files, MailFsync
from doocot.store.index import mailboxes
from doocot.store.index.database import rows, write
from doocot.store.index.messages import set_flags
from doocot.store.root import Location, Root, close_root, open_root
from doocot.store.settle import pending, settle_all


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    for part in ("cur", "new", "tmp"):
        (tmp_path / part).mkdir()
    opened = open_root(Location(str(tmp_path)), Files(MailFsync.NEVER), 1)
    yield opened
    close_root(opened)


def names(root: Root) -> list[str]:
    return sorted(mailboxes.mailbox_rows(root.db.reader))


def put(root: Root, name: str, file: str) -> None:
    Path(maildir.folder_of(root, name), "cur", file).write_text("Subject: x\n\nbody\n")


def test_folder_made_has_a_uidlist_with_uids_in_reserve(root: Root) -> None:
    row = folders.create_folder(root, "a/b")
    known = uidlist.read(root.files, maildir.folder_of(root, "a/b"))
    assert known is not None
    assert (known.uid_validity, known.guid) == (row.uid_validity, row.guid)
    assert known.next_uid > row.uid_next == 1
    assert maildir.folder_of(root, "a/b").endswith("/.a.b")
    with pytest.raises(MailError) as caught:
        folders.create_folder(root, "a/b")
    assert caught.value.kind is Kind.ALREADY_EXISTS


def test_folder_half_made_is_no_mailbox_until_it_is_made(root: Root) -> None:
    os.mkdir(maildir.folder_of(root, "a"))
    assert not folders.exists(root, "a")
    seen = maildir.scan_folders(root)
    assert (seen.names, seen.unfinished) == (frozenset({"INBOX"}), frozenset({".a"}))
    os.mkdir(maildir.folder_of(root, "a") + "/cur")  # does not touch the root's own time stamp
    assert maildir.scan_folders(root, seen).names == {"INBOX", "a"}
    os.rmdir(maildir.folder_of(root, "a") + "/cur")
    assert folders.create_folder(root, "a").name == "a"


def test_folder_scan_keeps_what_did_not_change(root: Root) -> None:
    folders.create_folder(root, "a")
    os.utime(root.path, (1, 1))
    seen = maildir.scan_folders(root)
    assert maildir.scan_folders(root, seen) is seen
    os.mkdir(os.path.join(root.path, ".b"))
    assert maildir.scan_folders(root, seen).unfinished == {".b"}


def test_folder_numbers_never_repeat(root: Root) -> None:
    validities, ids = [], []
    for _ in range(5):
        row = folders.create_folder(root, "a")
        validities.append(row.uid_validity)
        ids.append(row.id)
        folders.delete_folder(root, "a")
    assert validities == sorted(set(validities))
    assert len(set(ids)) == len(ids)
    content = Path(root.path, "dovecot-uidvalidity").read_text()
    assert content == f"{validities[-1]:08x}"
    assert Path(root.path, f"dovecot-uidvalidity.{content}").exists()


def test_folder_deleted_is_gone_at_once_and_its_files_later(root: Root) -> None:
    row = folders.create_folder(root, "a")
    put(root, "a", "1.x.host:2,")
    folders.delete_folder(root, "a")
    aside = Path(root.path, f"{maildir.REMOVED}{row.id}")
    assert names(root) == []
    assert maildir.scan_folders(root).names == {"INBOX"}
    assert (aside / "cur" / "1.x.host:2,").exists()
    folders.recover(root, frozenset({aside.name}))  # its intent is there: nothing to do
    settle_all(root)
    assert not aside.exists()
    with pytest.raises(MailError) as caught:
        folders.delete_folder(root, "a")
    assert caught.value.kind is Kind.NON_EXISTENT


def test_folder_that_is_a_link_goes_without_what_it_leads_to(
    root: Root, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "a"
    folders.create_folder(root, "a")
    put(root, "a", "1.x:2,S")
    os.rename(maildir.folder_of(root, "a"), elsewhere)
    os.symlink(elsewhere, maildir.folder_of(root, "a"))
    folders.delete_folder(root, "a")
    settle_all(root)
    assert not pending(root)
    assert not [name for name in os.listdir(root.path) if os.path.islink(os.path.join(root.path, name))]
    assert os.listdir(elsewhere / "cur") == ["1.x:2,S"]


def test_folder_of_a_delete_that_was_not_committed_comes_back(root: Root) -> None:
    row = folders.create_folder(root, "a")
    folder = maildir.folder_of(root, "a")
    os.rename(folder, os.path.join(root.path, f"{maildir.REMOVED}{row.id}"))
    seen = maildir.scan_folders(root)
    folders.recover(root, seen.removed)
    assert os.path.isdir(folder)
    assert not pending(root)
    assert maildir_sync.sync_mailbox(root, "a").id == row.id


def test_folder_of_nobody_is_removed(root: Root) -> None:
    os.mkdir(os.path.join(root.path, f"{maildir.REMOVED}77"))
    folders.recover(root, maildir.scan_folders(root).removed)
    settle_all(root)
    assert not maildir.scan_folders(root).removed


def test_folder_rename_takes_children_along(root: Root) -> None:
    made = {name: folders.create_folder(root, name) for name in ("a", "a/b/c", "ab")}
    folders.rename_folders(root, "a", "x/y")
    assert maildir.scan_folders(root).names == {"INBOX", "x/y", "x/y/b/c", "ab"}
    found = mailboxes.mailbox_rows(root.db.reader)
    assert found["x/y/b/c"].id == made["a/b/c"].id
    assert found["x/y"].uid_validity == made["a"].uid_validity


def test_folder_rename_refuses_a_taken_name_even_of_a_child(root: Root) -> None:
    for name in ("a/b", "c/b"):
        folders.create_folder(root, name)
    with pytest.raises(MailError) as caught:
        folders.rename_folders(root, "a", "c")
    assert caught.value.kind is Kind.ALREADY_EXISTS
    assert names(root) == ["a/b", "c/b"]


def test_folder_rename_that_fails_half_way_is_undone(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "a/b"):
        folders.create_folder(root, name)
    rename, calls = os.rename, []

    def failing(source: str, target: str) -> None:
        calls.append(source)
        if len(calls) == 2:
            raise PermissionError(13, "Permission denied", source)
        rename(source, target)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(MailError) as caught:
        folders.rename_folders(root, "a", "z")
    assert caught.value.kind is Kind.NO_PERM
    assert names(root) == ["a", "a/b"]
    assert maildir.scan_folders(root).names == {"INBOX", "a", "a/b"}


def test_folder_of_a_rename_that_was_not_committed_keeps_its_row(root: Root) -> None:
    row = folders.create_folder(root, "a")
    put(root, "a", "1.x.host:2,")
    maildir_sync.sync_mailbox(root, "a")
    with write(root.db) as writer:
        set_flags(root.db, writer, row.id, [(1, 1)], 0xFF, 4)  # known to the index only
    os.rename(maildir.folder_of(root, "a"), maildir.folder_of(root, "b"))
    again = maildir_sync.sync_mailbox(root, "b")
    assert (again.id, again.uid_validity) == (row.id, row.uid_validity)
    assert rows(root.db.reader, "SELECT uid, flags FROM message WHERE mailbox = ?", (row.id,)) == [(1, 4)]


def test_folder_removed_by_another_program_can_be_made_again(root: Root) -> None:
    row = folders.create_folder(root, "a")
    os.rename(maildir.folder_of(root, "a"), os.path.join(root.path, "elsewhere"))
    again = folders.create_folder(root, "a")
    assert again.uid_validity > row.uid_validity
    assert again.id != row.id


def test_folder_has_its_control_files_elsewhere(tmp_path: Path) -> None:
    mail, control = tmp_path / "mail", tmp_path / "control"
    for part in ("cur", "new", "tmp"):
        (mail / part).mkdir(parents=True)
    control.mkdir()
    root = open_root(Location(str(mail), control=str(control)), Files(MailFsync.NEVER), 1)
    row = folders.create_folder(root, "a")
    assert (control / ".a" / "dovecot-uidlist").exists()
    folders.rename_folders(root, "a", "b")
    assert (control / ".b" / "dovecot-uidlist").exists()
    for place in (mail, control):  # a crash before the commit of a delete
        (place / ".b").rename(place / f"{maildir.REMOVED}{row.id}")
    folders.recover(root, maildir.scan_folders(root).removed)
    assert (control / ".b" / "dovecot-uidlist").exists()
    folders.delete_folder(root, "b")
    assert (control / f"{maildir.REMOVED}{row.id}").exists()
    settle_all(root)
    assert sorted(path.name for path in control.iterdir() if path.is_dir()) == []
    close_root(root)
