"""Functional models: which layer reads what, followed from the outputs to the inputs."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from ...errors import ModelFileError, UnsupportedModelError, printable
from ...layers.feedforward import Normalizer
from ...layers.joining import Slice
from ...layers.order import INPUT
from ...layers.record import MAX_SIZE
from ..names import numbered
from . import masks
from .attending import KINDS as ATTENTION
from .build import Build, Masked, Shape, Value
from .nodes import Place, node_call, node_inputs, node_mask, places
from .operations import KINDS as OPERATIONS
from .settings import Spec

#: What a layer gives: the layer and where it stands among those of its model, and its inputs.
Called = Callable[[int, Spec, Sequence[Value]], list[Value]]


def given(name: str, shape: Shape) -> Value:
    """A tensor that the file's own model begins with: a sequence, where it has time and features."""
    return Value(name, shape, True if len(shape) > 1 else None)


def stated_shape(given: Any, place: str) -> Shape:
    sound = isinstance(given, list) and all(size is None or (type(size) is int and 0 < size <= MAX_SIZE) for size in given[1:])
    if not sound or not 2 <= len(given) <= 6:
        raise ModelFileError(f"{place} states the input's shape as {printable(repr(given), 60)}; save the model after it has been built.")
    return tuple(given[1:])


def _all_inputs(spec: Spec) -> list[Place]:
    """The tensors that all calls of a layer read."""
    return [place for node in (spec.nodes if isinstance(spec.nodes, list) else []) for place in _read(node, spec)[0]]


def _read(node: Any, spec: Spec) -> tuple[list[Place], dict[str, Any]]:
    """The tensors that one call of a layer reads, its mask left out, and what else an operator is called with."""
    if spec.kind in OPERATIONS or spec.kind in ATTENTION:
        return node_call(node_mask(node)[0])
    return node_inputs(node_mask(node)[0], spec.label), {}


class Graph:
    """One Functional model: its nodes, evaluated when an output asks for them."""

    def __init__(self, build: Build, spec: Spec, specs: list[Spec], called: Called) -> None:
        self._build, self._spec, self._called = build, spec, called
        self._specs = {layer.name: (index, layer) for index, layer in enumerate(specs)}
        self._values: dict[tuple[str, int], list[Value]] = {}
        self._states: dict[Place, Value] = {}
        self._first: dict[str, int] = {}
        if len(self._specs) != len(specs):
            raise ModelFileError(f"{spec.label} has two layers of one name; save the model again.")
        for name, node, _ in [*places(spec.config.get("output_layers")), *(p for layer in specs for p in _all_inputs(layer))]:
            self._first[name] = min(node, self._first.get(name, node))

    def outputs(self, inputs: Sequence[Value] | None) -> list[Value]:
        own = places(self._spec.config.get("input_layers"))
        for (name, node, _), value in zip(own, inputs if inputs is not None else self._own(own), strict=True):
            self._values[name, node] = [value]
        return [self._value(place) for place in places(self._spec.config.get("output_layers"))]

    def _own(self, own: list[Place]) -> list[Value]:
        """The inputs of the file's own model; several are parts of one sample, in the file's order."""
        shapes = []
        for name, _, _ in own:
            config = self._layer(name)[1].config
            shapes.append(stated_shape(config.get("batch_input_shape", config.get("batch_shape")), self._layer(name)[1].label))
        self._build.given += shapes
        if len(own) == 1:
            return [given(INPUT, shapes[0])]
        return self._side_by_side([name for name, _, _ in own], shapes)

    def _side_by_side(self, names: list[str], shapes: list[Shape]) -> list[Value]:
        """Several inputs as parts of one sample; what stands beside sequences, for all of each, is part of every sample."""
        tables = {place[0] for layer in self._specs.values() if _looks_up(layer[1]) for place in _all_inputs(layer[1])}
        indices = [len(shape) == 1 and name in tables for name, shape in zip(names, shapes, strict=True)]
        steps = {shape[0] for shape, index in zip(shapes, indices, strict=True) if len(shape) > 1 or (index and shape[0] != 1)} or {1}
        beside = [len(shape) == 1 and not (index and shape[0] in steps) for shape, index in zip(shapes, indices, strict=True)]
        if any(len(shape) > 2 for shape in shapes) or len(steps) != 1 or all(beside):
            raise UnsupportedModelError(
                f"{self._spec.label} has inputs of shapes {printable(shapes, 100)}; edgelstm imports several where each is one vector or "
                "index a timestep, all with the same timesteps, or one beside them."
            )
        build, values = self._build, [given(INPUT, shape) for shape in shapes]
        values = [replace(x, time=False, static=True) if alone else x for x, alone in zip(values, beside, strict=True)]
        widths = [1 if index else value.width for index, value in zip(indices, values, strict=True)]
        sample = INPUT
        if not tables.intersection(names):
            sample = build.add(Normalizer(np.zeros(sum(widths)), np.ones(sum(widths)), **build.at("sample", INPUT)))
        starts = np.cumsum([0, *widths]).tolist()
        build.input_names = tuple(each for name, width in zip(names, widths, strict=True) for each in numbered(name, width))
        build.notes.append(f"One sample is its inputs side by side: {', '.join(f'{n} ({w})' for n, w in zip(names, widths, strict=True))}.")
        if static := [name for name, alone in zip(names, beside, strict=True) if alone]:
            build.notes.append(
                f"{', '.join(static)}: for the whole sequence, so the same in each of its samples; an answer is made of its own sample's."
            )
        return [
            replace(value, name=build.add(Slice(start, stop, **build.at(name, sample))))
            for name, value, (start, stop) in zip(names, values, pairwise(starts), strict=True)
        ]

    def _layer(self, name: str) -> tuple[int, Spec]:
        if name not in self._specs:
            raise ModelFileError(
                f"{self._spec.label} refers to a layer {printable(name, 60)!r} that it does not have; save the model again."
            )
        return self._specs[name]

    def _value(self, wanted: Place) -> Value:
        """A tensor, after all that it follows from."""
        waiting, open_nodes = [wanted[:2]], set[tuple[str, int]]()
        while waiting:
            place = waiting[-1]
            if place in self._values:
                waiting.pop()
                continue
            index, spec = self._layer(place[0])
            node = self._node(place)
            inputs, more = _read(node, spec)
            mask = self._mask(node)
            missing = [source[:2] for source in (*inputs, *mask) if source[:2] not in self._values]
            if not missing:
                called = spec.with_settings(call=more) if more else spec
                padding = [Masked(self._tensor(source).name, value) for source, value in mask.items()]
                tensors = [self._tensor(source) for source in inputs]
                self._values[place] = self._called(index, called, [replace(x, mask=padding[0]) if padding else x for x in tensors])
            elif place in open_nodes:
                raise ModelFileError(f"{self._spec.label}: layer {printable(place[0], 60)!r} follows from itself; the file is damaged.")
            else:
                open_nodes.add(place)
                waiting += reversed(missing)
        return self._tensor(wanted)

    def _tensor(self, place: Place) -> Value:
        values = self._values[place[:2]]
        if place[2] < len(values):
            return values[place[2]]
        spec, states = self._layer(place[0])[1], values[0].states
        state = states[place[2] - len(values)] if place[2] - len(values) < len(states) else None
        if state is None:
            raise UnsupportedModelError(
                f"{spec.label}: its tensor {place[2]} is used, a state that it returns; edgelstm imports its answers and the last of them."
            )
        if place not in self._states:
            self._states[place] = self._build.ended(f"{place[0]}.state", *state())
        return self._states[place]

    def _node(self, place: tuple[str, int]) -> Any:
        """One call of a layer, as the file describes it."""
        spec = self._layer(place[0])[1]
        index = place[1] - self._first.get(place[0], 0)  # a model's first node is its own, and not in the file
        if not isinstance(spec.nodes, list) or index >= len(spec.nodes):
            raise ModelFileError(f"{spec.label} has no node {place[1]}; the file is damaged, save the model again.")
        return spec.nodes[index]

    def _mask(self, node: Any) -> dict[Place, float]:
        """The tensor whose values tell padding in a call of a layer that is given a mask, and the value that they then have."""
        place = node_mask(node)[1]
        if place is None:
            return {}
        found = masks.told(place, lambda one: (self._layer(one[0])[1], *node_call(self._node(one[:2]))))
        return dict([found]) if isinstance(found, tuple) else {}


def _looks_up(spec: Spec) -> bool:
    """Whether a layer is an Embedding, or one on each timestep."""
    inner = spec.config.get("layer") if spec.kind == "TimeDistributed" else None
    return spec.kind == "Embedding" or (isinstance(inner, dict) and inner.get("class_name") == "Embedding")
