"""One user's mail for a test of the store: the calls that a session makes, without a session."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doocot.mailbox import append
from doocot.mailbox.append import NewMail
from doocot.mailbox.change import FlagChange, Operation, expunge, set_flags
from doocot.mailbox.copy import Copied, copy
from doocot.mailbox.roots import OpenRoot, Roots, open_view
from doocot.mailbox.user import Mail
from doocot.mailbox.view import View
from doocot.store import dovecot_files, folders, maildir, maildir_sync, save, settle
from doocot.store.files import Files
from doocot.store.index import mailboxes, messages
from doocot.store.index.database import rows
from doocot.store.root import Location, Root, close_root, open_root
from doocot.store.save import Incoming
from doocot.wire.flow import Job

NONE: frozenset[str] = frozenset()


def text_of(subject: str) -> bytes:
    """A message that is told from every other by its subject."""
    return b"Subject: %s\n\nbody of %s\n" % (subject.encode(), subject.encode())


def finish(steps: Any) -> Any:
    """Runs a generator of steps to its end, each Job on the spot."""
    value = None
    while True:
        try:
            step = steps.send(value)
        except StopIteration as stop:
            return stop.value
        value = step.call() if isinstance(step, Job) else None


@dataclass
class House:
    """An open root and the table of roots that a session would have it from."""

    root: Root
    roots: Roots

    @property
    def mail(self) -> Mail:
        return Mail(self.roots, self.root.location, OpenRoot(self.root))

    def close(self) -> None:
        close_root(self.root)

    def row(self, name: str = "INBOX") -> mailboxes.MailboxRow:
        return maildir_sync.sync_mailbox(self.root, name)

    def create(self, name: str) -> None:
        folders.create_folder(self.root, name)

    def save(
        self, subjects: Sequence[str], name: str = "INBOX", *, flags: int = 0, keywords: frozenset[str] = NONE
    ) -> tuple[int, list[int]]:
        """As APPEND of one or several messages: (UIDVALIDITY, UIDs)."""
        row = self.row(name)
        dovecot_files.reserve_uids(self.root, row, len(subjects))
        incoming = [Incoming((text_of(one),), flags, keywords) for one in subjects]
        return save.save(self.root, row.id, name, incoming, self.roots.names)

    def view(self, name: str = "INBOX") -> View:
        view: View = finish(open_view(OpenRoot(self.root), self.row(name), read_only=False, recent_from=1))
        return view

    def store(
        self,
        uids: Iterable[int],
        flags: int,
        operation: Operation = Operation.ADD,
        keywords: frozenset[str] = NONE,
        name: str = "INBOX",
    ) -> None:
        set_flags(self.view(name), messages.ranges_of(sorted(uids)), FlagChange(operation, flags, keywords), wait=True)

    def expunge(self, uids: Iterable[int], name: str = "INBOX") -> None:
        """Marks and expunges."""
        self.store(uids, messages.DELETED, name=name)
        expunge(self.view(name), messages.ranges_of(sorted(uids)), wait=True)

    def copy(self, uids: Iterable[int], target: str, *, move: bool = False, name: str = "INBOX") -> Copied:
        copied: Copied = finish(self.copying(uids, target, move=move, name=name))
        return copied

    def copying(self, uids: Iterable[int], target: str, *, move: bool = False, name: str = "INBOX") -> Any:
        return copy(self.mail, self.view(name), messages.ranges_of(sorted(uids)), target, move=move)

    def replace(self, uid: int, subject: str, target: str = "INBOX", name: str = "INBOX") -> tuple[int, int]:
        """As REPLACE: (UIDVALIDITY, UID) of the message that came for the one with `uid`."""
        new = NewMail(text_of(subject), messages.SEEN)
        validity, (given,) = finish(append.replace(self.mail, self.view(name), uid, target, new))
        return validity, given

    def settle(self) -> None:
        settle.settle_all(self.root)
        dovecot_files.list_all(self.root)

    def messages(self, name: str = "INBOX") -> dict[int, str]:
        """UID -> subject of what a session would see, read from the files."""
        row = self.row(name)
        folder = maildir.folder_of(self.root, name)
        found = {}
        for uid, base, letters, target in messages.files(self.root.db.reader, row.id, [(1, 1 << 32)]):
            for path in maildir.paths_of(self.root.db, self.root.files, folder, row.id, base, letters, target):
                if Path(path).exists():
                    found[uid] = subject_of(Path(path).read_bytes())
                    break
        return found

    def flags(self, name: str = "INBOX") -> dict[int, tuple[int, frozenset[str]]]:
        """UID -> system flags and keywords."""
        sets = dict(rows(self.root.db.reader, "SELECT id, names FROM keyword_set"))
        found = rows(self.root.db.reader, "SELECT uid, flags FROM message WHERE mailbox = ?", (self.row(name).id,))
        return {uid: (flags & 0xFF, frozenset(sets[flags >> 8].split())) for uid, flags in found}

    def file_names(self, name: str = "INBOX") -> list[str]:
        folder = Path(maildir.folder_of(self.root, name))
        return sorted(str(path.relative_to(folder)) for part in ("cur", "new") for path in (folder / part).iterdir())


def subject_of(data: bytes) -> str:
    """The subject of a message of `text_of`; "damaged" for any other bytes."""
    subject = data.partition(b"\n")[0].removeprefix(b"Subject: ").decode("utf-8", "replace")
    return subject if data == text_of(subject) else "damaged"


def open_house(path: Path, files: Files | None = None, vfs: str | None = None) -> House:
    """Opens (and makes) the root in `path`."""
    path.mkdir(exist_ok=True)
    files = files or Files()
    location = Location(str(path))
    return House(open_root(location, files, 0, vfs=vfs), Roots(files))
