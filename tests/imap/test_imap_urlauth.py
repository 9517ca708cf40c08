"""URLAUTH: who may fetch what by which URL, of his own mail and of another user's; keys, expiry, what is refused."""

import re
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from harness import Client, House

from doocot.auth.types import AuthResult, LoginRequest, User
from doocot.errors import Kind, MailError
from doocot.mailbox import excerpt, read, urlauth
from doocot.mailbox.user import Mail
from doocot.message.scan import scan
from doocot.store.root import Location
from doocot.wire.flow import Job, Step

NOW = 1_800_000_000.0
LINE = b"x" * 70 + b"\r\n"
MESSAGE = b"Subject: one\r\n\r\nbody\r\n"
MIXED = (
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\ntext\r\n"
    b"--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nAGEA\r\n"
    b"--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: x-nosuch\r\n\r\nAGEA\r\n--b--\r\n"
)
TOKEN = b"0" * 66


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A house where each of joe, fred and sub has mail of his own; sub is the submission server."""
    house = House(tmp_path / "mail")

    def opened(user: User) -> Generator[Step, Any, Mail]:
        if user.name == "broken":
            raise MailError(Kind.UNAVAILABLE, "It does not open.", "a detail")
        location = Location(str(house.mail / user.name))
        Path(location.path).mkdir(exist_ok=True)
        root = yield Job(lambda: house.roots.acquire(location))
        return Mail(house.roots, location, root)

    def authenticated(request: LoginRequest) -> AuthResult:
        return AuthResult(User(request.credentials.authcid))

    def looked_up(name: str) -> User | Job | None:
        return Job(lambda: User(name) if name in ("joe", "fred", "sub", "broken") else None)

    house.context = replace(
        house.context,
        authenticate=authenticated,
        open_mail=opened,
        lookup=looked_up,
        urlauth_host="h",
        urlauth_submit_user="sub",
        clock=lambda: NOW,
    )
    return house


def login(house: House, user: bytes = b"joe") -> Client:
    client = house.connect()
    assert b" OK " in client.send(b"login LOGIN %b pass" % user)
    return client


def append(client: Client, message: bytes = MESSAGE, mailbox: bytes = b"INBOX") -> None:
    assert b" OK " in client.send(b"a APPEND %b {%d+}\r\n%b" % (mailbox, len(message), message))


def generated(client: Client, rump: bytes) -> bytes:
    """The URL that GENURLAUTH gives."""
    answer = client.send(b'g GENURLAUTH "%b" INTERNAL' % rump)
    found = re.fullmatch(rb'\* GENURLAUTH "?([^"]*?)"?\r\ng OK GENURLAUTH completed\.\r\n', answer)
    assert found is not None, answer
    assert found[1].startswith(rump + b":internal:01")
    return found[1]


def fetched(client: Client, url: bytes, arguments: bytes = b"") -> bytes:
    """What URLFETCH says behind the URL."""
    answer = client.send(b'f URLFETCH ("%b"%b)' % (url, arguments) if arguments else b'f URLFETCH "%b"' % url)
    assert answer.endswith(b"f OK URLFETCH completed.\r\n"), answer
    found = re.match(rb'\* URLFETCH (?:"%b"|%b) ' % (re.escape(url), re.escape(url)), answer)
    assert found is not None, answer
    return answer[found.end() :].removesuffix(b"f OK URLFETCH completed.\r\n").removesuffix(b"\r\n")


def refused(client: Client, url: bytes) -> bool:
    return re.fullmatch(rb"NIL\r\n\* NO [^\r\n]+\.", fetched(client, url)) is not None


def rump(user: bytes = b"joe", path: bytes = b"INBOX/;UID=1", access: bytes = b"authuser") -> bytes:
    return b"imap://%b@h/%b;URLAUTH=%b" % (user, path, access)


def test_capability_is_told_where_there_is_a_host_name(house: House) -> None:
    assert b" URLAUTH URLAUTH=BINARY" in login(house).send(b"a CAPABILITY")
    house.context = replace(house.context, urlauth_host="")
    client = login(house)
    assert b"URLAUTH" not in client.send(b"a CAPABILITY")
    for line in (b"GENURLAUTH %b INTERNAL" % rump(), b"RESETKEY", b"URLFETCH %b" % rump()):
        assert client.send(b"b " + line) == b"b BAD URLAUTH disabled.\r\n"


@pytest.mark.parametrize(
    ("access", "allowed"),
    [
        (b"authuser", b"joe fred sub"),
        (b"anonymous", b"joe fred sub"),
        (b"user+fred", b"fred"),
        (b"user+joe", b"joe"),
        (b"submit+fred", b"sub"),
    ],
)
def test_access_identifier_says_who_may(house: House, access: bytes, allowed: bytes) -> None:
    joe = login(house)
    append(joe)
    url = generated(joe, rump(access=access))
    for user in (b"joe", b"fred", b"sub"):
        client = login(house, user)
        if user in allowed.split():
            assert fetched(client, url) == b"{%d}\r\n%b" % (len(MESSAGE), MESSAGE)
        else:
            assert refused(client, url)
        client.session.lost()


def test_sections_partials_and_large_messages(house: House) -> None:
    joe = login(house)
    large = b"Subject: large\r\n\r\n" + LINE * 20_000
    append(joe, MIXED)
    append(joe, large)
    validity = re.search(rb"UIDVALIDITY (\d+)", joe.send(b"s STATUS INBOX (UIDVALIDITY)"))
    assert validity is not None
    where = b"INBOX;UIDVALIDITY=%b/;UID=" % validity[1]
    fred = login(house, b"fred")
    for path, octets in {
        b"1/;SECTION=1": b"text",
        b"1/;SECTION=2": b"AGEA",
        b"1/;SECTION=2.MIME/;PARTIAL=0.12": b"Content-Type",
        b"1/;PARTIAL=9999": b"",
        b"2": large,
        b"2/;PARTIAL=18.71": LINE[:71],
        b"2/;SECTION=HEADER.FIELDS%20(Subject)": b"Subject: large\r\n\r\n",
    }.items():
        assert fetched(fred, generated(joe, rump(path=where + path))) == b"{%d}\r\n%b" % (len(octets), octets)
    assert refused(fred, generated(joe, rump(path=where + b"1/;SECTION=7")))
    assert refused(fred, generated(joe, rump(path=where + b"99")))


def test_octets_that_one_command_reads_are_bounded(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message of which several sections are wanted one after the other is read and scanned once."""
    joe = login(house)
    append(joe, MIXED)
    scans: list[int] = []
    monkeypatch.setattr(read, "scan", lambda data: scans.append(len(data)) or scan(data))
    monkeypatch.setattr(excerpt, "MAX_READ", 2 * len(MIXED))
    url = generated(joe, rump(path=b"INBOX/;UID=1/;SECTION=1"))
    few = joe.send(b"f URLFETCH" + b' "%b"' % url * 5)
    assert few.count(b"{4}\r\ntext\r\n") == 5
    assert len(scans) == 1
    many = joe.send(b"m URLFETCH" + b' "%b"' % url * 200)
    assert b" NIL\r\n* NO One command reads at most" in many
    assert many.endswith(b"m OK URLFETCH completed.\r\n")
    assert fetched(joe, url) == b"{4}\r\ntext"


def test_binary_and_structure(house: House) -> None:
    joe = login(house)
    append(joe, MIXED)
    image = generated(joe, rump(path=b"INBOX/;UID=1/;SECTION=2"))
    assert fetched(joe, image, b" BINARY") == b"(BINARY ~{3}\r\n\0a\0)"
    assert fetched(joe, image, b" BODY") == b"(BODY {4}\r\nAGEA)"
    assert fetched(joe, image, b" ").startswith(b"(BODY ")
    structure = b'(BODYPARTSTRUCTURE ("image" "png" NIL NIL NIL "base64" %d NIL NIL NIL NIL)'
    assert fetched(joe, image, b" BODYPARTSTRUCTURE") == structure % 4 + b")"
    assert fetched(joe, image, b" BODYPARTSTRUCTURE BODY") == structure % 4 + b" BODY {4}\r\nAGEA)"
    assert fetched(joe, image, b" BINARY BODYPARTSTRUCTURE") == structure % 3 + b" BINARY ~{3}\r\n\0a\0)"
    text = generated(joe, rump(path=b"INBOX/;UID=1/;SECTION=1/;PARTIAL=1.2"))
    assert fetched(joe, text, b" BINARY") == b"(BINARY {2}\r\nex)"
    whole = generated(joe, rump(path=b"INBOX/;UID=1/;SECTION=HEADER"))
    assert fetched(joe, whole, b" BINARY BODYPARTSTRUCTURE").startswith(
        b"NIL\r\n* NO "
    )  # a part has an unknown encoding
    assert fetched(joe, whole, b" BODYPARTSTRUCTURE").startswith(b'(BODYPARTSTRUCTURE (("text" "plain"')
    unknown = generated(joe, rump(path=b"INBOX/;UID=1/;SECTION=3"))
    assert fetched(joe, unknown, b" BINARY").startswith(b"NIL\r\n* NO ")


def test_keys_stay_with_the_mailbox_and_go_by_resetkey(house: House) -> None:
    joe, fred = login(house), login(house, b"fred")
    for name in (b"A", b"B"):
        joe.send(b"c CREATE " + name)
        append(joe, mailbox=name)
    one, other = (generated(joe, rump(path=name + b"/;UID=1")) for name in (b"A", b"B"))
    assert one == generated(joe, rump(path=b"A/;UID=1"))
    assert one.rpartition(b":")[2] != other.rpartition(b":")[2]
    joe.send(b"r RENAME B C")
    joe.send(b"r RENAME C B")
    assert not refused(fred, other)
    assert joe.send(b"k RESETKEY A INTERNAL") == b"k OK [URLMECH INTERNAL] Key removed.\r\n"
    assert refused(fred, one)
    assert not refused(fred, other)
    one = generated(joe, rump(path=b"A/;UID=1"))
    assert not refused(fred, one)
    assert joe.send(b"k RESETKEY") == b"k OK All keys removed.\r\n"
    assert refused(fred, one)
    assert refused(fred, other)
    other = generated(joe, rump(path=b"B/;UID=1"))
    joe.send(b"d DELETE B")
    assert refused(fred, other)
    assert joe.send(b"k RESETKEY Nosuch").startswith(b"k NO [NONEXISTENT] ")
    assert joe.send(b"k RESETKEY A XOAUTH").startswith(b"k NO ")


def test_time_runs_out(house: House) -> None:
    joe = login(house)
    append(joe)
    url = generated(joe, b"imap://joe@h/INBOX/;UID=1;EXPIRE=2027-01-15T09:00:00%b;URLAUTH=authuser" % b"+01:00")
    assert not refused(joe, url)
    house.context = replace(house.context, clock=lambda: NOW + 1)
    assert refused(login(house), url)
    assert refused(login(house), url.replace(b"09:00:00", b"19:00:00"))


def test_a_url_that_was_altered_is_refused(house: House) -> None:
    joe = login(house)
    append(joe)
    append(joe)
    url = generated(joe, rump(path=b"INBOX/;UID=1/;SECTION=TEXT"))
    assert not refused(joe, url)
    for old, new in (
        (b"UID=1", b"UID=2"),
        (b"INBOX", b"inbox"),
        (b"TEXT", b"HEADER"),
        (b"TEXT", b"TEXT/;PARTIAL=1"),
        (b"authuser", b"anonymous"),
        (b":internal:01", b":internal:02"),
        (b":internal:01", b":INTERNAL2:01"),
        (url[-4:], b"0000" if url[-4:] != b"0000" else b"1111"),
        (url[-64:], b""),
    ):
        assert refused(joe, url.replace(old, new)), (old, new)


@pytest.mark.parametrize(
    "url",
    [
        *(b"imap://nobody@h/INBOX/;UID=1;URLAUTH=authuser", b"imap://broken@h/INBOX/;UID=1;URLAUTH=authuser"),
        *(b"imap://fred@h/INBOX/;UID=1;URLAUTH=authuser", b"imap://joe@h/Nosuch/;UID=1;URLAUTH=authuser"),
        *(b"imap://joe@other/INBOX/;UID=1;URLAUTH=authuser", b"imap://joe@h:993/INBOX/;UID=1;URLAUTH=authuser"),
        *(b"imap://h/INBOX/;UID=1;URLAUTH=authuser", b"imap://joe@h/INBOX/;UID=1;URLAUTH=stream"),
        *(b"imap://joe@h/INBOX/;UID=1;URLAUTH=authuser+joe", b"imap://joe@h/INBOX/;UID=1/;SECTION=X;URLAUTH=authuser"),
    ],
)
def test_url_that_nobody_vouched_for(house: House, url: bytes) -> None:
    joe = login(house)
    append(joe)
    assert refused(joe, b"%b:internal:%b" % (url, TOKEN))
    assert joe.send(b"n NOOP") == b"n OK NOOP completed.\r\n"


@pytest.mark.parametrize("url", [b"", b"x", b"imap://joe@h/", b"imap://joe@h/INBOX", b"/INBOX/;UID=1", rump()])
def test_what_is_no_authorised_url_is_nil(house: House, url: bytes) -> None:
    assert refused(login(house), url)


@pytest.mark.parametrize(
    "line",
    [
        *(
            b"GENURLAUTH",
            b"GENURLAUTH x",
            b"GENURLAUTH x INTERNAL",
            b"GENURLAUTH %b" % rump(),
            b"URLFETCH",
            b"URLFETCH (",
        ),
        *(
            b"GENURLAUTH %b SHA1" % rump(),
            b"GENURLAUTH %b INTERNAL x" % rump(),
            b"GENURLAUTH %b INTERNAL" % rump(b"fred"),
        ),
        *(b"GENURLAUTH %b:internal:%b INTERNAL" % (rump(), TOKEN), b"GENURLAUTH imap://joe@h/INBOX/;UID=1 INTERNAL"),
        *(b"GENURLAUTH %b INTERNAL" % rump(path=b"Nosuch/;UID=1"), b"GENURLAUTH imap://joe@h/INBOX INTERNAL"),
        *(b"GENURLAUTH %b INTERNAL" % rump(path=b"INBOX;UIDVALIDITY=1/;UID=1"), b"URLFETCH (x NOSUCH)", b"RESETKEY ("),
        *(b"GENURLAUTH %b INTERNAL" % rump(access=b"stream"), b"GENURLAUTH %b INTERNAL" % rump(access=b"user")),
        *(
            b"GENURLAUTH %b INTERNAL" % rump().replace(b"@h", b"@other"),
            b"URLFETCH (x BODY BINARY)",
            b"URLFETCH (x BODY",
        ),
        b"GENURLAUTH imap://joe@h/INBOX/;UID=1;EXPIRE=2001-01-01T00:00:00Z;URLAUTH=authuser INTERNAL",
        b"GENURLAUTH" + b" x INTERNAL" * 2000,
        b"URLFETCH" + b" x" * 2000,
    ],
)
def test_bad(house: House, line: bytes) -> None:
    joe = login(house)
    append(joe)
    answer = joe.send(b"b " + line)
    assert answer.startswith(b"b BAD "), answer
    assert joe.send(b"n NOOP") == b"n OK NOOP completed.\r\n"


def test_before_login(house: House) -> None:
    client = house.connect()
    for line in (b"GENURLAUTH %b INTERNAL" % rump(), b"RESETKEY", b"URLFETCH x"):
        assert client.send(b"b " + line).startswith(b"b BAD ")


def test_another_users_mail_is_given_back(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []
    monkeypatch.setattr(Mail, "close", lambda mail, view=None: closed.append(mail.location.path))
    joe = login(house)
    append(joe)
    url = generated(joe, rump())
    fred = login(house, b"fred")
    fetched(fred, url)
    assert refused(fred, url.replace(b"UID=1", b"UID=2"))
    assert closed == [str(house.mail / "joe")] * 2
    fetched(joe, url)
    assert len(closed) == 2


def test_tokens_are_of_the_key_and_the_rump(house: House) -> None:
    joe = login(house)
    made = urlauth.make_token(joe.mail, "INBOX", 0, b"rump")
    assert urlauth.is_token(joe.mail, "INBOX", b"rump", made)
    assert not urlauth.is_token(joe.mail, "INBOX", b"other", made)
    assert not urlauth.is_token(joe.mail, "INBOX", b"rump", b"")
    assert not urlauth.is_token(joe.mail, "Nosuch", b"rump", made)
    assert not urlauth.is_token(None, "INBOX", b"rump", made)
    with pytest.raises(MailError):
        urlauth.make_token(joe.mail, "INBOX", 1, b"rump")
