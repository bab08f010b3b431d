"""Quantising models that do not answer each step: what calibration sees, what is measured, and what the report says of it."""

import numpy as np
import pytest
from cli_calls import call
from kinds import uniform

import edgelstm as el
from edgelstm import reference
from edgelstm.quantization import calibration, choosing
from edgelstm.quantization.report import compare, metrics

#: Steps of the windows: some end between two answers.
LENGTHS = (400, 397, 220, 401)


@pytest.fixture(scope="module")
def model():
    """An answer at every sixth step, the first at step 8."""
    rng = np.random.default_rng(7)
    layers = [
        el.Conv1D(uniform(rng, 24, 3, 4), uniform(rng, 24), stride=2, padding="valid", name="conv"),
        el.Activation("relu"),
        el.MaxPool1D(3, name="pool"),
        el.LSTM(uniform(rng, 64, 24), uniform(rng, 64, 16), uniform(rng, 64), name="lstm"),
        el.Dense(3 * uniform(rng, 12, 16), name="dense"),
    ]
    return el.Model(layers, labels=tuple("abcdefghijkl"))


@pytest.fixture(scope="module")
def windows():
    rng = np.random.default_rng(8)
    return [rng.normal(size=(length, 3)).astype(np.float32) for length in LENGTHS]


@pytest.fixture(scope="module")
def choice(model, windows):
    return choosing.choose(model, windows)


def twins(model, windows):
    return np.concatenate([reference.run(model, window) for window in windows])


def test_calibration_sees_what_the_twin_gives(model, windows, choice):
    """Of each window the answers that are due in its own steps, at each layer's rate."""
    for layer in model.layers:
        upto = el.Model(model.layers[: 1 + model.layers.index(layer)])
        expected = twins(upto, windows)
        found = choice.before_trace.answered(layer, choice.batch)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("scheme", "kinds", "least"),
    [
        ("int8-dynamic", ("conv1d_int8", "lstm_int8", "dense_int8"), 25),
        ("int8-weight", ("conv1d_int8", "lstm_int8", "dense_int8"), 30),
        ("int8-static", ("conv1d", "lstm_int8_static", "dense_int8_static"), 20),
        ("f16-weight", ("conv1d", "lstm_half", "dense_half"), 50),
    ],
)
def test_every_scheme(model, windows, scheme, kinds, least):
    made = el.quantize(model, windows, scheme, int8=("conv", "dense"))
    assert tuple(layer.kind for layer in made.layers if layer.kind not in ("activation", "max_pool1d")) == kinds
    assert made.output_wire == model.output_wire
    stream, found = el.Stream(made), []
    for window in windows:
        stream.reset()
        found.append(stream.process(window))
    assert metrics.snr_db(twins(model, windows), np.concatenate(found)) > least


def test_the_report_counts_steps_of_the_model(model, choice):
    labels = [np.full(length, np.nan) for length in LENGTHS]
    labels[2][7::6] = 3  # at the steps at which answers are due
    labels[2][8] = 5  # and where none is
    told = compare.compare(choice, labels)
    assert told["task"]["labelled"] == (220 - 8) // 6 + 1
    assert told["output"]["worst"]["step"] % 6 == 7 % 6
    assert told["output"]["worst"]["at"].endswith(f"step {told['output']['worst']['step']}")
    assert told["output"]["error_over_time"]["step"][:3] == [7, 13, 19]
    assert told["judged"]["unseen"]
    assert told["output"]["snr_db"] > 20


def test_a_window_that_ends_before_the_first_answer(model, windows):
    with pytest.raises(el.InputError, match=r"window 1 has 7 steps; the model answers for the first time at step 8"):
        el.quantize(model, [windows[0], windows[1][:7]])


def test_a_table_holds_no_convolution_of_its_rows():
    """All inputs that there can ever be are known of what reads indices one by one, and of nothing that looks back."""
    rng = np.random.default_rng(3)
    layers = [
        el.Embedding(rng.normal(size=(9, 5)), name="table"),
        el.Activation("tanh", name="bent"),
        el.Conv1D(uniform(rng, 8, 5, 3), name="conv"),
        el.LSTM(uniform(rng, 64, 8), uniform(rng, 64, 16), name="lstm"),
    ]
    assert set(calibration.every_row(el.Model(layers)).values) == {"input", "table", "bent"}


def test_from_the_command_line(model, windows, tmp_path):
    path, data, made = tmp_path / "model.elstm", tmp_path / "windows.npz", tmp_path / "int8.elstm"
    el.save(model, path)
    np.savez(data, windows=np.stack([windows[0], windows[3][:400]]))
    said = call("quantize", path, "--data", data, "-o", made, "--report", tmp_path / "report.html")
    assert said.exit_code == 0
    assert "int8-dynamic" in el.load(made).scheme
    assert (tmp_path / "report.html").stat().st_size > 10_000
