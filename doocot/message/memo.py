"""A cache for parsers of header values which one long value, or many, cannot make large."""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LONGEST = 512


class _Memo(dict[bytes, T]):
    """The results of `parse` by value. A full one begins anew: that is cheaper than to know which are the last used."""

    __slots__ = ("parse", "size")

    def __init__(self, parse: Callable[[bytes], T], size: int) -> None:
        self.parse = parse
        self.size = size

    def __missing__(self, value: bytes) -> T:
        result = self.parse(value)
        if len(value) <= LONGEST:
            if len(self) >= self.size:
                self.clear()
            self[value] = result
        return result


def remembered(size: int) -> Callable[[Callable[[bytes], T]], Callable[[bytes], T]]:
    """Remembers the results of at most `size` values no longer than LONGEST octets.

    What is called is the look-up in a dict itself, so that a value that is known costs no call of a Python function.
    """

    def around(parse: Callable[[bytes], T]) -> Callable[[bytes], T]:
        return _Memo(parse, size).__getitem__

    return around
