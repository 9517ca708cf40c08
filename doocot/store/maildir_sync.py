"""Brings the index in step with a Maildir folder: first sight with Dovecot's UIDs, and what other programs did since.

What a rescan may conclude, and why it is safe:

1. A base name that the index does not know is a new message, unless an intent says that its file is about to go.
2. A base name that is missing is expunged only when a second listing misses it too: a file that is renamed while its
   folder is read may be passed over by readdir.
3. A name with other letters than the index last saw, which the settler did not give it, is another program's change:
   the difference to the letters last seen is applied to the flags (a three way merge), so it and ours are both kept.
"""

import json
import os
import re
import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import apsw

from doocot.errors import Kind, MailError
from doocot.store import dovecot_files, maildir, maildir_names, recovery, settle, uidlist
from doocot.store.disk_errors import disk_errors
from doocot.store.index import mailboxes, messages
from doocot.store.index.database import reading, rows, write
from doocot.store.index.keywords import keyword_sets, map_sets, sets_in
from doocot.store.index.mailboxes import MailboxRow
from doocot.store.index.messages import ALL_BITS, Imported, NewMessage, ranges_of
from doocot.store.name_flags import NameFlags, keyword_letters
from doocot.store.root import Root, committed, note, renewed
from doocot.store.uidlist import UidList

ASKED = 200  # base names of which one query asks

_NO_MESSAGE = re.compile("^$|^[.:]|[\n\ud800-\udfff]")  # names that a rescan leaves alone, too


def in_step(root: Root, row: MailboxRow) -> bool:
    """Whether neither the folder nor dovecot-uidlist changed since they were last read: three calls of stat."""
    renewed(root)
    folder = maildir.folder_of(root, row.name)
    with disk_errors(folder):
        return maildir.stamp_of(root, folder)[0] == row.stamp and not dovecot_files.list_changed(root, row)


def unexplained(root: Root, row: MailboxRow, names: Collection[str]) -> bool:
    """Whether one of these names, which something just happened to, is not where the index has it or expects it.

    On a thread, in slices: neither those who write nor the loop wait for it long. A slice is looked at twice, as the
    settler may rename files between a look at the rows and one at the folder.
    """
    events: dict[str, list[str]] = {}
    for name in names:
        if not _NO_MESSAGE.search(name):
            events.setdefault(name.partition(":")[0], []).append(name)
    every = iter(events)
    while bases := list(islice(every, ASKED)):
        some = {base: events[base] for base in bases}
        if all(_are_unexplained(root, row, some) for _ in range(2)):
            return True
    return False


def _are_unexplained(root: Root, row: MailboxRow, events: Mapping[str, Sequence[str]]) -> bool:
    """Some base names, each with the names that were in its events. A known file is at one of its row's names, and one

    that no row speaks of is gone, or an intent says that it goes.
    """
    marks = ",".join("?" * len(events))
    with reading(root.db) as connection:
        found = rows(
            connection,
            f"SELECT base, letters, target FROM message WHERE mailbox = ? AND base IN ({marks})",
            (row.id, *events),
        )
    folder = maildir.folder_of(root, row.name)
    for base, letters, target in found:
        if not any(map(root.files.stat, maildir.named_paths(folder, base, letters, target))):
            return True
    known = {base for base, _, _ in found}
    unknown = [base for base in events if base not in known and _is_there(root, folder, events[base])]
    if not unknown:
        return False
    with reading(root.db) as connection:
        return not _leaving(connection, row.id).issuperset(unknown)


def _is_there(root: Root, folder: str, names: Sequence[str]) -> bool:
    return any(root.files.stat(f"{folder}/{part}/{name}") is not None for part in ("cur", "new") for name in names)


def sync_mailbox(root: Root, name: str) -> MailboxRow:
    """The mailbox's row, in step with its folder. Raises MailError(NON_EXISTENT) when there is no such folder."""
    return look(root, name)[0]


def look(root: Root, name: str) -> tuple[MailboxRow, Imported | None]:
    """As `sync_mailbox`; and when this took the folder into the index, the columns as they were at that position."""
    folder = maildir.folder_of(root, name)
    if name != "INBOX" and not os.path.isdir(os.path.join(folder, "cur")):
        raise MailError(Kind.NON_EXISTENT, f"Mailbox doesn't exist: {name}")
    with disk_errors(folder):
        if not all(os.path.isdir(f"{folder}/{part}") for part in ("tmp", "new", "cur")):
            maildir.make_folder(root, name)
        row, imported = _row(root, name, folder)
        stamp, fresh = maildir.stamp_of(root, folder)
        if row.stamp == stamp:
            return row, imported
        rescan(root, row, folder, "" if fresh else stamp)
    with root.db.lock:
        return mailboxes.mailbox_by_id(root.db.writer, row.id), imported


def _row(root: Root, name: str, folder: str) -> tuple[MailboxRow, Imported | None]:
    """The row, in step with dovecot-uidlist."""
    renewed(root)
    while True:
        with root.db.lock:
            found = mailboxes.mailbox_row(root.db.writer, name)
        if found is None:
            return _take_in(root, name, folder)
        current = dovecot_files.take_over_list(root, found) if dovecot_files.list_changed(root, found) else found
        if current is not None:
            return current, None


def first_sight(root: Root, name: str, folder: str) -> MailboxRow:
    """Takes a folder into the index: UIDs, UIDVALIDITY, GUID and keyword letters from Dovecot's files where they are.

    Files that dovecot-uidlist does not know are left to the rescan that follows.
    """
    return _take_in(root, name, folder)[0]


def _take_in(root: Root, name: str, folder: str) -> tuple[MailboxRow, Imported | None]:
    control = dovecot_files.control_folder(root, folder)
    known = _known_list(root, control)
    letters = keyword_letters(root, control)
    stamp, fresh = maildir.stamp_of(root, folder)
    listing = maildir.list_files(root, folder).letters
    uids, bases, file_letters = _listed(known, listing)
    complete = len(bases) == len(listing) and not fresh
    with write(root.db, durable=known is None) as writer:  # UIDs of dovecot-uidlist are durable there
        existing = mailboxes.mailbox_row(writer, name)
        if existing is None and known is not None and known.guid:
            existing = _renamed(root, writer, known.guid, name)
        if existing is not None:
            return existing, None
        validity = (
            known.uid_validity
            if known is not None
            else uidlist.next_uid_validity(root.files, root.location.control or root.path, int(time.time()))
        )
        row = mailboxes.create_mailbox(root.db, writer, name, validity, known.guid if known is not None else "")
        flags_of = NameFlags(writer, letters)
        imported: Imported | None = messages.import_rows(
            root.db,
            writer,
            row.id,
            uids,
            bases,
            list(map(flags_of.__getitem__, file_letters)),
            file_letters,
            max(known.next_uid, uids[-1] + 1 if uids else 1) if known is not None else 1,
        )
        next_uid = mailboxes.mailbox_by_id(writer, row.id).uid_next
        first_recent = uids[file_letters.index(None)] if None in flags_of else next_uid
        mailboxes.skip_recent(writer, row.id, 1, first_recent)
        mailboxes.set_stamps(
            writer,
            row.id,
            letters=" ".join(letters),
            stamp=stamp if complete else None,
            uidlist=dovecot_files.signature_text(known),
            listed_to=uids[-1] if uids else 0,
        )
        if recovery.restore(root, writer, row, letters):
            imported = None
        row = mailboxes.mailbox_by_id(writer, row.id)
    committed(root)
    return row, imported


def _known_list(root: Root, control: str) -> UidList | None:
    """dovecot-uidlist; None, with a line for the log, when it is damaged: its UIDs are lost."""
    try:
        return uidlist.read(root.files, control)
    except MailError as error:
        if error.kind is not Kind.CORRUPTION:
            raise
        note(root, f"{error.detail}; all messages get new UIDs, under a new UIDVALIDITY")
        return None


def _listed(
    known: UidList | None, listing: Mapping[str, str | None]
) -> tuple[Sequence[int], Sequence[str], Sequence[str | None]]:
    """The UIDs and base names of dovecot-uidlist whose files are there, and the letters of these."""
    if known is None:
        return [], [], []
    try:
        return known.uids, known.bases, list(map(listing.__getitem__, known.bases))
    except KeyError:
        there = [(uid, base) for uid, base in zip(known.uids, known.bases, strict=True) if base in listing]
        return [uid for uid, _ in there], [base for _, base in there], [listing[base] for _, base in there]


def _renamed(root: Root, writer: apsw.Connection, guid: str, name: str) -> MailboxRow | None:
    """The mailbox whose folder another program renamed, or we did before a crash: same GUID, and its folder is gone."""
    for row in mailboxes.mailbox_rows(writer).values():
        if row.guid == guid and root.files.stat(maildir.folder_of(root, row.name)) is None:
            mailboxes.rename_mailbox(root.db, writer, row.id, name)
            return mailboxes.mailbox_by_id(writer, row.id)
    return None


def rescan(root: Root, row: MailboxRow, folder: str, stamp: str) -> None:
    """Compares the folder with the rows; see the rules at the head of this file.

    The listing and the rows are read one after the other, while sessions save, settle and expunge. So what differs is
    only suspected, and believed when a second listing agrees, inside the write transaction where nobody else commits.
    """
    listing = maildir.list_files(root, folder).letters
    with root.db.lock:
        known = _rows(root.db.writer, row.id)
    suspects = _Suspects(
        [base for base in listing if base not in known],
        [base for base in known if base not in listing],
        [base for base, letters in listing.items() if base in known and _is_other(letters, known[base])],
    )
    if not (suspects.new or suspects.gone or suspects.renamed):
        with write(root.db) as writer:
            mailboxes.set_stamps(writer, row.id, stamp=stamp)
        return
    letters = keyword_letters(root, dovecot_files.control_folder(root, folder)) or row.letters.split()

    def believe(writer: apsw.Connection) -> None:
        _believe(root, writer, row, suspects, letters)
        mailboxes.set_stamps(writer, row.id, stamp=stamp, letters=" ".join(letters) or None)

    if suspects.new:
        dovecot_files.giving_uids(root, row.id, len(suspects.new), believe)
    else:
        with write(root.db) as writer:
            believe(writer)
    committed(root)


class _Known(NamedTuple):
    """What the index knows of a file."""

    letters: str | None
    uid: int
    target: str | None


@dataclass(frozen=True, slots=True)
class _Suspects:
    """Base names at which listing and index differed."""

    new: list[str]
    gone: list[str]
    renamed: list[str]


def _believe(root: Root, writer: apsw.Connection, row: MailboxRow, suspects: _Suspects, letters: Sequence[str]) -> None:
    """What the second listing confirms."""
    now, again = _rows(writer, row.id), maildir.list_files(root, maildir.folder_of(root, row.name)).letters
    flags_of = NameFlags(writer, letters)
    gone = [base for base in suspects.gone if base in now and base not in again]
    if gone:
        messages.expunge(root.db, writer, row.id, ranges_of(sorted(now[base].uid for base in gone)))
    renamed = {
        base: again[base]
        for base in suspects.renamed
        if base in now and base in again and _is_other(again[base], now[base])
    }
    if renamed:
        before = NameFlags(writer, row.letters.split(" ") if row.letters else letters)
        _merge(root, writer, row, now, renamed, before, flags_of)
    leaving = _leaving(writer, row.id)
    new = [base for base in suspects.new if base in again and base not in now and base not in leaving]
    if new:
        _add(root, writer, row, sorted(new, key=_arrival), again, flags_of)


def _rows(writer: apsw.Connection, mailbox: int) -> dict[str, _Known]:
    found = rows(writer, "SELECT base, letters, uid, target FROM message WHERE mailbox = ?", (mailbox,))
    return {base: _Known(letters, uid, target) for base, letters, uid, target in found}


def _is_other(letters: str | None, known: _Known) -> bool:
    """Whether a file with these letters was renamed by somebody else (rule 3)."""
    return letters != known.letters and letters not in maildir_names.targets_of(known.target)


def _add(
    root: Root,
    writer: apsw.Connection,
    row: MailboxRow,
    bases: Sequence[str],
    listing: Mapping[str, str | None],
    flags_of: Mapping[str | None, int],
) -> None:
    """Rows for files that another program put there."""
    sizes = maildir_names.sizes_of(bases)[1]
    new = [
        NewMessage(base, flags_of[listing[base]], listing[base], None, size if size >= 0 else None)
        for base, size in zip(bases, sizes, strict=True)
    ]
    before = mailboxes.mailbox_by_id(writer, row.id).uid_next
    _, uids = messages.append(root.db, writer, row.id, new)
    recent = [uid for uid, message in zip(uids, new, strict=True) if message.letters is None]
    mailboxes.skip_recent(writer, row.id, before, min(recent, default=max(before, *uids) + 1))


def _arrival(base: str) -> tuple[int, str]:
    """New files get their UIDs in the order of the second in their names, as Dovecot gives them."""
    second = base.partition(".")[0]
    return (int(second) if second.isascii() and second.isdigit() else 0, base)


def _leaving(writer: apsw.Connection, mailbox: int) -> set[str]:
    """Base names whose files an intent is about to remove."""
    found = rows(writer, "SELECT data FROM intent WHERE mailbox = ? AND kind = ?", (mailbox, settle.UNLINK))
    paths = [path for (data,) in found for path in json.loads(data)]
    return {path.rpartition("/")[2].partition(":")[0] for path in paths}


def _merge(
    root: Root,
    writer: apsw.Connection,
    row: MailboxRow,
    known: Mapping[str, _Known],
    seen: Mapping[str, str | None],
    meaning_before: Mapping[str | None, int],
    meaning_now: Mapping[str | None, int],
) -> None:
    """Rule 3: what the other program added or removed, grouped by the same difference, then the letters as seen now."""
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for base, letters in seen.items():
        groups[(known[base].letters or "", letters or "")].append(known[base].uid)
    for (before, after), uids in groups.items():
        old, new = meaning_before[before], meaning_now[after]
        ranges = ranges_of(sorted(uids))
        keep = ALL_BITS & ~(old & ~new & 0xFF)
        sets: list[tuple[int, int]] = []
        if old >> 8 != new >> 8:
            names = {number: frozenset(one) for number, one in keyword_sets(writer).items()}
            add, remove = names[new >> 8] - names[old >> 8], names[old >> 8] - names[new >> 8]
            sets = map_sets(writer, sets_in(writer, row.id, ranges), add, remove)
        messages.set_flags(root.db, writer, row.id, ranges, keep, new & ~old & 0xFF, sets)
    writer.executemany(
        f"UPDATE message SET letters = ? WHERE mailbox = {row.id} AND base = ?",
        [(letters, base) for base, letters in seen.items()],
    )
    changed = ranges_of(sorted(known[base].uid for base in seen))  # ours and theirs together ask for a third name
    settle.add_intent(writer, settle.RENAME, row.id, {"uids": messages.format_ranges(changed)})
