"""Examples of the RFCs, and answers that are known without a second server."""

import pytest

from doocot.errors import Kind as ErrorKind
from doocot.errors import MailError
from doocot.message.address import Address, address_list, shown
from doocot.message.bodystructure import body, bodystructure
from doocot.message.charset import decode, decode_header, header_key, search_key
from doocot.message.dates import internal_date, sent_date
from doocot.message.decode import exact, tolerant
from doocot.message.envelope import envelope
from doocot.message.header import fields, header_fields, header_fields_not, names_key
from doocot.message.keys import keys
from doocot.message.mime import content_type
from doocot.message.quote import nstring, phrase, unfolded
from doocot.message.scan import Kind, Limits, crlf, scan
from doocot.message.sections import Section, SectionText, binary, find, is_converted, section
from doocot.message.subject import base_subject
from doocot.message.text import HEADER, file_text_parts, search_text, text_parts
from doocot.message.threads import message_ids, parents

RFC3501_ENVELOPE = b"""\
Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)
From: Terry Gray <gray@cac.washington.edu>
Subject: IMAP4rev1 WG mtg summary and minutes
To: imap@cac.washington.edu
cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>
Message-Id: <B27397-0100000@cac.washington.edu>
MIME-Version: 1.0
Content-Type: TEXT/PLAIN; CHARSET=US-ASCII

"""


def test_envelope_of_rfc3501_section_8() -> None:
    assert envelope(scan(crlf(RFC3501_ENVELOPE)).header) == (
        b'("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev1 WG mtg summary and minutes" '
        b'(("Terry Gray" NIL "gray" "cac.washington.edu")) (("Terry Gray" NIL "gray" "cac.washington.edu")) '
        b'(("Terry Gray" NIL "gray" "cac.washington.edu")) ((NIL NIL "imap" "cac.washington.edu")) '
        b'((NIL NIL "minutes" "CNRI.Reston.VA.US")("John Klensin" NIL "KLENSIN" "MIT.EDU")) NIL NIL '
        b'"<B27397-0100000@cac.washington.edu>")'
    )


def test_body_of_rfc3501_section_8() -> None:
    data = crlf(RFC3501_ENVELOPE) + b"x" * 2936 + b"\r\n" * 46
    assert body(scan(data)) == b'("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7bit" 3028 46)'


NESTED = crlf(b"""\
From: a@b
MIME-Version: 1.0
Content-Type: MULTIPART/MIXED; boundary=x

--x
Content-Type: TEXT/PLAIN

1
--x
Content-Type: APPLICATION/OCTET-STREAM
Content-Transfer-Encoding: base64

Mg==
--x
Content-Type: MESSAGE/RFC822

Subject: three
Content-Type: MULTIPART/MIXED; boundary=y

--y

3.1
--y
Content-Type: APPLICATION/X

3.2
--y--
--x
Content-Type: MULTIPART/MIXED; boundary=z

--z
Content-Type: IMAGE/GIF
Content-ID: <4.1>

4.1
--z
Content-Type: MESSAGE/RFC822

Subject: four two

4.2.1
--z--
--x--
""")


@pytest.mark.parametrize(
    ("spec", "octets"),
    [
        (Section((1,)), b"1"),
        (Section((2,)), b"Mg=="),
        (Section((3,), SectionText.HEADER), b"Subject: three\r\nContent-Type: MULTIPART/MIXED; boundary=y\r\n\r\n"),
        (Section((3, 1)), b"3.1"),
        (Section((3, 2)), b"3.2"),
        (Section((3, 2), SectionText.MIME), b"Content-Type: APPLICATION/X\r\n\r\n"),
        (Section((4, 1)), b"4.1"),
        (Section((4, 1), SectionText.MIME), b"Content-Type: IMAGE/GIF\r\nContent-ID: <4.1>\r\n\r\n"),
        (Section((4, 2), SectionText.HEADER), b"Subject: four two\r\n\r\n"),
        (Section((4, 2), SectionText.TEXT), b"4.2.1"),
        (Section((4, 2, 1)), b"4.2.1"),
        (Section((4, 2), SectionText.HEADER_FIELDS, frozenset((b"subject",))), b"Subject: four two\r\n\r\n"),
        (Section((5,)), None),
        (Section((0,)), None),
        (Section((1, 1, 1)), None),
        (Section((1,), SectionText.HEADER), None),
        (Section((4, 2, 2)), None),
    ],
)
def test_part_numbers_of_rfc3501_section_6_4_5(spec: Section, octets: bytes | None) -> None:
    assert section(NESTED, scan(NESTED), spec) == octets


def test_whole_message_is_header_and_text() -> None:
    part = scan(NESTED)
    whole = section(NESTED, part, Section())
    assert whole == NESTED
    head = section(NESTED, part, Section((), SectionText.HEADER)) or b""
    assert head + (section(NESTED, part, Section((), SectionText.TEXT)) or b"") == NESTED


def test_binary_decodes_what_is_inside() -> None:
    part = scan(NESTED)
    assert binary(NESTED, part, (2,)) == b"2"
    assert binary(NESTED, part) == NESTED.replace(b"base64", b"binary").replace(b"Mg==", b"2")
    assert binary(NESTED, part, (9,)) is None
    assert is_converted(part)
    assert not is_converted(part.children[0])


def test_binary_refuses_unknown_encodings() -> None:
    data = b"Content-Type: x/y\r\nContent-Transfer-Encoding: x-foo\r\n\r\nz"
    with pytest.raises(MailError) as refused:
        binary(data, scan(data), (1,))
    assert refused.value.kind is ErrorKind.UNKNOWN_CTE


def test_bodystructure_has_extension_data() -> None:
    data = crlf(
        b'MIME-Version: 1.0\nContent-Type: application/x; a=b\nContent-Disposition: attachment; filename="c d"\n'
        b"Content-Language: en, fr\nContent-Location: http://x\nContent-MD5: Q2hl\nContent-ID: <i@d>\n"
        b"Content-Description: what\nContent-Transfer-Encoding: base64\n\nMg==\n"
    )
    assert bodystructure(scan(data)) == (
        b'("application" "x" ("a" "b") "<i@d>" "what" "base64" 6 "Q2hl" ("attachment" ("filename" "c d")) ("en" "fr") '
        b'"http://x")'
    )


def test_limits_end_the_tree() -> None:
    deep = b"Content-Type: message/rfc822\r\n\r\n" * 8 + b"x"
    part, depth = scan(deep, Limits(depth=3)), 1
    while part.children:
        part, depth = part.children[0], depth + 1
    assert depth == 3
    assert part.kind is Kind.OTHER
    wide = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 50 + b"--b--\r\n"
    assert len(scan(wide, Limits(parts=11)).children) == 10


@pytest.mark.parametrize(
    ("raw", "sent"),
    [
        (b"a\nb\n", b"a\r\nb\r\n"),
        (b"a\r\nb\r\n", b"a\r\nb\r\n"),
        (b"a\r\nb\n", b"a\r\nb\r\n"),
        (b"a\rb\n", b"a\rb\r\n"),
        (b"a\r\r\nb", b"a\r\r\nb"),
        (b"\0\n", b"\0\r\n"),
        (b"", b""),
    ],
)
def test_line_ends_on_the_wire(raw: bytes, sent: bytes) -> None:
    assert crlf(raw) == sent


def test_nuls_are_shown_as_octet_80() -> None:
    data = b"A: b\r\n\r\nx\0y"
    assert section(data, scan(data), Section((), SectionText.TEXT)) == b"x\x80y"
    assert binary(data, scan(data), (1,)) == b"x\0y"


def test_nstring_forms() -> None:
    assert nstring(None) == b"NIL"
    assert nstring(b"") == b'""'
    assert nstring(b'a"b\\') == b'"a\\"b\\\\"'
    assert nstring(b'"' * 5) == b'{5}\r\n"""""'
    assert nstring(b"\xe9") == b"{1}\r\n\xe9"
    assert unfolded(b"a\n b") == b'"a b"'
    assert phrase(b"a\n\t b") == b"{3}\r\na b"
    assert phrase(b"  ") == b'""'
    assert phrase(b"a\0") == b"{2}\r\na\x80"


def test_addresses_of_rfc5322_appendix_a() -> None:
    assert address_list(b'"Joe Q. Public" <john.q.public@example.com>') == (
        Address(b"Joe Q. Public", None, b"john.q.public", b"example.com"),
    )
    assert address_list(b"A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;") == (
        Address(mailbox=b"A Group"),
        Address(b"Ed Jones", None, b"c", b"a.test"),
        Address(None, None, b"joe", b"where.test"),
        Address(b"John", None, b"jdoe", b"one.test"),
        Address(),
    )
    assert address_list(b"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>") == (
        Address(b"Pete", None, b"pete", b"silly.test"),
    )
    assert address_list(b"Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example")[0] == Address(
        b"Mary Smith", b"@node.test", b"mary", b"example.net"
    )
    assert address_list(b"(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;") == (
        Address(mailbox=b"Hidden recipients"),
        Address(),
    )


@pytest.mark.parametrize(
    "value", [b'"A, B" <a@b>, C <c@d>', b"a <a@b>,b <c@d>,\n e <e@f>", b'x <a@b>, "y', b"a <b@c>,"]
)
def test_the_quick_way_and_the_grammar_agree(value: bytes) -> None:
    slow = b"".join(shown(b"(slow)" + value).wire[1:-1].split(b"(slow)"))
    assert shown(value).wire[1:-1] == slow


def test_address_keys_have_one_form() -> None:
    assert shown(b"a@b (Al Jones)").key == shown(b'"Al  Jones" <a@b>').key.replace(b"  ", b" ") == b'"AL JONES" <A@B>'


def test_header_fields_keep_order_and_folds() -> None:
    block = b"To: x\r\nFROM: a\r\n b\r\nX-From: no\r\nfrom : c\r\nno colon\r\n\r\n"
    names = names_key([b"From", b"To"])
    assert header_fields(block, names) == b"To: x\r\nFROM: a\r\n b\r\nfrom : c\r\n\r\n"
    assert header_fields_not(block, names) == b"X-From: no\r\nno colon\r\n\r\n"
    assert header_fields(block, frozenset((b"none",))) == b"\r\n"
    assert header_fields(b"To: x", names) == b"To: x\r\n"
    assert header_fields(b"X: x", names) == b""
    assert fields(block)[b"from"] == [b"a\n b", b"c"]


def test_parameters_of_rfc2231() -> None:
    value = b"application/x-stuff; title*0*=us-ascii'en'This%20is%20even%20more%20; title*1*=%2A%2A%2Afun%2A%2A%2A%20;"
    value += b' title*2="isn\'t it!"'
    assert content_type(value).params == (
        (b"title*", b"us-ascii'en'This%20is%20even%20more%20%2A%2A%2Afun%2A%2A%2A%20isn't it!"),
    )
    assert content_type(b'message/external-body; URL*0="ftp://"; URL*1="x"').params == ((b"URL", b"ftp://x"),)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"=?ISO-8859-1?Q?a?=", "a"),
        (b"=?ISO-8859-1?Q?a?= b", "a b"),
        (b"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
        (b"=?ISO-8859-1?Q?a?=\n    =?ISO-8859-1?Q?b?=", "ab"),
        (b"=?ISO-8859-1?Q?a_b?=", "a b"),
        (b"=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"),
        (b"=?ISO-8859-8?b?7eXs+SDv4SDp7Oj08A==?=", "םולש ןב ילטפנ"),
        (b"=?US-ASCII*EN?Q?Keith_Moore?=", "Keith Moore"),
        (b"=?iso-2022-jp?b?GyRCRnxLXBsoQg==?=", "日本"),
        (b"=?none?Q?=E9x?=", "\ufffdx"),
        (b"caf\xe9", "caf\ufffd"),
    ],
)
def test_encoded_words_of_rfc2047_section_8(value: bytes, text: str) -> None:
    assert decode_header(value) == text


def test_search_keys_fold_case_and_accents() -> None:
    assert search_key("Straße") == "STRAßE".encode()
    assert search_key("é").startswith(search_key("E"))
    assert search_key("ﬁ") == b"fi"
    assert search_key("É") == search_key("é") == search_key("e\u0301")


@pytest.mark.parametrize("charset", [b"idna", b"punycode", b"rot13", b"hex", b"no\0such", b"\xff", b"utf-8;", b""])
def test_charsets_that_are_none_are_utf8(charset: bytes) -> None:
    assert decode("é=".encode(), charset) == "é="


@pytest.mark.parametrize(
    ("subject", "base", "is_reply"),
    [
        (b"Re: x", b"X", True),
        (b"re[2]: x", b"X", True),
        (b"Fwd: [list] Re: x (fwd) ", b"X", True),
        (b"[list] x", b"X", False),
        (b"[list]", b"[LIST]", False),
        (b"[fwd: re: x]", b"X", True),
        (b"=?utf-8?q?Re:_x?=", b"X", True),
        (b"a \t\n b", b"A B", False),
        (b"", b"", False),
        (b"Re: ", b"", True),
        (b"Refused: x", b"REFUSED: X", False),
    ],
)
def test_base_subjects_of_rfc5256_section_2_1(subject: bytes, base: bytes, is_reply: bool) -> None:
    assert base_subject(header_key(subject)) == (base, is_reply)


@pytest.mark.parametrize(
    ("value", "timestamp", "zone"),
    [
        (b"Fri, 21 Nov 1997 09:55:06 -0600", 880127706, -360),
        (b"Thu,\n 13\n Feb\n 1969\n 23:32\n -0330 (Newfoundland Time)", -27723480, -210),
        (b"21 Nov 97 09:55:06 GMT", 880106106, 0),
        (b"Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", 880127706, -360),
        (b"29 Feb 2000 00:00 EDT", 951796800, -240),
    ],
)
def test_dates_of_rfc5322_appendix_a(value: bytes, timestamp: int, zone: int) -> None:
    assert sent_date(value) == (timestamp, zone)


def test_sent_day_is_the_senders() -> None:
    late, early = sent_date(b"1 Jan 2020 23:30:00 -0500"), sent_date(b"2 Jan 2020 04:30:00 +0000")
    assert late is not None
    assert early is not None
    assert late.timestamp == early.timestamp
    assert late.day + 1 == early.day


def test_internal_dates() -> None:
    assert internal_date(0) == b"01-Jan-1970 00:00:00 +0000"
    assert internal_date(1577934245) == b"02-Jan-2020 03:04:05 +0000"
    assert internal_date(-1) == b"31-Dec-1969 23:59:59 +0000"


def test_message_ids_of_threads() -> None:
    assert message_ids(b'<a@b>\n\t<c @d> garbage <no-at> <"x y"@z> <e@[1.2]> <f@g') == [
        b"a@b",
        b"c@d",
        b"x y@z",
        b"e@[1.2]",
    ]
    assert parents(b"<a@b> <c@d>", b"<e@f>") == [b"a@b", b"c@d"]
    assert parents(None, b"Your mail <e@f> <g@h>") == [b"e@f"]
    assert parents(b"none", None) == []


def test_exact_decoding_refuses_what_tolerant_reads() -> None:
    assert exact(b"Mg==\r\n", b"base64") == tolerant(b"Mg==\r\n", b"base64") == b"2"
    assert exact(b"a=3Db=\r\nc \r\n", b"quoted-printable") == b"a=bc\r\n"
    for body_octets, encoding, read in ((b"M!g", b"base64", b"2"), (b"=ZZ", b"quoted-printable", b"=ZZ")):
        assert tolerant(body_octets, encoding) == read
        with pytest.raises(MailError) as refused:
            exact(body_octets, encoding)
        assert refused.value.kind is ErrorKind.PARSE


def test_facts_of_a_message() -> None:
    raw = (
        b'From: "Al Jones" <al@example.org>\nTo: b@c, D <d@e>\nSubject: Re: =?utf-8?q?caf=C3=A9?=\nMessage-ID: <1@x>\n'
        b"References: <0@x>\nDate: Fri, 21 Nov 1997 09:55:06 -0600\n\nText\n"
    )
    data = crlf(raw)
    part = scan(data)
    assert part.body == len(data) - 6
    found = keys(part.head.fields)
    assert found.sent == (880127706, -360)
    assert (found.from_, found.to) == (b'"AL JONES" <AL@EXAMPLE.ORG>', b'<B@C>, "D" <D@E>')
    assert (found.cc, found.bcc) == (b"", b"")
    assert search_key("café") in found.subject
    assert (found.base_subject, found.is_reply) == (search_key("CAFÉ"), True)
    assert (found.message_id, found.references) == (b"1@x", [b"0@x"])
    text = file_text_parts(part, raw, data)
    assert [raw[start : start + length] for start, length, _, _ in text] == [raw[:-5], b"Text\n"]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"mixed"])
def test_text_positions_are_those_of_the_file(line_end: bytes) -> None:
    raw = NESTED.replace(b"\r\n", b"\n" if line_end == b"mixed" else line_end)
    if line_end == b"mixed":
        raw = raw.replace(b"3.1\n", b"3.1\r\n").replace(b"MIME-Version: 1.0\n", b"MIME-Version: 1.0\r\n")
    data = crlf(raw)
    part = scan(data)
    on_wire = [data[start : start + length] for start, length, _, _ in text_parts(part)]
    in_file = [raw[start : start + length] for start, length, _, _ in file_text_parts(part, raw, data)]
    assert [crlf(octets) for octets in in_file] == on_wire
    assert [o for o, p in zip(in_file, text_parts(part), strict=True) if p[2] != HEADER] == [b"1", b"3.1", b"4.2.1"]


def test_search_decodes_bodies_and_headers() -> None:
    raw = (
        b"Subject: =?utf-8?q?d=C3=A9j=C3=A0?=\n vu\nContent-Type: text/plain; charset=iso-8859-1\n"
        b"Content-Transfer-Encoding: quoted-printable\n\nd=E9j=E0 vu soft=\nbreak\n"
    )
    data = crlf(raw)
    where = file_text_parts(scan(data), raw, data)
    for word in ("déjà vu", "DE", "softbreak"):
        assert search_text(raw, where, search_key(word), False)
    assert not search_text(raw, where, search_key("subject"), False)
    assert search_text(raw, where, search_key("Subject: déjà vu"), True)


def test_find_follows_messages() -> None:
    part = find(scan(NESTED), (3, 2))
    assert part is not None
    assert part.content_type == content_type(b"APPLICATION/X")
