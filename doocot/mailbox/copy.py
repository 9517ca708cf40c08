"""COPY and MOVE: hard links, some at a time, then one durable transaction; all on threads, as links wait for journals.

| step | disk | index | after a crash |
|---|---|---|---|
| linked | new names in the target's cur/ | - | a rescan adds them: perhaps a duplicate, never a loss |
| folder synced, committed | the same | rows in the target, Change | copied |
| MOVE: expunged with it | old names still there | source rows gone, intent to unlink | the settler unlinks |

Within one root a MOVE is one transaction, so it is never half done. Between roots the target is durable first.
"""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import apsw

from doocot.errors import Kind, MailError
from doocot.mailbox.change import unlink_paths
from doocot.mailbox.places import existing
from doocot.mailbox.user import Mail
from doocot.mailbox.view import View
from doocot.store import dovecot_files, maildir, settle
from doocot.store.disk_errors import disk_error
from doocot.store.files import Files
from doocot.store.index import messages
from doocot.store.index.database import next_position, reading, rows, write
from doocot.store.index.mailboxes import MailboxRow
from doocot.store.index.messages import NewMessage, Range, ranges_of
from doocot.store.maildir_names import letters_for
from doocot.store.root import Root, committed
from doocot.wire.flow import Job, Step

GONE = "Some of the messages no longer exist."

LINKS = 1000  # at a time: a client that goes away is noticed in between

_SOURCE = (
    "SELECT uid, content, flags, internaldate, savedate, size, base, letters, target FROM message"
    " WHERE mailbox = ? AND uid BETWEEN ? AND ? ORDER BY uid"
)


@dataclass(frozen=True, slots=True)
class Copied:
    """What COPYUID tells (RFC 4315 §3): the UIDs pairwise, in the order of the source."""

    uid_validity: int
    source: tuple[int, ...]
    target: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Linked:
    """A source row and the file made for it."""

    row: tuple[Any, ...]
    base: str
    letters: str
    path: str


@dataclass(slots=True)
class _Work:
    """One COPY or MOVE under way. `linked` are files that no row speaks of yet: the commit empties the list.

    The generator may end at any step, also while the commit runs (the client has gone): what to undo is told by the
    commit itself, never by how far the generator came.
    """

    view: View
    target: MailboxRow
    move: bool
    linked: list[_Linked] = field(default_factory=list)
    doubtful: bool = False  # the commit failed in a way that a crash might still turn into success


def copy(
    mail: Mail, view: View, uids: Sequence[Range], target: str, *, move: bool
) -> Generator[Step, Any, Copied | None]:
    """Copies or moves all or none of the messages; None when there are none any more.

    Raises MailError(TRY_CREATE) when there is no such mailbox.
    """
    root = mail.opened.root
    try:
        row: MailboxRow = yield Job(lambda: existing(mail, target))
    except MailError as error:
        kind = Kind.TRY_CREATE if error.kind is Kind.NON_EXISTENT else error.kind
        raise MailError(kind, error.text, error.detail) from error
    source = yield Job(partial(_rows, view, uids))
    if not source:
        return None
    work = _Work(view, row, move)
    try:
        for number in range(0, len(source), LINKS):
            yield Job(partial(_link, mail, work, source[number : number + LINKS]))
        copied: Copied = yield Job(partial(_commit, root, work))
        return copied
    finally:
        _undo(root, work)


def _rows(view: View, uids: Sequence[Range]) -> list[tuple[Any, ...]]:
    with reading(view.live.root.db) as connection:
        return [one for low, high in uids for one in rows(connection, _SOURCE, (view.live.row.id, low, high))]


def _link(mail: Mail, work: _Work, some: Sequence[tuple[Any, ...]]) -> None:
    """Hard links for some rows, under new names."""
    source, files = work.view.live.root, mail.opened.root.files
    here = maildir.folder_of(source, work.view.live.row.name)
    there = maildir.folder_of(mail.opened.root, work.target.name)
    for one, name in zip(some, mail.roots.names.make_many(len(some)), strict=True):
        base, letters = one[6], one[7]
        kept = letters or ""
        copied = name + base[base.index(",") :] if "," in base else name
        path = maildir.file_path(there, copied, kept)
        try:
            try:
                files.link(maildir.file_path(here, base, letters), path)
            except FileNotFoundError:
                _link_from(maildir.paths_of(source.db, files, here, work.view.live.row.id, *one[6:]), files, path)
        except OSError as error:
            raise disk_error(error, path) from error
        work.linked.append(_Linked(one, copied, kept, path))


def _link_from(known: Iterable[str], files: Files, path: str) -> None:
    """A link to the first of the places where there is a file."""
    for one in known:
        try:
            files.link(one, path)
        except FileNotFoundError:
            continue
        return
    raise MailError(Kind.EXPUNGE_ISSUED, GONE, f"{path}: nothing to link it to")


def _commit(root: Root, work: _Work) -> Copied:
    """Rows for the links, in one durable transaction; the flags are those of now, a STORE may have come between."""
    source, linked = work.view.live.row.id, work.linked
    try:
        dovecot_files.reserve_uids(root, work.target, len(linked))
        root.files.sync_folder(f"{maildir.folder_of(root, work.target.name)}/cur")
    except OSError as error:
        raise disk_error(error, maildir.folder_of(root, work.target.name)) from error
    work.doubtful = True

    def commit(writer: apsw.Connection) -> list[int]:
        now = _rows_now(writer, source, ranges_of([one.row[0] for one in linked]))
        if work.move and len(now) < len(linked):
            raise MailError(Kind.EXPUNGE_ISSUED, GONE)
        flags = [now[one.row[0]][0] if one.row[0] in now else one.row[2] for one in linked]
        new = [
            NewMessage(one.base, bits, one.letters, one.row[3], one.row[5], content=one.row[1])
            for one, bits in zip(linked, flags, strict=True)
        ]
        _, uids = messages.append(root.db, writer, work.target.id, new)
        if any(_says_otherwise(one, bits) for one, bits in zip(linked, flags, strict=True)):
            ranges = messages.format_ranges(ranges_of(sorted(uids)))
            settle.add_intent(writer, settle.RENAME, work.target.id, {"uids": ranges})
        if work.move:
            messages.expunge(root.db, writer, source, ranges_of(sorted(now)))
            paths = unlink_paths(work.view, [(one.row[0], one.row[6], *now[one.row[0]][1:]) for one in linked])
            settle.add_intent(writer, settle.UNLINK, source, paths)
        return uids

    uids = dovecot_files.giving_uids(root, work.target.id, len(linked), commit)
    copied = Copied(work.target.uid_validity, tuple(one.row[0] for one in linked), tuple(uids))
    work.linked = []
    committed(root)
    return copied


def _rows_now(
    writer: apsw.Connection, mailbox: int, uids: Sequence[Range]
) -> dict[int, tuple[int, str | None, str | None]]:
    """UID -> (flags, letters, target) of those messages that are still there."""
    sql = "SELECT uid, flags, letters, target FROM message WHERE mailbox = ? AND uid BETWEEN ? AND ?"
    return {row[0]: row[1:] for low, high in uids for row in rows(writer, sql, (mailbox, low, high))}


def _undo(root: Root, work: _Work) -> None:
    """Takes the links away again that were not committed.

    A commit whose sync failed is undone for everybody who runs, but its pages are in the log and a crash might find
    them whole. A further transaction overwrites them; while that fails too, the links stay: a MOVE that happened after
    all must find its files. At worst a rescan shows duplicates.
    """
    if work.linked and work.doubtful:
        try:
            with write(root.db, durable=True) as writer:
                next_position(root.db, writer)
        except MailError:
            return
    for one in work.linked:
        try:
            root.files.unlink(one.path)
        except OSError:
            continue


def _says_otherwise(one: _Linked, flags: int) -> bool:
    """Whether the copy's name may not say its flags: keywords have other letters in each mailbox."""
    return flags > 0xFF or letters_for(flags, "", one.letters) != one.letters
