"""Loading: includes, overrides, errors of meaning with file, line and nearest name."""

from pathlib import Path

import pytest

from doocot.config.dump import Scope, dump
from doocot.config.effective import effective
from doocot.config.embedded import embedded_text
from doocot.config.load import Config, ConfigError, load, load_text


def _errors(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_text(text, "f")
    return [str(problem) for problem in caught.value.problems]


def _listing(config: Config) -> list[str]:
    return list(dump(config, Scope.CHANGED))


def test_every_error_of_meaning_at_once() -> None:
    text = (
        "mail_lcation = maildir:~/Maildir\n"
        "mail_debug = maybe\n"
        "auth_cache_ttl = 5\n"
        "auth_cache_size = many\n"
        "auth_worker_max_count = -3\n"
        "ssl = perhaps\n"
        "namespace inbox {\n"
        "  inbx = yes\n"
        "  mailbox Trash {\n"
        "    auto = maybe\n"
        "  }\n"
        "}\n"
        "pasdb {\n"
        "  driver = pam\n"
        "}\n"
        "service imap-login {\n"
        "  inet_listener imap {\n"
        "    port = 70000\n"
        "  }\n"
        "}\n"
        "zzz = 1\n"
    )
    assert _errors(text) == [
        "f:1: Unknown setting 'mail_lcation': did you mean 'mail_location'?",
        "f:2: mail_debug: Invalid boolean value: maybe (use yes or no)",
        "f:3: auth_cache_ttl: Time interval '5' is missing units (add e.g. 's' for seconds)",
        "f:4: auth_cache_size: Invalid size: many (use a number and B, k, M, G or T)",
        "f:5: auth_worker_max_count: Invalid number -3: must not be negative",
        "f:6: ssl: Invalid value: perhaps (use yes, no or required)",
        "f:8: Unknown setting 'inbx' in namespace { }: did you mean 'inbox'?",
        "f:10: auto: Invalid value: maybe (use no, create or subscribe)",
        "f:13: Unknown section 'pasdb { }': did you mean 'passdb'?",
        "f:18: port: Invalid port number 70000: use 0 to 65535",
        "f:21: Unknown setting 'zzz'",
    ]


def test_errors_of_filters() -> None:
    text = (
        "protocol imap {\n  local 10.0.0.1 {\n    mail_debug = yes\n  }\n}\n"
        "local 10.0.0.0/8 {\n  local 11.0.0.0/8 {\n  }\n}\n"
        "remote 1.2.3.4/40 {\n}\n"
        "local 10.0.0.1 {\n  auth_verbose = yes\n  passdb {\n    driver = pam\n  }\n}\n"
        "passdb x {\n  driver = pam\n}\npassdb x {\n  driver = pam\n}\n"
    )
    everywhere = "is not possible inside local, local_name or remote: authentication is the same for all addresses"
    assert _errors(text) == [
        "f:2: protocol { local { } } is not allowed: write local { protocol { } }",
        "f:7: local 10.0.0.0/8 { local 11.0.0.0/8 { } }: the inner net must be in the outer one",
        "f:10: Invalid network '1.2.3.4/40': use an address, or address/bits",
        f"f:13: auth_verbose {everywhere}",
        f"f:14: passdb {everywhere}",
        "f:21: passdb x already exists (at f:18): give it another name",
    ]


def test_includes_are_read_in_order_and_name_their_own_lines(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "20-b.conf").write_text("mail_debug = no\nbad\n")
    (tmp_path / "conf.d" / "10-a.conf").write_text("mail_debug = yes\nworse\n")
    main = tmp_path / "dovecot.conf"
    main.write_text("!include conf.d/*.conf\n!include_try local.conf\n!include missing.conf\n")
    with pytest.raises(ConfigError) as caught:
        load(str(main))
    assert [(problem.place.path, problem.place.line) for problem in caught.value.problems] == [
        (str(tmp_path / "conf.d" / "10-a.conf"), 2),
        (str(tmp_path / "conf.d" / "20-b.conf"), 2),
        (str(main), 3),
    ]


def test_files_that_include_themselves_and_chains_without_end(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("!include b\n")
    (tmp_path / "b").write_text("mail_debug = yes\n!include a\n")
    with pytest.raises(ConfigError, match=r"b:2: !include a: .*/a includes itself"):
        load(str(tmp_path / "a"))
    for number in range(40):
        (tmp_path / f"n{number}").write_text(f"!include n{number + 1}\n")
    with pytest.raises(ConfigError, match="more than 10 deep"):
        load(str(tmp_path / "n0"))


def test_an_include_inside_a_section(tmp_path: Path) -> None:
    (tmp_path / "inner").write_text("inbox = yes\n")
    (tmp_path / "main").write_text("namespace x {\n  !include inner\n}\n")
    assert effective(load(str(tmp_path / "main"))).namespaces[0].inbox


def test_a_file_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"/nonexistent\.conf: Cannot read the configuration: No such file"):
        load("/nonexistent.conf")


def test_overrides_hold_everywhere() -> None:
    text = "mail_plugins = quota\nprotocol imap {\n  mail_plugins = $mail_plugins imap_quota\n}\n"
    config = load_text(text, "f", ["mail_plugins=$mail_plugins acl", "plugin/quota=count"])
    settings = effective(config, "imap")
    assert settings.mail_plugins == ("quota", "acl")
    assert settings.plugin == {"quota": "count"}
    with pytest.raises(
        ConfigError, match=r"-o mail_debg=yes: Unknown setting 'mail_debg': did you mean 'mail_debug'\?"
    ):
        load_text(text, "f", ["mail_debg=yes"])
    with pytest.raises(ConfigError, match="-o nothing: write -o key=value"):
        load_text(text, "f", ["nothing"])
    with pytest.raises(ConfigError, match=r"^f:1: Expecting"):
        load_text("mail_debug yes\n", "f", ["ssl=no"])
    assert load_text("protocol imap {\n  ssl = yes\n}\n", "f", ["ssl=no"]).notes == ()


def test_names_of_older_versions_are_read_with_a_note() -> None:
    config = load_text("ssl_cert_file = /c.pem\nauth_user = root\nlogin_dir = /x\n", "f")
    assert _listing(config) == ["service auth {", "  user = root", "}", "ssl_cert = </c.pem"]
    assert [str(note) for note in config.notes] == [
        "f:1: ssl_cert_file has been replaced by ssl_cert = <file",
        "f:2: auth_user has been replaced by service auth { user }",
        "f:3: login_dir has been removed and does nothing: delete the line",
    ]


def test_a_setting_after_a_filter_that_sets_it_is_noted() -> None:
    config = load_text("protocol imap {\n  mail_debug = no\n}\nmail_debug = yes\n", "f")
    (note,) = config.notes
    assert str(note).startswith("f:4: mail_debug does not change the setting in the filter at f:2")


def test_the_embedded_default_is_a_good_configuration(tmp_path: Path) -> None:
    settings = effective(load_text(embedded_text(str(tmp_path), privileged=False), "(embedded)"), "imap")
    ports = {each.name: each.port for service in settings.services for each in service.inet_listeners}
    assert (ports["imap"], ports["imaps"], ports["lmtp"]) == (1143, 1993, 1024)
    assert settings.state_dir == str(tmp_path)
    assert settings.protocols == ("imap", "lmtp")
    root = effective(load_text(embedded_text(str(tmp_path), privileged=True), "(embedded)"))
    assert {each.name: each.port for service in root.services for each in service.inet_listeners}["imap"] == 143


def test_the_lpic_sample_loads() -> None:
    text = """\
first_valid_uid = 1000
managesieve_notify_capability = mailto
managesieve_sieve_capability = fileinto reject envelope vacation
mbox_write_locks = fcntl
disable_plaintext_auth = no
auth_cache_negative_ttl = 1 hours
namespace inbox {
  inbox = yes
  location =
  mailbox Drafts {
    special_use = \\Drafts
  }
  mailbox "Sent Messages" {
    special_use = \\Sent
  }
  prefix =
}
passdb {
  driver = pam
}
plugin {
  sieve = file:~/sieve;active=~/.dovecot.sieve
}
ssl = required
ssl_cert = </etc/pki/dovecot/certs/dovecot.pem
ssl_key = </etc/pki/dovecot/private/dovecot.pem
userdb {
  driver = passwd
}
"""
    settings = effective(load_text(text, "f"), "imap")
    assert settings.first_valid_uid == 1000
    assert settings.plugin["sieve"] == "file:~/sieve;active=~/.dovecot.sieve"
    assert [mailbox.name for mailbox in settings.namespaces[0].mailboxes] == ["Drafts", "Sent Messages"]
    assert settings.ssl_cert.path == "/etc/pki/dovecot/certs/dovecot.pem"
    assert "ssl_key = # hidden, use -P to show it" in _listing(load_text(text, "f"))


def test_the_heinlein_fragments_load() -> None:
    text = """\
director_mail_servers = 192.168.10.11@shard1 192.168.10.12@shard1 192.168.10.1@shard0
doveadm_password = chemnitzseaside
service doveadm {
  inet_listener http {
    port = 8080
    #ssl = yes
  }
}
metric imap_select_no_notfound {
  event_name = imap_command_finished
  filter {
    name = SELECT
    tagged_reply = NO*Mailbox doesn't exist:*
  }
}
metric storage_http_gets {
  event_name = http_request_finished
  categories = storage
  filter {
    method = get
  }
}
mail_plugins = $mail_plugins welcome
plugin {
  sieve_plugins = sieve_imapsieve sieve_extprograms
  imapsieve_mailbox1_name = Spam
  imapsieve_mailbox1_causes = COPY
  imapsieve_mailbox1_before = file:/var/vmail/sieve/global/learn-spam.sieve
  sieve_pipe_bin_dir = /usr/bin
  sieve_global_extensions = +vnd.dovecot.pipe
  welcome_script = welcome %u
}
service welcome {
  executable = script /usr/local/bin/NewUserSpecialFolderCreate.sh
  user = vmail
  unix_listener welcome {
    user = vmail
  }
}
"""
    settings = effective(load_text(text, "f"))
    assert settings.mail_plugins == ("welcome",)
    assert settings.metrics[0].filter_fields == {"name": "SELECT", "tagged_reply": "NO*Mailbox doesn't exist:*"}
    assert settings.metrics[1].categories == ("storage",)
    services = {service.name: service for service in settings.services}
    assert services["doveadm"].inet_listeners[0].port == 8080
    assert services["welcome"].unix_listeners[0].user == "vmail"
    assert settings.plugin["welcome_script"] == "welcome %u"


def test_the_santander_fragments_load() -> None:
    text = """\
mail_location = mbox:~/mail:INBOX=/var/mail/%u
namespace inbox {
  inbox = yes
}
auth_realms = EXAMPLE.TEST
auth_gssapi_hostname = "$ALL"
auth_krb5_keytab = /etc/krb5.keytab
auth_mechanisms = plain login digest-md5 anonymous gssapi
ssl = no
ssl_key = </etc/ssl/private/key.pem
ssl_cert = </etc/ssl/cert.pem
"""
    settings = effective(load_text(text, "f"))
    assert settings.auth_mechanisms == ("plain", "login", "digest-md5", "anonymous", "gssapi")
    assert settings.auth_gssapi_hostname == "$ALL"
    assert settings.mail_location == "mbox:~/mail:INBOX=/var/mail/%u"
