"""Layer normalisation that a graph spells out in single operators, and normalisation of groups over a frame or a recording."""

import numpy as np

from .cells import Cells
from .emitting import layer
from .expressions import Affine, Floats, Made, Scale
from .tracing import Flow, Tracer
from .wires import Ids


def normalised(tracer: Tracer, numerator: Flow, divisor: Flow) -> Flow | None:
    """``(x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon)``, or ``x / sqrt(mean(x^2) + epsilon)``, as a layer; None for others.

    The axes that are normalised are those along which the divisor, which broadcasts against the numerator, stays the same.
    """
    if np.broadcast_shapes(divisor.shape, numerator.shape) != numerator.shape:
        return None
    roots = np.broadcast_to(divisor.ids, numerator.shape)
    axes = [axis for axis in range(roots.ndim) if (roots == roots.take([0], axis)).all()]
    order = [*(axis for axis in range(roots.ndim) if axis not in axes), *axes]
    turned, width = np.transpose(numerator.ids, order), int(np.prod([roots.shape[axis] for axis in axes]))
    group = tracer.grouped([turned.reshape(-1, width), np.transpose(roots, order).reshape(-1, width)[:, :1]])
    values, root = group.refs[0], group.refs[1][:, 0]
    if len(root) != 1:
        return None
    squares = _squares(Cells(tracer.space), root, values[0])
    if squares is None:
        return None
    epsilon, reads, name = squares
    given: dict[str, Floats | float] = {"weight": np.ones(width), "epsilon": epsilon}
    found = tracer.output(group, Made(tracer.place, layer(name, tracer.place, **given), [reads]), width=width)
    return Flow(np.transpose(found.reshape(turned.shape), np.argsort(order)))


def _squares(cells: Cells, root: Ids, values: Ids) -> tuple[float, Ids, str] | None:
    """epsilon, what is normalised, and the layer, if `root` is the root of the mean of the squares of `values`."""
    under = cells.function(root)
    view = None if under is None or under[0] != "sqrt" else cells.view(under[1])
    if view is None or not isinstance(view.source, Affine):
        return None
    weight, epsilon, squares = view.source.weight[view.numbers][0], float(view.source.bias[view.numbers][0]), view.source.refs
    factors = cells.pair(squares, "mul")
    if factors is None or not _is_mean(weight, values.size) or epsilon <= 0:
        return None
    if any(set(one.tolist()) != set(values.tolist()) for one in factors) or not np.array_equal(factors[0], factors[1]):
        return None
    centred = _centred(cells, values)
    return (epsilon, values, "RMSNorm") if centred is None else (epsilon, centred, "LayerNorm")


def _is_mean(weight: Floats, count: int) -> bool:
    return weight.size == count and bool(np.allclose(weight, 1 / count, rtol=1e-6))


def _centred(cells: Cells, values: Ids) -> Ids | None:
    """x, if `values` are ``x - mean(x)``."""
    for x, minus in (terms, terms[::-1]) if (terms := cells.pair(values, "add")) else ():
        view = cells.view(minus)
        if view is None or not isinstance(view.source, Scale | Affine):
            continue
        if isinstance(view.source, Scale):
            mean = cells.view(view.source.refs[view.numbers])
            if (view.source.scale[view.numbers] != -1).any() or view.source.offset[view.numbers].any() or mean is None:
                continue
            source, numbers, sign = mean.source, mean.numbers, 1
        else:
            source, numbers, sign = view.source, view.numbers, -1
        if not isinstance(source, Affine) or (numbers != numbers[0]).any() or source.bias[numbers[0]]:
            continue
        if _is_mean(sign * source.weight[numbers[0]], x.size) and set(source.refs.tolist()) == set(x.tolist()):
            return x
    return None


def grouped_norm(tracer: Tracer, flow: Flow, groups: int, weight: Floats, bias: Floats, epsilon: float) -> Flow:
    """Each group of neighbouring channels of flow (batch, channels, axes …) by its own mean and variance; weight, bias: (channels,).

    The axes lie within a frame, or one of them, or a part of one, along the recording.
    """
    batch, channels = flow.shape[:2]
    ids = flow.ids.reshape(batch, channels, -1)
    scales = np.broadcast_to(np.stack([weight, bias])[:, :, None], (2, *ids.shape[1:]))  # (2, channels, numbers)
    step = tracer.space.places(ids).step
    given: dict[str, Floats | float | int | str] = {"epsilon": epsilon, "groups": groups}
    if (step == step[:, :1, :1]).all():
        given |= {"weight": scales[0].ravel(), "bias": scales[1].ravel()}
        found = tracer.rows(Flow(ids.reshape(batch, -1)), lambda: layer("LayerNorm", tracer.place, **given), ids[0].size)
        return Flow(found.ids.reshape(flow.shape))
    order = np.argsort(step[0], axis=1, kind="stable")  # (channels, numbers): by step
    steps = int(np.unique(step[0]).size)
    each = ids.shape[2] // steps
    rows = np.take_along_axis(ids, np.broadcast_to(order, ids.shape), 2)  # (batch, channels, steps x numbers of one)
    apart = rows.reshape(batch, channels, steps, -1) if not ids.shape[2] % steps else rows[..., None]
    if (tracer.space.places(apart).step != np.arange(steps)[:, None]).any():
        tracer.refuse("normalises over some steps of a recording, or over several sequences")
    reads, backward, _ = tracer.sequence(apart.transpose(2, 0, 1, 3).reshape(steps, batch, -1))
    if backward:
        tracer.refuse("normalises a recording that is read from its end")
    given |= {"weight": np.repeat(weight, each), "bias": np.repeat(bias, each), "over": "recording"}
    wire = tracer.space.allocate(Made(tracer.place, layer("LayerNorm", tracer.place, **given), [reads]), steps, reads.size)
    made = tracer.space.ids(wire).reshape(steps, batch, channels, each).transpose(1, 2, 0, 3).reshape(batch, channels, -1)
    return Flow(np.take_along_axis(made, np.broadcast_to(np.argsort(order, axis=1), made.shape), 2).reshape(flow.shape))
