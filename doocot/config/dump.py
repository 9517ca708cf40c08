"""A configuration as text, in the form of Dovecot's doveconf: sorted, nested, values in their usual units."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from doocot.config.filters import Filter
from doocot.config.grammar import quote
from doocot.config.kinds import VERBATIM, table
from doocot.config.layers import SECTIONS, Header, Layer, Path, SectionKind, Value, builtin_layer, declared
from doocot.config.load import Config
from doocot.config.settings import Settings

HIDDEN = "# hidden, use -P to show it"
_HIDDEN_PART = "#hidden_use-P_to_show#"


class Scope(Enum):
    """Which settings are written."""

    CHANGED = "changed"  # -n
    ALL = "all"  # -a
    DEFAULTS = "defaults"  # -d


@dataclass(frozen=True, slots=True)
class Query:
    """The conditions of `-f`; an empty text is no condition."""

    protocol: str = ""
    local: str = ""
    local_name: str = ""
    remote: str = ""

    def meets(self, condition: Filter) -> bool:
        """Whether a filter holds under these conditions."""
        return condition.matches(self.protocol, self.local, self.local_name, self.remote)

    def admits(self, condition: Filter) -> bool:
        """Whether a filter may hold under these conditions."""
        given = Filter(
            condition.protocol if self.protocol else None,
            condition.local if self.local else None,
            condition.local_name if self.local_name else None,
            condition.remote if self.remote else None,
        )
        return self.meets(given)


def dump(config: Config, scope: Scope, *, secrets: bool = False, query: Query | None = None) -> Iterator[str]:
    """The lines of `doocot config`, without its header."""
    asked = query or Query()
    wanted = [layer for layer in config.layers[1:] if asked.admits(layer.filter)]
    merged = [config.layers[0]]
    if asked != Query():
        merged += [layer for layer in wanted if asked.meets(layer.filter)]
    if scope is Scope.DEFAULTS:
        yield from _lines(_all([builtin_layer()]), [builtin_layer()], secrets, "")
        return
    if scope is Scope.ALL:
        with_builtin = [builtin_layer(), *merged]
        yield from _lines(_all(with_builtin), with_builtin, secrets, "")
    else:
        yield from _lines(_changed(merged), merged, secrets, "")
    for layer in wanted:
        inner = list(_lines(_set(layer), [layer], secrets, "  " * len(_conditions(layer.filter))))
        if inner:
            yield from _filtered(layer.filter, inner)


def named(config: Config, name: str, *, query: Query | None = None) -> list[str] | None:
    """The lines of one setting (`plugin/quota` for one in a section) or of all sections of a kind; None when unknown.

    As in doveconf the value is neither quoted nor hidden.
    """
    asked = query or Query()
    layers = [builtin_layer(), *(layer for layer in config.layers if asked.meets(layer.filter))]
    entries = dict(_all(layers))
    path = tuple(name.split("/"))
    if path in entries:
        return [f"{name} = {entries[path]}"]
    setting = declared(path)
    if setting is not None and len(path) == 1:
        return [f"{name} = {setting.default}"]
    inside = [(at, text) for at, text in entries.items() if at[: len(path)] == path]
    if inside:
        return list(_lines(inside, layers, True, ""))
    return [] if name in SECTIONS else None


def _conditions(condition: Filter) -> list[str]:
    """The headers of a filter's sections, outermost first."""
    parts = (
        ("local", condition.local),
        ("local_name", condition.local_name),
        ("remote", condition.remote),
        ("protocol", condition.protocol),
    )
    return [f"{kind} {name} {{" for kind, name in parts if name is not None]


def _filtered(condition: Filter, inner: Iterable[str]) -> Iterator[str]:
    """Lines inside the sections of a filter."""
    opened = _conditions(condition)
    for depth, header in enumerate(opened):
        yield "  " * depth + header
    yield from inner
    for depth in reversed(range(len(opened))):
        yield "  " * depth + "}"


# --- which settings

_ALWAYS = (("namespace", "location"), ("namespace", "prefix"))


def shown(path: Path, value: Value) -> str:
    """A value as it is listed: texts as written, everything else in its usual unit."""
    setting = declared(path)
    if setting is None or setting.kind in VERBATIM:
        return value.shown
    text: str = setting.kind.show(setting.kind.parse(value.expanded))
    return text


def _merged(layers: Sequence[Layer]) -> dict[Path, Value]:
    values: dict[Path, Value] = {}
    for layer in layers:
        values.update(layer.values)
    return values


def _changed(layers: Sequence[Layer]) -> Iterator[tuple[Path, str]]:
    """What the file sets. Outside of named sections only what differs from the default."""
    for path, value in _merged(layers).items():
        text = shown(path, value)
        setting = declared(path)
        listed = len(path) > 1 and path[0] not in ("passdb", "userdb")
        # A hidden text has no default: that it is empty says something, too.
        if listed or setting is None or text != setting.default or (setting.hidden and not text):
            yield path, text
    yield from _always(layers, *_ALWAYS)


def _set(layer: Layer) -> Iterator[tuple[Path, str]]:
    """Everything that a filter sets, be it the default or not."""
    for path, value in layer.values.items():
        yield path, shown(path, value)
    yield from _always(
        [layer], ("namespace", "location"), ("namespace", "prefix"), ("passdb", "name"), ("userdb", "name")
    )


def _always(layers: Sequence[Layer], *keys: tuple[str, str]) -> Iterator[tuple[Path, str]]:
    """Settings that doveconf lists for every section of their kind."""
    values = _merged(layers)
    for layer in layers:
        for path in layer.sections:
            for kind, name in keys:
                if len(path) == 2 and path[0] == kind and (*path, name) not in values:
                    yield (*path, name), ""


def _all(layers: Sequence[Layer]) -> Iterator[tuple[Path, str]]:
    """Every setting, with its default where nothing is set."""
    values = _merged(layers)
    for path, value in values.items():
        yield path, shown(path, value)
    for name, setting in table(Settings).items():
        if (name,) not in values and not setting.hidden:
            yield (name,), setting.default
    for path in dict.fromkeys(path for layer in layers for path in layer.sections):
        kind = _kind(path)
        for name, setting in table(kind.table).items() if kind.table is not None else ():
            if (*path, name) not in values and not setting.hidden:
                yield (*path, name), setting.default


def _kind(path: Path) -> SectionKind:
    kind = SECTIONS[path[0]]
    for word in path[2::2]:
        kind = kind.inside[word]
    return kind


# --- how they are written


def _lines(entries: Iterable[tuple[Path, str]], layers: Sequence[Layer], secrets: bool, indent: str) -> Iterator[str]:
    """Entries in doveconf's order, with the headers and ends of their sections."""
    headers: dict[Path, Header] = {}
    for layer in layers:
        headers.update(layer.sections)
    opened: list[Path] = []
    for path, text in sorted(entries, key=lambda entry: _order(entry[0])):
        groups = _groups(path)
        same = 0
        while same < min(len(groups), len(opened)) and groups[same] == opened[same]:
            same += 1
        while len(opened) > same:
            opened.pop()
            yield f"{indent}{'  ' * len(opened)}}}"
        for group in groups[same:]:
            yield f"{indent}{'  ' * len(opened)}{_header(group, headers)}"
            opened.append(group)
        yield f"{indent}{'  ' * len(opened)}{path[-1]} = {_value(path, text, secrets)}"
    while opened:
        opened.pop()
        yield f"{indent}{'  ' * len(opened)}}}"


def _groups(path: Path) -> list[Path]:
    """The sections that a setting is in, outermost first, as the beginnings of its path."""
    kinds = SECTIONS
    groups: list[Path] = []
    at = 0
    while at < len(path) - 1:
        kind = kinds[path[at]]
        at += 2 if kind.named else 1
        groups.append(path[:at])
        kinds = kind.inside
    return groups


def _header(group: Path, headers: dict[Path, Header]) -> str:
    found = headers.get(group)
    if found is None:
        return f"{group[-1]} {{"
    if not found.name or group[0] in ("passdb", "userdb"):
        return f"{found.kind} {{"
    return f"{found.kind} {quote(found.name) if ' ' in found.name else found.name} {{"


_ESCAPES = str.maketrans({"/": "\\s", "\\": "\\\\", " ": "\\_", ",": "\\+", "=": "\\e"})
# Dovecot compares signed characters: bytes from 128 come first.
_SIGNED = bytes(byte ^ 0x80 for byte in range(256))


def _order(path: Path) -> bytes:
    """The key that puts settings and sections in doveconf's order."""
    escaped = "/".join((*(part.translate(_ESCAPES) for part in path[:-1]), path[-1]))
    return escaped.encode("utf-8", "surrogateescape").translate(_SIGNED)


def _value(path: Path, text: str, secrets: bool) -> str:
    if not secrets and text:
        if path[-1].endswith(("_password", "_key", "_nonce")) or path[-1].startswith("ssl_dh"):
            return HIDDEN
        text = without_secrets(text)
    return quote(text) if text != text.strip(" \t") or "#" in text.replace(_HIDDEN_PART, "") else text


_URL_SECRET = re.compile(r"((?:https?|ftp)://)[^\s/@]+(?=@)")
_WORD_SECRET = re.compile(r"((?<![A-Za-z0-9])(?:key|secret|pass)[\w.-]*[ \t]*=)[^\s;]*", re.ASCII)


def without_secrets(text: str) -> str:
    """A value with passwords in URLs and after `key=`, `secret=` and `pass...=` replaced."""
    hidden = rf"\1{_HIDDEN_PART}"
    return _WORD_SECRET.sub(hidden, _URL_SECRET.sub(hidden, text))
