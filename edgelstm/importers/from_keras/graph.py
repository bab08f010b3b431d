"""A model's configuration as records: Sequential, Functional and models within models, layer by layer from its inputs to its outputs."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...errors import ModelFileError, UnsupportedModelError, printable
from ...layers.feedforward import Activation, Normalizer
from ...layers.joining import Concat, Slice
from ...layers.record import MAX_SIZE
from ...model import INPUT, Model
from . import convolving, feedforward, joining, normalising, recurrent, shaping
from .build import Build, Shape, Value
from .kinds import Call, Kind
from .nodes import Place, node_inputs, places
from .settings import Spec
from .store import Stored
from .weights import Arrays, Slot, Weights, numbered

#: Classes that are networks themselves, and the one that only states a shape.
_MODELS, _INPUT = ("Sequential", "Functional", "Model"), "InputLayer"

#: How deep models may lie in models, and the most layers.
_MAX_DEPTH, _MAX_LAYERS = 8, 1000

#: What classes that are not imported are, and the way out.
_INSTEAD = {
    "Lambda": "holds Python code, which is not run: build the model of Keras' own layers",
    "TFOpLambda": "is a call of TensorFlow: build the model of Keras' own layers",
    "SlicingOpLambda": "is a call of TensorFlow: build the model of Keras' own layers",
}





def model_of(stored: Stored, source: str) -> tuple[Model, str, list[str]]:
    """The network in a file, its chain and notes.

    Raises
    ------
    ModelFileError, UnsupportedModelError, ShapeError
    """
    assert stored.config is not None
    spec = Spec(stored.config, stored.version, "the model")
    if spec.kind not in _MODELS:
        raise UnsupportedModelError(f"{spec.label} is a model of the user's own class, whose code is not in the file; save a Functional model.")
    walk = _Walk(Build(whole=_reads_whole(stored.config)), stored.weights)
    outputs = walk.network(spec, walk.top, None, 0)
    if left := stored.weights.unused():
        raise ModelFileError(f"holds arrays that belong to no layer of its configuration: {printable(', '.join(left), 200)}.")
    return walk.finished(spec, outputs, source)


def _reads_whole(config: Any) -> bool:
    """Whether some layer reads its sequence from the end, or answers from later samples."""
    waiting = [config]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if node.get("class_name") == "Bidirectional" or node.get("go_backwards") is True:
                return True
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
    return False


class _Walk:
    """Follows a network and builds its records."""

    def __init__(self, build: Build, weights: Weights) -> None:
        self.build, self._weights = build, weights
        self._calls: list[str] = []
        self._inputs: list[Value] = []

    def top(self, index: int, specs: Sequence[Spec]) -> Arrays:
        """The arrays of a layer of the file's own model."""
        return self._weights.of(index, [(spec.kind, spec.name) for spec in specs], slots_of(specs[index]))

    def network(self, spec: Spec, arrays_of: Any, inputs: Sequence[Value] | None, depth: int) -> list[Value]:
        """A model's outputs, of inputs or, where there are none, of the file's own."""
        specs = layers_of(spec)
        if depth > _MAX_DEPTH or len(specs) > _MAX_LAYERS:
            raise ModelFileError(f"{spec.label} holds models in models deeper than {_MAX_DEPTH}, or more than {_MAX_LAYERS} layers.")
        if spec.kind == "Sequential":
            return self._sequential(spec, specs, arrays_of, inputs, depth)
        return _Graph(self, spec, specs, arrays_of, depth).outputs(inputs)

    def _sequential(self, spec: Spec, specs: list[Spec], arrays_of: Any, inputs: Sequence[Value] | None, depth: int) -> list[Value]:
        values = list(inputs) if inputs is not None else [self.given(INPUT, _stated_shape(spec, specs))]
        for index, layer in enumerate(specs):
            if layer.kind != _INPUT:
                values = self.call(layer, arrays_of(index, specs), values, depth)
        return values

    def given(self, name: str, shape: Shape) -> Value:
        """A tensor that the model begins with: a sequence, where it has time and features."""
        return Value(name, shape, True if len(shape) > 1 else None)

    def call(self, spec: Spec, arrays: Arrays, inputs: Sequence[Value], depth: int) -> list[Value]:
        """What a layer gives."""
        if spec.kind in _MODELS:
            specs = layers_of(spec)
            groups = numbered([s.kind for s in specs])
            return self.network(spec, lambda index, _: arrays.below("layers", groups[index]), inputs, depth + 1)
        self._calls.append(spec.name or spec.kind)
        kind = kind_of(spec)
        options = spec.options()
        found = kind.make(Call(spec, options, arrays, inputs, self.build, lambda s, a, x: self.call(s, a, x, depth + 1)))
        options.close()
        return found if isinstance(found, list) else [found]

    def finished(self, spec: Spec, outputs: list[Value], source: str) -> tuple[Model, str, list[str]]:
        """The model, whose last record gives the outputs."""
        build = self.build
        if len(outputs) > 1:
            build.notes.append(f"Its {len(outputs)} outputs stand side by side, in the file's order: {', '.join(v.name for v in outputs)}.")
            build.add(Concat(**build.at("outputs", *outputs)))
        elif not build.layers or build.layers[-1].name != outputs[0].name:
            build.add(Activation("linear", **build.at("output", outputs[0])))
        if not build.whole and any(v.time is False for v in outputs):
            build.notes.append("Every step gives an answer, as though the sequence ended with it.")
        stateful = _says(spec, "stateful")
        steps = {v.shape[0] for v in self._inputs if v.shape}
        window = next(iter(steps)) if len(steps) == 1 and not stateful else None
        model = Model(tuple(build.layers), window=window if window and window > 1 else None, stateful=stateful or None, source=source)
        return model, ", ".join(self._calls), build.notes


def _says(spec: Spec, name: str) -> bool:
    """Whether some layer of the model has a setting that is true."""
    return any(layer.config.get(name) is True for layer in layers_of(spec))


def layers_of(spec: Spec) -> list[Spec]:
    """The layers of a model, in the file's order."""
    given = spec.layers if spec.layers is not None else spec.config.get("layers")
    if not isinstance(given, list) or not given:
        raise ModelFileError(f"{spec.label} lists no layers; the file is damaged, save the model again.")
    return [Spec(document, spec.version, f"{spec.label} layers[{index}]") for index, document in enumerate(given)]


def kind_of(spec: Spec) -> Kind:
    """What a layer's class is here.

    Raises
    ------
    UnsupportedModelError
        If edgelstm does not import it.
    """
    if spec.kind not in _KINDS:
        why = _INSTEAD.get(spec.kind, f"is not imported; known are {', '.join(sorted(_KINDS))}")
        raise UnsupportedModelError(f"{spec.label} {why}.")
    return _KINDS[spec.kind]


def slots_of(spec: Spec) -> list[Slot]:
    """The arrays of a layer, a model's those of its layers; none is trainable below what is not."""
    if spec.kind == _INPUT:
        return []
    if spec.kind in _MODELS:
        specs = layers_of(spec)
        groups = numbered([layer.kind for layer in specs])
        found = [slot.below(group).below("layers") for layer, group in zip(specs, groups, strict=True) for slot in slots_of(layer)]
    else:
        found = kind_of(spec).slots(spec)
    return found if spec.trainable else [slot._replace(trainable=False) for slot in found]


def _stated_shape(spec: Spec, specs: Sequence[Spec]) -> Shape:
    """The shape of a Sequential's input, without the batch."""
    names = ("batch_input_shape", "batch_shape", "input_shape")
    given = next((specs[0].config[name] for name in names if isinstance(specs[0].config.get(name), list)), None)
    given = spec.config.get("build_input_shape") if given is None else given
    if given is None and isinstance(specs[0].config.get("input_dim"), int):  # Keras 1
        given = [None, specs[0].config.get("input_length"), specs[0].config["input_dim"]]
        given = given[: 2 if specs[0].kind == "Embedding" else 3]
    return _shape(given, specs[0].label)


def _shape(given: Any, place: str) -> Shape:
    sound = isinstance(given, list) and all(size is None or (type(size) is int and 0 < size <= MAX_SIZE) for size in given[1:])
    if not sound or not 2 <= len(given) <= 6:
        raise ModelFileError(f"{place} states the input's shape as {printable(repr(given), 60)}; save the model after it has been built.")
    return tuple(given[1:])


class _Graph:
    """One Functional model: its nodes, evaluated when an output asks for them."""

    def __init__(self, walk: _Walk, spec: Spec, specs: list[Spec], arrays_of: Any, depth: int) -> None:
        self._walk, self._spec, self._depth = walk, spec, depth
        self._specs = {layer.name: (index, layer) for index, layer in enumerate(specs)}
        self._arrays_of = arrays_of
        self._ordered, self._arrays = specs, dict[str, Arrays]()
        self._values: dict[tuple[str, int], list[Value]] = {}
        if len(self._specs) != len(specs):
            raise ModelFileError(f"{spec.label} has two layers of one name; save the model again.")

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
            shapes.append(_shape(config.get("batch_input_shape", config.get("batch_shape")), self._layer(name)[1].label))
        if len(own) == 1:
            return [self._walk.given(INPUT, shapes[0])]
        build, values = self._walk.build, [self._walk.given(INPUT, shape) for shape in shapes]
        if any(value.time is None or len(value.shape) != 2 for value in values):
            raise UnsupportedModelError(
                f"{self._spec.label} has inputs of shapes {printable(shapes, 100)}; edgelstm imports several where each is one vector a timestep."
            )
        widths = [value.width for value in values]
        sample = build.add(Normalizer(np.zeros(sum(widths)), np.ones(sum(widths)), **build.at("sample", INPUT)))
        starts = np.cumsum([0, *widths])
        names = [name for name, _, _ in own]
        build.notes.append(f"One sample is its inputs side by side: {', '.join(f'{n} ({w})' for n, w in zip(names, widths, strict=True))}.")
        return [
            replace(value, name=build.add(Slice(int(start), int(start) + value.width, **build.at(name, sample))))
            for name, value, start in zip(names, values, starts, strict=False)
        ]

    def _layer(self, name: str) -> tuple[int, Spec]:
        if name not in self._specs:
            raise ModelFileError(f"{self._spec.label} refers to a layer {printable(name, 60)!r} that it does not have; save the model again.")
        return self._specs[name]

    def _value(self, wanted: Place) -> Value:
        """A tensor, after all that it follows from."""
        waiting, open_nodes = [wanted[:2]], set[tuple[str, int]]()
        while waiting:
            place = waiting[-1]
            if place in self._values:
                waiting.pop()
                continue
            inputs = self._inputs(place)
            missing = [source[:2] for source in inputs if source[:2] not in self._values]
            if not missing:
                self._values[place] = self._called(place[0], [self._tensor(source) for source in inputs])
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
        spec = self._layer(place[0])[1]
        raise UnsupportedModelError(f"{spec.label}: its tensor {place[2]} is used, a state that it returns; edgelstm imports its answers alone.")

    def _inputs(self, place: tuple[str, int]) -> list[Place]:
        spec = self._layer(place[0])[1]
        nodes = spec.nodes
        if not isinstance(nodes, list) or place[1] >= len(nodes):
            raise ModelFileError(f"{spec.label} has no node {place[1]}; the file is damaged, save the model again.")
        return node_inputs(nodes[place[1]], spec.label)

    def _called(self, name: str, inputs: list[Value]) -> list[Value]:
        index, spec = self._layer(name)
        if name not in self._arrays:
            self._arrays[name] = self._arrays_of(index, self._ordered)
        return self._walk.call(spec, self._arrays[name], inputs, self._depth)


def _time_distributed(call: Call) -> Value:
    """A layer on each timestep alone."""
    x = call.sequence
    inner = call.spec.inner("layer")
    call.options.drop("layer")
    (y,) = call.run(inner, call.arrays.below("layer"), [Value(x.name, x.features, False)])
    return Value(y.name, (*x.shape[:1], *y.shape), True, x.mask)


def _time_distributed_slots(spec: Spec) -> list[Slot]:
    return [slot.below("layer") for slot in slots_of(spec.inner("layer"))]


_KINDS: dict[str, Kind] = {
    **feedforward.KINDS,
    **normalising.KINDS,
    **recurrent.KINDS,
    **joining.KINDS,
    **shaping.KINDS,
    **convolving.KINDS,
    "TimeDistributed": Kind(_time_distributed, _time_distributed_slots),
}
