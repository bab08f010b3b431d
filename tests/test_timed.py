"""Samples with their times: what each policy does on each event, against a slow twin."""

import copy
import pickle
import struct
from datetime import UTC, datetime
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from cli_calls import ROWS
from hypothesis import example, given, settings
from hypothesis import strategies as st
from time_twin import MODEL, NAN, Twin, moments

import edgelstm as el
from edgelstm.field.grid import Grid

GOOD = (0.5, 0.25, 1.0)


@settings(max_examples=60, deadline=None)
@example([(8, GOOD), (-60, GOOD), (80, GOOD), (-40, GOOD), (8, GOOD)], "hold", "raise", "drop", 0.25)
@given(
    moments(),
    st.sampled_from(["hold", "interpolate", "reset", "skip"]),
    st.sampled_from(["raise", "hold", "reset"]),
    st.sampled_from(["drop", "error"]),
    st.sampled_from([0.0, 0.25, 0.5]),
)
def test_every_event_is_what_the_slow_twin_says(steps, on_gap, nan_policy, late, jitter):
    timed = el.Timed(el.Stream(MODEL, nan_policy=nan_policy), 1.0, on_gap=on_gap, max_gap=6.0, jitter=jitter, late=late)
    twin = Twin(nan_policy, on_gap, 6, jitter, late)
    now = 0
    for number, (ahead, values) in enumerate(steps):
        x = np.array(values, np.float32) + np.float32(number % 7) / 8
        now += ahead
        expected = twin.step(x, Fraction(now, 8))
        before = timed.snapshot()
        if expected is None:
            with pytest.raises(el.InputError):
                timed.step(x, now / 8)
            assert timed.snapshot()[36:-4] == before[36:-4]  # the stream's state; a late sample may be remembered
        else:
            answers = timed.step(x, now / 8)
            assert answers.shape == (len(expected), 2)
            assert np.array_equal(answers, np.array(expected, np.float32).reshape(-1, 2), equal_nan=True)
        assert timed.counts.record() == twin.counts
        assert (timed.resets, timed.stream.bad_inputs) == (twin.resets, twin.bad)


def test_on_time_is_the_stream_itself_and_a_slow_clock_is_followed():
    timed, expected = el.Timed(el.Stream(MODEL), 0.02), el.Stream(MODEL).process(ROWS)
    times = 1.7e9 + 0.02 * 1.02 * np.arange(len(ROWS)) + np.random.default_rng(1).normal(0, 0.0005, len(ROWS))
    answers = np.concatenate([timed.step(x, t) for x, t in zip(ROWS, times, strict=True)])
    assert np.array_equal(answers, expected)
    assert timed.counts.record() | {"samples": 0} == dict.fromkeys(timed.counts.record(), 0)


def test_a_snapshot_holds_the_place_in_time():
    timed = el.Timed(el.Stream(MODEL), 1.0)
    timed.step(ROWS[0], 10.0)
    timed.step(ROWS[1], 11.0)
    blob = timed.snapshot()
    after = timed.step(ROWS[2], 13.0)
    other = el.Timed(el.Stream(MODEL), 1.0)
    other.restore(blob)
    assert len(other.step(ROWS[1], 11.0)) == 0
    assert len(other.step(ROWS[0], 10.0)) == 0
    assert np.array_equal(other.step(ROWS[2], 13.0), after)
    assert (other.counts.duplicates, other.counts.late, other.counts.missing) == (1, 1, 1)
    kept = other.snapshot()
    odd = bytearray(blob)
    odd[12:20] = struct.pack("<d", float("inf"))
    for bad in (blob[:-1], b"", bytes(odd), other.stream.snapshot(), blob.replace(b"ELSTMTIM\x01", b"ELSTMTIM\x02")):
        with pytest.raises(el.StateError):
            other.restore(bad)
        assert other.snapshot() == kept


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"period": 0}, "period must be a positive number"),
        ({"period": NAN}, "period must be a positive number"),
        ({"max_gap": 0.5}, "max_gap must be seconds, from one period"),
        ({"max_gap": 1e9}, "max_gap must be seconds"),
        ({"jitter": 0.6}, "at most|from 0 to half a period"),
        ({"on_gap": "guess"}, "on_gap must be one of hold, interpolate, reset, skip; got 'guess'"),
        ({"late": "wait"}, "late must be one of drop, error"),
    ],
)
def test_what_is_no_grid_is_refused(options, told):
    with pytest.raises(el.UsageError, match=told):
        el.Timed(el.Stream(MODEL), **{"period": 1.0, **options})


def test_what_has_no_sense_is_refused():
    timed = el.Timed(el.Stream(MODEL), 1.0)
    for t in (NAN, float("inf")):
        with pytest.raises(el.InputError, match="finite number of seconds"):
            timed.step(ROWS[0], t)
    for t in (datetime.now(UTC), np.datetime64("2026-11-28"), None, "noon", 1 << 2000):
        with pytest.raises(el.InputError, match=r"a number of seconds; got .*date\.timestamp"):
            timed.step(ROWS[0], t)
    assert timed.counts.samples == 0
    index = SimpleNamespace(program=SimpleNamespace(sizes=SimpleNamespace(reads_recordings=False, vocabularies=(5,))))
    with pytest.raises(el.UsageError, match="takes an index"):
        el.Timed(index, 1.0, on_gap="interpolate")
    index.program.sizes.reads_recordings = True
    with pytest.raises(el.UsageError, match="reads whole recordings"):
        el.Timed(index, 1.0)


def test_the_grid_alone_is_pure():
    grid = Grid(0.5)
    first = grid.judge(3.0)
    assert grid.judge(3.0) == first
    assert grid.counts.samples == 0
    assert np.isnan(grid.state).all()


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_copy_would_share_the_stream_and_is_refused_in_words(copied):
    stream = el.Stream(MODEL)
    of_one, of_many = el.Timed(stream, 0.02), el.TimedBank(el.StreamBank(MODEL, 1), 0.02)
    for timed in (of_one, of_many):
        with pytest.raises(el.UsageError, match=f"a {type(timed).__name__} is neither copied nor pickled; make another, and give it what"):
            copied(timed)
    with pytest.raises(el.UsageError, match="an Observed counts what this process steps"):
        copied(el.Observed(stream))
