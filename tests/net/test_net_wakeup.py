"""The generation page, the datagrams and the longest hold."""

import asyncio
import os
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from net_fakes import drive

from doocot.net.holds import Holds
from doocot.net.wakeup import SLOTS, GenerationPage, Wakeups, create_page, slot_of, slot_width, wakeup_channel


@given(st.lists(st.tuples(st.integers(0, SLOTS - 1), st.integers(0, 8)), max_size=30))
def test_a_bump_is_seen_in_its_slot_only(bumps: list[tuple[int, int]]) -> None:
    fd = create_page(9)
    writers = [GenerationPage(fd, 9, column) for column in range(9)]
    reader = GenerationPage(fd, 9)
    before = {slot: reader.read(slot) for slot in range(0, SLOTS, 97)}
    for slot, column in bumps:
        seen = reader.read(slot)
        writers[column].bump(slot)
        assert reader.read(slot) != seen
    touched = {slot for slot, _ in bumps}
    assert all(reader.read(slot) == seen for slot, seen in before.items() if slot not in touched)
    for page in (*writers, reader):
        page.close()
    os.close(fd)


def test_bump_all_is_seen_everywhere() -> None:
    fd = create_page(2)
    page = GenerationPage(fd, 2, 1)
    before = [page.read(slot) for slot in (0, 1, SLOTS - 1)]
    page.bump_all()
    assert all(a != b for a, b in zip(before, [page.read(slot) for slot in (0, 1, SLOTS - 1)], strict=True))
    page.close()
    os.close(fd)


def test_slots_are_whole_cache_lines_and_spread() -> None:
    assert [slot_width(n) for n in (1, 8, 9, 33)] == [64, 64, 128, 320]
    slots = {slot_of(f"/var/mail/u{n}/Maildir") for n in range(1000)}
    assert len(slots) > 900
    assert slot_of("/a") == slot_of("/a")


def test_wake_up_reaches_every_process_and_a_lost_one_does_no_harm() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        channels = [wakeup_channel() for _ in range(2)]
        senders = [sender for _, sender in channels]
        woken: list[tuple[int, int]] = []
        arrived = asyncio.Event()
        fd = create_page(2)
        both = []
        for number, (receiver, _) in enumerate(channels):
            wakeups = Wakeups(receiver, senders, GenerationPage(fd, 2, number))

            def wake(number: int = number) -> None:
                woken.append((number, 5))
                if len(woken) == 2:
                    arrived.set()

            assert wakeups.waiting.add((5, 6), wake)  # new on the page: it is to look once more
            assert not wakeups.waiting.add((5, 6), wake)
            both.append(wakeups)
        for _ in range(10_000):
            both[0].send(6)  # more than the queues take
        for each in both:
            each.listen(loop)
        while not arrived.is_set():
            both[0].send(5)
            await asyncio.sleep(0)
        assert {number for number, _ in woken} == {0, 1}
        for each in both:
            each.stop(loop)

    drive(run)


def test_only_who_wants_a_slot_is_told_of_it() -> None:
    channels = [wakeup_channel() for _ in range(3)]
    fd = create_page(3)
    pages = [GenerationPage(fd, 3, number) for number in range(3)]
    pages[1].want(7)
    told = Wakeups(channels[0][0], [sender for _, sender in channels], pages[0])
    told.send(7)
    told.send(8)
    assert channels[1][0].recv(99) == (7).to_bytes(4, sys.byteorder)
    for receiver, _ in channels:
        receiver.setblocking(False)
        with pytest.raises(BlockingIOError):
            receiver.recv(99)
    assert pages[0].wanting(7) == [1]
    GenerationPage(fd, 3, 1)  # the next process on this column begins anew
    assert pages[0].wanting(7) == []


def test_holds_notes_a_late_tick() -> None:
    async def run() -> None:
        holds = Holds()
        watching = asyncio.create_task(holds.watch(0.01))
        await asyncio.sleep(0)
        time.sleep(0.06)
        while not holds.longest:
            await asyncio.sleep(0)
        assert holds.take() >= 0.03
        assert holds.longest < 0.03
        watching.cancel()

    drive(run)
