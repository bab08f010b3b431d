"""What rules share: ranges become scales and zero points, scales multipliers. Which range is best is `choosing`'s part."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import UnsupportedModelError
from ...layers.integers import LIMIT, SCALE, multiplier
from ...layers.record import Layer
from ..calibration import Range, Seen
from ..trace import Floats
from ..weights import quantised_rows

#: Ends of int8 activations.
LOWEST, HIGHEST = -128, 127

#: x, h and outputs may leave what calibration saw by this share of its range on either side before they are clipped.
MARGIN = 0.5

#: A bias has at most this many steps, so that the sum of a row stays within int32.
BIAS_STEPS = 1 << 29


class Grid(NamedTuple):
    """Integers of an activation: ``(q - zero_point) * scale``."""

    scale: np.float32
    zero_point: int


def grid(span: Range) -> Grid:
    """The 256 steps over a range that is widened to include 0; scale 1 where nothing but 0 was seen."""
    low, high = min(span.low, 0.0), max(span.high, 0.0)
    scale = np.float32((high - low) / (HIGHEST - LOWEST))
    if scale <= SCALE[0]:
        return Grid(np.float32(1), 0)
    return Grid(scale, int(np.clip(np.rint(LOWEST - low / float(scale)), LOWEST, HIGHEST)))


def step_of(span: Range | None) -> Floats | None:
    """Size of a symmetric step over a range, (1,); None where each step of time has its own."""
    return None if span is None else np.array([span.magnitude / LIMIT], np.float32)


def state_step(layer: Any, seen: Seen, hidden: Range | None) -> Floats | None:
    """Of h over a range that holds h0 too; None, for 1/127, where nothing can leave +-1 and no range was found better."""
    if hidden is None and layer.within_one:
        return None
    span = (
        output_span(seen, layer.h0, within_one=layer.within_one)
        if hidden is None
        else _span_of(np.array([hidden.low, hidden.high], np.float32), layer.h0)
    )
    return step_of(span)


def with_margin(span: Range, *, bounded: bool = False, one_sign: bool = False) -> Range:
    """Wider by a share of its width on either side, but not beyond +-1 or, of values of one sign, beyond 0."""
    most, beyond = 1.0 if bounded else math.inf, MARGIN * (span.high - span.low)
    low, high = max(span.low - beyond, -most), min(span.high + beyond, most)
    if one_sign:
        low, high = (max(low, 0.0) if span.low >= 0 else low), (min(high, 0.0) if span.high <= 0 else high)
    return span._replace(low=low, high=high)


def output_range(record: Layer) -> Range | None:
    """The range whose `grid` is that of a record's outputs; None where they are no integers."""
    if record.output_grid is None:
        return None
    (step,), zero_point = record.output_grid
    return Range(f"the output of {record.name}", (LOWEST - zero_point) * float(step), (HIGHEST - zero_point) * float(step))


def output_span(seen: Seen, start: Floats | None = None, *, within_one: bool = True) -> Range:
    """All that an output was, its value before the first step included, and the margin, as far as louder windows reach into it.

    within_one: whether the output of a cell cannot leave +-1.
    """
    span = _span_of(seen.outputs, start)
    wide = with_margin(span, bounded=within_one and seen.cell is not None and start is None)
    if seen.loud_outputs is None:
        return wide
    loud = _span_of(seen.loud_outputs)
    return span._replace(low=min(span.low, max(loud.low, wide.low)), high=max(span.high, min(loud.high, wide.high)))


def _span_of(values: Floats, start: Floats | None = None) -> Range:
    parts = [values] if start is None else [values, start]
    return Range("min-max", min(float(part.min()) for part in parts), max(float(part.max()) for part in parts))


def rows(weight: Floats, bias: Floats, step: np.float32) -> tuple[NDArray[np.int8], NDArray[np.int32], NDArray[np.float64]]:
    """Weights by row, the bias in steps of the products, and the size of such a step by row. `step`: that of the activation."""
    integers, scale = quantised_rows(weight, np.asarray(np.abs(bias) / (step * np.float32(BIAS_STEPS)), np.float32))
    products = scale.astype(np.float64) * float(step)  # (rows,)
    return integers, np.rint(bias / products).astype(np.int32), products


def multipliers(layer: Layer, factors: NDArray[np.float64]) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    try:
        pairs = [multiplier(float(factor)) for factor in factors]
    except UnsupportedModelError as problem:
        raise UnsupportedModelError(f"{layer.label}: {problem}") from None
    return np.array([m for m, _ in pairs], np.int32), np.array([s for _, s in pairs], np.int8)
