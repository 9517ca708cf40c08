"""The commands of LMTP: one table, joined from the rows of the files that implement them."""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

from doocot.lmtp import data, envelope, hello, xclient
from doocot.lmtp.conversation import Command

_ROWS: Final = (*hello.ROWS, *envelope.ROWS, *data.ROWS, *xclient.ROWS)
_HELP: Final = Command(b"HELP", partial(hello.help_, {row.name: row.syntax for row in _ROWS}), "HELP [command]")

COMMANDS: Final[Mapping[bytes, Command]] = MappingProxyType({row.name: row for row in (*_ROWS, _HELP)})
