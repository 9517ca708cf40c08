"""The names of the server's own sockets in base_dir."""

from typing import Final

CONTROL: Final = "control"  # doocot stop, reload, who ...: root and the user of the server
LOOKUP: Final = "auth-lookup"  # the auth process; Dovecot's auth-userdb speaks another protocol
WAKEUP: Final = "wakeup"  # "mail has changed", from anybody
