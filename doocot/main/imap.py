"""IMAP in a worker: settings and services put together for its sessions."""

import asyncio
import re
from collections.abc import Generator
from typing import Any, Final

from doocot.auth.settings import from_config
from doocot.auth.types import User
from doocot.config.effective import effective
from doocot.config.settings import Settings
from doocot.imap.commands import COMMANDS
from doocot.imap.context import DEFLATE_LEVEL, UNLIMITED, ImapContext
from doocot.imap.identify import identity
from doocot.imap.log_lines import LogFormats
from doocot.imap.session import ImapSession
from doocot.mailbox.metadata import Rules
from doocot.mailbox.namespaces import lenient
from doocot.mailbox.user import Mail
from doocot.main.plan import Listening
from doocot.main.services import MakeSession, WorkerContext
from doocot.main.sessions import session_ids
from doocot.wire.flow import Job, Session, Step

TB_EXTRA_MAILBOX_SEP: Final = "tb-extra-mailbox-sep"


def imap(worker: WorkerContext, listening: Listening) -> MakeSession:
    """Makes sessions with the settings that are in force now."""
    config, mail = worker.config, worker.mail
    settings = effective(config, "imap")

    def open_mail(user: User) -> Generator[Step, Any, Mail]:
        opened = yield from mail.opening(config, "imap", user)
        if TB_EXTRA_MAILBOX_SEP in settings.imap_client_workarounds:
            opened.spaces = lenient(opened.spaces)
        return opened

    context = ImapContext(
        from_config(settings),
        worker.authenticator().authenticate,
        open_mail,
        worker.events.event,
        session_ids(),
        lambda seconds: Job(lambda: asyncio.sleep(seconds), awaited=True),
        mail.unsettled,
        mail.indexers.compute,
        mail.indexers.expect,
        settings.login_greeting.encode(),
        settings.imap_max_line_length,
        starttls=not listening.tls and "imap" in worker.tls_protocols,
        max_literal=settings.doocot_append_limit or UNLIMITED,
        idle_notify=float(settings.imap_idle_notify_interval),
        idle_check=float(settings.mailbox_idle_check_interval),
        literal_minus=settings.imap_literal_minus,
        gmail=settings.doocot_gmail_extensions,
        message_limit=settings.doocot_imap_message_limit,
        save_limit=settings.doocot_imap_save_limit,
        deflate_level=_deflate_level(settings),
        capability=settings.imap_capability.strip().encode(),
        identity=identity(settings.imap_id_send, settings.imap_id_log, settings.imap_id_retain),
        log_formats=LogFormats(
            settings.login_log_format, settings.login_log_format_elements, settings.imap_logout_format
        ),
        workarounds=frozenset(settings.imap_client_workarounds),
        metadata=_metadata(settings) if settings.imap_metadata else None,
        lookup=lambda name: worker.authenticator().lookup(name, "imap"),
        urlauth_host=settings.imap_urlauth_host,
        urlauth_port=settings.imap_urlauth_port,
        urlauth_submit_user=settings.imap_urlauth_submit_user,
    )

    def session() -> Session:
        return ImapSession(context, COMMANDS)

    return session


def _deflate_level(settings: Settings) -> int:
    """`imap_compress_deflate_level` of a `plugin` section, as in Dovecot; what is no level is the default."""
    text = settings.plugin.get("imap_compress_deflate_level", "")
    return int(text) if re.fullmatch("[0-9]", text) else DEFLATE_LEVEL


def _metadata(settings: Settings) -> Rules:
    return Rules(
        settings.doocot_metadata_max_size,
        settings.doocot_metadata_max_entries,
        settings.doocot_metadata_max_total,
        settings.mail_server_comment,
        settings.mail_server_admin,
    )
