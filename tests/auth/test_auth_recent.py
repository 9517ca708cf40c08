"""Users that were found a moment ago."""

import asyncio

from doocot.auth import recent
from doocot.auth.recent import RecentUsers
from doocot.auth.types import User
from doocot.wire.flow import Job


class Userdb:
    """Answers by a Job, as the auth process does, and counts."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.users = {"ann"}
        self.now = 0.0

    def ask(self, name: str) -> Job:
        self.asked.append(name)

        async def answer() -> User | None:
            return User(name) if name in self.users else None

        return Job(answer, awaited=True)


async def found(users: RecentUsers, name: str) -> User | None:
    answer = users.lookup(name)
    if not isinstance(answer, Job):
        return answer
    user: User | None = await answer.call()
    await asyncio.sleep(0)
    return user


def test_a_user_is_asked_for_once_in_a_while() -> None:
    async def run() -> None:
        userdb = Userdb()
        users = RecentUsers(userdb.ask, lambda: userdb.now)
        assert [await found(users, "ann") for _ in range(3)] == [User("ann")] * 3
        assert userdb.asked == ["ann"]
        userdb.now = recent.KEPT
        await found(users, "ann")
        assert userdb.asked == ["ann", "ann"]

    asyncio.run(run())


def test_that_there_is_nobody_is_not_remembered() -> None:
    async def run() -> None:
        userdb = Userdb()
        users = RecentUsers(userdb.ask, lambda: userdb.now)
        assert await found(users, "bob") is None
        userdb.users.add("bob")
        assert await found(users, "bob") == User("bob")

    asyncio.run(run())


def test_no_more_are_kept_than_allowed() -> None:
    async def run() -> None:
        userdb = Userdb()
        userdb.users = {str(number) for number in range(recent.MOST + 1)}
        users = RecentUsers(userdb.ask, lambda: userdb.now)
        for name in sorted(userdb.users):
            await found(users, name)
        assert len(users._found) == 1

    asyncio.run(run())
