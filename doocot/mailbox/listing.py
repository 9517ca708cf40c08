"""Which mailboxes there are, as LIST and LSUB see them: one tree over all namespaces of a root.

What exists is what has its folder; the index may not know it yet. A tree is kept until the root's folder or the file of
subscriptions changes, so a listing where nothing happened costs two calls of stat.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from doocot.mailbox.namespaces import Auto, Listed, Space, find_space, shown
from doocot.mailbox.patterns import Pattern
from doocot.store import folders, maildir, subscriptions
from doocot.store.maildir import FolderNames
from doocot.store.root import Root
from doocot.wire import mutf7

if TYPE_CHECKING:
    from doocot.mailbox.user import Mail

RENDERED: Final = 32  # answers kept with a tree


@dataclass(slots=True)
class Entry:
    """A name that LIST or LSUB may show. `below`: what is true of some mailbox under it."""

    name: str
    space: Space
    index: str
    exists: bool = False
    children: bool = False
    subscribed: bool = False
    subscribed_below: bool = False
    special_use: tuple[str, ...] = ()
    special_below: bool = False
    root: bool = False  # the prefix of a namespace, which LIST shows without a mailbox

    @property
    def listed(self) -> bool:
        """Whether LIST shows it; a name that is only subscribed is shown to those who ask for subscriptions."""
        return self.exists or self.children or self.root


@dataclass(slots=True)
class Listing:
    """The tree, INBOX first and then by name. `rendered` are answers made from it, by what was asked."""

    spaces: tuple[Space, ...]
    folders: FolderNames
    subscriptions: object
    uses: Mapping[str, tuple[str, ...]]
    entries: dict[str, Entry]
    rendered: dict[object, bytes] = field(default_factory=dict)


def listing(mail: "Mail") -> Listing:
    """The tree as it is now; special uses that clients gave are those that `metadata.special_uses` last saw."""
    opened, root = mail.opened, mail.opened.root
    before, (_, uses) = opened.listing, opened.special_uses
    now = maildir.scan_folders(root, before.folders if before is not None else None)
    if now.removed:
        folders.recover(root, now.removed)
    state = _subscriptions_state(root)
    known = before is not None and (before.spaces, before.subscriptions, before.uses) == (mail.spaces, state, uses)
    if before is not None and known:
        if before.folders is now:
            return before
        if (before.folders.names, before.folders.unfinished) == (now.names, now.unfinished):
            before.folders = now
            return before
    made = Listing(mail.spaces, now, state, uses, _tree(mail.spaces, now.names, subscribed_names(root), uses))
    opened.listing = made
    return made


def _control(root: Root) -> str:
    return root.location.control or root.path


def _subscriptions_state(root: Root) -> object:
    stat = root.files.stat(os.path.join(_control(root), subscriptions.FILE_NAME))
    return (stat.st_ino, stat.st_mtime_ns, stat.st_size) if stat is not None else None


def subscribed_names(root: Root) -> list[str]:
    """The names in the file of subscriptions (Courier's where Dovecot's is not), with "/" between their parts."""
    folder = _control(root)
    found = subscriptions.read(root.files, folder)
    if found is None:
        found = subscriptions.read_courier(root.files, folder) or []
    names = []
    for parts in found:
        try:
            names.append("/".join(mutf7.decode(part.encode("ascii")) for part in parts))
        except ValueError:
            continue  # no client could name it
    return names


def own_spaces(spaces: Iterable[Space]) -> list[Space]:
    """The namespaces of the user's own root."""
    return [space for space in spaces if not space.location]


def _tree(
    spaces: tuple[Space, ...],
    names: frozenset[str],
    subscribed: Sequence[str],
    uses: Mapping[str, tuple[str, ...]],
) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for space in own_spaces(spaces):
        for name in names:
            if name != "INBOX" or space.inbox:
                _entry(entries, space, name).exists = True
        for special in space.specials:
            if special.auto is not Auto.NO:
                _entry(entries, space, special.name).exists = True
            if special.auto is Auto.SUBSCRIBE:
                entries[shown(space, special.name)].subscribed = True
        if space.subscriptions:
            for name in subscribed:
                _entry(entries, *_subscription(spaces, space, name)).subscribed = True
        for special in space.specials:
            found = entries.get(shown(space, special.name))
            if found is not None:
                found.special_use = special.special_use
        for name, given in uses.items():
            found = entries.get(shown(space, name))
            if found is not None and found.exists:
                found.special_use = tuple(dict.fromkeys((*found.special_use, *given)))
        if space.prefix and space.listed is Listed.YES and not space.inbox:
            _entry(entries, space, "").root = True
    _add_parents(entries)
    ordered = sorted(entries.values(), key=lambda entry: (entry.name != "INBOX", entry.name))
    return {entry.name: entry for entry in ordered}


def _subscription(spaces: Sequence[Space], keeper: Space, name: str) -> tuple[Space, str]:
    """Whose a subscription is that `keeper` keeps: its own, or a namespace's that has no file of subscriptions."""
    full = shown(keeper, name)
    space = find_space([space for space in spaces if space is keeper or not space.subscriptions], full) or keeper
    if space is keeper:
        return keeper, name
    return space, full[len(space.prefix) :].replace(space.separator, "/")


def _entry(entries: dict[str, Entry], space: Space, name: str) -> Entry:
    """The entry of a mailbox, made when there is none."""
    text = shown(space, name) if name else space.prefix.removesuffix(space.separator)
    found = entries.get(text)
    if found is None:
        found = entries[text] = Entry(text, space, name)
    return found


def _add_parents(entries: dict[str, Entry]) -> None:
    """Every name above an entry, and what those have below them."""
    for entry in list(entries.values()):
        name, separator = entry.name, entry.space.separator
        while separator in name:
            name = name.rpartition(separator)[0]
            above = entries.get(name)
            if above is None:
                above = entries[name] = Entry(name, entry.space, _index_of(entry.space, name))
            above.children |= entry.exists
            above.subscribed_below |= entry.subscribed
            above.special_below |= entry.exists and bool(entry.special_use)


def _index_of(space: Space, name: str) -> str:
    """The index's name of a parent, "" above the namespace's own mailboxes."""
    return name[len(space.prefix) :].replace(space.separator, "/") if len(name) > len(space.prefix) else ""


def visible(entry: Entry, patterns: Sequence[Pattern]) -> bool:
    """Whether its namespace is to be listed; one with list = no only for those who name it."""
    if entry.space.listed is not Listed.NO:
        return True
    prefix = entry.space.prefix
    return bool(prefix) and any(pattern.literal.startswith(prefix) for pattern in patterns)


def matching(found: Listing, patterns: Sequence[Pattern]) -> list[Entry]:
    """The entries that one of the patterns fits, each once."""
    one = patterns[0] if len(patterns) == 1 else None
    if one is not None and one.text == "*":
        return [entry for entry in found.entries.values() if entry.space.listed is not Listed.NO]
    return [
        entry
        for entry in found.entries.values()
        if any(each.matches(entry.name, entry.space.separator) for each in patterns) and visible(entry, patterns)
    ]
