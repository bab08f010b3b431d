"""TensorFlow Lite graphs of whole numbers, with variables between calls: every answer is the level that TensorFlow Lite gives."""

import numpy as np
import pytest
from tflite_files import CODES, Int8LSTM, Network

import edgelstm as el
from edgelstm import reference
from edgelstm.importers.from_tflite import file as tflite_file
from edgelstm.importers.from_tflite.chains import from_tflite
from edgelstm.importers.from_tflite.program import NEAR

CODES |= {"MUL": 18, "SUB": 41, "SPLIT": 49}

#: Scale and zero point of what flows: samples, the first and the second convolution, sums, answers.
SAMPLES, FIRST, SECOND, SUMS, ANSWERS = (0.05, -7), (0.03, -90), (0.02, 5), (0.06, 11), (1 / 256, -128)


def conv_options(fields):
    """Padding VALID, strides of one, and what else is given."""
    return {0: ("b", 1), 1: ("i", 1), 2: ("i", 1), **fields}


class Streaming:
    """Two convolutions along time, each with its own earlier rows in a variable, and a dense layer; all in int8."""

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.kernel, self.apart = rng.integers(-127, 128, (6, 3, 1, 4)), rng.integers(-127, 128, (1, 4, 1, 6))
        self.matrix = rng.integers(-127, 128, (3, 6))
        self.biases = [rng.integers(-4000, 4000, n) for n in (6, 6, 3)]
        self.scales = [rng.uniform(0.002, 0.02, n).astype(np.float32) for n in (6, 6, 3)]

    def bytes(self):
        """The file, as converters write streaming networks."""
        self.n = Network()
        x = self.n.tensor("int8", (1, 1, 1, 4), *SAMPLES, name="x")
        self.n.operator("CALL_ONCE", [], [], {0: ("i", 1)}, options_type=103)
        first = self.n.tensor("int8", (1, 1, 1, 6), *FIRST)
        weight, bias = self._weights(self.kernel, 0, SAMPLES, 0)
        rows = self._rows("first", x, 2, 4, SAMPLES)
        self.n.operator("CONV_2D", [rows, weight, bias], [first], conv_options({3: ("b", 1)}), options_type=1)
        second = self.n.tensor("int8", (1, 1, 1, 6), *SECOND)
        weight, bias = self._weights(self.apart, 1, FIRST, 3)
        rows = self._rows("second", first, 3, 6, FIRST)
        self.n.operator("DEPTHWISE_CONV_2D", [rows, weight, bias], [second], conv_options({3: ("i", 1)}), options_type=2)
        flat, sums, gates, out = (self.n.tensor(kind, shape, *grid) for kind, shape, grid in (
            ("int8", (1, 6), SECOND), ("int8", (1, 3), SUMS), ("int8", (1, 3), ANSWERS), ("uint8", (1, 3), (1 / 256, 0))))  # fmt: skip
        self.n.operator("RESHAPE", [second, self.n.constant(np.array([1, 6], np.int32))], [flat], {}, options_type=17)
        weight, bias = self._weights(self.matrix, 2, SECOND, 0)
        self.n.operator("FULLY_CONNECTED", [flat, weight, bias], [sums], {}, options_type=8)
        self.n.operator("LOGISTIC", [sums], [gates])
        self.n.operator("QUANTIZE", [gates], [out])
        self.n.inputs, self.n.outputs = [x], [out]
        self._begin("first", (1, 2, 1, 4), SAMPLES)
        self._begin("second", (1, 3, 1, 6), FIRST)
        return self.n.bytes()

    def _begin(self, name, shape, grid):
        """What a variable begins with, in the graph that runs before the first call."""
        once = self.n.graphs[0] if self.n.graphs else self.n.inside()
        handle = once.tensor("resource", ())
        once.operator("VAR_HANDLE", [], [handle], {1: name}, options_type=111)
        zeros = once.tensor("int8", shape, *grid, data=np.full(shape, grid[1], np.int8))
        once.operator("ASSIGN_VARIABLE", [handle, zeros], [], {}, options_type=113)

    def _weights(self, kernel, index, grid, axis):
        weight = self.n.constant(kernel.astype(np.int8), self.scales[index])
        self.n.tensors[weight][4][6] = ("i", axis)
        return weight, self.n.constant(self.biases[index].astype(np.int32), self.scales[index] * np.float32(grid[0]))

    def _rows(self, name, x, held, channels, grid):
        """The variable's rows and the present one; the variable keeps the last of them."""
        handle, rows = self.n.tensor("resource", ()), self.n.tensor("int8", (1, held, 1, channels), *grid)
        joined, kept = (self.n.tensor("int8", (1, n, 1, channels), *grid) for n in (held + 1, held))
        self.n.operator("VAR_HANDLE", [], [handle], {1: name}, options_type=111)
        self.n.operator("READ_VARIABLE", [handle], [rows], {}, options_type=112)
        self.n.operator("CONCATENATION", [rows, x], [joined], {0: ("i", 1)}, options_type=10)
        begin, size = (self.n.constant(np.array(v, np.int32)) for v in ([0, 1, 0, 0], [1, held, 1, channels]))
        self.n.operator("SLICE", [joined, begin, size], [kept], {}, options_type=48)
        self.n.operator("ASSIGN_VARIABLE", [handle, kept], [], {}, options_type=113)
        return joined

    def answers(self, xs):
        """Levels of the answers, (steps, 3), by whole numbers. xs: levels of samples, (steps, 4)."""
        early, later, found = np.zeros((2, 4), int), np.zeros((3, 6), int), []
        for x in xs:
            rows = np.vstack([early, x - SAMPLES[1]])
            a = self._levels(np.einsum("oti,ti->o", self.kernel[:, :, 0], rows), 0, SAMPLES, FIRST, lowest=0)
            more = np.vstack([later, a])
            b = self._levels(np.einsum("tc,tc->c", self.apart[0, :, 0], more), 1, FIRST, SECOND)
            c = self._levels(self.matrix @ b, 2, SECOND, SUMS)
            early, later = rows[1:], more[1:]
            found.append(np.clip(np.rint(256 / (1 + np.exp(-c * SUMS[0]))), 0, 255))
        return np.array(found)

    def _levels(self, sums, index, before, after, lowest=-np.inf):
        sums = (sums + self.biases[index]).astype(np.float32)
        levels = np.rint(sums * (np.float32(before[0]) * self.scales[index] / np.float32(after[0])))
        return np.clip(levels, max(-128 - after[1], lowest), 127 - after[1]).astype(int)


@pytest.fixture(scope="module")
def streaming():
    """The network, its file, levels of samples, and the answers as numbers."""
    network = Streaming()
    xs = np.random.default_rng(1).integers(-128, 128, (200, 4))
    return network, network.bytes(), xs, network.answers(xs) / 256


def numbers(xs):
    return ((xs - SAMPLES[1]) * SAMPLES[0]).astype(np.float32)


def imported(data):
    return from_tflite(tflite_file.read(data))


def test_every_answer_is_the_level_of_whole_numbers(streaming):
    _, data, xs, expected = streaming
    model, _, notes = imported(data)
    assert np.unique(expected).size > 50
    np.testing.assert_array_equal(reference.run(model, numbers(xs)), expected)
    np.testing.assert_array_equal(el.Stream(model).process(numbers(xs)), expected)
    assert any(note.startswith("The file computes in whole numbers, and so does edgelstm") for note in notes)


def test_every_answer_is_that_of_tensorflow_lite(streaming):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    _, data, xs, expected = streaming
    runtime = interpreter.Interpreter(model_content=data)
    runtime.allocate_tensors()
    x, y = runtime.get_input_details()[0]["index"], runtime.get_output_details()[0]["index"]
    for row, wanted in zip(xs, expected, strict=True):
        runtime.set_tensor(x, row.astype(np.int8).reshape(1, 1, 1, 4))
        runtime.invoke()
        np.testing.assert_array_equal(runtime.get_tensor(y)[0], wanted * 256)


def meeting(seed=3):
    """A dense layer of int8 weights that reads float32."""
    rng, network = np.random.default_rng(seed), Network()
    x, y = network.tensor("float32", (1, 20), name="x"), network.tensor("float32", (1, 5))
    weight = network.constant(rng.integers(-127, 128, (5, 20)).astype(np.int8), rng.uniform(0.002, 0.02, 5))
    network.tensors[weight][4][6] = ("i", 0)
    bias = network.constant(rng.normal(size=5).astype(np.float32))
    network.operator("FULLY_CONNECTED", [x, weight, bias], [y], {3: ("B", 1)}, options_type=8)
    network.inputs, network.outputs = [x], [y]
    return network.bytes()


def test_numbers_that_meet_weights_of_int8_are_rounded_as_tensorflow_lite_rounds_them():
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    (model, _, notes), runtime = imported(meeting()), interpreter.Interpreter(model_content=meeting())
    assert not any(note.startswith("Weights of int8") for note in notes)
    assert [layer.kind for layer in model.layers if layer.kind != "normalizer"] == ["dynamic_fake_quantize", "dense"]
    runtime.allocate_tensors()
    x, y = runtime.get_input_details()[0]["index"], runtime.get_output_details()[0]["index"]
    xs = np.random.default_rng(4).normal(size=(50, 20)).astype(np.float32)
    for row, found in zip(xs, reference.run(model, xs), strict=True):
        runtime.set_tensor(x, row[None])
        runtime.invoke()
        np.testing.assert_allclose(found, runtime.get_tensor(y)[0], atol=1e-5)


def pooled(n):
    """Twice as many samples as an `Int8LSTM` has steps, the larger of every two: what is no chain of LSTM and dense layers."""
    grid = Int8LSTM().x
    shapes = {"x": (1, 10, 3), "map": (1, 10, 1, 3), "pooled": (1, 5, 1, 3), "rows": (1, 5, 3)}
    x, wide, half, rows = (n.tensor("int8", shape, *grid, name=name) for name, shape in shapes.items())
    for before, after in ((x, wide), (half, rows)):
        if after is rows:
            n.operator("MAX_POOL_2D", [wide], [half], {0: ("b", 1), 1: ("i", 1), 2: ("i", 2), 3: ("i", 1), 4: ("i", 2)}, options_type=5)
        shape = n.constant(np.array(n.tensors[after][0], np.int32))
        n.operator("RESHAPE", [before, shape], [after], {}, options_type=17)
    n.inputs = [x]
    return rows


def test_an_lstm_behind_other_layers_answers_as_tensorflow_lite(rng):
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    build = Int8LSTM(replaced={0: pooled})
    network = build.build()
    build.last_step()
    build.dense()
    interpreter = litert.Interpreter(model_content=network.bytes())
    interpreter.allocate_tensors()
    levels = rng.integers(-128, 128, (10, 3)).astype(np.int8)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], levels[None])
    interpreter.invoke()
    wanted = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    scale, zero = build.x
    found = reference.run(imported(network.bytes())[0], np.float32(scale) * (levels.astype(np.float32) - zero))[-1]
    assert (np.rint(found / 0.05) + 11).tolist() == wanted[0].tolist()


def test_an_lstm_whose_state_has_another_scale_is_refused():
    build = Int8LSTM(replaced={0: pooled, 18: lambda n: n.tensor("int8", (1, 4), 0.005, 9, variable=True)})
    network = build.build()
    with pytest.raises(el.UnsupportedModelError, match="has another scale or zero point than its output"):
        imported(network.bytes())


def gru(scale, hidden=3):
    """A GRU cell whose state is a variable; scale: of recurrent weights in int8."""
    rng, network = np.random.default_rng(2), Network()
    x, h = network.tensor("float32", (1, 2), name="x"), network.tensor("float32", (1, hidden))
    handle = network.tensor("resource", ())
    network.operator("VAR_HANDLE", [], [handle], {1: "h"}, options_type=111)
    network.operator("READ_VARIABLE", [handle], [h], {}, options_type=112)

    def made(kind, inputs, count=1, options=None, width=hidden):
        outputs = [network.tensor("float32", (1, width)) for _ in range(count)]
        network.operator(kind, inputs, outputs, options or {}, options_type=8)
        return outputs if count > 1 else outputs[0]

    parts = []
    for value, width in ((x, 2), (h, hidden)):
        weights = rng.uniform(-0.5, 0.5, (3 * hidden, width)).astype(np.float32)
        whole = scale is not None and value is h
        weight = network.constant(np.rint(weights / scale).astype(np.int8), scale) if whole else network.constant(weights)
        bias = network.constant(rng.uniform(-0.5, 0.5, 3 * hidden).astype(np.float32))
        sums = made("FULLY_CONNECTED", [value, weight, bias], options={3: ("B", 1)}, width=3 * hidden)
        parts.append(made("SPLIT", [network.constant(np.int32(1)), sums], 3, {0: ("i", 3)}))
    (a_z, a_r, a_n), (b_z, b_r, b_n) = parts
    z, r = (made("LOGISTIC", [made("ADD", pair)]) for pair in ((a_z, b_z), (a_r, b_r)))
    n = made("TANH", [made("ADD", [a_n, made("MUL", [r, b_n])])])
    rest = made("SUB", [network.constant(np.float32(1)), z])
    after = made("ADD", [made("MUL", [z, h]), made("MUL", [rest, n])])
    network.operator("ASSIGN_VARIABLE", [handle, after], [], {}, options_type=113)
    network.inputs, network.outputs = [x], [after]
    return network.bytes()


def test_a_gru_that_rounds_its_state_is_near_and_says_why():
    """It is one of floats, and answers a little differently."""
    assert [layer.kind for layer in imported(gru(None))[0].layers] == ["gru"]
    model, _, notes = imported(gru(0.01))
    assert [layer.kind for layer in model.layers] == ["gru"]
    (note,) = (note for note in notes if note.startswith(NEAR))
    assert "no LSTM, GRU or RNN cell" in note
    plain = imported(gru(None))[0]
    assert 0 < np.abs(model.layers[0].weight_hh - plain.layers[0].weight_hh).max() <= 0.005 + 1e-6
