"""The authenticator: answers at once or by a Job, its cache, failure delay and penalties."""

import asyncio
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from doocot.auth import schemes
from doocot.auth.authenticator import Authenticator, open_authenticator
from doocot.auth.cache import AuthCache
from doocot.auth.penalty import FORGET_AFTER, MAX_ADDRESSES, Penalties
from doocot.auth.settings import AuthSettings, DatabaseSettings, from_config
from doocot.auth.types import AuthResult, Credentials, Failure, LoginRequest, Secret, User
from doocot.config.effective import effective
from doocot.config.load import load_text
from doocot.errors import Kind
from doocot.wire.flow import Job, Peer

FAR = Peer("198.51.100.7", local_ip="192.0.2.1", tls=True)


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def login(password: str = "pw", name: str = "tim", peer: Peer | None = None, service: str = "imap") -> LoginRequest:
    return LoginRequest(service, Credentials("PLAIN", name, "", Secret(password)), peer or Peer())


def answered(value: Any) -> Any:
    async def wait() -> Any:
        return await value.call()

    return asyncio.run(wait()) if isinstance(value, Job) else value


def write(path: Path, text: str, at: int) -> None:
    path.write_text(text)
    os.utime(path, (at, at))


@pytest.fixture
def users(tmp_path: Path) -> Path:
    path = tmp_path / "users"
    write(path, f"tim:{{PLAIN}}pw:1000:1000::/t\nana:{schemes.make('MD5-CRYPT', b'x')}:7:7::/a\n", 1)
    return path


def opened(path: Path, clock: Clock | None = None, **changes: Any) -> Authenticator:
    database = DatabaseSettings("passwd-file", str(path))
    settings = replace(AuthSettings(passdbs=(database,), userdbs=(database,)), **changes)
    return open_authenticator(settings, lambda _: None, clock or Clock())


def test_file_in_memory_and_plain_scheme_are_answered_at_once(users: Path) -> None:
    authenticator = opened(users)
    first = authenticator.authenticate(login())
    assert isinstance(first, Job)
    assert first.awaited
    expected = AuthResult(User("tim", "tim", 1000, 1000, "/t"))
    assert answered(first) == expected
    assert authenticator.authenticate(login()) == expected
    assert authenticator.lookup("tim", "lmtp") == expected.user
    assert authenticator.lookup("eve", "lmtp") is None
    assert answered(authenticator.iterate()) == ["tim", "ana"]
    authenticator.close()


def test_hash_is_computed_on_a_thread_and_then_cached(users: Path) -> None:
    authenticator = opened(users, cache_size=100_000)
    assert answered(authenticator.authenticate(login())).ok
    hashed = authenticator.authenticate(login("x", "ana"))
    assert isinstance(hashed, Job)
    assert answered(hashed).user.uid == 7
    cached = authenticator.authenticate(login("x", "ana"))
    assert isinstance(cached, AuthResult)
    assert cached.user is not None
    assert cached.user.uid == 7
    assert isinstance(authenticator.authenticate(login("y", "ana")), Job)
    assert isinstance(authenticator.authenticate(login("x", "ana", service="pop3")), Job)
    authenticator.close()


def test_cache_expires_and_obeys_a_changed_file(users: Path) -> None:
    clock = Clock()
    authenticator = opened(users, clock, cache_size=100_000, cache_ttl=60.0, cache_negative_ttl=10.0)
    assert answered(authenticator.authenticate(login("x", "ana"))).ok
    assert isinstance(authenticator.authenticate(login("x", "ana")), AuthResult)
    clock.now += 61
    assert answered(again := authenticator.authenticate(login("x", "ana"))).ok
    assert isinstance(again, Job)
    assert answered(authenticator.authenticate(login("z", "ana"))).failure is Failure.WRONG_PASSWORD
    assert isinstance(authenticator.authenticate(login("z", "ana")), AuthResult)
    clock.now += 11
    assert isinstance(authenticator.authenticate(login("z", "ana")), Job)
    write(users, "ana:{PLAIN}new:7:7::/a\n", 2)
    assert answered(authenticator.authenticate(login("x", "ana"))).failure is Failure.WRONG_PASSWORD
    assert answered(authenticator.authenticate(login("new", "ana"))).ok
    authenticator.close()


def test_temporary_failures_are_not_cached(users: Path) -> None:
    authenticator = opened(users, cache_size=100_000)
    text = users.read_text()
    users.unlink()
    assert answered(authenticator.authenticate(login())).failure is Failure.TEMPORARY
    write(users, text, 3)
    assert answered(authenticator.authenticate(login())).ok
    authenticator.close()


def test_cache_is_bounded_and_holds_no_password() -> None:
    cache = AuthCache(50_000, 60, 60)
    for number in range(1000):
        cache.put(cache.key(login(f"SecretPassword{number}")), None, AuthResult(User("tim")))
    assert 10 < len(cache.entries) < 60
    assert cache.used <= 50_000
    assert cache.used == sum(entry.size for entry in cache.entries.values())
    assert "SecretPassword" not in repr(cache)
    assert cache.get(cache.key(login("SecretPassword999")), None) is not None
    assert cache.get(cache.key(login("SecretPassword0")), None) is None
    assert cache.flush() > 10
    assert cache.used == 0


@pytest.mark.parametrize(
    "other",
    [
        login("pw2"),
        login("pw", "tim2"),
        login(service="pop3"),
        login(peer=Peer("127.0.0.2")),
        login(peer=Peer(tls=True)),
        login(peer=Peer(local_name="x")),
        LoginRequest("imap", Credentials("PLAIN", "tim", "boss", Secret("pw"))),
        LoginRequest("imap", Credentials("LOGIN", "tim", "", Secret("pw"))),
        LoginRequest("imap", Credentials("PLAIN", "ti", "", Secret("mpw"))),
    ],
)
def test_cache_keys_differ_with_everything_that_matters(other: LoginRequest) -> None:
    cache = AuthCache(1, 1, 1)
    assert cache.key(login()) == cache.key(login())
    assert cache.key(login()) != cache.key(other)
    assert cache.key(login()) != AuthCache(1, 1, 1).key(login())


def test_failures_are_delayed_and_addresses_punished(users: Path) -> None:
    clock = Clock()
    authenticator = opened(users, clock)
    delays = [answered(authenticator.authenticate(login("no", peer=FAR))).delay for _ in range(6)]
    assert delays == [2.0, 2.0, 4.0, 8.0, 15.0, 15.0]
    near = authenticator.authenticate(login("no"))
    assert isinstance(near, AuthResult)
    assert near.delay == 2.0
    other = authenticator.authenticate(login(peer=replace(FAR, remote_ip="198.51.100.8")))
    assert isinstance(other, AuthResult)
    assert other.delay == 0
    good = authenticator.authenticate(login(peer=FAR))
    assert isinstance(good, AuthResult)
    assert (good.ok, good.delay) == (True, 15.0)
    good = authenticator.authenticate(login(peer=FAR))
    assert isinstance(good, AuthResult)
    assert good.delay == 0
    authenticator.close()


def test_penalties_are_forgotten_bounded_and_by_network() -> None:
    clock = Clock()
    penalties = Penalties(clock)
    penalties.failed(Peer("2001:db8:1:2::3"))
    assert penalties.delay(Peer("2001:db8:1:ffff::9")) == 2.0
    assert penalties.delay(Peer("2001:db8:2::9")) == 0
    penalties.failed(Peer("198.51.100.7", trusted=True))
    penalties.failed(Peer("127.0.0.1"))
    assert len(penalties.failures) == 1
    clock.now += FORGET_AFTER + 1
    assert penalties.delay(Peer("2001:db8:1:2::3")) == 0
    for number in range(MAX_ADDRESSES + 10):
        penalties.failed(Peer(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"))
    assert len(penalties.failures) == MAX_ADDRESSES


@pytest.mark.parametrize(
    ("changes", "peer", "failure", "kind"),
    [
        ({}, Peer("198.51.100.7"), Failure.PLAINTEXT_NOT_ALLOWED, Kind.PRIVACY_REQUIRED),
        ({"ssl_required": True}, Peer("198.51.100.7"), Failure.TLS_REQUIRED, Kind.PRIVACY_REQUIRED),
        ({}, FAR, None, None),
        ({"disable_plaintext_auth": False}, Peer("198.51.100.7"), None, None),
    ],
)
def test_password_without_tls_is_refused_before_it_is_checked(
    users: Path, changes: dict[str, bool], peer: Peer, failure: Failure | None, kind: Kind | None
) -> None:
    authenticator = opened(users, **changes)
    result = answered(authenticator.authenticate(login(peer=peer)))
    assert (result.failure, result.kind) == (failure, kind)
    authenticator.close()


def test_every_failure_has_a_text_and_none_tells_who_exists() -> None:
    texts = {failure: AuthResult(failure=failure).client_text for failure in Failure}
    assert all(texts.values())
    assert len({texts[Failure.WRONG_PASSWORD], texts[Failure.UNKNOWN_USER], texts[Failure.INVALID_NAME]}) == 1


def test_settings_come_from_dovecot_conf(users: Path) -> None:
    text = f"""
auth_mechanisms = plain login
auth_master_user_separator = *
auth_cache_size = 1M
auth_failure_delay = 5 secs
ssl = required
passdb {{
  driver = static
  args = password=%u
  master = yes
  pass = yes
}}
passdb {{
  driver = passwd-file
  args = {users}
  result_failure = return-fail
  username_filter = t* !x
}}
userdb {{
  driver = passwd-file
  args = {users}
  skip = found
}}
"""
    settings = from_config(effective(load_text(text, "test.conf")))
    assert settings.mechanisms == ("PLAIN", "LOGIN")
    assert (settings.ssl_required, settings.disable_plaintext_auth) == (True, True)
    assert (settings.cache_size, settings.failure_delay) == (2**20, 5)
    assert [row.master for row in settings.passdbs] == [True, False]
    authenticator = open_authenticator(settings, lambda _: None)
    assert answered(authenticator.authenticate(login("boss", "tim*boss"))).master_user == "boss"
    authenticator.close()


def test_unknown_mechanisms_are_reported(users: Path) -> None:
    reports: list[str] = []
    open_authenticator(AuthSettings(mechanisms=("PLAIN", "GSSAPI")), reports.append).close()
    assert len(reports) == 1
    assert "GSSAPI" in reports[0]
