"""The commands that both servers are asked, made from tables of the grammar of RFC 3501 §9 and its extensions."""

from itertools import product

SECTIONS = (
    *("", "HEADER", "TEXT", "1", "2", "3", "9", "1.MIME", "2.MIME", "1.HEADER", "2.HEADER", "1.TEXT", "2.TEXT"),
    *("1.1", "1.2", "2.1", "1.1.1", "1.1.MIME", "2.1.MIME", "2.2.TEXT", "2.1.HEADER"),
    *("HEADER.FIELDS (FROM)", "HEADER.FIELDS (From to SUBJECT)", "HEADER.FIELDS (X-NONE)"),
    *("HEADER.FIELDS.NOT (FROM)", "HEADER.FIELDS.NOT (RECEIVED TO DATE)", "1.HEADER.FIELDS (SUBJECT)"),
)
PARTIALS = ("<0.10>", "<5.7>", "<0.100000000>", "<100000000.10>", "<1.1>")
PARTIAL_SECTIONS = ("", "HEADER", "TEXT", "1", "1.MIME", "HEADER.FIELDS (SUBJECT)")
FETCH_ITEMS = (
    *("UID", "FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY", "BODYSTRUCTURE", "ALL", "FAST", "FULL"),
    *("RFC822", "RFC822.HEADER", "RFC822.TEXT"),
    *(f"BODY.PEEK[{section}]" for section in SECTIONS),
    *(f"BODY.PEEK[{section}]{partial}" for section, partial in product(PARTIAL_SECTIONS, PARTIALS)),
    "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)",
    "(BODY.PEEK[HEADER] BODY.PEEK[TEXT])",
)
BINARY_ITEMS = ("BINARY.SIZE[1]", "BINARY.PEEK[1]", "BINARY.PEEK[2]", "BINARY.PEEK[1]<3.20>")
BAD_FETCH_ITEMS = (
    *(
        "BODY[",
        "BODY[]<",
        "BODY[]<1>",
        "BODY[]<0.0>",
        "BODY.PEEK",
        "BODY[NOSUCH]",
        "BODY[0]",
        "BODY[1.0]",
        "BODY[MIME]",
    ),
    *("()", "(UID", "RFC822.NOSUCH", "BODY[HEADER.FIELDS]", "BODY[HEADER.FIELDS ()]", "ENVELOPE)", "(UID  FLAGS)"),
)
FETCH_SETS = (
    "1",
    "1:3",
    "3:1",
    "*",
    "*:1",
    "1,3,5",
    "5:*",
    "1,1,1",
    "1:2,2:3",
    "0",
    "1:0",
    "a",
    "",
    "1,",
    "4294967296",
)

FLAG_KEYS = (
    *("ANSWERED", "DELETED", "DRAFT", "FLAGGED", "SEEN", "UNANSWERED", "UNDELETED", "UNDRAFT", "UNFLAGGED", "UNSEEN"),
    *("ALL", "NEW", "OLD", "RECENT", "KEYWORD work", "UNKEYWORD work", "KEYWORD $Forwarded", "KEYWORD nosuch"),
)
DATES = ("1-Jan-2020", "15-Feb-2024", '"15-Feb-2024"', "31-Dec-2030")
DATE_KEYS = ("BEFORE", "ON", "SINCE", "SENTBEFORE", "SENTON", "SENTSINCE")
STRING_KEYS = ("BCC", "BODY", "CC", "FROM", "SUBJECT", "TEXT", "TO")
STRINGS = ('""', "example", '"message 1"', "MESSAGE", '"no such text"', "@")
HEADER_NAMES = ("Subject", "MESSAGE-ID", "X-None", "Content-Type", "Received", "Date")
OTHER_KEYS = (
    *("LARGER 0", "LARGER 1000", "SMALLER 400", "SMALLER 0", "UID 1:5", "UID *", "1:3", "*", "2,4,6:*", "(ALL)"),
    *("NOT SEEN", "NOT NOT SEEN", "OR SEEN FLAGGED", "OR (SEEN FLAGGED) DELETED", "NOT (OR SEEN DELETED)"),
    *(
        "OR OR 1 2 OR 3 4",
        "OLDER 60",
        "NOT YOUNGER 60",
        "SAVEDSINCE 1-Jan-2020",
        "SAVEDATESUPPORTED",
        "SEEN FLAGGED",
        "(SEEN (FLAGGED)) ALL",
        "NOT 1:3 UID 1:5",
        "OR NOT SEEN NOT FLAGGED",
    ),
    *("CHARSET UTF-8 SUBJECT message", "CHARSET US-ASCII ALL", "CHARSET ISO-8859-1 ALL", "CHARSET NO-SUCH ALL"),
)
LITERAL_KEYS = (
    b"SUBJECT {7+}\r\nmessage",
    b"CHARSET UTF-8 SUBJECT {5+}\r\nGr\xc3\xbc\xc3",
    b"CHARSET UTF-8 SUBJECT {6+}\r\nGr\xc3\xbc\xc3\x9f",
    b"CHARSET UTF-8 TEXT {6+}\r\nGR\xc3\x9c\xc3\x9f",
    b"CHARSET UTF-8 BODY {4+}\r\n\xe2\x82\xac1",
    b"OR FROM {8+}\r\nSender 1 SUBJECT {9+}\r\nmessage 4",
    b"HEADER {7+}\r\nSubject {7+}\r\nmessage",
)
BAD_KEYS = (
    *(
        "",
        "NOSUCH",
        "NOT",
        "OR SEEN",
        "BEFORE",
        "BEFORE x",
        "BEFORE 1-Jan-20",
        "LARGER",
        "LARGER x",
        "FROM",
        "HEADER a",
    ),
    *("OLDER", "OLDER 0", "YOUNGER x", "SAVEDON", "SAVEDON x", "SAVEDBEFORE 5"),
    *("(SEEN", "SEEN)", "()", "UID", "UID x", "CHARSET UTF-8", "KEYWORD", "SUBJECT {", "0", "1:", "ON 32-Jan-2024"),
)
SORTS = (
    *("(ARRIVAL) UTF-8 ALL", "(SUBJECT) UTF-8 ALL", "(FROM) UTF-8 1:5", "(REVERSE DATE SIZE) US-ASCII ALL"),
    *("(TO CC REVERSE ARRIVAL) UTF-8 SEEN", '(DISPLAYFROM) "utf-8" NOT SEEN', "(DISPLAYTO) UTF-8 99"),
    *("RETURN (MIN MAX COUNT ALL) (REVERSE SIZE) UTF-8 ALL", "RETURN () (SUBJECT) UTF-8 SEEN"),
)
BAD_SORTS = (
    *("", "(DATE)", "(DATE) UTF-8", "DATE UTF-8 ALL", "() UTF-8 ALL", "(NOSUCH) UTF-8 ALL", "(REVERSE) UTF-8 ALL"),
    *("(DATE UTF-8 ALL", "(DATE) NO-SUCH ALL", "(DATE) UTF-8 NOSUCH", "RETURN (NOSUCH) (DATE) UTF-8 ALL"),
    "(DATE REVERSE) UTF-8 ALL",
)
RETURNS = ("()", "(ALL)", "(MIN)", "(MAX)", "(COUNT)", "(MIN MAX)", "(MIN MAX COUNT ALL)", "(COUNT ALL)")
# CONTEXT=SEARCH (RFC 5267): PARTIAL counts from the beginning only, UPDATE is in UPDATES.
CONTEXTS = (
    *("(CONTEXT)", "(CONTEXT COUNT)", "(PARTIAL 1:3)", "(PARTIAL 2:2)", "(PARTIAL 8:20)", "(PARTIAL 11:20)"),
    *("(PARTIAL 1:3 COUNT)", "(MIN PARTIAL 2:3 MAX)", "(SAVE PARTIAL 2:3)", "(CONTEXT PARTIAL 1:99)", "(PARTIAL 3:1)"),
    *("(PARTIAL)", "(PARTIAL 1)", "(PARTIAL 0:3)", "(PARTIAL x:3)", "(PARTIAL 1:2 PARTIAL 3:4)", "(ALL PARTIAL 1:2)"),
    *("(PARTIAL 1:*)", "(UPDATE x)", "(UPDATE"),
)
UPDATES: list[tuple[int, str]] = [
    (0, "SEARCH RETURN (UPDATE) FLAGGED"),
    (0, "STORE 1,2 -FLAGS (\\Flagged)"),
    (0, "STORE 1:3 +FLAGS (\\Flagged)"),
    (1, "STORE 2 -FLAGS (\\Flagged)"),
    (0, "NOOP"),
    (1, "STORE 3 +FLAGS.SILENT (\\Deleted)"),
    (0, "NOOP"),
    (1, "EXPUNGE"),
    (0, "NOOP"),
    (1, "APPEND INBOX (\\Flagged) {18+}\r\nSubject: new\r\n\r\nx"),
    (0, "NOOP"),
    (0, "STORE 1 FLAGS.SILENT (\\Seen)"),
    (0, 'CANCELUPDATE "nosuch"'),
    (0, "CANCELUPDATE x"),
]

THREADS = (
    *("REFERENCES UTF-8 ALL", "REFS UTF-8 ALL", "ORDEREDSUBJECT UTF-8 ALL", "references us-ascii 2:5 NOT 3"),
    *("REFERENCES UTF-8 SEEN", "REFERENCES UTF-8 99", "REFERENCES UTF-8 SUBJECT nosuch", "REFS UTF-8 UID 1:4"),
)
BAD_THREADS = (
    *("", "REFERENCES", "REFERENCES UTF-8", "REFERENCES ALL", "NOSUCH UTF-8 ALL", "REFERENCES NO-SUCH ALL"),
    *("REFERENCES UTF-8 NOSUCH", "REFERENCES UTF-8 (ALL", "REFERENCES UTF-8 ALL)", "(REFERENCES) UTF-8 ALL"),
    *("REFERENCES (UTF-8) ALL", "REFERENCES UTF-8 SUBJECT", "REFERENCES UTF-8 0"),
)

MAILBOXES = (
    *("plain", "a.b.c", "a.bb", "ab", '"with space"', "Entw&APw-rfe", "&ZeVnLIqe-", '"star*d"', "x.y", "INBOX.child"),
    *("Sent", "Trash", '"per%cent"', '"quote\\"d"', "UPPER", "upper", "&-"),
)
SUBSCRIBED = ("plain", "a.b.c", "x.y", '"with space"', "INBOX", "&ZeVnLIqe-")
PATTERNS = (
    *("*", "%", "a*", "a.*", "a.%", "a%", "%.%", "%.%.%", "*c", "*.c", "%b", "a.b.c", "a.b", "a", "nosuch", "INBOX"),
    *("inbox", "InBoX", "inbox*", "INBOX.%", "INBOX.*", '"with space"', "with*", "Entw*", "&ZeVnLIqe-", '"star*d"'),
    *("%*", "*%", "**", "%%", '""', "UPPER", "upper", "u*", "x.y", "x%y", ".", "*.", ".a", "a..b"),
)
REFERENCES = ('""', "a", "a.", "INBOX", "INBOX.", "x.", "nosuch.")
LIST_SELECTIONS = ("", "(SUBSCRIBED)", "(SPECIAL-USE)", "(SUBSCRIBED RECURSIVEMATCH)", "(REMOTE)")
LIST_RETURNS = ("(CHILDREN)", "(SUBSCRIBED)", "(SUBSCRIBED CHILDREN SPECIAL-USE)", "(STATUS (MESSAGES))")
STATUS_ITEMS = (
    "MESSAGES",
    "RECENT",
    "UIDNEXT",
    "UIDVALIDITY",
    "UNSEEN",
    "MESSAGES UIDNEXT UNSEEN",
    "MESSAGES MESSAGES",
    "SIZE",
    "UNSEEN SIZE",
)


SERVER = """\
mail_server_comment = A server
mail_server_admin = mailto:postmaster@example.org
"""
METADATA = (
    *('SETMETADATA INBOX (/private/comment "my comment")', "GETMETADATA INBOX /private/comment"),
    *(
        "GETMETADATA inbox (/private/Comment /shared/comment)",
        "GETMETADATA INBOX /private",
        "GETMETADATA INBOX (/shared)",
    ),
    b'SETMETADATA INBOX (/shared/comment {5+}\r\nhello /private/x/y "1")',
    *('SETMETADATA INBOX (/private/x "" /private/x/y/z "345")', 'SETMETADATA INBOX ("/PRIVATE/q\\"uote" "q\\"\\\\")'),
    *("GETMETADATA (DEPTH 1) INBOX /private/x", "GETMETADATA (DEPTH infinity) INBOX /private/x"),
    *("GETMETADATA (DEPTH infinity) INBOX (/private/x /shared/comment)", "GETMETADATA (DEPTH 0) INBOX /private/x/y"),
    *("GETMETADATA (MAXSIZE 2) INBOX (/private/comment /private/x/y)", "GETMETADATA (MAXSIZE 2) INBOX /private/x/y/z"),
    *("GETMETADATA (MAXSIZE 4 DEPTH 1) INBOX /private/x", 'GETMETADATA INBOX "/private/q\\"uote"'),
    *("GETMETADATA", "GETMETADATA INBOX", "GETMETADATA INBOX /", "GETMETADATA INBOX /private/", "GETMETADATA INBOX x"),
    *("GETMETADATA INBOX /other/x", "GETMETADATA INBOX /private//x", 'GETMETADATA INBOX "/private/*"'),
    *(
        'GETMETADATA INBOX "/private/%"',
        "GETMETADATA (DEPTH 2) INBOX /private/x",
        "GETMETADATA (DEPTH) INBOX /private/x",
    ),
    *(
        "NOOP",
        "GETMETADATA (MAXSIZE x) INBOX /private/x",
        "GETMETADATA (NOSUCH) INBOX /private/x",
        "GETMETADATA INBOX (/private/x",
    ),
    *("GETMETADATA INBOX /private/x /private/y", "SETMETADATA", "SETMETADATA INBOX", "SETMETADATA INBOX (/private/x)"),
    *('SETMETADATA INBOX (x "1")', 'SETMETADATA INBOX /private/x "1"', 'SETMETADATA INBOX (/other/x "1")'),
    *(
        "SETMETADATA INBOX (/private/comment NIL /private/never NIL)",
        "GETMETADATA INBOX (/private/comment /private/never)",
    ),
    *('SETMETADATA nosuch (/private/a "b")', "GETMETADATA nosuch /private/a", 'SETMETADATA INBOX (/private/a "")'),
    *("GETMETADATA INBOX /private/a", "CREATE box", 'SETMETADATA box (/private/a "of box")', "RENAME box boxes"),
    *("GETMETADATA boxes /private/a", "DELETE boxes", "CREATE boxes", "GETMETADATA boxes /private/a", "CREATE Sent"),
    *(
        "GETMETADATA Sent /private/specialuse",
        'GETMETADATA "" (/shared/comment /shared/admin)',
        'GETMETADATA "" /private/a',
    ),
    *(
        'SETMETADATA "" (/private/vendor/x "1")',
        'GETMETADATA "" /private/vendor/x',
        'SETMETADATA "" (/shared/comment "1")',
    ),
    *(
        'SETMETADATA "" (/shared/admin NIL)',
        "STATUS boxes (SIZE)",
        "STATUS boxes (SIZE MESSAGES)",
        'XLIST "" ""',
        'XLIST "" b*',
    ),
)


def search_keys() -> list[bytes]:
    """Every key of RFC 3501 §6.4.4, alone and combined."""
    keys = [*FLAG_KEYS, *OTHER_KEYS]
    keys += [f"{key} {date}" for key, date in product(DATE_KEYS, DATES)]
    keys += [f"{key} {text}" for key, text in product(STRING_KEYS, STRINGS)]
    keys += [f"HEADER {name} {text}" for name, text in product(HEADER_NAMES, STRINGS[:4])]
    return [*(key.encode() for key in keys), *LITERAL_KEYS]


def list_commands() -> list[bytes]:
    commands = [f"LIST {reference} {pattern}" for reference, pattern in product(REFERENCES[:1], PATTERNS)]
    commands += [f"LSUB {reference} {pattern}" for reference, pattern in product(REFERENCES[:1], PATTERNS)]
    commands += [
        f"{verb} {place} {pattern}" for verb, place, pattern in product(("LIST", "LSUB"), REFERENCES[1:], "*%")
    ]
    commands += [
        f"LIST {selection} {place} {pattern} RETURN {returned}".replace("  ", " ")
        for selection, place, pattern, returned in product(LIST_SELECTIONS, REFERENCES[:1], "*%", LIST_RETURNS)
    ]
    commands += [
        'LIST "" (a.* x.* INBOX) RETURN (CHILDREN)',
        'LIST "" (nosuch) RETURN ()',
        'LIST "" ()',
        "LIST",
        "LIST a",
    ]
    return [command.encode() for command in commands]


def status_commands() -> list[bytes]:
    names = ("INBOX", "inbox", "plain", '"with space"', "&ZeVnLIqe-", "a.b", "nosuch", '""')
    commands = [f"STATUS {name} ({items})" for name, items in product(names, STATUS_ITEMS)]
    return [
        command.encode()
        for command in (*commands, "STATUS INBOX (NOSUCH)", "STATUS INBOX", "STATUS", "STATUS INBOX ()")
    ]


STORES = (
    *("STORE 1 FLAGS (\\Seen)", "STORE 1 +FLAGS (\\Flagged)", "STORE 1 -FLAGS (\\Seen)", "STORE 1 FLAGS ()"),
    *("STORE 1:3 +FLAGS \\Seen \\Draft", "STORE 2 +FLAGS.SILENT (\\Answered)", "STORE 1:* -FLAGS (\\Seen \\Draft)"),
    *("UID STORE 1:3 +FLAGS (\\Deleted)", "UID STORE 2 -FLAGS.SILENT (\\Deleted)", "UID STORE 999 +FLAGS (\\Seen)"),
    *(
        "STORE 4 +FLAGS (work)",
        "STORE 4 +FLAGS (WORK)",
        "STORE 4 -FLAGS (Work)",
        "STORE 5 FLAGS ($Forwarded $Junk a.b)",
    ),
    *("STORE 4:5 FLAGS (\\Seen new1 new2)", "STORE 4 +FLAGS ()", "STORE 4 -FLAGS ()", "STORE 1,3,5 flags (\\seen)"),
    *(
        "STORE 1 FLAGS (\\Seen \\Seen)",
        "STORE 1 +FLAGS (\\Recent)",
        "STORE 1 +FLAGS (\\NoSuch)",
        "STORE 99 FLAGS (\\Seen)",
    ),
    *("STORE 0 FLAGS (\\Seen)", "STORE 1 NOFLAGS (\\Seen)", "STORE 1 FLAGS (a", "STORE 1", "STORE"),
    *(
        "FETCH 1:* (FLAGS)",
        "NOOP",
        "SEARCH KEYWORD work",
        "SEARCH DELETED",
        "SORT (REVERSE SIZE) UTF-8 UNDELETED",
        "FETCH 1 (BODY[])",
        "FETCH 1 (RFC822.TEXT)",
    ),
    *("FETCH 2 (RFC822)", "FETCH 1:* (FLAGS)", "CHECK", "STORE 1 FLAGS"),
)
COPIES = (
    *(
        "CREATE box",
        "COPY 1:2 box",
        "COPY 5,3 box",
        "UID COPY 4:* box",
        "COPY 1 nosuch",
        "UID COPY 999 box",
        "COPY 99 box",
    ),
    *(
        "COPY * INBOX",
        "NOOP",
        "STATUS box (MESSAGES UIDNEXT UNSEEN)",
        "MOVE 2:3 box",
        "UID MOVE 5 box",
        "MOVE 1 nosuch",
    ),
    *(
        "MOVE 99 box",
        "UID MOVE 999 box",
        "MOVE 1 INBOX",
        "NOOP",
        "FETCH 1:* (UID FLAGS)",
        "STATUS INBOX (MESSAGES UIDNEXT)",
    ),
    *(
        "STORE 1,3 +FLAGS (\\Deleted)",
        "UID EXPUNGE 999",
        "UID EXPUNGE 1",
        "EXPUNGE",
        "EXPUNGE",
        "FETCH 1:* (UID FLAGS)",
    ),
    *("SELECT box", "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)", "STORE 1:2 +FLAGS.SILENT (\\Deleted)", "CLOSE"),
    *(
        "EXAMINE box",
        "FETCH 1:* (UID FLAGS)",
        "COPY 1 box",
        "NOOP",
        "UNSELECT",
        "DELETE box",
        "SELECT box",
    ),
)
MAILBOX_CHANGES = (
    *(
        "CREATE new",
        "CREATE new",
        "CREATE new.sub.deep",
        "CREATE INBOX",
        "CREATE inbox",
        'CREATE ""',
        "CREATE .x",
        "CREATE x.",
    ),
    *(
        "CREATE a..b",
        "CREATE Entw&APw-rfe",
        "CREATE bad&name",
        'CREATE "a/b"',
        'CREATE "a*b"',
        'CREATE "a%b"',
        'LIST "" *',
    ),
    *(
        "RENAME new.sub other",
        'LIST "" *',
        "RENAME nosuch x1",
        "RENAME new INBOX",
        "RENAME new.x new",
        "RENAME new new.x",
    ),
    *("DELETE other", 'LIST "" *', "DELETE other.deep", 'LIST "" *', "DELETE other", "DELETE nosuch", "DELETE INBOX"),
    *(
        "SUBSCRIBE new",
        "SUBSCRIBE new",
        'LSUB "" *',
        "UNSUBSCRIBE new",
        "UNSUBSCRIBE new",
        "UNSUBSCRIBE nosuch",
        'LSUB "" *',
    ),
    *(
        "SELECT new",
        "CLOSE",
        "DELETE new",
        "NOOP",
        'LIST "" *',
        "CREATE new",
        "STATUS new (MESSAGES UIDNEXT)",
        "GETQUOTAROOT INBOX",
    ),
)
APPENDS = (
    b"APPEND INBOX {3+}\r\na\r\n",
    b"APPEND INBOX (\\Seen) {19+}\r\nSubject: one\r\n\r\nx\r\n",
    b'APPEND INBOX (\\Seen \\Draft work) "15-Feb-2024 01:02:03 +0100" {16+}\r\nSubject: two\r\n\r\n',
    b'APPEND INBOX " 5-Feb-2024 01:02:03 -0500" {18+}\r\nSubject: three\r\n\r\n',
    b"APPEND INBOX () {11+}\r\nno header\r\n",
    b"APPEND INBOX {25+}\r\nSubject: bare\n\nline feed\n",
    b"APPEND INBOX {27+}\r\nSubject: cr\r\rcarriage return",
    b"APPEND INBOX {1+}\r\nx",
    b"APPEND nosuch {3+}\r\na\r\n",
    b'APPEND "nosuch.x" {3+}\r\na\r\n',
    b"APPEND INBOX {3+}\r\na\r\n {3+}\r\nb\r\n",
    b"FETCH 1:* (UID FLAGS RFC822.SIZE BODY.PEEK[])",
    b"FETCH 3:4 (INTERNALDATE)",
    b"STATUS INBOX (MESSAGES UIDNEXT UNSEEN)",
)
MORE_FETCH_ITEMS = (
    *(
        "(UID UID)",
        "(FLAGS UID FLAGS)",
        "(BODY.PEEK[1] BODY.PEEK[2] UID)",
        "( FLAGS)",
        "(FLAGS )",
        "(ALL)",
        "(UID FAST)",
    ),
    *("(BODY.PEEK[HEADER.FIELDS (FROM)] BODY.PEEK[HEADER.FIELDS (TO)])", "body.peek[header.fields (from)]", "fast"),
    *('BODY.PEEK[HEADER.FIELDS ("From" {2+}\r\nTO)]', "BODY.PEEK[HEADER.FIELDS (FROM FROM)]", "FLAGS UID", "(FLAGS"),
    *("BODY.PEEK[HEADER.FIELDS.NOT (FROM)]<3.9>", "BODY.PEEK[TEXT]<0.1>", "BODY.PEEK[]<4294967295.1>", "RFC822.PEEK"),
    *("BODY.PEEK[]<99999999999.1>", "BODY.PEEK[1.2.3.4.5.6.7.8.9]", "BODY.PEEK[1.]", "BODY.PEEK[.1]", "BINARY[]<0.5>"),
    *("BINARY.PEEK[HEADER]", "BINARY.SIZE[]", "BINARY.PEEK[1.1]", "BINARY.SIZE[1]<0.1>", "MODSEQ", "(MODSEQ FLAGS)"),
    *("(UID PREVIEW)", "PREVIEW (FUZZY)", "(SNIPPET UID)", "PREVIEW (FOO)", "(PREVIEW (LAZY) (LAZY))", "PREVIEW (LAZY"),
)
BAD_COMMANDS = (
    *("NOSUCH", "UID", "UID NOSUCH 1", "UID EXPUNGE", "UID FETCH", "FETCH", "FETCH 1", "SELECT", "SELECT INBOX extra"),
    *("EXAMINE", "LOGIN a b", "AUTHENTICATE PLAIN", "CREATE", "DELETE", "RENAME a", "RENAME", "SUBSCRIBE", "APPEND"),
    *(
        "APPEND INBOX",
        "COPY 1",
        "COPY x INBOX",
        "COPY 0 INBOX",
        "MOVE 1",
        "MOVE x INBOX",
        "UNSUBSCRIBE",
        "STATUS INBOX x",
    ),
    *(
        "ENABLE",
        "ENABLE NOSUCH",
        "ENABLE nosuch condstore",
        "ID",
        "ID NIL",
        'ID ("name" "test")',
        'ID ("name")',
        "ID x",
    ),
    *(
        'SELECT "INBOX',
        "SELECT {x}",
        "select inbox",
        "FETCH  1  (FLAGS)",
        "SELECT INBOX (",
    ),
    *(
        "FETCH 1 (FLAGS) ",
        "SELECT INBOX (NOSUCH)",
        "SELECT INBOX (CONDSTORE)",
        "EXAMINE INBOX (CONDSTORE) x",
        'SELECT ""',
    ),
    *(
        "STORE x +FLAGS (a)",
        "STORE 1 +FLAGS (\\Seen",
        "STORE 1 FLAGS (\\)",
        "STORE 1 (UNCHANGEDSINCE x) FLAGS ()",
        "EXPUNGE 1",
    ),
    *("STORE 1 (NOSUCH 1) FLAGS (a)", "FETCH 1 FLAGS (CHANGEDSINCE x)", "FETCH 1 FLAGS (NOSUCH 1)", "SELECT nosuch"),
    *(
        "EXAMINE nosuch.x",
        'SELECT "a\\xb"',
        "SELECT &-",
        "SELECT &AAA",
        "CLOSE",
        "UNSELECT",
        "CHECK",
        "NAMESPACE",
        "NOOP",
    ),
)
WITHOUT_LOGIN = (
    *(
        "NOOP",
        "SELECT INBOX",
        "FETCH 1 FLAGS",
        "NOSUCH",
        "LOGIN",
        "LOGIN a",
        'LIST "" *',
        "CREATE a",
        "IDLE",
        "UID FETCH 1",
    ),
    *(
        "APPEND INBOX {3+}\r\nabc",
        "LOGOUT",
        "ID NIL",
        "LOGIN u {4+}\r\npass",
        'LOGIN "q" "pass"',
        "AUTHENTICATE NOSUCH",
    ),
    *("LOGIN a b c", "AUTHENTICATE", "CLOSE", "ENABLE CONDSTORE"),
)
MODSEQS = (
    *(
        "ENABLE CONDSTORE",
        "FETCH 1:3 (MODSEQ)",
        "UID FETCH 1:2 (FLAGS) (CHANGEDSINCE 999999999999999999)",
        "STORE 1 +FLAGS (new)",
    ),
    *(
        "STORE 1 (UNCHANGEDSINCE 999999999999999999) +FLAGS (\\Answered)",
        "STORE 2 (UNCHANGEDSINCE 999999999999999999) FLAGS.SILENT (\\Draft)",
    ),
    *("STORE 1:2 (UNCHANGEDSINCE 0) +FLAGS (\\Flagged)", "UID STORE 2:4 (UNCHANGEDSINCE 0) +FLAGS (\\Flagged)"),
    *(
        "SEARCH MODSEQ 999999999999999999",
        "STATUS INBOX (HIGHESTMODSEQ)",
        "FETCH 4 (BODY[])",
        "STORE 3 +FLAGS.SILENT (\\Deleted)",
    ),
    *("EXPUNGE", "FETCH 1:* (UID FLAGS MODSEQ)", "CLOSE", "SELECT INBOX (CONDSTORE)"),
)
RESYNCS = (
    *(
        "ENABLE QRESYNC",
        "SELECT INBOX",
        "STORE 1:2,9 +FLAGS.SILENT (\\Deleted)",
        "EXPUNGE",
        "STORE 1:3 +FLAGS (\\Flagged)",
    ),
    *("UID STORE 4 +FLAGS.SILENT (\\Deleted)", "UID EXPUNGE 1:*", "UID FETCH 1:9 (FLAGS) (CHANGEDSINCE 1 VANISHED)"),
    *(
        "SELECT INBOX (QRESYNC (1708000000 999999999999999999))",
        "SELECT INBOX (QRESYNC (1 1))",
        "MOVE 1 INBOX",
        "UNSELECT",
    ),
)
TWO_SESSIONS = (
    *((0, "STORE 1:2 +FLAGS (\\Deleted)"), (1, "NOOP"), (1, "STORE 1 -FLAGS (\\Deleted)"), (0, "NOOP"), (0, "EXPUNGE")),
    *((1, "FETCH 3:* (UID)"), (1, "SEARCH ALL"), (1, "NOOP"), (1, "FETCH 1:* (UID FLAGS)"), (1, "NOOP")),
    *((0, "APPEND INBOX (\\Seen) {3+}\r\na\r\n"), (1, "NOOP"), (1, "STORE * +FLAGS.SILENT (once new)"), (0, "CHECK")),
    *(
        (1, "COPY 1:2 INBOX"),
        (0, "UID FETCH 1:* (FLAGS)"),
        (1, "UID STORE 1:* +FLAGS.SILENT (\\Deleted)"),
        (0, "NOOP"),
        (1, "CLOSE"),
    ),
    *((0, "UID FETCH 1:* (FLAGS)"), (0, "NOOP"), (1, "SELECT INBOX"), (0, "CREATE other"), (1, 'LIST "" *')),
    *((0, "COPY 1:* other"), (1, "STATUS other (MESSAGES UIDNEXT)"), (1, "DELETE other"), (0, "SELECT other")),
)
URLS_OF_NOTHING = (
    *(
        b";UID=99",
        b"/nosuch/;UID=1",
        b"/INBOX",
        b"/",
        b'""',
        b"/INBOX;UIDVALIDITY=7/;UID=1",
        b"/INBOX/;UID=0",
        b"INBOX",
    ),
    *(
        b"imap://localhost/INBOX/;UID=1",
        b"/INBOX/;UID=1/;SECTION=x",
        b"/INBOX/;UID=1;URLAUTH=anonymous",
        b"/INBOX?SEEN",
    ),
    *(
        b'"/INBOX/;UID=1/;PARTIAL=x"',
        b"/INBOX/;UID=4294967296",
        b"http://localhost/",
        b"//h/INBOX/;UID=1",
    ),
)
MORE_APPENDS = (
    *(b"APPEND INBOX () {3+}\r\na\r\n", b"APPEND INBOX ~{3+}\r\na\0b", b"APPEND {5+}\r\nINBOX {1+}\r\na"),
    b'APPEND INBOX "12-Feb-2024 23:59:59 +1400" {3+}\r\na\r\n',
    b'APPEND INBOX " 1-Jan-1970 00:00:00 +0000" {1+}\r\na',
    *(b"FETCH 11:* (FLAGS RFC822.SIZE BODY.PEEK[])", b"FETCH 14:* (INTERNALDATE)", b"STATUS INBOX (MESSAGES UIDNEXT)"),
)
CATENATES = (
    *(
        b"APPEND INBOX CATENATE (URL /INBOX/;UID=1)",
        b'APPEND INBOX CATENATE (URL ";UID=2/;SECTION=HEADER" TEXT {1+}\r\nx)',
    ),
    b"APPEND INBOX (\\Seen) CATENATE (TEXT {14+}\r\nSubject: a\r\n\r\n URL ;UID=3/;SECTION=TEXT TEXT {3+}\r\nb\r\n)",
    b'APPEND INBOX CATENATE (URL ";UID=4/;SECTION=HEADER.FIELDS%20(From%20%22Subject%22)" URL ";UID=4/;section=1")',
    b"APPEND INBOX CATENATE (URL ;UID=1/;SECTION=1.MIME URL ;UID=1/;SECTION=HEADER.FIELDS.NOT%20(Date))",
    b"APPEND INBOX CATENATE (URL /INBOX;UIDVALIDITY=1708000000/;UID=1) {5+}\r\na\r\n\r\n CATENATE (TEXT {3+}\r\nb\r\n)",
    *(b"APPEND INBOX CATENATE (URL %b)" % url for url in URLS_OF_NOTHING),
    b"APPEND INBOX CATENATE (TEXT x)",
    *(b"FETCH 11:* (FLAGS RFC822.SIZE BODY.PEEK[])", b"STATUS INBOX (MESSAGES UNSEEN UIDNEXT)", b"FETCH 1:3 (FLAGS)"),
)
URLAUTHS = (
    *(b"GENURLAUTH", b"GENURLAUTH x", b"GENURLAUTH imap://nobody@localhost/INBOX/;UID=1;URLAUTH=anonymous INTERNAL"),
    *(b"GENURLAUTH /INBOX/;UID=1;URLAUTH=anonymous INTERNAL", b"GENURLAUTH imap://localhost/INBOX INTERNAL"),
    *(b"URLFETCH", b"URLFETCH (", b"URLFETCH ()", b"URLFETCH (x NOSUCH)", b"URLFETCH (x BODY BINARY)"),
    *(b"RESETKEY", b"RESETKEY INBOX", b"RESETKEY INBOX INTERNAL", b"RESETKEY INBOX NOSUCH", b"RESETKEY nosuch"),
    *(b"URLFETCH imap://localhost/INBOX", b"URLFETCH x y"),
)
BAD_APPENDS = (
    *(b'APPEND INBOX "32-Feb-2024 01:02:03 +0100" {3+}\r\na\r\n', b'APPEND INBOX "x" {3+}\r\na\r\n'),
    *(b"APPEND INBOX (\\Recent) {3+}\r\na\r\n", b"APPEND INBOX (\\NoSuch) {3+}\r\na\r\n", b"APPEND INBOX {0+}\r\n"),
    *(b'APPEND INBOX "a" (b) {3+}\r\na\r\n', b"APPEND INBOX x {3+}\r\na\r\n", b"APPEND INBOX (a {3+}\r\na\r\n"),
    b"APPEND INBOX () {1+}\r\na x",
)
