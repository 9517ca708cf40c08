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
from typing import Final

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

    `own` is the label of the mailbox, which all its messages have.
    """

    def __init__(self, root: Root, own: str) -> None:
        super().__init__()
        self.own = own
        self._root = root

    def __missing__(self, flags: int) -> bytes:
        found = [self.own] if self.own else []
        found += [label for bit, label in FLAG_LABELS if flags & bit]
        found += [label for name in keyword_names(self._root, flags >> 8) if (label := label_of(name)) is not None]
        if len(self) >= _MAX_KEPT:
            self.clear()
        text = self[flags] = b" ".join(map(_shown, dict.fromkeys(found)))
        return text


def _shown(label: str) -> bytes:
    """`label = "\\" 1*ALPHA / astring`"""
    return label.encode("ascii") if _system(label) else astring(mutf7.encode(label))


def own_label(name: str, special_use: tuple[str, ...]) -> str:
    """The label that messages have because they are in this mailbox."""
    if name == "INBOX":
        return "\\Inbox"
    return next((USE_LABELS[use.lower()] for use in special_use if use.lower() in USE_LABELS), "")


def labels_of(view: View) -> Labels:
    """The labels of the view's mailbox; its special use is what `know_use` was told."""
    found = view.live.buffers.get(BUFFER)
    return found if isinstance(found, Labels) else Labels(view.live.root, own_label(view.live.row.name, ()))


def know_use(view: View, special_use: tuple[str, ...]) -> None:
    """The mailbox has this special use."""
    own = own_label(view.live.row.name, special_use)
    found = view.live.buffers.get(BUFFER)
    if not isinstance(found, Labels) or found.own != own:
        view.live.buffers[BUFFER] = Labels(view.live.root, own)


def label_arguments(view: View, piece: Piece) -> Arguments:
    """For the column X-GM-LABELS."""
    return [list(map(labels_of(view).__getitem__, piece.chunk.flags[piece.low : piece.high].tolist()))]


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
