"""Names in a Maildir: message files (cr.yp.to/proto/maildir.html, with Dovecot's S= and W=) and Maildir++ folders.

A message file is called `base:2,LETTERS`; in `new/` the part from the colon on may be missing. The base is what
identifies the message for ever (it is the name in dovecot-uidlist) and may carry `,S=` (size in bytes) and `,W=` (size
with CRLF line ends). The letters are D F P R S T for flags, a-z for the keywords of `dovecot-keywords`; letters nobody
here knows are kept, as is a second set of flags after another comma.

Names are `str` as `os.listdir` gives them: bytes that are not UTF-8 stand as surrogates and come back as they were.
"""

import os
import re
import threading
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from doocot.errors import Kind, MailError
from doocot.wire import mutf7

SEEN = 1
ANSWERED = 2
FLAGGED = 4
DELETED = 8
DRAFT = 16

FLAG_LETTERS = {"D": DRAFT, "F": FLAGGED, "R": ANSWERED, "S": SEEN, "T": DELETED}
KEYWORD_LETTERS = "abcdefghijklmnopqrstuvwxyz"
INFO_SEPARATOR = ":"  # ";" and "!" are seen where a file system forbids the colon
UNKNOWN = -1
MAX_NAME = 255  # bytes, NAME_MAX of the common file systems

# A size of more digits is no message's: it would overflow a column of the index, or what is read ahead.
_SIZE = re.compile(r",([SW])=(\d{1,15})(?=,|$)")
# A base with a "/" before it and both sizes in the place where every writer puts them.
_BOTH_SIZES = re.compile(r"/[^,/]*,S=(\d{1,15}),W=(\d{1,15})(?![^,/])")


class MessageName(NamedTuple):
    """What a message file's name says. `size` and `virtual_size` are -1 where it does not."""

    base: str
    letters: str
    size: int
    virtual_size: int


def parse_name(name: str | bytes, separator: str = INFO_SEPARATOR) -> MessageName:
    """The parts of one name. Information that does not begin with "2," says nothing and is lost at the next rename."""
    text = name if isinstance(name, str) else os.fsdecode(name)
    base, _, info = text.partition(separator)
    size, virtual_size = name_sizes(base)
    return MessageName(base, info[2:] if info.startswith("2,") else "", size, virtual_size)


def split_names(names: Sequence[str], separator: str = INFO_SEPARATOR) -> tuple[list[str], list[str]]:
    """Bases and letters of many names as columns."""
    text = "/".join([*names, ""])
    del names  # whose memory the columns can take: to get new pages from the kernel takes as long as filling them
    pairs = split_pairs(text, separator, separator + "2,", "/")
    if pairs is not None:
        return pairs
    names = text.split("/")[:-1]
    parts = [name.partition(separator + "2,") for name in names]
    bases = [part[0] for part in parts]
    if separator not in "/".join(bases):
        return bases, [part[2] for part in parts]
    parsed = [parse_name(name, separator) for name in names]
    return [name.base for name in parsed], [name.letters for name in parsed]


def split_pairs(text: str, sign: str, mark: str, end: str) -> tuple[list[str], list[str]] | None:
    """What stands before and after `mark` in each record of `text`, where `end` closes a record, as columns.

    None unless each record has `mark` once, and `sign`, a character of it, nowhere else. No object is made but those of
    the columns, which is what takes the time with many thousands.
    """
    count = text.count(end)
    others = bytes(set(range(128, 256)) | set(range(128)) - {ord(sign), ord(end)})
    # With as many marks as records, signs and ends that take turns tell that each record has its own.
    turns = text.encode("utf-8", "surrogatepass").translate(None, others)
    if sign not in mark or text.count(mark) != count or turns != (sign + end).encode() * count:
        return None
    fields = text.replace(mark, end).split(end)
    return fields[:-1:2], fields[1::2]


def name_sizes(base: str) -> tuple[int, int]:
    """`S=` and `W=` of one base, wherever they stand, as Dovecot looks for them; -1 where there is none to believe."""
    if "," not in base:
        return UNKNOWN, UNKNOWN
    found = {key: int(digits) for key, digits in reversed(_SIZE.findall(base))}
    return found.get("S", UNKNOWN), found.get("W", UNKNOWN)


def sizes_of(bases: Sequence[str]) -> tuple[list[int], list[int]]:
    """`S=` and `W=` of many bases as columns, -1 where there is none to believe."""
    found = _BOTH_SIZES.findall("/" + "/".join(bases))
    if len(found) == len(bases):  # each match has its own "/", so each base has one
        return [int(size) for size, _ in found], [int(size) for _, size in found]
    pairs = [name_sizes(base) for base in bases]
    return [size for size, _ in pairs], [size for _, size in pairs]


def with_sizes(base: str, size: int, virtual_size: int) -> str:
    """A new base that tells both sizes, so that nobody has to stat or read the file for them."""
    return f"{base},S={size},W={virtual_size}"


def join_name(base: str, letters: str, separator: str = INFO_SEPARATOR) -> str:
    """The name of a file in `cur/`."""
    return f"{base}{separator}2,{letters}"


# -- letters

TARGET_SEPARATOR = "/"  # between the candidates in `message.target`: any other character may be among letters


def targets_of(target: str | None) -> list[str]:
    """The letters in `message.target`, oldest first: those that the settler may have given a file."""
    return target.split(TARGET_SEPARATOR) if target is not None else []


@lru_cache(maxsize=4096)
def flags_of(letters: str) -> int:
    """The system flags among the letters as bits. What follows another comma is not ours to understand."""
    return sum(FLAG_LETTERS.get(letter, 0) for letter in set(letters.partition(",")[0]))


@lru_cache(maxsize=4096)
def keywords_of(letters: str) -> str:
    """The keyword letters among the letters, in order, each once."""
    return "".join(sorted({letter for letter in letters.partition(",")[0] if letter in KEYWORD_LETTERS}))


@lru_cache(maxsize=4096)
def letters_for(flags: int, keywords: str = "", before: str = "") -> str:
    """Letters that say these flags and keyword letters and keep what is unknown (P, say) of the letters `before`."""
    known, comma, rest = before.partition(",")
    letters = {letter for letter in known if letter not in FLAG_LETTERS and letter not in KEYWORD_LETTERS}
    letters.update(letter for letter, bit in FLAG_LETTERS.items() if flags & bit)
    letters.update(keywords)
    return "".join(sorted(letters)) + comma + rest


# -- new names


class NameMaker:
    """Bases that no other delivery makes: `seconds.MmicrosecondsPpid.host`, the microsecond never used twice."""

    __slots__ = ("_clock", "_host", "_last", "_lock", "_pid")

    def __init__(self, host: str, pid: int, clock: Callable[[], int] = time.time_ns) -> None:
        self._host = escape_host(host)
        self._pid = pid
        self._clock = clock
        self._last = 0
        self._lock = threading.Lock()

    def make(self) -> str:
        """The next base. The clock may stand still or go back, the names do not."""
        (name,) = self.make_many(1)
        return name

    def make_many(self, count: int) -> list[str]:
        """The next bases, in the order of their times."""
        with self._lock:
            first = max(self._clock() // 1000, self._last + 1)
            self._last = first + count - 1
        tail = f"P{self._pid}.{self._host}"
        return [f"{at // 1_000_000}.M{at % 1_000_000}{tail}" for at in range(first, first + count)]


def escape_host(host: str) -> str:
    r"""The host as it may stand in a base: "/" is \057, ":" is \072, "," is \054."""
    return host.replace("/", "\\057").replace(":", "\\072").replace(",", "\\054")


# -- Maildir++ folders


def folder_name(parts: Sequence[str], *, utf8: bool = False) -> str:
    """The folder of a mailbox below the Maildir: `.A.B` in modified UTF-7 (with `utf8`, Dovecot's option, as it is).

    `parts` are the levels of the name; none at all is the INBOX, the Maildir itself. MailError(CANNOT) for a name that
    cannot be a folder.
    """
    encoded = [part if utf8 else _encoded(part) for part in parts]
    for part, text in zip(parts, encoded, strict=True):
        if not part:
            raise MailError(Kind.CANNOT, "A mailbox name must not begin or end with a separator, nor have two together")
        if set(part) & {"/", ".", "\0", "\n", "\r"}:
            raise MailError(Kind.CANNOT, f"Character not allowed in mailbox name: {_first_forbidden(part)}")
        if text.startswith("~"):
            raise MailError(Kind.CANNOT, "A mailbox name must not begin with ~")
    name = "".join("." + text for text in encoded)
    if len(os.fsencode(name)) > MAX_NAME:
        raise MailError(Kind.CANNOT, "Mailbox name too long")
    return name


def folder_parts(folder: str, *, utf8: bool = False) -> tuple[str, ...] | None:
    """The levels of the mailbox that a folder is, None when it is none (no name, or not in the one right encoding)."""
    if not folder.startswith("."):
        return None
    parts = folder[1:].split(".")
    if "" in parts:
        return None
    try:
        return tuple(parts) if utf8 else tuple(mutf7.decode(part.encode("ascii")) for part in parts)
    except ValueError:
        return None


def _encoded(part: str) -> str:
    try:
        return mutf7.encode(part).decode("ascii")
    except ValueError as error:
        raise MailError(Kind.CANNOT, "Mailbox name is not valid Unicode", str(error)) from error


def _first_forbidden(part: str) -> str:
    return next(repr(char)[1:-1] for char in part if char in "/.\0\n\r")
