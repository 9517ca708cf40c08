"""The grammar of RFC 3501 §9, rule by rule: what is taken, what is refused and where the cursor then is."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doocot.wire.cursor import MAX_LIST_ITEMS, BadSyntax, Cursor
from doocot.wire.frames import Frame
from doocot.wire.numset import SAVED, STAR, NumSet

Rule = Callable[[Cursor], Any]


class Held:
    """A spool as the cursor sees it."""

    size = 0

    def write(self, data: bytes) -> None: ...

    def abort(self) -> None: ...


def take(rule: Rule, text: bytes, *literals: bytes, utf8: bool = False) -> Any:
    """The value of the rule, which is the same with anything behind it that ends it, and with anything before it."""
    cursor = Cursor(text, literals, utf8=utf8)
    value = rule(cursor)
    cursor.end()
    behind = Cursor(text + b" )x", literals, utf8=utf8)
    assert rule(behind) == value
    assert behind.rest() == b" )x"
    before = Cursor(b"x (" + text, literals, utf8=utf8)
    before.expect(b"x (")
    assert rule(before) == value
    before.end()
    return value


def refused(rule: Rule, text: bytes, *literals: bytes, utf8: bool = False) -> BadSyntax:
    """The error for a text that the rule does not take, or takes only the beginning of."""
    cursor = Cursor(b"x " + text, literals, utf8=utf8)
    cursor.expect(b"x ")
    with pytest.raises(BadSyntax) as caught:  # noqa: PT012 - either may find it
        rule(cursor)
        cursor.end()
    assert 2 <= caught.value.position <= 2 + len(text)
    assert caught.value.text
    return caught.value


def test_a_command_of_rfc3501() -> None:
    c = Cursor(Frame(b"A003 APPEND saved-messages (\\Seen) {5}\r\n", (b"Date:",)))
    assert c.tag() == b"A003"
    assert c.sp().keyword() == b"APPEND"
    assert c.sp().mailbox() == "saved-messages"
    assert c.sp().flag_list() == (b"\\Seen",)
    assert c.sp().at_literal()
    assert c.literal() == b"Date:"
    c.end()


def test_more_spaces_than_one_are_taken_and_none_is_not() -> None:
    c = Cursor(b"a  NOOP ")
    assert (c.tag(), c.sp().atom()) == (b"a", b"NOOP")
    c.end()
    with pytest.raises(BadSyntax, match="an argument is missing"):
        Cursor(b"").sp()
    with pytest.raises(BadSyntax, match="a space was expected"):
        Cursor(b"\tx").sp()
    with pytest.raises(BadSyntax, match="more than the command takes"):
        Cursor(b" x").end()


def test_peeks_do_not_move() -> None:
    c = Cursor(b"(a)")
    assert c.at(b"(")
    assert not c.at(b")")
    assert not c.take(b")")
    assert not c.try_sp()
    assert c.open_paren().atom() == b"a"
    assert not c.at_end()
    with pytest.raises(BadSyntax, match=r"\( was expected"):
        c.open_paren()
    c.close_paren()
    assert c.at_end()
    assert c.rest() == b""


@pytest.mark.parametrize("text", [b"a1", b"A003", b"]", b"a[b]", b"!#$&',-./:;<=>?@^_`|}~"])
def test_tag(text: bytes) -> None:
    assert take(Cursor.tag, text) == text


@pytest.mark.parametrize(
    "text", [b"", b" ", b"+", b"a+b", b"*", b"a*", b'a"', b"a\\", b"a{", b"a(", b"a%", b"a\x7f", b"a\xe9", b"a\0b"]
)
def test_not_a_tag(text: bytes) -> None:
    refused(Cursor.tag, text)


@pytest.mark.parametrize("text", [b"a", b"NIL", b"a[b", b"a+b", b"!#$&'+,-./:;<=>?@[^_`|}~", b"RFC822.SIZE"])
def test_atom(text: bytes) -> None:
    assert take(Cursor.atom, text) == text


@pytest.mark.parametrize(
    "text", [b"", b"a]", b"a b", b"(", b"a)", b'"a"', b"a%", b"a*", b"a{1", b"\\Seen", b"a\xc3\xa9", b"a\x01", b"a\0"]
)
def test_not_an_atom(text: bytes) -> None:
    refused(Cursor.atom, text)


def test_keyword_is_in_capitals_and_ends_before_a_bracket() -> None:
    assert take(Cursor.keyword, b"Fetch") == b"FETCH"
    c = Cursor(b"body.peek[header]<0.5>")
    assert c.keyword() == b"BODY.PEEK"
    assert c.expect(b"[").keyword() == b"HEADER"
    assert c.rest() == b"]<0.5>"


STRINGS = [
    (b'""', b""),
    (b'"a b"', b"a b"),
    (b'"a\\"b\\\\c"', b'a"b\\c'),
    (b'"\\\\"', b"\\"),
    (b'"x\\q"', b"xq"),
    (b'"caf\xc3\xa9\xff"', b"caf\xc3\xa9\xff"),
    (b'"(){%*]\t"', b"(){%*]\t"),
    (b'"NIL"', b"NIL"),
    (b'"{5}"', b"{5}"),
]


@pytest.mark.parametrize(("text", "value"), STRINGS)
def test_quoted_string(text: bytes, value: bytes) -> None:
    for rule in (Cursor.string, Cursor.astring, Cursor.nstring):
        assert take(rule, text) == value


@pytest.mark.parametrize("text", [b"{5}\r\n", b"{5+}\r\n", b"{05}\r\n"])
def test_literal_string(text: bytes) -> None:
    for rule in (Cursor.string, Cursor.astring, Cursor.nstring, Cursor.literal):
        assert take(rule, text, b'a"\r\n\xff') == b'a"\r\n\xff'


@pytest.mark.parametrize(
    "text",
    [b"", b'"', b'"a', b'"a\\"', b'"a\rb"', b'"a\nb"', b'"a\0b"', b'"\\\0"', b'"\\\r"', b'"a"b', b'a"b"', b"{5}",
     b"{5}\r\n", b"~{5}\r\n", b"(", b"a(", b"a\xe9", b"\xe9", b"a%", b"\\a", b"{x}\r\n"],
)  # fmt: skip
def test_not_a_string(text: bytes) -> None:
    for rule in (Cursor.string, Cursor.astring, Cursor.nstring):
        refused(rule, text)


def test_string_in_a_binary_literal_or_a_spool_or_with_nul() -> None:
    assert "binary" in refused(Cursor.string, b"~{1}\r\n", b"a").text
    for rule in (Cursor.string, Cursor.astring, Cursor.nstring):
        assert "NUL" in refused(rule, b"{1}\r\n", b"\0").text
        with pytest.raises(BadSyntax, match="too large"):
            rule(Cursor(b"{1}\r\n", (Held(),)))


def test_literal_may_be_binary_or_a_spool() -> None:
    held = Held()
    c = Cursor(b"~{3}\r\n {9}\r\n", (b"\0\1\2", held))
    assert c.literal() == b"\0\1\2"
    assert c.sp().literal() is held
    c.end()
    for text in (b"", b"a", b'"a"', b"{1}"):
        refused(Cursor.literal, text, b"a")


def test_unfinished_quotes_before_a_literal_are_refused() -> None:
    """The cutting of frames knows no quotes; the grammar does, and nothing of the literal becomes a command."""
    refused(Cursor.astring, b'"abc {3}\r\n"', b"x\r\n")
    refused(Cursor.astring, b"abc{3}\r\n", b"abc")


@pytest.mark.parametrize("text", [b"a", b"a]b", b"nil", b"INBOX.a[b]", b"5", b"+", b"a}b"])
def test_astring_may_be_an_atom(text: bytes) -> None:
    assert take(Cursor.astring, text) == text
    refused(Cursor.string, text)


@pytest.mark.parametrize("text", [b"NIL", b"nil", b"Nil"])
def test_nstring_may_be_nil(text: bytes) -> None:
    assert take(Cursor.nstring, text) is None
    refused(Cursor.nstring, text + b"x")


@pytest.mark.parametrize(
    ("rule", "least", "most"),
    [
        (Cursor.number, 0, 2**32 - 1),
        (Cursor.nz_number, 1, 2**32 - 1),
        (Cursor.number64, 0, 2**63 - 1),
        (Cursor.mod_sequence_value, 1, 2**63 - 1),
        (Cursor.mod_sequence_valzer, 0, 2**63 - 1),
    ],
)
def test_numbers_and_their_limits(rule: Rule, least: int, most: int) -> None:
    for value in (least, 1, 2, most):
        assert take(rule, b"%d" % value) == value
    assert take(rule, b"007") == 7
    for text in (b"%d" % (least - 1), b"%d" % (most + 1), b"9" * 5000, b"", b"a", b"-1", b"+1", b"1a", b"1.5", b"\xb2"):
        refused(rule, text)


def test_sequence_set() -> None:
    assert take(Cursor.sequence_set, b"2,4:7,12:*") == NumSet(((2, 2), (4, 7), (12, STAR)))
    assert take(Cursor.sequence_set, b"$") == SAVED
    for text in (b"", b"0", b"1,", b"1:2:3", b"4294967296", b"a", b"1;2", b"$1", b"(1)"):
        refused(Cursor.sequence_set, text)
    assert "4294967295" in refused(Cursor.sequence_set, b"1:4294967296").text


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b"INBOX", "INBOX"),
        (b"iNbOx", "INBOX"),
        (b'"inbox"', "INBOX"),
        (b"inbox/a", "inbox/a"),
        (b'""', ""),
        (b'"Sent Items"', "Sent Items"),
        (b"Entw&APw-rfe", "Entwürfe"),
        (b"R&-D", "R&D"),
        (b"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"),
    ],
)
def test_mailbox(text: bytes, name: str) -> None:
    assert take(Cursor.mailbox, text) == name


def test_mailbox_in_a_literal() -> None:
    assert take(Cursor.mailbox, b"{5+}\r\n", b"InBoX") == "INBOX"


@pytest.mark.parametrize("text", [b"", b"a&b", b"&AGE-", b'"na\xc3\xafve"', b'"a\x01b"', b"a*", b"a%b", b"(a)"])
def test_not_a_mailbox(text: bytes) -> None:
    refused(Cursor.mailbox, text)


def test_mailbox_in_utf8() -> None:
    assert take(Cursor.mailbox, '"Entwürfe"'.encode(), utf8=True) == "Entwürfe"
    assert take(Cursor.mailbox, b"R&D", utf8=True) == "R&D"
    assert "UTF-8" in refused(Cursor.mailbox, b'"a\xff"', utf8=True).text


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        (b"*", "*"),
        (b"%", "%"),
        (b'""', ""),
        (b"~/Mail/%", "~/Mail/%"),
        (b"Entw&APw-*", "Entwürfe"[:5] + "*"),
        (b'"a b*"', "a b*"),
        (b"&*", "&*"),
        (b'"na\xc3\xafve*"', "naïve*"),
        (b'"a\xff"', "a\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_list_mailbox(text: bytes, pattern: str) -> None:
    assert take(Cursor.list_mailbox, text) == pattern


def test_not_a_list_mailbox() -> None:
    for text in (b"", b"(", b"a(", b"a\\b", b"a\xe9", b"a{"):
        refused(Cursor.list_mailbox, text)


def test_flag_has_the_case_of_the_rfc() -> None:
    assert take(Cursor.flag, b"\\SEEN") == b"\\Seen"
    assert take(Cursor.flag, b"\\answered") == b"\\Answered"
    assert take(Cursor.flag, b"$Forwarded") == b"$Forwarded"
    assert take(Cursor.flag, b"seen") == b"seen"
    assert take(Cursor.flag, b"\\X-mine") == b"\\X-mine"
    for text in (b"", b"\\", b"\\*", b'"a"', b"a]", b"\\\\Seen", b"a\xe9", b"(a)"):
        refused(Cursor.flag, text)


def test_flag_list_and_flags() -> None:
    assert take(Cursor.flag_list, b"()") == ()
    assert take(Cursor.flag_list, b"( )") == ()
    assert take(Cursor.flag_list, b"(\\seen $a)") == (b"\\Seen", b"$a")
    assert take(Cursor.flag_list, b"( \\seen  $a )") == (b"\\Seen", b"$a")
    assert take(Cursor.flags, b"(\\seen $a)") == (b"\\Seen", b"$a")
    plain = Cursor(b"\\seen $a ")
    assert plain.flags() == (b"\\Seen", b"$a")
    plain.end()
    for text in (b"", b"(", b"(a", b"(a ", b"(a b", b"(a;)b", b"((a))", b"(a))", b"(a(b))"):
        refused(Cursor.flag_list, text)


def test_paren_list_is_bounded() -> None:
    def items(limit: int) -> Rule:
        return lambda cursor: cursor.paren_list(cursor.nz_number, limit=limit)

    assert take(items(3), b"(1 2 3)") == [1, 2, 3]
    assert "more than 3 items" in refused(items(3), b"(1 2 3 4)").text
    refused(items(3), b"()")
    many = b"(" + b"1 " * MAX_LIST_ITEMS + b"1)"
    assert "more than" in refused(lambda cursor: cursor.paren_list(cursor.number), many).text


@pytest.mark.parametrize(
    ("text", "day"),
    [
        (b"1-Feb-1994", date(1994, 2, 1)),
        (b"01-feb-1994", date(1994, 2, 1)),
        (b'"1-FEB-1994"', date(1994, 2, 1)),
        (b"29-Feb-2024", date(2024, 2, 29)),
        (b"31-Dec-9999", date(9999, 12, 31)),
    ],
)
def test_date(text: bytes, day: date) -> None:
    assert take(Cursor.date, text) == day


@pytest.mark.parametrize(
    "text",
    [b"", b"1-Feb-94", b"001-Feb-1994", b"1-Foo-1994", b"30-Feb-1994", b"0-Feb-1994", b"1-Feb-0000", b'"1-Feb-1994',
     b'1-Feb-1994"', b"1/Feb/1994", b" 1-Feb-1994x", b"1-Feb-19945"],
)  # fmt: skip
def test_not_a_date(text: bytes) -> None:
    refused(Cursor.date, text)


def test_date_time_of_rfc3501() -> None:
    """RFC 3501 §6.3.11 has no example of it; this is the one of §7.4.2 (INTERNALDATE)."""
    moment = datetime(1996, 7, 17, 2, 44, 25, tzinfo=timezone(timedelta(hours=-7)))
    assert take(Cursor.date_time, b'"17-Jul-1996 02:44:25 -0700"') == (int(moment.timestamp()), -420)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'" 1-Jan-1970 00:00:00 +0000"', (0, 0)),
        (b'"1-Jan-1970 00:00:00 +0000"', (0, 0)),
        (b'"01-jan-1970 05:30:00 +0530"', (0, 330)),
        (b'"31-Dec-1969 23:59:60 +0000"', (0, 0)),
        (b'"31-Dec-1969 23:29:59 -0030"', (-1, -30)),
    ],
)
def test_date_time(text: bytes, value: tuple[int, int]) -> None:
    assert take(Cursor.date_time, text) == value


@pytest.mark.parametrize(
    "inside",
    [b"", b"17-Jul-1996", b"17-Jul-1996 02:44:25", b"17-Jul-1996 2:44:25 +0000", b"17-Jul-1996 24:00:00 +0000",
     b"17-Jul-1996 00:60:00 +0000", b"17-Jul-1996 00:00:61 +0000", b"17-Jul-1996 00:00:00 +2400",
     b"17-Jul-1996 00:00:00 +0060", b"17-Jul-1996 00:00:00 GMT", b"31-Jun-1996 00:00:00 +0000",
     b"00-Jul-1996 00:00:00 +0000", b"17-Jux-1996 00:00:00 +0000", b"17-Jul-0000 00:00:00 +0000",
     b"17-Jul-1996  02:44:25 +0000"],
)  # fmt: skip
def test_not_a_date_time(inside: bytes) -> None:
    refused(Cursor.date_time, b'"%b"' % inside)
    refused(Cursor.date_time, inside)


MONTHS = ["", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
MINUTES = st.integers(-23 * 60 - 59, 23 * 60 + 59)


@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31)).map(lambda when: when.replace(microsecond=0)), MINUTES)
def test_any_moment_in_any_zone(when: datetime, offset: int) -> None:
    sign = "-" if offset < 0 else "+"
    hours, minutes = divmod(abs(offset), 60)
    text = f'"{when.day:2}-{MONTHS[when.month]}-{when.year:04} {when:%H:%M:%S} {sign}{hours:02}{minutes:02}"'
    moment = when.replace(tzinfo=UTC) - timedelta(minutes=offset)
    wanted = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    assert Cursor(text.encode()).date_time() == (wanted, offset)


@pytest.mark.parametrize(
    ("text", "value"),
    [(b"=", b""), (b"AA==", b"\0"), (b"AHRpbQB0YW5zdGFhZg==", b"\0tim\0tanstaaf"), (b"+/+/", b"\xfb\xff\xbf")],
)
def test_base64(text: bytes, value: bytes) -> None:
    assert take(Cursor.base64, text) == value


@pytest.mark.parametrize(
    "text", [b"A", b"AA", b"AAA", b"A===", b"AA=A", b"==", b"=A", b"AAAA=", b"AA==AA==", b"A-_A", b"*"]
)
def test_not_base64(text: bytes) -> None:
    refused(Cursor.base64, text)


def test_base64_may_be_empty() -> None:
    empty = Cursor(b"")
    assert empty.base64() == b""
    empty.end()


RULES: list[Rule] = [
    Cursor.tag, Cursor.atom, Cursor.keyword, Cursor.astring, Cursor.string, Cursor.nstring, Cursor.literal,
    Cursor.number, Cursor.sequence_set, Cursor.mailbox, Cursor.list_mailbox, Cursor.flag, Cursor.flag_list,
    Cursor.flags, Cursor.date, Cursor.date_time, Cursor.base64, Cursor.sp,
]  # fmt: skip


@given(
    st.binary(max_size=20) | st.text(alphabet='(){}"\\ \r\n&-:,*$19aNIL+=/~', max_size=16).map(str.encode),
    st.lists(st.binary(max_size=3), max_size=2),
)
def test_any_text_is_taken_or_bad_syntax(text: bytes, literals: list[bytes]) -> None:
    for utf8 in (False, True):
        for rule in RULES:
            cursor = Cursor(text, literals, utf8=utf8)
            try:
                rule(cursor)
            except BadSyntax as error:
                cursor.position = error.position
            assert 0 <= cursor.position <= len(text)


def test_long_nonsense_costs_no_more_than_its_length() -> None:
    """Patterns that could go back and forth; with quadratic work these would take minutes."""
    size = 1 << 20
    for rule, text in (
        (Cursor.string, b'"' + b"\\a" * size),
        (Cursor.astring, b'"' + b"a" * size),
        (Cursor.sequence_set, b"1," * size),
        (Cursor.sequence_set, b"1:" * size),
        (Cursor.number, b"1" * size),
        (Cursor.base64, b"A" * size + b"==="),
        (Cursor.flag_list, b"(" + b"a " * size),
        (Cursor.mailbox, b'"' + b"&" * size + b'"'),
        (Cursor.mailbox, b'"' + b"&A" * size + b'"'),
    ):
        refused(rule, text)
