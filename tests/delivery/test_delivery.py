"""What is put in front of a message, whose it is, where it goes and how that is logged."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doocot.auth.types import User
from doocot.delivery.body import MEMORY, START, Body, Intake
from doocot.delivery.concurrency import Concurrency
from doocot.delivery.deliver import (
    Addressed,
    Delivering,
    Delivery,
    Saved,
    SaveResult,
    Settings,
    deliver,
    finish,
)
from doocot.delivery.headers import Envelope, date_time, lmtp_head
from doocot.delivery.log import Line, header_field, log_line, message_id
from doocot.delivery.recipient import Recipient, split_detail
from doocot.errors import Kind, MailError
from doocot.wire.flow import Job
from doocot.wire.smtp import Address

TIM = Recipient(User("tim"), Address("tim", "x"))
ANN = Recipient(User("ann"), Address("ann", "x"), "lists", "original@y")
ENVELOPE = Envelope(Address("a", "b"), "id", "me.example", "192.0.2.1", "LMTP", "mail.example.test", 0)


class Spool:
    def __init__(self) -> None:
        self.size = 0
        self.aborted = 0

    def write(self, data: bytes) -> None:
        self.size += len(data)

    def abort(self) -> None:
        self.aborted += 1


@pytest.mark.parametrize(
    ("address", "delimiter", "expected"),
    [
        (Address("tim", "x"), "+", ("tim@x", "")),
        (Address("tim+d", "x"), "+", ("tim@x", "d")),
        (Address("tim+d+e"), "+", ("tim", "d+e")),
        (Address("tim-d+e", "x"), "+-", ("tim@x", "d+e")),
        (Address("tim+d", "x"), "", ("tim+d@x", "")),
        (Address("tim+", "x"), "+", ("tim@x", "")),
        (Address("+d", "x"), "+", ("+d@x", "")),  # Dovecot 2.3.19 crashes here
        (Address("+d+e", "x"), "+", ("+d+e@x", "")),
    ],
)
def test_delivery_detail(address: Address, delimiter: str, expected: tuple[str, str]) -> None:
    assert split_detail(address, delimiter) == expected


def test_delivery_head_of_a_single_recipient() -> None:
    assert lmtp_head(ENVELOPE, [TIM]).decode().split("\n") == [
        "Return-Path: <a@b>",
        "Delivered-To: tim@x",
        "Received: from me.example ([192.0.2.1])",
        "\tby mail.example.test with LMTP",
        "\tid id",
        "\t(envelope-from <a@b>)",
        f"\tfor <tim@x>; {date_time(0)}",
        "",
    ]


def test_delivery_head_of_several_recipients_names_none() -> None:
    head = lmtp_head(ENVELOPE, [TIM, ANN])
    assert b"tim" not in head
    assert b"ann" not in head
    assert head.startswith(b"Return-Path: <a@b>\nReceived: from ")


def test_delivery_head_settings() -> None:
    assert b"Delivered-To: original@y\n" in lmtp_head(ENVELOPE, [ANN], delivery_address="original")
    assert b"Delivered-To: tim@x\n" in lmtp_head(ENVELOPE, [TIM], delivery_address="original")
    assert lmtp_head(ENVELOPE, [TIM], received=False, delivery_address="none") == b"Return-Path: <a@b>\n"
    assert lmtp_head(Envelope(), [TIM], received=False, delivery_address="none") == b"Return-Path: <>\n"


def test_delivery_date_time_is_rfc5322(monkeypatch: pytest.MonkeyPatch) -> None:
    from email.utils import parsedate_to_datetime

    for second in (0, 951782400, 1795225234):
        assert parsedate_to_datetime(date_time(second)).timestamp() == second


TEXT = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"x", b"\r\r\n", b"y" * 50_000]), max_size=12)


@given(TEXT)
def test_delivery_intake_keeps_every_byte_but_makes_crlf_lf(pieces: list[bytes]) -> None:
    written = bytearray()

    class Recording(Spool):
        def write(self, data: bytes) -> None:
            written.extend(data)

    intake = Intake(Recording)
    for piece in pieces:
        intake.write(piece)
    body = intake.finish()
    message = b"".join(pieces)
    stored = message.replace(b"\r\n", b"\n")
    assert intake.received == len(message)
    assert body.size == len(stored)
    assert body.virtual_size == len(re.sub(rb"(?<!\r)\n", b"\r\n", stored))
    if len(stored) <= MEMORY:
        assert (body.start, body.spool) == (stored, None)
    else:
        assert bytes(written) == stored
        assert body.start == stored[:START]


def test_delivery_intake_abort_is_done_once() -> None:
    spool = Spool()
    intake = Intake(lambda: spool)
    intake.write(b"x" * (MEMORY + 1))
    intake.abort()
    intake.abort()
    assert spool.aborted == 1


Save = Callable[[list[Delivery]], list[SaveResult]]


class Store:
    """Saves into the mailboxes it has, and remembers the batches."""

    def __init__(self, *mailboxes: str) -> None:
        self.mailboxes = mailboxes
        self.batches: list[list[str]] = []
        self.lines: list[str] = []
        self.details: list[str] = []

    def save(self, deliveries: list[Delivery]) -> list[SaveResult]:
        self.batches.append([f"{one.user.name}:{one.mailbox}" for one in deliveries])
        return [
            Saved(1, number)
            if one.mailbox in self.mailboxes
            else MailError(Kind.NON_EXISTENT, f"Mailbox doesn't exist: {one.mailbox}")
            for number, one in enumerate(deliveries, 1)
        ]

    def event(self, name: str, /, **fields: object) -> None:
        if name == "mail_delivery_finished":
            self.lines.append(f"{fields['user']}: {fields['message']}")
        else:
            self.details.append(f"{name} {fields['user']}: {fields['kind']} {fields['detail']}")

    def how(self, settings: Settings | None = None) -> Delivering:
        effective = settings or Settings()
        return Delivering(self.save, self.event, lambda user: effective)


BODY = Body(30, 32, b"Message-ID: <m@x>\r\n\r\nbody\r\n")


def test_deliver_saves_all_in_one_batch() -> None:
    store = Store("INBOX")
    results = finish(deliver(store.how(), ENVELOPE, [Addressed(TIM), Addressed(ANN, "inbox")], b"", BODY))
    assert results == [Saved(1, 1), Saved(1, 2)]
    assert store.batches == [["tim:INBOX", "ann:INBOX"]]
    assert store.lines == ["tim: msgid=<m@x>: saved mail to INBOX", "ann: msgid=<m@x>: saved mail to INBOX"]


def test_deliver_goes_to_inbox_when_the_mailbox_cannot_be_had() -> None:
    store = Store("INBOX")
    results = finish(deliver(store.how(), ENVELOPE, [Addressed(TIM), Addressed(ANN, "lists")], b"", BODY))
    assert [type(one) for one in results] == [Saved, Saved]
    assert store.batches == [["tim:INBOX", "ann:lists"], ["ann:INBOX"]]
    assert store.lines[0] == "ann: msgid=<m@x>: save failed to open mailbox lists: Mailbox doesn't exist: lists"


def test_deliver_to_the_same_address_once() -> None:
    store = Store("INBOX")
    again = Recipient(TIM.user, Address("tim", "X"))
    results = finish(deliver(store.how(), ENVELOPE, [Addressed(TIM), Addressed(ANN), Addressed(again)], b"", BODY))
    assert store.batches == [["tim:INBOX", "ann:INBOX"]]
    assert results == [Saved(1, 1), Saved(1, 2), Saved(1, 1)]


def test_deliver_failure_in_inbox_too_is_the_result() -> None:
    store = Store()
    (result,) = finish(deliver(store.how(), ENVELOPE, [Addressed(TIM, "lists")], b"", BODY))
    assert isinstance(result, MailError)
    assert store.batches == [["tim:lists"], ["tim:INBOX"]]


def test_deliver_by_job_and_failing_job() -> None:
    store = Store("INBOX")
    how = Delivering(lambda batch: Job(lambda: store.save(batch)), store.event, lambda user: Settings())
    assert finish(deliver(how, ENVELOPE, [Addressed(TIM)], b"", BODY)) == [Saved(1, 1)]

    def fail() -> list[SaveResult]:
        raise MailError(Kind.UNAVAILABLE, "Cannot sync", "EIO")

    how = Delivering(lambda batch: Job(fail), store.event, lambda user: Settings())
    results = finish(deliver(how, ENVELOPE, [Addressed(TIM), Addressed(ANN)], b"", BODY))
    assert [isinstance(one, MailError) for one in results] == [True, True]
    assert store.lines[-1] == "ann: msgid=<m@x>: save failed to INBOX: Cannot sync"
    assert store.details == ["mail_error tim: UNAVAILABLE EIO", "mail_error ann: UNAVAILABLE EIO"]


def test_deliver_refuses_a_store_that_forgets_somebody() -> None:
    how = Delivering(lambda batch: [], Store().event, lambda user: Settings())
    with pytest.raises(RuntimeError, match="0 of 1"):
        finish(deliver(how, ENVELOPE, [Addressed(TIM)], b"", BODY))


def test_deliver_log_format() -> None:
    body = Body(99, 99, b"From: A <a@b>\nsubject: a\n\tb \x1b[31m\nMessage-ID:\n <m@x> (c)\n\nMessage-ID: <no>\n")
    line = Line(ENVELOPE, body)
    log_format = "%m|%s|%{from}|%e|%p|%{to_envelope}|%{session}|%$|%%|%{unknown}|%q"
    assert log_line(log_format, line, TIM, "saved") == (
        "<m@x>|a b  [31m|A <a@b>|<a@b>|99|<tim@x>|id|saved|%|%{unknown}|%q"
    )


def test_delivery_message_id_of_odd_messages() -> None:
    assert message_id(b"") == "unspecified"
    assert message_id(b"Message-ID: \r\n\r\n") == "unspecified"
    assert message_id(b"Message-Id: odd\r\n\r\n") == "odd"
    assert message_id(b"x: y\r\n\r\nMessage-ID: <body@x>\r\n") == "unspecified"
    assert header_field(b"Subject: " + b"x" * 100_000, b"subject") == "x" * 255


@given(st.binary(max_size=200))
def test_delivery_header_field_is_one_printable_line(start: bytes) -> None:
    assert header_field(b"Subject: " + start, b"subject").isprintable()


def test_delivery_concurrency() -> None:
    counts = Concurrency(2)
    assert [counts.enter("tim") for _ in range(3)] == [True, True, False]
    assert counts.enter("ann")
    counts.leave("tim")
    assert counts.enter("tim")
    unlimited = Concurrency()
    assert all(unlimited.enter("tim") for _ in range(100))
