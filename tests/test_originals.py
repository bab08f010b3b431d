"""`convert --verify`: a file's own framework beside the model, layer by layer; a wrong weight shows at its layer."""

import json
from dataclasses import replace

import numpy as np
import pytest
from cli_calls import arrays, call

import edgelstm as el
from edgelstm import originals
from edgelstm.importers import import_file
from edgelstm.layers.fake_quantize import DynamicFakeQuantize
from edgelstm.originals import matching

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
