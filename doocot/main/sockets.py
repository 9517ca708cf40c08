"""The listening sockets that the supervisor holds for its workers, over their deaths and over reloads."""

import errno
import os
import socket
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from doocot.main.plan import Listening
from doocot.net.listener import Address, ListenError, bind, is_bound_to

# An MTA keeps few connections, for long: the kernel would spread them by chance, and one worker have most of them. Of a
# socket that all share the worker that is free takes the next. (For thousands of clients chance is fair, and nobody but
# the one who shall serve is woken.)
SHARED: Final = ("lmtp",)


class Sockets:
    """For each listener one socket per worker that serves it, or one that all share (those of SHARED protocols, paths,
    and sockets that systemd opened). `serving` gives the numbers of these workers by protocol.
    """

    __slots__ = ("_inherited", "_open", "_serving")

    def __init__(self, serving: Callable[[str], range], inherited: Sequence[socket.socket] = ()) -> None:
        self._serving = serving
        self._inherited = tuple(inherited)
        self._open: dict[Listening, list[socket.socket]] = {}

    def open(self, listening: Iterable[Listening], optional: Iterable[Listening] = ()) -> list[str]:
        """Bind what is not bound yet; when one cannot be, none of the new ones stays. Gives what was left out."""
        may_fail = set(optional)
        new: list[Listening] = []
        left_out: list[str] = []
        try:
            for each in listening:
                if each in self._open:
                    continue
                try:
                    self._open[each] = self._bind(each)
                    new.append(each)
                except ListenError as error:
                    cause = error.__cause__
                    absent = isinstance(cause, OSError) and cause.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
                    if not (absent and each in may_fail):
                        raise
                    left_out.append(str(error))
        except ListenError:
            for each in new:
                self._close(each)
            raise
        return left_out

    def keep(self, listening: Iterable[Listening]) -> None:
        """Close all others."""
        for each in self._open.keys() - set(listening):
            self._close(each)

    def of_worker(self, number: int) -> tuple[tuple[Listening, ...], list[int]]:
        """What worker `number` listens on, and the descriptors for it, in the same order."""
        mine = tuple(each for each in self._open if number in self._serving(each.protocol))
        return mine, [self._open[each][number % len(self._open[each])].fileno() for each in mine]

    def addresses(self) -> list[tuple[Listening, str]]:
        """Where each listens; with port 0 in the settings the port that the kernel gave."""
        return [(each, _shown(each, sockets[0])) for each, sockets in self._open.items()]

    def unused(self) -> list[str]:
        """Sockets that systemd has opened and no listener wants."""
        wanted = [listening.address for listening in self._open]
        return [
            str(sock.getsockname())
            for sock in self._inherited
            if not any(is_bound_to(sock, address) for address in wanted)
        ]

    def close(self) -> None:
        """Close everything."""
        self.keep(())

    def _bind(self, listening: Listening) -> list[socket.socket]:
        address = listening.address
        for sock in self._inherited:
            if is_bound_to(sock, address):
                return [sock.dup()]
        if address.path:
            Path(address.path).parent.mkdir(parents=True, exist_ok=True)
        return bind(address, 1 if listening.protocol in SHARED else len(self._serving(listening.protocol)))

    def _close(self, listening: Listening) -> None:
        for sock in self._open.pop(listening):
            sock.close()
        path = listening.address.path
        if path and not any(is_bound_to(sock, listening.address) for sock in self._inherited):
            try:
                os.unlink(path)
            except OSError:  # somebody else's by now, or gone
                return


def _shown(listening: Listening, sock: socket.socket) -> str:
    if listening.address.path:
        return listening.address.path
    return str(Address(listening.address.host, sock.getsockname()[1]))
