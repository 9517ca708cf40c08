"""`doocot deliver` as an MTA calls it: exit codes, options, and that trouble is never permanent."""

import os
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from doocot.admin import deliver as admin
from doocot.admin.deliver import Runtime, become, deliver_command, without_envelope_line
from doocot.auth.types import User, UserUnavailable
from doocot.delivery.body import MEMORY
from doocot.delivery.deliver import Delivery, SaveBatch, Saved, SaveResult, Settings
from doocot.errors import Kind, MailError

MAIL = b"Subject: x\nMessage-ID: <m@x>\n\nbody\n"


@dataclass
class MemorySpool:
    data: bytes = b""
    size: int = 0
    aborted: int = 0

    def write(self, data: bytes) -> None:
        self.data += data
        self.size += len(data)

    def abort(self) -> None:
        self.aborted += 1


@dataclass
class World:
    settings: Settings = field(default_factory=Settings)
    result: SaveResult = field(default_factory=lambda: Saved(1, 1))
    saved: list[Delivery] = field(default_factory=list)
    became: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    spools: list[MemorySpool] = field(default_factory=list)
    opened: list[tuple[str | None, tuple[str, ...]]] = field(default_factory=list)

    def open(self, config: str | None, overrides: tuple[str, ...]) -> Runtime:
        self.opened.append((config, overrides))
        become = lambda user: self.became.append(user.name)  # noqa: E731
        return Runtime(self.settings, self.lookup, become, self.saver, self.spool, self.event)

    def lookup(self, name: str) -> User | None:
        if name == "broken":
            raise UserUnavailable("connect(/run/auth-userdb): Connection refused")
        return User(name, uid=1000, gid=1000, home=f"/home/{name}") if name in ("tim", "tim@x") else None

    def saver(self, user: User) -> SaveBatch:
        assert self.became == [user.name]

        def save(deliveries: list[Delivery]) -> list[SaveResult]:
            self.saved += deliveries
            return [self.result for _ in deliveries]

        return save

    def spool(self) -> MemorySpool:
        self.spools.append(MemorySpool())
        return self.spools[-1]

    def event(self, name: str, /, **fields: Any) -> None:
        self.lines.append(fields["message"] if name == "mail_delivery_finished" else fields["detail"])


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command clears its own: here it is a copy."""
    monkeypatch.setattr(admin.os, "environ", dict(os.environ))


def call(world: World, *arguments: str, mail: bytes = MAIL) -> Result:
    return CliRunner().invoke(deliver_command(world.open), arguments, input=mail)


def test_deliver_command_saves() -> None:
    world = World()
    result = call(world, "-d", "tim", "-f", "a@b", "-m", "lists", "-a", "tim+d@x", "-c", "/c", "-o", "a=b", "-o", "c=d")
    assert (result.exit_code, result.output) == (0, "")
    (one,) = world.saved
    assert (one.user.name, one.mailbox, one.head, one.body.start) == ("tim", "lists", b"", MAIL)
    assert world.lines == ["msgid=<m@x>: saved mail to lists"]
    assert world.opened == [("/c", ("a=b", "c=d"))]


def test_deliver_command_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mail"
    path.write_bytes(b"From here on it is text\n")
    world = World()
    assert call(world, "-d", "tim", "-p", str(path)).exit_code == 0
    assert world.saved[0].body.start == b"From here on it is text\n"
    assert call(world, "-d", "tim", "-p", str(tmp_path / "none")).exit_code == os.EX_TEMPFAIL


def test_deliver_command_large_message_is_spooled_and_released() -> None:
    world = World()
    mail = MAIL + b"x" * MEMORY
    assert call(world, "-d", "tim", mail=mail).exit_code == 0
    (spool,) = world.spools
    assert (spool.data, spool.aborted) == (mail, 1)


def test_deliver_command_unknown_user() -> None:
    result = call(World(), "-d", "nobody")
    assert result.exit_code == os.EX_NOUSER
    assert "User doesn't exist: nobody" in result.output


def test_deliver_command_userdb_down() -> None:
    result = call(World(), "-d", "broken")
    assert result.exit_code == os.EX_TEMPFAIL
    assert "Connection refused" in result.output


@pytest.mark.parametrize("where", ["open", "lookup", "become", "saver", "save"])
@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left on device"), MailError(Kind.CORRUPTION, "Broken", "/x"), UserUnavailable("gone")],
)
def test_deliver_command_trouble_is_temporary(where: str, error: Exception) -> None:
    world = World()

    def fail(*_: object) -> Any:
        raise error

    def open_runtime(config: str | None, overrides: tuple[str, ...]) -> Runtime:
        if where == "open":
            raise error
        runtime = world.open(config, overrides)
        if where == "save":
            return replace(runtime, saver=lambda user: fail)
        return replace(runtime, **{where: fail})

    result = CliRunner().invoke(deliver_command(open_runtime), ["-d", "tim"], input=MAIL)
    assert result.exit_code == os.EX_TEMPFAIL
    assert result.output.startswith("doocot deliver: ")


def test_deliver_command_own_fault_is_temporary(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise KeyError('half upgraded')")
    done = subprocess.run(
        [sys.executable, "-m", "doocot.main.cli", "deliver", "-d", "tim"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == os.EX_TEMPFAIL
    assert "half upgraded" in done.stderr


@pytest.mark.parametrize(
    ("kind", "tempfail", "code"),
    [
        (Kind.OVER_QUOTA, False, os.EX_NOPERM),
        (Kind.OVER_QUOTA, True, os.EX_TEMPFAIL),
        (Kind.TOO_BIG, False, os.EX_NOPERM),
        (Kind.NO_PERM, False, os.EX_TEMPFAIL),
        (Kind.CORRUPTION, False, os.EX_TEMPFAIL),
        (Kind.UNAVAILABLE, False, os.EX_TEMPFAIL),
    ],
)
def test_deliver_command_refused_mail(kind: Kind, tempfail: bool, code: int) -> None:
    world = World(settings=Settings(quota_full_tempfail=tempfail), result=MailError(kind, "The reason."))
    result = call(world, "-d", "tim", "-e")
    assert (result.exit_code, result.output) == (code, "doocot deliver: The reason.\n")


@pytest.mark.parametrize("arguments", [["-d"], ["-z"], ["-d", "tim", "extra"]])
def test_deliver_command_wrong_usage(arguments: list[str]) -> None:
    world = World()
    result = call(world, *arguments)
    assert result.exit_code == os.EX_USAGE
    assert "Usage: " in result.output
    assert world.opened == []


def test_deliver_command_without_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin.os, "geteuid", lambda: 0)
    assert call(World()).exit_code == os.EX_USAGE
    monkeypatch.setattr(admin.os, "geteuid", lambda: 65534)
    world = World()
    assert call(world).exit_code == 0
    assert world.saved[0].user.uid == 65534


def test_deliver_command_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = admin.os.environ
    environment.update(SECRET="x", TZ="UTC", HOME="/root")
    assert call(World(), "-k", "-d", "tim").exit_code == 0
    assert environment["SECRET"] == "x"
    assert call(World(), "-d", "tim").exit_code == 0
    assert "SECRET" not in environment
    assert (environment["TZ"], environment["HOME"], environment["USER"]) == ("UTC", "/home/tim", "tim")


def test_deliver_command_odd_sender_is_no_reason_to_lose_mail() -> None:
    for sender in ("", "<>", "a b", "MAILER-DAEMON", "<a@b>"):
        assert call(World(), "-d", "tim", "-f", sender).exit_code == 0


def test_deliver_envelope_line_of_an_mbox() -> None:
    def strip(*pieces: bytes) -> bytes:
        return b"".join(without_envelope_line(iter(pieces)))

    assert strip(b"From a@b Sat Nov 21 01:42:14 2026\nx: y\n") == b"x: y\n"
    assert strip(b"Fr", b"om a@b", b" Sat\r", b"\nx: y\n", b"\nbody") == b"x: y\n\nbody"
    assert strip(b"From: a@b\n") == b"From: a@b\n"
    assert strip(b"F") == b"F"
    assert strip(b"Fr", b"x", b"y") == b"Frxy"
    assert strip() == b""


def test_deliver_become_refuses_what_is_not_safe(monkeypatch: pytest.MonkeyPatch) -> None:
    for user in (User("tim"), User("tim", uid=1000), User("root", uid=0, gid=0)):
        with pytest.raises(MailError):
            become(user)
    monkeypatch.setattr(admin.os, "geteuid", lambda: 1001)
    with pytest.raises(MailError, match="as uid 1000 when run by uid 1001"):
        become(User("tim", uid=1000, gid=1000))
    become(User("tim", uid=1001, gid=1001))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_deliver_become_is_for_ever() -> None:
    program = (
        "import os; from doocot.admin.deliver import become; from doocot.auth.types import User\n"
        "become(User('x', uid=65534, gid=65533))\n"
        "print(os.getresuid(), os.getresgid(), os.getgroups())\n"
        "try: os.setuid(0)\n"
        "except PermissionError: print('no way back')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "(65534, 65534, 65534) (65533, 65533, 65533) [65533]\nno way back\n"
