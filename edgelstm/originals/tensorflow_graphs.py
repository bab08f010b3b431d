"""Frozen graphs in TensorFlow, with the outputs of all operators outside of loops."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow
from numpy.typing import NDArray

from ..importers.from_onnx.chains import followed
from ..importers.from_tensorflow.file import GraphDef, read
from ..importers.from_tensorflow.program import program
from ..importers.from_tensorflow.sections import normalised
from ..importers.from_tensorflow.settled import settled
from ..model import Model
from . import Answered
from .feeding import Arrays, fed


def run(path: str, found: str, how: Mapping[str, str], model: Model, xs: NDArray[np.float32]) -> Answered:
    """Answers to samples (steps, input_size)."""
    with open(path, "rb") as opened:
        stored = read(opened)
    file, _ = program(stored)
    idle = _idle(stored)
    taken = followed(file, how.get("sizes"), found)
    v1 = tensorflow.compat.v1
    definition = v1.GraphDef()
    with open(path, "rb") as opened:
        definition.ParseFromString(opened.read())
    with v1.Graph().as_default() as graph:
        v1.import_graph_def(definition, name="")
    names = [output.name for output in file.graph.outputs]
    with v1.Session(graph=graph) as session:

        def call(given: Arrays) -> tuple[Arrays, Arrays]:
            feed = {name if ":" in name else f"{name}:0": array for name, array in (given | idle).items()}
            wanted = {name: name if ":" in name else f"{name}:0" for name in names}
            answers, within = session.run((wanted, taps), feed)
            return answers, within

        taps = {tensor.name: tensor for tensor in _outside(graph) if tensor.dtype == tensorflow.float32}
        try:
            outputs, within = fed(taken, file.graph, call, xs)
        except (
            tensorflow.errors.InternalError,
            tensorflow.errors.InvalidArgumentError,
        ):  # it inlines functions, and does not give what stands in their loops
            taps = {}
            outputs, within = fed(taken, file.graph, call, xs)
    return Answered(outputs, within, f"TensorFlow {tensorflow.__version__}")


def _idle(stored: GraphDef) -> Arrays:
    """What placeholders that training alone needs were taken as."""
    placeholders = {node.name for node in stored.nodes if node.op == "Placeholder"}
    return {
        node.name: node.attributes["value"]
        for node in settled(normalised(stored.nodes), [])
        if node.op == "Const" and node.name in placeholders
    }


def _outside(graph: Any) -> Iterator[Any]:
    """The outputs of operators that stand in no loop, which makes its numbers anew at every step."""
    inside: set[str] = set()
    operations = graph.get_operations()
    for _ in range(2):  # a loop's Merge reads what stands behind it
        for operation in operations:
            if operation.type == "Enter" or (operation.type != "Exit" and any(tensor.op.name in inside for tensor in operation.inputs)):
                inside.add(operation.name)
    for operation in operations:
        if operation.name not in inside:
            yield from operation.outputs
