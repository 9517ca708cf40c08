"""What becomes of an announced literal, before it arrives (RFC 3501 §4.3, RFC 7888 §4-5)."""

from typing import TYPE_CHECKING, Final

from doocot.imap.codes import response_code
from doocot.imap.command import State
from doocot.store.disk_errors import disk_error
from doocot.store.spool import FileSpool
from doocot.wire.flow import CLOSE
from doocot.wire.frames import Announced
from doocot.wire.respond import tagged

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

CONTINUE: Final = b"+ OK\r\n"
NON_SYNCHRONISING_MINUS: Final = 4096  # RFC 7888 §5
DISCARD: Final = 16 << 20  # a refused literal that comes unasked is thrown away up to this size, above it the client
MESSAGES: Final = (b"APPEND ", b"REPLACE ", b"UID REPLACE ")  # commands whose literals are messages


def judge(session: "ImapSession", announced: Announced) -> bytes:
    """Accepts it into memory or a spool, or refuses it with a tagged answer."""
    context, size = session.context, announced.size
    session.command_begins(announced.prefix)
    _, _, rest = announced.prefix.partition(b" ")
    appends = session.state is not State.NOT_AUTHENTICATED and rest[:12].upper().startswith(MESSAGES)
    before_login = session.state is State.NOT_AUTHENTICATED
    limit = context.max_literal if appends else context.max_line_before_login if before_login else context.max_line
    rules = context.metadata if not before_login and rest[:12].upper() == b"SETMETADATA " else None
    if rules is not None:
        limit = rules.max_size
    if context.literal_minus and not announced.synchronising and size > NON_SYNCHRONISING_MINUS:
        return _refuse(session, announced, b"BAD", "A non-synchronizing literal is too large (LITERAL-).")
    if size > limit:
        code = b"METADATA MAXSIZE %d" % limit if rules is not None else b"TOOBIG"
        return _refuse(session, announced, b"NO", f"Literal is too large: {size} octets, the limit is {limit}.", code)
    if not appends and session.literal_memory + size > limit:
        return _refuse(session, announced, b"NO", f"The literals of the command are more than {limit} octets.")
    if appends and session.literal_memory + size > context.memory_literal:
        assert session.mail is not None
        root = session.mail.opened.root
        try:
            spool = FileSpool(root.files, root.path, nul=b"\0" if announced.binary else b"\x80")
        except OSError as error:
            refused = disk_error(error, root.path)
            context.refused(session, refused)
            return _refuse(session, announced, b"NO", refused.text, response_code(refused))
        session.spools.append(spool)
        session.frames.spool(spool)
    else:
        session.literal_memory += size
        session.frames.memory()
    return CONTINUE if announced.synchronising else b""


def _refuse(
    session: "ImapSession", announced: Announced, condition: bytes, text: str, code: bytes = b"TOOBIG"
) -> bytes:
    """The literal is not taken. One that comes unasked and is huge ends the connection (RFC 7888 §4)."""
    session.frames.refuse()
    session.forget_literals()
    answer = tagged(session.tag, condition, text, code)
    if announced.synchronising or announced.size <= DISCARD:
        return answer
    session.pending = CLOSE
    session.reason = "Literal is too large"
    return answer + b"* BYE Literal is too large.\r\n"
