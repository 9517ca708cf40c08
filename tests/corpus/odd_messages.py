"""Messages as they are found in Maildirs: `odd_messages()` names over 220, each with something that breaks parsers.

They are files, so most have LF line ends. The same set is scanned here and served by Dovecot, and both must agree.
"""

import base64
import random

HEAD = b"From: Alice <alice@example.org>\nTo: bob@example.net\nSubject: %s\nDate: Mon, 7 Feb 1994 21:52:25 -0800\n"
MIME = b"MIME-Version: 1.0\n"


def _with_field(name: bytes, value: bytes) -> bytes:
    return b"From: a@example.org\nDate: Mon, 7 Feb 1994 21:52:25 -0800\n%b: %b\n\nbody\n" % (name, value)


ADDRESSES: tuple[bytes, ...] = (
    b"alice@example.org",
    b"<alice@example.org>",
    b"Alice <alice@example.org>",
    b'"Alice A." <alice@example.org>',
    b"Alice A. Smith <alice@example.org>",
    b"alice@example.org (Alice in comment)",
    b"alice@example.org (Alice (nested) \\) quoted)",
    b"(before) alice@example.org (after)",
    b"Alice (work) <alice@example.org> (home)",
    b"alice @ example . org",
    b"alice(a)@(b)example(c).(d)org",
    b"<@relay.example,@other.example:alice@example.org>",
    b"Alice <@relay.example:alice@example.org>",
    b"Alice <@relay.example alice@example.org>",
    b"<@:alice@example.org>",
    b"Alice <alice@[192.0.2.1]>",
    b"alice@[IPv6:2001:db8::1]",
    b"alice@[bad literal",
    b'"alice smith"@example.org',
    b'"ali\\"ce"@example.org',
    b'"unterminated <alice@example.org>',
    b'"Quote \\"inside\\" name" <a@b>',
    b'"Back\\\\slash" <a@b>',
    b'"many \\" \\" \\" \\" \\" quotes" <a@b>',
    b"undisclosed-recipients:;",
    b"undisclosed recipients: ;",
    b"Group: alice@example.org, Bob <bob@example.net>;",
    b"Group: alice@example.org;, carol@example.com",
    b"Group: alice@example.org",
    b"Group:",
    b"Group: ,;",
    b"Outer: Inner: a@b;;",
    b'"Quoted Group": a@b, c@d;',
    b"a@b; c@d",
    b"a@b c@d",
    b"a@b,c@d,e@f",
    b"a@b,,c@d",
    b",a@b",
    b"a@b,",
    b", ,",
    b"",
    b"   ",
    b"alice",
    b"alice smith",
    b"Alice Smith, Bob",
    b"alice@",
    b"@example.org",
    b"<>",
    b"Alice <>",
    b"<alice>",
    b"Alice <alice>",
    b"Alice <alice@>",
    b"Alice <@example.org>",
    b"Alice <alice@example.org",
    b"Alice alice@example.org>",
    b"Alice <<alice@example.org>>",
    b"Alice <alice@example.org> trailing",
    b"Alice <alice@example.org>, trailing words here",
    b"alice..smith@example.org",
    b".alice@example.org",
    b"alice.@example.org",
    b"Alice. B. <a@b>",
    b".Alice <a@b>",
    b"alice@example..org",
    b"alice@@example.org",
    b"alice@exa mple.org",
    b"Al\xc3\xa9 <al@example.org>",
    b"Al\xe9 <al\xe9@exampl\xe9.org>",
    b'"Al\xe9" <al@example.org>',
    b"=?utf-8?q?Al=C3=A9?= <al@example.org>",
    b'"=?utf-8?q?Al=C3=A9?=" <al@example.org>',
    b"=?iso-8859-1?b?QWzp?= =?iso-8859-1?q?_x?= <al@example.org>",
    b"Alice\n\t<alice@example.org>",
    b"Alice\n Smith\n <alice@example.org>,\n bob@example.net",
    b'"Alice\n Smith" <alice@example.org>',
    b"alice@example.org (comment\n folded)",
    b"Alice \tB   C <a@b>",
    b'"Alice \tB   C" <a@b>',
    b'"" <a@b>',
    b'" " <a@b>',
    b'" lead" <a@b>',
    b'"trail " <a@b>',
    b"(unterminated comment a@b",
    b"a@b (unterminated",
    b"Alice \\<a@b>",
    b"Alice [work] <a@b>",
    b"Alice: <a@b>",
    b"Alice: a@b",
    b"Alice; <a@b>",
    b"a\0b <a\0@b\0c>",
    b'"a\0b" <x@y>',
    b"a@b (nul\0comment)",
    b"alice%relay@example.org",
    b"relay!alice@example.org",
    b"/G=Alice/S=Smith/@x400.example",
    b"alice@example.org.",
    b"<alice@example.org>Bob<bob@example.net>",
    b"'alice@example.org'",
    b"Alice O'Brian <a@b>",
    b"x" * 3000 + b"@example.org",
    b", ".join(b"user%d@example.org" % n for n in range(300)),
    b"a@\n b",
    b"a@[1.2\n .3.4]",
    b"a@[1.2[.3.4]",
    b"ple . org",
    b"a . b@c",
    b"a.b.@c, .d@e, ..",
    b'"unterminated \0 <a@b>',
    b"a@b (c \0 d",
)

SUBJECTS: tuple[bytes, ...] = (
    b"",
    b" ",
    b"    ",
    b"plain",
    b"two  spaces",
    b"tab\tinside",
    b"trailing space ",
    b"trailing tab\t",
    b'with "quotes"',
    b"back\\slash",
    b"8-bit \xc3\xa9",
    b"8-bit \xe9",
    b"nul \0 inside",
    b"folded\n continuation",
    b"folded\n\tcontinuation",
    b"folded  \n   wide  continuation",
    b"\n starts with a fold",
    b"   \n starts with space and a fold",
    b"ends with a fold\n ",
    b"two\n \n folds, one blank",
    b"lone \r CR",
    b"CR before the end\r",
    b"=?utf-8?q?caf=C3=A9?=",
    b"=?utf-8?b?Y2Fmw6k=?=",
    b"=?iso-8859-1?q?caf=E9_x?= tail",
    b"=?utf-8?q?one?= =?utf-8?q?two?=",
    b"=?utf-8?q?one?=\n =?utf-8?q?two?=",
    b"=?unknown-charset?q?caf=E9?=",
    b"=?utf-8?x?caf?=",
    b"=?utf-8?q?unterminated",
    b"=?utf-8?q?bad=ZZhex?=",
    b"=?utf-8?b?bad!base64?=",
    b"=?utf-8*en?q?language?=",
    b"=??q?empty?=",
    b"x=?utf-8?q?inside?=y",
    b"=?iso-2022-jp?b?GyRCRnxLXBsoQg==?=",
    b"Re: [list] Fwd: RE: subject (fwd)",
    b"[fwd: wrapped]",
    b"NIL",
    b"{10}",
    b"x" * 5000,
)

DATES: tuple[bytes, ...] = (
    b"Mon, 7 Feb 1994 21:52:25 -0800 (PST)",
    b"7 Feb 94 21:52 PST",
    b"Mon, 7 Feb 1994 21:52:25",
    b"Mon, 07 Feb 1994 21.52.25 GMT",
    b"Mon,7 Feb 1994 21:52:25 +0000",
    b"Mon 7 Feb 1994 21:52:25 +0000",
    b"Mon Feb  7 21:52:25 1994",
    b"1994-02-07T21:52:25Z",
    b"Mon, 32 Feb 1994 25:61:61 +0000",
    b"Mon, 7 February 1994 21:52:25 +0000",
    b"Mon, 7 Feb 1994 21:52:25 +0530 (IST)",
    b"Mon, 7 Feb 1994 21:52:25 A",
    b"Mon, 7 Feb 1994 21:52:25 EDT",
    b"Mon, 7 Feb 69 21:52:25 +0000",
    b"Mon, 7 Feb 1994\n 21:52:25\n +0000",
    b"(comment) Mon, (c) 7 Feb 1994 21:52:25 +0000",
    b"Thu, 1 Jan 1970 00:00:00 +0000",
    b"Tue, 19 Jan 2038 03:14:08 +0000",
    b"Sat, 1 Jan 10000 00:00:00 +0000",
    b"nonsense",
    b"",
    b'"7 Feb 1994"',
    b"7 Feb 1994 21:52:25 \xe9",
    b"Wed, 31 Dec 1969 23:59:59 +0000",
    b"Mon, 7 Feb 1994 21:52:25 +9999",
    b"Sat, 29 Feb 2020 23:30:00 -0500",
    b"1 Jan 2001 00:30 +0200",
    b"Sun, 31 Dec 2000 23:59:60 +0000",
    b"Fri, 29 Feb 2019 01:02:03 +0000",
    b"Tue, 5 Mar 2002 7:08:09 Z",
    b"Tue, 12 mar 02 23:08:09 -1200",
    b"Wed, 13 MARCH 2002 23:08 k",
    b"Wed, 20 Mar 2002 24:00:00 +0000",
    b"Wed, 27 Mar 2002 23:60:00 +0000",
    b"Wed, 3 Apr 2002 2:3:4 +0000",
    b"Fri, 0 Mar 2002 02:03:04 +0000",
    b"10 Apr 2002 02:03:04 +0000 trailing words",
    b"Wed, 17 Apr 2002 02 : 03 : 04 +0000",
    b"Wednesday, 24 Apr 2002 02:03:04 +0000",
    b"Wed, 24 Apr 0102 02:03:04 +0000",
    b"Wed, 1 May 102 02:03:04 +0000",
    b"8 May 2002 02:03:04 +1",
    b"15 May 2002 02:03:04 CEST",
    b'22 May 2002 02:03:04 "PST"',
)

IDS: tuple[tuple[bytes, bytes], ...] = (
    (b"Message-ID", b"<a@b>"),
    (b"Message-ID", b"<a@b> <c@d>"),
    (b"Message-ID", b"no brackets"),
    (b"Message-ID", b"\n <folded@example.org>"),
    (b"Message-ID", b"<fol\n ded@example.org>"),
    (b"In-Reply-To", b"<a@b>\n\t<c@d>\n   <e@f>"),
    (b"In-Reply-To", b'Your message of Monday <a@b> "q"'),
    (b"In-Reply-To", b'""""""'),
    (b"In-Reply-To", b"<\xe9@b>"),
    (b"In-Reply-To", b"nul\0here"),
    (b"References", b'<a@b><c@d> <e@f>\n <"q"@g>'),
    (b"Message-Id", b"  <spaces@b>  "),
    (b"MESSAGE-ID", b"<upper@b>"),
    (b"Message-ID", b"lone\rCR <a@b>\r"),
    (b"In-Reply-To", b"\r<a@b> \r<c@d>"),
)

TYPES: tuple[bytes, ...] = (
    b"text/plain",
    b"TEXT/PLAIN; CHARSET=US-ASCII",
    b"text/plain; charset=utf-8; format=flowed",
    b'text/plain; charset="utf-8" ; format = flowed',
    b"text/plain;charset=utf-8;",
    b"text/plain; charset",
    b"text/plain; charset=",
    b"text/plain; =utf-8",
    b"text/plain; charset=utf-8 format=flowed",
    b"text/plain charset=utf-8",
    b"text/plain; charset=utf-8; charset=latin1",
    b"text/plain (comment); (c) charset=(d)utf-8(e)",
    b"text / plain",
    b"text",
    b"text/",
    b"/plain",
    b"",
    b";",
    b"text/plain; name==?utf-8?q?x?=",
    b"text/plain; name=a b c",
    b'text/plain; name="a \\"b\\" c\\\\d"',
    b'text/plain; name="unterminated',
    b'text/plain; name="fold\n ed"',
    b"text/plain;\n\tcharset=utf-8;\n\tname=x",
    b"text/plain; name*=utf-8''caf%C3%A9",
    b"text/plain; name*0=one; name*1=two",
    b"text/plain; name*1=two; name*0=one",
    b"text/plain; name*0*=utf-8''one%20; name*1=t%wo; name*2*=%20three",
    b"text/plain; name*0=one; name*2=three",
    b"text/plain; name*0=a; name*1*=b%20c",
    b"text/plain; name*x=y; name**=z; *=w; *0=v",
    b"text/plain; name*00=a; name*01=b",
    b"text/plain; b*0=1; a*0=2; B*1=3; c=4",
    b"text/plain; name=\xe9\xe8",
    b'text/plain; name="\xc3\xa9"',
    b"te\xe9xt/pl\xe9in",
    b"application/octet-stream; name=a\0b",
    b'application/octet-stream; name="a\0b"',
    b"application/pdf",
    b"image/gif; x=1; y=2; z=3",
    b"message/delivery-status",
    b"message/partial; id=x; number=1",
    b"message/external-body; access-type=URL",
    b"message/rfc822; x=y",
    b"multipart/mixed",
    b"multipart/mixed; boundary",
    b"multipart/mixed; boundary=",
    b'multipart/mixed; boundary=""',
    b"multipart/",
    b"multipart",
    b"x-unknown/x-sub; x=y",
    b"text/html; charset=iso-8859-1",
    b"textual/plain",
    b"text/plain; a=1, b=2",
    b"text/plain; a='single quoted'",
    b"text/plain; a=[b]; c=<d>; e=f@g",
    b"text/plain;; ;a=b",
    b"a/b; c=d " + b"x" * 126 + b"; e=f",
    b"a/b; c=d " + b"x" * 127 + b"; e=f",
    b"a/b" + b"".join(b"; c%d=d" % n for n in range(200)),
    b"a/b" + b"".join(b"; c*%d=d" % n for n in range(200)),
    b"multipart/mixed; bou>dary=b",
)

DISPOSITIONS: tuple[tuple[bytes, bytes], ...] = (
    (b"Content-Disposition", b"attachment"),
    (b"Content-Disposition", b'attachment; filename="a b.txt"'),
    (b"Content-Disposition", b"attachment; filename*=utf-8''caf%C3%A9.txt"),
    (b"Content-Disposition", b"inline; filename=x; size=10"),
    (b"Content-Disposition", b""),
    (b"Content-Disposition", b"; filename=x"),
    (b"Content-Disposition", b"attachment filename=x"),
    (b"Content-Disposition", b"attachment (unterminated"),
    (b"Content-Disposition", b'attachment; filename="=?utf-8?q?x?="'),
    (b"Content-Disposition", b"attachment\nContent-Disposition: inline; x=y\nContent-Disposition: third; z=1"),
    (b"Content-Transfer-Encoding", b"BASE64"),
    (b"Content-Transfer-Encoding", b"quoted-printable"),
    (b"Content-Transfer-Encoding", b"8bit"),
    (b"Content-Transfer-Encoding", b"7bit (comment)"),
    (b"Content-Transfer-Encoding", b"7bit;"),
    (b"Content-Transfer-Encoding", b"two words"),
    (b"Content-Transfer-Encoding", b""),
    (b"Content-Transfer-Encoding", b"x-uuencode"),
    (b"Content-Transfer-Encoding", b"binary"),
    (b"Content-Transfer-Encoding", b"bad bad\nContent-Transfer-Encoding: 8bit"),
    (b"Content-Transfer-Encoding", b"7bit\nContent-Transfer-Encoding: base64"),
    (b"Content-Language", b"en"),
    (b"Content-Language", b"en, fr-CH , de (German)"),
    (b"Content-Language", b"en fr"),
    (b"Content-Language", b", en"),
    (b"Content-Language", b"en,"),
    (b"Content-Language", b""),
    (b"Content-Language", b'"en"'),
    (b"Content-Language", b"i-\xe9"),
    (b"Content-Location", b"http://example.org/a b"),
    (b"Content-Location", b"http://example.org/\n a"),
    (b"Content-Location", b""),
    (b"Content-MD5", b"Q2hlY2sgSW50ZWdyaXR5IQ=="),
    (b"Content-MD5", b" spaced "),
    (b"Content-ID", b"<id@example.org>"),
    (b"Content-ID", b'<"quoted"@example.org>'),
    (b"Content-ID", b"nul\0"),
    (b"Content-Description", b"some  description\twith tabs"),
    (b"Content-Description", b"folded\n description"),
    (b"Content-Description", b'8-bit \xe9 "quoted"'),
    (b"Content-Description", b"first\nContent-Description: second"),
)

PART = b"--b\nContent-Type: text/plain\n\npart %d\n"


def _multipart(body: bytes, ctype: bytes = b"multipart/mixed; boundary=b") -> bytes:
    return HEAD % b"multipart" + MIME + b"Content-Type: " + ctype + b"\n\n" + body


def _multiparts() -> dict[bytes, bytes]:
    two = PART % 1 + PART % 2
    return {
        b"plain": _multipart(two + b"--b--\n"),
        b"prologue-epilogue": _multipart(b"prologue\n\n" + two + b"--b--\nepilogue\nmore\n"),
        b"no-end": _multipart(two),
        b"no-end-no-newline": _multipart(two + b"--b"),
        b"end-no-newline": _multipart(two + b"--b--"),
        b"no-parts": _multipart(b"only a prologue\n"),
        b"empty-body": _multipart(b""),
        b"only-end": _multipart(b"--b--\n"),
        b"only-start": _multipart(b"--b\n"),
        b"only-start-no-newline": _multipart(b"--b"),
        b"empty-parts": _multipart(b"--b\n--b\n\n--b\n\n\n--b--\n"),
        b"header-only-parts": _multipart(b"--b\nContent-Type: text/html\n--b\nX: y\n\n--b--\n"),
        b"no-header-parts": _multipart(b"--b\n\nno header\n--b\n\nagain\n--b--\n"),
        b"space-after-boundary": _multipart(b"--b \n\none\n--b\t\n\ntwo\n--b-- \n"),
        b"text-after-boundary": _multipart(b"--bxyz\n\none\n--b--xyz\n"),
        b"space-before-boundary": _multipart(b" --b\n\none\n --b--\n"),
        b"dash-lines": _multipart(b"--\n-- \n---\n--b\n\n--\n--c\nx\n--b--\n"),
        b"after-end": _multipart(two + b"--b--\n--b\n\nghost\n--b--\n"),
        b"blank-before-boundary": _multipart(b"--b\n\none\n\n\n--b\n\ntwo\n\n--b--\n"),
        b"crlf-file": _multipart(b"x\n" + two + b"--b--\n").replace(b"\n", b"\r\n"),
        b"mixed-ends": _multipart((two + b"--b--\n").replace(b"part 1\n", b"part 1\r\n")).replace(
            b"MIME", b"X: y\r\nMIME"
        ),
        b"cr-only-body": _multipart(b"--b\r\rone\r--b--\r"),
        b"quoted-boundary": _multipart(b"--a b\n\none\n--a b--\n", b'multipart/mixed; boundary="a b"'),
        b"boundary-trailing-space": _multipart(b"--b \n\none\n--b --\n", b'multipart/mixed; boundary="b "'),
        b"empty-boundary": _multipart(b"--\n\none\n--x\n\ntwo\n----\n", b'multipart/mixed; boundary=""'),
        b"long-boundary": _multipart(
            b"--%b\n\none\n--%b--\n" % (b"x" * 100, b"x" * 100), b"multipart/mixed; boundary=" + b"x" * 100
        ),
        b"boundary-79": _multipart(
            b"--%b\n\none\n--%b--\n" % (b"x" * 79, b"x" * 79), b"multipart/mixed; boundary=" + b"x" * 79
        ),
        b"boundary-80": _multipart(
            b"--%b\n\none\n--%b--\n" % (b"x" * 80, b"x" * 80), b"multipart/mixed; boundary=" + b"x" * 80
        ),
        b"boundary-81": _multipart(
            b"--%b\n\none\n--%b--\n" % (b"x" * 81, b"x" * 80), b"multipart/mixed; boundary=" + b"x" * 81
        ),
        b"missing-parameter": _multipart(two + b"--b--\n", b"multipart/mixed"),
        b"two-boundaries": _multipart(two + b"--b--\n", b"multipart/mixed; boundary=b; boundary=c"),
        b"boundary-2231": _multipart(two + b"--b--\n", b"multipart/mixed; boundary*0=b; boundary*1="),
        b"digest": _multipart(
            b"--b\n\nSubject: one\n\nbody\n--b\nContent-Type: text/plain\n\nt\n--b\nX: y\n\nSubject: 2\n--b--\n",
            b"multipart/digest; boundary=b",
        ),
        b"digest-empty": _multipart(b"--b\n--b\n\n--b--\n", b"multipart/digest; boundary=b"),
        b"alternative": _multipart(
            two.replace(b"plain", b"html", 1) + b"--b--\n", b"multipart/alternative; boundary=b"
        ),
        b"related": _multipart(two + b"--b--\n", b'multipart/related; boundary=b; type="text/html"; start="<a@b>"'),
        b"signed": _multipart(two + b"--b--\n", b'multipart/signed; boundary=b; protocol="x/y"; micalg=sha1'),
        b"no-mime-version": (HEAD % b"x") + b"Content-Type: multipart/mixed; boundary=b\n\n" + two + b"--b--\n",
        b"cte-without-mime": (HEAD % b"x") + b"Content-Transfer-Encoding: base64\nContent-ID: <x>\n\naGVsbG8=\n",
        b"mime-version-only": (HEAD % b"x")
        + MIME
        + b"Content-Transfer-Encoding: base64\nContent-ID: <x>\n\naGVsbG8=\n",
        b"cte-base64-multipart": _multipart(two + b"--b--\n").replace(
            b"MIME-", b"Content-Transfer-Encoding: base64\nMIME-"
        ),
        b"two-types": _multipart(two + b"--b--\n").replace(b"MIME-", b"Content-Type: text/html\nMIME-"),
        b"two-types-second": _multipart(two + b"--b--\n").replace(b"\n\n--b", b"\nContent-Type: text/html\n\n--b", 1),
        b"header-cut": _multipart(b"--b\nContent-Type: text/plain\nX: y\n--b--\n"),
        b"header-at-eof": _multipart(b"--b\nContent-Type: text/plain\nX: y"),
        b"body-nul": _multipart(b"--b\n\na\0b\n--b--\n"),
        b"boundary-prefix": _multipart(
            b"--b\nContent-Type: multipart/mixed; boundary=bb\n\n--bb\n\ninner\n--bb--\n--b\n\nlast\n--b--\n"
        ),
        b"boundary-prefix-inverse": _multipart(
            b"--bb\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\ninner\n--b--\n--bb\n\nlast\n--bb--\n",
            b"multipart/mixed; boundary=bb",
        ),
        b"boundary-same": _multipart(
            b"--b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\ninner\n--b--\n--b\n\nlast\n--b--\n"
        ),
        b"boundary-dashes": _multipart(
            b"--b\nContent-Type: multipart/mixed; boundary=b--\n\n--b--\n\ninner\n--b----\n--b\n\nlast\n--b--\n"
        ),
        b"boundary-dashes-inverse": _multipart(
            b"--b--\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\ninner\n--b--\n--b--\n\nlast\n--b----\n",
            b"multipart/mixed; boundary=b--",
        ),
        b"inner-not-closed": _multipart(
            b"--b\nContent-Type: multipart/mixed; boundary=c\n\npro\n--c\n\ninner\n--b\n\nlast\n--b--\n"
        ),
        b"inner-cut-in-header": _multipart(
            b"--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\nX: y\n--b\n\nlast\n--b--\n"
        ),
        b"inner-multipart-cut": _multipart(b"--b\nContent-Type: multipart/mixed; boundary=c\n--b\n\nlast\n--b--\n"),
        b"inner-multipart-cut-body": _multipart(
            b"--b\nContent-Type: multipart/mixed; boundary=c\n\n--b\n\nlast\n--b--\n"
        ),
        b"inner-epilogue": _multipart(
            b"--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\ninner\n--c--\nepilogue 1\n\n--b--\nepilogue\n"
        ),
        b"outer-ends-in-inner": _multipart(
            b"--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\ninner\n--b--\nafter\n--c\n\nghost\n--c--\n"
        ),
    }


def _nested_messages() -> dict[bytes, bytes]:
    inner = b"From: In <in@example.org>\nSubject: inner\nDate: Tue, 1 Feb 2000 00:00:00 +0000\n"
    rfc822 = b"Content-Type: message/rfc822\n\n"
    found = {
        b"message": HEAD % b"m" + MIME + rfc822 + inner + b"\ninner body\n",
        b"message-empty": HEAD % b"m" + MIME + rfc822,
        b"message-header-only": HEAD % b"m" + MIME + rfc822 + inner,
        b"message-no-newline": HEAD % b"m" + MIME + rfc822 + inner + b"\nx",
        b"message-at-eof": (HEAD % b"m" + MIME + rfc822).removesuffix(b"\n"),
        b"message-base64": HEAD % b"m"
        + MIME
        + b"Content-Transfer-Encoding: base64\n"
        + rfc822
        + base64.encodebytes(inner + b"\nx\n"),
        b"message-in-multipart": _multipart(b"--b\n" + rfc822 + inner + b"\ninner\n--b\n\nlast\n--b--\n"),
        b"message-cut": _multipart(b"--b\n" + rfc822 + inner + b"--b\n\nlast\n--b--\n"),
        b"message-cut-at-once": _multipart(b"--b\n" + rfc822 + b"--b\n\nlast\n--b--\n"),
        b"message-cut-in-mime": _multipart(b"--b\nContent-Type: message/rfc822\n--b\n\nlast\n--b--\n"),
        b"message-with-mbox-from": HEAD % b"m" + MIME + rfc822 + b"From x@y Mon Jan 1\n" + inner + b"\nbody\n",
        b"message-in-message": HEAD % b"m" + MIME + rfc822 + inner + rfc822 + inner + b"\ndeep\n",
        b"message-multipart": HEAD % b"m" + MIME + rfc822 + _multipart(PART % 1 + b"--b--\n") + b"after\n",
        b"message-multipart-same-boundary": _multipart(
            b"--b\n" + rfc822 + _multipart(PART % 1 + b"--b--\n") + b"--b\n\nlast\n--b--\n"
        ),
        b"message-subtype-case": HEAD % b"m" + MIME + b"Content-Type: MESSAGE/RFC822\n\n" + inner + b"\nx\n",
        b"message-nul-envelope": HEAD % b"m" + MIME + rfc822 + b"Subject: a\0b\nFrom: a\0b <c@d>\n\nx\n",
        b"message-inner-cte": HEAD % b"m" + MIME + rfc822 + inner + b"Content-Transfer-Encoding: base64\n\naGVsbG8=\n",
        b"message-inner-cte-mime": HEAD % b"m"
        + MIME
        + rfc822
        + inner
        + MIME
        + b"Content-Transfer-Encoding: base64\n\naGVsbG8=\n",
    }
    for depth in (5, 97, 98, 99, 100, 101, 102, 150):
        found[b"messages-deep-%d" % depth] = HEAD % b"deep" + MIME + (rfc822 + b"Subject: d\n") * depth + b"\nbottom\n"
        body = b""
        for n in range(depth):
            body += b"--b%03d\nContent-Type: multipart/mixed; boundary=b%03d\n\n" % (n, n + 1)
        body += b"--b%03d\n\nbottom\n" % depth
        found[b"multiparts-deep-%d" % depth] = _multipart(body, b"multipart/mixed; boundary=b000")
    return found


def _encoded() -> dict[bytes, bytes]:
    def leaf(encoding: bytes, body: bytes) -> bytes:
        return (
            HEAD % b"enc"
            + MIME
            + b"Content-Type: application/octet-stream\nContent-Transfer-Encoding: "
            + encoding
            + b"\n\n"
            + body
        )

    blob = bytes(range(256)) * 4
    return {
        b"base64": leaf(b"base64", base64.encodebytes(blob)),
        b"base64-one-line": leaf(b"base64", base64.b64encode(blob)),
        b"base64-no-padding": leaf(b"base64", b"aGVsbG8"),
        b"base64-after-padding": leaf(b"base64", b"aGVsbG8=\n\ntrailer\n"),
        b"base64-bad": leaf(b"base64", b"aGV!sbG8=\n"),
        b"base64-spaces": leaf(b"base64", b" aGVs \n\t bG8= \n"),
        b"base64-empty": leaf(b"base64", b""),
        b"base64-short": leaf(b"base64", b"aGVsb\n"),
        b"qp": leaf(b"quoted-printable", b"caf=C3=A9 =3D soft=\nbreak \t \nend=\n"),
        b"qp-lower": leaf(b"Quoted-Printable", b"caf=c3=a9\n"),
        b"qp-bad": leaf(b"quoted-printable", b"bad =ZZ here\n"),
        b"qp-bad-end": leaf(b"quoted-printable", b"end ="),
        b"qp-white": leaf(b"quoted-printable", b"soft= \t\nx  y\n   "),
        b"qp-cr": leaf(b"quoted-printable", b"lone \r cr\n"),
        b"qp-8bit": leaf(b"quoted-printable", b"raw \xe9 here\n"),
        b"binary-nul": leaf(b"binary", b"a\0b\n\0"),
        b"unknown": leaf(b"x-foo", b"whatever\n"),
        b"multi": _multipart(
            b"--b\nContent-Transfer-Encoding: base64\n\naGVsbG8=\n--b\nContent-Transfer-Encoding: quoted-printable\n\n"
            b"a=3Db\n--b\nContent-Transfer-Encoding: x-foo\n\nu\n--b--\n"
        ),
        b"multi-good": _multipart(
            b"pro\n--b\nX: y\nContent-Transfer-Encoding: base64\nContent-Type: text/plain\n\naGVsbG8=\n--b\n"
            b"Content-Transfer-Encoding: quoted-printable\n\na=3Db\n--b--\nepi\n"
        ),
    }


def _shapes() -> dict[bytes, bytes]:
    head = HEAD % b"shape"
    rng = random.Random(5)
    return {
        b"empty": b"",
        b"one-newline": b"\n",
        b"two-newlines": b"\n\n",
        b"one-crlf": b"\r\n",
        b"one-cr": b"\r",
        b"one-byte": b"x",
        b"only-headers": head,
        b"only-headers-no-newline": head.removesuffix(b"\n"),
        b"headers-blank": head + b"\n",
        b"only-body": b"\nbody only\n",
        b"no-header": b"This is not a header\nnor this\n\nbody\n",
        b"no-colon-line": b"From: a@b\nno colon here\nTo: c@d\n\nbody\n",
        b"no-colon-name": b"Content-Type\nSubject\n folded\nFrom: a@b\n\nbody\n",
        b"empty-name": b": value\nFrom: a@b\n\nx\n",
        b"leading-space": b" Subject: x\nFrom: a@b\n\nx\n",
        b"leading-blank-fold": b"\n Subject: x\nFrom: a@b\n\nx\n",
        b"space-before-colon": b"Subject : x\nFrom\t: a@b\n\nx\n",
        b"no-space-after-colon": b"Subject:x\nFrom:a@b\n\nx\n",
        b"blank-with-space": b"From: a@b\n \nSubject: x\n\nbody\n",
        b"mbox-from-line": b"From a@b Mon Jan 1 00:00:00 2000\nFrom: a@b\n\nx\n",
        b"mbox-quoted-from": b">From a@b Mon Jan 1 00:00:00 2000\nFrom: a@b\n\n>From here\n",
        b"cr-only": b"From: a@b\rSubject: x\r\rbody\r",
        b"cr-cr-lf": b"From: a@b\r\r\nSubject: x\r\r\n\r\r\nbody\r\r\n",
        b"lf-cr": b"From: a@b\n\rSubject: x\n\r\n\rbody\n\r",
        b"crlf": (head + b"\nbody\nmore\n").replace(b"\n", b"\r\n"),
        b"mixed-ends": head + b"X: y\r\n\r\nbody\r\nmore\nend\r",
        b"mixed-header-ends": b"From: a@b\r\nSubject: x\n folded\r\n again\nTo: c@d\r\n\nx\n",
        b"no-final-newline": head + b"\nbody without end",
        b"ends-in-cr": head + b"\nbody\r",
        b"nul-body": head + b"\nnul \0 in \0\0 body\n",
        b"nul-header": head + b"X-Nul: a\0b\n\nbody\n",
        b"nul-name": b"Fr\0om: a@b\nFrom: c@d\n\nbody\n",
        b"nul-only": b"\0\0\0",
        b"field-no-newline": b"From: a@b\nSubject: end",
        b"other-field-no-newline": b"Subject: first\nFrom: a@b\nX: end",
        b"eight-bit-header": b"From: \xe9\xe8@b\nSubject: \xff\xfe\nX-\xe9: y\n\nbody \xe9\n",
        b"eight-bit-name": b"Subj\xe9ct: x\nFrom: a@b\n\nx\n",
        b"duplicate-all": (head + b"Cc: one@b\nBcc: b1@b\nMessage-ID: <1@b>\nReply-To: r1@b\nSender: s1@b\n")
        + b"Cc: two@b\nBcc: b2@b\nMessage-ID: <2@b>\nReply-To: r2@b\nSender: s2@b\nFrom: second@b\nTo: t2@b\n"
        + b"Subject: second\nDate: Tue, 1 Feb 2000 00:00:00 +0000\nIn-Reply-To: <x@y>\nIn-Reply-To: <z@y>\n\nx\n",
        b"duplicate-empty": b"From: a@b\nFrom: \nSender: s@b\nSender:\nReply-To: \n\nx\n",
        b"case-names": b"fRoM: a@b\nSUBJECT: X\ncontent-TYPE: text/HTML\n\nx\n",
        b"huge-header": head + b"X-Huge: " + b"h" * 1_000_000 + b"\n\nbody\n",
        b"huge-folded-header": head + b"X-Huge: a\n" + b" folded line of a long header\n" * 20_000 + b"\nbody\n",
        b"huge-subject": head.replace(b"shape", b"s" * 100_000) + b"\nbody\n",
        b"many-headers": b"From: a@b\n" + b"".join(b"X-H%d: v\n" % n for n in range(5000)) + b"\nbody\n",
        b"many-received": b"Received: from x\n\tby y; Mon, 7 Feb 1994 21:52:25 -0800\n" * 200 + head + b"\nbody\n",
        b"huge-body-line": head + b"\n" + b"x" * 300_000 + b"\nend\n",
        b"many-lines": head + b"\n" + b"\n" * 20_000,
        b"many-parts": _multipart(b"".join(b"--b\n\np\n" for _ in range(1200)) + b"--b--\n"),
        b"too-many-leaf-parts": _multipart(b"--b\n\nx\n" * 10_100 + b"--b--\n"),
        b"too-many-parts": _multipart(b"--b\n\n" * 10_100 + b"--b--\n"),
        b"binary-garbage": rng.randbytes(3000),
        b"binary-garbage-body": head + b"\n" + rng.randbytes(3000),
        b"dashes-body": head + b"\n--\n--x\n---\n-- \nsignature\n",
        b"vertical-tab": b"Subject: a\x0bb\x0cc\nFrom: a@b\n\nx\n",
        b"fold-everything": b"From:\n a@b\nTo:\n\n c@d\nSubject:\n x\n\n body\n",
        b"fold-then-blank": b"Subject: x\n \n\t\n\nbody\n",
        b"fold-tab-space": b"Subject: a\n \t b\n\t \tc\nFrom: a\n\t<a@b>\n\nx\n",
        b"list-headers": head + b"List-Id: <l.example.org>\nList-Unsubscribe: <mailto:a@b>,\n <http://x>\n\nx\n",
        b"text-then-headers": b"hello\n\nFrom: a@b\nSubject: late\n",
        b"colon-only": b":\n:\n\nx\n",
        b"resent": head + b"Resent-From: r@b\nResent-To: t@b\nResent-Date: Tue, 1 Feb 2000 00:00:00 +0000\n\nx\n",
        b"utf8-bom": b"\xef\xbb\xbfFrom: a@b\nSubject: bom\n\nx\n",
        b"missing-from": b"Subject: nobody\n\nx\n",
        b"only-sender": b"Sender: s@b\nReply-To: r@b\n\nx\n",
    }


def odd_messages() -> dict[str, bytes]:
    """Name to file content; the same every time."""
    found: dict[bytes, bytes] = {}
    for n, value in enumerate(ADDRESSES):
        found[b"address-%03d" % n] = b"To: %b\n" % value + HEAD % b"address" + b"\nbody\n"
        found[b"address-%03d" % n] = b"From: x@y\nTo: %b\nCc: %b\nSubject: address\n\nbody\n" % (value, value)
    for n, value in enumerate(SUBJECTS):
        found[b"subject-%03d" % n] = _with_field(b"Subject", value)
    for n, value in enumerate(DATES):
        found[b"date-%03d" % n] = b"From: a@example.org\nDate: %b\nSubject: date\n\nbody\n" % value
    for n, (name, value) in enumerate(IDS):
        found[b"id-%03d" % n] = _with_field(name, value)
    for n, value in enumerate(TYPES):
        found[b"type-%03d" % n] = HEAD % b"type" + MIME + b"Content-Type: " + value + b"\n\nbody line\n"
    for n, (name, value) in enumerate(DISPOSITIONS):
        head = HEAD % b"content" + MIME + b"Content-Type: application/x\n"
        found[b"content-%03d" % n] = head + name + b": " + value + b"\n\nYm9keQ==\n"
    for group, messages in (
        (b"multipart", _multiparts()),
        (b"nested", _nested_messages()),
        (b"encoded", _encoded()),
        (b"shape", _shapes()),
    ):
        for name, message in messages.items():
            found[b"%b-%b" % (group, name)] = message
    return {name.decode(): message for name, message in found.items()}
