"""Keras' layers that join several tensors of one timestep."""

from collections.abc import Callable
from dataclasses import replace
from math import prod

import numpy as np

from ...layers.activations import spelled
from ...layers.feedforward import Add
from ...layers.joining import Concat, Mul
from ..extremes import extreme
from . import laying, products, weighting
from .build import Masked, Value
from .kinds import Call, Kind


def _together(call: Call) -> tuple[Value, Masked | None]:
    """The first of the inputs, once they agree in time, and the mask of all."""
    xs = call.inputs
    if not xs or len({x.time for x in xs}) != 1 or xs[0].time is None:
        raise call.refused(f"it joins tensors of shapes {', '.join(str(x.shape) for x in xs)}, of which not all have the same timesteps")
    if len({x.steps for x in xs} - {None}) > 1:
        raise call.refused(f"it joins sequences of {' and '.join(str(x.steps) for x in xs)} timesteps")
    masks = {x.mask for x in xs} if call.spec.version > 2 else {x.mask for x in xs if x.mask is not None}
    if None in masks:
        return xs[0], None
    if len(masks) > 1:
        counts = [call.build.mask(mask) for mask in dict.fromkeys(x.mask for x in xs) if mask is not None]
        return xs[0], Masked(call.build.add(Mul(**call.at(*counts, name=f"{call.name}.mask"))), 0.0)
    return xs[0], next(iter(masks), None)


def _concatenate(call: Call) -> Value:
    call = replace(call, inputs=call.build.ends(call.inputs))
    first, mask = _together(call)
    given = call.options.take("axis", int, call.options.take("concat_axis", int, -1))
    axis = replace(call, inputs=[first]).feature_axis(given)
    if len({(*x.features[:axis], 0, *x.features[axis + 1 :]) for x in call.inputs}) != 1:
        raise call.refused(f"it joins tensors of shapes {', '.join(str(x.shape) for x in call.inputs)} along axis {given}")
    if len(first.features) > 1:
        return replace(laying.beside(call.build, call.name, call.inputs, axis), mask=mask)
    width = sum(x.width for x in call.inputs)
    return replace(first.with_features(call.build.add(Concat(**call.at(*call.inputs))), (width,)), mask=mask)


def _alike(call: Call) -> tuple[Value, Masked | None, list[str]]:
    """One of the inputs with the features of all, the mask, and the names of all, spread to these features as NumPy broadcasts them."""
    call = replace(call, inputs=_at_each_step(call))
    first, mask = _together(call)
    shapes = [tuple(n or 0 for n in x.features) for x in call.inputs]
    try:
        features = np.broadcast_shapes(*shapes)
    except ValueError:
        raise call.refused(f"it joins tensors of shapes {', '.join(str(x.shape) for x in call.inputs)}") from None
    found = [laying.spread(call.build, f"{call.name}.spread", x, features) if x.features != features else x for x in call.inputs]
    return first.with_features(first.name, features), mask, [x.name for x in found]


def _at_each_step(call: Call) -> list[Value]:
    """The inputs; what is one vector for a whole sequence stands at each timestep of the sequence that it is joined with."""
    rows = next((x for x in call.inputs if x.time), None)
    if rows is None:
        return call.build.ends(call.inputs)
    return [x if x.time else _repeated(call, x, rows) for x in call.inputs]


def _repeated(call: Call, x: Value, rows: Value) -> Value:
    features = x.features[1:] if len(x.features) == len(rows.shape) else x.features
    if x.time is None or not features or x.width != prod(n or 0 for n in features):
        raise call.refused(f"it joins tensors of shapes {', '.join(str(x.shape) for x in call.inputs)}")
    if x.static:
        return Value(x.name, (rows.steps, *features), True)
    return weighting.recalled(call, x, rows, features)


def _add(call: Call) -> Value:
    x, mask, names = _alike(call)
    return replace(x, name=call.build.add(Add(**call.at(*names))), mask=mask)


def _multiply(call: Call) -> Value:
    if any(x.weights for x in call.inputs):
        return weighting.weighted(call)
    call = replace(call, inputs=[weighting.settled(call.build, call.spec.label, x) for x in call.inputs])
    x, mask, names = _alike(call)
    return replace(x, name=call.build.add(Mul(**call.at(*names))), mask=mask)


def _average(call: Call) -> Value:
    y = _add(call)
    return call.build.apply(spelled("affine", 1 / len(call.inputs), 0.0), f"{call.name}.mean", y)


def _subtract(call: Call) -> Value:
    if len(call.inputs) != 2:
        raise call.refused(f"it subtracts one tensor from another; it is given {len(call.inputs)}")
    minus = call.build.apply(spelled("affine", -1.0, 0.0), f"{call.name}.minus", call.inputs[1])
    return _add(replace(call, inputs=(call.inputs[0], minus)))


def _extreme(*, largest: bool) -> Callable[[Call], Value]:
    def make(call: Call) -> Value:
        x, mask, names = _alike(call)
        return replace(x, name=call.build.add(*extreme(names, call.at(*names)["name"], largest=largest)), mask=mask)

    return make


def _merge(call: Call) -> Value:
    """Keras 1's one class for all of them."""
    mode = call.options.take("mode", str, "sum")
    makers = {"concat": _concatenate, "sum": _add, "mul": _multiply, "ave": _average}
    if mode not in makers:
        raise call.refused(f"its mode is {mode}; edgelstm imports {', '.join(makers)}")
    call.options.drop("mode_type", "output_shape", "output_shape_type", "output_mask", "output_mask_type", "arguments", "dot_axes")
    if mode != "concat":
        call.options.drop("concat_axis")
    if mode != "mul":
        call = replace(call, inputs=[weighting.settled(call.build, call.spec.label, x) for x in call.inputs])
    return makers[mode](call)


KINDS = {
    "Concatenate": Kind(_concatenate),
    "Add": Kind(_add),
    "Multiply": Kind(_multiply, attends=True),
    "Dot": Kind(products.dot, attends=True, looks=True),
    "Average": Kind(_average),
    "Subtract": Kind(_subtract),
    "Maximum": Kind(_extreme(largest=True)),
    "Minimum": Kind(_extreme(largest=False)),
    "Merge": Kind(_merge, attends=True),
}
