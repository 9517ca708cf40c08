"""`doocot user` and `doocot pw`: the accounts file stays whole, and the options are those of doveadm."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from doocot.admin.pw import pw_command
from doocot.admin.user import user_command
from doocot.auth import accounts, schemes
from doocot.auth.accounts import AccountError
from doocot.auth.passwd_file import Entry


def user(*args: str, stdin: str | None = None, config: Path | None = None) -> Result:
    return CliRunner().invoke(user_command, args, input=stdin, obj=str(config) if config else None)


def pw(*args: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(pw_command, args, input=stdin)


def test_user_life(tmp_path: Path) -> None:
    state = ("--state", str(tmp_path))
    path = tmp_path / "users"
    assert user("add", "tim@x.org", *state, stdin="secret\n").exit_code == 0
    done = user("add", "ana", *state, "-g", "--uid", "7", "--home", "/h", "--field", "userdb_quota_rule=*:bytes=1M")
    password = re.search(r"password of ana: (\S+)", done.output)
    assert password
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert user("list", *state).output == "tim@x.org\nana\n"
    ana = accounts.entries(path)[1]
    assert (ana.uid, ana.home, ana.extra) == ("7", "/h", "userdb_quota_rule=*:bytes=1M")
    assert schemes.verify(ana.password, password[1].encode())
    done = user("passwd", "ana", *state, "-s", "SSHA512", "-p", "new")
    assert "Warning" in done.output
    changed = accounts.entries(path)[1]
    assert changed._replace(password="") == ana._replace(password="")
    assert schemes.verify(changed.password, b"new")
    assert user("delete", "tim@x.org", *state).exit_code == 0
    assert user("list", *state).output == "ana\n"


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (("add", "ana", "-g"), "exists"),
        (("add", "a:b", "-g"), "not allow"),
        (("add", "Big", "-g"), "'big'"),
        (("add", "new", "-g", "--home", "/a:b"), "colon"),
        (("add", "new", "-g", "--home", "/a\nroot:x"), "line break"),
        (("add", "new", "-g", "--field", "a=b c"), "space"),
        (("add", "new", "-g", "-p", "x"), "not both"),
        (("add", "new", "-s", "NOSUCH", "-p", "x"), "NOSUCH"),
        (("add", "new"), "standard input"),
        (("passwd", "nobody", "-g"), "no user"),
        (("delete", "nobody"), "no user"),
        (("delete", ""), "no user"),
    ],
)
def test_user_refusals_leave_the_file_alone(tmp_path: Path, args: tuple[str, ...], text: str) -> None:
    path = tmp_path / "users"
    path.write_text("ana:x\n")
    done = user(*args, "--file", str(path), stdin="")
    assert done.exit_code != 0
    assert text in done.output
    assert path.read_text() == "ana:x\n"
    assert "Traceback" not in done.output


def test_comments_and_odd_lines_survive_a_change(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_bytes(b"# ana:comment\n\nana:x:1:2:g:/h:/s:e=1:2\nb\xff:y\nlast:z")
    accounts.set_password(path, "ana", "{PLAIN}new")
    assert path.read_bytes() == b"# ana:comment\n\nana:{PLAIN}new:1:2:g:/h:/s:e=1:2\nb\xff:y\nlast:z\n"
    with pytest.raises(AccountError):
        accounts.set_password(path, "ana", "a:b")
    with pytest.raises(AccountError):
        accounts.set_password(path, "# ana", "x")


def test_failed_write_leaves_the_old_file_and_no_stray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "users"
    path.write_text("ana:x\n")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(os, "fsync", full)
    done = user("add", "new", "-g", "--file", str(path))
    assert "No space left" in done.output
    assert path.read_text() == "ana:x\n"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["users", "users.lock"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a file away")
def test_owner_of_the_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_text("ana:x\n")
    os.chown(path, 1234, 1235)
    accounts.add(path, Entry("tim", "{PLAIN}x"))
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 1235)


def test_concurrent_writers_lose_nothing(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from doocot.auth import accounts;"
        "from doocot.auth.passwd_file import Entry\n"
        "for n in range(25): accounts.add(Path(sys.argv[1]), Entry(f'{sys.argv[2]}{n}', 'x'))"
    )
    path = tmp_path / "users"
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), letter]) for letter in "abcd"]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    assert {entry.name for entry in accounts.entries(path)} == {f"{letter}{n}" for letter in "abcd" for n in range(25)}


def test_user_lookup_and_file_of_a_configuration(tmp_path: Path) -> None:
    config = tmp_path / "dovecot.conf"
    config.write_text(
        f"passdb {{\n  driver = passwd-file\n  args = scheme=PLAIN {tmp_path}/accounts\n}}\n"
        f"userdb {{\n  driver = passwd-file\n  args = {tmp_path}/accounts\n  default_fields = gid=9 quota_rule=x\n}}\n"
    )
    assert user("add", "tim", "-g", "--uid", "8", config=config).exit_code == 0
    assert user("list", config=config).output == "tim\n"
    done = user("lookup", "tim", config=config)
    assert done.output == "field\tvalue\nuser\ttim\nuid\t8\ngid\t9\nquota_rule\tx\n"
    missing = user("lookup", "eve", config=config)
    assert (missing.exit_code, "does not exist" in missing.output) == (67, True)
    (tmp_path / "accounts").unlink()
    assert user("lookup", "tim", config=config).exit_code == 75


def test_pw_lists_makes_and_tests() -> None:
    assert "SHA512-CRYPT" in pw("-l").output.split()
    made = pw("-s", "SSHA256.hex", "-p", "secret")
    assert made.output.startswith("{SSHA256.hex}")
    assert schemes.verify(made.output.strip(), b"secret")
    tested = pw("-t", made.output.strip(), "-p", "secret")
    assert (tested.exit_code, tested.output) == (0, f"{made.output.strip()} (verified)\n")
    assert pw("-t", made.output.strip(), "-p", "other").exit_code == 75
    assert pw("-t", "nobraces", "-p", "x").exit_code == 1
    assert pw("-s", "SHA512-CRYPT", "-r", "2000", stdin="secret\n").output.startswith("{SHA512-CRYPT}$6$rounds=2000$")
    assert pw("-s", "SSHA", "-r", "2000", "-p", "x").exit_code == 1
    assert pw("-s", "NOSUCH", "-p", "x").exit_code == 1
    assert pw("-V", "-p", "x", "-s", "PLAIN").output == "{PLAIN}x (verified)\n"
    digest = pw("-s", "DIGEST-MD5", "-p", "secret", "-u", "tim@x")
    assert digest.output == "{DIGEST-MD5}b389a62100b70f9e62899ed7c4e42cbf\n"


def test_without_a_configuration_accounts_are_those_of_the_default_state_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `doocot serve` has it, also where an /etc/dovecot/dovecot.conf lies about."""
    monkeypatch.setattr("doocot.admin.user.state_folder", lambda: str(tmp_path))
    assert user("add", "tim", stdin="secret\n").output == f"added tim to {tmp_path}/users\n"
    assert user("list").output == "tim\n"
