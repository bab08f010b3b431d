"""Options of an LSTM cell: kernels against the float64 twin, the twin against published vectors and frameworks; what is refused."""

import dataclasses
import warnings

import numpy as np
import pytest
from conftest import TOLERANCE, samples
from hypothesis import given, settings
from hypothesis import strategies as st
from lstm_cells import CLIPS, HARD, MIXED, RELU, lstm

import edgelstm as el
from edgelstm import reference
from edgelstm.compiler.reach import input_limit
from edgelstm.layers.cells import LARGEST

#: Options of layers that are built, at sizes that no width divides and at one with several tiles.
CASES = {
    "peepholes": (3, 15, {"peephole": True}),
    "peepholes, one unit": (1, 1, {"peephole": True, "coupled": "f=1-i"}),
    "coupled": (5, 3, {"coupled": "f=1-i"}),
    "coupled the other way": (9, 118, {"coupled": "i=1-f", "peephole": True}),
    "clips": (40, 118, {"peephole": True, **CLIPS}),
    "projection": (40, 128, {"projection": 70}),
    "projection to one": (2, 5, {"projection": 1, "projection_clip": 0.05}),
    "hard": (5, 20, HARD),
    "mixed": (9, 41, {"projection": 15, **MIXED}),
    "tflite": (9, 118, {"norm": "tflite", "peephole": True, "projection": 15, "cell_clip": 0.5}),
    "tf1": (3, 15, {"norm": "tf1", "coupled": "f=1-i"}),
    "torch": (40, 70, {"norm": "torch"}),
}


def error(model, xs):
    expected = reference.run(model, xs)
    return np.abs(el.Stream(model).process(xs) - expected).max() / max(1, np.abs(expected).max())


@pytest.mark.parametrize("case", CASES)
def test_kernels_stay_with_the_twin_for_1000_steps(rng, case):
    inputs, hidden, options = CASES[case]
    model = el.Model([lstm(rng, inputs, hidden, **options)])
    assert error(model, samples(rng, model, 1000)) <= TOLERANCE["f32"]


@pytest.mark.parametrize("case", ["coupled the other way", "clips", "projection", "tflite", "torch"])
def test_any_cut_gives_the_same_bits(rng, case):
    """Where blocks take input products together, too."""
    inputs, hidden, options = CASES[case]
    model = el.Model([lstm(rng, inputs, hidden, **options)])
    xs = samples(rng, model, 45)
    whole, stream = el.Stream(model).process(xs), el.Stream(model)
    np.testing.assert_array_equal([stream.step(x).copy() for x in xs], whole)
    stream.reset()
    np.testing.assert_array_equal(np.concatenate([stream.process(piece) for piece in np.split(xs, [1, 4, 21])]), whole)


def published(golden, **options):
    g = np.load(golden("tflite_layernorm/golden.npz"))

    def rows(name):
        return np.concatenate([g[name + gate] for gate in "ifgo"])

    peephole = np.stack([g["pi"], g["pf"], g["po"]])
    layer = el.LSTM(
        rows("w"), rows("u"), rows("b"), peephole=peephole, weight_hr=g["proj"], norm="tflite", norm_weight=rows("n"), **options
    )
    return g, el.Model([layer])


@pytest.mark.parametrize(("answers", "options"), [("y", {}), ("y_cifg", {"coupled": "i=1-f"})])
def test_tensorflow_lites_published_vectors(golden, answers, options):
    g, model = published(golden, **options)
    for batch in range(2):
        assert np.abs(reference.run(model, g["x"][:, batch]) - g[answers][:, batch]).max() <= 1e-6
        assert np.abs(el.Stream(model).process(g["x"][:, batch]) - g[answers][:, batch]).max() <= 1e-6


def test_torchs_projection(rng):
    torch = pytest.importorskip("torch")
    module = torch.nn.LSTM(6, 10, num_layers=2, proj_size=4)
    p = {name: value.detach().numpy() for name, value in module.named_parameters()}
    layers = [
        el.LSTM(p[f"weight_ih_l{k}"], p[f"weight_hh_l{k}"], p[f"bias_ih_l{k}"] + p[f"bias_hh_l{k}"], weight_hr=p[f"weight_hr_l{k}"])
        for k in range(2)
    ]
    model = el.Model(layers)
    xs = samples(rng, model, 200)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that its quickest code has no projections
        expected = module(torch.tensor(xs))[0].numpy()
    assert np.abs(el.Stream(model).process(xs) - expected).max() <= TOLERANCE["golden"]


#: Options here, and attributes of an ONNX LSTM node that mean the same.
ONNX = {
    "peepholes": ({"peephole": True}, {}),
    "input_forget": ({"peephole": True, "coupled": "f=1-i"}, {"input_forget": 1}),
    "clip": ({"peephole": True, "gate_clip": 0.4}, {"clip": 0.4}),
    "hard": (HARD, {"activations": ["HardSigmoid", "Tanh", "Tanh"]}),
    "relu": (RELU, {"activations": ["Sigmoid", "Relu", "Relu"]}),
    "elu": (
        {"gate_activation": "scaled_tanh(0.7, 1.3)", "cell_activation": "elu(0.5)", "output_activation": "softsign"},
        {"activations": ["ScaledTanh", "Elu", "Softsign"], "activation_alpha": [0.7, 0.5], "activation_beta": [1.3]},
    ),
}


@pytest.mark.parametrize("case", ONNX)
def test_the_twin_answers_as_onnx_runtime(rng, case):
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    options, attributes = ONNX[case]
    inputs, hidden = 5, 9
    layer = lstm(rng, inputs, hidden, **options)
    order, gates = [0, 3, 1, 2], (lambda rows: rows.reshape(4, hidden, -1)[order].reshape(4 * hidden, -1))  # ONNX has i o f c
    arrays = {"W": gates(layer.weight_ih)[None], "R": gates(layer.weight_hh)[None]}
    arrays["B"] = np.concatenate([gates(layer.bias).ravel(), np.zeros(4 * hidden)])[None]
    arrays |= {"h0": layer.h0[None, None], "c0": layer.c0[None, None]}
    if layer.peephole is not None:
        arrays["P"] = layer.peephole[[0, 2, 1]].reshape(1, -1)  # i o f
    names = ["x", "W", "R", "B", "", "h0", "c0", *(["P"] if "P" in arrays else [])]
    node = onnx.helper.make_node("LSTM", names, ["y"], hidden_size=hidden, **attributes)
    kind = onnx.TensorProto.FLOAT
    held = [onnx.numpy_helper.from_array(np.ascontiguousarray(array, np.float32), name) for name, array in arrays.items()]
    x, y = (onnx.helper.make_tensor_value_info(name, kind, None) for name in "xy")
    graph = onnx.helper.make_graph([node], "cell", [x], [y], held)
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 14)], ir_version=8)
    model = el.Model([layer])
    xs = samples(rng, model, 200)
    session = runtime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = session.run(None, {"x": xs[:, None]})[0][:, 0, 0]
    assert np.abs(reference.run(model, xs) - expected).max() <= TOLERANCE["golden"]


@pytest.mark.parametrize("cell_norm", ["state", "output", "none"])
@pytest.mark.parametrize("norm", ["tf1", "torch", "joint"])
def test_norms_are_those_of_torchs_layer_norm(rng, norm, cell_norm):
    """The formulas of `layers.lstm.LSTM`, written with torch: of TensorFlow 1's cell, and of PyTorch's example cell."""
    torch = pytest.importorskip("torch")
    inputs, hidden = 5, 9
    layer = lstm(rng, inputs, hidden, norm=norm, cell_norm=cell_norm, peephole=norm == "tf1" and cell_norm != "output")
    t = {name: torch.tensor(array) for name, array in layer.arrays().items()}
    epsilon, same = layer.norm_epsilon, torch.nn.functional.layer_norm
    model = el.Model([layer])
    xs = samples(rng, model, 60)
    h, c, expected = t["h0"], t["c0"], []
    p = t.get("peephole", torch.zeros(3, hidden))
    for x in torch.tensor(xs):
        from_x, from_h = t["weight_ih"] @ x, t["weight_hh"] @ h
        if norm == "torch":
            z = same(from_x, (4 * hidden,), t["norm_weight"], eps=epsilon) + same(from_h, (4 * hidden,), t["norm_weight_hh"], eps=epsilon)
            i, f, g, o = (z + t["bias"]).split(hidden)
        elif norm == "joint":
            i, f, g, o = same(from_x + from_h, (4 * hidden,), t["norm_weight"], t["bias"], epsilon).split(hidden)
        else:
            parts = zip((from_x + from_h).split(hidden), t["norm_weight"].split(hidden), t["bias"].split(hidden), strict=True)
            i, f, g, o = (same(z, (hidden,), weight, bias, epsilon) for z, weight, bias in parts)
        c = torch.sigmoid(f + p[1] * c) * c + torch.sigmoid(i + p[0] * c) * torch.tanh(g)
        seen = c if cell_norm == "none" else same(c, (hidden,), t["norm_weight_cell"], t["norm_bias_cell"], epsilon)
        c = seen if cell_norm == "state" else c
        h = torch.sigmoid(o + p[2] * c) * torch.tanh(seen)
        expected.append(h.numpy())
    assert np.abs(reference.run(model, xs) - np.array(expected)).max() <= TOLERANCE["golden"]


def test_a_cell_that_diverges_stays_finite():
    """Rectified gates, and weights that make every step larger than the one before: all ends at the bound, and so does the twin."""
    hidden = 6
    grows = np.full((4 * hidden, hidden), 3.0)
    words = {"gate_activation": "relu", "cell_activation": "relu", "output_activation": "linear"}
    model = el.Model([el.LSTM(np.ones((4 * hidden, 2)), grows, peephole=np.ones((3, hidden)), **words)])
    for size in (1.0, input_limit(model)):
        stream = el.Stream(model)
        answers = stream.process(np.full((200, 2), size, np.float32))
        assert (answers[-1] == LARGEST).all()
        np.testing.assert_array_equal(answers[-1], reference.run(model, np.full((200, 2), size))[-1])
        stream.restore(stream.snapshot())  # refuses a state that is not finite
    stream = el.Stream(model, nan_policy="propagate")
    stream.step(np.array([np.nan, 0], np.float32))
    assert np.isnan(stream.step(np.zeros(2, np.float32))).all(), "no bound hides a NaN"


@pytest.mark.parametrize("case", ["clips", "projection", "tf1"])
def test_a_nan_passes_where_it_is_let_in(rng, case):
    inputs, hidden, options = CASES[case]
    stream = el.Stream(el.Model([lstm(rng, inputs, hidden, **options)]), nan_policy="propagate")
    stream.step(np.full(inputs, np.nan, np.float32))
    assert np.isnan(stream.step(np.zeros(inputs, np.float32))).all()


SIZES = st.sampled_from([1, 2, 3, 5, 15, 16, 33, 118])
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "peephole": st.just(True),
        "projection": SIZES,
        "coupled": st.sampled_from(["f=1-i", "i=1-f"]),
        "cell_clip": st.sampled_from([0.25, 1, 3.3]),
        "gate_clip": st.sampled_from([0.25, 1, 3.3]),
        "gate_activation": st.sampled_from(["sigmoid", "hard_sigmoid", ["tanh", "relu", "sigmoid"]]),
        "cell_activation": st.sampled_from(["tanh", "softsign", "leaky_relu(0.1)"]),
        "norm": st.sampled_from(["tflite", "tf1"]),
    },
)


@given(inputs=SIZES, hidden=SIZES, options=OPTIONS, seed=st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_a_record_is_made_again_from_its_parts(inputs, hidden, options, seed):
    layer = lstm(np.random.default_rng(seed), inputs, hidden, **options)
    again = el.LSTM.from_parts("", (), layer.options(), layer.arrays())
    assert again.options() == layer.options()
    assert {name: array.tolist() for name, array in again.arrays().items()} == {n: a.tolist() for n, a in layer.arrays().items()}
    assert again.output_size([inputs]) == options.get("projection", hidden)


@pytest.mark.slow
@given(inputs=SIZES, hidden=SIZES, options=OPTIONS, seed=st.integers(0, 9))
@settings(max_examples=3, deadline=None)
def test_kernels_stay_with_the_twin_at_any_size(inputs, hidden, options, seed):
    rng = np.random.default_rng(seed)
    if hidden < 5:
        options.pop("norm", None)  # of few units, a norm enlarges rounding
    model = el.Model([lstm(rng, inputs, hidden, **options)])
    assert error(model, samples(rng, model, 40)) <= TOLERANCE["golden" if "norm" in options else "f32"]


def test_rows_of_a_derived_gate_are_not_read(rng):
    layer = lstm(rng, 3, 4, peephole=True)
    noisy, none = (dataclasses.replace(layer, coupled="f=1-i", bias=bias) for bias in (layer.bias, layer.bias * np.repeat([1, 0, 1, 1], 4)))
    assert {name: array.tolist() for name, array in noisy.arrays().items()} == {n: a.tolist() for n, a in none.arrays().items()}
    assert noisy.multiply_accumulates == 3 * 4 * (3 + 4)


WRONG = {
    "weight_hr that does not fit": ({"weight_hr": np.ones((2, 5))}, "weight_hr"),
    "bias_hr alone": ({"bias_hr": np.ones(4)}, "there is none"),
    "projection_clip alone": ({"projection_clip": 1.0}, "there is none"),
    "peepholes of two gates": ({"peephole": np.ones((2, 4))}, "peephole"),
    "an unknown coupling": ({"coupled": "i=f"}, "f=1-i"),
    "a clip of zero": ({"cell_clip": 0}, "None"),
    "a clip that is no number": ({"gate_clip": True}, "None"),
    "an unknown activation": ({"cell_activation": "gauss"}, "gauss"),
    "two gate activations": ({"gate_activation": ["sigmoid", "tanh"]}, "three"),
    "an activation without bound": ({"cell_activation": "exp"}, "too large"),
    "an unknown norm": ({"norm": "batch"}, "tflite, tf1, torch"),
    "a norm of the cell in another place": ({"cell_norm": "input"}, "state, output, none"),
    "a place for a norm of the cell that has none": ({"norm": "tflite", "norm_weight": np.ones(16), "cell_norm": "output"}, "leave"),
    "a normalised output with peepholes": ({"norm": "tf1", "cell_norm": "output", "peephole": np.ones((3, 4))}, "no peephole"),
    "a norm without weights": ({"norm": "tflite"}, "norm_weight"),
    "weights without a norm": ({"norm_weight": np.ones(16)}, "takes no norm_weight"),
    "a norm of the cell that has none": (
        {"norm": "tflite", "norm_weight": np.ones(16), "norm_bias_cell": np.ones(4)},
        "takes no norm_bias_cell",
    ),
    "an epsilon without a norm": ({"norm_epsilon": 1e-5}, "there is none"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_refused(case):
    options, said = WRONG[case]
    with pytest.raises((el.ShapeError, el.UnsupportedModelError), match=said):
        el.LSTM(np.ones((16, 3)), np.ones((16, 4)), **options)
