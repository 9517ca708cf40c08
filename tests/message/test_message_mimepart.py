"""SEARCH MIMEPART on whole messages: what the BODYSTRUCTURE tells is what the message tells."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doocot.imap.search_mimepart import mimepart
from doocot.imap.search_reader import Reader
from doocot.message.bodystructure import bodystructure
from doocot.message.mimepart import (
    Budget,
    Child,
    How,
    PartKey,
    PartNumber,
    PartText,
    TooMuch,
    few_match,
    message_matches,
    param_key,
    structure_matches,
)
from doocot.message.scan import crlf, scan
from doocot.message.structure import below, read_structure
from doocot.wire.cursor import Cursor
from tests.corpus.odd_messages import odd_messages

MESSAGE = b"""From: Root <root@example.org>
Subject: outside
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=a

--a
Content-Type: multipart/alternative; boundary=b

--b
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable
Content-Language: de-AT, en
X-Part: one

Gr=FC=DFe
--b
Content-Type: text/html

<p>hello</p>
--b--
--a
Content-Type: image/PNG; name="=?utf-8?q?caf=C3=A9?=.png"
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename*=utf-8''%C3%9Cbung%201.PNG; size=4
Content-Description: a holiday picture
Content-ID: <pic@example.org>
Content-Location: http://example.org/pic
Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==

aGFsbG8=
--a
Content-Type: message/rfc822

From: =?utf-8?q?J=C3=BCrgen?= <inner@example.net>
To: a@x, "B, C" <b@y>
Date: Tue, 3 Feb 2004 23:30:00 -0800
Subject: inside
Message-ID: <inside@example.net>
In-Reply-To: <before@example.net>

inner text
--a--
"""


def key_of(text: bytes) -> PartKey:
    c = Cursor(b" " + text)
    found = mimepart(Reader(c, "utf-8"), 0)
    c.end()
    return found


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        (b"TYPE image", True),
        (b"TYPE IMAGE", True),
        (b"TYPE video", False),
        (b"(TYPE image SUBTYPE png)", True),
        (b"(TYPE text SUBTYPE png)", False),
        (b"SUBTYPE alternative", True),
        (b"PARAM charset ISO-8859-1", True),
        (b"PARAM charset utf", False),
        (b'PARAM boundary ""', True),
        (b'PARAM nosuch ""', False),
        (b"ENCODING Base64", True),
        (b"(TYPE image ENCODING 7bit)", False),
        (b"DISPOSITION TYPE attachment", True),
        (b"DISPOSITION TYPE inline", False),
        (b"DISPOSITION PARAM size 4", True),
        (b"DISPOSITION PARAM size 5", False),
        (b'FILENAME IS "\xc3\xbcbung 1.png"', True),
        (b"FILENAME IS bung", False),
        (b"FILENAME CONTAINS BUNG", True),
        (b'FILENAME BEGINS "\xc3\x9c"', True),
        (b"FILENAME BEGINS bung", False),
        (b"FILENAME ENDS .png", True),
        (b'FILENAME ENDS "caf\xc3\xa9.png"', False),
        (b'PARAM name "caf\xc3\x89.png"', True),
        (b"SIZE 8", True),
        (b"SIZE 7", False),
        (b"(TYPE image SIZE LARGER 7)", True),
        (b"(TYPE image SIZE LARGER 8)", False),
        (b"(TYPE image SIZE SMALLER 9)", True),
        (b"(TYPE image SIZE SMALLER 8)", False),
        (b"(TYPE multipart SIZE LARGER 0)", False),
        (b"DESCRIPTION HOLIDAY", True),
        (b"DESCRIPTION work", False),
        (b"ID <pic@example.org>", True),
        (b"ID pic", False),
        (b"LOCATION http://example.org/PIC", True),
        (b"MD5 Q2hlY2sgSW50ZWdyaXR5IQ==", True),
        (b"MD5 q2hlY2sgSW50ZWdyaXR5IQ==", False),
        (b"LANGUAGE de", True),
        (b"LANGUAGE de-at", True),
        (b'LANGUAGE "*"', True),
        (b"LANGUAGE de-DE", False),
        (b"LANGUAGE d", False),
        (b'FROM "J\xc3\x9cRGEN"', True),
        (b"FROM inner@example", True),
        (b"FROM root", False),  # the message itself is no part that has an envelope
        (b"SENDER inner", True),
        (b"REPLY-TO inner", True),
        (b'TO "B, C"', True),
        (b'CC ""', False),
        (b"BCC b", False),
        (b"SUBJECT SIDE", True),
        (b"SUBJECT outside", False),
        (b"MESSAGE-ID inside@", True),
        (b"IN-REPLY-TO before", True),
        (b"SENTON 3-Feb-2004", True),
        (b"SENTON 4-Feb-2004", False),
        (b"SENTBEFORE 4-Feb-2004", True),
        (b"SENTSINCE 4-Feb-2004", False),
        (b"DEPTH 3", False),
        (b"DEPTH MIN 2", True),
        (b"DEPTH MIN 3", False),
        (b"(TYPE image DEPTH 1)", True),
        (b"(TYPE text DEPTH MAX 1)", False),
        (b"(TYPE text DEPTH MAX 2)", True),
        (b"(TYPE image INDEX 2)", True),
        (b"(TYPE image INDEX 1)", False),
        (b"INDEX 4", False),
        (b"(TYPE image PARENT (SUBTYPE mixed DEPTH 0))", True),
        (b"(TYPE image PARENT SUBTYPE alternative)", False),
        (b"(SUBTYPE html PARENT PARENT SUBTYPE mixed)", True),
        (b"(SUBTYPE mixed PARENT EXISTS)", False),
        (b"(SUBTYPE mixed NOT PARENT EXISTS)", True),
        (b"(TYPE image CHILD EXISTS)", False),
        (b"(TYPE message CHILD EXISTS)", True),
        (b"(SUBTYPE mixed CHILD SUBTYPE html)", True),
        (b"(SUBTYPE mixed CHILD (SUBTYPE html DEPTH 1))", False),
        (b"(SUBTYPE alternative CHILD (SUBTYPE html DEPTH 1))", True),
        (b"(SUBTYPE alternative CHILD TYPE image)", False),
        (b"OR TYPE video TYPE image", True),
        (b"OR TYPE video TYPE audio", False),
        (b"(TYPE image NOT SUBTYPE png)", False),
        (b"NOT (OR TYPE image TYPE text)", True),
        (b"HEADER X-Part ONE", True),
        (b'HEADER x-part ""', True),
        (b"HEADER X-Part two", False),
        (b"(SUBTYPE html HEADER X-Part one)", False),
        (b"(DEPTH 0 HEADER Subject outside)", True),
        (b'BODY "gr\xc3\xbc\xc3\x9fe"', True),
        (b"(SUBTYPE html BODY hello)", True),
        (b"(SUBTYPE plain BODY hello)", False),
        (b"(TYPE image BODY hallo)", False),  # no text
        (b"(TYPE message BODY inner)", True),
        (b"(TYPE message BODY inside)", False),
        (b"(TYPE message TEXT inside)", True),
        (b"(SUBTYPE html TEXT text/html)", True),
        (b"OR BODY nowhere (TYPE image NOT HEADER X-None x)", True),
        (b"(CHILD BODY hello NOT PARENT EXISTS)", True),
    ],
)
def test_a_key_of_mimepart(keys: bytes, found: bool) -> None:
    key = key_of(keys)
    assert message_matches(MESSAGE, key, Budget()) is found
    packed = bodystructure(scan(crlf(MESSAGE)))
    assert structure_matches(packed, key, Budget()) in (found, None)
    if not any(word in keys for word in (b"HEADER", b"BODY", b"TEXT ")):
        assert structure_matches(packed, key, Budget()) is found


def test_what_the_structure_decides_needs_no_message() -> None:
    packed = bodystructure(scan(crlf(MESSAGE)))
    assert structure_matches(packed, key_of(b"(TYPE video BODY x)"), Budget()) is False
    assert structure_matches(packed, key_of(b"OR TYPE image BODY x"), Budget()) is True
    assert structure_matches(packed, key_of(b"BODY x"), Budget()) is None
    assert structure_matches(packed, key_of(b"CHILD BODY x"), Budget()) is None
    assert structure_matches(packed, key_of(b"NOT BODY x"), Budget()) is None


def test_structures_are_read_as_they_were_written() -> None:
    """Of every odd message: as many parts, of the same kinds and sizes, as were scanned."""
    for name, raw in odd_messages().items():
        part = scan(crlf(raw))
        root = read_structure(bodystructure(part))
        parts = [root, *(one for one, _ in below(root))]
        scanned = [part]
        for one in scanned:
            scanned += one.children
        empty = sum(one.type == b"multipart" for one in parts) - sum(bool(one.children) for one in scanned)
        assert len(parts) >= len(scanned), (name, empty)
        sizes = sorted(one.end - one.body for one in scanned if not one.children and one.kind.value != "multipart")
        assert [size for size in sizes if size] == sorted(one.size for one in parts if one.size and not one.children)


def test_work_is_bounded() -> None:
    deep = b"Content-Type: message/rfc822\n\n" * 90
    key: PartKey = PartNumber(b"INDEX", 5, 6)
    assert not message_matches(deep, key, Budget(0))  # few steps are always there
    for _ in range(3):
        key = Child(key)
    with pytest.raises(TooMuch):
        message_matches(deep, key, Budget())


def test_the_keys_of_one_search_share_their_budget() -> None:
    deep = b"Content-Type: message/rfc822\n\n" * 90
    key, budget = Child(PartNumber(b"INDEX", 5, 6)), Budget(10_000)
    assert not message_matches(deep, key, budget)
    assert not message_matches(deep, key, budget)
    with pytest.raises(TooMuch):
        message_matches(deep, key, budget)


def test_each_text_that_is_compared_is_a_step() -> None:
    many = b", ".join(b"<%d@example.org>" % number for number in range(2000))
    key = PartText(b"TO", How.IS, b"NOBODY")
    packed = bodystructure(scan(crlf(b"Content-Type: message/rfc822\n\nTo: %b\n\n" % many)))
    with pytest.raises(TooMuch):
        few_match(packed, key)
    assert not structure_matches(packed, key, Budget(5000))


@given(st.text(max_size=5), st.sampled_from(("name", "other")))
def test_any_parameter_can_be_compared(value: str, name: str) -> None:
    octets = value.encode()
    assert param_key(((b"Name", octets),), name.encode()) is None or name == "name"
    assert param_key(((b"NAME*", b"utf-8''" + octets),), b"name") is not None
    assert param_key(((b"NAME*", b"no-such'de'" + octets),), b"name") is not None
    assert param_key(((b"NAME*", octets.replace(b"'", b"")),), b"name") is None
