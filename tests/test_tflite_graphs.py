"""TensorFlow Lite graphs as TensorFlow's converter writes them (tests/golden/tflite.zip, by tools/tflite_files.py), and hostile ones."""

import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_tflite_refusals import mutated
from tflite_files import Network

import edgelstm as el
from edgelstm import reference
from edgelstm.importers.from_tflite import file as tflite_file
from edgelstm.importers.from_tflite.chains import from_tflite
from edgelstm.importers.from_tflite.program import NEAR

FILES = zipfile.ZipFile(Path(__file__).with_name("golden") / "tflite.zip")
NAMES = sorted(name.removesuffix(".tflite") for name in FILES.namelist() if name.endswith(".tflite"))


def load(name):
    return from_tflite(tflite_file.read(FILES.read(f"{name}.tflite")))


def calls(name):
    """Inputs and outputs of each call, in the file's order, a row a step."""
    held = np.load(io.BytesIO(FILES.read(f"{name}.npz")))
    graph = tflite_file.read(FILES.read(f"{name}.tflite"))
    found = {side: {} for side in "xy"}
    for key in held:
        side, number, tensor = re.fullmatch(r"(x|y)(\d+):(.*)", key).groups()
        array, index = held[key], next(i for i, t in enumerate(graph.inputs if side == "x" else graph.outputs) if t.name == tensor)
        found[side].setdefault(int(number), {})[index] = array
    return [([v for _, v in sorted(found["x"][n].items())], [v for _, v in sorted(found["y"][n].items())]) for n in sorted(found["x"])]


def rows(array):
    return array.reshape(array.shape[1] if array.ndim == 3 else 1, -1)


@pytest.mark.parametrize("name", [name for name in NAMES if "state" not in name])
def test_files_of_the_converter_answer_as_tensorflow_lite(name):
    model = load(name)[0]
    for inputs, outputs in calls(name):
        x = inputs[0].ravel() if model.takes_index else rows(inputs[0])
        found, wanted = np.asarray(reference.run(model, x)), rows(outputs[0])
        assert np.abs(found[-len(wanted) :] - wanted).max() <= 1e-5


def test_a_dense_layer_adds_its_bias(rng):
    """Converters' files above have biases as training begins with them, zeros."""
    network = Network()
    weight, bias = rng.normal(size=(2, 3)).astype(np.float32), rng.normal(size=2).astype(np.float32)
    x, y = network.tensor("float32", (1, 5, 3), name="x"), network.tensor("float32", (1, 5, 2))
    network.operator("FULLY_CONNECTED", [x, network.constant(weight), network.constant(bias)], [y], {0: ("b", 1)}, options_type=8)
    network.inputs, network.outputs = [x], [y]
    xs = rng.normal(size=(5, 3)).astype(np.float32)
    found = reference.run(from_tflite(tflite_file.read(network.bytes()))[0], xs)
    np.testing.assert_allclose(found, np.maximum(xs @ weight.T + bias, 0), atol=1e-6)


def test_a_variable_begins_as_the_file_says(rng):
    """A simple cell whose h is a variable: what the graph that runs before the first call gives it is the stream's initial state."""
    network = Network()
    w, u, bias, h0 = (rng.normal(size=shape).astype(np.float32) for shape in ((2, 3), (2, 2), 2, (1, 2)))
    x, h, from_x, from_h, total, y = (network.tensor("float32", (1, n)) for n in (3, 2, 2, 2, 2, 2))
    handle = network.tensor("resource", ())
    network.operator("CALL_ONCE", [], [], {0: ("i", 1)}, options_type=103)
    network.operator("VAR_HANDLE", [], [handle], {1: "h"}, options_type=111)
    network.operator("READ_VARIABLE", [handle], [h], {}, options_type=112)
    network.operator("FULLY_CONNECTED", [x, network.constant(w), network.constant(bias)], [from_x], {}, options_type=8)
    network.operator("FULLY_CONNECTED", [h, network.constant(u)], [from_h], {}, options_type=8)
    network.operator("ADD", [from_x, from_h], [total], {}, options_type=11)
    network.operator("TANH", [total], [y])
    network.operator("ASSIGN_VARIABLE", [handle, y], [], {}, options_type=113)
    network.inputs, network.outputs = [x], [y]
    once = network.inside()
    inner = once.tensor("resource", ())
    once.operator("VAR_HANDLE", [], [inner], {1: "h"}, options_type=111)
    once.operator("ASSIGN_VARIABLE", [inner, once.tensor("float32", (1, 2), data=h0)], [], {}, options_type=113)
    xs, expected, before = rng.normal(size=(6, 3)).astype(np.float32), [], h0[0]
    for row in xs:
        before = np.tanh(w @ row + bias + u @ before)
        expected.append(before)
    model = from_tflite(tflite_file.read(network.bytes()))[0]
    assert [layer.kind for layer in model.layers] == ["rnn"]
    np.testing.assert_allclose(reference.run(model, xs), expected, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in NAMES if "stateful" in name])
def test_variables_are_the_streams_state(name):
    """Three calls one behind the other, without a reset, are one recording."""
    model, _, notes = load(name)
    assert model.window is None
    assert any("is a state of the stream" in note for note in notes)
    found = reference.run(model, np.concatenate([rows(inputs[0]) for inputs, _ in calls(name)]))
    wanted = np.concatenate([rows(outputs[0]) for _, outputs in calls(name)])
    assert np.abs(found - wanted).max() <= 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("_states")])
@pytest.mark.parametrize(
    "names",
    [
        {},
        {b"input0": b"zz::07", b"input1": b"input9", b"input2": b"args_3"},
        {b"input1": b"a b;c/", b"input2": b"------", b"Identity_1": b"Identity_8", b"Identity_2": b"Identity_3"},
        {b"input0": b"state0", b"input1": b"before", b"Identity\0": b"new_mem:\0", b"Identity_2": b"StatefulPa"},
    ],
)
def test_states_of_any_name_answer_as_tensorflow_lite(name, names, rng):
    """The caller of TensorFlow Lite carries h and c, which the file tells apart by their places alone."""
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    data = FILES.read(f"{name}.tflite")
    for old, new in names.items():
        assert old in data
        assert len(old) == len(new)
        data = data.replace(old, new)
    model = from_tflite(tflite_file.read(data))[0]
    interpreter = litert.Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    xs = rng.normal(0, 2, (6, 3)).astype(np.float32)
    carried, expected = [np.zeros((1, 4), np.float32)] * 2, []
    for row in xs:
        for one, value in zip(inputs, [row[None, None], *carried], strict=True):
            interpreter.set_tensor(one["index"], value)
        interpreter.invoke()
        y, *carried = (interpreter.get_tensor(one["index"]) for one in outputs)
        expected.append(y.ravel())
    assert np.abs(reference.run(model, xs) - expected).max() < 1e-5


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("_states")])
def test_states_as_inputs_and_outputs_go_round(name):
    """The first call from states of zero cannot be compared, since its states are given; the layers and the notes can."""
    model, _, notes = load(name)
    assert [layer.kind for layer in model.layers] == ["lstm", "dense"]
    assert sum("is a state of the stream" in note for note in notes) == 2


def test_a_file_through_compiled_code():
    model = load("keras2_gru")[0]
    for inputs, outputs in calls("keras2_gru")[:1]:
        assert np.abs(el.Stream(model).process(rows(inputs[0])) - rows(outputs[0])).max() <= 1e-5


def test_an_lstm_in_a_loop_rounds_its_state_as_tensorflow_lite():
    """Its recurrent weights are int8, those of x floats: h is rounded over its range at each step, x is not."""
    for name in ("keras2_hybrid", "keras3_hybrid"):
        model, _, notes = load(name)
        assert [layer.kind for layer in model.layers] == ["lstm", "dense"]
        assert (model.layers[0].fake_quantize_hidden, notes) == (True, [])


#: The scale of a loop's state, by its type.
STATE = {"float32": None, "int8": 0.01}


def loop(cond=1, body=2, limit=5, step=1, once=None, scale=None, state="float32"):
    """A loop over the five rows of its input, ``h = tanh(x + h)``, whose graphs may be made wrong. scale: of weights in int8."""
    network = Network()
    x = network.tensor("float32", (5, 1, 2), name="x")
    zero, h0 = network.constant(np.int32(0)), network.tensor(state, (1, 2), STATE[state], data=np.zeros((1, 2)))
    out = [network.tensor("int32", ()), network.tensor(state, (1, 2), STATE[state]), network.tensor("float32", (5, 1, 2))]
    network.operator("WHILE", [zero, h0, x], out, {0: ("i", cond), 1: ("i", body)}, options_type=93)
    network.inputs, network.outputs = [x], [out[1]]
    if once is not None:
        network.operator("CALL_ONCE", [], [], {0: ("i", once)}, options_type=103)
    condition = network.inside()
    names = [condition.tensor("int32", ()), condition.tensor(state, (1, 2), STATE[state]), condition.tensor("float32", (5, 1, 2))]
    go = condition.tensor("bool", ())
    condition.operator("LESS", [names[0], condition.constant(np.int32(limit))], [go])
    condition.inputs, condition.outputs = names, [go]
    inner = network.inside()
    t, h, rows_in = inner.tensor("int32", ()), inner.tensor(state, (1, 2), STATE[state]), inner.tensor("float32", (5, 1, 2))
    row, total, count = inner.tensor("float32", (1, 2)), inner.tensor("float32", (1, 2)), inner.tensor("int32", ())
    after = inner.tensor(state, (1, 2), STATE[state])
    inner.operator("GATHER", [rows_in, t], [row])
    weights = np.array([[0.5, 0.1], [-0.3, 0.7]], np.float32)
    weight = [inner.constant(weights if scale is None else np.rint(weights / scale).astype(np.int8), scale) for _ in "xh"]
    sums = [inner.tensor("float32", (1, 2)) for _ in "xh"]
    for value, matrix, sum_ in zip((row, h), weight, sums, strict=True):
        inner.operator("FULLY_CONNECTED", [value, matrix, -1], [sum_])
    inner.operator("ADD", sums, [total])
    inner.operator("TANH", [total], [after])
    inner.operator("ADD", [t, inner.constant(np.int32(step))], [count])
    inner.inputs, inner.outputs = [t, h, rows_in], [count, after, rows_in]
    return network


def test_a_loop_is_a_layer():
    model = from_tflite(tflite_file.read(loop().bytes()))[0]
    assert ([layer.kind for layer in model.layers], model.window) == (["rnn"], 5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"limit": 4}, "it runs 4 times over"),
        ({"limit": 0}, "it runs 0 times"),
        ({"step": 2}, "grows by something else than 1"),
        ({"cond": 9}, "calls the graph of number 9"),
        ({"body": 0}, "take other variables than it has"),
        ({"body": 1}, "take other variables than it has"),
        ({"once": 2}, "it runs GATHER, which makes"),
    ],
)
def test_loops_of_another_form_are_refused_by_name(wrong, message):
    with pytest.raises(el.EdgeLSTMError, match=re.escape(message)) as caught:
        from_tflite(tflite_file.read(loop(**wrong).bytes()))
    assert re.search("WHILE|CALL_ONCE", str(caught.value))


@pytest.mark.parametrize(
    ("whole", "why"),
    [({"scale": 0.01}, "no LSTM, GRU or RNN cell"), ({"state": "int8"}, "into a loop or branch")],
    ids=["weights", "state"],
)
def test_a_simple_cell_of_whole_numbers_is_near_and_says_why(whole, why):
    model, _, notes = from_tflite(tflite_file.read(loop(**whole).bytes()))
    assert [layer.kind for layer in model.layers] == ["rnn"]
    np.testing.assert_allclose(model.layers[0].weight_hh, [[0.5, 0.1], [-0.3, 0.7]], rtol=1e-6)
    (note,) = (note for note in notes if note.startswith(NEAR))
    assert why in note


def test_a_graph_that_calls_itself_is_refused():
    network = loop()
    inner = network.graphs[1]
    again = [inner.tensor("int32", ()), inner.tensor("float32", (1, 2)), inner.tensor("float32", (5, 1, 2))]
    inner.operator("WHILE", inner.inputs, again, {0: ("i", 1), 1: ("i", 2)}, options_type=93)
    inner.outputs[1] = again[1]
    with pytest.raises(el.EdgeLSTMError, match="WHILE"):
        from_tflite(tflite_file.read(network.bytes()))


@pytest.mark.parametrize(("kind", "message"), [("SVDF", "its input 1 is missing"), ("CONV_3D", "CONV_3D, which makes 't1'")])
def test_operators_that_are_not_imported_are_named(kind, message):
    network = Network()
    x, y = network.tensor("float32", (1, 5, 2)), network.tensor("float32", (1, 5, 2))
    network.operator(kind, [x], [y])
    network.inputs, network.outputs = [x], [y]
    with pytest.raises(el.UnsupportedModelError, match=message):
        from_tflite(tflite_file.read(network.bytes()))


@settings(
    max_examples=120, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.data())
def test_hostile_bytes_of_graphs_with_loops(data):
    name = data.draw(st.sampled_from(["keras2_gru", "keras2_stateful_lstm", "keras2_conv_same"]))
    message = ""
    try:
        from_tflite(tflite_file.read(data.draw(mutated(FILES.read(f"{name}.tflite")))))
    except el.EdgeLSTMError as problem:
        message = str(problem)
    assert "\n" not in message
