"""NOTIFY (RFC 5465): the client says which events it wants to hear of, in which mailboxes, without asking again.

What is told because of it is in `imap/telling.py` (the selected mailbox) and `imap/notices.py` (all others).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from doocot.errors import MailError
from doocot.imap import gmail, registration, status
from doocot.imap import list as list_
from doocot.imap.command import Bad, No, Ok, Result, State, Steps, command
from doocot.imap.fetch_items import Item, Plain, parse_list
from doocot.imap.notices import SLICE
from doocot.imap.registration import (
    FLAG_CHANGE,
    MAILBOX_METADATA_CHANGE,
    MAILBOX_NAME,
    MAILBOXES,
    MESSAGE_EVENTS,
    MESSAGE_EXPUNGE,
    MESSAGE_NEW,
    SERVER_METADATA_CHANGE,
    SUBSCRIPTION_CHANGE,
    SUBTREE,
    Group,
    Notify,
    Selected,
)
from doocot.imap.untagged import condstore
from doocot.mailbox import happened
from doocot.mailbox.happened import Seen
from doocot.mailbox.namespaces import Space, locate, shown
from doocot.mailbox.places import forms
from doocot.mailbox.user import Mail
from doocot.store.root import changed
from doocot.wire.cursor import BadSyntax, Cursor
from doocot.wire.flow import MORE, Job

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

MAX_GROUPS: Final = 100
WATCHED: Final = 50  # folders that the kernel tells of, for one session
MAX_NAMES: Final = 1000  # of all groups together
SELECTED, DELAYED = b"SELECTED", b"SELECTED-DELAYED"
OTHERS: Final = frozenset((registration.PERSONAL, registration.INBOXES, registration.SUBSCRIBED, SUBTREE, MAILBOXES))
_SUPPORTED: Final = (MESSAGE_NEW, MESSAGE_EXPUNGE, FLAG_CHANGE, MAILBOX_NAME, SUBSCRIPTION_CHANGE)
_OF_METADATA: Final = (MAILBOX_METADATA_CHANGE, SERVER_METADATA_CHANGE)
ANNOTATION_CHANGE: Final = b"AnnotationChange"
# By name in capitals; an event that is not known stays as it came, and is not supported.
_EVENTS: Final[Mapping[bytes, bytes]] = MappingProxyType(
    {event.upper(): event for event in (*_SUPPORTED, *_OF_METADATA, ANNOTATION_CHANGE)}
)
_TOLD_AT_ONCE: Final = (b"MESSAGES", b"UIDNEXT", b"UIDVALIDITY", b"UNSEEN")


@dataclass(frozen=True, slots=True)
class EventGroup:
    """`event-group = "(" filter-mailboxes SP events ")"`; `items` are those of `MessageNew (...)`."""

    filter: bytes
    names: tuple[str, ...] = ()
    events: frozenset[bytes] = frozenset()
    items: tuple[Item, ...] | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """`notify = "NOTIFY" SP ("SET" [SP "STATUS"] 1*(SP event-group) / "NONE")`; NONE has no groups."""

    groups: tuple[EventGroup, ...] = ()
    status: bool = False

    @classmethod
    def parse(cls, c: Cursor) -> "Request":
        form = c.sp().keyword()
        if form == b"NONE":
            return cls()
        if form != b"SET":
            raise Bad(b"NOTIFY takes SET or NONE.")
        with_status = not c.sp().at(b"(")
        if with_status:
            if c.keyword() != b"STATUS":
                raise BadSyntax("STATUS or an event group was expected", c.position)
            c.sp()
        groups = [_group(c)]
        while c.try_sp() and not c.at_end():
            groups.append(_group(c))
            if len(groups) > MAX_GROUPS:
                raise No(b"Too many event groups.", b"NOTIFICATIONOVERFLOW")
        if sum(group.filter in (SELECTED, DELAYED) for group in groups) > 1:
            raise Bad(b"Only one event group may be for the selected mailbox.")  # RFC 5465 §6.1
        if sum(len(group.names) for group in groups) > MAX_NAMES:
            raise No(b"Too many mailbox names.", b"NOTIFICATIONOVERFLOW")
        return cls(tuple(groups), with_status)


def _group(c: Cursor) -> EventGroup:
    c.open_paren()
    where = c.keyword()
    if where not in OTHERS and where not in (SELECTED, DELAYED):
        raise Bad(b"Unknown mailbox filter.")
    names: list[str] = []
    if where in (SUBTREE, MAILBOXES):
        names = c.paren_list(c.mailbox) if c.sp().at(b"(") else [c.mailbox()]
    events: list[bytes] = []
    items: list[Item] = []

    def event() -> None:
        name = c.keyword()
        events.append(_EVENTS.get(name, name))
        end = c.position
        if name == MESSAGE_NEW.upper() and c.try_sp() and c.at(b"("):
            items.extend(parse_list(c))
        else:
            c.position = end

    if c.sp().at(b"("):
        c.paren_list(event)
    elif c.keyword() != b"NONE":
        raise BadSyntax("a list of events or NONE was expected", c.position)
    c.close_paren()
    found = EventGroup(where, tuple(names), frozenset(events), tuple(dict.fromkeys(items)) if items else None)
    _check(found)
    return found


def _check(group: EventGroup) -> None:
    """What may stand together (RFC 5465 §5, §6.1). Other mailboxes may have one of MessageNew and MessageExpunge alone:

    the RFC's own examples do that (erratum 1804).
    """
    events = group.events
    if group.filter in OTHERS:
        if group.items is not None:
            raise Bad(b"FETCH items are for the selected mailbox.")
        return
    if not events <= MESSAGE_EVENTS | {ANNOTATION_CHANGE} and events <= frozenset(_EVENTS.values()):
        raise Bad(b"Only message events may be asked for of the selected mailbox.")
    if (MESSAGE_NEW in events) != (MESSAGE_EXPUNGE in events):
        raise Bad(b"MessageNew and MessageExpunge must be together.")
    if events & {FLAG_CHANGE, ANNOTATION_CHANGE} and MESSAGE_NEW not in events:
        raise Bad(b"FlagChange requires MessageNew and MessageExpunge.")


@command("NOTIFY", state=State.LOGGED_IN, parse=Request.parse)
def notify(session: "ImapSession", args: Request, by_uid: bool) -> Result:
    if any(gmail.among(group.items or ()) for group in args.groups):
        gmail.offered(session)
    supported = _SUPPORTED if session.context.metadata is None else _SUPPORTED + _OF_METADATA
    if any(not group.events <= frozenset(supported) for group in args.groups):
        raise No(b"Unsupported NOTIFY events.", b"BADEVENT (%b)" % b" ".join(supported))
    assert session.mail is not None
    session.mail.unwatch()
    if not args.groups:
        session.notify = Notify()
        return Ok(b"NOTIFY completed.")
    return _set(session, args)


def _set(session: "ImapSession", args: Request) -> Steps:
    """What was there before it is told by STATUS, what comes after it by events: so the position is taken first."""
    mail, context = session.mail, session.context
    assert mail is not None
    root = mail.opened.root
    new = Notify(_selected(args), _others(args, mail.spaces))
    if Plain(b"MODSEQ") in (new.selected.items or ()) and (told := condstore(session)):
        yield told
    if new.groups:
        new.checked = changed(root, -1)
        new.position = happened.position_now(root)
        new.seen, names = yield Job(lambda: _begin(mail, new))
        new.look_at = context.now() + context.idle_check
        if args.status:
            yield from _statuses(session, new)
        for name in names:
            if mail.watch(name):
                yield MORE  # the kernel may take a millisecond where it knows many files of the folder
    session.notify = new
    return Ok(b"NOTIFY completed.")


def _begin(mail: Mail, new: Notify) -> tuple[Seen, list[str]]:
    """The mailboxes as they are, and those of their folders that are watched. Blocking.

    All of which message events are asked for are looked at now and then, the first of them are watched by the kernel.
    """
    found = happened.seen(mail)
    names = registration.watched(new.groups, found)
    new.folders.begin(mail.opened.root, names)
    return found, names[:WATCHED]


def _selected(args: Request) -> Selected:
    for group in args.groups:
        if group.filter in (SELECTED, DELAYED):
            events = group.events
            return Selected(MESSAGE_NEW in events, FLAG_CHANGE in events, group.filter == DELAYED, group.items)
    return Selected()  # as with SELECTED NONE, RFC 5465 §3.1


def _others(args: Request, spaces: tuple[Space, ...]) -> tuple[Group, ...]:
    """The groups of other mailboxes; one with NONE asks for nothing."""
    return tuple(
        Group(
            group.filter, frozenset(_shown(spaces, form) for name in group.names for form in forms(name)), group.events
        )
        for group in args.groups
        if group.filter in OTHERS and group.events
    )


def _shown(spaces: tuple[Space, ...], name: str) -> str:
    """The name as LIST has it; what is no name of a mailbox is that of none (RFC 5465 §3.1)."""
    try:
        place = locate(spaces, name)
    except MailError:
        return name
    return shown(place.space, place.name) if place.name else name


def _statuses(session: "ImapSession", new: Notify) -> Steps:
    """STATUS of each mailbox of which message events are wanted, but the selected one (RFC 5465 §3.1)."""
    assert new.seen is not None
    selected = session.view.live.row.name if session.view is not None else ""
    for number, (name, entry) in enumerate(new.seen.by_index.items(), 1):
        events = registration.wanted(new.groups, entry) & MESSAGE_EVENTS
        if not events or name == selected:
            continue
        modseq = FLAG_CHANGE in events or b"CONDSTORE" in session.enabled
        items = {*_TOLD_AT_ONCE, b"HIGHESTMODSEQ"} if modseq else _TOLD_AT_ONCE
        yield (yield from list_.status_of(session, entry, tuple(item for item in status.ITEMS if item in items)))
        if number % SLICE == 0:
            yield MORE
    return Ok(b"")
