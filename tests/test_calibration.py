"""Rows of integers, ranges of what layers see, and the trace that they are taken from."""

import numpy as np
import pytest
from conftest import lstm_layers, lstm_model
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from quantization_models import model as model  # noqa: PLC0414
from quantization_models import windows_of

import edgelstm as el
from edgelstm import reference
from edgelstm.quantization import calibration, schemes, trace
from edgelstm.quantization.weights import quantised_rows


@settings(max_examples=60, deadline=None)
@given(arrays(np.float32, (3, 7), elements=st.floats(-(2.0**100), 2.0**100, width=32)))
def test_a_row_comes_back_to_within_half_a_step(weight):
    integers, scale = quantised_rows(weight)
    assert integers.dtype == np.int8
    assert np.abs(integers.astype(int)).max() <= 127
    assert (scale > 0).all()
    assert (np.abs(integers * scale[:, None].astype(np.float64) - weight) <= scale[:, None] * 0.5001).all()


def test_a_row_of_zeros_has_scale_one_and_the_largest_weight_is_127():
    integers, scale = quantised_rows(np.array([[0, 0], [0.5, -2.0]], np.float32))
    assert scale.tolist() == [1, np.float32(2 / 127)]
    assert integers.tolist() == [[0, 0], [32, -127]]


def test_ranges_are_what_they_are_called(rng):
    values = rng.normal(size=(20000, 2)).astype(np.float32)
    values[7, 1] = 40
    found = {span.method: span for span in calibration.ranges(values)}
    assert found["min-max"].high == 40
    assert found["percentile 99.9"].high == pytest.approx(np.percentile(values, 99.9))
    assert found["percentile 99.9"].magnitude < found["percentile 99.99"].magnitude < 40
    assert calibration.Range("min-max", 0.0, 0.0).magnitude == 1


@pytest.mark.parametrize("draw", ["laplace", "uniform"])
def test_the_least_squares_limit_beats_its_neighbours(rng, draw):
    values = getattr(rng, draw)(-1, 1, 200_000).astype(np.float32)

    def error(limit):
        steps = 127 / limit
        return np.square(np.clip(np.rint(values * steps), -127, 127) / steps - values).mean()

    limit = calibration.least_squares_limit(values)
    largest = np.abs(values).max()
    assert limit == largest if draw == "uniform" else limit < 0.9 * largest
    assert error(limit) <= min(error(f * largest) for f in (0.1, 0.2, 0.4, 0.6, 0.8, 1.0)) * 1.02


def test_least_squares_limit_of_silence_is_zero():
    assert calibration.least_squares_limit(np.zeros(10, np.float32)) == 0


@pytest.mark.parametrize("scheme", ["f32", "int8-weight", "int8-dynamic"])
def test_the_trace_is_the_reference(rng, scheme):
    lstm, dense = lstm_model(rng, 4, 6, 1, 6, trained_start=True).layers
    net = el.Model(
        [
            el.Normalizer(np.full(4, 0.2), np.full(4, 0.5)),
            el.LSTM(lstm.weight_ih, lstm.weight_hh, lstm.bias, lstm.h0, lstm.c0, name="lstm"),
            el.Dense(dense.weight, dense.bias, name="dense"),
            el.Add(inputs=("lstm", "dense"), name="sum"),
            el.Activation("tanh", name="bent"),
            el.Dense(rng.normal(size=(2, 12)), inputs=("sum", "bent")),
            el.Softmax(),
        ]
    )
    xs = windows_of(rng, net, 20, 9)
    if scheme != "f32":
        net = el.quantize(net, xs, scheme)
    batch = calibration.batch_of(net, xs)
    values = trace.run(net.layers, batch).values[net.layers[-1].name]
    for window, got in zip(xs, values, strict=True):
        assert np.abs(got[: len(window)] - reference.run(net, window)).max() < 1e-5


def test_an_embedding_model(rng):
    net = el.Model([el.Embedding(rng.normal(size=(11, 3))), *lstm_layers(rng, 3, 8, 1)])
    ids = [rng.integers(0, 11, 30), rng.integers(0, 11, (12, 1))]
    small = el.quantize(net, ids)
    assert [layer.kind for layer in small.layers] == ["embedding", "lstm_int8"]
    with pytest.raises(el.InputError, match="whole number from 0 to 10"):
        el.quantize(net, [np.array([3, 11])])


def test_what_has_not_changed_is_not_run_again(rng, model):
    batch = calibration.batch_of(model, windows_of(rng, model, 12))
    first = trace.run(model.layers, batch)
    changed = list(model.layers)
    changed[1] = schemes.quantised(changed[1], "int8-weight", calibration.seen_by(changed[1], first, batch), None)
    second = trace.run(changed, batch, first)
    assert second.values[changed[0].name] is first.values[changed[0].name]
    fresh = trace.run(changed, batch)
    for layer in changed:
        assert np.array_equal(second.values[layer.name], fresh.values[layer.name])
    assert not np.array_equal(second.values[changed[1].name], first.values[changed[1].name])
