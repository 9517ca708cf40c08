"""`dovecot-keywords`: which keywords the letters a to z in the file names of one Maildir mean.

Each line is `<number> <keyword>`, number 0 for the letter a up to 25 for z. The file has no lock of its own: it is read
and replaced under the lock of `dovecot-uidlist`, as Dovecot does. Dovecot reads it again only when its mtime (in whole
seconds) differs, so each replacement is given a later one.
"""

import os
from collections.abc import Mapping

from doocot.store.dotlock import Dotlock, require_held
from doocot.store.files import PRIVATE, Files, Modes

FILE_NAME = "dovecot-keywords"
LETTERS = 26
SECOND = 1_000_000_000


def read(files: Files, folder: str) -> dict[int, str]:
    """Keywords by number. Lines that say nothing are passed over, as Dovecot does; later lines win."""
    path = os.path.join(folder, FILE_NAME)
    try:
        text = os.fsdecode(files.read_file(path))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    found = {}
    for line in text.split("\n"):
        number, _, keyword = line.partition(" ")
        if keyword and number.isascii() and number.isdigit() and len(number) <= 2 and int(number) < LETTERS:
            found[int(number)] = keyword
    return found


def write(files: Files, folder: str, keywords: Mapping[int, str], lock: Dotlock, modes: Modes = PRIVATE) -> None:
    """Replace the file; `lock` is the one of dovecot-uidlist. Durable before any file name uses a new letter."""
    path = os.path.join(folder, FILE_NAME)
    before = files.stat(path)
    lines = "".join(f"{number} {keywords[number]}\n" for number in sorted(keywords))
    temporary = path + ".tmp"

    def before_rename() -> None:
        require_held(files, lock)
        written = files.stat(temporary)
        if before is not None and written is not None and written.st_mtime_ns // SECOND <= before.st_mtime_ns // SECOND:
            files.set_mtime(temporary, (before.st_mtime_ns // SECOND + 1) * SECOND)

    files.replace_file(path, [os.fsencode(lines)], temporary, modes, check=before_rename)
