"""dovecot-uidlist: our reading and writing, and a real Dovecot's."""

import contextlib
import errno
import os
import re
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recording import Recording, State, recording
from store_dovecot import Dovecot

from doocot.errors import Kind, MailError
from doocot.store import uidlist
from doocot.store.dotlock import acquire, dotlock
from doocot.store.files import Files
from doocot.store.uidlist import UidList

GUID = "0123456789abcdef0123456789abcdef"
BASES = st.text(st.characters(exclude_characters="/\n\0", exclude_categories=["Cs"]), min_size=1, max_size=20)
FIELD_TEXT = st.text(st.characters(codec="ascii", exclude_categories=["Cc", "Zs"]), max_size=8)
FIELDS = st.lists(st.builds("{}{}".format, st.sampled_from("WSPOGX"), FIELD_TEXT), min_size=1, max_size=3)


@st.composite
def lists(draw: st.DrawFn) -> UidList:
    bases = draw(st.lists(BASES, unique=True, max_size=8))
    uids = sorted(draw(st.sets(st.integers(1, uidlist.MAX_UID - 10), min_size=len(bases), max_size=len(bases))))
    fields = {uid: " ".join(draw(FIELDS)) for uid in uids if draw(st.booleans())}
    next_uid = (uids[-1] if uids else 0) + draw(st.integers(1, 9))
    return UidList(
        draw(st.integers(1, 2**32 - 1)), next_uid, GUID, uids, bases, fields, draw(st.sampled_from(["", "Xy Z"]))
    )


def write(folder: Path, content: UidList) -> UidList:
    path = uidlist.path_in(str(folder))
    with dotlock(Files(), path) as lock:
        return uidlist.write(Files(), str(folder), content, lock)


def read(folder: Path, before: UidList | None = None) -> UidList:
    content = uidlist.read(Files(), str(folder), before)
    assert content is not None
    return content


@given(lists())
def test_uidlist_round_trip(content: UidList) -> None:
    assert uidlist.parse(uidlist.format_file(content)) == content


@given(
    st.text("123 :abcVNGW\n/", max_size=60), st.sampled_from(["", "3 V1 N2\n", "1 5 6\n", "3 V1 N2 G" + GUID + "\n"])
)
def test_uidlist_parse_gives_columns_or_says_where(body: str, header: str) -> None:
    damage, content = None, None
    try:
        content = uidlist.parse(header + body)
    except MailError as error:
        damage = error
    if content is None:
        assert damage is not None
        assert (damage.kind, " line " in damage.detail) == (Kind.CORRUPTION, True)
        return
    assert len(content.uids) == len(content.bases)
    assert content.uids == sorted(set(content.uids))
    assert content.next_uid > (content.uids[-1] if content.uids else 0)


def test_uidlist_version_1_and_odd_rows() -> None:
    content = uidlist.parse("1 77 9\n3 a:b c\n8 d\n")
    assert (content.uid_validity, content.next_uid, content.uids, content.bases) == (77, 9, [3, 8], ["a:b c", "d"])
    assert content.rewrite
    content = uidlist.parse("3 V77 N2 Q7 Gx".replace("Gx", "G" + GUID) + "\n3 W12 Pa:b  Sx ::c :d\n12  :e\n")
    assert (content.next_uid, content.further, content.fields) == (13, "Q7", {3: "W12 Pa:b  Sx"})
    assert content.bases == [":c :d", "e"]
    assert not content.rewrite


@pytest.mark.parametrize("body", ["1 :a :5\nb\n", "1 :a\n2 b:c\n3 :d :e\n", ":a\n1 :b\n", "1 :\n"])
def test_uidlist_row_without_its_parts_is_damage(body: str) -> None:
    with pytest.raises(MailError):
        uidlist.parse("3 V77 N2\n" + body)


def test_uidlist_same_file_twice_and_torn_append() -> None:
    content = uidlist.parse("3 V77 N2\n3 :a\n4 :b\n5 :a\n6 :tor")
    assert (content.uids, content.bases, content.next_uid) == ([4, 5], ["b", "a"], 6)
    assert content.rewrite


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("2 V1 N1\n", 1),
        ("3 V0 N1\n", 1),
        ("3 V1\n", 1),
        ("3 V1 N1 Gxy\n", 1),
        ("1 5\n", 1),
        ("3 V1 N1\n1 :a\nx :b\n", 3),
        ("3 V1 N1\n1 :a\n٣ :b\n", 3),
        ("3 V1 N1\n1 :a\n2\n", 3),
        ("3 V1 N1\n2 :a\n2 :b\n", 3),
        ("3 V1 N1\n0 :a\n", 2),
        ("3 V1 N1\n1 :a\n4294967295 :a\n", 3),
        ("3 V1 N1\n1 :a\n2 :../b\n", 3),
        ("3 V1 N1\n1 :a\n\n", 3),
    ],
)
def test_uidlist_damage_is_told_with_its_line(text: str, line: int) -> None:
    with pytest.raises(MailError, match="damaged") as caught:
        uidlist.parse(text, "/m/dovecot-uidlist")
    assert caught.value.detail.startswith(f"/m/dovecot-uidlist line {line}: ")


def test_uidlist_appended_rows_are_read_alone(tmp_path: Path) -> None:
    first = write(tmp_path, UidList(9, 50, GUID, [1, 2], ["a", "b"], {1: "W4"}))
    assert first == read(tmp_path)
    with dotlock(Files(), uidlist.path_in(str(tmp_path))) as lock:
        second = uidlist.append(Files(), str(tmp_path), first, [50, 51], ["c", "d"], lock)
    assert read(tmp_path, first) == read(tmp_path) == second
    assert (second.next_uid, second.uids) == (52, [1, 2, 50, 51])
    assert read(tmp_path, second) is second
    third = write(tmp_path, replace(second, next_uid=900))
    assert read(tmp_path, second) == third


def test_uidlist_append_needs_the_file_as_read_and_the_lock(tmp_path: Path) -> None:
    first = write(tmp_path, UidList(9, 50, GUID, [1], ["a"]))
    lock = acquire(Files(), uidlist.path_in(str(tmp_path)))
    with (tmp_path / "dovecot-uidlist").open("a") as file:
        file.write("2 :b\n")
    with pytest.raises(MailError, match="Internal"):
        uidlist.append(Files(), str(tmp_path), first, [50], ["c"], lock)
    os.unlink(lock.path)
    for change in (
        lambda: uidlist.append(Files(), str(tmp_path), read(tmp_path), [50], ["c"], lock),
        lambda: uidlist.write(Files(), str(tmp_path), first, lock),
    ):
        with pytest.raises(MailError, match="another program"):
            change()
    assert read(tmp_path).uids == [1, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["dovecot-uidlist"]


def reserve_and_append(rec: Recording, folder: Path, old: UidList) -> None:
    with dotlock(rec.files, uidlist.path_in(str(folder))) as lock:
        new = uidlist.write(rec.files, str(folder), replace(old, next_uid=1050), lock)
        rec.mark("reserved")
        uidlist.append(rec.files, str(folder), new, [50, 51], ["c", "d"], lock)
        rec.mark("appended")


def keeps_promises(content: UidList | None, marks: list[str]) -> bool:
    """No told UID is unknown, no reserved one is free, no name has another UID."""
    if content is None or content.bases != ["a", "b", "c", "d"][: len(content.uids)]:
        return False
    needed = [1, 2, 50, 51] if "appended" in marks else [1, 2]
    return content.uids[: len(needed)] == needed and content.next_uid >= (1050 if marks else 50)


def broken_promises(rec: Recording) -> list[State]:
    bad = []
    for state in rec.states(range(30)):
        try:
            content = uidlist.read(Files(), str(state.path))
        except MailError:
            content = None
        if not keeps_promises(content, state.marks):
            bad.append(state)
    return bad


def test_uidlist_survives_power_loss(tmp_path: Path) -> None:
    folder = tmp_path / "mail"
    folder.mkdir()
    old = write(folder, UidList(9, 50, GUID, [1, 2], ["a", "b"]))
    with recording(folder, tmp_path) as rec:
        reserve_and_append(rec, folder, old)
    assert broken_promises(rec) == []
    assert rec.syncs == 3
    for skipped in range(3):
        write(folder, old)
        with recording(folder, tmp_path, skip_sync=skipped) as rec:
            reserve_and_append(rec, folder, old)
        assert broken_promises(rec) != [], skipped


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_uidlist_any_call_may_fail(tmp_path: Path, error: int) -> None:
    folder = tmp_path / "mail"
    folder.mkdir()
    old = write(folder, UidList(9, 50, GUID, [1, 2], ["a", "b"]))
    with recording(folder, tmp_path) as rec:
        reserve_and_append(rec, folder, old)
    for number, (name, _) in enumerate(rec.calls):
        for path in folder.iterdir():
            path.unlink()
        write(folder, old)
        failing = recording(folder, tmp_path, fail_at=number, error=error)
        with failing as rec, contextlib.suppress(OSError, MailError):
            reserve_and_append(rec, folder, old)
        content = read(folder)
        assert content.uids in ([1, 2], [1, 2, 50, 51]), (number, name)
        assert content.next_uid in (50, 1050), (number, name)
        assert not content.rewrite, (number, name)


def test_uidlist_refuses_a_base_that_is_two_lines() -> None:
    for fields in ({}, {1: "W4"}):
        with pytest.raises(ValueError, match="line feed"):
            uidlist.format_rows([1], ["a\n2 :b"], fields)


def test_dovecot_reads_our_uidlist_and_we_its_own(dovecot: Dovecot) -> None:
    for name in ("1.a:2,", "2.b:2,S", "3.c,S=32,W=35:2,"):
        dovecot.message(name)
    ours = UidList(1234567, 5000, GUID, [7, 12, 300], ["1.a", "2.b", "3.c,S=32,W=35"], {12: "W24 Pmy-uidl"})
    write(dovecot.mail, ours)
    assert dovecot.uids() == (1234567, 5000, {"1.a:2,": 7, "2.b:2,S": 12, "3.c,S=32,W=35:2,": 300})
    assert replace(read(dovecot.mail), signature=None) == ours

    dovecot.message("4.d", "new")
    assert dovecot.uids() == (1234567, 5001, {"1.a:2,": 7, "2.b:2,S": 12, "3.c,S=32,W=35:2,": 300, "4.d": 5000})
    theirs = read(dovecot.mail)
    assert (theirs.next_uid, theirs.uids, theirs.bases) == (5001, [7, 12, 300, 5000], [*ours.bases, "4.d"])
    assert (theirs.guid, theirs.fields) == (GUID, ours.fields)

    # What it expunges it may leave in the file until it writes it anew; the files tell.
    dovecot.imap("SELECT INBOX", "UID STORE 7,300 +FLAGS (\\Deleted)", "EXPUNGE")
    for number in range(5):
        dovecot.message(f"{number + 5}.e", "new")
    _, _, seen = dovecot.uids()
    known = read(dovecot.mail)
    assert known.uid_validity == 1234567
    pairs = dict(zip(known.bases, known.uids, strict=True))
    assert {name.partition(":")[0]: uid for name, uid in seen.items()} == {
        path.name.partition(":")[0]: pairs[path.name.partition(":")[0]] for path in (dovecot.mail / "cur").iterdir()
    }
    assert known.fields.get(12) == "W24 Pmy-uidl"


def test_dovecot_gives_a_guid_where_we_have_none(dovecot: Dovecot) -> None:
    dovecot.message("1.a:2,")
    write(dovecot.mail, UidList(77, 9, "", [5], ["1.a"]))
    assert dovecot.uids() == (77, 9, {"1.a:2,": 5})
    theirs = read(dovecot.mail)
    assert (len(theirs.guid), theirs.uids, theirs.uid_validity) == (32, [5], 77)


@pytest.mark.parametrize("forget", [False, True])
def test_dovecot_follows_our_appends_and_rewrites(dovecot: Dovecot, forget: bool) -> None:
    dovecot.message("1.a", "new")
    validity, _, _ = dovecot.uids()
    theirs = read(dovecot.mail)
    dovecot.message("2.b:2,")
    with dotlock(Files(), uidlist.path_in(str(dovecot.mail))) as lock:
        reserved = uidlist.write(Files(), str(dovecot.mail), replace(theirs, next_uid=1002), lock)
        appended = uidlist.append(Files(), str(dovecot.mail), reserved, [40], ["2.b"], lock)
    assert appended.next_uid == 1002
    if forget:
        dovecot.forget()
    dovecot.message("3.c", "new")
    assert dovecot.uids() == (validity, 1003, {"1.a": 1, "2.b:2,": 40, "3.c": 1002})
    assert read(dovecot.mail, appended).uids == [1, 40, 1002]


def test_uid_validity_never_repeats_among_threads(tmp_path: Path) -> None:
    taken: list[int] = []

    def take() -> None:
        for _ in range(10):
            taken.append(uidlist.next_uid_validity(Files(), str(tmp_path), 1000))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(1000, 1040))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dovecot-uidvalidity", "dovecot-uidvalidity.0000040f"]


def test_uid_validity_survives_power_loss(tmp_path: Path) -> None:
    folder = tmp_path / "mail"
    folder.mkdir()
    with recording(folder, tmp_path) as rec:
        for _ in range(3):
            rec.mark(uidlist.next_uid_validity(rec.files, str(folder), 1000))
    for state in rec.states(range(20)):
        assert uidlist.next_uid_validity(Files(), str(state.path), 1000) > max(state.marks, default=999)


def test_dovecot_and_we_take_uid_validities_from_one_counter(dovecot: Dovecot) -> None:
    assert uidlist.next_uid_validity(Files(), str(dovecot.mail), 1000) == 1000
    assert dovecot.uids()[0] == 1001  # the INBOX
    values = []
    for name in ("a", "b"):
        said = dovecot.imap(f"CREATE {name}", f"STATUS {name} (UIDVALIDITY)")
        values += map(int, re.findall(r"UIDVALIDITY (\d+)\)", said))
        values.append(uidlist.next_uid_validity(Files(), str(dovecot.mail), 1000))
    assert values == [1002, 1003, 1004, 1005]
