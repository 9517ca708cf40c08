"""GENURLAUTH and RESETKEY (RFC 4467 §7): URLs by which others may fetch a message, and making them useless again."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from doocot.errors import Kind, MailError
from doocot.imap import names
from doocot.imap.catenate import excerpt
from doocot.imap.command import Bad, No, Ok, Result, State, Steps, command
from doocot.mailbox import urlauth
from doocot.mailbox.excerpt import Excerpt
from doocot.wire.cursor import BadSyntax, Cursor
from doocot.wire.flow import Job
from doocot.wire.imap_url import BadUrl, ImapUrl, parse_url
from doocot.wire.respond import astring

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

INTERNAL: Final = b"INTERNAL"
PORT: Final = 143  # where a URL has none (RFC 5092 §11)
MAX_URLS: Final = 1000  # of one command
FOR_A_USER: Final = ("user", "submit")  # access identifiers with a user's name
FOR_ALL: Final = ("authuser", "anonymous")


@dataclass(frozen=True, slots=True)
class GenUrlAuth:
    """`genurlauth = "GENURLAUTH" 1*(SP url-rump SP mechanism)`"""

    urls: tuple[tuple[bytes, bytes], ...]

    @classmethod
    def parse(cls, c: Cursor) -> "GenUrlAuth":
        urls = [(c.sp().astring(), c.sp().keyword())]
        while c.try_sp() and not c.at_end():
            urls.append((c.astring(), c.sp().keyword()))
            if len(urls) > MAX_URLS:
                raise BadSyntax(f"there are more than {MAX_URLS} URLs", c.position)
        return cls(tuple(urls))


@command("GENURLAUTH", state=State.LOGGED_IN, parse=GenUrlAuth.parse)
def generate(session: "ImapSession", args: GenUrlAuth, by_uid: bool) -> Result:
    offered(session)
    return _generate(session, args)


def _generate(session: "ImapSession", args: GenUrlAuth) -> Steps:
    """All or none: what cannot be vouched for is answered with BAD (RFC 4467 §7)."""
    assert session.mail is not None
    given = []
    for rump, mechanism in args.urls:
        if mechanism != INTERNAL:
            raise Bad(b"Unsupported URLAUTH mechanism.")
        try:
            url = parse_url(rump)
            wanted = _rump(session, url)
            token = yield Job(partial(urlauth.make_token, session.mail, wanted.mailbox, wanted.uid_validity, rump))
        except BadUrl as error:
            raise Bad(f"{error.text}.".encode()) from error
        except MailError as error:
            if error.kind not in (Kind.NON_EXISTENT, Kind.CANNOT):
                raise
            raise Bad(f"{error.text}.".encode()) from error
        given.append(b" " + astring(b"%b:internal:%b" % (rump, token.hex().encode())))
    return Ok(b"GENURLAUTH completed.", data=b"* GENURLAUTH%b\r\n" % b"".join(given))


def _rump(session: "ImapSession", url: ImapUrl) -> Excerpt:
    """What a URL names that this session may vouch for. Raises BadUrl."""
    if url.urlauth is None or url.urlauth.mechanism:
        raise BadUrl("The URL must end with ;URLAUTH= and an access identifier")
    check(session, url)
    if url.user != session.user:
        raise BadUrl("The URL must have your own user name")
    return excerpt(url)


def check(session: "ImapSession", url: ImapUrl) -> None:
    """Whether server, access identifier and time of a URL are right. Raises BadUrl."""
    context, wanted = session.context, url.urlauth
    assert wanted is not None
    if (wanted.access not in FOR_A_USER) if wanted.access_user is not None else (wanted.access not in FOR_ALL):
        raise BadUrl("The access identifier is none of submit+user, user+user, authuser and anonymous")
    if context.urlauth_host.lower() not in ("*", url.host.lower()) or (url.port or PORT) != context.urlauth_port:
        raise BadUrl("The URL is one of another server")
    if url.user is None:
        raise BadUrl("The URL has no user name")
    if wanted.expire is not None and wanted.expire < context.clock():
        raise BadUrl("The URL has expired")


def offered(session: "ImapSession") -> None:
    """Raises Bad unless the configuration has a name for this server."""
    if not session.context.urlauth_host:
        raise Bad(b"URLAUTH disabled.")


@dataclass(frozen=True, slots=True)
class ResetKey:
    """`resetkey = "RESETKEY" [SP mailbox *(SP mechanism)]`"""

    mailbox: str | None = None
    mechanisms: tuple[bytes, ...] = ()

    @classmethod
    def parse(cls, c: Cursor) -> "ResetKey":
        if not c.try_sp() or c.at_end():
            return cls()
        mailbox = names.mailbox(c)
        mechanisms = []
        while c.try_sp() and not c.at_end():
            mechanisms.append(c.keyword())
        return cls(mailbox, tuple(mechanisms))


@command("RESETKEY", state=State.LOGGED_IN, parse=ResetKey.parse)
def reset(session: "ImapSession", args: ResetKey, by_uid: bool) -> Result:
    offered(session)
    if any(mechanism != INTERNAL for mechanism in args.mechanisms):
        raise No(b"Unsupported URLAUTH mechanism.")
    return _reset(session, args.mailbox)


def _reset(session: "ImapSession", mailbox: str | None) -> Steps:
    mail = session.mail
    assert mail is not None
    yield Job(lambda: urlauth.reset_keys(mail, mailbox))
    if mailbox is None:
        return Ok(b"All keys removed.")
    return Ok(b"Key removed.", code=b"URLMECH INTERNAL")
