"""IMAPClient and aioimaplib from PyPI, getmail and fetchmail: what they did is looked at on disk."""

import asyncio
import os
import re
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import aioimaplib
import imapclient
import pytest

from tests.clients import sides
from tests.parts import servers
from tests.parts.imap import login

MESSAGES = 200
FEW = 20  # for getmail, which starts a process for each
TEXT = b"Subject: from a client\r\n\r\ntext\r\n"
GETMAIL = """\
[retriever]
type = SimpleIMAPRetriever
server = 127.0.0.1
port = {port}
username = {user}
password = pass
mailboxes = ("INBOX",)

[destination]
type = Maildir
path = {folder}/

[options]
read_all = true
delete = true
"""
FETCHMAIL = """\
poll 127.0.0.1 protocol imap port {port} auth password
  user "{user}" password "pass" sslproto "" fetchall keep mda "{script}"
"""
SCRIPT = """\
#!/bin/sh
cat > "$(mktemp {folder}/XXXXXXXX)"
"""


@pytest.fixture(scope="module", params=["dovecot", "doocot"])
def server(request: pytest.FixtureRequest) -> Iterator[servers.Server]:
    if not servers.has_dovecot():  # it makes the uidlist of the messages, too
        pytest.skip("Dovecot is not installed: apt-get install dovecot-imapd dovecot-lmtpd")
    with servers.work_folder() as folder, servers.launcher(request.param)(folder) as running:
        yield running


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that a client without rights may write into."""
    with servers.work_folder("clients") as folder:
        folder.chmod(0o777)
        yield folder


def _texts(folder: Path) -> list[bytes]:
    """The messages on disk. Their names follow their flags a moment after the answer: then it is looked again."""
    while True:
        try:
            return [path.read_bytes() for part in ("cur", "new") for path in (folder / part).iterdir()]
        except FileNotFoundError:
            continue


def test_client_imapclient(server: servers.Server) -> None:
    sides.give_to(server, "imapclient", MESSAGES)
    with imapclient.IMAPClient("127.0.0.1", port=server.imap, ssl=False) as client:
        client.login("imapclient", "pass")
        assert client.select_folder("INBOX")[b"EXISTS"] == MESSAGES
        uids = client.search("ALL")
        found = client.fetch(uids, ["FLAGS", "RFC822.SIZE", "ENVELOPE", "BODYSTRUCTURE", "BODY.PEEK[]"])
        assert len(found) == MESSAGES
        assert all(item[b"RFC822.SIZE"] == len(item[b"BODY[]"]) for item in found.values())
        assert all(item[b"ENVELOPE"].message_id in item[b"BODY[]"] for item in found.values())
        said = client.append("INBOX", TEXT, ["\\Flagged", "label"], datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC))
        new = int(re.search(rb"APPENDUID \d+ (\d+)", said)[1])  # type: ignore[index]
        assert client.fetch([new], ["INTERNALDATE", "BODY.PEEK[]"])[new][b"BODY[]"] == TEXT
        assert client.search(["KEYWORD", "label"]) == [new]
        client.create_folder("Mappe")
        client.move(uids[:20], "Mappe")
        client.delete_messages(uids[20:30])
        client.expunge()
        with imapclient.IMAPClient("127.0.0.1", port=server.imap, ssl=False) as other:
            other.login("imapclient", "pass")
            other.select_folder("INBOX")
            other.idle()
            client.append("INBOX", TEXT)
            assert (MESSAGES - 28, b"EXISTS") in other.idle_check(timeout=sides.SECONDS)
            other.idle_done()
        assert client.folder_status("Mappe")[b"MESSAGES"] == 20
        client.logout()
    assert len(sides.files(server.maildir("imapclient") / ".Mappe")) == 20
    texts = _texts(server.maildir("imapclient"))
    assert sum(text.replace(b"\r\n", b"\n") == TEXT.replace(b"\r\n", b"\n") for text in texts) == 2


def test_client_aioimaplib(server: servers.Server) -> None:
    sides.give_to(server, "aioimaplib", MESSAGES)
    asyncio.run(_aioimaplib(server))
    assert len(sides.files(server.maildir("aioimaplib") / ".copies")) == MESSAGES


async def _aioimaplib(server: servers.Server) -> None:
    async def client() -> aioimaplib.IMAP4:
        new = aioimaplib.IMAP4("127.0.0.1", server.imap, timeout=sides.SECONDS)
        await new.wait_hello_from_server()
        assert (await new.login("aioimaplib", "pass")).result == "OK"
        return new

    one, other = await client(), await client()
    assert (await one.select("INBOX")).result == "OK"
    await other.select("INBOX")
    fetched = await one.uid("fetch", "1:*", "(UID FLAGS BODY.PEEK[])")
    assert sum(isinstance(line, bytearray) for line in fetched.lines) == MESSAGES
    idle = await other.idle_start(timeout=sides.SECONDS)
    assert (await one.append(TEXT, "INBOX", flags="\\Seen")).result == "OK"
    pushed = await other.wait_server_push()
    assert any(line.endswith(b"EXISTS") for line in pushed)
    other.idle_done()
    await asyncio.wait_for(idle, sides.SECONDS)
    assert (await one.create("copies")).result == "OK"
    assert (await one.copy(f"1:{MESSAGES}", "copies")).result == "OK"
    assert (await one.search("SEEN")).result == "OK"
    await one.logout()
    await other.logout()


def _as_nobody(command: list[str]) -> list[str]:
    """getmail delivers nothing as root."""
    if os.geteuid():
        return command
    return ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", *command]


def test_client_getmail(server: servers.Server, home: Path) -> None:
    """All messages go to a Maildir here, and from the server."""
    if absent := sides.missing("getmail", "setpriv"):
        pytest.skip(f"not installed: {absent}")
    sides.give_to(server, "getmail", FEW)
    sizes = sides.far_sizes(server, "getmail")
    near = home / "mail"
    for folder in (near, near / "cur", near / "new", near / "tmp"):
        folder.mkdir()
        folder.chmod(0o777)
    rc = home / "getmailrc"
    rc.write_text(GETMAIL.format(port=server.imap, user="getmail", folder=near))
    sides.run(_as_nobody(["getmail", "--getmaildir", str(home), "--rcfile", str(rc)]), home)
    assert len(sides.files(near)) == len(sizes) == FEW
    connection = login(server.imap, "getmail")
    assert b"(MESSAGES 0)" in connection.ok(b"STATUS INBOX (MESSAGES)")[0]
    connection.close()


def test_client_fetchmail(server: servers.Server, home: Path) -> None:
    if absent := sides.missing("fetchmail"):
        pytest.skip(f"not installed: {absent}")
    sides.give_to(server, "fetchmail", MESSAGES)
    near, script, rc = home / "mail", home / "deliver", home / "fetchmailrc"
    near.mkdir()
    script.write_text(SCRIPT.format(folder=near))
    script.chmod(0o755)
    rc.write_text(FETCHMAIL.format(port=server.imap, user="fetchmail", script=script))
    rc.chmod(stat.S_IRUSR | stat.S_IWUSR)
    sides.run(["fetchmail", "--fetchmailrc", str(rc), "--nodetach", "--nosyslog", "--silent"], home)
    assert len(list(near.iterdir())) == MESSAGES
    assert len(sides.files(server.maildir("fetchmail"))) == MESSAGES
    assert all(b"\\Seen" in line for line in sides.mailbox(server, "fetchmail")[1:])
