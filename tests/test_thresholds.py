"""Thresholds of answers, and answers in units: kept by the file and by built libraries, used by runners."""

import io
import json

import numpy as np
import pytest
from cli_calls import arrays, call, refused
from kinds import uniform
from torch_files import torch_zip

import edgelstm as el
from edgelstm import device
from edgelstm.runners.sinks import LabelSink, OnChange, decisions
from edgelstm.web.feed import Feed

ANSWERS = np.array([[0.9, 0.1], [0.4, 0.55], [0.6, 0.7], [0.3, 0.2], [np.nan, 1], [0.3, 0.2], [0.85, 0.9]], np.float32)

#: By thresholds: which output each answer decides for; 2: for none.
DECIDED = {
    (): [0, 1, 1, 0, -1, 0, 1],
    (0.8, 0.5): [0, 1, 1, 2, -1, 2, 1],
    (0.5, 0.95): [0, 2, 0, 2, -1, 2, 0],
}


@pytest.fixture
def model(rng):
    return el.Model([el.Dense(uniform(rng, 2, 3), name="head"), el.Activation("sigmoid")], labels=("smoke", "water"), thresholds=(0.8, 0.5))


@pytest.mark.parametrize("thresholds", DECIDED)
def test_an_answer_decides_for_the_largest_that_reaches_its_threshold(thresholds):
    assert decisions(ANSWERS, thresholds).tolist() == DECIDED[thresholds]
    feed = Feed("", (), ("a", "b"), labels=True, thresholds=thresholds)
    found = [feed._decided(answer) for answer in ANSWERS if not np.isnan(answer).any()]
    assert found == [-1 if best == 2 else best for best in DECIDED[thresholds] if best >= 0]


def test_lines_and_changes():
    """What reaches no threshold is an empty line, and a change."""
    file = io.BytesIO()
    LabelSink(file, ("smoke", "water"), (0.8, 0.5)).write(ANSWERS)
    assert file.getvalue().decode().split("\n") == ["smoke", "water", "water", "", "", "", "water", ""]
    file = io.BytesIO()
    OnChange(LabelSink(file, ("smoke", "water"), (0.8, 0.5)), thresholds=(0.8, 0.5)).write(ANSWERS)
    assert file.getvalue().decode().split("\n") == ["smoke", "water", "", "water", ""]


def test_files_and_libraries_keep_them(model, tmp_path):
    el.save(model, tmp_path / "model.elstm")
    assert el.load(tmp_path / "model.elstm").thresholds == (0.8, 0.5)
    el.build(model).write(tmp_path / "model.so")
    for stream in (el.Stream(model), el.Stream(tmp_path / "model.so"), device.Stream(tmp_path / "model.so")):
        assert stream.thresholds == (0.8, 0.5)
    told = json.loads(call("describe", tmp_path / "model.elstm", "--json").stdout)
    assert told["thresholds"] == [0.8, 0.5]
    assert "0.8, 0.5" in call("describe", tmp_path / "model.elstm").stdout
    plain = el.Model(model.layers)
    assert plain.thresholds == ()
    assert "thresholds" not in plain.outline()


def test_what_does_not_fit_is_refused(model):
    for thresholds in ((0.5,), (0.5, float("nan")), (1, 2, 3)):
        with pytest.raises(el.ShapeError, match="one for each of 2 outputs"):
            el.Model(model.layers, thresholds=thresholds)


def test_answers_in_units(model, rng):
    xs = rng.normal(size=(20, 3)).astype(np.float32)
    plain = el.Stream(model).process(xs)
    scaled = model.with_denormalizer([10, -5], [2.5, 0.1])
    np.testing.assert_allclose(el.Stream(scaled).process(xs), plain * [2.5, 0.1] + [10, -5], rtol=1e-6)
    assert (scaled.labels, scaled.probe) == (model.labels, None)
    assert scaled.thresholds == pytest.approx((12, -4.95))
    same = el.Model([*model.layers, el.Denormalizer([10, -5], [2.5, 0.1])])
    np.testing.assert_array_equal(el.Stream(same).process(xs), el.Stream(scaled).process(xs))
    assert el.Stream(model.with_denormalizer(0, 100)).process(xs) == pytest.approx(plain * 100, rel=1e-6)
    with pytest.raises(el.UsageError, match="scale must be positive where answers have thresholds"):
        model.with_denormalizer(0, -1)
    with pytest.raises(el.ShapeError):
        model.with_denormalizer([1, 2, 3], 1)


@pytest.fixture
def source(tmp_path):
    (tmp_path / "net.pt").write_bytes(torch_zip(arrays()))
    return tmp_path / "net.pt"


def test_the_converter_stores_them_and_run_uses_them(source, tmp_path, rng):
    made, plain = tmp_path / "made.elstm", tmp_path / "plain.elstm"
    call("convert", source, "-o", plain)
    size, width = el.load(plain).output_size, el.load(plain).input_size
    asked = ("--output-mean", 20, "--output-scale", 4, "--thresholds", 20.1)
    labels = ",".join(f"y{i}" for i in range(size))
    assert call("convert", source, "-o", made, "--labels", labels, *asked).exit_code == 0
    model = el.load(made)
    assert model.thresholds == (20.1,) * size
    xs = rng.normal(size=(40, width)).astype(np.float32)
    answers = el.Stream(model).process(xs)
    np.testing.assert_allclose(answers, el.Stream(el.load(plain)).process(xs) * 4 + 20, rtol=1e-5)
    np.savetxt(tmp_path / "xs.csv", xs, delimiter=",")
    said = call("run", made, "-i", tmp_path / "xs.csv", "--format", "label").stdout.split("\n")
    words = [*model.labels, ""]
    assert said[:-1] == [words[best] for best in decisions(answers, model.thresholds)]
    assert {"", *model.labels} & set(said)


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (("--thresholds", "high"), 2, "must be numbers between commas, one for each output"),
        (("--thresholds", "1,2,3,4,5,6,7,8,9"), 1, "thresholds must be finite numbers, one for each"),
        (("--output-scale", "1,2,3,4,5,6,7,8,9"), 2, "the scaler's scale has 9 numbers; the model gives"),
    ],
)
def test_options_that_do_not_fit(source, tmp_path, options, code, told):
    assert told in refused(call("convert", source, "-o", tmp_path / "made.elstm", *options), code)


def test_a_damaged_document_is_refused(model, tmp_path):
    from edgelstm.files.elstm import _OPTIONAL

    check, _ = _OPTIONAL["thresholds"]
    assert check([0.5, 1])
    assert not any(check(wrong) for wrong in ([], [None], ["0.5"], 0.5, [1e12], [True]))
