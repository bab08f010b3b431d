"""TensorFlow Lite files in its interpreter, with every tensor of the main graph."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..importers.from_onnx.chains import followed
from ..importers.from_tflite.file import read
from ..importers.from_tflite.program import program
from ..model import Model
from . import Answered
from .feeding import Arrays, fed, without

try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:
    from tensorflow.lite import Interpreter


def run(path: str, found: str, how: Mapping[str, str], model: Model, xs: NDArray[np.float32]) -> Answered:
    """Answers to samples (steps, input_size)."""
    with open(path, "rb") as opened:
        graph = read(opened.read())
    file, _ = program(graph)
    taken = followed(file, how.get("sizes"), found)
    interpreter = Interpreter(path, experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    inputs = {_plain(entry["name"]): entry for entry in interpreter.get_input_details()}
    outputs = [entry["index"] for entry in interpreter.get_output_details()]
    names = [tensor.name for tensor in graph.outputs]
    held = {tensor.name for tensor, _ in taken.reading.states if _plain(tensor.name) not in inputs}

    def call(given: Arrays) -> tuple[Arrays, Arrays]:
        known = [(inputs[_plain(name)], array) for name, array in given.items() if _plain(name) in inputs]
        resized = [
            (entry, array) for entry, array in known if entry["shape"].tolist() != list(array.shape) and -1 in entry["shape_signature"]
        ]
        for entry, array in resized:
            entry["shape"] = np.array(array.shape)
            interpreter.resize_tensor_input(entry["index"], array.shape)
        if resized:
            interpreter.allocate_tensors()
        for entry, array in known:
            interpreter.set_tensor(entry["index"], _levels(array, entry))
        interpreter.invoke()
        answers = {name: _numbers(interpreter, index) for name, index in zip(names, outputs, strict=True)}
        return answers, _within(interpreter)

    answers, within = fed(without(taken, held), file.graph, call, xs)
    return Answered(answers, within, "TensorFlow Lite")


def _plain(name: str) -> str:
    return name.partition(":")[0]


def _levels(array: NDArray[Any], entry: Mapping[str, Any]) -> NDArray[Any]:
    """Numbers as the levels that an input of integers takes."""
    scale, zero = entry["quantization"]
    dtype = np.dtype(entry["dtype"])
    if scale and dtype.kind in "iu":
        limits = np.iinfo(dtype)
        array = np.clip(np.round(array / scale) + zero, limits.min, limits.max)
    return array.reshape(entry["shape"]).astype(dtype)


def _numbers(interpreter: Any, index: int) -> NDArray[Any]:
    found: NDArray[Any] = interpreter.get_tensor(index)
    scale, zero = interpreter._get_tensor_details(index, 0)["quantization"]
    return (found.astype(np.float64) - zero) * scale if scale and found.dtype.kind in "iu" else found


def _within(interpreter: Any) -> Arrays:
    """All tensors that hold numbers now."""
    found: Arrays = {}
    for entry in interpreter.get_tensor_details():
        if entry["dtype"] is not np.float32 or not np.prod(entry["shape"]):  # handles of variables have no numbers to be read
            continue
        try:
            found[entry["name"]] = interpreter.get_tensor(entry["index"]).copy()
        except ValueError:  # a tensor that this run did not need
            continue
    return found
