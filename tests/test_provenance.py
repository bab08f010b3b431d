"""What `convert` says of the arrays that it made: each statement holds for the numbers, and none is made where none holds."""

import json

import numpy as np
import pytest
from cli_calls import call
from keras_nets import KERAS2

import edgelstm as el
from edgelstm.importers import import_file
from edgelstm.importers.provenance import provenance, tensors
from edgelstm.importers.readers import READERS


def uniform(seed, *shape):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


LSTM = {"w": uniform(1, 16, 3), "u": uniform(2, 16, 4), "b": uniform(3, 16), "c": uniform(4, 16)}


def gates(array, order):
    """Rows of four gates in another order."""
    return array.reshape(4, -1, *array.shape[1:])[list(order)].reshape(array.shape)


def told(layers, **arrays):
    """By array, the sources and what was done; and the tensors that are in none."""
    found = provenance(el.Model(layers), arrays)
    return {origin.array: (origin.sources, origin.how) for origin in found.origins}, found.unused


def test_arrays_as_they_are_and_two_biases_added():
    said, unused = told([el.LSTM(LSTM["w"], LSTM["u"], LSTM["b"] + LSTM["c"])], **LSTM, other=uniform(9, 5))
    assert said == {"weight_ih": (("w",), ""), "weight_hh": (("u",), ""), "bias": (("b", "c"), "two biases added")}
    assert unused == ("other",)


def test_every_bias_of_a_deep_stack_has_its_two():
    arrays, layers = {}, []
    for level in range(120):
        w, u, b, c = (uniform(4 * level + k, *shape) for k, shape in enumerate([(16, 4), (16, 4), (16,), (16,)]))
        arrays |= {f"w{level}": w, f"u{level}": u, f"b{level}": b, f"c{level}": c}
        layers.append(el.LSTM(w, u, b + c))
    found = provenance(el.Model(layers), arrays)
    assert found.unused == ()
    said = [(origin.sources, origin.how) for origin in found.origins if origin.array == "bias"]
    assert said == [((f"b{level}", f"c{level}"), "two biases added") for level in range(120)]


@pytest.mark.parametrize(("order", "words"), [((0, 2, 1, 3), "i g f o"), ((3, 1, 2, 0), "o f g i"), ((0, 3, 1, 2), "i f g o")])
def test_gates_in_another_order(order, words):
    """`order`: which gate of the file each of i f g o is."""
    there = {name: np.empty_like(array) for name, array in LSTM.items()}
    for name, array in LSTM.items():
        there[name].reshape(4, -1)[list(order)] = array.reshape(4, -1)
    said, _ = told([el.LSTM(LSTM["w"], LSTM["u"], LSTM["b"] + LSTM["c"])], w=there["w"].T.copy(), u=there["u"], b=there["b"], c=there["c"])
    file_order = " ".join("ifgo"[order.index(k)] for k in range(4))
    change = f"gates reordered, {file_order} to i f g o"
    assert said["weight_ih"] == (("w",), f"transposed, {change}")
    assert said["weight_hh"] == (("u",), change)
    assert said["bias"] == (("b", "c"), "two biases added, gates reordered")


def test_parts_of_one_matrix_and_a_constant_added_to_a_gate():
    kernel = np.concatenate([LSTM["w"], LSTM["u"]], axis=1).T.copy()
    bias = LSTM["b"].copy()
    bias[4:8] += 1
    said, _ = told([el.LSTM(LSTM["w"], LSTM["u"], bias)], kernel=kernel, bias=LSTM["b"])
    assert said["weight_ih"] == (("kernel",), "transposed, 0 to 3 of axis 0")
    assert said["weight_hh"] == (("kernel",), "transposed, 3 to 7 of axis 0")
    assert said["bias"] == (("bias",), "1 added to gate f")


def test_gates_that_a_file_keeps_apart():
    parts = {f"w{gate}": part for gate, part in zip("ifgo", np.split(LSTM["w"], 4), strict=True)}
    said, _ = told([el.LSTM(LSTM["w"], LSTM["u"], LSTM["b"])], **parts, u=LSTM["u"], b=LSTM["b"])
    assert said["weight_ih"] == (("wi", "wf", "wg", "wo"), "4 tensors one behind the other")


def test_a_batchs_normalisation_and_one_that_is_folded_into_a_matrix():
    gamma, beta, mean, variance = uniform(5, 6), uniform(6, 6), uniform(7, 6), np.abs(uniform(8, 6)) + 0.1
    scale = gamma / np.sqrt(variance.astype(np.float64) + 1e-3)
    arrays = {"gamma": gamma, "beta": beta, "mean": mean, "variance": variance, "w": uniform(9, 6, 6)}
    said, unused = told([el.BatchNorm(scale, beta - mean * scale)], **arrays)
    assert said["scale"] == (("gamma", "variance"), "a normalisation's factor, gamma / sqrt(variance + 0.001)")
    assert said["offset"] == (("beta", "mean"), "a normalisation's offset, beta - mean * factor")
    assert unused == ("w",)
    said, _ = told([el.Dense(arrays["w"] * scale[:, None], beta)], **arrays)
    assert said == {"weight": (("w",), "each output times a factor that is folded in"), "bias": (("beta",), "")}


def test_every_format_that_is_read_is_told_of():
    assert set(tensors._READERS) == set(READERS)


def test_nothing_is_said_where_nothing_holds():
    wrong = LSTM["w"].copy()
    wrong[7, 2] += 1e-3
    said, unused = told([el.LSTM(wrong, LSTM["u"], np.zeros(16))], w=LSTM["w"], u=LSTM["u"], b=LSTM["b"])
    assert said["weight_ih"] == ((), "computed; the file holds no such numbers")
    assert said["bias"] == ((), "zeros")
    assert unused == ("w", "b")


@pytest.mark.parametrize("name", ["stateful", "nested", "cudnn", "normalised", "convolutions"])
def test_all_arrays_of_keras_files_are_told(tmp_path, name):
    pytest.importorskip("h5py")
    path = tmp_path / "model.h5"
    path.write_bytes(KERAS2.read(f"{name}.h5"))
    found = import_file(path, traced=True).provenance
    assert found.unused == ()
    assert all(origin.sources or origin.how == "zeros" or origin.how.startswith("all ") for origin in found.origins)


def test_the_command_tells_it_short_and_as_json(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = dict(zip(("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"), LSTM.values(), strict=True))
    head = {"fc.weight": uniform(10, 2, 4), "fc.bias": uniform(11, 2)}
    np.savez("net.npz", **{f"rec.{name}": array for name, array in names.items()}, **head)
    answer = json.loads(call("convert", "net.npz", "-o", "net.elstm", "--json").stdout)
    bias = next(origin for origin in answer["origins"] if (origin["layer"], origin["array"]) == ("rec", "bias"))
    assert bias == {
        "layer": "rec",
        "array": "bias",
        "shape": [16],
        "sources": ["rec.bias_ih_l0", "rec.bias_hh_l0"],
        "how": "two biases added",
    }
    assert answer["unused"] == answer["passed"] == []
    assert "two biases added" in call("convert", "net.npz", "-o", "again.elstm").stdout
