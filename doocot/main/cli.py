"""The command `doocot`: a group whose subcommands are imported when they are called, so that each starts fast."""

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Subcommand:
    """Where a subcommand is, and its line in `doocot --help`."""

    place: str
    help: str


SUBCOMMANDS: Final[Mapping[str, Subcommand]] = MappingProxyType(
    {
        "serve": Subcommand("doocot.main.serve:serve", "Serve mail in the foreground."),
        "stop": Subcommand("doocot.main.commands:stop", "Stop the server."),
        "reload": Subcommand("doocot.main.commands:reload", "Read configuration and certificates again."),
        "who": Subcommand("doocot.main.commands:who", "Show who is logged in."),
        "kick": Subcommand("doocot.main.commands:kick", "Disconnect a user."),
        "stats": Subcommand("doocot.main.commands:stats", "Show what the server has done."),
        "config": Subcommand("doocot.admin.config:config_command", "Show or check the configuration."),
        "user": Subcommand("doocot.admin.user:user_command", "Add, list, change and delete embedded accounts."),
        "pw": Subcommand("doocot.admin.pw:pw_command", "Make or verify a password hash."),
        "deliver": Subcommand("doocot.main.deliver:deliver", "Deliver one message, from .forward, procmail or an MTA."),
        "fsck": Subcommand("doocot.main.maintenance:fsck_command", "Check and repair the mail of a user."),
        "settle": Subcommand("doocot.main.maintenance:settle_command", "Finish file work, to go back to Dovecot."),
    }
)

_HELP: Final = """\
Doocot, a mail access server: IMAP, LMTP and local delivery.

It reads the dovecot.conf and the Maildirs that are already there, and runs without any configuration:

\b
    doocot serve                                          try it, with a demo account
    doocot config check -c /etc/dovecot/dovecot.conf
    doocot serve -c /etc/dovecot/dovecot.conf
"""


def main() -> Any:
    """The entry point."""
    words = sys.argv[1:]
    if "deliver" in words:
        sys.excepthook = _try_again
    return _group(words)(prog_name="doocot")


def _try_again(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """An MTA bounces a message when `doocot deliver` dies of anything but 75, be it of an import during an upgrade."""
    sys.__excepthook__(kind, error, trace)
    sys.stderr.flush()
    os._exit(os.EX_TEMPFAIL)


def _group(words: Sequence[str]) -> Any:
    """The group, with the commands that `words` may mean; the others are there only by name and help."""
    import click

    from doocot import __version__

    @click.group(
        context_settings={"help_option_names": ["-h", "--help"]},
        help=_HELP,
        epilog="doocot COMMAND --help tells more about one command.",
    )
    @click.option("-c", "path", metavar="FILE", help="The configuration file, for every command.")
    @click.version_option(__version__, "-V", "--version", message="Doocot %(version)s")
    @click.pass_context
    def doocot(context: click.Context, path: str | None) -> None:
        context.obj = path

    for name, row in SUBCOMMANDS.items():
        command = load(row) if name in words else click.Command(name, help=row.help)
        doocot.add_command(command, name)
    return doocot


def load(row: Subcommand) -> Any:
    """Import one subcommand."""
    module, _, name = row.place.partition(":")
    return vars(importlib.import_module(module))[name]


if __name__ == "__main__":
    sys.exit(main())
