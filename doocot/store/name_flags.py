"""Flags as they are stored, from the letters of file names; keyword sets are interned on the way."""

from collections.abc import Sequence

import apsw

from doocot.store import maildir_keywords, maildir_names
from doocot.store.index.keywords import intern_set
from doocot.store.root import Root


class NameFlags(dict[str | None, int]):
    """Letters of a file name (None: it has none) -> flags, filled as letters are met.

    `letters` are the keywords of a, b, c...
    """

    def __init__(self, writer: apsw.Connection, letters: Sequence[str]) -> None:
        super().__init__()
        self._writer = writer
        self._letters = letters

    def __missing__(self, key: str | None) -> int:
        text = key or ""
        names = frozenset(
            self._letters[number]
            for letter in maildir_names.keywords_of(text)
            if (number := ord(letter) - 97) < len(self._letters) and self._letters[number]
        )
        value = maildir_names.flags_of(text) | (intern_set(self._writer, names) << 8 if names else 0)
        self[key] = value
        return value


def keyword_letters(root: Root, control: str) -> list[str]:
    """The keywords of the letters a, b, c... from dovecot-keywords; "" for a letter without one."""
    known = maildir_keywords.read(root.files, control)
    return [known.get(number, "") for number in range(max(known, default=-1) + 1)]
