"""Power loss at every step of every writing call (rules 1 to 3), every failing call, and every sync that is needed.

The scenarios run over recorded files and a recorded SQLite. `facts` gathers what clients were told; each state that a
power cut may leave is recovered as a start of the server does it, and must not contradict them.
"""

import os
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from power_loss import DROP_ALL
from recording import Recorder, Recording, State, recording
from store_house import House, open_house, text_of

from doocot.errors import MailError
from doocot.mailbox.change import Operation
from doocot.mailbox.metadata import Rules, set_entries
from doocot.store import dovecot_files, folders, maildir, save
from doocot.store.index import database, metadata
from doocot.store.index.mailboxes import mailbox_row
from doocot.store.index.messages import FLAGGED, SEEN, position_of
from doocot.store.root import close_root
from doocot.store.save import Incoming

# How a disk lets a batch be synced: each file and folder for itself, all at once, or at once and names in their order.
DISKS: dict[str, dict[str, bool]] = {
    "apart": {"at_once": False},
    "at_once": {"at_once": True},
    "ordered": {"at_once": True, "ordered": True},
}

Uid = tuple[str, int, int]  # mailbox, UIDVALIDITY, UID

SEEDS = (0, 1, 2, 3, 4, 5)


@dataclass
class Told:
    """What clients have been told, in the words of the rules."""

    names: dict[Uid, str] = field(default_factory=dict)  # rule 2: a UID names this message for ever
    kept: set[tuple[str, str]] = field(default_factory=set)  # rule 1: acknowledged in this mailbox, not removed
    either: set[tuple[tuple[str, str], ...]] = field(default_factory=set)  # one of them is there, whatever happened
    notes: dict[str, set[str]] = field(default_factory=dict)  # the values that an entry of a mailbox may have
    position: int = 0


@dataclass
class Client:
    """Does things with the mail, and marks in the recording what was answered."""

    house: House
    rec: Recording
    told: Told = field(default_factory=Told)

    def save(self, *subjects: str, name: str = "INBOX", keywords: frozenset[str] = frozenset()) -> list[int]:
        validity, uids = self.house.save(subjects, name, flags=SEEN if keywords else 0, keywords=keywords)
        for uid, subject in zip(uids, subjects, strict=True):
            self.rec.mark(("named", (name, validity, uid), subject))
            self.rec.mark(("keep", (name, subject)))
        return uids

    def save_unseen(self, subject: str, name: str) -> None:
        """APPEND to a mailbox that is not selected: nobody looks into its folder."""
        root = self.house.root
        row = mailbox_row(root.db.writer, name)
        assert row is not None
        validity, (uid,) = save.save(root, row.id, name, [Incoming((text_of(subject),), SEEN)], self.house.roots.names)
        self.rec.mark(("named", (name, validity, uid), subject))
        self.rec.mark(("keep", (name, subject)))

    def uid_of(self, subject: str) -> int:
        return next(uid for uid, one in self.house.messages().items() if one == subject)

    def copy(self, uids: list[int], target: str, *, move: bool = False) -> None:
        before = self.house.messages()
        for uid in uids if move else ():
            self.rec.mark(("forget", ("INBOX", before[uid])))
        copied = self.house.copy(uids, target, move=move)
        for source, uid in zip(copied.source, copied.target, strict=True):
            self.rec.mark(("named", (target, copied.uid_validity, uid), before[source]))
            self.rec.mark(("keep", (target, before[source])))

    def replace(self, uid: int, subject: str, target: str = "INBOX") -> None:
        before = self.house.messages()[uid]
        self.rec.mark(("either", (("INBOX", before), (target, subject))))
        self.rec.mark(("forget", ("INBOX", before)))
        validity, new = self.house.replace(uid, subject, target)
        self.rec.mark(("named", (target, validity, new), subject))
        self.rec.mark(("keep", (target, subject)))

    def note(self, name: str, text: str) -> None:
        """SETMETADATA; the value before may be there until it is answered."""
        row = self.house.row(name)
        self.rec.mark(("noting", name, text))
        set_entries(self.house.root, row.id, {"/private/x": text.encode()}, Rules())
        self.rec.mark(("noted", name, text))

    def expunge(self, *uids: int) -> None:
        for uid in uids:
            self.rec.mark(("forget", ("INBOX", self.house.messages()[uid])))
        self.house.expunge(uids)

    def see(self, name: str = "INBOX") -> None:
        """A SELECT tells every UID."""
        validity = self.house.row(name).uid_validity
        for uid, subject in self.house.messages(name).items():
            self.rec.mark(("named", (name, validity, uid), subject))
        self.rec.mark(("position", position_of(self.house.root.db.reader)))


def told_by(marks: list[Any]) -> Told:
    told = Told()
    for kind, value, *rest in marks:
        if kind == "named":
            told.names[value] = rest[0]
        elif kind == "keep":
            told.kept.add(value)
        elif kind == "either":
            told.either.add(value)
        elif kind == "forget":
            told.kept.discard(value)
        elif kind == "noting":
            told.notes.setdefault(value, {""}).add(rest[0])
        elif kind == "noted":
            told.notes[value] = {rest[0]}
        elif kind == "position":
            told.position = max(told.position, value)
    return told


# -- what clients do


def save_one(client: Client) -> None:
    client.save("one")


def save_many(client: Client) -> None:
    client.save("one", "two", "three", "four", "five")
    client.save("six", "seven", keywords=frozenset({"Work"}))


def copy_and_move(client: Client) -> None:
    client.house.create("Other")
    uids = client.save("one", "two", "three")
    client.copy(uids[:2], "Other")
    client.copy(uids[1:], "Other", move=True)
    client.house.settle()


def replace(client: Client) -> None:
    client.house.create("Other")
    one, two = client.save("one", "two")
    client.replace(one, "three")
    client.house.settle()
    client.replace(two, "four", "Other")
    client.house.settle()
    client.see()


def store_back_and_forth(client: Client) -> None:
    """STORE, rename, kill, STORE back, rescan."""
    (uid,) = client.save("one", keywords=frozenset({"Work"}))
    client.house.settle()
    client.house.store([uid], FLAGGED)
    client.house.settle()
    client.house.store([uid], FLAGGED, Operation.REMOVE)
    client.see()
    client.house.settle()
    client.see()


def expunge_and_settle(client: Client) -> None:
    uids = client.save("one", "two", "three")
    client.expunge(uids[0], uids[2])
    client.house.settle()
    client.save("four")
    client.see()


def first_sight_of_dovecots_mail(client: Client) -> None:
    folder = Path(client.house.root.path)
    for part in ("tmp", "new", "cur"):
        (folder / part).mkdir()
    for number, subject in enumerate(("one", "two", "three"), 1):
        (folder / "cur" / f"{number}.M1.host:2,S").write_bytes(
            b"Subject: %s\n\nbody of %s\n" % ((subject.encode(),) * 2)
        )
    (folder / "dovecot-uidlist").write_text(f"3 V7 N12 G{'a' * 32}\n5 :1.M1.host\n11 :2.M1.host\n")
    for name in ("tmp", "new", "cur", "dovecot-uidlist"):
        client.rec.recorder.inode(str(folder / name))  # it has been on disk for long
    for subject in ("one", "two", "three"):
        client.rec.mark(("keep", ("INBOX", subject)))
    client.see()
    client.save("four")
    client.house.settle()
    client.see()


def mailboxes(client: Client) -> None:
    client.house.create("A")
    client.see("A")
    client.save("one", name="A")
    client.rec.mark(("forget", ("A", "one")))
    folders.rename_folders(client.house.root, "A", "B")
    client.rec.mark(("keep", ("B", "one")))
    client.note("B", "1")
    client.note("B", "2")
    client.house.settle()
    client.house.create("A")
    client.save("two", name="A")
    client.rec.mark(("forget", ("B", "one")))
    folders.delete_folder(client.house.root, "B")
    client.house.settle()
    client.see("A")


def another_program_delivers(client: Client) -> None:
    folder = Path(client.house.root.path)
    client.see()
    for number, subject in enumerate(("one", "two"), 1):
        (folder / "new" / f"{number}.M1.host").write_bytes(b"Subject: %s\n\nbody of %s\n" % ((subject.encode(),) * 2))
    client.rec.recorder.inode(str(folder / "new" / "1.M1.host"))
    client.rec.recorder.inode(str(folder / "new" / "2.M1.host"))
    client.see()
    client.save("three")


def checkpoint_between(client: Client) -> None:
    client.save("one")
    database.checkpoint(client.house.root.db, everything=True)
    client.save("two")
    client.house.settle()
    database.checkpoint(client.house.root.db, everything=True)
    client.save("three")


SCENARIOS: tuple[Callable[[Client], None], ...] = (
    save_one,
    save_many,
    copy_and_move,
    replace,
    store_back_and_forth,
    expunge_and_settle,
    first_sight_of_dovecots_mail,
    mailboxes,
    another_program_delivers,
    checkpoint_between,
)


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder where a sync costs nothing: what a sync means is the recorder's business, not the disk's."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place) as folder:
        yield Path(folder)


@contextmanager
def client_in(memory: Path, **options: Any) -> Iterator[Client]:
    folder = memory / "mail"
    folder.mkdir(parents=True)
    with recording(folder, memory, **options) as rec:
        house = open_house(folder, rec.files, rec.vfs)
        try:
            yield Client(house, rec)
        finally:
            close_root(house.root)


# -- after the power came back


def recover(path: Path, monkeypatch: pytest.MonkeyPatch, *, without_index: bool = False) -> House:
    """As a start of the server does it, after another boot."""
    if without_index:
        for file in path.glob("doocot.index*"):
            file.unlink()
    for lock in path.rglob("*.lock"):
        lock.write_text(f"{(1 << 31) - 1}:{os.uname().nodename}")  # its process ended with the power
    monkeypatch.setattr(database, "boot_id", lambda: "another boot")
    house = open_house(path)
    monkeypatch.undo()
    folders.recover(house.root, maildir.scan_folders(house.root).removed)
    house.row()
    house.settle()
    return house


def violations(house: House, told: Told) -> list[str]:
    """What contradicts the rules."""
    wrong: list[str] = []
    present: set[tuple[str, str]] = set()
    for name in sorted(maildir.scan_folders(house.root).names):
        row = house.row(name)
        found = house.messages(name)
        present |= {(name, subject) for subject in found.values()}
        note = (metadata.value(house.root.db.reader, row.id, "/private/x") or b"").decode()
        if note not in told.notes.get(name, {note}):
            wrong.append(f"rule 1: the metadata of {name} are {note!r}, not {told.notes[name]}")
        for uid, subject in found.items():
            before = told.names.get((name, row.uid_validity, uid), subject)
            if before != subject:
                wrong.append(f"rule 2: {name} {row.uid_validity} {uid} was {before}, is {subject}")
        (new,) = house.save([f"after the power cut in {name}"], name)[1]
        if (name, row.uid_validity, new) in told.names:
            wrong.append(f"rule 2: {name} {row.uid_validity} {new} is given again")
    wrong += [f"rule 1: {subject} in {name} is lost" for name, subject in told.kept - present]
    wrong += [f"rule 1: none is left of {places}" for places in told.either if not present.intersection(places)]
    wrong += [f"rule 1: a message in {name} is damaged" for name, subject in present if subject == "damaged"]
    if position_of(house.root.db.reader) < told.position:
        wrong.append("rule 2: a position is given again")
    return wrong


def check(state: State, monkeypatch: pytest.MonkeyPatch, *, without_index: bool = False) -> list[str]:
    try:
        house = recover(state.path, monkeypatch, without_index=without_index)
    except MailError as error:
        return [f"rule 5: {error}: {error.detail}"]
    try:
        told = told_by(state.marks)
        if without_index:
            told.notes.clear()  # they come back from the recovery file, as old as that is
        return violations(house, told)
    finally:
        house.close()


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("without_index", [False, True])
@pytest.mark.parametrize("disk", DISKS)
def test_nothing_told_is_contradicted_by_a_power_cut(
    memory: Path,
    monkeypatch: pytest.MonkeyPatch,
    scenario: Callable[[Client], None],
    without_index: bool,
    disk: str,
) -> None:
    with client_in(memory, **DISKS[disk]) as client:
        scenario(client)
        rec = client.rec
    every = max(1, len(rec.log) // 60)
    for state in rec.states(SEEDS, every=every):
        if state.last is not None and state.last.value == "adopted":
            continue  # half of what was there before
        wrong = check(state, monkeypatch, without_index=without_index)
        assert not wrong, (state.prefix, state.seed, state.last, wrong)


# -- every sync is needed

# By the functions that lead to it; the first that fits counts. Without one of these, a power cut contradicts what was
# told.
NEEDED = {
    "reserve_uids write replace_file sync_folder": "N: an index made anew gives no UID again",
    "copy.py._commit sync_folder": "the names that COPY and MOVE made",
    "giving_uids write _transaction": "the row: the UID that is told",
}
_BYTES = "the bytes of a message"
NEEDED_ON = {
    "apart": {"save finish _sync_files": _BYTES, "save finish _guarded _sync_names": "its name"},
    "at_once": {"save finish _sync_files": _BYTES, "save finish _sync_all": "its name and its row"},
    "ordered": {"save.py._commit write_out": _BYTES, "save finish _sync_all": "its name and its row"},
}

# These are not, and why they stay.
OPTIONAL = {
    "open_database": "SQLite makes its file: an index that is lost comes back from the files (rule 3)",
    "reserve_uids write replace_file write_file": "an empty list is damaged, and a torn one has lost its last line",
    "reserve_uids write _transaction": "an index that has forgotten what is reserved reserves again",
    "make_folder": "the list of UIDs is written to the same folder later, and that is synced; not so under CONTROL=",
    "_take_in next_uid_validity": "covered by the next sync of the root folder; not so under CONTROL=",
    "_take_in write": "the list of UIDs tells UIDVALIDITY as well, before a UID is told",
    "assign_letters": "keywords are flags: as durable as Dovecot's",
    "list_messages": "rows that are lost are written again from the index, and without it the messages get new UIDs",
}


def needed_scenario(client: Client) -> None:
    """One of everything that syncs, short enough to be run once for each of its syncs.

    A message that another program delivered lies unseen while ours are saved: it would come before them if their UIDs
    were forgotten.
    """
    folder = Path(client.house.root.path)
    client.house.create("Other")
    client.see()
    for name in ("INBOX", "Other"):
        unseen = Path(maildir.folder_of(client.house.root, name)) / "new" / "1.M1.host"
        unseen.write_bytes(text_of(f"unseen in {name}"))
        client.rec.recorder.inode(str(unseen))
    row = mailbox_row(client.house.root.db.writer, "INBOX")
    assert row is not None
    for subject in ("one", "two", "three", "four"):
        client.save_unseen(subject, "INBOX")
    client.save_unseen("five", "Other")
    client.see()
    client.copy([client.uid_of("one")], "Other", move=True)
    client.house.settle()
    client.see("Other")
    assert folder.exists()


@dataclass
class Syncs:
    """Who asked for each sync of a recording."""

    callers: list[str] = field(default_factory=list)

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("sync_inode", "syncfs", "write_out"):
            whole = getattr(Recorder, name)

            def asked(recorder: Recorder, number: Any, whole: Any = whole) -> Any:
                stack = traceback.extract_stack()
                self.callers.append(" ".join(map(frame_name, (one for one in stack if "/doocot/" in one.filename))))
                return whole(recorder, number)

            monkeypatch.setattr(Recorder, name, asked)


def frame_name(frame: traceback.FrameSummary) -> str:
    return f"{os.path.basename(frame.filename)}.{frame.name}" if frame.name == "_commit" else frame.name


def entry(caller: str, table: dict[str, str]) -> str | None:
    """The key all of whose functions led to the sync, in this order."""
    for key in table:
        words = iter(caller.split())
        if all(word in words for word in key.split()):
            return key
    return None


def run_without(memory: Path, skip_sync: int | None, disk: str) -> Recording:
    with client_in(memory, skip_sync=skip_sync, **DISKS[disk]) as client:
        needed_scenario(client)
        return client.rec


@pytest.mark.parametrize("disk", DISKS)
def test_power_cut_is_survived_with_every_sync_and_without_none_of_the_needed(
    memory: Path, monkeypatch: pytest.MonkeyPatch, disk: str
) -> None:
    needed = NEEDED | NEEDED_ON[disk]
    monkeypatch.setattr(dovecot_files, "RESERVE", 1)
    syncs = Syncs()
    with monkeypatch.context() as watching:
        syncs.watch(watching)
        run_without(memory / "whole", None, disk)
    reserve = {key: text for key, text in (needed | OPTIONAL).items() if key.startswith("reserve_uids")}
    in_order = reserve | needed | OPTIONAL
    assert [caller for caller in syncs.callers if not entry(caller, in_order)] == []
    found: dict[str, list[bool]] = {}
    for number, caller in enumerate(syncs.callers):
        key = entry(caller, in_order)
        if key in needed and not any(found.get(key, [])):
            rec = run_without(memory / str(number), number, disk)
            found.setdefault(key, []).append(any_violation(rec, monkeypatch))
    assert {key for key, seen in found.items() if any(seen)} == set(needed), found


def any_violation(rec: Recording, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Looks first where most is found: with nothing that was not synced, after each answer."""
    seeds = (DROP_ALL, *range(4, 10))
    return any(
        check(state, monkeypatch, without_index=without_index)
        for seed in seeds
        for without_index in (False, True)
        for state in rec.states((seed,))
        if state.last is not None and (state.last.kind == "mark" or seed != DROP_ALL)
    )
