"""Settings that do not make sense together, each with its place."""

from pathlib import Path

import pytest

from doocot.config.check import check
from doocot.config.load import load_text

GOOD = "ssl = no\npassdb {\n  driver = pam\n}\nprotocols = imap\n"


def _check(text: str) -> tuple[list[str], list[str]]:
    report = check(load_text(text, "f"))
    return [str(each) for each in report.errors], [str(each) for each in report.notes]


def test_a_good_file_has_no_findings() -> None:
    assert _check(GOOD) == ([], [])


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("protocols = imap gopher\n", "f:6: protocols: unknown protocol gopher: use imap, pop3, lmtp"),
        ("auth_mechanisms = plain kerberos\n", "f:6: auth_mechanisms: unknown mechanism kerberos: use plain"),
        ("ssl_min_protocol = TLSv9\n", "f:6: ssl_min_protocol: unknown TLS version TLSv9"),
        ("imap_client_workarounds = outlook\n", "f:6: imap_client_workarounds: unknown workaround outlook"),
        ("mbox_write_locks = fcntl lock\n", "f:6: mbox_write_locks: unknown lock lock"),
        ("first_valid_uid = 100\nlast_valid_uid = 99\n", "f:6: first_valid_uid is larger than last_valid_uid"),
        ("auth_worker_max_count = 0\n", "f:6: auth_worker_max_count must be above zero"),
        ("listen =\n", "f:6: listen is empty: write *"),
        ("mail_nfs_index = yes\n", "f:6: mail_nfs_index = yes needs mmap_disable = yes"),
        ("passdb {\n}\n", "f:6: passdb is missing driver: write one of"),
        ("userdb {\n  driver = nis\n}\n", "f:7: userdb: unknown driver nis: use one of"),
        ("namespace a {\n  prefix = a/\n}\n", "f:6: no namespace has inbox = yes"),
        (
            "namespace a {\n  inbox = yes\n}\nnamespace b {\n  inbox = yes\n  prefix = b/\n}\n",
            "f:6: more than one namespace has inbox = yes",
        ),
        ("namespace a {\n  inbox = yes\n  separator = //\n}\n", "f:8: namespace a: separator must be one character"),
        (
            "namespace a {\n  inbox = yes\n}\nnamespace b {\n  hidden = yes\n}\n",
            "f:6: namespace a: another one has the prefix '' too",
        ),
        (
            "namespace a {\n  inbox = yes\n  alias_for = x/\n}\n",
            "f:6: namespace a: alias_for = x/: no namespace has that prefix",
        ),
        (
            "namespace a {\n  inbox = yes\n  mailbox Q {\n    special_use = \\Spam\n  }\n}\n",
            "f:9: mailbox Q: unknown special_use \\Spam",
        ),
        ("mail_location = maildr:~/Maildir\n", "f:6: mail_location: unknown format maildr: use one of maildir"),
        ("mail_location = Maildir\n", "f:6: mail_location: 'Maildir' names no format: write maildir:Maildir"),
        (
            "service imap-login {\n  inet_listener imaps {\n    port = 143\n  }\n}\n",
            "f:8: service imap-login { inet_listener imaps } listens on * port 143, as does service imap-login",
        ),
        ('service auth {\n  unix_listener "" {\n  }\n}\n', "f:6: service auth: unix_listener has no path"),
        ("metric a {\n  exporter = log\n}\n", "f:7: metric a: there is no event_exporter log"),
        ("ssl = yes\n", "f:6: ssl is on but ssl_cert is not set"),
        ("ssl_ca = </nonexistent.pem\n", "f:6: ssl_ca = </nonexistent.pem: no such file"),
    ],
)
def test_each_contradiction_is_an_error(text: str, error: str) -> None:
    errors, _ = _check(GOOD + text)
    assert any(each.startswith(error) for each in errors), errors


def test_login_without_a_password_database() -> None:
    assert _check("ssl = no\nprotocols = imap\n")[0] == ["f: no passdb { } is there: nobody can log in"]


def test_what_is_accepted_without_effect_is_noted() -> None:
    text = (
        GOOD + "mail_always_cache_fields = flags\nplugin {\n  quotta = x\n  quota = count\n}\n"
        "service imap {\n  process_limit = 5\n  unix_listener x {\n    mode = 666\n  }\n}\nlogin_greeting = $nobody\n"
    )
    errors, notes = _check(text + "ssl = required\nssl_cert = x\nssl_key = x\ndisable_plaintext_auth = no\n")
    assert errors == []
    assert notes == [
        "f:17: login_greeting: unknown variable $nobody: put quotes around a value with a '$' that is no variable",
        "f:21: disable_plaintext_auth = no has no effect, because of ssl = required",
        "f:6: mail_always_cache_fields has no meaning in Doocot and is ignored",
        "f:8: plugin { quotta }: no feature is known to read this",
        "f:12: service imap { process_limit } has no meaning in Doocot and is ignored",
        "f:14: mode = 666 is decimal: an octal mode begins with 0",
    ]


def test_all_findings_come_at_once(tmp_path: Path) -> None:
    errors, _ = _check("protocols = imap gopher\nauth_mechanisms = x\nmail_location = y\nssl_cert = </none\n")
    assert len(errors) == 6
