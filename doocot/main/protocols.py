"""PROTOCOLS: every protocol that a worker serves, by its name in the settings."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from doocot.main.imap import imap
from doocot.main.lmtp import lmtp
from doocot.main.services import ProtocolRow

PROTOCOLS: Final[Mapping[str, ProtocolRow]] = MappingProxyType({"imap": imap, "lmtp": lmtp})
