"""Layers that stand between a network's own units and those of sensors and users: scalers in front of it and behind."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import UsageError
from . import record_of
from .order import INPUT
from .record import Layer


def Denormalizer(mean: ArrayLike, scale: ArrayLike, *, inputs: Sequence[str] = (), name: str = "") -> Layer:
    """The `BatchNorm` that undoes a `Normalizer`: ``y = x * scale + mean``, answers in the units of what the network was trained to tell.

    Parameters
    ----------
    mean, scale : (size,)
        What the right answers were scaled by in training, as scikit-learn's StandardScaler: ``scaler.mean_``, ``scaler.scale_``.
    inputs : sequence of str
    name : str

    Raises
    ------
    ShapeError
        If they are not finite numbers of one shape.
    """
    record: Any = record_of("batch_norm")
    return cast(Layer, record(scale, mean, inputs=tuple(inputs), name=name))


def normalized(layers: Sequence[Layer], mean: ArrayLike, scale: ArrayLike, size: int) -> tuple[Layer, ...]:
    """Layers whose inputs, `size` a sample, are brought to ``(x - mean) / scale`` first.

    Raises
    ------
    UsageError
        If they begin with a normaliser already.
    """
    record: Any = record_of("normalizer")
    if present := [layer.label for layer in layers if INPUT in layer.inputs and isinstance(layer, record)]:
        raise UsageError(
            f"the model begins with {present[0]} already, and a second one would scale its samples twice. Leave the scaler out; "
            "or convert the file again without that layer and give the scaler then."
        )
    name = _free("normalizer", layers)
    first = record(_full(mean, size), _full(scale, size), name=name, inputs=(INPUT,))
    return (first, *(replace(layer, inputs=tuple(name if i == INPUT else i for i in layer.inputs)) for layer in layers))


def denormalized(layers: Sequence[Layer], mean: ArrayLike, scale: ArrayLike, size: int) -> tuple[Layer, ...]:
    """Layers whose answers, of `size` values, become ``x * scale + mean``."""
    last = Denormalizer(_full(mean, size), _full(scale, size), name=_free("denormalizer", layers), inputs=(layers[-1].name,))
    return (*layers, last)


def _full(value: ArrayLike, size: int) -> NDArray[Any]:
    """One number for all, or the array as it is."""
    return np.full(size, value) if np.ndim(value) == 0 else np.asarray(value)


def _free(word: str, layers: Sequence[Layer]) -> str:
    names = {layer.name for layer in layers}
    return next(name for i in range(len(names) + 1) if (name := f"{word}{i or ''}") not in names)
