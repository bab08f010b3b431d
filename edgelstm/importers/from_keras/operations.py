"""Operators that a Functional model holds beside layers: the last timestep of a sequence, parts of a vector, sums and products."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ...errors import UnsupportedModelError
from ...layers.activations import spelled
from ...layers.joining import Slice
from ...layers.pooling import GlobalAveragePool1D, GlobalMaxPool1D
from . import convolving, joining, weighting
from .build import Value
from .kinds import Call, Kind
from .settings import Spec

#: TensorFlow's functions, by what follows ``tf.``, and the layers of Keras that compute the same.
_FUNCTIONS = {
    "__operators__.add": "Add",
    "math.add": "Add",
    "math.multiply": "Multiply",
    "math.subtract": "Subtract",
    "math.reduce_sum": "Sum",
    "math.reduce_mean": "Mean",
    "math.reduce_max": "Max",
}

_FULL = {"start": None, "stop": None, "step": None}


def _getitem(call: Call) -> Value:
    """``x[:, -1]``, ``x[:, -1, :]``, and ``x[..., a:b]`` of one vector a timestep."""
    given = call.options.take("call", dict, {})
    call.options.drop("function")
    spec = given.get("slice_spec", given.get("args"))
    key = [_index(index) for index in (spec if isinstance(spec, list) else [])]
    x = call.x
    if not key:
        raise call.refused("it does not say what it takes")
    wrong = call.refused(
        f"it takes {key} of a tensor of shape {x.shape}; edgelstm imports the last timestep, [:, -1], and parts of vectors"
    )
    if x.time and key[:2] == [_FULL, -1]:
        x, key = call.build.ended(call.name, x), [_FULL, *key[2:]]
    if all(index == _FULL for index in key):
        return x
    *inner, last = key
    whole = len(x.features) == 1 and len(key) == len(x.shape) + 1 and all(index == _FULL for index in inner)
    if not whole or not isinstance(last, dict) or last["step"] not in (None, 1) or {type(v) for v in last.values()} - {int, type(None)}:
        raise wrong
    start, stop, _ = slice(last["start"], last["stop"]).indices(x.width)
    return x.with_features(call.build.add(Slice(start, stop, **call.at(x))), (stop - start,))


def _index(given: Any) -> Any:
    """One index of a key: a number, or a slice as a dict."""
    inner = given.get("config") if isinstance(given, dict) and given.get("class_name") == "__slice__" else given
    return {name: inner.get(name) for name in _FULL} if isinstance(inner, dict) else inner


def _arithmetic(kind: str) -> Kind:
    """A sum, difference or product of tensors, or of a tensor and a number behind it."""

    def make(call: Call) -> Value:
        given = call.options.take("call", dict, {})
        numbers = [v for value in given.values() for v in (value if isinstance(value, list) else [value])]
        if not numbers:
            made = joining.KINDS[kind].make(call)
            assert isinstance(made, Value)
            return made
        if len(call.inputs) != 1 or len(numbers) != 1 or isinstance(numbers[0], bool) or not isinstance(numbers[0], int | float):
            raise call.refused(f"it is called with {numbers} beside its tensors")
        number = float(numbers[0])
        words = {"Add": (1.0, number), "Subtract": (1.0, -number), "Multiply": (number, 0.0)}
        return call.build.apply(spelled("affine", *words[kind]), call.name, call.x)

    return Kind(make, attends=kind == "Multiply")


def _over_time(kind: str) -> Callable[[Call], Value]:
    """The sum, mean or largest over time."""

    def make(call: Call) -> Value:
        given = call.options.take("call", dict, {})
        x = call.x
        axis = call.options.take("axis", object, given.get("axis", (given.get("args") or [None])[0]))
        if call.options.take("keepdims", bool, given.get("keepdims", False)) or axis not in (1, -2, [1], [-2]) or len(x.shape) != 2:
            raise call.refused(f"it is imported over time, axis 1 of (batch, time, features); it goes over {axis} of {x.shape}")
        call.options.must_be("initial", None)
        if x.scores and kind == "Sum":
            return weighting.total(call)
        unmasked = replace(call, inputs=[replace(x, mask=None)])
        found = convolving.over_all(unmasked, GlobalMaxPool1D if kind == "Max" else GlobalAveragePool1D)
        if kind == "Sum" and x.steps is None:
            raise call.refused("it sums timesteps, and the file leaves their number open")
        return call.build.apply(spelled("affine", float(x.steps or 1), 0.0), f"{call.name}.sum", found) if kind == "Sum" else found

    return make


def _tensorflow(call: Call) -> Value:
    function = call.options.take("function", str, "")
    if function not in _FUNCTIONS:
        raise call.refused(f"it is TensorFlow's {function}; edgelstm imports {', '.join(_FUNCTIONS)}, and Keras' own layers")
    kind = KINDS[_FUNCTIONS[function]]
    taken = call.inputs if kind.attends else [weighting.settled(call.build, call.spec.label, x) for x in call.inputs]
    made = kind.make(replace(call, inputs=taken))
    assert isinstance(made, Value)
    return made


def mask_argument(spec: Spec, tensors: int, call: dict[str, Any]) -> float | None:
    """The value of padding that NotEqual compares with; None of ``Any``, which joins the comparisons of a timestep's numbers.

    Raises
    ------
    UnsupportedModelError
        If it is called otherwise, or the mask is another operator's.
    """
    args = call.get("args", [])
    if tensors == 1 and spec.kind == "Any" and not args and spec.config.get("axis") in (-1, [-1]) and not spec.config.get("keepdims"):
        return None
    number = args[0] if tensors == 1 and isinstance(args, list) and len(args) == 1 else None
    if spec.kind == "NotEqual" and isinstance(number, int | float) and not isinstance(number, bool):
        return float(number)
    raise UnsupportedModelError(
        f"{spec.label} makes a mask; edgelstm imports those of Masking and mask_zero=True, which compare a timestep with one value."
    )


def _mask_alone(call: Call) -> Value:
    raise call.refused("it is used for more than a mask")


#: Classes whose calls may hold more than tensors: the rest arrives as the setting ``call``.
KINDS: dict[str, Kind] = {
    "GetItem": Kind(_getitem),
    "SlicingOpLambda": Kind(_getitem),
    "TFOpLambda": Kind(_tensorflow, attends=True),
    "NotEqual": Kind(_mask_alone),
    "Any": Kind(_mask_alone),
    **{kind: _arithmetic(kind) for kind in ("Add", "Subtract", "Multiply")},
    **{kind: Kind(_over_time(kind), attends=True) for kind in ("Sum", "Mean", "Max")},
}
