"""Records of int8 kinds with drawn numbers, for models of tests."""

from dataclasses import fields, replace

import numpy as np

import edgelstm as el
from edgelstm.layers.integers import multiplier


def integers(rng, *shape):
    """Weights of all magnitudes but -128."""
    return rng.integers(-127, 128, shape).astype(np.int8)


def multipliers(factors):
    pairs = [multiplier(float(f)) for f in factors]
    return np.array([m for m, _ in pairs], np.int32), np.array([s for _, s in pairs], np.int8)


def lstm_int8(rng, inputs, hidden, scheme, *, calibrated=False, extreme=False, **state):
    shapes = (4 * hidden, inputs), (4 * hidden, hidden)
    weights = [rng.choice(np.array([-127, 127], np.int8), s) if extreme else integers(rng, *s) for s in shapes]
    scale = rng.uniform(0.5, 1, 4 * hidden) / (127 * np.sqrt(max(inputs, hidden)))
    bias = rng.uniform(-0.5, 0.5, 4 * hidden)
    if calibrated:
        state = {"input_scale": [1 / 127], "hidden_scale": [0.7 / 127], "input_shift": 1, **state}
    return el.LSTMInt8(scheme, *weights, scale, bias, **state)


def lstm_int8_static(rng, inputs, hidden, *, per_row=True, extreme=False, spread=1.0):
    draw = (lambda *shape: rng.choice(np.array([-127, 127], np.int8), shape)) if extreme else (lambda *shape: integers(rng, *shape))
    rows = 4 * hidden if per_row else 4
    mantissa_ih, shift_ih = multipliers(spread * rng.uniform(0.2, 4, rows) * 4096 / (127 * 127 * np.sqrt(inputs)))
    mantissa_hh, shift_hh = multipliers(spread * rng.uniform(0.2, 4, rows) * 4096 / (127 * 127 * np.sqrt(hidden)))
    mantissa_out, shift_out = multipliers([2.0**-30 * rng.uniform(60, 300)])
    return el.LSTMInt8Static(
        draw(4 * hidden, inputs),
        draw(4 * hidden, hidden),
        mantissa_ih,
        shift_ih,
        mantissa_hh,
        shift_hh,
        mantissa_out,
        shift_out,
        input_scale=[0.01],
        input_zero_point=int(rng.integers(-128, 128)),
        hidden_scale=[1 / 127],
        hidden_zero_point=int(rng.integers(-128, 128)),
        cell_bits=int(rng.integers(9, 16)),
        bias=rng.integers(-20000, 20000, 4 * hidden).astype(np.int32),
        cell_clip=int(rng.integers(1, 32768)) if rng.random() < 0.5 else None,
        h0=integers(rng, hidden),
        c0=rng.integers(-32768, 32768, hidden).astype(np.int16),
    )


def lstm_int8_static_cell(rng, inputs, hidden, given, **options):
    """A layer of drawn integers with peepholes and a projection."""
    plain = lstm_int8_static(rng, inputs, given)
    cell = lstm_int8_static(rng, inputs, hidden)
    peephole, (mantissa, shift) = rng.integers(-32768, 32768, (3, hidden)).astype(np.int16), multipliers(rng.uniform(1e-5, 1e-3, 3))
    mantissa_hr, shift_hr = multipliers(rng.uniform(0.2, 2, given) / (127 * np.sqrt(hidden)))
    return replace(
        cell,
        weight_hh=integers(rng, 4 * hidden, given),
        h0=plain.h0,
        peephole=peephole,
        mantissa_peephole=mantissa,
        shift_peephole=shift,
        weight_hr=integers(rng, given, hidden),
        mantissa_hr=mantissa_hr,
        shift_hr=shift_hr,
        bias_hr=rng.integers(-3000, 3000, given).astype(np.int32),
        gated_zero_point=int(rng.integers(-128, 128)),
        **options,
    )


def normed(rng, hidden):
    mantissa, shift = multipliers(rng.uniform(0.5, 2, 4) * 4096 / 32768)
    weight = rng.integers(-32768, 32768, 4 * hidden).astype(np.int16)
    return {"norm_weight": weight, "mantissa_norm": mantissa, "shift_norm": shift, "norm_guard": np.array([1, 7, 300, 2], np.int32)}


def static_of_every_option(rng):
    """Two layers that together have all of them."""
    first = lstm_int8_static_cell(rng, 3, 11, 6, coupled="i=1-f", projection_clip=90, **normed(rng, 11))
    return [first, lstm_int8_static_cell(rng, 6, 7, 7, coupled="f=1-i")]


def dense_int8_static(rng, inputs, outputs, scale, zero_point):
    mantissa, shift = multipliers(rng.uniform(0.1, 2, outputs) / (127 * np.sqrt(inputs)))
    return el.DenseInt8Static(
        integers(rng, outputs, inputs), mantissa, shift, [scale], zero_point, [0.05], 7, rng.integers(-3000, 3000, outputs).astype(np.int32)
    )


def hidden_int8(rng, record, size, hidden, scheme, **options):
    """A GRU or Elman layer with int8 weights."""
    rows = (3 if record is el.GRUInt8 else 1) * hidden
    scales = (rng.uniform(0.5, 1, rows) / (127 * np.sqrt(columns)) for columns in (size, hidden))
    biases = {f.name: rng.uniform(-0.5, 0.5, rows) for f in fields(record) if f.name.startswith("bias")}
    return record(scheme, integers(rng, rows, size), integers(rng, rows, hidden), *scales, **biases, **options)


def gru_int8(rng):
    """Both schemes and both conventions of the reset gate, calibrated or not."""
    calibrated = {"input_scale": [1 / 127], "hidden_scale": [0.9 / 127], "h0": rng.uniform(-0.5, 0.5, 14)}
    return [
        hidden_int8(rng, el.GRUInt8, 5, 14, "int8-dynamic", **calibrated),
        hidden_int8(rng, el.GRUInt8, 14, 7, "int8-dynamic", reset_after=False),
        hidden_int8(rng, el.GRUInt8, 7, 9, "int8-weight", reset_after=False, gate_clip=0.8),
        hidden_int8(rng, el.GRUInt8, 9, 6, "int8-weight", cell_activation="relu"),
    ]


def rnn_int8(rng):
    calibrated = {"input_scale": [1 / 127], "hidden_scale": [2 / 127], "activation": "relu", "gate_clip": 2.0}
    return [hidden_int8(rng, el.RNNInt8, 5, 14, "int8-dynamic", **calibrated), hidden_int8(rng, el.RNNInt8, 14, 9, "int8-weight")]
