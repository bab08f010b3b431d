"""Keras' layers that join several tensors of one timestep."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ...layers.activations import spelled
from ...layers.feedforward import Add, Dense
from ...layers.joining import Concat, Mul
from ..extremes import extreme
from . import weighting
from .build import Masked, Value
from .kinds import Call, Kind


def _together(call: Call) -> tuple[Value, Masked | None]:
    """The first of the inputs, once they agree in time, and the mask of all."""
    xs = call.inputs
    if not xs or len({x.time for x in xs}) != 1 or xs[0].time is None:
        raise call.refused(f"it joins tensors of shapes {', '.join(str(x.shape) for x in xs)}, of which not all have the same timesteps")
    masks = {x.mask for x in xs if x.mask is not None}
    if len(masks) > 1:
        raise call.refused("it joins sequences with different masks")
    return xs[0], next(iter(masks), None)


def _concatenate(call: Call) -> Value:
    call = replace(call, inputs=call.build.ends(call.inputs))
    first, mask = _together(call)
    rank = len(first.shape)
    axis = call.options.take("axis", int, call.options.take("concat_axis", int, -1))
    if axis not in (-1, rank):
        raise call.refused(f"it joins along axis {axis}; edgelstm joins the last axis of tensors of shape {first.shape}, {rank} or -1")
    if len({x.features[:-1] for x in call.inputs}) != 1 or len(first.features) > 1:
        raise call.refused("it joins maps; edgelstm joins vectors, one a timestep")
    width = sum(x.width for x in call.inputs)
    return replace(first.with_features(call.build.add(Concat(**call.at(*call.inputs))), (width,)), mask=mask)


def _alike(call: Call) -> tuple[Value, Masked | None, list[str]]:
    """The widest input, the mask, and the names of all, with vectors of one number spread to its width."""
    _, mask = _together(call)
    widest = max(call.inputs, key=lambda x: x.width)
    names = []
    for x in call.inputs:
        if x.width not in (1, widest.width) or (x.width > 1 and x.features != widest.features):
            raise call.refused(f"it joins tensors of shapes {x.shape} and {widest.shape}")
        spread = x.width == 1 < widest.width
        names.append(call.build.add(Dense(np.ones((widest.width, 1)), **call.at(x, name=f"{call.name}.spread"))) if spread else x.name)
    return widest, mask, names


def _add(call: Call) -> Value:
    x, mask, names = _alike(replace(call, inputs=call.build.ends(call.inputs)))
    return replace(x, name=call.build.add(Add(**call.at(*names))), mask=mask)


def _multiply(call: Call) -> Value:
    if any(x.weights for x in call.inputs):
        return weighting.weighted(call)
    call = replace(call, inputs=[weighting.settled(call.build, call.spec.label, x) for x in call.inputs])
    x, mask, names = _alike(replace(call, inputs=call.build.ends(call.inputs)))
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
        x, mask, names = _alike(replace(call, inputs=call.build.ends(call.inputs)))
        return replace(x, name=call.build.add(*extreme(names, call.at(*names)["name"], largest=largest)), mask=mask)

    return make


def _merge(call: Call) -> Value:
    """Keras 1's one class for all of them."""
    mode = call.options.take("mode", str, "sum")
    makers = {"concat": _concatenate, "sum": _add, "mul": _multiply, "ave": _average}
    if mode not in makers:
        raise call.refused(f"its mode is {mode}; edgelstm imports {', '.join(makers)}")
    call.options.drop("mode_type", "output_shape", "output_shape_type", "output_mask", "output_mask_type", "arguments", "dot_axes")
    return makers[mode](call)


KINDS = {
    "Concatenate": Kind(_concatenate),
    "Add": Kind(_add),
    "Multiply": Kind(_multiply, attends=True),
    "Dot": Kind(weighting.dot, attends=True),
    "Average": Kind(_average),
    "Subtract": Kind(_subtract),
    "Maximum": Kind(_extreme(largest=True)),
    "Minimum": Kind(_extreme(largest=False)),
    "Merge": Kind(_merge),
}
