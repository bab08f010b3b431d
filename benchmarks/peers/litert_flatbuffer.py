"""Writes a LiteRT model file (a flatbuffer) operator by operator, without TensorFlow.

It knows the file, not what is in it: `litert_peer` says which operators. Schema: the one inside the ai-edge-litert package.
"""

from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray


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

    def constant(self, name: str, array: NDArray[Any]) -> int:
        """A tensor whose values lie in the file: float32 or int32."""
        kind = schema.TensorType.INT32 if array.dtype == np.int32 else schema.TensorType.FLOAT32
        self._buffers.append(_Buffer(np.ascontiguousarray(array).tobytes()))
        self._tensors.append(schema.TensorT(list(array.shape), kind, len(self._buffers) - 1, name))
        return len(self._tensors) - 1

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
