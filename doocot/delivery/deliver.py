"""Delivers one message to its recipients: chooses the mailboxes, has them saved together, and says how it went.

Shared by LMTP and by `doocot deliver`. The saving itself is given from outside as one call for all recipients, so that
the store syncs once for a message to a thousand.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, TypeAlias

from doocot.auth.types import User
from doocot.delivery.body import Body
from doocot.delivery.headers import Envelope
from doocot.delivery.log import Line, log_line
from doocot.delivery.recipient import Recipient
from doocot.errors import Kind, MailError
from doocot.wire.flow import MORE, Job, More

INBOX: Final = "INBOX"
AT_A_TIME: Final = 100  # recipients reported before others get their turn


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of delivery, under Dovecot's names, as they are effective for one user."""

    recipient_delimiter: str = "+"
    lda_mailbox_autocreate: bool = False
    lda_mailbox_autosubscribe: bool = False
    quota_full_tempfail: bool = False
    deliver_log_format: str = "msgid=%m: %$"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message for one mailbox, as the store saves it: `head`, then the body, both with LF line ends.

    The mailbox is created where `autocreate` says so, and then subscribed where `autosubscribe` does. INBOX is
    always there.
    """

    user: User
    mailbox: str
    head: bytes
    body: Body
    flags: tuple[str, ...] = ()
    internal_date: float | None = None  # None: now
    autocreate: bool = False
    autosubscribe: bool = False


@dataclass(frozen=True, slots=True)
class Saved:
    """Where a message is, told only after it is safely there: its bytes on disk and its UID committed."""

    uid_validity: int
    uid: int


SaveResult: TypeAlias = Saved | MailError
SaveBatch: TypeAlias = Callable[[list[Delivery]], "list[SaveResult] | Job"]


class Event(Protocol):
    """The event function: see `doocot.events`."""

    def __call__(self, name: str, /, **fields: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class Delivering:
    """What a delivery needs from the rest of the server."""

    save_batch: SaveBatch
    event: Event
    settings: Callable[[User], Settings]


@dataclass(frozen=True, slots=True)
class Addressed:
    """A recipient and the mailbox that was asked for him ("" for INBOX)."""

    recipient: Recipient
    mailbox: str = ""


Deliver: TypeAlias = Generator[Job | More, Any, list[SaveResult]]


def deliver(how: Delivering, envelope: Envelope, addressed: Sequence[Addressed], head: bytes, body: Body) -> Deliver:
    """Deliver to everybody in `addressed`; the results come in the same order.

    An address that stands there twice gets the message once, as Dovecot has it. What cannot be saved to the mailbox
    that was asked for, for whatever reason, goes to INBOX (dovecot-lda(1), `-m`).
    """
    places: dict[tuple[str, str, str], int] = {}
    deliveries: list[Delivery] = []
    first: list[Recipient] = []
    for one in addressed:
        place = (one.recipient.address.local, one.recipient.address.domain.lower(), one.mailbox)
        if place not in places:
            places[place] = len(deliveries)
            deliveries.append(_delivery(how, one, head, body))
            first.append(one.recipient)
    results = yield from _save(how, deliveries)
    line = Line(envelope, body)
    elsewhere = [at for at, one in enumerate(results) if isinstance(one, MailError) and deliveries[at].mailbox != INBOX]
    if elsewhere:
        for at in elsewhere:
            _report(how, line, first[at], deliveries[at], results[at])
            deliveries[at] = replace(deliveries[at], mailbox=INBOX, autocreate=False, autosubscribe=False)
        again = yield from _save(how, [deliveries[at] for at in elsewhere])
        for at, result in zip(elsewhere, again, strict=True):
            results[at] = result
    for at, (recipient, delivery, result) in enumerate(zip(first, deliveries, results, strict=True), 1):
        _report(how, line, recipient, delivery, result)
        if at % AT_A_TIME == 0:
            yield MORE
    if len(results) == len(addressed):
        return results
    return [
        results[places[(one.recipient.address.local, one.recipient.address.domain.lower(), one.mailbox)]]
        for one in addressed
    ]


def finish(steps: Deliver) -> list[SaveResult]:
    """Drive a delivery to its end where there is no loop: its Jobs are done at once, on this thread."""
    try:
        step = next(steps)
        while True:
            if isinstance(step, More):
                step = next(steps)
                continue
            try:
                result = step.call()
            except MailError as error:
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as end:
        results: list[SaveResult] = end.value
        return results


def _delivery(how: Delivering, one: Addressed, head: bytes, body: Body) -> Delivery:
    mailbox = one.mailbox
    if not mailbox or mailbox.upper() == INBOX:
        return Delivery(one.recipient.user, INBOX, head, body)
    settings = how.settings(one.recipient.user)
    return Delivery(
        one.recipient.user,
        mailbox,
        head,
        body,
        autocreate=settings.lda_mailbox_autocreate,
        autosubscribe=settings.lda_mailbox_autosubscribe,
    )


def _save(how: Delivering, deliveries: list[Delivery]) -> Deliver:
    """Hand everything to the store at once; a failure of the whole batch is the failure of each."""
    try:
        results = how.save_batch(deliveries)
        if isinstance(results, Job):
            results = yield results
    except MailError as error:
        return [error] * len(deliveries)
    if len(results) != len(deliveries):
        raise RuntimeError(f"save_batch answered {len(results)} of {len(deliveries)} deliveries")
    return list(results)


def _report(how: Delivering, line: Line, recipient: Recipient, delivery: Delivery, result: SaveResult) -> None:
    """One log line per recipient, in the words of Dovecot."""
    if isinstance(result, Saved):
        status = f"saved mail to {delivery.mailbox}"
        uid, error = result.uid, ""
    else:
        opened = result.kind in (Kind.NON_EXISTENT, Kind.TRY_CREATE, Kind.CANNOT)
        status = f"save failed to {'open mailbox ' if opened else ''}{delivery.mailbox}: {result.text}"
        uid, error = 0, f"{result.text} ({result.detail})" if result.detail else result.text
    how.event(
        "mail_delivery_finished",
        user=recipient.user.name,
        session=line.envelope.session_id,
        mailbox=delivery.mailbox,
        uid=uid,
        error=error,
        message=log_line(how.settings(recipient.user).deliver_log_format, line, recipient, status),
    )
    if isinstance(result, MailError) and result.detail:  # Dovecot's line has no place for the path
        how.event(
            "mail_error",
            user=recipient.user.name,
            session=line.envelope.session_id,
            kind=result.kind.value,
            detail=result.detail,
        )
