"""LMTP in a worker: settings and services put together for its sessions."""

import time
from functools import partial

from doocot.auth.recent import RecentUsers
from doocot.auth.types import User
from doocot.config.effective import effective
from doocot.delivery import deliver
from doocot.delivery.concurrency import Concurrency
from doocot.delivery.deliver import Delivering
from doocot.lmtp.conversation import Services, Settings
from doocot.lmtp.session import Session as LmtpSession
from doocot.main import user_mail
from doocot.main.deliveries import Deliveries
from doocot.main.plan import Listening
from doocot.main.services import MakeSession, WorkerContext
from doocot.main.sessions import session_ids
from doocot.store.spool import FileSpool
from doocot.wire.flow import Session
from doocot.wire.smtp import client_workarounds


def lmtp(worker: WorkerContext, listening: Listening) -> MakeSession:
    """Makes sessions with the settings that are in force now."""
    config, authenticator = worker.config, worker.authenticator()
    settings = effective(config, "lmtp")
    deliveries = Deliveries(worker.mail, config, lambda: len(worker.net.connections) == 1)

    recent = RecentUsers(lambda name: authenticator.lookup(name, "lmtp"))

    def delivery_settings(user: User) -> deliver.Settings:
        return user_mail.delivery_settings(user_mail.settings_of(config, "lmtp", user))

    services = Services(
        recent.lookup,
        Delivering(deliveries.save_batch, partial(worker.events.event, service="lmtp"), delivery_settings),
        lambda: FileSpool(worker.mail.roots.files, settings.mail_temp_dir),
        time.time,
        session_ids(),
        Concurrency(settings.lmtp_user_concurrency_limit),
    )
    own = Settings(
        hostname=settings.hostname,
        login_greeting=settings.login_greeting,
        recipient_delimiter=settings.recipient_delimiter,
        lmtp_save_to_detail_mailbox=settings.lmtp_save_to_detail_mailbox,
        lmtp_hdr_delivery_address=settings.lmtp_hdr_delivery_address,
        lmtp_add_received_header=settings.lmtp_add_received_header,
        lmtp_client_workarounds=client_workarounds(" ".join(settings.lmtp_client_workarounds)),
        quota_full_tempfail=settings.quota_full_tempfail,
        max_message_size=settings.doocot_append_limit,
        tls=not listening.tls and "lmtp" in worker.tls_protocols,
    )

    def session() -> Session:
        return LmtpSession(own, services)

    return session
