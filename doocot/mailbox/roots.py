"""The roots that this process has open: each once, shared by all sessions, the least used closed first."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from doocot.mailbox.view import Live, View, load, refresh
from doocot.store.disk_errors import disk_errors
from doocot.store.files import Files
from doocot.store.index.database import sleep
from doocot.store.index.mailboxes import MailboxRow
from doocot.store.maildir_names import NameMaker
from doocot.store.root import Location, Root, close_root, crc_slot, nobody_to_tell, open_root
from doocot.store.save import name_maker
from doocot.wire.flow import Job, Step

if TYPE_CHECKING:
    from doocot.mailbox.listing import Listing

OPEN_ROOTS = 64  # roots kept open though nobody uses them
AWAKE = 16  # indexes whose connections stay open though nobody uses them at the moment
KEPT = 4  # mailboxes of a root whose columns are kept though nobody has them selected

Watch: TypeAlias = Callable[[Root, MailboxRow], None]


def _nobody_watches(root: Root, row: MailboxRow) -> None:
    """Other programs' changes are noticed at the next SELECT."""


def _no_room(root: Root, row: MailboxRow) -> bool:
    """Nor are others noticed at once."""
    return False


@dataclass(slots=True)
class OpenRoot:
    """A root, the mailboxes of it that views are open on, and how many users hold it."""

    root: Root
    users: int = 0
    uses: int = -1  # of the index, when `trim` last looked
    lives: dict[int, Live] = field(default_factory=dict)
    views: dict[int, int] = field(default_factory=dict)
    listing: "Listing | None" = None
    special_uses: "tuple[int, Mapping[str, tuple[str, ...]]]" = (
        -1,
        MappingProxyType({}),
    )  # at which commit, by mailbox
    watch: Watch = _nobody_watches
    unwatch: Watch = _nobody_watches


@dataclass(slots=True)
class Roots:
    """The table of open roots of a process. Any thread may use it."""

    files: Files
    bump: Callable[[int], None] = nobody_to_tell
    generation: Callable[[int], bytes] | None = None
    slot_of: Callable[[str], int] = crc_slot
    limit: int = OPEN_ROOTS
    names: NameMaker = field(default_factory=name_maker)
    watch: Watch = _nobody_watches
    unwatch: Watch = _nobody_watches
    watch_further: Callable[[Root, MailboxRow], bool] = (
        _no_room  # where nobody has the mailbox selected, while there is room
    )
    unwatch_further: Watch = _nobody_watches
    _open: "OrderedDict[Location, OpenRoot]" = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def acquire(self, location: Location) -> OpenRoot:
        """The open root of that location, opened now if need be; `release` gives it back."""
        found = self.take(location)
        if found is not None:
            return found
        with disk_errors(location.path):
            for path in (location.path, location.index or location.path):
                self.files.make_folders(path)
        root: Root | None = open_root(
            location, self.files, self.slot_of(location.path), bump=self.bump, generation=self.generation
        )
        with self._lock:
            if location not in self._open:
                assert root is not None
                self._open[location] = OpenRoot(root, watch=self.watch, unwatch=self.unwatch)
                root = None
            found = self._open[location]
            found.users += 1
            closing = self._unused() if len(self._open) > self.limit else []
        for one in (*closing, *((root,) if root is not None else ())):  # `root`: another thread was quicker
            close_root(one)
        return found

    def take(self, location: Location) -> OpenRoot | None:
        """The root, if it is open."""
        with self._lock:
            found = self._open.get(location)
            if found is not None:
                self._open.move_to_end(location)
                found.users += 1
            return found

    def hold(self, root: Root) -> OpenRoot | None:
        """The table's entry of a root that is open, held once more: for work that goes on without its session."""
        return self.take(root.location)

    def release(self, opened: OpenRoot) -> None:
        """The caller no longer uses it. It stays open until others need the room."""
        with self._lock:
            opened.users -= 1

    def trim(self) -> None:
        """Puts the connections of indexes to sleep that were not used since the last time, down to the limit.

        On the loop. A root stays open for its sessions; only what SQLite holds for it goes.
        """
        with self._lock:
            awake = [opened for opened in self._open.values() if opened.root.db.pair is not None]
        for opened in awake[: max(len(awake) - AWAKE, 0)]:
            if opened.uses == opened.root.db.uses:
                sleep(opened.root.db)
            opened.uses = opened.root.db.uses

    def _unused(self) -> list[Root]:
        """Takes out the least used roots that nobody holds. Held ones stay, even above the limit."""
        unused = [location for location, opened in self._open.items() if not opened.users]
        return [self._open.pop(location).root for location in unused[: len(self._open) - self.limit]]

    def open_now(self) -> list[Root]:
        """Every root that is open."""
        with self._lock:
            return [opened.root for opened in self._open.values()]

    def close(self) -> None:
        """Closes all, at the end of the process."""
        with self._lock:
            roots = [opened.root for opened in self._open.values()]
            self._open.clear()
        for root in roots:
            close_root(root)


def open_view(
    opened: OpenRoot, row: MailboxRow, *, read_only: bool, recent_from: int, loaded: Live | None = None
) -> Generator[Step, Any, View]:
    """Steps to a view of the mailbox at its newest position; `loaded` is used when nobody has it open."""
    live = opened.lives.get(row.id)
    if live is None:
        if loaded is None:
            loaded = yield Job(lambda: load(opened.root, row))
        assert loaded is not None
        live = opened.lives.setdefault(row.id, loaded)
    refresh(live)
    opened.views[row.id] = opened.views.get(row.id, 0) + 1
    opened.watch(opened.root, live.row)
    return View(live, live.snapshot, recent_from, read_only)


def close_view(opened: OpenRoot, view: View) -> None:
    """The view is not used any more. The columns of the last mailboxes stay, for the next SELECT."""
    mailbox = view.live.row.id
    opened.unwatch(opened.root, view.live.row)
    opened.views[mailbox] -= 1
    if opened.views[mailbox]:
        return
    del opened.views[mailbox]
    unused = [number for number in opened.lives if number not in opened.views]
    for number in unused[: max(len(unused) - KEPT, 0)]:
        del opened.lives[number]
