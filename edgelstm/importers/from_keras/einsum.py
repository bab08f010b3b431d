"""``EinsumDense``: a weighted sum of the numbers of each timestep, or of the map of all timesteps, by an equation."""

import string
from dataclasses import replace
from math import prod

import numpy as np

from ...layers.feedforward import Dense
from ...layers.record import MAX_SIZE
from .build import Value
from .feedforward import activated
from .kinds import Call, Kind
from .settings import Spec
from .weights import Slot

#: Most weights that an equation is written out to, and most of the identity that they are found by.
_MOST_WEIGHTS = 1 << 22


def _slots(spec: Spec) -> list[Slot]:
    return [Slot((), name) for name in ("kernel", *(("bias",) if spec.config.get("bias_axes") else ()))]


def _letters(call: Call, rank: int) -> tuple[str, str, str]:
    """The letters of input, kernel and output, of which the input has one for each axis; an ellipsis stands for those that are not said."""
    equation = call.options.take("equation", str).replace(" ", "")
    left, arrow, output = equation.partition("->")
    parts = left.split(",")
    free = [letter for letter in string.ascii_uppercase if letter not in equation]
    if not arrow or len(parts) != 2:
        raise call.refused(f"its equation is {equation!r}; edgelstm imports an input, a kernel and an output")
    more = "".join(free[: rank - len(parts[0].replace("...", ""))]) if "..." in parts[0] else ""
    given, kernel, made = (part.replace("...", more) for part in (*parts, output))
    letters = given + kernel + made
    apart = all(len(set(one)) == len(one) for one in (given, kernel, made)) and all(c in string.ascii_letters for c in letters)
    if not apart or len(given) != rank or not set(made) <= set(given + kernel):
        raise call.refused(f"its equation is {equation!r}, on a tensor of {rank} axes")
    return given, kernel, made


def _einsum_dense(call: Call) -> Value:
    x = call.x if call.x.time is not None else replace(call.x, time=False)
    given, kernel, made = _letters(call, len(x.shape) + 1)
    kept = 2 if x.time else 1  # the batch and time, which go through
    if x.turned or None in x.features or given[:kept] != made[:kept] or set(given[:kept]) & set(kernel):
        raise call.refused(f"its equation {given},{kernel}->{made} mixes timesteps, or the file leaves the size of one open")
    weights = call.arrays.get("kernel", [None] * len(kernel))
    sizes = dict(zip(kernel, weights.shape, strict=True)) | dict(zip(given[kept:], (n or 0 for n in x.features), strict=True))
    weights = call.arrays.get("kernel", [sizes[letter] for letter in kernel])
    features = tuple(sizes[letter] for letter in made[kept:])
    if x.width * max(x.width, prod(features)) > _MOST_WEIGHTS or prod(features) > MAX_SIZE:
        raise call.refused(f"its equation makes {features} of {x.features}; edgelstm writes out up to {_MOST_WEIGHTS} weights")
    each = np.eye(x.width).reshape(x.width, *(n or 0 for n in x.features))
    matrix = np.einsum(f"{given[0]}{given[kept:]},{kernel}->{given[0]}{made[kept:]}", each, weights).reshape(x.width, -1)
    bias = _bias(call, made[kept:], features)
    call.options.drop("output_shape")
    y = x.with_features(call.build.add(Dense(np.ascontiguousarray(matrix.T), bias, **call.at(x))), features)
    return activated(call, call.activation(), call.name, y)


def _bias(call: Call, made: str, features: tuple[int, ...]) -> np.ndarray | None:
    axes = call.options.take("bias_axes", str, None)
    if not axes:
        return None
    if not set(axes) <= set(made):
        raise call.refused(f"its bias_axes are {axes!r}, of which not all are axes of one timestep")
    bias = call.arrays.get("bias", None).reshape([n if letter in axes else 1 for letter, n in zip(made, features, strict=True)])
    return np.broadcast_to(bias, features).ravel()


KINDS = {"EinsumDense": Kind(_einsum_dense, _slots)}
