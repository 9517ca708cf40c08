"""Saves deliveries, all that are there at once: one request a mailbox, so that many messages share one sync."""

import errno
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from doocot.delivery.body import Body
from doocot.delivery.deliver import Delivery, Saved, SaveResult
from doocot.errors import Kind, MailError
from doocot.mailbox.places import existing
from doocot.mailbox.user import Mail
from doocot.store import dovecot_files, save
from doocot.store.disk_errors import disk_errors
from doocot.store.index.database import Busy
from doocot.store.index.mailboxes import MailboxRow
from doocot.store.maildir_names import NameMaker
from doocot.store.save import Incoming, Request
from doocot.store.spool import FileSpool

Run: TypeAlias = Callable[[Sequence[Callable[[], None]]], None]


@dataclass(frozen=True, slots=True)
class Opened:
    """A delivery and the mail of its user."""

    delivery: Delivery
    mail: Mail


Saving: TypeAlias = Generator[save.Sync, None, list[SaveResult | Busy]]


def save_all(batch: Sequence[Opened], names: NameMaker, run: Run = save.in_turn) -> list[SaveResult]:
    """The results in the order of `batch`, a MailError for each that failed. Blocking; `run` as in `store.save`."""
    results = save.finish(_saving(batch, names, run, wait=True))
    return [one for one in results if not isinstance(one, Busy)]


def saving_now(batch: Sequence[Opened], names: NameMaker) -> Saving:
    """The same in steps, which are the syncs, for what needs nothing but the disk; the others end as Busy."""
    return _saving(batch, names, save.in_turn, wait=False)


def _saving(batch: Sequence[Opened], names: NameMaker, run: Run, *, wait: bool) -> Saving:
    results: list[SaveResult | Busy] = [MailError(Kind.SERVER_BUG, "Internal error")] * len(batch)
    groups: dict[tuple[int, str], list[int]] = {}
    for number, one in enumerate(batch):
        groups.setdefault((id(one.mail.opened.root), one.delivery.mailbox), []).append(number)
    requests: list[Request] = []
    members: list[list[int]] = []
    for numbers in groups.values():
        first = batch[numbers[0]]
        root = first.mail.opened.root
        try:
            with disk_errors(root.path):
                row = _mailbox(first.mail, first.delivery, wait)
                dovecot_files.reserve_uids(root, row, len(numbers), wait=wait)
        except (MailError, Busy) as error:
            for number in numbers:
                results[number] = _delivery_error(error)
            continue
        requests.append(Request(root, row.id, row.name, [_incoming(batch[number].delivery) for number in numbers]))
        members.append(numbers)
    saved = yield from save.saving(requests, names, run, wait=wait)
    for numbers, result in zip(members, saved, strict=True):
        for place, number in enumerate(numbers):
            if isinstance(result, MailError | Busy):
                results[number] = _delivery_error(result)
            else:
                results[number] = Saved(result[0], result[1][place])
    return results


def _mailbox(mail: Mail, delivery: Delivery, wait: bool) -> MailboxRow:
    """The mailbox to save to, made first where the delivery may do that (lda_mailbox_autocreate)."""
    try:
        return existing(mail, delivery.mailbox, wait=wait)
    except MailError as error:
        if error.kind is not Kind.NON_EXISTENT or not delivery.autocreate:
            raise
    from doocot.mailbox import manage  # dear to import for `doocot deliver`, which hardly ever comes here

    try:
        manage.create(mail, delivery.mailbox)
    except MailError as refused:
        if refused.kind is not Kind.ALREADY_EXISTS:  # another delivery was faster
            raise
    if delivery.autosubscribe:
        manage.subscribe(mail, delivery.mailbox)
    return existing(mail, delivery.mailbox)


def _delivery_error(error: MailError | Busy) -> MailError | Busy:
    """A full disk is trouble of the server, not of the recipient: his mail must wait, not bounce."""
    cause = error.__cause__
    if isinstance(error, MailError) and isinstance(cause, OSError) and cause.errno == errno.ENOSPC:
        return MailError(Kind.UNAVAILABLE, error.text, error.detail)
    return error


def _incoming(delivery: Delivery) -> Incoming:
    date = int(delivery.internal_date) if delivery.internal_date is not None else None
    return Incoming((delivery.head, _data(delivery.body)), internaldate=date)


def _data(body: Body) -> bytes | FileSpool:
    spool = body.spool
    if spool is None:
        return body.start
    assert isinstance(spool, FileSpool)  # what every spool factory of the house makes
    return spool
