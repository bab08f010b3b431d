"""ONNX graphs whose weights are levels of few bits, with scales for blocks of a row, against ONNX Runtime."""

import numpy as np
import pytest

import edgelstm as el
from edgelstm import reference
from edgelstm.importers.from_onnx.chains import from_onnx
from edgelstm.importers.from_onnx.file import parse

helper, numpy_helper = pytest.importorskip("onnx.helper"), pytest.importorskip("onnx.numpy_helper")
runtime = pytest.importorskip("onnxruntime")

ROWS, COLUMNS, BLOCK, TOLERANCE = 24, 6, 16, 1e-5
BLOCKS = -(-ROWS // BLOCK)

#: Numbers of ONNX's types.
FLOAT, INT8, INT16, INT64, FLOAT8_E4M3, FLOAT8_E5M2, UINT4, INT4 = 1, 3, 5, 7, 17, 19, 21, 22


class Graph:
    """A graph of one input, operator by operator."""

    def __init__(self, shape, kind=FLOAT):
        self.shape, self.kind, self.nodes, self.arrays, self.rng = shape, kind, [], [], np.random.default_rng(3)

    def array(self, array):
        self.arrays.append(numpy_helper.from_array(np.asarray(array), f"array{len(self.arrays)}"))
        return self.arrays[-1].name

    def typed(self, kind, array):
        """Numbers in a type that NumPy lacks."""
        array = np.asarray(array)
        self.arrays.append(helper.make_tensor(f"array{len(self.arrays)}", kind, array.shape, array.ravel().tolist()))
        return self.arrays[-1].name

    def __call__(self, op, *inputs, **attributes):
        self.nodes.append(helper.make_node(op, list(inputs), [f"made{len(self.nodes)}"], **attributes))
        return self.nodes[-1].output[0]

    def bytes(self):
        x, y = (
            helper.make_tensor_value_info("x", self.kind, self.shape),
            helper.make_tensor_value_info(self.nodes[-1].output[0], FLOAT, None),
        )
        opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
        graph = helper.make_graph(self.nodes, "g", [x], [y], self.arrays)
        return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


def scales(graph, *shape):
    return graph.rng.uniform(0.01, 0.1, shape).astype(np.float32)


def rows_of_bytes(graph, *shape):
    return graph.rng.integers(0, 256, shape).astype(np.uint8)


def product(bits=4, zeros="", biased=False, **attributes):
    """MatMulNBits. zeros: whether zero points are packed, floats or left out."""
    graph = Graph((1, "time", ROWS))
    blocks = graph.array(rows_of_bytes(graph, COLUMNS, BLOCKS, BLOCK * bits // 8))
    given = [blocks, graph.array(scales(graph, COLUMNS * BLOCKS))]
    if zeros:
        packed = rows_of_bytes(graph, COLUMNS, -(-BLOCKS * bits // 8))
        given.append(graph.array(packed if zeros == "packed" else graph.rng.uniform(0, 8, (COLUMNS, BLOCKS)).astype(np.float32)))
    if biased:
        given += [""] * (4 - len(given)) + [graph.array(graph.rng.normal(size=COLUMNS).astype(np.float32))]
    graph("MatMulNBits", "x", *given, domain="com.microsoft", K=ROWS, N=COLUMNS, bits=bits, block_size=BLOCK, **attributes)
    return graph


def table(kind=INT4, zeros=False, bits=4):
    """GatherBlockQuantized. kind: of the levels, None where they are packed in bytes."""
    graph, width = Graph((1, "time"), INT64), 32
    size = width // BLOCK
    if kind is None:
        levels = graph.array(rows_of_bytes(graph, 9, width * bits // 8))
        points = [graph.array(rows_of_bytes(graph, 9, -(-size * bits // 8)))] if zeros else []
    else:
        low, high = (-8, 8) if kind == INT4 else (0, 16)
        levels = graph.typed(kind, graph.rng.integers(low, high, (9, width)))
        points = [graph.typed(kind, graph.rng.integers(low, high, (9, size)))] if zeros else []
    attributes = {"block_size": BLOCK, "gather_axis": 0, "quantize_axis": 1} | ({"bits": bits} if kind is None else {})
    found = graph("GatherBlockQuantized", levels, "x", graph.array(scales(graph, 9, size)), *points, domain="com.microsoft", **attributes)
    graph("Tanh", found)
    return graph


def weight(kind, block=0, zeros=False):
    """A matrix behind a DequantizeLinear that has one scale, or one for each block of a column."""
    graph = Graph((1, "time", ROWS))
    low, high = {INT4: (-8, 8), UINT4: (0, 16)}.get(kind, (-6, 7))
    levels = graph.typed(kind, graph.rng.integers(low, high, (ROWS, COLUMNS)))
    shape = (-(-ROWS // block), COLUMNS) if block else ()
    points = [graph.typed(kind, graph.rng.integers(low, high, shape))] if zeros else []
    attributes = {"axis": 0, "block_size": block} if block else {}
    matrix = graph("DequantizeLinear", levels, graph.array(np.float32(scales(graph, *shape))), *points, **attributes)
    graph("MatMul", "x", matrix)
    return graph


def rounded():
    """Samples as levels whose type an attribute says, and a constant as such."""
    graph = Graph((1, "time", ROWS))
    scale = graph.array(np.float32(0.02))
    levels = [
        graph("QuantizeLinear", given, scale, output_dtype=INT8)
        for given in ("x", graph.array(np.linspace(-3, 3, ROWS).astype(np.float32)))
    ]
    graph("Add", *(graph("DequantizeLinear", one, scale) for one in levels))
    return graph


CASES = {
    "samples and constants in int8 without a zero point": rounded,
    "products of 4 bits": product,
    "products of 4 bits with zero points": lambda: product(zeros="packed"),
    "products of 4 bits with zero points in floats": lambda: product(zeros="floats"),
    "products of 8 bits with zero points and a bias": lambda: product(8, "packed", True),
    "products of 2 bits": lambda: product(2),
    "products of 4 bits and a bias": lambda: product(biased=True),
    "tables of int4": table,
    "tables of uint4 with zero points": lambda: table(UINT4, True),
    "tables of packed bytes": lambda: table(None),
    "tables of packed bytes with zero points": lambda: table(None, True),
    "tables of 8 bits": lambda: table(None, True, 8),
    "int8 without a zero point": lambda: weight(INT8),
    "int16": lambda: weight(INT16),
    "floats of 8 bits": lambda: weight(FLOAT8_E4M3),
    "floats of 8 bits with wide exponents": lambda: weight(FLOAT8_E5M2),
    "int4 in blocks": lambda: weight(INT4, BLOCK),
    "uint4 in blocks with zero points": lambda: weight(UINT4, BLOCK, True),
    "int8 in blocks": lambda: weight(INT8, 4, True),
}


def beside_runtime(graph):
    """Both answers to a recording, and the notes."""
    data = graph.bytes()
    x = graph.rng.integers(0, 9, 12) if graph.kind == INT64 else graph.rng.normal(size=(12, ROWS)).astype(np.float32)
    options = runtime.SessionOptions()  # its optimiser makes products of 8 bits of others
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    (expected,) = runtime.InferenceSession(data, options).run(None, {"x": x[None]})
    model, _, notes = from_onnx(parse(data))
    return reference.run(model, x), expected[0], notes


@pytest.mark.parametrize("name", CASES)
def test_levels_are_taken_back_as_by_onnx_runtime(name):
    found, expected, notes = beside_runtime(CASES[name]())
    assert np.abs(found - expected).max() <= TOLERANCE * np.ptp(expected)
    assert not notes


def test_a_product_that_may_round_what_it_takes_is_noted():
    found, expected, notes = beside_runtime(product(accuracy_level=4))
    assert len(notes) == 1
    assert "accuracy_level 4" in notes[0]
    assert np.abs(found - expected).max() <= 0.02 * np.ptp(expected)


def of_another_shape():
    graph = weight(INT4, BLOCK)
    graph.nodes[0].attribute[1].i = 8
    return graph


def turned():
    graph = product()
    order = graph.array((np.arange(ROWS)[::-1] // BLOCK).astype(np.int32))
    graph.nodes[0].input.extend(["", order])
    return graph


@pytest.mark.parametrize(("make", "why"), [(lambda: product(3), "3 bits"), (of_another_shape, "of shape"), (turned, "g_idx")])
def test_other_levels_are_refused(make, why):
    with pytest.raises(el.UnsupportedModelError, match=why):
        from_onnx(parse(make().bytes()))
