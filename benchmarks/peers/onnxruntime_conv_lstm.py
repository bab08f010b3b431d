"""ONNX Runtime: one step of a ConvLSTM in elementary operators (opset 17), with one Conv over the joined channels of x and h."""

from typing import Any

import numpy as np
import onnx
from grid import Workload
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import edgelstm as el
from peers import Contender
from peers.onnxruntime_peer import VERSION, io_binding, run

__all__ = ["VERSION"]


def graph(layer: el.ConvLSTM) -> bytes:
    """The ONNX file of a layer of two axes, with sigmoid and tanh, without strides, dilation and peepholes."""
    rows, columns, inputs = layer.shape
    channels = layer.channels
    kernel = np.concatenate([layer.kernel, layer.recurrent_kernel], axis=2).transpose(3, 2, 0, 1)  # outputs, inputs, rows, columns
    weights = [numpy_helper.from_array(np.ascontiguousarray(kernel), "kernel"), numpy_helper.from_array(layer.bias, "bias")]
    weights.append(numpy_helper.from_array(np.full(4, channels, np.int64), "sizes"))
    pads = [size // 2 for size in layer.kernel.shape[:2]] * 2
    node = helper.make_node
    nodes = [
        node("Concat", ["x", "h"], ["xh"], axis=1),
        node("Conv", ["xh", "kernel", "bias"], ["z"], pads=pads),
        node("Split", ["z", "sizes"], ["zi", "zf", "zg", "zo"], axis=1),
        *(node("Sigmoid", [f"z{gate}"], [gate]) for gate in "ifo"),
        node("Tanh", ["zg"], ["g"]),
        node("Mul", ["f", "c"], ["kept"]),
        node("Mul", ["i", "g"], ["new"]),
        node("Add", ["kept", "new"], ["next_c"]),
        node("Tanh", ["next_c"], ["bounded"]),
        node("Mul", ["o", "bounded"], ["next_h"]),
        node("Identity", ["next_h"], ["y"]),
    ]

    def tensor(name: str, size: int) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size, rows, columns])

    states = [tensor("h", channels), tensor("c", channels)]
    given = [tensor("y", channels), tensor("next_h", channels), tensor("next_c", channels)]
    made = helper.make_graph(nodes, "step", [tensor("x", inputs), *states], given, weights)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def contenders(case: Workload) -> list[Contender]:
    """For a model of one such layer."""
    (layer,) = case.model.layers
    assert isinstance(layer, el.ConvLSTM)
    file = graph(layer)

    def ready(x: NDArray[np.float32]) -> NDArray[Any]:
        return np.ascontiguousarray(x.reshape(layer.shape).transpose(2, 0, 1)[None])

    return [run("ONNX Runtime run", file, case, ready=ready), io_binding("ONNX Runtime io_binding", file, case, ready=ready)]
