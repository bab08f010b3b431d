"""A trained file in the framework that it was made for, beside the model that was read from it: how far apart they are, layer by layer.

The only room that runs a training framework, where one is installed and a user asks for it. A framework runs what its files hold: some
(TorchScript, Keras' Lambda) hold programs.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import EdgeLSTMError, printable
from ..files.probes import samples
from ..model import Model
from ..stream import Stream
from .matching import LayerError, layer_errors, output_error, values_of

Floats = NDArray[np.float64]

#: The largest difference that passes, relative to the largest value of a layer, or to 1 where that is smaller.
TOLERANCE = 1e-5

#: Steps of the random recording, where the model was not made for windows of one length.
STEPS = 32

#: By format, as `importers.sniff` calls it: the module that runs it, and what is to be installed for that, as pip calls it.
_RUNNERS = {
    "ONNX": ("onnx_runtime", "onnxruntime"),
    "torch.export": ("torch_programs", "torch"),
    "TorchScript": ("torch_programs", "torch"),
    "Keras (HDF5)": ("keras_networks", "keras torch"),
    "Keras (.keras)": ("keras_networks", "keras torch"),
    "TensorFlow (frozen .pb)": ("tensorflow_graphs", "tensorflow"),
    "TensorFlow SavedModel": ("saved_models", "tensorflow"),
    "TensorFlow Lite": ("lite_interpreter", "ai-edge-litert"),
}


class Answered(NamedTuple):
    """What a framework gave: its outputs in order, and what is known within, by name; each with the steps along the first axis."""

    outputs: Mapping[str, Floats]
    within: Mapping[str, Floats]
    framework: str


#: Gives a framework's answers to samples (steps, input_size).
Runner = Callable[[str, str, Mapping[str, str], Model, NDArray[np.float32]], Answered]


@dataclass(frozen=True)
class Comparison:
    """A model beside its original.

    Parameters
    ----------
    framework : str
        Who answered; empty where nobody could.
    steps : int
        Of the random recording.
    error : float, optional
        Largest difference of the compiled model's answers, relative to the largest of them, or to 1 where that is smaller.
    layers : tuple of LayerError
        The same of every layer of the float64 twin.
    tapped : bool
        Whether anything but the answers could be compared.
    reason : str
        Why nothing was compared.
    """

    framework: str
    steps: int
    error: float | None
    layers: tuple[LayerError, ...]
    tapped: bool
    reason: str = ""

    @property
    def passed(self) -> bool:
        """Whether all that was compared is within `TOLERANCE`."""
        errors = [self.error, *(layer.error for layer in self.layers)]
        return all(error is None or error <= TOLERANCE for error in errors)


def compare(path: str | os.PathLike[str], found: str, model: Model, how: Mapping[str, str], seed: int = 0) -> Comparison:
    """Run a trained file and the model that was read from it on one random recording.

    Parameters
    ----------
    path : str or os.PathLike
    found : str
        Its format.
    model : Model
        As it was read, without a scaler in front.
    how : mapping
        What was said of the file: ``sizes``, ``layers``, …

    Raises
    ------
    UnsupportedModelError, ModelFileError
        If the file cannot be read a second time.
    """
    if found not in _RUNNERS:
        reason = f"files of {found} hold weights alone, which no framework runs; compare with its answers: edgelstm verify"
        return Comparison("", 0, None, (), False, reason)
    module, needed = _RUNNERS[found]
    xs = samples(model, model.window or STEPS, np.random.default_rng(seed))
    try:
        run: Runner = import_module(f".{module}", __name__).run
        answered = run(os.fspath(path), found, how, model, xs)
    except ImportError as problem:
        return Comparison("", 0, None, (), False, f"it needs {problem.name}, not installed here: pip install {needed}")
    except EdgeLSTMError:
        raise
    except Exception as problem:  # noqa: BLE001  frameworks raise what they like
        reason = printable(f"{needed.partition(' ')[0]} does not run it: {type(problem).__name__}: {problem}", 300)
        return Comparison("", 0, None, (), False, reason)
    values = values_of(model, xs)
    answers = Stream(model).process(xs)
    error = output_error(answers.reshape(-1, model.output_size).astype(np.float64), answered.outputs)
    layers = layer_errors(model, values, answered.within) if answered.within else ()
    return Comparison(answered.framework, len(xs), error, layers, bool(answered.within))


def whole_numbers(values: NDArray[Any], dtype: str) -> NDArray[Any]:
    """Numbers as an input of a framework takes them."""
    return values.astype(np.int64 if "int" in dtype else np.float32)
