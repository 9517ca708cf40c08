"""Real servers on loopback for tests and benchmarks: Debian's Dovecot 2.3 and Doocot, from one configuration.

Every user name logs in with the password `pass`; the mail of user u1 is in `Server.maildir("u1")`. A server is ready
when its ports greet, it is ended by its process id, and its log is shown when it does not start.
"""

import getpass
import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from subprocess import Popen
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PASSWORD = "pass"
HOST = "127.0.0.1"
VMAIL_UID = 5000
START_SECONDS = 60.0
STOP_SECONDS = 60.0
ATTEMPTS = 3  # a port that was free may be taken before the server binds it
DOVECOT = "/usr/sbin/dovecot"

CONFIGURATION = """\
base_dir = {run}
state_dir = {run}
log_path = {log}
protocols = imap lmtp
listen = 127.0.0.1
mail_max_userip_connections = 10000
default_process_limit = 3000
default_client_limit = 9000
ssl = yes
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/key.pem
disable_plaintext_auth = no
mail_location = maildir:{mail}/%u
mail_attribute_dict = file:%h/dovecot-attributes
imap_urlauth_host = localhost
mail_uid = {uid}
mail_gid = {gid}
first_valid_uid = {first_uid}
passdb {{
  driver = static
  args = password=pass
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={home}/%u allow_all_users=yes
}}
namespace inbox {{
  inbox = yes
  mailbox Drafts {{
    special_use = \\Drafts
  }}
  mailbox Junk {{
    special_use = \\Junk
  }}
  mailbox Sent {{
    special_use = \\Sent
  }}
  mailbox Trash {{
    special_use = \\Trash
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
"""

# Dovecot started by an ordinary user: nothing to drop to and nothing to lock itself into.
UNPRIVILEGED = """\
default_login_user = {name}
default_internal_user = {name}
default_internal_group = {group}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
}}
"""


# What Dovecot needs for METADATA, which Doocot offers without being asked.
METADATA = "imap_metadata = yes\nmail_attribute_dict = file:%h/dovecot-attributes\n"


class ServerError(Exception):
    """A server that did not start or did not end, with the end of its log."""


@dataclass(frozen=True, slots=True)
class Account:
    """The system user who owns the mail."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: where it listens and where its files are."""

    name: str
    pid: int
    folder: Path
    mail: Path
    log: Path
    configuration: Path
    imap: int
    imaps: int
    lmtp: int
    account: Account

    def maildir(self, user: str) -> Path:
        """The Maildir of a user; it is there after his first login or delivery."""
        return self.mail / user

    def log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""


Running: TypeAlias = AbstractContextManager[Server]


@contextmanager
def work_folder(name: str = "doocot") -> Iterator[Path]:
    """A temporary folder that the mail user may enter (pytest's own are closed to other users)."""
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def mail_account() -> Account:
    """The user `vmail` (made when root and missing), or whoever runs the tests."""
    if os.getuid() != 0:
        return Account(os.getuid(), os.getgid())
    try:
        entry = pwd.getpwuid(VMAIL_UID)
    except KeyError:
        command = ["useradd", "--system", "--uid", str(VMAIL_UID), "--user-group", "--no-create-home"]
        made = subprocess.run([*command, "--shell", "/usr/sbin/nologin", "vmail"], capture_output=True, text=True)
        try:  # another test process may have been quicker
            entry = pwd.getpwuid(VMAIL_UID)
        except KeyError:
            raise ServerError(f"useradd vmail: {made.stderr.strip()}") from None
    return Account(entry.pw_uid, entry.pw_gid)


def give(folder: Path, account: Account) -> None:
    """Make the mail user the owner of a folder and all that is in it."""
    if os.getuid() != 0:
        return
    os.chown(folder, account.uid, account.gid)
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(os.path.join(parent, name), account.uid, account.gid, follow_symlinks=False)


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago."""
    sockets = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def certificate(folder: Path) -> None:
    """A self-signed certificate for 127.0.0.1 and localhost in `folder`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address(HOST))])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=30))
    signed = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    encoding, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
    secret = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, no_password)
    (folder / "key.pem").write_bytes(secret)
    (folder / "key.pem").chmod(0o600)
    (folder / "cert.pem").write_bytes(signed.public_bytes(encoding))


def has_dovecot() -> bool:
    return os.access(DOVECOT, os.X_OK)


@contextmanager
def dovecot(folder: Path, *, mail: Path | None = None, extra: str = "") -> Iterator[Server]:
    """Debian's Dovecot 2.3; its files go under `folder`, mail into `mail` (default `folder`/mail)."""
    if os.getuid() != 0:
        group = grp.getgrgid(os.getgid()).gr_name
        extra = UNPRIVILEGED.format(name=getpass.getuser(), group=group) + extra
    with _launched("dovecot", (DOVECOT, "-F", "-c"), folder, mail, extra) as server:
        yield server


@contextmanager
def doocot(folder: Path, *, mail: Path | None = None, extra: str = "") -> Iterator[Server]:
    """Doocot of this checkout; as `dovecot`."""
    program = Path(sys.executable).with_name("doocot")
    with _launched("doocot", (str(program), "serve", "-c"), folder, mail, extra) as server:
        yield server


def launcher(name: str) -> Callable[..., Running]:
    """`dovecot` or `doocot` by name, for programs with `--server`."""
    return {"dovecot": dovecot, "doocot": doocot}[name]


@contextmanager
def _launched(name: str, command: Sequence[str], folder: Path, mail: Path | None, extra: str) -> Iterator[Server]:
    process, server = _start(name, command, folder, mail, extra)
    try:
        yield server
    finally:
        _stop(process, server)


def _start(
    name: str, command: Sequence[str], folder: Path, mail: Path | None, extra: str
) -> tuple["Popen[bytes]", Server]:
    account = mail_account()
    home, mail = folder / "home", mail or folder / "mail"
    for path in (folder / "run", home, mail):
        path.mkdir(parents=True, exist_ok=True)
    for path in (home, mail):
        if os.getuid() == 0:
            os.chown(path, account.uid, account.gid)
    if not (folder / "cert.pem").exists():
        certificate(folder)
    for _ in range(ATTEMPTS):
        imap, imaps, lmtp = free_ports(3)
        log = folder / f"{name}.log"
        values: dict[str, object] = {"folder": folder, "run": folder / "run", "log": log, "mail": mail, "home": home}
        values |= {"uid": account.uid, "gid": account.gid, "first_uid": min(500, account.uid)}
        text = CONFIGURATION.format(**values, imap=imap, imaps=imaps, lmtp=lmtp) + extra
        file = folder / f"{name}.conf"
        file.write_text(text)
        with open(folder / f"{name}.out", "wb") as output:
            process = Popen([*command, str(file)], stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        server = Server(name, process.pid, folder, mail, log, file, imap, imaps, lmtp, account)
        if all(_greets(process, port) for port in (imap, lmtp)):
            return process, server
        _stop(process, server)
        said = (folder / f"{name}.out").read_text(errors="replace")[-4000:] + server.log_text()[-4000:]
        if "already in use" not in said:
            break
    raise ServerError(f"{name} did not start with {file}:\n{said}")


def _greets(process: "Popen[bytes]", port: int) -> bool:
    """Whether the server says something on `port` before it ends or START_SECONDS are over."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with socket.create_connection((HOST, port), timeout=START_SECONDS) as s:
                if s.recv(1024):
                    return True
        except OSError:
            if _wait(process, 0.02):
                return False
    return False


def _wait(process: "Popen[bytes]", seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _stop(process: "Popen[bytes]", server: Server) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    if not _wait(process, STOP_SECONDS):
        process.kill()
        process.wait()
        raise ServerError(f"{server.name} did not end {STOP_SECONDS:.0f} s after SIGTERM:\n{server.log_text()[-4000:]}")
