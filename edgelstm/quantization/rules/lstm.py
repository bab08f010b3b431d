"""Rules of LSTM layers."""

import math
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np

from ...errors import UnsupportedModelError
from ...layers import record_of
from ...layers.integers import CELL_BITS, GATE_BITS, LIMIT, MOST_BIAS, MOST_FLOAT_SHIFT, MOST_SHIFT
from ...layers.lstm import LSTM
from ...layers.record import Layer
from ..calibration import Range, Seen
from ..weights import joint_rows, quantised_rows
from . import in_half, kept
from .scales import HIGHEST, LOWEST, grid, multipliers, output_span, rows, state_step, step_of

#: A cell may reach this many times what calibration saw before it is clipped; at ±64, the most there is, a settled one this many.
CELL_MARGIN, LEAST_CELL_MARGIN = 2.0, 1.25


def options(layer: LSTM, scheme: str) -> dict[str, Any]:
    """What makes the cell no plain one, if layers with int8 weights have it."""
    taken = {f.name for f in fields(record_of("lstm_int8"))}
    if others := [name for name in layer.variant if name not in taken]:
        raise UnsupportedModelError(f"{layer.label}: {scheme} does not have {', '.join(others)}. Keep this layer in f32.")
    found = {name: getattr(layer, name) for name in layer.variant}
    if layer.weight_hr is not None:
        found["weight_hr"], found["scale_hr"] = quantised_rows(layer.weight_hr)
    return found


def weights_alone(layer: LSTM, seen: Seen, span: Range | None, hidden: Range | None) -> Layer:
    """Of weights alone: no window changes it."""
    (weight_ih, scale_ih), (weight_hh, scale_hh) = (quantised_rows(weight) for weight in (layer.weight_ih, layer.weight_hh))
    start: dict[str, Any] = {"h0": layer.h0, "c0": layer.c0, **options(layer, "int8-weight"), **kept(layer)}
    int8: Callable[..., Layer] = record_of("lstm_int8")
    return int8("int8-weight", weight_ih, weight_hh, scale_hh, layer.bias, scale_ih=scale_ih, **start)


def dynamic(layer: LSTM, seen: Seen, span: Range | None, hidden: Range | None) -> Layer:
    """Of x and h too: their integers are steps of these ranges, or of each step's largest x and of 1/127."""
    if hidden is not None and layer.h0 is not None:
        most = max(hidden.magnitude, float(np.abs(layer.h0).max()))
        hidden = hidden._replace(low=-most, high=most)
    input_scale, hidden_scale = step_of(span), step_of(hidden) if layer.within_one else state_step(layer, seen, hidden)
    powers = [float(np.square(values, dtype=np.float64).mean()) for values in (seen.inputs, seen.outputs)]
    # Where x is calibrated, its integers count as steps of h.
    steps = LIMIT if hidden_scale is None else 1 / float(hidden_scale[0])
    ratio = 1.0 if input_scale is None else float(input_scale[0]) * steps
    weight_ih = np.asarray(layer.weight_ih * np.float32(ratio))
    least = np.abs(layer.bias) * np.float32(2 * steps / MOST_BIAS)  # the bias is an integer of it
    shifts = (-MOST_FLOAT_SHIFT, MOST_FLOAT_SHIFT) if span is None else (0, MOST_SHIFT)
    joint = joint_rows(weight_ih, layer.weight_hh, (powers[0] / ratio**2, powers[1]), shifts, least)
    int8: Callable[..., Layer] = record_of("lstm_int8")
    return int8(
        "int8-dynamic",
        joint.first,
        joint.second,
        joint.scale,
        layer.bias,
        input_scale,
        hidden_scale,
        joint.shift,
        layer.h0,
        layer.c0,
        **options(layer, "int8-dynamic"),
        **kept(layer),
    )


#: Options of a cell that integers alone have.
STATIC_OPTIONS = ("cell_clip", "coupled", "peephole", "weight_hr", "bias_hr", "projection_clip")


def static(layer: LSTM, seen: Seen, span: Range | None, hidden: Range | None) -> Layer:
    """Of everything; a cell that int16 cannot hold is refused."""
    assert span is not None
    if others := [name for name in layer.variant if name not in STATIC_OPTIONS]:
        raise UnsupportedModelError(f"{layer.label}: int8-static does not have {', '.join(others)}; int8-weight may. Keep it in f32.")
    x, h = grid(span), grid(_output_span(layer, seen))
    bits = cell_bits(layer, seen)
    weight_ih, bias, products_ih = rows(layer.weight_ih, layer.bias, x.scale)
    weight_hh, _, products_hh = rows(layer.weight_hh, np.zeros_like(layer.bias), h.scale)
    mantissa_ih, shift_ih = multipliers(layer, products_ih * (1 << GATE_BITS))
    mantissa_hh, shift_hh = multipliers(layer, products_hh * (1 << GATE_BITS))
    options, gated_scale = static_options(layer, bits, h.scale)
    mantissa_out, shift_out = multipliers(layer, np.array([2.0**-30 / gated_scale]))
    integers: Callable[..., Layer] = record_of("lstm_int8_static")
    return integers(
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
        cell_bits=bits,
        bias=bias,
        cell_clip=None if layer.cell_clip is None else int(min(max(round(layer.cell_clip * 2.0**bits), 1), 32767)),
        h0=None if layer.h0 is None else (np.rint(layer.h0 / h.scale) + h.zero_point).clip(LOWEST, HIGHEST).astype(np.int8),
        c0=None if layer.c0 is None else np.rint(layer.c0 * 2.0**bits).astype(np.int16),
        **options,
        **kept(layer),
    )


def _output_span(layer: LSTM, seen: Seen) -> Range:
    """What h may be: a clip of the projection ends it, in place of a clip of its own."""
    span = output_span(seen, layer.h0, within_one=layer.within_one)
    most = math.inf if layer.projection_clip is None else layer.projection_clip
    return span._replace(low=max(span.low, -most), high=min(span.high, most))


def static_options(layer: LSTM, bits: int, step: np.float32) -> tuple[dict[str, Any], np.float32]:
    """What makes the cell no plain one, in integers; and the size of a step of o * tanh(c). bits, step: of the cell and of h."""
    options: dict[str, Any] = {"coupled": layer.coupled}
    if layer.peephole is not None:
        scale = np.maximum(np.abs(layer.peephole).max(axis=1), np.float32(1e-30)).astype(np.float64) / 32767  # (3,)
        options["peephole"] = np.rint(layer.peephole / scale[:, None]).astype(np.int16)
        options["mantissa_peephole"], options["shift_peephole"] = multipliers(layer, scale * 2.0 ** (GATE_BITS - bits))
    if layer.weight_hr is None:
        return options, step
    gated = np.float32(math.tanh(2.0 ** (15 - bits)) / LIMIT)  # a cell of int16 ends there
    bias = np.zeros(layer.projection_size, np.float32) if layer.bias_hr is None else layer.bias_hr
    options["weight_hr"], options["bias_hr"], products = rows(layer.weight_hr, bias, gated)
    options["mantissa_hr"], options["shift_hr"] = multipliers(layer, products / float(step))
    return options, gated


def cell_bits(layer: LSTM, seen: Seen) -> int:
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


RULES = {"lstm": {"f16-weight": in_half, "int8-weight": weights_alone, "int8-dynamic": dynamic, "int8-static": static}}
