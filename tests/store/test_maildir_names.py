"""Names of message files and Maildir++ folders."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doocot.errors import MailError
from doocot.store import maildir_names as names

TEXT = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), max_size=30)
PLAIN = st.text("abcXYZ019.=_", min_size=1, max_size=12)
SIZES = st.lists(st.sampled_from([",S=12", ",W=13", ",U=5", ",S=x", ",W=", ",S=7"]), max_size=4).map("".join)
FILE_NAMES = st.one_of(
    TEXT, st.builds("{}{}{}".format, PLAIN, SIZES, st.sampled_from(["", ":2,", ":2,FS", ":2,Sab,x", ":1,S", ":"]))
)


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        ("1.M2P3.host,S=12,W=13:2,RS", ("1.M2P3.host,S=12,W=13", "RS", 12, 13)),
        ("1.M2P3.host", ("1.M2P3.host", "", -1, -1)),
        ("1.M2P3.host,W=13,U=9,S=12:2,", ("1.M2P3.host,W=13,U=9,S=12", "", 12, 13)),
        ("1.M2P3.host,S=12x:2,S", ("1.M2P3.host,S=12x", "S", -1, -1)),
        ("1.M2P3.host:1,anything", ("1.M2P3.host", "", -1, -1)),
        ("1.M2P3.host:2,S:2,T", ("1.M2P3.host", "S:2,T", -1, -1)),
        ("1.host,S=12:2,S,S=13", ("1.host,S=12", "S,S=13", 12, -1)),
        (b"1.h\xff,S=4:2,F", ("1.h\udcff,S=4", "F", 4, -1)),
    ],
)
def test_message_name_parts(name: str | bytes, parsed: tuple[str, str, int, int]) -> None:
    assert names.parse_name(name) == parsed


@given(st.lists(FILE_NAMES, max_size=8), st.sampled_from([":", ";", "!"]))
def test_columns_say_what_single_names_say(listed: list[str], separator: str) -> None:
    bases, letters = names.split_names(listed, separator)
    sizes, virtual_sizes = names.sizes_of(bases)
    single = [names.parse_name(name, separator) for name in listed]
    assert list(map(names.MessageName, bases, letters, sizes, virtual_sizes)) == single


@given(PLAIN, st.integers(0, 31), st.text("abz", max_size=3), st.text("DFRSTPQabc,:", max_size=6))
def test_letters_round_trip(base: str, flags: int, keywords: str, before: str) -> None:
    letters = names.letters_for(flags, keywords, before)
    parsed = names.parse_name(names.join_name(base, letters))
    assert (parsed.base, names.flags_of(parsed.letters)) == (base, flags)
    assert names.keywords_of(parsed.letters) == "".join(sorted(set(keywords)))
    known, comma, rest = parsed.letters.partition(",")
    assert list(known) == sorted(set(known))
    assert set("PQ:") & set(before.partition(",")[0]) == set("PQ:") & set(known)
    assert comma + rest == "".join(before.partition(",")[1:])


def test_letters_are_bits_of_the_design() -> None:
    assert [names.flags_of(letter) for letter in "SRFTDP"] == [1, 2, 4, 8, 16, 0]
    assert names.letters_for(31, "ba", "PSz") == "DFPRSTab"


def test_names_never_repeat_when_the_clock_stands_still_or_goes_back() -> None:
    times = iter([1_700_000_000_000_000_000] * 3 + [1_699_999_999_000_000_000, 1_700_000_001_000_001_000])
    maker = names.NameMaker("a/b:c,d", 77, lambda: next(times))
    made = [maker.make() for _ in range(5)]
    host = "P77.a\\057b\\072c\\054d"
    assert made[0] == f"1700000000.M0{host}"
    assert made[3] == f"1700000000.M3{host}"
    assert made[4] == f"1700000001.M1{host}"
    assert names.parse_name(names.with_sizes(made[0], 5, 6)).size == 5


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8), max_size=3))
def test_folder_names_round_trip(parts: list[str]) -> None:
    try:
        folder = names.folder_name(parts)
    except MailError:
        assert any(set(part) & set("/.\0\r\n") or part.startswith("~") for part in parts)
    else:
        assert names.folder_parts(folder) == tuple(parts) if parts else folder == ""


def test_folder_names_are_maildir_plus_plus() -> None:
    assert names.folder_name(["Entwürfe", "2026"]) == ".Entw&APw-rfe.2026"
    assert names.folder_name(["Entwürfe"], utf8=True) == ".Entwürfe"
    assert [names.folder_parts(name) for name in ("cur", ".", "..", ".a..b", ".a.", ".&", ".ü")] == [None] * 7


@pytest.mark.parametrize("parts", [["a", ""], ["a/b"], ["a.b"], ["~a"], ["x\n"], ["\ud800"], ["ü" * 60, "ü" * 60]])
def test_names_that_cannot_be_folders(parts: list[str]) -> None:
    with pytest.raises(MailError, match=r"[Mm]ailbox name"):
        names.folder_name(parts)
