"""What a session is told of mailboxes that it has not selected, as STATUS and LIST responses (NOTIFY, RFC 5465 §5-6).

`Notify` is what a client asked for. `of_others` looks at what was committed since it looked last, without the client's
own doing (RFC 5465 §5: it "SHOULD omit notifying the client"), and now and then at the folders, for other programs.
"""

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from doocot.errors import MailError
from doocot.imap import extensions, status
from doocot.imap import list as list_
from doocot.imap.fetch_items import Item
from doocot.mailbox.happened import Folders, Named, Seen, Touched, differences, seen, touched
from doocot.mailbox.listing import Entry
from doocot.mailbox.metadata import special_uses
from doocot.mailbox.namespaces import Place, Type, locate, locate_new, shown
from doocot.mailbox.view import View
from doocot.store.index.mailboxes import find_mailbox
from doocot.store.index.messages import ADDED, EXPUNGED, FLAGS, Range, ranges_of
from doocot.store.root import changed
from doocot.store.snapshot import column
from doocot.wire.flow import MORE, Job, Step

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

MESSAGE_NEW, MESSAGE_EXPUNGE, FLAG_CHANGE = b"MessageNew", b"MessageExpunge", b"FlagChange"
MAILBOX_NAME, SUBSCRIPTION_CHANGE = b"MailboxName", b"SubscriptionChange"
MESSAGE_EVENTS: Final = frozenset((MESSAGE_NEW, MESSAGE_EXPUNGE, FLAG_CHANGE))

PERSONAL, INBOXES, SUBSCRIBED, SUBTREE, MAILBOXES = b"PERSONAL", b"INBOXES", b"SUBSCRIBED", b"SUBTREE", b"MAILBOXES"

OVERFLOW: Final = b"* OK [NOTIFICATIONOVERFLOW] Too many changes, notifications are disabled.\r\n"
SLICE: Final = 50  # mailboxes after which others get their turn
LIVELY: Final = 50  # responses within a second after which the next look waits for the end of it
_COUNTED: Final = frozenset((b"MESSAGES", b"UIDNEXT", b"UNSEEN"))
_FLAGGED: Final = frozenset((b"UIDVALIDITY", b"UNSEEN", b"HIGHESTMODSEQ"))  # RFC 5465 §5.1


@dataclass(frozen=True, slots=True)
class Selected:
    """The events of the selected mailbox: MessageNew and MessageExpunge come together (RFC 5465 §5, §6.1).

    With `delayed` an expunge waits for a command whose answer may tell of it. `items` are wanted of new messages.
    """

    messages: bool = False
    flags: bool = False
    delayed: bool = False
    items: tuple[Item, ...] | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """One `event-group` of other mailboxes; `names` are of SUBTREE and MAILBOXES."""

    filter: bytes
    names: frozenset[str]
    events: frozenset[bytes]


@dataclass(slots=True)
class Own:
    """What the session's own commands did since the last look: Changes by mailbox, names, and UIDs of new messages."""

    changes: dict[str, int] = field(default_factory=dict)
    names: dict[str, bool] = field(default_factory=dict)  # and whether those below it are meant, too
    uids: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Notify:
    """What NOTIFY SET asked for; without groups and events, as after NOTIFY NONE, nothing.

    `seen` and `position` are what the client was told of last, `checked` is what `store.root.changed` said then.
    `look_at` is when the folders are looked at, `calm_until` when there may be more responses.
    """

    selected: Selected = Selected()
    groups: tuple[Group, ...] = ()
    seen: Seen | None = None
    position: int = 0
    checked: int = -1
    look_at: float = 0.0
    calm_until: float = 0.0
    own: Own = field(default_factory=Own)
    folders: Folders = field(default_factory=Folders)
    _second_ends: float = 0.0
    _responses: int = 0

    @property
    def asks(self) -> bool:
        """Whether there is anything to wait for."""
        return self.selected.messages or bool(self.groups)

    def count(self, responses: int, now: float) -> None:
        """Bounds how many there are: after many within a second the next ones wait, and are joined meanwhile."""
        if now >= self._second_ends:
            self._second_ends, self._responses = now + 1.0, 0
        self._responses += responses
        if self._responses > LIVELY:
            self.calm_until = self._second_ends


def wanted(groups: Iterable[Group], entry: Entry) -> frozenset[bytes]:
    """The events that are asked for of a mailbox: those of all groups that it is in (RFC 5465 §6)."""
    return frozenset[bytes]().union(*(group.events for group in groups if _fits(group, entry)))


def _fits(group: Group, entry: Entry) -> bool:
    if group.filter in (PERSONAL, INBOXES):  # RFC 5465 §6.3: where mail arrives is not known here
        return entry.space.type is Type.PRIVATE
    if group.filter == SUBSCRIBED:
        return entry.subscribed
    name = entry.name
    while group.filter == SUBTREE and name not in group.names and entry.space.separator in name:
        name = name.rpartition(entry.space.separator)[0]
    return name in group.names


def watched(groups: Iterable[Group], found: Seen) -> list[str]:
    """The mailboxes of which message events are asked for, by their names in the index."""
    return [name for name, entry in found.by_index.items() if wanted(groups, entry) & MESSAGE_EVENTS]


def of_others(session: "ImapSession", notify: Notify) -> Generator[Step, Any, bool]:
    """Steps that tell what happened in other mailboxes, and say whether that was anything."""
    mail, context, before = session.mail, session.context, notify.seen
    assert mail is not None
    assert before is not None
    root, now = mail.opened.root, context.now()
    look = now >= notify.look_at
    if look:
        notify.look_at = now + context.idle_check
        yield Job(lambda: notify.folders.bring_in_step(root, watched(notify.groups, before)))
        notify.checked = changed(root, notify.checked)
    found = touched(root, notify.position)
    if found is None:
        session.notify = Notify()  # RFC 5465 §5.8
        yield OVERFLOW
        return True
    notify.position = found.position
    own, notify.own = notify.own, Own()
    responses = 0
    if look or found.names:
        special_uses(mail)
        notify.seen, names_now = yield Job(lambda: _seen_again(session, before, found))
        responses += yield from _names(session, notify, before, names_now, own)
    responses += yield from _statuses(session, notify, found, own)
    notify.count(responses, context.now())
    return responses > 0


def _seen_again(session: "ImapSession", before: Seen, found: Touched) -> tuple[Seen, list[Named]]:
    """The mailboxes as they are now and what is new of them. Blocking."""
    assert session.mail is not None
    now = seen(session.mail)
    same = now.listing is before.listing and not found.names
    return now, [] if same else differences(before, now, found.names)


def _names(
    session: "ImapSession", notify: Notify, before: Seen, found: list[Named], own: Own
) -> Generator[Step, Any, int]:
    """LIST responses for names that came, went, or changed (RFC 5465 §5.4-5.5); how many."""
    told = 0
    for number, named in enumerate(found, 1):
        entries = [named.entry]
        entries += [
            before.listing.entries[name] for name in (named.entry.name, named.old) if name in before.listing.entries
        ]
        events = frozenset[bytes]().union(*(wanted(notify.groups, entry) for entry in entries))
        name = named.name and MAILBOX_NAME in events
        if (name or (named.subscription and SUBSCRIPTION_CHANGE in events)) and not _is_own(own, named.entry):
            yield list_.unasked(session, named.entry, named.old if name else "")
            told += 1
        if number % SLICE == 0:
            yield MORE
    return told


def _statuses(session: "ImapSession", notify: Notify, found: Touched, own: Own) -> Generator[Step, Any, int]:
    """STATUS responses for mailboxes with other messages or flags (RFC 5465 §5.1-5.3); how many."""
    told = 0
    selected = session.view.live.row.id if session.view is not None else 0
    for number, (mailbox, kinds) in enumerate(found.kinds.items(), 1):
        line = (yield from _status(session, notify, mailbox, kinds, own)) if mailbox != selected else b""
        if line:
            yield line
            told += 1
        if number % SLICE == 0:
            yield MORE
    return told


def _status(
    session: "ImapSession", notify: Notify, mailbox: int, kinds: Mapping[int, int], own: Own
) -> Generator[Step, Any, bytes]:
    assert session.mail is not None
    assert notify.seen is not None
    row = find_mailbox(session.mail.opened.root.db.reader, mailbox)
    entry = notify.seen.by_index.get(row.name) if row is not None else None
    if row is None or entry is None:
        return b""
    if own.changes.get(row.name) == sum(kinds.get(kind, 0) for kind in (ADDED, FLAGS, EXPUNGED)):
        return b""
    events = wanted(notify.groups, entry)
    items = frozenset[bytes]()
    if (MESSAGE_NEW in events and ADDED in kinds) or (MESSAGE_EXPUNGE in events and EXPUNGED in kinds):
        items |= _COUNTED
    if FLAG_CHANGE in events and FLAGS in kinds:
        items |= _FLAGGED
    if not items:
        return b""
    if extensions.CONDSTORE in session.enabled:
        items |= {b"HIGHESTMODSEQ"}
    try:
        return (yield from status.of_row(session, row, Place(entry.space, entry.index), entry.name, items))
    except MailError as error:
        session.context.refused(session, error)
        return b""


# What a command did itself.


def own_change(session: "ImapSession", mailbox: str, uids: Iterable[int]) -> None:
    """This session put messages into the mailbox: one Change that it need not be told of."""
    notify = session.notify
    if notify is None or session.mail is None:
        return
    name = locate(session.mail.spaces, mailbox).name
    notify.own.changes[name] = notify.own.changes.get(name, 0) + 1
    if session.view is not None and session.view.live.row.name == name:
        notify.own.uids += uids


def own_name(session: "ImapSession", name: str, *, below: bool = False) -> None:
    """This session made, removed, renamed or subscribed to this mailbox, or also to those below it."""
    if session.notify is None or session.mail is None:
        return
    try:
        place = locate_new(session.mail.spaces, name)
    except MailError:
        return  # UNSUBSCRIBE takes what is no name of a mailbox any more
    session.notify.own.names[shown(place.space, place.name)] = below


def _is_own(own: Own, entry: Entry) -> bool:
    if entry.name in own.names:
        return True
    name = entry.name
    while entry.space.separator in name:
        name = name.rpartition(entry.space.separator)[0]
        if own.names.get(name):
            return True
    return False


def without_own(notify: Notify, view: View, low: int, high: int) -> list[Range]:
    """Of the rows low..high (exclusive) those of messages that others put there, as ranges."""
    if low >= high or not notify.own.uids:
        return [(low, high)] if low < high else []
    uids = column(view.snapshot, "uid", [(low, high)])
    rows = np.flatnonzero(~np.isin(uids, np.array(notify.own.uids))) + low
    return [(first, last + 1) for first, last in ranges_of(rows.tolist())]
