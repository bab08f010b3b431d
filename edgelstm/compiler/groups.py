"""Which operations take a group of streams at once, and the memory of a call that steps many. Imports no compiler."""

from ..kernels.stream_blocks import GROUP, MOST, SCRATCH, Scratch, apart
from .layout import Layout, Operation
from .targets import Target

#: Floats that the rooms of a group may take, but for the fewest streams that are worth one: 8 MiB.
MOST_ROOMS = 1 << 21


def scratch_of(op: Operation, target: Target) -> Scratch | None:
    """What a kernel works in that takes a group of streams at once; None where there is none for this operation."""
    found = SCRATCH.get(op.kernel)
    return found(dict(op.constants), target.lanes, target.registers) if found else None


def room_of(layout: Layout) -> int:
    """Floats from a stream's room, laid out as an arena, to the next stream's."""
    return apart(layout.arena_bytes // 4)


def most_together(layout: Layout, target: Target) -> int:
    """Most streams that are stepped as a group; 1 where no kernel gains by that, or where not every row is due at every step."""
    due = all(op.every == op.first == 1 for op in layout.operations)
    if not due or not any(scratch_of(op, target) for op in layout.operations):
        return 1
    return min(GROUP, max(MOST, MOST_ROOMS // room_of(layout)))


def scratch_bytes(layout: Layout, target: Target) -> int:
    """Memory that a call needs beside the states: a room for each stream of a group, and behind them what kernels of groups share."""
    shared = max((scratch.floats for op in layout.operations if (scratch := scratch_of(op, target))), default=0)
    return 4 * (most_together(layout, target) * room_of(layout) + shared)
