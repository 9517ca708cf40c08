"""METADATA (RFC 5464), LIST-METADATA (RFC 9590) and CREATE-SPECIAL-USE (RFC 6154), by sessions without a socket."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from doocot.mailbox import metadata
from doocot.mailbox.metadata import Rules
from doocot.store.recovery import write_recovery
from doocot.wire.flow import More
from tests.imap.harness import Client, House, spaces_from

SPECIALS = """
namespace inbox {
  inbox = yes
  mailbox Sent {
    special_use = \\Sent
    comment = What was sent
  }
}
"""
GET_DONE, SET_DONE = b"TAG OK Getmetadata completed.", b"TAG OK Setmetadata completed."


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path / "mail", spaces_from(SPECIALS))
    yield made
    made.close()


def ok(client: Client, *lines: bytes) -> None:
    for line in lines:
        answer = client.command(line)
        assert answer[-1].startswith(b"TAG OK"), answer


def change_rules(house: House, **values: object) -> None:
    house.context = replace(house.context, metadata=Rules(**values))  # type: ignore[arg-type]


def test_what_is_set_is_got_by_every_session(house: House) -> None:
    one, two = house.login(), house.login()
    assert one.command(b'SETMETADATA INBOX (/private/comment "mine" /shared/Comment {4+}\r\nours)') == [SET_DONE]
    assert two.command(b"GETMETADATA inbox (/private/COMMENT /shared/comment /private/none)") == [
        b'* METADATA INBOX (/private/comment "mine" /shared/comment "ours" /private/none NIL)',
        GET_DONE,
    ]
    ok(two, b"SETMETADATA INBOX (/private/comment NIL /private/never NIL)")
    assert one.command(b"GETMETADATA INBOX /private/comment")[0] == b"* METADATA INBOX (/private/comment NIL)"


def test_values_keep_their_octets(house: House) -> None:
    client = house.login()
    ok(client, b'SETMETADATA INBOX (/private/a "" /private/b ~{5+}\r\na\0b\r\n /private/c {3+}\r\n\xe2\x82\xac)')
    answer = client.send(b"x GETMETADATA INBOX (/private/a /private/b /private/c)")
    assert answer == (
        b'* METADATA INBOX (/private/a "" /private/b ~{5}\r\na\0b\r\n /private/c {3}\r\n\xe2\x82\xac)\r\n'
        b"x OK Getmetadata completed.\r\n"
    )


def test_depth_and_max_size(house: House) -> None:
    client = house.login()
    ok(client, b'SETMETADATA INBOX (/private/f "0" /private/f/a "12" /private/f/a/b "123" /private/fg "no")')
    assert client.command(b"GETMETADATA (DEPTH 1) INBOX /private/f") == [
        b'* METADATA INBOX (/private/f "0" /private/f/a "12")',
        GET_DONE,
    ]
    assert client.command(b"GETMETADATA (DEPTH infinity MAXSIZE 2) INBOX (/private/f)") == [
        b'* METADATA INBOX (/private/f "0" /private/f/a "12")',
        b"TAG OK [METADATA LONGENTRIES 3] Getmetadata completed.",
    ]
    # Behind the mailbox, as in the examples of RFC 5464 §4.2.1.
    assert client.command(b"GETMETADATA INBOX (MAXSIZE 0) /private/f") == [
        b"TAG OK [METADATA LONGENTRIES 1] Getmetadata completed."
    ]
    assert client.command(b"GETMETADATA (DEPTH 1) INBOX (/private/none)") == [GET_DONE]
    assert client.command(b"GETMETADATA (DEPTH infinity) INBOX /private")[0].count(b"/private/f") == 4


def test_the_server_has_entries_by_the_configuration_and_by_the_user(house: House) -> None:
    change_rules(house, comment="a server", admin="mailto:admin@example.org")
    client = house.login()
    assert client.command(b'GETMETADATA (DEPTH infinity) "" (/shared /private/x)') == [
        b'* METADATA "" (/shared/admin "mailto:admin@example.org" /shared/comment "a server")',
        GET_DONE,
    ]
    assert client.command(b'SETMETADATA "" (/shared/comment "mine")')[-1].startswith(b"TAG NO [NOPERM]")
    ok(client, b'SETMETADATA "" (/private/filters/values/Boss "FROM boss")')
    assert client.command(b'GETMETADATA "" /private/filters/values/boss')[0] == (
        b'* METADATA "" (/private/filters/values/boss "FROM boss")'
    )
    assert metadata.filter_text(client.mail, "BOSS") == b"FROM boss"
    assert metadata.filter_text(client.mail, "other") is None


def test_a_mailbox_has_the_comment_of_the_configuration_until_it_has_its_own(house: House) -> None:
    client = house.login()
    ok(client, b"CREATE Sent")
    assert client.command(b"GETMETADATA Sent (/shared/comment /private/specialuse)")[0] == (
        b'* METADATA Sent (/shared/comment "What was sent" /private/specialuse "\\\\Sent")'
    )
    ok(client, b'SETMETADATA Sent (/shared/comment "other")')
    assert client.command(b"GETMETADATA Sent /shared/comment")[0] == b'* METADATA Sent (/shared/comment "other")'


def test_entries_go_with_the_mailbox_and_along_with_its_name(house: House) -> None:
    client = house.login()
    ok(client, b"CREATE a", b'SETMETADATA a (/private/comment "1")', b"RENAME a b")
    assert client.command(b"GETMETADATA b /private/comment")[0] == b'* METADATA b (/private/comment "1")'
    assert client.command(b"GETMETADATA a /private/comment")[-1].startswith(b"TAG NO [NONEXISTENT]")
    ok(client, b"DELETE b", b"CREATE b")
    assert client.command(b"GETMETADATA b /private/comment")[0] == b"* METADATA b (/private/comment NIL)"
    ok(client, b'SETMETADATA INBOX (/private/comment "inbox")', b"RENAME INBOX c")
    assert client.command(b"GETMETADATA INBOX /private/comment")[0] == b'* METADATA INBOX (/private/comment "inbox")'


def test_bounds(house: House) -> None:
    change_rules(house, max_size=10, max_entries=3, max_total=80)
    client = house.login()
    assert client.command(b'SETMETADATA INBOX (/private/a "12345678901")')[-1].startswith(
        b"TAG NO [METADATA MAXSIZE 10]"
    )
    assert client.command(b"SETMETADATA INBOX (/private/a {11}")[-1].startswith(b"TAG NO [METADATA MAXSIZE 10]")
    ok(client, b'SETMETADATA INBOX (/private/a "1" /private/b "2" /private/c "3")')
    # All or none.
    assert client.command(b'SETMETADATA INBOX (/private/a "9" /private/d "4")')[-1].startswith(
        b"TAG NO [METADATA TOOMANY]"
    )
    assert client.command(b"GETMETADATA INBOX /private/a")[0] == b'* METADATA INBOX (/private/a "1")'
    ok(client, b'SETMETADATA INBOX (/private/a "4" /private/b NIL)')
    ok(client, b'SETMETADATA "" (/private/x "1234567890")')
    assert client.command(b'SETMETADATA "" (/private/y "1234567890" /private/zzzzzzzzz "1234567890")')[-1].startswith(
        b"TAG NO [OVERQUOTA]"
    )


def test_long_answers_come_in_parts(house: House) -> None:
    client = house.login()
    value = b"x" * 40_000
    for number in range(3):
        ok(client, b"SETMETADATA INBOX (/private/v/%d {%d+}\r\n%b)" % (number, len(value), value))
    answer = client.send(b"x GETMETADATA (DEPTH 1) INBOX /private/v")
    assert answer.count(b"* METADATA INBOX (/private/v/") == 2
    assert answer.count(value) == 3
    assert answer.endswith(b")\r\nx OK Getmetadata completed.\r\n")


def test_others_have_their_turn_between_many_entries(house: House) -> None:
    client = house.login()
    values = b" ".join(b'/private/v/%d "%d"' % (number, number) for number in range(900))
    ok(client, b"SETMETADATA INBOX (%b)" % values)
    for line in (
        b"GETMETADATA (DEPTH 1) INBOX /private/v",
        b"GETMETADATA INBOX (%b)" % b" ".join(b"/private/v/%d" % number for number in range(900)),
        b"GETMETADATA (DEPTH 1) INBOX (%b)" % b" ".join(b"/private/none/%d" % number for number in range(900)),
    ):
        turns, out = 0, client.session.receive(b"x %b\r\n" % line)
        while isinstance(client.session.pending, More):
            client.session.pending = None
            out += client.session.resume(None)
            turns += 1
        assert out.endswith(b"x OK Getmetadata completed.\r\n")
        assert turns >= 900 // 50


BAD = (
    *(b"GETMETADATA", b"GETMETADATA INBOX", b"GETMETADATA INBOX ()", b"GETMETADATA INBOX (/private/a", b"SETMETADATA"),
    *(b"GETMETADATA () INBOX /private/a", b"GETMETADATA (DEPTH) INBOX /private/a", b"GETMETADATA INBOX comment"),
    *(b"GETMETADATA (DEPTH 2) INBOX /private/a", b"GETMETADATA (MAXSIZE x) INBOX /private/a", b"GETMETADATA INBOX /"),
    *(b"GETMETADATA (NOSUCH 1) INBOX /private/a", b"GETMETADATA INBOX /private/", b"GETMETADATA INBOX /private//a"),
    *(b"GETMETADATA INBOX /other/a", b'GETMETADATA INBOX "/private/*"', b'GETMETADATA INBOX "/private/%"'),
    *(b"GETMETADATA INBOX /private/a x", b'GETMETADATA INBOX "/private/\xc3\xa4"', b"GETMETADATA INBOX /privateer/a"),
    *(
        b"SETMETADATA INBOX",
        b"SETMETADATA INBOX ()",
        b"SETMETADATA INBOX (/private/a)",
        b"SETMETADATA (/private/a NIL)",
    ),
    *(b"SETMETADATA INBOX (/private/a atom)", b"SETMETADATA INBOX /private/a NIL", b"SETMETADATA INBOX (a NIL)"),
    *(b"SETMETADATA INBOX (/private/a NIL) x", b"GETMETADATA INBOX /private/" + b"x" * 2000),
    b"GETMETADATA INBOX (" + b"/private/a " * 1000 + b"/private/b)",
)


@pytest.mark.parametrize("line", BAD)
def test_bad_input_is_bad(house: House, line: bytes) -> None:
    client = house.login()
    assert client.command(line)[-1].startswith(b"TAG BAD"), line
    ok(client, b"NOOP")


def test_before_login_and_without_the_setting(house: House) -> None:
    assert house.connect().command(b"GETMETADATA INBOX /private/a")[-1] == b"TAG BAD Please login first."
    house.context = replace(house.context, metadata=None)
    client = house.login()
    assert b"METADATA" not in client.command(b"CAPABILITY")[0]
    assert client.command(b"GETMETADATA INBOX /private/a")[-1].startswith(b"TAG BAD")
    assert client.command(b"SETMETADATA INBOX (/private/a NIL)")[-1].startswith(b"TAG BAD")
    assert client.command(b'LIST "" * RETURN (METADATA (/private/a))')[-1].startswith(b"TAG BAD")
    assert client.command(b"ENABLE METADATA")[0] == b"* ENABLED"


def test_changes_of_others_are_told_without_values_after_enable(house: House) -> None:
    one, two, three = house.login(), house.login(), house.login()
    ok(one, b"SELECT INBOX", b"CREATE a")
    ok(two, b"SELECT INBOX")
    ok(three, b"SETMETADATA INBOX (/private/before NIL)")
    assert one.command(b"ENABLE METADATA") == [b"* ENABLED METADATA", b"TAG OK Enabled."]
    ok(
        three,
        b'SETMETADATA INBOX (/private/a "1")',
        b'SETMETADATA "" (/private/b "1")',
        b'SETMETADATA a (/private/c "")',
    )
    assert one.command(b"NOOP")[:-1] == [b'* METADATA "" /private/b', b"* METADATA INBOX /private/a"]
    assert one.command(b"NOOP")[:-1] == []
    assert two.command(b"NOOP")[:-1] == []
    assert one.command(b'SETMETADATA INBOX (/private/own "1")') == [SET_DONE]
    assert one.command(b"NOOP")[:-1] == []


def test_list_returns_metadata(house: House) -> None:
    client = house.login()
    ok(client, b"CREATE a", b"CREATE b.c", b'SETMETADATA a (/shared/color "red")')
    assert client.command(b'LIST "" (a b b.c) RETURN (METADATA (/shared/color /private/x) STATUS (MESSAGES))') == [
        b'* LIST () "." a',
        b'* METADATA a (/shared/color "red" /private/x NIL)',
        b"* STATUS a (MESSAGES 0)",
        b'* LIST (\\NonExistent) "." b',
        b'* LIST () "." b.c',
        b"* METADATA b.c (/shared/color NIL /private/x NIL)",
        b"* STATUS b.c (MESSAGES 0)",
        b"TAG OK List completed.",
    ]
    for bad in (b"METADATA", b"METADATA ()", b"METADATA (x)", b"METADATA /a"):
        assert client.command(b'LIST "" * RETURN (%b)' % bad)[-1].startswith(b"TAG BAD"), bad


def test_create_with_a_special_use(house: House) -> None:
    client, other = house.login(), house.login()
    assert other.command(b'LIST (SPECIAL-USE) "" *') == [b"TAG OK List completed."]
    ok(client, b"CREATE Entw (USE (\\drafts \\Important))", b"CREATE Sent (USE (\\Sent \\Trash))")
    assert other.command(b'LIST (SPECIAL-USE) "" *') == [
        b'* LIST (\\Drafts \\Important) "." Entw',
        b'* LIST (\\Sent \\Trash) "." Sent',
        b"TAG OK List completed.",
    ]
    assert client.command(b"GETMETADATA Entw /private/specialuse")[0].startswith(
        b"* METADATA Entw (/private/specialuse "
    )
    for refused in (b"\\All", b"\\Flagged", b"\\NoSuch", b"\\Sent \\All", b"keyword"):
        answer = client.command(b"CREATE x (USE (%b))" % refused)
        assert answer[-1].startswith(b"TAG NO [USEATTR]"), answer
    assert client.command(b"STATUS x (MESSAGES)")[-1].startswith(b"TAG NO [NONEXISTENT]")
    for bad in (b"USE", b"USE ()x", b"USE (\\Sent", b"(NOSUCH (\\Sent))", b"(USE)", b"(USE \\Sent)"):
        assert client.command(b"CREATE x " + bad)[-1].startswith(b"TAG BAD"), bad


def test_a_special_use_is_set_by_metadata_too(house: House) -> None:
    client = house.login()
    ok(client, b"CREATE a", b'SETMETADATA a (/private/specialuse "\\\\junk \\\\JUNK")')
    assert client.command(b'LIST "" a')[0] == b'* LIST (\\HasNoChildren \\Junk) "." a'
    ok(client, b"RENAME a b")
    assert client.command(b'LIST "" b')[0] == b'* LIST (\\HasNoChildren \\Junk) "." b'
    ok(client, b"SETMETADATA b (/private/specialuse NIL)")
    assert client.command(b'LIST "" b')[0] == b'* LIST (\\HasNoChildren) "." b'
    assert client.command(b'SETMETADATA b (/private/specialuse "\\\\All")')[-1].startswith(b"TAG NO [CANNOT]")
    assert client.command(b'SETMETADATA "" (/private/specialuse "\\\\Junk")')[-1].startswith(b"TAG NO [CANNOT]")


def test_xlist_tells_special_uses_and_inbox(house: House) -> None:
    client = house.login()
    ok(client, b"CREATE Sent")
    assert client.command(b'XLIST "" *') == [
        b'* XLIST (\\Inbox \\HasNoChildren) "." INBOX',
        b'* XLIST (\\HasNoChildren \\Sent) "." Sent',
        b"TAG OK Xlist completed.",
    ]
    assert client.command(b'XLIST "" ""')[0] == b'* XLIST (\\Noselect) "." ""'
    assert client.command(b'XLIST "" (a b)')[-1].startswith(b"TAG BAD")
    assert client.command(b"XLIST")[-1].startswith(b"TAG BAD")


def test_entries_come_back_after_a_damaged_index(house: House) -> None:
    client = house.login()
    ok(client, b"CREATE a (USE (\\Archive))", b'SETMETADATA a (/shared/x "with\\"quote" "/private/a b" {2+}\r\n\r\n)')
    ok(client, b'SETMETADATA "" (/private/filters/values/f ALL /private/y "")'.replace(b"ALL", b'"ALL"'))
    write_recovery(house.root)
    house.close()
    for file in house.mail.glob("doocot.index*"):
        file.unlink()
    again = House(house.mail, house.spaces)
    client = again.login()
    assert client.command(b'GETMETADATA "" (/private/filters/values/f /private/y)')[0] == (
        b'* METADATA "" (/private/filters/values/f "ALL" /private/y "")'
    )
    ok(client, b'SETMETADATA "" (/private/y NIL)')
    answer = client.send(b'x GETMETADATA a (/shared/x "/private/a b")')
    assert answer.startswith(b'* METADATA a (/shared/x "with\\"quote" "/private/a b" {2}\r\n\r\n)\r\n')
    assert client.command(b'LIST "" a')[0] == b'* LIST (\\HasNoChildren \\Archive) "." a'
    ok(client, b"SELECT INBOX")
    assert client.command(b'GETMETADATA "" /private/y')[0] == b'* METADATA "" (/private/y NIL)'  # once, not again
    again.close()
