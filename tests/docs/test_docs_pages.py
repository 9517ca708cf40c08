"""The pages in docs/ and the README say what the code says: derived tables are current, commands and links exist."""

import re
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import click
import pytest

from doocot.config.kinds import table
from doocot.config.settings import Settings
from doocot.events.table import EVENTS
from doocot.imap.commands import COMMANDS as IMAP_COMMANDS
from doocot.lmtp.commands import COMMANDS as LMTP_COMMANDS
from doocot.main.cli import SUBCOMMANDS, load
from doocot.store.index.schema import DDL
from tests.docs import tables
from tests.docs.tables import PAGES, ROOT

ADR = ROOT / "docs" / "adr"
ADR_PARTS = ("Context", "Decision", "Rejected", "Consequence")
ADR_WORDS = 450  # half a page; tables come on top
NOT_OURS = re.compile(r"\b(?:https?|mailto|imaps?):")


def prose() -> list[Path]:
    """What people read: README, change log and everything in docs/."""
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


# Derived pages


@pytest.mark.parametrize("name", PAGES)
def test_docs_page_is_current(name: str) -> None:
    assert (ROOT / name).read_text() == PAGES[name](), f"{name} is not what the code says: make docs"


def undocumented(page: str, names: Iterable[str]) -> list[str]:
    """The names that no row of a page begins with or lists in its first cell."""
    first = {
        name for line in page.splitlines() if line.startswith("|") for name in re.findall("`([^`]+)`", _cell(line))
    }
    return [name for name in names if name not in first]


def _cell(line: str) -> str:
    return line.split(" | ")[0]


def declared() -> Mapping[str, list[str]]:
    """Page -> everything that must have a row in it."""
    offers = {*tables.imap_offers("", tls=False), *tables.imap_offers("", tls=True), *tables.imap_offers("u", tls=True)}
    protocols = [name.decode() for name in (*IMAP_COMMANDS, *LMTP_COMMANDS)]
    return {
        "docs/settings.md": list(table(Settings)),
        "docs/events.md": list(EVENTS),
        "docs/commands.md": [f"doocot {name}" for name in SUBCOMMANDS],
        "docs/protocols.md": [*protocols, *sorted(offers), *tables.lmtp_offers()],
    }


@pytest.mark.parametrize("name", PAGES)
def test_docs_everything_declared_has_a_row(name: str) -> None:
    assert undocumented((ROOT / name).read_text(), declared()[name]) == []


def test_docs_a_missing_row_is_noticed() -> None:
    page = "| `mail_uid` | number |\n| `COPY`, `UID COPY` | `MOVE` |\n"
    assert undocumented(page, ["mail_uid", "COPY", "UID COPY", "MOVE"]) == ["MOVE"]


def test_docs_the_tables_follow_the_code() -> None:
    """A page is made of what is declared, not of what was there when it was written."""
    setting = table(Settings)["mail_location"]
    assert tables.effect(setting, frozenset({"mail_location"})) == "yes"
    assert tables.effect(setting, frozenset()) == "not yet"
    assert tables.effect(replace(setting, inert=True), frozenset({"mail_location"})) == "none here"


# Commands in the text

_EXAMPLE = re.compile(r"^ {4}\$? ?(doocot|make) (.*)$", re.MULTILINE)
_INLINE = re.compile(r"`(doocot|make) ([a-z][^`]*)`")


def examples(text: str) -> list[tuple[str, list[str]]]:
    """(doocot or make, its words) of every command in indented blocks and between backticks."""
    text = re.sub(r"^ {4}(?:.* )?\[OPTION\.\.\.\].*$", "", text, flags=re.MULTILINE)  # usage, not an example
    found = [*_EXAMPLE.findall(text), *_INLINE.findall(text)]
    return [(program, rest.partition("#")[0].split()) for program, rest in found]


def options_of(name: str) -> set[str]:
    """The options that a subcommand takes, those of its own subcommands among them."""
    return set(_options(load(SUBCOMMANDS[name]))) | {"-c", "--help", "-h"}


def _options(command: click.Command) -> Iterator[str]:
    for one in command.params:
        yield from (*one.opts, *one.secondary_opts)
    if isinstance(command, click.Group):
        for child in command.commands.values():
            yield from _options(child)


def wrong_commands(
    text: str, subcommands: Collection[str], targets: Collection[str], options: Callable[[str], set[str]] = options_of
) -> list[str]:
    """Commands in a text that are not there."""
    found = []
    for program, words in examples(text):
        known = subcommands if program == "doocot" else targets
        if words[0].isupper():  # `doocot COMMAND --help`
            continue
        if words[0] not in known:
            found.append(f"{program} {words[0]}")
        elif program == "doocot":
            taken = options(words[0])
            found += [f"doocot {words[0]} {word}" for word in words[1:] if word[0] == "-" and word not in taken]
    return found


def make_targets() -> set[str]:
    """What can be made."""
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("path", prose(), ids=lambda path: str(path.relative_to(ROOT)))
def test_docs_commands_exist(path: Path) -> None:
    assert wrong_commands(path.read_text(), SUBCOMMANDS, make_targets()) == []


def test_docs_readme_has_its_two_commands() -> None:
    words = [words for program, words in examples((ROOT / "README.md").read_text()) if program == "make"]
    assert [one[0] for one in words[:2]] == ["run", "test"]


def test_docs_a_wrong_command_is_noticed() -> None:
    text = "    make tests\n\nor `doocot sever`:\n\n    doocot config --all x   # so\n    doocot config -n\n"
    found = wrong_commands(text, {"config"}, {"test"}, lambda name: {"-n"})
    assert found == ["make tests", "doocot config --all", "doocot sever"]


# Links and files

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FILE = re.compile(r"`((?:[a-z0-9_]+/)+[a-z0-9_]+\.(?:py|md|txt))`")


def anchors(text: str) -> set[str]:
    """What headings can be linked to as, by GitHub's rule."""
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def broken(path: Path, text: str) -> list[str]:
    """Links of a page to what is not there, and names of source files that do not exist."""
    found = []
    for link in _LINK.findall(text):
        if NOT_OURS.match(link):
            continue
        target, _, anchor = link.partition("#")
        there = (path.parent / target).resolve() if target else path
        if not there.exists() or (anchor and anchor not in anchors(text if there == path else there.read_text())):
            found.append(link)
    files = (name for name in _FILE.findall(text) if not name.startswith("docs/benchmarks"))  # `make bench` writes it
    return found + [name for name in files if not any((base / name).exists() for base in (ROOT, ROOT / "doocot"))]


@pytest.mark.parametrize("path", prose(), ids=lambda path: str(path.relative_to(ROOT)))
def test_docs_links_and_files_exist(path: Path) -> None:
    assert broken(path, path.read_text()) == []


def test_docs_a_broken_link_is_noticed() -> None:
    text = "# A b\n[x](#a-b) [y](#c) [z](nowhere.md) [i](https://example.org/x) `store/settle.py` `store/nothing.py`"
    assert broken(ROOT / "README.md", text) == ["#c", "nowhere.md", "store/nothing.py"]


# The architecture


def untold(text: str, names: Iterable[str]) -> list[str]:
    """Names that stand nowhere between backticks."""
    told = set(re.findall(r"[\w/.]+", " ".join(re.findall("`([^`]+)`", text))))
    return [name for name in names if name not in told]


def tables_and_columns(ddl: str) -> list[str]:
    """Every table of the index, and every column."""
    db = sqlite3.connect(":memory:")
    db.executescript(ddl)
    names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return [*names, *(column[1] for name in names for column in db.execute(f"PRAGMA table_info({name})"))]


def packages() -> list[str]:
    """Everything directly in doocot/, as the table of packages names it."""
    entries = [path for path in (ROOT / "doocot").iterdir() if path.name[0] not in "._"]
    folders = [f"{path.name}/" for path in entries if (path / "__init__.py").exists()]
    return sorted([*folders, *(path.name for path in entries if path.suffix == ".py")])


def test_docs_architecture_names_packages_tables_and_columns() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    assert untold(text, [*packages(), *tables_and_columns(DDL)]) == []


def test_docs_an_untold_table_is_noticed() -> None:
    ddl = "CREATE TABLE one(a INTEGER, b TEXT); CREATE TABLE two(c TEXT);"
    assert untold("`one(a, b)` and two", tables_and_columns(ddl)) == ["two", "c"]


# Decisions


def adr_faults(name: str, text: str) -> list[str]:
    """What a decision record lacks."""
    number = name[:4]
    found = [] if re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", name) else ["the name is not NNNN-title.md"]
    if not re.match(rf"# (?:ADR )?{number}\b", text):
        found.append("the first line does not say its number")
    found += [f"no {part}" for part in ADR_PARTS if part.lower() not in text.lower()]
    words = sum(len(line.split()) for line in text.splitlines() if not line.startswith("|"))
    if words > ADR_WORDS:
        found.append(f"{words} words")
    return found


def test_docs_adrs_are_in_order() -> None:
    names = sorted(path.name for path in ADR.iterdir())
    numbers = [name[:4] for name in names]
    assert names
    assert len(set(numbers)) == len(numbers)
    assert {name: faults for name in names if (faults := adr_faults(name, (ADR / name).read_text()))} == {}


def test_docs_a_bad_adr_is_noticed() -> None:
    faults = adr_faults("0001-a.md", "# 0002 A\n\nContext. Decision. Consequence.\n" + "word " * ADR_WORDS)
    assert faults == ["the first line does not say its number", "no Rejected", f"{ADR_WORDS + 6} words"]
