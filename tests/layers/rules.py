"""The rules of docs/architecture.md that a machine can see, as functions from source text to complaints.

Each complaint is `path:line: what is wrong`. The tree is given as a mapping path -> source, so that the rules are
tested on bad sources too.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

# Imports point downwards only; packages of one layer do not import each other, but for the exceptions below.
LAYERS = (
    ("errors", "hooks", "wire", "message", "sieve"),
    ("store", "net", "config", "events"),
    ("mailbox", "auth"),
    ("delivery", "features"),
    ("imap", "pop3", "lmtp", "submission", "managesieve", "cluster", "migrate"),
    ("main", "admin", "web"),
)
LEVEL = {package: level for level, packages in enumerate(LAYERS) for package in packages}
WORDS_OF_ALL = ("errors", "hooks")  # layer 0 itself may use these two
KNOWS_ALL = "main"  # the only package that knows all others
PURE = LAYERS[0]
IMPURE_MODULES = frozenset({"asyncio", "socket", "os", "ssl", "time", "logging", "pathlib"})
BLANKET_ALLOWED = ("doocot/net/shell.py",)  # the last-resort handler
FILE_LINES = 600
FUNCTION_LINES = 70
MUTABLE_CALLS = frozenset({"list", "dict", "set", "bytearray", "defaultdict", "deque", "Counter", "OrderedDict"})
MUTATORS = frozenset(
    {"append", "add", "update", "extend", "insert", "remove", "discard", "pop", "popitem", "clear", "setdefault"}
)
Sources = Mapping[str, str]


def sources(root: Path) -> Sources:
    """The package as it is on disk."""
    return {str(path.relative_to(root)): path.read_text() for path in sorted((root / "doocot").rglob("*.py"))}


def package_of(path: str) -> str:
    """`doocot/wire/flow.py` is in `wire`, `doocot/errors.py` is `errors`; `doocot/__init__.py` is in none."""
    name = path.split("/")[1].removesuffix(".py")
    return "" if name == "__init__" else name


def check(tree: Sources) -> list[str]:
    """All complaints."""
    complaints: list[str] = []
    for path, text in tree.items():
        module = ast.parse(text, path)
        found = [
            *imports(path, module),
            *lengths(path, text, module),
            *blanket_excepts(path, module),
            *mutable_state(module),
        ]
        complaints += [f"{path}:{line}: {what}" for line, what in sorted(found)]
    return complaints


Complaints = Iterator[tuple[int, str]]


def imports(path: str, module: ast.Module) -> Complaints:
    """Only downwards, and nothing that touches the world from a pure package."""
    own = package_of(path)
    if own and own not in LEVEL:
        yield 1, f"package {own} has no layer"
        return
    for line, name in _imported(module):
        top, _, rest = name.partition(".")
        if top == "doocot" and own and rest:
            yield from _import_between(line, own, rest.partition(".")[0])
        elif top in IMPURE_MODULES and own in PURE:
            yield line, f"{own} is pure and may not import {top}"
        elif not top:
            yield line, "relative import: write the whole name"


def _import_between(line: int, own: str, other: str) -> Complaints:
    if other == own or other not in LEVEL:
        return
    if LEVEL[other] < LEVEL[own] or own == KNOWS_ALL or (other in WORDS_OF_ALL and own not in WORDS_OF_ALL):
        return
    relation = "a sibling" if LEVEL[other] == LEVEL[own] else "above"
    yield line, f"{own} imports {other}, which is {relation}"


def _imported(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and whole name of everything imported, wherever it stands (also under TYPE_CHECKING and in functions)."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            if name == "doocot":
                yield from ((node.lineno, f"doocot.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, name


def lengths(path: str, text: str, module: ast.Module) -> Complaints:
    lines = text.count("\n")
    if lines > FILE_LINES:
        yield 1, f"{lines} lines, at most {FILE_LINES}"
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            size = node.end_lineno - node.lineno + 1
            if size > FUNCTION_LINES:
                yield node.lineno, f"function {node.name} has {size} lines, at most {FUNCTION_LINES}"


def blanket_excepts(path: str, module: ast.Module) -> Complaints:
    """`except:`, `except Exception`, `suppress(Exception)` hide faults: one place has one."""
    if path in BLANKET_ALLOWED:
        return
    for node in ast.walk(module):
        if isinstance(node, ast.ExceptHandler) and (node.type is None or _is_blanket(node.type)):
            if not _raises_again(node):
                yield node.lineno, "blanket except"
        elif isinstance(node, ast.Call) and _name(node.func) == "suppress" and any(map(_is_blanket, node.args)):
            yield node.lineno, "blanket suppress"


def _raises_again(handler: ast.ExceptHandler) -> bool:
    """A handler that cleans up and passes the same exception on hides nothing."""
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def _is_blanket(node: ast.expr) -> bool:
    if isinstance(node, ast.Tuple):
        return any(map(_is_blanket, node.elts))
    return _name(node) in ("Exception", "BaseException")


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def mutable_state(module: ast.Module) -> Complaints:
    """A module holds constants only: no `global`; a list, dict or set at its level is a table that nothing changes."""
    tables = set()
    for node in module.body:
        for name, value in _assigned(node):
            if not _is_mutable(value) or (name.startswith("__") and name.endswith("__")):
                continue
            if name.lstrip("_").isupper():
                tables.add(name)
            else:
                yield node.lineno, f"module-level {name} is mutable; a constant table has an upper-case name"
    for inner in ast.walk(module):
        if isinstance(inner, ast.Global):
            yield inner.lineno, f"global {', '.join(inner.names)}"
        elif (name := _mutated(inner)) in tables:
            yield getattr(inner, "lineno", 1), f"the table {name} is changed"


def _assigned(node: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.Assign):
        yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))
    elif isinstance(node, ast.AnnAssign) and node.value is not None and isinstance(node.target, ast.Name):
        yield node.target.id, node.value


def _is_mutable(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        return _name(value.func) in MUTABLE_CALLS
    return isinstance(value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp)


def _mutated(node: ast.AST) -> str:
    """The name whose value a node changes in place, or nothing."""
    targets: Iterable[ast.expr] = ()
    if isinstance(node, ast.Assign | ast.Delete):
        targets = node.targets
    elif isinstance(node, ast.AugAssign):
        targets = [node.target]
        if isinstance(node.target, ast.Name):
            return node.target.id
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
        return node.func.value.id if isinstance(node.func.value, ast.Name) else ""
    for target in targets:
        if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
            return target.value.id
    return ""
