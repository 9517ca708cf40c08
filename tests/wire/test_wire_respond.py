"""Values in IMAP responses: what is written is read back by the cursor."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doocot.wire import respond
from doocot.wire.cursor import Cursor
from doocot.wire.frames import Announced, Frame, Frames


def cursor(wire: bytes) -> Cursor:
    """The cursor over what a peer reads when this comes over the wire."""
    frames = Frames(1 << 20)
    frames.feed(wire + b"\r\n")
    while not isinstance(seen := frames.next(), Frame):
        assert isinstance(seen, Announced)
        frames.memory()
    assert frames.pending_bytes == 0
    return Cursor(seen)


@pytest.mark.parametrize(
    ("value", "quoted", "string", "astring"),
    [
        (b"", b'""', b'""', b'""'),
        (b"a", b'"a"', b'"a"', b"a"),
        (b"a b", b'"a b"', b'"a b"', b'"a b"'),
        (b'a"b\\c', b'"a\\"b\\\\c"', b'"a\\"b\\\\c"', b'"a\\"b\\\\c"'),
        (b"NIL", b'"NIL"', b'"NIL"', b'"NIL"'),
        (b"nil", b'"nil"', b'"nil"', b'"nil"'),
        (b"NILE", b'"NILE"', b'"NILE"', b"NILE"),
        (b"a]b", b'"a]b"', b'"a]b"', b"a]b"),
        (b"a%", b'"a%"', b'"a%"', b'"a%"'),
        (b"\xe9", b'"\xe9"', b"{1}\r\n\xe9", b"{1}\r\n\xe9"),
        (b"a\tb", b'"a\tb"', b'"a\tb"', b'"a\tb"'),
    ],
)
def test_strings(value: bytes, quoted: bytes, string: bytes, astring: bytes) -> None:
    assert respond.quoted(value) == quoted
    assert respond.string(value) == string
    assert respond.nstring(value) == string
    assert respond.astring(value) == astring


@pytest.mark.parametrize("value", [b"a\rb", b"a\nb", b"a\0b"])
def test_what_cannot_be_quoted(value: bytes) -> None:
    assert respond.string(value) == b"{3}\r\n" + value
    with pytest.raises(ValueError, match="cannot stand in a quoted string"):
        respond.quoted(value)


def test_nothing_is_nil() -> None:
    assert respond.nstring(None) == b"NIL"


VALUE = st.binary(max_size=30).map(lambda value: value.replace(b"\0", b"")) | st.text(
    alphabet='ab"\\ NIL]%*(', max_size=6
).map(str.encode)


@given(VALUE)
def test_strings_are_read_back(value: bytes) -> None:
    for wire in (respond.string(value), respond.astring(value), respond.nstring(value), respond.literal(value)):
        reading = cursor(wire)
        assert reading.astring() == value
        reading.end()
    assert cursor(respond.string(value)).string() == value
    assert cursor(respond.nstring(value)).nstring() == value


@given(st.text(max_size=20).filter(lambda name: "\0" not in name and name.upper() != "INBOX"))
def test_mailbox_names_are_read_back(name: str) -> None:
    for utf8 in (False, True):
        reading = cursor(respond.mailbox(name, utf8))
        reading.utf8 = utf8
        assert reading.mailbox() == name
        reading.end()


@pytest.mark.parametrize(
    ("name", "utf8", "wire"),
    [
        ("INBOX", False, b"INBOX"),
        ("Sent Items", False, b'"Sent Items"'),
        ("Entwürfe", False, b"Entw&APw-rfe"),
        ("Entwürfe", True, '"Entwürfe"'.encode()),
        ("R&D", False, b"R&-D"),
        ("R&D", True, b"R&D"),
        ("nil", False, b'"nil"'),
        ("é\n", True, b"{3}\r\n\xc3\xa9\n"),
    ],
)
def test_mailbox_names(name: str, utf8: bool, wire: bytes) -> None:
    assert respond.mailbox(name, utf8) == wire


def test_flag_list() -> None:
    assert respond.flag_list(()) == b"()"
    assert respond.flag_list((b"\\Seen", b"$Junk")) == b"(\\Seen $Junk)"


def test_status_responses() -> None:
    assert respond.tagged(b"a1", b"OK", "NOOP completed.") == b"a1 OK NOOP completed.\r\n"
    assert respond.tagged(b"a1", b"OK", b"Done.", b"READ-WRITE") == b"a1 OK [READ-WRITE] Done.\r\n"
    assert respond.tagged(b"*", b"BYE", "Logging out") == b"* BYE Logging out\r\n"
    assert respond.untagged(b"5 EXISTS") == b"* 5 EXISTS\r\n"
    assert respond.continuation() == b"+ OK\r\n"
    assert respond.continuation(b"") == b"+ \r\n"


@given(st.text() | st.binary())
def test_no_text_makes_a_second_line(text: str | bytes) -> None:
    for wire in (respond.tagged(b"a", b"NO", text), respond.tagged(b"a", b"NO", text, b"ALERT")):
        assert wire.endswith(b"\r\n")
        assert not {0, 10, 13} & set(wire[:-2])


def test_text_is_ascii() -> None:
    assert (
        respond.tagged(b"a", b"NO", "kein \N{LATIN SMALL LETTER U WITH DIAERESIS}\r\n* OK") == b"a NO kein ?  * OK\r\n"
    )
