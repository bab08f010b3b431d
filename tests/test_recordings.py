"""Networks that need whole recordings: bidirectional layers, the ends of a recording, its order, its padding."""

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
    np.testing.assert_allclose(
        reference.run(whole, told["ids"][0][:, None]), told["logits0"], rtol=TOLERANCE["golden"], atol=TOLERANCE["golden"]
    )


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
@pytest.mark.parametrize("merge", ["concat", "sum", "ave"])
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
