"""Dots, ends and lines: byte-exact, wherever the chunks are cut."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doocot.wire.dot import DotDecoder, dot_stuff
from doocot.wire.smtp_input import OVERLONG, Overlong, SmtpInput

# Almost only the bytes that matter, so that every order of them comes up.
PIECES = st.lists(st.sampled_from([b"\r", b"\n", b".", b"\r\n", b"\r\n.", b"\r\n.\r\n", b"\n.\n", b"x"]), max_size=30)
DATA = PIECES.map(b"".join)
SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=20)


def chunks(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    at = turn = 0
    while at < len(data):
        yield data[at : at + sizes[turn % len(sizes)]]
        at += sizes[turn % len(sizes)]
        turn += 1


def decode(data: bytes, sizes: list[int]) -> tuple[bytes, bytes, bool]:
    decoder = DotDecoder()
    content = rest = b""
    for chunk in chunks(data, sizes):
        if decoder.done:
            rest += chunk
        else:
            piece, behind = decoder.feed(chunk)
            content += piece
            rest += behind
    return content, rest, decoder.done


@given(DATA, SIZES, st.binary(max_size=9))
def test_dot_decode_undoes_stuffing(data: bytes, sizes: list[int], behind: bytes) -> None:
    expected = data if data.endswith(b"\r\n") or not data else data + b"\r\n"
    assert decode(dot_stuff(data) + behind, sizes) == (expected, behind, True)


@given(DATA, SIZES)
def test_dot_decode_does_not_depend_on_chunks(data: bytes, sizes: list[int]) -> None:
    content, rest, done = decode(data, [max(1, len(data))])
    assert done == (b"\r\n.\r\n" in b"\r\n" + data)
    if done:
        assert decode(data, sizes) == (content, rest, True)
    else:
        assert decode(data, sizes)[0].startswith(content) or content.startswith(decode(data, sizes)[0])
        assert decode(data + b"\r\n.\r\n", sizes) == decode(data + b"\r\n.\r\n", [10**6])


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\n.\r"])
def test_dot_other_line_ends_do_not_end_a_message(end: bytes) -> None:
    """RFC 5321 section 4.1.1.4, CVE-2023-51764."""
    content, _, done = decode(b"a" + end + b"MAIL FROM:<>\r\n", [10**6])
    assert not done
    assert b"MAIL FROM" in content


def test_dot_bare_line_feed_then_dots_is_data() -> None:
    assert decode(b"a\n..b\r..c\r\n.\r\n", [3])[0] == b"a\n..b\r..c\r\n"


def test_dot_empty_message() -> None:
    assert decode(b".\r\nQUIT\r\n", [1]) == (b"", b"QUIT\r\n", True)
    assert decode(b"..\r\n.\r\n", [1]) == (b".\r\n", b"", True)


@given(st.lists(st.sampled_from([b"NOOP", b"\r", b"", b"x" * 12, b"."]), max_size=8), SIZES, st.booleans())
def test_smtp_input_lines(lines: list[bytes], sizes: list[int], bare: bool) -> None:
    end = b"\n" if bare else b"\r\n"
    source = SmtpInput(10)
    found: list[bytes | Overlong] = []
    for chunk in chunks(b"".join(line + end for line in lines), sizes):
        source.feed(chunk)
        while (line := source.line()) is not None:
            found.append(line)
    # A line that ends in CR keeps it only when the CR is not taken for half of the line end.
    expected = [OVERLONG if len(line) > 10 else line.removesuffix(b"\r") if bare else line for line in lines]
    assert found == expected
    assert not source


def test_smtp_input_memory_of_an_endless_line_is_bounded() -> None:
    source = SmtpInput(1000)
    for _ in range(1000):
        source.feed(b"x" * 4096)
        assert source.line() is None
        assert not source
    source.feed(b"y\r\nNOOP\r\n")
    assert source.line() is OVERLONG
    assert source.line() == b"NOOP"


def test_smtp_input_take() -> None:
    source = SmtpInput(100)
    source.feed(b"BDAT 3\r\nabcNOOP\r\n")
    assert source.line() == b"BDAT 3"
    assert source.take(0) == b""
    assert source.take(3) == b"abc"
    assert source.take() == b"NOOP\r\n"
    source.put_back(b"OP\r\n")
    assert source.line() == b"OP"
    assert source.take(5) == b""
