"""What holds for any octets whatever: nothing raises, offsets are nested and in range, sizes add up."""

import re
import time
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from odd_messages import odd_messages

from doocot.errors import MailError
from doocot.message.address import address_list, shown
from doocot.message.bodystructure import body, bodystructure
from doocot.message.charset import decode, decode_header, header_key, search_key
from doocot.message.dates import internal_date, sent_date
from doocot.message.decode import exact, tolerant
from doocot.message.envelope import envelope
from doocot.message.header import fields, header_fields, header_fields_not, known_fields
from doocot.message.keys import keys
from doocot.message.mime import content_type, disposition, languages, mechanism, transfer_encoding
from doocot.message.quote import nstring, phrase, unfolded
from doocot.message.scan import Kind, Limits, Part, crlf, crlf_chunks, header_end, scan
from doocot.message.sections import Section, binary, find, section
from doocot.message.subject import base_subject
from doocot.message.text import HEADER, file_text_parts, search_text, text_parts
from doocot.message.threads import message_ids

PIECES = (
    b"\n", b"\n\n", b"\r\n", b"\r", b" ", b"\t", b"\0", b"--", b"--b", b"--b--", b"\n--b\n", b"\n--b--\n", b"\n--bb\n",
    b"From: ", b"To: a@b, C <c@d>", b"Subject: =?utf-8?q?x?=", b"Date: 1 Jan 2020 00:00 +0000", b"MIME-Version: 1.0\n",
    b"Content-Type: multipart/mixed; boundary=b\n", b"Content-Type: multipart/digest; boundary=bb\n",
    b"Content-Type: message/rfc822\n", b"Content-Type: text/plain; charset=x\n", b"Content-Transfer-Encoding: base64\n",
    b"Content-Transfer-Encoding: quoted-printable\n", b"Content-Disposition: attachment; f=x\n", b'"', b"\\", b"(",
    b")", b"<", b">", b"@", b":", b";", b",", b"=", b"*", b"?", b"=?", b"?=", b"x", b"\xe9", b"=3D", b"Mg==",
)  # fmt: skip

messages = st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=4)), max_size=60).map(b"".join)
values = st.lists(st.one_of(st.sampled_from(PIECES[20:]), st.binary(max_size=3)), max_size=20).map(b"".join)
few = settings(max_examples=300, deadline=None)


def check_tree(part: Part, data: bytes) -> None:
    """Parts lie inside their parents, one after the other, and a message in a part fills it."""
    assert 0 <= part.start <= part.body <= part.end <= len(data)
    if part.kind in (Kind.TEXT, Kind.MESSAGE):
        assert part.lines == data.count(b"\n", part.body, part.end)
    assert part.children == () or part.kind in (Kind.MULTIPART, Kind.MESSAGE)
    at = part.body
    for child in part.children:
        assert at <= child.start
        check_tree(child, data)
        at = child.end
    assert at <= part.end
    if part.kind is Kind.MESSAGE:
        (inner,) = part.children
        # The line end that a boundary takes from the header inside is still the body's of those around it.
        assert inner.start == part.body
        assert part.end - inner.end in (0, 2)


def check_list(text: bytes) -> None:
    """Parentheses balance outside strings, and every literal has its octets."""
    at, depth = 0, 0
    while at < len(text):
        if found := re.compile(rb'"(?:[^"\\\r\n\x80-\xff]|\\["\\])*"|\{(\d+)\}\r\n|[A-Z0-9]+|[() ]').match(text, at):
            at = found.end() + int(found[1] or 0)
            depth += {b"(": 1, b")": -1}.get(found[0], 0)
            assert depth > 0 or at >= len(text)
        else:
            raise AssertionError(text[at:])
    assert depth == 0
    assert at == len(text)


@few
@given(messages)
@example(b"")
@example(b"Content-Type: multipart/mixed; boundary=\n\n--\n")
def test_scan_never_fails_and_nests(raw: bytes) -> None:
    data = crlf(raw)
    part = scan(data)
    check_tree(part, data)
    assert part.start == 0
    assert part.end == len(data)
    assert part.body == header_end(data)
    for wire in (bodystructure(part), body(part), envelope(part.header)):
        check_list(wire)


@few
@given(messages)
def test_crlf_is_idempotent_and_keeps_all_else(raw: bytes) -> None:
    data = crlf(raw)
    assert crlf(data) == data
    assert data.replace(b"\r\n", b"\n") == raw.replace(b"\r\n", b"\n")
    assert not re.search(rb"(?<!\r)\n", data)


@few
@given(messages, st.lists(st.integers(0, 12), max_size=12))
def test_crlf_is_the_same_in_pieces(raw: bytes, sizes: list[int]) -> None:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(raw[at : at + size])
        at += size
    assert b"".join(crlf_chunks([*pieces, raw[at:]])) == crlf(raw)


@few
@given(messages, st.lists(st.integers(0, 3), max_size=4))
def test_sections_lie_in_the_message(raw: bytes, path: list[int]) -> None:
    data = crlf(raw)
    part = scan(data)
    octets = section(data, part, Section(tuple(path)))
    found = find(part, tuple(path))
    assert (octets is None) == (found is None)
    if octets is not None:
        assert octets in data.replace(b"\0", b"\x80")
    with suppress(MailError):
        assert (binary(data, part, tuple(path)) is None) == (found is None)


@few
@given(messages)
def test_limits_hold(raw: bytes) -> None:
    def count(part: Part) -> int:
        return 1 + sum(map(count, part.children))

    def depth(part: Part) -> int:
        return 1 + max(map(depth, part.children), default=0)

    part = scan(crlf(raw), Limits(depth=3, parts=5))
    assert count(part) <= 6
    assert depth(part) <= 3


@few
@given(messages, st.frozensets(st.sampled_from([b"from", b"to", b"subject", b"content-type", b"x"])))
def test_header_fields_divide_the_header(raw: bytes, names: frozenset[bytes]) -> None:
    data = crlf(raw)
    block = data[: header_end(data)]
    picked, rest = header_fields(block, names), header_fields_not(block, names)
    assert picked.endswith(b"\r\n") or not picked
    assert picked.endswith(b"\n\r\n") <= block.endswith(b"\n\r\n")
    kept = fields(rest)
    assert not names & kept.keys()
    every = fields(block)
    for name in names & every.keys():
        assert fields(picked)[name] == every[name]
    for name in known_fields(block):
        assert known_fields(block)[name] == every[name]


@few
@given(messages)
def test_keys_and_text_never_fail(raw: bytes) -> None:
    data = crlf(raw)
    part = scan(data)
    assert keys(part.head.fields) == keys(fields(data[: part.body]))
    text = file_text_parts(part, raw, data)
    for (start, length, *_), (on_wire, size, *_) in zip(text, text_parts(part), strict=True):
        assert crlf(raw[start : start + length]) == data[on_wire : on_wire + size]
    assert isinstance(search_text(raw, text, b"X", True), bool)
    if any(encoding == HEADER and length for _, length, encoding, _ in text):
        assert search_text(raw, text, b"", True)


@few
@given(values)
def test_values_never_fail(value: bytes) -> None:
    for read in (content_type, disposition, languages, mechanism, transfer_encoding, sent_date, message_ids):
        read(value)
    base, _ = base_subject(header_key(value))
    assert base_subject(base)[0] == base
    assert header_key(value) is not None
    for shown_form in (nstring(value), phrase(value), unfolded(value), shown(value).wire):
        check_list(b"(" + shown_form + b")")


@few
@given(values)
def test_groups_are_closed(value: bytes) -> None:
    depth = 0
    for address in address_list(value):
        if address.domain is None:
            depth += 1 if address.mailbox is not None else -1
            assert depth in (0, 1)
    assert depth == 0


@few
@given(st.text(max_size=30))
def test_search_keys_are_stable(text: str) -> None:
    key = search_key(text)
    assert search_key(text[1:]) in key or not text.isascii()
    assert search_key(text.upper()) == key or not text.isascii()


@few
@given(
    st.binary(max_size=60), st.sampled_from([b"utf-8", b"iso-2022-jp", b"utf-7", b"utf-16", b"gb18030", b"x", b"\xff"])
)
def test_any_charset_decodes(octets: bytes, charset: bytes) -> None:
    assert isinstance(decode(octets, charset), str)
    assert isinstance(decode_header(b"=?" + charset + b"?q?" + octets + b"?="), str)


@few
@given(values, st.sampled_from([b"base64", b"quoted-printable", b""]))
def test_decoding_agrees_where_both_can(octets: bytes, encoding: bytes) -> None:
    read = tolerant(octets, encoding)
    try:
        strict = exact(octets, encoding)
    except MailError:
        return
    if encoding != b"quoted-printable":
        assert strict == read


@few
@given(st.integers(-(10**9), 4 * 10**9))
def test_internal_dates_are_read_back(timestamp: int) -> None:
    again = sent_date(internal_date(timestamp).replace(b"-", b" "))
    assert again is None or again.timestamp == timestamp
    assert again is not None or timestamp < -(7 * 10**8)


def test_every_prefix_of_odd_messages_scans() -> None:
    for raw in odd_messages().values():
        if len(raw) < 600:
            for end in range(0, len(raw), 7):
                data = crlf(raw[:end])
                check_tree(scan(data), data)


HOSTILE = {
    "spaces before no colon": b"Subject" + b" " * 300_000 + b"\n\nx",
    "spaces after a colon": b"Subject:" + b" " * 300_000 + b"\n\nx",
    "open comments": b"To: " + b"(" * 300_000 + b"\n\nx",
    "comment pieces": b"To: " + b"(a)" * 100_000 + b"\n\nx",
    "open quotes": b"To: " + b'"a,' * 100_000 + b"\n\nx",
    "words": b"To: " + b"a " * 150_000 + b"\n\nx",
    "groups": b"To: " + b"a:" * 150_000 + b"\n\nx",
    "commas": b"To: " + b"," * 300_000 + b"\n\nx",
    "blobs": b"Subject: " + b"[a]" * 100_000 + b"\n\nx",
    "replies": b"Subject: " + b"Re: " * 100_000 + b"\n\nx",
    "encoded words": b"Subject: " + b"=?q?" * 100_000 + b"\n\nx",
    "parameters": b"Content-Type: text/plain" + b"; a*1=b" * 50_000 + b"\n\nx",
    "broken parameters": b"Content-Type: text/plain" + b';a"' * 100_000 + b"\n\nx",
    "dashes": b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--\n" * 100_000,
    "dashes in a header": b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" + b"--c\n" * 100_000,
    "folds": b"Subject: x" + b"\n " * 150_000 + b"\n\nx",
    "references": b"References: " + b"<" * 300_000 + b"\n\nx",
    "quoted references": b"References: " + b'<"' * 150_000 + b"\n\nx",
    "mixed line ends": b"Content-Type: multipart/mixed; boundary=b\r\n\n" + b"--b\r\n\nx\n" * 20_000,
    "deep boundaries": b"".join(
        b"Content-Type: multipart/mixed; boundary=b%03d\n\n--b%03d\n" % (n, n) for n in range(90)
    )
    + b"\n--x" * 50_000,
    "dates": b"Date: " + b"1 " * 150_000 + b"\n\nx",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_time_grows_with_the_size(name: str) -> None:
    began = time.process_time()
    keys(known_fields(crlf(HOSTILE[name])))
    assert time.process_time() - began < 2.0  # linear ways take a tenth of it, quadratic ones minutes
