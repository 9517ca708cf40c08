"""When the loop polls for a quick client, and when it stops."""

import asyncio
from collections.abc import Callable
from time import perf_counter

import pytest
from net_fakes import Client, drive, start

from doocot.net import spin as module
from doocot.net.spin import Spin


class Loop:
    """Turns by hand."""

    def __init__(self) -> None:
        self.ready: list[Callable[[], None]] = []

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.ready.append(callback)

    def turn(self) -> bool:
        """Run what is ready; False when nothing was."""
        now, self.ready = self.ready, []
        for callback in now:
            callback()
        return bool(now)


def test_polls_until_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1, 100))
    monkeypatch.setattr(module, "perf_counter", lambda: float(next(clock)))
    loop = Loop()
    spin = Spin(loop.call_soon, hold=20.0)
    spin.quick(0.0)
    turns = 0
    while loop.turn():
        turns += 1
    assert turns == 21


def test_one_busy_socket_does_not_end_it_but_two_do() -> None:
    loop = Loop()
    spin = Spin(loop.call_soon, hold=60.0)
    spin.quick(perf_counter())
    for _ in range(5):
        spin.ready += 1
        assert loop.turn()
        assert loop.ready
    spin.ready += 2
    loop.turn()
    assert not loop.ready


def test_one_poll_at_a_time() -> None:
    loop = Loop()
    spin = Spin(loop.call_soon, hold=60.0)
    for _ in range(3):
        spin.quick(perf_counter())
    assert len(loop.ready) == 1


@pytest.mark.parametrize(("others", "polls"), [(0, True), (1, False)])
def test_with_more_clients_than_it_shall_have_it_does_not_begin(others: int, polls: bool) -> None:
    class Counting(Spin):
        begun = 0

        def quick(self, now: float) -> None:
            Counting.begun += 1

    async def run() -> None:
        server = await start(spin=True)
        loop = asyncio.get_running_loop()
        server.net.spin = Counting(loop.call_soon, near=60.0, clients=1)
        clients = [await Client.connect(server) for _ in range(1 + others)]
        for _ in range(3):
            assert await clients[0].ask("NOOP") == "ok NOOP"
        assert (Counting.begun > 0) is polls
        for client in clients:
            client.writer.close()

    drive(run)
