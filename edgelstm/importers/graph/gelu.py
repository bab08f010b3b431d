"""GELU that a graph spells out: ``x / 2 (1 + erf(x / sqrt(2)))``, or its approximation by tanh (Hendrycks and Gimpel 2016)."""

import numpy as np

from ...errors import UnsupportedModelError
from .cells import Cells
from .expressions import Affine, Floats, Scale
from .maps import Mapped
from .tracing import Flow, Tracer
from .wires import Ids

#: How far constants may be from what they stand for: they are float32.
_NEAR = 1e-5

#: Constants of the approximation: of its sum, and of the cube in it.
_INNER, _CUBE = float(np.sqrt(2 / np.pi)), 0.044715


def gelu(tracer: Tracer, left: Flow, right: Flow) -> Flow | None:
    """The product of two arrays, where it is ``c x (1 + erf(x / sqrt(2)))`` or ``c x (1 + tanh(…))``; None for others."""
    if left.shape != right.shape or not any(_perhaps_scaled(tracer, flow) for flow in (left, right)):
        return None
    try:
        cells, group = Cells(tracer.space), tracer.grouped([left.ids.reshape(-1, 1), right.ids.reshape(-1, 1)])
    except UnsupportedModelError:
        return None
    a, b = (refs[:, 0] for refs in group.refs)
    for flow, x, gate in ((left, a, b), (right, b, a)):
        share, inner = _scaled(cells, gate)
        word = None if share is None or inner is None else cells.function(inner)
        if word is None or share is None or not _one_and(cells, gate, share):
            continue
        times = _times(cells, x, word[1])
        if word[0] == "erf" and times is not None:
            times /= float(np.sqrt(2))  # x = times * what GELU reads
            name = "gelu"
        elif word[0] == "tanh":
            times, name = _cubed(cells, x, word[1]), "gelu_tanh"
        else:
            continue
        if times is not None:
            return tracer.scale(tracer.apply(name, tracer.scale(flow, 1 / times, 0)), 2 * times * share, 0)
    return None


def _perhaps_scaled(tracer: Tracer, flow: Flow) -> bool:
    """Whether an array may be what `_scaled` tells: cheap to say, unlike what its numbers have in common."""
    wire = tracer.space.wire_of(flow.ids)
    return wire is None or isinstance(wire.source, Scale)


def _scaled(cells: Cells, ids: Ids) -> tuple[float | None, Ids | None]:
    """``(c, y)`` of ``c y + …``, one c for all numbers."""
    view = cells.view(ids)
    if view is None or not isinstance(view.source, Scale):
        return None, None
    scale = view.source.scale[view.numbers]
    return (float(scale[0]), view.source.refs[view.numbers]) if _alike(scale) and scale[0] else (None, None)


def _one_and(cells: Cells, ids: Ids, share: float) -> bool:
    """Whether `ids` are ``c y + c``."""
    view = cells.view(ids)
    assert view is not None
    return isinstance(view.source, Scale) and bool(np.allclose(view.source.offset[view.numbers], share, rtol=_NEAR))


def _times(cells: Cells, x: Ids, v: Ids) -> float | None:
    """How many times `v` the numbers `x` are, as far as sums and scales tell."""
    if np.array_equal(x, v):
        return 1.0
    one, other = cells.view(x), cells.view(v)
    if one is None or other is None:
        return None
    if isinstance(one.source, Mapped) and isinstance(other.source, Mapped) and np.array_equal(one.source.reads[0], other.source.reads[0]):
        made = [w.source.convolution() for w in (one, other) if isinstance(w.source, Mapped)]
        kinds = [(c.answer_shape, c.groups, c.strides, c.dilation, c.padding, c.shape, c.kernel.shape) for c in made]
        if kinds[0] != kinds[1] or not np.array_equal(one.numbers, other.numbers):
            return None
        return _ratio(*(np.append(c.kernel, c.bias) for c in made))
    if isinstance(one.source, Affine) and isinstance(other.source, Affine):
        if not np.array_equal(one.source.refs, other.source.refs):
            return None
        rows = [np.append(s.source.weight[s.numbers], s.source.bias[s.numbers]) for s in (one, other) if isinstance(s.source, Affine)]
        return _ratio(*rows)
    if isinstance(one.source, Scale) and isinstance(other.source, Scale):
        a, b = one.source, other.source
        if np.array_equal(a.refs[one.numbers], b.refs[other.numbers]):
            parts = [np.append(w.scale[numbers], w.offset[numbers]) for w, numbers in ((a, one.numbers), (b, other.numbers))]
            return _ratio(*parts)
    first, second = (_base(cells, ids) for ids in (x, v))
    return _ratio(first[1], second[1]) if np.array_equal(first[0], second[0]) else None


def _base(cells: Cells, ids: Ids) -> tuple[Ids, Floats]:
    """What `ids` are multiples of, and how many times that."""
    view = cells.view(ids)
    if view is None or not isinstance(view.source, Scale) or view.source.offset[view.numbers].any():
        return ids, np.ones(ids.size)
    return view.source.refs[view.numbers], view.source.scale[view.numbers]


def _cubed(cells: Cells, x: Ids, v: Ids) -> float | None:
    """How many times y the numbers `x` are, if `v` are ``sqrt(2 / pi) (y + 0.044715 y^3)``."""
    share, inner = _scaled(cells, v)
    if share is None or inner is None or abs(share / _INNER - 1) > _NEAR:
        return None
    for y, rest in (terms, terms[::-1]) if (terms := cells.pair(inner, "add")) else ():
        share, cube = _scaled(cells, rest)
        if share is None or cube is None or abs(share / _CUBE - 1) > _NEAR:
            continue
        for square, side in (factors, factors[::-1]) if (factors := cells.pair(cube, "mul")) else ():
            squared = cells.pair(square, "mul")
            if squared and all(np.array_equal(part, y) for part in (side, *squared)):
                return _times(cells, x, y)
    return None


def _ratio(a: Floats, b: Floats) -> float | None:
    """c, if ``a = c b``."""
    if a.size != b.size or not b.any():
        return None
    at = int(np.abs(b).argmax())
    times = float(a[at] / b[at])
    return times if times and np.allclose(a, times * b, rtol=_NEAR, atol=_NEAR * float(np.abs(a).max())) else None


def _alike(numbers: Floats) -> bool:
    return bool((numbers == numbers[0]).all())
