"""Frozen graphs as TensorFlow writes them (tests/golden/tensorflow.tar.xz, by tools/tensorflow_files.py), and what is refused."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from graphdefs import GraphDef, dense, dtype, function_name, loop, node

import edgelstm as el
from edgelstm import reference
from edgelstm.importers import import_file
from edgelstm.importers.from_onnx.chains import from_onnx
from edgelstm.importers.from_tensorflow.file import parse
from edgelstm.importers.from_tensorflow.program import program
from edgelstm.importers.from_tensorflow.settled import settled

with tarfile.open(Path(__file__).with_name("golden") / "tensorflow.tar.xz") as archive:
    FILES = {member.name: archive.extractfile(member).read() for member in archive}

NAMES = sorted(name.removesuffix(".pb") for name in FILES if name.endswith(".pb"))


def load(data, sizes=None):
    graph, notes = program(parse(data))
    model, order, more = from_onnx(graph, sizes=sizes)
    return model, order, [*notes, *more]


def rows(array):
    """A row a step: the sequence is one."""
    array = array[0] if len(array) == 1 else array[:, 0]
    return array if array.dtype.kind == "i" else array.reshape(-1, array.shape[-1])


def calls(name):
    """Samples and answers of each call, in the graph's order."""
    held = np.load(io.BytesIO(FILES[f"{name}.npz"]))
    answers = [[rows(held[key]) for key in sorted(held) if key.startswith(f"y{call}:")] for call in range(2)]
    return [(rows(held[f"x{call}"]), np.concatenate(answers[call], axis=-1)) for call in range(2)]


@pytest.mark.parametrize("name", [name for name in NAMES if "states" not in name])
def test_graphs_answer_as_tensorflow(name):
    model = load(FILES[f"{name}.pb"])[0]
    for x, wanted in calls(name):
        found = np.asarray(reference.run(model, x))
        assert np.abs(found[-len(wanted) :] - wanted).max() <= 1e-5


@pytest.mark.parametrize("name", [name for name in NAMES if "states" in name])
def test_states_that_are_inputs_and_outputs_go_round(name):
    """Two calls one behind the other, without a reset, are one recording."""
    model, _, notes = load(FILES[f"{name}.pb"])
    assert [layer.kind for layer in model.layers] == ["lstm", "dense"]
    assert sum("is a state of the stream" in note for note in notes) == 2
    found = reference.run(model, np.concatenate([x for x, _ in calls(name)]))
    assert np.abs(found - np.concatenate([wanted for _, wanted in calls(name)])).max() <= 1e-5


def test_a_file_through_compiled_code(tmp_path):
    (tmp_path / "model.pb").write_bytes(FILES["all_options.pb"])
    model = el.load(tmp_path / "model.pb")
    assert import_file(tmp_path / "model.pb").format == "TensorFlow (frozen .pb)"
    (layer, _) = model.layers
    assert layer.peephole.shape == (3, 6)
    assert layer.weight_hr.shape == (4, 6)
    assert (layer.cell_clip, layer.projection_clip) == pytest.approx((0.4, 0.3))
    for x, wanted in calls("all_options"):
        assert np.abs(el.Stream(model).process(x) - wanted).max() <= 1e-5


def test_the_forget_bias_is_in_the_bias():
    """BasicLSTMCell adds 1 at run time; the second cell of the stack 0.3."""
    graph = parse(FILES["several.pb"])
    stored = [n.attributes["value"] for n in graph.nodes if n.op == "Const" and n.name.endswith("cell/bias")]
    model = load(FILES["several.pb"])[0]
    for layer, bias, added in zip(model.layers[:2], stored, (1, 0.3), strict=True):
        i, j, f, o = bias.reshape(4, -1)
        assert layer.bias == pytest.approx(np.concatenate([i, f + added, j, o]), abs=1e-6)


def test_a_loop_of_no_cell_is_layers_in_a_cycle():
    graph = loop(becomes="new")
    graph.add("gate", "Sigmoid", "sum")
    graph.add("kept", "Mul", "gate", "switch_h:1")
    graph.add("new", "AddV2", "kept", "after")
    model, _, notes = load(graph.bytes())
    assert "previous" in {layer.kind for layer in model.layers}
    assert any("layers in a cycle" in note for note in notes)
    w, u = np.array([[0.5, 0.1], [-0.3, 0.7]]), np.array([[0.2, -0.6], [0.4, 0.3]])
    h, x = np.zeros(2), np.random.default_rng(3).normal(size=(60, 2))
    for row, found in zip(x, reference.run(model, x), strict=True):
        z = row @ w + h @ u
        h = h / (1 + np.exp(-z)) + np.tanh(z)
        assert np.abs(found - h).max() <= 1e-5


def test_a_loop_of_single_nodes_is_a_layer():
    model = load(loop().bytes())[0]
    assert [layer.kind for layer in model.layers] == ["rnn"]


def test_of_two_networks_in_a_graph_the_recurrent_one_is_taken():
    """As speech recognisers have, whose features are computed in the same file."""
    graph = loop()
    graph.placeholder("samples", sizes=(512,))
    graph.add("features", "Mfcc", "samples")
    model, _, notes = load(graph.bytes())
    assert [layer.kind for layer in model.layers] == ["rnn"]
    assert any("'features' is of another network" in note for note in notes)


def test_an_answer_that_is_chosen_from_is_the_answer():
    graph = dense()
    graph.constant("axis", np.int32(1))
    graph.add("largest", "ArgMax", "y", "axis")
    model, _, notes = load(graph.bytes())
    assert model.output_size == 2
    assert any("ArgMax of 'y:0'" in note for note in notes)


def unknown(graph):
    graph.add("z", "Betainc", "y", "y", "y")


def variable(graph):
    graph.add("v", "VariableV2")
    graph.add("z", "Mul", "y", "v")


def attribute(graph):
    graph.nodes[-1] = node("y", "MatMul", ["flat", "weight"], saturate=True)


def training(graph):
    graph.constant("keep", 0.8)
    graph.add("noise", "RandomUniform", "rows")
    graph.add("sum", "Add", "noise", "keep")
    graph.add("mask", "Floor", "sum")
    graph.add("z", "Mul", "y", "mask")


def both_branches(graph):
    graph.constant("yes", np.array(True))
    graph.add("switch", "Switch", "y", "yes")
    graph.add("z", "Merge", "switch:1", "y")


def dead_output(graph):
    graph.constant("yes", np.array(True))
    graph.add("switch", "Switch", "y", "yes")
    graph.add("z", "Tanh", "switch")


def inner_gate(graph):
    for name, size in (("w", (5, 8)), ("b", (8,)), ("p", (2,)), ("h", (1, 2))):
        graph.constant(name, np.zeros(size))
    graph.add("cell", "LSTMBlockCell", "flat", "h", "h", "w", "p", "p", "p", "b")
    graph.add("z", "Tanh", "cell:2")


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (unknown, r"node Betainc \(z\).*not imported"),
        (variable, "variable 'v'.*checkpoint; freeze the graph"),
        (attribute, r"node MatMul \(y\).*saturate"),
        (training, "drops numbers at random, as in training"),
        (both_branches, "not exactly one is taken"),
        (dead_output, "a branch that is not taken"),
        (inner_gate, r"node Tanh \(z\).*a gate of a fused operator"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_not_imported_is_named(spoil, match):
    graph = dense()
    spoil(graph)
    with pytest.raises(el.UnsupportedModelError, match=match) as caught:
        load(graph.bytes())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("graph", "match"),
    [
        (loop(limit=3), "reads .* rows in 3 iterations"),
        (loop(step=2), "rows in|no count of iterations"),
        (loop(becomes="xW"), ""),
        (loop(step=0), "no count of iterations|runs"),
    ],
)
def test_loops_of_another_form_are_refused_or_no_recurrence(graph, match):
    if not match:
        assert [layer.kind for layer in load(graph.bytes())[0].layers] == ["dense"]
        return
    with pytest.raises(el.UnsupportedModelError, match=match):
        load(graph.bytes())


@pytest.mark.parametrize(("op", "taken"), [("Add", 1), ("GreaterEqual", 0)])
def test_placeholders_of_dropout_drop_nothing(op, taken):
    """The probability to keep, as TensorFlow 1.12 and before have it, and the rate behind it."""
    graph = dense()
    graph.placeholder("drop", sizes=())
    graph.add("noise", "RandomUniform", "rows")
    graph.add("sum", op, *(("drop", "noise") if op == "Add" else ("noise", "drop")))
    graph.add("mask", *(("Floor", "sum") if op == "Add" else ("Cast", "sum")), **({} if op == "Add" else {"DstT": dtype("float32")}))
    graph.add("z", "Mul", "y", "mask")
    model, _, notes = load(graph.bytes())
    assert any(f"'drop' is taken as {taken}" in note for note in notes)
    x = np.ones((2, 3))
    assert reference.run(model, x) == pytest.approx(x @ np.arange(6.0).reshape(3, 2), abs=1e-5)


def test_a_probability_without_a_shape_is_followed_into_a_loop():
    graph, notes = GraphDef(), []
    graph.add("keep", "Placeholder", dtype=dtype("float32"))
    graph.add("inside", "Enter", "keep")
    graph.add("noise", "RandomUniform", "inside")
    graph.add("sum", "Add", "inside", "noise")
    assert [node.op for node in settled(parse(graph.bytes()).nodes, notes)] == ["Const", "Enter", "RandomUniform", "Add"]
    assert notes == ["The input 'keep' is taken as 1, so that nothing is dropped or trained."]


def test_an_index_that_may_count_from_the_end_is_an_index():
    """A look-up of Keras 3, frozen."""
    graph, table = GraphDef(), np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32)
    graph.placeholder("x", sizes=(1, -1), kind="int32")
    graph.constant("table", table)
    for name, number in (("zero", 0), ("rows", 9), ("axis", 0)):
        graph.constant(name, np.array(number, np.int32))
    graph.add("read", "Identity", "table")
    graph.add("below", "Less", "x", "zero")
    graph.add("beyond", "AddV2", "x", "rows")
    graph.add("index", "SelectV2", "below", "beyond", "x")
    graph.add("found", "GatherV2", "read", "index", "axis")
    graph.add("y", "Tanh", "found")
    model = load(graph.bytes())[0]
    assert [layer.kind for layer in model.layers] == ["embedding", "activation"]
    np.testing.assert_allclose(reference.run(model, np.arange(9)), np.tanh(table), atol=1e-6)


def test_functions_are_called_in_place():
    graph = GraphDef()
    graph.placeholder(sizes=(1, -1, 3))
    graph.function("twice", ["a"], {"b": "sum:z:0"}, [node("sum", "AddV2", ["a", "a"])])
    graph.add("inside", "PartitionedCall", "x", f=function_name("twice"))
    graph.add("y", "Tanh", "inside")
    model = load(graph.bytes())[0]
    x = np.random.default_rng(0).normal(size=(4, 3))
    assert reference.run(model, x) == pytest.approx(np.tanh(2 * x), abs=1e-6)
