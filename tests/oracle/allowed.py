"""Differences from Dovecot 2.3 that stay, each with the sentence that says why ours is right.

`command` is a pattern of the commands concerned. What only one of the two servers said is rewritten by `pattern` ->
`replacement` on both sides (nothing left: the response is dropped), and must then be equal. What is not named here is a
failure.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tests.corpus.odd_messages import odd_messages


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference and its reason."""

    command: bytes
    pattern: bytes
    replacement: bytes
    reason: str


WHOLE = rb"(?s)\A.*\Z"
DROPPED = b""
NO_BLANK_LINE = (
    *("nested-message-at-eof", "shape-empty", "shape-one-cr", "shape-one-byte", "shape-only-headers"),
    *("shape-only-headers-no-newline", "shape-cr-only", "shape-cr-cr-lf", "shape-nul-only", "shape-field-no-newline"),
    *("shape-other-field-no-newline", "shape-binary-garbage", "multipart-digest-empty", "nested-message-cut"),
    *("nested-message-cut-at-once", "nested-message-cut-in-mime"),
)


def _odd(*names: str) -> bytes:
    """An alternative of the sequence numbers that these messages of the corpus have."""
    corpus = list(odd_messages())
    return b"(?:%b)" % b"|".join(b"%d" % (corpus.index(name) + 1) for name in names)


ALLOWED: tuple[Difference, ...] = (
    # Response codes.
    Difference(
        rb".*",
        rb"\ATAG NO \[(NONEXISTENT|CANNOT|CLIENTBUG|NOPERM|ALREADYEXISTS|TRYCREATE|PARSE)\]",
        rb"TAG NO",
        "RFC 5530 §3: a response code tells the client why, where Dovecot gives none",
    ),
    # FETCH.
    Difference(
        rb"UID FETCH .* BODY\.PEEK\[(1\.)?HEADER\.FIELDS .*",
        rb"(?s)\A(\* %b FETCH \(BODY\[[^\]]*\](?:<\d+>)?) (?:NIL|\{\d+\}\r\n(.*?)[\r\n]*)( UID \d+\))\Z"
        % _odd(*NO_BLANK_LINE),
        rb"\1 {} \2\3",
        "RFC 3501 §6.4.5: the blank line is included in all header fetches, except in the case of a message which has "
        "no body and no blank line; Dovecot adds one, but not always when its cache answers",
    ),
    Difference(
        rb"UID FETCH .* BODY\.PEEK\[HEADER\.FIELDS .*",
        rb"(?s)\A(\* %b FETCH .* From: a@b\r)\r?\n" % _odd("shape-cr-cr-lf"),
        rb"\1\n",
        "RFC 3501 §6.4.5: the subset contains the fields as the header has them; Dovecot's cache has lost a CR",
    ),
    Difference(
        rb"FETCH \S+ BINARY.*",
        rb"\A(\* \d+ FETCH \(BINARY\[[^\]]*\](?:<\d+>)?) ~\{",
        rb"\1 {",
        "RFC 3516 §7: (nstring / literal8); a literal8 is needed for a NUL, elsewhere both are right",
    ),
    Difference(
        rb"(UID )?FETCH .*(BODY\.PEEK|BINARY\.PEEK)\[[\d.]+.*",
        rb"(?s)\A(\* \d+ FETCH \(.*(?:BODY|BINARY)\[[\d.]+[^\]]*\](?:<\d+>)?) (?:\{0\}\r\n|NIL)",
        rb"\1 NIL",
        "RFC 3501 §4.4: NIL is the non-existence of a data item that is a string; an empty string is one that exists",
    ),
    Difference(
        rb"FETCH \d+ BINARY\..*",
        rb"\A\* \d+ FETCH \(UID \d+\)\Z",
        DROPPED,
        "RFC 3516 §4.3: a part that cannot be decoded is answered by a tagged NO; nobody has asked for the UID",
    ),
    Difference(
        rb"FETCH %b BINARY\.SIZE\[[12]\]" % _odd("encoded-multi"),
        WHOLE,
        DROPPED,
        "RFC 3516 §4.3: NO UNKNOWN-CTE is for the encoding of the section that was asked for, and this one is known",
    ),
    Difference(
        rb"FETCH %b BINARY\.SIZE\[1\]" % _odd("nested-message-base64"),
        rb"BINARY\.SIZE\[1\] (?:0|112)",
        rb"BINARY.SIZE[1] 112",
        "RFC 3516 §4.3: the size of what BINARY returns, and there Dovecot as well sends 112 octets",
    ),
    Difference(
        rb"UID FETCH .*<1\.1>",
        rb"\A(\* %b FETCH \(BODY\[[^\]]*\]<1>) \{1\}\r\n[bo] " % _odd("shape-lf-cr"),
        rb"\1 b ",
        "RFC 3501 §6.4.5: the octet with offset 1 of CR, b, o is b",
    ),
    Difference(
        rb"UID FETCH .*<1\.1>",
        rb"\A(\* \d+ FETCH \(BODY\[[^\]]*\]<1>) \{1\}\r\n[\r\n] ",
        rb"\1 LF ",
        "RFC 3501 §6.4.5: the octet with offset 1 of a text that begins with CRLF is LF; Dovecot sends the CR again",
    ),
    Difference(
        rb"UID FETCH .*(BODY|BODYSTRUCTURE|FULL)\)?",
        rb'\A(\* %b FETCH .*)\((?i:"text" "plain" \("charset" "us-ascii"\))' % _odd("type-001"),
        rb'\1("text" "plain" ("charset" "us-ascii")',
        "RFC 2045 §5.1: types and attributes are not case-sensitive; Dovecot gives either form, as its cache has it",
    ),
    Difference(
        rb"UID FETCH .*(ENVELOPE|ALL|FULL).*",
        rb'\A(\* %b FETCH .*ENVELOPE \((?:NIL|"[^"]*")) (?:\{\d+\}\r\n(\w+)|"(\w+)") '
        % _odd("shape-cr-cr-lf", "shape-huge-subject"),
        rb'\1 "\2\3" ',
        "RFC 3501 §4.3: a string is in one of two forms, literal and quoted string; Dovecot's cache changes the form",
    ),
    Difference(
        rb'FETCH .*HEADER\.FIELDS \("From" .*',
        rb'HEADER\.FIELDS \("FROM" "TO"\)',
        rb"HEADER.FIELDS (FROM TO)",
        "RFC 3501 §9: header-fld-name is an astring, an atom or a string as it may be; Dovecot quotes what was quoted",
    ),
    Difference(
        rb"FETCH .* BODY\.PEEK\[\]<99999999999\.1>",
        WHOLE,
        DROPPED,
        "RFC 3501 §9: a number is below 4,294,967,296",
    ),
    Difference(
        rb"FETCH .* BINARY(\.PEEK\[HEADER\]|\.SIZE\[1\]<0\.1>)",
        WHOLE,
        DROPPED,
        "RFC 3516 §7: section-binary is of numbers only, and BINARY.SIZE has no partial",
    ),
    Difference(
        rb"FETCH 1 BODY\[(\]<1>|\]<0\.0>|0\]|1\.0\])",
        WHOLE,
        DROPPED,
        "RFC 3501 §9: a partial is number.nz-number, a section part is of nz-numbers",
    ),
    Difference(rb"(UID )?FETCH 1, \(UID\)", WHOLE, DROPPED, "RFC 3501 §9: sequence-set has a number after each comma"),
    # SEARCH.
    Difference(
        rb"(UID )?SEARCH .*KEYWORD nosuch",
        rb"\A\* (?:FLAGS|OK \[PERMANENTFLAGS) .*",
        DROPPED,
        "RFC 3501 §7.2.6: FLAGS tells what applies in the mailbox; Dovecot adds a keyword that was only searched for",
    ),
    Difference(
        rb"(UID )?SEARCH CHARSET UTF-8 SUBJECT \{5\+\}.*\xc3",
        rb"\ATAG (?:BAD|NO \[BADCHARSET\])\Z",
        DROPPED,
        "RFC 3501 §6.4.4: NO is for what cannot be searched in this charset, BAD for invalid arguments; a text that is "
        "not in its charset may be called either",
    ),
    Difference(
        rb"SEARCH ON 32-Jan-2024",
        WHOLE,
        DROPPED,
        "RFC 3501 §9: date-day is the day of the month; Dovecot searches for the day after the 31st",
    ),
    *(
        Difference(
            rb"UID SEARCH subject a",
            rb"\A(\* SEARCH .*?) %b\b" % _odd(name),
            rb"\1",
            "RFC 3501 §6.4.4: the subject contains the string; Dovecot reads no word in a charset it does not know",
        )
        for name in ("subject-027", "subject-031", "subject-032")
    ),
    Difference(
        rb"(UID )?SEARCH RETURN \(PARTIAL 3:1\) .*",
        rb"PARTIAL \((?:3:1|1:3) ",
        rb"PARTIAL (3:1 ",
        "RFC 5267 §4.4: the PARTIAL return data item has the original range; Dovecot turns it round",
    ),
    # LIST, SELECT and APPEND.
    Difference(
        rb"XLIST .*",
        rb"\A\* XLIST ",
        rb"* LIST ",
        "RFC 3501 §6.5.1: an experimental command is what its maker says; Gmail, and clients, have XLIST responses",
    ),
    Difference(
        rb"(?i:SELECT|EXAMINE) .*",
        rb"\A\* OK \[MAILBOXID \(F[0-9a-f]{32}\)\]\Z",
        DROPPED,
        "RFC 8474 §4.2: SELECT and EXAMINE tell the MAILBOXID; Dovecot has no OBJECTID",
    ),
    Difference(
        rb"CREATE .*",
        rb"\ATAG OK \[MAILBOXID \(F[0-9a-f]{32}\)\]\Z",
        rb"TAG OK",
        "RFC 8474 §4.1: CREATE tells the MAILBOXID; Dovecot has no OBJECTID",
    ),
    Difference(
        rb"LIST .*",
        rb"\A(\* LIST \([^)]*?) ?\\(?:un)?marked(?=[ )])",
        rb"\1",
        "RFC 3501 §7.2.2: \\Marked and \\Unmarked are for servers to which it is feasible to know them; Dovecot tells "
        "them of mailboxes whose index it has looked at",
    ),
    Difference(
        rb"(?i:SELECT|EXAMINE) .*",
        rb"\A\* OK \[HIGHESTMODSEQ N\]\Z",
        DROPPED,
        "RFC 7162 §3.1.2.1: a server that keeps mod-sequences sends HIGHESTMODSEQ with every SELECT and EXAMINE",
    ),
    Difference(
        rb"SELECT INBOX",
        rb"\A\* (?:FLAGS|OK \[PERMANENTFLAGS) .*",
        DROPPED,
        "RFC 3501 §7.2.6: FLAGS tells what applies in the mailbox; Dovecot remembers keywords that no message has",
    ),
    Difference(
        rb"SELECT|EXAMINE|SELECT INBOX \(NOSUCH\)",
        rb"\A\* OK \[CLOSED\]",
        DROPPED,
        "RFC 3501 §7.1.3: BAD is for a command that was not understood; Dovecot closes the mailbox for one",
    ),
    Difference(
        rb'APPEND INBOX "32-Feb.*',
        WHOLE,
        DROPPED,
        "RFC 3501 §9: date-day is the day of the month; Dovecot takes the third of March",
    ),
    Difference(
        rb"(?s)APPEND INBOX \(\\Recent\).*",
        WHOLE,
        DROPPED,
        "RFC 3501 §2.3.2: a client cannot alter \\Recent, so that asking for it changes nothing",
    ),
    Difference(
        rb"NOOP|UID FETCH 1:\* \(FLAGS\)",
        rb"\A(\* \d+ FETCH \(FLAGS \([^)]*) \\Recent",
        rb"\1",
        "RFC 3501 §2.3.2: where a server cannot tell which session was the first to be told of a message, it should be "
        "recent; of sessions that are there when it comes Doocot does not order the telling",
    ),
    # Extensions and the time before a login.
    Difference(
        rb"APPEND INBOX CATENATE \(URL (/?INBOX|/INBOX\?SEEN|/INBOX/;UID=1/;SECTION=x)\)",
        rb"\ATAG NO \[BADURL .*\]\Z",
        rb"TAG NO",
        "RFC 4469 §4.1: BADURL says which of the URLs it is that cannot be taken",
    ),
    Difference(
        rb"(?s)APPEND INBOX CATENATE \(URL /INBOX;.*|FETCH 11:\* \(FLAGS RFC822\.SIZE BODY\.PEEK\[\]\)",
        rb"\A\* BAD\Z",
        DROPPED,
        "RFC 4469 §3: after a message of CATENATE others may follow; Dovecot takes what stands behind the second or a "
        "refused one for a command",
    ),
    Difference(rb"GENURLAUTH", WHOLE, DROPPED, "RFC 4467 §9: GENURLAUTH has at least one URL with its mechanism"),
    Difference(
        rb"ENABLE|ENABLE CONDSTORE",
        WHOLE,
        DROPPED,
        "RFC 5161 §3.1: ENABLE has at least one capability and is only valid in the authenticated state",
    ),
    Difference(
        rb"ENABLE NOSUCH",
        rb"\A\* ENABLED\Z",
        DROPPED,
        "RFC 5161 §3.2: ENABLED is the result of ENABLE and may have no capability in it",
    ),
    Difference(rb"ID .*", rb"\A\* ID .*", rb"* ID", "RFC 2971 §3.2: the server says who it is"),
    Difference(
        rb'ID|ID \("name"\)|ID x',
        WHOLE,
        DROPPED,
        "RFC 2971 §4: ID has a list of pairs, or NIL",
    ),
    Difference(
        rb"(?s)LOGIN .*",
        rb"\ATAG OK \[CAPABILITY .*\]",
        rb"TAG OK [CAPABILITY]",
        "RFC 3501 §7.2.1: each server has capabilities of its own",
    ),
    Difference(
        rb"AUTHENTICATE NOSUCH",
        rb"\ATAG NO \[ALERT\]",
        rb"TAG NO",
        "RFC 3501 §7.1: an ALERT must be shown to the user, who need not know of mechanisms",
    ),
    # Changes.
    Difference(
        rb"EXPUNGE|UID EXPUNGE .*|MOVE .*",
        rb"\ATAG OK \[HIGHESTMODSEQ N\]\Z",
        rb"TAG OK",
        "RFC 7162 §3.2.7: a server sends HIGHESTMODSEQ in the tagged OK; Dovecot does after ENABLE QRESYNC only",
    ),
    Difference(
        rb"STORE 1 FLAGS|SELECT INBOX extra|EXAMINE INBOX \(CONDSTORE\) x|EXPUNGE 1",
        WHOLE,
        DROPPED,
        "RFC 3501 §9: store-att-flags has a flag list, if only (), and nothing stands after the name of a SELECT or "
        "after EXPUNGE; Dovecot takes what it gets",
    ),
)


def remaining(
    command: bytes, theirs: Sequence[bytes], ours: Sequence[bytes], allowed: Sequence[Difference] = ALLOWED
) -> tuple[list[bytes], list[bytes]]:
    """What of each answer the other has not, without what is allowed."""
    only_theirs, only_ours = _without_equal(theirs, ours)
    for difference in allowed:
        if re.fullmatch(difference.command, command, re.DOTALL):
            only_theirs, only_ours = _without_equal(_rewrite(difference, only_theirs), _rewrite(difference, only_ours))
    return only_theirs, only_ours


def _rewrite(difference: Difference, responses: Sequence[bytes]) -> list[bytes]:
    rewritten = (re.sub(difference.pattern, difference.replacement, response, count=1) for response in responses)
    return [response for response in rewritten if response]


def _without_equal(theirs: Sequence[bytes], ours: Sequence[bytes]) -> tuple[list[bytes], list[bytes]]:
    only_theirs, only_ours = list(theirs), list(ours)
    for response in theirs:
        if response in only_ours:
            only_ours.remove(response)
            only_theirs.remove(response)
    return only_theirs, only_ours
