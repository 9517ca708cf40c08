"""An IMAP session with a Maildir of given messages selected, without a socket and without a login."""

import asyncio
import os
from pathlib import Path
from typing import Any

from doocot.auth.settings import AuthSettings
from doocot.auth.types import AuthResult
from doocot.errors import MailError
from doocot.imap.command import State
from doocot.imap.commands import COMMANDS
from doocot.imap.context import ImapContext
from doocot.imap.session import ImapSession
from doocot.mailbox.roots import Roots
from doocot.mailbox.user import Mail
from doocot.store.files import Files, MailFsync
from doocot.store.root import Location
from doocot.wire.flow import Job, More, Peer


def nothing_happens(name: str, /, **fields: Any) -> None:
    """Events are for other tests."""


def make_maildir(path: Path, messages: list[tuple[bytes, str, int]]) -> None:
    """Messages of (content, flag letters, mtime) with the UIDs 1, 2, 3 ... given by dovecot-uidlist."""
    for part in ("cur", "new", "tmp"):
        (path / part).mkdir(parents=True)
    listed = [f"3 V1000 N{len(messages) + 1}"]
    for uid, (content, letters, mtime) in enumerate(messages, 1):
        file = path / "cur" / f"{1_000_000_000 + uid}.odd:2,{letters}"
        file.write_bytes(content)
        os.utime(file, (mtime, mtime))
        listed.append(f"{uid} :{1_000_000_000 + uid}.odd")
    (path / "dovecot-uidlist").write_text("\n".join(listed) + "\n")


def context_for_search() -> ImapContext:
    """Everything is allowed, nothing is told to anybody."""
    return ImapContext(
        AuthSettings(),
        lambda request: AuthResult(None),
        lambda user: None,  # type: ignore[arg-type, return-value]
        nothing_happens,
        lambda: "session",
        lambda seconds: Job(lambda: None),
    )


class Searcher:
    """One session; `mores` and `jobs` count what the last command left to net."""

    def __init__(self, roots: Roots, path: Path) -> None:
        self.session = ImapSession(context_for_search(), COMMANDS)
        self.session.connected(Peer())
        location = Location(str(path))
        self.session.mail = Mail(roots, location, roots.acquire(location))
        self.session.state = State.AUTHENTICATED
        self.session.user = "me"
        self.session.frames.max_line = 1 << 20
        self.mores = self.jobs = 0
        assert b"a OK" in self.send(b"a SELECT INBOX")

    def send(self, line: bytes) -> bytes:
        """All that is answered to one line."""
        self.mores = self.jobs = 0
        answer = self.session.receive(line + b"\r\n")
        while (pending := self.session.pending) is not None:
            self.session.pending = None
            result = None
            if isinstance(pending, Job):
                self.jobs += 1
                try:
                    result = asyncio.run(_awaited(pending)) if pending.awaited else pending.call()
                except MailError as error:
                    answer += self.session.fail(error)
                    continue
            else:
                assert isinstance(pending, More), pending
                self.mores += 1
            answer += self.session.resume(result)
        return answer

    def search(self, keys: bytes, command: bytes = b"SEARCH") -> list[int]:
        """The numbers of the `* SEARCH` response to that program."""
        answer = self.send(b"s %b %b" % (command, keys))
        lines = answer.split(b"\r\n")
        assert lines[-2].startswith(b"s OK"), answer
        (found,) = [line for line in lines if line.startswith(b"* SEARCH")]
        return [int(number) for number in found.partition(b" (")[0].split()[2:]]


async def _awaited(job: Job) -> Any:
    return await job.call()


def open_roots() -> Roots:
    """Roots that sync nothing."""
    return Roots(Files(MailFsync.NEVER))
