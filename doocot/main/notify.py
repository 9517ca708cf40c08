"""Telling systemd how the server is doing (sd_notify(3)); nothing happens when systemd did not start it."""

import os
import socket
import time
from collections.abc import Mapping


class Notifier:
    """The socket named by NOTIFY_SOCKET, which is taken out of the environment so that no child speaks for us."""

    __slots__ = ("_address",)

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def ready(self, status: str) -> None:
        """Serving."""
        self._send(f"READY=1\nSTATUS={status}\nMAINPID={os.getpid()}")

    def reloading(self) -> None:
        """Reading the configuration again; `ready` follows. systemd wants the time of a monotonic clock with it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Going down."""
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            try:
                sock.sendto(text.encode(), self._address)
            except OSError:  # systemd will notice by itself that it hears nothing
                return
