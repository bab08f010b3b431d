"""What a stream does with samples that must not enter its state: the four policies."""

import numpy as np
import pytest
from conftest import lstm_layers, lstm_model, samples
from hypothesis import given, settings
from hypothesis import strategies as st

import edgelstm as el

MODEL = lstm_model(np.random.default_rng(1), 6, 20, 2)
XS = samples(np.random.default_rng(2), MODEL, 80)


def test_indices_cannot_be_let_in_unchecked(rng):
    model = el.Model([el.Embedding(rng.normal(size=(7, 8))), *lstm_layers(rng, 8, 4, 1)])
    with pytest.raises(el.UsageError, match="propagate"):
        el.Stream(model, nan_policy="propagate")


def with_holes(rng):
    xs = XS.copy()
    xs[0, 1] = np.nan
    xs[17, 4] = np.inf
    xs[18, 4] = np.nan
    xs[40] = np.nan
    return xs


@pytest.mark.parametrize("by_step", [True, False])
def test_policy_hold(rng, by_step):
    held = with_holes(rng)
    held[0, 1] = 0
    held[17, 4] = held[18, 4] = XS[16, 4]
    held[40] = held[39]
    stream = el.Stream(MODEL, nan_policy="hold")
    xs = with_holes(rng)
    answers = np.array([stream.step(x).copy() for x in xs]) if by_step else stream.process(xs)
    np.testing.assert_array_equal(answers, el.Stream(MODEL).process(held))
    assert stream.bad_inputs == 4


@pytest.mark.parametrize("by_step", [True, False])
def test_policy_reset(rng, by_step):
    stream = el.Stream(MODEL, nan_policy="reset")
    xs = with_holes(rng)
    answers = np.array([stream.step(x).copy() for x in xs]) if by_step else stream.process(xs)
    fresh = el.Stream(MODEL)
    assert np.isnan(answers[[0, 17, 18, 40]]).all()
    np.testing.assert_array_equal(answers[1:17], fresh.process(XS[1:17]))
    fresh.reset()
    np.testing.assert_array_equal(answers[41:], fresh.process(XS[41:]))
    assert (stream.bad_inputs, stream.steps) == (4, 39)


def test_policy_propagate_lets_nan_in_until_reset():
    stream = el.Stream(MODEL, nan_policy="propagate")
    assert np.isnan(stream.step(np.full(6, np.nan, np.float32))).all()
    assert np.isnan(stream.step(XS[0])).all()
    stream.reset()
    np.testing.assert_array_equal(stream.process(XS), el.Stream(MODEL).process(XS))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(width=32), min_size=6, max_size=6))
def test_no_input_brings_nan_or_infinity_into_the_state(values):
    stream = el.Stream(MODEL)
    try:
        stream.step(np.array(values, np.float32))
    except el.InputError:
        assert stream.steps == 0
    stream.step(XS[0])
    assert np.isfinite(stream.process(XS[:3])).all()
