"""The extensions that are silent until a client says ENABLE (RFC 5161 §2), and what a session asks about them.

One row is all that an extension needs to be enabled and advertised. What it changes stands where the thing is done, and
asks here: `rev2`, `uid_only`, `tells_uids`, `mode`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from doocot.imap.session import ImapSession

CONDSTORE: Final = b"CONDSTORE"
QRESYNC: Final = b"QRESYNC"
REV2: Final = b"IMAP4REV2"
UTF8_ACCEPT: Final = b"UTF8=ACCEPT"
UIDONLY: Final = b"UIDONLY"
METADATA: Final = b"METADATA"


@dataclass(frozen=True, slots=True)
class Extension:
    """One row: its capability, what is enabled with it, and whether mailbox names are in UTF-8 from then on.

    `always`: the capability is told before login as well; `configured`: only where the settings say so.
    """

    capability: bytes
    brings: tuple[bytes, ...] = ()
    utf8: bool = False
    always: bool = False
    configured: bool = False


def _by_name(*rows: Extension) -> Mapping[bytes, Extension]:
    return MappingProxyType({row.capability.upper(): row for row in rows})


# By name in capitals, which is also what `session.enabled` holds.
EXTENSIONS: Final = _by_name(
    Extension(b"IMAP4rev2", utf8=True, always=True),  # RFC 9051 §6.3.1, §7.2.2
    Extension(b"CONDSTORE"),  # RFC 7162 §3.1
    Extension(b"QRESYNC", brings=(CONDSTORE,)),  # RFC 7162 §3.2.3
    Extension(b"UTF8=ACCEPT", utf8=True),  # RFC 6855 §3
    Extension(b"UIDONLY"),  # RFC 9586 §3
    Extension(b"METADATA", configured=True),  # RFC 5464 §4.4.2
)


def enable(session: "ImapSession", names: Iterable[bytes]) -> list[bytes]:
    """Turns on those of the names that can be and were not yet; their capabilities, in the order of the names."""
    new = [name for name in dict.fromkeys(names) if name in EXTENSIONS and name not in session.enabled]
    if session.context.metadata is None:
        new = [name for name in new if name != METADATA]
    for name in new:
        session.enabled.update((name, *EXTENSIONS[name].brings))
        session.utf8 |= EXTENSIONS[name].utf8
    return [EXTENSIONS[name].capability for name in new]


def rev2(session: "ImapSession") -> bool:
    """Whether the client speaks IMAP4rev2 (RFC 9051)."""
    return REV2 in session.enabled


def uid_only(session: "ImapSession") -> bool:
    """Whether messages have no sequence numbers for this client (RFC 9586 §3)."""
    return UIDONLY in session.enabled


class Mode(NamedTuple):
    """How FETCH responses are worded for a client."""

    uid_only: bool = False
    rev2: bool = False
    utf8: bool = False


def mode(session: "ImapSession") -> Mode:
    """The mode that a session is in now."""
    return Mode(uid_only(session), rev2(session), session.utf8)


def tells_uids(session: "ImapSession") -> bool:
    """Whether a FETCH response that nobody asked for says the UID (RFC 7162 §3.2.4, RFC 9051 §7.5.2, RFC 5465 §5.1)."""
    return QRESYNC in session.enabled or REV2 in session.enabled or session.notify is not None
