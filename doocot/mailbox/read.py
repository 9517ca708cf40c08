"""Reading message files of a view: where the index says, or where they were renamed to meanwhile."""

from collections.abc import Callable
from typing import TypeVar

from doocot.errors import Kind, MailError
from doocot.mailbox.view import Name, View
from doocot.message.scan import Part, crlf, scan
from doocot.store import maildir
from doocot.store.disk_errors import disk_error, disk_errors
from doocot.store.index.messages import files
from doocot.store.maildir_names import name_sizes
from doocot.store.root import Root
from doocot.store.snapshot import Piece

Result = TypeVar("Result")

NAMES = 1024  # file names that are remembered of a mailbox, for messages that are read one by one
NAMES_AT_ONCE = 64

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
    root, mailbox = view.live.root, view.live.row.id
    folder = maildir.folder_of(root, view.live.row.name)
    if piece.high - piece.low == 1:
        return [Message(_read(view, folder, int(piece.chunk.size[piece.low]), _name_of(view, piece)))]
    uids = piece.chunk.uid
    found = files(root.db.reader, mailbox, [(int(uids[piece.low]), int(uids[piece.high - 1]))])
    if len(found) != piece.high - piece.low:
        raise MailError(Kind.EXPUNGE_ISSUED, GONE)
    sizes = piece.chunk.size[piece.low : piece.high].tolist()  # with CRLF, so the file is a little smaller
    with disk_errors(folder), root.files.folder(f"{folder}/cur") as cur:
        return [Message(_read(view, folder, size, one, cur)) for size, one in zip(sizes, found, strict=True)]


def _name_of(view: View, piece: Piece) -> Name:
    """(uid, base, letters, target) of one message, as they were when it or one before it was last asked for.

    Clients read one message after the other, and asking the index for each costs as much as reading it. A name that is
    out of date by now does no harm: where there is no such file, the index is asked again (`maildir.paths_of`).
    """
    uid = int(piece.chunk.uid[piece.low])
    known = view.live.names
    if uid not in known:
        if len(known) >= NAMES:
            known.clear()
        last = int(piece.chunk.uid[min(piece.low + NAMES_AT_ONCE, len(piece.chunk.uid)) - 1])
        for one in files(view.live.root.db.reader, view.live.row.id, [(uid, last)]):
            known[one[0]] = one
    try:
        return known[uid]
    except KeyError:
        raise MailError(Kind.EXPUNGE_ISSUED, GONE) from None


def _read(view: View, folder: str, size: int, name: Name, cur: int | None = None) -> bytes:
    """The bytes of one message file, of about that size, -1 when it is not known; `cur` is the open folder."""
    uid, base, letters, target = name
    root = view.live.root
    if size < 0:
        size = max(name_sizes(base)[0], 0)
    try:
        if cur is not None and letters is not None:
            return root.files.read_file(f"{base}:2,{letters}", size, cur)
        return root.files.read_file(maildir.file_path(folder, base, letters), size)
    except OSError:
        view.live.names.pop(uid, None)
        mailbox = view.live.row.id
        return at_file(root, mailbox, folder, base, letters, target, lambda path: root.files.read_file(path, size))


def at_file(
    root: Root,
    mailbox: int,
    folder: str,
    base: str,
    letters: str | None,
    target: str | None,
    act: Callable[[str], Result],
    *,
    on_loop: bool = True,
) -> Result:
    """What `act` gives for the path of a message's file, wherever that is by now.

    Raises MailError: EXPUNGE_ISSUED when there is none, NO_PERM or what the disk said otherwise.
    """
    for path in maildir.paths_of(root.db, root.files, folder, mailbox, base, letters, target, on_loop=on_loop):
        try:
            return act(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise disk_error(error, path) from error
    raise MailError(Kind.EXPUNGE_ISSUED, GONE, f"{folder}: no file for {base}")
