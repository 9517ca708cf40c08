"""`doocot deliver` put together: configuration, userdb, privileges and the store, for one message and one user.

It works beside a running server (which it asks for the user, and then wakes) and without one (then it reads the user
databases itself, where the caller may).
"""

import os
from dataclasses import replace
from functools import partial
from typing import Final

from doocot.admin import deliver as admin
from doocot.admin.deliver import Runtime, deliver_command
from doocot.auth.client import lookup_now
from doocot.auth.settings import from_config
from doocot.auth.types import User, UserUnavailable
from doocot.config.effective import effective
from doocot.config.load import Config, ConfigError
from doocot.config.settings import Settings
from doocot.delivery.deliver import Delivery, Event, SaveBatch, SaveResult
from doocot.delivery.saving import Opened, save_all
from doocot.errors import Kind, MailError
from doocot.events.events import Events
from doocot.events.log import attach_log
from doocot.mailbox.roots import Roots
from doocot.main.identity import PlanError, group_id, identity, primary_group, user_id
from doocot.main.logs import log_settings
from doocot.main.names import LOOKUP, WAKEUP
from doocot.main.source import Source
from doocot.main.user_mail import delivery_settings, open_user_mail, settings_of
from doocot.net.wakeup import slot_of, tell
from doocot.store.dovecot_files import list_all
from doocot.store.files import Files, MailFsync
from doocot.store.root import Root
from doocot.store.spool import FileSpool

SERVICE: Final = "lda"


def open_runtime(path: str | None, overrides: tuple[str, ...]) -> Runtime:
    """Only what a delivery needs. Raises MailError when the configuration cannot be used."""
    source = Source(path, None, overrides)
    if source.embedded and not source.folder.is_dir():
        raise _wrong(f"there is no server in {source.folder}: say which configuration holds, with -c FILE")
    try:
        config = source.load()
        settings = effective(config, SERVICE)
        event = _event(settings)
    except (ConfigError, PlanError) as error:
        raise _wrong(str(error)) from error
    files = Files(MailFsync(settings.mail_fsync), at_once=settings.doocot_batch_sync)
    return Runtime(
        delivery_settings(settings),
        partial(_lookup, settings, event),
        partial(_become, config),
        partial(_saver, config, files, event),
        lambda: FileSpool(files, settings.mail_temp_dir),
        event,
    )


def _wrong(detail: str) -> MailError:
    return MailError(Kind.CONTACT_ADMIN, "Cannot deliver", detail)


def _event(settings: Settings) -> Event:
    """The log: opened before privileges are given up; who may not write to it uses syslog."""
    events = Events()
    owner = identity(settings)
    try:
        attach_log(events, log_settings(settings, (owner.uid, owner.gid)), SERVICE)
    except PermissionError:
        syslog = replace(log_settings(settings), log_path="syslog", info_log_path="", debug_log_path="")
        attach_log(events, syslog, SERVICE)
    return partial(events.event, service=SERVICE)


def _lookup(settings: Settings, event: Event, name: str) -> User | None:
    """Asks the server. When none runs the databases are read here, with the rights of the caller."""
    try:
        return lookup_now(os.path.join(settings.base_dir, LOOKUP), name, SERVICE)
    except UserUnavailable as error:
        if not isinstance(error.__cause__, FileNotFoundError | ConnectionRefusedError):
            raise
    return _lookup_here(settings, event, name)


def _lookup_here(settings: Settings, event: Event, name: str) -> User | None:
    import asyncio  # dear to import, and hardly ever needed

    from doocot.auth import chain
    from doocot.auth.settings import SettingsError

    try:
        opened = chain.open_chain(from_config(settings), lambda text: event("auth_problem", text=text))
    except SettingsError as error:
        raise UserUnavailable(str(error)) from error
    steps = chain.lookup(opened, name, SERVICE)
    try:
        job = next(steps)
        while True:
            job = steps.send(asyncio.run(job.call()) if job.awaited else job.call())
    except StopIteration as stop:
        user: User | None = stop.value
        return user


def _become(config: Config, user: User) -> None:
    """Go on as the user: with the ids of the userdb, else mail_uid and mail_gid, if they are valid ones."""
    settings = settings_of(config, SERVICE, user)
    try:
        uid = (
            user.uid if user.uid is not None else user_id(settings.mail_uid, "mail_uid") if settings.mail_uid else None
        )
        gid = user.gid
        if gid is None and uid is not None:
            gid = group_id(settings.mail_gid, "mail_gid") if settings.mail_gid else primary_group(uid)
    except PlanError as error:
        raise _wrong(str(error)) from error
    if uid is not None:
        _valid("uid", uid, settings.first_valid_uid, settings.last_valid_uid, user)
    if gid is not None:
        _valid("gid", gid, settings.first_valid_gid, settings.last_valid_gid, user)
    admin.become(replace(user, uid=uid, gid=gid))
    os.umask(0o077)


def _valid(what: str, number: int, first: int, last: int, user: User) -> None:
    if number < first or 0 < last < number:
        raise _wrong(f"{what} {number} of {user.name} is not within first_valid_{what} and last_valid_{what}")


def _saver(config: Config, files: Files, event: Event, user: User) -> SaveBatch:
    """Opens his mail with his own rights, and tells the server of what was committed."""
    settings = settings_of(config, SERVICE, user)
    wakeup = os.path.join(settings.base_dir, WAKEUP)
    roots = Roots(files, bump=lambda slot: tell(wakeup, [slot]), slot_of=slot_of)
    mail = open_user_mail(roots, settings, user)

    def save(deliveries: list[Delivery]) -> list[SaveResult]:
        try:
            return save_all([Opened(one, mail) for one in deliveries], roots.names)
        finally:
            _enter(mail.opened.root, event)

    return save


def _enter(root: Root, event: Event) -> None:
    """Brings dovecot-uidlist up to date: no server may run that would do it. The message is safe without that."""
    try:
        list_all(root)
    except (OSError, MailError) as error:
        detail = error.detail if isinstance(error, MailError) else str(error)
        event("mail_error", kind="settle", detail=f"{root.path}: {detail}")


deliver = deliver_command(open_runtime)
