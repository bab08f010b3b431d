"""The classes of Keras' that are imported, and the arrays that each has."""

from ...errors import ModelFileError, UnsupportedModelError
from . import attending, convolving, feedforward, framewise, joining, maps, normalising, operations, recurrent, shaping
from .build import Value
from .kinds import Call, Kind
from .settings import Spec
from .weights import Slot, numbered

#: Classes that are networks themselves, and the one that only states a shape.
MODELS, INPUT_LAYER = ("Sequential", "Functional", "Model"), "InputLayer"

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
    """A layer on each timestep alone."""
    x = call.sequence
    inner = call.spec.inner("layer")
    call.options.drop("layer")
    (y,) = call.run(inner, call.arrays.below("layer"), [Value(x.name, x.features, False)])
    return Value(y.name, (*x.shape[:1], *y.shape), True, x.mask)


def _time_distributed_slots(spec: Spec) -> list[Slot]:
    return [slot.below("layer") for slot in slots_of(spec.inner("layer"))]


def _either(name: str) -> Kind:
    """A class of one axis, which is time, or one of the map that a timestep is."""
    along_time = convolving.KINDS[name]

    def make(call: Call) -> Value | list[Value]:
        on_frames = len(call.inputs) == 1 and call.inputs[0].time is False and len(call.inputs[0].features) == 2
        return framewise.ON_FRAMES[name](call) if on_frames else along_time.make(call)

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
    **{name: _either(name) for name in framewise.ON_FRAMES},
    "TimeDistributed": Kind(_time_distributed, _time_distributed_slots),
}
