"""`doocot config`: the configuration as Dovecot's doveconf shows it, and `doocot config check`."""

import os
import platform
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from doocot import __version__
from doocot.config.check import check
from doocot.config.dump import Query, Scope, dump, named
from doocot.config.load import Config, ConfigError, load

_FILTER_WORDS: Mapping[str, str] = {
    "protocol": "protocol",
    "service": "protocol",
    "local": "local",
    "lip": "local",
    "local_name": "local_name",
    "lname": "local_name",
    "remote": "remote",
    "rip": "remote",
}


@click.command("config")
@click.option("-c", "path", metavar="FILE", help="The configuration file.")
@click.option("-o", "overrides", metavar="KEY=VALUE", multiple=True, help="A setting that overrides the file.")
@click.option("-n", "scope", flag_value=Scope.CHANGED.value, help="Only settings that differ from their defaults.")
@click.option("-a", "scope", flag_value=Scope.ALL.value, default=Scope.ALL.value, help="Every setting (the default).")
@click.option("-d", "scope", flag_value=Scope.DEFAULTS.value, help="The defaults, whatever the file says.")
@click.option("-P", "secrets", is_flag=True, help="Show passwords and keys.")
@click.option("-m", "protocol", metavar="PROTOCOL", default="", help="As PROTOCOL sees it.")
@click.option("-f", "filters", metavar="NAME=VALUE", multiple=True, help="As seen under protocol=, local=, remote= ...")
@click.option("-h", "bare", is_flag=True, help="With names: print values without their names.")
@click.argument("names", nargs=-1, metavar="[check | NAME...]")
@click.pass_context
def config_command(
    context: click.Context,
    path: str | None,
    overrides: tuple[str, ...],
    scope: str,
    secrets: bool,
    protocol: str,
    filters: tuple[str, ...],
    bare: bool,
    names: tuple[str, ...],
) -> None:
    """Show the configuration, in the form of Dovecot's doveconf.

    With NAMEs only these settings are printed. `doocot config check` reads everything and reports all errors, and what
    is accepted but has no meaning here; its exit status is 1 when there is an error.
    """
    try:
        config = load(path or _path_of_root(context), overrides)
    except ConfigError as error:
        for problem in error.problems:
            click.echo(f"Error: {problem}", err=True)
        raise SystemExit(1) from error
    if names == ("check",):
        _check(config)
        return
    query = _query(filters, protocol)
    if names:
        _print_named(config, names, query, bare)
        return
    for line in _header(config, scope):
        click.echo(line)
    for line in dump(config, Scope(scope), secrets=secrets, query=query):
        click.echo(line.encode("utf-8", "surrogateescape"))


def _path_of_root(context: click.Context) -> str | None:
    """The `-c` of the command that this one is under, which is its context object."""
    return context.obj if isinstance(context.obj, str) else None


def _check(config: Config) -> None:
    report = check(config)
    for problem in report.notes:
        click.echo(f"Note: {problem}")
    for problem in report.errors:
        click.echo(f"Error: {problem}", err=True)
    if report.errors:
        raise SystemExit(1)
    click.echo(f"{config.path}: no errors")


def _query(filters: tuple[str, ...], protocol: str) -> Query:
    given = {"protocol": protocol} if protocol else {}
    for each in filters:
        word, equals, value = each.partition("=")
        if not equals or word not in _FILTER_WORDS:
            raise click.UsageError(f"Unknown filter argument: {each}: write protocol=, local=, local_name= or remote=")
        given[_FILTER_WORDS[word]] = value
    return Query(**given)


def _print_named(config: Config, names: tuple[str, ...], query: Query, bare: bool) -> None:
    for name in names:
        lines = named(config, name, query=query)
        if lines is None:
            raise click.ClickException(f"Unknown setting: {name}")
        if bare and len(lines) == 1:
            lines = [lines[0].partition(" = ")[2]]
        for line in lines:
            click.echo(line.encode("utf-8", "surrogateescape"))


def _header(config: Config, scope: str) -> Iterator[str]:
    """The comment lines before the settings."""
    yield f"# {__version__} (doocot): {config.path}"
    system = platform.uname()
    yield f"# OS: {system.system} {system.release} {system.machine} {_distribution()}".rstrip()
    yield f"# Hostname: {socket.gethostname()}"
    if scope != Scope.CHANGED.value:
        yield "# NOTE: Send doocot config -n output instead when asking for help."


def _distribution() -> str:
    """The name of the operating system's distribution, where it says so."""
    debian = Path("/etc/debian_version")
    if debian.exists() and os.access(debian, os.R_OK):
        return f"Debian {debian.read_text(encoding='utf-8').strip()}"
    release = Path("/etc/os-release")
    if release.exists() and os.access(release, os.R_OK):
        for line in release.read_text(encoding="utf-8").splitlines():
            if line.startswith("PRETTY_NAME="):
                return line.partition("=")[2].strip('"')
    return ""
