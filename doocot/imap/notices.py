"""What a session is told of mailboxes that it has not selected, as STATUS and LIST responses (NOTIFY, RFC 5465 §5-6).

`of_others` looks at what was committed since it looked last, without the client's own doing (RFC 5465 §5), and now and
then at the folders, for other programs. What was asked for is in `imap/registration.py`.
"""

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any, Final

from doocot.errors import MailError
from doocot.imap import extensions, status
from doocot.imap import list as list_
from doocot.imap.registration import (
    FLAG_CHANGE,
    MAILBOX_METADATA_CHANGE,
    MAILBOX_NAME,
    MESSAGE_EXPUNGE,
    MESSAGE_NEW,
    OVERFLOW,
    SERVER_METADATA_CHANGE,
    SUBSCRIPTION_CHANGE,
    Notify,
    Own,
    is_own,
    wanted,
    watched,
)
from doocot.mailbox.happened import Named, Seen, Touched, differences, seen, touched
from doocot.mailbox.metadata import special_uses
from doocot.mailbox.namespaces import Place
from doocot.store.index.mailboxes import find_mailbox
from doocot.store.index.messages import ADDED, EXPUNGED, FLAGS
from doocot.store.index.metadata import SERVER
from doocot.store.root import changed
from doocot.wire.flow import MORE, Job, Step
from doocot.wire.respond import astring, mailbox

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

SLICE: Final = 50  # mailboxes after which others get their turn
_COUNTED: Final = frozenset((b"MESSAGES", b"UIDNEXT", b"UNSEEN"))
_FLAGGED: Final = frozenset((b"UIDVALIDITY", b"UNSEEN", b"HIGHESTMODSEQ"))  # RFC 5465 §5.1


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
        mail.unwatch()
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
    responses += yield from _metadata(session, notify, found, own)
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
        if (name or (named.subscription and SUBSCRIPTION_CHANGE in events)) and not is_own(own, named.entry):
            yield list_.unasked(session, named.entry, named.old if name else "")
            told += 1
        if number % SLICE == 0:
            yield MORE
    return told


def _statuses(session: "ImapSession", notify: Notify, found: Touched, own: Own) -> Generator[Step, Any, int]:
    """STATUS responses for mailboxes with other messages or flags (RFC 5465 §5.1-5.3); how many."""
    told = 0
    selected = session.view.live.row.id if session.view is not None else 0
    for number, (where, kinds) in enumerate(found.kinds.items(), 1):
        line = (yield from _status(session, notify, where, kinds, own)) if where != selected else b""
        if line:
            yield line
            told += 1
        if number % SLICE == 0:
            yield MORE
    return told


def _status(
    session: "ImapSession", notify: Notify, where: int, kinds: Mapping[int, int], own: Own
) -> Generator[Step, Any, bytes]:
    assert session.mail is not None
    assert notify.seen is not None
    row = find_mailbox(session.mail.opened.root.db.reader, where)
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


def _metadata(session: "ImapSession", notify: Notify, found: Touched, own: Own) -> Generator[Step, Any, int]:
    """METADATA responses without values, for mailboxes and for the server (RFC 5465 §5.6-5.7); how many.

    Those of the server are for whoever asks in any group. A client that ENABLEd METADATA is told of the server and of
    the selected mailbox as RFC 5464 §4.4.2 has it.
    """
    entries: dict[int, dict[str, None]] = {}
    for change in found.metadata:
        if change.position not in own.positions:
            entries.setdefault(change.mailbox, {}).update(dict.fromkeys(change.name.split("\n")))
    told = 0
    enabled = extensions.METADATA in session.enabled
    selected = session.view.live.row.id if session.view is not None else SERVER
    for number, (where, names) in enumerate(entries.items(), 1):
        name = None if enabled and where in (SERVER, selected) else _holder(session, notify, where)
        if name is not None:
            shown = b" ".join(astring(entry.encode()) for entry in names)
            yield b"* METADATA %b %b\r\n" % (mailbox(name, session.utf8), shown)
            told += 1
        if number % SLICE == 0:
            yield MORE
    return told


def _holder(session: "ImapSession", notify: Notify, where: int) -> str | None:
    """The name of a mailbox, or "" for the server, if changes of its metadata are asked for."""
    assert session.mail is not None
    assert notify.seen is not None
    if where == SERVER:
        return "" if any(SERVER_METADATA_CHANGE in group.events for group in notify.groups) else None
    row = find_mailbox(session.mail.opened.root.db.reader, where)
    entry = notify.seen.by_index.get(row.name) if row is not None else None
    return entry.name if entry is not None and MAILBOX_METADATA_CHANGE in wanted(notify.groups, entry) else None
