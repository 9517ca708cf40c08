"""What transcripts do not show: limits, spools, failures, lost connections, the contract with `net`."""

import tracemalloc
from dataclasses import replace

import pytest
from lmtp_house import GREETING, HOSTNAME, Client, House, MemorySpool, content

from doocot.delivery.body import MEMORY
from doocot.delivery.deliver import Settings as DeliverySettings
from doocot.errors import Kind, MailError
from doocot.lmtp.conversation import Settings
from doocot.lmtp.session import AT_A_TIME, Session
from doocot.wire.flow import CLOSE, MORE, START_TLS, Job, Peer
from doocot.wire.smtp import Workaround

SETTINGS = Settings(hostname=HOSTNAME, login_greeting=GREETING)
OPEN = b"LHLO me.example\r\nMAIL FROM:<a@b>\r\n"
TO_TIM = OPEN + b"RCPT TO:<tim>\r\n"
MAIL = b"Subject: x\r\nMessage-ID: <m@x>\r\n\r\nbody\r\n"


def last(answer: bytes) -> bytes:
    return answer.splitlines()[-1]


def test_lmtp_pipelined_commands_are_answered_in_one_write() -> None:
    client = House().session()
    client.send(TO_TIM + b"RCPT TO:<ann>\r\nDATA\r\n" + MAIL + b".\r\nQUIT\r\n")
    assert len(client.writes) == 2  # the greeting and all the rest
    assert client.writes[1].endswith(b"<ann> id1:R2 Saved\r\n221 2.0.0 Bye\r\n")


def test_lmtp_large_input_is_answered_in_portions() -> None:
    house = House()
    session = Session(SETTINGS, house.services())
    session.connected(Peer())
    answer = session.receive(b"NOOP\r\n" * (AT_A_TIME + 10))
    assert answer.count(b"\r\n") == AT_A_TIME
    assert session.pending is MORE
    session.pending = None
    assert session.resume(None).count(b"\r\n") == 10
    assert session.pending is None


def test_lmtp_thousand_recipients_cost_one_spool_and_one_batch() -> None:
    house = House(as_jobs=True)
    client = house.session()
    body = b"x" * 999 + b"\r\n"
    count = 1000
    client.send(OPEN + b"".join(b"RCPT TO:<many%d@example.org>\r\n" % n for n in range(count)) + b"DATA\r\n")
    for _ in range(2 * MEMORY // 1000):
        client.send(body)
    answer = client.send(b".\r\n")
    assert answer.count(b" Saved\r\n") == count
    assert house.batches == [count]
    assert len(house.spools) == 1
    assert len({id(delivery.head) for delivery in house.saved}) == 1
    assert {len(content(delivery)) for delivery in house.saved} == {len(house.saved[0].head) + house.spools[0].size}
    assert house.spools[0].size == house.saved[0].body.size == 2 * MEMORY // 1000 * 1000
    assert house.spools[0].aborted == 1


def test_lmtp_small_message_stays_in_memory() -> None:
    house = House()
    client = house.session()
    client.send(TO_TIM + b"DATA\r\n" + b"x" * (MEMORY - 1) + b"\r\n.\r\n")
    assert house.spools == []
    assert len(house.saved[0].body.start) == MEMORY


def test_lmtp_ten_thousand_recipients_are_too_many() -> None:
    house = House()
    client = house.session(replace(SETTINGS, max_recipients=1000))
    answer = client.send(OPEN + b"RCPT TO:<tim>\r\n" * 10_000)
    assert answer.count(b"250 2.1.5 OK\r\n") == 1000
    assert answer.count(b"452 4.5.3 Too many recipients\r\n") == 9000


def test_lmtp_endless_line_costs_no_memory() -> None:
    client = House().session()
    tracemalloc.start()
    for _ in range(500):
        assert client.send(b"x" * 16384) == b""
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20
    assert client.send(b"\r\nNOOP\r\n") == b"500 5.5.2 Line too long\r\n250 2.0.0 OK\r\n"


def test_lmtp_bytes_that_no_command_has() -> None:
    client = House().session()
    assert client.send(b"NOOP \x00\r\n") == b"500 5.5.2 Invalid command syntax\r\n"
    assert client.send(b"NOOP \xff\r\n") == b"500 5.5.2 Invalid command syntax: not UTF-8\r\n"
    assert client.send(b"NO\x00OP\r\n") == b"500 5.5.1 Unknown command\r\n"
    assert client.send("LHLO é\r\n".encode())[:4] == b"250-"


def test_lmtp_size_announced_over_the_limit() -> None:
    client = House().session(replace(SETTINGS, max_message_size=100))
    assert b"250-SIZE 100\r\n" in client.send(b"LHLO x\r\n")
    assert client.send(b"MAIL FROM:<a@b> SIZE=101\r\n").startswith(b"552 5.3.4 ")
    assert client.send(b"MAIL FROM:<a@b> SIZE=100\r\n") == b"250 2.1.0 OK\r\n"


@pytest.mark.parametrize("chunked", [False, True])
def test_lmtp_message_over_the_limit_is_read_and_refused(chunked: bool) -> None:
    house = House()
    client = house.session(replace(SETTINGS, max_message_size=MEMORY * 2))
    client.send(TO_TIM + b"RCPT TO:<ann>\r\n")
    size = MEMORY * 3
    if chunked:
        client.send(b"BDAT %d LAST\r\n" % size)
        answer = client.send(b"x" * size)
    else:
        client.send(b"DATA\r\n")
        for _ in range(3):
            assert client.send(b"x" * MEMORY) == b""
        assert house.spools[0].aborted == 1  # at once: the rest may be long
        answer = client.send(b"\r\n.\r\n")
    assert answer.splitlines() == [
        b"552 5.3.4 <tim> Message size exceeds fixed maximum message size",
        b"552 5.3.4 <ann> Message size exceeds fixed maximum message size",
    ]
    assert house.saved == []
    assert [spool.aborted for spool in house.spools] == [1] * len(house.spools)
    assert client.send(b"NOOP\r\n") == b"250 2.0.0 OK\r\n"


def test_lmtp_half_a_message_then_gone() -> None:
    house = House(limit=1)
    client = house.session()
    client.send(TO_TIM + b"DATA\r\n" + b"x" * (MEMORY + 1))
    client.lose()
    assert house.saved == []
    assert house.spools[0].aborted == 1
    assert house.events[-1] == (
        "lmtp_disconnected",
        {"session": "id1", "remote_ip": "127.0.0.1", "reason": "Connection closed", "state": "DATA", "deliveries": 0},
    )


def test_lmtp_disk_full_is_temporary_and_the_data_is_no_command() -> None:
    house = House()

    class Full(MemorySpool):
        def write(self, data: bytes) -> None:
            raise MailError(Kind.UNAVAILABLE, "Disk full", "/var/spool: ENOSPC")

    services = replace(house.services(), spool=Full)
    client = Client(Session(SETTINGS, services))
    client.send(TO_TIM + b"DATA\r\n")
    assert client.send(b"x" * (MEMORY + 1) + b"\r\nQUIT\r\n") == b""
    assert client.send(b"QUIT\r\n.\r\n") == b"451 4.3.0 <tim> Disk full\r\n"
    assert ("lmtp_spool_failed", {"session": "id1", "error": "/var/spool: ENOSPC"}) in house.events


def test_lmtp_userdb_trouble_is_temporary() -> None:
    for as_jobs in (False, True):
        client = House(as_jobs=as_jobs).session()
        assert last(client.send(OPEN + b"RCPT TO:<broken>\r\n")) == b"451 4.3.0 <broken> Temporary internal error"


def test_lmtp_full_mailbox() -> None:
    house = House(full=frozenset({"tim"}))
    client = house.session()
    answer = client.send(TO_TIM + b"RCPT TO:<ann>\r\nDATA\r\n.\r\n")
    assert answer.splitlines()[-2:] == [
        b"552 5.2.2 <tim> Quota exceeded (mailbox for user is full)",
        b"250 2.0.0 <ann> id1:R2 Saved",
    ]
    client = house.session(replace(SETTINGS, quota_full_tempfail=True))
    assert last(client.send(TO_TIM + b"DATA\r\n.\r\n")).startswith(b"452 4.2.2 <tim> ")


@pytest.mark.parametrize("as_job", [False, True])
def test_lmtp_failed_batch_is_temporary_for_all(as_job: bool) -> None:
    def fail() -> None:
        raise MailError(Kind.UNAVAILABLE, "Cannot sync")

    def save(deliveries: object) -> Job:
        if not as_job:
            fail()
        return Job(fail)

    services = House().services()
    services = replace(services, delivering=replace(services.delivering, save_batch=save))
    client = Client(Session(SETTINGS, services))
    answer = client.send(TO_TIM + b"RCPT TO:<ann>\r\nDATA\r\n.\r\n")
    assert answer.splitlines()[-2:] == [b"451 4.3.0 <tim> Cannot sync", b"451 4.3.0 <ann> Cannot sync"]


def test_lmtp_user_concurrency_limit() -> None:
    house = House(limit=1)
    services = house.services()
    first, second = (Client(Session(SETTINGS, services)) for _ in range(2))
    assert last(first.send(TO_TIM)) == b"250 2.1.5 OK"
    assert last(second.send(TO_TIM)) == b"451 4.3.0 <tim> Too many concurrent deliveries for user"
    first.lose()
    assert last(second.send(b"RCPT TO:<tim>\r\n")) == b"250 2.1.5 OK"


def test_lmtp_detail_mailbox_or_inbox() -> None:
    house = House(folders={"INBOX", "lists"})
    client = house.session(replace(SETTINGS, lmtp_save_to_detail_mailbox=True))
    client.send(
        OPEN + b"RCPT TO:<tim+lists>\r\nRCPT TO:<ann+none>\r\nRCPT TO:<tim+inbox>\r\nDATA\r\n" + MAIL + b".\r\n"
    )
    assert [(one.user.name, one.mailbox) for one in house.saved] == [
        ("tim", "lists"),
        ("tim", "INBOX"),
        ("ann", "INBOX"),
    ]
    assert house.log() == [
        "msgid=<m@x>: save failed to open mailbox none: Mailbox doesn't exist: none",
        "msgid=<m@x>: saved mail to lists",
        "msgid=<m@x>: saved mail to INBOX",
        "msgid=<m@x>: saved mail to INBOX",
    ]


def test_lmtp_detail_mailbox_is_created_when_that_is_wanted() -> None:
    house = House(delivery=DeliverySettings(lda_mailbox_autocreate=True, lda_mailbox_autosubscribe=True))
    client = house.session(replace(SETTINGS, lmtp_save_to_detail_mailbox=True))
    client.send(OPEN + b"RCPT TO:<tim+new>\r\nDATA\r\n.\r\n")
    assert house.saved[0].mailbox == "new"
    assert house.saved[0].autosubscribe


def test_lmtp_smtputf8() -> None:
    house = House()
    client = house.session()
    client.send("LHLO x\r\nMAIL FROM:<δ@b> SMTPUTF8\r\nRCPT TO:<tim>\r\nDATA\r\n.\r\n".encode())
    assert house.saved[0].head.startswith("Return-Path: <δ@b>\n".encode())
    assert b" with UTF8LMTP\n" in house.saved[0].head


def test_lmtp_workarounds_are_a_setting() -> None:
    client = House().session(replace(SETTINGS, lmtp_client_workarounds=Workaround.WHITESPACE_BEFORE_PATH))
    client.send(b"LHLO x\r\n")
    assert client.send(b"MAIL FROM: <a@b>\r\n") == b"250 2.1.0 OK\r\n"


def test_lmtp_starttls_forgets_everything_before_it() -> None:
    """Also commands that somebody in between put behind STARTTLS: CVE-2011-0411."""
    house = House()
    session = Session(replace(SETTINGS, tls=True), house.services())
    session.connected(Peer())
    session.receive(TO_TIM)
    assert session.receive(b"STARTTLS\r\nMAIL FROM:<evil@x>\r\n") == b"220 2.0.0 Begin TLS negotiation now.\r\n"
    assert session.pending == START_TLS
    session.pending = None
    session.secured(Peer(tls=True))
    assert session.resume(None) == b""
    assert session.receive(b"RCPT TO:<tim>\r\n") == b"503 5.5.0 MAIL needed first\r\n"
    assert session.receive(b"MAIL FROM:<a@b>\r\n") == b"503 5.5.1 LHLO needed first\r\n"
    assert b"STARTTLS" not in session.receive(b"LHLO x\r\n")
    assert session.receive(b"STARTTLS\r\n") == b"502 5.5.1 TLS is already active.\r\n"
    session.receive(b"MAIL FROM:<>\r\nRCPT TO:<tim>\r\nDATA\r\n.\r\n")
    assert b" with LMTPS\n" in house.saved[0].head


def test_lmtp_without_certificate_there_is_no_starttls() -> None:
    client = House().session(SETTINGS)
    assert b"STARTTLS" not in client.send(b"LHLO x\r\n")
    assert client.send(b"STARTTLS\r\n") == b"502 5.5.1 TLS support is not enabled.\r\n"


def test_lmtp_xclient_only_from_trusted_networks() -> None:
    client = House().session(SETTINGS, Peer(remote_ip="192.0.2.1"))
    assert b"XCLIENT" not in client.send(b"LHLO x\r\n")
    assert client.send(b"XCLIENT ADDR=1.2.3.4\r\n") == b"550 5.7.14 You are not from trusted IP\r\n"


@pytest.mark.parametrize("value", ["a+0D+0AX-Evil: y", "<x>", "a(b"])
def test_lmtp_strange_helo_gets_into_no_header(value: str) -> None:
    house = House()
    client = house.session()
    client.send(f"XCLIENT HELO={value.replace(' ', '+20')}\r\n".encode())
    client.send(f"LHLO {value}\r\n".encode())
    client.send(b"MAIL FROM:<>\r\nRCPT TO:<tim>\r\nDATA\r\n.\r\n")
    assert b"Received: from unknown ([127.0.0.1])\n" in house.saved[0].head


def test_lmtp_closing_and_crash_say_421() -> None:
    house = House()
    session = Session(SETTINGS, house.services())
    session.connected(Peer())
    session.receive(TO_TIM + b"DATA\r\nhalf")
    assert session.closing("Server shutting down.") == b"421 4.3.2 mail.example.test Server shutting down.\r\n"
    crashed = Session(SETTINGS, house.services())
    crashed.connected(Peer())
    answer = crashed.crashed("abc123")
    assert answer == b"421 4.3.0 mail.example.test Internal error, see the server's log for abc123\r\n"
    assert crashed.pending == CLOSE


def test_lmtp_unknown_error_of_a_job_is_not_swallowed() -> None:
    house = House(as_jobs=True)
    session = Session(SETTINGS, house.services())
    session.connected(Peer())
    session.receive(TO_TIM)
    assert isinstance(session.pending, Job)
    session.pending = None
    with pytest.raises(ZeroDivisionError):
        session.fail(ZeroDivisionError())


def test_lmtp_lost_during_a_job_releases_the_transaction() -> None:
    house = House(limit=1)
    services = house.services()
    house.as_jobs = True
    session = Session(SETTINGS, services)
    session.connected(Peer())
    session.receive(OPEN + b"RCPT TO:<tim>\r\n")
    job, session.pending = session.pending, None
    assert isinstance(job, Job)
    session.resume(job.call())
    session.receive(b"DATA\r\n.\r\n")
    assert isinstance(session.pending, Job)  # saving
    session.lost()
    house.as_jobs = False
    assert last(Client(Session(SETTINGS, services)).send(TO_TIM)) == b"250 2.1.5 OK"
