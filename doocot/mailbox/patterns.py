"""LIST patterns (RFC 3501 §6.3.8): `*` is anything, `%` is anything within one level of the hierarchy.

A pattern with one wildcard is a regular expression. With more of them that could take time that grows with a power of
the name's length, so all places that the pattern can have reached are followed at once, as bits of a number.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Final, TypeAlias

_WILDCARDS: Final = re.compile(r"([%*])")
_SEVERAL: Final = re.compile(r"[%*]*\*[%*]*|%+")
INBOX: Final = "INBOX"

Fits: TypeAlias = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern, compiled. `literal` is what stands before its first wildcard."""

    text: str
    literal: str
    ends_in_level: bool  # with `%`: it shows parents of what it does not fit
    fits: Fits
    fits_inbox: Fits
    fits_below_inbox: Fits

    def matches(self, name: str, separator: str) -> bool:
        """Whether it fits the name. The INBOX in a name fits in any case (RFC 3501 §5.1)."""
        if name[:5] == INBOX:
            if len(name) == 5:
                return bool(self.fits_inbox(name))
            if name[5] == separator:
                return bool(self.fits_below_inbox(name))
        return bool(self.fits(name))


@lru_cache(maxsize=1024)
def compiled(text: str, separator: str) -> Pattern:
    """Compiles reference and pattern, put together."""
    literal = _WILDCARDS.split(text, 1)[0]
    head = literal[:5].upper()
    below = head + text[len(head) :] if INBOX.startswith(head) else text
    fits_inbox = _fits(text.upper(), separator)
    return Pattern(text, literal, text.endswith("%"), _fits(text, separator), fits_inbox, _fits(below, separator))


def _fits(text: str, separator: str) -> Fits:
    tokens = [token for token in _WILDCARDS.split(_SEVERAL.sub(_one, text)) if token]
    if sum(token in "%*" for token in tokens) <= 1:
        level = f"[^{re.escape(separator)}]*"
        parts = [".*" if token == "*" else level if token == "%" else re.escape(token) for token in tokens]
        return re.compile("".join(parts), re.DOTALL).fullmatch
    return partial(_reaches_end, tuple(tokens), separator)


def _one(found: re.Match[str]) -> str:
    return "*" if "*" in found[0] else "%"


def _reaches_end(tokens: tuple[str, ...], separator: str, name: str) -> bool:
    """Bit p of `reached` says that the tokens so far fit name[:p]."""
    reached, end = 1, len(name)
    for token in tokens:
        if token == "*":
            reached = (1 << end + 1) - (reached & -reached)
        elif token == "%":
            reached = _spread(reached, separator, name)
        else:
            after, at = 0, name.find(token)
            while at >= 0:
                if reached >> at & 1:
                    after |= 1 << at + len(token)
                at = name.find(token, at + 1)
            reached = after
        if not reached:
            return False
    return bool(reached >> end & 1)


def _spread(reached: int, separator: str, name: str) -> int:
    """From each reached place to the next separator."""
    result, start = 0, 0
    while start <= len(name):
        end = name.find(separator, start)
        end = len(name) if end < 0 else end
        inside = reached >> start & (1 << end - start + 1) - 1
        if inside:
            result |= ((1 << end - start + 1) - (inside & -inside)) << start
        start = end + 1
    return result
