"""What a verdict rests on: windows that hold nothing are named, and figures are of data that calibration did not see."""

import json
import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from cli_calls import call, refused
from conftest import lstm_model

import edgelstm as el
from edgelstm.quantization import calibration, choosing, trace
from edgelstm.quantization.places import Place
from edgelstm.quantization.report import answers, evidence, metrics
from edgelstm.quantization.report import compare as comparing
from edgelstm.quantization.report import page as report

NAMES = ("ax", "ay", "az", "gx", "gy", "gz")
SCHEMES = ("int8-weight", "int8-dynamic", "int8-static")


@pytest.fixture(autouse=True)
def _as_fast(monkeypatch):
    """Speed is no matter here."""
    for name in ("process_ns", "step_ns"):
        monkeypatch.setattr(comparing.speed, name, lambda model, xs: 1.0)


@pytest.fixture
def model(rng):
    return replace(lstm_model(rng, 6, 16), input_names=NAMES)


def recording(rng, steps=800, scale=1.0):
    return rng.normal(size=(steps, 6)) * scale


def told_of(model, windows, scheme="int8-dynamic"):
    return comparing.compare(choosing.choose(model, windows, scheme), machine={"cpu": "test"})


def findings_of(model, windows):
    batch = calibration.batch_of(model, windows)
    return evidence.findings(model, batch, trace.run(model.layers, batch))


# Windows that hold nothing


def stuck(rng, *channels, value=0.37):
    rows = recording(rng)
    rows[:, channels] = value
    return rows


EMPTY = {
    "zeros": (lambda rng: np.zeros((800, 6)), "no channel varies"),
    "constant": (lambda rng: np.tile(recording(rng, 1), (800, 1)), "no channel varies"),
    "one step": (lambda rng: recording(rng, 1), "1 step are too few|1 step is too few"),
    "few steps": (lambda rng: recording(rng, 120), "120 steps are too few"),
    "few windows": (lambda rng: recording(rng, 100).reshape(5, 20, 6), "100 steps are too few"),
    "a loop of five samples": (lambda rng: np.tile(recording(rng, 5), (200, 1)), "only 8 of them different"),
    "one window many times": (lambda rng: np.tile(recording(rng, 100), (20, 1, 1)), "only 100 of them different"),
    "one channel": (lambda rng: stuck(rng, 3), r"channel 3 \(gx\) never changes"),
    "three channels": (lambda rng: stuck(rng, 0, 1, 5), r"channel 0 \(ax\), channel 1 \(ay\), channel 5 \(gz\) never change:"),
    "a channel far from zero": (lambda rng: stuck(rng, 2, value=-8.0), r"channel 2 \(az\) never changes"),
    "divided by 255": (lambda rng: recording(rng) / 255, "hardly move h"),
    "a forgotten scaler": (lambda rng: recording(rng) * 5 + 40, r"channel 0 \(ax\).* drive \d\d% of the gates of lstm0"),
}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", EMPTY)
def test_windows_that_hold_nothing_are_never_shipped(rng, model, name, scheme):
    make, says = EMPTY[name]
    try:
        told = told_of(model, make(rng), scheme)
    except el.UnsupportedModelError:
        assert (name, scheme) == ("a forgotten scaler", "int8-static"), "its cell grows beyond int16"
        return
    assert told["verdict"]["level"] != "ship"
    assert not any("safe" in reason and "safe value" not in reason for reason in told["verdict"]["reasons"])
    assert len([reason for reason in told["verdict"]["reasons"] if re.search(says, reason)]) == 1


def test_a_recording_of_the_right_kind_is_shipped(rng, model):
    for windows in (recording(rng), recording(rng).reshape(8, 100, 6)):
        told = told_of(model, windows)
        assert told["evidence"] == []
        assert told["verdict"]["level"] == "ship", told["verdict"]
    units = np.array([0.3, 0.3, 0.3, 120, 120, 120])  # g, and degrees a second, into a network that was trained on them
    lstm, head = model.layers
    raw = el.Model((replace(lstm, weight_ih=lstm.weight_ih / units), head))
    assert findings_of(raw, recording(rng) * units) == []


def test_a_mean_far_from_zero_does_not_pass_for_a_good_answer(rng, model):
    """Pressure, say: the same network and the same error, behind a mean that no error reaches."""
    lstm, head = model.layers
    windows = recording(rng).reshape(8, 100, 6)
    weak = el.Dense(head.weight[:1] * 0.1, np.array([10.0]))
    told = {name: told_of(el.Model((lstm, last)), windows)["output"] for name, last in (("near", replace(weak, bias=[0.0])), ("far", weak))}
    assert told["far"]["snr_db"] > told["near"]["snr_db"] + 30
    assert told["far"]["varying_db"] == pytest.approx(told["near"]["varying_db"], abs=1)
    still = np.full((10, 2), 5.0)
    assert metrics.varying_db(still, still + 1e-6) is None


@pytest.mark.parametrize(
    ("lost", "won", "falls"), [(0, 0, False), (1, 0, False), (4, 0, False), (5, 0, True), (30, 25, False), (60, 20, True), (5, 30, False)]
)
def test_accuracy_falls_where_more_becomes_wrong_than_by_chance(rng, model, lost, won, falls):
    steps = 20_000  # so that what is lost is below what may be
    labels = np.zeros((1, steps))
    before, after = np.zeros((2, 1, steps, model.output_size))
    before[..., 0] = after[..., 0] = 1
    after[0, :lost, 1] = 2
    before[0, lost : lost + won, 1] = 2
    told = metrics.task(model, labels, before, after)
    assert (told["passed"], told["falls"]) == (True, falls)


def test_columns_of_zeros_do_not_count(rng, model):
    rows = stuck(rng, 1, 4)
    lstm, head = model.layers
    weight = lstm.weight_ih.copy()
    weight[:, [1, 4]] = 0
    assert "channel 1" in findings_of(model, rows)[0]
    assert findings_of(replace(model, layers=(replace(lstm, weight_ih=weight), head)), rows) == []


def test_channels_are_followed_to_whoever_reads_them(rng):
    """Through what works value by value, sums, and inputs side by side."""
    narrow = np.array([[1.0, 0.0, 0.0]])
    front = el.Normalizer(np.zeros(3), np.ones(3), name="norm")
    side = el.Activation("tanh", name="side", inputs=("norm",))
    total = el.Add(name="sum", inputs=("norm", "side"))
    head = el.Dense(np.concatenate([narrow, narrow[:, ::-1]], axis=1), inputs=("sum", "norm"))
    assert evidence.read_channels(el.Model((front, side, total, head))).tolist() == [True, False, True]
    assert evidence.read_channels(el.Model((front, el.Softmax(), el.Dense(narrow)))).tolist() == [True] * 3
    unread = el.Model((el.Dense(np.eye(3)), el.Dense(narrow)))
    assert evidence.read_channels(unread).tolist() == [True, False, False]
    words = el.Model((el.Embedding(rng.normal(size=(9, 6))), *(replace(layer, inputs=()) for layer in lstm_model(rng, 6, 8).layers)))
    assert evidence.read_channels(words).tolist() == [True]
    assert findings_of(words, rng.integers(0, 9, (600, 1))) == []
    assert "no channel varies" in " ".join(findings_of(words, np.ones((600, 1))))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_one_wild_value_is_named(rng, model, tmp_path, scheme):
    el.save(model, tmp_path / "model.elstm")
    for name, wild in (("a.csv", None), ("b.csv", 1e30)):
        rows = recording(rng, 400).astype(np.float32)
        if wild is not None:
            rows[122, 4] = wild
        (tmp_path / name).write_text(",".join(NAMES) + "\n" + "\n".join(",".join(map(str, row)) for row in rows))
    files = [part for name in ("a.csv", "b.csv") for part in ("--data", tmp_path / name)]
    done = call("quantize", tmp_path / "model.elstm", *files, "-o", tmp_path / "q.elstm", "--scheme", scheme, "--json")
    said = json.loads(done.stdout)["verdict"]["reasons"][0] if done.exit_code == 0 else refused(done, 1)
    assert "b.csv, line 124, channel 4 (gy) is 1e+30" in said
    assert done.exit_code or json.loads(done.stdout)["verdict"]["level"] != "ship"


def test_a_spike_that_a_sensor_can_give_is_no_wild_value(rng, model):
    rows = recording(rng)
    rows[100, 2] = 32767
    assert findings_of(model, rows) == []
    rows[100, 2], rows[:, 3] = 0, 0
    rows[100, 3] = 1e30
    assert "step 100, channel 3 (gx) is 1e+30, usual there is 1:" in findings_of(model, rows)[0]


# Cells


def test_noise_of_a_settled_cell_is_no_growth(rng):
    for seed in range(60):
        model = lstm_model(np.random.default_rng(seed), 1, 8)
        batch = calibration.batch_of(model, rng.uniform(-1, 1, (8, 60, 1)))
        assert not calibration.cell_range(trace.run(model.layers, batch).cells["lstm0"], batch).grows


@pytest.mark.parametrize("scheme", ["int8-weight", "int8-dynamic"])
def test_a_cell_that_still_grows_is_to_be_looked_at(rng, model, scheme):
    lstm, head = model.layers
    bias = lstm.bias.copy()
    bias[16:32] = 20  # the forget gate is open
    told = told_of(replace(model, layers=(replace(lstm, bias=bias), head)), recording(rng).reshape(8, 100, 6), scheme)
    assert told["verdict"]["level"] != "ship"
    assert any("the cell of lstm0 still grows" in reason for reason in told["verdict"]["reasons"])


# Data that calibration did not see


@pytest.mark.parametrize("shape", [(8, 100), (1, 800), (2, 400)])
def test_every_step_is_judged_by_a_model_that_did_not_see_it(rng, model, shape, monkeypatch):
    calibrated = []
    plain = answers.recalibrated
    monkeypatch.setattr(answers, "recalibrated", lambda choice, batch: calibrated.append(batch) or plain(choice, batch))
    choice = choosing.choose(model, recording(rng).reshape(*shape, 6))
    found = answers.unseen(choice)
    first = answers.halves(choice.batch)
    assert first.sum() == 400
    for batch, seen in zip(calibrated, (first, ~first), strict=True):
        assert np.array_equal(batch.xs[batch.own], choice.batch.xs[seen])
    for model_of, judged in ((calibrated[0], ~first), (calibrated[1], first)):
        answered = answers.answers_of(plain(choice, model_of), choice.batch)
        assert np.array_equal(found[judged], answered[judged])


def test_one_recording_that_outweighs_the_others_is_cut_in_time(rng, model):
    batch = calibration.batch_of(model, [recording(rng, n) for n in (900, 10, 11, 12)])
    assert answers.halves(batch).sum(axis=1).tolist() == [450, 5, 5, 6]


def test_the_figure_is_not_that_of_the_data_calibrated_on(rng, model):
    """Integers alone clip what they did not see: one loud half spoils the half that did not know of it."""
    windows = recording(rng).reshape(8, 100, 6)
    windows[::2] *= 4
    choice = choosing.choose(model, windows, "int8-static")
    told = comparing.compare(choice, machine={"cpu": "test"})
    assert told["output"]["snr_db"] < told["output"]["calibrated_db"] - 3
    own = choice.batch.own
    seen, kept = (answers.answers_of(net, choice.batch)[own] for net in (choice.before, choice.model))
    assert told["output"]["calibrated_db"] == pytest.approx(metrics.snr_db(seen, kept))
    assert told["judged"] == {"windows": 8, "steps": 800, "unseen": True}
    assert any("on 800 steps of 8 windows that calibration did not see" in reason for reason in told["verdict"]["reasons"])
    assert "800 steps of 8 windows that calibration did not see" in report.html(told)


def test_one_step_cannot_be_split(rng, model):
    told = told_of(model, recording(rng, 1))
    assert told["judged"] == {"windows": 1, "steps": 1, "unseen": False}
    assert any("1 step of 1 window that calibration saw" in reason for reason in told["verdict"]["reasons"])


@pytest.mark.slow
def test_layers_keep_their_schemes_when_ranges_are_taken_again(rng):
    model = lstm_model(rng, 6, 16, 2, 9)
    for keep, int8 in (((), ()), (("lstm0",), ()), ((), ("dense2",))):
        choice = choosing.choose(model, recording(rng), "int8-dynamic", keep=keep, int8=int8)
        mixed = choosing.choose(choice.before, recording(rng), "auto", keep=keep, elsewhere=True)
        weight = choosing.choose(choice.before, choice.batch, "int8-weight").decisions["lstm1"]
        mixed.decisions["lstm1"] = weight
        again = answers.recalibrated(mixed, mixed.batch)
        assert [getattr(layer, "scheme", "f32") for layer in again.layers[:2]] == ["f32" if keep else "int8-dynamic", "int8-weight"]
        again = answers.recalibrated(choice, choice.batch)
        assert [layer.kind for layer in again.layers] == [layer.kind for layer in choice.model.layers]


# Python


def test_quantize_warns_in_one_sentence_where_windows_hold_nothing(rng, model):
    with pytest.warns(el.CalibrationWarning, match=r"^Calibration: 50 steps, only 4 .* too few.*no channel varies.*\.$"):
        el.quantize(model, np.zeros((50, 6)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        el.quantize(model, recording(rng))
    assert issubclass(el.CalibrationWarning, UserWarning)


def test_places_name_files_lines_and_steps():
    assert Place("day.csv", range(2, 200)).at(5) == "day.csv, line 7"
    assert Place("day.csv", range(2, 200)).later(100).at(5) == "day.csv, line 107"
    assert Place("x.npz, window 3").later(30).at(1) == "x.npz, window 3, step 31"


def test_copies_of_a_window_are_not_judged_by_what_saw_them(rng, model):
    one, two = recording(rng, 400), recording(rng, 300)
    copied = answers.halves(calibration.batch_of(model, [one, two] * 2))
    assert copied.sum(axis=1).tolist() == [200, 150, 200, 150]
    many = [recording(rng, 100) for _ in range(5)]
    first = answers.halves(calibration.batch_of(model, [*many, *many])).any(axis=1)
    assert first.tolist() == [True, False, True, False, True] * 2


@pytest.mark.parametrize("how", ["statistics", "normaliser"])
def test_windows_in_other_units_than_the_training_are_named(rng, how):
    plain = replace(lstm_model(rng, 6, 16), input_names=NAMES)
    training = recording(rng) * 5 + 20
    if how == "statistics":
        model = replace(plain.with_normalizer(20.0, 5.0), statistics=el.InputStatistics.of(training))
    else:
        model = plain.with_normalizer(20.0, 5.0)
    assert findings_of(model, training) == []
    assert findings_of(model, recording(rng) * 5 + 28) == []
    other = training.copy()
    other[:, 3] = other[:, 3] * 1.8 + 32
    assert "channel 3 (gx) lies where training had none" in "".join(findings_of(model, other))
    (said,) = findings_of(model, recording(rng))
    assert re.findall(r"\((\w+)\)", said.partition(" lie where training had none")[0]) == [*NAMES]
