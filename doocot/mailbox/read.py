"""Reading message files of a view: where the index says, or where they were renamed to meanwhile."""

from doocot.errors import Kind, MailError
from doocot.mailbox.view import View
from doocot.message.scan import Part, crlf, scan
from doocot.store import maildir
from doocot.store.index.messages import files
from doocot.store.maildir_names import name_sizes
from doocot.store.root import Root
from doocot.store.snapshot import Piece

GONE = "Some of the requested messages no longer exist."


class Message:
    """One message's bytes; the form with CRLF and the tree of parts are made when they are asked for."""

    __slots__ = ("_data", "_part", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._data: bytes | None = None
        self._part: Part | None = None

    @property
    def data(self) -> bytes:
        """The message with CRLF line ends."""
        if self._data is None:
            self._data = crlf(self.raw)
        return self._data

    @property
    def part(self) -> Part:
        """Its tree of parts, offsets in `data`."""
        if self._part is None:
            self._part = scan(self.data)
        return self._part


def read_piece(view: View, piece: Piece) -> list[Message]:
    """The messages of a piece. Raises MailError(EXPUNGE_ISSUED) when a file is gone."""
    uids = piece.chunk.uid
    root, mailbox = view.live.root, view.live.row.id
    low, high = int(uids[piece.low]), int(uids[piece.high - 1])
    found = files(root.db.reader, mailbox, [(low, high)])
    if len(found) != piece.high - piece.low:
        raise MailError(Kind.EXPUNGE_ISSUED, GONE)
    folder = maildir.folder_of(root, view.live.row.name)
    return [Message(read_file(root, folder, base, letters, target)) for _, base, letters, target in found]


def read_file(root: Root, folder: str, base: str, letters: str | None, target: str | None) -> bytes:
    """The bytes of one message file."""
    path = maildir.file_path(folder, base, letters)
    try:
        return root.files.read_file(path, max(name_sizes(base)[0], 0))
    except FileNotFoundError:
        pass
    except PermissionError as error:
        raise MailError(Kind.NO_PERM, "Permission denied.", f"{path}: {error.strerror}") from error
    path = find_file(root, folder, base, target)
    try:
        return root.files.read_file(path, 0)
    except OSError as error:
        raise MailError(Kind.EXPUNGE_ISSUED, GONE, f"{path}: {error.strerror}") from error


def open_file(root: Root, folder: str, base: str, letters: str | None, target: str | None) -> int:
    """A descriptor of one message file, for reading; the caller closes it."""
    path = maildir.file_path(folder, base, letters)
    try:
        return root.files.open(path)
    except FileNotFoundError:
        pass
    path = find_file(root, folder, base, target)
    try:
        return root.files.open(path)
    except OSError as error:
        raise MailError(Kind.EXPUNGE_ISSUED, GONE, f"{path}: {error.strerror}") from error


def find_file(root: Root, folder: str, base: str, target: str | None) -> str:
    """Where a message's file is that is not where the index last saw it. Raises MailError(EXPUNGE_ISSUED)."""
    for letters in target.split("|") if target is not None else ():
        path = maildir.file_path(folder, base, letters)
        if root.files.stat(path) is not None:
            return path
    for path in maildir.files_of(root, folder, {base}):  # none when somebody renamed the mailbox, too
        return path
    raise MailError(Kind.EXPUNGE_ISSUED, GONE, f"{folder}: no file for {base}")
