"""`%variables` of Dovecot 2.3 as its documentation describes them."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doocot.config.variables import VariableError, expand

VALUES = {
    "user": "Jane.Doe@Example.ORG",
    "username": "Jane.Doe",
    "domain": "Example.ORG",
    "uid": "5",
    "home": "/home/jane",
    "hostname": "mx.example.org",
    "pid": "255",
    "rip": "1.2.3.4",
    "o": "7",
    "empty": "",
    "quoted": 'it\'s "a\\b"',
    "userdb:quota": "1G",
    "userdb:none": "",
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("plain", "plain"),
        ("100%%", "100%"),
        ("%u %n %d %h", "Jane.Doe@Example.ORG Jane.Doe Example.ORG /home/jane"),
        ("%{user}|%{home}|%{hostname}|%{r}", "Jane.Doe@Example.ORG|/home/jane|mx.example.org|1.2.3.4"),
        ("in=%i out=%o", "in=5 out=7"),
        ("%Lu %UR{username}", "jane.doe@example.org EOD.ENAJ"),
        ("%E{quoted}", 'it\\\'s \\"a\\\\b\\"'),
        ("%Xp", "ff"),
        ("%Dd", "Example,dc=ORG"),
        ("%2u %2.1u %-3.3d %-30.2d", "Ja n ORG Ex"),
        ("%50.2d|%0.-4d", "|Example"),
        ("%04i %1.04i %02p", "0005 005 255"),
        ("%08Xp", "000000ff"),
        ("%Mn", hashlib.md5(b"Jane.Doe").hexdigest()),
        ("%{sha1:user}", hashlib.sha1(b"Jane.Doe@Example.ORG").hexdigest()),
        ("%{md5;truncate=32:username}", hashlib.md5(b"Jane.Doe").hexdigest()[:8]),
        ("%{sha256;format=hexuc,salt=x:uid}", hashlib.sha256(b"x5").hexdigest().upper()),
        ("%2.16Ni", f"{int(hashlib.md5(b'5').hexdigest()[:8], 16) % 16:02x}"),
        ("%Ho", "37"),
        ("%{userdb:quota} %{userdb:none:x} %{userdb:gone:x}", "1G  x"),
        ("postmaster@%{if;%d;ne;;%d;%{hostname}}", "postmaster@Example.ORG"),
        ("%{if;%{empty};eq;;nothing;something}", "nothing"),
        ("%{if;%i;==;05;same;other}", "same"),
        ("%{if;%i;>=;10;big;%{if;%i;<;3;small;middle}}", "middle"),
        ("%{if;%d;*;*.ORG;a\\;b;c}", "a;b"),
        ("%{if;%n;!*;J[a]*;plain brackets;no}", "plain brackets"),
        ("%{if;%u;~;^[A-Z].*@;\\%u is %n;no}", "%u is Jane.Doe"),
        ("%{if;%u;!~;^j;other;no}", "other"),
    ],
)
def test_expansion(template: str, expected: str) -> None:
    assert expand(template, VALUES) == expected


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("%q", "unknown variable %q"),
        ("%{nosuch}", "unknown variable %{nosuch}"),
        ("100%", "'%' at the end of '100%'"),
        ("%{user", "without its '}'"),
        ("%{if;a;b}", "write %{if;value;operator;value;then;else}"),
        ("%{if;a;is;b;c;d}", "unknown operator 'is'"),
        ("%{if;a;==;1;c;d}", "'a' is compared as a number but is none"),
        ("%{md5;format=octal:user}", "unknown format=octal"),
    ],
)
def test_what_cannot_be_expanded_says_why(template: str, message: str) -> None:
    with pytest.raises(VariableError) as caught:
        expand(template, VALUES)
    assert message in str(caught.value)


def test_the_environment_is_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOOCOT_TEST", "x")
    assert expand("%{env:DOOCOT_TEST}%{env:DOOCOT_NOT_SET}", {}) == "x"


@given(st.text())
def test_values_are_never_expanded_again(value: str) -> None:
    assert expand("<%u>", {"user": value}) == f"<{value}>"


@given(st.text(alphabet="%{};:\\unLi.-0123", max_size=30))
def test_any_template_expands_or_says_why(template: str) -> None:
    values = {"user": "a", "username": "b", "uid": "1"}
    try:
        expanded = expand(template, values)
    except VariableError:
        return
    assert "%" in template or expanded == template
