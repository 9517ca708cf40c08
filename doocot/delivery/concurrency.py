"""How many deliveries to one user run at the same time: lmtp_user_concurrency_limit."""


class Concurrency:
    """The count of one worker. `limit` 0 means none."""

    __slots__ = ("_limit", "_running")

    def __init__(self, limit: int = 0) -> None:
        self._limit = limit
        self._running: dict[str, int] = {}

    def enter(self, user: str) -> bool:
        """Count one more delivery, or say that there are too many already."""
        running = self._running.get(user, 0)
        if self._limit and running >= self._limit:
            return False
        self._running[user] = running + 1
        return True

    def leave(self, user: str) -> None:
        running = self._running[user] - 1
        if running:
            self._running[user] = running
        else:
            del self._running[user]
