"""Find, read and check the syntax of a configuration: file, includes, `-o` overrides, all errors at once."""

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from doocot.config.embedded import EMBEDDED_PATH, embedded_text
from doocot.config.findings import Findings
from doocot.config.grammar import Assignment, Form, Include, Item, Place, Problem, Section, parse
from doocot.config.kinds import read_file
from doocot.config.layers import Layer, build, builtin_layer
from doocot.config.version24 import translate

DEFAULT_PATH = "/etc/dovecot/dovecot.conf"
MAX_INCLUDES = 10  # one file including another, that many times
MAX_FILES = 1000


class ConfigError(Exception):
    """A configuration cannot be used; `problems` has every reason, in the order of the files."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True, eq=False)
class Config:
    """A configuration that was read: layers as in `doocot.config.layers`, and what is worth saying about them."""

    path: str
    layers: tuple[Layer, ...]
    notes: tuple[Problem, ...] = ()


@dataclass(slots=True)
class _Reader:
    """Files on the way in."""

    findings: Findings
    files: list[str] = field(default_factory=list)  # from the outermost to the one being read
    count: int = 0


def load(path: str | None = None, overrides: Iterable[str] = ()) -> Config:
    """The configuration of `path`, else of /etc/dovecot/dovecot.conf, else the embedded default.

    Raises ConfigError with every error that its text has; whether the values make sense together is for
    `doocot.config.check`.
    """
    if path is None:
        if not os.access(DEFAULT_PATH, os.R_OK):
            return load_text(embedded_text(), EMBEDDED_PATH, overrides)
        path = DEFAULT_PATH
    try:
        text = read_file(path)
    except OSError as error:
        raise ConfigError([Problem(Place(path), f"Cannot read the configuration: {error.strerror}")]) from error
    return load_text(text, path, overrides)


def load_text(text: str, path: str, overrides: Iterable[str] = ()) -> Config:
    """The configuration of a text, whose includes are relative to the folder of `path`."""
    findings = Findings()
    reader = _Reader(findings, [os.path.realpath(path)])
    items = translate(tuple(_items(reader, text, path)), findings)
    extra = tuple(_overrides(overrides, findings))
    layers = build((*items, *extra), findings, builtin_layer())
    for item in extra:  # holds everywhere, whatever the filters say
        for layer in layers[1:]:
            layer.values.pop(tuple(item.key.split("/", 1)), None)
    if findings.errors:
        raise ConfigError(findings.errors)
    return Config(path, layers, tuple(findings.notes))


def _overrides(overrides: Iterable[str], findings: Findings) -> Iterator[Assignment]:
    """`-o key=value`, as if it stood at the end of the file."""
    for each in overrides:
        key, equals, text = (part.strip() for part in each.partition("="))
        place = Place(f"-o {each}")
        if not equals or not key:
            findings.errors.append(Problem(place, "write -o key=value"))
            continue
        yield Assignment(key, text, Form.VARIABLE if "$" in text else Form.TEXT, place)


def _items(reader: _Reader, text: str, path: str) -> Iterator[Item]:
    items, errors, warnings = parse(text, path)
    reader.findings.errors.extend(errors)
    reader.findings.notes.extend(warnings)
    return _included(reader, items, path)


def _included(reader: _Reader, items: Iterable[Item], path: str) -> Iterator[Item]:
    """The items with every include replaced by what the file holds."""
    for item in items:
        match item:
            case Include():
                yield from _include(reader, item, path)
            case Section(kind=kind, name=name, items=inside, place=place):
                yield Section(kind, name, tuple(_included(reader, inside, path)), place)
            case _:
                yield item


def _include(reader: _Reader, include: Include, path: str) -> Iterator[Item]:
    pattern = os.path.join(os.path.dirname(path), include.pattern)
    names = sorted(glob.glob(pattern))
    errors = reader.findings.errors
    if not names and not include.optional:
        errors.append(
            Problem(include.place, f"!include {include.pattern}: no such file (!include_try does without it)")
        )
    for name in names:
        real = os.path.realpath(name)
        if real in reader.files:
            errors.append(Problem(include.place, f"!include {include.pattern}: {name} includes itself"))
        elif len(reader.files) > MAX_INCLUDES:
            errors.append(Problem(include.place, f"Files include each other more than {MAX_INCLUDES} deep"))
        elif reader.count >= MAX_FILES:
            errors.append(Problem(include.place, f"More than {MAX_FILES} files are included"))
        else:
            try:
                text = read_file(name)
            except OSError as error:
                if not (include.optional and isinstance(error, PermissionError)):
                    errors.append(Problem(include.place, f"Cannot read {name}: {error.strerror}"))
                continue
            reader.count += 1
            reader.files.append(real)
            yield from _items(reader, text, name)
            reader.files.pop()
