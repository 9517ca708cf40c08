"""Octets of a message that is named by mailbox and UID: all of it, a section, or from an offset on (RFC 5092 §6).

The mailbox need not be selected and nothing of it changes, \\Seen neither. Everything here blocks: for a thread.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from doocot.errors import Kind, MailError
from doocot.mailbox.places import existing
from doocot.mailbox.read import Message, at_file
from doocot.mailbox.user import Mail
from doocot.message.scan import crlf_chunks
from doocot.message.sections import Section, exact_section
from doocot.store import maildir
from doocot.store.files import Files
from doocot.store.index.database import reading
from doocot.store.index.messages import files
from doocot.store.spool import CHUNK, FileSpool

MAX_READ: Final = 1 << 30  # octets that one command reads and copies out of messages: seconds of a thread
WHOLE = Section()
NO_MESSAGE = "There is no such message"
NO_SECTION = "The message has no such section"


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Which octets; `uid_validity` 0 is any, `length` None is up to the end, more than there is as well."""

    mailbox: str
    uid: int
    uid_validity: int = 0
    section: Section = WHOLE
    offset: int = 0
    length: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A message file that is open; given back by `close`, and readable until then whoever expunges it."""

    files: Files
    fd: int
    key: tuple[str, int, int]  # of the message: root, mailbox and UID

    def close(self) -> None:
        self.files.close(self.fd)


class Reader:
    """What one command reads. The last message of which it wanted a section stays at hand for the next."""

    __slots__ = ("_key", "_message", "left")

    def __init__(self) -> None:
        self.left = MAX_READ
        self._key: tuple[str, int, int] | None = None
        self._message = Message(b"")

    def take(self, octets: int) -> None:
        """Counts octets. Raises MailError(LIMIT) above MAX_READ."""
        self.left -= octets
        if self.left < 0:
            text = f"One command reads at most {MAX_READ} octets of messages: name fewer URLs at once."
            raise MailError(Kind.LIMIT, text)

    def message(self, found: Found) -> Message:
        """The message in memory. Raises MailError(LIMIT)."""
        if self._key != found.key:
            self._key, self._message = None, Message(b"")  # never two of them
            self._message = Message(b"".join(self.chunks(found)))
            self._key = found.key
        return self._message

    def chunks(self, found: Found) -> Iterator[bytes]:
        """The file from its beginning. Raises MailError(LIMIT)."""
        for chunk in _chunks(found):
            self.take(len(chunk))
            yield chunk


def open_message(mail: Mail, excerpt: Excerpt) -> Found:
    """The message that the excerpt is of. Raises MailError(NON_EXISTENT) when mailbox or message are not there."""
    root, row = mail.opened.root, existing(mail, excerpt.mailbox)
    if excerpt.uid_validity not in (0, row.uid_validity):
        raise MailError(Kind.NON_EXISTENT, "The mailbox has another UIDVALIDITY")
    with reading(root.db) as connection:
        found = files(connection, row.id, [(excerpt.uid, excerpt.uid)])
    if not found:
        raise MailError(Kind.NON_EXISTENT, NO_MESSAGE)
    folder = maildir.folder_of(root, row.name)
    try:
        fd = at_file(root, row.id, folder, *found[0][1:], root.files.open, on_loop=False)
    except MailError as error:
        kind = Kind.NON_EXISTENT if error.kind is Kind.EXPUNGE_ISSUED else error.kind
        raise MailError(kind, NO_MESSAGE, error.detail) from error
    return Found(root.files, fd, (root.path, row.id, excerpt.uid))


def octets(found: Found, excerpt: Excerpt, reader: Reader) -> Iterator[bytes]:
    """The excerpt as it goes on the wire, NULs as they are. A whole message is never held in memory.

    Raises MailError: NON_EXISTENT for a section that is not there, LIMIT where the command has read too much.
    """
    if excerpt.section == WHOLE:
        read = reader.chunks(found) if excerpt.offset else _chunks(found)  # from its beginning on, all of it is of use
        chunks: Iterable[bytes] = crlf_chunks(read)
    else:
        message = reader.message(found)
        section = exact_section(message.data, message.part, excerpt.section)
        if section is None:
            raise MailError(Kind.NON_EXISTENT, NO_SECTION)
        reader.take(len(section))
        chunks = (section,)
    return cut(chunks, excerpt.offset, excerpt.length)


def copy_octets(mail: Mail, excerpt: Excerpt, spool: FileSpool, limit: int, reader: Reader) -> None:
    """Writes an excerpt behind what is in the spool.

    Raises MailError: NON_EXISTENT, TOO_BIG above `limit`, LIMIT where the command has read too much.
    """
    found = open_message(mail, excerpt)
    try:
        for chunk in octets(found, excerpt, reader):
            write_bounded(spool, chunk, limit)
    finally:
        found.close()


def write_bounded(spool: FileSpool, data: bytes, limit: int) -> None:
    """Writes into the spool. Raises MailError(TOO_BIG) rather than make it larger than `limit`."""
    if spool.size + len(data) > limit:
        raise MailError(Kind.TOO_BIG, f"The message would be larger than {limit} octets.")
    spool.write(data)


def _chunks(found: Found) -> Iterator[bytes]:
    offset = 0
    while chunk := found.files.pread(found.fd, CHUNK, offset):
        offset += len(chunk)
        yield chunk


def cut(chunks: Iterable[bytes], offset: int, length: int | None) -> Iterator[bytes]:
    """The octets from `offset` on, at most `length`."""
    for chunk in chunks:
        if length is not None and length <= 0:
            return
        piece = chunk[offset:] if length is None else chunk[offset : offset + length]
        offset = max(0, offset - len(chunk))
        if length is not None:
            length -= len(piece)
        if piece:
            yield piece
