"""The table of database drivers: what `driver = NAME` means in a passdb and in a userdb section."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from doocot.auth import passwd_file, static
from doocot.auth.database import Answer, Found, NotFound, PasswordDatabase, Query, UserDatabase
from doocot.auth.passwd_file import Files
from doocot.auth.settings import DatabaseSettings, SettingsError


def _prefetch(settings: DatabaseSettings, files: Files) -> UserDatabase:
    """`prefetch`: the passdb has already answered with `userdb_` fields; without any the next userdb is asked."""

    def lookup(query: Query) -> Answer:
        return Found(query.reply) if query.reply else NotFound()

    return UserDatabase(lookup)


_Opened = TypeVar("_Opened", PasswordDatabase, UserDatabase)

PASSDBS: Mapping[str, Callable[[DatabaseSettings, Files], PasswordDatabase]] = {
    "passwd-file": passwd_file.passdb,
    "static": lambda settings, files: static.passdb(settings),
}
USERDBS: Mapping[str, Callable[[DatabaseSettings, Files], UserDatabase]] = {
    "passwd-file": passwd_file.userdb,
    "prefetch": _prefetch,
    "static": lambda settings, files: static.userdb(settings),
}


def open_passdb(settings: DatabaseSettings, files: Files) -> PasswordDatabase:
    return _open("passdb", PASSDBS, settings, files)


def open_userdb(settings: DatabaseSettings, files: Files) -> UserDatabase:
    return _open("userdb", USERDBS, settings, files)


def _open(
    kind: str,
    table: Mapping[str, Callable[[DatabaseSettings, Files], _Opened]],
    settings: DatabaseSettings,
    files: Files,
) -> _Opened:
    """Every error names its section; the text of `args` is not in it, for it may hold a password."""
    where = settings.where or f"{kind} {settings.driver}"
    driver = table.get(settings.driver)
    if driver is None:
        raise SettingsError(f"{where}: unknown driver {settings.driver!r}; known are {', '.join(table)}")
    try:
        return driver(settings, files)
    except SettingsError as error:
        raise SettingsError(f"{where}: {error}") from error
