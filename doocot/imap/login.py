"""LOGIN and AUTHENTICATE (RFC 3501 §6.2.2-6.2.3, SASL-IR RFC 4959): from credentials to the user's mail."""

import binascii
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from doocot.auth import sasl
from doocot.auth.sasl import Challenge, Malformed
from doocot.auth.types import REFUSALS, AuthResult, Credentials, Failure, LoginRequest
from doocot.errors import Kind
from doocot.imap.capability import capabilities
from doocot.imap.command import Bad, NextLine, No, Ok, Result, State, Steps, command
from doocot.wire.cursor import Cursor
from doocot.wire.flow import Admit, Job

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

IMAP_PORT: Final = "143"
_USER_CHARACTERS: Final = "!$'()*+,&="  # of an enc-user besides letters, digits and -._~ (RFC 5092 §11)


@dataclass(frozen=True, slots=True)
class Login:
    """`login = "LOGIN" SP userid SP password`"""

    userid: bytes
    password: bytes = field(repr=False)

    @classmethod
    def parse(cls, c: Cursor) -> "Login":
        return cls(c.sp().astring(), c.sp().astring())


@command("LOGIN", state=State.NOT_AUTHENTICATED, parse=Login.parse, sync=False)
def login(session: "ImapSession", args: Login, by_uid: bool) -> Result:
    refuse(sasl.insecure(session.context.auth, session.peer))
    credentials = sasl.from_password(args.userid.decode("utf-8", "replace"), args.password)
    if isinstance(credentials, Malformed):
        raise Bad(credentials.text.encode())
    return _verify(session, credentials)


@dataclass(frozen=True, slots=True)
class Authenticate:
    """`authenticate = "AUTHENTICATE" SP auth-type [SP (base64 / "=")]`"""

    mechanism: str
    initial: bytes | None = field(repr=False)

    @classmethod
    def parse(cls, c: Cursor) -> "Authenticate":
        mechanism = c.sp().atom().decode("ascii").upper()
        return cls(mechanism, c.base64() if c.try_sp() else None)


@command("AUTHENTICATE", state=State.NOT_AUTHENTICATED, parse=Authenticate.parse, sync=False)
def authenticate(session: "ImapSession", args: Authenticate, by_uid: bool) -> Result:
    refuse(sasl.forbidden(session.context.auth, session.peer, args.mechanism))
    return _exchange(session, args)


def refuse(failure: Failure | None) -> None:
    """Raises No for what may not even be tried."""
    if failure is not None:
        refusal = REFUSALS[failure]
        raise No(refusal.text.encode(), refusal.kind.value.encode())


def _exchange(session: "ImapSession", args: Authenticate) -> Steps:
    """Challenges and answers until there are credentials (RFC 3501 §6.2.3)."""
    outcome = sasl.start(args.mechanism, args.initial)
    while isinstance(outcome, Challenge):
        yield b"+ %b\r\n" % b64encode(outcome.data)
        line = yield NextLine()
        if line == b"*":
            raise Bad(b"Authentication aborted by client.")
        try:
            answer = binascii.a2b_base64(line, strict_mode=True)
        except binascii.Error as error:
            raise Bad(b"Invalid base64 data in continued response") from error
        outcome = outcome.step(answer)
    if isinstance(outcome, Malformed):
        raise No(outcome.text.encode(), Kind.AUTHENTICATION_FAILED.value.encode())
    return (yield from _verify(session, outcome))


def _verify(session: "ImapSession", credentials: Credentials) -> Steps:
    """Asks the authenticator, waits as long as it says, and opens the user's mail."""
    context = session.context
    answer = context.authenticate(
        LoginRequest("imap", credentials, session.peer, session.session_id, session.client_id)
    )
    if isinstance(answer, Job):
        answer = yield answer
    assert isinstance(answer, AuthResult)
    if answer.delay:
        yield context.sleep(answer.delay)
    if answer.user is None:
        context.login_failed(session, credentials.mechanism, answer)
        raise _refusal(credentials, answer)
    admission = yield Admit(answer.user.name)
    session.mail = yield from context.open_mail(answer.user)
    too_many = (yield admission) if admission is not None else ""
    if too_many:
        session.mail.close()
        session.mail, session.reason = None, too_many
        raise No(too_many.encode(), Kind.LIMIT.value.encode())
    session.user = answer.user.name
    session.state = State.AUTHENTICATED
    session.id_sent = False  # it may be said, and logged, once more
    session.frames.max_line = context.max_line
    context.logged_in(session, credentials.mechanism)
    return Ok(b"Logged in", code=b"CAPABILITY " + capabilities(session))


def _refusal(credentials: Credentials, answer: AuthResult) -> No:
    """What a refused client is told: where to go instead, if the account has moved (RFC 2221 §4.1), else why."""
    host = answer.fields.get("host", "")
    if answer.failure is not Failure.NOLOGIN or not host:
        kind = answer.kind or Kind.AUTHENTICATION_FAILED
        return No(answer.client_text.encode(), kind.value.encode())
    user = quote(answer.fields.get("destuser") or credentials.authcid, safe=_USER_CHARACTERS)
    port = answer.fields.get("port", "")
    place = f"[{host}]" if ":" in host else host
    if port and port != IMAP_PORT:
        place += f":{port}"
    url = f"imap://{user};AUTH={credentials.mechanism}@{place}/"
    return No((answer.reason or "Try this server instead.").encode(), b"REFERRAL " + url.encode())
