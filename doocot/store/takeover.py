"""What another server did while we were away: it changed dovecot-uidlist, and its UIDs have been told to clients.

1. Another UIDVALIDITY is another mailbox: the one that we know is gone.
2. UIDs from our next one on were given by the other server. A file that we do not know gets the UID given there; a file
   that we know under another UID (it was not listed yet) gets that one too, as a new message.
3. A file that the list has under a UID that we gave to something else has two names in clients' minds: it gets a third.
4. The other server gave no UID that we gave before, for N was ahead of ours; we give none below its N.

A list that is damaged or gone tells nothing: it is made anew from the index.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import apsw

from doocot.store import maildir
from doocot.store.index import mailboxes, messages
from doocot.store.index.database import rows, write
from doocot.store.index.mailboxes import MailboxRow
from doocot.store.index.messages import ranges_of
from doocot.store.name_flags import NameFlags, keyword_letters
from doocot.store.root import Root, committed, note
from doocot.store.uidlist import UidList


@dataclass(frozen=True, slots=True)
class _New:
    """A file and the UID that it gets."""

    uid: int
    base: str
    letters: str | None
    flags: int


def take_over(root: Root, row: MailboxRow, known: UidList, control: str, signature: str) -> MailboxRow | None:
    """Brings the index in step with a list that somebody else wrote, under the lock of the list.

    None when the mailbox is another one now, and the one that was known has been removed from the index.
    """
    folder = maildir.folder_of(root, row.name)
    if known.uid_validity != row.uid_validity:
        note(
            root, f"{control}/dovecot-uidlist: UIDVALIDITY is {known.uid_validity}, was {row.uid_validity}; taken over"
        )
        with write(root.db, durable=True) as writer:
            mailboxes.delete_mailbox(root.db, writer, row.id)
        committed(root)
        return None
    letters = keyword_letters(root, control)
    listing = maildir.list_files(root, folder).letters
    with write(root.db, durable=True) as writer:
        row = mailboxes.mailbox_by_id(writer, row.id)
        next_uid = max(row.uid_next, known.next_uid if known.next_uid > row.reserved_uid else 1)
        given = _given_there(writer, row, known, listing, NameFlags(writer, letters), next_uid)
        if given:
            moved = _known_uids(writer, row.id, {one.base for one in given})
            messages.expunge(root.db, writer, row.id, ranges_of(sorted(moved.values())))
            messages.import_rows(
                root.db,
                writer,
                row.id,
                [one.uid for one in given],
                [one.base for one in given],
                [one.flags for one in given],
                [one.letters for one in given],
                max(next_uid, given[-1].uid + 1),
            )
            if moved:
                note(root, f"{control}/dovecot-uidlist has other UIDs for {len(moved)} messages, which get new ones")
        mailboxes.raise_next_uid(writer, row.id, next_uid)
        mailboxes.set_stamps(
            writer,
            row.id,
            stamp="",
            uidlist=signature,
            reserved_uid=known.next_uid,
            listed_to=_listed_to(writer, row.id, known),
            letters=" ".join(letters) if letters else None,
        )
        row = mailboxes.mailbox_by_id(writer, row.id)
    committed(root)
    return row


def _given_there(
    writer: apsw.Connection,
    row: MailboxRow,
    known: UidList,
    listing: Mapping[str, str | None],
    flags_of: NameFlags,
    next_uid: int,
) -> list[_New]:
    """The files whose UID is not the one that the index has, with the UIDs of rule 2 and 3, ascending."""
    index = _rows(writer, row.id)
    found: list[_New] = []
    third: list[_New] = []
    for uid, base in zip(known.uids, known.bases, strict=True):
        if base not in listing:
            continue
        mine = index.get(base)
        if mine is None:
            if uid >= row.uid_next:
                found.append(_New(uid, base, listing[base], flags_of[listing[base]]))
        elif mine[0] != uid:
            (found if uid >= row.uid_next else third).append(_New(uid, base, mine[2], mine[1]))
    free = max(next_uid, found[-1].uid + 1 if found else 1)
    return found + [_New(free + number, one.base, one.letters, one.flags) for number, one in enumerate(third)]


def _rows(writer: apsw.Connection, mailbox: int) -> dict[str, tuple[int, int, str | None]]:
    found = rows(writer, "SELECT base, uid, flags, letters FROM message WHERE mailbox = ?", (mailbox,))
    return {base: (uid, flags, letters) for base, uid, flags, letters in found}


def _known_uids(writer: apsw.Connection, mailbox: int, bases: set[str]) -> dict[str, int]:
    return {base: one[0] for base, one in _rows(writer, mailbox).items() if base in bases}


def _listed_to(writer: apsw.Connection, mailbox: int, known: UidList) -> int:
    """The UID up to which every message of the index is in the list."""
    listed = set(zip(known.uids, known.bases, strict=True))
    missing = [row[0] for base, row in _rows(writer, mailbox).items() if (row[0], base) not in listed]
    if missing:
        return min(missing) - 1
    return mailboxes.mailbox_by_id(writer, mailbox).uid_next - 1
