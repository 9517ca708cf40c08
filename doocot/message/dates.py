"""Reads the Date header (RFC 5322 §3.3 and §4.3) and writes INTERNALDATE (RFC 3501 §9 date-time)."""

import re
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from doocot.message.tokens import BROKEN, END, Reader

_MONTHS = (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec")
_MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EPOCH = date(1970, 1, 1).toordinal()
_DAY = 86_400
_ZONES = {b"e": -5, b"c": -6, b"m": -7, b"p": -8}

_usual = re.compile(
    rb"[ \t]*(?:[A-Za-z]{3},[ \t]*)?([0-9]{1,2})[ \t]+([A-Za-z]{3})[ \t]+([0-9]{4})[ \t]+"
    rb"([0-9]{2}):([0-9]{2}):([0-9]{2})[ \t]+([+-])([0-9]{2})([0-9]{2})(?=[ \t(]|\Z)"
).match


class SentDate(NamedTuple):
    """When a message says it was sent: seconds since 1970 in UTC, and the zone it says that in, minutes east."""

    timestamp: int
    zone: int

    @property
    def day(self) -> int:
        """Days since 1970 by the sender's own calendar, which SENTON and its like compare (RFC 3501 §6.4.4)."""
        return (self.timestamp + self.zone * 60) // _DAY


def sent_date(value: bytes) -> SentDate | None:
    """The date of a Date header, None for one that no reader would understand."""
    if found := _usual(value):
        day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = found.groups()
        zone = int(zone_hours) * 60 + int(zone_minutes)
        return _sent(int(year), month, int(day), int(hour), int(minute), int(second), -zone if sign == b"-" else zone)
    return _parse(value)


@lru_cache(maxsize=1024)
def _month_start(year: int, month: bytes) -> tuple[int, int] | None:
    """Days since 1970 before the month, and its length."""
    if month not in _MONTHS or not 1900 <= year <= 9998:
        return None
    number = _MONTHS.index(month) + 1
    start = date(year, number, 1).toordinal()
    after = date(year + number // 12, number % 12 + 1, 1).toordinal()
    return start - _EPOCH, after - start


def _sent(year: int, month: bytes, day: int, hour: int, minute: int, second: int, zone: int) -> SentDate | None:
    start = _month_start(year, month[:3].lower())
    if start is None or not 0 < day <= start[1] or hour > 23 or minute > 59 or second > 60:
        return None
    # A leap second belongs to the day it ends.
    seconds = (start[0] + day - 1) * _DAY + hour * 3600 + minute * 60 + min(second, 59)
    return SentDate(seconds - zone * 60, zone)


def _parse(value: bytes) -> SentDate | None:
    """`[day-of-week ","] day month year hour (":" / ".") minute [":" second] [zone]`, tokens apart by CFWS."""
    r = Reader(value)
    r.skip_lwsp()
    day = _word(r)
    if day is not None and len(day) == 3:
        if r.peek() != b",":
            return None
        r.pos += 1
        r.skip_lwsp()
        day = _word(r)
    month, year, hour = _word(r), _word(r), _word(r)
    if day is None or month is None or year is None or hour is None or r.peek() not in (b":", b"."):
        return None
    r.pos += 1
    r.skip_lwsp()
    minute, second = _word(r), b"00"
    if r.peek() in (b":", b"."):
        r.pos += 1
        r.skip_lwsp()
        second = _word(r) or b""
    numbers_fit = _is_number(day, 1, 2) and _is_number(hour, 1, 2) and len(month) >= 3
    if not numbers_fit or minute is None or not _is_number(minute, 2, 2) or not _is_number(second, 2, 2):
        return None
    if not year.isdigit() or len(year) not in (2, 4):
        return None
    zone = _word(r) if r.here() is not END else b""
    if zone is None:
        return None
    full_year = int(year) if len(year) == 4 else int(year) + (2000 if int(year) < 70 else 1900)
    return _sent(full_year, month, int(day), int(hour), int(minute), int(second), _zone(zone))


def _word(r: Reader) -> bytes | None:
    """The next atom, None where there is none or what follows it is broken."""
    outcome = r.read_atom()
    found = r.take()
    return None if outcome is BROKEN else found


def _is_number(word: bytes, least: int, most: int) -> bool:
    return word.isdigit() and least <= len(word) <= most


def _zone(word: bytes) -> int:
    """Minutes east of UTC; a zone nobody knows is UTC, which is wrong by hours but not by days."""
    if len(word) == 5 and word[:1] in b"+-" and word[1:].isdigit():
        minutes = int(word[1:3]) * 60 + int(word[3:])
        return minutes if word[:1] == b"+" else -minutes
    if len(word) == 1 and word.isalpha():
        # Military zones as they were meant, not with the sign that RFC 822 gave them by mistake; J is local time.
        letter = word.upper()[0]
        if letter < ord("J"):
            return (letter - ord("A") + 1) * 60
        if letter == ord("J") or letter == ord("Z"):
            return 0
        return (letter - ord("A")) * 60 if letter <= ord("M") else (ord("M") - letter) * 60
    if len(word) == 3 and word[2:] == b"T" and (hours := _ZONES.get(word[:1].lower())):
        match word[1:2].upper():
            case b"D":
                return (hours + 1) * 60
            case b"S":
                return hours * 60
    return 0


@lru_cache(maxsize=4096)
def _day_text(day: int) -> str:
    when = date.fromordinal(day + _EPOCH)
    return f"{when.day:02d}-{_MONTH_NAMES[when.month - 1]}-{when.year:04d}"


def internal_date(timestamp: int) -> bytes:
    """`date-time` without its quotes, in UTC: `02-Jan-2020 03:04:05 +0000`."""
    day, second = divmod(timestamp, _DAY)
    return b"%b %02d:%02d:%02d +0000" % (_day_text(day).encode(), second // 3600, second // 60 % 60, second % 60)
