"""Windows at work on endless streams: the bits of a fresh stream over each window, at the cost of a step for each that is open."""

import gc
import weakref

import numpy as np
import pytest
from bank_twins import MODEL, rows_of
from hypothesis import given, settings
from hypothesis import strategies as st
from kinds import model_of
from test_rates import MODEL as RATED
from test_rates import XS as RATED_XS

import edgelstm as el
from edgelstm.runtime import native_call


def windows_of(xs, length, hop, **options):
    """What fresh streams answer to all windows of xs."""
    stream = el.Stream(MODEL, **options)
    answers = []
    for start in range(0, len(xs) - length + 1, hop):
        stream.reset()
        answers.append(stream.process(xs[start : start + length])[-1])
    return np.array(answers, np.float32).reshape(-1, 2)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 14), st.integers(1, 17), st.lists(st.integers(0, 20), max_size=5), st.booleans())
def test_every_window_has_the_bits_of_a_fresh_stream(length, hop, cuts, stepped):
    windowed, xs = el.Windowed(MODEL, length=length, hop=hop), rows_of(length, sum(cuts) + 30)
    assert windowed.windows == -(-length // hop)
    parts = np.split(xs, np.cumsum(cuts))
    if stepped:
        found = [y.copy() for x in xs if (y := windowed.step(x)) is not None]
    else:
        found = np.concatenate([windowed.process(part) for part in parts])
    np.testing.assert_array_equal(np.reshape(found, (-1, 2)), windows_of(xs, length, hop))
    windowed.reset()
    np.testing.assert_array_equal(windowed.process(xs), windows_of(xs, length, hop))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 11), st.lists(st.lists(st.sampled_from(["a", 2, b"c"]), max_size=5), max_size=20))
def test_streams_with_keys_do_not_know_of_each_other(length, hop, rounds):
    bank = el.Windowed(MODEL, length=length, hop=hop, capacity=3)
    alone = {key: el.Windowed(MODEL, length=length, hop=hop) for key in ("a", 2, b"c")}
    for number, keys in enumerate(rounds):
        xs = rows_of(5 * number, len(keys))
        found = bank.step_many(keys, xs)
        for key, x, y in zip(keys, xs, found, strict=True):
            wanted = alone[key].step(x)
            np.testing.assert_array_equal(y, np.full(2, np.nan) if wanted is None else wanted)
    xs = rows_of(400, 40)
    for key in bank:
        np.testing.assert_array_equal(bank.process(xs, key), alone[key].process(xs))


@pytest.mark.parametrize("stepped", [True, False])
def test_a_sample_is_a_step_of_each_open_window_and_no_more(stepped):
    """The states' own counters: what is open has taken the samples since its beginning, and nothing twice."""
    windowed = el.Windowed(MODEL, length=20, hop=5)
    for t, x in enumerate(rows_of(0, 60)):
        windowed.step(x) if stepped else windowed.process(x[None])
        taken = {windowed._states.steps(slot) for slot in range(windowed.windows)}
        assert taken - {0} == {t + 1 - start for start in range(0, t + 1, 5) if t - start < 20}


@pytest.mark.parametrize("way", ["library", "ctypes"])
def test_other_ways_to_step_give_the_same(tmp_path, monkeypatch, way):
    source, xs = MODEL, rows_of(30, 45)
    if way == "library":
        source = tmp_path / "a.so"
        el.build(MODEL).write(source)
    else:
        monkeypatch.setattr(native_call, "usable", lambda: False)
    windowed, expected = el.Windowed(source, length=7, hop=3), windows_of(xs, 7, 3)
    found = [y.copy() for x in xs[:20] if (y := windowed.step(x)) is not None]
    np.testing.assert_array_equal(np.concatenate([found, windowed.process(xs[20:])]), expected)
    windowed.reset()
    keyed = [y[0] for x in xs if not np.isnan(y := windowed.step_many([0], x[None])).all()]
    np.testing.assert_array_equal(keyed, expected)


def test_a_step_that_was_kept_goes_on_and_ends_with_its_stream():
    """The quick step is the same whatever it is called with, and steps nothing of another stream."""
    windowed, xs = el.Windowed(MODEL, length=3, hop=1), rows_of(0, 12)
    windowed.step(xs[0])
    step = windowed.step
    ways = step, lambda x: step(x.tolist()), lambda x: step(x, key=0), lambda x: step(x=x)
    for t, x in enumerate(xs[1:8], 1):
        y = ways[t % 4](x)
        assert (y is None) == (t < 2)
    assert windowed._taken[0] == 8
    with pytest.raises(el.UsageError, match="no room for 'b'"):
        step(xs[0], key="b")
    with pytest.raises(el.InputError, match="channel 1"):
        step(np.array([0, np.nan, 0], np.float32))
    windowed.drop(0)
    windowed.step(xs[0], key="b")
    with pytest.raises(el.UsageError, match="no room for 0"):
        step(xs[0])
    gone = weakref.ref(windowed)
    del windowed
    gc.collect()
    assert gone() is not None  # held by its step
    step = ways = None
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("policy", ["hold", "reset"])
def test_policies_act_within_each_window(policy):
    xs = np.where(np.random.default_rng(3).random((60, 3)) < 0.1, np.float32(np.nan), rows_of(0, 60))
    windowed = el.Windowed(MODEL, length=9, hop=2, nan_policy=policy)
    np.testing.assert_array_equal(windowed.process(xs), windows_of(xs, 9, 2, nan_policy=policy))


def test_a_refused_sample_changes_nothing():
    xs = rows_of(0, 40)
    windowed, bad = el.Windowed(MODEL, length=7, hop=3, capacity=2), xs[10:20].copy()
    before = windowed.process(xs[:10])
    bad[8, 2] = np.nan
    for call in (lambda: windowed.process(bad), lambda: windowed.step(bad[8]), lambda: windowed.step_many([0, 1], bad[7:9])):
        with pytest.raises(el.InputError, match="channel 2"):
            call()
    assert windowed.keys() == [0]
    np.testing.assert_array_equal(np.concatenate([before, windowed.process(xs[10:])]), windows_of(xs, 7, 3))


def test_windows_of_models_that_answer_more_seldom():
    stream, windowed = el.Stream(RATED), el.Windowed(RATED, length=14, hop=4)
    found = windowed.process(RATED_XS)
    for number, y in enumerate(found):
        stream.reset()
        np.testing.assert_array_equal(y, stream.process(RATED_XS[4 * number : 4 * number + 14])[-1])
    assert len(found) == (60 - 14) // 4 + 1
    with pytest.raises(el.UsageError, match="step 8 and every 6 steps from there"):
        el.Windowed(RATED, length=15, hop=4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"length": 0}, "length is a whole number"),
        ({"length": 5, "hop": 0}, "hop is a whole number"),
        ({"length": 5, "capacity": -1}, "capacity is a whole number"),
        ({"length": 5, "model": model_of("reverse")}, "whole recordings"),
    ],
)
def test_windows_that_cannot_be_meant(options, words):
    with pytest.raises(el.UsageError, match=words):
        el.Windowed(**{"model": MODEL, **options})


def test_a_stream_too_many_and_one_that_is_not_there():
    windowed = el.Windowed(MODEL, length=5, capacity=1)
    windowed.step(rows_of(0, 1)[0], key="a")
    with pytest.raises(el.UsageError, match="no room for 'b'"):
        windowed.step(rows_of(0, 1)[0], key="b")
    with pytest.raises(el.UsageError, match="no stream 'b'"):
        windowed.reset("b")
    windowed.drop("a")
    assert ("a" in windowed, len(windowed)) == (False, 0)
