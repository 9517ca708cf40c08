"""The server as processes: signals, deaths, reload, control socket, limits; only sessions are faked."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from main_fakes import ROOT_SLOT, TIMEOUT, Client, Server, serving, write_config

from doocot.main.children import can_run
from doocot.main.cli import SUBCOMMANDS
from doocot.main.identity import Identity
from doocot.net.wakeup import SLOTS, tell


def two_workers(server: Server) -> tuple[Client, Client]:
    """A client of each of both workers."""
    first = server.client()
    while True:
        second = server.client()
        if second.pid() != first.pid():
            return first, second
        second.close()


def test_term_finishes_replies_says_bye_settles_and_exits(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with serving(tmp_path) as server:
        busy, idle = server.client(), server.client()
        assert idle.ask("IDLE") == "+ idling"
        busy.send(f"SLOW {fifo}")
        with open(fifo, "w"):  # opened when the job has begun
            server.signal(signal.SIGTERM)
            assert idle.line() == "* BYE Server shutting down."
        assert busy.line() == "slow done"
        assert busy.line() == "* BYE Server shutting down."
        assert busy.line() == ""
        for client in (busy, idle):
            client.close()
        assert server.wait() == 0
    assert (tmp_path / "settled").exists()
    assert not (tmp_path / "run" / "control").exists()
    assert "master: Warning: Killed with signal 15" in server.log()


def test_killed_worker_is_started_again_and_clients_wait_for_it(tmp_path: Path) -> None:
    with serving(tmp_path, workers=1) as server:
        client = server.client()
        client.ask("LOGIN u1")
        pid = client.pid()
        os.kill(pid, signal.SIGKILL)
        assert client.line() == ""
        again = server.client()
        assert again.pid() != pid
        assert f"service(worker): child {pid} killed with signal 9" in server.log()
        assert server.control("who")["logins"] == []


def test_supervisor_killed_takes_the_workers_with_it(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        client = server.client()
        server.process.kill()
        assert client.line() == "* BYE Server shutting down."
        assert client.line() == ""


def test_hup_takes_the_new_configuration_and_drops_nobody(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        old = server.client()
        assert old.greeting == "* hello"
        write_config(tmp_path, server.port, greeting="new words")
        server.signal(signal.SIGHUP)
        assert server.notify().startswith("RELOADING=1\nMONOTONIC_USEC=")  # type: ignore[attr-defined]
        assert server.notify().startswith("READY=1")  # type: ignore[attr-defined]
        assert {server.client().greeting for _ in range(8)} == {"* new words"}
        assert old.ask("NOOP") == "ok NOOP"


def test_reload_with_an_error_keeps_the_old_configuration(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        write_config(tmp_path, server.port, greeting="never seen", extra="nonsense = yes\nprotocolls = imap\n")
        answer = server.control("reload")
        assert not answer["ok"]
        assert "nonsense" in answer["error"]
        assert "protocolls" in answer["error"]
        assert server.client().greeting == "* hello"
        assert "Reload refused, the old configuration stays" in server.log()


def test_reload_opens_and_closes_listeners(tmp_path: Path) -> None:
    path = tmp_path / "run" / "lmtp"
    with serving(tmp_path, extra="service lmtp {\n unix_listener lmtp {\n mode = 0600\n }\n}") as server:
        assert not path.exists()
        text = (tmp_path / "dovecot.conf").read_text()
        (tmp_path / "dovecot.conf").write_text(
            text.replace("protocols = imap", "protocols = imap lmtp")
            + "service lmtp {\n inet_listener lmtp {\n port = 0\n }\n}\n"
        )
        assert server.control("reload") == {"ok": True, "error": ""}
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(path))
        client = Client(sock)
        assert client.ask("NOOP") == "ok NOOP"
        (tmp_path / "dovecot.conf").write_text(text)
        assert server.control("reload")["ok"]
        assert not path.exists()
        assert client.ask("NOOP") == "ok NOOP"


def test_sessions_of_other_workers_are_woken_and_see_the_page_change(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        first, second = two_workers(server)
        before = second.ask("SEEN")
        assert second.ask("IDLE") == "+ idling"
        assert first.ask("BUMP") == "bumped"
        assert second.line() == "* changed"
        second.send("DONE")
        assert second.line() == "ok DONE"
        assert second.ask("SEEN") != before
        before = second.ask("SEEN")
        os.kill(first.pid(), signal.SIGKILL)
        second.send("IDLE")
        assert second.line() == "+ idling"
        assert second.line() == "* changed"  # it may have died between commit and bump


def test_a_delivery_from_outside_wakes_every_worker(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        clients = two_workers(server)
        before = clients[0].ask("SEEN")
        for client in clients:
            assert client.ask("IDLE") == "+ idling"
        tell(str(tmp_path / "run" / "wakeup"), [SLOTS, ROOT_SLOT])
        for client in clients:
            assert client.line() == "* changed"
        clients[0].send("DONE")
        clients[0].line()
        assert clients[0].ask("SEEN") != before
        assert (tmp_path / "run" / "wakeup").stat().st_mode & 0o777 == 0o666
    tell(str(tmp_path / "run" / "wakeup"), [ROOT_SLOT])  # nobody there: no error


def test_who_kick_and_stats(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        u1, u2 = server.client(), server.client()
        assert (u1.ask("LOGIN u1"), u2.ask("LOGIN u2")) == ("in", "in")
        pids = {"u1": u1.pid(), "u2": u2.pid()}
        rows = server.control("who")["logins"]
        assert {(row["user"], row["service"], row["ip"], row["pid"]) for row in rows} == {
            (user, "imap", "127.0.0.1", pid) for user, pid in pids.items()
        }
        assert [row["user"] for row in server.control("who", user="u2")["logins"]] == ["u2"]
        assert server.control("kick", user="u1") == {"ok": True, "kicked": 1}
        assert u1.line() == "* BYE Disconnected by administrator."
        assert u2.ask("NOOP") == "ok NOOP"
        assert not server.control("kick")["ok"]
        assert server.control("nonsense")["error"].startswith("unknown verb")
        stats = server.control("stats")
        assert (stats["workers"], stats["logins"]) == (2, 1)
        assert stats["longest_hold"] >= 0


def test_too_many_sessions_of_one_user_are_counted_over_all_workers(tmp_path: Path) -> None:
    with serving(tmp_path, extra="mail_max_userip_connections = 2") as server:
        first, second = two_workers(server)
        assert (first.ask("LOGIN u1"), second.ask("LOGIN u1")) == ("in", "in")
        for third in (server.client() for _ in range(4)):
            assert third.ask("LOGIN u1").startswith("no Maximum number of connections from user+IP exceeded")
            assert third.ask("LOGIN u2") == "in"
            third.ask("LOGOUT")
        assert len(server.control("who", user="u1")["logins"]) == 2
        first.ask("LOGOUT")
        assert first.line() == ""
        while len(server.control("who", user="u1")["logins"]) > 1:
            continue
        fourth = server.client()
        assert fourth.ask("LOGIN u1") == "in"
        assert fourth.ask("NOOP") == "ok NOOP"


def test_a_client_that_goes_while_it_is_counted_is_not_counted(tmp_path: Path) -> None:
    with serving(tmp_path, extra="mail_max_userip_connections = 1") as server:
        for _ in range(30):
            hasty = server.client()
            hasty.send("LOGIN u1")
            hasty.close()
        while server.control("who", user="u1")["logins"]:
            continue
        client = server.client()
        while client.ask("LOGIN u1") != "in":
            continue
        assert client.ask("NOOP") == "ok NOOP"


def test_who_logs_in_again_is_counted_once(tmp_path: Path) -> None:
    with serving(tmp_path, extra="mail_max_userip_connections = 1") as server:
        client = server.client()
        for user in ("u1", "u1", "u2"):
            assert client.ask(f"LOGIN {user}") == "in"
        assert [row["user"] for row in server.control("who")["logins"]] == ["u2"]


def test_crash_of_a_session_is_logged_and_answered(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        client = server.client()
        answer = client.ask("CRASH")
        assert answer.startswith("internal error ")
        assert client.ask("NOOP") == "ok NOOP"
        identifier = answer.split()[-1]
        (line,) = [line for line in server.log().splitlines() if identifier in line]
        assert f"Error: Internal error {identifier}: ZeroDivisionError: as asked (_line main_fakes.py:" in line


def test_raw_log_is_written_where_its_folder_exists(tmp_path: Path) -> None:
    (tmp_path / "raw" / "u1").mkdir(parents=True)
    with serving(tmp_path, extra=f"rawlog_dir = {tmp_path}/raw/%u") as server:
        for user in ("u1", "u2", "../raw/u1"):
            client = server.client()
            client.ask(f"LOGIN {user}")
            client.ask(f"NOOP {user}")
            client.ask("LOGOUT")
            assert client.line() == ""
        names = sorted(path.suffix for path in (tmp_path / "raw").rglob("*.*"))
        assert names == [".in", ".out"]
        (into,) = (tmp_path / "raw" / "u1").glob("*.in")
        assert b"NOOP u1" in into.read_bytes()


def test_socket_of_systemd_that_nobody_wants_is_named(tmp_path: Path) -> None:
    spare = socket.create_server(("127.0.0.1", 0))
    with serving(tmp_path, more=[spare]) as server:
        assert f"no listener wants systemd's socket on {spare.getsockname()}" in server.log()
    spare.close()


def test_logs_are_reopened_after_rotation(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        (tmp_path / "log").rename(tmp_path / "log.1")
        server.signal(signal.SIGUSR1)
        while not (tmp_path / "log").exists():
            server.control("who")
        server.control("reload")
        assert "Reloaded configuration" in server.log()


def test_worker_that_cannot_start_ends_the_server_with_words(tmp_path: Path) -> None:
    with serving(tmp_path, table="BROKEN", wait=False) as server:
        out, _ = server.process.communicate(timeout=TIMEOUT)
        assert server.process.returncode == 1
        assert "a worker could not start" in out


@pytest.mark.skipif(
    os.geteuid() != 0 or not can_run(Identity(8, 8)), reason="only root can drop privileges, and others must be let in"
)
def test_workers_run_as_the_mail_user(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == "root" and folder.parent != folder and folder.name.startswith(("pytest", "popen", "test")):
            folder.chmod(0o755)
    with serving(tmp_path, extra="mail_uid = mail\nmail_gid = mail\n") as server:
        words = server.client().ask("PID").split(" ", 1)[1]
        assert words == "8 8 []"
        assert (tmp_path / "log").owner() == "mail"
        assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0 or can_run(Identity(8, 8)), reason="everybody can run this installation")
def test_mail_user_that_cannot_run_the_program_is_named(tmp_path: Path) -> None:
    with serving(tmp_path, extra="mail_uid = 8\n", wait=False) as server:
        out, _ = server.process.communicate(timeout=TIMEOUT)
        assert "mail_uid: user 8 cannot run" in out


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop privileges")
def test_mail_is_never_handled_as_root(tmp_path: Path) -> None:
    with serving(tmp_path, extra="mail_uid = root\n", wait=False) as server:
        out, _ = server.process.communicate(timeout=TIMEOUT)
        assert "mail_uid = root: mail is never handled as root" in out


def run_command(server: Server, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "doocot.main.cli", *words, "-c", str(server.folder / "dovecot.conf")]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)


def test_commands_talk_to_the_server(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        client = server.client()
        client.ask("LOGIN tim")
        client.pid()
        who = run_command(server, "who")
        assert who.stdout.split() == ["tim", "1", "imap", f"({client.pid()})", "(127.0.0.1)"]
        assert '"user": "tim"' in run_command(server, "who", "--json").stdout
        assert "connections   1" in run_command(server, "stats").stdout
        assert run_command(server, "reload").stdout == "Reloaded.\n"
        assert run_command(server, "kick", "tim").stdout == "1 sessions disconnected.\n"
        assert run_command(server, "kick", "tim").returncode == 68
        assert run_command(server, "stop").stdout == f"Stopped (pid {server.process.pid}).\n"
        assert server.wait() == 0
        late = run_command(server, "who")
        assert late.returncode == 1
        assert "no server is running with base_dir" in late.stderr


def test_help_names_every_command() -> None:
    command = [sys.executable, "-m", "doocot.main.cli", "--help"]
    text = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=True).stdout
    for name, row in SUBCOMMANDS.items():
        assert name in text
        assert row.help in text
