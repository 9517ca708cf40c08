"""The lines of the log, byte for byte as Dovecot 2.3 writes them, and what must never get into one."""

import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doocot.events.events import Counters, Events, UnknownEvent, attach_counters
from doocot.events.log import Log, LogSettings, SyslogSink, attach_log, facility_number
from doocot.events.table import EVENTS, Level


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def logged(folder: Path, emit: Callable[[Events], Any], service: str = "imap", **settings: Any) -> list[str]:
    path = folder / "log"
    path.unlink(missing_ok=True)
    events = Events(strict=True)
    log = Log(LogSettings(str(path), **{"log_timestamp": "", **settings}), service, 77, Clock())
    events.listen(log.listen, [kind.name for kind in EVENTS.values() if kind.line])
    emit(events)
    return path.read_text().splitlines()


CLIENT = {"user": "u1", "method": "PLAIN", "remote_ip": "192.0.2.7", "local_ip": "192.0.2.1", "session": "abc"}

LINES: list[tuple[str, dict[str, Any], str]] = [
    (
        "login",
        {**CLIENT, "mpid": 123, "tls": True},
        "imap-login: Info: Login: user=<u1>, method=PLAIN, rip=192.0.2.7, lip=192.0.2.1, mpid=123, TLS, session=<abc>",
    ),
    (
        "login",
        {**CLIENT, "secured": True},
        "imap-login: Info: Login: user=<u1>, method=PLAIN, rip=192.0.2.7, lip=192.0.2.1, secured, session=<abc>",
    ),
    (
        "login_ended",
        {**CLIENT, "attempts": 2, "seconds": 3.9, "reason": "Disconnected: Too many invalid commands"},
        (
            "imap-login: Info: Disconnected: Too many invalid commands (auth failed, 2 attempts in 3 secs): "
            "user=<u1>, method=PLAIN, rip=192.0.2.7, lip=192.0.2.1, session=<abc>"
        ),
    ),
    (
        "login_ended",
        {"remote_ip": "192.0.2.7"},
        "imap-login: Info: Disconnected: Connection closed (no auth attempts in 0 secs): user=<>, rip=192.0.2.7",
    ),
    (
        "imap_logout",
        {"user": "u1", "session": "abc", "reason": "Logged out", "bytes_in": 50, "bytes_out": 700, "body_count": 1},
        (
            "imap(u1)<77><abc>: Info: Disconnected: Logged out in=50 out=700 deleted=0 expunged=0 trashed=0 "
            "hdr_count=0 hdr_bytes=0 body_count=1 body_bytes=0"
        ),
    ),
    (
        "mail_delivery_finished",
        {"service": "lmtp", "user": "u1", "session": "x", "message": "msgid=<m@x>: saved mail to INBOX"},
        "lmtp(u1)<77><x>: Info: msgid=<m@x>: saved mail to INBOX",
    ),
    (
        "mail_delivery_finished",
        {"service": "lda", "user": "u1", "error": "full", "message": "msgid=<m@x>: save failed to INBOX: full"},
        "lda(u1)<77>: Error: msgid=<m@x>: save failed to INBOX: full",
    ),
    ("login", {"service": "imap-login", "user": "u1"}, "imap-login: Info: Login: user=<u1>"),
    ("lmtp_connected", {}, "lmtp(77): Info: Connect from local"),
    (
        "lmtp_disconnected",
        {"service": "lmtp", "remote_ip": "192.0.2.7", "reason": "Logged out", "state": "READY"},
        "lmtp(77): Info: Disconnect from 192.0.2.7: Logged out (state=READY)",
    ),
    (
        "auth_failed",
        {"user": "u1", "remote_ip": "192.0.2.7", "session": "abc", "database": "passwd-file", "reason": "unknown user"},
        "auth: Info: passwd-file(u1,192.0.2.7,<abc>): unknown user",
    ),
    (
        "child_died",
        {"service": "master", "child": "worker", "child_pid": 9, "signal": 9},
        "master: Error: service(worker): child 9 killed with signal 9",
    ),
    ("imap_id_received", {"user": "u1", "message": "ID sent: name=mutt"}, "imap(u1)<77>: Info: ID sent: name=mutt"),
    ("imap_id_received", {"service": "imap-login", "message": "ID sent: x"}, "imap-login: Info: ID sent: x"),
]


@pytest.mark.parametrize(("name", "fields", "line"), LINES)
def test_log_line_is_that_of_dovecot(tmp_path: Path, name: str, fields: dict[str, Any], line: str) -> None:
    assert logged(tmp_path, lambda events: events.event(name, **fields)) == [line]


def test_line_begins_with_the_time(tmp_path: Path) -> None:
    (line,) = logged(tmp_path, lambda events: events.event("info", text="x"), log_timestamp="%b %d %H:%M:%S ")
    assert re.fullmatch(r"[A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d imap\(77\): Info: x", line)


@given(st.text(max_size=50))
def test_no_user_text_makes_a_second_line(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("log")
    lines = logged(folder, lambda events: events.event("login", user=text, session=text, remote_ip=text))
    assert len(lines) == 1
    assert lines[0].isprintable()


def test_control_characters_stay_visible(tmp_path: Path) -> None:
    (line,) = logged(tmp_path, lambda events: events.event("info", text="a\r\nb\x1b[31m\u2028c\udc80"))
    assert line == r"imap(77): Info: a\r\nb\x1b[31m\u2028c\udc80"


def test_long_text_is_cut(tmp_path: Path) -> None:
    (line,) = logged(tmp_path, lambda events: events.event("info", text="x" * 100_000))
    assert len(line) < 2000


def test_every_level_goes_to_its_file(tmp_path: Path) -> None:
    def emit(events: Events) -> None:
        for name in ("debug", "info", "warning", "error"):
            events.event(name, text=name)

    paths = {"info_log_path": str(tmp_path / "info"), "debug_log_path": str(tmp_path / "debug")}
    assert [line.split(": ")[1] for line in logged(tmp_path, emit, **paths)] == ["Warning", "Error"]
    assert [(tmp_path / name).read_text().count("\n") for name in ("info", "debug")] == [1, 1]


def test_rate_of_lines_is_bounded_and_the_rest_is_told(tmp_path: Path) -> None:
    clock = Clock()
    events = Events()
    log = Log(LogSettings(str(tmp_path / "log"), log_timestamp="", lines_per_second=3), "imap", 77, clock)
    events.listen(log.listen, ["info", "error"])
    for _ in range(10):
        events.event("info", text="again")
    events.event("error", text="still seen")
    clock.now += 1
    events.event("info", text="next")
    assert (tmp_path / "log").read_text().splitlines() == [
        *["imap(77): Info: again"] * 3,
        "imap(77): Error: still seen",
        "imap: Warning: 7 more lines of the event info in one second are left out",
        "imap(77): Info: next",
    ]


def test_reopen_after_rotation(tmp_path: Path) -> None:
    events = Events()
    log = Log(LogSettings(str(tmp_path / "log"), log_timestamp=""), "imap", 77)
    events.listen(log.listen, ["info"])
    events.event("info", text="old")
    (tmp_path / "log").rename(tmp_path / "log.1")
    log.reopen()
    events.event("info", text="new")
    assert "new" in (tmp_path / "log").read_text()
    assert "old" in (tmp_path / "log.1").read_text()
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_syslog_gets_priority_and_text_and_may_be_restarted(tmp_path: Path) -> None:
    path = str(tmp_path / "dev-log")
    sink = SyslogSink("mail", path)
    sink.write(Level.ERROR, "lost: nobody listens")
    for _ in range(2):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
            server.bind(path)
            sink.write(Level.ERROR, "imap(1): Error: x")
            assert server.recv(100) == b"<19>doocot: imap(1): Error: x"
        Path(path).unlink()
    assert [facility_number(name) for name in ("mail", "local3", "daemon", "nonsense")] == [2, 19, 3, 2]


def test_an_event_or_field_that_is_not_declared_is_refused() -> None:
    events = Events(strict=True)
    with pytest.raises(UnknownEvent, match="nonsense is not"):
        events.event("nonsense")
    with pytest.raises(UnknownEvent, match="password"):
        events.event("login", password="tanstaaf")
    events.event("login", user="u1", service="imap")


def test_no_declared_field_can_hold_a_secret() -> None:
    fields = {field for kind in EVENTS.values() for field in kind.fields}
    assert not [field for field in fields if re.search("pass|secret|token|cred", field)]


def test_every_kind_has_a_sentence_and_sums_are_fields() -> None:
    for name, kind in EVENTS.items():
        assert name == kind.name
        assert kind.sentence.endswith(".")
        assert set(kind.sums) <= set(kind.fields)


def test_counters_count_by_service_and_add_up() -> None:
    events = Events()
    counters = attach_counters(events)
    events.event("login", service="imap")
    events.event("imap_logout", service="imap", bytes_in=5, bytes_out=7)
    events.event("imap_logout", service="imap", bytes_in=1)
    values = counters.values()
    assert values["login{service=imap}"] == 1
    assert values["imap_logout{service=imap}"] == 2
    assert (values["imap_logout.bytes_in"], values["imap_logout.bytes_out"]) == (6, 7)


def test_a_listener_can_be_taken_away() -> None:
    events, counters = Events(), Counters()
    listen = counters.listen
    events.listen(listen, ["info"])
    events.event("info", text="x")
    events.ignore(listen)
    events.event("info", text="x")
    assert counters.values() == {"info": 1}


def test_a_log_that_was_replaced_is_ignored(tmp_path: Path) -> None:
    events = Events(strict=True)
    old, new = (attach_log(events, LogSettings(str(tmp_path / name), log_timestamp=""), "imap") for name in "on")
    events.ignore(old.listen)  # a bound method, and so another object each time
    old.close()
    events.event("info", text="x")
    new.close()
    assert (tmp_path / "o").read_text() == ""
    assert (tmp_path / "n").read_text().count("Info: x\n") == 1
