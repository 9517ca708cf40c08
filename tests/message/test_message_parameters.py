"""Parameters in BODYSTRUCTURE for IMAP4rev2: decoded of RFC 2231 (RFC 9051 §7.5.2), everything else untouched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doocot.message.bodystructure import body, bodystructure
from doocot.message.parameters import decoded
from doocot.message.scan import crlf, scan


def structure(*lines: bytes) -> bytes:
    return bodystructure(scan(crlf(b"MIME-Version: 1.0\n" + b"\n".join(lines) + b"\n\nx\n")))


def test_parameters_are_decoded_in_type_and_disposition() -> None:
    found = decoded(
        structure(
            b"Content-Type: application/pdf; x=1; name*0*=utf-8''na%C3%AF; name*1=ve.pdf",
            b"Content-Disposition: attachment; filename*=iso-8859-1'de'gr%FC%DFe.pdf; size=3",
        )
    )
    name, filename = "naïve.pdf".encode(), "grüße.pdf".encode()
    assert b'("x" "1" "name" {%d}\r\n%b)' % (len(name), name) in found
    assert b'("size" "3" "filename" {%d}\r\n%b)' % (len(filename), filename) in found


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b"utf-8''plain", b'"filename" "plain"'),
        (b"us-ascii'en'a%20b%22c%5C", b'"filename" "a b\\"c\\\\"'),
        (b"''%C3%A9", b'"filename" {2}\r\n\xc3\xa9'),
        (b"utf-8''%FF", b'"filename*" "utf-8\'\'%FF"'),  # not UTF-8
        (b"utf-8''a%0D%0Ab", b'"filename*" "utf-8\'\'a%0D%0Ab"'),  # a line of its own
        (b"utf-8''a%00", b'"filename*" "utf-8\'\'a%00"'),
        (b"utf-8''100%", b'"filename*" "utf-8\'\'100%"'),
        (b"utf-8''%G0", b'"filename*" "utf-8\'\'%G0"'),
        (b"plain", b'"filename*" "plain"'),
    ],
)
def test_parameters_that_cannot_be_decoded_stay(value: bytes, shown: bytes) -> None:
    assert shown in decoded(structure(b"Content-Disposition: attachment; filename*=" + value))


def test_parameters_are_not_found_in_other_texts() -> None:
    """Subjects, in quotes and as literals, that look like a parameter; and lists that are none."""
    bait = b'"name*" "utf-8\'\'%41"'
    for subject in (bait, b"x " * 100 + bait + b'"' * 10):
        message = b"MIME-Version: 1.0\nContent-Type: message/rfc822\n\nSubject: %b\nFrom: a <b@c*>\n\nx\n" % subject
        found = bodystructure(scan(crlf(message)))
        assert b"name*" in found
        assert decoded(found) == found
    odd = (
        b'("a*" "utf-8\'\'%41" "b")("a*" "utf-8\'\'%41" NIL "c")("a*" "utf-8\'\'%41" 5 6)'
        b'({19}\r\n("a*" "utf-8\'\'%41") "x*")'
    )
    assert decoded(odd) == odd


def tokens(text: bytes) -> list[object]:
    """A parser of its own: nested lists, strings as (bytes,), other words as they are."""
    stack: list[list[object]] = [[]]
    at = 0
    while at < len(text):
        byte = text[at : at + 1]
        if byte == b"(":
            stack.append([])
            at += 1
        elif byte == b")":
            done = stack.pop()
            stack[-1].append(done)
            at += 1
        elif byte == b" ":
            at += 1
        elif byte == b"{":
            end = text.index(b"}\r\n", at) + 3
            size = int(text[at + 1 : end - 3])
            stack[-1].append((text[end : end + size],))
            at = end + size
        elif byte == b'"':
            value = bytearray()
            at += 1
            while text[at : at + 1] != b'"':
                at += text[at : at + 1] == b"\\"
                value += text[at : at + 1]
                at += 1
            at += 1
            stack[-1].append((bytes(value),))
        else:
            end = at
            while end < len(text) and text[end : end + 1] not in (b" ", b"(", b")"):
                end += 1
            stack[-1].append(text[at:end])
            at = end
    assert len(stack) == 1
    return stack[0]


def shape(tree: list[object]) -> list[object]:
    """The lists and words, with every string as `s`."""
    return [shape(one) if isinstance(one, list) else "s" if isinstance(one, tuple) else one for one in tree]


PIECES = st.sampled_from(
    b"\" * ' %41 %C3%A9 %0A name*= name*0*= name*1= utf-8'' ; ( ) {3} \\ a \xc3\xa9 \xff x=y".split(b" ")
)
TEXTS = st.lists(PIECES, max_size=14).map(b"".join)


@given(TEXTS, TEXTS)
def test_parameters_decoding_keeps_the_structure(typed: bytes, disposition: bytes) -> None:
    part = scan(
        crlf(
            b"MIME-Version: 1.0\nContent-Type: application/x; %b\nContent-Disposition: attachment; %b\n"
            b"Content-Language: %b\nSubject: %b\n\nx\n" % (typed, disposition, typed, disposition)
        )
    )
    for found in (bodystructure(part), body(part)):
        assert shape(tokens(decoded(found))) == shape(tokens(found))
