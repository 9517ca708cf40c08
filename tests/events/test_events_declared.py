"""Every event that the code emits, and every field it gives, is in the table, and every row is emitted somewhere."""

import ast
from collections.abc import Iterator
from pathlib import Path

import doocot
from doocot.events.table import CONTEXT, EVENTS

PACKAGE = Path(doocot.__file__).parent
# For third parties and for callers that pass the name on.
GENERAL = {"debug", "info", "warning", "error", "fatal"}


def emitted() -> Iterator[tuple[str, str, set[str]]]:
    """(where, event, fields) of each call of a function whose name ends in `event` with a literal name."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            name = node.args[0]
            if called in ("event", "_event") and isinstance(name, ast.Constant) and isinstance(name.value, str):
                fields = {keyword.arg for keyword in node.keywords if keyword.arg is not None}
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}", name.value, fields


def test_every_emitted_event_and_field_is_declared() -> None:
    calls = list(emitted())
    assert len(calls) > 10  # the search finds them
    unknown = [f"{where}: {name}" for where, name, _ in calls if name not in EVENTS]
    assert not unknown
    wrong = [
        f"{where}: {name} has no field {field}"
        for where, name, fields in calls
        for field in sorted(fields - set(EVENTS[name].fields) - set(CONTEXT))
    ]
    assert not wrong


def test_every_declared_event_is_emitted() -> None:
    assert set(EVENTS) - GENERAL == {name for _, name, _ in emitted()} - GENERAL
