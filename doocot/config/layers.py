"""From the items of a file to layers of values: one for everything outside of filters, one for each filter.

A layer maps a path to a value: `("mail_location",)`, `("plugin", "quota")`, `("namespace", "inbox", "prefix")`,
`("service", "imap-login", "inet_listener", "imap", "port")`. Sections without a name get their number as a key, as in
Dovecot. What is in force somewhere is the first layer, overridden by every layer whose filter matches.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import TypeAlias

from doocot.config.filters import FILTERS, Filter, FilterError
from doocot.config.findings import Findings
from doocot.config.grammar import Assignment, Form, Include, Item, Place, Problem, Section, parse
from doocot.config.kinds import BadValue, Setting, table
from doocot.config.renames import Removed, Renamed, obsolete
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
from doocot.config.services import BUILTIN
from doocot.config.settings import Settings

Path: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SectionKind:
    """What a kind of section may hold; without a table it takes any key."""

    table: type | None
    inside: Mapping[str, "SectionKind"] = field(default_factory=dict)
    numbered: bool = False  # several of them, in order, whatever their names
    named: bool = True  # the name is part of the path


_FREE = SectionKind(None, named=False)
SECTIONS: Mapping[str, SectionKind] = MappingProxyType(
    {
        "plugin": _FREE,
        "dict": _FREE,
        "passdb": SectionKind(PassDb, numbered=True),
        "userdb": SectionKind(UserDb, numbered=True),
        "namespace": SectionKind(Namespace, {"mailbox": SectionKind(MailboxSettings)}),
        "service": SectionKind(
            Service,
            {
                "inet_listener": SectionKind(InetListener),
                "unix_listener": SectionKind(UnixListener),
                "fifo_listener": SectionKind(FifoListener),
            },
        ),
        "metric": SectionKind(Metric, {"filter": _FREE}),
        "event_exporter": SectionKind(EventExporter),
    }
)
_TOP = SectionKind(Settings, SECTIONS, named=False)


@dataclass(frozen=True, slots=True)
class Value:
    """A value as it was written, with `$key` of itself replaced; `expanded` has every variable replaced."""

    text: str
    is_file: bool
    expanded: str
    place: Place

    @property
    def file(self) -> str:
        """The path after `<`, relative to the folder of the configuration file."""
        return os.path.join(os.path.dirname(self.place.path), self.expanded)

    @property
    def shown(self) -> str:
        """The value as `doocot config` prints it."""
        return f"<{self.text}" if self.is_file else self.text


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of a section."""

    kind: str
    name: str
    place: Place


@dataclass(frozen=True, slots=True)
class Layer:
    """What the sections of one filter say."""

    filter: Filter
    values: dict[Path, Value] = field(default_factory=dict)
    sections: dict[Path, Header] = field(default_factory=dict)


@dataclass(slots=True)
class _Builder:
    """The layers so far."""

    layers: dict[Filter, Layer]
    findings: Findings
    builtin: Layer | None

    @property
    def top(self) -> Layer:
        return self.layers[Filter()]

    def lookup(self, layer: Layer, path: Path) -> Value | None:
        """The value of a path at this point of the file."""
        found = layer.values.get(path) or self.top.values.get(path)
        if found is None and self.builtin is not None:
            found = self.builtin.values.get(path)
        return found

    def children(self, layer: Layer, prefix: Path) -> int:
        """How many sections of one kind there are: the number that the next unnamed one gets."""
        count = len(prefix) + 1
        known = [self.top.sections, layer.sections]
        if self.builtin is not None:
            known.append(self.builtin.sections)
        return len({path for each in known for path in each if len(path) == count and path[:-1] == prefix})


def build(items: Iterable[Item], findings: Findings, builtin: Layer | None) -> tuple[Layer, ...]:
    """The layers of a configuration whose includes were replaced; the one without a filter comes first.

    The others are in order of precedence, a later one overriding: by the protocol alone, then those with a remote net,
    a local net, a local name; among equals the more specific net, then the order of the file.
    """
    builder = _Builder({Filter(): Layer(Filter())}, findings, builtin)
    _fill(builder, builder.top, (), _TOP, items)
    first, *others = builder.layers.values()
    return (first, *sorted(others, key=lambda layer: layer.filter.precedence))


def _fill(builder: _Builder, layer: Layer, prefix: Path, kind: SectionKind, items: Iterable[Item]) -> None:
    for item in items:
        match item:
            case Assignment():
                _assign(builder, layer, prefix, kind, item)
            case Section():
                if item.kind in FILTERS and not prefix:
                    _filter(builder, layer, item)
                else:
                    _section(builder, layer, prefix, kind, item)
            case Include():
                raise AssertionError("includes are replaced before")


def _filter(builder: _Builder, layer: Layer, item: Section) -> None:
    """`protocol`, `local`, `local_name` or `remote`: another layer."""
    try:
        inner = layer.filter.inside(item.kind, item.name)
    except FilterError as error:
        builder.findings.errors.append(Problem(item.place, str(error)))
        return
    into = builder.layers.setdefault(inner, Layer(inner))
    _fill(builder, into, (), _TOP, item.items)


def _section(builder: _Builder, layer: Layer, prefix: Path, kind: SectionKind, item: Section) -> None:
    inner = kind.inside.get(item.kind)
    if inner is None:
        where = f" in {prefix[0]} {{ }}" if prefix else ""
        text = f"Unknown section '{item.kind} {{ }}'{where}{_nearest(item.kind, kind.inside)}"
        builder.findings.errors.append(Problem(item.place, text))
        return
    if reason := _global_only(layer, item):
        builder.findings.errors.append(Problem(item.place, reason))
        return
    path = (*prefix, item.kind)
    if inner.named:
        key = item.name or str(builder.children(layer, path))
        if inner.numbered:
            key = str(builder.children(layer, path))
            _check_repeated(builder, layer, path, item)
        path = (*path, key)
        layer.sections.setdefault(path, Header(item.kind, item.name, item.place))
        if inner.numbered and item.name:
            layer.values[(*path, "name")] = Value(item.name, False, item.name, item.place)
    _fill(builder, layer, path, inner, item.items)


def _check_repeated(builder: _Builder, layer: Layer, path: Path, item: Section) -> None:
    """Two databases of one kind may not have the same name."""
    for known, header in (*builder.top.sections.items(), *layer.sections.items()):
        if item.name and known[:-1] == path and header.name == item.name:
            text = f"{item.kind} {item.name} already exists (at {header.place}): give it another name"
            builder.findings.errors.append(Problem(item.place, text))
            return


def _global_only(layer: Layer, item: Assignment | Section) -> str:
    """Why something cannot be in a filter by address or name; empty when it can."""
    name = item.key if isinstance(item, Assignment) else item.kind
    if not layer.filter.by_address or not (name in ("passdb", "userdb") or name.startswith("auth_")):
        return ""
    if name == "auth_socket_path":
        return ""
    return f"{name} is not possible inside local, local_name or remote: authentication is the same for all addresses"


def _assign(builder: _Builder, layer: Layer, prefix: Path, kind: SectionKind, item: Assignment) -> None:
    """`key = value` inside the section at `prefix`."""
    path = (*prefix, item.key)
    if not prefix and (reason := _global_only(layer, item)):
        builder.findings.errors.append(Problem(item.place, reason))
        return
    if not prefix and item.key.startswith(("plugin/", "dict/")):
        path = tuple(item.key.split("/", 1))
        kind = _FREE
    setting = None
    if kind.table is not None:
        setting = table(kind.table).get(item.key)
        if setting is None:
            _unknown(builder, layer, prefix, kind, item)
            return
    value = _value(builder, layer, path, item)
    if setting is not None and not (value.is_file and setting.kind.name in ("text", "list", "text or <file")):
        try:
            setting.kind.parse("<" + value.expanded if value.is_file else value.expanded)
        except BadValue as error:
            builder.findings.errors.append(Problem(item.place, f"{item.key}: {error}"))
            return
    layer.values[path] = value
    _note_earlier_filters(builder, layer, path, item)


def _note_earlier_filters(builder: _Builder, layer: Layer, path: Path, item: Assignment) -> None:
    """A setting outside of filters does not change what a filter before it says, whatever it looks like."""
    if layer is not builder.top or not item.place.line:  # -o overrides filters, too
        return
    for other in builder.layers.values():
        if other is not layer and path in other.values:
            where = other.values[path].place
            note = (
                f"{item.key} does not change the setting in the filter at {where}: write it before to make this clear"
            )
            builder.findings.notes.append(Problem(item.place, note))


def _unknown(builder: _Builder, layer: Layer, prefix: Path, kind: SectionKind, item: Assignment) -> None:
    """A name that the table does not have: one of an older version is translated, any other is an error."""
    assert kind.table is not None
    where = prefix[0] if prefix else ""
    match obsolete(where, item.key, item.text):
        case Renamed(path=path, text=text, form=form, note=note):
            builder.findings.notes.append(Problem(item.place, note))
            into = (*prefix, *path)
            if len(path) > 2 and path[:-1] not in layer.sections:
                layer.sections[path[:2]] = Header(path[0], path[1], item.place)
            at, inner = _kind_at(into)
            _assign(builder, layer, at, inner, Assignment(path[-1], text, form or item.form, item.place))
        case Removed(note=note):
            builder.findings.notes.append(Problem(item.place, note))
        case None:
            names = table(kind.table)
            section = f" in {where} {{ }}" if where else ""
            text = f"Unknown setting '{item.key}'{section}{_nearest(item.key, names)}"
            builder.findings.errors.append(Problem(item.place, text))


def _kind_at(path: Path) -> tuple[Path, SectionKind]:
    """The section that the setting at a path is in, and its kind."""
    kind = _TOP
    rest = path[:-1]
    while rest:
        kind = kind.inside[rest[0]]
        rest = rest[2 if kind.named else 1 :]
    return path[:-1], kind


def _nearest(name: str, known: Iterable[str]) -> str:
    """`: did you mean ...?` with the known name that looks most like this one."""
    from difflib import get_close_matches  # only needed after a mistake

    near = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f": did you mean '{near[0]}'?" if near else ""


def _value(builder: _Builder, layer: Layer, path: Path, item: Assignment) -> Value:
    """The value with its variables: a word `$key` takes what that key has at this point of the file."""
    if item.form is not Form.VARIABLE or builder.builtin is None:  # those of built-in services are for `effective`
        return Value(item.text, item.form is Form.FILE, item.text, item.place)
    shown: list[str] = []
    expanded: list[str] = []
    words = item.text.split()
    for word in words:
        found = _variable(builder, layer, path, word[1:]) if word.startswith("$") else None
        if found is None:
            if word.startswith("$"):
                note = f"{item.key}: unknown variable {word}: put quotes around a value with a '$' that is no variable"
                builder.findings.notes.append(Problem(item.place, note))
            shown.append(word)
            expanded.append(word)
            continue
        own = word[1:] == item.key
        if len(words) == 1 and found.is_file and not own:
            return Value(word, False, found.expanded, found.place)
        shown.append(found.shown if own else word)
        expanded.append(found.expanded)
    return Value(" ".join(shown), False, " ".join(expanded), item.place)


def _variable(builder: _Builder, layer: Layer, path: Path, name: str) -> Value | None:
    if name.startswith("ENV:"):
        text = os.environ.get(name[4:], "")
        return Value(text, False, text, Place(""))
    for at in ((*path[:-1], name), (name,)):
        if (found := builder.lookup(layer, at)) is not None:
            return found
        if (setting := declared(at)) is not None:
            return Value(setting.default, False, setting.default, Place(""))
    return None


def declared(path: Path) -> Setting | None:
    """The declaration of the setting at a path; None for a key of `plugin` or `dict`."""
    try:
        _, kind = _kind_at(path)
    except KeyError:
        return None
    return None if kind.table is None else table(kind.table).get(path[-1])


@lru_cache(maxsize=1)
def builtin_layer() -> Layer:
    """The services that are there before any file is read."""
    items, errors, _ = parse(BUILTIN, "(built in)")
    findings = Findings(errors)
    (layer,) = build(items, findings, None)
    assert not findings.errors
    return layer


def sections_in(layers: Iterable[Layer], prefix: Path) -> Iterator[tuple[Path, Header]]:
    """The sections of one kind directly under a path, in the order of the file."""
    seen: set[Path] = set()
    count = len(prefix) + 1
    for layer in layers:
        for path, header in layer.sections.items():
            if len(path) == count and path[:-1] == prefix and path not in seen:
                seen.add(path)
                yield path, header
