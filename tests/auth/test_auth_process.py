"""The auth process and its clients: round trips over a socketpair and a path, rights by uid, damage and loss."""

import asyncio
import os
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from doocot.auth import process
from doocot.auth.authenticator import Authenticator, open_authenticator
from doocot.auth.client import RemoteAuthenticator, lookup_now
from doocot.auth.messages import MAX_FRAME, BadMessage, Frames, Lookup, Verb, encode
from doocot.auth.settings import AuthSettings, DatabaseSettings
from doocot.auth.types import AuthResult, Credentials, Failure, LoginRequest, Secret, User, UserUnavailable
from doocot.wire.flow import Job, Peer

USERS = "tim:{PLAIN}pw:1000:1000::/home/tim\nana:{PLAIN}x:1001:1001::/home/ana::userdb_quota=1\n"


def login(name: str = "tim", password: str = "pw") -> LoginRequest:
    return LoginRequest("imap", Credentials("PLAIN", name, "", Secret(password)), Peer(), "s1")


def users_file(tmp_path: Path, text: str = USERS) -> Path:
    path = tmp_path / "users"
    path.write_text(text)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


def authenticator_of(path: Path) -> Authenticator:
    database = DatabaseSettings("passwd-file", str(path))
    return open_authenticator(AuthSettings(passdbs=(database,), userdbs=(database,), failure_delay=0), lambda _: None)


async def answer(value: Any) -> Any:
    return await value.call() if isinstance(value, Job) else value


def over_pair(
    tmp_path: Path, use: Callable[[RemoteAuthenticator], Coroutine[Any, Any, None]], text: str = USERS
) -> None:
    async def main() -> None:
        server_side, client_side = socket.socketpair()
        authenticator = authenticator_of(users_file(tmp_path, text))
        transport = await process.serve_worker(authenticator, server_side)
        remote = RemoteAuthenticator(sock=client_side, timeout=60)
        await use(remote)
        remote.close()
        transport.close()
        authenticator.close()

    uvloop.run(main())


def test_worker_round_trip_gives_the_same_values_as_in_process(tmp_path: Path) -> None:
    async def use(remote: RemoteAuthenticator) -> None:
        result = await answer(remote.authenticate(login("ana", "x")))
        assert result == AuthResult(
            User("ana", "ana", 1001, 1001, "/home/ana", "", {"quota": "1"}), fields=result.fields
        )
        assert (await answer(remote.authenticate(login(password="no")))).failure is Failure.WRONG_PASSWORD
        assert (await answer(remote.lookup("tim", "lmtp"))).home == "/home/tim"
        assert await answer(remote.lookup("nobody", "lmtp")) is None
        assert await answer(remote.iterate()) == ["tim", "ana"]

    over_pair(tmp_path, use)


def test_many_questions_at_once_get_their_own_answers(tmp_path: Path) -> None:
    text = "".join(f"u{n}:{{PLAIN}}p{n}:{n + 1}:1::/h/{n}\n" for n in range(3000))

    async def use(remote: RemoteAuthenticator) -> None:
        results = await asyncio.gather(*(answer(remote.authenticate(login(f"u{n}", f"p{n}"))) for n in range(3000)))
        assert [result.user.uid for result in results] == [n + 1 for n in range(3000)]
        assert len(await answer(remote.iterate())) == 3000

    over_pair(tmp_path, use, text)


def test_unreadable_users_file_is_a_temporary_failure(tmp_path: Path) -> None:
    async def use(remote: RemoteAuthenticator) -> None:
        (tmp_path / "users").unlink()
        result = await answer(remote.authenticate(login()))
        assert result.failure is Failure.TEMPORARY
        assert "users" in result.log
        assert "users" not in result.client_text
        with pytest.raises(UserUnavailable, match="users"):
            await answer(remote.lookup("tim", "lmtp"))

    over_pair(tmp_path, use)


def test_lost_auth_process_is_a_temporary_failure() -> None:
    async def main() -> None:
        server_side, client_side = socket.socketpair()
        remote = RemoteAuthenticator(sock=client_side, timeout=60)
        job = remote.authenticate(login())
        assert isinstance(job, Job)
        task = asyncio.ensure_future(job.call())
        server_side.setblocking(False)
        await asyncio.get_running_loop().sock_recv(server_side, 4096)
        server_side.close()
        assert (await task).failure is Failure.TEMPORARY
        assert (await answer(remote.authenticate(login()))).failure is Failure.TEMPORARY

    asyncio.run(main())


def test_silent_auth_process_is_a_temporary_failure() -> None:
    async def main() -> None:
        server_side, client_side = socket.socketpair()
        remote = RemoteAuthenticator(sock=client_side, timeout=0.01)
        result = await answer(remote.authenticate(login()))
        assert result.failure is Failure.TEMPORARY
        assert "0.01 seconds" in result.log
        assert remote.link is not None
        assert not remote.link.waiting
        remote.close()
        server_side.close()

    asyncio.run(main())


def with_path_server(tmp_path: Path, own_uids: frozenset[int], use: Callable[[str], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        path = str(tmp_path / "auth")
        authenticator = authenticator_of(users_file(tmp_path))
        server = await process.serve_path(authenticator, path, own_uids)
        await use(path)
        server.close()
        await server.wait_closed()
        authenticator.close()

    uvloop.run(main())


def test_lookup_now_asks_without_a_loop(tmp_path: Path) -> None:
    async def use(path: str) -> None:
        user = await asyncio.to_thread(lookup_now, path, "ana", "lda")
        assert user == User("ana", "ana", 1001, 1001, "/home/ana", "", {"quota": "1"})
        assert await asyncio.to_thread(lookup_now, path, "nobody", "lda") is None

    with_path_server(tmp_path, frozenset({os.geteuid()}), use)


def test_lookup_now_without_a_server_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(UserUnavailable, match="doocot serve"):
        lookup_now(str(tmp_path / "none"), "tim", "lda")


def test_path_client_reconnects(tmp_path: Path) -> None:
    async def use(path: str) -> None:
        remote = RemoteAuthenticator(path)
        assert (await answer(remote.lookup("tim", "lmtp"))).uid == 1000
        remote.close()
        await asyncio.sleep(0)
        assert (await answer(remote.lookup("tim", "lmtp"))).uid == 1000
        remote.close()

    with_path_server(tmp_path, frozenset({os.geteuid()}), use)


_STRANGER = """
import os, sys
from doocot.auth.client import lookup_now
from doocot.auth.types import UserUnavailable
os.setgroups([]); os.setgid(1000); os.setuid(1000)
for name in sys.argv[2:]:
    try:
        print(name, lookup_now(sys.argv[1], name, "lda", 10))
    except UserUnavailable as error:
        print(name, "unavailable", error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_stranger_sees_only_users_with_his_uid() -> None:
    def ask(path: str) -> list[str]:
        command = [sys.executable, "-c", _STRANGER, path, "tim", "ana", "nobody"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

    async def use(path: str) -> None:
        own, other, missing = await asyncio.to_thread(ask, path)
        assert "uid=1000" in own
        assert other.replace("ana", "nobody") == missing
        assert "not your user" in other

    with tempfile.TemporaryDirectory() as folder:  # tmp_path is closed to other users
        os.chmod(folder, 0o755)
        with_path_server(Path(folder), frozenset({0}), use)


def test_untrusted_client_may_not_authenticate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "peer_uid", lambda sock: 4242)

    async def use(path: str) -> None:
        remote = RemoteAuthenticator(path, timeout=60)
        result = await answer(remote.authenticate(login()))
        assert result.failure is Failure.TEMPORARY
        assert "only the server itself" in result.log
        with pytest.raises(UserUnavailable):
            await answer(remote.iterate())
        with pytest.raises(UserUnavailable, match="not your user"):
            await answer(remote.lookup("tim", "lda"))
        remote.close()

    with_path_server(tmp_path, frozenset({0}), use)


def test_rights_by_uid() -> None:
    tim = User("tim", uid=1000)
    own = frozenset({500})
    assert process.rights_of(0, own).may_see(tim)
    assert process.rights_of(500, own).may_see(tim)
    assert process.rights_of(1000, own).may_see(tim)
    assert not process.rights_of(1001, own).may_see(tim)
    assert not process.rights_of(1000, own).may_see(User("nouid"))


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">I", MAX_FRAME + 1),
        struct.pack(">I", 3) + b"abc",
        struct.pack(">I", 0),
        b"GET / HTTP/1.0\r\n\r\n",
        encode(1, Verb.NO_USER),
        encode(1, Verb.LOOKUP, {"username": 5}),
    ],
)
def test_garbage_closes_the_connection(tmp_path: Path, data: bytes) -> None:
    async def use(path: str) -> None:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(data)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await reader.readexactly(1)
        writer.close()

    with_path_server(tmp_path, frozenset({os.geteuid()}), use)


def test_frames_come_whole_or_byte_by_byte() -> None:
    stream = encode(1, Verb.LOOKUP, Lookup("tim", "lmtp")) + encode(2, Verb.ITERATE) + encode(3, Verb.REFUSED, "no")
    expected = [(1, Verb.LOOKUP, Lookup("tim", "lmtp")), (2, Verb.ITERATE, None), (3, Verb.REFUSED, "no")]
    assert list(Frames().feed(stream)) == expected
    slow = Frames()
    assert [message for byte in stream for message in slow.feed(bytes([byte]))] == expected
    assert not slow.buffer


def test_too_large_a_message_is_not_sent() -> None:
    with pytest.raises(BadMessage, match="at most"):
        encode(1, Verb.LOOKUP, Lookup("x" * MAX_FRAME, "lmtp"))
    with pytest.raises(BadMessage):
        encode(1, Verb.LOOKUP, Lookup("\udcff", "lmtp"))
