"""LiteRT, float32, one thread, its default XNNPACK delegate.

``fused``: UNIDIRECTIONAL_SEQUENCE_LSTM with its state in the interpreter's variable tensors (XNNPACK takes the Dense layer alone).
``cell``: one step in elementary operators, all of them XNNPACK's, with the states as inputs and outputs.
"""

import os
from typing import Any

import numpy as np
from grid import TOLERANCE, Case
from numpy.typing import NDArray

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from importlib.metadata import version

from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from peers import Contender, stepwise
from peers.litert_flatbuffer import Graph

VERSION = version("ai-edge-litert")


def _dense(graph: Graph, case: Case, source: int) -> int:
    y = graph.tensor("y", 1, 1)
    graph.dense("dense", case.dense.weight, case.dense.bias, source, y)
    return y


def _fused_file(case: Case) -> bytes:
    graph, hidden = Graph(), case.row.hidden_size
    x = source = graph.tensor("x", 1, 1, case.row.input_size)
    for k, layer in enumerate(case.layers):

        def gates(name: str, array: Any, k: int = k) -> list[int]:
            return [graph.constant(f"{name}{k}{gate}", part) for gate, part in zip("ifgo", np.split(array, 4), strict=True)]

        weights = [*gates("ih", layer.weight_ih), *gates("hh", layer.weight_hh), -1, -1, -1, *gates("bias", layer.bias), -1, -1]
        states = [graph.tensor(f"{s}{k}", 1, hidden, variable=True) for s in "hc"]
        out = graph.tensor(f"out{k}", 1, 1, hidden)
        options = schema.UnidirectionalSequenceLSTMOptionsT(fusedActivationFunction=schema.ActivationFunctionType.TANH)
        graph.operator("UNIDIRECTIONAL_SEQUENCE_LSTM", [source, *weights, *states, -1, -1, -1, -1], [out], options)
        source = out
    return graph.finish([x], [_dense(graph, case, source)])


def _cell_layer(graph: Graph, name: str, layer: Any, x: int, state: list[int]) -> list[int]:
    """One step of one layer; state and result: h and c."""
    h, c = state
    hidden, width = layer.hidden_size, layer.input_size

    def wide(tag: str) -> int:
        return graph.tensor(name + tag, 1, hidden)

    def unary(code: str, a: int, tag: str) -> int:
        graph.operator(code, [a], [out := wide(tag)])
        return out

    def binary(code: str, a: int, b: int, tag: str) -> int:
        graph.operator(code, [a, b], [out := wide(tag)], schema.AddOptionsT() if code == "ADD" else schema.MulOptionsT())
        return out

    xh, z = graph.tensor(name + "xh", 1, width + hidden), graph.tensor(name + "z", 1, 4 * hidden)
    graph.operator("CONCATENATION", [x, h], [xh], schema.ConcatenationOptionsT(axis=1))
    graph.dense(name, np.concatenate([layer.weight_ih, layer.weight_hh], 1), layer.bias, xh, z)
    parts = [wide(f"z{gate}") for gate in "ifgo"]
    graph.operator("SPLIT", [graph.constant(name + "axis", np.array(1, np.int32)), z], parts, schema.SplitOptionsT(4))
    i, f, o = (unary("LOGISTIC", parts[k], f"gate{k}") for k in (0, 1, 3))
    kept = binary("MUL", f, c, "kept")
    added = binary("MUL", i, unary("TANH", parts[2], "g"), "added")
    new_c = binary("ADD", kept, added, "c")
    return [binary("MUL", o, unary("TANH", new_c, "tanh_c"), "h"), new_c]


def cell_file(case: Case, graph: Graph) -> bytes:
    """One step in elementary operators, written with an empty `graph`."""
    hidden = case.row.hidden_size
    x = source = graph.tensor("x", 1, case.row.input_size)
    states = [graph.tensor(f"{s}{k}", 1, hidden) for k in range(len(case.layers)) for s in "hc"]
    new: list[int] = []
    for k, layer in enumerate(case.layers):
        new += _cell_layer(graph, f"l{k}", layer, source, states[2 * k : 2 * k + 2])
        source = new[2 * k]
    return graph.finish([x, *states], [_dense(graph, case, source), *new])


def opened(file: bytes, **settings: Any) -> tuple[Interpreter, list[int], list[int]]:
    """The interpreter and the numbers of its inputs and outputs."""
    interpreter = Interpreter(model_content=file, num_threads=1, **settings)
    interpreter.allocate_tensors()
    numbers = [[d["index"] for d in details()] for details in (interpreter.get_input_details, interpreter.get_output_details)]
    return interpreter, numbers[0], numbers[1]


def _fused(case: Case) -> Contender:
    interpreter, (x_number,), (y_number,) = opened(_fused_file(case))
    put, invoke, get = interpreter.set_tensor, interpreter.invoke, interpreter.get_tensor

    def step(x: NDArray[Any]) -> Any:
        put(x_number, x)
        invoke()
        return get(y_number)

    return stepwise("LiteRT fused", step, case, ready=lambda x: x[None, None], value=lambda y: float(y[0, 0]))


def cell(name: str, file: bytes, case: Case, tolerance: float = TOLERANCE) -> Contender:
    """Inputs and output in the file's own type, float32 or int8."""
    interpreter, (x_number, *old), (y_number, *new) = opened(file)
    put, invoke, get = interpreter.set_tensor, interpreter.invoke, interpreter.get_tensor
    pairs = list(zip(old, new, strict=True))
    details = {d["index"]: d for d in (*interpreter.get_input_details(), *interpreter.get_output_details())}
    (x_scale, x_zero), (y_scale, y_zero) = (details[number]["quantization"] for number in (x_number, y_number))
    for number in old:  # the initial state, zero
        put(number, np.full((1, case.row.hidden_size), details[number]["quantization"][1], details[number]["dtype"]))

    def ready(x: NDArray[np.float32]) -> NDArray[Any]:
        return np.clip(np.rint(x / x_scale) + x_zero, -128, 127).astype(np.int8)[None] if x_scale else x[None]

    def value(y: NDArray[Any]) -> float:
        return float(y[0, 0] - float(y_zero)) * float(y_scale or 1)

    def step(x: NDArray[Any]) -> Any:
        put(x_number, x)
        invoke()
        for source, target in pairs:
            put(source, get(target))
        return get(y_number)

    return stepwise(name, step, case, ready=ready, value=value, tolerance=tolerance)


def contenders(case: Case) -> list[Contender]:
    return [_fused(case), cell("LiteRT cell XNNPACK", cell_file(case, Graph()), case)]
