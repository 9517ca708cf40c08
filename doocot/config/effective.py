"""What is in force for one connection or user: the layers that match, as one frozen `Settings` value, memoised.

A userdb field named like a setting overrides it; `home`, `uid`, `gid`, `mail` and `chroot` are other names of
mail_home, mail_uid, mail_gid, mail_location and mail_chroot; any other field lands in `plugin`, as in Dovecot.
"""

from collections.abc import Mapping
from dataclasses import fields
from functools import lru_cache
from operator import attrgetter
from types import MappingProxyType
from typing import Any

from doocot.config.grammar import Problem
from doocot.config.kinds import CONTENT, BadValue, Content, Kind, read_file, table
from doocot.config.layers import Layer, Path, Value, builtin_layer, sections_in
from doocot.config.load import Config, ConfigError
from doocot.config.sections import (
    EventExporter,
    FifoListener,
    InetListener,
    MailboxSettings,
    Metric,
    Namespace,
    PassDb,
    Service,
    UnixListener,
    UserDb,
)
from doocot.config.settings import Settings

_FIELD_NAMES: Mapping[str, str] = MappingProxyType(
    {"home": "mail_home", "uid": "mail_uid", "gid": "mail_gid", "mail": "mail_location", "chroot": "mail_chroot"}
)

_INSIDE: Mapping[type, Mapping[str, tuple[str, type]]] = MappingProxyType(
    {
        Namespace: {"mailbox": ("mailboxes", MailboxSettings)},
        Service: {
            "inet_listener": ("inet_listeners", InetListener),
            "unix_listener": ("unix_listeners", UnixListener),
            "fifo_listener": ("fifo_listeners", FifoListener),
        },
    }
)


class FieldError(Exception):
    """A userdb field has a value that its setting does not take."""

    def __init__(self, name: str, value: str, reason: str) -> None:
        super().__init__(f"userdb field {name}={value}: {reason}")
        self.name = name
        self.value = value


def effective(
    config: Config,
    protocol: str = "",
    local_ip: str = "",
    local_name: str = "",
    remote_ip: str = "",
    userdb_fields: tuple[tuple[str, str], ...] = (),
) -> Settings:
    """The settings of `protocol` on a connection, and of a user when his userdb fields are given.

    Raises FieldError for a field that cannot be used, ConfigError when a `<file` of a text setting cannot be read.
    """
    return _effective(config, protocol, local_ip, local_name, remote_ip, userdb_fields)


@lru_cache(maxsize=1024)
def _effective(
    config: Config, protocol: str, local_ip: str, local_name: str, remote_ip: str, given: tuple[tuple[str, str], ...]
) -> Settings:
    matching = tuple(
        at for at, layer in enumerate(config.layers) if layer.filter.matches(protocol, local_ip, local_name, remote_ip)
    )
    settings = _of_layers(config, matching)
    return _of_user(settings, given) if given else settings


@lru_cache(maxsize=256)
def _of_layers(config: Config, matching: tuple[int, ...]) -> Settings:
    """The settings of the layers with these numbers: connections that match the same filters share one value."""
    layers = [builtin_layer(), *(config.layers[at] for at in matching)]
    values: dict[Path, Value] = {}
    for layer in layers:
        values.update(layer.values)
    top = {path[0]: value for path, value in values.items() if len(path) == 1}
    arguments = _typed(Settings, top)
    plugin = {path[1]: _text(value) for path, value in values.items() if path[0] == "plugin"}

    def sections(kind: type, word: str) -> tuple[Any, ...]:
        return _sections(kind, (word,), layers, values, arguments)

    return Settings(
        **arguments,
        plugin=MappingProxyType(plugin),
        dicts=MappingProxyType({path[1]: _text(value) for path, value in values.items() if path[0] == "dict"}),
        passdbs=sections(PassDb, "passdb"),
        userdbs=sections(UserDb, "userdb"),
        namespaces=sections(Namespace, "namespace") or (Namespace(name="", inbox=True),),
        services=sections(Service, "service"),
        metrics=sections(Metric, "metric"),
        event_exporters=sections(EventExporter, "event_exporter"),
    )


def _sections(
    kind: type, prefix: Path, layers: list[Layer], values: Mapping[Path, Value], top: Mapping[str, Any]
) -> tuple[Any, ...]:
    """Every section of one kind directly under a path, as values of its class."""
    found: list[Any] = []
    for path, header in sections_in(layers, prefix):
        own = {at[-1]: value for at, value in values.items() if at[:-1] == path}
        arguments = _typed(kind, own, top)
        if kind not in (PassDb, UserDb):
            arguments["name"] = header.name
        for word, (attribute, inner) in _INSIDE.get(kind, {}).items():
            arguments[attribute] = _sections(inner, (*path, word), layers, values, top)
        if kind is Metric:
            pairs = {at[-1]: value.expanded for at, value in values.items() if at[:-1] == (*path, "filter")}
            arguments["filter_fields"] = MappingProxyType(pairs)
        found.append(kind(**arguments))
    return tuple(found)


def _typed(kind: type, values: Mapping[str, Value], top: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Arguments for a class of settings; `top` has the settings that `$variables` of built-in services name."""
    known = table(kind)
    arguments: dict[str, Any] = {}
    for name, value in values.items():
        setting = known[name]
        if value.is_file and setting.kind is CONTENT:
            arguments[setting.attribute] = Content(path=value.file)
            continue
        text = _text(value)
        if top is not None and text.startswith("$") and text[1:] in table(Settings):
            text = top.get(text[1:], table(Settings)[text[1:]].default)
        arguments[setting.attribute] = _parsed(setting.kind, text, value, name)
    return arguments


def _parsed(kind: Kind, text: str, value: Value, name: str) -> Any:
    try:
        return kind.parse(text)
    except BadValue as error:
        raise ConfigError([Problem(value.place, f"{name}: {error}")]) from error


def _text(value: Value) -> str:
    """The text of a value; a `<file` is read now."""
    if not value.is_file:
        return value.expanded
    try:
        return read_file(value.file)
    except OSError as error:
        raise ConfigError([Problem(value.place, f"Cannot read {value.file}: {error.strerror}")]) from error


_NAMES = tuple(each.name for each in fields(Settings))
_values_of = attrgetter(*_NAMES)


@lru_cache(maxsize=1024)
def _of_user(settings: Settings, userdb_fields: tuple[tuple[str, str], ...]) -> Settings:
    """The settings with userdb fields over them; everything else is shared."""
    arguments: dict[str, Any] = dict(zip(_NAMES, _values_of(settings), strict=True))
    plugin = dict(settings.plugin)
    for name, text in userdb_fields:
        setting = table(Settings).get(_FIELD_NAMES.get(name, name))
        if setting is None:
            plugin[name.removeprefix("plugin/")] = text
            continue
        try:
            arguments[setting.attribute] = setting.kind.parse(text)
        except BadValue as error:
            raise FieldError(name, text, str(error)) from error
    arguments["plugin"] = MappingProxyType(plugin)
    return Settings(**arguments)
