"""TensorFlow's GraphDef, written without TensorFlow: what the tests read, and what no exporter would ever write."""

import struct
from dataclasses import dataclass, field

import numpy as np

DTYPES = {"float32": 1, "int32": 3, "int64": 9, "bool": 10}


def varint(value):
    value, out = value % (1 << 64), b""
    while True:
        out += bytes([value & 127 | (128 if value > 127 else 0)])
        value >>= 7
        if not value:
            return out


def message(number, data):
    """A field of bytes: a message or text."""
    data = data.encode() if isinstance(data, str) else data
    return varint(number << 3 | 2) + varint(len(data)) + data


def number(field_number, value):
    return varint(field_number << 3) + varint(value)


def shape(sizes):
    return b"".join(message(2, number(1, n)) for n in sizes)


def tensor(array, sizes=None):
    """A TensorProto; `sizes` may say another shape than the array has."""
    array = np.asarray(array)
    dims = shape(array.shape if sizes is None else sizes)
    return number(1, DTYPES[str(array.dtype)]) + message(2, dims) + message(4, array.tobytes())


def attribute(value):
    """An AttrValue, by the type of what it holds; bytes are taken as they are."""
    match value:
        case bytes():
            return value
        case bool():
            return number(5, value)
        case int():
            return number(3, value)
        case float():
            return varint(4 << 3 | 5) + struct.pack("<f", value)
        case str():
            return message(2, value)
        case list():
            return message(1, b"".join(number(3, n) for n in value))
        case np.ndarray():
            return message(8, tensor(value))
    raise TypeError(value)


def dtype(name):
    return number(6, DTYPES[name])


def function_name(name):
    return message(10, message(1, name))


def node(name, op, inputs=(), **attributes):
    entries = b"".join(message(5, message(1, key) + message(2, attribute(value))) for key, value in attributes.items())
    return message(1, name) + message(2, op) + b"".join(message(3, one) for one in inputs) + entries


@dataclass
class GraphDef:
    """A graph, built up node by node; functions are messages."""

    nodes: list[bytes] = field(default_factory=list)
    functions: list[bytes] = field(default_factory=list)

    def add(self, name, op, *inputs, **attributes):
        self.nodes.append(node(name, op, inputs, **attributes))
        return name

    def constant(self, name, array, sizes=None):
        array = np.asarray(array)
        array = array.astype(np.float32) if array.dtype == np.float64 else array
        return self.add(name, "Const", value=message(8, tensor(array, sizes)), dtype=dtype(str(array.dtype)))

    def placeholder(self, name="x", sizes=(1, -1, 3), kind="float32"):
        return self.add(name, "Placeholder", dtype=dtype(kind), shape=message(7, shape(sizes)))

    def function(self, name, arguments, results, nodes):
        """results: by name, what it is."""
        signature = message(1, name) + b"".join(message(2, message(1, one)) for one in arguments)
        signature += b"".join(message(3, message(1, one)) for one in results)
        returned = b"".join(message(4, message(1, key) + message(2, value)) for key, value in results.items())
        self.functions.append(message(1, signature) + b"".join(message(3, one) for one in nodes) + returned)

    def bytes(self):
        library = message(2, b"".join(message(1, one) for one in self.functions)) if self.functions else b""
        return b"".join(message(1, one) for one in self.nodes) + library


def dense(width=2):
    """A sound network: x (1, time, 3) times a matrix."""
    graph = GraphDef()
    graph.placeholder()
    graph.constant("rows", np.array([-1, 3], np.int32))
    graph.add("flat", "Reshape", "x", "rows")
    graph.constant("weight", np.arange(3.0 * width).reshape(3, width))
    graph.add("y", "MatMul", "flat", "weight")
    return graph


def loop(limit=None, step=1, becomes="after"):
    """A sound network with a loop: h = tanh(x W + h U) over the steps of x (time, 1, 2), each part of which may be made wrong."""
    graph, frame = GraphDef(), {"frame_name": "loop"}
    graph.placeholder(sizes=(-1, 1, 2))
    graph.add("shape", "Shape", "x")
    for name, value in (("zero", 0), ("one", 1)):
        graph.constant(name, np.int32(value))
        graph.constant(f"{name}s", np.array([value], np.int32))
    graph.add("steps", "StridedSlice", "shape", "zeros", "ones", "ones", shrink_axis_mask=1)
    steps = "steps" if limit is None else graph.constant("limit", np.int32(limit))
    graph.add("list", "TensorArrayV3", "steps")
    graph.add("range", "Range", "zero", "steps", "one")
    graph.add("filled", "TensorArrayScatterV3", "list", "range", "x", "list:1")
    graph.constant("h0", np.zeros((1, 2)))
    for name, value in (("W", [[0.5, 0.1], [-0.3, 0.7]]), ("U", [[0.2, -0.6], [0.4, 0.3]])):
        graph.constant(f"{name}/value", np.array(value))
    for name, value in (("enter_t", "zero"), ("enter_h", "h0")):
        graph.add(name, "Enter", value, is_constant=False, **frame)
    for name, value in (("rows", "filled"), ("most", steps), ("W", "W/value"), ("U", "U/value"), ("handle", "list")):
        graph.add(name, "Enter", value, is_constant=True, **frame)
    for one in "th":
        graph.add(f"merge_{one}", "Merge", f"enter_{one}", f"next_{one}")
        graph.add(f"switch_{one}", "Switch", f"merge_{one}", "condition")
        graph.add(f"exit_{one}", "Exit", f"switch_{one}")
    graph.add("less", "Less", "merge_t", "most")
    graph.add("condition", "LoopCond", "less")
    graph.add("x_t", "TensorArrayReadV3", "handle", "switch_t:1", "rows")
    graph.add("xW", "MatMul", "x_t", "W")
    graph.add("hU", "MatMul", "switch_h:1", "U")
    graph.add("sum", "AddV2", "xW", "hU")
    graph.add("after", "Tanh", "sum")
    graph.constant("step", np.int32(step))
    graph.add("t_after", "AddV2", "switch_t:1", "step")
    graph.add("next_t", "NextIteration", "t_after")
    graph.add("next_h", "NextIteration", becomes)
    graph.add("y", "Identity", "exit_h")
    return graph
