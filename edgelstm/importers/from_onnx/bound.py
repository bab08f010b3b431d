"""An ONNX graph whose weights and states are inputs: given their values, models, and where their answers stand in the outputs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import EdgeLSTMError, UnsupportedModelError
from ...model import Model
from ..graph.emitting import Emitter
from ..graph.tracing import Flow, Tracer, Value
from .attempts import Attempt
from .file import File
from .signature import Axes, readings

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Bound:
    """Models for each sequence of a batch, and how outputs are made of their answers.

    axes: time and batch of the samples; steps: of a recording; outputs: constants, or for each number (sequence, step, column) of the
    answers (steps, columns) of all sequences.
    """

    models: list[Model]
    axes: Axes
    steps: int
    outputs: list[Array | tuple[Array, Array, Array]]

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
    for reading in readings([samples], file.graph.outputs):
        batch = 1 if (axes := reading.samples[0][1]).batch is None else given[first.name].shape[axes.batch]
        try:
            found = [_of_one(Attempt(file, reading, constants, chosen), reading.steps() or 1) for chosen in range(batch)]
        except EdgeLSTMError as error:
            problem = problem or error
            continue
        return Bound([model for model, _ in found], axes, reading.steps() or 1, found[0][1])
    raise problem or UnsupportedModelError("has no input whose axes could be time, batch and channels.")


def _of_one(attempt: Attempt, steps: int) -> tuple[Model, list[Array | tuple[Array, Array, Array]]]:
    tracer, outputs, _, _ = attempt.followed(steps)
    flows = [value for value in outputs.values() if isinstance(value, Flow)]
    if not flows:
        raise UnsupportedModelError("has no output that depends on its samples.")
    used = np.unique(np.concatenate([tracer.space.places(flow.ids).wire.ravel() for flow in flows]))
    wires = [tracer.space.wires[index] for index in used]
    starts = dict(zip(used.tolist(), np.cumsum([0, *(wire.width for wire in wires)]).tolist(), strict=False))
    layers = Emitter(tracer.space).emit(np.concatenate([tracer.space.last(wire) for wire in wires]), "the graph's output")
    return Model(tuple(layers)), [_place(tracer, value, starts) for value in outputs.values()]


def _place(tracer: Tracer, value: Value, starts: dict[int, int]) -> Array | tuple[Array, Array, Array]:
    if not isinstance(value, Flow):
        return value
    at = tracer.space.places(value.ids)
    column = np.array([starts.get(index, 0) for index in range(len(tracer.space.wires))])[at.wire] + at.number
    return at.sequence, np.maximum(at.step, 0), column
