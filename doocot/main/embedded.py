"""The embedded default: what `doocot serve` needs when there is no configuration file, made at the first start.

Everything is in one folder (`--state`): certificate and key in `tls`, accounts in `users`, mail in `mail`, sockets in
`run`. The first start makes a demo account with a random password and a message in its INBOX, and says how to go on.
"""

import os
import secrets
import socket
import time
from collections.abc import Iterable, Sequence
from email.utils import formatdate
from pathlib import Path
from typing import Final

from doocot.auth.schemes import make
from doocot.main.identity import Identity
from doocot.main.plan import Listening
from doocot.main.source import Source
from doocot.net.tls import ensure_self_signed

DEMO: Final = "demo"
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that looks like something else


def prepare(source: Source, identity: Identity) -> str:
    """Make what is missing; gives the password of the demo account if that was made now, else ""."""
    folder = source.folder
    folder.mkdir(parents=True, exist_ok=True, mode=0o755)
    ensure_self_signed(folder / "tls", _names)
    made = []
    for name, mode in (("mail", 0o700), ("run", 0o755)):
        (folder / name).mkdir(exist_ok=True, mode=mode)
        made.append(folder / name)
    accounts = folder / "users"
    password = ""
    if not accounts.exists():
        password = "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(3))
        line = f"{DEMO}:{make('SHA512-CRYPT', password.encode())}::::::\n"
        descriptor = os.open(accounts, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(line)
        made += [accounts, *_welcome(folder / "mail" / DEMO / "Maildir")]
    _give((folder, *made), identity)
    return password


def _names() -> Sequence[str]:
    """What a client of the same machine or network may call this server."""
    names = dict.fromkeys(("localhost", socket.gethostname(), socket.getfqdn(), "127.0.0.1", "::1"))
    return [name for name in names if name]


def _give(paths: Iterable[Path], identity: Identity) -> None:
    if identity.uid >= 0:
        for path in paths:
            os.chown(path, identity.uid, identity.gid)


def _welcome(maildir: Path) -> list[Path]:
    """The first message, delivered as any MTA would (https://cr.yp.to/proto/maildir.html): tmp, then new."""
    folders = [maildir.parent, maildir, *(maildir / name for name in ("tmp", "new", "cur"))]
    for folder in folders:
        folder.mkdir(mode=0o700, exist_ok=True, parents=True)
    host = socket.gethostname()
    text = _WELCOME.format(date=formatdate(localtime=True), host=host, id=secrets.token_hex(8), user=DEMO)
    data = text.replace("\n", "\r\n").encode()
    name = f"{time.time():.0f}.M{time.time_ns() // 1000 % 1_000_000}P{os.getpid()}.{host},S={len(data)}"
    (maildir / "tmp" / name).write_bytes(data)
    (maildir / "tmp" / name).rename(maildir / "new" / name)
    return [*folders, maildir / "new" / name]


def greeting(source: Source, addresses: Sequence[tuple[Listening, str]], password: str) -> str:
    """What `doocot serve` prints when it is ready."""
    lines = ["", "Doocot is ready.", ""]
    by_name: dict[str, list[str]] = {}
    for listening, address in addresses:
        by_name.setdefault(_label(listening), []).append(address)
    lines += [f"  {name:12} {', '.join(found)}" for name, found in by_name.items()]
    shown = password or "(as printed at the first start; new one: doocot user passwd demo)"
    lines += ["", f"  {'user':12} {DEMO}", f"  {'password':12} {shown}", f"  {'files':12} {source.folder}", ""]
    secured = next((address for each, address in addresses if each.protocol == "imap" and each.tls), "")
    lmtp = next((address for each, address in addresses if each.protocol == "lmtp" and each.address.port), "")
    state = f" --state {source.folder}" if source.state else ""
    if secured:
        certificate = source.folder / "tls" / "cert.pem"
        account = f"{DEMO}:{password or 'PASSWORD'}"
        lines += [
            "Read the welcome message:",
            f'  curl --cacert {certificate} -u {account} "imaps://{secured}/INBOX;UID=1"',
        ]
    if lmtp:
        host, _, port = lmtp.rpartition(":")
        lines += ["Deliver one more:", f"  swaks --protocol LMTP --server {host} --port {port} --to {DEMO}"]
    lines += [
        "Next:",
        f"  doocot user add NAME{state}",
        "  doocot serve -c /etc/dovecot/dovecot.conf   # serve the mailboxes that are there already",
        "  Ctrl-C stops",
        "",
    ]
    return "\n".join(lines)


def _label(listening: Listening) -> str:
    return f"{listening.protocol.upper()}{'S' if listening.tls else ''}"


_WELCOME: Final = """\
Return-Path: <postmaster@localhost>
Date: {date}
From: Doocot <postmaster@localhost>
To: {user}@localhost
Subject: Welcome to Doocot
Message-ID: <{id}@{host}>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 7bit

Welcome!

This mailbox is a Maildir, one file per message, and stays one: any other
program may read it or deliver to it. Doocot keeps an index beside it and
can rebuild that from the files at any time.

To add accounts:            doocot user add NAME
To see who is logged in:    doocot who
To serve what Dovecot has:  doocot serve -c /etc/dovecot/dovecot.conf
"""
