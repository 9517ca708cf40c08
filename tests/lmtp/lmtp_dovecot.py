"""Debian's Dovecot as LMTP server of its own, in a temporary folder, on a port that was free."""

import os
import shutil
import signal
import socket
import subprocess
from collections import defaultdict
from pathlib import Path

from lmtp_house import GREETING, HOSTNAME, USERS

NOBODY = 65534
OPENSSL = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost")
ATTEMPTS = 5  # the port may be taken between our look and Dovecot's

CONFIG = """
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
protocols = lmtp
listen = 127.0.0.1
hostname = {hostname}
login_greeting = {greeting}
ssl = yes
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/key.pem
first_valid_uid = 100
mail_location = maildir:~/Maildir
login_trusted_networks = 127.0.0.0/8
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = passwd-file
  args = {folder}/users
}}
namespace inbox {{
  inbox = yes
}}
service lmtp {{
  inet_listener lmtp {{
    port = {port}
  }}
}}
service anvil {{
  chroot =
}}
"""


class Dovecot:
    """A running server; `talk` is one whole conversation."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self._config = folder / "dovecot.conf"

    @staticmethod
    def missing() -> str:
        """Why it cannot be had here, or ""."""
        if shutil.which("dovecot") is None or not Path("/usr/lib/dovecot/lmtp").exists():
            return "Debian's dovecot-lmtpd is not installed"
        if shutil.which("openssl") is None:
            return "openssl is not installed"
        return "" if os.geteuid() == 0 else "Dovecot can be started by root only"

    def start(self) -> None:
        self.folder.chmod(0o755)
        (self.folder / "mail").mkdir(mode=0o755)
        os.chown(self.folder / "mail", NOBODY, NOBODY)
        homes = (f"{user}:{{PLAIN}}x:{NOBODY}:{NOBODY}::{self.folder}/mail/{user}::\n" for user in USERS)
        (self.folder / "users").write_text("".join(homes))
        subprocess.run(
            [*OPENSSL, "-keyout", "key.pem", "-out", "cert.pem"],
            cwd=self.folder,
            check=True,
            capture_output=True,
        )
        for _ in range(ATTEMPTS):
            with socket.create_server(("127.0.0.1", 0)) as free:
                self.port = free.getsockname()[1]
            self._config.write_text(
                CONFIG.format(folder=self.folder, port=self.port, hostname=HOSTNAME, greeting=GREETING)
            )
            # Without -F it returns when it listens; what it leaves running keeps the output, so that is no pipe.
            with (self.folder / "output").open("ab") as output:
                started = subprocess.run(["dovecot", "-c", str(self._config)], stdout=output, stderr=output)
            if started.returncode == 0:
                return
        raise RuntimeError((self.folder / "log").read_text())

    def stop(self) -> None:
        os.kill(int((self.folder / "run/master.pid").read_text()), signal.SIGTERM)

    def talk(self, data: bytes) -> bytes:
        """Send everything, and read until the server closes."""
        received = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as client:
            client.sendall(data)
            while packet := client.recv(65536):
                received += packet
        return received

    def messages(self) -> dict[str, list[bytes]]:
        """What arrived since the last time, by user."""
        found = defaultdict(list)
        for path in sorted((self.folder / "mail").glob("*/Maildir/new/*")):
            found[path.parts[-4]].append(path.read_bytes())
            path.unlink()
        return dict(found)
