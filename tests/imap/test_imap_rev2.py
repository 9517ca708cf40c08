"""IMAP4rev2 (RFC 9051) and UTF8=ACCEPT (RFC 6855) in sessions without a socket: what is never told, and names."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unicodedata import normalize

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from doocot.auth.types import AuthResult, LoginRequest, Secret, User
from doocot.mailbox.stream import LARGE
from doocot.wire import mutf7
from tests.imap.harness import Client, House, spaces_from

MESSAGE = b"Subject: x\r\n\r\nx\r\n"
DECOMPOSED, COMPOSED = "cafe\u0301".encode(), "caf\u00e9".encode()
PREFIX = """
namespace inbox {
  inbox = yes
}
namespace more {
  prefix = Öfter.
  inbox = no
  location = maildir:/nowhere
  type = public
}
"""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path / "mail")
    yield made
    made.close()


def client(house: House, *enabled: bytes) -> Client:
    made = house.login()
    if enabled:
        assert ok(made, b"ENABLE " + b" ".join(enabled)) == [b"* ENABLED " + b" ".join(enabled)]
    return made


def ok(one: Client, line: bytes) -> list[bytes]:
    """The untagged responses of a command that succeeds."""
    answer = one.command(line)
    assert answer[-1].startswith(b"TAG OK"), answer
    return answer[:-1]


def append(one: Client, mailbox: bytes = b"INBOX") -> None:
    ok(one, b"APPEND %b {%d+}\r\n%b" % (mailbox, len(MESSAGE), MESSAGE))


def test_rev2_capability_is_told_before_and_after_login(house: House) -> None:
    one = house.connect()
    for line in (b"CAPABILITY", b"LOGIN me pass", b"CAPABILITY"):
        answer = one.command(line)
        assert b" IMAP4rev1 IMAP4rev2 " in b" ".join(answer), answer
    assert b" UTF8=ACCEPT UIDONLY " in answer[0] + b" "


def test_rev2_is_enabled_after_login_only(house: House) -> None:
    one = house.connect()
    assert one.command(b"ENABLE IMAP4rev2")[-1].startswith(b"TAG BAD")
    ok(one, b"LOGIN me pass")
    assert ok(one, b"ENABLE X UTF8=ACCEPT IMAP4rev2 imap4rev2") == [b"* ENABLED UTF8=ACCEPT IMAP4rev2"]
    assert one.command(b"ENABLE")[-1].startswith(b"TAG BAD")
    assert one.command(b"ENABLE (IMAP4rev2)")[-1].startswith(b"TAG BAD")


def test_rev2_nothing_of_recent_is_ever_told(house: House) -> None:
    old, new = client(house), client(house, b"IMAP4rev2")
    append(old)
    told = ok(new, b"SELECT INBOX")
    append(old)
    for line in (
        b"NOOP",
        b"FETCH 1:* FLAGS",
        b"STORE 1:* +FLAGS (\\Seen)",
        b"FETCH 1 BODY[]",
        b"STATUS INBOX (UNSEEN)",
    ):
        told += ok(new, line)
    append(old)
    ok(new, b"UNSELECT")
    told += ok(new, b"EXAMINE INBOX")
    assert b"* 3 EXISTS" in told
    assert not [line for line in told if b"RECENT" in line.upper() or b"UNSEEN " in line[:14]]
    assert b"* 3 RECENT" in ok(house.login(), b"SELECT INBOX") or b"* 0 RECENT" in ok(old, b"SELECT INBOX")


def test_rev2_with_idle_new_messages_are_told_without_recent(house: House) -> None:
    old, new = client(house), client(house, b"IMAP4rev2")
    ok(new, b"SELECT INBOX")
    assert new.send(b"i IDLE") == b"+ idling\r\n"
    append(old)
    assert new.run(new.session.resume(None)) == b"* 1 EXISTS\r\n"
    assert new.send(b"DONE") == b"i OK Idle completed.\r\n"


def test_rev2_parents_that_are_no_mailboxes_are_nonexistent(house: House) -> None:
    old, new = client(house), client(house, b"IMAP4rev2")
    ok(old, b"CREATE a.b")
    assert ok(old, b'LIST "" a') == [b'* LIST (\\Noselect \\HasChildren) "." a']
    assert ok(new, b'LIST "" a') == [b'* LIST (\\NonExistent \\HasChildren) "." a']
    assert ok(old, b'LIST "" a') == [b'* LIST (\\Noselect \\HasChildren) "." a']
    assert ok(client(house, b"UTF8=ACCEPT"), b'LIST "" a') == [b'* LIST (\\Noselect \\HasChildren) "." a']


def test_rev2_namespace_prefixes_are_in_utf8(tmp_path: Path) -> None:
    house = House(tmp_path / "mail", spaces=spaces_from(PREFIX))
    assert ok(client(house), b"NAMESPACE") == [b'* NAMESPACE (("" ".")) NIL (("&ANY-fter." "."))']
    in_utf8 = '* NAMESPACE (("" ".")) NIL (("Öfter." "."))'.encode()
    assert ok(client(house, b"IMAP4rev2"), b"NAMESPACE") == [in_utf8]
    assert ok(client(house, b"UTF8=ACCEPT"), b"NAMESPACE") == [in_utf8]
    house.close()


def test_rev2_parameters_in_structures_are_decoded(house: House) -> None:
    old, new = client(house), client(house, b"IMAP4rev2")
    message = b"MIME-Version: 1.0\r\nContent-Type: image/png; name*=utf-8''na%C3%AFve\r\n\r\nx\r\n"
    ok(old, b"APPEND INBOX {%d+}\r\n%b" % (len(message), message))
    for one in (old, new):
        ok(one, b"SELECT INBOX")
    for item in (b"BODY", b"BODYSTRUCTURE"):
        assert b'("name*" "utf-8\'\'na%C3%AFve")' in old.send(b"a FETCH 1 " + item)
        assert '("name" {6}\r\nnaïve)'.encode() in new.send(b"a FETCH 1 " + item)
        assert b'("name*" "utf-8\'\'na%C3%AFve")' in old.send(b"a FETCH 1 " + item)


def test_uidonly_a_large_message_is_streamed_with_its_uid(house: House) -> None:
    one = client(house, b"UIDONLY")
    append(one)
    large = b"Subject: large\r\n\r\n" + b"x" * 78 + b"\r\n"
    large += large[-80:] * (LARGE // 80)
    ok(one, b"APPEND INBOX {%d+}\r\n%b" % (len(large), large))
    ok(one, b"SELECT INBOX")
    ok(one, b"UID STORE 1 +FLAGS.SILENT (\\Deleted)")
    ok(one, b"EXPUNGE")
    answer = one.send(b"a UID FETCH 2 (RFC822.SIZE BODY.PEEK[] FLAGS)")
    begin = b"* 2 UIDFETCH (RFC822.SIZE %d BODY[] {%d}\r\n" % (len(large), len(large))
    assert answer == begin + large + b" FLAGS (\\Recent))\r\na OK Fetch completed.\r\n"


def test_uidonly_results_by_number_are_not_told_again(house: House) -> None:
    one = client(house)
    append(one)
    ok(one, b"SELECT INBOX")
    one.send(b"by-number SEARCH RETURN (UPDATE COUNT) ALL")
    one.send(b"by-uid UID SEARCH RETURN (UPDATE COUNT) ALL")
    assert b'* NO [NOUPDATE "by-number"] Its results were sequence numbers.' in ok(one, b"ENABLE UIDONLY")
    append(house.login())
    assert ok(one, b"NOOP") == [b"* 2 EXISTS", b"* 2 RECENT", b'* ESEARCH (TAG "by-uid") UID ADDTO (0 2)']


def test_utf8_user_names_and_passwords_are_taken_by_login(house: House) -> None:
    seen: list[LoginRequest] = []

    def authenticate(request: LoginRequest) -> AuthResult:
        seen.append(request)
        return AuthResult(User("me"))

    house.context = replace(house.context, authenticate=authenticate)
    for line in ('LOGIN "jürgen" "größe"', "LOGIN {7+}\r\njürgen {7+}\r\ngröße"):
        ok(house.connect(), line.encode())
        assert seen[-1].credentials.authcid == "jürgen"
        assert seen[-1].credentials.password == Secret("größe")


def old_name(words: bytes, name: bytes, given: bytes) -> list[bytes]:
    return [b'* LIST (%b) "." "%b" ("OLDNAME" ("%b"))' % (words, name, given)]


def test_rev2_a_new_name_is_made_net_unicode(house: House) -> None:
    one = client(house, b"IMAP4rev2")
    assert ok(one, b'CREATE "%b"' % DECOMPOSED) == old_name(b"", COMPOSED, DECOMPOSED)
    assert one.command(b'CREATE "%b"' % DECOMPOSED)[-1].startswith(b"TAG NO [ALREADYEXISTS]")
    assert ok(one, b'LIST "" *')[1:] == [b'* LIST (\\HasNoChildren) "." "%b"' % COMPOSED]
    assert ok(one, b'RENAME "%b" "th%b"' % (DECOMPOSED, DECOMPOSED)) == old_name(b"", b"th" + COMPOSED, DECOMPOSED)
    assert ok(one, b'RENAME "th%b" tea' % COMPOSED) == [b'* LIST () "." tea ("OLDNAME" ("th%b"))' % COMPOSED]
    for character in ("\x7f", "\x80", "\u2028", "\u2029"):
        assert one.command(b'CREATE "a%b"' % character.encode())[-1].startswith(b"TAG NO [CANNOT]")
        assert one.command(b'RENAME tea "a%b"' % character.encode())[-1].startswith(b"TAG NO [CANNOT]")


def test_rev2_every_command_takes_the_name_as_it_was_created(house: House) -> None:
    one = client(house, b"IMAP4rev2")
    ok(one, b'CREATE "%b"' % DECOMPOSED)
    assert ok(one, b'SUBSCRIBE "%b"' % DECOMPOSED) == old_name(b"\\Subscribed", COMPOSED, DECOMPOSED)
    assert ok(one, b'LIST (SUBSCRIBED) "" *') == [b'* LIST (\\Subscribed) "." "%b"' % COMPOSED]
    assert ok(one, b'LIST "" "%b"' % DECOMPOSED) == [b'* LIST (\\HasNoChildren) "." "%b"' % COMPOSED]
    assert ok(one, b'UNSUBSCRIBE "%b"' % DECOMPOSED) == old_name(b"", COMPOSED, DECOMPOSED)
    assert ok(one, b'LIST (SUBSCRIBED) "" *') == []
    append(one, b'"%b"' % DECOMPOSED)
    assert ok(one, b'STATUS "%b" (MESSAGES)' % DECOMPOSED) == [b'* STATUS "%b" (MESSAGES 1)' % DECOMPOSED]
    assert ok(one, b'SELECT "%b"' % DECOMPOSED)[-1:] == old_name(b"", COMPOSED, DECOMPOSED)
    assert ok(one, b'EXAMINE "%b"' % COMPOSED)[-1] == b'* LIST () "." "%b"' % COMPOSED
    assert b"UID ALL 1" in ok(one, b'ESEARCH IN (selected mailboxes "%b") ALL' % DECOMPOSED)[0]
    ok(one, b'NOTIFY SET (mailboxes "%b" (MessageNew MessageExpunge))' % DECOMPOSED)
    ok(one, b'COPY 1 "%b"' % DECOMPOSED)
    ok(one, b"UNSELECT")
    assert ok(one, b'DELETE "%b"' % DECOMPOSED) == old_name(b"\\NonExistent", COMPOSED, DECOMPOSED)
    assert one.command(b'DELETE "%b"' % DECOMPOSED)[-1].startswith(b"TAG NO [NONEXISTENT]")


def test_rev2_a_name_that_was_there_before_stays_as_it_is(house: House) -> None:
    """Made by a client of IMAP4rev1, which gets exactly the name that it says."""
    old, new = client(house), client(house, b"IMAP4rev2")
    encoded = mutf7.encode(DECOMPOSED.decode())
    assert ok(old, b"CREATE " + encoded) == []
    assert ok(old, b'LIST "" c*') == [b'* LIST (\\HasNoChildren) "." ' + encoded]
    assert ok(new, b'LIST "" c*') == [b'* LIST (\\HasNoChildren) "." "%b"' % DECOMPOSED]
    assert ok(new, b'SELECT "%b"' % DECOMPOSED)[-1] == b'* LIST () "." "%b"' % DECOMPOSED
    assert ok(new, b'CREATE "%b"' % COMPOSED) == []
    append(new, b'"%b"' % COMPOSED)
    assert ok(new, b'STATUS "%b" (MESSAGES)' % DECOMPOSED) == [b'* STATUS "%b" (MESSAGES 0)' % DECOMPOSED]
    assert ok(old, b"RENAME %b %b" % (encoded, encoded + b"2")) == []


def test_rev2_inbox_in_any_case_is_what_it_is_called(house: House) -> None:
    one = client(house, b"IMAP4rev2")
    assert ok(one, b"SELECT iNbOx")[-1] == b'* LIST () "." INBOX'
    ok(one, b"CREATE INBOX.below")
    assert ok(one, b"SELECT inbox.below")[-1] == b'* LIST () "." INBOX.below ("OLDNAME" (inbox.below))'
    assert ok(one, b"RENAME INBOX archive") == []


def test_utf8_accept_alone_tells_no_old_names(house: House) -> None:
    one = client(house, b"UTF8=ACCEPT")
    assert ok(one, b'CREATE "%b"' % DECOMPOSED) == []
    assert ok(one, b'LIST "" c*') == [b'* LIST (\\HasNoChildren) "." "%b"' % COMPOSED]
    assert not [line for line in ok(one, b'SELECT "%b"' % DECOMPOSED) if b"LIST" in line]


def test_rev2_names_that_are_not_utf8_are_refused(house: House) -> None:
    one = client(house, b"IMAP4rev2")
    for line in (b'CREATE "\xe9"', b'SELECT "\xff"', b'RENAME INBOX "\xc3"', b"STATUS {1+}\r\n\xe9 (MESSAGES)"):
        assert one.command(line)[-1].startswith(b"TAG NO [CANNOT]"), line
    assert ok(one, b'LIST "" "\xe9*"') == []


NAMES = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="./~"), min_size=1, max_size=30
).filter(lambda name: name.upper() != "INBOX" and len(mutf7.encode(name)) < 250)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(NAMES)
@example("&")
@example("&AOk-")
@example('"\\"')
@example("NIL")
@example("*%")
@example("e\u0301")
@example("\U0001f4e7 ")
def test_rev2_names_go_to_and_fro_in_each_mode(house: House, name: str) -> None:
    """What a client creates it is told again, and the other finds it under its name in the other encoding."""
    old, new = client(house), client(house, b"IMAP4rev2")
    made, said = normalize("NFC", name), name.encode()
    try:
        ok(new, b"CREATE {%d+}\r\n%b" % (len(said), said))
        assert _listed(new) == [made.encode()]
        assert _listed(old) == [mutf7.encode(made)]
        ok(old, b"DELETE {%d+}\r\n%b" % (len(mutf7.encode(made)), mutf7.encode(made)))
        said = mutf7.encode(name)
        ok(old, b"CREATE {%d+}\r\n%b" % (len(said), said))
        assert _listed(old) == [said]
        assert _listed(new) == [name.encode()]
        ok(new, b"DELETE {%d+}\r\n%b" % (len(name.encode()), name.encode()))
        assert _listed(old) == []
    finally:
        for one in (old, new):
            one.session.lost()


def _listed(one: Client) -> list[bytes]:
    """The names of all mailboxes but INBOX, without their quotes."""
    lines = ok(one, b'LIST "" *')
    found = [line.partition(b'"." ')[2] for line in lines if not line.endswith(b" INBOX")]
    return [
        name[1:-1].replace(b'\\"', b'"').replace(b"\\\\", b"\\") if name.startswith(b'"') else name for name in found
    ]
