"""Chains of databases: what the rules, filters and fields of Dovecot make of each login, one table row each."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from doocot.auth import chain
from doocot.auth.settings import AuthSettings, DatabaseSettings, Rule, SettingsError, Skip
from doocot.auth.types import AuthResult, Credentials, Failure, LoginRequest, Secret, User, UserUnavailable
from doocot.wire.flow import Peer

FILES = {
    "a": "tim:{PLAIN}a-pw:1000:1000::/home/tim\n",
    "b": "tim:{PLAIN}b-pw:2000:2000::/b/tim\nana:{PLAIN}x:1001:1001::/home/ana\n",
    "deny": "mallory\nana\n",
    "master": "boss:{PLAIN}m-pw\n",
    "extra": (
        "nets:{PLAIN}x::::::allow_nets=192.0.2.0/24,2001:db8::/32\n"
        "badnets:{PLAIN}x::::::allow_nets=nonsense\n"
        "closed:{PLAIN}x::::::nologin reason=Moved\n"
        "open:::::::nopassword\n"
        "both:{PLAIN}x::::::nopassword\n"
        "alias:{PLAIN}x::::::user=tim\n"
        "fast:{PLAIN}x::::::nodelay\n"
        "pre:{PLAIN}x::::::userdb_uid=77 userdb_gid=78 userdb_home=/pre/%n userdb_quota_rule=*:bytes=5M\n"
        "far:{PLAIN}x::::::proxy host=10.0.0.5 port=143\n"
        "empty:\n"
        "odd:{NOSUCH}x\n"
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
        os.utime(tmp_path / name, (1_700_000_000, 1_700_000_000))
    return tmp_path


def pf(name: str, **changes: Any) -> DatabaseSettings:
    """A passwd-file database over one of FILES; the folder is put in later."""
    return DatabaseSettings("passwd-file", f"@/{name}", **changes)


def settle(settings: AuthSettings, folder: Path) -> AuthSettings:
    def placed(rows: tuple[DatabaseSettings, ...]) -> tuple[DatabaseSettings, ...]:
        return tuple(replace(row, args=row.args.replace("@", str(folder))) for row in rows)

    return replace(settings, passdbs=placed(settings.passdbs), userdbs=placed(settings.userdbs))


def attempt(
    settings: AuthSettings, folder: Path, name: str, password: str, authzid: str = "", peer: Peer | None = None
) -> AuthResult:
    opened = chain.open_chain(settle(settings, folder), lambda _: None)
    credentials = Credentials("PLAIN", name, authzid, Secret(password))
    return chain.run(chain.authenticate(opened, LoginRequest("imap", credentials, peer or Peer())))


ALL_USERS = DatabaseSettings("static", "uid=5 gid=6 home=/s/%u allow_all_users=yes")
NOBODY = pf("missing")


@pytest.mark.parametrize(
    ("passdbs", "name", "password", "expected"),
    [
        ((pf("a"),), "tim", "a-pw", None),
        ((pf("a"),), "TIM", "a-pw", None),
        ((pf("a"),), "tim", "b-pw", Failure.WRONG_PASSWORD),
        ((pf("a"),), "eve", "a-pw", Failure.UNKNOWN_USER),
        ((pf("a"), pf("b")), "tim", "b-pw", None),
        ((pf("a", result_failure=Rule.RETURN), pf("b")), "tim", "b-pw", Failure.WRONG_PASSWORD),
        ((pf("a", result_failure=Rule.RETURN_FAIL), pf("b")), "ana", "x", Failure.UNKNOWN_USER),
        ((pf("a", result_failure=Rule.CONTINUE_OK),), "tim", "any", None),
        ((pf("a", result_success=Rule.CONTINUE), pf("b")), "tim", "a-pw", None),
        ((pf("a", result_success=Rule.CONTINUE),), "tim", "a-pw", Failure.UNKNOWN_USER),
        ((pf("a", continue_after_success=True), pf("b")), "tim", "a-pw", None),
        ((pf("a", result_success=Rule.CONTINUE_OK), pf("extra")), "tim", "a-pw", None),
        ((pf("a", result_success=Rule.CONTINUE_FAIL), pf("extra")), "tim", "a-pw", Failure.UNKNOWN_USER),
        ((pf("a", result_success=Rule.RETURN_FAIL), pf("b")), "tim", "a-pw", Failure.UNKNOWN_USER),
        ((NOBODY, pf("a")), "tim", "a-pw", None),
        ((NOBODY, pf("a")), "tim", "wrong", Failure.TEMPORARY),
        ((pf("a"), NOBODY), "eve", "x", Failure.TEMPORARY),
        ((replace(NOBODY, result_internalfail=Rule.RETURN), pf("a")), "tim", "a-pw", Failure.TEMPORARY),
        ((pf("deny", deny=True), pf("b")), "ana", "x", Failure.DISABLED),
        ((pf("deny", deny=True), pf("b")), "tim", "b-pw", None),
        ((replace(NOBODY, deny=True), pf("b")), "tim", "b-pw", Failure.TEMPORARY),
        ((pf("a", mechanisms=("login",)), pf("b")), "tim", "a-pw", Failure.WRONG_PASSWORD),
        ((pf("a", mechanisms=("plain", "login")),), "tim", "a-pw", None),
        ((pf("a", username_filter=("!tim",)), pf("b")), "tim", "a-pw", Failure.WRONG_PASSWORD),
        ((pf("a", username_filter=("t*",)),), "tim", "a-pw", None),
        ((pf("a", username_filter=("x*", "!t?m")),), "tim", "a-pw", Failure.UNKNOWN_USER),
        ((pf("a", skip=Skip.UNAUTHENTICATED), pf("b")), "tim", "a-pw", Failure.WRONG_PASSWORD),
        ((pf("a", result_success=Rule.CONTINUE_OK), pf("deny", skip=Skip.AUTHENTICATED)), "tim", "a-pw", None),
        ((DatabaseSettings("static", "password=one"),), "who", "one", None),
        ((DatabaseSettings("static", "password={SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="),), "who", "secret", None),
        ((DatabaseSettings("static", "password=p%u"),), "who", "pwho", None),
        ((DatabaseSettings("static", "nopassword=y"),), "who", "anything", None),
        ((pf("extra"),), "open", "anything", None),
        ((pf("extra"),), "both", "x", Failure.TEMPORARY),
        ((pf("extra"),), "empty", "", Failure.WRONG_PASSWORD),
        ((pf("extra"),), "odd", "x", Failure.TEMPORARY),
        ((pf("extra"),), "closed", "x", Failure.NOLOGIN),
        ((pf("extra"),), "closed", "y", Failure.WRONG_PASSWORD),
        ((pf("extra"),), "badnets", "x", Failure.TEMPORARY),
        ((), "tim", "x", Failure.UNKNOWN_USER),
    ],
)
def test_passdb_chain(
    folder: Path, passdbs: tuple[DatabaseSettings, ...], name: str, password: str, expected: Failure | None
) -> None:
    result = attempt(AuthSettings(passdbs=passdbs, userdbs=(ALL_USERS,)), folder, name, password)
    assert result.failure is expected, result.log
    assert password not in result.log or password in ("x", "")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.9", None),
        ("::ffff:192.0.2.9", None),
        ("2001:db8::1", None),
        ("198.51.100.1", Failure.ADDRESS_NOT_ALLOWED),
        ("", Failure.ADDRESS_NOT_ALLOWED),
    ],
)
def test_allow_nets(folder: Path, address: str, expected: Failure | None) -> None:
    settings = AuthSettings(passdbs=(pf("extra"),), userdbs=(ALL_USERS,))
    result = attempt(settings, folder, "nets", "x", peer=Peer(address))
    assert result.failure is expected
    assert expected is None or result.client_text == "Authentication failed."


def test_reason_of_a_closed_account_is_told_only_after_the_right_password(folder: Path) -> None:
    settings = AuthSettings(passdbs=(pf("extra"),), userdbs=(ALL_USERS,))
    assert attempt(settings, folder, "closed", "x").client_text == "Moved"
    assert attempt(settings, folder, "closed", "y").client_text == "Authentication failed."


MASTERS = AuthSettings(passdbs=(pf("master", master=True), pf("a")), userdbs=(pf("a"),), master_user_separator="*")


@pytest.mark.parametrize(
    ("name", "authzid", "password", "expected"),
    [
        ("tim*boss", "", "m-pw", "tim"),
        ("boss", "tim", "m-pw", "tim"),
        ("tim", "", "a-pw", "tim"),
        ("tim", "tim", "a-pw", "tim"),
        ("tim*boss", "", "a-pw", Failure.WRONG_PASSWORD),
        ("tim*tom", "", "m-pw", Failure.UNKNOWN_USER),
        ("tim*tim", "", "a-pw", "tim"),
        ("boss", "", "m-pw", Failure.UNKNOWN_USER),
        ("ghost*boss", "", "m-pw", Failure.TEMPORARY),
        ("*boss", "", "m-pw", Failure.UNKNOWN_USER),
    ],
)
def test_master_user(folder: Path, name: str, authzid: str, password: str, expected: str | Failure) -> None:
    result = attempt(MASTERS, folder, name, password, authzid)
    if isinstance(expected, Failure):
        assert result.failure is expected, result.log
        return
    assert result.user is not None, result.log
    assert (result.user.name, result.user.uid) == (expected, 1000)
    assert result.master_user == ("boss" if password == "m-pw" else "")


def test_master_with_pass_needs_the_user_in_a_passdb_too(folder: Path) -> None:
    passdbs = (pf("master", master=True, continue_after_success=True), pf("a"))
    settings = replace(MASTERS, passdbs=passdbs, userdbs=(ALL_USERS,))
    assert attempt(settings, folder, "tim*boss", "m-pw").ok
    assert attempt(settings, folder, "ghost*boss", "m-pw").failure is Failure.UNKNOWN_USER
    assert attempt(settings, folder, "tim*boss", "a-pw").failure is Failure.WRONG_PASSWORD


def test_authzid_without_a_master_passdb_is_refused(folder: Path) -> None:
    settings = AuthSettings(passdbs=(pf("a"),), userdbs=(ALL_USERS,))
    assert attempt(settings, folder, "tim", "a-pw", "ana").failure is Failure.NOT_AUTHORIZED


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a b",
        "tim\n",
        "tim\0",
        "tim:x",
        "../tim",
        "tim/..",
        "a" * 2000,
        "tim\udcff",
        "t*m",
        "tim'--",
        "(uid=*)",
        "%u",
    ],
)
def test_bad_user_names_are_refused_before_any_database(folder: Path, name: str) -> None:
    settings = AuthSettings(passdbs=(DatabaseSettings("static", "nopassword=y"),), userdbs=(ALL_USERS,))
    result = attempt(settings, folder, name, "x")
    assert result.failure is Failure.INVALID_NAME
    assert result.client_text == "Authentication failed."
    assert name not in result.log or not name


@pytest.mark.parametrize("name", ["tim\n", "tim\0", "tim\udcff", "\x7f"])
def test_control_characters_are_refused_even_where_all_characters_are_allowed(folder: Path, name: str) -> None:
    settings = AuthSettings(passdbs=(DatabaseSettings("static", "nopassword=y"),), username_chars="")
    assert attempt(settings, folder, name, "x").failure is Failure.INVALID_NAME


@pytest.mark.parametrize(
    ("changes", "given", "expected"),
    [
        ({}, "Tim@Example.ORG", "tim@example.org"),
        ({"username_format": "%u"}, "Tim", "Tim"),
        ({"username_format": "%n"}, "tim@example.org", "tim"),
        ({"username_format": "%Ld/%Ln".replace("/", "-")}, "Tim@X.org", "x.org-tim"),
        ({"default_realm": "x.org"}, "tim", "tim@x.org"),
        ({"default_realm": "x.org"}, "tim@y.org", "tim@y.org"),
        ({"username_translation": "%@"}, "tim%x.org", "tim@x.org"),
        ({"username_chars": ""}, "jürgen", "jürgen"),
    ],
)
def test_user_name_settings(folder: Path, changes: dict[str, str], given: str, expected: str) -> None:
    settings = AuthSettings(passdbs=(DatabaseSettings("static", "nopassword=y"),), userdbs=(ALL_USERS,))
    result = attempt(replace(settings, **changes), folder, given, "x")
    assert result.user == User(expected, given, 5, 6, f"/s/{expected}")


def test_extra_fields_reach_user_and_result(folder: Path) -> None:
    prefetch = DatabaseSettings("prefetch")
    settings = AuthSettings(passdbs=(pf("extra"), pf("a")), userdbs=(prefetch, pf("a")))
    pre = attempt(settings, folder, "pre", "x")
    assert pre.user == User("pre", "pre", 77, 78, "/pre/pre", "", {"quota_rule": "*:bytes=5M"})
    assert attempt(settings, folder, "tim", "a-pw").user == User("tim", "tim", 1000, 1000, "/home/tim")
    alias = attempt(settings, folder, "alias", "x")
    assert alias.user == User("tim", "alias", 1000, 1000, "/home/tim")
    far = attempt(settings, folder, "far", "x")
    assert far.ok
    assert dict(far.fields) == {"proxy": "yes", "host": "10.0.0.5", "port": "143"}


def test_fields_of_a_passdb_that_said_no_are_forgotten(folder: Path) -> None:
    first = DatabaseSettings("static", "password=other user=root userdb_home=/evil extra=1")
    result = attempt(AuthSettings(passdbs=(first, pf("a")), userdbs=(pf("a"),)), folder, "tim", "a-pw")
    assert result.user == User("tim", "tim", 1000, 1000, "/home/tim")
    assert not result.fields


def test_default_and_override_fields(folder: Path) -> None:
    passdb = pf("extra", default_fields="host=h userdb_quota_rule=none", override_fields="port=%{service}")
    result = attempt(AuthSettings(passdbs=(passdb,), userdbs=(ALL_USERS,)), folder, "far", "x")
    assert dict(result.fields) == {"proxy": "yes", "host": "10.0.0.5", "port": "imap"}
    userdb = pf("a", default_fields="home=/d/%u mail=maildir:~/M", override_fields="uid=9")
    result = attempt(AuthSettings(passdbs=(pf("a"),), userdbs=(userdb,)), folder, "tim", "a-pw")
    assert result.user == User("tim", "tim", 9, 1000, "/home/tim", "maildir:~/M")


@pytest.mark.parametrize(
    ("userdbs", "name", "expected"),
    [
        ((pf("a"),), "tim", 1000),
        ((pf("a"),), "eve", None),
        ((pf("a"), pf("b")), "ana", 1001),
        ((pf("a"), pf("b")), "tim", 1000),
        ((pf("a", result_success=Rule.CONTINUE_OK), pf("b")), "tim", 2000),
        ((pf("a", result_success=Rule.CONTINUE_OK), pf("b", skip=Skip.FOUND)), "tim", 1000),
        ((pf("a"), pf("b", skip=Skip.NOT_FOUND)), "ana", None),
        ((pf("a", result_failure=Rule.RETURN_FAIL), pf("b")), "ana", None),
        ((NOBODY, pf("b")), "ana", 1001),
        ((NOBODY, pf("b")), "eve", UserUnavailable),
        ((ALL_USERS,), "anybody", 5),
        ((DatabaseSettings("static", "uid=5"),), "tim", 5),
        ((DatabaseSettings("static", "uid=5"),), "anybody", None),
        ((DatabaseSettings("static", "uid=nosuchuser allow_all_users=yes"),), "tim", UserUnavailable),
        ((DatabaseSettings("static", "uid=0 allow_all_users=yes"),), "tim", UserUnavailable),
        ((DatabaseSettings("static", "uid=-1 allow_all_users=yes"),), "tim", UserUnavailable),
        ((DatabaseSettings("static", "uid=daemon allow_all_users=yes"),), "tim", 1),
        ((), "tim", None),
    ],
)
def test_userdb_chain(folder: Path, userdbs: tuple[DatabaseSettings, ...], name: str, expected: Any) -> None:
    opened = chain.open_chain(settle(AuthSettings(passdbs=(pf("a"),), userdbs=userdbs), folder), lambda _: None)
    if expected is UserUnavailable:
        with pytest.raises(UserUnavailable):
            chain.run(chain.lookup(opened, name, "lmtp"))
        return
    user = chain.run(chain.lookup(opened, name, "lmtp"))
    assert (user and user.uid) == expected


def test_user_of_a_passdb_alone_is_a_temporary_failure(folder: Path) -> None:
    result = attempt(AuthSettings(passdbs=(pf("b"),), userdbs=(pf("a"),)), folder, "ana", "x")
    assert result.failure is Failure.TEMPORARY


def hashing_jobs(folder: Path, name: str) -> int:
    """How many hashes a login with a wrong password costs."""
    settings = settle(AuthSettings(passdbs=(pf("hashed"),), userdbs=(ALL_USERS,)), folder)
    opened = chain.open_chain(settings, lambda _: None)
    request = LoginRequest("imap", Credentials("PLAIN", name, "", Secret("wrong")))
    chain.run(chain.authenticate(opened, request))
    steps = chain.authenticate(opened, request)
    count, value = 0, None
    while True:
        try:
            job = steps.send(value)
        except StopIteration:
            return count
        count, value = count + 1, job.call()


def test_unknown_user_costs_the_same_hash_as_a_wrong_password(folder: Path) -> None:
    (folder / "hashed").write_text("tim:{PBKDF2}$1$D5mjJk.7.E0Nawgi$5000$1eff2c1a96019a441995c533940795bba766b6b3\n")
    os.utime(folder / "hashed", (1, 1))
    assert hashing_jobs(folder, "tim") == 1
    assert hashing_jobs(folder, "eve") == 1


@pytest.mark.parametrize(
    "settings",
    [
        AuthSettings(passdbs=(DatabaseSettings("nosuch"),)),
        AuthSettings(userdbs=(DatabaseSettings("nosuch"),)),
        AuthSettings(passdbs=(DatabaseSettings("passwd-file", ""),)),
        AuthSettings(passdbs=(DatabaseSettings("passwd-file", "schema=x /a"),)),
        AuthSettings(passdbs=(DatabaseSettings("passwd-file", "/a/%y"),)),
        AuthSettings(passdbs=(DatabaseSettings("static", ""),)),
        AuthSettings(passdbs=(DatabaseSettings("static", "password=x =y"),)),
        AuthSettings(passdbs=(pf("a", master=True),)),
        AuthSettings(username_translation="abc"),
        AuthSettings(username_format="%{nosuch}"),
    ],
)
def test_unusable_settings_are_refused_at_start(settings: AuthSettings) -> None:
    with pytest.raises(SettingsError):
        chain.open_chain(settings, lambda _: None)


def test_errors_name_the_section_and_not_the_password() -> None:
    section = DatabaseSettings("static", "password=Hidden%!", where="passdb static (number 1)")
    with pytest.raises(SettingsError, match=r"passdb static \(number 1\): bad %") as caught:
        chain.open_chain(AuthSettings(passdbs=(section,)), lambda _: None)
    assert "Hidden" not in str(caught.value) + repr(section)


def test_secrets_are_in_no_repr(folder: Path) -> None:
    settings = settle(AuthSettings(passdbs=(pf("hashed"),), userdbs=(ALL_USERS,)), folder)
    (folder / "hashed").write_text("tim:{SHA512-CRYPT}$6$abc$SecretHash\n")
    os.utime(folder / "hashed", (1, 1))
    opened = chain.open_chain(settings, lambda _: None)
    request = LoginRequest("imap", Credentials("PLAIN", "tim", "", Secret("SecretPassword")))
    for _ in range(2):
        steps = chain.authenticate(opened, request)
        shown, value = repr(opened) + repr(request), None
        for _ in range(3):
            try:
                job = steps.send(value)
            except StopIteration as stop:
                shown += repr(stop.value)
                break
            shown, value = shown + repr(job), job.call()
        assert "SecretPassword" not in shown
        assert "SecretHash" not in shown
