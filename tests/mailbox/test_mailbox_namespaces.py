"""Names of clients and names in the index, with one and with several namespaces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doocot.config.sections import MailboxSettings, Namespace
from doocot.errors import Kind, MailError
from doocot.mailbox.namespaces import Auto, Place, Space, Special, locate, locate_new, shown, spaces_of, special

DOTS = (Space(),)
SLASHES = (Space(separator="/"),)
COURIER = (Space(prefix="INBOX."),)
TWO = (Space(separator="/"), Space(prefix="old/", separator="/", inbox=False))
PARTS = st.text(st.characters(exclude_characters="./~%*", exclude_categories=("Cs", "Cc")), min_size=1, max_size=5)


@given(st.lists(PARTS, min_size=1, max_size=4), st.sampled_from([DOTS, SLASHES, COURIER, TWO]))
def test_namespace_names_come_back(parts: list[str], spaces: tuple[Space, ...]) -> None:
    name = "x" + "/".join(parts)
    for space in spaces:
        place = locate(spaces, shown(space, name))
        assert (place.space, place.name) == (space, name)


@pytest.mark.parametrize(
    ("spaces", "name", "expected"),
    [
        (DOTS, "INBOX", "INBOX"),
        (DOTS, "inbox", "INBOX"),
        (DOTS, "inbox.kid", "INBOX/kid"),
        (DOTS, "inboxes", "inboxes"),
        (DOTS, "a.b", "a/b"),
        (SLASHES, "a/b", "a/b"),
        (COURIER, "INBOX", "INBOX"),
        (COURIER, "inbox.Sent.2024", "Sent/2024"),
        (COURIER, "INBOX.", ""),
        (TWO, "old/x", "x"),
        (TWO, "old", ""),
        (TWO, "older", "older"),
    ],
)
def test_namespace_locates(spaces: tuple[Space, ...], name: str, expected: str) -> None:
    assert locate(spaces, name).name == expected


@pytest.mark.parametrize(
    ("spaces", "name", "kind", "text"),
    [
        (DOTS, "", Kind.CANNOT, "Invalid mailbox name: Name is empty"),
        (DOTS, ".x", Kind.CANNOT, "Invalid mailbox name: Begins with hierarchy separator"),
        (DOTS, "x.", Kind.CANNOT, "Invalid mailbox name: Ends with hierarchy separator"),
        (DOTS, "x..y", Kind.CANNOT, "Invalid mailbox name: Has adjacent hierarchy separators"),
        (DOTS, "x/y", Kind.CANNOT, "Invalid mailbox name: Name must not have '/' characters"),
        (DOTS, "~x", Kind.CANNOT, "Invalid mailbox name: Begins with '~'"),
        (SLASHES, "x.y", Kind.CANNOT, "Character not allowed in mailbox name: '.'"),
        (SLASHES, "../y", Kind.CANNOT, "Character not allowed in mailbox name: '.'"),
        (
            COURIER,
            "Sent",
            Kind.NON_EXISTENT,
            "Client tried to access nonexistent namespace. (Mailbox name should probably be prefixed with: INBOX.)",
        ),
    ],
)
def test_namespace_refuses(spaces: tuple[Space, ...], name: str, kind: Kind, text: str) -> None:
    with pytest.raises(MailError) as caught:
        locate(spaces, name)
    assert (caught.value.kind, caught.value.text) == (kind, text)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("x..", Kind.CANNOT),
        ("a\tb", Kind.CANNOT),
        ("x" * 256, Kind.CANNOT),
        ("ü" * 150, Kind.CANNOT),
    ],
)
def test_namespace_refuses_new_names(name: str, kind: Kind) -> None:
    with pytest.raises(MailError) as caught:
        locate_new(DOTS, name)
    assert caught.value.kind is kind


def test_namespace_takes_a_new_name_with_a_separator_at_its_end() -> None:
    assert locate_new(DOTS, "a.b.").name == "a/b"


def test_namespace_below_its_prefix_has_no_second_inbox() -> None:
    with pytest.raises(MailError) as caught:
        locate_new(COURIER, "INBOX.INBOX")
    assert caught.value.kind is Kind.ALREADY_EXISTS


def test_namespace_comes_from_the_configuration() -> None:
    sent = MailboxSettings(name="Mail/Sent", auto="subscribe", special_use=("\\Sent",))
    section = Namespace(name="inbox", inbox=True, separator="/", mailboxes=(sent,))
    off = Namespace(name="off", prefix="off/", disabled=True)
    last = Namespace(name="last", prefix="last/", separator="/", order=9)
    (space, other) = spaces_of((off, last, section))
    assert (space.separator, other.prefix) == ("/", "last/")
    assert special(Place(space, "Mail/Sent")) == Special("Mail/Sent", Auto.SUBSCRIBE, ("\\Sent",))
    assert special(Place(space, "Mail")) is None
