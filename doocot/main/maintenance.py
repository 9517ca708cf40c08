"""`doocot fsck` and `doocot settle`: the mail of one user or of all, from the configuration to the root."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import click

from doocot.auth import chain
from doocot.auth.settings import SettingsError, from_config
from doocot.auth.types import User, UserUnavailable
from doocot.config.effective import effective
from doocot.config.load import Config, ConfigError
from doocot.errors import MailError
from doocot.main.names import WAKEUP
from doocot.main.source import source_of, source_options
from doocot.main.user_mail import location_of, settings_of
from doocot.net.wakeup import slot_of, tell
from doocot.store import dovecot_files, settle
from doocot.store.check import check_root
from doocot.store.files import Files, MailFsync
from doocot.store.index.database import checkpoint
from doocot.store.recovery import write_recovery
from doocot.store.root import Location, Root, close_root, open_root

SERVICE = "doocot"
CLEAN, REPAIRED, WRONG = 0, 1, 2


@dataclass(frozen=True, slots=True)
class _Users:
    """Whose mail is meant, and how it is found."""

    config: Config
    names: tuple[str, ...]
    opened: chain.Chain

    def location(self, name: str) -> tuple[Location, User] | None:
        """None when there is no such user."""
        user = chain.run(chain.lookup(self.opened, name, SERVICE))
        return None if user is None else (location_of(settings_of(self.config, SERVICE, user), user), user)


def _users(config: Config, name: str | None, everybody: bool) -> _Users:
    if (name is None) is not everybody:
        raise click.UsageError("say whose mail: -u USER, or -A for all users")
    opened = chain.open_chain(from_config(effective(config, SERVICE)), lambda text: click.echo(text, err=True))
    names = (name,) if name is not None else tuple(chain.run(chain.iterate(opened)))
    return _Users(config, names, opened)


@contextmanager
def _root(users: _Users, location: Location) -> Iterator[Root]:
    """The user's root, with the rights of whom its folder belongs to, so that nothing new belongs to root."""
    settings = effective(users.config, SERVICE)
    wakeup = os.path.join(settings.base_dir, WAKEUP)
    owner = os.stat(location.path)
    before = os.geteuid(), os.getegid()
    if before[0] == 0:
        os.setegid(owner.st_gid)
        os.seteuid(owner.st_uid)
    try:
        files = Files(MailFsync(settings.mail_fsync), at_once=settings.doocot_batch_sync)
        root = open_root(location, files, slot_of(location.path), bump=lambda slot: tell(wakeup, [slot]))
        try:
            yield root
        finally:
            checkpoint(root.db)
            close_root(root)
    finally:
        if before[0] == 0:
            os.seteuid(before[0])
            os.setegid(before[1])


def _each_root(users: _Users, work: Callable[[str, Root], int]) -> int:
    """The worst of what `work` says of each; a user whose mail cannot be opened does not stop the others."""
    worst = CLEAN
    for name in users.names:
        try:
            found = users.location(name)
            if found is None:
                click.echo(f"{name}: no such user", err=True)
                worst = WRONG
                continue
            if not os.path.isdir(found[0].path):
                continue  # no mail yet
            with _root(users, found[0]) as root:
                worst = max(worst, work(name, root))
        except MailError as error:
            click.echo(f"{name}: {error.text} {error.detail}", err=True)
            worst = WRONG
        except (UserUnavailable, OSError) as error:
            click.echo(f"{name}: {error}", err=True)
            worst = WRONG
    return worst


def _fsck(repair: bool, verbose: bool, name: str, root: Root) -> int:
    worst = CLEAN
    with _progress(name) as progress:
        for finding in check_root(root, repair=repair, progress=progress):
            click.echo(f"{name}: {finding}")
            worst = max(worst, REPAIRED if finding.repaired else WRONG)
    if verbose and worst == CLEAN:
        click.echo(f"{name}: {root.path} is clean")
    return worst


@contextmanager
def _progress(name: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _settle(name: str, root: Root) -> int:
    settle.settle_all(root)
    dovecot_files.list_all(root)
    checkpoint(root.db, everything=True)
    write_recovery(root)
    return CLEAN


def _user_options(command: Callable[..., None]) -> Callable[..., None]:
    command = click.option("-A", "everybody", is_flag=True, help="All users that the userdb lists.")(command)
    return click.option("-u", "user", metavar="USER", help="This user.")(command)


@click.command("fsck")
@source_options
@_user_options
@click.option("-r", "--repair", is_flag=True, help="Put right what is wrong.")
@click.option("-v", "--verbose", is_flag=True, help="Tell of what is clean, too.")
@click.pass_context
def fsck_command(
    context: click.Context,
    path: str | None,
    overrides: tuple[str, ...],
    state: str | None,
    user: str | None,
    everybody: bool,
    repair: bool,
    verbose: bool,
) -> None:
    """Check the mail of a user: index, message files and dovecot-uidlist against each other.

    The server may run. Exit status: 0 clean, 1 all that was found is repaired, 2 something is wrong.
    """
    source = source_of(context, path, overrides, state)
    try:
        users = _users(source.load(), user, everybody)
    except (ConfigError, SettingsError, UserUnavailable) as error:
        raise click.ClickException(str(error)) from error
    context.exit(_each_root(users, lambda name, root: _fsck(repair, verbose, name, root)))


@click.command("settle")
@source_options
@_user_options
@click.pass_context
def settle_command(
    context: click.Context,
    path: str | None,
    overrides: tuple[str, ...],
    state: str | None,
    user: str | None,
    everybody: bool,
) -> None:
    """Finish all file work, before another server takes over: file names, removals and dovecot-uidlist.

    Stop the server first: it does the same when it stops, for the mail that it has open.
    """
    source = source_of(context, path, overrides, state)
    try:
        users = _users(source.load(), user, everybody)
    except (ConfigError, SettingsError, UserUnavailable) as error:
        raise click.ClickException(str(error)) from error
    context.exit(_each_root(users, _settle))
