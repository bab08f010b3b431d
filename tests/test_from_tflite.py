"""TensorFlow Lite files: full-int8 chains become integer records that answer as the golden bytes."""

import numpy as np
import pytest
from golden_files import golden_answers
from tflite_files import Int8LSTM, Network

import edgelstm as el
from edgelstm import reference
from edgelstm.importers import import_file
from edgelstm.importers.from_tflite import file as tflite_file
from edgelstm.importers.from_tflite.chains import from_tflite
from edgelstm.layers.dense_int8_static import DenseInt8Static
from edgelstm.layers.lstm_int8_static import LSTMInt8Static
from edgelstm.reference import functions
from edgelstm.reference import lstm_int8_static as lstm_twin


def imported(network, layers=None):
    return from_tflite(tflite_file.read(network.bytes()), layers)


def refused(network, layers=None):
    """The message of the refusal."""
    with pytest.raises(el.UnsupportedModelError) as caught:
        imported(network, layers)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def mnist(golden):
    answers = golden_answers("tflm_mnist_lstm/golden.npz")
    return golden("tflm_mnist_lstm/trained_lstm_int8.tflite"), answers


def sequence(layer, image, forced=None):
    """h of every step of an image: (28, 20). `forced`: the h that each step starts from is the step before's of these."""
    h, c = (s.astype(np.int64) for s in lstm_twin.start(layer))
    found = []
    for step, x in enumerate(image.astype(np.int64)):
        h, c = lstm_twin.integer_step(layer, x, h, c)
        found.append(h)
        h = h if forced is None else forced[step].astype(np.int64)
    return np.array(found)


def test_the_golden_lstm_step_by_step(mnist):
    """Before each step h is set to the golden bytes. The file lacks the int16 cell, which the twin carries from each image's start."""
    path, answers = mnist
    (layer,) = import_file(path, layers="lstm").model.layers
    pairs = zip(answers["syn_x_int8"], answers["syn_lstm_int8"], strict=True)
    apart = np.array([np.abs(sequence(layer, x, forced) - forced) for x, forced in pairs])  # (6, 28, 20)
    assert (apart <= 1).mean() >= 0.999
    assert (apart == 0).mean() >= 0.95


def test_the_golden_digits(mnist):
    """Without forcing, with the head that the importer refuses computed from the file's own numbers."""
    path, answers = mnist
    (layer,) = import_file(path, layers="lstm").model.layers
    head = next(o for o in tflite_file.read(path.read_bytes()).operators if o.kind == "FULLY_CONNECTED")
    weight, bias = head.constant(1, "int8", 2).astype(int), head.constant(2, "int32", 1)
    step = float(head.operand(0).scale[0]) * float(head.operand(1).scale[0])
    for x, out in zip(answers["syn_x_int8"], answers["syn_out_int8"], strict=True):
        h = sequence(layer, x).reshape(-1) - head.operand(0).zero_point[0]  # (560,)
        probability = functions.softmax((weight @ h + bias) * step)
        assert probability.argmax() == out.argmax()
        assert np.abs(probability * 256 - 128 - out).max() <= 8


def test_the_golden_model_takes_bytes_or_floats(mnist):
    """Pixels as floats enter as the same integers, and h leaves as multiples of its scale."""
    path, answers = mnist
    model = import_file(path, layers="lstm").model
    assert (model.window, model.source) == (28, "TensorFlow Lite: trained_lstm_int8.tflite")
    (layer,) = model.layers
    scale, zero_point = float(layer.input_scale[0]), layer.input_zero_point
    floats = reference.run(model, (answers["syn_x_int8"][0].astype(float) - zero_point) * scale)
    np.testing.assert_allclose(floats, sequence(layer, answers["syn_x_int8"][0]) * float(layer.hidden_scale[0]), rtol=1e-6)


def test_the_golden_model_is_saved_and_loaded(mnist, tmp_path):
    taken = import_file(mnist[0], layers="lstm")
    assert taken.chain == "lstm"
    assert taken.notes == ("Left out, as the layers 'lstm' say: RESHAPE, FULLY_CONNECTED, SOFTMAX.",)
    el.save(taken.model, tmp_path / "m.elstm")
    (layer,) = el.load(tmp_path / "m.elstm").layers
    assert layer.options() == {"input_zero_point": -128, "hidden_zero_point": 0, "cell_bits": 12, "cell_clip": 32767}


@pytest.mark.parametrize("layers", [None, "lstm, dense:softmax"])
def test_a_head_over_the_flattened_sequence(mnist, layers):
    """A window holds all steps of an image; every image is answered at its last step."""
    path, answers = mnist
    taken = import_file(path, layers=layers)
    kinds = ["lstm_int8_static", "window", "dense_int8_static", "softmax", "fake_quantize"]
    assert [layer.kind for layer in taken.model.layers] == kinds
    lstm = taken.model.layers[0]
    for x, out in zip(answers["syn_x_int8"], answers["syn_out_int8"], strict=True):
        (found,) = reference.run(taken.model, (x.astype(float) - lstm.input_zero_point) * float(lstm.input_scale[0]))
        assert np.abs(found * 256 - 128 - out).max() <= 8
        assert (found * 256 == np.rint(found * 256)).all()


def test_the_golden_float_file_whole(golden):
    """28 rows, a flattened sequence, a dense layer and a softmax."""
    model = el.load(golden("tflm_mnist_lstm/trained_lstm.tflite"))
    answers = np.load(golden("tflm_mnist_lstm/golden.npz"))
    assert model.window == 28
    for image, out in zip(answers["syn_images"], answers["syn_prob"], strict=True):
        assert np.abs(reference.run(model, image / 255)[-1] - out).max() <= 1e-5


def test_the_golden_float_file_clips_its_cell(golden):
    """As the Keras converter writes every fused LSTM."""
    (layer,) = import_file(golden("tflm_mnist_lstm/trained_lstm.tflite"), layers="lstm").model.layers
    answers = np.load(golden("tflm_mnist_lstm/golden.npz"))
    assert layer.cell_clip == 10
    for image, h in zip(answers["syn_images"], answers["syn_lstm"], strict=True):
        assert np.abs(reference.run(el.Model([layer]), image / 255) - h).max() <= 1e-5


def test_the_reader_agrees_with_the_packages(mnist):
    tflite = pytest.importorskip("tflite", reason="the tflite package is not installed")
    data = mnist[0].read_bytes()
    graph = tflite.Model.GetRootAs(data, 0).Subgraphs(0)
    mine = tflite_file.read(data).operators[0].operand(5)
    theirs = graph.Tensors(int(graph.Operators(0).InputsAsNumpy()[5]))
    assert mine.name == theirs.Name().decode()[:80]
    assert mine.shape == tuple(theirs.ShapeAsNumpy())
    assert mine.scale == theirs.Quantization().ScaleAsNumpy()


def test_a_whole_chain(rng):
    file = Int8LSTM()
    network = file.build()
    file.last_step()
    file.dense(5, function=1, per_row=True)
    file.function("SOFTMAX", options={0: ("f", 1.0)})
    model, chain, notes = imported(network)
    assert chain == "lstm, dense:relu, softmax"
    assert [type(layer) for layer in model.layers] == [LSTMInt8Static, DenseInt8Static, el.Activation, el.Softmax, el.FakeQuantize]
    assert model.window == 5
    assert notes == [
        "Every step gives an answer, as though the sequence ended with it.",
        "softmax is computed in float32 and rounded to int8 levels; TensorFlow Lite has tables, which differ by one level at times.",
    ]
    assert np.isfinite(reference.run(model, rng.uniform(-3, 3, (9, 3)))).all()


def test_the_numbers_of_the_records():
    file = Int8LSTM(x=(0.5, 100), cell=2.0**-11, clip=3.7)
    network = file.build()
    file.dense(2, per_row=True)
    lstm, dense = imported(network)[0].layers
    scales = [network.tensors[n][4][2][0] for n in network.operators[0][1][1:9]]
    found = [m.astype(float) / 2**31 * 2.0**s for m, s in ((lstm.mantissa_ih, lstm.shift_ih), (lstm.mantissa_hh, lstm.shift_hh))]
    np.testing.assert_allclose(np.concatenate(found), 4096 * np.array([0.5] * 4 + [0.008] * 4) * scales, rtol=1e-6)
    np.testing.assert_allclose(lstm.mantissa_out[0] / 2**31 * 2.0 ** lstm.shift_out[0], 2.0**-30 / 0.008, rtol=1e-6)
    assert (lstm.cell_bits, lstm.cell_clip, lstm.input_zero_point, lstm.hidden_zero_point) == (11, int(3.7 * 2048), 100, -3)
    np.testing.assert_array_equal(lstm.weight_ih[4:8], network.buffers[2][0].view(np.int8).reshape(4, 3))
    np.testing.assert_array_equal(lstm.bias[:4], network.buffers[9][0].view(np.int32))
    scale = network.tensors[network.operators[1][1][1]][4][2]
    np.testing.assert_allclose(dense.mantissa / 2**31 * 2.0**dense.shift, 0.008 * scale / 0.05, rtol=1e-6)
    assert (dense.input_zero_point, dense.output_zero_point) == (-3, 11)


def test_time_may_stand_first_and_no_clip_is_none():
    model = imported(Int8LSTM(time_major=True, clip=0.0).build())[0]
    assert (model.window, model.input_size, model.layers[0].cell_clip) == (5, 3, None)


def test_an_open_length_gives_no_window():
    network = Int8LSTM().build()
    network.tensors[network.inputs[0]][7] = np.array([1, -1, 3], np.int32)
    assert imported(network)[0].window is None


def test_floats_at_both_ends():
    file = Int8LSTM()
    network = file.build()
    first, x = network.tensor("float32", (1, 5, 3)), network.inputs[0]
    network.operator("QUANTIZE", [first], [x])
    network.operators.insert(0, network.operators.pop())
    last = network.tensor("float32", (1, 5, 4))
    network.operator("DEQUANTIZE", [file.last], [last])
    network.inputs, network.outputs = [first], [last]
    model, chain, notes = imported(network)
    assert (chain, notes, len(model.layers)) == ("lstm", [], 1)


def float_network(clip, rng):
    network = Network()
    shapes = [(4, 3)] * 4 + [(4, 4)] * 4 + [(4,)] * 4
    arrays = [rng.uniform(-1, 1, shape).astype(np.float32) for shape in shapes]
    x, y = network.tensor("float32", (1, 5, 3)), network.tensor("float32", (1, 5, 4))
    h, c = (network.tensor("float32", (1, 4), variable=True) for _ in "hc")
    weights = [network.constant(a) for a in arrays]
    operands = [x, *weights[:8], -1, -1, -1, *weights[8:], -1, -1, h, c, -1, -1, -1, -1]
    network.operator("UNIDIRECTIONAL_SEQUENCE_LSTM", operands, [y], {0: ("b", 4), 1: ("f", clip)}, options_type=71)
    z = network.tensor("float32", (1, 5, 2))
    head = [rng.uniform(-1, 1, shape).astype(np.float32) for shape in ((2, 4), (2,))]
    network.operator("FULLY_CONNECTED", [y, *map(network.constant, head)], [z], {0: ("b", 0)}, options_type=8)
    network.inputs, network.outputs = [x], [z]
    stacked = [np.concatenate(arrays[i : i + 4]) for i in (0, 4, 8)]
    return network, el.Model([el.LSTM(*stacked), el.Dense(*head)])


def test_a_float_file_without_clip(rng):
    network, expected = float_network(0.0, rng)
    xs = rng.uniform(-1, 1, (7, 3))
    np.testing.assert_array_equal(reference.run(imported(network)[0], xs), reference.run(expected, xs))


def test_a_float_file_with_a_clip(rng):
    lstm = imported(float_network(0.25, rng)[0])[0].layers[0]
    assert lstm.options() == {"cell_clip": 0.25}


@pytest.mark.parametrize("answers", ["y", "y_cifg"])
def test_tensorflow_lites_published_cell(golden, answers):
    """Peepholes, a projection and layer normalisation, with four gates and with three."""
    g = np.load(golden("tflite_layernorm/golden.npz"))
    network = Network()

    def gates(name, order="ifgo"):
        absent = "i" if answers == "y_cifg" else ""
        return [-1 if gate in absent else network.constant(g[name + gate].astype(np.float32)) for gate in order]

    x, y = network.tensor("float32", (1, 3, 5)), network.tensor("float32", (1, 3, 3))
    h, c = (network.tensor("float32", (1, size), variable=True) for size in (3, 4))
    operands = [x, *gates("w"), *gates("u"), *gates("p", "ifo"), *gates("b"), network.constant(g["proj"].astype(np.float32)), -1]
    options = {0: ("b", 4), 1: ("f", 0.0), 2: ("f", 0.0)}
    network.operator("UNIDIRECTIONAL_SEQUENCE_LSTM", [*operands, h, c, *gates("n")], [y], options, options_type=71)
    network.inputs, network.outputs = [x], [y]
    model = imported(network)[0]
    for batch in range(2):
        assert np.abs(reference.run(model, g["x"][:, batch]) - g[answers][:, batch]).max() <= 1e-6


@pytest.mark.parametrize("begin", [-1, 4])
def test_the_last_step_may_be_counted_from_both_ends(begin):
    file = Int8LSTM()
    network = file.build()
    file.last_step(begin)
    assert len(imported(network)[0].layers) == 1


def test_two_lstms_are_told_apart_and_need_every_step():
    def stacked(last_step, steps=5):
        file = Int8LSTM(inputs=4, x=(0.008, -3), steps=steps)
        network = file.build()
        if last_step:
            file.last_step()
        second = Int8LSTM(inputs=4, x=(0.008, -3), seed=1, steps=1 if last_step else 5, network=network)
        before, x = file.last, network.inputs
        second.build()
        y = network.operators.pop()
        if last_step:
            network.operator("RESHAPE", [before], [int(y[1][0])])
            network.codes[-2:] = network.codes[:-3:-1]
        else:
            y[1][0] = before
        y[0] = ("I", len(network.operators))
        network.operators.append(y)
        network.inputs = x
        return network

    model, chain, _ = imported(stacked(last_step=False))
    assert chain == "lstm1, lstm2"
    assert [layer.name for layer in model.layers] == ["lstm1", "lstm2"]
    assert imported(stacked(last_step=False), "lstm1")[2] == ["Left out, as the layers 'lstm1' say: UNIDIRECTIONAL_SEQUENCE_LSTM."]
    for steps in (5, 1):
        assert "does not take every step" in refused(stacked(last_step=True, steps=steps))


@pytest.mark.parametrize("layers", ["dense", "lstm:relu", "lstm, dense", "lstm, dense:softmax, softmax"])
def test_layers_that_the_file_does_not_begin_with(layers):
    file = Int8LSTM()
    network = file.build()
    file.dense(2, function=1)
    with pytest.raises(el.UsageError, match="which is 'lstm, dense:relu'"):
        imported(network, layers)


def test_a_prefix_has_no_meaning(tmp_path):
    (tmp_path / "m").write_bytes(Int8LSTM().build().bytes())
    with pytest.raises(el.UsageError, match="no prefixes"):
        import_file(tmp_path / "m", prefix="model")
