"""The %variables: short and long names, modifiers, parts, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doocot.auth.settings import SettingsError
from doocot.auth.variables import names_in, template

VALUES = {
    "user": "Tim@X.org",
    "username": "Tim",
    "domain": "X.org",
    "service": "imap",
    "rport": "143",
    "orig_user": "o",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("%u", "Tim@X.org"),
        ("%Lu", "tim@x.org"),
        ("%Un", "TIM"),
        ("/x/%d/%n", "/x/X.org/Tim"),
        ("%%u", "%u"),
        ("100%%", "100%"),
        ("%{user}", "Tim@X.org"),
        ("%L{domain}", "x.org"),
        ("%{orig_user}-%{service}", "o-imap"),
        ("%1n", "T"),
        ("%1Ln", "t"),
        ("%1.1n", "i"),
        ("%-2.2n", "im"),
        ("%Rn", "miT"),
        ("%Mn", "dc2054afd537ddc98afd9347136494ac"),
        ("%Xb", "8f"),
        ("dc=%Dd", "dc=X,dc=org"),
        ("%r", ""),
    ],
)
def test_variable_expansion(text: str, expected: str) -> None:
    assert template(text)(VALUES) == expected


@pytest.mark.parametrize("text", ["%", "%y", "%{nosuch}", "%{user", "a%", "%5", "%w"])
def test_unknown_variable_is_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        template(text)


def test_names_in_a_text() -> None:
    assert names_in("/x/%Ld/%{orig_user}%%n") == {"domain", "orig_user"}


@given(st.text(max_size=30))
def test_any_text_is_a_template_or_refused(text: str) -> None:
    try:
        expanded = template(text)(VALUES)
    except SettingsError:
        assert "%" in text
        return
    if "%" not in text:
        assert expanded == text


@given(st.text(alphabet="abc%", max_size=20))
def test_a_value_is_never_expanded_again(value: str) -> None:
    assert template("<%u>")({"user": value}) == f"<{value}>"
