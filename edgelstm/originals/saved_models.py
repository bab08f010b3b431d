"""SavedModels in TensorFlow, which gives what the signature answers and nothing that stands within."""

import os
from collections.abc import Mapping

import numpy as np
import tensorflow
from numpy.typing import NDArray

from ..files.container import open_file
from ..importers.from_onnx.chains import followed
from ..importers.from_tensorflow.program import program
from ..importers.from_tensorflow.saved import read
from ..model import Model
from . import Answered
from .feeding import Arrays, fed


def run(path: str, found: str, how: Mapping[str, str], model: Model, xs: NDArray[np.float32]) -> Answered:
    """Answers to samples (steps, input_size)."""
    with open_file(path) as opened:
        saved = read(opened)
        folder = os.path.dirname(opened.name)
    file, _ = program(saved.graph, saved.outputs)
    taken = followed(file, how.get("sizes"), found)
    loaded = tensorflow.saved_model.load(folder)
    signature = loaded.signatures[saved.signature]
    kinds = {name: spec.dtype for name, spec in signature.structured_input_signature[1].items()}

    def call(given: Arrays) -> tuple[Arrays, Arrays]:
        answers = signature(**{name: tensorflow.cast(array, kinds[name]) for name, array in given.items()})
        return {output.name: answers[output.name].numpy() for output in file.graph.outputs}, {}

    outputs, within = fed(taken, file.graph, call, xs)
    return Answered(outputs, within, f"TensorFlow {tensorflow.__version__}")
