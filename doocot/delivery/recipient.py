"""Whose mail it is: the user and the detail in a recipient's address, RFC 5233 §1 (`user+detail@domain`)."""

from dataclasses import dataclass

from doocot.auth.types import User
from doocot.wire.smtp import Address


@dataclass(frozen=True, slots=True)
class Recipient:
    """One accepted recipient. `original` is what he was before aliases changed it (DSN's ORCPT, `-a` of the LDA)."""

    user: User
    address: Address
    detail: str = ""
    original: str = ""


def split_detail(address: Address, recipient_delimiter: str) -> tuple[str, str]:
    """The name to look up, and the detail behind the first of the delimiter characters ("" when there is none).

    A local part that begins with the delimiter has no user in front of it and is looked up as it is.
    """
    local = address.local
    cut = min((at for at in map(local.find, recipient_delimiter) if at > 0), default=0)
    if not cut:
        return address.plain, ""
    user = local[:cut]
    return f"{user}@{address.domain}" if address.domain else user, local[cut + 1 :]
