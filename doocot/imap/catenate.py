"""CATENATE (RFC 4469): a message of an APPEND or REPLACE that is put together of new text and of what URLs name.

The URLs name messages of this user, or parts of them, with ;PARTIAL as well (URL-PARTIAL, RFC 5550). Octets are taken
as they are; nothing becomes \\Seen. The parts meet in one spool, so what is large is never in memory.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from doocot.errors import Kind, MailError
from doocot.imap.command import Bad, No
from doocot.imap.fetch_items import parse_section
from doocot.mailbox.excerpt import Excerpt, Reader, copy_octets, write_bounded
from doocot.store.disk_errors import disk_error
from doocot.store.spool import FileSpool
from doocot.wire.cursor import BadSyntax, Cursor
from doocot.wire.flow import Job, Step
from doocot.wire.imap_url import BadUrl, ImapUrl, parse_url

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

MAX_PARTS: Final = 1000  # of one message


@dataclass(frozen=True, slots=True)
class Url:
    """A URL as the client wrote it."""

    text: bytes


Part: TypeAlias = bytes | FileSpool | Url


def parse_text(c: Cursor) -> tuple[bytes | FileSpool, bool]:
    """`literal / literal8` of a message, and whether it is the second, which alone may have NULs (RFC 3516 §4.4).

    In the other they become 0x80, as for Dovecot; those of a spool have become so on their way in.
    """
    binary = c.at(b"~")
    if not c.at_literal():
        raise BadSyntax("a literal was expected", c.position)
    data = c.literal()
    assert isinstance(data, bytes | FileSpool)  # what `literals.judge` gives
    if isinstance(data, bytes) and not binary and b"\0" in data:
        data = data.replace(b"\0", b"\x80")
    return data, binary


def parse_utf8(c: Cursor) -> tuple[bytes | FileSpool, bool]:
    """`"UTF8" SP "(" literal8 ")"`, of which RFC 6855 §4 says that it needs ENABLE UTF8=ACCEPT."""
    if c.keyword() != b"UTF8":
        raise BadSyntax("a literal, CATENATE or UTF8 was expected", c.position)
    if not c.utf8:
        raise No(b"UTF8 needs ENABLE UTF8=ACCEPT before.")
    text = parse_text(c.sp().open_paren())
    c.close_paren()
    return text


def parse_catenate(c: Cursor) -> tuple[tuple[Part, ...], bool]:
    """`"CATENATE" SP "(" cat-part *(SP cat-part) ")"`, and whether there is a literal8 in it.

    `cat-part = "TEXT" SP literal / "UTF8" SP "(" literal8 ")" / "URL" SP astring`
    """
    if c.keyword() != b"CATENATE":
        raise BadSyntax("a literal or CATENATE was expected", c.position)
    c.sp()
    binary = False

    def part() -> Part:
        nonlocal binary
        if c.text[c.position : c.position + 4].upper() == b"UTF8":
            text, binary8 = parse_utf8(c)
            binary = binary or binary8
            return text
        kind = c.keyword()
        if kind == b"URL":
            return Url(c.sp().astring())
        if kind != b"TEXT":
            raise BadSyntax("TEXT or URL was expected", c.position)
        text, binary8 = parse_text(c.sp())
        binary = binary or binary8
        return text

    parts = c.paren_list(part, limit=MAX_PARTS)
    return tuple(parts), binary


def catenated(
    session: "ImapSession", parts: Sequence[Part], limit: int, reader: Reader
) -> Generator[Step, Any, FileSpool]:
    """Steps that put a message of at most `limit` octets together; `reader` is that of the command.

    Raises No with BADURL or TOOBIG (RFC 4469 §4.1), MailError(LIMIT).
    """
    assert session.mail is not None
    root = session.mail.opened.root
    try:
        spool = FileSpool(root.files, root.path)
    except OSError as error:
        raise disk_error(error, root.path) from error
    session.spools.append(spool)
    for part in parts:
        if isinstance(part, Url):
            yield from _copied(session, part, spool, limit, reader)
        else:
            yield Job(partial(_write, spool, part, limit))
    return spool


def _copied(
    session: "ImapSession", url: Url, spool: FileSpool, limit: int, reader: Reader
) -> Generator[Step, Any, None]:
    mail, excerpt = session.mail, excerpt_of(session, url)
    assert mail is not None
    try:
        yield Job(partial(copy_octets, mail, excerpt, spool, limit, reader))
    except MailError as error:
        if error.kind in (Kind.NON_EXISTENT, Kind.CANNOT):
            raise _bad_url(url, error.text) from error
        raise
    except OSError as error:
        raise disk_error(error, mail.opened.root.path) from error


def _write(spool: FileSpool, part: bytes | FileSpool, limit: int) -> None:
    try:
        for chunk in (part,) if isinstance(part, bytes) else part.chunks():
            write_bounded(spool, chunk, limit)
    except OSError as error:
        raise disk_error(error, "") from error


def excerpt_of(session: "ImapSession", url: Url) -> Excerpt:
    """What a relative URL names, for this session. Raises No with BADURL."""
    base = ImapUrl()
    if session.view is not None:
        base = ImapUrl(mailbox=session.mailbox, uid_validity=session.view.live.row.uid_validity)
    try:
        found = parse_url(url.text, base)
        if found.host:
            raise BadUrl("Only a relative URL names something of this session")
        return excerpt(found)
    except BadUrl as error:
        raise _bad_url(url, error.text) from error


def excerpt(url: ImapUrl) -> Excerpt:
    """The octets that the URL of a message names. Raises BadUrl where it is that of something else."""
    if not url.uid:
        raise BadUrl("The URL names no message")
    try:
        section = parse_section(url.section.encode())
    except (Bad, BadSyntax):
        raise BadUrl("The section of the URL is malformed") from None
    offset, length = url.partial or (0, None)
    mailbox = "INBOX" if url.mailbox.upper() == "INBOX" else url.mailbox
    return Excerpt(mailbox, url.uid, url.uid_validity, section, offset, length)


def _bad_url(url: Url, text: str) -> No:
    """`badurl-response-code = "BADURL" SP url-resp-text`: the URL again, without what ends the code or the line."""
    shown = bytes(byte if byte not in b"\0\r\n]\\" else ord("?") for byte in url.text)
    return No(f"{text}.".encode(), b"BADURL " + shown if shown else None)
