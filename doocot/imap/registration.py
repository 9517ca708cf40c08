"""What one session asked for by NOTIFY (RFC 5465 §6), and what its own commands did, of which it need not be told (§5).

Which of it is told, and when, is in `imap/telling.py` and `imap/notices.py`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from doocot.errors import MailError
from doocot.imap.fetch_items import Item
from doocot.mailbox.happened import Folders, Seen
from doocot.mailbox.listing import Entry
from doocot.mailbox.namespaces import Type, locate_new, shown
from doocot.mailbox.places import find
from doocot.mailbox.view import View
from doocot.store.index.messages import Range, ranges_of
from doocot.store.snapshot import column

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

MESSAGE_NEW, MESSAGE_EXPUNGE, FLAG_CHANGE = b"MessageNew", b"MessageExpunge", b"FlagChange"
MAILBOX_NAME, SUBSCRIPTION_CHANGE = b"MailboxName", b"SubscriptionChange"
MAILBOX_METADATA_CHANGE, SERVER_METADATA_CHANGE = b"MailboxMetadataChange", b"ServerMetadataChange"
MESSAGE_EVENTS: Final = frozenset((MESSAGE_NEW, MESSAGE_EXPUNGE, FLAG_CHANGE))

PERSONAL, INBOXES, SUBSCRIBED, SUBTREE, MAILBOXES = b"PERSONAL", b"INBOXES", b"SUBSCRIBED", b"SUBTREE", b"MAILBOXES"
OVERFLOW: Final = b"* OK [NOTIFICATIONOVERFLOW] Notifications are disabled.\r\n"  # RFC 5465 §5.8
LIVELY: Final = 50  # responses within a second after which the next look waits for the end of it


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
    """What the session's own commands did since the last look.

    `changes` counts Changes by mailbox, `names` are those of mailboxes, `uids` of new messages of the selected one.
    """

    changes: dict[str, int] = field(default_factory=dict)
    names: dict[str, bool] = field(default_factory=dict)  # and whether those below it are meant, too
    uids: list[int] = field(default_factory=list)
    positions: set[int] = field(default_factory=set)


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


def own_change(session: "ImapSession", mailbox: str, uids: Iterable[int]) -> None:
    """This session put messages into the mailbox: one Change that it need not be told of."""
    notify = session.notify
    if notify is None or session.mail is None:
        return
    name = find(session.mail, mailbox).name
    notify.own.changes[name] = notify.own.changes.get(name, 0) + 1
    if session.view is not None and session.view.live.row.name == name:
        notify.own.uids += uids


def own_position(session: "ImapSession", position: int) -> None:
    """This session made the Change at this position."""
    if session.notify is not None:
        session.notify.own.positions.add(position)


def own_name(session: "ImapSession", name: str, *, below: bool = False) -> None:
    """This session made, removed, renamed or subscribed to this mailbox, or also to those below it."""
    if session.notify is None or session.mail is None:
        return
    try:
        place = locate_new(session.mail.spaces, name)
    except MailError:
        return  # UNSUBSCRIBE takes what is no name of a mailbox any more
    session.notify.own.names[shown(place.space, place.name)] = below


def is_own(own: Own, entry: Entry) -> bool:
    """Whether the session itself did what happened to this name."""
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
