"""What the client is told of changes, and when: the one place that decides it (RFC 3501 §5.2, §7.3-7.4, RFC 5465).

What a sync of the selected mailbox finds is told with the tagged answer (`at_end`), or kept for it when a command finds
it on its way (`keep`); the command's own silent change is hidden (`ImapSession.hide`). While no command asks, `news`
tells it: in IDLE and, after NOTIFY SET, between commands, together with what happened in other mailboxes
(`imap/notices.py`). How a change of the selected mailbox looks on the wire is in `imap/untagged.py`.
"""

from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from doocot.imap import extensions, fetch, metadata, notices, untagged, updates
from doocot.imap.command import Bound, NextLine
from doocot.imap.registration import Notify, Own, without_own
from doocot.mailbox.view import Delta, View, sync
from doocot.store.root import Root, changed
from doocot.wire.flow import MORE, Idle, Step

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

EXPUNGING: Final = frozenset(
    (b"EXPUNGE", b"UID EXPUNGE", b"MOVE", b"REPLACE")
)  # commands that are about expunging itself
CHANGING: Final = b"STORE"
DELAY_NEWMAIL: Final = "delay-newmail"
ASKING: Final = (b"NOOP", b"CHECK")  # for new messages


def at_end(session: "ImapSession", view: View, bound: Bound) -> Delta | None:
    """What the answer to this command has to tell; its own silent change is hidden."""
    hide, session.hide = session.hide, 0
    notify = session.notify
    if notify is None:
        return _delayed(session, view, bound, sync(view, expunge=bound.expunge, hide=hide))
    selected, name = notify.selected, bound.row.names[0]
    immediately = selected.messages and not selected.delayed  # RFC 5465 §5.3: numbers may change at any time
    expunge = name in EXPUNGING or immediately or (selected.messages and bound.expunge)
    return _wanted(session, view, sync(view, expunge=expunge, hide=hide), own=name == CHANGING)


def _delayed(session: "ImapSession", view: View, bound: Bound, delta: Delta | None) -> Delta | None:
    """With `delay-newmail`, new messages are told by NOOP, CHECK and IDLE alone."""
    if DELAY_NEWMAIL not in session.context.workarounds:
        return delta
    session.delays_new = bound.row.names[0] not in ASKING
    if delta is None and not session.delays_new and session.told_exists < view.snapshot.count:
        return untagged.NOTHING
    return delta


def _wanted(session: "ImapSession", view: View, delta: Delta | None, *, own: bool = False) -> Delta | None:
    """Without what NOTIFY does not ask for, and with what it did not ask for before (RFC 5465 §3.1).

    `own`: the command itself changed flags, and its answer tells them. Messages that the client does not ask for are
    seen (`untagged.changes_in_parts` says nothing of them), expunged ones stay, so that its numbers remain right.
    """
    notify = session.notify
    if notify is None:
        return delta
    if delta is None:
        if session.told_exists == view.snapshot.count or not notify.selected.messages:
            return None
        return untagged.NOTHING
    if own or notify.selected.flags or not len(delta.altered):
        return delta
    updates.note(session, delta)
    return replace(delta, altered=delta.altered[:0])


def keep(session: "ImapSession", delta: Delta) -> None:
    """Keeps what a sync in the middle of a command found, to be told with its end."""
    updates.note(session, delta)
    session.kept += told(session, replace(delta, hidden=delta.hidden[:0]), by_uid=False)


def is_long(session: "ImapSession", delta: Delta | None) -> bool:
    """Whether telling it takes longer than others should wait, or steps; also of nothing, for results of searches."""
    if delta is None:
        return updates.waiting(session, None)
    return untagged.is_long(delta) or updates.waiting(session, delta) or bool(_to_fetch(session, delta))


def _to_fetch(session: "ImapSession", delta: Delta) -> list[tuple[int, int]]:
    """The rows of new messages of which NOTIFY wants a FETCH response (RFC 5465 §5.2)."""
    notify, view = session.notify, session.view
    if notify is None or notify.selected.items is None or view is None:
        return []
    return without_own(notify, view, untagged.still_known(session, delta), view.snapshot.count)


def told(session: "ImapSession", delta: Delta, *, by_uid: bool) -> bytes:
    """The responses, at once."""
    return untagged.changes(session, delta, by_uid)


def in_parts(session: "ImapSession", delta: Delta | None, *, by_uid: bool) -> Generator[Step, Any, None]:
    """The responses, with others getting their turn in between: EXISTS, FETCH, ESEARCH (RFC 5465 §7)."""
    new = _to_fetch(session, delta) if delta is not None else []
    if delta is not None and untagged.is_long(delta):
        yield MORE  # the sync alone took its time
        for part in untagged.changes_in_parts(session, delta, by_uid):
            yield part
            yield MORE
    elif delta is not None:
        yield told(session, delta, by_uid=by_uid)
    if new and session.notify is not None and session.notify.selected.items is not None:
        yield from fetch.unasked(session, session.notify.selected.items, new)
    yield from updates.changed(session, fetch.unasked)


def of_view(session: "ImapSession", view: View, *, expunge: bool, by_uid: bool) -> Generator[Step, Any, bool]:
    """Steps that tell what there is of the selected mailbox, and say whether that was anything."""
    session.delays_new = False
    delta = _wanted(session, view, sync(view, expunge=expunge))
    if is_long(session, delta):
        yield from in_parts(session, delta, by_uid=by_uid)
        return True
    if delta is None:
        return False
    text = told(session, delta, by_uid=by_uid)
    if text:
        yield text
    return bool(text)


def news(session: "ImapSession", *, expunge: bool) -> Generator[Step, Any, bool]:
    """Steps that tell everything that is to be told while no command asks, and say whether that was anything.

    In IDLE that is the same as without it (RFC 5465 §4), but that expunges may be told there.
    """
    view, notify, spoke = session.view, session.notify, False
    if extensions.METADATA in session.enabled and (notify is None or notify.asks):
        told = metadata.unsolicited(session)
        spoke = bool(told)
        yield told
    if notify is not None:
        notify.checked = changed(_root(session), notify.checked)
    if view is not None and (notify is None or notify.selected.messages):
        spoke |= yield from of_view(session, view, expunge=expunge, by_uid=False)
    if notify is not None and notify.groups:
        spoke = (yield from notices.of_others(session, notify)) or spoke
    return spoke


def is_due(session: "ImapSession", notify: Notify) -> bool:
    """Whether there may be anything to tell; a few bytes are compared where nothing happened."""
    if not notify.asks:
        return False
    now = session.context.now()
    if now < notify.calm_until:
        return False
    root = _root(session)
    return changed(root, notify.checked) != notify.checked or (bool(notify.groups) and now >= notify.look_at)


def idle(session: "ImapSession", notify: Notify) -> Idle | None:
    """The wait for something to tell; None when nothing is asked for."""
    if not notify.asks:
        return None
    now = session.context.now()
    if now < notify.calm_until:
        return Idle((), notify.calm_until - now)
    notify.own = Own()  # what is left of it came to nothing
    return Idle((_root(session).slot,), max(notify.look_at - now, 0.001) if notify.groups else 0.0)


def waiting(session: "ImapSession") -> NextLine:
    """What an IDLE waits for: a line, a change, or the time to say that the server is still there."""
    view, notify, seconds = session.view, session.notify, session.context.idle_notify
    if notify is None or not notify.asks:
        woken = (view is not None and notify is None) or extensions.METADATA in session.enabled
        return NextLine((_root(session).slot,) if woken else (), seconds)
    wait = idle(session, notify)
    assert wait is not None
    return NextLine(wait.roots, min(filter(None, (wait.seconds, seconds)), default=0.0))


def _root(session: "ImapSession") -> Root:
    assert session.mail is not None
    return session.mail.opened.root
