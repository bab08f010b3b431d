"""The classes of Keras' that are imported, and the arrays that each has."""

from collections.abc import Callable
from dataclasses import replace

from ...errors import ModelFileError, UnsupportedModelError
from . import (
    attending,
    convolving,
    einsum,
    feedforward,
    framewise,
    joining,
    laying,
    maps,
    normalising,
    operations,
    published,
    recurrent,
    rowwise,
    shaping,
    tcn,
    weighting,
)
from .build import Masked, Value
from .kinds import Call, Kind
from .settings import Spec
from .weights import Slot, numbered

#: Classes that are networks themselves, and the one that only states a shape.
MODELS, INPUT_LAYER = ("Sequential", "Functional", "Model"), "InputLayer"

#: Classes that treat each vector along the last axis, or each number, by itself.
_LAST_AXIS = ("Dense", "Activation", "Dropout", "GaussianNoise", "BatchNormalization", "LayerNormalization", "ReLU", "LeakyReLU", "ELU")

#: Most rows of a map that a layer is called on one by one.
_MOST_ROWS = 256

#: What classes that are not imported are, and the way out.
_INSTEAD = {
    "Lambda": "holds Python code, which is not run: build the model of Keras' own layers",
}


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
    if spec.kind == INPUT_LAYER:
        return []
    if spec.kind in MODELS:
        specs = layers_of(spec)
        groups = numbered([layer.kind for layer in specs])
        found = [slot.below(group).below("layers") for layer, group in zip(specs, groups, strict=True) for slot in slots_of(layer)]
    else:
        found = kind_of(spec).slots(spec)
    return found if spec.trainable else [slot._replace(trainable=False) for slot in found]


def _time_distributed(call: Call) -> Value:
    """A layer on each timestep alone, or on each row of a map."""
    if call.x.time is False and len(call.x.features) > 1:
        return _distributed_rows(call)
    x = call.sequence
    inner = call.spec.inner("layer")
    call.options.drop("layer")
    with call.build.each_timestep():
        (y,) = call.run(inner, call.arrays.below("layer"), [Value(x.name, x.features, False, counted=x.counted)])
    mask = x.mask
    if call.spec.version < 3 and x.counted and not y.counted and mask is None:
        mask = Masked(x.counted, 0.0)  # a timestep counts where any of its rows does
    kept = y.counted if call.spec.version < 3 or inner.kind != "Embedding" else ""
    return Value(y.name, (*x.shape[:1], *y.shape), True, mask, counted=kept)


def _distributed_rows(call: Call) -> Value:
    """Rows of a map one by one, all at once where the layer has only to do with its last axis."""
    x, inner, arrays = call.x, call.spec.inner("layer"), call.arrays.below("layer")
    call.options.drop("layer")
    if inner.kind in _LAST_AXIS:
        (y,) = call.run(inner, arrays, [x])
        return y
    rows = laying.places(x)
    if len(rows) > _MOST_ROWS:
        raise call.refused(f"it takes {len(rows)} rows of a map one by one; edgelstm imports up to {_MOST_ROWS}")
    found = []
    for number, row in enumerate(rows):
        (y,) = call.run(inner, arrays, [laying.gathered(call.build, f"{call.name}.row{number}", [x], row)])
        found.append(replace(y, shape=(1, *y.shape)))
    return laying.beside(call.build, call.name, found, 0)


def _time_distributed_slots(spec: Spec) -> list[Slot]:
    return [slot.below("layer") for slot in slots_of(spec.inner("layer"))]


def _either(name: str, inside: Callable[[Call], Value]) -> Kind:
    """A class of one axis, which is time, or one of the map that a timestep is."""
    along_time = convolving.KINDS[name]

    def make(call: Call) -> Value | list[Value]:
        call = replace(
            call, inputs=[weighting.settled(call.build, call.spec.label, x) if x.weights or x.turned else x for x in call.inputs]
        )
        on_frames = len(call.inputs) == 1 and call.inputs[0].time is False and len(call.inputs[0].features) == 2
        return inside(call) if on_frames else along_time.make(call)

    return Kind(make, along_time.slots, along_time.attends)


_KINDS: dict[str, Kind] = {
    **feedforward.KINDS,
    **normalising.KINDS,
    **recurrent.KINDS,
    **joining.KINDS,
    **attending.KINDS,
    **operations.KINDS,
    **shaping.KINDS,
    **convolving.KINDS,
    **maps.KINDS,
    **framewise.KINDS,
    **rowwise.KINDS,
    **tcn.KINDS,
    **einsum.KINDS,
    **published.KINDS,
    **{name: _either(name, inside) for name, inside in {**framewise.ON_FRAMES, **rowwise.ON_ROWS}.items()},
    "TimeDistributed": Kind(_time_distributed, _time_distributed_slots),
}
