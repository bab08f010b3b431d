"""TensorFlow Lite operators beside TensorFlow Lite: filters over memory, blocks, and what rounds numbers that meet int8 weights."""

import numpy as np
import pytest
from tflite_files import CODES, Network

import edgelstm as el
from edgelstm import originals, reference
from edgelstm.importers import import_file
from edgelstm.importers.from_tflite import file as tflite_file
from edgelstm.importers.from_tflite.chains import from_tflite

runtime = pytest.importorskip("ai_edge_litert.interpreter")
TOLERANCE = 1e-5
pytestmark = pytest.mark.filterwarnings("ignore:.*preserve_all_tensors")
CODES |= {"DEPTH_TO_SPACE": 5, "SPACE_TO_BATCH_ND": 38, "ONE_HOT": 85, "GATHER_ND": 107, "REVERSE_SEQUENCE": 112}


def drawn(rng, *shape):
    return (0.4 * rng.normal(size=shape)).astype(np.float32)


def answers(network, calls):
    """What the interpreter gives for each call, flat."""
    interpreter = runtime.Interpreter(model_content=network.bytes())
    interpreter.allocate_tensors()
    x, y = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    found = []
    for call in calls:
        interpreter.set_tensor(x, call)
        interpreter.invoke()
        found.append(interpreter.get_tensor(y).copy())
    return np.array(found)


def model_of(network):
    return from_tflite(tflite_file.read(network.bytes()))


@pytest.mark.parametrize(("rank", "function"), [(1, 0), (2, 1)])
def test_filters_over_memory_stream(rng, rank, function):
    """SVDF, as keyword spotters have it: one step a call."""
    network, units, steps = Network(), 3, 5
    x, y = network.tensor("float32", (1, 4)), network.tensor("float32", (1, units))
    weights = [network.constant(drawn(rng, units * rank, n)) for n in (4, steps)]
    state = network.tensor("float32", (1, steps * units * rank), variable=True)
    options = {0: ("i", rank), 1: ("b", function)}
    network.operator("SVDF", [x, *weights, network.constant(drawn(rng, units)), state], [y], options, options_type=6)
    network.inputs, network.outputs = [x], [y]
    xs, model = drawn(rng, 12, 4), model_of(network)[0]
    assert [layer.kind for layer in model.layers[:2]] == ["dense", "conv1d"]
    assert np.abs(reference.run(model, xs) - answers(network, xs[:, None])[:, 0]).max() <= TOLERANCE


def test_filters_whose_state_is_given_are_refused_by_name(rng):
    network = Network()
    x, y, state = (network.tensor("float32", (1, n)) for n in (4, 3, 15))
    weights = [network.constant(drawn(rng, 3, n)) for n in (4, 5)]
    network.operator("SVDF", [x, *weights, -1, state], [y], {0: ("i", 1)}, options_type=6)
    network.inputs, network.outputs = [x, state], [y]
    with pytest.raises(el.UnsupportedModelError, match=r"SVDF, which makes .* is no variable of its own"):
        model_of(network)


@pytest.mark.parametrize("kind", ["ONE_HOT", "REVERSE_SEQUENCE", "GATHER_ND"])
def test_operators_that_move_by_index(rng, kind):
    network = Network()
    x = network.tensor("int32" if kind == "ONE_HOT" else "float32", (1, 8) if kind == "ONE_HOT" else (1, 8, 4))
    more, shape, options, number = {
        "ONE_HOT": ([np.int32(5), np.float32(2), np.float32(-1)], (1, 8, 5), {0: ("i", -1)}, 61),
        "REVERSE_SEQUENCE": ([np.array([8], np.int32)], (1, 8, 4), {0: ("i", 1), 1: ("i", 0)}, 87),
        "GATHER_ND": ([np.array([[0, 7]], np.int32)], (1, 4), {}, 83),
    }[kind]
    y = network.tensor("float32", shape)
    network.operator(kind, [x, *map(network.constant, more)], [y], options, options_type=number)
    network.inputs, network.outputs = [x], [y]
    xs = rng.integers(0, 5, (8, 1)).astype(np.int32) if kind == "ONE_HOT" else drawn(rng, 8, 4)
    expected = answers(network, [xs.reshape(network.tensors[x][0])])[0].reshape(-1, shape[-1])
    assert np.abs(reference.run(model_of(network)[0], xs)[-len(expected) :] - expected).max() <= TOLERANCE


def test_depth_to_space_in_a_frame(rng):
    """Channels become rows and columns of the frame; a dense layer behind reads all."""
    network = Network()
    x, y, z = (network.tensor("float32", shape) for shape in ((1, 2, 3, 4), (1, 4, 6, 1), (1, 5)))
    weight, bias = network.constant(drawn(rng, 5, 24)), network.constant(drawn(rng, 5))
    network.operator("DEPTH_TO_SPACE", [x], [y], {0: ("i", 2)}, options_type=94)
    network.operator("FULLY_CONNECTED", [y, weight, bias], [z], {}, options_type=8)
    network.inputs, network.outputs = [x], [z]
    xs, model = drawn(rng, 2, 12), model_of(network)[0]
    assert np.abs(reference.run(model, xs)[-1] - answers(network, [xs.reshape(1, 2, 3, 4)])[0, 0]).max() <= TOLERANCE


def test_steps_in_a_batch_are_refused_with_the_way(rng):
    network = Network()
    x, y = network.tensor("float32", (1, 8, 4)), network.tensor("float32", (2, 4, 4))
    given = [network.constant(np.array(v, np.int32)) for v in ([2], [[0, 0]])]
    network.operator("SPACE_TO_BATCH_ND", [x, *given], [y], {}, options_type=25)
    network.inputs, network.outputs = [x], [y]
    with pytest.raises(el.UnsupportedModelError, match="convert with a fixed length"):
        model_of(network)


def hybrid(rng, asymmetric):
    """A fused LSTM of int8 weights that reads float32."""
    network, hidden = Network(), 6
    x, y = network.tensor("float32", (1, 8, 4)), network.tensor("float32", (1, 8, hidden))
    weights = [
        network.constant(rng.integers(-127, 128, (hidden, n)).astype(np.int8), float(rng.uniform(0.003, 0.01)))
        for n in (4, 4, 4, 4, hidden, hidden, hidden, hidden)
    ]
    biases = [network.constant(drawn(rng, hidden)) for _ in range(4)]
    states = [network.tensor("float32", (1, hidden), variable=True) for _ in range(2)]
    options = {0: ("b", 4), 1: ("f", 10.0), 4: ("B", asymmetric)}
    inputs = [x, *weights, -1, -1, -1, *biases, -1, -1, *states, -1, -1, -1, -1]
    network.operator("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, [y], options, options_type=71)
    network.inputs, network.outputs = [x], [y]
    return network


@pytest.mark.parametrize("asymmetric", [True, False])
def test_a_hybrid_lstm_rounds_what_it_reads(rng, asymmetric):
    """As converters write it, exactly; in the form of old converters, which rounds symmetrically and is said, not."""
    network, xs = hybrid(rng, asymmetric), drawn(rng, 8, 4)
    model, _, notes = model_of(network)
    error = np.abs(reference.run(model, xs) - answers(network, [xs[None]])[0, 0]).max()
    assert any("rounded asymmetrically" in note for note in notes) is not asymmetric
    assert error <= (TOLERANCE if asymmetric else 5e-3)


def test_a_hybrid_convolution_rounds_what_it_reads(rng):
    network = Network()
    x, y = network.tensor("float32", (1, 8, 1, 4)), network.tensor("float32", (1, 8, 1, 5))
    weight = network.constant(rng.integers(-127, 128, (5, 3, 1, 4)).astype(np.int8), rng.uniform(0.003, 0.02, 5))
    options = {0: ("b", 0), 1: ("i", 1), 2: ("i", 1), 4: ("i", 1), 5: ("i", 1)}
    network.operator("CONV_2D", [x, weight, network.constant(drawn(rng, 5))], [y], options, options_type=1)
    network.inputs, network.outputs = [x], [y]
    xs, (model, _, notes) = drawn(rng, 8, 4), model_of(network)
    assert any("over the range of a whole recording" in note for note in notes)
    expected = answers(network, [xs.reshape(1, 8, 1, 4)]).reshape(8, 5)
    assert np.abs(reference.run(model, xs) - expected).max() <= TOLERANCE


def test_a_file_of_open_length_is_verified(rng, tmp_path):
    """The interpreter is given the recording's own length."""
    network = Network()
    x = network.tensor("float32", (1, 1, 4), signature=(1, -1, 4))
    y = network.tensor("float32", (1, 1, 3), signature=(1, -1, 3))
    weight, bias = network.constant(drawn(rng, 3, 4)), network.constant(drawn(rng, 3))
    network.operator("FULLY_CONNECTED", [x, weight, bias], [y], {2: ("B", 1)}, options_type=8)
    network.inputs, network.outputs = [x], [y]
    path = tmp_path / "model.tflite"
    path.write_bytes(network.bytes())
    taken = import_file(path)
    assert taken.model.window is None
    found = originals.compare(path, "TensorFlow Lite", taken.model, {})
    assert found.error is not None
    assert found.error <= TOLERANCE
