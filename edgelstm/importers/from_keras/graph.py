"""A model's configuration as records: Sequential, Functional and models within models, layer by layer from its inputs to its outputs."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ...errors import ModelFileError, ShapeError, UnsupportedModelError, printable
from ...layers.feedforward import Activation
from ...layers.joining import Concat
from ...layers.order import INPUT
from ...model import Model
from .build import Build, Shape, Value
from .classes import INPUT_LAYER, MODELS, kind_of, layers_of, slots_of
from .functional import Graph, given, stated_shape
from .kinds import Call
from .laying import attempted
from .masks import kept, passes_rows
from .settings import Spec
from .store import Stored
from .weighting import settled
from .weights import Arrays, Weights, numbered

#: How deep models may lie in models, and the most layers.
_MAX_DEPTH, _MAX_LAYERS = 8, 1000


def model_of(stored: Stored, source: str) -> tuple[Model, str, list[str]]:
    """The network in a file, its chain and notes.

    Raises
    ------
    ModelFileError, UnsupportedModelError, ShapeError
    """
    assert stored.config is not None
    spec = Spec(stored.config, stored.version, "the model")
    if spec.kind not in MODELS:
        raise UnsupportedModelError(
            f"{spec.label} is a model of the user's own class, whose code is not in the file; save a Functional model."
        )
    walk, outputs = _walked(spec, stored, whole=False)
    if any(layer.whole for layer in walk.build.layers):
        walk, outputs = _walked(spec, stored, whole=True)
    try:
        made = walk.finished(spec, outputs, source)
    except (UnsupportedModelError, ShapeError):
        walk, outputs = _walked(spec, stored, whole=True, joins=True)
        made = walk.finished(spec, outputs, source)
    if left := stored.weights.unused():
        raise ModelFileError(f"holds arrays that belong to no layer of its configuration: {printable(', '.join(left), 200)}.")
    return made


def _walked(spec: Spec, stored: Stored, *, whole: bool, joins: bool = False) -> "tuple[_Walk, list[Value]]":
    """The records of a model that steps, or of one that answers whole recordings; and its outputs."""
    walk = _Walk(Build(whole, joins), stored.weights)
    outputs = walk.network(spec, walk.top, None, 0)
    walk.build.keep(outputs)
    return walk, outputs


class _Walk:
    """Follows a network and builds its records."""

    def __init__(self, build: Build, weights: Weights) -> None:
        self.build, self._weights = build, weights
        self._calls: list[str] = []

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
        known: dict[int, Arrays] = {}

        def called(index: int, layer: Spec, xs: Sequence[Value]) -> list[Value]:
            if index not in known:
                known[index] = arrays_of(index, specs)
            return self.call(layer, known[index], xs, depth)

        return Graph(self.build, spec, specs, called).outputs(inputs)

    def _sequential(self, spec: Spec, specs: list[Spec], arrays_of: Any, inputs: Sequence[Value] | None, depth: int) -> list[Value]:
        if inputs is None:
            self.build.given.append(_stated_shape(spec, specs))
        values = list(inputs) if inputs is not None else [given(INPUT, self.build.given[0])]
        for index, layer in enumerate(specs):
            if layer.kind != INPUT_LAYER:
                values = self.call(layer, arrays_of(index, specs), values, depth)
        return values

    def call(self, spec: Spec, arrays: Arrays, inputs: Sequence[Value], depth: int) -> list[Value]:
        """What a layer gives."""
        if spec.kind in MODELS:
            specs = layers_of(spec)
            groups = numbered([s.kind for s in specs])
            return self.network(spec, lambda index, _: arrays.below("layers", groups[index]), inputs, depth + 1)
        self._calls.append(spec.name or spec.kind)
        kind = kind_of(spec)

        def made(given: Sequence[Value]) -> Value | list[Value]:
            options = spec.options()
            as_it_is = [kind.looks if x.looks else kind.attends for x in given]
            taken = [x if same else settled(self.build, spec.label, x) for x, same in zip(given, as_it_is, strict=True)]
            found = kind.make(Call(spec, options, arrays, taken, self.build, lambda s, a, x: self.call(s, a, x, depth + 1)))
            options.close()
            return found

        inputs = inputs if kept(spec) else [replace(x, mask=None, counted="") for x in inputs]
        if any(x.counted for x in inputs) and not passes_rows(spec):
            raise UnsupportedModelError(
                f"{spec.label} is given rows of which some are padding, and a mask of them; edgelstm imports recurrent layers and those "
                "that change each row by itself there: leave mask_zero=True out, or put Flatten or a recurrent layer before it."
            )
        found = attempted(self.build, made, inputs)
        return found if isinstance(found, list) else [found]

    def finished(self, spec: Spec, outputs: list[Value], source: str) -> tuple[Model, str, list[str]]:
        """The model, whose last record gives the outputs."""
        build = self.build
        if build.carried and build.whole:
            raise UnsupportedModelError(
                f"{spec.label} is given its state from call to call, and a layer of it reads a whole sequence at once; "
                "build it without inputs for states."
            )
        outputs = [settled(build, "the model's output", output) for output in outputs]
        if len(outputs) > 1:
            build.notes.append(f"Its {len(outputs)} outputs stand side by side, in the file's order: {', '.join(v.name for v in outputs)}.")
            build.add(Concat(**build.at("outputs", *outputs)))
        elif not build.layers or build.layers[-1].name != outputs[0].name:
            build.add(Activation("linear", **build.at("output", outputs[0])))
        if build.carried:
            build.notes.append(f"Carried from step to step by the stream, from zero on: {', '.join(sorted(build.carried))}.")
        if not build.whole and any(v.time is False for v in outputs):
            build.notes.append("Every step gives an answer, as though the sequence ended with it.")
        build.widen()
        model = Model(tuple(build.layers), input_names=build.input_names, source=source)
        stateful = _says(spec, "stateful") or bool(build.carried)
        window = None if stateful else _timesteps(build.given, model.takes_index)
        model = replace(model, window=window, stateful=stateful if stateful or window else None)
        return model, ", ".join(self._calls), build.notes


def _timesteps(shapes: Sequence[Shape], indices: bool) -> int | None:
    """How many timesteps an example has, where the inputs fix that. A vector has none, unless it holds indices, one a timestep."""
    steps = {shape[0] for shape in shapes if len(shape) > 1 or indices}
    found = steps.pop() if len(steps) == 1 else None
    return found if found and found > 1 else None


def _says(spec: Spec, name: str) -> bool:
    """Whether some layer of the model has a setting that is true."""
    return any(layer.config.get(name) is True for layer in layers_of(spec))


def _stated_shape(spec: Spec, specs: Sequence[Spec]) -> Shape:
    """The shape of a Sequential's input, without the batch."""
    names = ("batch_input_shape", "batch_shape", "input_shape")
    found = next((specs[0].config[name] for name in names if isinstance(specs[0].config.get(name), list)), None)
    found = spec.config.get("build_input_shape") if found is None else found
    if found is None and isinstance(specs[0].config.get("input_dim"), int):  # Keras 1
        found = [None, specs[0].config.get("input_length"), specs[0].config["input_dim"]]
        found = found[: 2 if specs[0].kind == "Embedding" else 3]
    return stated_shape(found, specs[0].label)
