"""What a mailbox and a local Maildir hold, to see that a client moved everything once and then nothing."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from bench import corpus
from tests.parts import servers
from tests.parts.imap import login

MESSAGES = 5000
SECONDS = 280
TUID = re.compile(rb"^X-TUID: .*\n", re.MULTILINE)


def fill(folder: Path, messages: int = MESSAGES) -> None:
    """A Maildir of so many messages, without what servers keep in it."""
    source = corpus.cached(messages) / "u1"
    folder.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", str(source), str(folder)], check=True)
    for file in folder.glob("dovecot*"):
        file.unlink()


def give_to(server: servers.Server, user: str, messages: int = MESSAGES) -> None:
    """Let a user of the server have the messages."""
    fill(server.maildir(user), messages)
    servers.give(server.maildir(user), server.account)


def mailbox(server: servers.Server, user: str, name: str = "INBOX") -> list[bytes]:
    """UIDs and flags of all messages, and the next UID, as the server tells them."""
    connection = login(server.imap, user)
    state = connection.ok(b"STATUS %s (MESSAGES UIDNEXT UIDVALIDITY)" % name.encode())[0]
    connection.ok(b"EXAMINE " + name.encode())
    lines = connection.ok(b"UID FETCH 1:* (FLAGS)")[:-1]
    connection.close()
    return [state, *(line.replace(b"\\Recent", b"").replace(b" )", b")").replace(b"( ", b"(") for line in lines)]


def files(folder: Path) -> list[str]:
    """The message files of a Maildir."""
    return sorted(path.name for name in ("cur", "new") for path in (folder / name).iterdir())


def _size(data: bytes) -> int:
    """Line ends count once, the header of mbsync for its copies does not."""
    return len(TUID.sub(b"", data.replace(b"\r\n", b"\n")))


def near_sizes(folder: Path) -> list[int]:
    """The sizes of the messages of a local Maildir, in order."""
    return sorted(_size(path.read_bytes()) for name in ("cur", "new") for path in (folder / name).iterdir())


def far_sizes(server: servers.Server, user: str) -> list[int]:
    """The sizes of the messages of the user's INBOX, in order."""
    connection = login(server.imap, user)
    connection.ok(b"EXAMINE INBOX")
    messages = connection.ok(b"FETCH 1:* BODY.PEEK[]")[:-1]
    connection.close()
    return sorted(_size(message[message.index(b"\r\n") + 2 : -1]) for message in messages if b"BODY[]" in message[:40])


def run(
    command: list[str], home: Path, *, text: str | None = None, extra: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """A client, which must end without an error and without a complaint."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8", **(extra or {})}
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=SECONDS, env=environment)
    said = done.stdout[-3000:] + done.stderr[-3000:]
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}:\n{said}"
    return done


def missing(*programs: str) -> str:
    """The programs that are not installed."""
    return " ".join(program for program in programs if shutil.which(program) is None)
