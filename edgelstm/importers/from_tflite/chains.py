"""A TensorFlow Lite graph as a `Model`. One chain of full-int8 operators becomes records in integers, any other graph records in float32.

The operators of a chain become records in `operators`, and the chain is followed here, from input to output; `program` writes all else.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from ...errors import UnsupportedModelError, UsageError, printable
from ...layers.record import Layer
from ...layers.window import Window
from ...model import Model
from .. import chain
from ..chain import Item
from ..from_onnx.chains import from_onnx
from . import operators as tflite_layers
from .file import Graph, Operator, Tensor
from .hybrid import holds_levels
from .integers import same_scale
from .levels import is_whole
from .program import NEAR, program

#: What a chain calls the operators that have weights, and those that are functions.
_MODULES = {"UNIDIRECTIONAL_SEQUENCE_LSTM": "lstm", "FULLY_CONNECTED": "dense"}
_FUNCTIONS = {"SOFTMAX": "softmax", "LOGISTIC": "sigmoid", "TANH": "tanh", "RELU": "relu"}

#: Operators that pass values on as they are, or change their type alone.
_PASSING = ("RESHAPE", "STRIDED_SLICE", "QUANTIZE", "DEQUANTIZE")
_KNOWN = (*_MODULES, *_FUNCTIONS, *_PASSING)


def from_tflite(graph: Graph, layers: str | None = None, *, source: str = "TensorFlow Lite") -> tuple[Model, str, list[str]]:
    """Build a model from a graph.

    Parameters
    ----------
    graph : Graph
        As `file.read` gives it.
    layers : str, optional
        How far a chain is taken, as `chain.parse` reads it: ``"lstm"`` leaves out what follows the LSTM. Default: all of it.
    source : str
        What the model says it was made from.

    Returns
    -------
    Model
    str
        The chain that was taken, or the layers that were made.
    list of str
        Notes for the user.

    Raises
    ------
    UnsupportedModelError
        Naming the first operator, tensor or attribute that edgelstm cannot honour.
    UsageError
        If `layers` is no beginning of the file's chain.
    ShapeError
        If the arrays do not fit together.
    """
    names = _names(graph.operators)
    taken = len(graph.operators) if layers is None else _cut(graph.operators, names, layers)
    if not _is_chain(graph, taken):
        return _through_graph(graph, taken, layers, source)
    steps = graph.operators[:taken]
    walk = _Walk(graph.inputs[0])
    for operator, name in zip(steps, names, strict=False):
        walk.follow(operator, name)
    notes = [*walk.notes]
    if left := [operator.kind for operator in graph.operators[taken:]]:
        notes.append(f"Left out, as the layers {layers!r} say: {', '.join(left)}.")
    model = Model(tuple(walk.layers), window=walk.window, source=printable(source))
    return model, chain.spell(_items(steps, names)), notes


def _is_chain(graph: Graph, taken: int) -> bool:
    """Whether the first operators are one chain, with all weights and what they are multiplied with in int8."""
    before = graph.inputs[0] if len(graph.inputs) == 1 else None
    for operator in graph.operators[:taken]:
        if operator.kind not in _KNOWN or not operator.inputs or operator.inputs[0] is not before or len(operator.outputs) != 1:
            return False
        before = operator.outputs[0]
    if taken == len(graph.operators) and graph.outputs != (before,):
        return False
    modules = [operator for operator in graph.operators[:taken] if operator.kind in _MODULES]
    return bool(modules) and all(o.operand(0).type == o.operand(1 if o.inputs[1:2] != (None,) else 2).type == "int8" for o in modules)


def _through_graph(graph: Graph, taken: int, layers: str | None, source: str) -> tuple[Model, str, list[str]]:
    """A model of a graph of any other form."""
    left = graph.operators[taken:]
    cut = replace(graph, operators=graph.operators[:taken], outputs=graph.operators[taken - 1].outputs) if left else graph
    (model, made, more), notes = _followed(cut, source)
    if left:
        more.append(f"Left out, as the layers {layers!r} say: {', '.join(operator.kind for operator in left)}.")
    return model, made, [*notes, *more]


def _followed(graph: Graph, source: str) -> tuple[tuple[Model, str, list[str]], list[str]]:
    """A graph as a model, which rounds as the file does if that can be imported, and is near it otherwise; and the notes of writing it.

    Loops of no known cell become layers in a cycle where neither can be without.
    """
    levels, exact = holds_levels(graph), None
    try:
        exact, notes = program(graph, exact=is_whole(graph))
        return from_onnx(exact, source=printable(source), loops=not levels), notes
    except UnsupportedModelError as problem:
        if not levels:
            raise
        why = str(problem).rstrip(".")
    file, more = program(graph, near=True)
    try:
        found = from_onnx(file, source=printable(source), loops=False)
    except UnsupportedModelError:
        if exact is not None:
            try:
                return from_onnx(exact, source=printable(source)), notes
            except UnsupportedModelError:
                pass
        found = from_onnx(file, source=printable(source))
    return found, [*more, f"{NEAR} Why not as it does: {why}."]


def _names(operators: Sequence[Operator]) -> list[str]:
    """What a chain calls each operator; numbers tell several of one kind apart; empty for those that it does not name."""
    kinds = [operator.kind for operator in operators]
    names = []
    for position, kind in enumerate(kinds):
        name = _MODULES.get(kind, _FUNCTIONS.get(kind, "" if kind in _PASSING else kind))
        several = kind in _MODULES and kinds.count(kind) > 1
        names.append(f"{name}{kinds[: position + 1].count(kind)}" if several else name)
    return names


def _words(operator: Operator, name: str) -> list[str]:
    """The words of a chain that an operator stands for: its name, and the function fused into it."""
    fused = tflite_layers.fused(operator) if operator.kind == "FULLY_CONNECTED" else ""
    return [word for word in (name, fused) if word]


def _items(operators: Sequence[Operator], names: Sequence[str]) -> tuple[Item, ...]:
    items: list[Item] = []
    for operator, name in zip(operators, names, strict=False):
        for word in _words(operator, name):
            if word in chain.FUNCTIONS and items and not items[-1].word and items[-1].module not in chain.FUNCTIONS:
                items[-1] = replace(items[-1], word=word)
            else:
                items.append(Item(word))
    return tuple(items)


def _cut(operators: Sequence[Operator], names: Sequence[str], layers: str) -> int:
    """How many operators the words of `layers` take."""
    wanted = [word for item in chain.parse(layers) for word in (item.module, item.word) if word]
    found: list[str] = []
    for position, (operator, name) in enumerate(zip(operators, names, strict=True)):
        found += _words(operator, name)
        if found == wanted:
            return position + 1
    raise UsageError(
        f"the layers {layers!r} are no beginning of the file's chain, which is {chain.spell(_items(operators, names))!r}; "
        "name it from its first layer up to the last one to take."
    )


class _Walk:
    """Follows one chain of operators and collects its records.

    Parameters
    ----------
    tensor : Tensor
        Where the chain has come to; at first the graph's input.
    """

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
        self.layers: list[Layer] = []
        self.notes: list[str] = []
        self.window: int | None = None
        self._steps: int | None = None  # of the LSTM layers
        self._ended = False  # whether only the last step is left
        self._taken: list[tuple[Operator, str]] = []

    def follow(self, operator: Operator, name: str) -> None:
        """Take one more operator."""
        if operator.kind in _MODULES and self.tensor.shape[-1:] != (tflite_layers.input_width(operator),):
            raise self._not_stepwise(operator, f"it takes {tflite_layers.input_width(operator)} values at once")
        match operator.kind:
            case "UNIDIRECTIONAL_SEQUENCE_LSTM":
                self._lstm(operator, name)
            case "FULLY_CONNECTED":
                self.layers += tflite_layers.dense(operator, name)
            case "SOFTMAX" | "LOGISTIC" | "TANH" | "RELU":
                self._function(operator, name)
            case "RESHAPE" | "STRIDED_SLICE":
                self._reshape(operator)
            case _:
                self._retype(operator)
        self.tensor = operator.outputs[0]
        self._taken.append((operator, name))

    def _lstm(self, operator: Operator, name: str) -> None:
        axis = tflite_layers.time_axis(operator)
        steps = self.tensor.shape[axis]
        if self._steps is None:
            self._steps, self.window = steps, steps if steps > 1 and axis not in self.tensor.dynamic else None
        if steps != self._steps or self._ended:
            raise operator.refused("it does not take every step of the LSTM before it")
        self.layers.append(tflite_layers.lstm(operator, name))

    def _function(self, operator: Operator, name: str) -> None:
        self.layers += [tflite_layers.function(operator, name), *tflite_layers.levels(operator.outputs[0])]
        if self.tensor.type != "float32":
            told = f"{name} is computed in float32 and rounded to {self.tensor.type} levels"
            self.notes.append(f"{told}; TensorFlow Lite has tables, which differ by one level at times.")

    def _reshape(self, operator: Operator) -> None:
        out = operator.outputs[0]
        if not same_scale(self.tensor, out):
            raise operator.refused("it changes the type or the scale of its values")
        if operator.kind == "RESHAPE":
            if self.window is not None and self._flattens(out):
                self.layers.append(Window(self.window, self.window, padding="valid"))
                self._ended = True
                self.notes.append(f"A recording is {self.window} steps, side by side; the model answers at the last of them.")
                return
            if not out.shape or out.shape[-1:] != self.tensor.shape[-1:]:
                raise self._not_stepwise(operator, f"it lays the values of {self.tensor} out anew")
            return
        if self._steps is None or not tflite_layers.takes_last_step(operator):
            raise operator.refused("it takes something else than the last step of an LSTM")
        self._ended = True
        self.notes.append("Every step gives an answer, as though the sequence ended with it.")

    def _flattens(self, out: Tensor) -> bool:
        """Whether a RESHAPE lays all steps of one LSTM side by side."""
        size = math.prod(self.tensor.shape)
        fixed = not self._ended and self.tensor.shape[:2] == (1, self.window)
        return fixed and len(self.tensor.shape) == 3 and math.prod(out.shape) == size == out.shape[-1]

    def _retype(self, operator: Operator) -> None:
        types = self.tensor.type, operator.outputs[0].type
        if set(types) != {"float32", "int8"}:
            raise operator.refused(f"it turns {types[0]} into {types[1]}; edgelstm takes it between float32 and int8 alone")

    def _not_stepwise(self, operator: Operator, why: str) -> UnsupportedModelError:
        taken = chain.spell(_items([o for o, _ in self._taken], [n for _, n in self._taken]))
        way_out = f"; give the layers {taken!r} (--layers) to take what stands before it" if taken else ""
        return operator.refused(f"{why}, and so mixes timesteps, which a model that answers step by step cannot{way_out}")
