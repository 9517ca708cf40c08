"""COPY, MOVE and their UID forms (RFC 3501 §6.4.7, RFC 6851), answered with COPYUID (RFC 4315 §3)."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from doocot.imap import limits, names, progress, telling
from doocot.imap.command import Ok, Result, State, Steps, command
from doocot.imap.registration import own_change
from doocot.imap.sets import rows_of
from doocot.mailbox import change
from doocot.mailbox import copy as mailbox_copy
from doocot.mailbox.copy import Copied
from doocot.store.index.messages import Range
from doocot.store.snapshot import uid_ranges
from doocot.wire.cursor import Cursor
from doocot.wire.flow import Step
from doocot.wire.numset import NumSet, format_numbers

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession


@dataclass(frozen=True, slots=True)
class Copy:
    """`copy = "COPY" SP sequence-set SP mailbox`; `move` is alike (RFC 6851 §4)."""

    messages: NumSet
    mailbox: str

    @classmethod
    def parse(cls, c: Cursor) -> "Copy":
        return cls(c.sp().sequence_set(), names.mailbox(c.sp()))


@command("COPY", "UID COPY", state=State.SELECTED, parse=Copy.parse)
def copy(session: "ImapSession", args: Copy, by_uid: bool) -> Result:
    rows = rows_of(session, args.messages, by_uid)
    limits.check_copied(session, rows)  # all or none (RFC 3501 §6.4.7)
    return _copy(session, args, rows)


def _copy(session: "ImapSession", args: Copy, rows: list[Range]) -> Steps:
    copied = yield from _run(session, args, rows, move=False)
    if copied is None:
        return Ok(b"No messages copied.")
    return Ok(b"Copy completed.", code=copy_uid(copied))


@command("MOVE", "UID MOVE", state=State.SELECTED, parse=Copy.parse)
def move(session: "ImapSession", args: Copy, by_uid: bool) -> Result:
    view = session.view
    assert view is not None
    change.writable(view)
    rows, code = limits.newest(session, rows_of(session, args.messages, by_uid))
    return limits.coded(_move(session, args, rows, by_uid), code)


def _move(session: "ImapSession", args: Copy, rows: list[Range], by_uid: bool) -> Steps:
    """COPYUID comes in an untagged OK before the EXPUNGEs (RFC 6851 §4.3)."""
    copied = yield from _run(session, args, rows, move=True)
    if copied is None:
        return Ok(b"No messages moved.")
    yield b"* OK [%b] Moved UIDs.\r\n" % copy_uid(copied)
    view = session.view
    assert view is not None
    yield from telling.of_view(session, view, expunge=True, by_uid=by_uid)
    return Ok(b"Move completed.")


def _run(session: "ImapSession", args: Copy, rows: list[Range], *, move: bool) -> Generator[Step, Any, Copied | None]:
    view, mail = session.view, session.mail
    assert view is not None
    assert mail is not None
    progress.begin(session, view)
    copied = yield from mailbox_copy.copy(mail, view, uid_ranges(view.snapshot, rows), args.mailbox, move=move)
    if copied is not None:
        session.context.unsettled(mail.opened.root)
        own_change(session, args.mailbox, copied.target)
    return copied


def copy_uid(copied: Copied) -> bytes:
    """`COPYUID uidvalidity source-set target-set`: both sets in the same order."""
    return b"COPYUID %d %b %b" % (
        copied.uid_validity,
        format_numbers(copied.source),
        format_numbers(copied.target),
    )
