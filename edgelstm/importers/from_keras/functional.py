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
from . import laying, masks
from .attending import KINDS as ATTENTION
from .build import Build, Masked, Shape, Value
from .carried import NOTHING, carried
from .classes import INPUT_LAYER, MODELS, layers_of
from .feedforward import INDEXED
from .nodes import Place, node_call, node_inputs, node_mask, places
from .operations import KINDS as OPERATIONS
from .settings import Spec

#: Classes that Keras 3 gives no mask that their tensors carry where they begin with a state.
BEGINNING = ("LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional")

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
        self._carried = NOTHING
        if len(self._specs) != len(specs):
            raise ModelFileError(f"{spec.label} has two layers of one name; save the model again.")
        for name, node, _ in [*places(spec.config.get("output_layers")), *(p for layer in specs for p in _all_inputs(layer))]:
            self._first[name] = min(node, self._first.get(name, node))

    def outputs(self, inputs: Sequence[Value] | None) -> list[Value]:
        own = places(self._spec.config.get("input_layers"))
        if inputs is None:
            self._carried = carried(self._spec, [layer for _, layer in self._specs.values()], self._calls())
            self._build.carried = self._carried.inputs
            own = [place for place in own if place[0] not in self._carried.inputs]
        for (name, node, _), value in zip(own, inputs if inputs is not None else self._own(own), strict=True):
            self._values[name, node] = [value]
        outputs = places(self._spec.config.get("output_layers"))
        return [self._value(place) for place in outputs if place not in self._carried.outputs]

    def _calls(self) -> dict[tuple[str, int], list[Place]]:
        """The tensors that each call of each layer reads."""
        return {
            (layer.name, index + self._first.get(layer.name, 0)): _read(node, layer)[0]
            for _, layer in self._specs.values()
            for index, node in enumerate(layer.nodes if isinstance(layer.nodes, list) else [])
        }

    def _own(self, own: list[Place]) -> list[Value]:
        """The inputs of the file's own model; several are parts of one sample, in the file's order."""
        shapes = []
        for name, _, _ in own:
            config = self._layer(name)[1].config
            shapes.append(stated_shape(config.get("batch_input_shape", config.get("batch_shape")), self._layer(name)[1].label))
        if len(own) == 1:
            self._build.given += shapes
            return [given(INPUT, shapes[0])]
        return self._side_by_side([name for name, _, _ in own], shapes)

    def _side_by_side(self, names: list[str], shapes: list[Shape]) -> list[Value]:
        """Several inputs as parts of one sample; what stands beside sequences, for all of each, is part of every sample."""
        tables = {place[0] for _, layer in self._specs.values() for place in _indices_of(layer)}
        indices = [len(shape) == 1 and name in tables for name, shape in zip(names, shapes, strict=True)]
        rows = [shape for shape, index in zip(shapes, indices, strict=True) if len(shape) > 1 or (index and shape[0] != 1)]
        steps = {shape[0] for shape in [shape for shape in rows if len(shape) < 3] or rows} or {1}
        steps = {None} if None in steps else {max(size or 0 for size in steps)}
        beside = [shape[0] not in steps if len(shape) > 1 or index else True for shape, index in zip(shapes, indices, strict=True)]
        if any(None in shape[1:] for shape in shapes) or all(beside):
            raise UnsupportedModelError(
                f"{self._spec.label} has inputs of shapes {printable(shapes, 100)}; edgelstm imports several where each is one vector or "
                "index a timestep, or a fixed number of them beside such a sequence."
            )
        build, values = self._build, [given(INPUT, shape) for shape in shapes]
        build.given += [shape for shape, alone in zip(shapes, beside, strict=True) if not alone]
        values = [replace(x, time=False, static=True) if alone else x for x, alone in zip(values, beside, strict=True)]
        widths = [1 if index and not value.static else value.width for index, value in zip(indices, values, strict=True)]
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
            inputs = inputs[:1] if spec.name in self._carried.layers else inputs
            mask = self._mask(node)
            missing = [source[:2] for source in (*inputs, *mask) if source[:2] not in self._values]
            if not missing:
                called = spec.with_settings(call=more) if more else spec
                padding = [(self._tensor(source), value) for source, value in mask.items()]
                tensors = [self._tensor(source) for source in inputs]
                if len(tensors) > 1 and spec.version > 2 and spec.kind in BEGINNING:
                    tensors = [replace(x, mask=None) for x in tensors]
                self._values[place] = self._called(index, called, [self._padded(x, *padding) for x in tensors])
            elif place in open_nodes:
                raise ModelFileError(f"{self._spec.label}: layer {printable(place[0], 60)!r} follows from itself; the file is damaged.")
            else:
                open_nodes.add(place)
                waiting += reversed(missing)
        return self._tensor(wanted)

    def _padded(self, x: Value, *padding: tuple[Value, float]) -> Value:
        """A tensor with the mask that a call is given: of its timesteps, or of the rows that each of them is."""
        if not padding:
            return x
        source, value = padding[0]
        if x.time is not False:
            return replace(x, mask=Masked(source.name, value))
        if x.counted:
            return x
        if source.time is False:
            return replace(x, counted=laying.counted(self._build, source.name, source, value))
        each = Value(self._build.mask(Masked(source.name, value)), (x.features[0], 1), True)
        return replace(x, counted=laying.laid(self._build, each).name)

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


def _indices_of(spec: Spec) -> list[Place]:
    """The tensors that a layer, or one within it, looks up in a table."""
    found = _looked_up(spec)
    calls = [_read(node, spec)[0] for node in (spec.nodes if found and isinstance(spec.nodes, list) else [])]
    return [place for tensors in calls for position, place in enumerate(tensors) if position in found]


def _looked_up(spec: Spec) -> set[int]:
    """The positions of the inputs that a layer, or one within it, looks up in a table."""
    if spec.kind in INDEXED or (spec.kind == "TFOpLambda" and spec.config.get("function") == "one_hot"):
        return {0}
    if spec.kind == "TimeDistributed":
        return _looked_up(spec.inner("layer"))
    if spec.kind not in MODELS:
        return set()
    specs = layers_of(spec)
    if spec.kind == "Sequential":
        first = next((layer for layer in specs if layer.kind != INPUT_LAYER), None)
        return set() if first is None else _looked_up(first)
    tables = {place[0] for layer in specs for place in _indices_of(layer)}
    return {position for position, place in enumerate(places(spec.config.get("input_layers"))) if place[0] in tables}
