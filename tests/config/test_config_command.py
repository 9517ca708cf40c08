"""`doocot config` as a command."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from doocot import __version__
from doocot.admin.config import config_command

TEXT = """\
ssl = no
protocols = imap
mail_location = maildir:~/Maildir
doveadm_password = hunter2
dict {
  quota = mysql:host=db password=hunter2
}
passdb {
  driver = pam
}
plugin {
  quota = count:User quota
}
protocol imap {
  mail_max_userip_connections = 20
}
remote 10.0.0.0/8 {
  mail_debug = yes
}
"""


def _run(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(config_command, ["-c", str(path), *arguments])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "dovecot.conf"
    path.write_text(TEXT)
    return path


def test_changed_settings_with_header_and_hidden_secrets(path: Path) -> None:
    lines = _run(path, "-n").output.splitlines()
    assert lines[0] == f"# {__version__} (doocot): {path}"
    assert lines[1].startswith("# OS: Linux ")
    assert lines[2].startswith("# Hostname: ")
    assert lines[3:] == [
        "dict {",
        "  quota = mysql:host=db password=#hidden_use-P_to_show#",
        "}",
        "doveadm_password = # hidden, use -P to show it",
        "mail_location = maildir:~/Maildir",
        "passdb {",
        "  driver = pam",
        "}",
        "plugin {",
        "  quota = count:User quota",
        "}",
        "protocols = imap",
        "ssl = no",
        "protocol imap {",
        "  mail_max_userip_connections = 20",
        "}",
        "remote 10.0.0.0/8 {",
        "  mail_debug = yes",
        "}",
    ]
    assert "doveadm_password = hunter2" in _run(path, "-n", "-P").output


def test_all_settings_and_the_defaults(path: Path) -> None:
    everything = _run(path).output.splitlines()
    assert everything[3].startswith("# NOTE: ")
    assert "mail_max_userip_connections = 10" in everything
    assert "  result_success = return-ok" in everything
    assert _run(path, "-a").output.splitlines() == everything
    defaults = _run(path, "-d").output.splitlines()
    assert "mail_location = " in defaults
    assert "passdb {" not in defaults


def test_single_settings_by_name(path: Path) -> None:
    assert _run(path, "ssl", "plugin/quota").output == "ssl = no\nplugin/quota = count:User quota\n"
    assert _run(path, "-h", "ssl", "mail_debug").output == "no\nno\n"
    assert _run(path, "passdb").output.splitlines()[:4] == [
        "passdb {",
        "  args = ",
        "  auth_verbose = default",
        "  default_fields = ",
    ]
    unknown = _run(path, "nosuch")
    assert unknown.exit_code == 1
    assert "Unknown setting: nosuch" in unknown.output


def test_settings_as_seen_under_a_filter(path: Path) -> None:
    assert _run(path, "-m", "imap", "-h", "mail_max_userip_connections").output == "20\n"
    assert _run(path, "-f", "protocol=imap", "-f", "rip=10.1.1.1", "-h", "mail_debug").output == "yes\n"
    assert "remote 10.0.0.0/8 {" not in _run(path, "-n", "-f", "remote=11.0.0.1").output
    assert _run(path, "-f", "colour=red", "ssl").exit_code == 2


def test_check_reports_everything_and_fails(path: Path) -> None:
    good = _run(path, "check")
    assert (good.exit_code, good.output) == (0, f"{path}: no errors\n")
    path.write_text(TEXT + "protocols = gopher\nmail_always_cache_fields = x\n")
    bad = _run(path, "check")
    assert bad.exit_code == 1
    assert f"Note: {path}:21: mail_always_cache_fields has no meaning in Doocot and is ignored" in bad.output
    assert f"Error: {path}:20: protocols: unknown protocol gopher" in bad.output


def test_a_file_that_cannot_be_read_as_configuration(path: Path) -> None:
    path.write_text("mail_debg = yes\nssl = x\n")
    for arguments in (["-n"], ["check"], ["ssl"]):
        result = _run(path, *arguments)
        assert result.exit_code == 1
        assert f"Error: {path}:1: Unknown setting 'mail_debg': did you mean 'mail_debug'?" in result.output
        assert f"Error: {path}:2: ssl: Invalid value: x" in result.output


def test_the_file_of_the_command_above(path: Path) -> None:
    group = click.Group("doocot", commands={"config": config_command})
    result = CliRunner().invoke(group, ["config", "-h", "mail_location"], obj=str(path))
    assert result.output == "maildir:~/Maildir\n"


def test_overrides_of_the_command_line(path: Path) -> None:
    assert _run(path, "-o", "ssl=required", "-h", "ssl").output == "required\n"
