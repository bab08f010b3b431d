"""The integer-only kernels equal their integer twin bit for bit."""

import numpy as np
import pytest
from int8_records import dense_int8_static, lstm_int8_static

import edgelstm as el
from edgelstm import reference


def equal(model, xs):
    stream = el.Stream(model)
    whole = stream.process(xs)
    np.testing.assert_array_equal(whole, reference.run(model, xs).astype(np.float32))
    stream.reset()
    np.testing.assert_array_equal([stream.step(x).copy() for x in xs], whole)


@pytest.mark.parametrize(("inputs", "hidden"), [(1, 1), (6, 32), (28, 20), (3, 70)])
def test_lstm_and_dense_equal_their_twin(rng, inputs, hidden):
    for trial in range(6):
        layer = lstm_int8_static(rng, inputs, hidden, per_row=trial % 2 == 0, extreme=trial == 3, spread=[1, 1, 0.01, 4, 100, 1e4][trial])
        head = dense_int8_static(rng, hidden, 3, 1 / 127, layer.hidden_zero_point)
        xs = rng.uniform(-3, 3, (80, inputs)).astype(np.float32)
        equal(el.Model([layer]), xs)
        equal(el.Model([layer, head]), xs)


def test_state_survives_a_snapshot(rng):
    model = el.Model([lstm_int8_static(rng, 6, 32)])
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
    stream = el.Stream(el.Model([lstm_int8_static(rng, 6, 32)]), nan_policy="propagate")
    assert np.isfinite(stream.step(np.full(6, np.nan, np.float32))).all()
