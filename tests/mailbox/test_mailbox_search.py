"""SEARCH over columns and files gives what looking at every message for itself gives, whatever came, went or is odd."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doocot.imap.search_reader import MAX_DEPTH, MAX_KEYS, codec
from doocot.mailbox.facts import HEAD_OCTETS
from doocot.mailbox.roots import Roots
from doocot.mailbox.search_columns import BLOCK, BLOCK_OCTETS, GATHERED, places_of, scratch
from doocot.mailbox.search_text import ALONE, probe, suspects
from doocot.message.charset import search_key
from doocot.message.keys import Keys, keys
from doocot.message.scan import crlf, scan
from doocot.message.text import TextPart, file_text_parts, search_text
from tests.corpus.odd_messages import odd_messages
from tests.imap.search_house import Searcher, make_maildir, open_roots

COUNT = 60


def simple(number: int) -> bytes:
    """A message that tells its number in every place that can be searched."""
    return (
        b"From: Anna <from%d@example.org>\nTo: to%d@example.net\nSubject: about %d\nMessage-ID: <id%d@example.org>\n"
        b"Date: %d Feb 2003 10:00:00 +0100\nX-Number: number %d\n\nbody of %d\n"
        % (number, number, number, number, number % 28 + 1, number, number)
    )


@pytest.fixture
def roots() -> Iterator[Roots]:
    opened = open_roots()
    yield opened
    opened.close()


@pytest.fixture
def box(roots: Roots, tmp_path: Path) -> Searcher:
    make_maildir(
        tmp_path / "Maildir", [(simple(n), "S" if n % 3 else "", 1_000_000_000 + n * 86_400) for n in range(COUNT)]
    )
    return Searcher(roots, tmp_path / "Maildir")


Odd = tuple[bytes, Keys, list[TextPart]]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Searcher, list[Odd]]:
    path = tmp_path_factory.mktemp("odd") / "Maildir"
    messages = list(odd_messages().values())
    make_maildir(path, [(content, "", 1_000_000_000) for content in messages])
    return Searcher(open_roots(), path), list(map(known, messages))


def known(raw: bytes) -> Odd:
    data = crlf(raw)
    part = scan(data)
    return raw, keys(part.head.fields), file_text_parts(part, raw, data)


_text = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), min_size=1, max_size=4)
_known = st.sampled_from(("a", "Alice", "café", "one two", "BODY", "=", "text/plain", "é", "日本", "hello", "  "))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=_text | _known, field=st.sampled_from(("FROM", "TO", "CC", "BCC", "TEXT", "BODY")))
def test_search_is_what_each_message_says_alone(odd: tuple[Searcher, list[Odd]], text: str, field: str) -> None:
    box, messages = odd
    key, octets = search_key(text), text.encode()
    found = box.search(b"CHARSET UTF-8 %b {%d+}\r\n%b" % (field.encode(), len(octets), octets))
    wanted = []
    for number, (raw, fact, parts) in enumerate(messages, 1):
        if field in ("TEXT", "BODY"):
            matches = search_text(raw, parts, key, field == "TEXT")
        else:
            keys = {"FROM": fact.from_, "TO": fact.to, "CC": fact.cc, "BCC": fact.bcc}
            matches = key in keys[field]
        if matches:
            wanted.append(number)
    assert found == wanted


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_keys_of_a_header_of_any_length(roots: Roots, tmp_path: Path, line_end: bytes) -> None:
    """Only the beginning of a file is read for them, unless its header is longer; the body is never taken for one."""
    lengths = [0, *range(HEAD_OCTETS - 40, HEAD_OCTETS + 1, 5), 3 * HEAD_OCTETS]
    body = b"\nSubject: nowhere\n" + b"y" * 3 * HEAD_OCTETS
    heads = [b"X: %b\nSubject: at the end\n" % (b"x" * length) for length in lengths]
    make_maildir(tmp_path / "Maildir", [((head + body).replace(b"\n", line_end), "", 1) for head in heads])
    box = Searcher(roots, tmp_path / "Maildir")
    assert box.search(b'SUBJECT "at the end"') == list(range(1, len(lengths) + 1))
    assert box.search(b'SUBJECT "nowhere"') == []


def suspected(key: bytes, *raws: bytes) -> list[int]:
    return suspects(probe(key), raws, scratch(sum(len(raw) + 1 for raw in raws)))


@given(
    raws=st.lists(st.binary(max_size=60).filter(bytes.isascii), max_size=4), text=_text | st.sampled_from(("a", "b\0"))
)
def test_a_first_look_never_excludes_what_matches(raws: list[bytes], text: str) -> None:
    key = search_key(text)
    found = suspected(key, *raws)
    assert found == sorted(set(found))
    for number, raw in enumerate(raws):
        if search_text(raw, [(0, len(raw), b"", b"utf-8")], key, True):
            assert number in found


def test_a_first_look_excludes_plain_text() -> None:
    assert suspected(b"NOT THERE", b"Subject: something else\n\nplain\n") == []
    assert suspected(b"ELSE PLAIN", b"Subject: something else\n\nplain\n") == [0]  # the longest word alone is asked
    assert suspected(b"X", b"a", b"Subject: =?utf-8?b?eA==?=\n\n", b"b") == [1]
    assert suspected(b" ", b"a", b"b") == [0, 1]
    assert suspected("É".encode(), b"a", b"b") == []


@given(st.text("ab", max_size=80), st.text("ab", min_size=1, max_size=GATHERED + 5) | st.just("a" * (GATHERED + 1)))
def test_places_are_all_where_the_key_begins(text: str, key: str) -> None:
    octets = np.frombuffer(text.encode(), np.uint8)
    wanted = [at for at in range(len(text)) if text.startswith(key, at)]
    assert places_of(octets, key.encode(), scratch(len(text))).tolist() == wanted


def test_large_texts_are_found_in_their_blocks(roots: Roots, tmp_path: Path) -> None:
    filler = b"x" * (BLOCK_OCTETS // 3)
    long = [b"Subject: %b about %d\n\n\n" % (filler, number) for number in range(8)]
    make_maildir(tmp_path / "Maildir", [(content, "", 1) for content in long])
    box = Searcher(roots, tmp_path / "Maildir")
    assert box.search(b"SUBJECT 5") == [6]
    new = simple(5)
    box.send(b"p APPEND INBOX {%d+}\r\n%b" % (len(new), new))
    assert box.search(b"SUBJECT 5") == [6, 9]


@pytest.mark.parametrize(
    "keys",
    [
        b"FUZZY FROM from7",
        b"FUZZY TEXT numbre",
        b"FUZZY HEADER X-Number 7",
        b"FROM from7@",
        b"TO to7@",
        b'SUBJECT "about 7"',
        b"TEXT number",
        b"HEADER X-Number 7",
        b"SENTON 8-Feb-2003",
    ],
)
def test_columns_follow_what_comes_and_goes(box: Searcher, roots: Roots, tmp_path: Path, keys: bytes) -> None:
    before = box.search(keys)
    assert before
    new = simple(7)
    other = Searcher(roots, tmp_path / "Maildir")
    other.send(b"p APPEND INBOX {%d+}\r\n%b" % (len(new), new))
    box.send(b"n NOOP")
    assert box.search(keys) == [*before, COUNT + 1]
    box.send(b"d STORE 1:2 +FLAGS.SILENT (\\Deleted)")
    box.send(b"e EXPUNGE")
    assert box.search(keys) == [number - 2 for number in [*before, COUNT + 1] if number > 2]
    assert box.search(b"UID 1:* " + keys, b"UID SEARCH") == [number for number in [*before, COUNT + 1] if number > 2]


def test_dates_and_sizes_are_learnt_when_first_asked_for(box: Searcher) -> None:
    assert box.search(b"ON 10-Sep-2001") == [2]  # the second day after 1,000,000,000 seconds
    assert box.search(b"BEFORE 11-Sep-2001") == [1, 2]
    assert box.search(b"SINCE 1-Jan-2030") == []
    assert box.search(b"LARGER 100") == list(range(1, COUNT + 1))


def test_a_message_expunged_elsewhere_keeps_its_number_until_told(box: Searcher, roots: Roots, tmp_path: Path) -> None:
    other = Searcher(roots, tmp_path / "Maildir")
    other.send(b"d STORE 1 +FLAGS.SILENT (\\Deleted)")
    other.send(b"e EXPUNGE")
    other.search(b"SUBJECT about")  # makes the column, in which it is not any more
    assert box.search(b"SUBJECT about") == list(range(2, COUNT + 1))
    assert b"EXPUNGE" not in box.send(b"s SEARCH ALL")
    assert b"* 1 EXPUNGE" in box.send(b"u UID SEARCH ALL")


def test_a_file_that_is_gone_matches_nothing(box: Searcher, tmp_path: Path) -> None:
    assert box.search(b"TEXT body") == list(range(1, COUNT + 1))
    (file,) = (tmp_path / "Maildir" / "cur").glob("1000000003.odd*")
    file.unlink()
    assert 3 not in box.search(b"TEXT body")
    assert 3 not in box.search(b"NOT TEXT nowhere")
    assert 3 not in box.search(b"NOT HEADER X-Nothing x")


def test_a_message_expunged_elsewhere_is_not_another_one(box: Searcher, roots: Roots, tmp_path: Path) -> None:
    other = Searcher(roots, tmp_path / "Maildir")
    assert box.search(b"TEXT number") == list(range(1, COUNT + 1))  # the columns have it still
    other.send(b"d STORE 3 +FLAGS.SILENT (\\Deleted)")
    other.send(b"e EXPUNGE")
    assert box.search(b'1,3 TEXT "number 0"') == [1]
    assert box.search(b'1,3 TEXT "number 1"') == []
    assert box.search(b"1,3 HEADER X-Number 1") == []


def test_a_large_message_is_looked_through_on_a_thread(roots: Roots, tmp_path: Path) -> None:
    large = b"Subject: large\n\n" + b"filler line\n" * (ALONE // 10) + b"the needle\n"
    make_maildir(tmp_path / "Maildir", [(large, "", 1), (simple(1), "", 1)])
    box = Searcher(roots, tmp_path / "Maildir")
    box.search(b"TEXT large")
    assert box.search(b"BODY needle") == [1]
    assert box.jobs == 2


def test_an_attachment_is_not_read(roots: Roots, tmp_path: Path) -> None:
    message = (
        b'Subject: with\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n\n--b\n\ntext\n--b\n'
        b"Content-Type: application/octet-stream\n\n" + b"binary\n" * ALONE + b"--b--\n"
    )
    make_maildir(tmp_path / "Maildir", [(message, "", 1)])
    box = Searcher(roots, tmp_path / "Maildir")
    assert box.search(b"BODY text") == [1]
    assert box.search(b"BODY binary") == []
    assert box.jobs == 0


def test_long_searches_let_others_run(roots: Roots, tmp_path: Path) -> None:
    make_maildir(tmp_path / "Maildir", [(simple(n), "", 1) for n in range(BLOCK // 4)])
    box = Searcher(roots, tmp_path / "Maildir")
    assert len(box.search(b"TEXT nowhere")) == 0
    assert box.search(b"BODY nowhere") == []
    assert box.mores >= BLOCK // 4 // 150


def test_saved_result_loses_what_is_expunged(box: Searcher) -> None:
    box.send(b"s SEARCH RETURN (SAVE) 2,4:6")
    assert box.search(b"$") == [2, 4, 5, 6]
    box.send(b"d STORE 4 +FLAGS.SILENT (\\Deleted)")
    box.send(b"e EXPUNGE")
    assert box.search(b"$") == [2, 4, 5]
    assert box.search(b"UID $", b"UID SEARCH") == [2, 5, 6]
    assert b"s OK" in box.send(b"s FETCH $ (UID)")


def test_modseq_is_told_of_what_matches(box: Searcher) -> None:
    box.send(b"d STORE 3 +FLAGS.SILENT (\\Flagged)")
    first = box.send(b"s SEARCH MODSEQ 1")
    assert first.startswith(b"* OK [HIGHESTMODSEQ ")
    highest = int(first.partition(b"(MODSEQ ")[2].partition(b")")[0])
    assert box.search(b"MODSEQ %d" % highest) == [3]
    assert box.search(b"MODSEQ %d" % (highest + 1)) == []
    entry = b'MODSEQ "/flags/\\\\draft" all %d' % highest
    assert box.search(entry) == [3]
    lowest = box.send(b"s SEARCH RETURN (MIN) MODSEQ 1")
    assert b"MIN 1 MODSEQ %d" % highest not in lowest
    assert b"MIN 1 MODSEQ " in lowest
    assert b"MODSEQ %d" % highest in box.send(b"s SEARCH RETURN (COUNT) MODSEQ 1")


def test_keywords_are_found_without_case(box: Searcher) -> None:
    box.send(b"d STORE 2,9 +FLAGS (Todo)")
    assert box.search(b"KEYWORD todo") == [2, 9]
    assert len(box.search(b"UNKEYWORD TODO")) == COUNT - 2


def test_nesting_and_number_of_keys_are_bounded(box: Searcher) -> None:
    assert b"s OK" in box.send(b"s SEARCH " + b"(" * MAX_DEPTH + b"ALL" + b")" * MAX_DEPTH)
    assert b"s BAD" in box.send(b"s SEARCH " + b"(" * (MAX_DEPTH + 1) + b"ALL" + b")" * (MAX_DEPTH + 1))
    assert b"s BAD" in box.send(b"s SEARCH " + b"NOT " * (MAX_DEPTH + 1) + b"ALL")
    assert b"s OK" in box.send(b"s SEARCH" + b" SEEN" * MAX_KEYS)
    assert b"s BAD" in box.send(b"s SEARCH" + b" SEEN" * (MAX_KEYS + 1))


def test_only_charsets_of_mail_are_known() -> None:
    assert codec("us-ascii") == "utf-8"
    assert codec("iso-8859-1") == "iso8859-1"
    for name in ("base64", "idna", "rot13", "unicode_escape", "nonsense", "x" * 200, "é"):
        assert codec(name) is None, name


def test_a_text_outside_its_charset_is_refused(box: Searcher) -> None:
    assert b"s NO [BADCHARSET]" in box.send(b"s SEARCH CHARSET UTF-8 SUBJECT {1+}\r\n\xff")
