"""One function that everything happening in the server goes through, and the listeners that make something of it."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from doocot.events.table import CONTEXT, EVENTS, EventKind, Fields

Listener: TypeAlias = Callable[[EventKind, Fields], None]


class UnknownEvent(Exception):
    """An event, or a field of one, that is not declared in the table."""


class Events:
    """What a process emits into. `strict` (for tests) also refuses fields that are not declared."""

    __slots__ = ("_kinds", "_listeners", "_strict")

    def __init__(self, kinds: Mapping[str, EventKind] = EVENTS, strict: bool = False) -> None:
        self._kinds = kinds
        self._strict = strict
        self._listeners: dict[str, tuple[Listener, ...]] = dict.fromkeys(kinds, ())

    def event(self, name: str, /, **fields: Any) -> None:
        """Something happened. Secrets are never a field."""
        try:
            listeners = self._listeners[name]
        except KeyError:
            raise UnknownEvent(f"{name} is not in the table of events") from None
        if self._strict:
            self._check(name, fields)
        if listeners:
            kind = self._kinds[name]
            for listener in listeners:
                listener(kind, fields)

    def listen(self, listener: Listener, names: Iterable[str]) -> None:
        """Call `listener` for the events of these names from now on."""
        for name in names:
            self._listeners[name] = (*self._listeners[name], listener)

    def ignore(self, listener: Listener) -> None:
        """Call `listener` no more."""
        for name, listeners in self._listeners.items():
            self._listeners[name] = tuple(each for each in listeners if each != listener)

    def _check(self, name: str, fields: Fields) -> None:
        unknown = fields.keys() - set(self._kinds[name].fields) - set(CONTEXT)
        if unknown:
            raise UnknownEvent(f"{name} has no field {', '.join(sorted(unknown))}")


class Counters:
    """Counts events, and adds up the fields that their rows name: the numbers behind `doocot stats` and the metrics."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def listen(self, kind: EventKind, fields: Fields) -> None:
        """Count one event, by service where it has one."""
        service = fields.get("service", "")
        name = f"{kind.name}{{service={service}}}" if service else kind.name
        self._counts[name] += 1
        for field in kind.sums:
            self._counts[f"{kind.name}.{field}"] += fields.get(field) or 0

    def values(self) -> dict[str, int]:
        """All numbers since the start."""
        return dict(self._counts)


def attach_counters(events: Events) -> Counters:
    """Count every event from now on."""
    counters = Counters()
    events.listen(counters.listen, EVENTS)
    return counters
