"""Real clients copy 5,000 messages both ways without an error, and a second run transfers nothing."""

import imaplib
import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients import sides
from tests.parts import servers

MBSYNC = """\
IMAPAccount server
Host 127.0.0.1
Port {port}
User {user}
Pass pass
SSLType None
AuthMechs *
Timeout 120

IMAPStore far
Account server

MaildirStore near
Path {folder}/
Inbox {folder}/INBOX
SubFolders Verbatim

Channel mail
Far :far:
Near :near:
Patterns INBOX
Create Both
Expunge Both
CopyArrivalDate yes
Sync All
SyncState *
"""
OFFLINEIMAP = """\
[general]
accounts = mail
metadata = {home}/metadata
ui = basic
socktimeout = 120

[Account mail]
localrepository = near
remoterepository = far

[Repository near]
type = Maildir
localfolders = {folder}

[Repository far]
type = IMAP
remotehost = 127.0.0.1
remoteport = {port}
remoteuser = {user}
remotepass = pass
ssl = no
starttls = no
auth_mechanisms = PLAIN
folderfilter = lambda name: name == 'INBOX'
"""
MUTT = """\
set folder={home}
set imap_user={user}
set imap_pass=pass
set ssl_starttls=no
set ssl_force_tls=no
set mbox_type=Maildir
set confirmappend=no
set confirmcreate=no
set copy=no
set delete=no
set move=no
set quit=yes
set sleep_time=0
set wait_key=no
set net_inc=0
set read_inc=0
set write_inc=0
set header_cache={home}/headers
set message_cachedir={home}/bodies
set sort=mailbox-order
set auto_tag=yes
push "<tag-pattern>~A<enter><copy-message>{target}<enter><quit>"
"""


@pytest.fixture(scope="module", params=["dovecot", "doocot"])
def server(request: pytest.FixtureRequest) -> Iterator[servers.Server]:
    if not servers.has_dovecot():  # it makes the uidlist of the messages, too
        pytest.skip("Dovecot is not installed: apt-get install dovecot-imapd dovecot-lmtpd")
    with servers.work_folder() as folder, servers.launcher(request.param)(folder) as running:
        yield running


def _need(*programs: str) -> None:
    if absent := sides.missing(*programs):
        pytest.skip(f"not installed: {absent}")


def _nothing_twice(server: servers.Server, user: str, near: Path, command: list[str], home: Path) -> None:
    """Run once, then once more: the second time nothing may change on either side."""
    sides.run(command, home)
    before = (sides.mailbox(server, user), sides.files(near))
    assert len(before[0]) - 1 == len(before[1]) == sides.MESSAGES
    assert sides.near_sizes(near) == sides.far_sizes(server, user)
    sides.run(command, home)
    assert (sides.mailbox(server, user), sides.files(near)) == before


@pytest.mark.parametrize("direction", ["down", "up"])
def test_client_mbsync(server: servers.Server, tmp_path: Path, direction: str) -> None:
    _need("mbsync")
    user, near = f"mbsync{direction}", tmp_path / "mail"
    _fill_side(server, user, near / "INBOX", direction)
    rc = tmp_path / "mbsyncrc"
    rc.write_text(MBSYNC.format(port=server.imap, user=user, folder=near))
    _nothing_twice(server, user, near / "INBOX", ["mbsync", "-c", str(rc), "mail"], tmp_path)


@pytest.mark.parametrize("direction", ["down", "up"])
def test_client_offlineimap(server: servers.Server, tmp_path: Path, direction: str) -> None:
    _need("offlineimap")
    user, near = f"offlineimap{direction}", tmp_path / "mail"
    _fill_side(server, user, near / "INBOX", direction)
    rc = tmp_path / "offlineimaprc"
    rc.write_text(OFFLINEIMAP.format(port=server.imap, user=user, folder=near, home=tmp_path))
    _nothing_twice(server, user, near / "INBOX", ["offlineimap", "-o", "-c", str(rc)], tmp_path)


def _fill_side(server: servers.Server, user: str, near: Path, direction: str) -> None:
    """The messages are on one side, the other is empty."""
    if direction == "down":
        near.parent.mkdir()
        sides.give_to(server, user)
    else:
        sides.fill(near)


@pytest.mark.parametrize("direction", ["down", "up"])
def test_client_mutt(server: servers.Server, tmp_path: Path, direction: str) -> None:
    """mutt copies all messages of one folder into the other."""
    _need("mutt")
    user, near = f"mutt{direction}", tmp_path / "mail"
    if direction == "down":
        sides.give_to(server, user)
    else:
        sides.fill(near)
    far = f"imap://{user}@127.0.0.1:{server.imap}/INBOX"
    source, target = (far, str(near)) if direction == "down" else (str(near), far)
    rc = tmp_path / "muttrc"
    rc.write_text(MUTT.format(user=user, home=tmp_path, target=target))
    _terminal(["mutt", "-n", "-F", str(rc), "-f", source], tmp_path)
    assert len(sides.mailbox(server, user)) - 1 == len(sides.files(near)) == sides.MESSAGES


def _terminal(command: list[str], home: Path) -> None:
    """A program that wants a terminal."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8", "TERM": "xterm"}
    near, far = pty.openpty()
    said = b""
    end = time.monotonic() + sides.SECONDS
    with subprocess.Popen(
        command, stdin=far, stdout=far, stderr=far, env=environment, start_new_session=True
    ) as process:
        os.close(far)
        while time.monotonic() < end:
            if select.select([near], [], [], 1.0)[0]:
                try:
                    said = (said + os.read(near, 65536))[-4000:]
                except OSError:  # the other end is closed
                    break
        os.close(near)
        if process.poll() is None and time.monotonic() >= end:
            process.kill()
        code = process.wait()
    assert code == 0, f"{command[0]} ended with {code}: {said.decode(errors='replace')}"


def test_client_curl(server: servers.Server, tmp_path: Path) -> None:
    """curl lists, fetches, searches and appends, over plain TCP and TLS (RFC 5092 addresses)."""
    _need("curl")
    sides.give_to(server, "curl")
    plain, tls = f"imap://127.0.0.1:{server.imap}", f"imaps://127.0.0.1:{server.imaps}"
    base = ["curl", "--silent", "--show-error", "--insecure", "--user", "curl:pass"]
    listed = sides.run([*base, plain + "/"], tmp_path).stdout
    assert "INBOX" in listed
    fetched = sides.run([*base, tls + "/INBOX;MAILINDEX=4321"], tmp_path).stdout
    assert re.search(r"^Message-ID: <4320\.", fetched, re.MULTILINE)
    found = sides.run([*base, plain + "/INBOX?SEEN"], tmp_path).stdout
    assert len(found.split()) > 1000
    message = tmp_path / "message"
    message.write_bytes(b"Subject: from curl\r\n\r\ntext\r\n")
    sides.run([*base, "--upload-file", str(message), plain + "/INBOX"], tmp_path)
    last = sides.run([*base, plain + f"/INBOX;MAILINDEX={sides.MESSAGES + 1}"], tmp_path).stdout
    assert last.startswith("Subject: from curl")


def test_client_imaplib(server: servers.Server) -> None:
    """Python's own client fetches all messages in one command and appends them to another account."""
    sides.give_to(server, "imaplib")
    source = imaplib.IMAP4("127.0.0.1", server.imap)
    source.login("imaplib", "pass")
    source.select("INBOX", readonly=True)
    data = source.fetch(f"1:{sides.MESSAGES}", "(FLAGS INTERNALDATE BODY.PEEK[])")[1]
    messages = [item for item in data if isinstance(item, tuple)]
    assert len(messages) == sides.MESSAGES
    target = imaplib.IMAP4("127.0.0.1", server.imap)
    target.login("imaplibcopy", "pass")
    for head, text in messages:
        flags = " ".join(flag.decode() for flag in imaplib.ParseFlags(head) if flag != b"\\Recent")
        date = re.search(rb'INTERNALDATE ("[^"]*")', head)
        assert date is not None
        assert target.append("INBOX", f"({flags})", date[1].decode(), text)[0] == "OK"
    assert target.select("INBOX")[1] == [b"%d" % sides.MESSAGES]
    source.logout()
    target.logout()
    assert sides.far_sizes(server, "imaplibcopy") == sides.far_sizes(server, "imaplib")
