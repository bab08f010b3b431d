"""Operators that a Functional model holds beside layers: the last timestep of a sequence, parts of a vector, sums and products."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ...errors import printable
from ...layers.activations import spelled
from ...layers.pooling import GlobalAveragePool1D, GlobalMaxPool1D
from ...layers.recording import Last, Reverse
from . import convolving, feedforward, functions, joining, laying, products, shaping, weighting
from .build import Value
from .kinds import Call, Kind
from .settings import Options

#: TensorFlow's functions, by what follows ``tf.``, and the layers of Keras that compute the same.
_FUNCTIONS = {
    "__operators__.add": "Add",
    "math.add": "Add",
    "math.multiply": "Multiply",
    "math.subtract": "Subtract",
    "math.divide": "Divide",
    "math.truediv": "Divide",
    "math.reduce_sum": "Sum",
    "math.reduce_mean": "Mean",
    "math.reduce_max": "Max",
    "expand_dims": "ExpandDims",
    "one_hot": "OneHot",
    "squeeze": "Squeeze",
    "compat.v1.squeeze": "Squeeze",
    "linalg.matmul": "Matmul",
    "transpose": "Transpose",
    "compat.v1.transpose": "Transpose",
    "nn.relu": "Relu",
    "nn.relu6": "Relu6",
    "nn.elu": "Elu",
    "nn.selu": "Selu",
    "nn.silu": "Silu",
    "nn.softmax": "Shares",
    "math.sigmoid": "Sigmoid",
    "math.tanh": "Tanh",
    "math.exp": "Exp",
    "math.abs": "Absolute",
    "math.negative": "Negative",
    "math.softplus": "Softplus",
    **functions.FUNCTIONS,
}

#: Operators of Keras 3 that are a function of each number, and the word of that.
_WORDS = {
    "Relu": "relu",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Exp": "exp",
    "Absolute": "abs",
    "Silu": "silu",
    "Softplus": "softplus(1)",
    "Relu6": "relu6",
    "Elu": "elu(1)",
    "Selu": "selu",
    "Negative": spelled("affine", -1.0, 0.0),
}

_FULL = slice(None)


def _getitem(call: Call) -> Value:
    """``x[:, -1]``, ``x[:, 0]``, ``x[:, ::-1]``, and parts of a timestep, or of a map, as NumPy takes them."""
    given = call.options.take("call", dict, {})
    call.options.drop("function")
    spec = given.get("slice_spec", given.get("args"))
    x = call.x
    key = _whole([_index(index) for index in (spec if isinstance(spec, list) else [])], len(x.shape) + 1)
    sound = all(index is None or type(index) in (int, slice) for index in key)
    if not key or not sound or key[0] != _FULL or len([i for i in key if i is not None]) > len(x.shape) + 1:
        raise call.refused(f"it takes {printable(key, 60)} of a tensor of shape {x.shape}; edgelstm imports numbers and slices")
    rest = key[1:]
    if x.time and rest:
        x, rest = _some_time(call, x, rest[0]), rest[1:]
    if all(index == _FULL for index in rest):
        return x
    try:
        wanted = laying.places(x)[tuple(rest)]
    except IndexError:
        raise call.refused(f"it takes {printable(key, 60)} of a tensor of shape {x.shape}, which has no such values") from None
    return laying.gathered(call.build, call.name, [x], wanted)


def _some_time(call: Call, x: Value, index: Any) -> Value:
    """The timesteps that an index takes: all of them, the last, the first, or all of them backwards."""
    if index == _FULL:
        return x
    if index == -1:
        return call.build.ended(call.name, x)
    if x.mask is None and index == 0 and type(index) is int:
        return Value(call.build.add(Last(ends=("first",), **call.at(x))), x.features, False, over=x.steps)
    if x.mask is None and index == slice(None, None, -1):
        return replace(x, name=call.build.add(Reverse(**call.at(x))))
    raise call.refused(
        f"it takes {printable(index, 60)} of the timesteps of a tensor of shape {x.shape}; edgelstm imports [:, -1], [:, 0] and [:, ::-1]"
    )


def _whole(key: list[Any], rank: int) -> list[Any]:
    """A key whose ellipsis has become slices of whole axes."""
    if key.count(...) != 1:
        return key
    place, others = key.index(...), len([index for index in key if index is not None]) - 1
    return [*key[:place], *[_FULL] * (rank - others), *key[place + 1 :]]


def _index(given: Any) -> Any:
    """One index of a key: a number, None, an ellipsis, or a slice; anything else as it is."""
    if isinstance(given, dict) and given.get("class_name") == "__ellipsis__":
        return ...
    inner = given.get("config") if isinstance(given, dict) and given.get("class_name") == "__slice__" else given
    if not isinstance(inner, dict) or not set(inner) <= {"start", "stop", "step"}:
        return inner
    parts = [inner.get(name) for name in ("start", "stop", "step")]
    return slice(*parts) if {type(part) for part in parts} <= {int, type(None)} and parts[2] != 0 else inner


def _arithmetic(kind: str) -> Kind:
    """A sum, difference or product of tensors, or of a tensor and a number behind it."""

    def make(call: Call) -> Value:
        given = call.options.take("call", dict, {})
        numbers = [v for value in given.values() for v in (value if isinstance(value, list) else [value])]
        if not numbers and kind == "Divide" and len(call.inputs) == 2:
            xs = [weighting.settled(call.build, call.spec.label, x) for x in call.inputs]
            return functions.quotient(replace(call, inputs=xs), None)
        if not numbers and kind != "Divide":
            made = joining.KINDS[kind].make(call)
            assert isinstance(made, Value)
            return made
        if len(call.inputs) != 1 or len(numbers) != 1 or isinstance(numbers[0], bool) or not isinstance(numbers[0], int | float):
            raise call.refused(f"it is called with {numbers} beside its tensors")
        number = float(numbers[0])
        if kind == "Divide" and "before" in given:
            return functions.quotient(call, number)
        if kind == "Divide" and not number:
            raise call.refused("it divides a tensor by 0")
        words = {"Add": (1.0, number), "Subtract": (1.0, -number), "Multiply": (number, 0.0), "Divide": (1 / (number or 1), 0.0)}
        if "before" in given:
            words["Subtract"] = (-1.0, number)
        x, (factor, offset) = call.x, words[kind]
        if x.looks and not offset and not x.weights:
            return replace(x, looks=replace(x.looks, scale=x.looks.scale * factor))
        x = weighting.settled(call.build, call.spec.label, x)
        return call.build.apply(spelled("affine", factor, offset), call.name, x)

    return Kind(make, attends=kind in ("Multiply", "Divide"), looks=kind in ("Multiply", "Divide"))


def _over(kind: str) -> Callable[[Call], Value]:
    """The sum, mean or largest over time, or along an axis of each timestep or map."""

    def make(call: Call) -> Value:
        given = call.options.take("call", dict, {})
        x, axis = call.x, call.options.take("axis", object, given.get("axis", (given.get("args") or [None])[0]))
        kept = call.options.take("keepdims", bool, given.get("keepdims", False))
        call.options.must_be("initial", None)
        axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
        if x.scores and kind == "Sum" and axis in (1, -2) and not kept:
            return weighting.total(call)
        if x.turned or x.weights or (x.scores and (axis not in (1, -2) or kind == "Max")):
            x = weighting.settled(call.build, call.spec.label, x)
            call = replace(call, inputs=[x])
        if x.time and axis in (1, -len(x.shape)):
            y, count = _over_time(call, kind), x.steps
            shape = (1, *y.shape) if kept else y.shape
        else:
            axis = call.feature_axis(axis)
            y, count = laying.pooled(call.build, call.name, x, axis, "max" if kind == "Max" else "average"), x.features[axis]
            features = (*x.features[:axis], 1, *x.features[axis + 1 :]) if kept else y.features
            shape = y.with_features(y.name, features).shape
        if kind == "Sum" and count is None:
            raise call.refused("it sums timesteps, and the file leaves their number open")
        y = call.build.apply(spelled("affine", float(count or 1), 0.0), f"{call.name}.sum", y) if kind == "Sum" else y
        return replace(y, shape=shape)

    return make


def _over_time(call: Call, kind: str) -> Value:
    if len(call.x.shape) != 2:
        raise call.refused(f"it goes over the timesteps of a tensor of shape {call.x.shape}; edgelstm imports vectors there")
    unmasked = replace(call, inputs=[replace(call.x, mask=None)])
    return convolving.over_all(unmasked, GlobalMaxPool1D if kind == "Max" else GlobalAveragePool1D)


def _argument(call: Call, *names: str) -> Any:
    """What it is called with, or set to, under one of its names."""
    given = call.options.take("call", dict, {})
    rest = given.get("args")
    first = rest[0] if isinstance(rest, list) and len(rest) == 1 else rest
    found = [value for name in names if (value := call.options.take(name, object, given.get(name))) is not None]
    call.options.drop("newshape", "keepdims", "conjugate")
    return found[0] if found else first


def _with_axis(call: Call) -> Value:
    x, axis = call.x, _argument(call, "axis")
    rank = len(x.shape) + 2
    if type(axis) is not int or not -rank <= axis < rank or not axis % rank:
        raise call.refused(f"it adds the axis {printable(axis, 60)} to a tensor of shape {x.shape}")
    place = axis % rank - 1
    return shaping.reshaped(call, (*x.shape[:place], 1, *x.shape[place:]))


def without_axis(call: Call) -> Value:
    """Its only input without one of its axes, of length 1."""
    x, axis = call.x, _argument(call, "axis")
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    rank = len(x.shape) + 1
    if type(axis) is not int or not -rank <= axis < rank or not axis % rank or x.shape[axis % rank - 1] != 1:
        raise call.refused(f"it takes the axis {printable(axis, 60)} from a tensor of shape {x.shape}")
    place = axis % rank - 1
    return shaping.reshaped(call, (*x.shape[:place], *x.shape[place + 1 :]))


def _transposed(call: Call) -> Value:
    axes = _argument(call, "axes", "perm")
    if not isinstance(axes, list) or axes[:1] != [0]:
        raise call.refused(f"it moves axes to the order {printable(axes, 60)}")
    return shaping.permuted(call, tuple(axes[1:]))


def _softmax(call: Call) -> Value:
    axis = _argument(call, "axis")
    made = feedforward.KINDS["Softmax"].make(replace(call, options=Options({"axis": -1 if axis is None else axis}, call.spec.label, 2)))
    assert isinstance(made, Value)
    return made


def _function(word: str) -> Kind:
    """A function of each number."""

    def make(call: Call) -> Value:
        call.options.drop("call")
        return call.build.apply(word, call.name, call.x)

    return Kind(make)


def _tensorflow(call: Call) -> Value | list[Value]:
    function = call.options.take("function", str, "")
    if function not in _FUNCTIONS:
        raise call.refused(f"it is TensorFlow's {function}; edgelstm imports {', '.join(_FUNCTIONS)}, and Keras' own layers")
    kind = KINDS[_FUNCTIONS[function]]
    as_it_is = [kind.looks if x.looks else kind.attends for x in call.inputs]
    given = zip(call.inputs, as_it_is, strict=True)
    taken = [x if kept else weighting.settled(call.build, call.spec.label, x) for x, kept in given]
    return kind.make(replace(call, inputs=taken))


def _same(call: Call) -> Value:
    call.options.drop("call", "sparse", "ragged")
    return call.x


def _mask_alone(call: Call) -> Value:
    raise call.refused("it is used for more than a mask")


#: Classes whose calls may hold more than tensors: the rest arrives as the setting ``call``.
KINDS: dict[str, Kind] = {
    "GetItem": Kind(_getitem),
    "SlicingOpLambda": Kind(_getitem),
    "TFOpLambda": Kind(_tensorflow, attends=True, looks=True),
    "NotEqual": Kind(_mask_alone),
    "ConvertToTensor": Kind(_same),
    "Any": Kind(_mask_alone),
    **{kind: _arithmetic(kind) for kind in ("Add", "Subtract", "Multiply", "Divide")},
    "TrueDivide": _arithmetic("Divide"),
    **{kind: Kind(_over(kind), attends=True) for kind in ("Sum", "Mean", "Max")},
    **{kind: _function(word) for kind, word in _WORDS.items()},
    "OneHot": Kind(feedforward.one_hot),
    "ExpandDims": Kind(_with_axis, attends=True),
    "Squeeze": Kind(without_axis, attends=True),
    "Transpose": Kind(_transposed, attends=True),
    "Matmul": Kind(products.matmul, attends=True, looks=True),
    "Shares": Kind(_softmax, attends=True, looks=True),
    **functions.KINDS,
}
