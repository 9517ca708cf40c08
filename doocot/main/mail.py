"""The mail of a worker: roots, their wake-ups, where a user's mail is, indexers, and file work after the answer."""

import asyncio
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, Final
from weakref import WeakKeyDictionary

from doocot.auth.types import User
from doocot.config.effective import effective
from doocot.config.load import Config
from doocot.errors import MailError
from doocot.events.events import Events
from doocot.mailbox.namespaces import spaces_of
from doocot.mailbox.roots import OpenRoot, Roots
from doocot.mailbox.user import Mail, opening_mail
from doocot.main.indexers import Indexers
from doocot.main.user_mail import location_of, open_user_mail, settings_of
from doocot.main.watch import Watches
from doocot.net.wakeup import GenerationPage, Wakeups, slot_of
from doocot.store.dovecot_files import list_all
from doocot.store.files import Files, MailFsync
from doocot.store.index.database import checkpoint, write
from doocot.store.index.facts import drop_orphans
from doocot.store.index.messages import trim_log
from doocot.store.recovery import write_recovery
from doocot.store.root import Root, take_notes
from doocot.store.settle import pending, settle_all, settle_slice
from doocot.wire.flow import Step

SETTLE_AFTER: Final = 0.02  # seconds that file work waits for more of its kind
TIDY_EVERY: Final = 3600.0  # seconds between two thorough clean-ups of a root
SETTLE_PAUSE: Final = 0.003  # seconds between two slices, so that nobody notices that there is work
LIST_AFTER: Final = 1.0  # seconds after which new messages are entered in dovecot-uidlist


@dataclass(slots=True)
class MailServices:
    """What every protocol of a worker shares."""

    loop: asyncio.AbstractEventLoop
    events: Events
    roots: Roots
    indexers: Indexers = field(default_factory=Indexers)
    watches: Watches | None = None
    _settling: dict[Root, OpenRoot] = field(default_factory=dict)
    _listing: dict[Root, OpenRoot] = field(default_factory=dict)
    _tidied: "WeakKeyDictionary[Root, float]" = field(default_factory=WeakKeyDictionary)

    def open(self, config: Config, service: str, user: User) -> Mail:
        """The mail of a user who logged in. Raises MailError when its location is not known or cannot be opened."""
        return open_user_mail(self.roots, settings_of(config, service, user), user)

    def open_now(self, config: Config, service: str, user: User) -> Mail | None:
        """The same when that takes nothing but a look into tables: his root is open."""
        try:
            settings = settings_of(config, service, user)
            location = location_of(settings, user)
        except MailError:
            return None  # `open` says why
        opened = self.roots.take(location)
        if opened is None:
            return None
        if opened.root.db.pair is None:
            self.roots.release(opened)
            return None
        return Mail(self.roots, location, opened, spaces=spaces_of(settings.namespaces))

    def opening(self, config: Config, service: str, user: User) -> Generator[Step, Any, Mail]:
        """Steps to the mail of a user who logged in; file work that a crash left behind is taken up.

        Raises MailError when his location is not known or does not open.
        """
        settings = settings_of(config, service, user)
        mail = yield from opening_mail(self.roots, location_of(settings, user), spaces_of(settings.namespaces))
        self.roots.trim()
        try:
            if pending(mail.opened.root):
                self.unsettled(mail.opened.root)
        except MailError:
            mail.close()
            raise
        return mail

    def unsettled(self, root: Root) -> None:
        """There is file work in this root: renames and removals are done soon, dovecot-uidlist follows after some

        time, for many messages at once; all on threads. The root is held until then.
        """
        if root not in self._settling and (opened := self.roots.hold(root)) is not None:
            self._settling[root] = opened
            self.loop.call_later(SETTLE_AFTER, self._settle, root)
        self.saved(root)

    def saved(self, root: Root) -> None:
        """There are new messages in this root, to be entered in dovecot-uidlist after some time."""
        if root not in self._listing and (opened := self.roots.hold(root)) is not None:
            self._listing[root] = opened
            self.loop.call_later(LIST_AFTER, self._list, root)

    def _settle(self, root: Root) -> None:
        running = self.loop.run_in_executor(None, settle_slice, root)
        running.add_done_callback(lambda done: self._settled(root, done))

    def _settled(self, root: Root, done: "asyncio.Future[bool]") -> None:
        error = None if done.cancelled() else done.exception()
        if error is not None:
            self.trouble(root, error)
        if error is None and not done.cancelled() and done.result():
            self.loop.call_later(SETTLE_PAUSE, self._settle, root)
        elif root in self._settling:
            self.roots.release(self._settling.pop(root))

    def _list(self, root: Root) -> None:
        now = self.loop.time()
        thoroughly = now - self._tidied.setdefault(root, now) > TIDY_EVERY
        if thoroughly:
            self._tidied[root] = now
        running = self.loop.run_in_executor(None, _tidy, root, thoroughly)
        running.add_done_callback(lambda done: self._listed(root, done))

    def _listed(self, root: Root, done: "asyncio.Future[None]") -> None:
        error = None if done.cancelled() else done.exception()
        if error is not None:
            self.trouble(root, error)
        for text in take_notes(root):
            self.events.event("mail_error", user="", kind="repaired", detail=text)
        self.roots.release(self._listing.pop(root))

    def trouble(self, root: Root, error: BaseException) -> None:
        """Work in the background failed: one line in the log; the next occasion tries again."""
        detail = error.detail if isinstance(error, MailError) else str(error)
        self.events.event("mail_error", user="", kind="settle", detail=f"{root.path}: {detail}")

    def close(self) -> None:
        """At the end of the worker: everything settles first, so that another server may follow."""
        self.indexers.close()
        if self.watches is not None:
            self.watches.close()
        for root in self.roots.open_now():
            try:
                settle_all(root)
                list_all(root)
                checkpoint(root.db, everything=True)
                write_recovery(root)
            except (OSError, MailError) as error:
                self.trouble(root, error)
        self.roots.close()


def _tidy(root: Root, thoroughly: bool) -> None:
    """What may follow at leisure, on a thread: dovecot-uidlist, the log's end, the write-ahead log.

    `thoroughly` also forgets the Facts of messages that are gone, which reads the whole table.
    """
    list_all(root)
    with write(root.db) as writer:
        trim_log(writer)
        if thoroughly:
            drop_orphans(writer)
    if checkpoint(root.db):
        write_recovery(root)


def make_mail(
    loop: asyncio.AbstractEventLoop, config: Config, events: Events, page: GenerationPage, wakeups: Wakeups
) -> MailServices:
    """The services of one worker."""

    def bump(slot: int) -> None:
        page.bump(slot)
        wakeups.send(slot)

    settings = effective(config)
    files = Files(MailFsync(settings.mail_fsync), at_once=settings.doocot_batch_sync)
    roots = Roots(files, bump=bump, generation=page.read, slot_of=slot_of)
    services = MailServices(loop, events, roots)
    services.watches = watches = Watches(loop, services.trouble, roots.hold, roots.release)
    roots.watch, roots.unwatch = watches.opened, watches.closed
    roots.watch_further, roots.unwatch_further = watches.opened_further, watches.closed_further
    return services
