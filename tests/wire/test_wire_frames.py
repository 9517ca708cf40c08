"""Commands out of the byte stream: RFC 3501 §4.3, RFC 7888, RFC 3516 §4.2, and what clients must not be able to do."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doocot.wire.frames import HUGE, MAX_LITERALS, Announced, Frame, Frames, Overlong

Seen = Frame | Announced | Overlong
Answer = Callable[[Frames, Announced], None]


class MemorySpool:
    """A spool that keeps what it is given; `room` is how much until it fails."""

    def __init__(self, room: int = 1 << 30) -> None:
        self.size = 0
        self.pieces: list[bytes] = []
        self.room = room

    def write(self, data: bytes) -> None:
        if self.size + len(data) > self.room:
            raise OSError(28, "No space left on device")
        self.size += len(data)
        self.pieces.append(data)

    def abort(self) -> None:
        self.pieces.clear()


def accept(frames: Frames, _: Announced) -> None:
    frames.memory()


def refuse(frames: Frames, _: Announced) -> None:
    frames.refuse()


def pump(frames: Frames, answer: Answer) -> Iterator[Seen]:
    while (seen := frames.next()) is not None:
        yield seen
        if isinstance(seen, Announced):
            answer(frames, seen)


def read(pieces: list[bytes], answer: Answer = accept, max_line: int = 1000) -> list[Seen]:
    frames = Frames(max_line)
    seen: list[Seen] = []
    for piece in pieces:
        frames.feed(piece)
        seen.extend(pump(frames, answer))
    return seen


def read_every_way(data: bytes, answer: Answer = accept, max_line: int = 1000) -> list[Seen]:
    """Whole, byte-wise, fed in pieces before the first is asked for, and with a command behind it: always the same."""
    whole = read([data], answer, max_line)
    bytewise = [data[i : i + 1] for i in range(len(data))]
    assert read(bytewise, answer, max_line) == whole
    frames = Frames(max_line)
    for piece in bytewise:
        frames.feed(piece)
    assert list(pump(frames, answer)) == whole
    followed = read([data + b"zz NOOP\r\n"], answer, max_line)
    assert followed == [*whole, Frame(b"zz NOOP")]
    return whole


def test_a_line_is_a_frame() -> None:
    assert read_every_way(b"a1 NOOP\r\n") == [Frame(b"a1 NOOP")]


def test_pipelined_lines_are_frames() -> None:
    assert read_every_way(b"a NOOP\r\nb NOOP\r\n\r\nc NOOP\r\n") == [
        Frame(b"a NOOP"),
        Frame(b"b NOOP"),
        Frame(b""),
        Frame(b"c NOOP"),
    ]


@pytest.mark.parametrize(
    ("data", "bare"), [(b"a NOOP\n", True), (b"a NOOP\r\n", False), (b"\n", True), (b"\r\n", False), (b"\r\n\n", True)]
)
def test_bare_lf_ends_a_line_and_is_noted(data: bytes, bare: bool) -> None:
    frames = Frames(100)
    frames.feed(data)
    while frames.next() is not None:
        pass
    assert frames.bare_lf is bare
    assert frames.pending_bytes == 0


def test_cr_alone_stays_in_the_line() -> None:
    assert read_every_way(b"a\rb\r\r\n") == [Frame(b"a\rb\r")]


def test_synchronising_literals_of_rfc3501_login() -> None:
    """RFC 3501 §7.5, the example."""
    data = b"A001 LOGIN {11}\r\nFRED FOOBAR {7}\r\nfat man\r\n"
    assert read_every_way(data) == [
        Announced(b"A001 LOGIN ", 11, True, False, 0),
        Announced(b"A001 LOGIN {11}\r\n ", 7, True, False, 1),
        Frame(b"A001 LOGIN {11}\r\n {7}\r\n", (b"FRED FOOBAR", b"fat man")),
    ]


def test_non_synchronising_literals_of_rfc7888() -> None:
    """RFC 7888 §3, the example."""
    data = b"A001 LOGIN {11+}\r\nFRED FOOBAR {7+}\r\nfat man\r\n"
    assert read_every_way(data)[::2] == [
        Announced(b"A001 LOGIN ", 11, False, False, 0),
        Frame(b"A001 LOGIN {11+}\r\n {7+}\r\n", (b"FRED FOOBAR", b"fat man")),
    ]


def test_binary_literal_of_rfc3516() -> None:
    assert read_every_way(b"a APPEND x ~{3}\r\n\0\r\n\r\n") == [
        Announced(b"a APPEND x ", 3, True, True, 0),
        Frame(b"a APPEND x ~{3}\r\n", (b"\0\r\n",)),
    ]


def test_literal_header_ended_by_bare_lf_gets_its_crlf() -> None:
    assert read_every_way(b"a X {1+}\nb\n")[-1] == Frame(b"a X {1+}\r\n", (b"b",))


def test_empty_literal() -> None:
    assert read_every_way(b"a X {0}\r\n\r\n") == [
        Announced(b"a X ", 0, True, False, 0),
        Frame(b"a X {0}\r\n", (b"",)),
    ]


def test_a_line_that_is_only_a_literal_header() -> None:
    assert read_every_way(b"{2+}\r\nab\r\n") == [
        Announced(b"", 2, False, False, 0),
        Frame(b"{2+}\r\n", (b"ab",)),
    ]


@pytest.mark.parametrize(
    "line",
    [
        b"a X {}",
        b"a X {+}",
        b"a X {3-}",
        b"a X { 3}",
        b"a X {3 }",
        b"a X {3+ }",
        b"a X {-3}",
        b"a X {3}x",
        b"a X {3} ",
        b"a X {3}}",
        b"a X 3}",
        b"}",
        b"a X {0x3}",
        b"a X {\xb2}",
        b'a X "{3}"',
        b"a X {3}\r",
        b"a X {3++}",
    ],
)
def test_what_is_not_exactly_a_header_is_text(line: bytes) -> None:
    assert read_every_way(line + b"\r\n") == [Frame(line)]


@pytest.mark.parametrize(
    ("digits", "size"),
    [
        (b"007", 7),
        (b"00", 0),
        (b"9223372036854775807", HUGE),
        (b"9" * 19, 10**19 - 1),
        (b"9" * 20, HUGE),
        (b"9" * 900, HUGE),
        (b"0" * 900 + b"5", 5),
    ],
)
def test_size_of_a_literal_may_have_any_digits(digits: bytes, size: int) -> None:
    seen = read([b"a X {" + digits + b"}\r\n"])
    assert seen == [Announced(b"a X ", size, True, False, 0)]


SMUGGLED = b"x DELETE INBOX\r\ny NOOP {3+}\r\nz NOOP\r\n"


@pytest.mark.parametrize("mark", [b"", b"+"])
def test_commands_in_an_accepted_literal_are_its_bytes(mark: bytes) -> None:
    data = b"a X {%d%b}\r\n%b\r\nb NOOP\r\n" % (len(SMUGGLED), mark, SMUGGLED)
    frames = [seen for seen in read_every_way(data) if isinstance(seen, Frame)]
    assert frames == [Frame(b"a X {%d%b}\r\n" % (len(SMUGGLED), mark), (SMUGGLED,)), Frame(b"b NOOP")]


def test_commands_in_a_refused_literal_are_thrown_away() -> None:
    data = b"a X {%d+}\r\n%b more ~{%d+}\r\n%b {6+}\r\nx A\r\ny\r\nb NOOP\r\n" % (
        len(SMUGGLED),
        SMUGGLED,
        len(SMUGGLED),
        SMUGGLED,
    )
    assert read_every_way(data, refuse)[1:] == [Frame(b"b NOOP")]


def test_refused_synchronising_literal_ends_the_command() -> None:
    assert read_every_way(b"a X {10}\r\nb NOOP\r\n", refuse) == [
        Announced(b"a X ", 10, True, False, 0),
        Frame(b"b NOOP"),
    ]


def test_synchronising_header_behind_a_refused_literal_ends_the_command() -> None:
    assert read_every_way(b"a X {1+}\r\nb {10}\r\nb NOOP\r\n", refuse)[1:] == [Frame(b"b NOOP")]


def test_second_literal_can_be_refused() -> None:
    def second(frames: Frames, announced: Announced) -> None:
        frames.refuse() if announced.index else frames.memory()

    seen = read_every_way(b"a X {3+}\r\nb N {8+}\r\nx NOOP\r\n\r\nb X {1+}\r\nc\r\n", second)
    assert seen[-1] == Frame(b"b X {1+}\r\n", (b"c",))
    assert sum(isinstance(item, Frame) for item in seen) == 1


def test_too_long_a_line_is_told_at_once_and_thrown_away() -> None:
    frames = Frames(10)
    frames.feed(b"a 345678901234")
    assert frames.next() == Overlong(b"a 34567890")
    assert frames.next() is None
    for _ in range(1000):
        frames.feed(b"x" * 1000)
        assert frames.next() is None
        assert frames.pending_bytes <= 64
    frames.feed(b"\r\nb NOOP\r\n")
    assert frames.next() == Frame(b"b NOOP")


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_limit_is_exact_and_does_not_count_the_line_end(end: bytes) -> None:
    assert read_every_way(b"123456789 " + end, max_line=10) == [Frame(b"123456789 ")]
    assert read_every_way(b"123456789 1" + end, max_line=10) == [Overlong(b"123456789 ")]


def test_limit_is_for_all_lines_of_a_command() -> None:
    data = b"a X {1+}\r\nb {1+}\r\nc {1+}\r\nd\r\n"
    seen = read_every_way(data, max_line=20)
    assert [type(item) for item in seen] == [Announced, Announced, Overlong]


def test_literal_after_too_long_a_line_is_thrown_away_with_it() -> None:
    data = b"a %b {%d+}\r\n%b tail {6+}\r\nx A\r\ny\r\nb NOOP\r\n" % (b"x" * 200, len(SMUGGLED), SMUGGLED)
    assert read_every_way(data, max_line=100)[1:] == [Frame(b"b NOOP")]


def test_synchronising_literal_after_too_long_a_line_never_comes() -> None:
    assert read_every_way(b"a " + b"x" * 200 + b" {9}\r\nb NOOP\r\n", max_line=100)[1:] == [Frame(b"b NOOP")]


def test_number_of_literals_has_a_bound() -> None:
    data = b"a X" + b" {0+}\r\n" * (MAX_LITERALS + 5) + b"\r\nb NOOP\r\n"
    seen = read([data], max_line=1 << 20)
    assert sum(isinstance(item, Announced) for item in seen) == MAX_LITERALS
    assert isinstance(seen[-2], Overlong)
    assert seen[-1] == Frame(b"b NOOP")


def test_spool_gets_the_bytes_as_they_come() -> None:
    sink = MemorySpool()
    frames = Frames(100)
    frames.feed(b"a APPEND x {6+}\r\nab")
    assert isinstance(frames.next(), Announced)
    frames.spool(sink)
    assert frames.next() is None
    assert sink.pieces == [b"ab"]
    frames.feed(b"cdef\r\nb NOOP\r\n")
    assert frames.next() == Frame(b"a APPEND x {6+}\r\n", (sink,))
    assert sink.pieces == [b"ab", b"cdef"]
    assert frames.next() == Frame(b"b NOOP")


def test_failing_spool_can_be_refused_in_the_middle() -> None:
    frames = Frames(100)
    frames.feed(b"a APPEND x {10}\r\n")
    assert isinstance(frames.next(), Announced)
    frames.spool(MemorySpool(room=3))
    frames.feed(b"a NOOP")
    with pytest.raises(OSError, match="No space left"):
        frames.next()
    frames.refuse()
    frames.feed(b"\r\nb rest\r\nc NOOP\r\n")
    assert frames.next() == Frame(b"c NOOP")


def test_plain_lines_know_no_literals() -> None:
    frames = Frames(20)
    frames.feed(b"a AUTHENTICATE PLAIN\r\n{5+}\r\nDONE\nb NOOP\r\n")
    assert frames.next() == Frame(b"a AUTHENTICATE PLAIN")
    assert frames.next_line() == b"{5+}"
    assert frames.next_line() == b"DONE"
    assert frames.next() == Frame(b"b NOOP")
    assert frames.next_line() is None
    frames.feed(b"half")
    assert frames.next_line() is None
    frames.feed(b" line\r\n")
    assert frames.next_line() == b"half line"
    frames.feed(b"x" * 21)
    assert frames.next_line() is None  # the last could be the CR
    frames.feed(b"y")
    assert frames.next_line() == Overlong(b"x" * 20)
    frames.feed(b"\r\nb NOOP\r\n")
    assert frames.next() == Frame(b"b NOOP")


def test_discard_drops_what_came_before_tls() -> None:
    frames = Frames(100)
    frames.feed(b"a STARTTLS\r\nb LOGIN x y\r\nc NO")
    assert frames.next() == Frame(b"a STARTTLS")
    assert frames.pending_bytes == len(b"b LOGIN x y\r\nc NO")
    assert frames.discard() == len(b"b LOGIN x y\r\nc NO")
    assert frames.pending_bytes == 0
    frames.feed(b"d NOOP\r\n")
    assert frames.next() == Frame(b"d NOOP")


def test_discard_in_the_middle_of_anything_begins_anew() -> None:
    for data in (b"half", b"a X {5+}\r\n", b"x" * 200):
        frames = Frames(100)
        frames.feed(data)
        frames.next()
        frames.discard()
        frames.feed(b"d NOOP\r\n")
        assert frames.next() == Frame(b"d NOOP")


def test_wrong_use_is_an_error() -> None:
    frames = Frames(100)
    for call in (frames.memory, frames.refuse):
        with pytest.raises(RuntimeError):
            call()
    frames.feed(b"a X {2}\r\nab\r\n")
    frames.next()
    for call in (frames.next, frames.next_line):
        with pytest.raises(RuntimeError):
            call()
    frames.memory()
    with pytest.raises(RuntimeError):
        frames.memory()
    with pytest.raises(RuntimeError):
        frames.next_line()


class CountedBytes(bytes):
    """Bytes that count how many of them `find` looked at."""

    looked = 0

    def find(self, *args: object) -> int:  # type: ignore[override]
        begin = args[1] if len(args) > 1 else 0
        found = super().find(*args)  # type: ignore[arg-type]
        assert isinstance(begin, int)
        CountedBytes.looked += (found if found >= 0 else len(self)) - begin
        return found


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_slow_drip_is_not_searched_again(size: int) -> None:
    total = 60_000
    frames = Frames(total)
    CountedBytes.looked = 0
    for _ in range(total // size):
        frames.feed(CountedBytes(b"x" * size))
        assert frames.next() is None
    frames.feed(CountedBytes(b"\r\n"))
    frame = frames.next()
    assert isinstance(frame, Frame)
    assert len(frame.text) == total // size * size
    assert total // 2 < CountedBytes.looked <= total + size + 2  # the lower bound shows that the counter counts


def test_many_lines_fed_before_any_is_asked_for_are_searched_once() -> None:
    frames = Frames(100)
    CountedBytes.looked = 0
    for _ in range(5000):
        frames.feed(CountedBytes(b"a NOOP\r\nb NO"))
        frames.feed(CountedBytes(b"OP\r\n"))
    assert sum(1 for _ in pump(frames, accept)) == 10_000
    assert CountedBytes.looked <= frames.max_line + 5000 * 16 * 2


LITERAL_BYTES = st.binary(max_size=40) | st.sampled_from([SMUGGLED, b"\r\n", b"{3+}\r\n", b"a LOGOUT\r\n"])
TEXT = st.text(alphabet='abc (){}+~"\\1', max_size=12).map(lambda text: text.encode() + b".")


@st.composite
def commands(draw: st.DrawFn) -> tuple[bytes, Frame]:
    """A command as it goes over the wire, and the frame that it is."""
    wire = text = b""
    literals = []
    for piece in draw(st.lists(st.tuples(TEXT, LITERAL_BYTES, st.sampled_from([b"", b"+"])), max_size=3)):
        before, literal, mark = piece
        header = b"%b {%d%b}\r\n" % (before, len(literal), mark)
        wire += header + literal
        text += header
        literals.append(literal)
    last = draw(TEXT)
    return wire + last + b"\r\n", Frame(text + last, tuple(literals))


@given(st.lists(commands(), max_size=5), st.data())
@settings(max_examples=200)
def test_any_commands_in_any_pieces_are_their_frames(sent: list[tuple[bytes, Frame]], data: st.DataObject) -> None:
    stream = b"".join(wire for wire, _ in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    pieces = [stream[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    frames = [seen for seen in read(pieces) if isinstance(seen, Frame)]
    assert frames == [frame for _, frame in sent]


@given(st.lists(commands(), min_size=1, max_size=4), st.integers(5, 60), st.booleans())
@settings(max_examples=200)
def test_a_command_that_is_refused_or_too_long_never_hurts_the_next(
    sent: list[tuple[bytes, Frame]], max_line: int, bytewise: bool
) -> None:
    """With non-synchronising literals whatever happens to one command, the next is found where it is."""
    stream = b"".join(wire for wire, frame in sent if b"}\r\n" not in frame.text.replace(b"+}\r\n", b"")) + b"e X\r\n"
    kept = [frame for _, frame in sent if b"}\r\n" not in frame.text.replace(b"+}\r\n", b"")]
    pieces = [stream[i : i + 1] for i in range(len(stream))] if bytewise else [stream]
    frames = [seen for seen in read(pieces, refuse, max_line) if isinstance(seen, Frame)]
    assert frames == [frame for frame in kept if not frame.literals and len(frame.text) <= max_line] + [Frame(b"e X")]
