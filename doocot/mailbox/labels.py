"""Gmail's labels (X-GM-EXT-1) as what Maildir has: keywords, two flags, and the use of the mailbox. See ADR 18.

| label | is |
|---|---|
| `\\Starred`, `\\Draft` | the flags \\Flagged, \\Draft |
| `\\Important` | the keyword $Important (RFC 8457) |
| `\\Inbox`, `\\Sent`, `\\Trash` ... | of every message in the mailbox of that use; not to be changed |
| any other | a keyword: the label itself where that is an atom, else `=` and its UTF-8 octets, as =XX where need be |

Keywords that begin with `$` are no labels: they are registered (RFC 5788), and no program's folder has such a name.
"""

import re
from typing import Final, NamedTuple

from doocot.errors import Kind, MailError
from doocot.mailbox.fetch import Arguments
from doocot.mailbox.view import View
from doocot.store.index.messages import DRAFT, FLAGGED
from doocot.store.root import Root, keyword_names
from doocot.store.snapshot import Piece
from doocot.wire import mutf7
from doocot.wire.respond import astring

MANGLED: Final = "="
MAX_LABEL: Final = 225  # characters, as Gmail has it
IMPORTANT: Final = "$Important"
FLAG_LABELS: Final = ((FLAGGED, "\\Starred"), (DRAFT, "\\Draft"))
# The labels of mailboxes: by special use (RFC 6154).
USE_LABELS: Final = {
    "\\sent": "\\Sent",
    "\\trash": "\\Trash",
    "\\junk": "\\Spam",
    "\\drafts": "\\Drafts",
    "\\important": "\\Important",
}
BUFFER: Final = "gmail labels"
_MAX_KEPT: Final = 10_000

_plain = re.compile(r"[!#&'+,\-./0-9:;<>?@A-Z\[^_`a-z|}~][!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]*").fullmatch
_special = re.compile(rb"[^!#$&'+,\-./0-9:;<>?@A-Z\[^_`a-z|}~]")
_encoded = re.compile(rb"=([0-9A-F]{2})")
_system = re.compile(r"\\[A-Za-z]+").fullmatch
control = re.compile(r"[\x00-\x1f\x7f-\x9f]").search


def keyword_of(label: str) -> str:
    """The keyword that an ordinary label is."""
    if _plain(label):
        return label
    octets = _special.sub(lambda found: b"=%02X" % found[0][0], label.encode("utf-8"))
    return MANGLED + octets.decode("ascii")


def label_of(keyword: str) -> str | None:
    """The label that a keyword is, None for one that is none.

    Anybody may set a keyword that decodes to what no label can be: to nothing, to control characters, or to what begins
    as those labels do that are no keywords.
    """
    if keyword.lower() == IMPORTANT.lower():
        return "\\Important"
    if keyword.startswith("$") or not keyword.isascii():
        return None
    label = keyword
    if keyword.startswith(MANGLED):
        octets = _encoded.sub(lambda found: bytes([int(found[1], 16)]), keyword[1:].encode("ascii"))
        label = octets.decode("utf-8", "replace")
    return None if not label or label.startswith("\\") or control(label) else label


class Labels(dict[int, bytes]):
    """Flags as stored -> what stands between the parentheses of X-GM-LABELS; filled as values are met.

    `own` is the label of the mailbox, which all its messages have; with `utf8` they are in UTF-8, else in modified
    UTF-7.
    """

    def __init__(self, root: Root, own: str, *, utf8: bool) -> None:
        super().__init__()
        self._own = own
        self._root = root
        self._utf8 = utf8

    def __missing__(self, flags: int) -> bytes:
        found = [self._own] if self._own else []
        found += [label for bit, label in FLAG_LABELS if flags & bit]
        found += [label for name in keyword_names(self._root, flags >> 8) if (label := label_of(name)) is not None]
        if len(self) >= _MAX_KEPT:
            self.clear()
        text = self[flags] = b" ".join(_shown(label, utf8=self._utf8) for label in dict.fromkeys(found))
        return text


class OfMailbox(NamedTuple):
    """Its own label, and the labels of its messages in both encodings, which are those of names of mailboxes."""

    own: str
    mutf7: Labels
    utf8: Labels


def _of_mailbox(view: View, own: str) -> OfMailbox:
    root = view.live.root
    return OfMailbox(own, Labels(root, own, utf8=False), Labels(root, own, utf8=True))


def _shown(label: str, *, utf8: bool) -> bytes:
    """`label = "\\" 1*ALPHA / astring`"""
    if _system(label):
        return label.encode("ascii")
    return astring(label.encode("utf-8"), utf8=True) if utf8 else astring(mutf7.encode(label))


def own_label(name: str, special_use: tuple[str, ...]) -> str:
    """The label that messages have because they are in this mailbox."""
    if name == "INBOX":
        return "\\Inbox"
    return next((USE_LABELS[use.lower()] for use in special_use if use.lower() in USE_LABELS), "")


def labels_of(view: View) -> OfMailbox:
    """The labels of the view's mailbox; its special use is what `know_use` was told."""
    found = view.live.buffers.get(BUFFER)
    return found if isinstance(found, OfMailbox) else _of_mailbox(view, own_label(view.live.row.name, ()))


def know_use(view: View, special_use: tuple[str, ...]) -> None:
    """The mailbox has this special use."""
    own = own_label(view.live.row.name, special_use)
    found = view.live.buffers.get(BUFFER)
    if not isinstance(found, OfMailbox) or found.own != own:
        view.live.buffers[BUFFER] = _of_mailbox(view, own)


def label_arguments(view: View, piece: Piece) -> Arguments:
    """For the column X-GM-LABELS."""
    return [list(map(labels_of(view).mutf7.__getitem__, piece.chunk.flags[piece.low : piece.high].tolist()))]


def utf8_label_arguments(view: View, piece: Piece) -> Arguments:
    """For the column X-GM-LABELS of a client that has mailbox names in UTF-8 (RFC 6855 §3, RFC 9051 §5.1)."""
    return [list(map(labels_of(view).utf8.__getitem__, piece.chunk.flags[piece.low : piece.high].tolist()))]


def changed_by(labels: tuple[str, ...], own: str, *, adding: bool) -> tuple[int, frozenset[str]]:
    """(flags, keywords) that stand for these labels. Raises MailError for those that only a mailbox gives."""
    bits, keywords = 0, set()
    for label in labels:
        bit = next((bit for bit, name in FLAG_LABELS if name.lower() == label.lower()), 0)
        if bit:
            bits |= bit
        elif label.lower() == "\\important":
            keywords.add(IMPORTANT)
        elif not label.startswith("\\"):
            keywords.add(keyword_of(label))
        elif label.lower() != own.lower() or not adding:
            raise MailError(Kind.CANNOT, f"The label {label} is a mailbox: copy or move the messages there.")
    return bits, frozenset(keywords)
