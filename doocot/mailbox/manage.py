"""CREATE, DELETE, RENAME, SUBSCRIBE and UNSUBSCRIBE by the names that clients give (RFC 3501 §6.3.3-6.3.7)."""

from collections.abc import Generator
from typing import Any

from doocot.errors import Kind, MailError
from doocot.mailbox import copy, metadata, user
from doocot.mailbox.namespaces import Auto, Place, locate, locate_new, no_such_mailbox, special
from doocot.mailbox.places import find, forms, named, own, set_subscribed, subscription_name
from doocot.mailbox.user import Mail
from doocot.store import folders
from doocot.store.index.mailboxes import MailboxRow
from doocot.store.index.metadata import SPECIAL_USE
from doocot.store.snapshot import last_uid
from doocot.wire.flow import Job, Step

_NO_BOUND = metadata.Rules(max_total=1 << 62)  # a mailbox that was made keeps the use that it was made for


def there(mail: Mail, place: Place) -> bool:
    """Whether a client sees such a mailbox: it has its folder, or is made when somebody opens it."""
    found = special(place)
    return folders.exists(mail.opened.root, place.name) or (found is not None and found.auto is not Auto.NO)


def create(mail: Mail, name: str, special_use: tuple[str, ...] = ()) -> MailboxRow:
    """Makes a mailbox and gives its row; names above it need no folder. Blocking.

    The special uses (RFC 6154 §3) beyond those of the configuration are kept as its metadata. Raises MailError.
    """
    place = locate_new(mail.spaces, name)
    if not place.name:
        raise MailError(Kind.ALREADY_EXISTS, folders.EXISTS)
    own(place)
    root, found = mail.opened.root, special(place)
    row = folders.create_folder(root, place.name)
    if not set(special_use) <= set(found.special_use if found is not None else ()):
        metadata.set_entries(root, row.id, {SPECIAL_USE: " ".join(special_use).encode()}, _NO_BOUND)
    return row


def delete(mail: Mail, name: str) -> None:
    """Removes a mailbox; those below it and its subscription stay (RFC 3501 §6.3.4, §6.3.6). Blocking."""
    if not name:
        raise MailError(Kind.CANNOT, "Storage root can't be deleted")
    place = named(mail, name)
    if place.name == "INBOX":
        raise MailError(Kind.CANNOT, "INBOX can't be deleted")
    if not place.name:
        raise MailError(Kind.CANNOT, "Storage root can't be deleted")
    own(place)
    if not folders.exists(mail.opened.root, place.name):
        raise no_such_mailbox(place)
    folders.delete_folder(mail.opened.root, place.name)


def rename(mail: Mail, old: str, new: str) -> Generator[Step, Any, None]:
    """Steps that give a mailbox and those below it another name; INBOX gives its messages (RFC 3501 §6.3.5)."""
    source = find(mail, old)
    target = own(locate_new(mail.spaces, new, folder=False))
    if source.name == target.name:
        raise MailError(Kind.ALREADY_EXISTS, "Can't rename mailbox to itself")
    if source.name == "INBOX":
        yield from _rename_inbox(mail, old, new, target)
        return
    if target.name.startswith(source.name + "/"):
        raise MailError(Kind.CANNOT, "Can't rename mailbox under its own child")
    root = mail.opened.root

    def work() -> None:
        try:
            folders.rename_folders(root, source.name, target.name)
        except MailError as error:
            raise no_such_mailbox(source) if error.kind is Kind.NON_EXISTENT else error from error

    yield Job(work)


def _rename_inbox(mail: Mail, old: str, new: str, target: Place) -> Generator[Step, Any, None]:
    """The messages move into a new mailbox, INBOX stays; mailboxes below INBOX are left where they are."""
    root = mail.opened.root
    yield Job(lambda: folders.create_folder(root, target.name))
    view = yield from user.select(mail, old, read_only=True)
    try:
        if view.snapshot.count:
            yield from copy.copy(mail, view, [(1, last_uid(view.snapshot))], new, move=True)
    finally:
        user.deselect(mail, view)


def subscribe(mail: Mail, name: str) -> None:
    """Adds a name to the subscriptions; the mailbox must be there. Blocking."""
    place = named(mail, name)
    if place.name or place.space.subscriptions:
        own(place)
    if place.name and not there(mail, place):
        raise no_such_mailbox(place)
    set_subscribed(mail.opened.root, subscription_name(mail, place), True)


def unsubscribe(mail: Mail, name: str) -> None:
    """Takes a name out of the subscriptions, whether the mailbox is there or not. Blocking."""
    for form in forms(name):
        place = locate(mail.spaces, form)
        if not place.name and place.space.subscriptions:
            raise no_such_mailbox(place)
        set_subscribed(mail.opened.root, subscription_name(mail, place), False)
