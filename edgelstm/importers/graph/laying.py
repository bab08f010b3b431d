"""All steps of a recording side by side, as one frame that its last step has."""

from typing import TYPE_CHECKING

import numpy as np

from ...errors import UnsupportedModelError
from ...layers.feedforward import Embedding
from ...layers.window import Window
from .expressions import Input, Made, State
from .wires import Ids, Space, Wire

if TYPE_CHECKING:
    from .tracing import Tracer


def laid(space: Space, wire: Wire, place: str) -> Ids:
    """Identities (steps, 1, width) of all rows of a wire, each of them a number of its last step."""
    if space.batch > 1:
        raise UnsupportedModelError(f"{place}: lays the steps of {space.batch} recordings side by side, which is imported of one.")
    made = Made(place, Window(wire.steps, padding="valid"), [space.last(wire)])
    return space.ids(space.allocate(made, 1, wire.steps * wire.width)).reshape(wire.steps, 1, wire.width)


def side_by_side(tracer: "Tracer", ids: Ids, made: dict[int, Ids]) -> Ids:
    """Identities of numbers of several steps, each replaced by that of the same number in the row of all steps that the last one has.

    made: those rows, by wire.
    """
    space, found = tracer.space, ids
    at = space.places(ids)
    for index in np.unique(at.wire).tolist():
        wire = space.wires[index]
        if wire.steps < 2:
            continue
        if isinstance(wire.source, State):
            tracer.refuse("lays the steps of a state side by side")
        if index not in made:
            made[index] = laid(space, wire, tracer.place)[:, 0]
        mine = at.wire == index
        found = np.where(mine, made[index][np.where(mine, at.step, 0), np.where(mine, at.number, 0)], found)
    return found


def samples_of(space: Space, ids: Ids) -> Wire | None:
    """The wire of the samples, where `ids` are numbers of these that lie side by side; None for others."""
    wire = space.wire_of(ids)
    if wire is None or not isinstance(wire.source, Made) or not isinstance(wire.source.record, Window):
        return None
    read = space.wire_of(wire.source.reads[0])
    return read if read is not None and isinstance(read.source, Input) and read.steps * read.width == wire.width else None


def taken_as_whole(space: Space, ids: Ids) -> bool:
    """Take numbers of the samples as whole ones, which may be indices; false where some are no samples."""
    wire = samples_of(space, ids) or space.wire_of(ids)
    if wire is None or not isinstance(wire.source, Input):
        return False
    wire.source.whole |= frozenset((space.places(ids).number.ravel() % wire.width).tolist())
    return True


def looked_up(tracer: "Tracer", ids: Ids, table: np.ndarray) -> Ids | None:
    """What a table (rows, numbers) holds for indices that lie side by side, (…, numbers); None where they lie otherwise.

    They are looked up before they are laid out: a layer computes no index.
    """
    space = tracer.space
    samples = samples_of(space, ids)
    if samples is None:
        return None
    row, column = np.divmod(space.places(ids).number, samples.width)
    found = np.empty((*ids.shape, table.shape[1]), np.int64)
    for one in np.unique(column).tolist():
        made = Made(tracer.place, Embedding(table), [space.last(samples)[one : one + 1]])
        rows = laid(space, space.allocate(made, samples.steps, table.shape[1]), tracer.place)[:, 0]
        found[column == one] = rows[row[column == one]]
    return found
