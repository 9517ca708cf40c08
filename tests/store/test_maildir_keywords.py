"""dovecot-keywords: our reading and writing, and a real Dovecot's."""

import os
import re
from pathlib import Path

import pytest
from recording import recording
from store_dovecot import Dovecot

from doocot.errors import MailError
from doocot.store import maildir_keywords
from doocot.store.dotlock import acquire, dotlock
from doocot.store.files import Files


def write(folder: Path, keywords: dict[int, str]) -> None:
    with dotlock(Files(), str(folder / "dovecot-uidlist")) as lock:
        maildir_keywords.write(Files(), str(folder), keywords, lock)


def flags(dovecot: Dovecot) -> set[str]:
    said = re.search(r"FETCH \(FLAGS \((.*?)\)", dovecot.imap("SELECT INBOX", "FETCH 1 FLAGS"))
    assert said is not None
    return set(said[1].split())


def test_keywords_file_round_trip_and_odd_lines(tmp_path: Path) -> None:
    assert maildir_keywords.read(Files(), str(tmp_path)) == {}
    write(tmp_path, {25: "last", 0: "first", 3: "$Forwarded"})
    assert (tmp_path / "dovecot-keywords").read_text() == "0 first\n3 $Forwarded\n25 last\n"
    assert maildir_keywords.read(Files(), str(tmp_path)) == {0: "first", 3: "$Forwarded", 25: "last"}
    (tmp_path / "dovecot-keywords").write_text("header\n26 no\n-1 no\n2 \nx y\n1 yes\n1 later")
    assert maildir_keywords.read(Files(), str(tmp_path)) == {1: "later"}


def test_keywords_mtime_grows_in_whole_seconds(tmp_path: Path) -> None:
    path, seen = tmp_path / "dovecot-keywords", []
    for number in range(3):
        write(tmp_path, {0: f"k{number}"})
        seen.append(int(path.stat().st_mtime))
    assert seen == sorted(set(seen))


def test_keywords_need_the_lock(tmp_path: Path) -> None:
    lock = acquire(Files(), str(tmp_path / "dovecot-uidlist"))
    os.unlink(lock.path)
    with pytest.raises(MailError):
        maildir_keywords.write(Files(), str(tmp_path), {0: "a"}, lock)
    assert list(tmp_path.iterdir()) == []


def test_keywords_survive_power_loss(tmp_path: Path) -> None:
    folder = tmp_path / "mail"
    folder.mkdir()
    write(folder, {0: "old"})
    with recording(folder, tmp_path) as rec, dotlock(rec.files, str(folder / "dovecot-uidlist")) as lock:
        maildir_keywords.write(rec.files, str(folder), {0: "old", 1: "new"}, lock)
        rec.mark("written")
    seen = set()
    for state in rec.states(range(20)):
        keywords = maildir_keywords.read(Files(), str(state.path))
        seen.add(len(keywords))
        assert keywords == {0: "old", 1: "new"} or (keywords == {0: "old"} and not state.marks)
    assert seen == {1, 2}


def test_dovecot_reads_our_keywords_and_we_its_own(dovecot: Dovecot) -> None:
    dovecot.message("1.a:2,Sac")
    write(dovecot.mail, {0: "$Forwarded", 2: "work"})
    assert flags(dovecot) == {"\\Seen", "\\Recent", "$Forwarded", "work"}
    dovecot.imap("SELECT INBOX", "STORE 1 +FLAGS (Third)", "STORE 1 -FLAGS (work)")
    assert maildir_keywords.read(Files(), str(dovecot.mail)) == {0: "$Forwarded", 1: "Third", 2: "work"}
    assert [path.name for path in (dovecot.mail / "cur").iterdir()] == ["1.a:2,Sab"]
    write(dovecot.mail, {0: "$Forwarded", 1: "Third", 2: "work", 3: "fourth"})
    os.rename(dovecot.mail / "cur" / "1.a:2,Sab", dovecot.mail / "cur" / "1.a:2,Sd")
    assert flags(dovecot) >= {"\\Seen", "fourth"}
