"""Comparators and languages (RFC 5255): what each message says alone, and that no text of a table is out of date."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from doocot.imap.languages import LANGUAGES, said, translation
from doocot.mailbox.facts import BY_FACT
from doocot.message.collation import COLLATIONS, UNICODE_CASEMAP, Collation
from doocot.message.header import known_fields
from doocot.message.keys import keys, keys_by
from doocot.message.scan import crlf, header_end, scan
from doocot.message.subject import base_subject, base_subject_of
from doocot.message.text import file_text_parts, search_text
from tests.corpus.odd_messages import odd_messages
from tests.imap.harness import House, spaces_from
from tests.imap.search_house import Searcher, make_maildir, open_roots

WORDS = ("a", "A", "Alice", "alice", "café", "CAFÉ", "é", "ß", "example", "Example", "日本", "one two", "=", "hello")


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searcher]:
    path = tmp_path_factory.mktemp("comparators") / "Maildir"
    make_maildir(path, [(content, "", 1_000_000_000) for content in odd_messages().values()])
    roots = open_roots()
    yield Searcher(roots, path)
    roots.close()


@pytest.mark.parametrize("collation", COLLATIONS, ids=lambda one: one.name.decode())
def test_search_is_what_each_message_says_alone(odd: Searcher, collation: Collation) -> None:
    assert b"OK" in odd.send(b"c COMPARATOR " + collation.name)
    messages = [(raw, crlf(raw)) for raw in odd_messages().values()]
    compared = [keys_by(collation, known_fields(data[: header_end(data)])) for _, data in messages]
    parts = [file_text_parts(scan(data), raw, data) for raw, data in messages]
    for word in WORDS:
        key, octets = collation.key(word), word.encode()
        text = b"{%d+}\r\n%b" % (len(octets), octets)
        for name, values in (("FROM", [one.from_ for one in compared]), ("CC", [one.cc for one in compared])):
            wanted = [number for number, value in enumerate(values, 1) if key in value]
            assert odd.search(b"%b %b" % (name.encode(), text)) == wanted, (name, word)
        wanted = [
            number
            for number, ((raw, _), places) in enumerate(zip(messages, parts, strict=True), 1)
            if search_text(raw, places, key, True, collation)
        ]
        assert odd.search(b"TEXT " + text) == wanted, word


def test_the_general_way_to_keys_is_the_quick_one() -> None:
    again = Collation(UNICODE_CASEMAP.name, UNICODE_CASEMAP.key, UNICODE_CASEMAP.ascii_key)
    for name, raw in odd_messages().items():
        data = crlf(raw)
        fields = known_fields(data[: header_end(data)])
        assert keys_by(again, fields) == keys(fields), name


def test_every_comparator_has_a_fact() -> None:
    assert tuple(BY_FACT.values()) == COLLATIONS


def test_a_base_subject_keeps_its_letters() -> None:
    for subject in (b"Re: [List] Hello (fwd)", b"[fwd: re: a  B]", b"fw:", b"Re: re", b"", b" [x] ", b"Hello"):
        base, is_reply = base_subject_of(subject)
        assert (base.upper(), is_reply) == base_subject(subject.upper())
        assert base in b" ".join(subject.split())
    assert base_subject_of(b"Re: [List] Hello (fwd)") == (b"Hello", True)


def test_every_text_of_a_language_is_said_somewhere() -> None:
    sources = " ".join(path.read_text() for path in Path("doocot").rglob("*.py") if path.name != "languages.py")
    for language, texts in LANGUAGES.items():
        for english, other in texts.items():
            assert f'"{english.decode()}"' in sources, english
            assert other != english
            assert b"\r" not in other
            assert said(language, english) == other
        assert said(language, b"no such text") == b"no such text"


def test_namespaces_have_names_in_a_language(tmp_path: Path) -> None:
    spaces = spaces_from(
        "namespace inbox {\n  inbox = yes\n  separator = /\n}\n"
        "namespace others {\n  type = shared\n  prefix = Shared/%%u/\n  separator = /\n}\n"
        "namespace all {\n  type = public\n  prefix = Public Folders/\n  separator = /\n}\n"
        "namespace odd {\n  type = public\n  prefix = Archive/\n  separator = /\n}\n"
    )
    house = House(tmp_path / "Maildir", spaces=spaces)
    client = house.login()
    (before, *_) = client.command(b"NAMESPACE")
    assert b"TRANSLATION" not in before
    answer = client.command(b"LANGUAGE de")
    assert answer[0] == b"* LANGUAGE (de)"
    assert answer[1] == (
        b'* NAMESPACE (("" "/")) (("Shared/" "/" "TRANSLATION" ("Freigegeben/")))'
        b' (("Public Folders/" "/" "TRANSLATION" ("&ANY-ffentliche Ordner/"))("Archive/" "/"))'
    )
    assert client.command(b"NAMESPACE")[0] == answer[1]
    assert client.command(b"LANGUAGE en")[1] == before
    assert translation(b"de", "", "/") is None
    house.close()
