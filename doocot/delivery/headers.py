"""The lines that a delivery puts in front of a message: Return-Path, Delivered-To and Received; RFC 5321 §4.4.

The forms are those of Dovecot 2.3: Delivered-To and the recipient in Received only when the transaction has a single
recipient, so that nobody learns who else got the message, and all recipients share one head.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from doocot.delivery.recipient import Recipient
from doocot.wire.smtp import NULL_PATH, Address

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Envelope:
    """Where a message comes from and by which way."""

    sender: Address = NULL_PATH
    session_id: str = ""
    helo: str = ""
    remote_ip: str = ""
    protocol: str = "LMTP"  # the words of RFC 3848 and RFC 6531 §4.3: LMTP, LMTPS, UTF8LMTP, UTF8LMTPS
    hostname: str = "localhost"
    time: float = 0.0


def lmtp_head(
    envelope: Envelope, recipients: Sequence[Recipient], received: bool = True, delivery_address: str = "final"
) -> bytes:
    """The lines in front of a message that came by LMTP; like its body they end in LF.

    `delivery_address` is the setting lmtp_hdr_delivery_address: `final`, `original` (else final) or `none`.
    """
    lines = f"Return-Path: <{envelope.sender}>\n"
    single = recipients[0] if len(recipients) == 1 else None
    if single is not None and delivery_address != "none":
        shown = single.original if delivery_address == "original" and single.original else str(single.address)
        lines += f"Delivered-To: {shown}\n"
    if received:
        lines += (
            f"Received: from {envelope.helo or 'unknown'} ([{envelope.remote_ip}])\n"
            f"\tby {envelope.hostname} with {envelope.protocol}\n"
            f"\tid {envelope.session_id}\n"
            f"\t(envelope-from <{envelope.sender}>)"
        )
        if single is not None:
            lines += f"\n\tfor <{single.address}>"
        lines += f"; {date_time(int(envelope.time))}\n"
    return lines.encode()


@lru_cache(maxsize=8)
def date_time(second: int) -> str:
    """`date-time`, RFC 5322 §3.3, in the server's zone. (Mails that arrive in the same second share it.)"""
    at = time.localtime(second)
    sign = "-" if at.tm_gmtoff < 0 else "+"
    hours, minutes = divmod(abs(at.tm_gmtoff) // 60, 60)
    return (
        f"{_DAYS[at.tm_wday]}, {at.tm_mday:02} {_MONTHS[at.tm_mon - 1]} {at.tm_year} "
        f"{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02} {sign}{hours:02}{minutes:02}"
    )
