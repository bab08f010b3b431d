"""A `.elstm` file with wrong content is refused with one sentence, even if its digest is right."""

import os

import numpy as np
import pytest
from elstm_files import index_model, numbers, resigned, sensor_model

import edgelstm as el


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.elstm"
    el.save(sensor_model(), path)
    return path


def put(**values):
    return lambda document: document.update(values)


def layer(index, **values):
    return lambda document: document["layers"][index].update(values)


@pytest.mark.parametrize(
    ("change", "tensors", "message"),
    [
        (put(version=2), {}, "format version 2; this edgelstm .* Upgrade"),
        (put(version="1"), {}, "version must be 1"),
        (put(version=True), {}, "version must be 1"),
        (put(colour="red"), {}, "'colour', which this version"),
        (lambda d: d.pop("labels"), {}, "lacks 'labels'"),
        (put(labels=["a", 7]), {}, "labels must be a list"),
        (put(labels=["a"]), {}, "labels must name all 2"),
        (put(labels=["a\x1b[2J", "b"]), {}, "printable"),
        (put(rate_hz="50"), {}, "rate_hz must be a number"),
        (put(rate_hz=-1), {}, "rate_hz must be a positive"),
        (put(rate_hz=10**400), {}, "rate_hz"),
        (put(window=1.5), {}, "window must be a whole"),
        (put(window=True), {}, "window must be a whole"),
        (put(stateful=1), {}, "stateful must be"),
        (put(layers=[]), {}, "at least one layer|no layer of it uses"),
        (put(layers=[{}] * 5000), {}, "at most 4096 layers"),
        (put(layers=[7]), {}, "layer 0 must be an object"),
        (layer(0, kind="ghost"), {}, "of kind 'ghost', which is none of the"),
        (layer(0, colour=1), {}, "layer 0 has 'colour'"),
        (layer(0, name=""), {}, "name must be"),
        (layer(0, options={"epsilon": 1}), {}, "epsilon, which this version"),
        (layer(0, options={"mean": [0, 0, 0]}), {}, "units|normalizer"),
        (layer(4, options={"function": "swish"}), {}, "swish"),
        (layer(4, options={"function": ["relu"]}), {}, "relu"),
        (layer(4, inputs=["later"]), {}, "later"),
        (layer(4, inputs=[]), {}, "inputs must be"),
        (layer(4, inputs="sum"), {}, "inputs must be"),
        (layer(4, name="sum"), {}, "the name 'sum' is taken"),
        (layer(1, options={"h0": None}), {"rnn.lstm.h0": None}, "options .*h0"),
        (None, {"rnn.lstm.bias": None}, "needs the tensor rnn.lstm.bias"),
        (None, {"rnn.lstm.weight_hh": None}, "weight_hh"),
        (None, {"rnn.lstm.colour": numbers(3)}, "colour, which this version"),
        (None, {"other.weight": numbers(3)}, "other.weight, which no layer"),
        (None, {"loose": numbers(3)}, "loose, which no layer"),
        (None, {"skip.bias": numbers(5).astype(np.float64)}, "dtype float64"),
        (None, {"skip.bias": numbers(4)}, "shape"),
        (None, {"skip.bias": numbers(5) * np.float32(np.nan)}, "NaN"),
        (None, {"probe_inputs": None}, "lacks its probe"),
        (None, {"probe_inputs": numbers(16)}, "probe inputs have the shape"),
        (None, {"probe_inputs": numbers(2000, 3), "probe_outputs": numbers(2000, 2)}, "1 to 1024"),
        (None, {"probe_inputs": numbers(15, 3)}, "does not fit together"),
        (None, {"probe_outputs": numbers(16, 2).astype(np.float16)}, "not float32"),
    ],
)
def test_wrong_content_is_refused_even_if_signed(saved, change, tensors, message):
    resigned(saved, change, tensors)
    with pytest.raises((el.ModelFileError, el.UnsupportedModelError), match=message) as caught:
        el.load(saved)
    assert str(caught.value).startswith(str(saved))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "null", '{"version":1,"version":1}', "[" * 100_000, '{"version":NaN}', '{"version":' + "9" * 5000 + "}"]
)
def test_a_document_that_is_no_strict_json_is_refused(saved, text):
    resigned(saved, text=text)
    with pytest.raises(el.ModelFileError):
        el.load(saved)


@pytest.mark.parametrize(("count", "message"), [(60, "131072 wide"), (16, "131072 wide")])
def test_widths_that_double_are_refused_before_they_are_stepped(saved, count, message):
    def doubled(document):
        previous = document["layers"][-1]["name"]
        for index in range(count):
            document["layers"].append(
                {"kind": "activation", "name": f"d{index}", "inputs": [previous] * 2, "options": {"function": "relu"}}
            )
            previous = f"d{index}"

    probe = {"probe_inputs": numbers(1, 3), "probe_outputs": numbers(1, 1 << 17)}
    resigned(saved, doubled, probe)
    with pytest.raises(el.ModelFileError, match=message):
        el.load(saved)


def test_probe_indices_outside_the_table_are_refused(tmp_path):
    path = tmp_path / "m"
    for bad in (-1, 7, 0.5):
        el.save(index_model(), path)
        inputs = el.load(path).probe.inputs.copy()
        inputs[3] = bad
        resigned(path, tensors={"probe_inputs": inputs})
        with pytest.raises(el.ModelFileError, match="from 0 to 6"):
            el.load(path)


def test_every_truncation_is_refused(saved):
    data = saved.read_bytes()
    for length in range(0, len(data), 7):
        saved.write_bytes(data[:length])
        with pytest.raises(el.ModelFileError):
            el.load(saved)


def test_a_header_or_file_too_large_is_refused_unread(saved, tmp_path):
    saved.write_bytes((1 << 62).to_bytes(8, "little") + b"{" + b" " * 100)
    with pytest.raises(el.ModelFileError, match="claims a header"):
        el.load(saved)
    huge = tmp_path / "huge"
    with open(huge, "wb") as file:
        file.truncate((1 << 31) + 1)
    with pytest.raises(el.ModelFileError, match="files beyond"):
        el.load(huge)


def test_paths_that_are_no_model_file_say_so(tmp_path):
    with pytest.raises(el.ModelFileError, match="folder"):
        el.load(tmp_path)
    with pytest.raises(el.ModelFileError, match="check the path"):
        el.load(tmp_path / "missing")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(el.ModelFileError, match="no regular file"):
        el.load(fifo)
    for path in ("", "a\0b", 3, None, b"bytes"):
        with pytest.raises(el.UsageError, match="path"):
            el.load(path)
