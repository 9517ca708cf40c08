"""`doocot user`: the accounts in a passwd-file, by default that of the embedded configuration."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from doocot.admin.pw import read_password
from doocot.auth import accounts, chain, schemes
from doocot.auth.accounts import AccountError
from doocot.auth.libcrypt import CryptMissing
from doocot.auth.names import BadName, name_rules, normal_name
from doocot.auth.passwd_file import Entry, Files, parse_args
from doocot.auth.settings import AuthSettings, SettingsError, from_config
from doocot.auth.types import UserUnavailable
from doocot.config.effective import effective
from doocot.config.embedded import state_folder
from doocot.config.load import Config, ConfigError, load

_SCHEME = "SHA512-CRYPT"
_NO_USER, _TEMPORARY = 67, 75  # EX_NOUSER and EX_TEMPFAIL of sysexits.h
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # without what is read wrongly
_F = TypeVar("_F", bound=Callable[..., Any])


def _given(context: click.Context) -> str | None:
    """The file of -c."""
    return context.obj.get("config") if isinstance(context.obj, dict) else context.obj


def _config(context: click.Context) -> Config:
    try:
        return load(_given(context))
    except ConfigError as error:
        raise click.ClickException(str(error)) from error


def _settings(context: click.Context) -> AuthSettings:
    try:
        return from_config(effective(_config(context)))
    except ConfigError as error:
        raise click.ClickException(str(error)) from error


def _path(context: click.Context, file: Path | None, state: Path | None) -> Path:
    """The accounts file: named, of a state folder, or of the first passwd-file passdb of the configuration.

    With none of them it is that of the state folder that `doocot serve` has then, whatever lies in /etc/dovecot.
    """
    if file is not None:
        return file
    if state is not None or _given(context) is None:
        return (state or Path(state_folder())) / "users"
    for section in _settings(context).passdbs:
        if section.driver == "passwd-file" and not section.master and not section.deny:
            source = parse_args(section, Files(click.echo))
            if not source.path_names:
                return Path(source.path)
    raise click.ClickException("the configuration has no passdb passwd-file with a fixed path; name one with --file")


def _accounts_file(command: _F) -> _F:
    folder = click.Path(path_type=Path)
    command = click.option("--state", type=folder, help="State folder of `doocot serve --state`.")(command)
    return click.option("--file", "file", type=folder, help="The passwd-file itself.")(command)


def _password_options(command: _F) -> _F:
    command = click.option("-s", "scheme", default=_SCHEME, show_default=True, help="Password scheme.")(command)
    command = click.option("-p", "password", help="The password; others can see it in the process list.")(command)
    return click.option("-g", "--generate", is_flag=True, help="Make up a password and print it.")(command)


def _stored(name: str, scheme: str, password: str | None, generate: bool) -> str:
    """The new password, hashed; asked for at the terminal or read from standard input unless given."""
    if password is not None and generate:
        raise click.UsageError("use -p or --generate, not both")
    if generate:
        password = "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))
        click.echo(f"password of {name}: {password}")
    elif password is not None:
        click.echo("Warning: other users of this machine can read a password given with -p", err=True)
    given = password.encode(errors="surrogateescape") if password is not None else read_password()
    try:
        return schemes.make(scheme, given, user=name)
    except (schemes.SchemeError, CryptMissing) as error:
        raise click.ClickException(str(error)) from error


def _checked(context: click.Context, name: str, file: Path | None, state: Path | None) -> None:
    """A name that no login could ever reach must not be added."""
    settings = AuthSettings() if file or state or _given(context) is None else _settings(context)
    try:
        normal = normal_name(name_rules(settings), name)
    except BadName as error:
        raise click.ClickException(f"{name!r}: {error}") from error
    if normal != name:
        raise click.ClickException(f"{name!r}: logins look for {normal!r} (auth_username_format); add that name")


def _do(change: Callable[[], None]) -> None:
    try:
        change()
    except AccountError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from error


@click.group("user")
def user_command() -> None:
    """Add, list, change and delete accounts of the accounts file, and look users up."""


@user_command.command("add")
@click.argument("name")
@_password_options
@click.option("--uid", default="", help="System uid of the mail; default mail_uid.")
@click.option("--gid", default="", help="System gid of the mail; default mail_gid.")
@click.option("--home", default="", help="Home folder; default mail_home.")
@click.option(
    "--field", "fields", multiple=True, metavar="NAME=VALUE", help="Extra field, such as userdb_quota_rule=..."
)
@_accounts_file
@click.pass_context
def add(
    context: click.Context,
    name: str,
    scheme: str,
    password: str | None,
    generate: bool,
    uid: str,
    gid: str,
    home: str,
    fields: tuple[str, ...],
    file: Path | None,
    state: Path | None,
) -> None:
    """Add an account."""
    path = _path(context, file, state)
    _checked(context, name, file, state)
    if any(" " in field for field in fields):
        raise click.UsageError("an extra field must not contain a space: the file separates fields by spaces")
    entry = Entry(name, "", uid, gid, "", home, "", " ".join(fields))
    stored = _stored(name, scheme, password, generate)
    _do(lambda: accounts.add(path, entry._replace(password=stored)))
    click.echo(f"added {name} to {path}")


@user_command.command("passwd")
@click.argument("name")
@_password_options
@_accounts_file
@click.pass_context
def passwd(
    context: click.Context,
    name: str,
    scheme: str,
    password: str | None,
    generate: bool,
    file: Path | None,
    state: Path | None,
) -> None:
    """Change the password of an account; running servers take it at once."""
    path = _path(context, file, state)
    stored = _stored(name, scheme, password, generate)
    _do(lambda: accounts.set_password(path, name, stored))
    click.echo(f"changed the password of {name} in {path}")


@user_command.command("delete")
@click.argument("name")
@_accounts_file
@click.pass_context
def delete(context: click.Context, name: str, file: Path | None, state: Path | None) -> None:
    """Delete an account; the mail stays where it is."""
    path = _path(context, file, state)
    _do(lambda: accounts.delete(path, name))
    click.echo(f"deleted {name} from {path}")


@user_command.command("list")
@_accounts_file
@click.pass_context
def list_users(context: click.Context, file: Path | None, state: Path | None) -> None:
    """List the accounts of the file, one name a line."""
    path = _path(context, file, state)

    def show() -> None:
        for entry in accounts.entries(path):
            click.echo(entry.name.encode(errors="surrogateescape"))

    _do(show)


@user_command.command("lookup")
@click.argument("names", nargs=-1, required=True)
@click.option("-x", "service", default="doveadm", show_default=True, help="Service that asks (%s).")
@click.pass_context
def lookup(context: click.Context, names: tuple[str, ...], service: str) -> None:
    """Show what the user databases of the configuration say about users."""
    try:
        opened = chain.open_chain(_settings(context), lambda text: click.echo(text, err=True))
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    status = 0
    for name in names:
        try:
            user = chain.run(chain.lookup(opened, name, service))
        except UserUnavailable as error:
            click.echo(f"{name}: {error}", err=True)
            status = _TEMPORARY
            continue
        if user is None:
            click.echo(f"{name}: user does not exist", err=True)
            status = status or _NO_USER
            continue
        click.echo(f"field\tvalue\nuser\t{user.name}")
        own = {"uid": user.uid, "gid": user.gid, "home": user.home, "mail": user.mail}
        for key, value in own.items():
            if value not in (None, ""):
                click.echo(f"{key}\t{value}")
        for key, text in user.fields.items():
            click.echo(f"{key}\t{text}")
    context.exit(status)
