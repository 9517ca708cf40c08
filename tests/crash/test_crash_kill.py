"""Processes of a real server are killed at random while clients write: nothing acknowledged is lost (rules 1 and 2).

Writers in threads APPEND, deliver by LMTP, COPY, MOVE, STORE and EXPUNGE, each its own messages in mailboxes that all
share. A third of the kills takes the whole server. Nothing waits by the clock: the next kill comes when clients have
got a few answers since the last.
"""

import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from tests.parts.imap import Connection, login
from tests.parts.servers import CONFIGURATION, HOST, certificate, free_ports, give, mail_account, work_folder

KILLS = 200
USERS = ("anna", "bela")
MAILBOXES = ("INBOX", "Two", "Three")
WRITERS = 6
ANSWERS = 12  # between two kills
SECONDS = 60.0  # for a few answers: far more than a start takes

Place = tuple[str, str]  # user, mailbox


@dataclass
class Ledger:
    """What the clients were told. `must`: where a message is for sure; `may`: where it is perhaps."""

    must: dict[str, set[Place]] = field(default_factory=dict)
    may: dict[str, set[Place]] = field(default_factory=dict)
    either: list[tuple[str, Place, Place]] = field(default_factory=list)  # a MOVE without an answer
    flagged: set[tuple[str, Place]] = field(default_factory=set)
    uids: dict[tuple[Place, int, int], str] = field(default_factory=dict)
    gone: set[tuple[Place, int, int]] = field(default_factory=set)  # moved or expunged, and answered so
    wrong: list[str] = field(default_factory=list)
    answers: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def answered(self) -> None:
        with self.changed:
            self.answers += 1
            self.changed.notify_all()

    def named(self, place: Place, validity: int, uid: int, token: str) -> None:
        """Rule 2: this UID was told for this message."""
        with self.changed:
            before = self.uids.setdefault((place, validity, uid), token)
        if before != token:
            self.wrong.append(f"{place} UID {uid} was {before}, is {token}")

    def wait(self, number: int) -> None:
        """Until clients have got so many answers in all."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.answers >= number or bool(self.wrong), SECONDS), "no answers"
        assert not self.wrong, self.wrong


class Gone(Exception):
    """The server went away under a command: nobody knows whether it was done."""


@dataclass
class Writer:
    """One client: a user and a mailbox at a time, until it is told to stop."""

    number: int
    ports: tuple[int, int]
    ledger: Ledger
    stop: threading.Event
    chance: random.Random
    count: int = 0
    connection: Connection | None = None
    place: Place = ("", "")
    validity: int = 0
    mine: dict[str, int] = field(default_factory=dict)  # messages in the selected mailbox, by UID

    def run(self) -> None:
        while not self.stop.is_set():
            try:
                self.step()
            except (OSError, EOFError, Gone):
                if self.connection is not None:
                    self.connection.close()
                self.connection = None

    def step(self) -> None:
        if self.connection is None or not self.chance.randrange(20):
            self.select()
        self.chance.choice((self.append, self.append, self.deliver, self.copy, self.move, self.flag, self.expunge))()

    def ask(self, line: bytes) -> list[bytes]:
        """A command; a NO of a server that is just restarting is as good as none."""
        assert self.connection is not None
        answers = self.connection.command(line)
        if answers[-1].split(b" ")[1] != b"OK":
            raise Gone(answers[-1])
        return answers

    def select(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None
        user = self.chance.choice(USERS)
        self.place, self.mine = (user, self.chance.choice(MAILBOXES)), {}
        try:
            self.connection = login(self.ports[0], user)
        except AssertionError as error:
            raise Gone(str(error)) from error
        said = self.ask(b"SELECT " + self.place[1].encode())
        found = re.search(rb"UIDVALIDITY (\d+)", b"\n".join(said))
        assert found is not None
        self.validity = int(found[1])
        self.mine = {token: uid for token, uid, _ in self.seen() if token.startswith(f"w{self.number}-")}

    def seen(self) -> Iterator[tuple[str, int, bytes]]:
        """(token, UID, flags) of what is in the selected mailbox."""
        for line in self.ask(b"UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])"):
            uid, flags = re.search(rb"UID (\d+)", line), re.search(rb"FLAGS \(([^)]*)\)", line)
            token = re.search(rb"Subject: (\S+)", line)
            if uid and token and flags:
                self.ledger.named(self.place, self.validity, int(uid[1]), token[1].decode())
                yield token[1].decode(), int(uid[1]), flags[1]

    def new(self) -> tuple[str, bytes]:
        self.count += 1
        token = f"w{self.number}-{self.count}"
        return token, b"Subject: %s\r\n\r\n%s\r\n" % (token.encode(), token.encode() * self.chance.randrange(1, 400))

    def doing(self, token: str, place: Place, act: Callable[[], None]) -> None:
        """While it lasts the message may be there, afterwards it must."""
        self.ledger.may.setdefault(token, set()).add(place)
        act()
        self.ledger.must.setdefault(token, set()).add(place)
        self.ledger.answered()

    def append(self) -> None:
        token, data = self.new()

        def act() -> None:
            said = self.ask(b"APPEND %s {%d+}\r\n%s" % (self.place[1].encode(), len(data), data))[-1]
            found = re.search(rb"APPENDUID (\d+) (\d+)", said)
            assert found is not None, said
            self.ledger.named(self.place, int(found[1]), int(found[2]), token)
            self.mine[token] = int(found[2])

        self.doing(token, self.place, act)

    def deliver(self) -> None:
        token, data = self.new()
        user = self.chance.choice(USERS)

        def act() -> None:
            with socket.create_connection((HOST, self.ports[1]), SECONDS) as s, s.makefile("rb") as lines:
                for line in (None, "LHLO x", "MAIL FROM:<a@b.c>", f"RCPT TO:<{user}>", "DATA"):
                    if line is not None:
                        s.sendall(line.encode() + b"\r\n")
                    reply(lines)
                s.sendall(data + b".\r\n")
                reply(lines)

        self.doing(token, (user, "INBOX"), act)

    def other(self) -> tuple[str, int, Place] | None:
        """One of its messages here, and another mailbox."""
        if not self.mine:
            return None
        token = self.chance.choice(sorted(self.mine))
        target = self.chance.choice([name for name in MAILBOXES if name != self.place[1]])
        return token, self.mine[token], (self.place[0], target)

    def copied(self, verb: bytes, token: str, uid: int, place: Place) -> None:
        said = b"\n".join(self.ask(b"UID %s %d %s" % (verb, uid, place[1].encode())))
        found = re.search(rb"COPYUID (\d+) \d+ (\d+)", said)
        if found is None:
            raise Gone("nothing was copied")
        self.ledger.named(place, int(found[1]), int(found[2]), token)

    def copy(self) -> None:
        chosen = self.other()
        if chosen is not None:
            token, uid, place = chosen
            self.doing(token, place, lambda: self.copied(b"COPY", token, uid, place))

    def move(self) -> None:
        chosen = self.other()
        if chosen is None:
            return
        token, uid, place = chosen
        self.leaves(token)
        try:
            self.doing(token, place, lambda: self.copied(b"MOVE", token, uid, place))
        except (OSError, EOFError, Gone):
            with self.ledger.changed:
                self.ledger.either.append((token, self.place, place))
            raise
        self.ledger.gone.add((self.place, self.validity, uid))

    def leaves(self, token: str) -> None:
        """The message that is here (we have its UID) is about to be taken away."""
        self.ledger.must.get(token, set()).discard(self.place)
        self.ledger.flagged.discard((token, self.place))
        with self.ledger.changed:
            self.ledger.either = [one for one in self.ledger.either if one[0] != token]
        self.mine.pop(token)

    def flag(self) -> None:
        chosen = self.other()
        if chosen is None:
            return
        token, uid, _ = chosen
        said = self.ask(rb"UID STORE %d +FLAGS (\Flagged Work)" % uid)
        if any(b"FETCH" in line for line in said) and (token, self.place) not in self.ledger.flagged:
            self.ledger.flagged.add((token, self.place))
        self.ledger.answered()

    def expunge(self) -> None:
        chosen = self.other()
        if chosen is None:
            return
        token, uid, _ = chosen
        self.leaves(token)
        self.ask(rb"UID STORE %d +FLAGS.SILENT (\Deleted)" % uid)
        self.ask(b"UID EXPUNGE %d" % uid)
        self.ledger.gone.add((self.place, self.validity, uid))
        self.ledger.answered()


def reply(lines: BinaryIO) -> None:
    """One reply of LMTP; anything but success means that it is not done."""
    while True:
        line = lines.readline()
        if not line or line[:1] not in b"23":
            raise Gone(line)
        if line[3:4] != b"-":
            return


@dataclass
class House:
    """The server, started again whenever it ends, as systemd does it; always on the same ports.

    (A server also ends by itself: when a worker is killed while the server starts.)
    """

    configuration: Path
    output: Path
    ports: tuple[int, int]
    process: "subprocess.Popen[bytes]"
    leaving: bool = False
    keeper: threading.Thread | None = None

    def keep(self) -> None:
        """Starts the server again and again."""
        while not self.leaving:
            self.process.wait()
            if not self.leaving:
                self.process = start(self.configuration, self.output)

    def children(self) -> list[int]:
        pid = self.process.pid
        try:
            return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        except FileNotFoundError:
            return []

    def kill_one(self, chance: random.Random) -> int:
        children = self.children()
        if not children:
            return 0
        try:
            os.kill(chance.choice(children), signal.SIGKILL)
        except ProcessLookupError:
            return 0
        return 1

    def kill_all(self) -> int:
        count = 1 + len(self.children())
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return 0
        return count

    def end(self) -> None:
        self.leaving = True
        self.process.terminate()
        self.process.wait(SECONDS)


def start(configuration: Path, output: Path) -> "subprocess.Popen[bytes]":
    with open(output, "ab") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "doocot.main.cli", "serve", "-c", str(configuration), "--workers", "2"],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )


@contextmanager
def house() -> Iterator[tuple[House, Path]]:
    with work_folder("crash") as folder:
        account = mail_account()
        for name in ("run", "home", "mail"):
            (folder / name).mkdir()
        certificate(folder)
        for name in ("home", "mail"):
            os.chown(folder / name, account.uid, account.gid)
        imap, imaps, lmtp = free_ports(3)
        text = CONFIGURATION.format(
            folder=folder,
            run=folder / "run",
            log=folder / "doocot.log",
            mail=folder / "mail",
            home=folder / "home",
            uid=account.uid,
            gid=account.gid,
            first_uid=min(500, account.uid),
            imap=imap,
            imaps=imaps,
            lmtp=lmtp,
        )
        file = folder / "doocot.conf"
        file.write_text(text)
        server = House(file, folder / "out", (imap, lmtp), start(file, folder / "out"))
        server.keeper = threading.Thread(target=server.keep)
        server.keeper.start()
        try:
            yield server, folder
        finally:
            server.leaving = True
            server.kill_all()
            server.keeper.join()


def make_mailboxes(port: int) -> None:
    for user in USERS:
        connection = until_it_answers(port, user)
        for name in MAILBOXES[1:]:
            connection.ok(b"CREATE " + name.encode())
        connection.close()


def until_it_answers(port: int, user: str) -> Connection:
    """Connects again and again while the server starts: the kernel says at once whether somebody listens."""
    for _ in range(100_000):
        try:
            return login(port, user)
        except (OSError, EOFError):
            continue
    raise AssertionError("the server does not start")


def kill_and_start(server: House, ledger: Ledger, chance: random.Random) -> int:
    killed = rounds = 0
    while killed < KILLS:
        ledger.wait(ledger.answers + ANSWERS)
        rounds += 1
        if rounds % 3:
            killed += server.kill_one(chance)
        else:
            killed += server.kill_all()
    return killed


def look(reader: Writer, name: str) -> list[tuple[str, int, bytes]]:
    """All of a mailbox.

    The second look is for a message whose EXPUNGE was committed by a worker that was killed before it told: until
    its end is noticed, a fresh SELECT elsewhere may still show it.
    """
    for last in (False, True):
        said = b"\n".join(reader.ask(b"SELECT " + name.encode()))
        match = re.search(rb"UIDVALIDITY (\d+)", said)
        assert match is not None
        reader.validity = int(match[1])
        try:
            return list(reader.seen())
        except Gone as answer:
            if last or b"[EXPUNGEISSUED]" not in answer.args[0]:
                raise
    raise AssertionError("unreachable")


def check_everything(ledger: Ledger, port: int) -> None:
    """Every mailbox as a client sees it, against what was told."""
    found: dict[str, set[Place]] = {}
    flags: dict[tuple[str, Place], list[bytes]] = {}
    present: set[tuple[Place, int, int]] = set()
    reader = Writer(0, (port, 0), ledger, threading.Event(), random.Random(0))
    for user in USERS:
        reader.connection = until_it_answers(port, user)
        for name in MAILBOXES:
            reader.place = (user, name)
            for token, uid, words in look(reader, name):
                present.add((reader.place, reader.validity, uid))
                found.setdefault(token, set()).add(reader.place)
                flags.setdefault((token, reader.place), []).append(words)
        reader.connection.close()
    assert not ledger.wrong, ledger.wrong
    lost = {token: places - found.get(token, set()) for token, places in ledger.must.items()}
    assert not {token: places for token, places in lost.items() if places}
    assert not [one for one in ledger.either if not {one[1], one[2]} & found.get(one[0], set())]
    assert not present & ledger.gone
    assert not {token: places for token, places in found.items() if not places <= ledger.may.get(token, set())}
    unflagged = [
        one for one in ledger.flagged if not any(b"Flagged" in words for words in flags.get(one, [b"Flagged"]))
    ]
    assert not unflagged


def test_kills_lose_nothing() -> None:
    chance = random.Random(4)
    with house() as (server, folder):
        make_mailboxes(server.ports[0])
        ledger, stop = Ledger(), threading.Event()
        writers = [Writer(n, server.ports, ledger, stop, random.Random(n)) for n in range(1, WRITERS + 1)]
        threads = [threading.Thread(target=writer.run) for writer in writers]
        for thread in threads:
            thread.start()
        try:
            killed = kill_and_start(server, ledger, chance)
            ledger.wait(ledger.answers + ANSWERS)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert killed >= KILLS
        check_everything(ledger, server.ports[0])
        server.end()
        give(folder / "mail", mail_account())
        for user in USERS:
            done = subprocess.run(
                [sys.executable, "-m", "doocot.main.cli", "fsck", "-c", str(server.configuration), "-u", user],
                capture_output=True,
                text=True,
                check=False,
            )
            assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
