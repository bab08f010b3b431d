"""Networks whose channels stand in units of their own, and what int8 loses on them, here and in ONNX Runtime.

Errors are the largest of a run, in percent of the range of the float model's answers over it.
"""

import numpy as np
import pytest

import edgelstm as el

#: Means and standard deviations of channels, and the size of the weights that read them.
UNITS = {
    "g and degrees a second": ([0] * 6, [0.3] * 3 + [120] * 3, 0.5),
    "degrees, hPa, percent, metres a second": ([15, 1013, 60, 0], [5, 5, 20, 3], 0.5),
    "metres a second squared and Pa": ([0, 0, 9.8, 101325], [2, 2, 2, 300], 0.5),
    "microvolts and counts": ([0, 2048], [2e-6, 300], 0.3),
    "one channel alone, far from 0": ([293.15], [0.5], 0.5),
}


def uniform(rng, bound, *shape):
    return rng.uniform(-bound, bound, shape).astype(np.float32)


def network(rng, mean, deviation, bound, outputs=1, hidden=32, read=1):
    """An LSTM and a head that read (x - mean) / deviation, written as weights of x itself; of channels whose `read` is 0 they read none."""
    deviation, mean = np.asarray(deviation, np.float64), np.asarray(mean, np.float64)
    weight = uniform(rng, bound, 4 * hidden, len(mean)) * read / deviation
    bias = uniform(rng, 0.2, 4 * hidden) - weight @ mean
    lstm = el.LSTM(weight, uniform(rng, 0.2, 4 * hidden, hidden), bias, name="lstm", inputs=("input",))
    return el.Model([lstm, el.Dense(uniform(rng, 0.2, outputs, hidden), uniform(rng, 0.2, outputs), name="head")])


def drawn(rng, mean, deviation, steps):
    return (np.asarray(mean) + np.asarray(deviation) * rng.standard_normal((steps, len(mean)))).astype(np.float32)


def case(rng, name):
    """A network, windows to calibrate it on, and a run that they do not hold."""
    mean, deviation, bound = UNITS[name]
    return network(rng, mean, deviation, bound), [drawn(rng, mean, deviation, 200) for _ in range(8)], drawn(rng, mean, deviation, 500)


def error(answers, given):
    return 100 * np.abs(given - answers).max() / np.ptp(answers)


def loss(model, small, xs):
    return error(el.Stream(model).process(xs), el.Stream(small).process(xs))


def onnxruntime_loss(model, xs, folder):
    """What the same LSTM and head lose with ONNX Runtime's int8 weights and scales of x and h of each step."""
    onnx, ort = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    from onnxruntime.quantization import QuantType, quantize_dynamic

    lstm, head = model.layers
    gates = [np.concatenate([np.split(part, 4)[k] for k in (0, 3, 1, 2)]) for part in (lstm.weight_ih, lstm.weight_hh, lstm.bias)]
    arrays = {"w": gates[0][None], "r": gates[1][None], "b": np.concatenate([gates[2], 0 * gates[2]])[None]}
    arrays |= {"m": head.weight.T.copy(), "a": head.bias, "flat": np.array([-1, lstm.hidden_size])}
    nodes = [
        onnx.helper.make_node("LSTM", ["x", "w", "r", "b"], ["h"], hidden_size=lstm.hidden_size),
        onnx.helper.make_node("Reshape", ["h", "flat"], ["rows"]),
        onnx.helper.make_node("MatMul", ["rows", "m"], ["product"]),
        onnx.helper.make_node("Add", ["product", "a"], ["y"]),
    ]
    tensor = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "net",
        [tensor("x", 1, [None, 1, lstm.input_size])],
        [tensor("y", 1, [None, None])],
        [onnx.numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in arrays.items()],
    )
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    path = str(folder / "int8.onnx")
    quantize_dynamic(made, path, weight_type=QuantType.QInt8)
    answers = ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"x": xs[:, None]})[0]
    return error(el.Stream(model).process(xs), answers)
