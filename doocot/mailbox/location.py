"""Where a user's mail is: `mail_location` as Dovecot writes it, expanded for one user."""

import os
from dataclasses import dataclass
from functools import lru_cache

from doocot.errors import Kind, MailError
from doocot.store.root import Location

DEFAULT = "maildir:~/Maildir"


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose location it is; `home` is where `~` leads."""

    name: str
    home: str


@lru_cache(maxsize=1024)
def parse_location(text: str, owner: Owner) -> Location:
    """`maildir:PATH:INDEX=PATH:CONTROL=PATH:INBOX=PATH` with variables already expanded.

    Raises MailError(CONTACT_ADMIN) naming what is wrong: a format that is not served, no home where `~` is used.
    """
    driver, _, rest = (text or DEFAULT).partition(":")
    if driver != "maildir":
        raise _wrong(f"mail_location = {text}: the format {driver!r} is not served; maildir is")
    path, *options = rest.split(":")
    values = dict(option.partition("=")[::2] for option in options)
    unknown = [name for name in values if name not in _OPTIONS]
    if unknown:
        raise _wrong(f"mail_location = {text}: unknown option {unknown[0]}; known are {', '.join(_OPTIONS)}")
    folders = {field: _folder(values[name], owner, text) for name, field in _OPTIONS.items() if name in values}
    return Location(_folder(path, owner, text), **folders)


_OPTIONS = {"INDEX": "index", "CONTROL": "control", "INBOX": "inbox"}


def _folder(path: str, owner: Owner, text: str) -> str:
    if path == "~" or path.startswith("~/"):
        if not owner.home:
            raise _wrong(f"mail_location = {text}: the user {owner.name} has no home, and ~ needs one")
        path = owner.home + path[1:]
    if not os.path.isabs(path):
        if not owner.home:
            raise _wrong(f"mail_location = {text}: the path is not absolute, and the user {owner.name} has no home")
        path = os.path.join(owner.home, path)
    return os.path.normpath(path)


def _wrong(detail: str) -> MailError:
    return MailError(Kind.CONTACT_ADMIN, "The location of your mail is not known; ask your administrator.", detail)
