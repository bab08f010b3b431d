"""ONNX graphs that round activations over the range of a recording: sums of whole numbers, scaled as ONNX Runtime scales them."""

import numpy as np
import pytest
from kinds import levelled, of_levels

import edgelstm as el
from edgelstm import reference

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

from quantised_graphs import WIDTH, answers_of_runtime, floats, imported, recurrent, saved  # noqa: E402


def dynamic_lstm(rng, hidden=48, *, signed=False, each=False, both=False, times=1.0):
    """Nodes and constants of a DynamicQuantizeLSTM. signed: int8 weights of 7 bits, whose products no CPU cuts; each: a scale a row."""
    count, rows = 1 + both, 4 * hidden
    low, high, kind, zero = (-64, 64, np.int8, 0) if signed else (0, 256, np.uint8, 131)
    shapes = {"w": (count, WIDTH, rows), "r": (count, hidden, rows)}
    constants = {name: rng.integers(low, high, shape).astype(kind) for name, shape in shapes.items()}
    for name, size in (("w", WIDTH), ("r", hidden)):
        span = (count, rows) if each else (count,)
        constants[f"{name}_scale"] = (times * rng.uniform(1, 2, span) / (high * np.sqrt(size))).astype(np.float32)
        constants[f"{name}_zero"] = np.full(span, zero, kind)
    constants["b"] = floats(rng, count, 2 * rows) / 2
    inputs = ["t", "w", "r", "b", "", "", "", "", "w_scale", "w_zero", "r_scale", "r_zero"]
    attributes = {"domain": "com.microsoft", "hidden_size": hidden, "direction": "bidirectional" if both else "forward"}
    nodes = [
        ("Transpose", ["x"], ["t"], {"perm": [1, 0, 2]}),
        ("DynamicQuantizeLSTM", inputs, ["h"], attributes),
        ("Transpose", ["h"], ["rows"], {"perm": [2, 0, 1, 3]}),
        ("Reshape", ["rows", "shape"], ["y"], {}),
    ]
    return nodes, {**constants, "shape": np.array([0, 0, -1])}


@pytest.mark.parametrize("form", [{}, {"signed": True, "each": True}, {"both": True}, {"times": 40.0}], ids=str)
def test_levels_of_h_are_those_of_the_runtime_for_200_steps(form, tmp_path):
    """One level that differs costs 1e-3 at the next step; no operation may round apart."""
    rng = np.random.default_rng(11)
    path = saved(tmp_path / "m.onnx", *dynamic_lstm(rng, **form), (1, "time", WIDTH))
    stream = el.Stream(imported(path))
    assert [layer.kind for layer in stream.model.layers if layer.kind.endswith("lstm")] == ["dynamic_lstm"] * (1 + ("both" in form))
    for _ in range(4):
        x = floats(rng, 200, WIDTH)
        np.testing.assert_allclose(stream.process(x), answers_of_runtime(path, x), rtol=0, atol=1e-7)


def stacked(rng):
    """Products, a recurrent layer, and products once more: nodes and constants."""
    nodes, constants = recurrent("forward")(rng)
    before = [
        ("MatMul", ["x", "v"], ["p"], {}),
        ("Add", ["p", "c"], ["q"], {}),
        ("Relu", ["q"], ["r"], {}),
        ("Transpose", ["r"], ["t"], {"perm": [1, 0, 2]}),
    ]
    after = [("Reshape", ["rows", "shape"], ["s"], {}), ("MatMul", ["s", "u"], ["o"], {}), ("Add", ["d", "o"], ["y"], {})]
    more = {"v": floats(rng, WIDTH, WIDTH), "c": floats(rng, WIDTH), "u": floats(rng, 8, 6), "d": floats(rng, 6)}
    return [*before, *nodes[1:-1], *after], constants | more


@pytest.mark.parametrize("optimised", [False, True])
def test_sums_are_whole_numbers_as_in_the_runtime(optimised, tmp_path):
    """As the tool writes the file, and as the runtime's optimiser saves it: products become one operator there."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    rng = np.random.default_rng(12)
    path, quantised = saved(tmp_path / "float.onnx", *stacked(rng), (1, "time", WIDTH)), tmp_path / "int8.onnx"
    quantize_dynamic(path, quantised, weight_type=QuantType.QUInt8)
    taken = quantised
    if optimised:
        taken, options = tmp_path / "optimised.onnx", runtime.SessionOptions()
        options.optimized_model_filepath = str(taken)
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        runtime.InferenceSession(quantised, options)
    model = imported(taken)
    assert [layer.kind for layer in model.layers].count("rescale") == 2
    stream = el.Stream(model)
    for _ in range(4):
        x = floats(rng, 200, WIDTH)
        given = answers_of_runtime(quantised, x)
        np.testing.assert_allclose(stream.process(x), given, rtol=0, atol=1e-7 * np.abs(given).max())


def scaled_product(scale, bias):
    """Products of levels of x, times both scales and with a summand: nodes and constants."""
    rng = np.random.default_rng(13)
    nodes = [
        ("DynamicQuantizeLinear", ["x"], ["q", "s", "z"], {}),
        ("MatMulInteger", ["q", "w", "z"], ["sums"], {}),
        ("Cast", ["sums"], ["floats"], {"to": onnx.TensorProto.FLOAT}),
        ("Mul", ["k", "s"], ["both"], {}),
        ("Mul", ["both", "floats"], ["products"], {}),
        ("Add", ["products", "b" if bias == "again" else bias], ["biased"], {}),
        ("Add", ["biased", "products"], ["y"], {}) if bias == "again" else ("Identity", ["biased"], ["y"], {}),
    ]
    return nodes, {"w": rng.integers(0, 99, (WIDTH, 4)).astype(np.uint8), "k": scale, "b": floats(rng, 4), "wide": floats(rng, 1, 1, 4)}


@pytest.mark.parametrize("bias", ["b", "wide", "products", "again"])
@pytest.mark.parametrize("scale", [0.1, [0.1, -0.2, 0.3, 0.4], [[[0.1], [0.3]]]], ids=str)
def test_products_with_other_factors_and_summands(scale, bias, tmp_path):
    """The optimiser takes the factor of a row for that of all, and is left out."""
    steps = 2 if np.ndim(scale) == 3 else 9
    path = saved(tmp_path / "m.onnx", *scaled_product(np.float32(scale), bias), (1, 2 if steps == 2 else "time", WIDTH))
    x, options = floats(np.random.default_rng(1), steps, WIDTH), runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    (expected,) = runtime.InferenceSession(path, options).run(None, {"x": x[None]})
    found = el.Stream(imported(path)).process(x)
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=0, atol=1e-6 * np.abs(expected).max())


def product_of(levels="q", scale="s", zero="z", *, times="k"):
    """Levels of x and of ten times x; a product of integers, scaled by two numbers."""
    rounded = [("DynamicQuantizeLinear", [x], outputs, {}) for x, outputs in (("x", ["q", "s", "z"]), ("wide", ["q2", "s2", "z2"]))]
    product = [("MatMulInteger", [levels, "w", zero], ["sums"], {}), ("Cast", ["sums"], ["floats"], {"to": 1})]
    return [
        ("Mul", ["x", "ten"], ["wide"], {}),
        *rounded,
        *product,
        ("Mul", [scale, times], ["t"], {}),
        ("Mul", ["floats", "t"], ["y"], {}),
    ]


SCALES = {
    "another's scale": product_of(scale="s2"),
    "another's zero point": product_of(zero="z2"),
    "its scale twice": product_of(times="s"),
    "no scale": [*product_of()[:-3], ("Cast", ["sums"], ["y"], {"to": 1})],
    "no zero point": product_of(zero=""),
    "a summand before its scale": [*product_of()[:-1], ("Add", ["floats", "ten"], ["more"], {}), ("Mul", ["more", "t"], ["y"], {})],
    "its scale as a number": [*product_of()[:-1], ("Mul", ["floats", "t"], ["p"], {}), ("Add", ["p", "s"], ["y"], {})],
    "its zero point as a number": [
        *product_of()[:-1],
        ("Mul", ["floats", "t"], ["p"], {}),
        ("Cast", ["z"], ["n"], {"to": 1}),
        ("Mul", ["p", "n"], ["y"], {}),
    ],
}


@pytest.mark.parametrize("name", SCALES)
def test_scales_of_a_recording_meet_their_levels_once(name, tmp_path):
    """Anything else is a number that only the recording tells; the first of these graphs with its own scale is imported."""
    constants = {"w": np.ones((WIDTH, 2), np.uint8), "k": np.float32(0.1), "ten": np.float32(10)}
    imported(saved(tmp_path / "m.onnx", product_of(), constants, (1, "time", WIDTH)))
    with pytest.raises(el.UnsupportedModelError, match="scale that DynamicQuantizeLinear finds"):
        imported(saved(tmp_path / "m.onnx", SCALES[name], constants, (1, "time", WIDTH)))


def test_levels_and_their_scale_are_inputs_apart(rng):
    """Past padding too, which is the last input."""
    x = [el.Normalizer(np.zeros(6), np.ones(6), name="first")]
    x += [el.Slice(0, 5, name="x", inputs=("first",)), el.Slice(5, 6, name="counts", inputs=("first",)), *levelled("x", "x")]
    reads = "x_levels", "x_scale", "counts"
    model = el.Model([*x, of_levels(rng, 5, 9, mask="repeat", inputs=reads)])
    xs = np.hstack([floats(rng, 30, 5), rng.random((30, 1)) > 0.3])
    assert np.abs(el.Stream(model).process(xs) - reference.run(model, xs)).max() <= 1e-6
    with pytest.raises(el.ShapeError, match="their scale as an input of its own"):
        el.Model([*x, of_levels(rng, 5, 9, mask="repeat", inputs=(reads[1], reads[0], reads[2]))])
