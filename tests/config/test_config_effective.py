"""What is in force for a connection or user, its types, and what it costs."""

import os
import typing
from pathlib import Path

import pytest

from doocot.config.effective import FieldError, effective
from doocot.config.kinds import (
    BOOL,
    CONTENT,
    INTERVAL,
    MILLISECONDS,
    MODE,
    PORT,
    SIZE,
    STRING,
    UINT,
    WORDS,
    Content,
    table,
)
from doocot.config.load import ConfigError, load_text
from doocot.config.sections import Namespace, Service
from doocot.config.settings import Settings

LAYERS = """\
mail_location = maildir:~/Maildir
mail_max_userip_connections = 10
ssl = yes
protocol imap {
  mail_max_userip_connections = 20
}
protocol !imap {
  mail_debug = yes
}
remote 10.0.0.0/8 {
  disable_plaintext_auth = no
  mail_max_userip_connections = 30
}
local 192.168.0.0/16 {
  ssl = required
  protocol imap {
    mail_max_userip_connections = 40
  }
}
local 192.168.7.0/24 {
  ssl = no
}
local_name mail.example.org {
  ssl_cert = <example.pem
}
local_name *.example.net {
  ssl_cert = <net.pem
}
"""


def test_filters_apply_and_the_more_specific_one_wins() -> None:
    config = load_text(LAYERS, "/etc/d/dovecot.conf")
    assert effective(config).mail_max_userip_connections == 10
    assert effective(config, "imap").mail_max_userip_connections == 20
    assert not effective(config, "imap").mail_debug
    assert effective(config, "lmtp").mail_debug
    assert effective(config, "imap", remote_ip="10.1.2.3").mail_max_userip_connections == 30
    assert effective(config, "imap", local_ip="192.168.1.1").mail_max_userip_connections == 40
    assert effective(config, "pop3", local_ip="192.168.1.1").ssl == "required"
    assert effective(config, "pop3", local_ip="192.168.7.1").ssl == "no"
    assert effective(config, "pop3", local_ip="::ffff:192.168.7.1").ssl == "no"
    assert effective(config, local_name="MAIL.example.org").ssl_cert == Content(path="/etc/d/example.pem")
    assert effective(config, local_name="a.example.net").ssl_cert == Content(path="/etc/d/net.pem")
    assert not effective(config, local_name="b.a.example.net").ssl_cert
    assert not effective(config, remote_ip="not an address").ssl_cert


def test_lists_grow_through_variables() -> None:
    text = (
        "mail_plugins = $mail_plugins quota\nmail_plugins = $mail_plugins acl\n"
        "protocol imap {\n  mail_plugins = $mail_plugins imap_acl\n}\n"
        "postmaster_address = $mail_plugins x\n"
    )
    config = load_text(text, "f")
    assert effective(config).mail_plugins == ("quota", "acl")
    assert effective(config, "imap").mail_plugins == ("quota", "acl", "imap_acl")
    assert effective(config).postmaster_address == " quota acl x"


def test_userdb_fields_override_and_unknown_ones_are_for_plugins() -> None:
    config = load_text("plugin {\n  quota = count\n  quota_rule = *:storage=1G\n}\n", "f")
    fields = (("home", "/h/tim"), ("uid", "1001"), ("quota_rule", "*:storage=2G"), ("mail_max_keyword_length", "9"))
    settings = effective(config, "imap", userdb_fields=fields)
    assert (settings.mail_home, settings.mail_uid, settings.mail_max_keyword_length) == ("/h/tim", "1001", 9)
    assert settings.plugin == {"quota": "count", "quota_rule": "*:storage=2G"}
    with pytest.raises(FieldError, match=r"userdb field mail_debug=perhaps: Invalid boolean value: perhaps"):
        effective(config, userdb_fields=(("mail_debug", "perhaps"),))


def test_databases_keep_their_order_and_filters_add_to_them() -> None:
    drivers = [f"d{number}" for number in range(12)]
    text = "".join(f"passdb {{\n  driver = {driver}\n}}\n" for driver in drivers)
    text += "protocol lmtp {\n  passdb {\n    driver = last\n    pass = yes\n  }\n}\n"
    config = load_text(text, "f")
    assert [each.driver for each in effective(config, "imap").passdbs] == drivers
    found = effective(config, "lmtp").passdbs
    assert [each.driver for each in found] == [*drivers, "last"]
    assert found[-1].pass_


def test_services_begin_with_those_of_dovecot_and_take_variables() -> None:
    text = (
        "default_internal_user = mailman\n"
        "service imap-login {\n  inet_listener imap {\n    port = 0\n  }\n}\n"
        "service auth {\n  unix_listener /var/spool/postfix/private/auth {\n    mode = 0660\n  }\n}\n"
    )
    settings = effective(load_text(text, "f"))
    services = {service.name: service for service in settings.services}
    login = {each.name: each for each in services["imap-login"].inet_listeners}
    assert (login["imap"].port, login["imaps"].port, login["imaps"].ssl) == (0, 993, True)
    sockets = {each.name: each for each in services["auth"].unix_listeners}
    assert sockets["/var/spool/postfix/private/auth"].mode == 0o660
    assert (sockets["auth-userdb"].mode, sockets["auth-userdb"].user) == (0o666, "mailman")


def test_there_is_always_an_inbox() -> None:
    assert effective(load_text("", "f")).namespaces == (Namespace(name="", inbox=True),)


def test_files_are_read_when_used(tmp_path: Path) -> None:
    main = str(tmp_path / "dovecot.conf")
    config = load_text("ssl_cert = <cert\nlogin_greeting = <greeting\n", main)
    with pytest.raises(ConfigError, match=r"dovecot\.conf:2: Cannot read .*/greeting: No such file or directory"):
        effective(config)
    (tmp_path / "greeting").write_text("hello")
    (tmp_path / "cert").write_text("one")
    settings = effective(config)
    assert settings.login_greeting == "hello"
    assert settings.ssl_cert.read() == "one"
    (tmp_path / "cert").write_text("two")
    assert settings.ssl_cert.read() == "two"


def test_a_second_question_is_answered_by_the_same_value() -> None:
    config = load_text(LAYERS, "f")
    first = effective(config, "imap", "192.168.1.1", "", "1.2.3.4")
    assert effective(config, "imap", "192.168.1.1", "", "1.2.3.4") is first
    assert effective(config, "imap", "192.168.1.1", "", "5.6.7.8") is first


def test_annotations_are_the_types_of_the_kinds() -> None:
    types = {
        BOOL: bool,
        UINT: int,
        MODE: int,
        PORT: int,
        SIZE: int,
        INTERVAL: int,
        MILLISECONDS: int,
        STRING: str,
        WORDS: tuple[str, ...],
        CONTENT: Content,
    }
    for cls in (Settings, Service, Namespace):
        hints = typing.get_type_hints(cls)
        for setting in table(cls).values():
            assert hints[setting.attribute] == types.get(setting.kind, str), setting.name


def test_every_setting_says_what_it_is() -> None:
    settings = table(Settings)
    assert len(settings) > 330
    for setting in settings.values():
        assert setting.doc[0].isupper() or setting.doc.startswith("/"), setting.name
        assert setting.doc.endswith("."), setting.name
        assert setting.kind.parse(setting.default) == getattr(Settings(), setting.attribute), setting.name
    assert list(settings) == sorted(settings)


def test_environment_variables_in_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "DOOCOT_TEST", "there")
    assert effective(load_text("login_greeting = hi $ENV:DOOCOT_TEST\n", "f")).login_greeting == "hi there"
