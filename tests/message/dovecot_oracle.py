"""A private Dovecot imap process on a pipe, which serves a folder of given messages: no port, no login, no daemon."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

IMAP = Path("/usr/lib/dovecot/imap")

CONFIG = """\
base_dir = {root}/run
state_dir = {root}/run
log_path = {root}/log
ssl = no
first_valid_uid = 1
first_valid_gid = 0
mail_location = maildir:{root}/home/Maildir
"""

_literal = re.compile(rb"~?\{(\d+)\}\r\n\Z")
_literal_header = re.compile(rb"~?\{(\d+)\}\r\n")
_quoted = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_atom = re.compile(rb"[^ ()]+")
_item = re.compile(rb"([A-Z0-9.]+(?:\[[^\]]*\])?(?:<\d+>)?) ")

Items = dict[bytes, bytes]
"""FETCH item to its value as it came: with parentheses, quotes and literal headers."""


def missing_part() -> str | None:
    """Why the oracle cannot run here."""
    if not IMAP.exists():
        return f"{IMAP} is not there (Debian package dovecot-imapd)"
    return None


class Oracle:
    """The running process and one IMAP session with it."""

    def __init__(self, root: Path, messages: dict[str, bytes]) -> None:
        # A path that the unprivileged uid can walk; the folders of pytest are closed to it.
        self.root = Path(tempfile.mkdtemp(prefix="oracle-", dir="/tmp"))
        self.names = list(messages)
        self._fill(messages)
        (self.root / "dovecot.conf").write_text(CONFIG.format(root=self.root))
        self._log = root / "stderr"

    def _fill(self, messages: dict[str, bytes]) -> None:
        maildir = self.root / "home" / "Maildir"
        for folder in ("cur", "new", "tmp"):
            (maildir / folder).mkdir(parents=True)
        (self.root / "run").mkdir()
        (self.root / "log").touch()
        listed = [f"3 V1000 N{len(messages) + 1}"]
        for uid, message in enumerate(messages.values(), 1):
            name = f"{1_000_000_000 + uid}.odd"
            (maildir / "cur" / f"{name}:2,").write_bytes(message)
            listed.append(f"{uid} :{name}")
        (maildir / "dovecot-uidlist").write_text("\n".join(listed) + "\n")

    def __enter__(self) -> "Oracle":
        command = [str(IMAP), "-c", str(self.root / "dovecot.conf")]
        if os.geteuid() == 0:
            for path in (self.root, *self.root.rglob("*")):
                os.chown(path, 65534, 65534)
            command = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", *command]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log.open("wb"),
            env={"HOME": str(self.root / "home"), "USER": "odd", "PATH": os.environ["PATH"]},
            cwd=self.root,
        )
        self._response()
        self.command(b"SELECT INBOX")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.stdin.close()  # type: ignore[union-attr]
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.root, ignore_errors=True)

    def _response(self) -> bytes:
        out = self.process.stdout
        assert out is not None
        whole = line = out.readline()
        assert line, f"the oracle ended: {(self.root / 'log').read_text()[-2000:]}"
        while found := _literal.search(line):
            whole += out.read(int(found[1]))
            line = out.readline()
            whole += line
        return whole

    def command(self, text: bytes) -> tuple[list[bytes], bytes]:
        """The untagged responses and the tagged one."""
        stdin = self.process.stdin
        assert stdin is not None
        stdin.write(b"t " + text + b"\r\n")
        stdin.flush()
        untagged = []
        while not (response := self._response()).startswith(b"t "):
            untagged.append(response)
        return untagged, response[2:]

    def fetch(self, items: bytes, messages: bytes = b"1:*") -> dict[str, Items]:
        """Message name to what FETCH says; a message for which it says nothing is absent."""
        found: dict[str, Items] = {}
        for response in self.command(b"FETCH %b (%b)" % (messages, items))[0]:
            if head := re.match(rb"\* (\d+) FETCH \(", response):
                found.setdefault(self.names[int(head[1]) - 1], {}).update(_items(response, head.end()))
        return found

    def search(self, key: bytes) -> set[str]:
        """The names of the messages that SEARCH finds."""
        untagged, tagged = self.command(b"SEARCH " + key)
        assert tagged.startswith(b"OK"), tagged
        return {self.names[int(n) - 1] for line in untagged if line.startswith(b"* SEARCH") for n in line.split()[2:]}

    def sort(self, key: bytes) -> list[str]:
        """The names of all messages in the order of SORT."""
        untagged, tagged = self.command(b"SORT (%b) UTF-8 ALL" % key)
        assert tagged.startswith(b"OK"), tagged
        return [self.names[int(n) - 1] for line in untagged if line.startswith(b"* SORT") for n in line.split()[2:]]

    def items(self, untagged: list[bytes]) -> Items:
        """The items of the one FETCH response among these."""
        (found,) = [_items(r, head.end()) for r in untagged if (head := re.match(rb"\* \d+ FETCH \(", r))]
        return found


def _items(response: bytes, at: int) -> Items:
    found: Items = {}
    while name := _item.match(response, at):
        end = _value_end(response, name.end())
        found[name[1]] = response[name.end() : end]
        at = end + 1
    return found


def _value_end(data: bytes, at: int) -> int:
    depth = 0
    while True:
        if data[at : at + 1] == b"(":
            depth += 1
            at += 1
        elif data[at : at + 1] == b")":
            depth -= 1
            at += 1
        elif data[at : at + 1] == b" ":
            at += 1
        elif found := _quoted.match(data, at):
            at = found.end()
        elif found := _literal_header.match(data, at):
            at = found.end() + int(found[1])
        elif found := _atom.match(data, at):
            at = found.end()
        if not depth:
            return at


def string(value: bytes) -> bytes | None:
    """The octets of an nstring or a literal8."""
    if value == b"NIL":
        return None
    if found := _literal_header.match(value):
        return value[found.end() :]
    return re.sub(rb"\\(.)", rb"\1", value[1:-1], flags=re.DOTALL)
