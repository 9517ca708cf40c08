"""The server with its real protocols: deliveries from outside, IDLE in other workers, the auth process, limits."""

import contextlib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from main_fakes import TIMEOUT, Client, Server, serving

from doocot.main.children import can_run
from doocot.main.identity import Identity
from doocot.main.scheduling import LOOP_NICE
from doocot.net.tls import ensure_self_signed

ROOT = os.geteuid() == 0
UID, GID = (8, 8) if ROOT else (os.getuid(), os.getgid())
MAIL = "Subject: hello\nMessage-ID: <m1@example.org>\n\nbody\n"
ELSEWHERE = "127.0.0.2"  # not exempt from penalties, as the server's own address is

pytestmark = pytest.mark.skipif(ROOT and not can_run(Identity(UID, GID)), reason="others must be let in")


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder that the mail user can reach; pytest closes its own to others whenever it starts."""
    with tempfile.TemporaryDirectory(prefix="doocot-") as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


def prepare(tmp_path: Path, more: str = "") -> str:
    """Folders, accounts, and the rest of a configuration."""
    mail = tmp_path / "mail"
    mail.mkdir()
    os.chown(mail, UID, GID)
    accounts(tmp_path / "users", "pw")
    return f"""
protocols = imap lmtp
mail_location = maildir:{mail}/%u
mail_uid = {UID}
mail_gid = {GID}
first_valid_uid = 1
disable_plaintext_auth = no
auth_failure_delay = 0
passdb {{
  driver = passwd-file
  args = {tmp_path}/users
}}
userdb {{
  driver = passwd-file
  args = {tmp_path}/users
}}
{more}
"""


def accounts(path: Path, password: str) -> None:
    path.write_text("".join(f"{user}:{{PLAIN}}{password}:{UID}:{GID}::{path.parent}/home::\n" for user in ("u1", "u2")))


def status(pid: int, name: str) -> str:
    """One line of /proc/PID/status."""
    return re.search(rf"^{name}:\s*(.*)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)[1]  # type: ignore[index]


def in_memory(pid: int, text: str) -> bool:
    """Whether a process has a text in its writable memory."""
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            area, rights = line.split()[:2]
            if not rights.startswith("rw") or "[v" in line:
                continue
            start, end = (int(part, 16) for part in area.split("-"))
            memory.seek(start)
            with contextlib.suppress(OSError):  # unmapped since
                if text.encode() in memory.read(end - start):
                    return True
    return False


@contextmanager
def mail_server(tmp_path: Path, more: str = "") -> Iterator[Server]:
    with serving(tmp_path, extra=prepare(tmp_path, more), table="REAL") as server:
        yield server
        server.signal(signal.SIGTERM)
        assert server.wait() == 0


def login(server: Server, user: str = "u1", password: str = "pw", source: str = "") -> tuple[Client, str]:
    sock = socket.create_connection(("127.0.0.1", server.port), TIMEOUT, source_address=(source, 0) if source else None)
    client = Client(sock)
    return client, client.ask(f"a LOGIN {user} {password}")


def until(client: Client, start: str) -> str:
    """The next line that begins so."""
    while not (line := client.line()).startswith(start):
        assert line, f"closed before {start}"
    return line


def in_both_workers(server: Server, user: str = "u1") -> list[Client]:
    """A session of this user in each of both workers."""
    clients: list[Client] = []
    pids: set[int] = set()
    while len(pids) < 2:
        client, answer = login(server, user)
        assert answer.startswith("a OK")
        assert client.ask("n NOOP").startswith("n OK")  # a worker reports a login beside its answer
        seen = {row["pid"] for row in server.control("who", user=user)["logins"]}
        if seen == pids:
            client.close()
            while len(server.control("who", user=user)["logins"]) > len(clients):
                continue
        else:
            pids = seen
            clients.append(client)
    return clients


def idle(client: Client) -> None:
    client.send("s SELECT INBOX")
    until(client, "s OK")
    assert client.ask("i IDLE") == "+ idling"


def auth_pid(server: Server) -> int:
    """The child of the supervisor that runs doocot.main.auth."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    (pid,) = [pid for pid in children if b"doocot.main.auth" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return int(pid)


def deliver(
    server: Server, *words: str, mail: str = MAIL, user: int | None = None
) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "doocot.main.cli", "deliver", "-c", str(server.folder / "dovecot.conf"), *words]
    other = {} if user is None else {"user": user, "group": user, "extra_groups": ()}
    return subprocess.run(command, input=mail, capture_output=True, text=True, timeout=TIMEOUT, check=False, **other)  # type: ignore[call-overload,no-any-return]


@pytest.mark.skipif(shutil.which("swaks") is None, reason="needs swaks")
def test_lmtp_delivery_is_seen_by_idle_in_every_worker(tmp_path: Path) -> None:
    with mail_server(tmp_path) as server:
        clients = in_both_workers(server)
        for client in clients:
            idle(client)
        command = ["swaks", "--protocol", "LMTP", "--socket", str(tmp_path / "run" / "lmtp"), "--to", "u1"]
        done = subprocess.run(
            [*command, "--from", "a@b", "--silent", "2"], capture_output=True, text=True, timeout=TIMEOUT
        )
        assert done.returncode == 0, done.stdout + done.stderr
        for client in clients:
            assert until(client, "* 1 EXISTS")
        pattern = r"lmtp\(u1\)<\d+><[0-9a-f]+>: Info: msgid=<[^>]+>: saved mail to INBOX"
        assert re.search(pattern, server.log())


def test_deliver_is_seen_by_idle_in_every_worker(tmp_path: Path) -> None:
    with mail_server(tmp_path) as server:
        clients = in_both_workers(server)
        for client in clients:
            idle(client)
        done = deliver(server, "-d", "u1", "-f", "a@b")
        assert (done.returncode, done.stderr) == (0, "")
        for client in clients:
            assert until(client, "* 1 EXISTS")
        assert "saved mail to INBOX" in server.log()
        assert deliver(server, "-d", "nobody").returncode == os.EX_NOUSER


def test_deliver_to_a_mailbox_that_is_not_selected_is_told_by_notify_in_every_worker(tmp_path: Path) -> None:
    with mail_server(tmp_path) as server:
        clients = in_both_workers(server)
        assert clients[0].ask("c CREATE lists").startswith("c OK")
        for client in clients:
            answer = client.ask("n NOTIFY SET (personal (MessageNew MessageExpunge MailboxName))")
            assert answer.startswith("n OK")
        done = deliver(server, "-d", "u1", "-m", "lists")
        assert (done.returncode, done.stderr) == (0, "")
        for client in clients:
            assert client.line() == "* STATUS lists (MESSAGES 1 UIDNEXT 2 UNSEEN 1)"
        assert clients[0].ask("r RENAME lists others").startswith("r OK")
        assert clients[1].line() == '* LIST (\\HasNoChildren) "." others ("OLDNAME" (lists))'
        assert clients[0].ask("n NOOP").startswith("n OK")


@pytest.mark.parametrize("interval", ["1 s", "1 hours"])
def test_what_another_program_does_in_an_unselected_folder_is_told_by_notify(tmp_path: Path, interval: str) -> None:
    with mail_server(tmp_path, f"mailbox_idle_check_interval = {interval}\n") as server:
        client, _ = login(server)
        assert client.ask("c CREATE lists").startswith("c OK")
        assert client.ask("n NOTIFY SET (personal (MessageNew MessageExpunge MailboxName))").startswith("n OK")
        folder = tmp_path / "mail" / "u1"
        (folder / ".lists" / "new" / "1700000000.M1P1.host").write_text(MAIL)
        assert client.line() == "* STATUS lists (MESSAGES 1 UIDNEXT 2 UNSEEN 1)"
        if interval != "1 s":
            return  # the kernel told of the message, of a new folder it does not
        made = folder / ".made"
        made.mkdir()
        for path in (made, *(made / part for part in ("tmp", "new", "cur"))):
            path.mkdir(exist_ok=True)
            os.chown(path, UID, GID)
        assert until(client, "* LIST") == '* LIST (\\HasNoChildren) "." made'


def test_deliver_without_a_server_is_seen_by_the_next_one(tmp_path: Path) -> None:
    extra = prepare(tmp_path)
    with serving(tmp_path, extra=extra, table="REAL") as server:
        client, _ = login(server)
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
    for number in (1, 2):
        done = deliver(server, "-d", "u1", mail=MAIL.replace("hello", f"hello {number}"))
        assert (done.returncode, done.stderr) == (0, "")
    assert deliver(server, "-d", "nobody").returncode == os.EX_NOUSER
    uidlist = (tmp_path / "mail" / "u1" / "dovecot-uidlist").read_text().splitlines()
    assert [line.split()[0] for line in uidlist[1:]] == ["1", "2"]
    with serving(tmp_path, extra=extra, table="REAL") as again:
        client, _ = login(again)
        client.send("s SELECT INBOX")
        assert until(client, "* 2 EXISTS")


def test_deliver_to_a_mailbox_that_is_made_only_when_allowed(tmp_path: Path) -> None:
    with mail_server(tmp_path) as server:
        assert deliver(server, "-d", "u1", "-m", "lists.new").returncode == 0
        assert "save failed to open mailbox lists.new: Mailbox doesn't exist: lists.new" in server.log()
        assert "saved mail to INBOX" in server.log()
        settings = ("-o", "lda_mailbox_autocreate=yes", "-o", "lda_mailbox_autosubscribe=yes")
        assert deliver(server, "-d", "u1", "-m", "lists.new", *settings).returncode == 0
        assert "saved mail to lists.new" in server.log()
        assert (tmp_path / "mail" / "u1" / "subscriptions").read_text().split("\t")[-1].strip().endswith("new")
        client, _ = login(server)
        client.send("s STATUS lists.new (MESSAGES)")
        assert until(client, "* STATUS") == "* STATUS lists.new (MESSAGES 1)"


def test_deliver_trouble_is_temporary_for_the_mta(tmp_path: Path) -> None:
    with mail_server(tmp_path) as server:
        assert deliver(server, "-d", "u1", "-o", "nonsense=yes").returncode == os.EX_TEMPFAIL
        assert deliver(server, "-d", "u1", "-o", f"first_valid_uid={UID + 1}").returncode == os.EX_TEMPFAIL
        assert deliver(server, "-d", "u1", "-o", "mail_location=mbox:~/mail").returncode == os.EX_TEMPFAIL
        os.kill(auth_pid(server), signal.SIGSTOP)
        os.kill(auth_pid(server), signal.SIGKILL)
        (tmp_path / "dovecot.conf").write_text("nonsense = yes\n")
        done = deliver(server, "-d", "u1")
        assert done.returncode == os.EX_TEMPFAIL
        assert "nonsense" in done.stderr


@pytest.mark.skipif(not ROOT, reason="only root can be somebody else")
def test_deliver_by_the_mail_user_and_by_a_stranger(tmp_path: Path) -> None:
    with mail_server(tmp_path) as server:
        assert deliver(server, "-d", "u1", user=UID).returncode == 0
        assert deliver(server, "-d", "nobody", user=UID).returncode == os.EX_NOUSER
        for user in ("u1", "nobody"):  # a stranger does not learn who exists
            done = deliver(server, "-d", user, user=65534)
            assert done.returncode == os.EX_TEMPFAIL
            assert "not your user" in done.stderr


def test_hup_changes_accounts_and_certificate_and_keeps_sessions(tmp_path: Path) -> None:
    def tls(name: str) -> str:
        ensure_self_signed(tmp_path / name, lambda: [name])
        return f"ssl = yes\nssl_cert = <{tmp_path}/{name}/cert.pem\nssl_key = <{tmp_path}/{name}/key.pem\n"

    with mail_server(tmp_path, tls("old.test")) as server:
        session, _ = login(server)
        assert certificate(server) == (tmp_path / "old.test" / "cert.pem").read_text()
        accounts(tmp_path / "users2", "new")
        text = (tmp_path / "dovecot.conf").read_text()
        (tmp_path / "dovecot.conf").write_text(
            text.replace(f"{tmp_path}/users", f"{tmp_path}/users2") + tls("new.test")
        )
        server.signal(signal.SIGHUP)
        assert server.notify().startswith("RELOADING=1")  # type: ignore[attr-defined]
        assert server.notify().startswith("READY=1")  # type: ignore[attr-defined]
        assert session.ask("n NOOP").startswith("n OK")
        assert certificate(server) == (tmp_path / "new.test" / "cert.pem").read_text()
        for _ in range(4):
            assert login(server, password="new")[1].startswith("a OK")
            assert login(server, password="pw")[1].startswith("a NO [AUTHENTICATIONFAILED]")
        (tmp_path / "dovecot.conf").write_text(text.replace("driver = passwd-file", "driver = nonsense"))
        answer = server.control("reload")
        assert not answer["ok"]
        assert "nonsense" in answer["error"]
        assert login(server, password="new")[1].startswith("a OK")


def certificate(server: Server) -> str:
    """What STARTTLS shows."""
    client = server.client()
    assert client.ask("t STARTTLS").startswith("t OK")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with context.wrap_socket(client.sock) as secured:
        return ssl.DER_cert_to_PEM_cert(secured.getpeercert(True) or b"")


def test_auth_process_killed_fails_the_login_under_way_and_is_started_again(tmp_path: Path) -> None:
    with mail_server(tmp_path) as server:
        session, _ = login(server)
        pid = auth_pid(server)
        os.kill(pid, signal.SIGSTOP)
        waiting = server.client()
        waiting.send("a LOGIN u1 pw")
        assert session.ask("n NOOP").startswith("n OK")
        os.kill(pid, signal.SIGKILL)
        assert waiting.line() == "a NO [UNAVAILABLE] Temporary authentication failure."
        assert waiting.ask("b LOGIN u1 pw").startswith("b OK")
        for _ in range(4):
            assert login(server)[1].startswith("a OK")
        assert auth_pid(server) != pid
        assert f"service(auth): child {pid} killed with signal 9" in server.log()
        assert "auth process: the auth process closed the connection" in server.log()


def test_unauthenticate_gives_the_login_back(tmp_path: Path) -> None:
    """Who logs in anew on the same connection counts once, as the one that he is now."""
    with mail_server(tmp_path, "mail_max_userip_connections = 1\n") as server:
        client, answer = login(server, "u1")
        assert answer.startswith("a OK")
        for user in ("u1", "u2", "u1", "u1", "u2"):
            assert client.ask("b UNAUTHENTICATE").startswith("b OK")
            assert client.ask("c SELECT INBOX").startswith("c BAD")
            assert client.ask(f"d LOGIN {user} pw").startswith("d OK")
            while [row["user"] for row in server.control("who")["logins"]] != [user]:
                assert client.ask("e NOOP").startswith("e OK")
        assert client.ask("f NOOP").startswith("f OK")
        assert server.log().count("Disconnected: Unauthenticated in=") == 5


def test_auth_that_cannot_start_ends_the_server_with_words(tmp_path: Path) -> None:
    extra = prepare(tmp_path).replace("driver = passwd-file", "driver = nonsense")
    with serving(tmp_path, extra=extra, table="REAL", wait=False) as server:
        out, _ = server.process.communicate(timeout=TIMEOUT)
        assert server.process.returncode == 1
        assert "unknown driver 'nonsense'" in out


def test_processes_have_no_privileges_but_those_of_the_table(tmp_path: Path) -> None:
    secret = "kZ8vQ2nR"
    more = f"passdb {{\n driver = static\n args = password={secret}\n}}\n"
    with mail_server(tmp_path, more) as server:
        client, answer = login(server)
        assert answer.startswith("a OK")
        while not (rows := server.control("who")["logins"]):
            assert client.ask("n NOOP").startswith("n OK")
        worker = rows[0]["pid"]
        assert status(auth_pid(server), "NoNewPrivs") == "1"
        if ROOT:
            assert [status(auth_pid(server), name) for name in ("CapEff", "CapBnd")] == ["0000000000000004"] * 2
            assert status(auth_pid(server), "Uid").split()[0] not in ("0", str(UID))
            assert status(worker, "CapEff") == "0000000000000000"
            assert status(worker, "Uid").split() == [str(UID)] * 4
            assert int(status(server.process.pid, "CapEff"), 16) & ~0x8005EF == 0
            assert os.getpriority(os.PRIO_PROCESS, worker) == LOOP_NICE
        for pid, expected in ((worker, False), (auth_pid(server), True)):
            assert in_memory(pid, secret) == expected


@pytest.mark.skipif(not Path("/proc/sys/net/ipv4").exists(), reason="needs all of 127/8")
def test_penalty_of_one_worker_holds_in_the_other(tmp_path: Path) -> None:
    with mail_server(tmp_path) as server:
        assert login(server, password="wrong", source=ELSEWHERE)[1].startswith("a NO")
        seconds = []
        for _ in range(4):  # with four connections both workers are met
            begun = time.monotonic()
            assert login(server, source=ELSEWHERE)[1].startswith("a OK")
            seconds.append(time.monotonic() - begun)
        assert seconds[0] >= 1.9  # a bound from below: a busy machine only adds to it
        assert min(seconds[1:]) < 1.9  # the first success forgives


def test_too_many_real_sessions_are_refused_in_any_worker(tmp_path: Path) -> None:
    with mail_server(tmp_path, "mail_max_userip_connections = 2\n") as server:
        kept = in_both_workers(server)
        third, answer = login(server)
        assert answer.startswith("a NO [LIMIT] Maximum number of connections from user+IP exceeded")
        assert third.ask("b LOGIN u2 pw").startswith("b OK")
        for client in kept:
            assert client.ask("n NOOP").startswith("n OK")
        assert login(server, "u2")[1].startswith("a OK")
