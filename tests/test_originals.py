"""`convert --verify`: a file's own framework beside the model, layer by layer; a wrong weight shows at its layer."""

import json
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from cli_calls import arrays, call

import edgelstm as el
from edgelstm import originals
from edgelstm.cli.originals import print_comparison
from edgelstm.importers import import_file
from edgelstm.layers.fake_quantize import DynamicFakeQuantize
from edgelstm.originals import keras_networks, matching

pytestmark = pytest.mark.filterwarnings("ignore")


def net(torch):
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.gru, self.fc = nn.GRU(3, 5, batch_first=True), nn.Linear(5, 2)

        def forward(self, x):
            return torch.tanh(self.fc(self.gru(x)[0]))

    torch.manual_seed(3)
    return Net().eval(), torch.randn(1, 9, 3)


def file_of(ending, folder):
    """The same network in a format."""
    path = folder / f"net.{ending}"
    if ending in ("keras", "h5"):
        pytest.importorskip("torch")
        keras = pytest.importorskip("keras", exc_type=ImportError)
        layers = [keras.Input((9, 3)), keras.layers.GRU(5, return_sequences=True, name="gru"), keras.layers.Dense(2, name="fc")]
        keras.Sequential([*layers, keras.layers.Activation("tanh", name="squashed")]).save(path)
        return path
    torch = pytest.importorskip("torch")
    made, x = net(torch)
    if ending == "onnx":
        pytest.importorskip("onnxruntime")
        torch.onnx.export(made, (x,), path, input_names=["x"], dynamic_axes={"x": {1: "time"}}, dynamo=False)
    elif ending == "pt2":
        torch.export.save(torch.export.export(made, (x,)), path)
    else:
        torch.jit.save(torch.jit.script(made), path)
    return path


@pytest.mark.parametrize("ending", ["onnx", "pt2", "jit", "keras", "h5"])
def test_every_layer_is_beside_its_original(ending, tmp_path):
    path = file_of(ending, tmp_path)
    taken = import_file(path)
    found = originals.compare(path, taken.format, taken.model, {})
    assert found.passed
    assert found.error <= 1e-6
    assert found.tapped == (ending != "jit")
    if found.tapped:
        assert all(layer.original and layer.error <= 1e-6 for layer in found.layers)


def test_a_wrong_weight_shows_at_its_layer(tmp_path):
    path = file_of("onnx", tmp_path)
    taken = import_file(path)
    layers = list(taken.model.layers)
    dense = next(k for k, layer in enumerate(layers) if layer.kind == "dense")
    weight = layers[dense].weight.copy()
    weight[1, 2] += 2e-3
    layers[dense] = replace(layers[dense], weight=weight)
    found = originals.compare(path, taken.format, el.Model(layers), {})
    errors = {layer.kind: layer.error for layer in found.layers}
    assert errors["gru"] <= 1e-6
    assert errors["dense"] > 1e-5
    assert not found.passed


def test_the_command_prints_it_and_answers_by_its_exit_code(tmp_path, monkeypatch):
    path = file_of("onnx", tmp_path)
    done = call("convert", path, "-o", tmp_path / "net.elstm", "--verify", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)["verification"]
    assert told["passed"]
    assert [layer["kind"] for layer in told["layers"]] == ["gru", "dense", "activation"]
    monkeypatch.setattr(originals, "TOLERANCE", 1e-12)
    done = call("convert", path, "-o", tmp_path / "again.elstm", "--verify")
    assert done.exit_code == 1
    assert "beyond 1e-05" in done.stdout


def test_weights_alone_and_absent_frameworks_are_told(tmp_path, monkeypatch):
    np.savez(tmp_path / "net.npz", **arrays())
    done = call("convert", tmp_path / "net.npz", "-o", tmp_path / "net.elstm", "--layers", "lstm, fc", "--verify")
    assert done.exit_code == 0
    assert "not verified: files of NumPy (npz) hold weights alone" in done.stdout
    monkeypatch.setitem(originals._RUNNERS, "NumPy (npz)", ("absent_framework", "a framework"))
    taken = import_file(tmp_path / "net.npz", layers="lstm, fc")
    found = originals.compare(tmp_path / "net.npz", taken.format, taken.model, {})
    assert found.error is None
    assert found.reason == "it needs edgelstm.originals.absent_framework, not installed here: pip install a framework"


def test_what_a_rounding_reads_is_not_taken_for_its_answer():
    """A runtime that rounds within a fused operator shows what the operator reads."""
    rng = np.random.default_rng(5)
    model = el.Model([el.Dense(rng.normal(size=(4, 3)), rng.normal(size=4)), DynamicFakeQuantize("step"), el.Dense(np.eye(4), np.ones(4))])
    values = matching.values_of(model, rng.normal(size=(9, 3)).astype(np.float32))
    first, rounded, last = (values[layer.name] for layer in model.layers)
    assert 1e-5 < matching.difference(rounded, first) < 1e-2
    found = matching.layer_errors(model, values, {"read": first, "answer": last + 3e-3})
    assert [layer.original for layer in found] == ["read", "", "answer"]
    assert (found[0].error, found[1].error) == (0, None)
    assert found[2].error > 1e-5


def test_outputs_that_show_states_are_told_from_answers():
    own = np.random.default_rng(0).normal(size=(6, 3))
    state, first, rest = np.ones((1, 1, 2)), own[None, :, :1], own[None, :, 1:]
    assert matching.output_error(own, {"first": first, "state": state, "rest": rest}) == 0
    assert matching.output_error(own, {"last": own[-1:]}) == 0
    assert matching.output_error(own, {"state": state}) == np.inf
    assert matching.output_error(own, {"first": first, "rest": rest + 1e-3}) == pytest.approx(1e-3 / max(1, np.abs(own).max()), rel=0.5)


def test_an_array_that_is_another_layers_is_not_a_wrong_answer():
    """A runtime's clip, read as a difference, a ReLU and a sum, shows what it reads and what it gives, and nothing between."""
    rng = np.random.default_rng(6)
    edge = el.BatchNorm(np.ones(3), np.full(3, -1e-3))
    model = el.Model(
        [el.Dense(rng.normal(size=(3, 3)), np.full(3, 9)), edge, el.Activation("relu"), el.BatchNorm(np.ones(3), np.full(3, 1e-3))]
    )
    values = matching.values_of(model, rng.uniform(-1, 1, (9, 3)).astype(np.float32))
    read, _, between, _ = (values[layer.name] for layer in model.layers)
    noisy = read * (1 + 1e-8)
    assert 1e-5 < matching.difference(between, noisy) < 1e-2
    found = matching.layer_errors(model, values, {"read": noisy})
    assert [layer.original for layer in found] == ["read", "", "", "read"]
    assert all(layer.error is None or layer.error < 1e-7 for layer in found)


def test_what_is_beyond_is_said_where_it_is(capsys):
    told = originals.Comparison(
        "a runtime", 9, 2e-7, (matching.LayerError("gru", "gru", "h", 3e-4), matching.LayerError("fc", "dense", "y", 2e-7)), True
    )
    print_comparison(told)
    said = capsys.readouterr().out.splitlines()
    assert said[-2:] == [
        "largest error of the compiled answers 2e-07, relative to the largest answer or 1: within 1e-05",
        "largest error of a layer 0.0003, of 'gru': beyond 1e-05",
    ]


def old_file(path, monkeypatch, recurrent="sigmoid"):
    """A file as Keras 2 wrote it, which says time_major of recurrent layers."""
    pytest.importorskip("torch")
    keras = pytest.importorskip("keras", exc_type=ImportError)
    h5py = pytest.importorskip("h5py")
    monkeypatch.setattr(keras_networks, "find_spec", lambda name: None if name == "tf_keras" else find_spec(name))
    layer = keras.layers.LSTM(4, return_sequences=True, recurrent_activation=recurrent, name="rec")
    keras.Sequential([keras.Input((9, 3)), layer, keras.layers.Dense(2, name="fc")]).save(path)
    with h5py.File(path, "a") as file:
        config = json.loads(file.attrs["model_config"])
        _, rec, fc = config["config"]["layers"]
        for one in (rec, fc):
            plain = {key: value for key, value in one["config"].items() if not isinstance(value, dict)}
            one["config"] = {**plain, "dtype": "float32"}
            for name in ("module", "registered_name", "build_config"):
                one.pop(name, None)
        rec["config"] |= {"time_major": False, "batch_input_shape": [None, 9, 3]}
        document = {"class_name": "Sequential", "config": {"name": "net", "layers": [rec, fc]}}
        file.attrs["model_config"], file.attrs["keras_version"] = json.dumps(document), "2.9.0"
    return path


def test_files_of_keras_2_are_run_by_keras_3(tmp_path, monkeypatch):
    path = old_file(tmp_path / "old.h5", monkeypatch)
    taken = import_file(path)
    found = originals.compare(path, taken.format, taken.model, {})
    assert found.passed, found.reason
    assert found.error <= 1e-6
    assert [layer.original for layer in found.layers] == ["rec", "fc"]


def test_what_keras_3_computes_otherwise_is_not_compared(tmp_path, monkeypatch):
    path = old_file(tmp_path / "old.h5", monkeypatch, "hard_sigmoid")
    taken = import_file(path)
    found = originals.compare(path, taken.format, taken.model, {})
    assert found.error is None
    assert "hard_sigmoid of Keras 2 is another function in Keras 3" in found.reason
    assert "pip install tf_keras" in found.reason
