"""Minimal recurrent layers and sLSTM: packages and published formulas against the twins, and the twins against kernels."""

import numpy as np
import pytest
from conftest import TOLERANCE, samples

import edgelstm as el
from edgelstm import reference


def drawn(rng, *shape):
    return rng.uniform(-1, 1, shape)


@pytest.mark.parametrize("kind", ["minGRU", "minLSTM"])
def test_the_torch_package(rng, kind):
    """Step by step: its scan over a sequence works on logarithms."""
    torch = pytest.importorskip("torch")
    package = pytest.importorskip(f"minGRU_pytorch.{kind}")
    torch.manual_seed(5)
    module = getattr(package, kind)(9)
    (weight,) = (p.detach().numpy() for p in module.parameters())
    n, *gates = np.split(weight, len(weight) // 9)
    record = el.MinGRU if kind == "minGRU" else el.MinLSTM
    model = el.Model([record(np.concatenate([*gates, n]), candidate="positive")])
    xs = rng.normal(size=(30, 9)).astype(np.float32)
    h, expected = None, []
    for x in torch.from_numpy(xs):
        out, h = module(x[None, None], prev_hidden=h, return_next_prev_hidden=True)
        expected.append(out.detach().numpy()[0, 0])
    assert np.abs(reference.run(model, xs) - expected).max() <= 2e-6
    assert np.abs(el.Stream(model).process(xs) - expected).max() <= TOLERANCE["golden"]


def test_the_keras_package(rng, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    pytest.importorskip("keras")
    package = pytest.importorskip("mingru_keras")
    layer = package.MinGRU(6)
    xs = rng.normal(size=(1, 30, 4)).astype(np.float32)
    expected = layer(xs).detach().numpy()[0]
    weights = [w.value.detach().numpy() for part in (layer.gate, layer.candidate) for w in part.weights]
    model = el.Model([el.MinGRU(np.concatenate([weights[0].T, weights[2].T]), np.concatenate([weights[1], weights[3]]))])
    assert np.abs(reference.run(model, xs[0]) - expected).max() <= 2e-6


def pointwise():
    """The plain-torch cell of the package xlstm, whose other files want a compiler of CUDA."""
    pytest.importorskip("torch")
    from importlib.util import find_spec, module_from_spec, spec_from_file_location
    from pathlib import Path

    if (package := find_spec("xlstm")) is None:
        pytest.skip("xlstm is not installed")
    path = Path(package.submodule_search_locations[0]) / "blocks/slstm/src/vanilla/slstm.py"
    spec = spec_from_file_location("slstm_cell", path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.slstm_forward_pointwise


@pytest.mark.parametrize("head", [4, 3, 12])
def test_the_xlstm_package(rng, head):
    step = pointwise()
    import torch

    layer = el.SLSTM(drawn(rng, 48, 5), drawn(rng, 48, head), drawn(rng, 48))
    xs = rng.normal(size=(30, 5)).astype(np.float32)
    states, expected = torch.zeros(4, 1, 12), []
    for x in xs:
        heads = states[0, 0].numpy().reshape(-1, 1, head).repeat(head, 1).reshape(12, head)
        ry = (layer.weight_hh.reshape(4, 12, head) * heads).sum(axis=2).reshape(1, 48)
        states, _ = step(
            torch.from_numpy(layer.weight_ih @ x)[None], torch.from_numpy(ry), torch.from_numpy(layer.bias[None].copy()), states, {}
        )
        expected.append(states[0, 0].numpy())
    assert np.abs(reference.run(el.Model([layer]), xs) - expected).max() <= 5e-6


def test_a_minimal_lstm_whose_gates_both_vanish(rng):
    """Sigmoids of -40 are less than float32 tells from zero beside one another, and their shares are not."""
    bias = np.repeat([-40.0, -41.0, 0.5], 4)
    model = el.Model([el.MinLSTM(drawn(rng, 12, 2), bias)])
    xs = samples(rng, model, 40)
    assert np.abs(el.Stream(model).process(xs) - reference.run(model, xs)).max() <= 1e-5  # float32 has 40 to 4e-6


def test_an_slstm_whose_gates_are_far_from_one(rng):
    """exp(i) alone would overflow float32, and l falls by its forget gates without end."""
    weights = drawn(rng, 64, 3), drawn(rng, 64, 8)
    layers = [el.SLSTM(*weights, np.repeat([i, f, 0.0, 0.0], 16)) for i, f in ((150.0, 2.0), (-150.0, -30.0), (0.0, 40.0))]
    for layer in layers:
        model = el.Model([layer])
        xs = samples(rng, model, 60)
        answers = el.Stream(model).process(xs)
        assert np.abs(answers - reference.run(model, xs)).max() <= 2e-5  # what float32 leaves of i at 150
        assert np.abs(answers).max() <= 1


@pytest.mark.parametrize(("inputs", "hidden"), [(1, 1), (40, 130)])
def test_sizes(rng, inputs, hidden):
    layers = [
        el.MinGRU(drawn(rng, 2 * hidden, inputs), name="gru", inputs=("input",)),
        el.MinLSTM(drawn(rng, 3 * hidden, inputs), name="lstm", candidate="tanh", inputs=("input",)),
        el.SLSTM(drawn(rng, 4 * hidden, inputs) / 4, drawn(rng, 4 * hidden, hidden) / 12, name="slstm", inputs=("input",)),
        el.Activation("linear", inputs=("gru", "lstm", "slstm")),
    ]
    model = el.Model(layers)
    xs = samples(rng, model, 100)
    expected = reference.run(model, xs)
    whole = el.Stream(model).process(xs)
    assert (np.abs(whole - expected).max(axis=0) / np.maximum(1, np.abs(expected).max(axis=0))).max() <= 2 * TOLERANCE["f32"]
    stream = el.Stream(model)
    np.testing.assert_array_equal([stream.step(x).copy() for x in xs], whole)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: el.MinGRU(np.zeros((5, 2))), "weight_ih must have shape"),
        (lambda: el.MinLSTM(np.zeros((6, 2)), np.zeros(5)), "bias must have shape"),
        (lambda: el.MinGRU(np.zeros((4, 2)), candidate="no"), "candidate must be one of"),
        (lambda: el.SLSTM(np.zeros((24, 2)), np.zeros((24, 4))), "whole heads of 4 units"),
        (lambda: el.SLSTM(np.zeros((20, 2)), np.zeros((24, 3))), "weight_ih must have shape"),
    ],
)
def test_records_refuse_what_does_not_fit(make, message):
    with pytest.raises(el.EdgeLSTMError, match=message):
        make()
