"""LSTM, GRU and RNN nodes with every attribute, against ONNX Runtime; what runtimes disagree on, or no stream has, is refused."""

import sys

import numpy as np
import pytest

import edgelstm as el
from edgelstm import reference
from edgelstm.importers.from_onnx.chains import from_onnx
from edgelstm.importers.from_onnx.file import parse

pytest.importorskip("onnx")
helper, numpy_helper = pytest.importorskip("onnx.helper"), pytest.importorskip("onnx.numpy_helper")

STEPS, INPUTS, HIDDEN, GATES = 11, 3, 4, {"LSTM": 4, "GRU": 3, "RNN": 1}


def node_file(op, *, initial=False, peephole=False, lengths=None, bias=True, **attributes):
    """The bytes of a model of one node over (time, 1, INPUTS), its weights large enough to meet clips and bends."""
    rng = np.random.default_rng(3)
    directions = 2 if attributes.get("direction") == "bidirectional" else 1
    rows = GATES[op] * HIDDEN
    arrays = {"W": rng.normal(size=(directions, rows, INPUTS)), "R": rng.normal(size=(directions, rows, HIDDEN))}
    names = ["x", "W", "R", "", "", "", "", ""]
    optional = [("B", 3, bias, (directions, 2 * rows)), ("h0", 5, initial, (directions, 1, HIDDEN))]
    optional += [("c0", 6, initial and op == "LSTM", (directions, 1, HIDDEN)), ("P", 7, peephole, (directions, 3 * HIDDEN))]
    for name, place, wanted, shape in optional:
        if wanted:
            arrays[name], names[place] = rng.normal(size=shape), name
    weights = [numpy_helper.from_array(array.astype(np.float32), name) for name, array in arrays.items()]
    if lengths is not None:
        weights.append(numpy_helper.from_array(np.array([lengths], np.int32), "lengths"))
        names[4] = "lengths"
    while not names[-1]:
        names.pop()
    nodes = [helper.make_node(op, names, ["y"], hidden_size=HIDDEN, **attributes)]
    x = helper.make_tensor_value_info("x", 1, [STEPS, 1, INPUTS])
    y = helper.make_tensor_value_info("y", 1, [STEPS, directions, 1, HIDDEN])
    graph = helper.make_graph(nodes, "g", [x], [y], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


CASES = {
    "lstm": ("LSTM", {}),
    "lstm without a bias, reverse": ("LSTM", {"bias": False, "direction": "reverse"}),
    "lstm in both directions from states": ("LSTM", {"direction": "bidirectional", "initial": True}),
    "lstm with peepholes": ("LSTM", {"peephole": True}),
    "lstm with peepholes, clipped": ("LSTM", {"peephole": True, "clip": 0.5}),
    "lstm with input_forget": ("LSTM", {"input_forget": 1}),
    "lstm of other functions": ("LSTM", {"activations": ["HardSigmoid", "Softsign", "Relu"]}),
    "lstm of other functions with numbers": (
        "LSTM",
        {"activations": ["HardSigmoid", "ScaledTanh", "LeakyRelu"], "activation_alpha": [0.3, 0.8, 0.1], "activation_beta": [0.4, 1.2]},
    ),
    "lstm with functions for each direction": (
        "LSTM",
        {
            "direction": "bidirectional",
            "activations": ["Sigmoid", "Tanh", "Tanh", "HardSigmoid", "Elu", "Softsign"],
            "activation_alpha": [0.2, 0.7],
        },
    ),
    "gru": ("GRU", {}),
    "gru, reset after": ("GRU", {"linear_before_reset": 1, "initial": True}),
    "gru in both directions, clipped": ("GRU", {"direction": "bidirectional", "clip": 0.7}),
    "rnn": ("RNN", {"initial": True}),
    "rnn of relu, clipped": ("RNN", {"activations": ["Relu"], "clip": 0.9}),
    "rnn reverse": ("RNN", {"direction": "reverse"}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_node_with_its_attributes(name):
    op, options = CASES[name]
    data = node_file(op, **options)
    x = np.random.default_rng(5).normal(size=(STEPS, INPUTS)).astype(np.float32)
    session = pytest.importorskip("onnxruntime").InferenceSession(data)
    expected = session.run(None, {"x": x[:, None]})[0].reshape(STEPS, -1)
    model = from_onnx(parse(data))[0]
    assert np.abs(reference.run(model, x) - expected).max() <= 1e-5


@pytest.mark.parametrize(
    ("op", "options", "match"),
    [
        ("LSTM", {"activations": ["Affine", "Tanh", "Tanh"]}, "without its alpha or beta"),
        ("RNN", {"activations": ["ThresholdedRelu"]}, "without its alpha or beta"),
        ("LSTM", {"activations": ["Sigmoid", "Tanh"]}, "names 2 activations"),
        ("GRU", {"activations": ["Sigmoid", "Sine"]}, "activation 'Sine'"),
        ("LSTM", {"activation_alpha": [0.5]}, "more activation_alpha"),
        ("LSTM", {"lengths": STEPS - 2}, "sequence_lens shorter"),
        ("LSTM", {"direction": "sideways"}, "direction 'sideways'"),
    ],
)
def test_what_is_refused(op, options, match):
    with pytest.raises(el.UnsupportedModelError, match=rf"node {op} \(.*{match}"):
        from_onnx(parse(node_file(op, **options)))


def test_lengths_of_the_whole_recording_are_none():
    assert from_onnx(parse(node_file("LSTM", lengths=STEPS)))[0].layers[0].kind == "lstm"


def test_without_the_parser_the_error_names_the_pip_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(el.UnsupportedModelError, match=r"pip install 'edgelstm\[convert\]'"):
        parse(b"\x08\x07")
