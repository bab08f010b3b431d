"""Writes a LiteRT model file (a flatbuffer) operator by operator, without TensorFlow, in float32 or with int8.

It knows the file, not what is in it: `litert_peer` says which operators. Schema: the one inside the ai-edge-litert package.
"""

from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray
from quantised import rows


class _Buffer(schema.BufferT):  # type: ignore[misc]
    """A tensor's bytes, 16-byte aligned as the schema asks (the generated Python code does not align them)."""

    def Pack(self, builder: flatbuffers.Builder) -> int:
        data = b"" if self.data is None else bytes(self.data)
        if data:
            builder.Prep(16, len(data))
        vector = builder.CreateByteVector(data)
        schema.BufferStart(builder)
        schema.BufferAddData(builder, vector)
        return int(schema.BufferEnd(builder))


#: NumPy's name of a type -> the schema's.
TYPES = {"float32": schema.TensorType.FLOAT32, "int32": schema.TensorType.INT32, "int8": schema.TensorType.INT8}


def _steps(scales: list[float], zeros: list[int]) -> Any:
    return schema.QuantizationParametersT(scale=scales, zeroPoint=zeros, quantizedDimension=0)


class Graph:
    """A model of one subgraph under construction; tensors are numbers."""

    def __init__(self) -> None:
        self._buffers = [_Buffer()]
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._codes: list[int] = []

    def tensor(self, name: str, *shape: int, variable: bool = False) -> int:
        """A float32 tensor that the engine allocates; a `variable` one keeps its value from call to call."""
        self._tensors.append(schema.TensorT(list(shape), schema.TensorType.FLOAT32, 0, name, isVariable=variable))
        return len(self._tensors) - 1

    def constant(self, name: str, array: NDArray[Any], scales: NDArray[np.float32] | None = None) -> int:
        """A tensor whose values lie in the file: float32, int32 or int8; `scales`: one for each of its rows."""
        self._buffers.append(_Buffer(np.ascontiguousarray(array).tobytes()))
        steps = None if scales is None else _steps(scales.tolist(), [0] * len(scales))
        self._tensors.append(schema.TensorT(list(array.shape), TYPES[array.dtype.name], len(self._buffers) - 1, name, steps))
        return len(self._tensors) - 1

    def dense(self, name: str, weight: NDArray[np.float32], bias: NDArray[np.float32], source: int, target: int) -> None:
        """FULLY_CONNECTED from tensor `source` to tensor `target`."""
        constants = [self.constant(name + "w", weight), self.constant(name + "b", bias)]
        self.operator("FULLY_CONNECTED", [source, *constants], [target], schema.FullyConnectedOptionsT())

    def operator(self, code: str, inputs: list[int], outputs: list[int], options: Any = None) -> None:
        """An operator by its schema name; an input of -1 is left out. `options`: an object of the schema's ...OptionsT."""
        number = getattr(schema.BuiltinOperator, code)
        if number not in self._codes:
            self._codes.append(number)
        kind = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T")) if options else 0
        self._operators.append(schema.OperatorT(self._codes.index(number), inputs, outputs, kind, options))

    def finish(self, inputs: list[int], outputs: list[int]) -> bytes:
        """The file."""
        graph = schema.SubGraphT(self._tensors, inputs, outputs, self._operators, "step")
        codes = [schema.OperatorCodeT(deprecatedBuiltinCode=min(code, 127), version=1, builtinCode=code) for code in self._codes]
        model = schema.ModelT(3, codes, [graph], "edgelstm benchmark", self._buffers)
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


class DynamicGraph(Graph):
    """Float tensors, int8 weights with one scale a row: the engine quantises the inputs of each product itself."""

    def dense(self, name: str, weight: NDArray[np.float32], bias: NDArray[np.float32], source: int, target: int) -> None:
        constants = [self.constant(name + "w", *rows(weight)), self.constant(name + "b", bias)]
        options = schema.FullyConnectedOptionsT(asymmetricQuantizeInputs=True)
        self.operator("FULLY_CONNECTED", [source, *constants], [target], options)


class Int8Graph(Graph):
    """All tensors int8.

    Parameters
    ----------
    steps : dict
        Name of a tensor -> its scale and zero point.
    """

    def __init__(self, steps: dict[str, tuple[float, int]]) -> None:
        super().__init__()
        self._known = steps

    def tensor(self, name: str, *shape: int, variable: bool = False) -> int:
        scale, zero = self._known[name]
        steps = _steps([scale], [zero])
        self._tensors.append(schema.TensorT(list(shape), schema.TensorType.INT8, 0, name, steps, isVariable=variable))
        return len(self._tensors) - 1

    def dense(self, name: str, weight: NDArray[np.float32], bias: NDArray[np.float32], source: int, target: int) -> None:
        integers, scales = rows(weight)
        products = scales * np.float32(self._tensors[source].quantization.scale[0])  # (rows,) scales of the sums
        begins = np.rint(bias / products).astype(np.int32)
        constants = [self.constant(name + "w", integers, scales), self.constant(name + "b", begins, products)]
        self.operator("FULLY_CONNECTED", [source, *constants], [target], schema.FullyConnectedOptionsT())
