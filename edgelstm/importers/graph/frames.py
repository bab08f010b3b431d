"""Recurrence over rows of a frame: along them at every step, or from step to step for each of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ...layers.frames import InterRNN, IntraRNN
from ...layers.recurrent import Recurrent
from .convolving import turned
from .expressions import Made
from .tracing import Tracer
from .wires import Ids, Wire


class Rows(NamedTuple):
    """What a recurrent layer reads whose sequences are no recordings.

    refs: (rows, inputs) at the last step; inside: whether it runs along the rows of a frame, else along the recording; step: (steps,) by
    place along the axis that lies along the recording; backward: whether that is from its end.
    """

    refs: Ids
    inside: bool
    step: Ids
    backward: bool


def rows_of(tracer: Tracer, ids: Ids) -> Rows | None:
    """How the axes of ids (steps, sequences, inputs), which a recurrent layer reads, lie on frames; None where they hold one row each."""
    length, sequences, inputs = ids.shape
    if tracer.space.batch > 1 or not (tracer.space.places(ids).step >= 0).all():
        return None
    group = tracer.grouped([ids.reshape(-1, inputs)])
    steps, _, rows = group.where.shape
    if rows < 2 or len(group.refs[0]) != rows:
        return None
    along, across = np.divmod(group.where[:, 0], sequences)  # (steps, rows) each: where the layer runs, and in which sequence
    if (length, sequences) == (rows, steps) and (along == along[:1]).all() and (across == across[:, :1]).all():
        return Rows(group.refs[0][np.argsort(along[0])], True, np.argsort(across[:, 0]), False)
    if (length, sequences) == (steps, rows) and (across == across[:1]).all() and (along == along[:, :1]).all():
        forward = np.arange(steps)
        backward = steps > 1 and bool((along[:, 0] == forward[::-1]).all())
        if backward or (along[:, 0] == forward).all():
            return Rows(group.refs[0][np.argsort(across[0])], False, np.argsort(along[:, 0]), backward)
    return None


def recurrent_rows(tracer: Tracer, rows: Rows, cell: Recurrent, steps: int) -> tuple[Made, Wire, Ids]:
    """The layer of a cell, its wire, and the identities (steps, sequences, hidden) that it gives."""
    count, size = len(rows.refs), cell.output_size([cell.input_size])
    reads, reverse = rows.refs.ravel(), not rows.inside and cell.reverse != rows.backward
    record = IntraRNN(cell, count) if rows.inside else InterRNN(replace(cell, reverse=False), count)
    made = Made(tracer.place, record, [turned(tracer, reads, steps) if reverse else reads])
    wire = tracer.space.allocate(made, steps, count * size)
    ids = tracer.space.ids(wire)
    if reverse:
        ids = tracer.space.ids(tracer.space.wires[tracer.space.places(turned(tracer, ids[-1, 0], steps))[0][0]])
    y = ids[rows.step, 0].reshape(-1, count, size)
    return made, wire, y.swapaxes(0, 1) if rows.inside else y


def started(tracer: Tracer, cell: Recurrent, x: Ids, states: Sequence[Ids]) -> Ids:
    """What a cell gives, (steps, sequences, hidden), that reads x (steps, sequences, inputs) and begins in states (sequences, hidden).

    All of them are of one step of the recording: a decoder, which goes on from what an encoder ends with.
    """
    steps, sequences, _ = x.shape
    group = tracer.grouped([np.concatenate([x.swapaxes(0, 1).reshape(sequences, -1), *states], axis=1)])
    size = cell.output_size([cell.input_size])
    made = Made(tracer.place, IntraRNN(cell, steps, starts=True), [group.refs[0][0]])
    return tracer.output(group, made, width=steps * size).reshape(sequences, steps, size).swapaxes(0, 1)


def lies_inside(tracer: Tracer, x: Ids) -> bool:
    """Whether each sequence of x (steps, sequences, inputs) lies within one step of the recording, and several do in the same."""
    steps, sequences, _ = x.shape
    at = tracer.space.places(x).step
    return steps > 1 and sequences > tracer.space.batch and bool((at >= 0).all() and (at == at[:1, :, :1]).all())


def inside(tracer: Tracer, cell: Recurrent, x: Ids) -> Ids:
    """What a cell gives, (steps, sequences, hidden), of such sequences, which begins each of them anew."""
    steps, sequences, _ = x.shape
    group = tracer.grouped([x.swapaxes(0, 1).reshape(sequences, -1)])
    width = steps * cell.output_size([cell.input_size])
    out = np.empty((sequences, width), np.int64)
    for row, reads in enumerate(group.refs[0]):
        tracer.output(group, Made(tracer.place, IntraRNN(cell, steps), [reads]), row, width, out)
    return out.reshape(sequences, steps, -1).swapaxes(0, 1)
