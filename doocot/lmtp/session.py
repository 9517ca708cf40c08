"""The LMTP session: bytes in, replies out, one command after the other; RFC 2033, RFC 2920.

The protocol loop and its limits are here; what a command does is in the file that has its row (see `commands`).
"""

from collections.abc import Generator
from typing import Any, Final

from doocot.lmtp.commands import COMMANDS
from doocot.lmtp.conversation import Answer, Conversation, Services, Settings, greeting
from doocot.wire.flow import CLOSE, MORE, Peer, Pending, Step
from doocot.wire.smtp import Refused, Reply, command_name
from doocot.wire.smtp_input import OVERLONG, SmtpInput

AT_A_TIME: Final = 250  # commands answered before others get their turn: about 2 ms

UNKNOWN_COMMAND: Final = Reply(500, "5.5.1", "Unknown command")
LINE_TOO_LONG: Final = Reply(500, "5.5.2", "Line too long")
BAD_CODES: Final = (500, 501)


class Session:
    """One LMTP client: a `flow.Session`."""

    __slots__ = ("_c", "_steps", "pending", "user")

    def __init__(self, settings: Settings, services: Services) -> None:
        self.pending: Pending | None = None
        self.user = ""
        self._c = Conversation(settings, services, SmtpInput(settings.max_line))
        self._steps: Generator[Step, Any, bytes] | None = None

    def connected(self, peer: Peer) -> bytes:
        c = self._c
        c.peer = peer
        c.session_id = c.services.new_id()
        self._event("lmtp_connected")
        return greeting(c)

    def receive(self, data: bytes) -> bytes:
        self._c.input.feed(data)
        return self._run([])

    def resume(self, result: Any) -> bytes:
        written: list[bytes] = []
        if self._steps is not None:
            self._advance(self._steps, written, result)
        return self._run(written)

    def fail(self, error: BaseException) -> bytes:
        if self._steps is None:
            raise error
        written: list[bytes] = []
        self._advance(self._steps, written, None, error)
        return self._run(written)

    def secured(self, peer: Peer) -> None:
        self._c.input.clear()
        self._c.restart(peer)

    def closing(self, reason: str) -> bytes:
        """RFC 5321 §3.8: a 421 at any time, and the client tries again later."""
        self._give_up(reason)
        return self._goodbye("4.3.2", reason)

    def crashed(self, identifier: str) -> bytes:
        """The client keeps the message: it cannot know how far the command came."""
        self._give_up("Internal error")
        self.pending = CLOSE
        return self._goodbye("4.3.0", f"Internal error, see the server's log for {identifier}")

    def lost(self) -> None:
        c = self._c
        state = c.state
        self._give_up(c.logout or "Connection closed")
        self._event("lmtp_disconnected", reason=c.logout, state=state, deliveries=c.deliveries)

    def _run(self, written: list[bytes]) -> bytes:
        """Answer what can be answered; all replies go out in one write (RFC 2920 §3.2)."""
        c = self._c
        for _ in range(AT_A_TIME):
            if self.pending is not None or self._steps is not None:
                break
            answer = self._next()
            if answer is None:
                break
            if isinstance(answer, bytes):
                written.append(answer)
                self._take_pending()
            else:
                self._steps = answer
                self._advance(answer, written, None)
        else:
            if c.input:
                self.pending = MORE
        return written[0] if len(written) == 1 else b"".join(written)

    def _next(self) -> Answer | None:
        """The answer to the next command or to the message data; None when more input is needed."""
        c = self._c
        if c.receiver is not None:
            return c.receiver(c)
        line = c.input.line()
        if line is None:
            return None
        if line is OVERLONG:
            return self._refuse(LINE_TOO_LONG)
        name, arguments = command_name(line)
        row = COMMANDS.get(name)
        if row is None:
            return self._refuse(UNKNOWN_COMMAND)
        try:
            answer = row.run(c, arguments)
        except Refused as refused:
            return self._refuse(refused.reply)
        c.bad_commands = 0
        return answer

    def _refuse(self, reply: Reply) -> bytes:
        """Refuse a command, and after too many that were not understood, the client."""
        c = self._c
        if reply.code in BAD_CODES:
            c.bad_commands += 1
            if c.bad_commands > c.settings.max_bad_commands:
                self._give_up("Too many invalid commands.")
                c.input.clear()
                c.pending = CLOSE
                return self._goodbye("4.7.0", c.logout)
        return reply.encode()

    def _advance(
        self, steps: Generator[Step, Any, bytes], written: list[bytes], result: Any, error: BaseException | None = None
    ) -> None:
        """Drive a command of several steps until it has to wait or is done."""
        try:
            step = steps.send(result) if error is None else steps.throw(error)
            while isinstance(step, bytes):
                written.append(step)
                step = next(steps)
            self.pending = step
        except StopIteration as end:
            self._steps = None
            written.append(end.value)
            self._take_pending()

    def _take_pending(self) -> None:
        self.pending, self._c.pending = self._c.pending, None

    def _give_up(self, reason: str) -> None:
        """End whatever is going on and release what it holds."""
        c = self._c
        c.logout = c.logout or reason
        if self._steps is not None:
            self._steps.close()
            self._steps = None
        c.reset()

    def _goodbye(self, status: str, reason: str) -> bytes:
        return Reply(421, status, f"{self._c.settings.hostname} {reason}").encode()

    def _event(self, name: str, **fields: Any) -> None:
        c = self._c
        c.services.delivering.event(name, session=c.session_id, remote_ip=c.peer.remote_ip, **fields)
