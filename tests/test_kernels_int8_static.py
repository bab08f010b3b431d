"""The integer-only kernels equal their integer twin bit for bit."""

import numpy as np
import pytest

import edgelstm as el
from edgelstm import reference
from edgelstm.layers.dense_int8_static import DenseInt8Static
from edgelstm.layers.integers import multiplier
from edgelstm.layers.lstm_int8_static import LSTMInt8Static


def multipliers(factors):
    pairs = [multiplier(float(f)) for f in factors]
    return np.array([m for m, _ in pairs], np.int32), np.array([s for _, s in pairs], np.int8)


def lstm(rng, inputs, hidden, *, per_row=True, extreme=False, spread=1.0):
    draw = (lambda *shape: rng.choice(np.array([-127, 127], np.int8), shape)) if extreme else (lambda *shape: integers(rng, *shape))
    rows = 4 * hidden if per_row else 4
    mantissa_ih, shift_ih = multipliers(spread * rng.uniform(0.2, 4, rows) * 4096 / (127 * 127 * np.sqrt(inputs)))
    mantissa_hh, shift_hh = multipliers(spread * rng.uniform(0.2, 4, rows) * 4096 / (127 * 127 * np.sqrt(hidden)))
    mantissa_out, shift_out = multipliers([2.0**-30 * rng.uniform(60, 300)])
    return LSTMInt8Static(
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


def integers(rng, *shape):
    return rng.integers(-127, 128, shape).astype(np.int8)


def dense(rng, inputs, outputs, scale, zero_point):
    mantissa, shift = multipliers(rng.uniform(0.1, 2, outputs) / (127 * np.sqrt(inputs)))
    return DenseInt8Static(
        integers(rng, outputs, inputs), mantissa, shift, [scale], zero_point, [0.05], 7, rng.integers(-3000, 3000, outputs).astype(np.int32)
    )


def equal(model, xs):
    stream = el.Stream(model)
    whole = stream.process(xs)
    np.testing.assert_array_equal(whole, reference.run(model, xs).astype(np.float32))
    stream.reset()
    np.testing.assert_array_equal([stream.step(x).copy() for x in xs], whole)


@pytest.mark.parametrize(("inputs", "hidden"), [(1, 1), (6, 32), (28, 20), (3, 70)])
def test_lstm_and_dense_equal_their_twin(rng, inputs, hidden):
    for trial in range(6):
        layer = lstm(rng, inputs, hidden, per_row=trial % 2 == 0, extreme=trial == 3, spread=[1, 1, 0.01, 4, 100, 1e4][trial])
        head = dense(rng, hidden, 3, 1 / 127, layer.hidden_zero_point)
        xs = rng.uniform(-3, 3, (80, inputs)).astype(np.float32)
        equal(el.Model([layer]), xs)
        equal(el.Model([layer, head]), xs)


def test_state_survives_a_snapshot(rng):
    model = el.Model([lstm(rng, 6, 32)])
    xs = rng.uniform(-1, 1, (40, 6)).astype(np.float32)
    stream = el.Stream(model)
    whole = stream.process(xs)
    stream.reset()
    stream.process(xs[:17])
    blob = stream.snapshot()
    stream.process(-xs)
    stream.restore(blob)
    np.testing.assert_array_equal(stream.process(xs[17:]), whole[17:])


def test_nan_that_is_let_in_stays_an_integer(rng):
    """Under nan_policy="propagate" a NaN is quantised to the lowest integer: integer state cannot hold it."""
    stream = el.Stream(el.Model([lstm(rng, 6, 32)]), nan_policy="propagate")
    assert np.isfinite(stream.step(np.full(6, np.nan, np.float32))).all()
