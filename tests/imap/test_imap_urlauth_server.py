"""A real server: another user fetches by a URL, the user being looked up; and the submission server does."""

import re
from collections.abc import Iterator

import pytest

from tests.parts.imap import login
from tests.parts.servers import Server, doocot, work_folder

MESSAGE = b"Subject: one\r\n\r\nbody\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with work_folder() as folder, doocot(folder, extra="imap_urlauth_submit_user = postman\n") as running:
        yield running


@pytest.mark.parametrize(
    ("user", "access", "allowed"),
    [
        ("fred", b"user+fred", True),
        ("fred", b"authuser", True),
        ("fred", b"user+joe", False),
        ("fred", b"submit+fred", False),
        ("postman", b"submit+fred", True),
    ],
)
def test_by_a_url_of_another_user(server: Server, user: str, access: bytes, allowed: bool) -> None:
    joe = login(server.imap, "joe")
    joe.append(b"INBOX", MESSAGE)
    said = joe.ok(b"GENURLAUTH imap://joe@localhost/INBOX/;UID=1/;SECTION=TEXT;URLAUTH=%b INTERNAL" % access)
    found = re.fullmatch(rb"\* GENURLAUTH (\S+)", said[0])
    assert found is not None
    other = login(server.imap, user)
    for _ in range(2):
        fetched = other.ok(b"URLFETCH " + found[1])
        assert fetched[0] == b"* URLFETCH %b %b" % (found[1], b"{6}\r\nbody\r\n" if allowed else b"NIL")
    assert other.ok(b"URLFETCH " + found[1].replace(b"joe", b"jim"))[0].endswith(b" NIL")
    other.close()
    joe.close()
