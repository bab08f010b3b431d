"""What quantization tells: figures, the record of what changed, the page and the verb."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import lstm_model, samples
from quantization_models import fragile_model, windows_of
from quantization_models import model as model  # noqa: PLC0414
from quantization_models import small_model as small_model  # noqa: PLC0414

import edgelstm as el
from edgelstm import reference
from edgelstm.cli import main
from edgelstm.quantization import calibration, choosing, trace
from edgelstm.quantization.report import compare as comparing
from edgelstm.quantization.report import looks, metrics, svg
from edgelstm.quantization.report import page as report


def test_snr_and_the_worst_step():
    before = np.ones((2, 4, 1), np.float32)
    after = before.copy()
    after[1, 2] += 0.1
    batch = trace.Batch(np.zeros((2, 4, 1), np.float32), np.array([4, 3]))
    assert metrics.snr_db(before, before) == metrics.MOST_DB
    assert metrics.snr_db(before, 1.1 * before) == pytest.approx(20, abs=1e-3)
    worst = metrics.worst_step(before, after, batch)
    assert (worst["window"], worst["step"], worst["output"]) == (1, 2, 0)
    assert worst["error"] == pytest.approx(0.1)
    after[1, 3] = 100
    assert metrics.worst_step(before, after, batch)["step"] == 2, "padding is no step"
    over_time = metrics.error_over_time(before, after, batch)
    assert over_time["rms"] == pytest.approx([0, 0, 0.1 / np.sqrt(2), 0], abs=1e-6)
    assert over_time["max"] == pytest.approx([0, 0, 0.1, 0], abs=1e-6)


def test_growth_tells_drift_from_noise(rng):
    assert metrics.growth(np.abs(rng.normal(size=200))) < 2
    assert metrics.growth(np.arange(200.0)) == pytest.approx(174.5 / 74.5)
    assert metrics.growth([1.0, 2.0]) == 1


def test_labels_become_accuracy_or_error(rng, model):
    batch = calibration.batch_of(model, windows_of(rng, model, 5, 3))
    labels = metrics.checked_labels(model, [2, np.array([0, np.nan, 1])], batch)
    assert np.argwhere(~np.isnan(labels)).tolist() == [[0, 4], [1, 0], [1, 2]]
    before, after = np.zeros((2, 2, 5, 3), np.float32)
    before[0, 4, 2] = before[1, 0, 0] = before[1, 2, 1] = 1
    after[0, 4, 1] = after[1, 0, 0] = after[1, 2, 1] = 1
    told = metrics.task(model, labels, before, after)
    assert (told["before"], told["after"], told["changed"], told["passed"]) == (1.0, pytest.approx(2 / 3), 1, False)
    forecast = lstm_model(rng, 5, 4, 1, 1)
    told = metrics.task(forecast, labels, np.zeros((2, 5, 1)), np.full((2, 5, 1), 0.5))
    assert told["name"] == "mean absolute error"
    assert told["before"] == 1
    with pytest.raises(el.InputError, match="0 to 2"):
        metrics.checked_labels(model, [5, 0], batch)
    with pytest.raises(el.InputError, match="one item a window"):
        metrics.checked_labels(model, [1], batch)


def test_teacher_forced_gates_do_not_see_the_past(rng):
    model = lstm_model(rng, 4, 12)
    choice = choosing.choose(model, samples(rng, model, 60), "int8-dynamic")
    layer, now = model.layers[0], choice.model.layers[0]
    told = looks.gate_record(choice, layer, now)
    assert set(told) == {"i", "f", "g", "o", "c", "h"}
    assert all(20 < db < metrics.MOST_DB for gate in told.values() for db in gate.values())
    xs, hs = choice.batch.xs[0], choice.before_trace.h_before(layer)[0]
    t = 17
    want = trace.gates(layer, xs[t], hs[t])
    z = reference.step(model, xs[0], reference.initial_state(model))
    assert z.shape == (2,)
    whole = trace.gates(layer, choice.batch.xs, choice.before_trace.h_before(layer))[0, t]
    assert np.allclose(whole, want, atol=1e-6)
    c = choice.before_trace.cells["lstm0"][0]
    i, f, g, _ = np.split(whole, 4)
    assert np.allclose(c[t], f * c[t - 1] + i * g, atol=1e-6)


def test_a_growing_cell_is_reported():
    weight_ih = np.array([[9.0], [9.0], [9.0], [0.0]])
    counter = el.Model([el.LSTM(weight_ih, np.zeros((4, 1)), name="counter"), el.Dense(np.ones((1, 1)))])
    choice = choosing.choose(counter, np.ones((400, 1)), "int8-weight", keep=("dense1",))
    cell = looks.cell_record(choice, "counter")
    assert cell["grows"]
    assert cell["step"] == 399
    assert cell["max_abs"] > 350
    assert cell["slope_per_step"] == pytest.approx(1, abs=0.05)
    settled = choosing.choose(counter, np.zeros((400, 1)), "int8-weight", keep=("dense1",))
    assert not looks.cell_record(settled, "counter")["grows"]


def test_keeping_the_layer_that_hurts_wins_most_back(rng):
    choice = choosing.choose(fragile_model(rng), samples(rng, fragile_model(rng), 60), "int8-dynamic", keep=("dense2",))
    ranked = looks.won_back(choice)
    assert {item["name"] for item in ranked} == {"a", "b"}
    assert ranked[0]["gain_db"] >= ranked[1]["gain_db"]
    assert all(item["bytes"] > 0 for item in ranked)


@pytest.fixture(scope="module")
def told():
    rng = np.random.default_rng(5)
    net = el.Model([*lstm_model(rng, 4, 16, 1, 3).layers, el.Softmax()], labels=("<b>", "é", "c"), source="a <script> file")
    xs = [samples(rng, net, 60), samples(rng, net, 30)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparing.speed, "SECONDS", 0.01)
        return comparing.compare(choosing.choose(net, xs), labels=[0, 1], machine={"cpu": "test & co"})


def test_the_record_is_plain_json_and_complete(told):
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["size"]["file_bytes"][1] < told["size"]["file_bytes"][0]
    assert set(told["latency_ns"]) == {"process", "step"}
    layer = told["layers"][0]
    assert set(layer["scales"]) >= {"scale_hh", "input_shift"}
    assert layer["gates"]["i"]["teacher"] > 20
    assert told["output"]["snr_db"] > 30
    assert len(told["output"]["error_over_time"]["rms"]) == 60


def test_the_verdict_follows_the_figures(told):
    def level(**changes):
        base = {**told, "latency_ns": {"process": [2.0, 1.0], "step": [2.0, 1.0]}, "task": None, "evidence": []}
        output = {**told["output"], "snr_db": 45.0, "error_growth": 1.0} | changes.pop("output", {})
        return comparing.verdict({**base, "output": output, **changes})["level"]

    assert level() == "ship"
    assert level(keep_in_f32=[]) == "look"
    assert level(evidence=["nothing is in there"]) == "look"
    assert level(judged={**told["judged"], "unseen": False}) == "look"
    assert level(output={"calibrated_db": 25.0}) == "look"
    grown = {**told["layers"][0], "cell": {**told["layers"][0]["cell"], "grows": True}}
    assert level(layers=[grown]) == "look"
    assert level(output={"snr_db": 25.0}) == "look"
    assert level(output={"snr_db": 15.0}) == "stop"
    assert level(output={"error_growth": 5.0}) == "look"
    assert level(latency_ns={"process": [1.0, 2.0], "step": [1.0, 1.0]}) == "look"
    failed = {
        "name": "accuracy",
        "before": 0.9,
        "after": 0.8,
        "labelled": 10,
        "changed": 1,
        "passed": False,
        "falls": True,
        "guessing": 0.5,
    }
    assert level(task=failed) == "stop"
    assert level(task={**failed, "after": 0.899, "passed": True}) == "look"
    assert level(task={**failed, "after": 0.9, "passed": True, "falls": False}) == "ship"
    assert level(task={**failed, "before": 0.4, "after": 0.4, "passed": True, "falls": False}) == "look"
    assert level(output={"varying_db": 25.0}) == "look"
    assert level(output={"varying_db": 15.0}) == "stop"
    assert level(output={"varying_db": None}) == "ship"
    assert level(output={"decides": True, "same_decision": 0.97}) == "look"
    assert level(output={"decides": False, "same_decision": 0.97}) == "ship"


class _Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.links, self.tags = [], [], set()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.links += [value for name, value in attributes if name in ("href", "src")]
        if tag not in ("meta", "line", "rect", "polyline"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_self_contained_and_sound(told):
    text = report.html(told)
    page = _Page()
    page.feed(text)
    assert page.open == []
    assert "script" not in page.tags, "names out of files are text, not markup"
    assert page.links
    assert all(link.startswith("data:application/json") for link in page.links)
    assert not re.search(r"https?://|url\(", text)
    assert "a &lt;script&gt; file" in text
    assert report.HEADLINES[told["verdict"]["level"]] in text
    assert "nan" not in re.sub(r"base64,[^\"]*", "", text)


def test_ticks_are_round_and_inside():
    assert svg.ticks(0, 1) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert svg.ticks(3, 3)
    assert all(-7 <= tick <= 130 for tick in svg.ticks(-7, 130))


@pytest.fixture
def files(rng, small_model, tmp_path):
    model = small_model
    el.save(model, tmp_path / "model.elstm")
    rows = samples(rng, model, 60)
    said = reference.run(model, rows).argmax(axis=1)
    lines = [
        "w,x,y,z,truth",
        *(f"{','.join(map(str, r))},{model.labels[k]}" for r, k in zip(rows, said, strict=True)),
    ]
    (tmp_path / "calib.csv").write_text("\n".join(lines))
    np.savez(tmp_path / "calib.npz", windows=rows.reshape(2, 30, 4), labels=said.reshape(2, 30))
    np.savez(tmp_path / "plain.npz", first=rows[:10], second=rows[10:])
    return tmp_path


def quantise(folder, *arguments, data="calib.csv"):
    paths = [str(folder / "model.elstm"), "--data", str(folder / data), "-o", str(folder / "small.elstm")]
    return CliRunner().invoke(main, ["quantize", *paths, *arguments])


def test_the_verb_writes_the_model_and_the_page(files, monkeypatch):
    monkeypatch.setattr("edgelstm.quantization.speed.SECONDS", 0.01)
    done = quantise(files, "--labels-column", "truth", "--report", str(files / "page.html"), "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["windows"] == {"count": 2, "steps": 60, "longest": 30}, "cut as the model was trained"
    assert told["task"]["labelled"] == 60
    small = el.load(files / "small.elstm")
    assert small.layers[0].kind == "lstm_int8"
    assert "model.elstm" in small.source
    assert "</html>" in (files / "page.html").read_text(encoding="utf-8")
    shown = quantise(files, data="calib.npz")
    assert shown.exit_code == 0, shown.output
    assert "accuracy" in shown.stdout
    assert quantise(files, "--window", "7", data="plain.npz").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "data", "code", "says"),
    [
        ((), "none.csv", 1, "none.csv"),
        (("--scheme", "int3"), "calib.npz", 2, "scheme must be one of"),
        (("--keep", "gru0"), "calib.npz", 2, "its layers are"),
        (("--report", "nowhere/page.html"), "calib.npz", 2, "there is no folder"),
        (("--labels-column", "right"), "calib.csv", 2, "is no column"),
        (("--labels-column", "w"), "plain.npz", 2, "array 'labels'"),
        (("--labels-column", "w"), "calib.csv", 1, "labels must be whole numbers"),
        ((), "broken.npz", 1, "calib"),
    ],
)
def test_the_verb_refuses_in_one_line(files, arguments, data, code, says):
    (files / "broken.npz").write_bytes((files / "calib.npz").read_bytes()[:300])
    done = quantise(files, *arguments, data=data)
    assert done.exit_code == code
    assert done.stderr.startswith("edgelstm: ")
    assert done.stderr.count("\n") == 1
    assert says in done.stderr or data in done.stderr
    assert not (files / "small.elstm").exists()


def test_the_verb_will_not_overwrite_its_inputs(files):
    done = CliRunner().invoke(
        main, ["quantize", str(files / "model.elstm"), "--data", str(files / "calib.csv"), "-o", str(files / "model.elstm")]
    )
    assert done.exit_code == 2
    assert "overwrite" in done.stderr
