"""IMAP URLs: the examples of RFC 5092 and RFC 4467, relative references, what is none, and that writing is undone by
reading."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doocot.wire.imap_url import BadUrl, ImapUrl, UrlAuth, format_url, parse_url, rump_of

TOKEN = "91354a473744909de610943775f92038"

ABSOLUTE = {
    "imap://minbari.example.org": ImapUrl("minbari.example.org"),
    "imap://minbari.example.org/": ImapUrl("minbari.example.org"),
    "IMAP://Host:993/INBOX": ImapUrl("Host", 993, mailbox="INBOX"),
    "imap://h:/INBOX": ImapUrl("h", mailbox="INBOX"),
    "imap://[2001:db8::1]:143/": ImapUrl("[2001:db8::1]", 143),
    "imap://michael@example.org/INBOX": ImapUrl("example.org", user="michael", mailbox="INBOX"),
    "imap://psicorp.example.org/~peter/%E6%97%A5%E6%9C%AC%E8%AA%9E/%E5%8F%B0%E5%8C%97": ImapUrl(
        "psicorp.example.org", mailbox="~peter/日本語/台北"
    ),
    "imap://;AUTH=GSSAPI@minbari.example.org/gray-council/;uid=20/;section=1.2": ImapUrl(
        "minbari.example.org", auth="GSSAPI", mailbox="gray-council", uid=20, section="1.2"
    ),
    "imap://;AUTH=*@minbari.example.org/gray%20council?SUBJECT%20shadows": ImapUrl(
        "minbari.example.org", auth="*", mailbox="gray council", search="SUBJECT shadows"
    ),
    "imap://john;AUTH=*@minbari.example.org/babylon5/personel?charset%20UTF-8%20SUBJECT%20%7B14+%7D%20x?y": ImapUrl(
        "minbari.example.org",
        user="john",
        auth="*",
        mailbox="babylon5/personel",
        search="charset UTF-8 SUBJECT {14+} x?y",
    ),
    "imap://h/INBOX;UIDVALIDITY=385759045/;UID=20/;PARTIAL=0.1024": ImapUrl(
        "h", mailbox="INBOX", uid_validity=385759045, uid=20, partial=(0, 1024)
    ),
    "imap://h/a/b;uidvalidity=7/;uid=20/;section=HEADER.FIELDS%20(%22To%22)/;partial=5": ImapUrl(
        "h", mailbox="a/b", uid_validity=7, uid=20, section='HEADER.FIELDS ("To")', partial=(5, None)
    ),
    "imap://h/a/;UIDVALIDITY=7": ImapUrl("h", mailbox="a", uid_validity=7),
    "imap://h/a/./b/../;UID=3/": ImapUrl("h", mailbox="a", uid=3),
    "imap://h/a%3Bb%2F..;UIDVALIDITY=7": ImapUrl("h", mailbox="a;b/..", uid_validity=7),
    "imap://h/../..": ImapUrl("h"),
    "imap://joe@example.com/INBOX/;uid=20/;section=1.2;urlauth=submit+fred": ImapUrl(
        "example.com",
        user="joe",
        mailbox="INBOX",
        uid=20,
        section="1.2",
        urlauth=UrlAuth("submit", "fred"),
    ),
    f"imap://joe@h/INBOX/;uid=20;EXPIRE=2026-11-21T20:00:00.5+01:00;URLAUTH=Anonymous:internal:{TOKEN}": ImapUrl(
        "h",
        user="joe",
        mailbox="INBOX",
        uid=20,
        urlauth=UrlAuth("anonymous", None, 1795287600, "INTERNAL", bytes.fromhex(TOKEN)),
    ),
    "imap://joe@h/I/;uid=20;EXPIRE=2016-12-31T23:59:60Z;URLAUTH=authuser": ImapUrl(
        "h", user="joe", mailbox="I", uid=20, urlauth=UrlAuth("authuser", None, 1483228799)
    ),
}

BOX = ImapUrl("h", user="joe", mailbox="INBOX/Trash", uid_validity=7)
MESSAGE = ImapUrl("h", user="joe", mailbox="INBOX/Trash", uid_validity=7, uid=65, section="1.2.MIME")
RELATIVE = [
    ("/INBOX/;UID=2", ImapUrl(mailbox="x"), ImapUrl(mailbox="INBOX", uid=2)),
    ("//other/INBOX", BOX, ImapUrl("other", mailbox="INBOX")),
    ("/", BOX, ImapUrl("h", user="joe")),
    ("", BOX, BOX),
    (";UID=3", BOX, ImapUrl("h", user="joe", mailbox="INBOX/Trash", uid_validity=7, uid=3)),
    ("Old/;UID=3", ImapUrl(mailbox="A"), ImapUrl(mailbox="A/Old", uid=3)),
    ("../Sent/;UID=3", BOX, ImapUrl("h", user="joe", mailbox="INBOX/Sent", uid=3)),
    ("../../%23news", BOX, ImapUrl("h", user="joe", mailbox="#news")),
    ("?SEEN", BOX, ImapUrl("h", user="joe", mailbox="INBOX/Trash", uid_validity=7, search="SEEN")),
    (
        ";SECTION=TEXT/;PARTIAL=1.2",
        MESSAGE,
        ImapUrl("h", user="joe", mailbox="INBOX/Trash", uid_validity=7, uid=65, section="TEXT", partial=(1, 2)),
    ),
    (
        "../;UID=4/;SECTION=2",
        MESSAGE,
        ImapUrl("h", user="joe", mailbox="INBOX/Trash", uid_validity=7, uid=4, section="2"),
    ),
]

BAD = [
    *("", "INBOX", "/INBOX", "imap:", "imap:/h/INBOX", "http://h/INBOX", "imap://", "imap:///INBOX", "imap://@h/"),
    *("imap://;@h/", "imap://a:b@h/", "imap://h:0/", "imap://h:70000/", "imap://h:x/", "imap://h ost/", "imap://h/a b"),
    *(
        "imap://h/a#b",
        "imap://h/%",
        "imap://h/%zz",
        "imap://h/%ff",
        "imap://h/%00",
        "imap://h/a%0d%0ab",
        "imap://h/;UID=1",
    ),
    *(
        "imap://h/a/;UID=0",
        "imap://h/a/;UID=4294967296",
        "imap://h/a/;UID=x",
        "imap://h/a;UIDVALIDITY=0",
        "imap://h/?a",
    ),
    *("imap://h/a?", "imap://h/a/;UID=1?SEEN", "imap://h/a/;SECTION=1", "imap://h/a/;UID=1/;PARTIAL=0.0"),
    *("imap://h/a/;UID=1/;PARTIAL=", "imap://h/a/;UID=1/;PARTIAL=1/;SECTION=1", "imap://h/a;b", "imap://h/a/;NOSUCH=1"),
    *("imap://h/a;URLAUTH=anonymous", "imap://h/a/;UID=1;URLAUTH=", "imap://h/a/;UID=1;URLAUTH=user+"),
    *("imap://h/a/;UID=1;EXPIRE=2026-01-01T00:00:00Z", "imap://h/a/;UID=1;EXPIRE=now;URLAUTH=authuser"),
    *("imap://h/a/;UID=1;EXPIRE=2026-13-01T00:00:00Z;URLAUTH=authuser", "imap://h/a/;UID=1;URLAUTH=authuser:INTERNAL"),
    *(
        "imap://h/a/;UID=1;URLAUTH=authuser:INTERNAL:abcd",
        f"imap://h/a/;UID=1;URLAUTH=authuser::{TOKEN}",
        "imap://h\u00e9/",
    ),
]

NAMES = st.text(st.characters(exclude_characters="\0\r\n", exclude_categories=["Cs"]), min_size=1, max_size=20)
NUMBERS = st.integers(1, 2**32 - 1)
SERVERS = st.builds(
    lambda host, port, user, auth: {"host": host, "port": port, "user": user, "auth": auth},
    st.sampled_from(["h", "mail.example.org", "[::1]", "192.0.2.1"]) | NAMES.filter(lambda name: name[0] != "["),
    st.none() | st.integers(1, 65535),
    st.none() | NAMES,
    st.none() | NAMES,
)
URLAUTHS = st.builds(
    lambda access, user, expire, token: UrlAuth(access, user, expire, "INTERNAL" if token else "", token),
    st.sampled_from(["user", "submit", "authuser", "anonymous", "stream"]),
    st.none() | NAMES,
    st.none() | st.integers(0, 4_000_000_000),
    st.just(b"") | st.binary(min_size=16, max_size=40),
)
PARTIALS = st.none() | st.tuples(st.integers(0, 2**32 - 1), st.none() | NUMBERS)
SECTIONS = st.just("") | NAMES
MESSAGES = st.builds(
    lambda server, mailbox, validity, uid, section, partial, urlauth: ImapUrl(
        **server, mailbox=mailbox, uid_validity=validity, uid=uid, section=section, partial=partial, urlauth=urlauth
    ),
    SERVERS,
    NAMES,
    st.just(0) | NUMBERS,
    NUMBERS,
    SECTIONS,
    PARTIALS,
    st.none() | URLAUTHS,
)
MAILBOXES = st.builds(
    lambda server, mailbox, validity, search: ImapUrl(**server, mailbox=mailbox, uid_validity=validity, search=search),
    SERVERS,
    NAMES,
    st.just(0) | NUMBERS,
    st.none() | NAMES,
)


@pytest.mark.parametrize("text", ABSOLUTE)
def test_absolute(text: str) -> None:
    assert parse_url(text.encode()) == ABSOLUTE[text]
    assert parse_url(format_url(ABSOLUTE[text])) == ABSOLUTE[text]


@pytest.mark.parametrize(("text", "base", "url"), RELATIVE)
def test_relative(text: str, base: ImapUrl, url: ImapUrl) -> None:
    assert parse_url(text.encode(), base) == url


@pytest.mark.parametrize("text", BAD)
def test_bad(text: str) -> None:
    with pytest.raises(BadUrl):
        parse_url(text.encode("latin-1"))


@given(MESSAGES | MAILBOXES)
def test_reading_undoes_writing(url: ImapUrl) -> None:
    text = format_url(url)
    assert parse_url(text) == url
    if url.urlauth is None:
        path = ImapUrl(**{name: getattr(url, name) for name in ("mailbox", "uid_validity", "search", "uid")})
        assert parse_url(format_url(path), ImapUrl(mailbox="base")) == path


@given(st.binary(max_size=60) | st.text("imap:/;UDSE=%2.a?", max_size=60).map(str.encode))
def test_any_bytes_are_a_url_or_none(text: bytes) -> None:
    try:
        url = parse_url(text, ImapUrl(mailbox="INBOX"))
    except BadUrl:
        return
    assert parse_url(format_url(url), ImapUrl(mailbox="INBOX")) == url


@given(MESSAGES.filter(lambda url: url.urlauth is not None and bool(url.urlauth.token)))
def test_the_rump_is_what_stands_before_the_token(url: ImapUrl) -> None:
    assert url.urlauth is not None
    text = format_url(url)
    rump = rump_of(text)
    assert text == rump + f":INTERNAL:{url.urlauth.token.hex()}".encode()
    assert rump_of(rump) == rump


@pytest.mark.parametrize("piece", ["/", "a/", "%2f", ";", "../", ";UID=1/", ":", "?"])
def test_long_rubbish_is_none(piece: str) -> None:
    """Of a length at which a rule that goes back over what it read would not come to an end."""
    for text in (
        f"imap://h/{piece * 20_000}\t",
        f"imap://{piece * 20_000}\t",
        f"imap://h/a/;UID=1/;SECTION={piece * 9000}\t",
    ):
        with pytest.raises(BadUrl):
            parse_url(text.encode())
