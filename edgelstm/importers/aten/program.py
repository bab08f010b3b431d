"""A program of ATen calls, call by call, as a graph of ONNX's operators."""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import EdgeLSTMError, UnsupportedModelError, printable
from ..from_onnx.attempts import Attempt
from ..from_onnx.file import File, Graph, Node, Tensor
from ..from_onnx.signature import Axes, Reading
from ..from_onnx.unrolled import rolled
from ..from_onnx.writer import OPSET, Ref, Writer
from ..graph.tracing import Flow
from ..graph.wires import Budget
from .attention import ATTENTION
from .memory import Memory
from .moving import MOVING
from .native import NATIVE
from .operators import PLAIN
from .packing import PACKING
from .products import PRODUCTS

_HANDLERS = {**PLAIN, **MOVING, **PRODUCTS, **ATTENTION, **PACKING}

#: Calls that check something and compute nothing.
_CHECKS = ("_assert", "sym_constrain_range", "_assert_scalar", "_assert_tensor_metadata", "sym_constrain_range_for_size", "_guards_fn")

#: Python's operators on whole numbers that are lengths.
_LENGTHS = {"add": "Add", "sub": "Sub", "mul": "Mul", "floordiv": "Div"}


class Program:
    """Collects inputs, constants and calls.

    Parameters
    ----------
    producer : str
    """

    def __init__(self, producer: str) -> None:
        self._producer = producer
        self._writer = Writer()
        self._values: dict[str, Ref] = {}
        self._inputs: list[Tensor] = []
        self._outputs: dict[str, tuple[int | str, ...] | None] = {}
        self._lengths: dict[tuple[str, int], int | None] = {}
        self._budget = Budget()  # of all numbers that are looked up
        self._refused: dict[str, str] = {}  # by tensor, why the operator that makes it is not imported
        self.memory = Memory(lambda name, given: self._written(name, given, {}, 1)[0], self.length)

    def input(self, name: str, shape: tuple[int | str, ...], dtype: str) -> Ref:
        """An input that the user gives. dtype: "float", "int", "bool" or "other"."""
        self._inputs.append(Tensor(name, shape, dtype))
        return self._put(name, Ref(name, len(shape)))

    def state(self, name: str, initial: NDArray[Any], becomes: str) -> Ref:
        """A number that is kept from call to call: what it begins as, and the output that it becomes."""
        self._inputs.append(Tensor(name, tuple(initial.shape), "float", becomes, initial))
        return self._put(name, Ref(name, initial.ndim))

    def constant(self, name: str, array: NDArray[Any]) -> Ref:
        """A weight or buffer."""
        return self._put(name, self._writer.constant(array, name))

    def value(self, name: str) -> Ref:
        """What was called `name` before.

        Raises
        ------
        LookupError
        """
        if name not in self._values:
            raise LookupError(f"{printable(name, 60)} is read before it is made")
        return self._values[name]

    def _check(self, given: Any) -> None:
        """Refuse what an operator made that is not imported; where nothing reads it, it does not matter."""
        for value in given if isinstance(given, list | tuple) and not isinstance(given, Ref) else [given]:
            if isinstance(value, list | tuple) and not isinstance(value, Ref):
                self._check(value)
            elif isinstance(value, Ref) and value.name in self._refused:
                raise UnsupportedModelError(self._refused[value.name])

    def output(self, name: str, shape: tuple[int | str, ...] | None = None) -> None:
        """A tensor that the program returns."""
        self._check(self.value(name))
        self._outputs[name] = shape

    def returns(self, name: str, ref: Ref) -> None:
        """A tensor that the program returns, under a name of its own."""
        self._check(self.memory.now(ref))
        self._put(name, ref)
        self._outputs[name] = None

    def call(self, target: str, positional: Sequence[Any], named: Mapping[str, Any], outputs: Sequence[str | None]) -> list[Ref]:
        """One call of an operator, whose results are called `outputs`.

        Raises
        ------
        UnsupportedModelError
            If the operator, or something that it is given, is not imported.
        """
        name = base(target)
        self._writer.place = f"the call {printable(target, 60)}" + (f" that makes {printable(outputs[0], 40)}" if outputs else "")
        if name in _CHECKS:
            return []
        if target.startswith("_operator.") and name in _LENGTHS:
            found = [self._writer.one(_LENGTHS[name], *positional, *named.values())]
        else:
            found = self._in_memory(name, positional, {"x" if key == "self" else key: value for key, value in named.items()}, len(outputs))
        for output, ref in zip(outputs, found, strict=False):
            if output is not None:
                self._put(output, ref)
        return found

    def _in_memory(self, name: str, positional: Sequence[Any], named: Mapping[str, Any], count: int) -> list[Ref]:
        """A call, with what it reads as it is now, and what it changes in place changed."""
        given = [*positional, *named.values()]
        found = self.memory.found(name, given)
        if found is None:
            now, rest = [self.memory.now(value) for value in positional], {key: self.memory.now(value) for key, value in named.items()}
            results = self._written(name, now, rest, count)
            found = list(given[:1]) if results == [*now, *rest.values()][:1] else results
        self.memory.called(name, given, found)
        return found

    def _written(self, name: str, positional: Sequence[Any], named: Mapping[str, Any], count: int) -> list[Ref]:
        writer = self._writer
        self._check([*positional, *named.values()])
        if name == "split" and any(isinstance(value, list) for value in (*positional[1:2], named.get("split_size"))):
            name, named = "split_with_sizes", {"split_sizes" if key == "split_size" else key: value for key, value in named.items()}
        if name in ("split", "unbind"):
            return self._parts(name, positional, named, count)
        changes = name.endswith("_") or not count
        name = name if name in _HANDLERS else name.removesuffix("_")
        if name not in _HANDLERS:
            return self._unknown(changes, positional, count)
        handler = _HANDLERS[name]
        try:
            bound = inspect.signature(handler).bind(writer, *positional, **named)
        except TypeError as problem:
            writer.refuse(f"has a form that is not imported ({printable(problem, 100)})")
        found = handler(*bound.args, **bound.kwargs)
        if isinstance(found, Ref):
            return [found]
        return [*found, *self._unread(found[0].rank, count - len(found), "gives more than is imported")]

    def _unknown(self, changes: bool, positional: Sequence[Any], count: int) -> list[Ref]:
        """The results of an operator that is not imported, which are refused where they are read; at once, if it changes something."""
        why = "is no operator that edgelstm imports"
        if changes:
            self._writer.refuse(why)
        return self._unread(max((value.rank for value in positional if isinstance(value, Ref)), default=0), count, why)

    def _unread(self, rank: int, count: int, why: str) -> list[Ref]:
        """Results that are refused where they are read."""
        made = [Ref(f"refused:{len(self._refused) + place}", rank) for place in range(count)]
        self._refused |= {ref.name: f"{self._writer.place}: {why}." for ref in made}
        return made

    def _parts(self, name: str, positional: Sequence[Any], named: Mapping[str, Any], count: int) -> list[Ref]:
        """``split`` and ``unbind``, whose number of results stands at the call."""
        given = dict(zip(("x", "dim") if name == "unbind" else ("x", "split_size", "dim"), positional, strict=False)) | dict(named)
        x, axis = given["x"], given.get("dim", 0)
        w = self._writer
        w.require(isinstance(x, Ref) and isinstance(axis, int) and 0 < count <= 256, "splits what is no tensor, or into too many parts")
        axis %= max(1, x.rank)
        if name == "unbind":
            parts = w.several("Split", [x], count, [x.rank] * count, axis=axis, num_outputs=count)
            return [w.one("Squeeze", part, w.ints([axis]), rank=x.rank - 1) for part in parts]
        bounds = [int(given["split_size"]) * n for n in range(count + 1)]
        ends = [*bounds[1:-1], 1 << 62]
        return [w.one("Slice", x, w.ints([a]), w.ints([b]), w.ints([axis]), rank=x.rank) for a, b in zip(bounds, ends, strict=False)]

    def _put(self, name: str, ref: Ref) -> Ref:
        if name in self._values:
            raise ValueError(f"{printable(name, 60)} is made twice")
        self._values[name] = ref
        return ref

    def known(self, ref: Ref) -> int | None:
        """The whole number that a tensor is whatever samples come; None where it is none, or hangs on lengths that are open."""
        shapes = [tensor.shape or () for tensor in self._inputs]
        if not shapes or len(shapes[0]) < 2 or not all(isinstance(n, int) for shape in shapes for n in shape):
            return None
        nodes, end = _behind(self._writer.nodes, [ref.name]), Tensor(ref.name, (), "int")
        graph = Graph(tuple(self._inputs), (end,), nodes, dict(self._writer.constants))
        time = 1 if shapes[0][0] == 1 else 0
        for spelled in (False, True):  # as it is, and with steps that it spells out as recurrences
            form = rolled(graph) if spelled else graph
            for axes, steps in ((Axes(time, 1 - time), shapes[0][time]), (Axes(None, 0), 1)):  # a recording, or one frame
                reading = Reading(tuple(zip(self._inputs, [axes, *[Axes(None, None)] * (len(shapes) - 1)], strict=True)))
                try:
                    return None if form is None else self._number(form, reading, int(steps))
                except EdgeLSTMError:
                    continue
        return None

    def _number(self, graph: Graph, reading: Reading, steps: int) -> int | None:
        """The whole number that a graph gives; None where it gives none."""
        file = File(graph, {}, {"ai.onnx": OPSET}, self._producer, operators=NATIVE)
        (value,) = Attempt(file, reading, budget=self._budget).followed(steps)[1].values()
        self._budget.renew()
        number = None if isinstance(value, Flow) else np.asarray(value)
        return None if number is None or number.size != 1 or number.dtype.kind not in "iub" else int(number.item())

    def shape(self, ref: Ref) -> tuple[int | str, ...] | None:
        """The shape of an input or a constant; None of other tensors."""
        constant = self._writer.constants.get(ref.name)
        given = next((tensor.shape for tensor in self._inputs if tensor.name == ref.name), None)
        return given if constant is None else constant.shape

    @property
    def calls(self) -> int:
        """How many operators were written."""
        return len(self._writer.nodes)

    @property
    def casts(self) -> bool:
        """Whether something becomes another type of numbers."""
        return any(node.op == "Cast" for node in self._writer.nodes)

    @property
    def batch_first(self) -> bool:
        """Whether some recurrence takes sequences along its first axis, and steps along the second."""
        return self._writer.batch_first

    def size(self, ref: Ref, axis: int) -> "Ref | int":
        """How long an axis of a tensor is: a number, if it is known."""
        found = self.length(ref, axis)
        return self._written("size", [ref, axis], {}, 1)[0] if found is None else found

    def length(self, ref: Ref, axis: int) -> int | None:
        """How long an axis of a tensor is, if that is known."""
        key = (ref.name, axis)
        if key not in self._lengths:
            self._lengths[key] = self.known(self._written("size", [ref, axis], {}, 1)[0])
        return self._lengths[key]

    def file(self) -> File:
        """The graph that was written.

        Raises
        ------
        UnsupportedModelError
            If it has no output.
        """
        if not self._outputs:
            raise UnsupportedModelError("returns no tensor.")
        made = {name: self.memory.now(self._values[name]).name for name in self._outputs}
        ends = [Node("Identity", "ai.onnx", name, (own,), (name,), {}) for name, own in made.items() if own != name]
        outputs = tuple(Tensor(name, shape, "float") for name, shape in self._outputs.items())
        graph = Graph(tuple(self._inputs), outputs, _read([*self._writer.nodes, *ends], self._outputs), dict(self._writer.constants))
        return File(graph, {}, {"ai.onnx": OPSET}, self._producer, operators=NATIVE)


def _read(nodes: Sequence[Node], outputs: Iterable[str]) -> tuple[Node, ...]:
    """The nodes without those for places that nothing reads: ``max`` and ``min`` give them beside their values."""
    wanted = {name for node in nodes for name in node.inputs} | set(outputs)
    return tuple(node for node in nodes if node.op not in ("ArgMax", "ArgMin") or wanted.intersection(node.outputs))


def _behind(nodes: Sequence[Node], names: Iterable[str]) -> tuple[Node, ...]:
    """The nodes that tensors depend on."""
    wanted, kept = set(names), []
    for node in reversed(nodes):
        if wanted.intersection(node.outputs):
            kept.append(node)
            wanted.update(node.inputs)
    return tuple(kept[::-1])


def base(target: str) -> str:
    """The name of an operator without its library and overload: ``torch.ops.aten.select.int`` is select."""
    parts = target.split(".")
    if "aten" in parts:
        parts = parts[parts.index("aten") + 1 :]
        return parts[0]
    return parts[-1]
