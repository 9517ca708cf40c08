"""`doocot fsck` and `doocot settle` from the configuration to the mail."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from doocot.mailbox.append import NewMail, append_now
from doocot.mailbox.roots import Roots
from doocot.mailbox.user import open_mail
from doocot.main.maintenance import fsck_command, settle_command
from doocot.store.files import Files
from doocot.store.root import Location

CONFIGURATION = """\
base_dir = {folder}/run
log_path = /dev/stderr
mail_location = maildir:{folder}/mail/%u
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = passwd-file
  args = {folder}/users
}}
"""


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    (tmp_path / "mail").mkdir()
    (tmp_path / "users").write_text(
        "".join(f"{name}:{{PLAIN}}pass:{os.getuid() or 5000}:100::/tmp\n" for name in ("anna", "bela"))
    )
    file = tmp_path / "doocot.conf"
    file.write_text(CONFIGURATION.format(folder=tmp_path))
    for name in ("anna", "bela"):
        roots = Roots(Files())
        mail = open_mail(roots, Location(str(tmp_path / "mail" / name)))
        append_now(mail, "INBOX", [NewMail(b"Subject: one\r\n\r\n"), NewMail(b"Subject: two\r\n\r\n", flags=1)])
        mail.close()
        roots.close()
    return file


def run(command: object, configuration: Path, *words: str) -> Result:
    return CliRunner().invoke(command, ["-c", str(configuration), *words])  # type: ignore[arg-type]


def test_settle_lists_the_messages_of_all(configuration: Path) -> None:
    done = run(settle_command, configuration, "-A")
    assert (done.exit_code, done.output) == (0, "")
    for name in ("anna", "bela"):
        lines = (configuration.parent / "mail" / name / "dovecot-uidlist").read_text().splitlines()
        assert [line.split()[0] for line in lines[1:]] == ["1", "2"]


def test_fsck_tells_repairs_and_is_clean(configuration: Path) -> None:
    assert run(fsck_command, configuration, "-A").exit_code == 0
    next((configuration.parent / "mail" / "anna" / "cur").iterdir()).unlink()
    found = run(fsck_command, configuration, "-A")
    assert found.exit_code == 2
    assert "anna: " in found.output
    assert "message 2 has no file" in found.output
    assert "bela" not in found.output
    repaired = run(fsck_command, configuration, "-u", "anna", "-r")
    assert repaired.exit_code == 1
    assert "(repaired)" in repaired.output
    clean = run(fsck_command, configuration, "-u", "anna", "-v")
    assert clean.exit_code == 0
    assert "is clean" in clean.output


def test_unknown_user_and_missing_words(configuration: Path) -> None:
    assert run(fsck_command, configuration, "-u", "nobody-here").exit_code == 2
    assert run(fsck_command, configuration).exit_code == 2
    assert run(fsck_command, configuration, "-A", "-u", "anna").exit_code == 2
