"""Whether the settings make sense together, all findings at once: for `doocot config check` and before a start."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from doocot.config.dump import shown
from doocot.config.effective import effective
from doocot.config.grammar import Place, Problem
from doocot.config.kinds import MODE
from doocot.config.layers import Path, declared
from doocot.config.load import Config, ConfigError
from doocot.config.sections import Service
from doocot.config.settings import Settings

SERVED = ("imap", "lmtp")  # what this version speaks; the others are named and left out
PROTOCOLS = ("imap", "pop3", "lmtp", "submission", "sieve", "doveadm", "none")
PASSDB_DRIVERS = (
    *("bsdauth", "checkpassword", "dict", "imap", "ldap", "lua", "oauth2", "pam", "passwd", "passwd-file"),
    *("shadow", "sql", "static"),
)
USERDB_DRIVERS = (
    *("checkpassword", "dict", "ldap", "lua", "nss", "passwd", "passwd-file", "prefetch", "sql", "static"),
)
MECHANISMS = (
    *("plain", "login", "anonymous", "external", "cram-md5", "digest-md5", "apop", "ntlm", "otp", "rpa", "skey"),
    *("gssapi", "gss-spnego", "oauthbearer", "xoauth2", "dovecot-token"),
    *("scram-sha-1", "scram-sha-1-plus", "scram-sha-256", "scram-sha-256-plus"),
)
FORMATS = ("maildir", "mbox", "dbox", "sdbox", "mdbox", "imapc", "pop3c", "cydir", "virtual", "fail", "obox", "objects")
SPECIAL_USES = ("\\all", "\\archive", "\\drafts", "\\flagged", "\\important", "\\junk", "\\sent", "\\trash")
TLS_VERSIONS = ("ANY", "LATEST", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
# What `plugin { }` keys begin with; any other is only a note.
PLUGIN_KEYS = (
    *("acl", "antispam", "apparmor", "autocreate", "autosubscribe", "charset_alias", "expire", "fs_", "fts", "imap_"),
    *("imapsieve", "last_login", "lazy_expunge", "listescape", "mail_crypt", "mail_filter", "mail_log", "mail_lua"),
    *("mail_replica", "mailbox_alias", "notify", "pop3_migration", "push_notification", "quota", "recipient_delimiter"),
    *("setting_name", "sieve", "stats", "trash", "virtual", "welcome", "zlib_save"),
)


@dataclass(frozen=True, slots=True)
class Report:
    """Errors keep the server from starting; notes are worth reading."""

    errors: tuple[Problem, ...]
    notes: tuple[Problem, ...]


def check(config: Config) -> Report:
    """Everything that is wrong or strange in a configuration that could be read."""
    try:
        settings = effective(config)
    except ConfigError as error:
        return Report(error.problems, config.notes)
    errors = [problem for rule in _RULES for problem in rule(config, settings)]
    errors.extend(_files(config))
    notes = [*config.notes, *_notes(config, settings)]
    return Report(tuple(errors), tuple(notes))


def place(config: Config, *path: str) -> Place:
    """Where a setting was written; the file when it has its default."""
    for layer in reversed(config.layers):
        if path in layer.values:
            return layer.values[path].place
        if path in layer.sections:
            return layer.sections[path].place
    return Place(config.path)


def _words(config: Config, name: str, given: Iterable[str], known: Iterable[str], what: str) -> Iterator[Problem]:
    for word in given:
        if word not in known:
            yield Problem(place(config, name), f"{name}: unknown {what} {word}: use {', '.join(known)}")


def _lists(config: Config, settings: Settings) -> Iterator[Problem]:
    """Lists whose words are known."""
    yield from _words(config, "protocols", settings.protocols, PROTOCOLS, "protocol")
    mechanisms = [word.lower() for word in settings.auth_mechanisms]
    yield from _words(config, "auth_mechanisms", mechanisms, MECHANISMS, "mechanism")
    yield from _words(config, "ssl_min_protocol", [settings.ssl_min_protocol], TLS_VERSIONS, "TLS version")
    options = ("no_ticket", "compression", "no_compression")
    yield from _words(config, "ssl_options", settings.ssl_options, options, "option")
    imap = ("delay-newmail", "tb-extra-mailbox-sep", "tb-lsub-flags")
    yield from _words(config, "imap_client_workarounds", settings.imap_client_workarounds, imap, "workaround")
    pop3 = ("outlook-no-nuls", "oe-ns-eoh")
    yield from _words(config, "pop3_client_workarounds", settings.pop3_client_workarounds, pop3, "workaround")
    smtp = ("whitespace-before-path", "mailbox-for-path")
    yield from _words(config, "lmtp_client_workarounds", settings.lmtp_client_workarounds, smtp, "workaround")
    submission = (*smtp, "implicit-auth-external", "exotic-backend")
    given = settings.submission_client_workarounds
    yield from _words(config, "submission_client_workarounds", given, submission, "workaround")
    for name, words in (("mbox_read_locks", settings.mbox_read_locks), ("mbox_write_locks", settings.mbox_write_locks)):
        yield from _words(config, name, words, ("dotlock", "dotlock_try", "fcntl", "flock", "lockf"), "lock")


def _numbers(config: Config, settings: Settings) -> Iterator[Problem]:
    """Numbers that contradict each other or would stop everything."""
    for what, first, last in (
        ("uid", settings.first_valid_uid, settings.last_valid_uid),
        ("gid", settings.first_valid_gid, settings.last_valid_gid),
    ):
        if last and first > last:
            text = f"first_valid_{what} is larger than last_valid_{what}: no user may log in"
            yield Problem(place(config, f"first_valid_{what}"), text)
    for name in ("auth_worker_max_count", "mailbox_idle_check_interval", "imap_max_line_length"):
        at = (name,)
        layer = config.layers[0]
        if at in layer.values and shown(at, layer.values[at]) == "0":
            yield Problem(layer.values[at].place, f"{name} must be above zero")
    if not settings.listen:
        yield Problem(
            place(config, "listen"), "listen is empty: write * for every IPv4 address, :: for every IPv6 address"
        )
    if settings.mail_nfs_index and not (settings.mmap_disable and settings.mail_fsync == "always"):
        text = "mail_nfs_index = yes needs mmap_disable = yes and mail_fsync = always"
        yield Problem(place(config, "mail_nfs_index"), text)


def _databases(config: Config, settings: Settings) -> Iterator[Problem]:
    """passdb and userdb sections."""
    for kind, known, found in (
        ("passdb", PASSDB_DRIVERS, [each.driver for each in settings.passdbs]),
        ("userdb", USERDB_DRIVERS, [each.driver for each in settings.userdbs]),
    ):
        for number, driver in enumerate(found):
            where = place(config, kind, str(number))
            if not driver:
                yield Problem(where, f"{kind} is missing driver: write one of {', '.join(known)}")
            elif driver not in known:
                where = place(config, kind, str(number), "driver")
                yield Problem(where, f"{kind}: unknown driver {driver}: use one of {', '.join(known)}")
    served = set(settings.protocols) - {"none", "lmtp"}
    if served and not settings.passdbs:
        yield Problem(Place(config.path), "no passdb { } is there: nobody can log in")


def _namespaces(config: Config, settings: Settings) -> Iterator[Problem]:
    """Prefixes, separators and the one INBOX."""
    spaces = [each for each in settings.namespaces if not each.disabled]
    inboxes = [each for each in spaces if each.inbox]
    if len(inboxes) != 1:
        text = "no namespace has inbox = yes" if not inboxes else "more than one namespace has inbox = yes"
        yield Problem(place(config, "namespace", spaces[0].name) if spaces else Place(config.path), text)
    prefixes = Counter(each.prefix for each in spaces)
    for space in spaces:
        where = place(config, "namespace", space.name)
        if len(space.separator) > 1:
            where_separator = place(config, "namespace", space.name, "separator")
            yield Problem(where_separator, f"namespace {space.name}: separator must be one character")
        if prefixes[space.prefix] > 1:
            yield Problem(where, f"namespace {space.name}: another one has the prefix '{space.prefix}' too")
        if space.alias_for and space.alias_for not in prefixes:
            yield Problem(where, f"namespace {space.name}: alias_for = {space.alias_for}: no namespace has that prefix")
        for mailbox in space.mailboxes:
            for word in mailbox.special_use:
                if word.lower() not in SPECIAL_USES and not word.startswith("$"):
                    text = f"mailbox {mailbox.name}: unknown special_use {word}"
                    yield Problem(place(config, "namespace", space.name, "mailbox", mailbox.name, "special_use"), text)
    for path in (("mail_location",), *(("namespace", space.name, "location") for space in spaces)):
        for layer in config.layers:
            value = layer.values.get(path)
            if value is not None and (reason := _location(value.expanded)):
                yield Problem(value.place, f"{path[-1]}: {reason}")


def _location(text: str) -> str:
    """What is wrong with a mail location; empty when nothing is."""
    driver, colon, _rest = text.partition(":")
    if not text or text.startswith(("/", "~", "%")) or driver in FORMATS or "%" in driver:
        return ""
    if not colon:
        return f"'{text}' names no format: write maildir:{text} or mbox:{text}"
    return f"unknown format {driver}: use one of {', '.join(FORMATS)}"


def listening(settings: Settings, service: Service) -> bool:
    """Whether a service takes connections: its protocol, if it has one, is among `protocols` (empty: imap, lmtp)."""
    served = settings.protocols or ("imap", "lmtp")
    return not service.protocol or service.protocol in served


def _listeners(config: Config, settings: Settings) -> Iterator[Problem]:
    """Two listeners on one port, sockets without a name, TLS without a certificate."""
    taken: dict[tuple[str, int], str] = {}
    for service in settings.services:
        if not listening(settings, service):
            continue
        for listener in service.inet_listeners:
            name = f"service {service.name} {{ inet_listener {listener.name} }}"
            where = place(config, "service", service.name, "inet_listener", listener.name, "port")
            for address in listener.address or settings.listen:
                other = taken.setdefault((address, listener.port), name)
                if listener.port and other != name:
                    yield Problem(where, f"{name} listens on {address} port {listener.port}, as does {other}")
        for socket in service.unix_listeners:
            if not socket.name:
                where = place(config, "service", service.name)
                yield Problem(where, f"service {service.name}: unix_listener has no path: write unix_listener PATH {{")
    names = {each.name for each in settings.event_exporters}
    for metric in settings.metrics:
        if metric.exporter and metric.exporter not in names:
            where = place(config, "metric", metric.name, "exporter")
            yield Problem(where, f"metric {metric.name}: there is no event_exporter {metric.exporter}")


def _tls(config: Config, settings: Settings) -> Iterator[Problem]:
    """Certificate and key."""
    if settings.ssl != "no" and set(settings.protocols) - {"none"}:
        for name, value in (("ssl_cert", settings.ssl_cert), ("ssl_key", settings.ssl_key)):
            if not value:
                yield Problem(
                    place(config, "ssl"), f"ssl is on but {name} is not set: write {name} = </path, or ssl = no"
                )


_RULES: tuple[Callable[[Config, Settings], Iterator[Problem]], ...] = (
    _lists,
    _numbers,
    _databases,
    _namespaces,
    _listeners,
    _tls,
)


def _files(config: Config) -> Iterator[Problem]:
    """Every `<file` that cannot be read."""
    for layer in config.layers:
        for path, value in layer.values.items():
            if value.is_file and not os.access(value.file, os.R_OK):
                reason = "no such file" if not os.path.exists(value.file) else "not readable for this user"
                yield Problem(value.place, f"{path[-1]} = <{value.text}: {reason}")


def _notes(config: Config, settings: Settings) -> Iterator[Problem]:
    """What is accepted without effect, unknown plugin keys, modes that are probably not meant so."""
    if settings.ssl == "required" and not settings.disable_plaintext_auth:
        where = place(config, "disable_plaintext_auth")
        yield Problem(where, "disable_plaintext_auth = no has no effect, because of ssl = required")
    for protocol in settings.protocols:
        if protocol not in (*SERVED, "none"):
            yield Problem(place(config, "protocols"), f"protocols: {protocol} is not served by this version, left out")
    driver = settings.mail_location.partition(":")[0]
    if driver and driver != "maildir" and driver in FORMATS:
        yield Problem(place(config, "mail_location"), f"mail_location: {driver} is not served by this version")
    for layer in config.layers:
        for path, value in layer.values.items():
            setting = declared(path)
            if setting is None:
                if path[0] == "plugin" and not path[1].startswith(PLUGIN_KEYS):
                    yield Problem(value.place, f"plugin {{ {path[1]} }}: no feature is known to read this")
            elif setting.inert:
                yield Problem(value.place, f"{_title(path)} has no meaning in Doocot and is ignored")
            elif setting.kind is MODE and not value.expanded.startswith("0"):
                yield Problem(value.place, f"mode = {value.expanded} is decimal: an octal mode begins with 0")


def _title(path: Path) -> str:
    return path[0] if len(path) == 1 else f"{path[0]} {path[1]} {{ {path[-1]} }}"
