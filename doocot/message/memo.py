"""A cache for parsers of header values which one long value, or many, cannot make large."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

T = TypeVar("T")

LONGEST = 512


def remembered(size: int) -> Callable[[Callable[[bytes], T]], Callable[[bytes], T]]:
    """Remembers the results of the last `size` values no longer than LONGEST octets."""

    def around(parse: Callable[[bytes], T]) -> Callable[[bytes], T]:
        cached = lru_cache(maxsize=size)(parse)

        @wraps(parse)
        def looked_up(value: bytes) -> T:
            return cached(value) if len(value) <= LONGEST else parse(value)

        return looked_up

    return around
