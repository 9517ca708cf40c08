"""The `static` passdb and userdb: the same answer for every user, written in `args`."""

from doocot.auth.database import (
    Answer,
    Fields,
    Found,
    PasswordDatabase,
    Query,
    UserDatabase,
    expand_fields,
    parse_fields,
)
from doocot.auth.settings import DatabaseSettings, SettingsError


def passdb(settings: DatabaseSettings) -> PasswordDatabase:
    """`args = password=... [nopassword] [extra fields]`: one password for all, or any password at all."""
    fields = parse_fields(settings.args)
    password = dict(fields).get("password")
    rest: Fields = tuple(pair for pair in fields if pair[0] != "password")
    names = {key for key, _ in rest}
    if password is None and not names & {"nopassword", "proxy", "proxy_maybe"}:
        raise SettingsError("args need password=... or nopassword=y")

    def lookup(query: Query) -> Answer:
        values = query.variables()
        return Found(expand_fields(rest, values), password(values) if password else "")

    return PasswordDatabase(lookup)


def userdb(settings: DatabaseSettings) -> UserDatabase:
    """`args = uid= gid= home=/x/%u [allow_all_users=yes]`: without the last, only users that a passdb knows exist."""
    fields = parse_fields(settings.args)
    allow_all = any(key == "allow_all_users" and value({}) in ("yes", "y") for key, value in fields)
    rest: Fields = tuple(pair for pair in fields if pair[0] != "allow_all_users")
    return UserDatabase(lambda query: Found(expand_fields(rest, query.variables())), needs_passdb=not allow_all)
