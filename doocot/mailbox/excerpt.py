"""Octets of a message that is named by mailbox and UID: all of it, a section, or from an offset on (RFC 5092 §6).

The mailbox need not be selected and nothing of it changes, \\Seen neither. Everything here blocks: for a thread.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

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

    def close(self) -> None:
        self.files.close(self.fd)


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
    return Found(root.files, fd)


def octets(found: Found, excerpt: Excerpt) -> Iterator[bytes]:
    """The excerpt as it goes on the wire, NULs as they are. A whole message is never held in memory.

    Raises MailError(NON_EXISTENT) for a section that is not there.
    """
    if excerpt.section == WHOLE:
        chunks: Iterable[bytes] = crlf_chunks(_chunks(found))
    else:
        message = read_message(found)
        section = exact_section(message.data, message.part, excerpt.section)
        if section is None:
            raise MailError(Kind.NON_EXISTENT, NO_SECTION)
        chunks = (section,)
    return cut(chunks, excerpt.offset, excerpt.length)


def read_message(found: Found) -> Message:
    """The message in memory."""
    return Message(b"".join(_chunks(found)))


def copy_octets(mail: Mail, excerpt: Excerpt, spool: FileSpool, limit: int) -> None:
    """Writes an excerpt behind what is in the spool. Raises MailError: NON_EXISTENT, or TOO_BIG above `limit`."""
    found = open_message(mail, excerpt)
    try:
        for chunk in octets(found, excerpt):
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
