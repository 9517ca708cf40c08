"""Other programs' changes in folders, noticed by inotify while somebody has them selected, or wants to hear of them.

Our own files cause events too (deliveries, settling), here and in other workers. So what an event says is compared with
the index, some time after it came, when what caused it has been committed: a name that the index explains is ours. Only
one that it does not explain costs a rescan of the folder. Many events at once are looked at together when they end; if
they are too many to be kept, or the kernel lost some, one rescan answers all.
"""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from doocot.errors import MailError
from doocot.mailbox.roots import OpenRoot
from doocot.store import maildir, maildir_sync
from doocot.store.index.mailboxes import MailboxRow, find_mailbox
from doocot.store.inotify import Inotify
from doocot.store.root import Root

SETTLED_AFTER: Final = 0.05  # seconds until an event is looked at: commits come a moment after the file
QUIET: Final = 0.5  # seconds without events after which a folder with many is looked at
PATIENCE: Final = 5.0  # seconds after which it is looked at all the same
MANY: Final = 64  # names: more is a bulk command under way, whose commit may be far off
# Names that are kept, some 200 bytes each. To explain more takes about as long as a rescan of 50,000 messages.
MOST: Final = 20_000
FURTHER: Final = 1000  # folders that nobody has selected: the kernel has a limit for all of a user's processes

Trouble = Callable[[Root, BaseException], None]


@dataclass(slots=True)
class _Folder:
    """One watched mailbox: for how many views, its watches, and the names with events that were not looked at yet.

    `lost` says that there were others, and only a rescan tells what happened to them.
    """

    root: Root
    row: MailboxRow
    views: int = 0
    watches: tuple[int, ...] = ()
    names: set[str] = field(default_factory=set)
    lost: bool = False
    timer: asyncio.TimerHandle | None = None
    since: float = 0.0  # when the first of the events came that wait for it
    looking: bool = False


@dataclass(slots=True)
class Watches:
    """The watched folders of a worker."""

    loop: asyncio.AbstractEventLoop
    trouble: Trouble
    hold: Callable[[Root], OpenRoot | None]
    release: Callable[[OpenRoot], None]
    _inotify: Inotify | None = None
    _folders: dict[tuple[str, int], _Folder] = field(default_factory=dict)
    _by_watch: dict[int, _Folder] = field(default_factory=dict)
    _further: int = 0

    def opened(self, root: Root, row: MailboxRow) -> None:
        """A view was opened on this mailbox."""
        key = (root.path, row.id)
        folder = self._folders.get(key)
        if folder is None:
            folder = self._folders[key] = _Folder(root, row)
            self._watch(folder)
        folder.views += 1

    def closed(self, root: Root, row: MailboxRow) -> None:
        """A view of this mailbox was closed."""
        folder = self._folders.get((root.path, row.id))
        if folder is None:
            return
        folder.views -= 1
        if folder.views:
            return
        del self._folders[root.path, row.id]
        if self._inotify is None:
            return
        if folder.timer is not None:
            folder.timer.cancel()
        folder.names, folder.lost = set(), False  # else `_looked` came back to it, when its root may be closed
        for watch in folder.watches:
            self._by_watch.pop(watch, None)
            self._inotify.unwatch(watch)

    def opened_further(self, root: Root, row: MailboxRow) -> bool:
        """As `opened`, for who wants to hear of a mailbox without a view; False when there are too many of those."""
        if self._further >= FURTHER:
            return False
        self._further += 1
        self.opened(root, row)
        return True

    def closed_further(self, root: Root, row: MailboxRow) -> None:
        """As `closed`, after `opened_further`."""
        self._further -= 1
        self.closed(root, row)

    def close(self) -> None:
        """At the end of the worker."""
        if self._inotify is not None:
            self.loop.remove_reader(self._inotify.fd)
            self._inotify.close()
            self._inotify = None

    def _watch(self, folder: _Folder) -> None:
        path = maildir.folder_of(folder.root, folder.row.name)
        try:
            if self._inotify is None:
                self._inotify = Inotify()
                self.loop.add_reader(self._inotify.fd, self._readable)
            folder.watches = tuple(self._inotify.watch(os.path.join(path, part)) for part in ("new", "cur"))
        except OSError as error:  # no watches left: changes are noticed at the next SELECT
            self.trouble(folder.root, error)
        for watch in folder.watches:
            self._by_watch[watch] = folder

    def _readable(self) -> None:
        assert self._inotify is not None
        events, overflowed = self._inotify.read()
        touched: dict[int, _Folder] = {}
        for event in events:
            folder = self._by_watch.get(event.watch)
            if folder is not None:
                touched[id(folder)] = folder
                if not folder.lost:
                    folder.names.add(event.name)
        for folder in self._folders.values() if overflowed else touched.values():
            if overflowed or len(folder.names) > MOST:
                folder.names, folder.lost = set(), True
            many = folder.lost or len(folder.names) > MANY
            now = self.loop.time()
            if folder.timer is not None and many and now < folder.since + PATIENCE:
                folder.timer.cancel()
                folder.timer = None
            elif folder.timer is None:
                folder.since = now
            if folder.timer is None:
                folder.timer = self.loop.call_later(QUIET if many else SETTLED_AFTER, self._look, folder)

    def _look(self, folder: _Folder) -> None:
        """The folder has been quiet: is there anything that the index does not explain? A thread finds out."""
        folder.timer = None
        if folder.looking:  # `_looked` comes back to it
            return
        row = find_mailbox(folder.root.db.reader, folder.row.id)
        if row is None:  # deleted; its sessions are told when they look
            return
        if row.name != folder.row.name:  # renamed: the watches went along with the folders
            folder.row = row
        opened = self.hold(folder.root)
        if opened is None:
            return
        names, lost = folder.names, folder.lost
        folder.names, folder.lost, folder.looking = set(), False, True
        running = self.loop.run_in_executor(None, _explain, folder.root, folder.row, names, lost)
        running.add_done_callback(lambda done: self._looked(folder, opened, done))

    def _looked(self, folder: _Folder, opened: OpenRoot, done: "asyncio.Future[None]") -> None:
        self.release(opened)
        folder.looking = False
        error = None if done.cancelled() else done.exception()
        if isinstance(error, MailError | OSError):
            self.trouble(folder.root, error)
        if (folder.names or folder.lost) and folder.timer is None:
            folder.timer = self.loop.call_later(QUIET, self._look, folder)


def _explain(root: Root, row: MailboxRow, names: set[str], lost: bool) -> None:
    """Rescans the folder if it must be. Frees the names, which the loop would wait for."""
    if lost or maildir_sync.unexplained(root, row, names):
        maildir_sync.sync_mailbox(root, row.name)
    while names:
        names.pop()
