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
from .expressions import Cell, Made
from .wires import Space, Wire


def cell_wires(space: Space, cell: Cell) -> Iterator[Wire]:
    """The wires of the layers that give a cell state, each of which reads those before it; the last one is the state.

    Raises
    ------
    UnsupportedModelError
        If the cell has options that a second one cannot follow.
    """
    h = space.wires[cell.of]
    assert isinstance(h.source, Made)
    record = h.source.check() if h.source.check else h.source.record
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
    reads = np.concatenate([h.source.reads[0], space.last(before)])
    yield space.allocate(Made(cell.place, _cell_alone(record), [reads], "weight_ih"), h.steps, record.hidden_size, h.reverse)


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
