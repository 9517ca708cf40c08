"""The passwd-file: its grammar, reading again after changes, damage, and paths made of user names."""

import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doocot.auth import passwd_file
from doocot.auth.database import Found, NotFound, Query, Unavailable
from doocot.auth.names import name_values
from doocot.auth.passwd_file import Entry, Files, PasswdFile, format_entry, parse_entry, parse_table
from doocot.auth.settings import DatabaseSettings
from doocot.wire.flow import Job

PART = st.text(st.characters(exclude_characters=":\0\r\n", exclude_categories=["Cs"]), max_size=12)
ENTRIES = st.builds(Entry, PART.filter(lambda name: name and name[0] != "#"), *[PART] * 7)


@given(ENTRIES)
def test_passwd_file_format_then_parse_is_identity(entry: Entry) -> None:
    line = format_entry(entry)
    assert parse_entry(line) == entry
    table = parse_table(f"# comment\n{line}\n".encode(), "users")
    assert list(table.lines) == [entry.name]
    assert not table.problems


@pytest.mark.parametrize("part", Entry._fields)
@pytest.mark.parametrize("bad", ["a:b", "a\nb", "a\0b", "a\rb"])
def test_passwd_file_cannot_be_given_what_it_cannot_hold(part: str, bad: str) -> None:
    if part == "extra" and bad == "a:b":
        assert parse_entry(format_entry(Entry("tim", extra=bad))).extra == bad
        return
    with pytest.raises(ValueError, match=part):
        format_entry(Entry("tim")._replace(**{part: bad}))


@given(st.binary(max_size=400))
def test_any_bytes_make_a_table(data: bytes) -> None:
    table = parse_table(data, "users")
    for name in table.lines:
        account = table.account(name)
        assert account is not None
        assert isinstance(account.passdb, Found)
    assert len(table.problems) <= passwd_file.MAX_PROBLEMS + 1


def query(name: str) -> Query:
    return Query(name, lambda: name_values(name))


def ask(args: str, name: str, reports: list[str] | None = None) -> tuple[object, object]:
    """What the passdb and the userdb of these args say."""
    files = Files((reports if reports is not None else []).append)
    settings = DatabaseSettings("passwd-file", args)
    answers = []
    for database in (passwd_file.passdb(settings, files), passwd_file.userdb(settings, files)):
        answer = database.lookup(query(name))
        answers.append(answer.call() if isinstance(answer, Job) else answer)
    return answers[0], answers[1]


@pytest.mark.parametrize(
    ("line", "password", "passdb", "userdb"),
    [
        ("tim", "", {}, {}),
        ("tim:pw", "pw", {}, {}),
        ("tim:pw:5:6:Tim T.:/h:/bin/sh", "pw", {}, {"uid": "5", "gid": "6", "home": "/h"}),
        ("tim:pw:::::", "pw", {}, {}),
        ("tim:pw:5:6::/h::a=b c", "pw", {"a": "b", "c": "yes"}, {"uid": "5", "gid": "6", "home": "/h"}),
        ("tim:pw::::/h::userdb_home=/%u/%d a=%%", "pw", {"userdb_home": "/tim/", "a": "%"}, {"home": "/tim/"}),
        (
            "tim:pw::::::userdb_quota_rule=*:bytes=1G",
            "pw",
            {"userdb_quota_rule": "*:bytes=1G"},
            {"quota_rule": "*:bytes=1G"},
        ),
        (
            "tim:pw:5:6::/h:::maildir:/x:y",
            "pw",
            {"userdb_mail": "maildir:/x:y"},
            {"uid": "5", "gid": "6", "home": "/h", "mail": "maildir:/x:y"},
        ),
        ("tim:{SHA}x=:5\r", "{SHA}x=", {}, {"uid": "5"}),
    ],
)
def test_passwd_file_line(
    tmp_path: Path, line: str, password: str, passdb: dict[str, str], userdb: dict[str, str]
) -> None:
    (tmp_path / "users").write_bytes(f"\n# tim:no\n:no\n{line}\ntim:second\n".encode())
    asked, looked = ask(f"{tmp_path}/users", "tim")
    assert asked == Found(passdb, password)
    assert looked == Found(userdb)


def test_bad_lines_are_reported_with_their_place_and_skipped(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_bytes(b"tim:a\ntim:b\nb\xff:x\nc\0:x\n" + b"d:" + b"x" * 20000 + b"\nana:y\n")
    reports: list[str] = []
    assert ask(str(path), "ana", reports)[0] == Found({}, "y")
    assert [report.split(": ")[0] for report in reports] == [f"{path}:{number}" for number in (2, 3, 4, 5)]
    assert ask(str(path), "tim")[0] == Found({}, "a")
    assert ask(str(path), "d")[0] == NotFound("a")


def test_many_bad_lines_are_counted(tmp_path: Path) -> None:
    (tmp_path / "users").write_bytes(b"\xff\n" * 5000 + b"tim:x\n")
    reports: list[str] = []
    ask(str(tmp_path / "users"), "tim", reports)
    assert len(reports) == passwd_file.MAX_PROBLEMS + 1
    assert "4980 more" in reports[-1]


def test_unknown_variable_in_a_line_fails_that_user_alone(tmp_path: Path) -> None:
    (tmp_path / "users").write_text("tim:x::::::a=%{nosuch}\nana:y\n")
    answer = ask(f"{tmp_path}/users", "tim")[0]
    assert isinstance(answer, Unavailable)
    assert "nosuch" in answer.detail
    assert ask(f"{tmp_path}/users", "ana")[0] == Found({}, "y")


def test_username_format_and_path_by_domain(tmp_path: Path) -> None:
    (tmp_path / "x.org").write_text("tim:pw\n")
    args = f"scheme=PLAIN username_format=%n {tmp_path}/%d"
    assert ask(args, "tim@x.org")[0] == Found({}, "pw")
    assert ask(args, "tim@y.org")[0] == NotFound()


@pytest.mark.parametrize("domain", ["..", "../x.org", "a/../x.org", ".", "x.org\0", "/etc"])
def test_user_name_cannot_lead_out_of_the_folder(tmp_path: Path, domain: str) -> None:
    (tmp_path / "x.org").write_text("tim:pw\n")
    assert ask(f"username_format=%n {tmp_path}/%d", f"tim@{domain}")[0] == NotFound()


@pytest.mark.parametrize("kind", ["missing", "folder", "fifo", "unreadable"])
def test_file_that_cannot_be_read_is_unavailable(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "users"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "unreadable":
        path.symlink_to(path)
    answer = ask(str(path), "tim")[0]
    assert isinstance(answer, Unavailable)
    assert str(path) in answer.detail


def test_too_large_a_file_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "users"
    with path.open("wb") as file:
        file.truncate(passwd_file.MAX_FILE + 1)
    answer = ask(str(path), "tim")[0]
    assert isinstance(answer, Unavailable)
    assert "larger" in answer.detail


def test_file_is_read_again_when_it_changed(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_text("tim:one\n")
    os.utime(path, ns=(10**18, 10**18))
    file = PasswdFile(str(path), lambda _: None)
    assert file.current() is None
    table = file.load()
    assert file.current() is table
    path.write_text("tim:two\n")
    os.utime(path, ns=(10**18, 10**18 + 1))
    assert file.current() is None
    account = file.load().account("tim")
    assert account is not None
    assert account.passdb.password == "two"
    replacement = tmp_path / "new"
    replacement.write_text("tim:six\n")
    os.utime(replacement, ns=(10**18, 10**18 + 1))
    replacement.rename(path)
    assert file.current() is None
    path.unlink()
    with pytest.raises(OSError, match="No such file"):
        file.load()


def test_table_read_in_the_tick_of_a_write_is_not_trusted(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_text("tim:one\n")
    file = PasswdFile(str(path), lambda _: None)
    os.utime(path, ns=(time.time_ns(), time.time_ns()))
    file.load()
    assert file.current() is None


def test_concurrent_readers_see_whole_files(tmp_path: Path) -> None:
    """Writers replace the file; each reader gets every user with the password of one version."""
    path = tmp_path / "users"

    def write(version: int) -> None:
        new = tmp_path / f"new{version}"
        new.write_text("".join(f"u{n}:{version}\n" for n in range(200)))
        new.rename(path)

    write(0)
    file = PasswdFile(str(path), lambda _: None)
    mixed: list[set[str]] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            table = file.current() or file.load()
            versions = set(table.lines.values())
            if len(versions) != 1 or len(table.lines) != 200:
                mixed.append(versions)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for version in range(1, 100):
        write(version)
    stop.set()
    for thread in threads:
        thread.join()
    assert not mixed
    assert set((file.current() or file.load()).lines.values()) == {"99"}


def test_threads_that_wait_for_a_reading_share_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "users"
    path.write_text("tim:one\n")
    os.utime(path, (1, 1))
    readings: list[str] = []
    real = passwd_file._read
    entered, go_on = threading.Event(), threading.Event()

    def counted(name: str) -> tuple[bytes, os.stat_result]:
        readings.append(name)
        entered.set()
        go_on.wait(60)
        return real(name)

    monkeypatch.setattr(passwd_file, "_read", counted)
    file = PasswdFile(str(path), lambda _: None)
    threads = [threading.Thread(target=file.load) for _ in range(5)]
    for thread in threads:
        thread.start()
    entered.wait(60)
    go_on.set()
    for thread in threads:
        thread.join()
    assert len(readings) == 1


def test_tables_of_domains_are_bounded(tmp_path: Path) -> None:
    files = Files(lambda _: None)
    for number in range(passwd_file.MAX_OPEN_TABLES + 50):
        files.get(f"{tmp_path}/{number}")
    assert len(files.by_path) == passwd_file.MAX_OPEN_TABLES
