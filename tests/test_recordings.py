"""Networks that need whole recordings: bidirectional layers, the ends of a recording, its order, its padding."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import TOLERANCE
from golden_files import golden_answers, golden_file

import edgelstm as el
from edgelstm import reference


def lstm(rng, inputs, hidden, **fields):
    weights = [rng.uniform(-0.6, 0.6, shape).astype(np.float32) for shape in ((4 * hidden, inputs), (4 * hidden, hidden), 4 * hidden)]
    return el.LSTM(*weights, **fields)


def torch_directions(weights, prefix, layer):
    """Of a bidirectional torch LSTM: the records of one layer's directions."""
    for suffix in ("", "_reverse"):
        w_ih, w_hh, b_ih, b_hh = (
            np.asarray(weights[f"{prefix}{part}_l{layer}{suffix}"]) for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        yield el.LSTM(w_ih, w_hh, b_ih + b_hh)


def torch_stack(weights, prefix, layers, source):
    """The records of a bidirectional torch LSTM."""
    made = []
    for k in range(layers):
        name = f"layer{k}"
        made += el.Bidirectional(*torch_directions(weights, prefix, k), name=name, inputs=(source,))
        source = name
    return made


@pytest.fixture(scope="module")
def uzmorph():
    torch = pytest.importorskip("torch")
    weights = torch.load(golden_file("uzmorph/morph_bilstm.pth"), weights_only=True)
    head = el.Dense(np.asarray(weights["hidden2tag.weight"]), np.asarray(weights["hidden2tag.bias"]))
    table = el.Embedding(np.asarray(weights["char_embeddings.weight"]), name="characters")
    stack = torch_stack(weights, "lstm.", 2, "characters")
    return el.Model([table, *stack]), el.Model([table, *stack, head]), golden_answers("uzmorph/golden.npz")


def test_a_real_tagger_answers_as_torch_does(uzmorph):
    tagger, whole, told = uzmorph
    for ids, y in zip(told["ids"], told["y"], strict=True):
        np.testing.assert_allclose(reference.run(tagger, ids[:, None]), y, atol=TOLERANCE["golden"])
    tolerance = {"rtol": TOLERANCE["golden"], "atol": TOLERANCE["golden"]}
    for answers in (reference.run(whole, told["ids"][0][:, None]), el.Stream(whole).process(told["ids"][0])):
        np.testing.assert_allclose(answers, told["logits0"], **tolerance)


def test_torch_packed_sequences(rng):
    """Each recording of a padded batch ends at its own length, and there its backward direction begins."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(4)
    net = torch.nn.LSTM(5, 7, num_layers=2, bidirectional=True, batch_first=True)
    stack = torch_stack({name: value.detach() for name, value in net.named_parameters()}, "", 2, "input")
    ends = el.Last(["last", "first"], inputs=("layer1.forward", "layer1.backward"))
    model, summed = el.Model(stack), el.Model([*stack[:-1], ends])
    xs, lengths = rng.uniform(-1, 1, (3, 20, 5)).astype(np.float32), [20, 11, 1]
    with torch.no_grad():
        packed = torch.nn.utils.rnn.pack_padded_sequence(torch.tensor(xs), lengths, batch_first=True)
        y, (h, _) = net(packed)
        y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=True)
    for row, length in enumerate(lengths):
        np.testing.assert_allclose(reference.run(model, xs[row, :length]), y[row, :length], atol=1e-6)
        np.testing.assert_allclose(reference.run(summed, xs[row, :length]), torch.cat([h[2, row], h[3, row]])[None], atol=1e-6)


def arrays(layer):
    """What a Keras layer on torch holds."""
    return [weight.value.detach().numpy() for weight in layer.weights]


def keras_lstm(layer, **fields):
    """The record of a Keras LSTM: the kernels transposed."""
    kernel, recurrent, bias = arrays(layer)
    return el.LSTM(kernel.T, recurrent.T, bias, **fields)


@pytest.fixture
def keras(monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(3)
    return keras


@pytest.mark.parametrize("sequences", [True, False])
@pytest.mark.parametrize("merge", ["concat", "sum", "mul", "ave"])
def test_keras_bidirectional(keras, rng, merge, sequences):
    layer = keras.layers.Bidirectional(keras.layers.LSTM(6, return_sequences=sequences), merge_mode=merge)
    xs = rng.uniform(-2, 2, (1, 9, 4)).astype(np.float32)
    expected = np.asarray(layer(xs).detach())[0].reshape(-1, 12 if merge == "concat" else 6)
    directions = keras_lstm(layer.forward_layer), keras_lstm(layer.backward_layer)
    model = el.Model(el.Bidirectional(*directions, merge=merge, sequences=sequences, inputs=("input",)))
    np.testing.assert_allclose(reference.run(model, xs[0]), expected, atol=1e-6)


def test_keras_go_backwards_answers_in_reversed_time(keras, rng):
    xs = rng.uniform(-2, 2, (1, 9, 4)).astype(np.float32)
    layer = keras.layers.LSTM(6, return_sequences=True, go_backwards=True)
    expected = np.asarray(layer(xs).detach())[0]
    np.testing.assert_allclose(reference.run(el.Model([keras_lstm(layer, reverse=True), el.Reverse()]), xs[0]), expected, atol=1e-6)


@pytest.mark.parametrize("sequences", [True, False])
def test_keras_masks_of_an_embedding(keras, rng, sequences):
    """Index 0 is padding, before, between and behind the others. Keras' Bidirectional zeroes the outputs of masked steps."""
    table = keras.layers.Embedding(9, 5, mask_zero=True)
    layer = keras.layers.Bidirectional(keras.layers.LSTM(4, return_sequences=sequences))
    ids = np.array([[0, 0, 3, 5, 0, 0, 8, 1, 2, 0, 0, 0]])
    expected = np.asarray(layer(table(ids)).detach())[0].reshape(-1, 8)
    layers = masked_tagger(arrays(table)[0], keras_lstm(layer.forward_layer), keras_lstm(layer.backward_layer), sequences)
    np.testing.assert_allclose(reference.run(el.Model(layers), ids[0][:, None]), expected, atol=1e-6)


def masked_tagger(table, forward, backward, sequences):
    mask = "zero" if sequences else "repeat"
    directions = [el.LSTM(d.weight_ih, d.weight_hh, d.bias, mask=mask) for d in (forward, backward)]
    return [
        el.Embedding(table, name="table", inputs=("input",)),
        el.Mask(name="mask", inputs=("input",)),
        *el.Bidirectional(*directions, sequences=sequences, inputs=("table", "mask")),
    ]


def test_keras_masking_of_measurements_forwards(keras, rng):
    """A masked network that reads forwards alone can step; a masked step repeats the output."""
    xs = rng.uniform(-1, 1, (1, 10, 3)).astype(np.float32)
    xs[0, [0, 4, 5, 9]] = -1.5
    xs[0, 2, 1] = -1.5
    layer = keras.layers.LSTM(4, return_sequences=True)
    expected = np.asarray(layer(keras.layers.Masking(-1.5)(xs)).detach())[0]
    record = keras_lstm(layer, mask="repeat", inputs=("same", "mask"))
    model = el.Model([el.Normalizer(np.zeros(3), np.ones(3), name="same"), el.Mask(-1.5, name="mask", inputs=("input",)), record])
    assert model.streams
    np.testing.assert_allclose(reference.run(model, xs[0]), expected, atol=1e-6)


def onnx_rows(blocks, order):
    """Gates of ONNX in the order of the records."""
    return np.concatenate([np.split(blocks, len(order))[k] for k in order])


def onnx_direction(op, w, r, b):
    """The record of one direction of an ONNX node: W, R and B without the direction's axis."""
    gates = {"LSTM": [0, 2, 3, 1], "GRU": [1, 0, 2], "RNN": [0]}[op]
    w, r = onnx_rows(w, gates), onnx_rows(r, gates)
    bias_ih, bias_hh = (onnx_rows(part, gates) for part in np.split(b, 2))
    if op == "GRU":
        return el.GRU(w, r, bias_ih, bias_hh, reset_after=True)
    return {"LSTM": el.LSTM, "RNN": el.RNN}[op](w, r, bias_ih + bias_hh)


@pytest.mark.parametrize("op", ["LSTM", "GRU", "RNN"])
def test_onnx_bidirectional_with_lengths(op, rng):
    """Y is 0 past each recording's end, where its reverse direction begins; Y_h holds the ends of both directions."""
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    helper, f32 = onnx.helper, onnx.TensorProto.FLOAT
    gates, hidden, size, time, lengths = {"LSTM": 4, "GRU": 3, "RNN": 1}[op], 5, 3, 9, [9, 4, 1]
    shapes = {"W": (2, gates * hidden, size), "R": (2, gates * hidden, hidden), "B": (2, 2 * gates * hidden)}
    arrays = {name: rng.uniform(-0.7, 0.7, shape).astype(np.float32) for name, shape in shapes.items()}
    extra = {"linear_before_reset": 1} if op == "GRU" else {}
    node = helper.make_node(op, ["X", "W", "R", "B", "L"], ["Y", "Y_h"], hidden_size=hidden, direction="bidirectional", **extra)
    inputs = [helper.make_tensor_value_info("X", f32, (time, 3, size)), helper.make_tensor_value_info("L", onnx.TensorProto.INT32, (3,))]
    outputs = [helper.make_tensor_value_info(name, f32, None) for name in ("Y", "Y_h")]
    graph = helper.make_graph([node], "g", inputs, outputs, [onnx.numpy_helper.from_array(a, n) for n, a in arrays.items()])
    built = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    xs = rng.uniform(-1, 1, (time, 3, size)).astype(np.float32)
    y, y_h = runtime.InferenceSession(built.SerializeToString()).run(None, {"X": xs, "L": np.array(lengths, np.int32)})
    directions = [onnx_direction(op, *(arrays[name][k] for name in "WRB")) for k in range(2)]
    model = el.Model(el.Bidirectional(*directions, inputs=("input",)))
    ends = el.Model(el.Bidirectional(*directions, inputs=("input",), sequences=False))
    stream, summary = el.Stream(model), el.Stream(ends)
    batch = xs.transpose(1, 0, 2)
    np.testing.assert_allclose(stream.process(batch, length=lengths), y.transpose(2, 0, 1, 3).reshape(3, time, 10), atol=1e-6)
    np.testing.assert_allclose(summary.process(batch, length=lengths)[:, 0], y_h.transpose(1, 0, 2).reshape(3, 10), atol=1e-6)


def test_attention_over_a_recording_as_torch_has_it(rng):
    """Softmax over time of a score, the weighted sum of rows: over all of them, and past padding."""
    torch = pytest.importorskip("torch")
    xs, score = rng.normal(size=(40, 6)).astype(np.float32), rng.uniform(-30, 30, (1, 6)).astype(np.float32)
    keep = np.arange(40) % 3 > 0
    xs[~keep] = 7
    reads = {"name": "score", "inputs": ("input",)}
    whole = el.Model([el.Dense(score, **reads), el.AttentionPool(inputs=("input", "score")), el.Last()])
    pool = el.AttentionPool(inputs=("input", "score", "mask"), mask="repeat")
    masked = el.Model([el.Dense(score, **reads), el.Mask(7, name="mask", inputs=("input",)), pool, el.Last()])
    for model, rows in ((whole, xs), (masked, xs[keep])):
        given = torch.tensor(rows, dtype=torch.float64)
        expected = torch.softmax(given @ torch.tensor(score, dtype=torch.float64).T, dim=0).T @ given
        np.testing.assert_allclose(reference.run(model, xs), expected, atol=1e-9)
    np.testing.assert_allclose(el.Stream(masked).process(xs), reference.run(masked, xs), atol=TOLERANCE["f32"])


def test_torch_convolutions_and_pooling_before_both_directions(rng):
    """Zeros at both ends, strides: what a convolution or a pool gives is read from both ends, row by row."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(2)
    first, second = torch.nn.Conv1d(3, 8, 5, padding=2), torch.nn.Conv1d(8, 6, 4, stride=2, padding=1)
    gru = torch.nn.GRU(6, 5, bidirectional=True, batch_first=True)
    w1, b1, w2, b2 = (p.detach().numpy() for p in (*first.parameters(), *second.parameters()))
    cells = {name: value.detach().numpy() for name, value in gru.named_parameters()}
    directions = [
        el.GRU(*(cells[f"{part}_l0{suffix}"] for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))) for suffix in ("", "_reverse")
    ]
    layers = [
        el.Conv1D(w1, b1, padding="same"),
        el.Activation("relu"),
        el.MaxPool1D(2),
        el.Conv1D(w2, b2, stride=2, padding=[1, 1], name="rows"),
        *el.Bidirectional(*directions, inputs=("rows",)),
        el.GlobalAveragePool1D(name="mean"),
        el.Last(),
    ]
    model, sequence = el.Model(layers), el.Model(layers[:-2])
    stream, rows = el.Stream(model), el.Stream(sequence)
    for steps in (4, 5, 17, 64, 101):
        xs = rng.normal(size=(steps, 3)).astype(np.float32)
        with torch.no_grad():
            pooled = torch.nn.functional.max_pool1d(torch.relu(first(torch.tensor(xs.T[None]))), 2)
            expected = gru(second(pooled).transpose(1, 2))[0][0]
        np.testing.assert_allclose(reference.run(sequence, xs), expected, atol=1e-6)
        np.testing.assert_allclose(rows.process(xs), expected, atol=2e-6)
        np.testing.assert_allclose(stream.process(xs), expected.mean(axis=0)[None], atol=2e-6)
    with pytest.raises(el.InputError, match="needs at least 4 samples; got 3"):
        stream.process(xs[:3])
    stream.warmup(1)  # too short for a row: nothing runs


@pytest.mark.slow
def test_ends_of_several_rates_are_joined(rng):
    """Each is there when the recording ends; fewer rows than the slowest answers are refused."""
    model = el.Model(
        [
            el.MaxPool1D(2, name="pool", inputs=("input",)),
            replace(lstm(rng, 3, 4), name="every", inputs=("input",)),
            replace(lstm(rng, 3, 3), name="second", inputs=("pool",)),
            el.Window(3, stride=3, padding="valid", name="all", inputs=("second",)),
            *(el.Last(name=f"end of {name}", inputs=(name,)) for name in ("every", "second", "all")),
            el.Concat(inputs=("end of every", "end of second", "end of all")),
            el.Dense(rng.uniform(-1, 1, (2, 16))),
        ]
    )
    stream = el.Stream(model)
    for count in (6, 7, 11):
        xs = rng.uniform(-1, 1, (count, 3)).astype(np.float32)
        np.testing.assert_allclose(stream.process(xs), reference.run(model, xs), rtol=0, atol=1e-5)
    with pytest.raises(el.EdgeLSTMError, match="at least 6 samples"):
        stream.process(np.zeros((5, 3), np.float32))
