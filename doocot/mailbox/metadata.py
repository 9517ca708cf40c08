"""METADATA of mailboxes and of the server (RFC 5464): which entries there are, by clients and by the configuration.

What clients set is in the index of the root. Where they set nothing, `/shared/comment` and `/shared/admin` are what the
configuration says; special uses (RFC 6154) of both are put together.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import apsw

from doocot.mailbox.namespaces import Place, special
from doocot.store import recovery
from doocot.store.index import metadata
from doocot.store.index.database import rows, write
from doocot.store.index.mailboxes import MailboxRow
from doocot.store.index.metadata import SERVER, SPECIAL_USE
from doocot.store.root import Root, changed, committed

if TYPE_CHECKING:
    from doocot.mailbox.user import Mail

INFINITY: Final = -1  # of DEPTH
LONGEST_ENTRY: Final = 1024  # octets of a name
FILTERS: Final = ("/private/filters/values/", "/shared/filters/values/")
# The uses that clients may give. \All and \Flagged are views of other mailboxes' messages, which no mailbox made by a
# client is; the administrator may have such a one.
SPECIAL_USES: Final = ("\\Archive", "\\Drafts", "\\Important", "\\Junk", "\\Sent", "\\Trash")

_ENTRY: Final = re.compile(rb"(?:/[\x20-\x24\x26-\x29\x2b-\x2e\x30-\x7e]+)+")  # neither "%" nor "*", RFC 5464 §3.2


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings say."""

    max_size: int = 64 << 10  # octets of a value
    max_entries: int = 1000  # of a mailbox, or of the server
    max_total: int = 16 << 20  # octets of all that a root has
    comment: str = ""
    admin: str = ""


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose entries are meant: a mailbox's by its id, or the server's; and those that the configuration gives."""

    mailbox: int
    configured: Mapping[str, bytes] = field(default_factory=dict)


def entry_name(octets: bytes) -> str:
    """The name of an entry as it is stored. ValueError, with a sentence for the client, for what is none."""
    name = octets.lower()
    if len(name) > LONGEST_ENTRY:
        raise ValueError("The name of the entry is too long.")
    if not _ENTRY.fullmatch(name):
        raise ValueError("The name of an entry is parts of printable ASCII, each after a /, without * and %.")
    if not (name + b"/").startswith((b"/private/", b"/shared/")):
        raise ValueError("The name of an entry begins with /private or /shared.")
    return name.decode("ascii")


def of_server(rules: Rules) -> Holder:
    """The server's entries."""
    given = {"/shared/admin": rules.admin, "/shared/comment": rules.comment}
    return Holder(SERVER, {entry: text.encode() for entry, text in given.items() if text})


def of_mailbox(place: Place, row: MailboxRow) -> Holder:
    """A mailbox's entries."""
    found = special(place)
    given = {"/shared/comment": found.comment, SPECIAL_USE: " ".join(found.special_use)} if found is not None else {}
    return Holder(row.id, {entry: text.encode() for entry, text in given.items() if text})


def find(connection: apsw.Connection, holder: Holder, entry: str, depth: int) -> list[tuple[str, int]]:
    """Names and sizes of an entry and of those under it down to `depth` (RFC 5464 §4.2.2), by name."""
    found = dict(metadata.sizes(connection, holder.mailbox, entry, below=depth != 0))
    for name in holder.configured:
        if name == entry or (depth and name.startswith(entry + "/")):
            found[name] = len(value(connection, holder, name) or b"")
    names = sorted(name for name in found if depth != 1 or "/" not in name[len(entry) + 1 :])
    return [(name, found[name]) for name in names]


def value(connection: apsw.Connection, holder: Holder, entry: str) -> bytes | None:
    """The value of an entry, None where there is none."""
    stored, configured = metadata.value(connection, holder.mailbox, entry), holder.configured.get(entry)
    if entry == SPECIAL_USE and stored is not None and configured is not None:
        return b" ".join(dict.fromkeys((*configured.split(), *stored.split())))
    return stored if stored is not None else configured


def set_entries(root: Root, mailbox: int, values: Mapping[str, bytes | None], rules: Rules) -> int:
    """Sets entries, all or none; the position of that Change. Blocking. Raises MailError as `metadata.put`."""
    with write(root.db, durable=True) as writer:
        if mailbox == SERVER:
            recovery.restore_server(root, writer)
        position = metadata.put(
            root.db, writer, mailbox, values, max_entries=rules.max_entries, max_total=rules.max_total
        )
    committed(root)
    return position


def is_restored(root: Root) -> bool:
    """Whether the server's entries are there; else `restore` brings them back. On the loop."""
    return rows(root.db.reader, "SELECT restored FROM root") != [(0,)]


def restore(root: Root) -> None:
    """Brings the server's entries back into an index that was made anew. Blocking."""
    with write(root.db) as writer:
        recovery.restore_server(root, writer)


def canonical_uses(words: tuple[str, ...], place: Place) -> tuple[str, ...]:
    """Special uses as they are written. ValueError for one that a client may not give to this mailbox."""
    found = special(place)
    known = {use.lower(): use for use in (*SPECIAL_USES, *(found.special_use if found is not None else ()))}
    for word in words:
        if word.lower() not in known:
            raise ValueError(f"{word} is no special use that a mailbox can be given here.")
    return tuple(dict.fromkeys(known[word.lower()] for word in words))


def special_uses(mail: "Mail") -> Mapping[str, tuple[str, ...]]:
    """The special uses that clients gave, by the mailbox's name in the index. On the loop; kept until a commit."""
    opened = mail.opened
    commits = changed(opened.root, opened.special_uses[0])
    if commits != opened.special_uses[0]:
        opened.special_uses = commits, metadata.special_uses(opened.root.db.reader)
    return opened.special_uses[1]


def filter_text(mail: "Mail", name: str) -> bytes | None:
    """The search keys of a filter (RFC 5466 §3.1), the user's own before the shared one; None where there is none.

    On the loop.
    """
    reader = mail.opened.root.db.reader
    found = (metadata.value(reader, SERVER, prefix + name.lower()) for prefix in FILTERS)
    return next((text for text in found if text is not None), None)
