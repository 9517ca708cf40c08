"""The model behind `recording`: a disk as inodes, the effects on it, and what of them may be left after a power cut."""

import os
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = 0
DROP_ALL, KEEP_ALL, NAMES_ONLY, DATA_ONLY = range(4)  # the seeds that are not random
SEEDS = range(8)


@dataclass(frozen=True)
class Op:
    """One effect on `inode`; kind: set, del and move (names in a folder), write, truncate, written, sync, syncfs or
    mark."""

    kind: str
    inode: int = -1
    name: str = ""
    target: int = -1  # the inode that a name leads to
    new_inode: int = -1  # move: the other folder
    new_name: str = ""
    offset: int = 0
    data: bytes = b""
    value: Any = None


@dataclass
class Node:
    """A file (`names` None) or a folder."""

    data: bytearray = field(default_factory=bytearray)
    names: dict[str, int] | None = None


class Disk:
    """Inodes by number, the root folder being 0; as it is now, or as it may be after a power cut."""

    def __init__(self) -> None:
        self.nodes: dict[int, Node] = {ROOT: Node(names={})}

    def copy(self) -> "Disk":
        other = Disk()
        other.nodes = {
            number: Node(bytearray(node.data), None if node.names is None else dict(node.names))
            for number, node in self.nodes.items()
        }
        return other

    def names(self, folder: int) -> dict[str, int]:
        names = self.nodes[folder].names
        assert names is not None
        return names

    def find(self, relative: str) -> int | None:
        number = ROOT
        for part in (part for part in relative.split("/") if part not in ("", ".")):
            names = self.nodes[number].names
            if names is None or part not in names:
                return None
            number = names[part]
        return number

    def write(self, number: int, offset: int, data: bytes) -> None:
        content = self.nodes[number].data
        if len(content) < offset:
            content.extend(bytes(offset - len(content)))
        content[offset : offset + len(data)] = data

    def truncate(self, number: int, size: int) -> None:
        content = self.nodes[number].data
        del content[size:]
        content.extend(bytes(size - len(content)))

    def materialise(self, folder: Path, number: int = ROOT, seen: dict[int, Path] | None = None) -> None:
        """Write the tree below `number` as real files, hard links included."""
        seen = {} if seen is None else seen
        folder.mkdir()
        for name, child in self.names(number).items():
            node, path = self.nodes[child], folder / name
            if node.names is not None:
                if child not in seen:  # a folder that a half-done rename shows twice is real only once
                    seen[child] = path
                    self.materialise(path, child, seen)
            elif child in seen:
                os.link(seen[child], path)
            else:
                path.write_bytes(node.data)
                seen[child] = path


def apply(disk: Disk, op: Op) -> None:
    """Have the whole effect of an operation."""
    if op.kind == "set":
        disk.names(op.inode)[op.name] = op.target
    elif op.kind == "del":
        disk.names(op.inode).pop(op.name, None)
    elif op.kind == "move":
        disk.names(op.inode).pop(op.name, None)
        disk.names(op.new_inode)[op.new_name] = op.target
    elif op.kind == "write":
        disk.write(op.inode, op.offset, op.data)
    elif op.kind == "truncate":
        disk.truncate(op.inode, op.offset)


def sure(log: list[Op], ordered: bool) -> tuple[set[int], set[int]]:
    """Indexes of operations that a power cut after the log cannot undo; and of moves whose old name is surely gone."""
    done: set[int] = set()
    gone: set[int] = set()
    # What awaits which sync: data and names by inode, the new names of moves by the other folder.
    waiting: dict[int, list[int]] = {}
    arriving: dict[int, list[int]] = {}
    names: list[int] = []
    for index, op in enumerate(log):
        if op.value == "adopted":
            done.add(index)
        elif op.kind in ("set", "del", "move", "write", "truncate"):
            waiting.setdefault(op.inode, []).append(index)
            if op.kind == "move":
                arriving.setdefault(op.new_inode, []).append(index)
            if op.kind not in ("write", "truncate"):
                names.append(index)
        elif op.kind == "written":  # takes its place in the order of names
            names.append(index)
            waiting.setdefault(op.inode, []).append(index)
        elif op.kind in ("sync", "syncfs"):
            synced = list(waiting) if op.kind == "syncfs" else [op.inode]
            finished = [number for inode in synced for number in waiting.pop(inode, [])]
            if ordered:
                finished += names
                names = []
            done.update(finished, arriving.pop(op.inode, []))
            gone.update(finished)
    return done, gone


def replay(
    start: Disk, log: list[Op], nodes: Disk, seed: int, *, drop_unsynced: bool = True, ordered: bool = False
) -> Disk:
    """The disk after a power cut: what is sure, and of the rest what the seed lets survive."""
    disk = start.copy()
    for number, node in nodes.nodes.items():
        disk.nodes.setdefault(number, Node(names=None if node.names is None else {}))
    chance = random.Random(seed)
    done, gone = sure(log, ordered) if drop_unsynced else (set(range(len(log))),) * 2
    names_go_on = True
    data: dict[int, list[Op]] = {}
    for index, op in enumerate(log):
        if op.kind in ("write", "truncate"):
            data.setdefault(op.inode, []).append(op)
        if op.kind == "written":
            names_go_on = index in done or (names_go_on and _survives(seed, chance, NAMES_ONLY))
            for one in data.get(op.inode, ()) if names_go_on else ():
                apply(disk, one)
        elif index in done and (op.kind != "move" or index in gone):
            apply(disk, op)
        elif op.kind in ("set", "del", "move"):
            if index not in done and ordered:
                names_go_on = names_go_on and _survives(seed, chance, NAMES_ONLY)
            survives = names_go_on if ordered else _survives(seed, chance, NAMES_ONLY)
            _name_partly(disk, op, index in done, survives, chance, seed, ordered)
        elif op.kind in ("write", "truncate"):
            _data_partly(disk, op, _survives(seed, chance, DATA_ONLY), chance, seed)
    return disk


def _survives(seed: int, chance: random.Random, only: int) -> bool:
    if seed in (DROP_ALL, KEEP_ALL, NAMES_ONLY, DATA_ONLY):
        return seed in (KEEP_ALL, only)
    return chance.random() < 0.5


def _name_partly(
    disk: Disk, op: Op, new_name_sure: bool, survives: bool, chance: random.Random, seed: int, ordered: bool
) -> None:
    if op.kind != "move":
        if survives:
            apply(disk, op)
        return
    if new_name_sure or survives:
        disk.names(op.new_inode)[op.new_name] = op.target
        if ordered or (survives and _survives(seed, chance, NAMES_ONLY)):
            names = disk.names(op.inode)
            if names.get(op.name) == op.target:
                del names[op.name]


def _data_partly(disk: Disk, op: Op, survives: bool, chance: random.Random, seed: int) -> None:
    if survives:
        apply(disk, op)
    elif op.kind == "write" and seed not in (DROP_ALL, NAMES_ONLY) and op.data:
        cut = chance.randrange(len(op.data))
        outcome = chance.choice(("lost", "torn", "zeros"))
        if outcome == "torn":
            disk.write(op.inode, op.offset, op.data[:cut])
        elif outcome == "zeros" and len(disk.nodes[op.inode].data) <= op.offset:
            disk.write(op.inode, op.offset, bytes(len(op.data)))
