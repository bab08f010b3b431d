"""What inputs looked like in training, kept with a model; and what is told of sensors by it."""

from dataclasses import replace

import numpy as np
import pytest
from cli_calls import ROWS, arrays, call
from hypothesis import given, settings
from hypothesis import strategies as st
from time_twin import MODEL, NAN

import edgelstm as el
from edgelstm.field.sensors import MEMORY, SensorChecks


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


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.0, 0.0, 1.0, 5.0, NAN]), min_size=1, max_size=120), st.lists(st.integers(1, 9), min_size=1))
def test_sensors_are_looked_at_the_same_in_any_cut(values, cuts):
    rows = np.array(values)[:, None]
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


def test_a_timed_stream_looks_at_its_sensors():
    model = replace(MODEL, statistics=el.InputStatistics.of(ROWS))
    timed = el.Timed(el.Stream(model), 1.0)
    for t in range(30):
        timed.step([9.0, 0.1, ROWS[t, 2]], t)
    assert timed.sensors.out_of_range.tolist() == [30, 0, 0]
    assert timed.sensors.stuck.tolist() == [True, True, False]
    assert el.Timed(el.Stream(MODEL), 1.0).sensors is None
