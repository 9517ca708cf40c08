"""How a change made by one process is noticed by the sessions of all others, at no cost while nothing happens.

*Generation page*: memory shared by all processes of the server. Every root has a slot (by hash, so two roots may share
one, which costs a needless look), and a slot has one counter per process: one writer per counter, so no lock. A writer
bumps after its commit and before its answer; a reader compares the slot's bytes with those it saw last and asks the
index only when they differ. It reads the page first, then the index: the other way round a change could be missed.

*Wake-up*: a datagram with the slot number, for sessions in Idle, to the processes that have had one on it: each notes
on the page what it wants to be told. It says "look again" and nothing else; one that is lost (a full queue) is made
good by the next command, because the page has changed.
"""

import mmap
import os
import socket
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from struct import Struct
from typing import Final, TypeAlias

SLOTS: Final = 16384
_COUNTER: Final = 8
_LINE: Final = 64  # a slot is a multiple of a cache line
_SLOT: Final = Struct("=I")
EVERY_SLOT: Final = 0xFFFF_FFFF  # in a wake-up: look again wherever you wait
_BURST: Final = 256  # datagrams read in one turn of the loop

Wake: TypeAlias = Callable[[], None]


def slot_of(location: str) -> int:
    """The slot of the root at this location."""
    return int.from_bytes(blake2b(location.encode("utf-8", "surrogateescape"), digest_size=8).digest(), "big") % SLOTS


class GenerationPage:
    """The page as one process sees it: `column` is its own counter of each slot; -1 only reads."""

    __slots__ = ("_column", "_counters", "_map", "_nobody", "_processes", "_width", "fd")

    def __init__(self, fd: int, processes: int, column: int = -1) -> None:
        self._width = slot_width(processes)
        self._processes = processes
        self._nobody = bytes(processes)
        self.fd = fd
        self._map = mmap.mmap(fd, _page_size(processes), prot=mmap.PROT_READ | (mmap.PROT_WRITE if column >= 0 else 0))
        self._counters = memoryview(self._map)[: self._width * SLOTS].cast("Q")
        self._column = column
        if column >= 0:  # what the process before us on this column wanted
            self._map[self._wants(0) + column : self._wants(SLOTS) : processes] = bytes(SLOTS)

    def read(self, slot: int) -> bytes:
        """The counters of all processes, to be compared with what was read before."""
        at = slot * self._width
        return self._map[at : at + self._width]

    def bump(self, slot: int) -> None:
        """A change in a root of this slot is committed. Any thread may call it: none can run between get and set."""
        at = slot * (self._width // _COUNTER) + self._column
        self._counters[at] = (self._counters[at] + 1) & 0xFFFF_FFFF_FFFF_FFFF

    def bump_all(self) -> None:
        """Something may have changed anywhere: a process died between its commit and its bump."""
        for slot in range(SLOTS):
            self.bump(slot)

    def want(self, slot: int) -> bool:
        """From now on this process is told of the slot, for good; False when it is already.

        After True it has to look once more: a change may have come before it was noted here.
        """
        at = self._wants(slot) + self._column
        new = not self._map[at]
        self._map[at] = 1
        return new

    def wanting(self, slot: int) -> list[int]:
        """The processes that are to be told of the slot."""
        at = self._wants(slot)
        wants = self._map[at : at + self._processes]
        return [] if wants == self._nobody else [number for number, wanted in enumerate(wants) if wanted]

    def _wants(self, slot: int) -> int:
        """Where the bytes of a slot are, one for each process."""
        return self._width * SLOTS + slot * self._processes

    def close(self) -> None:
        """Unmap; the descriptor stays open."""
        self._counters.release()
        self._map.close()


def slot_width(processes: int) -> int:
    """How many bytes a slot takes with so many counters."""
    return -(-processes * _COUNTER // _LINE) * _LINE


def create_page(processes: int) -> int:
    """A new page for so many processes: its descriptor, to be inherited or passed."""
    fd = os.memfd_create("doocot-generation", os.MFD_CLOEXEC)
    os.ftruncate(fd, _page_size(processes))
    return fd


def _page_size(processes: int) -> int:
    return (slot_width(processes) + processes) * SLOTS


def _told_anyway(slot: int) -> bool:
    """A process alone: there is no page on which a slot would have to be noted."""
    return False


class Waiting:
    """The sessions of this process that are idle, by slot; `want` notes a slot on the page."""

    __slots__ = ("_by_slot", "_want")

    def __init__(self, want: Callable[[int], bool] = _told_anyway) -> None:
        self._by_slot: dict[int, dict[Wake, None]] = {}
        self._want = want

    def add(self, slots: Iterable[int], wake: Wake) -> bool:
        """From now on `wake` is called when one of the slots changes. Whether to look once more now that it is so."""
        look = False
        for slot in slots:
            self._by_slot.setdefault(slot, {})[wake] = None
            look |= self._want(slot)
        return look

    def remove(self, slots: Iterable[int], wake: Wake) -> None:
        """No more; harmless when it was not there."""
        for slot in slots:
            waiting = self._by_slot.get(slot)
            if waiting is not None:
                waiting.pop(wake, None)
                if not waiting:
                    del self._by_slot[slot]

    def wake(self, slot: int) -> None:
        """A change was told."""
        for wake in tuple(self._by_slot.get(slot, ())):
            wake()

    def slots(self) -> tuple[int, ...]:
        """All slots that somebody waits for."""
        return tuple(self._by_slot)

    def wake_all(self) -> None:
        """Whatever they wait for: look again."""
        for slot in self.slots():
            self.wake(slot)


class Wakeups:
    """Sends to all processes that want it, this one too, and wakes `waiting` for what arrives. Any thread may `send`.

    `senders` are in the order of the page's columns.
    """

    __slots__ = ("_page", "_receiver", "_senders", "waiting")

    def __init__(self, receiver: socket.socket, senders: Sequence[socket.socket], page: GenerationPage) -> None:
        self._receiver = receiver
        self._senders = tuple(senders)
        self._page = page
        self.waiting = Waiting(page.want)
        for sock in (receiver, *senders):
            sock.setblocking(False)

    def send(self, slot: int) -> None:
        """Tell them to look again; the page has been bumped already."""
        message = _SLOT.pack(slot)
        for number in self._page.wanting(slot) if slot != EVERY_SLOT else range(len(self._senders)):
            try:
                self._senders[number].send(message)
            except OSError:  # its queue is full, or it is being restarted: the page tells it
                continue

    def listen(self, loop: AbstractEventLoop) -> None:
        """Wake the sessions of this loop from now on."""
        loop.add_reader(self._receiver, self._arrived)

    def stop(self, loop: AbstractEventLoop) -> None:
        """No more."""
        loop.remove_reader(self._receiver)

    def _arrived(self) -> None:
        slots: dict[int, None] = {}
        for _ in range(_BURST):
            try:
                message = self._receiver.recv(_SLOT.size)
            except BlockingIOError:
                break
            if len(message) == _SLOT.size:
                slots[_SLOT.unpack(message)[0]] = None
        for slot in slots:
            if slot == EVERY_SLOT:
                self.waiting.wake_all()
            else:
                self.waiting.wake(slot)


def tell(path: str, slots: Iterable[int]) -> None:
    """A process outside the server has changed mail: tell the supervisor, if there is one, which bumps and wakes."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        for slot in slots:
            try:
                sock.sendto(_SLOT.pack(slot), path)
            except OSError:  # no server, so nobody who would look
                return


def told(sock: socket.socket) -> list[int]:
    """What `tell` has sent, each slot once; anybody may send, so only what is a slot counts."""
    slots: dict[int, None] = {}
    for _ in range(_BURST):
        try:
            message = sock.recv(_SLOT.size + 1)
        except BlockingIOError:
            break
        if len(message) == _SLOT.size and (slot := _SLOT.unpack(message)[0]) < SLOTS:
            slots[slot] = None
    return list(slots)


def wakeup_channel() -> tuple[socket.socket, socket.socket]:
    """(receiver, sender) of one process; the sender goes to all processes. No path, so nobody else can send."""
    receiver, sender = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    return receiver, sender
