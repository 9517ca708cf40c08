"""Conversions of CONVERT: charsets that must be there, what cannot be said in them, and how large a part may be."""

import pytest

from doocot.message.charset import decode_header
from doocot.message.convert import MAX_HTML, Converted, Refused, Target, available, convert
from doocot.message.recode import MAX_HEADER, recoded
from doocot.message.scan import crlf, scan

CHARSET, REPLACEMENT = b"charset", b"unknown-character-replacement"
LETTERS = {"1": "é", "2": "ř", "3": "ĥ", "4": "ķ", "5": "Ж", "6": "ش", "7": "λ", "8": "ש", "15": "€"}


def converted(message: bytes, target: Target, path: tuple[int, ...] = (1,)) -> Converted | Refused:
    data = crlf(message)
    return convert(data, scan(data), path, target)


def text(body: bytes, header: bytes = b"Content-Type: text/plain; charset=utf-8") -> bytes:
    return header + b"\n\n" + body


@pytest.mark.parametrize(("number", "letter"), LETTERS.items())
def test_convert_charsets_that_every_server_has(number: str, letter: str) -> None:
    name = f"iso-8859-{number}"
    message = text(letter.encode(name), f"Content-Type: text/plain; charset={name}".encode())
    assert converted(message, Target(b"text/plain", ((CHARSET, b"utf-8"),))) == Converted(letter.encode(), b"utf-8")
    back = converted(text(letter.encode()), Target(None, ((CHARSET, name.encode()),)))
    assert back == Converted(letter.encode(name), name.encode())


def test_convert_replaces_what_is_not_in_the_charset() -> None:
    message = text("a€b€ü\r\n".encode())
    assert isinstance(converted(message, Target(None, ((CHARSET, b"us-ascii"),))), Refused)
    given = ((CHARSET, b"iso-8859-1"), (REPLACEMENT, b"EUR"))
    assert converted(message, Target(None, given)) == Converted(b"aEURbEUR\xfc\r\n", b"iso-8859-1")
    empty = ((CHARSET, b"us-ascii"), (REPLACEMENT, b""))
    assert converted(message, Target(None, empty)) == Converted(b"ab\r\n", b"us-ascii")
    for wrong in ("€".encode(), b"\xff", b"x" * 9):
        refused = converted(message, Target(None, ((CHARSET, b"us-ascii"), (REPLACEMENT, wrong))))
        assert isinstance(refused, Refused)
        assert refused.parameters == ((REPLACEMENT, wrong),)


def test_convert_to_a_charset_of_wide_characters() -> None:
    found = converted(text(b"ab"), Target(None, ((CHARSET, b"utf-16le"),)))
    assert found == Converted(b"a\0b\0", b"utf-16le")


def test_convert_refuses_what_is_not_text() -> None:
    for header in (b"Content-Type: image/png", b"Content-Type: multipart/mixed; boundary=x", b"Content-Type: bro/ken/"):
        refused = converted(text(b"x", header), Target(None))
        assert isinstance(refused, Refused)
    assert isinstance(converted(text(b"x"), Target(None), ()), Refused), "a whole message"
    missing = converted(text(b"x"), Target(None), (2,))
    assert isinstance(missing, Refused)
    assert missing.source is None


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Type: text/plain; charset=x-nosuch",
        b"Content-Type: text/plain\nContent-Transfer-Encoding: x-nosuch",
        b"Content-Type: text/plain\nContent-Transfer-Encoding: base64",
    ],
)
def test_convert_refuses_what_cannot_be_decoded(header: bytes) -> None:
    message = crlf(text(b"abc", header))
    assert available(scan(message), (1,), Target(None)) == b"text/plain"
    assert isinstance(converted(message, Target(None)), Refused)


def test_convert_is_bounded() -> None:
    message = text(b"<p>" * (MAX_HTML // 3 + 1), b"Content-Type: text/html")
    assert converted(message, Target(None)) == Refused(
        b"The body part is too large to be converted", b"text/html", b"text/plain"
    )


@pytest.mark.parametrize("charset", [b"utf-8", b"iso-8859-1", b"utf-16be", b"iso-2022-jp"])
@pytest.mark.parametrize("words", ["Grüße aus Köln", "Привет", "plain", "漢字かな" * 20, "a b  c" * 30])
def test_recoded_headers_say_the_same(charset: bytes, words: str) -> None:
    block = recoded(b"Subject: =?utf-8?B?%b?= end\r\nTo: a@b\r\n\r\n" % _base64(words.encode()), b"utf-8")
    again = recoded(block, charset)
    subject = again.partition(b"\r\nTo: ")[0].removeprefix(b"Subject: ").replace(b"\r\n", b"")
    assert decode_header(subject) == words + " end"
    assert max(map(len, again.split(b"\r\n"))) < 78
    assert again.endswith(b"\r\nTo: a@b\r\n\r\n")


def _base64(octets: bytes) -> bytes:
    from base64 import b64encode

    return b64encode(octets)


def test_recoded_leaves_what_it_cannot_say() -> None:
    for same in (
        b"Subject: =?x-nosuch?Q?a?=\r\n\r\n",
        b"Subject: =?utf-8?Q?=FF?=\r\n\r\n",
        b"Subject: =?utf-8?Q?=E2=82=AC?=\r\n\r\n",
        b"Subject: =?utf-8?Q?a\r\n\r\n",
        b"Subject: a\r\n b\r\n\r\n",
    ):
        assert recoded(same, b"iso-8859-1") == same


def test_recoded_joins_characters_that_were_cut() -> None:
    block = b"Subject: =?utf-8?B?4g==?= =?utf-8?B?gqw=?=\r\n\r\n"
    assert recoded(block, b"iso-8859-15") == b"Subject: =?iso-8859-15?B?pA==?=\r\n\r\n"


def test_recoded_hides_line_ends() -> None:
    assert recoded(b"Subject: =?utf-8?Q?a=0D=0AX:_y?=\r\n\r\n", b"utf-8") == (
        b"Subject: =?utf-8?Q?a=0D=0AX=3A_y?=\r\n\r\n"
    )


def test_recoded_is_bounded() -> None:
    block = b"X: " + b"=?utf-8?Q?a?= " * (MAX_HEADER // 13)
    assert recoded(block, b"utf-8")
    assert recoded(b"=?" * 100_000, b"utf-8") == b"=?" * 100_000
