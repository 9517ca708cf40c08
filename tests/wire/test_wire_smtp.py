"""The grammar of SMTP: paths, parameters, replies."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doocot.wire.smtp import (
    NULL_PATH,
    Address,
    Bdat,
    MailFrom,
    RcptTo,
    Refused,
    Reply,
    Workaround,
    address,
    bdat,
    client_workarounds,
    command_name,
    mail_from,
    multi_line,
    rcpt_to,
)

ATOM = st.text(st.sampled_from("abcXYZ019!#$%&'*+/=?^_`{|}~-"), min_size=1, max_size=12)
DOT_STRING = st.lists(ATOM, min_size=1, max_size=3).map(".".join)
QUOTED = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
LABEL = st.text(st.sampled_from("abcxyz0129-"), min_size=1, max_size=8).map(lambda label: "x" + label)
DOMAIN = st.one_of(
    st.lists(LABEL, min_size=1, max_size=4).map(".".join),
    st.sampled_from(["[127.0.0.1]", "[IPv6:2001:db8::1]", "bücher.example"]),
)
ADDRESS = st.builds(Address, st.one_of(DOT_STRING, QUOTED, st.just("δοκιμή")), DOMAIN)


@given(ADDRESS)
def test_smtp_path_format_and_parse_are_inverse(path: Address) -> None:
    assert mail_from(f"FROM:<{path}> SMTPUTF8".encode()).path == path
    assert address(str(path)) == path


@given(ADDRESS, st.lists(DOMAIN.filter(lambda domain: "[" not in domain), min_size=1, max_size=3))
def test_smtp_source_route_is_dropped(path: Address, hosts: list[str]) -> None:
    route = ",".join(f"@{host}" for host in hosts)
    assert mail_from(f"FROM:<{route}:{path}> SMTPUTF8".encode()).path == path


@given(st.binary(max_size=80))
def test_smtp_arguments_parse_or_are_refused(arguments: bytes) -> None:
    for parse in (mail_from, rcpt_to, bdat):
        for prefix in (b"", b"FROM:<", b"TO:<a@b> "):
            with suppress(Refused):
                parse(prefix + arguments)


def test_smtp_mail_parameters() -> None:
    arguments = b'from:<"a b"@c> size=10 BODY=8bitmime SMTPUTF8 RET=hdrs ENVID=a+2Bb'
    assert mail_from(arguments) == MailFrom(Address("a b", "c"), 10, "8BITMIME", True, "HDRS", "a+b")
    assert mail_from(b"FROM:<>") == MailFrom(NULL_PATH)


def test_smtp_rcpt_parameters() -> None:
    assert rcpt_to(b"TO:<a@b> ORCPT=rfc822;x+2By@z NOTIFY=success,FAILURE") == RcptTo(
        Address("a", "b"), "x+y@z", ("SUCCESS", "FAILURE")
    )
    assert rcpt_to(rb"TO:<a@b> ORCPT=utf-8;\x{3B4}@z").orcpt == "δ@z"
    assert rcpt_to(b"TO:<tim>") == RcptTo(Address("tim"))


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (b"TO:<>", "5.5.4"),
        (b'TO:<"">', "5.5.4"),
        (b"TO:<a\x00b>", "5.5.2"),
        (b"TO:<\xff@b>", "5.5.2"),
        (b"TO:<a@b>\rX: y", "5.5.2"),
        ("TO:<é@b>".encode(), "5.6.7"),
        (b"TO:<a@b> ORCPT=rfc822;a+0D+0Ab", "5.5.4"),
        (rb"TO:<a@b> ORCPT=utf-8;a\x{0A}b", "5.5.4"),
        (rb"TO:<a@b> ORCPT=utf-8;a\x{D800}b", "5.5.4"),
        (rb"TO:<a@b> ORCPT=utf-8;a\x{FFFFFF}b", "5.5.4"),
        (b"TO:<a@b> ORCPT=rfc822;a+2", "5.5.4"),
        (b"TO:<a@b> ORCPT=", "5.5.4"),
        (b"TO:<a@b> NOTIFY=NEVER,SUCCESS", "5.5.4"),
        (b"TO:<a@b> SIZE=1", "5.5.4"),
    ],
)
def test_smtp_rcpt_refused(arguments: bytes, status: str) -> None:
    with pytest.raises(Refused) as refused:
        rcpt_to(arguments)
    assert refused.value.reply.status == status


def test_smtp_workarounds_are_named_and_off() -> None:
    spaced, bare = b"FROM:  <a@b> SIZE=1", b"FROM:a@b SIZE=1"
    for arguments in (spaced, bare):
        with pytest.raises(Refused):
            mail_from(arguments)
    assert mail_from(spaced, Workaround.WHITESPACE_BEFORE_PATH).size == 1
    assert mail_from(bare, Workaround.MAILBOX_FOR_PATH).path == Address("a", "b")


def test_smtp_workarounds_by_name() -> None:
    both = Workaround.WHITESPACE_BEFORE_PATH | Workaround.MAILBOX_FOR_PATH
    assert client_workarounds("whitespace-before-path mailbox-for-path") == both
    assert client_workarounds("") == Workaround.NONE
    with pytest.raises(ValueError, match="foo is not one of whitespace-before-path, mailbox-for-path"):
        client_workarounds("mailbox-for-path foo")


def test_smtp_address_plain_is_unquoted() -> None:
    path = address('<"a\\"b"@x>')
    assert path.plain == 'a"b@x'
    assert str(path) == '"a\\"b"@x'
    assert str(address("a..b@c")) == '"a..b"@c'
    with pytest.raises(ValueError, match="not a mail address"):
        address("a b@c")


def test_smtp_bdat() -> None:
    assert bdat(b"12") == Bdat(12)
    assert bdat(b"0 last") == Bdat(0, "LAST")
    for wrong in (b"", b"-1", b"1x", b"1" * 21, b"\xd9\xa1"):
        with pytest.raises(Refused):
            bdat(wrong)


def test_smtp_replies() -> None:
    assert Reply(250, "2.0.0", "OK").encode() == b"250 2.0.0 OK\r\n"
    assert Reply(354, "", "OK").encode() == b"354 OK\r\n"
    assert Reply(214, "2.0.0", "a\nb").encode() == b"214-2.0.0 a\r\n214 2.0.0 b\r\n"
    assert multi_line(250, ["host", "SIZE"]) == b"250-host\r\n250 SIZE\r\n"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_smtp_reply_is_never_torn(text: str) -> None:
    """Whatever stands in a text, each line of the reply is one of the reply."""
    encoded = Reply(451, "4.3.0", "x" + text).encode()
    assert encoded.endswith(b"\r\n")
    for line in encoded[:-2].split(b"\r\n"):
        assert line.startswith((b"451-4.3.0 ", b"451 4.3.0 "))
        assert b"\n" not in line
        assert b"\r" not in line


def test_smtp_command_name() -> None:
    assert command_name(b"mail FROM:<>  ") == (b"MAIL", b"FROM:<>")
    assert command_name(b"") == (b"", b"")
    assert command_name(b" NOOP") == (b"", b"NOOP")
