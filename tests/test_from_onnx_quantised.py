"""ONNX graphs that ONNX Runtime's own tool has quantised: the same roundings, so the same answers."""

import numpy as np
import pytest

import edgelstm as el
from edgelstm import reference
from edgelstm.importers import import_file

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

from quantised_graphs import WIDTH, answers_of_runtime, floats, imported, recurrent, saved  # noqa: E402

TOLERANCE = 1e-5


def dense(rng):
    nodes = [
        ("MatMul", ["x", "w"], ["p"], {}),
        ("Add", ["p", "b"], ["q"], {}),
        ("Sigmoid", ["q"], ["r"], {}),
        ("MatMul", ["r", "v"], ["y"], {}),
    ]
    return nodes, {"w": floats(rng, WIDTH, 16), "b": floats(rng, 16), "v": floats(rng, 16, 3)}


def convolution(rng):
    nodes = [
        ("Transpose", ["x"], ["t"], {"perm": [0, 2, 1]}),
        ("Conv", ["t", "w", "b"], ["c"], {"kernel_shape": [3], "pads": [2, 2], "dilations": [2]}),
        ("Transpose", ["c"], ["y"], {"perm": [0, 2, 1]}),
    ]
    return nodes, {"w": floats(rng, 6, WIDTH, 3), "b": floats(rng, 6)}


DYNAMIC = {
    "dense": dense,
    "convolution": convolution,
    "lstm": recurrent("forward"),
    "lstm from the end": recurrent("reverse"),
    "lstms both ways": recurrent("bidirectional"),
}


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("name", DYNAMIC)
def test_activations_are_rounded_over_the_recording(name, per_channel, tmp_path):
    from onnxruntime.quantization import QuantType, quantize_dynamic

    rng = np.random.default_rng(len(name))
    path = saved(tmp_path / "float.onnx", *DYNAMIC[name](rng), ("batch", "time", WIDTH))
    quantised = tmp_path / "int8.onnx"
    kind = QuantType.QUInt8 if name == "convolution" else QuantType.QInt8
    quantize_dynamic(path, quantised, weight_type=kind, per_channel=per_channel)
    assert {"DynamicQuantizeLinear", "DynamicQuantizeLSTM"} & {node.op_type for node in onnx.load(quantised).graph.node}
    model = imported(quantised)
    assert any(layer.kind == "dynamic_fake_quantize" for layer in model.layers)
    assert not model.streams
    x = floats(rng, 40, WIDTH)
    expected = answers_of_runtime(quantised, x)
    assert np.abs(reference.run(model, x) - expected).max() <= TOLERANCE * np.ptp(expected)
    if name in ("dense", "lstms both ways") and not per_channel:
        assert np.abs(el.Stream(model).process(x) - expected).max() <= TOLERANCE * np.ptp(expected)


def test_a_graph_that_takes_one_frame_rounds_each_frame_and_streams(tmp_path):
    from onnxruntime.quantization import quantize_dynamic

    rng = np.random.default_rng(5)
    path = saved(tmp_path / "float.onnx", *dense(rng), (1, WIDTH))
    quantize_dynamic(path, tmp_path / "int8.onnx")
    model = imported(tmp_path / "int8.onnx")
    assert model.streams
    x = floats(rng, 9, WIDTH)
    session = runtime.InferenceSession(tmp_path / "int8.onnx")
    expected = np.concatenate([session.run(None, {"x": row[None]})[0] for row in x])
    assert np.abs(reference.run(model, x) - expected).max() <= TOLERANCE * np.ptp(expected)


@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
@pytest.mark.parametrize("name", ["dense", "convolution"])
def test_activations_are_rounded_by_scales_of_the_file(name, form, tmp_path):
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

    rng = np.random.default_rng(7)
    path = saved(tmp_path / "float.onnx", *DYNAMIC[name](rng), (1, "time", WIDTH))

    class Reader(CalibrationDataReader):
        given = iter([{"x": floats(rng, 1, 50, WIDTH)} for _ in range(2)])

        def get_next(self):
            return next(self.given, None)

    quantised = tmp_path / "int8.onnx"
    quantize_static(path, quantised, Reader(), quant_format=QuantFormat[form])
    model = imported(quantised)
    assert any(layer.kind == "fake_quantize" for layer in model.layers)
    x = floats(rng, 40, WIDTH)
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    expected = runtime.InferenceSession(quantised, options).run(None, {"x": x[None]})[0][0]
    off = np.abs(reference.run(model, x) - expected) > TOLERANCE * np.ptp(expected)
    assert off.mean() <= 0.02  # where a number lies between two levels, float64 and integers may take either


@pytest.mark.parametrize("op", ["DynamicQuantizeMatMul", "MatMulIntegerToFloat"])
def test_fused_products(op, tmp_path):
    rng = np.random.default_rng(8)
    constants = {
        "w": rng.integers(-128, 128, (WIDTH, 4)).astype(np.int8),
        "s": rng.uniform(0.01, 0.1, 4).astype(np.float32),
        "z": np.arange(-2, 2).astype(np.int8),
        "b": floats(rng, 4),
    }
    if op == "DynamicQuantizeMatMul":
        nodes = [(op, ["x", "w", "s", "z", "b"], ["y"], {"domain": "com.microsoft"})]
    else:
        nodes = [
            ("DynamicQuantizeLinear", ["x"], ["q", "qs", "qz"], {}),
            (op, ["q", "w", "qs", "s", "qz", "z", "b"], ["y"], {"domain": "com.microsoft"}),
        ]
    path = saved(tmp_path / "m.onnx", nodes, constants, (1, "time", WIDTH))
    x = floats(rng, 20, WIDTH)
    expected = answers_of_runtime(path, x)
    assert np.abs(reference.run(imported(path), x) - expected).max() <= TOLERANCE * np.ptp(expected)


def test_operators_of_the_optimiser_whose_channels_stand_last(tmp_path):
    """As ONNX Runtime saves optimised models on x86: convolutions and pooling of levels without turning them."""
    rng = np.random.default_rng(10)
    last = {"domain": "com.microsoft", "channels_last": 1}
    constants = {
        "w": rng.integers(-128, 128, (6, WIDTH, 3)).astype(np.int8),
        "b": rng.integers(-500, 500, 6).astype(np.int32),
        **{f"{name}_scale": np.float32(scale) for name, scale in (("x", 0.03), ("w", 0.01), ("c", 0.05), ("y", 0.04))},
        **{f"{name}_zero": np.uint8(120) for name in "xcy"},
        "w_zero": np.int8(0),
    }
    x, w, c, y = ([f"{name}_scale", f"{name}_zero"] for name in "xwcy")
    nodes = [
        ("QuantizeLinear", ["x", *x], ["levels"], {}),
        ("QLinearConv", ["levels", *x, "w", *w, *c, "b"], ["convolved"], {"kernel_shape": [3], "pads": [2, 0], **last}),
        ("NhwcMaxPool", ["convolved"], ["pooled"], {"domain": "com.microsoft", "kernel_shape": [2], "pads": [1, 0]}),
        ("QLinearSigmoid", ["pooled", *c, *y], ["bounded"], {"domain": "com.microsoft"}),
        ("DequantizeLinear", ["bounded", *y], ["rows"], {}),
        ("QLinearGlobalAveragePool", ["pooled", *c, *y], ["mean"], last),
        ("DequantizeLinear", ["mean", *y], ["once"], {}),
        ("Add", ["rows", "once"], ["y"], {}),
    ]
    path = saved(tmp_path / "m.onnx", nodes, constants, (1, "time", WIDTH))
    x = floats(rng, 20, WIDTH)
    expected = answers_of_runtime(path, x)
    off = np.abs(reference.run(imported(path), x) - expected) > TOLERANCE * np.ptp(expected)
    assert off.mean() <= 0.02


def test_scores_of_all_steps_by_all_steps_are_imported_of_float32_alone(tmp_path):
    from onnxruntime.quantization import QuantType, quantize_dynamic

    rng = np.random.default_rng(7)
    nodes = [
        ("MatMul", ["x", "w"], ["queries"], {}),
        ("MatMul", ["x", "u"], ["keys"], {}),
        ("Unsqueeze", ["queries", "two"], ["left"], {}),
        ("Unsqueeze", ["keys", "one"], ["right"], {}),
        ("Add", ["left", "right"], ["sums"], {}),
        ("Tanh", ["sums"], ["bounded"], {}),
        ("MatMul", ["bounded", "v"], ["column"], {}),
        ("Squeeze", ["column", "three"], ["scores"], {}),
        ("Softmax", ["scores"], ["shares"], {"axis": -1}),
        ("MatMul", ["shares", "x"], ["y"], {}),
    ]
    constants = {"w": floats(rng, WIDTH, 6), "u": floats(rng, WIDTH, 6), "v": floats(rng, 6, 1)}
    axes = {name: np.array([axis]) for axis, name in enumerate(("one", "two", "three"), 1)}
    path, quantised = saved(tmp_path / "float.onnx", nodes, constants | axes, (1, "time", WIDTH)), tmp_path / "int8.onnx"
    x = floats(rng, 9, WIDTH)
    assert np.abs(reference.run(imported(path), x) - answers_of_runtime(path, x)).max() <= TOLERANCE
    quantize_dynamic(path, quantised, weight_type=QuantType.QInt8)
    with pytest.raises(el.UnsupportedModelError, match="of all steps by one scale"):
        imported(quantised)


@pytest.mark.parametrize("op", ["LSTM", "DynamicQuantizeLSTM"])
def test_levels_of_a_recurrent_layer_have_zero_points(op, tmp_path):
    """Each weight of an LSTM with a scale and a zero point, in front of the node or among its inputs."""
    rng = np.random.default_rng(9)
    names = [f"{name}_{kind}" for name in "wr" for kind in ("scale", "zero")]
    constants = {
        **{name: rng.integers(90, 200, shape).astype(np.uint8) for name, shape in (("w", (1, 32, WIDTH)), ("r", (1, 32, 8)))},
        **{name: np.float32(0.01) if name.endswith("scale") else np.uint8(131 if name[0] == "w" else 157) for name in names},
        "b": floats(rng, 1, 64),
    }
    nodes = [("Transpose", ["x"], ["t"], {"perm": [1, 0, 2]})]
    if op == "LSTM":
        nodes += [("DequantizeLinear", [n, f"{n}_scale", f"{n}_zero"], [f"{n}_floats"], {}) for n in "wr"]
        nodes += [(op, ["t", "w_floats", "r_floats", "b"], ["h"], {"hidden_size": 8})]
    else:
        constants |= {name: np.swapaxes(constants[name], 1, 2) for name in "wr"}
        constants |= {name: constants[name].reshape(1) for name in names}
        nodes += [(op, ["t", "w", "r", "b", "", "", "", "", *names], ["h"], {"domain": "com.microsoft", "hidden_size": 8})]
    nodes += [("Squeeze", ["h", "one"], ["s"], {}), ("Transpose", ["s"], ["y"], {"perm": [1, 0, 2]})]
    path = saved(tmp_path / "m.onnx", nodes, constants | {"one": np.array([1])}, (1, "time", WIDTH))
    x = floats(rng, 20, WIDTH)
    expected = answers_of_runtime(path, x)
    assert np.abs(reference.run(imported(path), x) - expected).max() <= TOLERANCE * np.ptp(expected)


REFUSED = {
    "another scale or zero point": [("DynamicQuantizeLinear", ["x"], ["q", "s", "z"], {}), ("MatMulInteger", ["q", "w", "k"], ["y"], {})],
    "before anything turns them back": [("DynamicQuantizeLinear", ["x"], ["q", "s", "z"], {}), ("Cast", ["q"], ["y"], {"to": 1})],
    "no QuantizeLinear before": [("Cast", ["x"], ["q"], {"to": 1}), ("MatMulInteger", ["q", "w"], ["y"], {})],
}


@pytest.mark.parametrize("why", REFUSED)
def test_levels_that_mean_something_else_are_refused(why, tmp_path):
    path = saved(tmp_path / "m.onnx", REFUSED[why], {"w": np.ones((WIDTH, 2), np.int8), "k": np.array(3, np.uint8)}, (1, "time", WIDTH))
    with pytest.raises(el.UnsupportedModelError, match=why):
        import_file(path)


def test_a_table_in_integers_is_looked_up_and_taken_back(tmp_path):
    """As ONNX Runtime's tool quantises an embedding: rows of levels, and a DequantizeLinear behind them."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    constants = {"table": rng.integers(0, 255, (9, 6)).astype(np.uint8), "scale": np.float32(0.02), "zero": np.uint8(117)}
    nodes = [
        helper.make_node("Gather", ["table", "x"], ["levels"], axis=0),
        helper.make_node("DequantizeLinear", ["levels", "scale", "zero"], ["rows"]),
        helper.make_node("Tanh", ["rows"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.INT64, ["batch", "time"])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    held = [numpy_helper.from_array(np.asarray(a), name) for name, a in constants.items()]
    path = tmp_path / "table.onnx"
    onnx.save(
        helper.make_model(helper.make_graph(nodes, "g", [x], [y], held), opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path
    )
    words = rng.integers(0, 9, (1, 7))
    (expected,) = runtime.InferenceSession(path).run(None, {"x": words})
    assert np.abs(reference.run(import_file(path).model, words[0]) - expected[0]).max() <= TOLERANCE


@pytest.mark.parametrize(("op", "said"), [("Floor", True), ("Identity", False)])
def test_biases_in_levels_of_the_recording_are_noted(op, said, tmp_path):
    rng = np.random.default_rng(9)
    constants = {
        "w": rng.integers(-128, 128, (WIDTH, 4)).astype(np.int8),
        "z": np.array(0, np.int8),
        "s": np.array(0.02, np.float32),
        "b": floats(rng, 4),
    }
    nodes = [
        ("DynamicQuantizeLinear", ["x"], ["q", "qs", "qz"], {}),
        ("Mul", ["qs", "s"], ["level"], {}),
        ("Div", ["b", "level"], ["levels"], {}),
        (op, ["levels"], ["whole"], {}),
        ("MatMulInteger", ["q", "w", "qz", "z"], ["sums"], {}),
        ("Cast", ["sums"], ["floats"], {"to": 1}),
        ("Add", ["floats", "whole"], ["biased"], {}),
        ("Mul", ["biased", "level"], ["y"], {}),
    ]
    path = saved(tmp_path / "m.onnx", nodes, constants, (1, "time", WIDTH))
    x = floats(rng, 20, WIDTH)
    taken, expected = import_file(path), answers_of_runtime(path, x)
    off = np.abs(reference.run(taken.model, x) - expected).max()
    assert (off > TOLERANCE * np.ptp(expected)) == said == any("biases down to whole levels" in note for note in taken.notes)


def test_rows_of_a_quantised_table_are_the_numbers_that_the_runtime_rounds_again(tmp_path, rng):
    """Levels of 170 steps over 255 lie on a half every second time: the last bit of a number decides which way it goes."""
    table = rng.integers(0, 171, (40, 16)).astype(np.uint8)
    table[:, :2] = 0, 170
    scale, zero, weight = np.array(0.0299756, np.float32), np.array(99, np.uint8), rng.integers(-90, 90, (16, 3)).astype(np.int8)
    nodes = [
        ("Cast", ["x"], ["index"], {"to": onnx.TensorProto.INT64}),
        ("Gather", ["table", "index"], ["levels"], {}),
        ("DequantizeLinear", ["levels", "scale", "zero"], ["rows"], {}),
        ("DynamicQuantizeLinear", ["rows"], ["q", "s", "z"], {}),
        ("MatMulInteger", ["q", "w", "z"], ["sums"], {}),
        ("Cast", ["sums"], ["floats"], {"to": onnx.TensorProto.FLOAT}),
        ("Mul", ["floats", "s"], ["y"], {}),
    ]
    path = saved(tmp_path / "table.onnx", nodes, {"table": table, "scale": scale, "zero": zero, "w": weight}, ("batch", "time"))
    x = np.arange(40, dtype=np.float32)
    model = imported(path)
    assert "batch_norm" not in [layer.kind for layer in model.layers]
    wanted = answers_of_runtime(path, x)
    for answers in (reference.run(model, x[:, None]), el.Stream(model).process(x[:, None])):
        np.testing.assert_allclose(answers, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())
