"""One graph of a TensorFlow Lite file while it is written as nodes of ONNX: what its tensors have become."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelFileError, printable
from ...layers.record import MAX_SIZE
from ..from_onnx.writer import Ref, Writer
from .file import Graph, Operator, Tensor
from .hybrid import inexact

#: Writes one operator; gives what its outputs are.
Handler: TypeAlias = "Callable[[Scope, Operator], Ref | Sequence[Ref]]"

#: Most operators that are written, those of graphs inside counted each time; deepest nesting of graphs.
MOST, DEEPEST = 20_000, 16

#: Fused functions of operators, by number, as nodes of ONNX.
_FUSED: tuple[tuple[str, dict[str, Any]] | None, ...] = (
    None,
    ("Relu", {}),
    ("Clip", {"min": -1.0, "max": 1.0}),
    ("Clip", {"min": 0.0, "max": 6.0}),
    ("Tanh", {}),
)


@dataclass(frozen=True, eq=False)
class Quotient:
    """``sign * numerator / root * factor + offset``, not written yet: what normalisations are made of. numerator: None for 1."""

    numerator: Ref | None
    root: Ref
    factor: NDArray[Any]
    offset: NDArray[Any]


@dataclass(eq=False)
class Shared:
    """What all graphs of a file share: the graphs by number, notes, and variables by name with what they hold now.

    near: whole numbers are computed as the numbers that they stand for, which a note says; otherwise exactly or not at all.
    """

    graphs: tuple[Graph, ...]
    near: bool = False
    notes: list[str] = field(default_factory=list)
    variables: dict[str, Ref] = field(default_factory=dict)
    #: Variables that were read before they were written: what an input of that name begins as.
    inputs: dict[str, Tensor] = field(default_factory=dict)
    initial: dict[str, NDArray[Any]] = field(default_factory=dict)
    count: int = 0

    def note(self, text: str) -> None:
        """Say something once."""
        if text not in self.notes:
            self.notes.append(text)


@dataclass(eq=False)
class Scope:
    """A graph that is being written. `makers`: the operator that makes each tensor; `inside`: numbers of the graphs around it."""

    graph: Graph
    shared: Shared
    writer: Writer
    inside: tuple[int, ...] = ()
    values: dict[Tensor, Ref] = field(default_factory=dict)
    makers: dict[Tensor, Operator] = field(default_factory=dict)
    handles: dict[Tensor, str] = field(default_factory=dict)
    quotients: dict[str, Quotient] = field(default_factory=dict)

    def refuse(self, why: str) -> NoReturn:
        """Raise the error that says why the present operator cannot be imported."""
        self.writer.refuse(why)

    def follow(self, handlers: Mapping[str, Handler]) -> None:
        """Write all operators of the graph."""
        for operator in self.graph.operators:
            self.shared.count += 1
            if self.shared.count > MOST:
                raise ModelFileError(f"holds more than {MOST} operators, those of loops counted each time; edgelstm reads no such models.")
            self.writer.place = f"{operator}".rstrip(",")
            if operator.kind not in handlers:
                self.refuse(_UNKNOWN.get(operator.kind, "edgelstm does not import this operator"))
            if (why := inexact(operator)) and not self.shared.near:
                self.refuse(why)
            try:
                found = handlers[operator.kind](self, operator)
            except (IndexError, ValueError, TypeError, KeyError, ZeroDivisionError, OverflowError, MemoryError, AttributeError) as problem:
                raise ModelFileError(
                    f"{self.writer.place}: its tensors and options do not fit together ({printable(problem, 160)})."
                ) from None
            for tensor, ref in zip(operator.outputs, [found] if isinstance(found, Ref) else found, strict=False):
                if tensor in self.values or tensor.data is not None:
                    raise ModelFileError(f"makes tensor {tensor} twice; the file is damaged, convert it again.")
                self.values[tensor], self.makers[tensor] = ref, operator

    def given(self, tensor: Tensor) -> Ref:
        """What a tensor has become; a quotient as such is kept."""
        if tensor not in self.values:
            array = np.zeros(tensor.shape, np.int64) if 0 in tensor.shape else _begun(tensor) if tensor.variable else numbers(tensor)
            if array is None:
                raise ModelFileError(f"{self.writer.place} reads {tensor}, which nothing before it makes; the file is damaged.")
            self.values[tensor] = self.writer.constant(array)
        return self.values[tensor]

    def ref(self, operator: Operator, index: int) -> Ref:
        """An input that must be there."""
        ref = self.given(operator.operand(index))
        return self.written(ref)

    def written(self, ref: Ref) -> Ref:
        """A value whose nodes stand in the graph."""
        quotient = self.quotients.get(ref.name)
        if quotient is None:
            return ref
        numerator = self.writer.constant(np.float32(1)) if quotient.numerator is None else quotient.numerator
        out = self.writer.one("Div", numerator, quotient.root)
        if (quotient.factor != 1).any():
            out = self.writer.one("Mul", out, self.writer.constant(quotient.factor))
        return self.writer.one("Add", out, self.writer.constant(quotient.offset)) if quotient.offset.any() else out

    def has(self, operator: Operator, index: int) -> bool:
        return index < len(operator.inputs) and operator.inputs[index] is not None

    def known(self, tensor: Tensor) -> NDArray[Any] | None:
        """The numbers of a tensor that is constant, or bound to a constant; None for others."""
        return self.writer.constants.get(self.given(tensor).name)

    def array(self, operator: Operator, index: int) -> NDArray[Any]:
        """An input that must be constant."""
        tensor = operator.operand(index)
        found = self.known(tensor)
        if found is None:
            self.refuse(f"its input {index}, {tensor}, is computed where edgelstm needs a constant")
        return found

    def ints(self, operator: Operator, index: int) -> list[int]:
        return [int(n) for n in self.array(operator, index).ravel()]

    def maker(self, tensor: Tensor | None) -> Operator | None:
        return None if tensor is None else self.makers.get(tensor)

    def fused(self, ref: Ref, number: int) -> Ref:
        """The function that is fused into an operator."""
        if not 0 <= number < len(_FUSED):
            self.refuse(f"its fused function has the number {number}, which edgelstm does not import")
        node = _FUSED[number]
        return ref if node is None else self.writer.one(node[0], self.written(ref), **node[1])

    def axis(self, given: int, rank: int) -> int:
        """An axis counted from the front."""
        if not -rank <= given < max(rank, 1):
            self.refuse(f"it names axis {given} of an array of {rank} dimension(s)")
        return given % max(rank, 1)


#: Operators that are not imported, and what they belong to.
_UNKNOWN = {
    "SPACE_TO_BATCH_ND": "it takes steps apart into a batch, as a dilated convolution of open length does; convert with a fixed length, "
    "of which the converter makes a dilated CONV_2D",
    "BIDIRECTIONAL_SEQUENCE_LSTM": "it is a bidirectional LSTM in one operator, which converters write no more; convert the model again",
    "BIDIRECTIONAL_SEQUENCE_RNN": "it is a bidirectional RNN in one operator, which converters write no more; convert the model again",
    "LSTM": "it is an LSTM cell of TensorFlow 1; convert the model again, so that it becomes UNIDIRECTIONAL_SEQUENCE_LSTM",
    "RNN": "it is an RNN cell of TensorFlow 1; convert the model again, so that it becomes UNIDIRECTIONAL_SEQUENCE_RNN",
}


def _begun(tensor: Tensor) -> NDArray[Any] | None:
    """The zeros that a variable of the file's begins as."""
    known = tensor.data is None and tensor.type == "float32" and prod(tensor.shape) <= MAX_SIZE
    return np.zeros(tensor.shape, np.float32) if known else numbers(tensor)


def numbers(tensor: Tensor) -> NDArray[Any] | None:
    """What a constant stands for: whole numbers with a scale as float32; None for what is computed."""
    if tensor.data is None:
        return None
    data = tensor.data.astype(tensor.data.dtype.newbyteorder("="))
    if tensor.scale.size and data.dtype.kind in "iu":
        shape = [1] * data.ndim
        if tensor.scale.size > 1 and data.ndim:
            if not 0 <= tensor.axis < data.ndim or data.shape[tensor.axis] != tensor.scale.size:
                raise ModelFileError(f"tensor {tensor} has {tensor.scale.size} scales along axis {tensor.axis}; the file is damaged.")
            shape[tensor.axis] = -1
        zero = tensor.zero_point if tensor.zero_point.size in (1, tensor.scale.size) else np.zeros(1, np.int64)
        scale = tensor.scale.astype(np.float64)
        return np.asarray((data - zero.reshape(shape if zero.size > 1 else [1] * data.ndim)) * scale.reshape(shape), np.float32)
    if data.dtype.kind == "f":
        return data.astype(np.float32)
    return data if data.dtype == np.bool_ else data.astype(np.int64)
