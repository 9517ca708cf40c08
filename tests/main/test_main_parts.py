"""The parts of the supervisor without processes: plans, tables, backoff, notify, the embedded default."""

import asyncio
import os
import socket
import ssl
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doocot.auth.schemes import verify
from doocot.config.load import load_text
from doocot.main.channel import Channel, Message, pair, put, take
from doocot.main.children import backoff
from doocot.main.embedded import DEMO, greeting, prepare
from doocot.main.identity import Identity, PlanError
from doocot.main.logins import Logins, new_login
from doocot.main.notify import Notifier
from doocot.main.plan import Listening, make_plan
from doocot.main.scheduling import thread_pool
from doocot.main.sockets import Sockets
from doocot.main.source import Source
from doocot.net.listener import Address, ListenError
from doocot.net.tls import self_signed


def config_text(**settings: str) -> str:
    lines = {"protocols": "imap lmtp", "ssl": "no", "base_dir": "/tmp/x", **settings}
    return "\n".join(f"{name} = {value}" for name, value in lines.items())


def test_plan_has_the_listeners_of_the_protocols() -> None:
    plan = make_plan(load_text(config_text(listen="127.0.0.1, ::1"), "x"), workers=3)
    assert plan.workers == 3
    assert {(each.protocol, each.name, str(each.address), each.tls) for each in plan.listening} == {
        ("imap", "imap", "127.0.0.1:143", False),
        ("imap", "imap", "[::1]:143", False),
        ("lmtp", "lmtp", "/tmp/x/lmtp", False),
    }
    assert [str(each.address) for each in plan.optional] == ["[::1]:143"]


def test_plan_reads_certificates_by_name(tmp_path: Path) -> None:
    for name in ("a", "b"):
        cert, key = self_signed([f"{name}.example"])
        (tmp_path / f"{name}.crt").write_text(cert)
        (tmp_path / f"{name}.key").write_text(key)
    text = config_text(ssl="yes", ssl_cert=f"<{tmp_path}/a.crt", ssl_key=f"<{tmp_path}/a.key")
    text += f"\nlocal_name b.example {{\n ssl_cert = <{tmp_path}/b.crt\n ssl_key = <{tmp_path}/b.key\n}}\n"
    plan = make_plan(load_text(text, "x"))
    tls = dict(plan.tls)["imap"]
    assert tls.default.cert == (tmp_path / "a.crt").read_text()
    assert [(name, own.cert) for name, own in tls.by_name] == [("b.example", (tmp_path / "b.crt").read_text())]
    assert ("imaps", True) in {(each.name, each.tls) for each in plan.listening}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"protocols": "pop4"}, "no listener is left"),
        ({"ssl": "yes"}, "imaps on 0.0.0.0:993 wants TLS, but there is no certificate"),
    ],
)
def test_a_plan_that_cannot_be_says_why(settings: dict[str, str], words: str) -> None:
    with pytest.raises(PlanError, match=words):
        make_plan(load_text(config_text(**settings), "x"))


def test_sockets_are_bound_together_or_not_at_all(tmp_path: Path) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    good = Listening("lmtp", "lmtp", Address(path=str(tmp_path / "run" / "lmtp")))
    bad = Listening("imap", "imap", Address("127.0.0.1", taken.getsockname()[1]))
    sockets = Sockets(lambda protocol: range(2))
    with pytest.raises(ListenError, match="Address already in use"):
        sockets.open([good, bad])
    assert sockets.addresses() == []
    assert not (tmp_path / "run" / "lmtp").exists()
    taken.close()
    free = Listening("imap", "imap", Address("127.0.0.1", 0))
    assert sockets.open([good, free]) == []
    listening, first = sockets.of_worker(0)
    _, second = sockets.of_worker(1)
    assert listening == (good, free)
    assert first[0] == second[0]  # one path, one socket
    assert first[1] != second[1]
    sockets.keep([free])
    assert not (tmp_path / "run" / "lmtp").exists()
    sockets.close()


def test_missing_ipv6_is_left_out_only_where_that_is_allowed() -> None:
    nowhere = Listening("imap", "imap", Address("2001:db8::1", 0))
    sockets = Sockets(lambda protocol: range(1))
    with pytest.raises(ListenError):
        sockets.open([nowhere])
    (said,) = sockets.open([nowhere], optional=[nowhere])
    assert "2001:db8::1" in said


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["u1", "u2"]), st.booleans()), max_size=40))
def test_logins_never_exceed_the_limit_and_are_counted_back(steps: list[tuple[int, str, bool]]) -> None:
    logins = Logins()
    open_keys: list[tuple[int, int, str]] = []
    for key, (worker, user, comes) in enumerate(steps):
        if comes:
            admitted = logins.enter(new_login(worker, key, user, "imap", "192.0.2.1", 1), limit=2)
            assert admitted == (sum(each[2] == user for each in open_keys) < 2)
            open_keys += [(worker, key, user)] if admitted else []
        elif open_keys:
            gone = open_keys.pop()
            logins.leave(gone[0], gone[1])
        assert sorted(row.key for row in logins.find()) == sorted(key for _, key, _ in open_keys)
    logins.worker_died(0)
    assert all(row.worker != 0 for row in logins.find())


def test_backoff_begins_at_once_and_is_bounded() -> None:
    delays = [backoff(deaths) for deaths in range(1, 30)]
    assert delays[0] == 0
    assert delays == sorted(delays)
    assert delays[-1] == 30


def test_notifier_speaks_to_systemd(tmp_path: Path) -> None:
    for address in (str(tmp_path / "notify"), f"@doocot-test-{os.getpid()}"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
            server.bind("\0" + address[1:] if address.startswith("@") else address)
            notifier = Notifier({"NOTIFY_SOCKET": address})
            notifier.ready("Serving imap")
            notifier.stopping()
            assert server.recv(1000).decode() == f"READY=1\nSTATUS=Serving imap\nMAINPID={os.getpid()}"
            assert server.recv(1000) == b"STOPPING=1"
    Notifier({}).ready("nobody listens")


def test_channel_carries_questions_descriptors_and_the_end() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = pair()
        closed = asyncio.Event()

        def handle(message: Message, descriptors: list[int]) -> None:
            value = take(descriptors[0]) if descriptors else None
            server.answer(message, seen=message["op"], value=value)

        server = Channel(loop, theirs, handle, lambda: None)
        client = Channel(loop, ours, lambda message, descriptors: None, closed.set)
        descriptor = put(("a", 1))
        assert (await client.ask({"op": "x"}, [descriptor]))["value"] == ["a", 1]
        os.close(descriptor)
        answers = await asyncio.gather(*(client.ask({"op": number}) for number in range(500)))
        assert [answer["seen"] for answer in answers] == list(range(500))
        server.close()
        assert await client.ask({"op": "late"}) == {} or closed.is_set()
        await closed.wait()

    asyncio.run(run())


def test_embedded_default_is_made_once_and_is_private(tmp_path: Path) -> None:
    source = Source(state=str(tmp_path / "state"))
    identity = Identity()
    password = prepare(source, identity)
    folder = tmp_path / "state"
    line = (folder / "users").read_text()
    name, stored = line.split(":")[:2]
    assert name == DEMO
    assert verify(stored, password.encode())
    assert stat.S_IMODE((folder / "users").stat().st_mode) == 0o600
    (message,) = (folder / "mail" / DEMO / "Maildir" / "new").iterdir()
    data = message.read_bytes()
    assert message.name.endswith(f",S={len(data)}")
    assert b"Subject: Welcome to Doocot\r\n" in data
    assert data.count(b"\n") == data.count(b"\r\n")
    assert prepare(source, identity) == ""
    assert (folder / "users").read_text() == line
    ssl.create_default_context(cafile=str(folder / "tls" / "cert.pem"))


def test_embedded_greeting_has_a_line_for_each_address_and_commands_to_try(tmp_path: Path) -> None:
    source = Source(state=str(tmp_path))
    addresses = [
        (Listening("imap", "imap", Address("127.0.0.1", 1143)), "127.0.0.1:1143"),
        (Listening("imap", "imaps", Address("127.0.0.1", 1993), tls=True), "127.0.0.1:1993"),
        (Listening("lmtp", "lmtp", Address("127.0.0.1", 1024)), "127.0.0.1:1024"),
    ]
    text = greeting(source, addresses, "abcd-efgh")
    assert f'curl --cacert {tmp_path}/tls/cert.pem -u demo:abcd-efgh "imaps://127.0.0.1:1993/INBOX;UID=1"' in text
    assert "swaks --protocol LMTP --server 127.0.0.1 --port 1024 --to demo" in text
    assert "abcd-efgh" not in greeting(source, addresses, "")


def test_threads_leave_the_processor_to_the_loop() -> None:
    """In a process of its own: what is given up cannot be taken back."""
    program = (
        "import os\n"
        "from doocot.main.scheduling import loop_goes_first, thread_pool\n"
        "loop_goes_first()\n"
        "with thread_pool(2, 'test', 5) as pool:\n"
        "    what = lambda: (os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK, os.getpriority(os.PRIO_PROCESS, 0))\n"
        "    print(pool.submit(what).result(), what(), len(pool._threads))\n"
    )
    before = os.getpriority(os.PRIO_PROCESS, 0)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    thread, loop = (os.SCHED_BATCH, max(5, before)), (os.SCHED_OTHER, before)
    assert done.stdout == f"{thread} {loop} 2\n"


def test_threads_work_where_a_sandbox_refuses_their_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refused)
    monkeypatch.setattr(os, "setpriority", refused)
    with thread_pool(2, "test", 5) as pool:
        assert pool.submit(int, "7").result(60) == 7
