"""The messages that the benchmark serves: a Maildir of N messages, the same on every machine.

Plain, alternative and mixed with an attachment; threads, flags, one message an hour from 2020 on; 6.8 KB each on
average. The Maildir is made once in a cache folder. `dovecot-uidlist` comes from a first SELECT by a real Dovecot, so
that a server can be measured at its first sight of a Maildir that Dovecot served before.
"""

import base64
import os
import random
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

from bench.client import Client
from tests.parts import servers

VERSION = 1  # part of the cache's name: raise it when the messages change
START = datetime(2020, 1, 1, tzinfo=UTC)
SYLLABLES = (
    "ba be bi bo da de do fa fo ga ge ha hu ka ke ko la le li lo ma me mi na ni no pa ra re ri sa se ta to vu zo"
)
WORD_COUNT = 6000
PEOPLE_COUNT = 800
THREAD_REACH = 50  # a reply answers one of the last so many messages


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What messages are made of."""

    words: tuple[str, ...]
    people: tuple[tuple[str, str], ...]  # name, address


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the corpus and what its file is called."""

    data: bytes
    message_id: str
    subject: str
    timestamp: int
    flags: str

    def file_name(self, number: int) -> str:
        crlf_size = len(self.data) + self.data.count(b"\n")
        return f"{self.timestamp}.M{number}P1.host,S={len(self.data)},W={crlf_size}:2,{self.flags}"


def vocabulary(dice: random.Random) -> Vocabulary:
    syllables = SYLLABLES.split()
    words = sorted({"".join(dice.choices(syllables, k=dice.randint(2, 5))) for _ in range(WORD_COUNT)})
    pick = dice.choice
    people = [
        (f"{pick(words).title()} {pick(words).title()}", f"{pick(words)}{number}@{pick(words)}.example")
        for number in range(PEOPLE_COUNT)
    ]
    return Vocabulary(tuple(words), tuple(people))


def message(dice: random.Random, vocabulary: Vocabulary, number: int, earlier: list[tuple[str, str]]) -> Message:
    """The message of this number; `earlier` are the Message-IDs and subjects it may answer."""
    date = START + timedelta(hours=number, minutes=dice.randrange(60))
    name, address = dice.choice(vocabulary.people)
    recipients = [dice.choice(vocabulary.people) for _ in range(dice.choice((1, 1, 1, 2, 4)))]
    message_id = f"<{number}.{dice.getrandbits(48):x}@{address.partition('@')[2]}>"
    subject = " ".join(dice.choices(vocabulary.words, k=dice.randint(3, 8)))
    headers = [f"Return-Path: <{address}>", *_received(dice, vocabulary, date)]
    headers += [f"Date: {format_datetime(date)}", f"From: {name} <{address}>"]
    headers.append("To: " + ",\n\t".join(f'"{name}" <{address}>' for name, address in recipients))
    if earlier and dice.random() < 0.4:
        parent_id, subject = dice.choice(earlier[-THREAD_REACH:])
        headers += [f"In-Reply-To: {parent_id}", f"References: {parent_id}", f"Subject: Re: {subject}"]
    else:
        headers.append(f"Subject: {subject}")
    headers += [f"Message-ID: {message_id}", "X-Mailer: Example 1.0", _signature(dice), "MIME-Version: 1.0"]
    data = "\n".join(headers) + "\n" + _body(dice, vocabulary, number)
    return Message(data.encode(), message_id, subject, int(date.timestamp()), _flags(dice))


def _received(dice: random.Random, vocabulary: Vocabulary, date: datetime) -> list[str]:
    return [
        f"Received: from mx{hop}.{dice.choice(vocabulary.words)}.example (mx{hop} [192.0.2.{dice.randrange(255)}])\n"
        f"\tby mail.example.org (Postfix) with ESMTPS id {dice.getrandbits(40):X}\n"
        f"\tfor <u1@example.org>; {format_datetime(date)}"
        for hop in range(3)
    ]


def _signature(dice: random.Random) -> str:
    digest, signature = (base64.b64encode(dice.randbytes(size)).decode() for size in (32, 120))
    return (
        "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=sel;\n"
        f"\th=from:to:subject:date; bh={digest};\n\tb={signature}"
    )


def _text(dice: random.Random, vocabulary: Vocabulary, lines: int) -> str:
    return "\n".join(" ".join(dice.choices(vocabulary.words, k=11)) for _ in range(lines))


def _body(dice: random.Random, vocabulary: Vocabulary, number: int) -> str:
    """The content headers, an empty line and the body."""
    kind = dice.random()
    if kind < 0.4:
        text = _text(dice, vocabulary, dice.randrange(5, 40))
        return f"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{text}\n"
    if kind < 0.85:
        text = _text(dice, vocabulary, dice.randrange(5, 30))
        html = f"<html><body><p>{text}</p></body></html>"
        parts = [("text/plain; charset=utf-8", text), ("text/html; charset=utf-8", html)]
        return _multipart("alternative", f"alternative-{number}", parts)
    attachment = base64.encodebytes(dice.randbytes(dice.randrange(2000, 30000))).decode()
    document = f'application/pdf; name="f{number}.pdf"\nContent-Disposition: attachment; filename="f{number}.pdf"'
    document += "\nContent-Transfer-Encoding: base64"
    parts = [("text/plain; charset=utf-8", _text(dice, vocabulary, 10)), (document, attachment)]
    return _multipart("mixed", f"mixed-{number}", parts)


def _multipart(subtype: str, boundary: str, parts: list[tuple[str, str]]) -> str:
    inner = "".join(f"--{boundary}\nContent-Type: {head}\n\n{text}\n" for head, text in parts)
    return f'Content-Type: multipart/{subtype}; boundary="{boundary}"\n\n{inner}--{boundary}--\n'


def _flags(dice: random.Random) -> str:
    chances = (("F", 0.05), ("R", 0.1), ("S", 0.7))
    return "".join(letter for letter, chance in chances if dice.random() < chance)


def write_maildir(folder: Path, count: int, progress: Callable[[], object]) -> None:
    """Write the messages into a new Maildir."""
    dice = random.Random(7)
    words = vocabulary(dice)
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir(parents=True)
    earlier: list[tuple[str, str]] = []
    for number in range(count):
        made = message(dice, words, number, earlier)
        earlier.append((made.message_id, made.subject))
        file = folder / "cur" / made.file_name(number)
        file.write_bytes(made.data)
        os.utime(file, (made.timestamp, made.timestamp))
        progress()


def cache_folder() -> Path:
    """Where corpora are kept; not in a home folder, which the mail user may not enter."""
    return Path(os.environ.get("DOOCOT_BENCH_CACHE", f"/var/tmp/doocot-bench-{os.getuid()}"))


def cached(count: int, progress: Callable[[], object] = lambda: None) -> Path:
    """The Maildir of `count` messages with its uidlist, made now if this is the first time."""
    final = cache_folder() / f"corpus-{VERSION}-{count}"
    if final.exists():
        return final
    building = final.with_name(f"{final.name}.{os.getpid()}")
    building.mkdir(parents=True)
    write_maildir(building / "u1", count, progress)
    servers.give(building, servers.mail_account())
    with servers.work_folder("bench") as folder, servers.dovecot(folder, mail=building) as dovecot:
        client = Client(dovecot.imap)
        client.login("u1", servers.PASSWORD)
        client.command("SELECT INBOX")
        client.command("LOGOUT")
    maildir = building / "u1"
    for file in [*maildir.glob("dovecot.*"), *maildir.glob("dovecot-uidvalidity*"), *maildir.glob("maildirfolder")]:
        file.unlink()
    try:
        building.rename(final)
    except OSError:  # another process was quicker
        shutil.rmtree(building)
    return final


def fresh_copy(corpus: Path, mail: Path) -> None:
    """A copy of the corpus to be served: its own folders over the same files (both servers never write into a message).

    Hard links where the file system allows: a copy takes a second, and the files are in memory once for both servers.
    """
    source, target = corpus / "u1", mail / "u1"
    linked = subprocess.run(["cp", "-al", str(source), str(target)], capture_output=True)
    if linked.returncode != 0:
        shutil.rmtree(target, ignore_errors=True)
        subprocess.run(["cp", "-a", str(source), str(target)], check=True)
    for name in ("dovecot-uidlist", "dovecot-keywords"):  # the files that a server does write
        if (source / name).exists():
            (target / name).unlink()
            subprocess.run(["cp", "-a", str(source / name), str(target / name)], check=True)


def read_all(corpus: Path) -> int:
    """Read every file once, so that no row measures the disk; how many bytes."""
    return sum(len(file.read_bytes()) for file in (corpus / "u1" / "cur").iterdir())
