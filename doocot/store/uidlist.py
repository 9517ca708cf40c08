"""`dovecot-uidlist`: which UID each message of a Maildir has; version 3 read and written, version 1 read.

    3 V<uidvalidity> N<next uid> G<mailbox guid>[ further fields]
    <uid>[ W<virtual size>][ P<pop3 uidl>][ further fields] :<base name>

1. The file is written only under `dovecot-uidlist.lock`.
2. It is replaced by rename, or rows with higher UIDs are appended to it. A reader tells these apart as Dovecot does:
   another inode is a new file, a larger size is appended rows. A last line without its line feed is a torn append: it
   does not count, and the next writer replaces the file.
3. The next UID is the larger of N and the last UID plus one. An append leaves N as it is. So N may run ahead (UIDs that
   are reserved), and Dovecot gives out none below it.
4. UIDs ascend; when a base name comes twice (a message moved back after it was expunged), the later row counts.
5. Header and row fields that nobody here knows are kept.

On disk at each step of a replacement: old file and lock; also `dovecot-uidlist.tmp` in parts, then whole; after the
rename the new file and the lock; after the release the new file. A crash leaves the old or the new file whole, a lock
whose process is gone, and perhaps a temporary file that the next writer removes.
"""

import operator
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from doocot.errors import Kind, MailError
from doocot.store.dotlock import Dotlock, require_held
from doocot.store.files import PRIVATE, Files, Modes
from doocot.store.maildir_names import split_pairs

FILE_NAME = "dovecot-uidlist"
VERSION = 3
MAX_UID = (1 << 32) - 2  # Dovecot keeps the highest number for itself

# Between UID with row fields and file name. A field cannot begin with a colon, so the first of these is the right one.
SEPARATOR = " :"
SEPARATOR_1 = " "

VALIDITY_NAME = "dovecot-uidvalidity"
VALIDITY_TRIES = 100

_VALIDITY = re.compile(r"dovecot-uidvalidity\.[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Signature:
    """Which state of the file this is, to see whether it was replaced or appended to."""

    device: int
    inode: int
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class UidList:
    """The content of one file as columns; `fields` holds the further fields of a row by UID, `further` the header's."""

    uid_validity: int
    next_uid: int
    guid: str = ""
    uids: list[int] = field(default_factory=list)
    bases: list[str] = field(default_factory=list)
    fields: Mapping[int, str] = field(default_factory=dict)
    further: str = ""
    rewrite: bool = False  # the file must be replaced, not appended to, at the next change
    signature: Signature | None = None


def path_in(folder: str) -> str:
    """The file's path in the control folder of a mailbox."""
    return os.path.join(folder, FILE_NAME)


def read(files: Files, folder: str, before: UidList | None = None) -> UidList | None:
    """The file of this folder, None when there is none; only what is new is parsed when `before` still holds.

    MailError(CORRUPTION) with path and line when it is damaged: its UIDs are then not to be believed.
    """
    path = path_in(folder)
    try:
        fd = files.open(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        signature = _signature(files.fstat(fd))
        seen = before.signature if before is not None else None
        if before is not None and seen == signature:
            return before
        if before is not None and seen is not None and _grown(seen, signature) and not before.rewrite:
            data = files.pread(fd, signature.size - seen.size, seen.size)
            return _merge(before, path, os.fsdecode(data), signature)
        text = os.fsdecode(files.pread(fd, signature.size, 0))
    finally:
        files.close(fd)
    return replace(parse(text, path), signature=signature)


def parse(text: str, path: str = FILE_NAME) -> UidList:
    """The content of a whole file. An empty file is damaged too: a crash may leave one where nothing was synced."""
    header = text[: text.find("\n")] if "\n" in text else text
    version, _, rest = header.partition(" ")
    if version == "3":
        known, separator = _header(rest, path), SEPARATOR
    elif version == "1":
        known, separator = _header_1(rest, path), SEPARATOR_1
    else:
        raise _damaged(path, 1, f"version {version!r} is neither 1 nor 3")
    rows = _rows(text[len(header) + 1 : text.rfind("\n") + 1], path, separator, first_line=2)
    return _with_rows(known, rows, torn=not text.endswith("\n"))


def _header(rest: str, path: str) -> UidList:
    fields = rest.split()
    values = {part[0]: part[1:] for part in fields}
    further = " ".join(part for part in fields if part[0] not in "VNG")
    guid = values.get("G", "")
    if guid and not re.fullmatch("[0-9a-fA-F]{32}", guid):
        raise _damaged(path, 1, f"the mailbox GUID {guid!r} is not 32 hexadecimal digits")
    uid_validity, next_uid = (_number(values.get(key, "")) for key in "VN")
    return _checked(UidList(uid_validity, next_uid, guid.lower(), further=further), path)


def _header_1(rest: str, path: str) -> UidList:
    numbers = [_number(part) for part in rest.split()]
    if len(numbers) < 2:
        raise _damaged(path, 1, "UIDVALIDITY or next UID is missing")
    # Version 1 has no place for row fields, so no row may be appended to it.
    return _checked(UidList(numbers[0], numbers[1], rewrite=True), path)


def _number(text: str) -> int:
    return int(text) if _is_uid(text) else 0


def _checked(known: UidList, path: str) -> UidList:
    if not 0 < known.uid_validity <= MAX_UID + 1 or not 0 < known.next_uid <= MAX_UID + 1:
        raise _damaged(path, 1, "UIDVALIDITY or next UID is zero or missing")
    return known


@dataclass(frozen=True, slots=True)
class _Rows:
    uids: list[int]
    bases: list[str]
    fields: dict[int, str]


def _rows(body: str, path: str, separator: str, first_line: int) -> _Rows:
    """The rows of whole lines (without a torn append), checked: UIDs ascend, no base leads into another folder."""
    heads, bases = split_pairs(body, ":", separator, "\n") or _split_rows(body, separator)
    fields: dict[int, str] = {}
    if not _are_uids(heads):
        split = [head.partition(" ") for head in heads]
        heads = [part[0] for part in split]
        fields = {int(uid): text.strip(" ") for uid, _, text in split if text and _is_uid(uid)}
        if not _are_uids(heads):
            raise _damaged(path, first_line + list(map(_is_uid, heads)).index(False), "it does not begin with a UID")
    if "" in bases:
        raise _damaged(path, first_line + bases.index(""), "it has no file name")
    uids = list(map(int, heads))
    if uids and not (uids[0] > 0 and uids[-1] <= MAX_UID and all(map(operator.lt, uids, islice(uids, 1, None)))):
        line = next(n for n, uid in enumerate(uids) if not (uids[n - 1] if n else 0) < uid <= MAX_UID)
        raise _damaged(path, first_line + line, f"UID {uids[line]} does not follow the UID before it")
    if "/" in body:
        for line, base in enumerate(bases):
            if "/" in base:
                raise _damaged(path, first_line + line, "the file name has a slash")
    return _Rows(uids, bases, {uid: text for uid, text in fields.items() if text})


def _split_rows(body: str, separator: str) -> tuple[list[str], list[str]]:
    """As `split_pairs`, for rows of any form."""
    parts = [line.partition(separator) for line in body.split("\n")[:-1]]
    return [part[0] for part in parts], [part[2] for part in parts]


def _is_uid(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10


def _are_uids(texts: Sequence[str]) -> bool:
    """Whether `_is_uid` is true of each; for many thousands, a tenth of the time."""
    digits = "".join(texts)
    return not texts or (digits.isascii() and digits.isdigit() and "" not in texts and max(map(len, texts)) <= 10)


def _with_rows(known: UidList, rows: _Rows, torn: bool) -> UidList:
    """Rule 3 and rule 4."""
    uids, bases, fields = rows.uids, rows.bases, rows.fields
    next_uid = max(known.next_uid, uids[-1] + 1 if uids else 1)
    rewrite = known.rewrite or torn
    if len(set(bases)) != len(bases):
        last = dict(zip(bases, uids, strict=True))
        kept = [(uid, base) for uid, base in zip(uids, bases, strict=True) if last[base] == uid]
        uids, bases = [uid for uid, _ in kept], [base for _, base in kept]
        rewrite = True
    return replace(known, next_uid=next_uid, uids=uids, bases=bases, fields=fields, rewrite=rewrite)


def _merge(before: UidList, path: str, text: str, signature: Signature) -> UidList:
    rows = _rows(text[: text.rfind("\n") + 1], path, SEPARATOR, first_line=len(before.uids) + 2)
    # A process that read the file before an append may repeat rows; what we have already stands.
    last = before.uids[-1] if before.uids else 0
    start = next((n for n, uid in enumerate(rows.uids) if uid > last), len(rows.uids))
    joined = _Rows(
        before.uids + rows.uids[start:],
        before.bases + rows.bases[start:],
        {**before.fields, **{uid: text for uid, text in rows.fields.items() if uid > last}},
    )
    return replace(_with_rows(before, joined, torn=not text.endswith("\n")), signature=signature)


def _damaged(path: str, line: int, what: str) -> MailError:
    return MailError(Kind.CORRUPTION, "The mailbox's list of UIDs is damaged", f"{path} line {line}: {what}")


def _signature(stat: os.stat_result) -> Signature:
    return Signature(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns)


def signature(files: Files, folder: str) -> Signature | None:
    """The state of the file by one stat, None when there is none."""
    stat = files.stat(path_in(folder))
    return _signature(stat) if stat is not None else None


def _grown(seen: Signature, now: Signature) -> bool:
    return (seen.device, seen.inode) == (now.device, now.inode) and seen.size < now.size


# -- writing


def format_rows(uids: Sequence[int], bases: Sequence[str], fields: Mapping[int, str]) -> str:
    """Rows as they stand in the file. ValueError for a base with a line feed, which must not get so far."""
    get = fields.get
    if fields:
        lines = [
            f"{uid} {text} :{base}\n" if (text := get(uid)) else f"{uid} :{base}\n"
            for uid, base in zip(uids, bases, strict=True)
        ]
    else:
        lines = list(map("%d :%s\n".__mod__, zip(uids, bases, strict=True)))
    rows = "".join(lines)
    if rows.count("\n") != len(lines):
        raise ValueError("a file name with a line feed cannot be listed (Dovecot leaves such files alone)")
    return rows


def format_file(content: UidList) -> str:
    """The whole file in version 3."""
    # Without a GUID the field is left out: Dovecot takes the file and gives it one, but an empty field is damage to it.
    guid = f" G{content.guid}" if content.guid else ""
    further = f" {content.further}" if content.further else ""
    header = f"{VERSION} V{content.uid_validity} N{content.next_uid}{guid}{further}\n"
    return header + format_rows(content.uids, content.bases, content.fields)


def write(files: Files, folder: str, content: UidList, lock: Dotlock, modes: Modes = PRIVATE) -> UidList:
    """Replace the file; `lock` is the one of this file. What is returned carries the signature of the new file."""
    path = path_in(folder)
    data = os.fsencode(format_file(content))
    temporary = path + ".tmp"
    files.replace_file(path, [data], temporary, modes, check=_still_locked(files, lock))
    stat = files.stat(path)
    return replace(content, rewrite=False, signature=_signature(stat) if stat is not None else None)


def is_torn(files: Files, folder: str) -> bool:
    """Whether the last line of the file has no end: nothing may be put behind it."""
    path = path_in(folder)
    stat = files.stat(path)
    if stat is None or not stat.st_size:
        return False
    fd = files.open(path)
    try:
        return files.pread(fd, 1, stat.st_size - 1) != b"\n"
    finally:
        files.close(fd)


def append(
    files: Files, folder: str, content: UidList, uids: Sequence[int], bases: Sequence[str], lock: Dotlock
) -> UidList:
    """Add rows to the file that `content` was read from under this lock; their UIDs follow all that are there.

    A write that fails half way is cut off again; where even that fails, the torn line does not count (rule 2).
    """
    seen = content.signature
    if content.rewrite or seen is None or signature(files, folder) != seen:
        raise MailError(
            Kind.SERVER_BUG, "Internal error", f"{path_in(folder)} changed since it was read under its lock"
        )
    path = path_in(folder)
    data = os.fsencode(format_rows(uids, bases, {}))
    fd = files.open(path, os.O_RDWR)
    try:
        require_held(files, lock)
        try:
            files.pwrite(fd, data, seen.size)
            files.sync(fd)
        except OSError:
            files.truncate(fd, seen.size)
            raise
        now = _signature(files.fstat(fd))
    finally:
        files.close(fd)
    next_uid = max(content.next_uid, uids[-1] + 1 if uids else 1)
    return replace(
        content, next_uid=next_uid, uids=content.uids + list(uids), bases=content.bases + list(bases), signature=now
    )


def _still_locked(files: Files, lock: Dotlock) -> Callable[[], None]:
    return lambda: require_held(files, lock)


# -- row fields


# -- UIDVALIDITY of new mailboxes


def next_uid_validity(files: Files, root: str, now: int) -> int:
    """A UIDVALIDITY that no mailbox below `root` ever had, taken from Dovecot's counter there.

    The counter is the name of an empty file, `dovecot-uidvalidity.<8 hex digits>`: rename gives a value to one taker
    only. `dovecot-uidvalidity` repeats the value, so that Dovecot need not list the folder. With no counter yet it
    starts at `now`, in seconds.
    """
    path = os.path.join(root, VALIDITY_NAME)
    for _ in range(VALIDITY_TRIES):
        taken = sorted(int(name[-8:], 16) for name in files.names(root) if _VALIDITY.fullmatch(name))
        value = taken[-1] + 1 if taken else now
        if not 0 < value <= MAX_UID:
            raise MailError(Kind.CORRUPTION, "No mailbox can be created", f"{path}.{value - 1:08x} is out of range")
        try:
            if taken:
                files.rename(f"{path}.{taken[-1]:08x}", f"{path}.{value:08x}")
            else:
                files.close(files.create(f"{path}.{value:08x}", Modes(0o444)))
        except (FileNotFoundError, FileExistsError):
            continue  # somebody else has just taken it
        for old in taken[:-1]:
            files.unlink(f"{path}.{old:08x}")
        files.sync_folder(root)
        files.replace_file(path, [b"%08x" % value], f"{path}.tmp.{value:08x}", files.modes_in(root), optional=True)
        return value
    raise MailError(Kind.IN_USE, "Timeout while waiting for lock", f"{path} changes all the time")
