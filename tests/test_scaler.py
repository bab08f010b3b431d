"""A scaler in front of a network: `Model.with_normalizer` and `edgelstm convert --scaler`, `--mean`, `--scale`."""

import re

import numpy as np
import pytest
from cli_calls import arrays, call, refused
from conftest import lstm_layers, lstm_model
from torch_files import torch_zip

import edgelstm as el

MEAN, SCALE = np.array([20.1, 55.0, -3.0]), np.array([5.2, 10.4, 0.5])


def raw(rng, steps=30):
    return MEAN + SCALE * rng.normal(size=(steps, len(MEAN)))


@pytest.fixture
def source(tmp_path):
    (tmp_path / "net.pt").write_bytes(torch_zip(arrays()))
    return tmp_path / "net.pt"


def test_samples_are_scaled_first(rng):
    model = lstm_model(rng, inputs=3)
    xs = raw(rng)
    expected = el.Stream(model).process((xs - MEAN) / SCALE)
    scaled = model.with_normalizer(MEAN, SCALE)
    assert scaled.layers[0].name == "normalizer"
    assert np.abs(el.Stream(scaled).process(xs) - expected).max() < 1e-5
    assert np.abs(el.Stream(model).process(xs) - expected).max() > 1e-2
    assert model.layers[0].inputs == ("input",)


def test_names_and_the_rest_stay_and_the_old_probe_goes(rng, tmp_path):
    model = el.Model(lstm_model(rng, inputs=3).layers, labels=("a", "b"), input_names=("x", "y", "z"), rate_hz=5, window=7, source="s")
    el.save(model, tmp_path / "m.elstm")
    proved = el.load(tmp_path / "m.elstm")
    assert proved.probe is not None
    scaled = proved.with_normalizer(MEAN, SCALE)
    assert (scaled.labels, scaled.input_names, scaled.rate_hz, scaled.window, scaled.source) == (("a", "b"), ("x", "y", "z"), 5, 7, "s")
    assert scaled.probe is None
    el.save(scaled, tmp_path / "m.elstm")
    assert el.load(tmp_path / "m.elstm").probe.inputs.mean(axis=0).shape == (3,)


def test_every_reader_of_the_input_is_rewired(rng):
    """A skip connection around the LSTM, and a head that reads its own input beside h."""
    (lstm,) = lstm_layers(rng, 3, 3, 1)
    skip = el.Model([lstm, el.Add(inputs=("input", "lstm0"), name="sum"), el.Dense(np.ones((2, 6)), inputs=("input", "sum"))])
    xs = raw(rng)
    expected = el.Stream(skip).process((xs - MEAN) / SCALE)
    assert np.abs(el.Stream(skip.with_normalizer(MEAN, SCALE)).process(xs) - expected).max() < 1e-4


def test_a_name_that_is_taken_is_left_alone(rng):
    (lstm,) = lstm_layers(rng, 3, 4, 1)
    model = el.Model([lstm, el.Dense(np.ones((1, 4)), name="normalizer")]).with_normalizer(MEAN, SCALE)
    assert [layer.name for layer in model.layers] == ["normalizer1", "lstm0", "normalizer"]


def test_one_number_stands_for_all_channels(rng):
    model = lstm_model(rng, inputs=3)
    xs = rng.uniform(0, 255, (20, 3))
    answers = el.Stream(model.with_normalizer(0, 255)).process(xs)
    np.testing.assert_allclose(answers, el.Stream(model).process(xs / 255), atol=1e-6)


@pytest.mark.parametrize("scheme", ["int8-weight", "int8-dynamic", "int8-static"])
def test_integer_models_too(rng, scheme):
    model = lstm_model(rng, inputs=3, hidden=16)
    xs = raw(rng, 200)
    small = el.quantize(model, [(xs - MEAN) / SCALE], scheme=scheme)
    expected = el.Stream(small).process((xs - MEAN) / SCALE)
    assert np.abs(el.Stream(small.with_normalizer(MEAN, SCALE)).process(xs) - expected).max() < 0.02


def test_a_second_normaliser_is_refused(rng):
    once = lstm_model(rng, inputs=3).with_normalizer(MEAN, SCALE)
    with pytest.raises(el.UsageError, match="twice"):
        once.with_normalizer(MEAN, SCALE)


def test_an_index_is_not_scaled(rng):
    (lstm,) = lstm_layers(rng, 4, 4, 1)
    with pytest.raises(el.UsageError, match="index"):
        el.Model([el.Embedding(np.ones((9, 4))), lstm]).with_normalizer(0, 1)


@pytest.mark.parametrize(
    ("mean", "scale"),
    [
        ([1, 2], [1, 2]),
        (MEAN, [1, 0, 1]),
        (MEAN, [1, np.nan, 1]),
        ("a", 1),
        (MEAN[None], SCALE[None]),
        (None, SCALE),
        (MEAN, [1, 1e-46, 1]),
    ],
)
def test_what_is_no_scaler_is_refused(rng, mean, scale):
    with pytest.raises(el.ShapeError):
        lstm_model(rng, inputs=3).with_normalizer(mean, scale)


FORMS = {
    "plain": {"mean": MEAN, "scale": SCALE},
    "scikit-learn": {"mean_": MEAN, "scale_": SCALE},
    "std": {"mean": MEAN, "std": SCALE},
    "robust": {"center_": MEAN, "scale_": SCALE},
    "batch": {"mean": MEAN[None], "std": SCALE[None]},
    "frames": {"mean": MEAN[None, None], "scale": SCALE[None, None]},
}


@pytest.mark.parametrize("form", FORMS)
def test_a_file_holds_it(rng, source, tmp_path, form):
    np.savez(tmp_path / "scaler.npz", **FORMS[form])
    assert call("convert", source, "-o", tmp_path / "m.elstm", "--scaler", tmp_path / "scaler.npz").exit_code == 0
    check(rng, source, tmp_path)


def check(rng, source, tmp_path, mean=MEAN, scale=SCALE):
    xs = raw(rng)
    model = el.load(tmp_path / "m.elstm")
    expected = el.Stream(el.load(source)).process((xs - mean) / scale)
    assert np.abs(el.Stream(model).process(xs) - expected).max() < 1e-4


def test_or_the_command_line_does(rng, source, tmp_path):
    convert = "convert", source, "-o", tmp_path / "m.elstm"
    assert call(*convert, "--mean", "20.1,55,-3", "--scale", "5.2, 10.4, .5").exit_code == 0
    check(rng, source, tmp_path)
    assert call(*convert, "--scale", "255").exit_code == 0
    check(rng, source, tmp_path, 0, 255)
    assert call(*convert, "--mean", "-1,0,1").exit_code == 0
    check(rng, source, tmp_path, np.array([-1, 0, 1]), 1)


def test_options_that_do_not_fit_are_one_line(source, tmp_path):
    np.savez(tmp_path / "s.npz", mean=MEAN, scale=SCALE)
    convert = "convert", source, "-o", tmp_path / "m.elstm"
    assert "leave --mean" in refused(call(*convert, "--scaler", tmp_path / "s.npz", "--mean", "1"), 2)
    assert "takes 3" in refused(call(*convert, "--mean", "1,2"), 2)
    assert "--scale 'a'" in refused(call(*convert, "--scale", "a"), 2)
    assert "zero" in refused(call(*convert, "--scale", "1,0,1"), 1)
    assert "none.npz" in refused(call(*convert, "--scaler", tmp_path / "none.npz"), 1)
    assert not (tmp_path / "m.elstm").exists()


@pytest.mark.parametrize(
    "held",
    [
        {"min_": MEAN, "scale_": SCALE},
        {"mean": MEAN},
        {"mean": MEAN, "scale": SCALE, "min_": MEAN},
        {"mean": MEAN, "mean_": MEAN, "scale": SCALE},
        {"mean_": np.array(None), "scale_": SCALE},
        {},
    ],
)
def test_files_that_hold_something_else_are_refused(source, tmp_path, held):
    np.savez(tmp_path / "s.npz", **held)
    said = refused(call("convert", source, "-o", tmp_path / "m.elstm", "--scaler", tmp_path / "s.npz"), 1)
    assert re.search("numpy.savez", said)


def test_files_that_are_damaged_are_refused(source, tmp_path):
    np.savez(tmp_path / "good.npz", mean=MEAN, scale=SCALE)
    np.save(tmp_path / "s.npy", MEAN)
    whole = (tmp_path / "good.npz").read_bytes()
    for data in (whole[:200], b"", b"text", whole[:60] + b"\xff" * 40 + whole[100:], (tmp_path / "s.npy").read_bytes()):
        (tmp_path / "s.npz").write_bytes(data)
        assert "s.npz" in refused(call("convert", source, "-o", tmp_path / "m.elstm", "--scaler", tmp_path / "s.npz"), 1)
