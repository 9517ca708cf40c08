"""COMPARATOR (RFC 5255 §4.7): by what SEARCH, SORT and THREAD of this session compare texts."""

from typing import TYPE_CHECKING, Final

from doocot.imap.command import No, Ok, Result, State, command
from doocot.message.collation import COLLATIONS, UNICODE_CASEMAP, Collation
from doocot.wire.cursor import BadSyntax, Cursor
from doocot.wire.respond import astring

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

MAX_ORDERS: Final = 100


def parse_orders(c: Cursor) -> list[bytes]:
    """`comparator-cmd = "COMPARATOR" *(SP comp-order-quoted)` (RFC 5255 §4.10)."""
    orders = []
    while c.try_sp() and not c.at_end():
        orders.append(c.astring())
        if len(orders) > MAX_ORDERS:
            raise BadSyntax(f"there are more than {MAX_ORDERS} comparators", c.position)
    return orders


@command("COMPARATOR", state=State.LOGGED_IN, parse=parse_orders)
def comparator(session: "ImapSession", orders: list[bytes], by_uid: bool) -> Result:
    """Without an order it tells the active comparator; with some, the first that is there becomes that."""
    matching = list(dict.fromkeys(one for order in orders for one in _matching(order)))
    if orders and not matching:
        raise No(b"No such comparator", b"BADCOMPARATOR")
    if matching:
        session.collation = matching[0]
    data = b"* COMPARATOR " + astring(session.collation.name)
    if len(matching) > 1:
        data += b" (%b)" % b" ".join([astring(one.name) for one in matching])
    return Ok(b"Comparator completed.", data=data + b"\r\n")


def _matching(order: bytes) -> list[Collation]:
    """RFC 4790 §3.2 `collation-order`: a name with `*` for any octets; `+` before it asks for the order as it is."""
    if order == b"default":
        return [UNICODE_CASEMAP]
    return [one for one in COLLATIONS if _fits(order.removeprefix(b"+").lower(), one.name)]


def _fits(pattern: bytes, name: bytes) -> bool:
    """Whether the name is the pattern, with any octets for each `*`."""
    first, *others = pattern.split(b"*")
    if not others:
        return pattern == name
    at = len(first) if name.startswith(first) else -1
    for part in others[:-1]:
        if at >= 0 and (at := name.find(part, at)) >= 0:
            at += len(part)
    return 0 <= at <= len(name) - len(others[-1]) and name.endswith(others[-1])
