"""TensorFlow Lite files, written without TensorFlow: what the tests read, and what no converter would ever write."""

import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np

TYPES = {"float32": 0, "float16": 1, "int32": 2, "uint8": 3, "bool": 6, "int16": 7, "int8": 9, "resource": 13}
CODES = {"DEQUANTIZE": 6, "FULLY_CONNECTED": 9, "LOGISTIC": 14, "RELU": 19, "MAX_POOL_2D": 17, "RESHAPE": 22, "SOFTMAX": 25, "TANH": 28}
CODES |= {"UNIDIRECTIONAL_SEQUENCE_LSTM": 44, "STRIDED_SLICE": 45, "REVERSE_V2": 105, "QUANTIZE": 114, "WHILE": 119}
CODES |= {"CONCATENATION": 2, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 4, "SLICE": 65, "VAR_HANDLE": 142, "READ_VARIABLE": 143}
CODES |= {"ASSIGN_VARIABLE": 144, "ADD": 0, "SVDF": 27, "GATHER": 36, "LESS": 58, "CALL_ONCE": 129, "CONV_3D": 132}


def flatbuffer(root: dict[int, Any], identifier: bytes = b"TFL3") -> bytes:
    """A table as a file. A field is a pair (struct code, number), text, an array, a table, or a list of tables."""
    data = bytearray(4) + identifier
    struct.pack_into("<I", data, 0, _write(data, root))
    return bytes(data)


def _write(data: bytearray, value: Any) -> int:
    """Append a value behind all that is there; returns its position."""
    if isinstance(value, str):
        value = np.frombuffer(value.encode(), np.uint8)
    if isinstance(value, np.ndarray):
        data += bytes(-(len(data) + 4) % 16) + struct.pack("<I", value.size)
        data += value.tobytes() + bytes(4)
        return len(data) - value.nbytes - 8
    data += bytes(-len(data) % 16)
    if isinstance(value, list):
        start = len(data)
        data += struct.pack("<I", len(value)) + bytes(4 * len(value))
        for index, item in enumerate(value):
            _point(data, start + 4 + 4 * index, item)
        return start
    slots = max(value, default=-1) + 1
    vtable = struct.pack(f"<{2 + slots}H", 4 + 2 * slots, 8 + 8 * slots, *(8 + 8 * n if n in value else 0 for n in range(slots)))
    vtable += bytes(-len(vtable) % 16)
    start = len(data) + len(vtable)
    data += vtable + struct.pack("<i", len(vtable)) + bytes(4 + 8 * slots)
    for number, item in value.items():
        place = start + 8 + 8 * number
        if isinstance(item, tuple):
            struct.pack_into(f"<{item[0]}", data, place, item[1])
        else:
            _point(data, place, item)
    return start


def _point(data: bytearray, place: int, item: Any) -> None:
    struct.pack_into("<I", data, place, _write(data, item) - place)


@dataclass
class Network:
    """One graph, built up tensor by tensor and operator by operator."""

    tensors: list[dict[int, Any]] = field(default_factory=list)
    buffers: list[dict[int, Any]] = field(default_factory=lambda: [{}])
    codes: list[str] = field(default_factory=list)
    operators: list[dict[int, Any]] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    graphs: list["Network"] = field(default_factory=list)
    called: bool = False

    def tensor(self, dtype, shape, scale=None, zero_point=0, *, data=None, variable=False, name="t", signature=None) -> int:
        fields = {0: np.array(shape, np.int32), 1: ("b", TYPES[dtype]), 2: ("I", 0), 3: f"{name}{len(self.tensors)}", 5: ("B", variable)}
        if data is not None:
            fields[2] = ("I", len(self.buffers))
            self.buffers.append({0: np.ascontiguousarray(data, dtype).reshape(-1).view(np.uint8)})
        if scale is not None:
            scales = np.atleast_1d(np.asarray(scale, np.float32))
            fields[4] = {2: scales, 3: np.broadcast_to(np.int64(zero_point), scales.shape).copy()}
        if signature is not None:
            fields[7] = np.array(signature, np.int32)
        self.tensors.append(fields)
        return len(self.tensors) - 1

    def constant(self, array, scale=None, zero_point=0) -> int:
        array = np.asarray(array)
        return self.tensor(str(array.dtype), array.shape, scale, zero_point, data=array, name="constant")

    def operator(self, kind, inputs, outputs, options=None, *, options_type=0, intermediates=()) -> None:
        self.codes.append(kind)
        fields = {
            0: ("I", len(self.codes) - 1 if self.called else len(self.operators)),
            1: np.array(inputs, np.int32),
            2: np.array(outputs, np.int32),
        }
        if options is not None:
            fields |= {3: ("B", options_type), 4: options}
        if intermediates:
            fields[8] = np.array(intermediates, np.int32)
        self.operators.append(fields)

    def bytes(self, version=3) -> bytes:
        number = [CODES[kind] for kind in self.codes]
        codes = [{0: ("b", min(n, 127)), 2: ("i", 1), 3: ("i", n)} for n in number]
        graphs = [
            {0: graph.tensors, 1: np.array(graph.inputs, np.int32), 2: np.array(graph.outputs, np.int32), 3: graph.operators}
            for graph in (self, *self.graphs)
        ]
        return flatbuffer({0: ("I", version), 1: codes, 2: graphs, 3: "test", 4: self.buffers})

    def inside(self) -> "Network":
        """One more graph of the same file, which operators call by its number."""
        graph = Network(buffers=self.buffers, codes=self.codes, called=True)
        self.graphs.append(graph)
        return graph


@dataclass
class Int8LSTM:
    """A full-int8 LSTM with a head, as the converter writes it; each field may be made wrong. projected: size of h, 0 for the cell's."""

    inputs: int = 3
    hidden: int = 4
    steps: int = 5
    x: tuple[float, int] = (0.02, 7)
    h: tuple[float, int] = (0.008, -3)
    cell: float = 2.0**-12
    clip: float = 10.0
    seed: int = 0
    time_major: bool = False
    coupled: bool = False
    peephole: bool = False
    norm: bool = False
    projected: int = 0
    gated: tuple[float, int] = (0.006, 5)
    options: dict[int, Any] = field(default_factory=dict)
    replaced: dict[int, Any] = field(default_factory=dict)
    network: Network = field(default_factory=Network)

    def build(self) -> Network:
        """The network up to the sequence of h, which `last` names."""
        n, rng, given = self.network, np.random.default_rng(self.seed), self.projected or self.hidden
        around = (self.steps, 1) if self.time_major else (1, self.steps)
        x = n.tensor("int8", (*around, self.inputs), *self.x, name="x")
        n.inputs = [x]
        columns = [self.inputs] * 4 + [given] * 4
        scales = rng.uniform(0.002, 0.03, 8).astype(np.float32)
        weights = [n.constant(rng.integers(-127, 128, (self.hidden, c)).astype(np.int8), s) for c, s in zip(columns, scales, strict=True)]
        products = np.full(4, 2.0**-18, np.float32) if self.norm else np.float32(self.x[0]) * scales[:4]
        biases = [n.constant(rng.integers(-9000, 9000, self.hidden).astype(np.int32), s) for s in products]
        h = n.tensor("int8", (1, given), *self.h, variable=True)
        c = n.tensor("int16", (1, self.hidden), self.cell, variable=True)
        between = [n.tensor("int16", (0,), 2.0**-11) if self.norm else n.tensor("float32", (0,)) for _ in range(4)]
        between.append(n.tensor("int8", (0,), *(self.gated if self.projected else self.h)))
        self.last = n.tensor("int8", (*around, given), *self.h, name="sequence")
        operands = [x, *weights, *self._units(rng, 3, self.peephole, 2.0**-14), *biases, *self._projection(rng), h, c]
        operands += self._units(rng, 4, self.norm, 2.0**-8)
        if self.coupled:
            operands = [-1 if index in (1, 5, 9, 12, 20) else operand for index, operand in enumerate(operands)]
        for index, tensor in self.replaced.items():
            operands[index] = tensor(n) if callable(tensor) else tensor
        options = {0: ("b", 4), 1: ("f", self.clip), 3: ("B", self.time_major)} | self.options
        n.operator("UNIDIRECTIONAL_SEQUENCE_LSTM", operands, [self.last], options, options_type=71, intermediates=between)
        n.outputs = [self.last]
        return n

    def _units(self, rng, count, present, scale) -> list[int]:
        """So many rows of int16 numbers for the units; -1 for each that is absent."""
        drawn = (rng.integers(-9000, 9000, self.hidden).astype(np.int16) for _ in range(count if present else 0))
        return [self.network.constant(row, scale) for row in drawn] or [-1] * count

    def _projection(self, rng) -> list[int]:
        if not self.projected:
            return [-1, -1]
        weights, bias = rng.integers(-127, 128, (self.projected, self.hidden)), rng.integers(-2000, 2000, self.projected)
        product = np.float32(0.01) * np.float32(self.gated[0])
        return [self.network.constant(weights.astype(np.int8), 0.01), self.network.constant(bias.astype(np.int32), product)]

    def last_step(self, begin=-1) -> None:
        """Take the last step of the sequence."""
        n = self.network
        ends = [n.constant(np.array(v, np.int32)) for v in ([0, begin, 0], [0, 0, 0], [1, 1, 1])]
        out = n.tensor("int8", (1, self.hidden), *self.h, name="last")
        options = {0: ("i", 5), 1: ("i", 5), 4: ("i", 2)}
        n.operator("STRIDED_SLICE", [self.last, *ends], [out], options, options_type=32)
        self.last, n.outputs = out, [out]

    def dense(self, outputs=2, out=(0.05, 11), *, function=0, per_row=False, options=None) -> None:
        """A fully connected operator on the last tensor."""
        n, rng = self.network, np.random.default_rng(self.seed + 1)
        scale = rng.uniform(0.004, 0.01, outputs if per_row else 1).astype(np.float32)
        weight = n.constant(rng.integers(-127, 128, (outputs, self.hidden)).astype(np.int8), scale)
        bias = n.constant(rng.integers(-3000, 3000, outputs).astype(np.int32), np.float32(self.h[0]) * scale)
        shape = (*n.tensors[self.last][0][:-1], outputs)
        y = n.tensor("int8", shape, *out, name="logits")
        keep = len(shape) > 2
        n.operator(
            "FULLY_CONNECTED", [self.last, weight, bias], [y], {0: ("b", function), 2: ("B", keep)} | (options or {}), options_type=8
        )
        self.last, n.outputs = y, [y]

    def function(self, kind, scale=1 / 256, zero_point=-128, options=None) -> None:
        n = self.network
        y = n.tensor("int8", n.tensors[self.last][0], scale, zero_point, name="y")
        n.operator(kind, [self.last], [y], options, options_type=9 if kind == "SOFTMAX" else 0)
        self.last, n.outputs = y, [y]
