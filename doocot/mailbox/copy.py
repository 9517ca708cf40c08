"""COPY and MOVE: hard links, some at a time, then one durable transaction; all on threads, as links wait for journals.

| step | disk | index | after a crash |
|---|---|---|---|
| linked | new names in the target's cur/ | - | a rescan adds them: perhaps a duplicate, never a loss |
| folder synced, committed | the same | rows in the target, Change | copied |
| MOVE: expunged with it | old names still there | source rows gone, intent to unlink | the settler unlinks |

Within one root a MOVE is one transaction, so it is never half done. Between roots the target is durable first.
"""

import os
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import apsw

from doocot.errors import Kind, MailError
from doocot.mailbox.change import PART, unlink_paths
from doocot.mailbox.places import existing
from doocot.mailbox.user import Mail
from doocot.mailbox.view import View
from doocot.store import dovecot_files, maildir, settle
from doocot.store.disk_errors import disk_error, disk_errors
from doocot.store.files import Files
from doocot.store.index import messages
from doocot.store.index.database import reading, rows
from doocot.store.index.mailboxes import MailboxRow
from doocot.store.index.messages import NewMessage, Range, ranges_of
from doocot.store.maildir_names import letters_for
from doocot.store.root import Root, committed, surely_undone
from doocot.wire.flow import Job, Step

GONE = "Some of the messages no longer exist."

LINKS = 1000  # at a time: a client that goes away is noticed in between
YIELD = 8  # links after which others get the processor: who waits for it is not let in before the kernel's next tick

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


_SourceRow: TypeAlias = tuple[int, int, int, int | None, int | None, int | None, str, str | None, str | None]


@dataclass(slots=True)
class _Work:
    """One COPY or MOVE under way. `linked` are the base names of files made for the first of the `source` rows, of

    which no row speaks yet: the commit empties the list.

    The generator may end at any step, also while the commit runs (the client has gone): what to undo is told by the
    commit itself, never by how far the generator came.
    """

    view: View
    target: MailboxRow
    move: bool
    source: list[_SourceRow]
    linked: list[str] = field(default_factory=list)
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
    work = _Work(view, row, move, (yield Job(partial(_rows, view, uids))))
    if not work.source:
        return None
    view.progress.goal = len(work.source)
    try:
        for number in range(0, len(work.source), LINKS):
            view.progress.done = number
            yield Job(partial(_link, mail, work, work.source[number : number + LINKS]))
        copied: Copied = yield Job(partial(_commit, root, work))
        return copied
    finally:
        _undo(root, work)


def _rows(view: View, uids: Sequence[Range]) -> list[_SourceRow]:
    with reading(view.live.root.db) as connection:
        return [one for low, high in uids for one in rows(connection, _SOURCE, (view.live.row.id, low, high))]


def _link(mail: Mail, work: _Work, some: Sequence[_SourceRow]) -> None:
    """Hard links for some rows, under new names."""
    source, files = work.view.live.root, mail.opened.root.files
    here = maildir.folder_of(source, work.view.live.row.name)
    there = maildir.folder_of(mail.opened.root, work.target.name)
    with disk_errors(there), files.folder(f"{here}/cur") as from_folder, files.folder(f"{there}/cur") as to_folder:
        for one, name in zip(some, mail.roots.names.make_many(len(some)), strict=True):
            base, letters = one[6], one[7]
            copied = name + base[base.index(",") :] if "," in base else name
            link = f"{copied}:2,{letters or ''}"
            known = maildir.file_path(here, base, None) if letters is None else f"{base}:2,{letters}"
            try:
                try:
                    files.link(known, link, (from_folder, to_folder))
                except FileNotFoundError:
                    paths = maildir.paths_of(source.db, files, here, work.view.live.row.id, *one[6:])
                    _link_from(paths, files, f"{there}/cur/{link}")
            except OSError as error:
                raise disk_error(error, f"{there}/cur/{link}") from error
            work.linked.append(copied)
            if not len(work.linked) % YIELD:
                os.sched_yield()


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
    count = len(work.linked)
    try:
        dovecot_files.reserve_uids(root, work.target, count)
        root.files.sync_folder(f"{maildir.folder_of(root, work.target.name)}/cur")
    except OSError as error:
        raise disk_error(error, maildir.folder_of(root, work.target.name)) from error
    work.doubtful = True

    def commit(writer: apsw.Connection) -> list[int]:
        given: list[int] = []
        for start in range(0, count, PART):
            given += _append_part(root, writer, work, start)
        if work.move:
            messages.expunge(root.db, writer, work.view.live.row.id, ranges_of(sorted({row[0] for row in work.source})))
        return given

    uids = dovecot_files.giving_uids(root, work.target.id, count, commit)
    work.linked = []
    copied = Copied(work.target.uid_validity, tuple(row[0] for row in work.source), tuple(uids))
    while work.source:  # here, and by parts: else the loop frees thousands at once
        del work.source[-PART:]
    committed(root)
    return copied


def _append_part(root: Root, writer: apsw.Connection, work: _Work, start: int) -> list[int]:
    """Rows for some links from `start` on, and the intents that go with them: the UIDs."""
    source, some = work.view.live.row.id, work.source[start : start + PART]
    now = _rows_now(writer, source, ranges_of([row[0] for row in some]))
    if work.move and len(now) < len(some):
        raise MailError(Kind.EXPUNGE_ISSUED, GONE)
    flags = [now[row[0]][0] if row[0] in now else row[2] for row in some]
    new = [
        NewMessage(base, bits, row[7] or "", row[3], row[5], content=row[1])
        for row, base, bits in zip(some, work.linked[start : start + PART], flags, strict=True)
    ]
    _, uids = messages.append(root.db, writer, work.target.id, new)
    if any(_says_otherwise(row[7] or "", bits) for row, bits in zip(some, flags, strict=True)):
        ranges = messages.format_ranges(ranges_of(sorted(uids)))
        settle.add_intent(writer, settle.RENAME, work.target.id, {"uids": ranges})
    if work.move:
        paths = unlink_paths(work.view, [(row[0], row[6], *now[row[0]][1:]) for row in some])
        settle.add_intent(writer, settle.UNLINK, source, paths)
    return uids


def _rows_now(
    writer: apsw.Connection, mailbox: int, uids: Sequence[Range]
) -> dict[int, tuple[int, str | None, str | None]]:
    """UID -> (flags, letters, target) of those messages that are still there."""
    sql = "SELECT uid, flags, letters, target FROM message WHERE mailbox = ? AND uid BETWEEN ? AND ?"
    return {row[0]: row[1:] for low, high in uids for row in rows(writer, sql, (mailbox, low, high))}


def _undo(root: Root, work: _Work) -> None:
    """Takes the links away again that were not committed.

    While a crash might still find the commit whole the links stay: a MOVE that happened after all must find its files.
    At worst a rescan shows duplicates.
    """
    if work.linked and work.doubtful and not surely_undone(root):
        return
    there = maildir.folder_of(root, work.target.name)
    for base, row in zip(work.linked, work.source, strict=False):
        try:
            root.files.unlink(maildir.file_path(there, base, row[7] or ""))
        except OSError:
            continue


def _says_otherwise(letters: str, flags: int) -> bool:
    """Whether the copy's name may not say its flags: keywords have other letters in each mailbox."""
    return flags > 0xFF or letters_for(flags, "", letters) != letters
