"""ONNX files in ONNX Runtime, with every node's output beside those of the graph."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from ..importers.from_onnx.chains import followed
from ..importers.from_onnx.file import read
from ..model import Model
from . import Answered
from .feeding import Arrays, fed


def run(path: str, found: str, how: Mapping[str, str], model: Model, xs: NDArray[np.float32]) -> Answered:
    """Answers to samples (steps, input_size)."""
    with open(path, "rb") as opened:
        file = read(opened)
    taken = followed(file, how.get("sizes"), found)
    session, names = _session(path)
    kinds = {entry.name: entry.type for entry in session.get_inputs()}
    own = [output.name for output in file.graph.outputs]

    def call(given: Arrays) -> tuple[Arrays, Arrays]:
        feed = {name: _typed(array, kinds[name]) for name, array in given.items() if name in kinds}
        values = dict(zip([*own, *names], session.run([*own, *names], feed), strict=True))
        inner = {name: value for name, value in values.items() if isinstance(value, np.ndarray) and value.dtype.kind == "f"}
        return {name: values[name] for name in own}, inner

    outputs, within = fed(taken, file.graph, call, xs)
    return Answered(outputs, within, f"ONNX Runtime {onnxruntime.__version__}")


def _session(path: str) -> tuple[Any, list[str]]:
    """A session that gives the outputs of all nodes where the runtime knows their types; else those of the graph alone."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    tapped = onnx.load(path)
    own = {output.name for output in tapped.graph.output}
    names = [name for node in tapped.graph.node for name in node.output if name and name not in own]
    tapped.graph.output.extend([onnx.ValueInfoProto(name=name) for name in names])
    try:
        return onnxruntime.InferenceSession(tapped.SerializeToString(), options, providers=["CPUExecutionProvider"]), names
    except Exception:  # noqa: BLE001  the runtime's errors have no common class
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]), []


def _typed(array: NDArray[Any], kind: str) -> NDArray[Any]:
    """An array in the type that ONNX Runtime calls ``tensor(float16)`` and the like."""
    names = {"float": "float32", "double": "float64"}
    name = kind.removeprefix("tensor(").rstrip(")")
    return array.astype(names.get(name, name))
