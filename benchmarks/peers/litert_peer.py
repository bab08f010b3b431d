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


class _Step:
    """Elementary operators on tensors of one layer, (1, width) each."""

    def __init__(self, graph: Graph, name: str) -> None:
        self.graph, self.name = graph, name

    def unary(self, code: str, a: int, tag: str, width: int) -> int:
        self.graph.operator(code, [a], [out := self.graph.tensor(self.name + tag, 1, width)])
        return out

    def binary(self, code: str, a: int, b: int, tag: str, width: int) -> int:
        options = {"ADD": schema.AddOptionsT, "SUB": schema.SubOptionsT, "MUL": schema.MulOptionsT}[code]()
        self.graph.operator(code, [a, b], [out := self.graph.tensor(self.name + tag, 1, width)], options)
        return out

    def joined(self, parts: list[int], width: int) -> int:
        self.graph.operator(
            "CONCATENATION", parts, [out := self.graph.tensor(self.name + "xh", 1, width)], schema.ConcatenationOptionsT(axis=1)
        )
        return out

    def dense(self, tag: str, weight: Any, bias: Any, source: int) -> int:
        self.graph.dense(self.name + tag, weight, bias, source, out := self.graph.tensor(f"{self.name}{tag}z", 1, len(weight)))
        return out

    def split(self, source: int, names: str, width: int) -> list[int]:
        parts = [self.graph.tensor(f"{self.name}z{gate}", 1, width) for gate in names]
        axis = self.graph.constant(self.name + "axis", np.array(1, np.int32))
        self.graph.operator("SPLIT", [axis, source], parts, schema.SplitOptionsT(len(parts)))
        return parts


def _lstm_layer(graph: Graph, name: str, layer: Any, x: int, state: list[int]) -> list[int]:
    """One step of one layer; state and result: h and c."""
    h, c = state
    hidden, step = layer.hidden_size, _Step(graph, name)
    xh = step.joined([x, h], layer.input_size + hidden)
    z = step.dense("", np.concatenate([layer.weight_ih, layer.weight_hh], 1), layer.bias, xh)
    parts = step.split(z, "ifgo", hidden)
    i, f, o = (step.unary("LOGISTIC", parts[k], f"gate{k}", hidden) for k in (0, 1, 3))
    kept = step.binary("MUL", f, c, "kept", hidden)
    added = step.binary("MUL", i, step.unary("TANH", parts[2], "g", hidden), "added", hidden)
    new_c = step.binary("ADD", kept, added, "c", hidden)
    return [step.binary("MUL", o, step.unary("TANH", new_c, "tanh_c", hidden), "h", hidden), new_c]


def _gru_layer(graph: Graph, name: str, layer: Any, x: int, state: list[int]) -> list[int]:
    """The same of a GRU, the reset gate after the product; state and result: h."""
    (h,) = state
    hidden, step = layer.hidden_size, _Step(graph, name)
    two, bias = 2 * hidden, layer.bias_ih + layer.bias_hh
    xh = step.joined([x, h], layer.input_size + hidden)
    both = step.dense("rz", np.concatenate([layer.weight_ih, layer.weight_hh], 1)[:two], bias[:two], xh)
    r, z = step.split(step.unary("LOGISTIC", both, "gates", two), "rz", hidden)
    of_x = step.dense("nx", layer.weight_ih[two:], layer.bias_ih[two:], x)
    of_h = step.dense("nh", layer.weight_hh[two:], layer.bias_hh[two:], h)
    n = step.unary("TANH", step.binary("ADD", of_x, step.binary("MUL", r, of_h, "seen", hidden), "sum", hidden), "n", hidden)
    kept = step.binary("MUL", z, step.binary("SUB", h, n, "way", hidden), "kept", hidden)
    return [step.binary("ADD", n, kept, "h", hidden)]


#: What writes a layer's step, and the names of its states, by the kind of the case's layers.
CELLS = {"lstm": (_lstm_layer, "hc"), "gru": (_gru_layer, "h")}


def cell_file(case: Case, graph: Graph) -> bytes:
    """One step in elementary operators, written with an empty `graph`."""
    hidden, (write, kept) = case.row.hidden_size, CELLS[case.layers[0].kind]
    x = source = graph.tensor("x", 1, case.row.input_size)
    states = [[graph.tensor(f"{s}{k}", 1, hidden) for s in kept] for k in range(len(case.layers))]
    new: list[int] = []
    for k, layer in enumerate(case.layers):
        found = write(graph, f"l{k}", layer, source, states[k])
        source, new = found[0], new + found
    return graph.finish([x, *(s for layer in states for s in layer)], [_dense(graph, case, source), *new])


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
    """Of a GRU, which has no fused operator, the cell alone."""
    fused = [_fused(case)] if case.layers[0].kind == "lstm" else []
    return [*fused, cell("LiteRT cell XNNPACK", cell_file(case, Graph()), case)]
