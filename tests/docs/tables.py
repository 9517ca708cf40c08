"""The pages of docs/ that are derived from the declared tables: `make docs` writes them, a test compares them.

A page is a function from nothing to text. Whatever is declared (setting, event, command, capability) is on a page
because the page is made by walking the table that the program itself runs on.
"""

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from inspect import getdoc
from pathlib import Path
from sys import modules
from types import MappingProxyType, SimpleNamespace
from typing import Any, Final

import click

from doocot.auth.sasl import MECHANISMS
from doocot.auth.settings import AuthSettings
from doocot.config import sections
from doocot.config.kinds import SIZE, Setting, table
from doocot.config.settings import Settings
from doocot.events.table import CONTEXT, EVENTS, EventKind
from doocot.imap.capability import capabilities
from doocot.imap.command import Row, State
from doocot.imap.commands import COMMANDS as IMAP_COMMANDS
from doocot.lmtp.commands import COMMANDS as LMTP_COMMANDS
from doocot.lmtp.conversation import Command as LmtpCommand
from doocot.lmtp.hello import extensions
from doocot.mailbox.metadata import Rules
from doocot.main.cli import SUBCOMMANDS, load
from doocot.wire.flow import Peer
from tests.docs.test_docs_rfc import CAPABILITIES, DRAFTS, INDEX

ROOT: Final = Path(__file__).resolve().parents[2]
NOTE: Final = "<!-- Made by `make docs`; the sentences are in {source}. -->\n"
SECTIONS: Final = (
    sections.PassDb,
    sections.UserDb,
    sections.Namespace,
    sections.MailboxSettings,
    sections.Service,
    sections.InetListener,
    sections.UnixListener,
    sections.FifoListener,
    sections.Metric,
    sections.EventExporter,
)
STATES: Final = MappingProxyType(
    {
        State.ANY: "any",
        State.NOT_AUTHENTICATED: "before login",
        State.AUTHENTICATED: "no mailbox selected",
        State.LOGGED_IN: "after login",
        State.SELECTED: "mailbox selected",
    }
)
LMTP_EXTENSIONS: Final = MappingProxyType(
    {
        "8BITMIME": 6152,
        "CHUNKING": 3030,
        "ENHANCEDSTATUSCODES": 2034,
        "PIPELINING": 2920,
        "SIZE": 1870,
        "SMTPUTF8": 6531,
        "STARTTLS": 3207,
        "XCLIENT": 0,  # Postfix's, only for login_trusted_networks
    }
)

SETTINGS_INTRO: Final = """# Settings

Names, types and defaults are those of Dovecot 2.3.19; those that begin with `doocot_` are ours. `doocot config -a`
shows what is in force. The last column says what becomes of a setting here: `yes`, this version asks for it; `not yet`,
it is read and checked, and nothing hangs on it so far; `none here`, it is accepted for the sake of existing files and
has no meaning in this server (`doocot config check` names it).

"""
EVENTS_INTRO: Final = """# Events

Everything that happens goes through `event(name, **fields)`; the log is one listener of it, the counters of `doocot
stats` are another. Any event may also carry {context}. An event without a log line is only counted; where fields are
added up, the counters hold their sums.

"""
CLI_INTRO: Final = """# Commands

`doocot COMMAND --help` says the same. `-c FILE` before any command names the configuration.

"""


def rows(head: Iterable[str], body: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    lines = [list(head), *([cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in body)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def code(text: object) -> str:
    """As code, or nothing."""
    return f"`{text}`" if f"{text}" else ""


# Settings


@lru_cache(maxsize=1)
def words_of_the_code() -> frozenset[str]:
    """Every attribute and every text that the package uses, but for the reading of configurations itself."""
    found: set[str] = set()
    for path in (ROOT / "doocot").rglob("*.py"):
        if path.parent.name == "config":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return frozenset(found)


def effect(setting: Setting, used: frozenset[str]) -> str:
    """Whether anything in this version asks for the setting."""
    if setting.inert:
        return "none here"
    return "yes" if setting.attribute in used else "not yet"


def settings_page() -> str:
    """Every setting of the table, then those inside sections."""
    used = words_of_the_code()
    text = NOTE.format(source="`doocot/config/settings.py` and `doocot/config/sections.py`")
    text += SETTINGS_INTRO
    text += rows(
        ("setting", "kind", "default", "what it says", "effect"),
        (
            (code(one.name), one.kind.name, code(one.default), one.doc, effect(one, used))
            for one in table(Settings).values()
        ),
    )
    text += "\n`plugin { }` and `dict { }` take any name; names that nothing asks for are notes, not errors.\n"
    for section in SECTIONS:
        text += f"\n## {(getdoc(section) or '').partition(chr(10))[0]}\n\n" + rows(
            ("setting", "kind", "default", "what it says"),
            (
                (code(one.name), one.kind.name, code(one.default), one.doc + (" (No meaning here.)" * one.inert))
                for one in table(section).values()
            ),
        )
    return text


# Events


def events_page() -> str:
    """Every event."""
    text = NOTE.format(source="`doocot/events/table.py`")
    text += EVENTS_INTRO.format(context=", ".join(map(code, CONTEXT)))
    return text + rows(("event", "meaning", "fields", "level", "line", "added up"), map(_event, EVENTS.values()))


def _event(kind: EventKind) -> tuple[str, ...]:
    line = code(kind.line) if isinstance(kind.line, str) else "as Dovecot's"
    level = "by its fields" if kind.level_of else kind.level.name.lower()
    return (
        code(kind.name),
        kind.sentence,
        ", ".join(map(code, kind.fields)),
        level if kind.line else "",
        line,
        ", ".join(map(code, kind.sums)),
    )


# The command line


def cli_page() -> str:
    """Every subcommand with its options."""
    text = NOTE.format(source="the files of the commands; their table is `SUBCOMMANDS` in `doocot/main/cli.py`")
    text += CLI_INTRO
    text += rows(
        ("command", "what it does"), ((f"[`doocot {name}`](#doocot-{name})", row.help) for name, row in all_commands())
    )
    for name, row in all_commands():
        text += "".join(_command(f"doocot {name}", load(row), 2))
    return text


def all_commands() -> Iterable[tuple[str, Any]]:
    """The subcommands in the order of the table."""
    return SUBCOMMANDS.items()


def _command(name: str, command: click.Command, level: int) -> Iterator[str]:
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    words = " ".join(_argument(one) for one in arguments)
    yield f"\n{'#' * level} {name}\n\n{_paragraphs(command.help or '')}\n"
    usage = f"{name} [OPTION...]{' ' * bool(words)}{words}"
    yield f"\n    {usage}{' COMMAND' * isinstance(command, click.Group)}\n"
    options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
    if options:
        yield "\n" + rows(("option", "meaning"), ((code(_option(one)), one.help or "") for one in options))
    if isinstance(command, click.Group):
        for name_of_one, one in command.commands.items():
            yield from _command(f"{name} {name_of_one}", one, level + 1)


def _argument(one: click.Argument) -> str:
    word = (one.metavar or one.name or "").upper() + "..." * (one.nargs == -1)
    return word if one.required else f"[{word}]"


def _option(one: click.Option) -> str:
    names = ", ".join((*one.opts, *one.secondary_opts))
    if one.is_flag or one.count:
        return names
    return f"{names} {one.metavar or str(one.type.name).upper()}"


def _paragraphs(text: str) -> str:
    """A help text: what click shows as it stands (behind `\\b`) becomes a code block."""
    parts = [part for part in text.replace("\f", "").split("\n\n") if part.strip()]
    return "\n\n".join(
        "\n".join("    " + line.strip() for line in part.splitlines()[1:])
        if part.startswith("\b")
        else "\n".join(line.strip() for line in part.splitlines())
        for part in parts
    )


# Protocols


def protocols_page() -> str:
    """The commands of IMAP and LMTP, and what is offered when."""
    titles = rfc_titles()
    text = NOTE.format(source="the files that the tables name")
    text += "# IMAP\n\nEach command is declared in one file: grammar, states and action.\n\n"
    text += rows(("command", "when", "arguments", "what its file says", "declared in"), map(_imap_row, imap_rows()))
    text += "\n## Capabilities\n\n"
    text += "Before login with and without TLS (where a certificate is configured), and after login.\n\n"
    situations = tuple(map(set, (imap_offers("", tls=False), imap_offers("", tls=True), imap_offers("u", tls=True))))
    names = sorted(set().union(*situations))
    text += rows(
        ("capability", "no TLS", "TLS", "logged in", "defined in"),
        (
            (code(name), *("yes" if name in one else "" for one in situations), capability_source(name, titles))
            for name in names
        ),
    )
    text += "\n`LITERAL-` stands for `LITERAL+` with `imap_literal_minus = yes`.\n"
    text += "`URLAUTH` is offered where `imap_urlauth_host` is set.\n"
    text += "\n# LMTP\n\n" + rows(
        ("command", "form", "what the code says of it", "declared in"), map(_lmtp_row, LMTP_COMMANDS.values())
    )
    text += "\n## Extensions\n\n" + rows(
        ("keyword", "defined in"),
        (
            (code(name), _rfc(LMTP_EXTENSIONS[name], titles) or "Postfix; only for `login_trusted_networks`")
            for name in lmtp_offers()
        ),
    )
    return text


def imap_rows() -> list[Row]:
    """The declared commands, each once."""
    return list({id(bound.row): bound.row for bound in IMAP_COMMANDS.values()}.values())


def _imap_row(row: Row) -> tuple[str, ...]:
    module = modules[row.run.__module__]
    path = str(module.__name__).replace(".", "/") + ".py"
    owner = getattr(row.parse, "__self__", None)
    grammar = re.findall(r"`+([^`]+)`+", getdoc(owner) or "") if isinstance(owner, type) else []
    names = ", ".join(code(name.decode()) for name in row.names)
    rule = next((one for one in grammar if "=" in one), "")
    return names, STATES[row.state], code(" ".join(rule.split())), first_lines(module), _link(path)


def _link(path: str) -> str:
    return f"[{path.removeprefix('doocot/')}](../{path})"


def first_lines(documented: object) -> str:
    """The first paragraph of a docstring."""
    return " ".join((getdoc(documented) or "").partition("\n\n")[0].split())


def _lmtp_row(row: LmtpCommand) -> tuple[str, ...]:
    run = getattr(row.run, "func", row.run)
    module = modules[run.__module__]
    path = str(module.__name__).replace(".", "/") + ".py"
    return code(row.name.decode()), code(row.syntax), first_lines(run) or first_lines(module), _link(path)


def imap_offers(user: str, *, tls: bool) -> list[str]:
    """The capabilities told to a client from elsewhere, by the function that the session uses."""
    limit = table(Settings)["doocot_append_limit"].default
    context = SimpleNamespace(
        auth=AuthSettings(mechanisms=tuple(MECHANISMS)),
        starttls=True,
        literal_minus=False,
        gmail=False,
        capability=b"",
        append_limit=SIZE.parse(limit),
        metadata=Rules(),
        message_limit=0,
        save_limit=0,
        urlauth_host="localhost",
    )
    peer = Peer(remote_ip="192.0.2.1", local_ip="192.0.2.2", tls=tls)
    session: Any = SimpleNamespace(user=user, context=context, peer=peer, compressed=False)
    return capabilities(session).decode().split()


def lmtp_offers() -> list[str]:
    """The keywords told to a trusted client without TLS, which gets all of them."""
    settings = SimpleNamespace(max_message_size=0, tls=object())
    conversation: Any = SimpleNamespace(settings=settings, peer=Peer(trusted=True))
    return [line.partition(" ")[0] for line in extensions(conversation)]


def capability_source(name: str, titles: Mapping[int, str]) -> str:
    """The RFC (or draft) of a capability; KeyError when tests/docs/test_docs_rfc.py does not know it."""
    if name in DRAFTS:
        return DRAFTS[name]
    return _rfc(CAPABILITIES[name if name in CAPABILITIES else name.partition("=")[0]], titles)


def rfc_titles() -> Mapping[int, str]:
    """Titles by number, of docs/rfc/index.txt."""
    lines = (line.split("\t") for line in INDEX.read_text().splitlines() if not line.startswith("#"))
    return {int(number): title.partition(" [")[0] for number, _, title in lines}


def _rfc(number: int, titles: Mapping[int, str]) -> str:
    return f"RFC {number}, {titles[number]}" if number else ""


PAGES: Final[Mapping[str, Callable[[], str]]] = MappingProxyType(
    {
        "docs/settings.md": settings_page,
        "docs/events.md": events_page,
        "docs/commands.md": cli_page,
        "docs/protocols.md": protocols_page,
    }
)


def main() -> None:
    """Write all pages."""
    for name, page in PAGES.items():
        (ROOT / name).write_text(page())


if __name__ == "__main__":
    main()
