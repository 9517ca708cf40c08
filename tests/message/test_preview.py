"""PREVIEW: which words of which part, and beside Dovecot where both have the same idea."""

from pathlib import Path

import pytest

from doocot.message.html import html_text
from doocot.message.preview import MOST, preview
from doocot.message.scan import crlf, scan
from tests.message.dovecot_oracle import Oracle, missing_part


def of(message: bytes) -> bytes:
    data = crlf(message)
    return preview(data, scan(data))


PLAIN = b"Content-Type: text/plain; charset=utf-8\n"
ALTERNATIVE = (
    b"Content-Type: multipart/alternative; boundary=x\n\n--x\nContent-Type: text/html\n\n<p>from html</p>\n"
    b"--x\nContent-Type: text/plain\n\nfrom plain\n--x--\n"
)
MIXED = (
    b"Content-Type: multipart/mixed; boundary=y\n\n--y\nContent-Type: image/png\n\nxx\n--y\n%b\n--y\n"
    b"Content-Type: text/plain\n\nsecond\n--y--\n" % ALTERNATIVE
)
# Those about which Dovecot is of the same mind.
SAME = {
    "plain": b"Subject: x\n\nHello,\n\n  how  are\tyou?\n",
    "umlauts": PLAIN + b"\nGr\xc3\xbc\xc3\x9fe aus K\xc3\xb6ln\n",
    "latin": b"Content-Type: text/plain; charset=iso-8859-1\n\nGr\xfc\xdfe\n",
    "quoted-printable": PLAIN + b"Content-Transfer-Encoding: quoted-printable\n\nGr=C3=BC=\n=C3=9Fe\n",
    "base64": PLAIN + b"Content-Transfer-Encoding: base64\n\nSGVsbG8g\nd29ybGQ=\n",
    "quotation": b"\n> said he\n> before\nI say\n>> more\nthis\n",
    "only quotation": b"\n> said he\n> before\n",
    "long": b"\n" + b"word " * 100,
    "long word": b"\n" + b"x" * 300,
    "many bytes": PLAIN + b"\n" + b"\xe2\x82\xac" * 300,
    "empty": b"Subject: x\n\n",
    "white": b"\n \t\n\n",
    "backslashes": b'\n\\ "x"\n',
    "image": b"Content-Type: image/png\n\nxx",
    "html": b"Content-Type: text/html\n\n<p>one</p> <p>two &amp; three</p><script>no()</script>\n",
    "alternative": ALTERNATIVE,
    "mixed": MIXED,
    "broken": b"Content-Type: multipart/mixed; boundary=z\n\nnothing",
}


@pytest.mark.skipif(missing_part() is not None, reason=missing_part() or "")
def test_preview_beside_dovecot(tmp_path: Path) -> None:
    with Oracle(tmp_path, SAME) as oracle:
        theirs = {name: items[b"PREVIEW"] for name, items in oracle.fetch(b"PREVIEW").items()}
    assert {name: of(message) for name, message in SAME.items()} == theirs


ATTACHED = b"Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Disposition: attachment\n\nno\n--x\n\nyes\n--x--"


def test_preview_counts_characters() -> None:
    assert of(SAME["many bytes"]) == b"{600}\r\n" + b"\xe2\x82\xac" * MOST
    assert len(of(SAME["long word"])) == MOST + 2


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"Content-Type: text/html\n\n<p>Hel<b>lo</b> <i>you</i></p>", b'"Hello you"'),
        (b"Content-Type: text/html\n\n<blockquote>old</blockquote><p>new</p>", b'"new"'),
        (
            b"Content-Type: text/html\n\n<style>p {}</style><title>no</title>&zwnj;&nbsp;&#8203;&nbsp;a\xc2\xadb",
            b'"ab"',
        ),
        (b"Content-Type: text/html\n\n<!-- a --><![if !mso]>x<![endif]><br/>y<a b", b'"x y"'),
        (b"Content-Type: text/plain\nContent-Transfer-Encoding: x-nosuch\n\nabc", b'""'),
        (b"Content-Type: text/plain; charset=x-nosuch\n\nabc", b'"abc"'),
        (b"Content-Type: text/plain\n\na\0b\x07c\x1b[m", b'"a b c [m"'),
        (b"Content-Type: application/pgp-encrypted\n\nabc", b'""'),
        (
            ATTACHED,
            b'"yes"',
        ),
    ],
)
def test_preview_words(message: bytes, words: bytes) -> None:
    assert of(message) == words


def test_html_text_keeps_lines_cells_and_quotations() -> None:
    html = (
        "<html><body><h1>Title</h1><p>a<br>b</p><ul><li>one<li>two</ul><table><tr><td>1</td><td>2</td></tr></table>"
        "<blockquote>q<blockquote>r</blockquote></blockquote><pre>x\n  y</pre>end"
    )
    assert html_text(html, 1000) == "Title\n\na\nb\n\n* one\n* two\n\n1\t2\n\n> q\n\n> > r\n\nx\ny\n\nend\n"


@pytest.mark.parametrize("part", ["<!--", "<a", "<![x>", "</", "&", "<a x='", "<style>", "<td>", "<blockquote>", "-->"])
def test_html_text_of_what_never_ends(part: str) -> None:
    assert len(html_text(part * 10_000 + "end", 1_000_000)) <= 200_000
