"""The quick ways for what most mail looks like give what the general ways give, and a memo stays small."""

from unittest.mock import patch

from hypothesis import example, given, settings
from hypothesis import strategies as st

from doocot.message import address, scan
from doocot.message import envelope as envelopes
from doocot.message.memo import LONGEST, remembered
from doocot.message.scan import Limits, Part, crlf

HEADS = (
    b"", b"Content-Type: text/html\n", b"Content-Type: image/png\nContent-Transfer-Encoding: base64\n",
    b"Content-Type: message/rfc822\n", b"Content-Type: multipart/mixed; boundary=bb\n", b"no field\n",
)  # fmt: skip
LINES = (b"--b\n", b"--b--\n", b"--bb\n", b"--bb--\n", b"text\n", b"\n", b"--b", b"--", b"Subject: x\n", *HEADS)
TYPES = (b"mixed; boundary=b", b"digest; boundary=b", b"mixed", b'alternative; boundary=""')
WORDS = (b"A", b" ", b"  ", b"\t", b'"', b"\\", b"\0", b"\xe9", b"\n ", b"<a@b>", b"=?utf-8?q?x?=", b"(c)", b",")
ADDRESSES = (
    b"A B",
    b'"C, D"',
    b" ",
    b"<a@b>",
    b"<a.b@c.d>",
    b",",
    b",\n\t",
    b'"',
    b"=?x?=",
    b"\xe9",
    b"e" * 600,
    b"\\",
)

few = settings(max_examples=300, deadline=None)


def joined(pieces: tuple[bytes, ...], most: int) -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from(pieces), max_size=most).map(b"".join)


def outline(part: Part) -> tuple[object, ...]:
    """A part as a value: its Head is compared by identity."""
    head = part.head
    said = head.fields, head.kind, head.content_type, head.is_mime
    return (*part[:5], said, [outline(child) for child in part.children])


@few
@given(
    st.sampled_from(TYPES), joined(LINES, 12).map(lambda rest: b"\n--b\n" + rest), st.integers(1, 4), st.integers(1, 6)
)
@example(TYPES[0], b"\n--b\n\none\n--b\n\ntwo\n--b--\n", 100, 10_000)
@example(TYPES[0], b"\n--b\n\none\n--b\n\ntwo\n--b--\n", 100, 2)
@example(TYPES[0], b"\n--b\n\none\n--b\n\ntwo\n--b--\n", 1, 10_000)
@example(TYPES[0], b"\n--b\nSubject: cut\n--b\n\ntwo\n--b--\n", 100, 10_000)
@example(TYPES[1], b"\n--b\n\n\n--b\nContent-Type: text/plain\n\n\n--b--", 100, 10_000)
def test_leaves_are_read_as_any_part(subtype: bytes, rest: bytes, depth: int, parts: int) -> None:
    data = crlf(b"Content-Type: multipart/" + subtype + b"\n" + rest)
    limits = Limits(depth, parts)
    quick = scan.scan(data, limits)
    with patch.object(scan, "_leaves", lambda _data, start, *_: ([], start)):
        assert outline(quick) == outline(scan.scan(data, limits))


@few
@given(*[joined(WORDS, 6)] * 4, st.booleans())
@example(b"1 Jan 2020 00:00 +0000", b"Subject", b"<a@b>", b"<c@d>", True)
@example(b"", b"", b"", b"", True)
@example(b"x", b"x" * 8180, b"x", b"x", True)
@example(b"x", b"x" * 8181, b"x", b"x", False)
def test_verbatim_values_are_sent_as_any(
    date: bytes, subject: bytes, message_id: bytes, in_reply_to: bytes, is_reply: bool
) -> None:
    header = {b"date": [b"no", date], b"subject": [subject], b"message-id": [message_id], b"from": [b"A <a@b>"]}
    if is_reply:
        header[b"in-reply-to"] = [in_reply_to]
    quick = envelopes.envelope(header)
    with patch.object(envelopes, "is_verbatim", lambda _: False):
        assert quick == envelopes.envelope(header)


def test_a_tab_is_white_space_to_a_phrase() -> None:
    header = {b"date": [b"d"], b"subject": [b"a\tb"], b"message-id": [b"m"]}
    assert envelopes.envelope(header).startswith(b'("d" {3}\r\na b NIL')


@few
@given(joined(ADDRESSES, 8))
@example(b'"A B" <a@b>')
@example(b"<a@b>,C <c@d>")
@example(b'"C, D" <c@d>, E <e@f>')
def test_plain_addresses_are_shown_as_the_grammar_reads_them(value: bytes) -> None:
    assert address.shown(value) == address._shown(address.address_list(value))


def test_memo_keeps_few_and_short_values() -> None:
    asked: list[bytes] = []

    @remembered(2)
    def size(value: bytes) -> int:
        asked.append(value)
        return len(value)

    long = b"x" * (LONGEST + 1)
    assert [size(value) for value in (b"a", b"a", long, long, b"b", b"a")] == [1, 1, LONGEST + 1, LONGEST + 1, 1, 1]
    assert asked == [b"a", long, long, b"b"]
    asked.clear()
    assert [size(b"c"), size(b"a")] == [1, 1]
    assert asked == [b"c", b"a"]
