"""The cell state of an LSTM as a value: a second LSTM of the same gates, whose output gate is one and whose output is the cell itself.

It reads, beside what the first one reads, what that gave one step before, so that its gates are those of the first.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ...errors import UnsupportedModelError
from ...layers.activations import spelled
from ...layers.convolution import Conv1D
from ...layers.lstm import LSTM
from ...layers.record import Layer
from ...layers.recording import Reverse
from .cells import Cells
from .expressions import Apply, Cell, Combine, Expression, Made, State
from .wires import Ids, Space, Wire


def cell_wires(space: Space, cell: Cell) -> Iterator[Wire]:
    """The wires of the layers that give a cell state, each of which reads those before it; the last one is the state.

    Raises
    ------
    UnsupportedModelError
        If the cell has options that a second one cannot follow.
    """
    h = space.wires[cell.of]
    source = h.source if isinstance(h.source, Made) else Cells(space).match(h)
    assert source is not None
    record = source.check() if source.check else source.record
    if not isinstance(record, LSTM) or record.norm or record.fake_quantize_hidden or (record.h0 is not None and record.h0.any()):
        raise UnsupportedModelError(
            f"{cell.place}: its cell state goes to another operator, which is imported of an LSTM that begins with h = 0, without norms."
        )

    def wire(layer: Layer, before: Wire) -> Wire:
        return space.allocate(Made(cell.place, layer, [space.last(before)]), before.steps, before.width)

    delay = Conv1D(np.tile(np.array([1, 0], np.float32), (h.width, 1, 1)), groups=h.width, padding="causal")
    before = h
    for layer in [Reverse(), delay, Reverse()] if h.reverse else [delay]:
        before = wire(layer, before)
        yield before
    reads = np.concatenate([source.reads[0], space.last(before)])
    yield space.allocate(Made(cell.place, _cell_alone(record), [reads], "weight_ih"), h.steps, record.hidden_size, h.reverse)


def cell_state(space: Space, wire: Wire) -> Cell | None:
    """A wire as the cell state of an LSTM that a graph spells out; None for others."""
    cells, c = Cells(space), space.last(wire)
    if not isinstance(wire.source, Combine | Apply) or not any(_becomes(one.source, c) for one in space.wires):
        return None
    for h in space.wires[wire.index + 1 :]:
        for squashed in cells.pair(space.last(h), "mul") or ():
            function = cells.function(squashed)
            if np.array_equal(squashed if function is None else function[1], c) and (made := cells.match(h)) is not None:
                return Cell(wire.source.place, h.index, [made.reads[0], space.last(h)])
    return None


def _becomes(source: Expression, ids: Ids) -> bool:
    """Whether a state becomes some numbers."""
    return isinstance(source, State) and source.following is not None and np.array_equal(source.following, ids)


def _cell_alone(record: LSTM) -> LSTM:
    """An LSTM that gives its cell state and reads its own h, of one step before, behind its inputs."""
    words = record.gate_activation
    gates = (words,) * 3 if isinstance(words, str) else words
    hidden = record.hidden_size
    return replace(
        record,
        weight_ih=np.hstack([record.weight_ih, record.weight_hh]),
        weight_hh=np.zeros((4 * hidden, hidden)),
        h0=None,
        weight_hr=None,
        bias_hr=None,
        projection_clip=None,
        gate_activation=(*gates[:2], spelled("hard_sigmoid", 0, 1)),
        output_activation="linear",
    )
