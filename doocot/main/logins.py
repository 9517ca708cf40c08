"""Who is logged in, over all workers: what `who` and `kick` work on, and what `mail_max_userip_connections` counts."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Login:
    """One session of a user. `key` is its number in its worker."""

    worker: int
    key: int
    user: str
    service: str
    remote_ip: str
    pid: int
    since: float


class Logins:
    """The table; a worker reports each login before its client is answered, and its end."""

    __slots__ = ("_counts", "_rows")

    def __init__(self) -> None:
        self._rows: dict[tuple[int, int], Login] = {}
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def enter(self, login: Login, limit: int = 0) -> bool:
        """Admit a login, unless the user has `limit` sessions of this service from this address already."""
        counted = (login.user, login.service, login.remote_ip)
        if limit and self._counts[counted] >= limit:
            return False
        self._rows[login.worker, login.key] = login
        self._counts[counted] += 1
        return True

    def leave(self, worker: int, key: int) -> None:
        """A session has ended; harmless when it was not there."""
        login = self._rows.pop((worker, key), None)
        if login is not None:
            counted = (login.user, login.service, login.remote_ip)
            self._counts[counted] -= 1
            if not self._counts[counted]:
                del self._counts[counted]

    def worker_died(self, worker: int) -> None:
        """All its sessions have ended."""
        for login in [row for row in self._rows.values() if row.worker == worker]:
            self.leave(login.worker, login.key)

    def find(self, user: str = "", remote_ip: str = "") -> Iterator[Login]:
        """The sessions of a user, from an address, or both; "" is any."""
        for login in tuple(self._rows.values()):
            if (not user or login.user == user) and (not remote_ip or login.remote_ip == remote_ip):
                yield login

    def __len__(self) -> int:
        return len(self._rows)


def new_login(worker: int, key: int, user: str, service: str, remote_ip: str, pid: int) -> Login:
    """A login that happens now."""
    return Login(worker, key, user, service, remote_ip, pid, time.time())
