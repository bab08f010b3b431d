"""`edgelstm bench`: what it reports, and that its arithmetic is right. No test depends on how fast this machine is."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import edgelstm as el
from edgelstm.cli import main, measure
from edgelstm.cli.bench import bench

PERCENTILES = ("p50", "p90", "p99", "p99.9", "max")


@pytest.fixture(scope="module")
def model() -> el.Model:
    random = np.random.default_rng(4)
    arrays = [random.normal(0, 0.4, shape) for shape in [(16, 3), (16, 4), (16,)]]
    return el.Model((el.Normalizer([100.0, 0.0, 0.0], [5.0, 1.0, 1.0]), el.LSTM(*arrays)))


@pytest.fixture(scope="module")
def path(model: el.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("bench") / "model.elstm"
    el.save(model, file)
    return file


@pytest.fixture(scope="module", autouse=True)
def _one_launch() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "LAUNCHES", 1)
        yield


def call(*args: object) -> Result:
    return CliRunner().invoke(main, ["bench", *map(str, args)])


@pytest.fixture(scope="module")
def told(path: Path) -> dict[str, Any]:
    result = call(path, "--rate", 2000, "--steps", 300, "--json")
    assert result.exit_code == 0, result.output
    record: dict[str, Any] = json.loads(result.stdout)
    return record


def test_json_holds_every_figure(told: dict[str, Any], model: el.Model) -> None:
    for run in ("full_speed_ns", "paced_ns", "response_ns"):
        points = [told[run][p] for p in PERCENTILES]
        assert points == sorted(points)
        assert told[run]["count"] == 300
    assert told["paced_ns"]["max"] <= told["response_ns"]["max"]
    assert told["deadline_ns"] == 1e9 / 2000
    assert 0 <= told["deadline_misses"] <= 300
    assert told["real_time_factor"] == told["full_speed_ns"]["mean"] / told["deadline_ns"]
    assert told["process_ns"] > 0
    assert told["timer_ns"] > 0
    program = el.Stream(model).program
    assert told["bytes"] == {"weights": program.about().weight_bytes, "arena": program.arena_bytes, "code": program.about().code_bytes}
    assert told["machine"]["edgelstm"] == el.__version__
    assert told["machine"]["threads"] == 1
    assert all(told["machine"].values())


def test_cold_start_is_split_into_phases(told: dict[str, Any]) -> None:
    cold = told["cold_start_ns"]
    assert tuple(cold) == (*measure.PHASES, "total", "cached")
    assert all(cold[phase] > 0 for phase in measure.PHASES)
    assert max(cold[phase] for phase in measure.PHASES) < cold["total"]


def test_tables_print_the_same_figures(path: Path) -> None:
    result = call(path, "--rate", 5000, "--seconds", "0.01")
    assert result.exit_code == 0, result.output
    for word in (*PERCENTILES, "deadline misses", "real-time factor", "import numpy", "weights", "arena", "python", "governor"):
        assert word in result.stdout


def test_the_plot_is_a_picture(path: Path, tmp_path: Path) -> None:
    assert call(path, "--rate", 5000, "--steps", 50, "--plot", tmp_path / "out.png").exit_code == 0
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


def test_the_models_own_rate_is_the_default(model: el.Model, tmp_path: Path) -> None:
    el.save(el.Model(model.layers, rate_hz=800), tmp_path / "m.elstm")
    assert json.loads(call(tmp_path / "m.elstm", "--steps", 20, "--json").stdout)["rate_hz"] == 800


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "--rate is missing"),
        (["--rate", "0"], "--rate must be"),
        (["--rate", "nan"], "--rate must be"),
        (["--rate", "inf"], "--rate must be"),
        (["--rate", "5", "--seconds", "-1"], "--seconds must be"),
        (["--rate", "5", "--seconds", "nan"], "--seconds must be"),
        (["--rate", "5", "--steps", "0"], "between 1 and"),
        (["--rate", "1e12", "--seconds", "1e12"], "between 1 and"),
        (["--rate", "5", "--seconds", "1", "--steps", "1"], "either --seconds or --steps"),
        (["--rate", "5", "--plot", "out.doc"], "must end in one of"),
        (["--rate", "5", "--plot", "none/out.png"], "no folder"),
    ],
)
def test_contradictions_are_refused_before_measuring(path: Path, options: list[str], says: str) -> None:
    result = call(path, *options)
    assert result.exit_code == 2, result.output
    assert says in result.stderr
    assert result.stderr.count("\n") == 1


def test_without_matplotlib_the_fix_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = call(path, "--rate", 5, "--plot", "out.png")
    assert result.exit_code == 2
    assert "pip install 'edgelstm[plot]'" in result.stderr


class Clockwork:
    """A clock that moves only when somebody sleeps, steps or reads it."""

    def __init__(self, costs: list[int]) -> None:
        self.now, self.costs, self.woken_late = 0, iter(costs), 0

    def perf_counter_ns(self) -> int:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += round(seconds * 1e9) + self.woken_late

    def step(self, _: object) -> None:
        self.now += next(self.costs)

    @property
    def stream(self) -> Any:
        """What `measure` asks of a stream."""
        return SimpleNamespace(step=self.step, program=SimpleNamespace(reads_recordings=False))


def test_pacing_keeps_to_the_clock_of_the_sensor(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clockwork([100, 2500, 100, 100, 100])
    monkeypatch.setattr(measure, "time", clock)
    step, response = measure.paced(clock.stream, np.zeros((measure.SAMPLES, 1), np.float32), 1e6, 5)
    assert step.tolist() == [100, 2500, 100, 100, 100]
    # The second step overruns two periods of 1000 ns: the two samples behind it are late too, the fifth is not.
    assert response.tolist() == [100, 2500, 1600, 700, 100]
    assert (response > 1000).sum() == 2


def test_waking_late_counts_as_response_and_not_as_step(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clockwork([100] * 3)
    clock.woken_late = 60
    monkeypatch.setattr(measure, "time", clock)
    step, response = measure.paced(clock.stream, np.zeros((measure.SAMPLES, 1), np.float32), 1e6, 3)
    assert (step.tolist(), response.tolist()) == ([100] * 3, [160] * 3)


def test_the_timers_cost_is_subtracted_but_never_below_zero() -> None:
    points = measure.percentiles(np.array([10, 110, 210, 1010]), timer=10)
    assert (points["p50"], points["max"], points["mean"], points["count"]) == (150, 1000, 325, 4)
    assert measure.percentiles(np.array([10]), timer=20)["max"] == 0


def test_full_speed_stops_when_the_seconds_are_over(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clockwork([1000] * 10_000)
    monkeypatch.setattr(measure, "time", clock)
    stream = clock.stream
    xs = np.zeros((measure.SAMPLES, 1), np.float32)
    assert len(measure.full_speed(stream, xs, 0.002, 10**9)) == 2001
    assert len(measure.full_speed(stream, xs, float("inf"), 7)) == 7


def test_inputs_are_in_the_units_of_the_model(model: el.Model) -> None:
    xs = measure.samples(model)
    assert xs.dtype == np.float32
    assert np.allclose(xs.mean(axis=0), [100, 0, 0], atol=0.6)
    assert np.allclose(xs.std(axis=0), [5, 1, 1], rtol=0.1)
    words = el.Model((el.Embedding(np.ones((9, 2))), el.Dense(np.ones((1, 2)))))
    assert set(measure.samples(words).ravel()) == set(range(9))


def test_a_failing_fresh_process_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(el.EdgeLSTMError, match="fresh process"):
        measure.cold_start(tmp_path / "missing.elstm")


def test_help_states_how_it_measures() -> None:
    assert bench.help is not None
    assert "timer's own cost" in bench.help


def test_all_schemes_are_compared(path: Path) -> None:
    result = call(path, "--rate", 2000, "--steps", 50, "--all-schemes", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    schemes = {entry["scheme"]: entry for entry in told["schemes"]}
    assert {"f32", "int8-weight", "int8-dynamic"} <= set(schemes)
    assert schemes["f32"]["weight_bytes"] == told["bytes"]["weights"]
    assert all(entry["process_ns"] > 0 for entry in schemes.values() if "refused" not in entry)
