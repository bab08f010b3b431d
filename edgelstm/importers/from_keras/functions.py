"""Functions that a Functional model calls beside layers: of each number, of parts of a tensor, and of tensors laid out anew."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ...errors import printable
from ...layers.activations import spelled
from ...layers.joining import Mul
from ...layers.recording import Reverse
from . import joining, laying, normalising, shaping
from .build import Value
from .kinds import Call, Kind
from .settings import Options

#: What functions are called with beside tensors.
_ARGUMENTS = {
    *("args", "before", "axis", "dtype", "newshape", "shape", "num_or_size_splits", "indices_or_sections", "y", "x2", "epsilon"),
    *("x_min", "x_max", "clip_value_min", "clip_value_max"),
}


def argument(call: Call, *names: str, default: Any = None) -> Any:
    """What it is called with, or set to, under one of its names or without one."""
    given = _given(call)
    rest = given.get("args")
    first = rest[0] if isinstance(rest, list) and len(rest) == 1 else rest
    found = [value for name in names if (value := call.options.take(name, object, given.get(name))) is not None]
    return found[0] if found else default if first is None else first


def _given(call: Call) -> dict[str, Any]:
    """What it is called with beside tensors."""
    found: dict[str, Any] = call.spec.config.get("call", {})
    return found


def _set(call: Call, **options: Any) -> Call:
    return replace(call, options=Options(options, call.spec.label, 2))


def _reshape(call: Call) -> Value:
    """A shape that begins with the batch."""
    wanted = argument(call, "newshape", "shape")
    if not isinstance(wanted, list) or wanted[:1] not in ([-1], [None], [1]) or not all(type(size) is int for size in wanted[1:]):
        raise call.refused(f"it makes a tensor of shape {printable(wanted, 60)}, which does not begin with -1 for the batch")
    made = shaping.KINDS["Reshape"].make(_set(call, target_shape=wanted[1:]))
    assert isinstance(made, Value)
    return made


def _cast(call: Call) -> Value:
    dtype = argument(call, "dtype") or call.spec.config.get("dtype")
    if dtype not in ("float32", "float"):
        raise call.refused(f"it makes numbers of {printable(dtype, 60)}; edgelstm computes in float32")
    return call.x


def _concat(call: Call) -> Value:
    made = joining.KINDS["Concatenate"].make(_set(call, axis=argument(call, "axis", default=-1)))
    assert isinstance(made, Value)
    return made


def _stack(call: Call) -> Value:
    """Tensors of one shape along an axis of their own."""
    axis, first = argument(call, "axis", default=0), call.inputs[0]
    rank, features = len(first.shape) + 2, len(first.features)
    place = axis % rank - (rank - 1 - features) if type(axis) is int and -rank <= axis < rank else -1
    if place < 0 or len({(x.time, x.shape, x.mask) for x in call.inputs}) != 1 or first.time is None:
        raise call.refused(f"it stands tensors of shapes {[x.shape for x in call.inputs]} one beside the other along axis {axis}")
    xs = [x.with_features(x.name, (*x.features[:place], 1, *x.features[place:])) for x in call.inputs]
    return laying.beside(call.build, call.name, xs, place)


def _split(call: Call) -> list[Value]:
    """Parts along an axis of the features: so many alike, of these sizes (TensorFlow), or cut at these places (Keras 3)."""
    given = _given(call)
    axis = call.feature_axis(call.options.take("axis", object, given.get("axis", 0)))
    cuts, sizes = call.options.take("indices_or_sections", object, None), given.get("num_or_size_splits")
    whole = call.x.features[axis] or 0
    count = cuts if type(cuts) is int else sizes
    if type(count) is int and 0 < count <= whole and whole % count == 0:
        cuts = list(range(whole // count, whole, whole // count))
    elif isinstance(sizes, list) and all(type(n) is int and n > 0 for n in sizes) and sum(sizes) == whole:
        cuts = np.cumsum(sizes)[:-1].tolist()
    if not isinstance(cuts, list) or sorted({0, *cuts, whole}) != [0, *cuts, whole]:
        raise call.refused(f"it cuts {whole} numbers at {printable(cuts if sizes is None else sizes, 60)}")
    parts = np.split(laying.places(call.x), cuts, axis=axis)
    return [laying.gathered(call.build, f"{call.name}.{number}", [call.x], part) for number, part in enumerate(parts)]


def _clip(call: Call) -> Value:
    low, high = argument(call, "x_min", "clip_value_min"), argument(call, "x_max", "clip_value_max")
    if not all(isinstance(n, int | float) for n in (low, high)) or low > high:
        raise call.refused(f"it keeps numbers between {printable(low, 60)} and {printable(high, 60)}")
    return call.build.apply(spelled("clip", float(low), float(high)), call.name, call.x)


def _extreme(kind: str) -> Kind:
    """The larger, or smaller, of tensors, or of a tensor and a number."""
    sign = 1.0 if kind == "Maximum" else -1.0

    def make(call: Call) -> Value:
        numbers = [n for value in _given(call).values() for n in (value if isinstance(value, list) else [value])]
        if not numbers:
            made = joining.KINDS[kind].make(call)
            assert isinstance(made, Value)
            return made
        if len(call.inputs) != 1 or len(numbers) != 1 or isinstance(numbers[0], bool) or not isinstance(numbers[0], int | float):
            raise call.refused(f"it is called with {printable(numbers, 60)} beside its tensors")
        limit = float(numbers[0])
        above = call.build.apply(spelled("affine", sign, -sign * limit), f"{call.name}.above", call.x)
        return call.build.apply(spelled("affine", sign, limit), call.name, call.build.apply("relu", f"{call.name}.part", above))

    return _made(make)


def squared(call: Call) -> Value:
    """Each number times itself."""
    return replace(call.x, name=call.build.add(Mul(**call.at(call.x, call.x))))


def _power(call: Call) -> Value:
    exponent = argument(call, "y", "x2")
    if exponent not in (2, 0.5) or isinstance(exponent, bool) or len(call.inputs) != 1:
        raise call.refused(f"it raises numbers to the power {printable(exponent, 60)}; edgelstm imports 2 and 0.5")
    return squared(call) if exponent == 2 else call.build.apply("sqrt", call.name, call.x)


def _flip(call: Call) -> Value:
    """The timesteps, or an axis of the features, in the opposite order."""
    x, axis = call.x, argument(call, "axis")
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    if x.time and axis in (1, -len(x.shape)):
        if x.mask is not None or x.turned:
            raise call.refused("it turns a masked sequence round, which edgelstm does not import")
        return replace(x, name=call.build.add(Reverse(**call.at(call.build.measured(call.name, x)))))
    place = call.feature_axis(axis)
    return laying.gathered(call.build, call.name, [x], np.flip(laying.places(x), place))


def _normalize(call: Call) -> Value:
    """Vectors of length 1."""
    axis, order = argument(call, "axis", default=-1), call.options.take("order", object, 2)
    epsilon = call.options.take("epsilon", object, _given(call).get("epsilon"))
    if order != 2 or epsilon not in (None, 1e-12):
        raise call.refused(f"it divides by a norm of order {printable(order, 60)}, at least {printable(epsilon, 60)}")
    made = normalising.KINDS["UnitNormalization"].make(_set(call, axis=axis))
    assert isinstance(made, Value)
    return made


def quotient(call: Call, number: float | None) -> Value:
    """A tensor, or a number, divided by a tensor."""
    name, build = call.name, call.build
    one = build.apply("reciprocal", f"{name}.inverse", call.inputs[-1])
    if number is not None:
        return build.apply(spelled("affine", number, 0.0), name, one)
    made = joining.KINDS["Multiply"].make(replace(call, inputs=[call.inputs[0], one]))
    assert isinstance(made, Value)
    return made


def _word(word: str) -> Kind:
    return _made(lambda call: call.build.apply(word, call.name, call.x))


def _made(make: Callable[[Call], Value | list[Value]]) -> Kind:
    """A class whose other arguments it looks at itself."""

    def found(call: Call) -> Value | list[Value]:
        if unknown := set(_given(call)) - _ARGUMENTS:
            raise call.refused(f"it is called with {printable(', '.join(sorted(unknown)), 60)}, which edgelstm does not import")
        made = make(call)
        call.options.drop("call")
        return made

    return Kind(found)


#: By class.
KINDS: dict[str, Kind] = {
    "Cast": _made(_cast),
    "Concat": _made(_concat),
    "Stack": _made(_stack),
    "Split": _made(_split),
    "Clip": _made(_clip),
    "Maximum": _extreme("Maximum"),
    "Minimum": _extreme("Minimum"),
    "Square": _made(squared),
    "Sqrt": _word("sqrt"),
    "Log": _word("log"),
    "Power": _made(_power),
    "Flip": _made(_flip),
    "Normalize": _made(_normalize),
    "NewShape": _made(_reshape),
}

#: TensorFlow's functions, by what follows ``tf.``.
FUNCTIONS = {
    "cast": "Cast",
    "concat": "Concat",
    "stack": "Stack",
    "split": "Split",
    "clip_by_value": "Clip",
    "math.maximum": "Maximum",
    "math.minimum": "Minimum",
    "math.square": "Square",
    "math.sqrt": "Sqrt",
    "math.log": "Log",
    "math.pow": "Power",
    "reverse": "Flip",
    "math.l2_normalize": "Normalize",
    "linalg.l2_normalize": "Normalize",
    "nn.l2_normalize": "Normalize",
    "reshape": "NewShape",
}
