"""Keras files in Keras, with every layer's output; those of Keras 2 in tf_keras, where it is installed."""

import os
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..importers.from_keras.store import read
from ..model import Model
from . import Answered

#: Layers that Keras 2 wrote with ``time_major``, and others that sequences begin with.
_RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN")
_FIRST = ("Embedding", "Masking", "Bidirectional", "TimeDistributed", "Conv1D", "Dense", "BatchNormalization", "GaussianNoise", "Dropout")


def run(path: str, found: str, how: Mapping[str, str], model: Model, xs: NDArray[np.float32]) -> Answered:
    """Answers to samples (steps, input_size)."""
    keras, network = _loaded(path)
    given = _inputs(network, model, xs)
    outputs = _arrays(network.predict(given, verbose=0))
    taps = {layer.name: layer.output for layer in network.layers if not isinstance(layer, keras.layers.InputLayer)}
    single = {name: tensor for name, tensor in taps.items() if not isinstance(tensor, list | tuple | dict)}
    inner = keras.Model(network.inputs, list(single.values())).predict(given, verbose=0)
    within = dict(zip(single, _arrays(inner), strict=True))
    names = [f"output {number}" for number in range(len(outputs))]
    return Answered(dict(zip(names, outputs, strict=True)), within, f"Keras {keras.__version__}")


def _loaded(path: str) -> tuple[Any, Any]:
    """Keras and the file's network; one of Keras 2 in tf_keras, where that is installed."""
    with open(path, "rb") as file:
        old = read(file).version < 3
    if old and find_spec("tf_keras") is not None:
        keras = import_module("tf_keras")
        return keras, keras.models.load_model(path, compile=False)
    backend = next((name for name in ("torch", "jax", "tensorflow") if find_spec(name)), "")
    os.environ.setdefault("KERAS_BACKEND", backend)
    keras = import_module("keras")
    return keras, _of_keras_2(keras, path) if old else keras.saving.load_model(path, compile=False)


def _of_keras_2(keras: Any, path: str) -> Any:
    """A network of Keras 2 in Keras 3.

    Raises
    ------
    ValueError
        If Keras 3 does not read it, or computes otherwise.
    """
    older = {name: _of_old(keras, name) for name in (*_RECURRENT, *_FIRST)}
    try:
        network = keras.saving.load_model(path, custom_objects=older, compile=False)
    except (ValueError, TypeError, AttributeError) as problem:
        raise ValueError(f"{str(problem).rstrip('. ')}. It is of Keras 2, which tf_keras runs: pip install tf_keras") from problem
    if "hard_sigmoid" in network.to_json():
        raise ValueError("hard_sigmoid of Keras 2 is another function in Keras 3; tf_keras has it: pip install tf_keras")
    return network


def _of_old(keras: Any, name: str) -> Any:
    """A layer's class that takes what Keras 2 wrote of it: ``time_major``, and a shape in which Keras 3 leaves the batch's axis."""

    class Older(getattr(keras.layers, name)):  # type: ignore[misc]
        def __init__(self, *given: Any, **named: Any) -> None:
            if name in _RECURRENT and named.pop("time_major", False):
                raise ValueError("time_major=True, which Keras 3 has not.")
            if named.get("input_shape"):
                named["input_shape"] = named["input_shape"][1:]
            super().__init__(*given, **named)

    return Older


def _inputs(network: Any, model: Model, xs: NDArray[np.float32]) -> list[NDArray[Any]]:
    """The samples as each input takes them."""
    found, start = [], 0
    for tensor in network.inputs:
        shape = tuple(tensor.shape)[1:]
        index = len(shape) == 1 and bool(model.vocabularies[start])
        width = 1 if index else int(np.prod([n or 1 for n in (shape[1:] or shape)]))
        part = xs[:, start : start + width]
        start += width
        vectors = part if len(shape) == 1 else part.reshape(1, len(xs), *shape[1:])
        found.append(part[None, :, 0] if index else vectors)
    if start != model.input_size:
        raise UsageError(f"takes inputs of {start} numbers a step, and the model {model.input_size}.")
    return found


def _arrays(value: Any) -> list[NDArray[Any]]:
    return [np.asarray(part) for part in (value if isinstance(value, list | tuple) else [value])]
