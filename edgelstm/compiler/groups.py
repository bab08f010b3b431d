"""Which operations take a group of streams at once, and the memory of a call that steps many. Imports no compiler."""

from typing import NamedTuple

from ..kernels.stream_blocks import GROUP, MOST, SCRATCH, Machine, Scratch, apart
from .layout import Layout, Operation, Place
from .targets import Target

#: Floats that the rooms of a group may take, but for the fewest streams that are worth one: 8 MiB.
MOST_ROOMS = 1 << 21

#: Floats that a group may take on the stack of whoever calls C's `edgelstm_step_many`, and the fewest streams that are worth one.
MOST_STACK, FEWEST = 1 << 13, 4


class Rooms(NamedTuple):
    """Where a group of streams keeps what is between layers: a room for each, one behind the other, then what kernels of groups share.

    Parameters
    ----------
    most : int
        Most streams of a group; 1 where no kernel gains by one.
    apart : int
        Floats from one room to the next.
    at : dict
        By offset in an arena of rows between layers, in floats: their offset in a room. Empty: the same.
    floats : int
        All of it.
    """

    most: int
    apart: int
    at: dict[int, int]
    floats: int

    @property
    def shared(self) -> int:
        """Where what kernels of groups share begins, in floats."""
        return self.most * self.apart

    def offset(self, place: Place) -> int:
        """Of a place: in the rooms, where it is in an arena."""
        return self.at.get(place.offset, place.offset) if place.region == "arena" else place.offset


def machine_of(target: Target, most: int) -> Machine:
    """What kernels of groups of so many streams are made for."""
    return Machine(target.lanes, target.registers, most)


def scratch_of(op: Operation, target: Target, most: int = GROUP) -> Scratch | None:
    """What a kernel works in that takes a group of streams at once; None where there is none for this operation."""
    found = SCRATCH.get(op.kernel)
    return found(dict(op.constants), machine_of(target, most)) if found else None


def _gains(layout: Layout, target: Target) -> bool:
    """Whether a kernel gains by groups, and every row is due at every step."""
    due = all(op.every == op.first == 1 for op in layout.operations)
    return due and any(scratch_of(op, target) for op in layout.operations)


def _shared(layout: Layout, target: Target, most: int) -> int:
    """Floats that kernels of groups share."""
    return max((scratch.floats for op in layout.operations if (scratch := scratch_of(op, target, most))), default=0)


def rooms_of(layout: Layout, target: Target) -> Rooms:
    """Rooms laid out as arenas, for those who give memory: a stream by itself has what it needs in the first one."""
    room = apart(layout.arena_bytes // 4)
    most = min(GROUP, max(MOST, MOST_ROOMS // room)) if _gains(layout, target) else 1
    return Rooms(most, room, {}, most * room + (_shared(layout, target, most) if most > 1 else 0))


def _narrow(layout: Layout) -> tuple[dict[int, int], int]:
    """`Rooms.at` of rows that follow one another, and how many floats they take."""
    at: dict[int, int] = {}
    end = room = 0
    for offset, width in sorted({(p.offset, p.stride) for op in layout.operations for p in (op.source, op.target) if p.region == "arena"}):
        if offset >= end:  # else it is a part of the row before
            end, room = offset + width, room + width
        at[offset] = room - (end - offset)
    return at, apart(room) if room else 0


def narrow_rooms_of(layout: Layout, target: Target) -> Rooms:
    """Rooms of a row for each layer, for as many streams as a stack has room for."""
    at, room = _narrow(layout)
    most = GROUP if _gains(layout, target) else 1
    while most >= FEWEST and (floats := most * room + _shared(layout, target, most)) > MOST_STACK:
        most -= 1
    return Rooms(most, room, at, floats) if most >= FEWEST else Rooms(1, 0, {}, 0)
