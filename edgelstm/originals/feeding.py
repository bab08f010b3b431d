"""Samples as the inputs of a graph, call by call, with its states led back: for all formats that are graphs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..importers.from_onnx.arranging import arranged, open_as_one
from ..importers.from_onnx.chains import Followed
from ..importers.from_onnx.file import Graph
from ..importers.from_onnx.signature import choice

Arrays = dict[str, NDArray[Any]]

#: One call: inputs by name; gives outputs and what is known within, both by name.
Call = Callable[[Arrays], tuple[Mapping[str, NDArray[Any]], Mapping[str, NDArray[Any]]]]


def fed(taken: Followed, graph: Graph, call: Call, xs: NDArray[np.float32]) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """Outputs and inner values of all calls that samples (steps, input_size) take: those of several calls of one step along a new first
    axis, those of several steps along that of the steps. Zeros fill up the last call, what is answered to them is left out.
    """
    reading = taken.reading
    steps, count = reading.steps() or len(xs), len(xs)
    xs = np.vstack([xs, np.zeros((-count % steps, xs.shape[1]), xs.dtype)])
    states: Arrays = {
        tensor.name: np.zeros(open_as_one(tensor), np.float32) if tensor.initial is None else np.asarray(tensor.initial, np.float32)
        for tensor, _ in reading.states
    }
    constant: Arrays = {tensor.name: np.full(1, steps, np.int64) for tensor in reading.lengths} | dict(taken.given)
    constant |= {tensor.name: np.array(choice(graph, tensor.name) or 0) for tensor in reading.choices}
    outputs, within = [], []
    for part in np.split(xs, len(xs) // steps):
        given, inner = call({**_samples(taken, part), **states, **constant})
        outputs.append(dict(given))
        within.append(dict(inner))
        states |= {tensor.name: given[becomes.name] for tensor, becomes in reading.states if becomes is not None}
    shown = {becomes.name for _, becomes in reading.states if becomes is not None}
    found = {name: array for name, array in _joined(outputs, steps, count).items() if name not in shown}
    return found, _joined(within, steps, count)


def without(taken: Followed, held: set[str]) -> Followed:
    """The reading without the states of these names, which a program keeps itself."""
    states = tuple((tensor, becomes) for tensor, becomes in taken.reading.states if tensor.name not in held)
    return taken._replace(reading=replace(taken.reading, states=states))


def _samples(taken: Followed, part: NDArray[np.float32]) -> Arrays:
    """One call's samples (steps, input_size) in the axes of each input."""
    found: Arrays = {}
    columns = np.split(part, np.cumsum(taken.reading.widths())[:-1], axis=1)
    for (tensor, axes), values in zip(taken.reading.samples, columns, strict=True):
        batch = (tensor.shape or ())[axes.batch] if axes.batch is not None else 1
        repeated = np.repeat(values[:, None, :], batch if isinstance(batch, int) else 1, axis=1)
        found[tensor.name] = arranged(repeated, tensor, axes, len(part)).astype(np.int64 if tensor.dtype == "int" else np.float32)
    return found


def _joined(calls: Sequence[Arrays], steps: int, count: int) -> Arrays:
    """What calls of so many steps gave, for the first `count` steps of all."""
    if len(calls) == 1 and count == steps:
        return calls[0]
    shared = [name for name in calls[0] if all(name in call and call[name].shape == calls[0][name].shape for call in calls)]
    return {name: _one_behind_the_other([call[name] for call in calls], steps, count) for name in shared}


def _one_behind_the_other(arrays: Sequence[NDArray[Any]], steps: int, count: int) -> NDArray[Any]:
    axis = next((axis for axis, size in enumerate(arrays[0].shape) if size == steps), None)
    if steps == 1 or axis is None:
        return np.stack(arrays)[: count // steps]
    return np.take(np.concatenate(arrays, axis), np.arange(count), axis)
