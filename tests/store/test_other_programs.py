"""Other programs on the same mail: Dovecot before, between and after us, mutt or procmail at any time (rule 4)."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_dovecot import Dovecot
from store_house import House, open_house, text_of

from doocot.errors import MailError
from doocot.mailbox.view import sync
from doocot.store import save, uidlist
from doocot.store.files import Files
from doocot.store.index.database import rows
from doocot.store.index.messages import ANSWERED, DELETED, FLAGGED, SEEN
from doocot.store.root import take_notes
from doocot.store.save import Incoming


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = open_house(tmp_path / "mail")
    house.row()
    yield house
    house.close()


def told_by_dovecot(dovecot: Dovecot) -> tuple[int, dict[int, tuple[str, frozenset[str]]]]:
    """UIDVALIDITY, and per UID the subject and the flags."""
    dovecot.forget()
    said = dovecot.imap("SELECT INBOX", "FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    found = re.findall(r"UID (\d+) FLAGS \(([^)]*)\) BODY.*\nSubject: (.*)\n", said)
    validity = re.search(r"UIDVALIDITY (\d+)", said)
    assert validity is not None
    return int(validity[1]), {
        int(uid): (subject.strip(), frozenset(flags.split()) - {r"\Recent"}) for uid, flags, subject in found
    }


WORDS = {DELETED: r"\Deleted", SEEN: r"\Seen", FLAGGED: r"\Flagged", ANSWERED: r"\Answered"}


def told_by_us(house: House) -> tuple[int, dict[int, tuple[str, frozenset[str]]]]:
    subjects, flags = house.messages(), house.flags()
    return house.row().uid_validity, {
        uid: (subject, frozenset(word for bit, word in WORDS.items() if flags[uid][0] & bit) | flags[uid][1])
        for uid, subject in subjects.items()
    }


def put(path: Path, name: str, subject: str) -> None:
    """Delivers as a Maildir program does."""
    (path / "tmp" / name).write_bytes(text_of(subject))
    (path / "tmp" / name).rename(path / "new" / name)


def test_dovecot_then_doocot_then_dovecot(dovecot: Dovecot) -> None:
    for number in range(1, 6):
        put(dovecot.mail, f"{number}.M{number}.host", f"message {number}")
    dovecot.imap(
        "SELECT INBOX",
        r"STORE 2 FLAGS (\Seen Work)",
        r"STORE 3 FLAGS (\Flagged)",
        r"STORE 4 +FLAGS \Deleted",
        "EXPUNGE",
    )
    before = told_by_dovecot(dovecot)
    house = open_house(dovecot.mail)
    assert told_by_us(house) == before
    house.save(["from doocot"], flags=SEEN, keywords=frozenset({"Work", "Home"}))
    house.store([1], ANSWERED, keywords=frozenset({"Home"}))
    house.expunge([3])
    house.settle()
    after = told_by_us(house)
    house.close()
    assert told_by_dovecot(dovecot) == after
    dovecot.imap("SELECT INBOX", r"STORE 1 +FLAGS (\Flagged Third)")
    put(dovecot.mail, "9.M9.host", "for dovecot")
    last = told_by_dovecot(dovecot)
    house = open_house(dovecot.mail)
    assert told_by_us(house) == last
    assert take_notes(house.root) == []
    house.close()


def test_dovecot_in_between_with_the_index_kept(dovecot: Dovecot) -> None:
    """The index stays, Dovecot delivers, changes and expunges: its UIDs are adopted."""
    house = open_house(dovecot.mail)
    house.save([f"message {number}" for number in range(1, 5)], flags=SEEN)
    house.settle()
    house.close()
    for turn in range(3):
        put(dovecot.mail, f"{turn}9.M9.host", f"in between {turn}")
        dovecot.imap(
            "SELECT INBOX", f"STORE 1 +FLAGS (\\Answered Word{turn})", r"STORE 2 +FLAGS \Deleted", "EXPUNGE", "NOOP"
        )
        told = told_by_dovecot(dovecot)
        house = open_house(dovecot.mail)
        assert told_by_us(house) == told
        given = house.save([f"ours {turn}"], flags=SEEN)[1]
        assert given[0] > max(told[1])
        house.settle()
        house.close()
    assert told_by_dovecot(dovecot)[1].keys() >= set(given)


def test_dovecot_takes_over_after_a_crash_before_the_list_was_written(dovecot: Dovecot) -> None:
    """UIDs that we told but did not list are told anew by Dovecot; from then on Dovecot's hold, none names two."""
    house = open_house(dovecot.mail)
    ours = house.save(["one", "two"], flags=SEEN)[1]
    house.close()
    told = told_by_dovecot(dovecot)
    assert not set(ours) & set(told[1])
    house = open_house(dovecot.mail)
    assert told_by_us(house) == told
    assert len(take_notes(house.root)) == 1
    assert house.save(["three"])[1][0] > max(told[1])
    house.close()


def test_another_uidvalidity_is_another_mailbox(house: House) -> None:
    validity, _ = house.save(["one", "two"], flags=SEEN)
    house.settle()
    view = house.view()
    path = Path(uidlist.path_in(house.root.path))
    path.write_text(path.read_text().replace(f"V{validity}", f"V{validity + 7}"))
    assert house.row().uid_validity == validity + 7
    assert house.messages() == {1: "one", 2: "two"}
    assert "UIDVALIDITY" in take_notes(house.root)[0]
    with pytest.raises(MailError, match="deleted"):
        sync(view, expunge=True)


def test_file_with_another_uid_in_the_list_gets_a_third(house: House) -> None:
    house.save(["one", "two", "three"], flags=SEEN)
    house.settle()
    path = Path(uidlist.path_in(house.root.path))
    header, *lines = path.read_text().splitlines()
    bases = [line.partition(" :")[2] for line in lines]
    path.write_text("\n".join([header, f"1 :{bases[1]}", f"2 :{bases[0]}", f"3 :{bases[2]}", ""]))
    seen = house.messages()
    assert sorted(seen.values()) == ["one", "three", "two"]
    assert seen[3] == "three"
    assert not {1, 2} & set(seen)
    house.settle()
    known = uidlist.read(Files(), house.root.path)
    assert known is not None
    assert {uid for uid, base in zip(known.uids, known.bases, strict=True)} == set(seen)


@pytest.mark.parametrize("damage", [b"", b"rubbish\n", b"3 V0 N0\n"])
def test_damaged_list_is_made_anew_from_the_index(house: House, damage: bytes) -> None:
    told = house.save(["one", "two"], flags=SEEN)
    house.settle()
    path = Path(uidlist.path_in(house.root.path))
    path.write_bytes(damage)
    assert house.messages() == {1: "one", 2: "two"}
    assert str(path) in take_notes(house.root)[0]
    house.settle()
    known = uidlist.read(Files(), house.root.path)
    assert known is not None
    assert (known.uid_validity, known.uids) == told


def test_damaged_list_and_no_index_begin_a_new_uidvalidity(house: House, tmp_path: Path) -> None:
    validity, _ = house.save(["one", "two"], flags=SEEN)
    house.settle()
    house.close()
    Path(uidlist.path_in(house.root.path)).write_bytes(b"rubbish\n")
    (tmp_path / "mail" / "doocot.index").unlink()
    house.root = open_house(tmp_path / "mail").root
    assert house.messages() == {1: "one", 2: "two"}
    assert house.row().uid_validity > validity


def test_list_is_removed_by_hand(house: House) -> None:
    told = house.save(["one", "two"], flags=SEEN)
    house.settle()
    Path(uidlist.path_in(house.root.path)).unlink()
    assert house.messages() == {1: "one", 2: "two"}
    assert house.save(["three"])[1] == [3]
    house.settle()
    known = uidlist.read(Files(), house.root.path)
    assert known is not None
    assert (known.uid_validity, known.uids) == (told[0], [1, 2, 3])
    assert known.next_uid > 1000


def test_messages_come_move_and_go_under_an_open_view(house: House) -> None:
    folder = Path(house.root.path)
    house.save(["one", "two"], flags=SEEN)
    house.settle()
    view = house.view()
    one, two = sorted(path.name for path in (folder / "cur").iterdir())
    put(folder, "7.M7.host", "three")
    (folder / "cur" / one).rename(folder / "cur" / (one + "T"))
    (folder / "cur" / two).unlink()
    house.row()
    delta = sync(view, expunge=True)
    assert delta is not None
    assert (list(delta.gone), list(delta.altered), delta.exists) == ([1], [0], 2)
    assert house.messages() == {1: "one", 3: "three"}


def test_message_moved_by_hand_to_another_mailbox(house: House) -> None:
    house.create("Other")
    folder = Path(house.root.path)
    house.save(["one"], flags=SEEN | FLAGGED)
    house.settle()
    (path,) = (folder / "cur").iterdir()
    path.rename(folder / ".Other" / "cur" / path.name)
    assert house.messages() == {}
    assert house.messages("Other") == {1: "one"}
    assert house.flags("Other") == {1: (SEEN | FLAGGED, frozenset())}


def test_names_that_no_index_can_hold_are_left_alone(house: House) -> None:
    folder = os.fsencode(house.root.path)
    for name in (b"1.M1.h\xe4st", b"2.M2.line\nfeed", b"3.M3.host"):
        with open(folder + b"/new/" + name, "wb") as file:
            file.write(text_of("three"))
    assert house.messages() == {1: "three"}
    assert len(take_notes(house.root)) == 2
    house.settle()
    assert len(os.listdir(folder + b"/new")) + len(os.listdir(folder + b"/cur")) == 3


def test_names_without_flags_in_cur_and_with_flags_in_new(house: House) -> None:
    folder = Path(house.root.path)
    (folder / "cur" / "1.M1.host").write_bytes(text_of("one"))
    (folder / "new" / "2.M2.host:2,S").write_bytes(text_of("two"))
    (folder / "cur" / "3.M3.host:1,S").write_bytes(text_of("three"))
    house.create("Other")
    assert house.messages() == {1: "one", 2: "two", 3: "three"}
    house.copy([1, 2, 3], "Other")
    house.store([1, 2, 3], FLAGGED)
    house.settle()
    assert house.messages() == {1: "one", 2: "two", 3: "three"}
    assert {flags & FLAGGED for flags, _ in house.flags().values()} == {FLAGGED}
    house.expunge([1, 2, 3])
    house.settle()
    assert (house.messages(), house.file_names()) == ({}, [])
    assert sorted(house.messages("Other").values()) == ["one", "three", "two"]


def test_rescan_reserves_the_uids_that_it_gives(house: House) -> None:
    folder = Path(house.root.path)
    house.row()
    for number in range(1500):
        (folder / "new" / f"{number}.M1.host").write_bytes(text_of("many"))
    row = house.row()
    known = uidlist.read(Files(), house.root.path)
    assert known is not None
    assert row.uid_next == 1501 <= known.next_uid


def test_racing_processes_never_give_uids_above_the_reserve(house: House, tmp_path: Path) -> None:
    """A stale idea of what is reserved: the other process has used it up."""
    house.save(["one"])
    other = open_house(tmp_path / "mail")
    stale = house.row()
    with_db = other.root.db.writer
    with_db.execute("UPDATE mailbox SET uidnext = reserved_uid - 1")
    other.close()
    _, uids = save.save(house.root, stale.id, "INBOX", [Incoming((text_of(n),)) for n in "abc"], house.roots.names)
    known = uidlist.read(Files(), house.root.path)
    assert known is not None
    assert known.next_uid > max(uids)
    assert rows(house.root.db.reader, "SELECT count(*) FROM message") == [(4,)]
