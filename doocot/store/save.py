"""Putting new messages into a Maildir: bytes and names on disk first, then one durable transaction (rule 1).

| step | disk | index | after a crash |
|---|---|---|---|
| written | file in tmp/ | - | removed by age, as every Maildir program does |
| written out or synced, renamed | file in new/ or cur/ | - | a rescan finds it: delivered, not acknowledged |
| committed | the same, or the name is lost | rows, Change, or not yet on disk | a rescan compares; not acknowledged |
| all synced | file in new/ or cur/ | rows, Change | acknowledged |
| REPLACE: committed | new and old file | new row, old row gone, intent to unlink | acknowledged; the settler unlinks |

The last sync is one syncfs for all names and indexes of a batch; before it, writing out the files is enough where names
cannot overtake what was written out (`Files.write_out`), and the rows are made meanwhile. Where the kernel does not
report the errors of syncfs, or it was slow lately (other programs' writes go with it), files, folders and commits are
synced each for itself. So are they for a REPLACE, in any case: its transaction takes a message away, and must not reach
the disk before the file that stands for it.
"""

import errno
import os
import socket
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias, TypeVar

import apsw

from doocot.errors import MailError
from doocot.store import maildir, settle
from doocot.store.disk_errors import disk_error
from doocot.store.dovecot_files import giving_uids
from doocot.store.files import PRIVATE, Modes, modes_of
from doocot.store.index import messages
from doocot.store.index.database import Busy
from doocot.store.index.keywords import intern_set
from doocot.store.index.messages import NewMessage, format_ranges, ranges_of
from doocot.store.maildir_names import NameMaker, letters_for, with_sizes
from doocot.store.root import Root, committed, surely_undone
from doocot.store.spool import FileSpool, lf_chunks

BRIEF_OCTETS = 1 << 20  # of one request that is only written out


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message to be saved: its bytes in `parts`, with CRLF or LF, and what is known of it.

    `internaldate` None is now.
    """

    parts: tuple[bytes | FileSpool, ...]
    flags: int = 0
    keywords: frozenset[str] = frozenset()
    internaldate: int | None = None


Also: TypeAlias = Callable[[apsw.Connection], None]


@dataclass(frozen=True, slots=True)
class Request:
    """Messages for one mailbox, all or none; `also` is done in the transaction of their rows."""

    root: Root
    mailbox: int
    name: str
    incoming: Sequence[Incoming]
    also: Also | None = None


Result: TypeAlias = tuple[int, list[int]]
Results = TypeVar("Results")


@dataclass(slots=True)
class Written:
    """A message whose file is in tmp/, open, not yet synced."""

    fd: int
    path: str
    base: str
    virtual_size: int
    incoming: Incoming
    letters: str | None = None


def write_message(root: Root, folder: str, maker: NameMaker, incoming: Incoming, modes: Modes = PRIVATE) -> Written:
    """Writes the file into tmp/. Raises MailError with the path when the disk refuses."""
    name = maker.make()
    path = f"{folder}/tmp/{name}"
    try:
        fd = root.files.create(path, modes)
    except OSError as error:
        raise disk_error(error, path) from error
    size = newlines = crlfs = 0
    try:
        for chunk in lf_chunks(_chunks(incoming.parts)):
            root.files.write(fd, chunk)
            size += len(chunk)
            newlines += chunk.count(b"\n")
            crlfs += chunk.count(b"\r\n")
        if incoming.internaldate is not None:
            root.files.set_mtime(path, incoming.internaldate * 1_000_000_000)
    except OSError as error:
        root.files.close(fd)
        root.files.unlink(path)
        raise disk_error(error, path) from error
    wire = size + newlines - crlfs
    return Written(fd, path, with_sizes(name, size, wire), wire, incoming)


def _chunks(parts: Sequence[bytes | FileSpool]) -> Iterator[bytes]:
    for part in parts:
        if isinstance(part, bytes):
            yield part
        else:
            yield from part.chunks()


def save(
    root: Root, mailbox: int, name: str, incoming: Sequence[Incoming], maker: NameMaker, also: Also | None = None
) -> Result:
    """Saves all or none into one mailbox: (uidvalidity, UIDs). Blocking; for a thread."""
    (result,) = finish(saving([Request(root, mailbox, name, incoming, also)], maker))
    if isinstance(result, MailError | Busy):
        raise result
    return result


@dataclass(slots=True)
class _Saving:
    """A request on its way. With a `result` it is committed, with an `error` nobody is told so."""

    request: Request
    folder: str
    modes: Modes = PRIVATE
    written: list[Written] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    at_once: bool = False  # names and index are put on disk with those of others
    brief: bool = False  # and the files are only written out, while the rows are made
    doubtful: bool = False  # the commit of a request with `also` was begun: a crash might find it whole
    error: MailError | Busy | None = None
    result: Result | None = None


@dataclass(frozen=True, slots=True)
class _Volume:
    """A file system and what is saved there. `fd` is open before anything is written: so it is told of errors."""

    fd: int
    saving: list[_Saving]


def in_turn(steps: Sequence[Callable[[], None]]) -> None:
    """One step after the other."""
    for step in steps:
        step()


Sync: TypeAlias = Callable[[], None]
Saving: TypeAlias = Generator[Sync, None, list[Result | MailError | Busy]]


def saving(
    requests: Sequence[Request],
    maker: NameMaker,
    run: Callable[[Sequence[Callable[[], None]]], None] = in_turn,
    *,
    wait: bool = True,
) -> Saving:
    """Saves what arrived together, sharing the syncs; each request succeeds or fails for itself.

    It yields the syncs, to be called wherever waiting does no harm; an OSError of one is thrown back in, and fails
    every request of the batch there: nobody knows whose bytes did not reach the disk. `run` runs the commits, each to
    another index: side by side, where the caller has threads, nobody waits for an index that somebody else writes, and
    those that sync share the disk's journal writes. Without `wait` a request that needs such a commit, whose index
    somebody else writes, or whose mailbox has no UIDs in reserve, ends as Busy.
    """
    batch = [_Saving(one, maildir.folder_of(one.root, one.name)) for one in requests]
    volumes: dict[int, _Volume] = {}
    try:
        for one in batch:
            _guarded(one, partial(_place, one, volumes, wait))
            _guarded(one, partial(_write, one, maker))
        for volume in volumes.values():
            yield from _together([one for one in volume.saving if not one.brief], partial(_sync_files, volume.fd))
        apart = [one for one in batch if not one.at_once]
        for one in apart:
            _guarded(one, partial(_move, one))
            _guarded(one, partial(_sync_names, one))
        run([partial(_guarded, one, partial(_commit, one, wait)) for one in apart])
        for volume in volumes.values():
            together = [one for one in volume.saving if one.at_once]
            run([partial(_guarded, one, partial(_commit, one, wait)) for one in together])
            yield from _together(together, partial(_sync_all, volume.fd))
    finally:
        for one in batch:
            _close(one)
            if one.result is None:
                _undo(one)
        for volume in volumes.values():
            with suppress(OSError):  # a folder: nothing was written through it
                volume.saving[0].request.root.files.close(volume.fd)
    results: list[Result | MailError | Busy] = []
    for one in batch:
        assert one.result is not None or one.error is not None
        results.append(one.error if one.error is not None else one.result)  # type: ignore[arg-type]
    return results


def _guarded(one: _Saving, step: Callable[[], None]) -> None:
    """A step of one request; its failure is that request's alone."""
    if one.error is not None:
        return
    try:
        step()
    except OSError as error:
        one.error = disk_error(error, error.filename or one.folder)
    except (MailError, Busy) as error:
        one.error = error


def finish(steps: Generator[Sync, None, Results]) -> Results:
    """Saves with each sync in its place. Blocking."""
    try:
        sync = next(steps)
        while True:
            sync = synced(steps, sync)
    except StopIteration as end:
        results: Results = end.value
        return results


def synced(steps: Generator[Sync, None, Results], sync: Sync) -> Sync:
    """Does one sync, tells the steps of it, and gives the next. Raises StopIteration after the last."""
    try:
        sync()
    except OSError as error:
        return steps.throw(error)
    return next(steps)


def _together(batch: Sequence[_Saving], sync: Callable[[Sequence[_Saving]], None]) -> Generator[Sync, None, None]:
    """A sync for all that are alive."""
    alive = [one for one in batch if one.error is None]
    try:
        if alive:
            yield partial(sync, alive)
    except OSError as error:
        for one in alive:
            one.error = disk_error(error, one.folder)


def _place(one: _Saving, volumes: dict[int, _Volume], wait: bool) -> None:
    root = one.request.root
    stat = root.files.stat(one.folder)
    if stat is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), one.folder)
    one.modes = modes_of(stat, os.getegid())
    one.at_once = one.request.also is None and root.device == stat.st_dev and root.files.syncs_at_once()
    if not (wait or one.at_once):
        raise Busy
    volume = volumes.get(stat.st_dev)
    if volume is None:
        volume = volumes[stat.st_dev] = _Volume(root.files.open(one.folder, os.O_RDONLY | os.O_DIRECTORY), [])
    volume.saving.append(one)
    one.brief = one.at_once and _is_small(one.request) and root.files.is_brief(volume.fd)


def _is_small(request: Request) -> bool:
    """Whether its bytes are written out soon enough to be waited for while the index is locked."""
    octets = 0
    for message in request.incoming:
        for part in message.parts:
            if not isinstance(part, bytes):
                return False
            octets += len(part)
    return octets <= BRIEF_OCTETS


def _write(one: _Saving, maker: NameMaker) -> None:
    root = one.request.root
    for message in one.request.incoming:
        written = write_message(root, one.folder, maker, message, one.modes)
        written.letters = letters_for(message.flags) if message.flags or message.keywords else None
        one.written.append(written)
        if one.brief:
            root.files.begin_write_out(written.fd)


def _sync_files(file_system: int, alive: Sequence[_Saving]) -> None:
    fds = [message.fd for one in alive for message in one.written]
    alive[0].request.root.files.sync_batch(fds, file_system)


def _sync_all(file_system: int, alive: Sequence[_Saving]) -> None:
    alive[0].request.root.files.sync_all(file_system)


def _move(one: _Saving) -> None:
    """tmp/ to its place: new/ when there is nothing to say in the name, cur/ otherwise."""
    for message in one.written:
        target = maildir.file_path(one.folder, message.base, message.letters)
        one.request.root.files.rename(message.path, target)
        one.moved.append(target)


def _sync_names(one: _Saving) -> None:
    """The folders that got names. tmp/ need not be synced: a name left there by a power cut is harmless."""
    for part in {"new" if message.letters is None else "cur" for message in one.written}:
        one.request.root.files.sync_folder(f"{one.folder}/{part}")


def _commit(one: _Saving, wait: bool) -> None:
    """The rows; on disk when this returns, or with the next `_sync_all`.

    In that case the files get their names inside the transaction: when it cannot begin, nobody has seen them. Their
    bytes were on the way to the disk while the rows were made.
    """
    request = one.request
    root = request.root

    def commit(writer: apsw.Connection) -> Result:
        sets = {message.incoming.keywords: 0 for message in one.written}
        for names in sets:
            sets[names] = intern_set(writer, names)
        new = [
            NewMessage(
                message.base,
                message.incoming.flags | sets[message.incoming.keywords] << 8,
                message.letters,
                message.incoming.internaldate or int(root.files.fstat(message.fd).st_mtime),
                message.virtual_size,
            )
            for message in one.written
        ]
        validity, uids = messages.append(root.db, writer, request.mailbox, new)
        if request.also is not None:
            request.also(writer)
        if any(message.incoming.keywords for message in one.written):  # their letters are not in the name yet
            uids_text = format_ranges(ranges_of(sorted(uids)))
            settle.add_intent(writer, settle.RENAME, request.mailbox, {"uids": uids_text})
        if one.brief:
            root.files.write_out([message.fd for message in one.written])
        if one.at_once:
            _move(one)
        return validity, uids

    one.doubtful = request.also is not None
    one.result = giving_uids(root, request.mailbox, len(one.written), commit, durable=not one.at_once, wait=wait)
    committed(root)


def _close(one: _Saving) -> None:
    """All of them: close(2) frees the descriptor when it fails, too; some file systems tell of errors only here."""
    for message in one.written:
        try:
            one.request.root.files.close(message.fd)
        except OSError as error:
            one.error = one.error or disk_error(error, message.path)


def _undo(one: _Saving) -> None:
    """Nothing was acknowledged: take the files away again, as far as the disk lets us.

    Not those of a REPLACE whose commit might still be found whole: what it replaced would be gone with them.
    """
    if one.doubtful and not surely_undone(one.request.root):
        return
    for path in [*(message.path for message in one.written), *one.moved]:
        try:
            one.request.root.files.unlink(path)
        except OSError:
            continue


def name_maker() -> NameMaker:
    """Names for the messages that this process saves."""
    return NameMaker(socket.gethostname(), os.getpid())
