"""URLFETCH (RFC 4467 §7), with BODY, BINARY and BODYPARTSTRUCTURE (URLAUTH=BINARY, RFC 5524).

Messages of whichever user: for a URL that is authorised the command has the rights of the user in the URL.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from doocot.auth.types import User, UserUnavailable
from doocot.errors import Kind, MailError
from doocot.imap.catenate import excerpt
from doocot.imap.command import Bad, Ok, Result, State, Steps, command
from doocot.imap.urlauth import MAX_URLS, check, offered
from doocot.mailbox import urlauth
from doocot.mailbox.excerpt import NO_SECTION, Excerpt, Found, Reader, cut, octets, open_message
from doocot.mailbox.stream import fitted
from doocot.mailbox.user import Mail
from doocot.message.bodystructure import bodystructure
from doocot.message.sections import Section, SectionText, binary, decoded, find
from doocot.wire.cursor import BadSyntax, Cursor
from doocot.wire.flow import Job, Step
from doocot.wire.imap_url import BadUrl, ImapUrl, parse_url, rump_of
from doocot.wire.respond import astring

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

PARAMETERS = (b"BODY", b"BINARY", b"BODYPARTSTRUCTURE")


@dataclass(frozen=True, slots=True)
class UrlWanted:
    """`url-fetch-arg = url-full / "(" url-full *(SP ("BODY" / "BINARY" / "BODYPARTSTRUCTURE")) ")"`

    `parameters` is None for the first form.
    """

    url: bytes
    parameters: frozenset[bytes] | None = None


@dataclass(frozen=True, slots=True)
class UrlFetch:
    """`urlfetch = "URLFETCH" 1*(SP url-fetch-arg)`"""

    urls: tuple[UrlWanted, ...]

    @classmethod
    def parse(cls, c: Cursor) -> "UrlFetch":
        urls = [_url_wanted(c.sp())]
        while c.try_sp() and not c.at_end():
            urls.append(_url_wanted(c))
            if len(urls) > MAX_URLS:
                raise BadSyntax(f"there are more than {MAX_URLS} URLs", c.position)
        return cls(tuple(urls))


def _url_wanted(c: Cursor) -> UrlWanted:
    if not c.take(b"("):
        return UrlWanted(c.astring())
    url = c.astring()
    parameters = set()
    while c.try_sp() and not c.at(b")"):
        parameters.add(c.keyword())
    c.close_paren()
    if parameters.difference(PARAMETERS):
        raise Bad(b"Unknown URL fetch parameter.")
    if {b"BODY", b"BINARY"} <= parameters:
        raise Bad(b"URL cannot have both BODY and BINARY fetch parameters.")
    return UrlWanted(url, frozenset(parameters) or frozenset((b"BODY",)))


@command("URLFETCH", state=State.LOGGED_IN, parse=UrlFetch.parse)
def fetch(session: "ImapSession", args: UrlFetch, by_uid: bool) -> Result:
    offered(session)
    return _fetch(session, args)


def _fetch(session: "ImapSession", args: UrlFetch) -> Steps:
    reader = Reader()
    for wanted in args.urls:
        opened = _Opened(reader)
        try:
            yield from _fetch_one(session, wanted, opened)
        except BadUrl as error:
            yield b"* URLFETCH %b NIL\r\n* NO %b.\r\n" % (astring(wanted.url), error.text.encode())
        finally:
            opened.close()
    return Ok(b"URLFETCH completed.")


@dataclass(slots=True)
class _Opened:
    """What is to be given back, however it ends; `reader` is that of the command."""

    reader: Reader
    mail: Mail | None = None  # of another user
    found: list[Found] = field(default_factory=list)

    def close(self) -> None:
        for found in self.found:
            found.close()
        if self.mail is not None:
            self.mail.close()


def _fetch_one(session: "ImapSession", wanted: UrlWanted, opened: _Opened) -> Generator[Step, Any, None]:
    """Steps that send one response. Raises BadUrl as long as nothing was sent."""
    url = parse_url(wanted.url)
    asked = _authorised(session, url)
    mail = yield from _mail_of(session, url, opened)
    assert url.urlauth is not None
    verified = yield Job(partial(urlauth.is_token, mail, asked.mailbox, rump_of(wanted.url), url.urlauth.token))
    if mail is None or not verified:
        raise BadUrl("URLAUTH verification failed")
    try:
        content = yield Job(partial(_open, mail, asked, wanted.parameters, opened))
    except MailError as error:
        session.context.refused(session, error)
        raise BadUrl(error.text.removesuffix(".")) from error
    yield b"* URLFETCH " + astring(wanted.url) + content.before
    yield from content.chunks
    yield content.after


def _authorised(session: "ImapSession", url: ImapUrl) -> Excerpt:
    """What the URL names, if its access identifier lets this session in (RFC 4467 §3). Raises BadUrl."""
    wanted = url.urlauth
    if wanted is None or wanted.mechanism != "INTERNAL":
        raise BadUrl("The URL must end with an access identifier and a token of the mechanism INTERNAL")
    check(session, url)
    allowed = {
        "anonymous": True,
        "authuser": True,
        "user": wanted.access_user == session.user,
        "submit": session.user == session.context.urlauth_submit_user,
    }
    if not allowed[wanted.access]:
        raise BadUrl("The access identifier of the URL is for somebody else")
    return excerpt(url)


def _mail_of(session: "ImapSession", url: ImapUrl, opened: _Opened) -> Generator[Step, Any, Mail | None]:
    """Steps to the mail of the user in the URL; None when there is no such user, or his mail does not open."""
    context = session.context
    assert url.user is not None
    if url.user == session.user:
        return session.mail
    try:
        user = context.lookup(url.user)
        if isinstance(user, Job):
            user = yield user
        if not isinstance(user, User):
            return None
        opened.mail = yield from context.open_mail(user)
    except UserUnavailable:
        raise BadUrl("The users are not known at the moment") from None
    except MailError as error:
        context.refused(session, error)
        return None
    return opened.mail


@dataclass(frozen=True, slots=True)
class _Content:
    """What the response says behind the URL: the literal comes in chunks."""

    before: bytes
    chunks: Iterator[bytes]
    after: bytes


def _open(mail: Mail, asked: Excerpt, parameters: frozenset[bytes] | None, opened: _Opened) -> _Content:
    """Blocking. Raises MailError for a message or section that is not there, or that cannot be decoded."""
    found, reader = open_message(mail, asked), opened.reader
    opened.found.append(found)
    if parameters is None:
        size, chunks = _body(found, asked, reader)
        return _Content(b" {%d}\r\n" % size, chunks, b"\r\n")
    before = b" ("
    if b"BODYPARTSTRUCTURE" in parameters:
        before += b"BODYPARTSTRUCTURE " + _structure(found, asked, reader, b"BINARY" in parameters)
        before += b" " if len(parameters) > 1 else b""
    if b"BINARY" in parameters:
        data = _binary(found, asked, reader)
        mark = b"~" if b"\0" in data else b""
        return _Content(before + b"BINARY %b{%d}\r\n" % (mark, len(data)), iter((data,)), b")\r\n")
    if b"BODY" in parameters:
        size, chunks = _body(found, asked, reader)
        return _Content(before + b"BODY {%d}\r\n" % size, chunks, b")\r\n")
    return _Content(before, iter(()), b")\r\n")


def _body(found: Found, asked: Excerpt, reader: Reader) -> tuple[int, Iterator[bytes]]:
    """Size and octets. A whole message is read twice, as its size on the wire is told first."""
    if asked.section == Section():
        size = sum(map(len, octets(found, asked, reader)))
        return size, fitted(octets(found, asked, Reader()), size)  # which nothing may end any more
    data = b"".join(octets(found, asked, reader))
    return len(data), fitted((data,), len(data))


def _binary(found: Found, asked: Excerpt, reader: Reader) -> bytes:
    """The octets with encodings removed; there are none where the section is a header."""
    if asked.section.text is not SectionText.WHOLE:
        return b"".join(octets(found, asked, reader))
    message = reader.message(found)
    data = binary(message.data, message.part, asked.section.path)
    if data is None:
        raise MailError(Kind.NON_EXISTENT, NO_SECTION)
    reader.take(len(data))
    return b"".join(cut((data,), asked.offset, asked.length))


def _structure(found: Found, asked: Excerpt, reader: Reader, is_decoded: bool) -> bytes:
    """BODYSTRUCTURE of the part that the section is of (RFC 5524 §3)."""
    message = reader.message(found)
    part = find(message.part, asked.section.path)
    if part is None:
        raise MailError(Kind.NON_EXISTENT, NO_SECTION)
    reader.take(part.end - part.start if is_decoded else 0)
    return bodystructure(decoded(message.data, part) if is_decoded else part)
