"""Namespaces (RFC 2342): which names a client may use, and what each of them is called in the index of its root.

A client's name is the namespace's prefix and parts joined by its separator; in the index the parts are joined by "/"
and there is no prefix. INBOX is one name everywhere, in any case (RFC 3501 §5.1). What a name may not look like, and
the words in which it is refused, are Dovecot's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache

from doocot.config.sections import MailboxSettings, Namespace
from doocot.errors import Kind, MailError
from doocot.wire import mutf7

SEPARATOR = "."  # of Maildir++ folders, and so the default
LONGEST_FOLDER = 255  # bytes of a file name
LONGEST_NAME = 4096


class Type(Enum):
    """Whose mailboxes they are."""

    PRIVATE = "private"
    SHARED = "shared"
    PUBLIC = "public"


class Listed(Enum):
    """Whether LIST shows them: always, never, or only what has mailboxes in it."""

    YES = "yes"
    NO = "no"
    CHILDREN = "children"


class Auto(Enum):
    """`mailbox X { auto = }`: whether it is made, and subscribed to, without being asked for."""

    NO = "no"
    CREATE = "create"
    SUBSCRIBE = "subscribe"


@dataclass(frozen=True, slots=True)
class Special:
    """`mailbox NAME { }`: what the configuration says of a mailbox, whose name is as in the index."""

    name: str
    auto: Auto = Auto.NO
    special_use: tuple[str, ...] = ()
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Space:
    """One namespace. With a `location` of its own it has another root than the user's."""

    prefix: str = ""
    separator: str = SEPARATOR
    type: Type = Type.PRIVATE
    inbox: bool = True
    hidden: bool = False
    listed: Listed = Listed.YES
    subscriptions: bool = True
    location: str = ""
    specials: tuple[Special, ...] = ()
    lenient: bool = False  # a name may end with a separator, which does not count (tb-extra-mailbox-sep)


DEFAULT = (Space(),)


@dataclass(frozen=True, slots=True)
class Place:
    """A mailbox by its namespace and its name in the index, "" for the namespace itself."""

    space: Space
    name: str


@lru_cache(maxsize=256)
def spaces_of(namespaces: tuple[Namespace, ...]) -> tuple[Space, ...]:
    """The namespaces of a configuration, in the order in which NAMESPACE tells them."""
    sections = [section for section in namespaces if not section.disabled]
    ordered = sorted(sections, key=lambda section: section.order or len(sections))
    return tuple(map(_space, ordered)) or DEFAULT


def _space(section: Namespace) -> Space:
    separator = section.separator or SEPARATOR
    space = Space(
        section.prefix,
        separator,
        Type(section.type),
        section.inbox,
        section.hidden,
        Listed(section.list),
        section.subscriptions,
        section.location,
    )
    return replace(space, specials=tuple(_special(space, mailbox) for mailbox in section.mailboxes))


def _special(space: Space, section: MailboxSettings) -> Special:
    return Special(section.name.replace(space.separator, "/"), Auto(section.auto), section.special_use, section.comment)


@lru_cache(maxsize=256)
def lenient(spaces: tuple[Space, ...]) -> tuple[Space, ...]:
    """The same, for clients that put a separator behind the names of mailboxes."""
    return tuple(replace(space, lenient=True) for space in spaces)


def special(place: Place) -> Special | None:
    """What the configuration says of a mailbox."""
    return next((special for special in place.space.specials if special.name == place.name), None)


def shown(space: Space, name: str) -> str:
    """The client's name of a mailbox in the index."""
    if name == "INBOX" and space.inbox:
        return name
    return space.prefix + name.replace("/", space.separator)


def find_space(spaces: Sequence[Space], name: str) -> Space | None:
    """The namespace whose prefix a client's name has, the longest one; INBOX is in the namespace that has it."""
    if name.upper() == "INBOX":
        return next((space for space in spaces if space.inbox), None)
    found = [space for space in spaces if name.startswith(space.prefix) or name + space.separator == space.prefix]
    return max(found, key=lambda space: len(space.prefix), default=None)


def locate(spaces: Sequence[Space], name: str) -> Place:
    """The mailbox that a client names. Raises MailError: NON_EXISTENT outside of all namespaces, CANNOT for no name."""
    if name == "INBOX":
        return Place(next((space for space in spaces if space.inbox), spaces[0]), name)
    name = _with_inbox(spaces, name)
    space = find_space(spaces, name)
    if space is None:
        prefix = next((space.prefix for space in spaces if space.inbox), spaces[0].prefix)
        raise MailError(
            Kind.NON_EXISTENT,
            "Client tried to access nonexistent namespace."
            f" (Mailbox name should probably be prefixed with: {_in_ascii(prefix)})",
        )
    if space.prefix and len(name) <= len(space.prefix):
        return Place(space, "")
    if space.lenient:
        name = name.removesuffix(space.separator)
    _check(space, name)
    return Place(space, name[len(space.prefix) :].replace(space.separator, "/"))


def _with_inbox(spaces: Sequence[Space], name: str) -> str:
    """INBOX in any case as the first part of a name is INBOX."""
    if name[:5].upper() != "INBOX" or name[:5] == "INBOX":
        return name
    return "INBOX" + name[5:] if name[5:6] in {"", *(space.separator for space in spaces)} else name


def _check(space: Space, name: str) -> None:
    separator = space.separator
    what = ""
    if not name:
        what = "Name is empty"
    elif name[0] == "~":
        what = "Begins with '~'"
    elif separator != "/" and "/" in name:
        what = "Name must not have '/' characters"
    elif name[len(space.prefix)] == separator:
        what = "Begins with hierarchy separator"
    elif name[-1] == separator:
        what = "Ends with hierarchy separator"
    elif separator * 2 in name:
        what = "Has adjacent hierarchy separators"
    if what:
        raise MailError(Kind.CANNOT, f"Invalid mailbox name: {what}")
    if separator != SEPARATOR and SEPARATOR in name[len(space.prefix) :]:
        raise MailError(Kind.CANNOT, f"Character not allowed in mailbox name: '{SEPARATOR}'")


def locate_new(spaces: Sequence[Space], name: str, *, folder: bool = True) -> Place:
    """As `locate`, for a mailbox to be made. With `folder` one separator at the end is left out (RFC 3501 §6.3.3)."""
    if folder and len(name) > 1 and (space := find_space(spaces, name)) is not None and name != space.prefix:
        name = name.removesuffix(space.separator)
    place = locate(spaces, name)
    if any(character < " " for character in name):
        raise MailError(Kind.CANNOT, "Control characters not allowed in new mailbox names")
    if len(name) > LONGEST_NAME or len(mutf7.encode(place.name)) >= LONGEST_FOLDER:
        raise MailError(Kind.CANNOT, "Mailbox name too long")
    if place.name == "INBOX" and name.upper() != "INBOX":
        raise MailError(Kind.ALREADY_EXISTS, "Mailbox already exists")
    return place


def no_such_mailbox(place: Place) -> MailError:
    """As Dovecot words it, with the client's name."""
    return MailError(Kind.NON_EXISTENT, f"Mailbox doesn't exist: {_in_ascii(shown(place.space, place.name))}")


def _in_ascii(name: str) -> str:
    return mutf7.encode(name).decode("ascii")
