"""What the scheme `int8-static` makes of layers: ranges become scales and zero points, scales multipliers, the cell's range its bits.

The records' arithmetic: `reference_int8_static`. Which range is best is `choosing`'s part.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import UnsupportedModelError
from ..layers.dense_int8_static import DenseInt8Static
from ..layers.feedforward import Dense
from ..layers.integers import CELL_BITS, GATE_BITS, SCALE, multiplier
from ..layers.lstm import LSTM
from ..layers.lstm_int8_static import LSTMInt8Static
from ..layers.record import Layer
from .calibration import Range, Seen, ranges
from .trace import Floats
from .weights import quantised_rows

#: Ends of int8 activations.
LOWEST, HIGHEST = -128, 127

#: A cell may reach this many times what calibration saw before it is clipped; at ±64, the most there is, a settled one this many.
CELL_MARGIN, LEAST_CELL_MARGIN = 2.0, 1.25

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


def input_ranges(seen: Seen) -> list[Range | None]:
    """What to try for x: ranges with a margin, or all that a table holds."""
    if seen.every_input is not None:
        return [ranges(seen.every_input)[0]]
    return [_with_margin(span, bounded=seen.bounded, one_sign=True) for span in ranges(seen.inputs)]


def _with_margin(span: Range, *, bounded: bool = False, one_sign: bool = False) -> Range:
    """Wider by a share of its width on either side, but not beyond +-1 or, of values of one sign, beyond 0."""
    most, beyond = 1.0 if bounded else math.inf, MARGIN * (span.high - span.low)
    low, high = max(span.low - beyond, -most), min(span.high + beyond, most)
    if one_sign:
        low, high = (max(low, 0.0) if span.low >= 0 else low), (min(high, 0.0) if span.high <= 0 else high)
    return span._replace(low=low, high=high)


def output_range(record: Layer) -> Range | None:
    """The range whose `grid` is that of a record's outputs; None where they are no integers."""
    if isinstance(record, LSTMInt8Static):
        scale, zero_point = record.hidden_scale, record.hidden_zero_point
    elif isinstance(record, DenseInt8Static):
        scale, zero_point = record.output_scale, record.output_zero_point
    else:
        return None
    step = float(scale[0])
    return Range(f"the output of {record.name}", (LOWEST - zero_point) * step, (HIGHEST - zero_point) * step)


def lstm(layer: LSTM, seen: Seen, span: Range | None, hidden: Range | None = None) -> Layer:
    """The rule of LSTM layers; a cell that int16 cannot hold is refused."""
    assert span is not None
    x, h = grid(span), grid(_output_span(seen, layer.h0))
    cell_bits = _cell_bits(layer, seen)
    weight_ih, bias, products_ih = _rows(layer.weight_ih, layer.bias, x.scale)
    weight_hh, _, products_hh = _rows(layer.weight_hh, np.zeros_like(layer.bias), h.scale)
    mantissa_ih, shift_ih = _multipliers(layer, products_ih * (1 << GATE_BITS))
    mantissa_hh, shift_hh = _multipliers(layer, products_hh * (1 << GATE_BITS))
    mantissa_out, shift_out = _multipliers(layer, np.array([2.0**-30 / h.scale]))
    return LSTMInt8Static(
        weight_ih,
        weight_hh,
        mantissa_ih,
        shift_ih,
        mantissa_hh,
        shift_hh,
        mantissa_out,
        shift_out,
        input_scale=[x.scale],
        input_zero_point=x.zero_point,
        hidden_scale=[h.scale],
        hidden_zero_point=h.zero_point,
        cell_bits=cell_bits,
        bias=bias,
        h0=None if layer.h0 is None else (np.rint(layer.h0 / h.scale) + h.zero_point).clip(LOWEST, HIGHEST).astype(np.int8),
        c0=None if layer.c0 is None else np.rint(layer.c0 * 2.0**cell_bits).astype(np.int16),
        name=layer.name,
        inputs=layer.inputs,
    )


def dense(layer: Dense, seen: Seen, span: Range | None, hidden: Range | None = None) -> Layer:
    """The rule of fully connected layers."""
    assert span is not None
    x, y = grid(span), grid(_output_span(seen))
    weight, bias, products = _rows(layer.weight, layer.bias, x.scale)
    mantissa, shift = _multipliers(layer, products / y.scale)
    return DenseInt8Static(
        weight, mantissa, shift, [x.scale], x.zero_point, [y.scale], y.zero_point, bias, name=layer.name, inputs=layer.inputs
    )


def _output_span(seen: Seen, start: Floats | None = None) -> Range:
    """All that an output was, its value before the first step included, and the margin, as far as louder windows reach into it."""
    span = _span_of(seen.outputs, start)
    wide = _with_margin(span, bounded=seen.cell is not None and start is None)
    if seen.loud_outputs is None:
        return wide
    loud = _span_of(seen.loud_outputs)
    return span._replace(low=min(span.low, max(loud.low, wide.low)), high=max(span.high, min(loud.high, wide.high)))


def _span_of(values: Floats, start: Floats | None = None) -> Range:
    parts = [values] if start is None else [values, start]
    return Range("min-max", min(float(part.min()) for part in parts), max(float(part.max()) for part in parts))


def _cell_bits(layer: LSTM, seen: Seen) -> int:
    """Bits behind the point of the cell: the most that leave `CELL_MARGIN`; the fewest for a cell that still grows."""
    assert seen.cell is not None
    cell = seen.cell
    largest = max(cell.max_abs, 0.0 if layer.c0 is None else float(np.abs(layer.c0).max()))
    most = 2 ** (15 - CELL_BITS[0])
    if largest * (CELL_MARGIN if cell.grows else LEAST_CELL_MARGIN) > most or (cell.grows and seen.endless):
        trend = " and still grows at the end of the windows" if cell.grows else ""
        raise UnsupportedModelError(f"{layer.label}: its cell reaches {largest:.4g}{trend}; an int16 cell ends at ±{most}.")
    if cell.grows or largest == 0:
        return CELL_BITS[0] if cell.grows else CELL_BITS[-1]
    return min(max(15 - math.ceil(math.log2(CELL_MARGIN * largest)), CELL_BITS[0]), CELL_BITS[-1])


def _rows(weight: Floats, bias: Floats, step: np.float32) -> tuple[NDArray[np.int8], NDArray[np.int32], NDArray[np.float64]]:
    """Weights by row, the bias in steps of the products, and the size of such a step by row. `step`: that of the activation."""
    integers, scale = quantised_rows(weight, np.asarray(np.abs(bias) / (step * np.float32(BIAS_STEPS)), np.float32))
    products = scale.astype(np.float64) * float(step)  # (rows,)
    return integers, np.rint(bias / products).astype(np.int32), products


def _multipliers(layer: Layer, factors: NDArray[np.float64]) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    try:
        pairs = [multiplier(float(factor)) for factor in factors]
    except UnsupportedModelError as problem:
        raise UnsupportedModelError(f"{layer.label}: {problem}") from None
    return np.array([m for m, _ in pairs], np.int32), np.array([s for _, s in pairs], np.int8)
