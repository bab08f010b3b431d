"""What inputs looked like in training, kept with a model; and what is told of sensors by it."""

import platform
from dataclasses import replace

import numpy as np
import pytest
from cli_calls import ROWS, arrays, call
from hypothesis import given, settings
from hypothesis import strategies as st
from time_twin import MODEL, NAN

import edgelstm as el
from edgelstm.field.native_clock import counting
from edgelstm.field.sensors import SensorChecks
from edgelstm.runtime.sensor_record import MEMORY


def test_statistics_are_of_all_recordings_and_runs_of_each(tmp_path):
    one, two = np.array([[1.0, 5], [1, 5], [2, NAN]]), np.array([[2.0, 5], [2, 5], [2, 7], [9, 7]])
    found = el.InputStatistics.of([one, two])
    both = np.concatenate([one, two])
    assert found.count == 7
    for name, statistic in (("mean", np.nanmean), ("std", np.nanstd), ("low", np.nanmin), ("high", np.nanmax)):
        assert np.allclose(getattr(found, name), statistic(both, axis=0), rtol=1e-15)
    assert found.longest_run.tolist() == [3, 2]
    with pytest.raises(el.UsageError, match="channel 1 has none"):
        el.InputStatistics.of([[[1.0, NAN]]])
    with pytest.raises(el.UsageError, match="of one width"):
        el.InputStatistics.of([one, one[:, :1]])
    with pytest.raises(el.ShapeError, match="of all 3 inputs; got 2 channels"):
        replace(MODEL, statistics=found)


def test_a_model_file_and_a_library_keep_statistics(tmp_path):
    model = replace(MODEL, statistics=el.InputStatistics.of(ROWS))
    el.save(model, tmp_path / "m.elstm")
    again = el.load(tmp_path / "m.elstm")
    assert again.statistics == model.statistics
    assert el.Stream(again).statistics == model.statistics
    assert again.with_normalizer(0, 2).statistics is None
    assert el.Stream(MODEL).statistics is None
    data = (tmp_path / "m.elstm").read_bytes()
    at = data.index(b"input_statistics")
    odd = data[:at] + data[at:].replace(b"longest_run", b"longest_fun", 1)
    (tmp_path / "odd.elstm").write_bytes(odd)
    with pytest.raises(el.ModelFileError, match="input statistics need count, mean"):
        el.load(tmp_path / "odd.elstm", verify=False)


def test_convert_takes_statistics_of_recordings(tmp_path):
    el.save(MODEL, tmp_path / "m.elstm")

    np.savez(tmp_path / "m.npz", **arrays())
    (tmp_path / "a.csv").write_text("ax;ay;az\n" + "".join(";".join(map(str, row)) + "\n" for row in ROWS[:20].tolist()))
    (tmp_path / "b.csv").write_text("ax;ay;az\n" + "".join(";".join(map(str, row)) + "\n" for row in ROWS[20:].tolist()))
    files = ("--stats", tmp_path / "a.csv", "--stats", tmp_path / "b.csv", "--delimiter", ";")
    told = ("convert", tmp_path / "m.npz", "--layers", "lstm, fc", "--input-names", "ax,ay,az", "--window", 7, "-o", tmp_path / "s.elstm")
    result = call(*told, *files)
    assert result.exit_code == 0, result.output
    assert el.load(tmp_path / "s.elstm").statistics == el.InputStatistics.of([ROWS[:20], ROWS[20:]])
    assert "its inputs" in call("describe", tmp_path / "s.elstm").output


@pytest.mark.parametrize("kind", [np.float32, np.float64])  # looked at by compiled code, and by NumPy
@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.0, 0.0, 1.0, 5.0, NAN]), min_size=1, max_size=120), st.lists(st.integers(1, 9), min_size=1))
def test_sensors_are_looked_at_the_same_in_any_cut(kind, values, cuts):
    rows = np.array(values, kind)[:, None]
    statistics = el.InputStatistics(10, [0.5], [1.0], [0.0], [1.0], [9])
    checks = SensorChecks(statistics)
    at = number = 0
    while at < len(rows):
        cut = cuts[number % len(cuts)]
        checks.look(rows[at : at + cut])
        at, number = at + cut, number + 1
    run, before, stuck, times, recent, weight = 0, NAN, False, 0, 0.0, 0.0
    for value in values:
        if not np.isnan(value):
            run = run + 1 if value == before else 1
            times += run > 18 and not stuck
            stuck, before = run > 18, value
            recent += (value - recent) / MEMORY
            weight += (1 - weight) / MEMORY
    assert checks.out_of_range.tolist() == [sum(value > 1.1 for value in values)]
    assert (checks.stuck.tolist(), checks.stuck_total.tolist()) == ([stuck], [times])
    expected = recent / weight - 0.5 if weight else NAN
    assert np.allclose(checks.drift, [expected], rtol=1e-9, equal_nan=True)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 19), st.integers(1, 70), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.2]))
def test_compiled_code_sees_what_numpy_sees(channels, count, seed, odd):
    rng = np.random.default_rng(seed)
    rows = rng.integers(-3, 4, (count, channels)).astype(np.float32)
    rows[:, rng.random(channels) < 0.4] = 2.5  # some are stuck
    rows[rng.random(rows.shape) < odd] = rng.choice([np.nan, np.inf, -np.inf, 1e30])
    statistics = el.InputStatistics(
        9,
        rng.uniform(-1, 1, channels),
        rng.random(channels) + 0.1,
        np.full(channels, -2.0),
        np.full(channels, 2.0),
        rng.integers(1, 20, channels),
    )
    compiled, twin = SensorChecks(statistics), SensorChecks(statistics)
    for begin in range(0, count, 20):
        compiled.look(rows[begin : begin + 20])
        twin.look_by_numpy(rows[begin : begin + 20])
    for name in ("samples", "out_of_range", "stuck", "stuck_total"):
        assert np.array_equal(getattr(compiled, name), getattr(twin, name)), name
    assert np.allclose(compiled.drift, twin.drift, rtol=1e-9, equal_nan=True)
    assert counting() is not None or platform.machine() not in ("x86_64", "aarch64")


def test_samples_of_another_width_are_refused():
    checks = SensorChecks(el.InputStatistics.of(ROWS))
    with pytest.raises(el.UsageError, match="of 3 channels"):
        checks.look(ROWS[:, :2])
    checks.look(ROWS[:0])
    assert checks.samples == 0


def test_a_timed_stream_looks_at_its_sensors():
    model = replace(MODEL, statistics=el.InputStatistics.of(ROWS))
    timed = el.Timed(el.Stream(model), 1.0)
    for t in range(30):
        timed.step([9.0, 0.1, ROWS[t, 2]], t)
    assert timed.sensors.out_of_range.tolist() == [30, 0, 0]
    assert timed.sensors.stuck.tolist() == [True, True, False]
    assert el.Timed(el.Stream(MODEL), 1.0).sensors is None
