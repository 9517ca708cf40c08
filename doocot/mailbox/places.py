"""From the name that a client gives to the mailbox's row, in step with its folder; `auto` ones are made on the way."""

from typing import TYPE_CHECKING
from unicodedata import is_normalized, normalize

from doocot.errors import Kind, MailError
from doocot.mailbox.namespaces import Auto, Place, locate, no_such_mailbox, shown, special
from doocot.mailbox.view import Live, load_imported
from doocot.store import folders, maildir, maildir_sync, subscriptions
from doocot.store.index import mailboxes
from doocot.store.index.database import Busy, reading, write
from doocot.store.index.mailboxes import MailboxRow
from doocot.store.root import Root, committed
from doocot.wire import mutf7

if TYPE_CHECKING:
    from doocot.mailbox.user import Mail


def own(place: Place) -> Place:
    """The place itself, when it is a mailbox of the user's own root; else raises MailError."""
    if place.space.location:
        raise MailError(Kind.UNAVAILABLE, f"The namespace {place.space.prefix} is not available.")
    if not place.name:
        raise no_such_mailbox(place)
    return place


def find(mail: "Mail", name: str) -> Place:
    """The mailbox that a client names, whether it is there or not. Raises MailError."""
    return own(named(mail, name))


def named(mail: "Mail", name: str) -> Place:
    """As `locate`. A name that is not in form C, and no mailbox's, stands for the one that is (RFC 9051 §5.1).

    So names that another server or program left are found as they are, and what CREATE made of a client's name by it.
    """
    place = locate(mail.spaces, name)
    if name.isascii() or is_normalized("NFC", name) or _is_there(mail.opened.root, place):
        return place
    return locate(mail.spaces, normalize("NFC", name))


def _is_there(root: Root, place: Place) -> bool:
    return mailboxes.mailbox_row(root.db.reader, place.name) is not None or folders.exists(root, place.name)


def forms(name: str) -> tuple[str, ...]:
    """The name as it is, and in form C where that is another."""
    return (name,) if name.isascii() or is_normalized("NFC", name) else (name, normalize("NFC", name))


def current_row(mail: "Mail", place: Place) -> MailboxRow | None:
    """The mailbox's row if it is in step with the folder, without waiting; None asks for `synced`."""
    root = mail.opened.root
    row = mailboxes.mailbox_row(root.db.reader, place.name)
    if row is None:
        return None
    try:
        return row if maildir_sync.in_step(root, row) else None
    except MailError:
        return None  # its folder is gone: `synced` says so in the client's words


def synced(mail: "Mail", place: Place) -> MailboxRow:
    """The mailbox's row, brought in step. Blocking. Raises MailError(NON_EXISTENT)."""
    return synced_live(mail, place)[0]


def synced_live(mail: "Mail", place: Place) -> tuple[MailboxRow, Live | None]:
    """As `synced`; and the columns, when they are at hand because the mailbox was seen for the first time."""
    root = mail.opened.root
    if folders.exists(root, place.name):
        if root.files.stat(f"{maildir.folder_of(root, place.name)}/new") is None:
            maildir.make_folder(root, place.name)  # as Dovecot does
        row, imported = maildir_sync.look(root, place.name)
        return row, load_imported(root, row, imported) if imported is not None else None
    return _made_by_itself(root, place), None


def existing(mail: "Mail", name: str, *, wait: bool = True) -> MailboxRow:
    """The row of a mailbox that messages are added to, as it is. Raises MailError(NON_EXISTENT).

    Blocking; without `wait` it raises Busy instead.
    """
    place, root = find(mail, name), mail.opened.root
    with reading(root.db, wait=wait) as connection:
        row = mailboxes.mailbox_row(connection, place.name)
    if row is None and not wait:
        raise Busy
    return row if row is not None else synced(mail, place)


def _made_by_itself(root: Root, place: Place) -> MailboxRow:
    found = special(place)
    if found is None or found.auto is Auto.NO:
        raise no_such_mailbox(place)
    row = folders.create_folder(root, place.name)
    if found.auto is Auto.SUBSCRIBE:
        set_subscribed(root, place.name, True)
    return row


def set_subscribed(root: Root, name: str, wanted: bool) -> None:
    """Changes the file of subscriptions; `name` is as the index has names. Blocking."""
    folder = root.location.control or root.path
    change = subscriptions.subscribe if wanted else subscriptions.unsubscribe
    parts = tuple(mutf7.encode(part).decode("ascii") for part in name.split("/"))
    if change(root.files, folder, parts, modes=root.files.modes_in(folder)):
        with write(root.db) as writer:
            mailboxes.note_subscribed(root.db, writer, name)
        committed(root)


def subscription_name(mail: "Mail", place: Place) -> str:
    """The name under which a subscription is kept: a namespace without a file of its own uses its parent's."""
    if place.space.subscriptions:
        return place.name
    full = shown(place.space, place.name) if place.name else place.space.prefix.removesuffix(place.space.separator)
    keepers = [space for space in mail.spaces if space.subscriptions and full.startswith(space.prefix)]
    keeper = max(keepers, key=lambda space: len(space.prefix), default=place.space)
    return full[len(keeper.prefix) :].replace(keeper.separator, "/")
