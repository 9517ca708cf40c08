"""One IMAP client without its socket: cuts commands, checks state, runs rows of COMMANDS, tells changes (RFC 3501).

A small command goes through `_command` as plain calls and is answered in the bytes that `receive` returns. A command
that is a generator is kept in `_steps`, and what it yields is the session's `pending` until net calls `resume`.

Which changes are told, and when, is decided in `imap/telling.py`. A session with `notify` tells them while no command
is under way, too: when its buffer is empty it says what there is (`_meanwhile`) and waits in Idle, which input ends as
well as a change.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import GeneratorType
from typing import Any, Final

from doocot.errors import Kind, MailError
from doocot.imap import metadata, progress, telling
from doocot.imap.capability import capabilities
from doocot.imap.codes import response_code
from doocot.imap.command import Bad, Bound, NextLine, No, Ok, State, Steps
from doocot.imap.context import ImapContext
from doocot.imap.extensions import METADATA, UIDONLY
from doocot.imap.languages import DEFAULT, said
from doocot.imap.literals import judge
from doocot.imap.registration import OVERFLOW, Notify
from doocot.imap.updates import Updates
from doocot.mailbox.user import Mail
from doocot.mailbox.view import Delta, Progress, View
from doocot.message.collation import UNICODE_CASEMAP, Collation
from doocot.store.disk_errors import disk_error
from doocot.wire.cursor import BadSyntax, Cursor, tag_of
from doocot.wire.flow import CLOSE, MORE, Idle, Peer, Pending, Spool
from doocot.wire.frames import Announced, Frame, Frames, Overlong
from doocot.wire.respond import tagged

BATCH: Final = 64  # pipelined commands answered at once before others get their turn
MAX_ERRORS: Final = 20  # consecutive BAD answers, as Dovecot's CLIENT_MAX_BAD_COMMANDS


@dataclass(slots=True)
class ImapSession:
    """The session. `user` is empty before login; `mail` is what the user may open; `view` the selected mailbox."""

    context: ImapContext
    commands: Mapping[bytes, Bound]
    frames: Frames = field(init=False)
    peer: Peer = field(default_factory=Peer)
    pending: Pending | None = None
    state: State = State.NOT_AUTHENTICATED
    user: str = ""
    mail: Mail | None = None
    view: View | None = None
    mailbox: str = ""
    enabled: set[bytes] = field(default_factory=set)
    notify: Notify | None = None  # what changes are told of, once there was a NOTIFY (RFC 5465)
    saved: tuple[tuple[int, int], ...] = ()  # SEARCHRES: UIDs of `$` (RFC 5182)
    updating: Updates = field(default_factory=Updates)  # UPDATE (RFC 5267 §4.3)
    progress: Progress | None = None  # of the command under way, where it may be told (RFC 9585)
    spoken: float = 0.0  # when the command began, or INPROGRESS was told last
    told_exists: int = 0
    delays_new: bool = False  # the client is not to hear of new messages now (delay-newmail)
    collation: Collation = UNICODE_CASEMAP  # COMPARATOR (RFC 5255 §4.7)
    language: bytes = DEFAULT  # LANGUAGE (RFC 5255 §3.2)
    known_sets: set[int] = field(default_factory=set)  # keyword sets whose names the client was told
    spools: list[Spool] = field(default_factory=list)  # of the command that is coming in or under way
    literal_memory: int = 0
    hide: int = 0  # the position of this command's own silent change
    kept: bytes = b""  # told with the end of this command
    metadata_told: int = 0  # the position up to which metadata were told, after ENABLE METADATA
    utf8: bool = False
    compressed: bool = False
    id_sent: bool = False
    client_id: str = ""
    session_id: str = ""
    failed_logins: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    reason: str = ""
    _steps: Steps | None = None
    _tag: bytes = b""
    _bound: Bound | None = None
    _wants: NextLine | None = None
    _bad: int = 0

    def __post_init__(self) -> None:
        self.frames = Frames(self.context.max_line_before_login)

    def later(self, delta: Delta) -> None:
        """Keeps what a sync in the middle of a command found, to be told with its end."""
        telling.keep(self, delta)

    @property
    def tag(self) -> bytes:
        """The tag of the command under way (ESEARCH repeats it)."""
        return self._tag

    def command_begins(self, text: bytes) -> None:
        """The tag to answer with, when a command is refused before it is whole."""
        self._tag = tag_of(text)

    # What net calls

    def connected(self, peer: Peer) -> bytes:
        self.peer = peer
        self.session_id = self.context.new_session_id()
        return b"* OK [CAPABILITY %b] %b\r\n" % (capabilities(self), self.context.greeting)

    def secured(self, peer: Peer) -> None:
        self.peer = peer
        self.frames.discard()

    def receive(self, data: bytes) -> bytes:
        self.bytes_in += len(data)
        self.frames.feed(data)
        if self._wants is None:
            return self._counted(self._work())
        line = self._next_line()
        return b"" if line is None else self._go_on(line, None)

    def resume(self, result: Any) -> bytes:
        return self._counted(self._work()) if self._steps is None else self._go_on(result, None)

    def fail(self, error: BaseException) -> bytes:
        return self._go_on(None, error)

    def _go_on(self, result: Any, error: BaseException | None) -> bytes:
        """The command under way, and when it has ended those behind it."""
        out = self._advance(result, error)
        self._drop_spools()
        if self._steps is None and self.pending is None:
            out += self._work()
        return self._counted(out)

    def _counted(self, out: bytes) -> bytes:
        self.bytes_out += len(out)
        return out

    def closing(self, reason: str) -> bytes:
        self.reason = reason
        return b"* BYE %b\r\n" % reason.encode()

    def crashed(self, identifier: str) -> bytes:
        tag, self._steps, self._wants, self._bound = self._tag or b"*", None, None, None
        self.hide, self.kept = 0, b""
        self._drop_spools()
        text = b"Internal error occurred. Refer to server log for more information. [%b]" % identifier.encode()
        answer = self._refuse(tag, b"NO", text, b"SERVERBUG")
        if tag == b"*" and self.notify is not None:  # over NOTIFY, which would try again at once
            self.notify = Notify()
            answer += OVERFLOW
        if self.pending is None:
            self.pending = MORE  # commands may be waiting behind it
        return answer

    def lost(self) -> None:
        if self._steps is not None:
            self._steps.close()
            self._steps = None
        self._drop_spools()
        if self.mail is not None:
            self.mail.close(self.view)
        self.context.disconnected(self)

    # Commands

    def _work(self) -> bytes:
        """Answers what is in the buffer, a bounded number of commands at a time."""
        out: list[bytes] = []
        for _ in range(BATCH):
            try:
                frame = self.frames.next()
            except OSError as error:
                out.append(self._spool_failed(error))
                continue
            if frame is None:
                if self.notify is not None:
                    out.append(self._meanwhile(self.notify))
                break
            if type(frame) is Frame:
                self.literal_memory = 0
                out.append(self._command(frame))
                self._drop_spools()
            elif isinstance(frame, Announced):
                out.append(judge(self, frame))
            else:
                assert isinstance(frame, Overlong)
                self.forget_literals()
                out.append(self._refuse(tag_of(frame.prefix), b"BAD", b"Too long a command line.", b"TOOBIG"))
            if self.pending is not None or self._wants is not None:
                break
        else:
            self.pending = MORE
        return out[0] if len(out) == 1 else b"".join(out)

    def _meanwhile(self, notify: Notify) -> bytes:
        """No command is under way: tells what NOTIFY asks for, and waits for more of it and for input.

        Not in the middle of a command that is coming in: it was written without knowing.
        """
        out = b""
        if self.frames.between_commands and telling.is_due(self, notify):
            self._tag, self._steps, self.progress = b"*", self._news(notify), None
            out = self._advance(None, None)
        if self.pending is None and self._steps is None:
            self.pending = telling.idle(self, notify)
        return out

    def _news(self, notify: Notify) -> Steps:
        try:
            yield from telling.news(self, expunge=not notify.selected.delayed)
        except MailError as error:
            if error.kind is Kind.NON_EXISTENT:
                yield self._mailbox_deleted()
            else:
                self.context.refused(self, error)  # the next change, or the next command, tries again
        return Ok(b"")

    def _spool_failed(self, error: OSError) -> bytes:
        """The disk does not take the literal that is coming in: the command ends, the rest of it is thrown away."""
        refused = disk_error(error, error.filename or "")
        self.frames.refuse()
        self.forget_literals()
        self.context.refused(self, refused)
        return tagged(self._tag, b"NO", refused.text, response_code(refused))

    def forget_literals(self) -> None:
        """The command that is coming in is given up."""
        self.literal_memory = 0
        self._drop_spools()

    def _drop_spools(self) -> None:
        """Releases the spools of a command that is not under way any more."""
        if self.spools and self._steps is None:
            for spool in self.spools:
                spool.abort()
            self.spools.clear()

    def _command(self, frame: Frame) -> bytes:
        text = frame.text
        tag, _, rest = text.partition(b" ")
        name, space, _ = rest.partition(b" ")
        name = name.upper()
        position = len(tag) + 1 + len(name)
        if name == b"UID" and space:
            second = rest[4:].partition(b" ")[0]
            name = b"UID " + second.upper()
            position += 1 + len(second)
        bound = self.commands.get(name)
        cursor = Cursor(frame, utf8=self.utf8)
        self._tag = tag
        try:
            if cursor.tag() != tag:
                raise BadSyntax("the tag has a character that a tag may not have", 0)
            if bound is None:
                raise Bad(b"Unknown command." if name else b"A command is missing.")
            row = bound.row
            if not row.state & self.state:
                raise Bad(_wrong_state(row.state, self.state))
            if bound.by_number and UIDONLY in self.enabled:
                raise Bad(b"Sequence numbers are not used after ENABLE UIDONLY: say UID %b." % name, b"UIDREQUIRED")
            cursor.position = position
            arguments = row.parse(cursor)
            cursor.end()
            self._bound = bound
            self._bad = 0
            result = row.run(self, arguments, bound.by_uid)
            if type(result) is GeneratorType:
                self._steps, self.progress, self.spoken = result, None, self.context.now()
                return self._advance(None, None)
            assert isinstance(result, Ok)
            return result.data + self._finish(b"OK", result.text, result.code)
        except BadSyntax as error:
            self._tag = tag_of(text)
            return self._refuse(self._tag, b"BAD", f"Error in command: {error.text}.".encode(), None)
        except Bad as error:
            return self._refuse(tag or b"*", b"BAD", error.text, error.code)
        except No as error:
            return self._finish(b"NO", error.text, error.code)
        except MailError as error:
            self.context.refused(self, error)
            return self._finish(b"NO", error.text.encode(), response_code(error))

    def _advance(self, result: Any, error: BaseException | None) -> bytes:
        """Runs the steps of the command up to the next thing that net has to do."""
        steps = self._steps
        assert steps is not None
        out = b""
        try:
            while True:
                step = steps.throw(error) if error is not None else steps.send(result)
                result, error = None, None
                if isinstance(step, bytes):
                    out += step
                    if len(out) >= self.context.chunk:
                        self.pending = MORE
                        break
                elif isinstance(step, NextLine):
                    self._wants = step
                    line = self._next_line()
                    if line is not None:
                        result = line
                        continue
                    break
                else:
                    self.pending = step
                    out += progress.due(self)
                    break
        except StopIteration as stop:
            self._steps = None
            ok = stop.value
            # Without a text the answer is in the data: `_finish` has been here.
            out += ok.data + self._finish(b"OK", ok.text, ok.code) if ok.text else ok.data
        except Bad as bad:
            self._steps = None
            out += self._refuse(self._tag, b"BAD", bad.text, bad.code)
        except No as no:
            self._steps = None
            out += self._finish(b"NO", no.text, no.code)
        except MailError as refused:
            self._steps = None
            self.context.refused(self, refused)
            out += self._finish(b"NO", refused.text.encode(), response_code(refused))
        return out

    def _next_line(self) -> bytes | None:
        """The line that the steps wait for; None leaves the session waiting (for a wake-up too, when it idles)."""
        wants = self._wants
        assert wants is not None
        line = self.frames.next_line()
        if line is None:
            if wants.idle is not None:
                self.pending = Idle(wants.idle, wants.seconds)
            return None
        self._wants = None
        return line if isinstance(line, bytes) else b""

    def _finish(self, condition: bytes, text: bytes, code: bytes | None) -> bytes:
        """What changed meanwhile, then the tagged answer."""
        told, self.kept = self.kept, b""
        view, bound = self.view, self._bound
        self._bound = None
        if METADATA in self.enabled:
            told += metadata.unsolicited(self)
        if view is not None and bound is not None and bound.row.sync:
            try:
                delta = telling.at_end(self, view, bound)
            except MailError as error:
                if error.kind is Kind.NON_EXISTENT:
                    return told + self._mailbox_deleted()
                self.context.refused(self, error)  # the command itself is over: the next one tries again
                delta = None
            if (delta is not None or self.updating.known) and telling.is_long(self, delta):
                answer = _tagged(self._tag, condition, said(self.language, text), code)
                self._steps = self._finish_in_parts(told, delta, bound.by_uid, answer)
                return self._advance(None, None)
            if delta is not None:
                told += telling.told(self, delta, by_uid=bound.by_uid)
        return told + _tagged(self._tag, condition, said(self.language, text), code)

    def _finish_in_parts(self, told: bytes, delta: Delta | None, by_uid: bool, answer: bytes) -> Steps:
        """As the end of `_finish`, with others getting their turn in between."""
        yield told
        yield from telling.in_parts(self, delta, by_uid=by_uid)
        return Ok(b"", data=answer)

    def _mailbox_deleted(self) -> bytes:
        """Somebody deleted the selected mailbox: there is no way to say that but to end (RFC 2180 §3.3)."""
        self.pending = CLOSE
        self.reason = "Selected mailbox was deleted, have to disconnect."
        return b"* BYE Selected mailbox was deleted, have to disconnect.\r\n"

    def _refuse(self, tag: bytes, condition: bytes, text: bytes, code: bytes | None) -> bytes:
        """A command that nothing came of; too many in a row end the connection."""
        self._bad += 1
        self._bound = None
        answer = tagged(tag, condition, said(self.language, text), code)
        if self._bad < MAX_ERRORS:
            return answer
        self.pending = CLOSE
        self.reason = "Too many invalid IMAP commands."
        return answer + b"* BYE Too many invalid IMAP commands.\r\n"


def _tagged(tag: bytes, condition: bytes, text: bytes, code: bytes | None) -> bytes:
    """The tagged answer; as `respond.tagged`, for texts that are known to be fit."""
    if code is None:
        return b"%b %b %b\r\n" % (tag, condition, text)
    return b"%b %b [%b] %b\r\n" % (tag, condition, code, text)


def _wrong_state(wanted: State, state: State) -> bytes:
    if state is State.NOT_AUTHENTICATED:
        return b"Please login first."
    if wanted is State.SELECTED:
        return b"No mailbox selected."
    return b"Already logged in."
