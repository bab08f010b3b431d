"""GRU and Elman layers: frameworks against the twins, kernels against the twins, and what keeps a state finite."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import TOLERANCE, samples
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import edgelstm as el
from edgelstm import reference
from edgelstm.compiler.lowering.hidden import LARGEST_STATE

#: Sizes that no vector width divides, and some that they do.
SIZES = [(1, 1), (3, 5), (2, 15), (17, 118)]


def gru(rng, size, hidden, **options):
    """Weights uniform within +-1/sqrt(hidden), as PyTorch begins."""
    bound = 1 / np.sqrt(hidden)
    shapes = (3 * hidden, size), (3 * hidden, hidden), (3 * hidden,), (3 * hidden,)
    return el.GRU(*(rng.uniform(-bound, bound, shape) for shape in shapes), **options)


def rnn(rng, size, hidden, **options):
    bound = 1 / np.sqrt(hidden)
    shapes = (hidden, size), (hidden, hidden), (hidden,)
    return el.RNN(*(rng.uniform(-bound, bound, shape) for shape in shapes), **options)


def worst(model, xs):
    return np.abs(el.Stream(model).process(xs) - reference.run(model, xs)).max()


def side_by_side(layers):
    """One model of layers that all read the input: compiled once."""
    named = [replace(layer, name=f"layer{number}", inputs=("input",)) for number, layer in enumerate(layers)]
    return el.Model([*named, el.Activation("linear", inputs=[layer.name for layer in named])])


# Against frameworks


def of_torch(module):
    """The record of a `torch.nn` layer or cell."""
    weight_ih, weight_hh, bias_ih, bias_hh = (p.detach().numpy() for p in module.parameters())
    if len(weight_ih) == 3 * weight_hh.shape[1]:
        return el.GRU(weight_ih, weight_hh, bias_ih, bias_hh)
    return el.RNN(weight_ih, weight_hh, bias_ih + bias_hh, activation=module.nonlinearity)


@pytest.mark.parametrize("kind", ["GRU", "RNN", "relu"])
def test_torch_layers(kind):
    torch = pytest.importorskip("torch")
    torch.manual_seed(3)
    options = {"nonlinearity": "relu"} if kind == "relu" else {}
    for inputs, hidden in SIZES:
        module = getattr(torch.nn, kind.replace("relu", "RNN"))(inputs, hidden, **options)
        x = torch.randn(40, inputs)
        expected = module(x)[0].detach().numpy()
        model = el.Model([of_torch(module)])
        assert np.abs(reference.run(model, x.numpy()) - expected).max() <= 2e-6
        if hidden == 15:
            assert np.abs(el.Stream(model).process(x.numpy()) - expected).max() <= TOLERANCE["golden"]


@pytest.mark.parametrize("kind", ["GRUCell", "RNNCell"])
def test_torch_cells(kind):
    torch = pytest.importorskip("torch")
    torch.manual_seed(4)
    cell = getattr(torch.nn, kind)(4, 7)
    x, h = torch.randn(20, 1, 4), torch.zeros(1, 7)
    expected = []
    for row in x:
        h = cell(row, h)
        expected.append(h.detach().numpy()[0])
    assert np.abs(reference.run(el.Model([of_torch(cell)]), x[:, 0].numpy()) - expected).max() <= 2e-6


def answers_of_onnx(node, arrays, x):
    """What onnxruntime gives of one recurrent node with these initialisers: (time, hidden)."""
    onnx, ort = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    graph = onnx.helper.make_graph(
        [node],
        "one",
        [onnx.helper.make_tensor_value_info("X", 1, ["t", 1, x.shape[1]])],
        [onnx.helper.make_tensor_value_info("Y", 1, None)],
        [onnx.numpy_helper.from_array(np.asarray(value, np.float32)[None], name) for name, value in arrays.items()],
    )
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 14)], ir_version=8)
    return ort.InferenceSession(made.SerializeToString()).run(["Y"], {"X": x[:, None]})[0][:, 0, 0]


ONNX_GRUS = {
    "before": {},
    "after": {"linear_before_reset": 1},
    "clip": {"clip": 0.4, "linear_before_reset": 1},
    "clip-before": {"clip": 0.4},
    "activations": {"activations": ["HardSigmoid", "Softsign"], "linear_before_reset": 1},
    "relu": {"activations": ["Sigmoid", "Relu"]},
}


@pytest.mark.parametrize("case", ONNX_GRUS)
def test_onnxruntime_grus(rng, case):
    onnx = pytest.importorskip("onnx")
    options = ONNX_GRUS[case]
    words = {"HardSigmoid": "hard_sigmoid(0.2, 0.5)", "Softsign": "softsign", "Sigmoid": "sigmoid", "Relu": "relu"}
    gate, cell = (words[name] for name in options.get("activations", ["Sigmoid"])[:1] * 2)
    if "activations" in options:
        cell = words[options["activations"][1]]
    layer = gru(
        rng,
        3,
        7,
        reset_after=bool(options.get("linear_before_reset")),
        gate_activation=gate,
        cell_activation=cell if "activations" in options else "tanh",
        gate_clip=options.get("clip"),
    )
    zrn = np.r_[7:14, 0:7, 14:21]  # ONNX's order z r h
    arrays = {"W": layer.weight_ih[zrn], "R": layer.weight_hh[zrn], "B": np.concatenate([layer.bias_ih[zrn], layer.bias_hh[zrn]])}
    x = rng.normal(size=(30, 3)).astype(np.float32)
    expected = answers_of_onnx(onnx.helper.make_node("GRU", ["X", *arrays], ["Y"], hidden_size=7, **options), arrays, x)
    assert np.abs(reference.run(el.Model([layer]), x) - expected).max() <= 2e-6


@pytest.mark.parametrize("word", ["tanh", "relu", "sigmoid"])
def test_onnxruntime_elman_layers(rng, word):
    onnx = pytest.importorskip("onnx")
    layer = rnn(rng, 3, 5, activation=word, gate_clip=0.9)
    arrays = {"W": layer.weight_ih, "R": layer.weight_hh, "B": np.concatenate([layer.bias, np.zeros(5)])}
    x = rng.normal(size=(30, 3)).astype(np.float32)
    node = onnx.helper.make_node("RNN", ["X", *arrays], ["Y"], hidden_size=5, clip=0.9, activations=[word.capitalize()])
    assert np.abs(reference.run(el.Model([layer]), x) - answers_of_onnx(node, arrays, x)).max() <= 2e-6


@pytest.mark.parametrize("reset_after", [True, False])
def test_keras_grus(rng, monkeypatch, reset_after):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    layer = keras.layers.GRU(7, reset_after=reset_after, return_sequences=True, bias_initializer="uniform")
    x = rng.normal(size=(1, 30, 3)).astype(np.float32)
    expected = layer(x).detach().numpy()[0]
    kernel, recurrent, bias = (w.value.detach().numpy() for w in layer.weights)
    rzn = np.r_[7:14, 0:7, 14:21]  # Keras' order z r h
    biases = bias[:, rzn] if reset_after else (bias[rzn], None)
    record = el.GRU(kernel.T[rzn], recurrent.T[rzn], *biases, reset_after=reset_after)
    assert np.abs(reference.run(el.Model([record]), x[0]) - expected).max() <= 2e-6


def test_keras_simple_rnn(rng, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    layer = keras.layers.SimpleRNN(5, return_sequences=True, bias_initializer="uniform")
    x = rng.normal(size=(1, 30, 3)).astype(np.float32)
    expected = layer(x).detach().numpy()[0]
    kernel, recurrent, bias = (w.value.detach().numpy() for w in layer.weights)
    assert np.abs(reference.run(el.Model([el.RNN(kernel.T, recurrent.T, bias)]), x[0]) - expected).max() <= 2e-6


# Kernels against twins


@pytest.mark.parametrize(("inputs", "hidden"), [(3, 5), (9, 64), pytest.param(17, 118, marks=pytest.mark.slow)])
def test_layers_stay_with_the_reference_for_1000_steps(rng, inputs, hidden):
    start = {"h0": rng.uniform(-1, 1, hidden)}
    layers = [gru(rng, inputs, hidden, **start), gru(rng, inputs, hidden, reset_after=False, **start), rnn(rng, inputs, hidden, **start)]
    model = side_by_side(layers)
    assert worst(model, samples(rng, model, 1000)) <= TOLERANCE["f32"]


def test_every_gate_is_where_it_belongs(rng):
    """One gate driven at a time: a swapped or a wrongly scaled gate cannot hide."""
    layers = []
    for gate in range(3):
        bias = np.zeros((2, 12))
        bias[:, 4 * gate : 4 * gate + 4] = rng.uniform(-3, 3, (2, 4))
        weight_ih = np.zeros((12, 2))
        weight_ih[8:] = rng.uniform(-1, 1, (4, 2))
        weight_hh = np.zeros((12, 4))
        weight_hh[8:] = rng.uniform(-1, 1, (4, 4))
        layers += [el.GRU(weight_ih, weight_hh, *bias, np.full(4, 0.7), reset_after=after) for after in (True, False)]
    model = side_by_side(layers)
    assert worst(model, samples(rng, model, 10)) <= TOLERANCE["f32"]


@pytest.mark.slow
@settings(max_examples=2, deadline=None, derandomize=True, phases=[Phase.generate])
@given(st.data())
def test_random_sizes_and_options(data):
    """Several layers in one model, for a compilation takes seconds."""
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 32)))
    inputs = data.draw(st.sampled_from([1, 3, 5, 15, 118]))
    layers = []
    for _ in range(2):
        hidden = data.draw(st.sampled_from([1, 3, 5, 15, 41, 118]))
        clip = data.draw(st.sampled_from([None, 0.5, 2.0]))
        words = st.sampled_from(["tanh", "sigmoid", "softsign", "hard_tanh", "elu(1)", "relu"])
        gate = data.draw(st.sampled_from(["sigmoid", "hard_sigmoid", "hard_sigmoid(0.16666667, 0.5)"]))
        layers.append(
            gru(rng, inputs, hidden, reset_after=data.draw(st.booleans()), gate_activation=gate, cell_activation=data.draw(words))
        )
        layers.append(rnn(rng, inputs, hidden, activation=data.draw(words), gate_clip=clip))
    model = side_by_side(layers)
    xs = samples(rng, model, 60)
    expected = reference.run(model, xs)
    whole = el.Stream(model).process(xs)
    assert (np.abs(whole - expected).max(axis=0) / np.maximum(1, np.abs(expected).max(axis=0))).max() <= TOLERANCE["f32"]
    stream = el.Stream(model)
    np.testing.assert_array_equal([stream.step(x).copy() for x in xs[:7]], whole[:7])
    np.testing.assert_array_equal(stream.process(xs[7:]), whole[7:])


def test_reverse_and_masks(rng):
    """A GRU from a recording's end past padding, behind one from its start."""
    units = el.Normalizer(np.zeros(4), np.ones(4), name="units", inputs=("input",))
    first = gru(rng, 4, 6, mask="repeat", name="first", inputs=("units", "mask"))
    last = gru(rng, 6, 5, reset_after=False, reverse=True, mask="zero", inputs=("first", "mask"))
    model = el.Model([units, el.Mask(0, name="mask", inputs=("input",)), first, last])
    xs = rng.uniform(-1, 1, (30, 4)).astype(np.float32)
    xs[[0, 1, 7, 29]] = 0
    assert worst(model, xs) <= TOLERANCE["f32"]


# What keeps a state finite


def saturated(rng):
    """z at its end: h is kept, whatever n is."""
    hidden = 16
    bias = np.concatenate([rng.uniform(-3, 3, hidden), np.full(hidden, 40.0), rng.uniform(-3, 3, hidden)])
    return el.GRU(np.zeros((48, 1)), rng.uniform(-0.3, 0.3, (48, hidden)), bias, h0=rng.uniform(-1, 1, hidden))


def test_h_that_is_kept_never_grows_beyond_one(rng):
    """z is 1 but for its last bit, which is what h moves towards n by at each step."""
    layer, steps = saturated(rng), 20_000
    last = el.Stream(el.Model([layer])).process(np.zeros((steps, 1), np.float32))[-1]
    assert np.abs(last - layer.h0).max() <= steps * 2.0**-23 * 2
    assert np.abs(last).max() <= 1


@pytest.mark.parametrize("kind", ["gru", "rnn"])
def test_a_state_that_diverges_stays_finite(rng, kind):
    if kind == "rnn":
        layer = el.RNN(rng.uniform(-1, 1, (8, 2)), 3 * np.eye(8), activation="relu")
    else:
        weights = rng.uniform(-1, 1, (24, 2)), 90 * rng.uniform(-1, 1, (24, 8))
        layer = el.GRU(*weights, gate_activation="relu", cell_activation="relu")
    stream = el.Stream(el.Model([layer]))
    answers = stream.process(np.ones((300, 2), np.float32))
    assert np.isfinite(answers).all()
    assert np.abs(answers).max() == np.float32(LARGEST_STATE)
    stream.restore(stream.snapshot())


def test_nan_passes_where_it_may(rng):
    model = side_by_side([gru(rng, 2, 5), gru(rng, 2, 5, reset_after=False, gate_clip=1.0), rnn(rng, 2, 5, activation="relu")])
    stream = el.Stream(model, nan_policy="propagate")
    assert np.isnan(stream.step(np.array([np.nan, 0], np.float32))).all()


# Records


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight_hh": np.zeros((12, 5))}, "gates r z n"),
        ({"weight_ih": np.zeros((11, 2))}, r"weight_ih must have shape \(12, 2\)"),
        ({"bias_hh": np.zeros(4)}, r"bias_hh must have shape \(12,\)"),
        ({"h0": np.zeros(3)}, "h0 must have shape"),
        ({"reset_after": 1}, "true or false"),
        ({"gate_clip": 0.0}, "gate_clip must be a number from"),
        ({"gate_clip": True}, "gate_clip must be a number from"),
        ({"gate_activation": "softmax"}, "gate_activation must be one of"),
        ({"cell_activation": "scaled_tanh"}, r"cell_activation must be of the form scaled_tanh\(a, b\)"),
    ],
)
def test_a_gru_refuses_what_does_not_fit(change, message):
    good = {"weight_ih": np.zeros((12, 2)), "weight_hh": np.zeros((12, 4))}
    assert el.GRU(**good).hidden_size == 4
    with pytest.raises(el.EdgeLSTMError, match=message):
        el.GRU(**{**good, **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight_hh": np.zeros((4, 5))}, "takes h to h"),
        ({"weight_ih": np.zeros((5, 2))}, "weight_ih must have shape"),
        ({"bias": np.zeros(5)}, "bias must have shape"),
        ({"activation": None}, "activation must be one of"),
    ],
)
def test_an_elman_layer_refuses_what_does_not_fit(change, message):
    good = {"weight_ih": np.zeros((4, 2)), "weight_hh": np.zeros((4, 4))}
    with pytest.raises(el.EdgeLSTMError, match=message):
        el.RNN(**{**good, **change})
