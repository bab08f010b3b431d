"""Samples with their times: what each policy does on each event, against a slow twin; statistics; sensors."""

import json
import struct
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from cli_calls import ROWS, arrays, call, make_model, refused
from hypothesis import example, given, settings
from hypothesis import strategies as st

import edgelstm as el
from edgelstm.field.grid import Grid, TimeCounts
from edgelstm.field.sensors import MEMORY, SensorChecks
from edgelstm.runners import Samples, timed_rows

NAN = float("nan")
MODEL = replace(make_model(), window=None)


class Twin:
    """The rules of docs/gateway.md, read out slowly: instants are found by counting, and answers by stepping all rows once more."""

    def __init__(self, nan_policy, on_gap, max_gap, jitter, late):
        self.nan_policy, self.on_gap, self.max_gap, self.jitter, self.late = nan_policy, on_gap, Fraction(max_gap), Fraction(jitter), late
        self.rows, self.instant, self.last, self.astray = [], None, None, None
        self.stream, self.resets, self.bad = el.Stream(MODEL), 0, 0
        self.counts = dict.fromkeys(TimeCounts().record(), 0)

    def step(self, x, t):
        """The answers, or None for a sample that is refused."""
        t = Fraction(t)
        event, missing = self.event(t)
        if event in ("duplicates", "extra", "late"):
            self.counts["samples"] += 1
            self.counts[event] += 1
            if event == "late":
                self.astray = t if self.last - t > self.max_gap else None
            return None if event == "late" and self.late == "error" else []
        if self.nan_policy == "raise" and not np.isfinite(x).all():
            return None
        anew = event in ("first", "long_gaps", "clock_jumps") or (missing and self.on_gap == "reset") or not self.rows
        answers = self.anew(x) if anew else [answer for row in self.filled(x, missing) for answer in self.enter(row)]
        self.move(t, event, missing, anew)
        return answers

    def event(self, t):
        if self.instant is None:
            return "first", 0
        if t == self.last:
            return "duplicates", 0
        if t < self.last:
            back = self.last - t > self.max_gap and self.astray is not None and self.astray < t <= self.astray + self.max_gap
            return ("clock_jumps" if back else "late"), 0
        if t - self.last > self.max_gap:
            return "long_gaps", 0
        nearest = 0
        while abs(self.instant + nearest + 1 - t) <= abs(self.instant + nearest - t):
            nearest += 1
        return ("due", nearest - 1) if nearest else ("extra", 0)

    def anew(self, x):
        if self.rows:
            self.resets += 1
        self.rows = []
        return self.enter(x)

    def filled(self, x, missing):
        last = self.rows[-1]
        for number in range(1, missing + 1):
            if self.on_gap == "hold":
                yield last
            elif self.on_gap == "interpolate":
                there = np.isfinite(x)
                part = number / (missing + 1)
                line = [float(a) + (float(b) - float(a)) * part if ok else a for a, b, ok in zip(last, x, there, strict=True)]
                yield np.array(line, np.float32)
        yield x

    def enter(self, row):
        bad = ~np.isfinite(row)
        self.bad += bad.any()
        if bad.any() and self.nan_policy == "reset":
            self.rows = []
            return [np.full(2, NAN, np.float32)]
        self.rows.append(np.where(bad, self.rows[-1] if self.rows else np.float32(0), row))
        self.stream.reset()
        return [self.stream.process(np.array(self.rows))[-1]]

    def move(self, t, event, missing, anew):
        self.counts["samples"] += 1
        if event in self.counts:
            self.counts[event] += 1
        self.counts["gaps"] += missing > 0
        self.counts["missing"] += missing
        if anew:
            self.instant = t
        else:
            due = self.instant + missing + 1
            off = t - due
            self.counts["jitter"] += abs(off) > self.jitter
            self.instant = due + max(min(off, self.jitter), -self.jitter) / 8
        self.last, self.astray = t, None


def moments():
    """Steps of time in eighths of a period: on time, jittered, twice, late, over gaps, and clocks that are set."""
    usual = st.sampled_from([8, 8, 8, 8, 7, 9, 11, 5, 0, 3, -8, 16, 24, 37, 48, 49, 80, -60, -4000, 4000])
    values = st.sampled_from([0.5, -1.0, 0.25, NAN])
    return st.lists(st.tuples(usual, st.tuples(values, values, st.just(1.0))), min_size=1, max_size=14)


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


# ---------------------------------------------------------------- statistics and sensors


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


def test_the_grid_alone_is_pure():
    grid = Grid(0.5)
    first = grid.judge(3.0)
    assert grid.judge(3.0) == first
    assert grid.counts.samples == 0
    assert np.isnan(grid.state).all()


# ---------------------------------------------------------------- lines


class Kept:
    def __init__(self):
        self.lines = []

    def write(self, answers, kept=()):
        self.lines += [(*before, *answer) for before, answer in zip(kept or [()] * len(answers), answers.tolist(), strict=True)]


def test_lines_with_times_are_answered_at_their_instants():
    times = ["2026-11-28T15:00:00Z", "2026-11-28T16:00:00.020+01:00", "2026-11-28 15:00:00.080", "2026-11-28T15:00:00.02Z", 1795878000.1]
    kept, timed = Kept(), el.Timed(el.Stream(MODEL), 0.02)
    timed_rows.run(timed, [Samples(ROWS[:5], range(1, 6), [[i, t] for i, t in enumerate(times)])], kept)
    expected = el.Stream(MODEL).process(ROWS[[0, 1, 1, 1, 2, 4]])
    assert [line[0] for line in kept.lines] == [0, 1, None, None, 2, 4]
    assert np.array_equal(np.array([line[1:] for line in kept.lines], np.float32), expected)
    assert timed_rows.seconds("1500", "ms") == timed_rows.seconds(1.5) == 1.5
    for odd in ("noon", "", True, None):
        with pytest.raises(el.InputError, match="line 7: a time must be a number"):
            timed_rows.run(timed, [Samples(ROWS[:1], (7,), [[odd]])], kept)


def test_run_steps_lines_at_their_times(tmp_path):
    el.save(MODEL, tmp_path / "m.elstm")
    times = [0, 20, 20, 80, 40, 100, 5000]
    given = "t,n,ax,ay,az\n" + "".join(f"{t},{i},{','.join(map(repr, ROWS[i].tolist()))}\n" for i, t in enumerate(times))
    told = ("run", tmp_path / "m.elstm", "--time", "t", "--time-unit", "ms", "--keep", "n", "--metrics", tmp_path / "m.jsonl")
    result = call(*told, "--state", f"{tmp_path}/s/", given=given)
    assert result.exit_code == 0, result.output
    header, *lines = [line.split(",") for line in result.stdout.splitlines()]
    assert header == ["n", "rest", "walk"]
    stream = el.Stream(MODEL)
    expected = np.concatenate([stream.process(ROWS[[0, 1, 1, 1, 3, 5]]), el.Stream(MODEL).process(ROWS[6:7])])
    assert [line[0] for line in lines] == ["0", "1", "", "", "3", "5", "6"]
    assert np.array_equal(np.array([line[1:] for line in lines], np.float32), expected)
    counted = json.loads((tmp_path / "m.jsonl").read_text())
    assert [counted[name] for name in ("duplicates", "late", "missing", "long_gaps")] == [1, 1, 2, 1]
    again = call(*told, "--state", f"{tmp_path}/s/", "--late", "error", given=given + "5020,7,1,2,3\n")
    assert "line 2: this sample is 5 s older" in refused(again, 1)
    again = call(*told, "--state", f"{tmp_path}/s/", "--max-gap", 100, given=given + "5020,7,1,2,3\n")
    assert len(again.stdout.splitlines()) == 2
    for odd in (["--key", "n"], ["--max-gap", "0.001"], ["--period", "-1"]):
        refused(call(*told, *odd, given=given), 2)
