"""Files of Dovecot 2.4."""

import pytest

from doocot.config.effective import effective
from doocot.config.load import ConfigError, load_text

TEXT = """\
# a file of 2.4
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
protocols {
  imap = yes
  lmtp = yes
  pop3 = no
}
mail_home = /srv/vmail/%{user | domain}/%{user | username | lower}
mail_driver = maildir
mail_path = ~/Maildir
mail_index_path = /idx/%{user}
auth_allow_cleartext = yes
auth_default_domain = example.org
ssl_server_cert_file = /etc/cert
ssl_server {
  key_file = /etc/key
}
mail_plugins {
  quota = yes
}
passdb passwd-file {
  passwd_file_path = /etc/users
  default_password_scheme = sha512-crypt
}
userdb static {
  fields {
    uid = vmail
    home = /home/%{user}
  }
}
namespace inbox {
  inbox = yes
  mailbox Trash {
    auto = subscribe
    mailbox_autoexpunge = 30d
  }
}
namespace public {
  prefix = Public/
  mail_driver = mbox
  mail_path = /srv/public
}
service imap {
  restart_request_count = 3
}
protocol imap {
  mail_plugins {
    imap_quota = yes
  }
}
sieve_script personal {
  path = ~/sieve
  active_path = ~/.dovecot.sieve
}
"""


def test_a_file_of_2_4_is_read() -> None:
    settings = effective(load_text(TEXT, "f"), "imap")
    assert settings.protocols == ("imap", "lmtp")
    assert settings.mail_home == "/srv/vmail/%d/%Ln"
    assert settings.mail_location == "maildir:~/Maildir:INDEX=/idx/%u"
    assert not settings.disable_plaintext_auth
    assert settings.auth_default_realm == "example.org"
    assert (settings.ssl_cert.path, settings.ssl_key.path) == ("/etc/cert", "/etc/key")
    assert settings.mail_plugins == ("quota", "imap_quota")
    assert [(each.driver, each.args) for each in settings.passdbs] == [
        ("passwd-file", "scheme=sha512-crypt /etc/users")
    ]
    assert [(each.driver, each.args) for each in settings.userdbs] == [("static", "uid=vmail home=/home/%u")]
    inbox, public = settings.namespaces
    assert inbox.mailboxes[0].autoexpunge == 30 * 86400
    assert public.location == "mbox:/srv/public"
    assert settings.plugin["sieve"] == "file:~/sieve;active=~/.dovecot.sieve"
    assert {each.name: each.service_count for each in settings.services}["imap"] == 3


def test_what_has_no_counterpart_is_an_error_with_its_line() -> None:
    text = (
        "dovecot_config_version = 2.4.0\n"
        "mail_home = /h/%{user | md5 | hexlify}\n"
        "passdb sql {\n  passdb_sql_query = SELECT 1\n}\n"
        "mail_cache_fields = flags\n"
        "fts_autoindex = yes\n"
        "sieve_script other {\n  path = /x\n}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_text(text, "f")
    assert sorted(str(problem) for problem in caught.value.problems) == [
        "f:2: mail_home: %{user | md5 | hexlify} has no counterpart here",
        "f:4: passdb_sql_query has no counterpart here",
        "f:7: Unknown setting 'fts_autoindex'",
        "f:8: sieve_script other { } has no counterpart here",
    ]


def test_names_of_2_4_in_a_file_of_2_3_are_unknown() -> None:
    with pytest.raises(ConfigError, match="f:1: Unknown setting 'mail_driver'"):
        load_text("mail_driver = maildir\n", "f")
