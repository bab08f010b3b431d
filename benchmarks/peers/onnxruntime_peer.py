"""ONNX Runtime: one step of LSTM operators (opset 17) and Gemm, with h and c as inputs and outputs of the graph.

``run`` passes NumPy arrays; ``io_binding`` binds every tensor once and swaps two bindings, so that a step reads the state that the one
before wrote.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from grid import TOLERANCE, Case, Workload
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from peers import Contender, stepwise

VERSION = ort.__version__


def _iofc(array: Any, hidden: int) -> NDArray[np.float32]:
    """Rows of the gates i f g o in ONNX's order i o f c."""
    i, f, g, o = np.reshape(array, (4, hidden, -1))
    return np.concatenate([i, o, f, g])


def graph(case: Case, batch: int = 1) -> bytes:
    """The ONNX file. batch: streams that take a step together."""
    hidden = case.row.hidden_size
    nodes, weights, source = [], [], "x"

    def constant(name: str, array: NDArray[Any]) -> str:
        weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    for k, layer in enumerate(case.layers):
        bias = np.concatenate([_iofc(layer.bias, hidden).ravel(), np.zeros(4 * hidden, np.float32)])[None]  # (1, 8*hidden)
        w, r = constant(f"w{k}", _iofc(layer.weight_ih, hidden)[None]), constant(f"r{k}", _iofc(layer.weight_hh, hidden)[None])
        inputs = [source, w, r, constant(f"b{k}", bias), "", f"h{k}", f"c{k}"]
        nodes.append(helper.make_node("LSTM", inputs, ["", f"next_h{k}", f"next_c{k}"], hidden_size=hidden))
        source = f"next_h{k}"  # (1, batch, hidden): directions, batch, hidden; the next layer reads it as time, batch, width
    nodes.append(helper.make_node("Reshape", [source, constant("flat_shape", np.array([batch, -1]))], ["flat"]))
    dense = [constant("dense", case.dense.weight), constant("dense_bias", case.dense.bias)]
    nodes.append(helper.make_node("Gemm", ["flat", *dense], ["y"], transB=1))
    states = [f"{s}{k}" for k in range(len(case.layers)) for s in "hc"]
    tensor = helper.make_tensor_value_info
    made = helper.make_graph(
        nodes,
        "step",
        [
            tensor("x", TensorProto.FLOAT, [1, batch, case.row.input_size]),
            *(tensor(s, TensorProto.FLOAT, [1, batch, hidden]) for s in states),
        ],
        [tensor("y", TensorProto.FLOAT, [batch, 1]), *(tensor(f"next_{s}", TensorProto.FLOAT, [1, batch, hidden]) for s in states)],
        weights,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def session_of(file: bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    return ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])


#: Makes the graph's input from a sample.
Ready = Callable[[NDArray[np.float32]], NDArray[Any]]


def _row(x: NDArray[np.float32]) -> NDArray[Any]:
    """(input_size,) -> time, batch, width."""
    return x[None, None]


def run(name: str, file: bytes, case: Workload, tolerance: float = TOLERANCE, ready: Ready = _row) -> Contender:
    """NumPy arrays in and out."""
    session = session_of(file)
    feed = {i.name: np.zeros(i.shape, np.float32) for i in session.get_inputs()}
    states = list(feed)[1:]

    def step(x: NDArray[Any]) -> Any:
        feed["x"] = x
        y, *new = session.run(None, feed)
        feed.update(zip(states, new, strict=True))
        return y

    return stepwise(name, step, case, ready=ready, value=lambda y: float(y.flat[0]), tolerance=tolerance)


def bound(file: bytes) -> tuple[NDArray[Any], NDArray[np.float32], Callable[[], None]]:
    """Every tensor bound once: the input, the answer, and what takes a step from one to the other."""
    session = session_of(file)
    arrays = [{i.name: np.zeros(i.shape, np.float32) for i in session.get_inputs()} for _ in range(2)]
    x, y = arrays[0]["x"], np.zeros(session.get_outputs()[0].shape, np.float32)
    bindings = [session.io_binding(), session.io_binding()]
    for binding, old, new in zip(bindings, arrays, arrays[::-1], strict=True):
        for tensor, array in old.items():
            binding.bind_ortvalue_input(tensor, ort.OrtValue.ortvalue_from_numpy(x if tensor == "x" else array))
        for tensor, array in new.items():
            if tensor != "x":
                binding.bind_ortvalue_output(f"next_{tensor}", ort.OrtValue.ortvalue_from_numpy(array))
        binding.bind_ortvalue_output("y", ort.OrtValue.ortvalue_from_numpy(y))
    call = session.run_with_iobinding

    def advance() -> None:
        call(bindings[0])
        bindings.reverse()

    return x, y, advance


def io_binding(name: str, file: bytes, case: Workload, tolerance: float = TOLERANCE, ready: Ready = _row) -> Contender:
    """Every tensor bound once."""
    x, y, advance = bound(file)

    def step(sample: NDArray[Any]) -> Any:
        x[...] = sample
        advance()
        return y

    return stepwise(name, step, case, ready=ready, value=lambda y: float(y.flat[0]), tolerance=tolerance)


def contenders(case: Case) -> list[Contender]:
    file = graph(case)
    return [run("ONNX Runtime run", file, case), io_binding("ONNX Runtime io_binding", file, case)]
