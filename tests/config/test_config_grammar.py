"""The grammar of dovecot.conf: good texts, bad texts with all their errors, and that writing and reading agree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doocot.config.grammar import (
    MAX_DEPTH,
    Assignment,
    Form,
    Include,
    Item,
    Section,
    format,
    parse,
)


def _items(text: str) -> tuple[Item, ...]:
    items, errors, warnings = parse(text, "f")
    assert errors == []
    assert warnings == []
    return items


def test_every_kind_of_line() -> None:
    text = (
        "# comment\n"
        "key = value # note\n"
        "\n"
        "\tempty =\n"
        'quoted = " it \\"is\\" # so "\n'
        "single = 'a\\'b'\n"
        "file = < /etc/x\n"
        "list = $list more\n"
        'literal = "$list"\n'
        "long = a \\\n   b \\\n   c\n"
        "!include a/*.conf\n"
        "!include_try b\n"
        "passdb {\n  driver = pam\n}\n"
        'mailbox "Sent Messages" {\n}\n'
    )
    assert _items(text) == (
        Assignment("key", "value"),
        Assignment("empty", ""),
        Assignment("quoted", ' it "is" # so '),
        Assignment("single", "a'b"),
        Assignment("file", "/etc/x", Form.FILE),
        Assignment("list", "$list more", Form.VARIABLE),
        Assignment("literal", "$list"),
        Assignment("long", "a b c"),
        Include("a/*.conf"),
        Include("b", optional=True),
        Section("passdb", "", (Assignment("driver", "pam"),)),
        Section("mailbox", "Sent Messages"),
    )


def test_lines_are_counted_through_continuations_and_crlf() -> None:
    items, _, _ = parse("a = 1\r\nb = 2 \\\r\n  3\r\nx {\r\n}\r\n", "dir/f")
    assert [str(item.place) for item in items] == ["dir/f:1", "dir/f:3", "dir/f:4"]
    assert items[1] == Assignment("b", "2 3")


GARBAGE = "f:1: Garbage after '{': the brace must end its line, write each setting and the '}' on lines of their own"


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        ("key\n", ["f:1: Expecting '=' or '{' after 'key': write 'key = value' or 'section name {'"]),
        ("= 3\n", ["f:1: Missing key name: the line begins with '='"]),
        ("}\n", ["f:1: Unexpected '}': no section is open here"]),
        (
            "service imap { client_limit = 5 }\nok = 1\n",
            [GARBAGE],
        ),
        ("service imap{\n}\n", ["f:1: Expecting a blank before '{' in 'service imap{'"]),
        ("namespace x\n{\n}\n", None),
        ('service "a {\n}\n', ["f:1: The name of section 'service' has no closing quote"]),
        ("a b c {\n}\n", ["f:1: Section 'a' has more than one name: put quotes around a name with blanks"]),
        ("!include\n", ["f:1: !include needs the name of a file"]),
        (
            "a {\n  b {\n",
            [
                "f:2: Missing '}': the section that starts here is not closed in f",
                "f:1: Missing '}': the section that starts here is not closed in f",
            ],
        ),
    ],
)
def test_each_error_is_reported_with_its_line(text: str, errors: list[str] | None) -> None:
    found = [str(problem) for problem in parse(text, "f")[1]]
    if errors is None:
        assert found
    else:
        assert found == errors


def test_all_errors_are_reported_and_the_rest_is_read() -> None:
    items, errors, _ = parse("one\na = 1\ntwo three\n}\nb = 2\n", "f")
    assert [problem.place.line for problem in errors] == [1, 3, 4]
    assert items == (Assignment("a", "1"), Assignment("b", "2"))


def test_warnings_for_what_dovecot_reads_in_its_own_way() -> None:
    items, errors, warnings = parse("a = x#y\nb = 1 \\\n# lost\nc = 2\n", "f")
    assert errors == []
    assert items == (Assignment("a", "x"), Assignment("c", "2"))
    assert [str(problem) for problem in warnings] == [
        "f:1: Ambiguous '#' is read as a comment: put a blank before it, or quote it",
        "f:3: A comment or empty line loses the line before: b = 1 ",
    ]


def test_sections_are_nested_to_a_bound() -> None:
    deep = "a {\n" * 5000 + "}\n" * 5000
    errors = parse(deep, "f")[1]
    assert errors[0].place.line == MAX_DEPTH + 1
    assert parse("a {\n" * MAX_DEPTH + "}\n" * MAX_DEPTH, "f")[1] == []


_KEYS = st.from_regex(r"[a-z][a-z0-9_/-]{0,12}", fullmatch=True)
_LINE = st.text(st.characters(exclude_characters="\n\r\0", codec="utf-8"), max_size=40)
_TEXTS = st.builds(Assignment, _KEYS, _LINE)
_FILES = st.builds(Assignment, _KEYS, st.from_regex(r"[a-zA-Z0-9/._-]{1,20}", fullmatch=True), st.just(Form.FILE))
_VARIABLES = st.builds(
    Assignment, _KEYS, st.from_regex(r"\$[a-z]{1,9}( [a-z$]{1,5}){0,3}", fullmatch=True), st.just(Form.VARIABLE)
)
_INCLUDES = st.builds(Include, st.from_regex(r"[a-zA-Z0-9/._*-]{1,20}", fullmatch=True), st.booleans())
_LEAVES = st.one_of(_TEXTS, _FILES, _VARIABLES, _INCLUDES)
_ITEMS = st.recursive(
    _LEAVES,
    lambda inner: st.builds(Section, _KEYS, _LINE, st.lists(inner, max_size=4).map(tuple)),
    max_leaves=12,
)


@given(st.lists(_ITEMS, max_size=6).map(tuple))
def test_what_is_written_is_read_back(items: tuple[Item, ...]) -> None:
    parsed, errors, _ = parse(format(items), "f")
    assert errors == []
    assert parsed == items


@given(st.text(alphabet="ab={}\"\\'#$<! \t\n\r", max_size=80))
def test_no_text_stops_the_parser(text: str) -> None:
    items, _, _ = parse(text, "f")
    assert parse(format(items), "f")[1] == []
