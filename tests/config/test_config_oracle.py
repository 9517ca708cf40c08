"""`doocot config -n` beside `doveconf -n` of Debian's Dovecot, on Debian's example and on generated files."""

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from doocot.config.dump import Scope, dump
from doocot.config.grammar import Assignment, Form, Item, Section, format_value, quote
from doocot.config.kinds import Setting, table
from doocot.config.load import ConfigError, load
from doocot.config.sections import FifoListener, InetListener, MailboxSettings, Namespace, PassDb, Service, UnixListener
from doocot.config.settings import Settings

DOVECONF = shutil.which("doveconf") or "/usr/bin/doveconf"
needs_doveconf = pytest.mark.skipif(not Path(DOVECONF).exists(), reason="Debian's dovecot-core is not installed")

# Not known to the oracle, or looked up by it in the system or the name service.
_OURS = ("doocot_", "managesieve_")
_OTHER_DEFAULT = ("base_dir", "imap_metadata", "instance_name", "login_greeting", "state_dir")
_TEXTS = (
    *("", "a", "maildir:~/Maildir:INDEX=/var/%d/%n", "two words", " leading", "trailing ", "in # side", 'say "hi"'),
    *(
        "it's",
        "back\\slash",
        "x=y,z",
        "ünïcode",
        "%{if;%d;ne;;%d;%{hostname}}",
        "/a/b/c",
        "a  b",
        "user=x pass=secret y",
    ),
    *("http://u:p@host/x?key=1", "key=a;b", "my_key=1 nonsecret=2", "<%t> %n", "*", "no", "-----BEGIN X"),
)
_RAW = (
    "$unknown word",
    "a$b c",
    "<file/name",
    "<  /abs/file",
    '"a\\"b"',
    "'single # q'",
    "a \\\n   continued",
    'open "q',
)
_SIZES = ("0", "1", "17B", "5k", "5 kB", "1024K", "3M", "10 MiB", "2g", "1T", "1000000")
_TIMES = ("0", "5s", "60 secs", "90 min", "24h", "7 days", "3w", "1 hour", "3000ms")


def _of_oracle(path: Path, *options: str) -> list[str]:
    """What doveconf prints, without its header; empty when it does not take the file."""
    done = subprocess.run([DOVECONF, *options, "-c", str(path)], capture_output=True, timeout=60, check=False)
    lines = done.stdout.decode("utf-8", "surrogateescape").splitlines()
    while lines and lines[0].startswith("# "):
        del lines[0]
    return lines


def _of_ours(path: Path, *, secrets: bool = False) -> list[str]:
    return list(dump(load(str(path)), Scope.CHANGED, secrets=secrets))


@needs_doveconf
@pytest.mark.parametrize("path", ["/etc/dovecot/dovecot.conf", "/usr/share/dovecot/dovecot.conf"])
def test_debians_example_is_shown_as_doveconf_shows_it(path: str) -> None:
    if not Path(path).exists():
        pytest.skip(f"{path} is not installed")
    expected = _of_oracle(Path(path), "-n")
    assert "passdb {" in expected
    assert _of_ours(Path(path)) == expected


@needs_doveconf
def test_every_default_is_the_one_of_doveconf() -> None:
    printed = subprocess.run([DOVECONF, "-d"], capture_output=True, text=True, timeout=60, check=True).stdout
    lines_of_oracle = [line for line in printed.splitlines() if not line.startswith("# ")]
    expected = [line for line in lines_of_oracle if line.split(" ")[0] not in _OTHER_DEFAULT]
    config = load("/dev/null")
    lines: list[str] = []
    skipping = False
    for line in dump(config, Scope.DEFAULTS, secrets=True):
        if line.startswith("service managesieve"):
            skipping = True
        if not skipping and not line.startswith(_OURS) and line.split(" ")[0] not in _OTHER_DEFAULT:
            lines.append(line)
        if line == "}":
            skipping = False
    assert lines == expected


@needs_doveconf
@pytest.mark.parametrize("seed", range(100))
def test_a_generated_file_is_shown_as_doveconf_shows_it(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    path = tmp_path / "dovecot.conf"
    path.write_text(_file(chance, tmp_path), encoding="utf-8")
    options = ["-n", "-P"] if seed % 4 == 0 else ["-n"]
    expected = _of_oracle(path, *options)
    assert expected, path.read_text(encoding="utf-8")
    assert _of_ours(path, secrets="-P" in options) == expected


_VALUES = (
    *(
        "",
        "0",
        "1",
        "-1",
        "+1",
        "5",
        "5 x",
        "1.5M",
        "5m",
        "5 mo",
        "5 ms",
        "1000 ms",
        "5 second",
        "10 b",
        "10kb",
        "10 ki",
    ),
    *("10 k b", "10 MiBs", "99999999999999999999", "4294967296", "4294967296s", "7102 weeks", "18446744073709551616"),
    *(
        "17592186044415 M",
        "Y",
        "yEs",
        "ye",
        "nO",
        "true",
        "0600",
        "08",
        "0o7",
        "\u0663",
        "m",
        "0x",
        "007 s",
        "hrs",
        "Required",
    ),
)


@needs_doveconf
@pytest.mark.parametrize(
    "name",
    [
        "auth_cache_ttl",
        "login_proxy_timeout",
        "config_cache_size",
        "auth_worker_max_count",
        "mail_debug",
        "doveadm_port",
    ],
)
def test_values_are_taken_refused_and_shown_as_by_doveconf(name: str, tmp_path: Path) -> None:
    path = tmp_path / "dovecot.conf"
    for value in _VALUES:
        path.write_text(f"{name} = {value}\n", encoding="utf-8")
        done = subprocess.run(
            [DOVECONF, "-n", "-c", str(path)], capture_output=True, text=True, timeout=60, check=False
        )
        refused = f"{path} line 1:" in done.stderr
        try:
            ours = _of_ours(path)
        except ConfigError:
            assert refused, value
            continue
        assert not refused, value
        assert ours == _of_oracle(path, "-n"), value


# --- generated files


def _file(chance: random.Random, folder: Path) -> str:
    """A random file that doveconf takes; part of it goes into an included one."""
    items = _settings(chance, chance.randint(5, 40))
    items += [_plugin(chance) for _ in range(chance.randint(0, 2))]
    items += [_database(chance, kind) for kind in chance.choices(["passdb", "userdb"], k=chance.randint(0, 13))]
    items += [_namespace(chance) for _ in range(chance.randint(0, 4))]
    items += [_service(chance) for _ in range(chance.randint(0, 4))]
    items += [_filter(chance) for _ in range(chance.randint(0, 5))]
    chance.shuffle(items)
    cut = chance.randint(0, len(items))
    (folder / "part.conf").write_text(_text(chance, items[:cut]), encoding="utf-8")
    return f"!include *art.conf\n!include_try nothing*.conf\n{_text(chance, items[cut:])}"


def _text(chance: random.Random, items: list[Item], indent: str = "") -> str:
    """Items as someone careless might type them."""
    lines: list[str] = []
    for item in items:
        if chance.random() < 0.1:
            lines.append(chance.choice(["", "# comment", "   #", "\t"]))
        if isinstance(item, Assignment):
            equals = chance.choice([" = ", "=", "= ", "\t=\t"])
            text = item.text if item.form is Form.VARIABLE else format_value(item.text, item.form)
            note = chance.choice(["", "", "  # note", "   "]) if item.form is Form.TEXT else ""
            lines.append(f"{indent}{item.key}{equals}{text}{note}")
        elif isinstance(item, Section):
            name = quote(item.name) if " " in item.name or (chance.random() < 0.2 and item.name) else item.name
            lines.append(f"{indent}{item.kind} {name} {{" if name else f"{indent}{item.kind} {{")
            lines.append(_text(chance, list(item.items), indent + chance.choice(["  ", "\t", ""])).rstrip("\n"))
            lines.append(f"{indent}}}")
    return "\n".join(lines) + "\n"


def _assignment(chance: random.Random, setting: Setting) -> Assignment:
    match setting.kind.name:
        case "yes or no":
            text = chance.choice(["yes", "no", "YES", "y", "No"])
        case "number":
            text = str(chance.choice([1, 7, 100, 65536, 4294967295]))
        case "file mode":
            text = chance.choice(["0600", "0666", "0", "644", "00"])
        case "port":
            text = str(chance.choice([0, 1, 143, 65535]))
        case "size":
            text = chance.choice(_SIZES)
        case "time":
            text = chance.choice(_TIMES)
        case "time in milliseconds":
            text = chance.choice([*_TIMES, "1500 ms"])
        case "text" | "list" | "text or <file":
            if chance.random() < 0.25:
                return Assignment(setting.name, chance.choice(_RAW), Form.VARIABLE)
            text = chance.choice([*_TEXTS, setting.default])
        case name:
            text = chance.choice(name.removeprefix("one of ").split(", "))
    return Assignment(setting.name, text)


def _some(chance: random.Random, cls: type, count: int, without: tuple[str, ...] = ()) -> list[Item]:
    known = [setting for setting in table(cls).values() if setting.name not in without]
    return [_assignment(chance, setting) for setting in chance.sample(known, min(count, len(known)))]


# Settings whose values doveconf rewrites because older versions had other forms of them, one that has several defaults,
# and those whose default is another here.
_AVOIDED = (
    *("auth_cache_size", "imap_client_workarounds", "listen", "protocols", "submission_max_mail_size"),
    *_OTHER_DEFAULT,
)


def _settings(chance: random.Random, count: int) -> list[Item]:
    known = [
        setting for name, setting in table(Settings).items() if not name.startswith(_OURS) and name not in _AVOIDED
    ]
    items: list[Item] = [_assignment(chance, setting) for setting in chance.sample(known, count)]
    if chance.random() < 0.5:
        items.append(Assignment("mail_plugins", "quota acl"))
        items.append(Assignment("mail_plugins", "$mail_plugins  fts", Form.VARIABLE))
    return items


def _plugin(chance: random.Random) -> Item:
    keys = ("quota", "quota_rule2", "sieve", "sieve_api_key", "A_z", "foo_password", "x-y", "fts_1")
    items = [_assignment(chance, table(Settings)["hostname"]) for _ in range(chance.randint(0, 6))]
    return Section(
        chance.choice(["plugin", "dict"]),
        "",
        tuple(Assignment(chance.choice(keys), item.text, item.form) for item in items),
    )


def _database(chance: random.Random, kind: str) -> Item:
    without = _UNFIT if kind == "passdb" else (*_UNFIT, *_PASSDB_ONLY)
    items = [Assignment("driver", chance.choice(["pam", "passwd", "passwd-file"]))]
    return Section(kind, "", (*items, *_some(chance, PassDb, chance.randint(0, 4), without)))


# doveconf takes `result_success = return` for its default `return-ok` and leaves it out; ours shows it.
_UNFIT = ("driver", "name", "result_success")
_PASSDB_ONLY = ("mechanisms", "username_filter", "deny", "pass", "master", "skip")


def _namespace(chance: random.Random) -> Item:
    items = _some(chance, Namespace, chance.randint(0, 6))
    for name in chance.sample(["Trash", "Sent Messages", "a/b", "ünï", "x=y", "INBOX.Q", "a,b"], chance.randint(0, 4)):
        items.append(Section("mailbox", name, tuple(_some(chance, MailboxSettings, chance.randint(0, 4)))))
    return Section("namespace", chance.choice(["", "inbox", "shared", "z", "0x", "A-b"]), tuple(items))


def _service(chance: random.Random) -> Item:
    items = _some(chance, Service, chance.randint(0, 6), ("type", "chroot"))
    kinds: tuple[tuple[str, type], ...] = (
        ("inet_listener", InetListener),
        ("unix_listener", UnixListener),
        ("fifo_listener", FifoListener),
    )
    for kind, cls in chance.choices(kinds, k=chance.randint(0, 4)):
        name = chance.choice(["imap", "auth-userdb", "/var/spool/postfix/auth", "login/x", "a b", "q"])
        items.append(Section(kind, name, tuple(_some(chance, cls, chance.randint(0, 3)))))
    return Section("service", chance.choice(["imap", "imap-login", "auth", "lmtp", "own", "auth-worker"]), tuple(items))


def _filter(chance: random.Random) -> Item:
    anywhere = _settings(chance, chance.randint(0, 4))
    inside = [item for item in anywhere if not _has_key(item, _OF_AUTH)]
    protocol = chance.choice(["imap", "!imap", "lmtp", "lda"])
    local = chance.choice(["10.0.0.0/8", "10.1.0.0/16", "192.168.1.1", "2001:db8::/32", "::1"])
    remote = chance.choice(["172.16.0.0/12", "1.2.3.4"])
    match chance.randint(0, 6):
        case 0 | 1:
            extra = [_plugin(chance), _namespace(chance), _database(chance, "passdb")]
            return Section("protocol", protocol, (*anywhere, *chance.sample(extra, chance.randint(0, 2))))
        case 2:
            return Section("local", local, tuple(inside))
        case 3:
            return Section("remote", remote, tuple(inside))
        case 4:
            return Section("local", local, (Section("protocol", protocol, tuple(inside)),))
        case 5:
            return Section("local_name", chance.choice(["a.example.org", "*.b.example"]), tuple(inside))
        case _:
            return Section(
                "local", local, (Section("remote", remote, (Section("protocol", protocol, tuple(inside)),)),)
            )


# Dovecot does not take what its auth process reads in filters by address.
_OF_AUTH = (
    *("auth_", "base_dir", "config_cache", "debug_log", "first_valid", "haproxy", "import_env", "info_log", "instance"),
    *("last_valid", "log_", "process_shutdown", "shutdown_", "ssl_client_ca", "state_dir", "stats_writer", "syslog_"),
    *("verbose_proctitle", "version_ignore"),
)


def _has_key(item: Item, beginnings: tuple[str, ...]) -> bool:
    return isinstance(item, Assignment) and item.key.startswith(beginnings)
