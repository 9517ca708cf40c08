"""Every FETCH item of every odd message, and searches over all of them, against a real Dovecot."""

from datetime import date

import pytest
from differences import CLOSED_BY_DOVECOT, DIFFERENCES, SEARCH_DIFFERENCES, SORT_DIFFERENCES
from dovecot_oracle import Oracle, string

from doocot.errors import MailError
from doocot.message.bodystructure import body, bodystructure
from doocot.message.charset import search_key
from doocot.message.envelope import envelope
from doocot.message.keys import Keys, keys
from doocot.message.scan import Part, crlf, scan
from doocot.message.sections import Section, SectionText, binary, section
from doocot.message.text import file_text_parts, search_text

Scanned = dict[str, tuple[bytes, Part]]

NAMES = frozenset((b"from", b"to", b"subject", b"content-type"))
FIELDS = "(FROM TO SUBJECT CONTENT-TYPE)"

SECTIONS: dict[str, Section] = {
    "": Section(),
    "HEADER": Section((), SectionText.HEADER),
    "TEXT": Section((), SectionText.TEXT),
    f"HEADER.FIELDS {FIELDS}": Section((), SectionText.HEADER_FIELDS, NAMES),
    f"HEADER.FIELDS.NOT {FIELDS}": Section((), SectionText.HEADER_FIELDS_NOT, NAMES),
    "1": Section((1,)),
    "1.MIME": Section((1,), SectionText.MIME),
    "1.HEADER": Section((1,), SectionText.HEADER),
    "1.TEXT": Section((1,), SectionText.TEXT),
    f"1.HEADER.FIELDS {FIELDS}": Section((1,), SectionText.HEADER_FIELDS, NAMES),
    f"1.HEADER.FIELDS.NOT {FIELDS}": Section((1,), SectionText.HEADER_FIELDS_NOT, NAMES),
    "2": Section((2,)),
    "2.MIME": Section((2,), SectionText.MIME),
    "1.1": Section((1, 1)),
    "1.1.MIME": Section((1, 1), SectionText.MIME),
    "1.1.1": Section((1, 1, 1)),
    "1.2": Section((1, 2)),
    "1.1.1.1.1.1": Section((1,) * 6),
}

BINARIES: dict[str, tuple[int, ...]] = {"": (), "1": (1,), "2": (2,), "1.1": (1, 1)}

WORDS = (
    "body", "BODY LINE", "part 1", "hello", "caf", "café", "CAFÉ", "inner", "alice", "Alice A.", "text/plain", "one",
    "onetwo", "one two", "日本", "multipart", "epilogue", "prologue", "Subject: plain", "folded continuation", "last",
    "from: a@", "a=b", "softbreak", "ghost", "MISSING_DOMAIN", "<alice@example.org>", '"Alice Smith"', "undisclosed",
    "O'Brian", "re: [list]", "é",
)  # fmt: skip


@pytest.fixture(scope="module")
def scanned(corpus: dict[str, bytes]) -> Scanned:
    return {name: (data := crlf(raw), scan(data)) for name, raw in corpus.items()}


@pytest.fixture(scope="module")
def computed(scanned: Scanned) -> dict[str, Keys]:
    return {name: keys(part.head.fields) for name, (_, part) in scanned.items()}


def judge(item: str, theirs: dict[str, bytes], ours: dict[str, bytes]) -> None:
    """Equal but for the listed differences, each of which must be one."""
    assert theirs.keys() == ours.keys()
    found = {name for name in ours if theirs[name] != ours[name]}
    listed = {name for name, of in DIFFERENCES if of == item}
    for name in sorted(found - listed)[:1]:
        pytest.fail(f"{item} of {name}\ndovecot {theirs[name][:2000]!r}\ndoocot  {ours[name][:2000]!r}")
    assert found == listed, f"{item}: no difference any more: {listed - found}"


def test_corpus_is_large(corpus: dict[str, bytes]) -> None:
    assert len(corpus) >= 220


def test_structure_items_match_dovecot(oracle: Oracle, scanned: Scanned) -> None:
    theirs = oracle.fetch(b"RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE")
    ours = {
        name: {
            b"RFC822.SIZE": b"%d" % len(data),
            b"ENVELOPE": envelope(part.header),
            b"BODY": body(part),
            b"BODYSTRUCTURE": bodystructure(part),
        }
        for name, (data, part) in scanned.items()
    }
    for item in (b"RFC822.SIZE", b"ENVELOPE", b"BODY", b"BODYSTRUCTURE"):
        judge(
            item.decode(),
            {name: items[item] for name, items in theirs.items()},
            {name: items[item] for name, items in ours.items()},
        )


@pytest.mark.parametrize("spec", SECTIONS)
def test_sections_match_dovecot(oracle: Oracle, scanned: Scanned, spec: str) -> None:
    item = f"BODY.PEEK[{spec}]"
    theirs = {name: string(*items.values()) or b"" for name, items in oracle.fetch(item.encode()).items()}
    judge(item, theirs, {name: section(data, part, SECTIONS[spec]) or b"" for name, (data, part) in scanned.items()})


@pytest.mark.parametrize("what", ["BINARY.PEEK", "BINARY.SIZE"])
@pytest.mark.parametrize("path", BINARIES)
def test_binary_matches_dovecot(oracle: Oracle, scanned: Scanned, what: str, path: str) -> None:
    item = f"{what}[{path}]"
    theirs, ours = {}, {}
    for number, (name, (data, part)) in enumerate(scanned.items(), 1):
        try:
            octets = binary(data, part, BINARIES[path]) or b""
            ours[name] = octets if what == "BINARY.PEEK" else b"%d" % len(octets)
        except MailError as error:
            ours[name] = b"NO [%b]" % error.kind.value.encode()
        if name in CLOSED_BY_DOVECOT:
            assert path not in ("", "1") or ours[name] == b"NO [PARSE]"
            theirs[name] = ours[name]
            continue
        untagged, tagged = oracle.command(b"FETCH %d (%b)" % (number, item.encode()))
        if not tagged.startswith(b"OK"):
            theirs[name] = tagged[: tagged.index(b"]") + 1]
        else:
            (value,) = oracle.items(untagged).values()
            theirs[name] = value if what == "BINARY.SIZE" else string(value) or b""
    judge(item, theirs, ours)


def test_sent_days_match_dovecot(oracle: Oracle, computed: dict[str, Keys]) -> None:
    none = {name for name, fact in computed.items() if fact.sent is None or fact.sent.day < 1}
    assert oracle.search(b"SENTBEFORE 2-Jan-1970") == none
    days = {fact.sent.day for fact in computed.values() if fact.sent}
    tested = 0
    for day in days:
        when = date.fromordinal(day + date(1970, 1, 1).toordinal())
        if not date(1970, 1, 2) <= when < date(2038, 1, 1):
            continue  # Dovecot has no date before, and stands for none by the first second of 1970
        ours = {name for name, fact in computed.items() if fact.sent and fact.sent.day == day}
        assert oracle.search(when.strftime("SENTON %d-%b-%Y").encode()) == ours, when
        tested += 1
    assert tested > 8


@pytest.mark.parametrize("word", WORDS)
def test_searches_match_dovecot(
    oracle: Oracle, corpus: dict[str, bytes], scanned: Scanned, computed: dict[str, Keys], word: str
) -> None:
    key, octets = search_key(word), word.encode()
    for what in ("BODY", "TEXT", "FROM", "TO", "CC", "SUBJECT"):
        theirs = oracle.search(b"CHARSET UTF-8 %b {%d+}\r\n%b" % (what.encode(), len(octets), octets))
        if what in ("BODY", "TEXT"):
            ours = {
                name
                for name, (data, part) in scanned.items()
                if search_text(corpus[name], file_text_parts(part, corpus[name], data), key, what == "TEXT")
            }
        else:
            keys = {n: {"FROM": f.from_, "TO": f.to, "CC": f.cc, "SUBJECT": f.subject}[what]
                    for n, f in computed.items()}  # fmt: skip
            ours = {n for n, value in keys.items() if key in value}
        listed = {name for of, text, name in SEARCH_DIFFERENCES if (of, text) == (what, word)}
        assert theirs ^ ours == listed, f"{what} {word}"


def test_subject_order_matches_dovecot(oracle: Oracle, computed: dict[str, Keys]) -> None:
    order = [computed[name].base_subject for name in oracle.sort(b"SUBJECT") if name not in SORT_DIFFERENCES]
    short = [key for key in order if len(key) < 1000]
    assert len(short) > 200
    assert short == sorted(short)
