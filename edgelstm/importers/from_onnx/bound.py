"""An ONNX graph whose weights and states are inputs: given their values, models, and where their answers stand in the outputs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...errors import EdgeLSTMError, UnsupportedModelError
from ...layers.record import Layer
from ...model import Model
from ..graph.emitting import Emitter
from ..graph.expressions import Cell, Made
from ..graph.tracing import Flow, Tracer, Value
from .attempts import Attempt
from .deciding import Found
from .file import File
from .signature import Axes, readings

Array = NDArray[Any]

#: An output: a constant, or for each of its numbers the sequence, the step and the column of the answers.
Place: TypeAlias = "Array | tuple[Array, Array, Array]"


class CellState(NamedTuple):
    """A cell state that is an output, which no layer gives: the layer that it is of, and the columns of the answers that this reads."""

    layer: Layer
    reads: slice


@dataclass(frozen=True, eq=False)
class Bound:
    """Models for each sequence of a batch, and how outputs are made of their answers.

    axes: time and batch of the samples; steps: of a recording; outputs: of answers (steps, columns) of all sequences, behind whose columns
    stand those of cell states.
    """

    models: list[Model]
    cells: list[list[CellState]]
    axes: Axes
    steps: int
    outputs: list[Place]

    def recordings(self, samples: Array) -> list[Array]:
        """The recording of each sequence, (steps, channels)."""
        order = [a for a in (self.axes.time, self.axes.batch) if a is not None]
        rows = np.transpose(samples, order + [i for i in range(samples.ndim) if i not in order])
        rows = rows.reshape(self.steps, len(self.models), -1)
        return [rows[:, sequence] for sequence in range(len(self.models))]

    def filled(self, answers: Array) -> list[Array]:
        """The graph's outputs, of answers (sequences, steps, columns)."""
        return [answers[place] if isinstance(place, tuple) else place for place in self.outputs]


def bound(file: File, given: Mapping[str, Array]) -> Bound:
    """Make models of a graph and the values of its inputs. Samples are the first input; all others are constants of the models.

    Raises
    ------
    UnsupportedModelError, ModelFileError, ShapeError
        As for a file that holds the same.
    """
    first = file.graph.inputs[0]
    samples = replace(first, shape=given[first.name].shape)
    constants: dict[str, Value] = {name: value for name, value in given.items() if name != first.name}
    problem: EdgeLSTMError | None = None
    in_frames: Bound | None = None
    for reading in readings([samples], file.graph.outputs):
        batch = 1 if (axes := reading.samples[0][1]).batch is None else given[first.name].shape[axes.batch]
        try:
            found = [_of_one(Attempt(file, reading, constants, chosen), reading.steps() or 1) for chosen in range(batch)]
        except EdgeLSTMError as error:
            problem = problem or error
            continue
        models, cells, outputs = zip(*found, strict=True)
        made = Bound(list(models), list(cells), axes, reading.steps() or 1, outputs[0])
        if not Found(reading, models[0], []).in_frames:
            return made
        in_frames = in_frames or made
    if in_frames is not None:
        return in_frames
    raise problem or UnsupportedModelError("has no input whose axes could be time, batch and channels.")


def _of_one(attempt: Attempt, steps: int) -> tuple[Model, list[CellState], list[Place]]:
    tracer, outputs, _, _ = attempt.followed(steps)
    space = tracer.space
    flows = [value for value in outputs.values() if isinstance(value, Flow)]
    if not flows:
        raise UnsupportedModelError("has no output that depends on its samples.")
    wires = [space.wires[index] for index in np.unique(np.concatenate([space.places(flow.ids).wire.ravel() for flow in flows]))]
    plain = [wire for wire in wires if not isinstance(wire.source, Cell)]
    refs = [space.last(wire) for wire in plain]
    starts = dict(zip([wire.index for wire in plain], np.cumsum([0, *(r.size for r in refs)]).tolist(), strict=False))
    width, cells, of = sum(r.size for r in refs), [], []
    for wire in wires:
        if isinstance(wire.source, Cell) and isinstance(made := space.wires[wire.source.of].source, Made):
            record = made.check() if made.check else made.record
            cells.append(CellState(record, slice(width, width + made.reads[0].size)))
            width += made.reads[0].size
            refs.append(made.reads[0])
            of.append(wire)
    starts |= dict(zip([wire.index for wire in of], np.cumsum([width, *(wire.width for wire in of)]).tolist(), strict=False))
    layers = Emitter(space).emit(np.concatenate(refs), "the graph's output")
    return Model(tuple(layers)), cells, [_place(tracer, value, starts) for value in outputs.values()]


def _place(tracer: Tracer, value: Value, starts: dict[int, int]) -> Place:
    if not isinstance(value, Flow):
        return value
    at = tracer.space.places(value.ids)
    column = np.array([starts.get(index, 0) for index in range(len(tracer.space.wires))])[at.wire] + at.number
    return at.sequence, np.maximum(at.step, 0), column
