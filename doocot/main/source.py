"""Where the configuration of a server comes from: a file, or the embedded default over a state folder."""

import os
import pwd
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from doocot.config.embedded import EMBEDDED_PATH, embedded_text, state_folder
from doocot.config.load import Config, load, load_text
from doocot.main.identity import Identity

# As root the workers need somebody to be; the first of these that exists.
_USERS: Final = ("doocot", "vmail", "mail", "nobody")


@dataclass(frozen=True, slots=True)
class Source:
    """Where the configuration comes from: a file, or the embedded default over a state folder."""

    path: str | None = None
    state: str | None = None
    overrides: tuple[str, ...] = ()

    @property
    def embedded(self) -> bool:
        return self.path is None

    @property
    def folder(self) -> Path:
        return Path(os.path.abspath(self.state or state_folder()))

    def load(self) -> Config:
        """Read it; ConfigError when it cannot be used."""
        if self.path is not None:
            return load(self.path, self.overrides)
        uid, gid = _owner(self.folder)
        identity = (f"mail_uid={uid}", f"mail_gid={gid}") if uid > 0 else ()
        defaults = (*identity, "log_path=/dev/stderr")
        return load_text(embedded_text(str(self.folder)), EMBEDDED_PATH, (*defaults, *self.overrides))


def _owner(folder: Path) -> tuple[int, int]:
    """Whom the mail belongs to when root serves it: who owns it already, else the first user that can run us."""
    if os.geteuid() != 0:
        return -1, -1
    try:
        status = (folder / "mail").stat()
        return status.st_uid, status.st_gid
    except FileNotFoundError:
        pass
    # Here, because every command asks for its source and few come this far.
    from doocot.main.children import can_run

    for name in _USERS:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        if can_run(Identity(user.pw_uid, user.pw_gid)):
            return user.pw_uid, user.pw_gid
    return 0, 0  # the program lies in a folder that only root can read: to try it out, that must do


def source_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """-c, -o and --state: which server is meant."""
    for option in (
        click.option("--state", metavar="FOLDER", help="The folder of a server without a configuration file."),
        click.option("-o", "overrides", metavar="KEY=VALUE", multiple=True, help="A setting that overrides the file."),
        click.option("-c", "path", metavar="FILE", help="The configuration file, as dovecot.conf."),
    ):
        command = option(command)
    return command


def source_of(context: click.Context, path: str | None, overrides: Sequence[str], state: str | None) -> Source:
    path = path or (context.obj if isinstance(context.obj, str) else None)
    if path and state:
        raise click.UsageError("-c and --state exclude each other: the file says where its state is")
    return Source(path, state, tuple(overrides))
