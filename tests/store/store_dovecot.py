"""A real Dovecot over one Maildir: its imap process on a pipe, without login, listener or network.

Skips, loudly, where Debian's dovecot-imapd is not installed.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

IMAP = "/usr/lib/dovecot/imap"
NOBODY, NOGROUP = 65534, 65534  # Dovecot does not serve root


@pytest.fixture
def dovecot() -> Iterator["Dovecot"]:
    """Not in pytest's folder, which is closed to the user that a test run by root has to serve the mail as."""
    if not os.path.exists(IMAP):
        pytest.skip("dovecot-imapd is not installed: the real Dovecot was NOT asked")
    with tempfile.TemporaryDirectory(prefix="doocot-oracle-") as folder:
        os.chmod(folder, 0o755)
        yield Dovecot(Path(folder))


class Dovecot:
    """`imap(commands)` runs one session over the Maildir `mail` and returns what the server said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mail = folder / "mail"
        for part in ("run", "mail/cur", "mail/new", "mail/tmp"):
            (folder / part).mkdir(parents=True)
        self.config = folder / "dovecot.conf"
        self.config.write_text(f"base_dir = {folder}/run\nmail_location = maildir:{self.mail}\nssl = no\n")

    def message(self, name: str, part: str = "cur") -> None:
        (self.mail / part / name).write_text(f"Subject: {name}\n\nbody\n")

    def imap(self, *commands: str) -> str:
        """Run the commands; the session must end without an error in Dovecot's log (its standard error)."""
        identity = {}
        if os.getuid() == 0:
            identity = {"user": NOBODY, "group": NOGROUP, "extra_groups": []}
            for path in [self.folder, *self.folder.rglob("*")]:
                os.chown(path, NOBODY, NOGROUP)
        lines = [f"{number} {command}" for number, command in enumerate([*commands, "LOGOUT"], 1)]
        done = subprocess.run(
            [IMAP, "-c", str(self.config)],
            input="".join(line + "\r\n" for line in lines),
            env={"USER": "me", "HOME": str(self.folder)},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            **identity,
        )
        assert not re.search("Error|Warning|Panic|Fatal", done.stderr), done.stderr
        answers = re.findall(r"^\d+ (\w+)(.*)$", done.stdout, re.MULTILINE)
        assert [word for word, _ in answers] == ["OK"] * len(lines), done.stdout
        return done.stdout

    def uids(self) -> tuple[int, int, dict[str, int]]:
        """UIDVALIDITY, UIDNEXT and the UID of each Subject (which is the file's first name)."""
        fetch = ["FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])"] if self.holds_mail() else []
        said = self.imap("SELECT INBOX", *fetch)
        found = re.findall(r"UID (\d+) BODY.*\nSubject: (.*)\n", said)
        validity, following = re.search(r"UIDVALIDITY (\d+)", said), re.search(r"UIDNEXT (\d+)", said)
        assert validity is not None, said
        assert following is not None, said
        return int(validity[1]), int(following[1]), {subject.strip(): int(uid) for uid, subject in found}

    def holds_mail(self) -> bool:
        return any(path.is_file() for part in ("cur", "new") for path in (self.mail / part).iterdir())

    def forget(self) -> None:
        """Remove Dovecot's own index files, so that only the files it shares with us count."""
        for path in self.mail.glob("dovecot.*"):
            path.unlink()
