"""SEARCH against a real Dovecot over the odd messages: listed programs, single keys and random nested ones."""

import os
import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.corpus.odd_messages import odd_messages
from tests.imap.search_house import Searcher, make_maildir, open_roots
from tests.message.differences import SEARCH_DIFFERENCES
from tests.message.dovecot_oracle import Oracle, missing_part

# Messages over which the two servers differ, and why.
DIFFERING = {
    "subject-031": "ASCII in an encoded word of an unknown charset is still readable.",
    "subject-032": "RFC 2231 §5: the charset of an encoded word may have a language after an asterisk.",
    "shape-huge-subject": "Dovecot sees a space in a subject that has none.",
    "id-013": "Only the first identifier of a Message-ID field is looked at.",
    **dict.fromkeys(
        [f"address-{n:03}" for n in (24, 25, 28, 29, 31, 66, 86, 87)],
        "The one form in which groups and names are compared has other punctuation.",
    ),
}

LETTERS = ("", "S", "FS", "RS", "D", "T", "S")
RANDOM_PROGRAMS = 400

# Messages that the odd corpus has no like of: white space in subjects, empty and missing fields.
MORE = {
    "search-spaces": b"From: a@x.org\nTo: b@y\nSubject: a  b\tc\nDate: Mon, 7 Feb 1994 21:52:25 -0800\n"
    b"X-Foo: one\n two\n\nhello world\n",
    "search-empty": b"From: \nSubject:\nX-Foo: \n\nhello\n",
    "search-two": b"To: x\nX-Foo: a  b\nX-Foo: zwei\nX-Bar: =?utf-8?q?Caf=C3=A9?= (comment)\nDate: foo\n"
    b'Sender: Bob "Q" <bob@z>\nReply-To: Rep <r@z>\n\n\n',
    "search-1970": b"Subject: =?utf-8?q?a?= =?utf-8?q?b?=\nDate: Thu, 1 Jan 1970 00:00:00 +0000\n\nx\n",
}

PROGRAMS = rb"""
ALL
FROM ""
TO ""
SUBJECT ""
HEADER Subject ""
HEADER X-Foo ""
HEADER Date ""
BODY ""
NOT TEXT ""
SUBJECT "a b"
SUBJECT "a  b"
SUBJECT "b c"
SUBJECT "b	c"
HEADER Subject "a b"
HEADER Subject "b	c"
HEADER X-Foo "one two"
HEADER X-Foo "a  b"
HEADER X-Foo " "
HEADER X-Bar cafe
HEADER X-Bar "(comment"
HEADER Sender "bob q"
HEADER Sender "\"Q\""
HEADER Reply-To "rep <r@z"
HEADER From: "a@x"
HEADER "X Foo" a
HEADER Message-ID "<"
HEADER Message-ID example
HEADER Content-Type multipart
HEADER MIME-Version 1.0
SENTON 1-Jan-1970
SENTBEFORE 1-Jan-1970
SENTSINCE 1-Jan-1970
SENTON 7-Feb-1994
SENTON 8-Feb-1994
SINCE 1-Jan-1960
BEFORE 1-Jan-2500
BEFORE 3-Jan-2001
ON 2-Jan-2001
SINCE "2-Jan-2001"
999999
1:999999
*
2:*,99999
UID 99999
UID 1:*
UID 5,*,2
NOT 1
NOT (1 2)
OR NOT 1:2 NOT (3 4)
OR OR 1 2 3
(1 OR (2) (1:3))
((ALL) (1:2 3))
KEYWORD foo
UNKEYWORD foo
NEW
OLD
RECENT
DELETED UNDRAFT
UNFLAGGED SEEN
LARGER 0
LARGER 99999999999
SMALLER 100
TEXT "X-Foo: one two"
TEXT "a  b"
TEXT " "
TEXT NIL
BODY hello NOT BODY world
TEXT hello TEXT world
CHARSET "utf-8" ALL
CHARSET "" ALL
CHARSET US-ASCII TEXT hello
1:2  3:4
MIMEPART TYPE text
MIMEPART TYPE multipart
MIMEPART TYPE message
MIMEPART TYPE APPLICATION
MIMEPART SUBTYPE plain
MIMEPART SUBTYPE mixed
MIMEPART (TYPE text SUBTYPE html)
MIMEPART ENCODING base64
MIMEPART ENCODING Quoted-Printable
MIMEPART DISPOSITION TYPE attachment
MIMEPART PARAM charset ""
MIMEPART PARAM CHARSET utf-8
MIMEPART ID "<x>"
MIMEPART LOCATION ""
MIMEPART LANGUAGE en
MIMEPART FILENAME IS "a b"
MIMEPART DEPTH 0
MIMEPART DEPTH 1
MIMEPART DEPTH 2
MIMEPART DEPTH MIN 3
MIMEPART (DEPTH MAX 1 TYPE text)
MIMEPART (INDEX 2 TYPE text)
MIMEPART INDEX 3
MIMEPART (SIZE LARGER 100 TYPE text)
MIMEPART (SIZE SMALLER 10 TYPE text)
MIMEPART (TYPE text SIZE 5)
MIMEPART CHILD EXISTS
MIMEPART PARENT EXISTS
MIMEPART (NOT PARENT EXISTS TYPE text)
MIMEPART (PARENT EXISTS TYPE text PARENT SUBTYPE mixed)
OLDER 60
NOT YOUNGER 60
YOUNGER 60
MIMEPART (CHILD SUBTYPE plain)
MIMEPART (CHILD (SUBTYPE plain INDEX 1))
MIMEPART OR TYPE image TYPE application
MIMEPART NOT TYPE text
NOT MIMEPART TYPE text
""".strip(b"\n").split(b"\n")  # fmt: skip

RETURNS = rb"""
RETURN () 99999
RETURN () ALL
RETURN (MIN MAX COUNT ALL) ALL
RETURN (ALL COUNT MAX MIN) SEEN
RETURN (MIN MAX COUNT ALL) SUBJECT zzzzz
RETURN (COUNT) SUBJECT zzzzz
RETURN (MIN) SUBJECT zzzzz
RETURN (MIN MAX) FLAGGED
RETURN (COUNT COUNT) ALL
RETURN (SAVE) 2:3
$
UID $
NOT $
RETURN (SAVE MIN) SEEN
$
RETURN (SAVE MIN MAX) SEEN
$
RETURN (SAVE MIN MAX COUNT) SEEN
$
RETURN (SAVE ALL) 1,3
RETURN (SAVE) BLARG
$
RETURN (SAVE) CHARSET FOO ALL
$
RETURN (SAVE) SUBJECT zzzzz
$
RETURN (FOO) ALL
CHARSET FOO SUBJECT a
CHARSET UTF-8 RETURN (COUNT) ALL
RETURN (COUNT) CHARSET UTF-8 ALL
CHARSET UTF-8
BLARG
OR ALL
NOT
()
0
1,,2
SUBJECT (a)
SUBJECT a b
1 RETURN (ALL)
"ALL"
LARGER -1
SINCE 1-Foo-2020
UID foo
RETURN (SAVE) $ UNSEEN
""".strip(b"\n").split(b"\n")  # fmt: skip


@pytest.fixture(scope="module")
def messages() -> dict[str, bytes]:
    return {**odd_messages(), **MORE}


@pytest.fixture(scope="module")
def dovecot(messages: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    if reason := missing_part():
        pytest.skip(f"ORACLE NOT RUN: {reason}")
    serving = Oracle(tmp_path_factory.mktemp("search-oracle"), messages)
    _dress(serving.root / "home" / "Maildir" / "cur")
    with serving:
        yield serving


@pytest.fixture(scope="module")
def doocot(messages: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Searcher:
    path = tmp_path_factory.mktemp("search") / "Maildir"
    make_maildir(path, [(content, "", 0) for content in messages.values()])
    _dress(path / "cur")
    return Searcher(open_roots(), path)


def _dress(folder: Path) -> None:
    """Gives the messages flags and dates that hang on their numbers."""
    for number, file in enumerate(sorted(folder.iterdir())):
        letters = LETTERS[number % len(LETTERS)]
        renamed = file.with_name(f"{file.name.partition(':')[0]}:2,{''.join(sorted(letters))}")
        file.rename(renamed)
        when = 978_307_200 + number * 3600 * 5  # from 1-Jan-2001 on
        os.utime(renamed, (when, when))


def _answers(untagged: list[bytes], tagged: bytes) -> list[bytes]:
    """What must be equal: the search responses, the condition and the code; the text is each server's own."""
    condition, _, text = tagged.rstrip(b"\r\n").partition(b" ")
    code = text[: text.index(b"]") + 1] if text.startswith(b"[") else b""
    found = [line for line in untagged if line.startswith((b"* SEARCH", b"* ESEARCH"))]
    return [*found, condition + b" " + code]


def _ours(doocot: Searcher, line: bytes) -> list[bytes]:
    lines = doocot.send(b"t " + line).splitlines(keepends=True)
    return _answers(lines[:-1], lines[-1][2:])


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("command", [b"SEARCH", b"UID SEARCH"])
def test_search_program_matches_dovecot(dovecot: Oracle, doocot: Searcher, program: bytes, command: bytes) -> None:
    line = command + b" " + program
    theirs = _answers(*dovecot.command(line))
    assert theirs[-1].startswith(b"OK")
    assert _ours(doocot, line) == theirs


def test_search_returns_and_errors_match_dovecot(dovecot: Oracle, doocot: Searcher) -> None:
    for program in RETURNS:
        for command in (b"SEARCH ", b"UID SEARCH "):
            assert _ours(doocot, command + program) == _answers(*dovecot.command(command + program)), program
            doocot.send(b"n NOOP")  # too many BADs in a row end a session
            dovecot.command(b"NOOP")


@pytest.mark.parametrize("charset", ["UTF-8", "ISO-8859-1", "utf-16", "KOI8-R", "ISO-2022-JP", "windows-1252"])
@pytest.mark.parametrize("word", ["café", "body", "日本", "é"])
def test_search_charset_matches_dovecot(dovecot: Oracle, doocot: Searcher, charset: str, word: str) -> None:
    try:
        octets = word.encode(charset)
    except UnicodeEncodeError:
        pytest.skip("not in this charset")
    if b"\0" in octets:
        pytest.skip("NUL cannot be sent")
    assert not [name for of, text, name in SEARCH_DIFFERENCES if (of, text) == ("TEXT", word)]
    line = b"SEARCH CHARSET %b TEXT {%d+}\r\n%b" % (charset.encode(), len(octets), octets)
    assert _ours(doocot, line) == _answers(*dovecot.command(line))


_LEAVES = (
    b"ALL SEEN UNSEEN ANSWERED FLAGGED DELETED DRAFT UNDRAFT UNFLAGGED NEW OLD RECENT 1:50 5,9,*,70:60 100:*"
).split()
_FIELDS = b"Subject From To Cc Message-ID Date X-Foo Content-Type Received MIME-Version In-Reply-To Sender".split()
_SHORT = ("a", "e", "@", "example", "alice", "body", "re", " ", "1", "<", "=", "text/plain", "é", "ß", "hello", "")


def _random_text(rng: random.Random, words: list[bytes]) -> bytes:
    word = rng.choice(words) if rng.random() < 0.6 else rng.choice(_SHORT).encode()
    if rng.random() < 0.3:
        word = word.swapcase()
    return b"{%d+}\r\n%b" % (len(word), word)


def _random_key(rng: random.Random, words: list[bytes], depth: int) -> bytes:
    """A search key as any client might make one, and as none would."""
    kind = rng.randrange(12 if depth else 9)
    if kind < 3:
        return rng.choice(_LEAVES)
    if kind == 3:
        plain = [word for word in words if b'"' not in word]
        return rng.choice((b"FROM ", b"TO ", b"CC ", b"BCC ", b"SUBJECT ")) + _random_text(rng, plain)
    if kind == 4:
        return rng.choice((b"BODY ", b"TEXT ")) + _random_text(rng, words)
    if kind == 5:
        return b"HEADER %b %b" % (rng.choice(_FIELDS), _random_text(rng, words))
    if kind == 6:
        return rng.choice((b"LARGER %d", b"SMALLER %d")) % rng.randrange(1000)
    if kind == 7:
        return rng.choice((b"BEFORE", b"ON", b"SINCE")) + b" %d-Jan-2001" % rng.randrange(1, 32)
    if kind == 8:
        return rng.choice((b"SENTBEFORE", b"SENTON", b"SENTSINCE")) + b" %d-Feb-1994" % rng.randrange(5, 11)
    if kind == 9:
        return b"NOT " + _random_key(rng, words, depth - 1)
    if kind == 10:
        return b"OR %b %b" % (_random_key(rng, words, depth - 1), _random_key(rng, words, depth - 1))
    return b"(%b)" % b" ".join(_random_key(rng, words, depth - 1) for _ in range(rng.randrange(1, 4)))


def _words(messages: dict[str, bytes]) -> list[bytes]:
    """Words and pairs of words that stand in the messages, as valid UTF-8 without line ends."""
    found = set()
    for content in messages.values():
        parts = [part for part in content.replace(b"\0", b" ")[:3000].split() if len(part) < 30]
        found.update(parts[:60])
        found.update(b" ".join(pair) for pair in pairwise(parts[:30]))
    return sorted(word for word in found if word.decode("utf-8", "ignore").encode() == word)


@pytest.mark.parametrize("seed", range(8))
def test_random_searches_match_dovecot(
    dovecot: Oracle, doocot: Searcher, messages: dict[str, bytes], seed: int
) -> None:
    rng, words = random.Random(seed), _words(messages)
    names = list(messages)
    differing = {names.index(name) + 1 for name in (*DIFFERING, *(name for _, _, name in SEARCH_DIFFERENCES))}
    hits = 0
    for _ in range(RANDOM_PROGRAMS // 8):
        program = b"CHARSET UTF-8 " + _random_key(rng, words, 3)
        untagged, tagged = dovecot.command(b"SEARCH " + program)
        assert tagged.startswith(b"OK"), (program, tagged)
        (line,) = [line for line in untagged if line.startswith(b"* SEARCH")]
        theirs = {int(number) for number in line.split()[2:]}
        ours = set(doocot.search(program))
        hits += 0 < len(ours) < len(names)
        differ = sorted((ours ^ theirs) - differing)
        assert not differ, (program, [(names[number - 1], number in ours) for number in differ[:5]])
    assert hits > RANDOM_PROGRAMS // 8 // 3
