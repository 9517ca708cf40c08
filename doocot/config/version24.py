"""Reading a file of Dovecot 2.4: recognised by its first setting, translated name by name into those of 2.3.

Only names change: the result goes the same way as any 2.3 file, so a setting without a counterpart is reported there as
unknown, with its line. What 2.4 says in a way that 2.3 cannot is an error here.
"""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from doocot.config.findings import Findings
from doocot.config.grammar import Assignment, Form, Item, Problem, Section
from doocot.config.renames import VERSION_SETTING

_DROPPED = (VERSION_SETTING, "dovecot_storage_version")
_TOP: Mapping[str, str] = MappingProxyType(
    {
        "auth_default_domain": "auth_default_realm",
        "ssl_server_cert_username_field": "ssl_cert_username_field",
        "ssl_server_prefer_ciphers": "ssl_prefer_server_ciphers",
        "ssl_server_request_client_cert": "ssl_verify_client_cert",
        "ssl_server_require_crl": "ssl_require_crl",
        "ssl_server_key_password": "ssl_key_password",
    }
)
_FILES: Mapping[str, str] = MappingProxyType(
    {
        "ssl_server_cert_file": "ssl_cert",
        "ssl_server_key_file": "ssl_key",
        "ssl_server_alt_cert_file": "ssl_alt_cert",
        "ssl_server_alt_key_file": "ssl_alt_key",
        "ssl_server_ca_file": "ssl_ca",
        "ssl_server_dh_file": "ssl_dh",
        "ssl_client_cert_file": "ssl_client_cert",
        "ssl_client_key_file": "ssl_client_key",
    }
)
_SERVICE: Mapping[str, str] = MappingProxyType(
    {"restart_request_count": "service_count", "idle_kill_interval": "idle_kill", "listen": "address"}
)
# The settings that mail_location and a namespace's location hold together.
_LOCATION: Mapping[str, str] = MappingProxyType(
    {
        "mail_inbox_path": "INBOX",
        "mail_index_path": "INDEX",
        "mail_index_private_path": "INDEXPVT",
        "mail_cache_path": "INDEXCACHE",
        "mail_control_path": "CONTROL",
        "mail_alt_path": "ALT",
        "mail_volatile_path": "VOLATILEDIR",
        "mailbox_list_layout": "LAYOUT",
        "mailbox_directory_name": "DIRNAME",
        "mailbox_list_utf8": "UTF-8",
    }
)
_FILTER = "(filter)"
_DRIVER = ("mail_driver", "mail_path")
_BOOLEAN_LISTS = (
    *("mail_plugins", "protocols", "auth_mechanisms", "login_log_format_elements", "imap_client_workarounds"),
    *("pop3_client_workarounds", "lmtp_client_workarounds", "submission_client_workarounds", "mail_access_groups"),
)
_VARIABLES: Mapping[str, str] = MappingProxyType(
    {
        "user": "%u",
        "user|username": "%n",
        "user|domain": "%d",
        "user|lower": "%Lu",
        "user|username|lower": "%Ln",
        "user|domain|lower": "%Ld",
        "home": "%h",
        "protocol": "%s",
        "local_ip": "%l",
        "remote_ip": "%r",
        "local_port": "%a",
        "remote_port": "%b",
        "mechanism": "%m",
        "password": "%w",
    }
)


def translate(items: tuple[Item, ...], findings: Findings) -> tuple[Item, ...]:
    """The same items in the names of 2.3; a 2.3 file is returned as it is."""
    first = next((item for item in items if isinstance(item, Assignment)), None)
    if first is None or first.key != VERSION_SETTING:
        return items
    return tuple(_body(items, "", findings))


def _body(items: tuple[Item, ...], section: str, findings: Findings) -> Iterator[Item]:
    """The items of a section, with the parts of its mail location put together."""
    location: dict[str, Assignment] = {}
    located = section in ("", _FILTER, "namespace")
    for item in items:
        match item:
            case Assignment(key=key) if located and (key in _LOCATION or key in _DRIVER):
                location[key] = item
            case Assignment():
                yield from _assignment(item, section, findings)
            case Section():
                yield from _section(item, section, findings)
            case _:
                yield item
    if location:
        yield _location(location, "location" if section == "namespace" else "mail_location", findings)


def _location(parts: Mapping[str, Assignment], key: str, findings: Findings) -> Assignment:
    """`mail_driver`, `mail_path` and their companions as one `format:path:KEY=value`."""
    driver, path = parts.get("mail_driver"), parts.get("mail_path")
    place = next(iter(parts.values())).place
    if driver is None:
        findings.errors.append(Problem(place, "mail_path without mail_driver in the same section: write both"))
        return Assignment(key, "", Form.TEXT, place)
    text = f"{driver.text}:{_value(path, findings) if path else ''}"
    for name, word in _LOCATION.items():
        if name in parts and parts[name].text not in ("", "no"):
            value = _value(parts[name], findings)
            text += f":{word}" if word == "UTF-8" else f":{word}={value}"
    return Assignment(key, text, Form.TEXT, driver.place)


def _assignment(item: Assignment, section: str, findings: Findings) -> Iterator[Item]:
    text = _value(item, findings)
    form = item.form
    key = item.key
    if key in _DROPPED and not section:
        return
    if key == "auth_allow_cleartext":
        yield Assignment("disable_plaintext_auth", "no" if text.lower() == "yes" else "yes", Form.TEXT, item.place)
        return
    if key in _FILES:
        yield Assignment(_FILES[key], text, Form.FILE if text else Form.TEXT, item.place)
        return
    if section in ("", _FILTER):
        key = _TOP.get(key, key)
    elif section in ("service", "inet_listener"):
        key = _SERVICE.get(key, key)
    elif section == "mailbox":
        key = key.removeprefix("mailbox_")
    yield Assignment(key, text, form, item.place)


def _value(item: Assignment, findings: Findings) -> str:
    """A value with its `%{name | filter}` variables in the forms of 2.3, and `$SET:name` as `$name`."""

    def replace(match: re.Match[str]) -> str:
        name = "|".join(word.strip() for word in match[1].split("|"))
        if name in _VARIABLES:
            return _VARIABLES[name]
        if "|" in name:
            findings.errors.append(Problem(item.place, f"{item.key}: {match[0]} has no counterpart here"))
        return match[0]

    text = item.text.replace("$SET:", "$") if item.form is Form.VARIABLE else item.text
    return re.sub(r"%\{([^{};]*)\}", replace, text) if "%{" in text else text


def _section(item: Section, section: str, findings: Findings) -> Iterator[Item]:
    kind = item.kind
    if kind in _BOOLEAN_LISTS:
        words = [each.key for each in item.items if isinstance(each, Assignment) and each.text.lower() == "yes"]
        if section == _FILTER:  # adds to the list outside of the filter
            yield Assignment(kind, " ".join((f"${kind}", *words)), Form.VARIABLE, item.place)
        else:
            yield Assignment(kind, " ".join(words), Form.TEXT, item.place)
    elif kind in ("ssl_server", "ssl_client"):
        for inner in item.items:
            if isinstance(inner, Assignment):
                key = inner.key if inner.key.startswith("ssl_") else f"{kind}_{inner.key}"
                yield from _assignment(Assignment(key, inner.text, inner.form, inner.place), "", findings)
    elif kind in ("passdb", "userdb"):
        yield _database(item, findings)
    elif kind == "sieve_script":
        yield from _sieve_script(item, findings)
    elif kind in ("protocol", "local", "local_name", "remote"):
        yield Section(kind, item.name, tuple(_body(item.items, _FILTER, findings)), item.place)
    else:
        yield Section(kind, item.name, tuple(_body(item.items, kind, findings)), item.place)


_COMMON = frozenset(
    {
        *("driver", "default_fields", "override_fields", "mechanisms", "username_filter", "skip", "deny", "master"),
        *("result_success", "result_failure", "result_internalfail"),
    }
)
_ARGUMENTS: Mapping[str, str] = MappingProxyType(
    {"default_password_scheme": "scheme", "auth_username_format": "username_format", "static_password": "password"}
)


def _database(item: Section, findings: Findings) -> Section:
    """`passdb passwd-file { passwd_file_path = ... }`: the name is the driver, its settings become `args`."""
    settings: dict[str, Assignment] = {}
    arguments: list[str] = []
    path = ""
    driver = item.name
    for inner in item.items:
        if isinstance(inner, Section) and inner.kind in ("fields", "default_fields"):
            pairs = [f"{each.key}={_value(each, findings)}" for each in inner.items if isinstance(each, Assignment)]
            if driver == "static" and inner.kind == "fields":
                arguments += pairs
            else:
                key = "override_fields" if inner.kind == "fields" else "default_fields"
                settings[key] = Assignment(key, " ".join(pairs), Form.TEXT, inner.place)
            continue
        if not isinstance(inner, Assignment):
            findings.errors.append(Problem(inner.place, f"{item.kind} {item.name} {{ }}: this has no counterpart here"))
            continue
        name = inner.key.removeprefix(f"{item.kind}_")
        if name in _COMMON:
            driver = inner.text if name == "driver" else driver
            settings[name] = Assignment(name, _value(inner, findings), inner.form, inner.place)
        elif name in _ARGUMENTS:
            arguments.append(f"{_ARGUMENTS[name]}={_value(inner, findings)}")
        elif name == "passwd_file_path":
            path = _value(inner, findings)
        else:
            findings.errors.append(Problem(inner.place, f"{inner.key} has no counterpart here"))
    settings["driver"] = Assignment("driver", driver, Form.TEXT, item.place)
    if arguments or path:
        settings["args"] = Assignment("args", " ".join([*arguments, path]).strip(), Form.TEXT, item.place)
    return Section(item.kind, "", tuple(settings.values()), item.place)


def _sieve_script(item: Section, findings: Findings) -> Iterator[Item]:
    """The personal script, as `plugin { sieve = file:path;active=path }`."""
    given = {each.key.removeprefix("sieve_script_"): each for each in item.items if isinstance(each, Assignment)}
    if given.get("type", Assignment("type", item.name)).text != "personal" or "path" not in given:
        findings.errors.append(Problem(item.place, f"sieve_script {item.name} {{ }} has no counterpart here"))
        return
    text = f"file:{_value(given['path'], findings)}"
    if "active_path" in given:
        text += f";active={_value(given['active_path'], findings)}"
    sieve = Assignment("sieve", text, Form.TEXT, item.place)
    yield Section("plugin", "", (sieve,), item.place)
