r"""`subscriptions`: the mailboxes that a user is subscribed to, in both forms of Dovecot; Courier's file, read only.

Version 2 begins with `V<TAB>2` and an empty line; each further line is a name whose parts are separated by TAB, with
\001 before an escaped byte. Before that, a line was a name with the separator of the Maildir's folders (`.`). An old
file keeps its form when it is changed, so that an older Dovecot can still read it. Names are in modified UTF-7, as the
folders are. Courier's `courierimapsubscribed` has lines like `INBOX.Sent`.

Here a name is the tuple of its parts, still encoded: the separator the user sees is the namespace's business.
"""

import os
from collections.abc import Callable
from typing import TypeAlias

from doocot.store.dotlock import SUBSCRIPTIONS_STALE, SUBSCRIPTIONS_TIMEOUT, Dotlock, dotlock, require_held
from doocot.store.files import PRIVATE, Files, Modes

FILE_NAME = "subscriptions"
COURIER_FILE_NAME = "courierimapsubscribed"
HEADER = "V\t2\n\n"

Parts: TypeAlias = tuple[str, ...]

_ESCAPES = {"\x01": "\x011", "\t": "\x01t", "\r": "\x01r", "\n": "\x01n", "\0": "\x010"}
_UNESCAPES = {escape[1]: char for char, escape in _ESCAPES.items()}


def read(files: Files, folder: str, separator: str = ".") -> list[Parts] | None:
    """The names in the order of the file, each once; None when there is no file."""
    text = _text(files, os.path.join(folder, FILE_NAME))
    return None if text is None else list(dict.fromkeys(_names(text, separator)))


def read_courier(files: Files, folder: str) -> list[Parts] | None:
    """Courier's subscriptions, for the first sight of a Maildir that has no file of Dovecot's."""
    text = _text(files, os.path.join(folder, COURIER_FILE_NAME))
    if text is None:
        return None
    names = (tuple(line.split(".")) for line in text.splitlines() if line)
    return list(dict.fromkeys(name[1:] if name[0] == "INBOX" and len(name) > 1 else name for name in names))


def subscribe(files: Files, folder: str, name: Parts, separator: str = ".", modes: Modes = PRIVATE) -> bool:
    """Add a name. Whether it was not there yet."""
    return _change(files, folder, lambda names: names if name in names else [*names, name], separator, modes)


def unsubscribe(files: Files, folder: str, name: Parts, separator: str = ".", modes: Modes = PRIVATE) -> bool:
    """Take a name away. Whether it was there."""
    return _change(files, folder, lambda names: [other for other in names if other != name], separator, modes)


def rename(files: Files, folder: str, old: Parts, new: Parts, separator: str = ".", modes: Modes = PRIVATE) -> bool:
    """Move a name and all below it to a new place; whether there was any."""

    def moved(names: list[Parts]) -> list[Parts]:
        return [new + name[len(old) :] if name[: len(old)] == old else name for name in names]

    return _change(files, folder, moved, separator, modes)


def write(files: Files, folder: str, names: list[Parts], separator: str = ".", modes: Modes = PRIVATE) -> bool:
    """Put all names at once, as a migration does; whether that changes anything."""
    return _change(files, folder, lambda _: names, separator, modes)


def _change(
    files: Files, folder: str, change: Callable[[list[Parts]], list[Parts]], separator: str, modes: Modes
) -> bool:
    path = os.path.join(folder, FILE_NAME)
    with dotlock(files, path, timeout=SUBSCRIPTIONS_TIMEOUT, stale=SUBSCRIPTIONS_STALE, modes=modes) as lock:
        text = _text(files, path)
        before = [] if text is None else _names(text, separator)
        after = list(dict.fromkeys(change(before)))
        if after == before:
            return False
        version_2 = text is None or text.startswith(HEADER) or not text
        _replace(files, path, _format(after, separator, version_2), lock, modes)
    return True


def _replace(files: Files, path: str, text: str, lock: Dotlock, modes: Modes) -> None:
    files.replace_file(path, [os.fsencode(text)], path + ".tmp", modes, check=lambda: require_held(files, lock))


def _text(files: Files, path: str) -> str | None:
    try:
        return os.fsdecode(files.read_file(path))
    except (FileNotFoundError, NotADirectoryError):
        return None


def _names(text: str, separator: str) -> list[Parts]:
    if text.startswith(HEADER):
        lines = text[len(HEADER) :].split("\n")
        return [tuple(map(_unescape, line.split("\t"))) for line in lines if line]
    return [tuple(line.split(separator)) for line in text.split("\n") if line]


def _format(names: list[Parts], separator: str, version_2: bool) -> str:
    if version_2:
        return HEADER + "".join("\t".join(map(_escape, name)) + "\n" for name in names)
    return "".join(separator.join(name) + "\n" for name in names)


def _escape(part: str) -> str:
    return "".join(_ESCAPES.get(char, char) for char in part)


def _unescape(part: str) -> str:
    if "\x01" not in part:
        return part
    first, *rest = part.split("\x01")
    # An escaped \001 is followed by "1", never by another \001, so every piece begins with the letter of its escape.
    return first + "".join(_UNESCAPES.get(piece[:1], piece[:1]) + piece[1:] for piece in rest)
