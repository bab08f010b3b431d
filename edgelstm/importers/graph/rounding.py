"""A state that sums read rounded, as runtimes do it whose weights are whole numbers."""

from collections.abc import Iterator

import numpy as np

from ...layers.fake_quantize import DynamicFakeQuantize, FakeQuantize, Requantize
from .expressions import Expression, Made, State
from .wires import Ids, Space, distinct

#: Layers that round numbers and change them in no other way.
ROUNDING = (FakeQuantize, DynamicFakeQuantize, Requantize)


def rounds(source: Expression) -> bool:
    """Whether an expression rounds each of the numbers that it reads, and gives no levels in their place."""
    return (
        isinstance(source, Made)
        and isinstance(source.record, ROUNDING)
        and not (isinstance(source.record, DynamicFakeQuantize) and source.record.gives != "numbers")
    )


def sources(space: Space, ids: Ids) -> Iterator[Expression]:
    """What makes some numbers, and what makes those that they are rounded from."""
    for index in distinct(space.places(ids).wire).tolist() if ids.size else ():
        source = space.wires[index].source
        yield source
        if isinstance(source, Made) and isinstance(source.record, ROUNDING):
            yield from sources(space, np.concatenate(source.reads))


def unrounded(space: Space, ids: Ids) -> Ids:
    """What each of some numbers is rounded from; itself where it is not rounded."""
    found, at = ids.copy(), space.places(ids)
    for index in distinct(at.wire).tolist() if ids.size else ():
        source = space.wires[index].source
        if isinstance(source, Made) and rounds(source):
            mine = (at.wire == index) & (at.step == space.wires[index].steps - 1)  # reads are those of the last step
            found[mine] = np.concatenate(source.reads)[at.number[mine]]
    return found


def rounded_from(space: Space, refs: Ids, h: Ids) -> Ids:
    """What `refs` are rounded from over its range at each step, where that is all of the state that `h` becomes; else `refs`."""
    found, at = refs.copy(), space.places(refs)
    for index in distinct(at.wire).tolist() if refs.size else ():
        source = space.wires[index].source
        if not isinstance(source, Made) or not isinstance(source.record, DynamicFakeQuantize) or source.record.whole or not rounds(source):
            continue
        read = np.concatenate(source.reads)
        wire = space.wire_of(read)
        if wire is None or not isinstance(wire.source, State) or wire.source.following is None:
            continue
        if np.array_equal(np.sort(wire.source.following[space.places(read).number]), np.sort(h)):
            mine = (at.wire == index) & (at.step == space.wires[index].steps - 1)  # reads are those of the last step
            found[mine] = read[at.number[mine]]
    return found
