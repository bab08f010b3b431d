"""Channels in units of their own: a mean and a scale of each, from calibration, as a `Normalizer` in front of a layer that takes them up.

The float model answers as before. What int8 rounds then has channels of one size: x by one step, a row of weights by one scale.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..layers.feedforward import Normalizer
from ..layers.order import INPUT
from ..layers.record import Layer
from ..layers.recurrent import Recurrent
from ..model import Model
from .spread import COVERED, Spread, power_of_two, spread
from .trace import Floats

#: Channels are folded if that makes the noise of rounding so many times smaller (6 dB): where they agree, a model stays as it is.
LEAST_GAIN = 4.0

#: Scale of a channel that no weight reads: no float32 is larger than 4 of it.
UNREAD = 2.0**126

#: An x that stays below this is brought to about 1 before it is rounded: steps of integers have no room below 1e-30.
SMALLEST = 1e-25

#: Steps whose noise is estimated.
STEPS = 4096


def weight_of(layer: Layer) -> Floats:
    """What multiplies the layer's input: (rows, input_size)."""
    return layer.arrays()[_weight_name(layer)]


def has_channels(layer: Layer) -> bool:
    """Whether each value that it reads is multiplied by a column of one matrix: a kernel's weights meet many."""
    weight = layer.arrays().get(_weight_name(layer))
    return weight is not None and weight.ndim == 2 and not (isinstance(layer, Recurrent) and weight.shape[1] != layer.input_size)


def _weight_name(layer: Layer) -> str:
    return "weight_ih" if isinstance(layer, Recurrent) else "weight"


class Folded(NamedTuple):
    """A float model that answers as the one it was made of.

    Parameters
    ----------
    layers : tuple of Layer
        In topological order.
    normalizers : dict
        Names of the layers that have taken up scales and means -> names of the normalisers in front of them.
    """

    layers: tuple[Layer, ...]
    normalizers: dict[str, str]


def normalizer_of(weight: Floats, values: Floats, scheme: str) -> Spread | None:
    """Mean and scale for what `weight` (rows, channels) is multiplied by, (steps, channels); None where they would gain little."""
    largest = np.abs(weight).max(axis=0).astype(np.float64)  # (channels,)
    read = largest > 0
    seen = spread(values)
    moving = read & (seen.width > 0)
    if not moving.any():
        return None
    # A channel that never changed here: should it change, then by as much as the most important of the others.
    still = power_of_two((largest * seen.width)[moving].max() / np.where(read, largest, 1))
    scale = np.where(read, np.where(moving, seen.width, still), UNREAD)
    centre = np.where(read, seen.centre, 0)
    some = values[:: -(-len(values) // STEPS)].astype(np.float64)
    whole = weight.astype(np.float64)
    gains = _noise(whole, some, scheme) > LEAST_GAIN * _noise(whole * scale, (some - centre) / scale, scheme)
    tiny = scheme != "int8-weight" and np.abs(values).max() < SMALLEST
    return Spread(centre, scale) if gains or tiny or not read.all() else None


def _noise(weight: NDArray[np.float64], x: NDArray[np.float64], scheme: str) -> float:
    """Power that rounding adds to the sums of a usual step, in twelfths of ``1 / LIMIT**2``: that of weights, and of x if it is rounded."""
    of_weights = np.square(np.abs(weight).max(axis=1)).sum() * _mean_of_most(np.square(x).sum(axis=1))
    if scheme == "int8-weight":
        return float(of_weights)
    steps = np.square(np.abs(x).max(axis=1))  # squares of the steps of x, by step
    of_x = np.quantile(steps, COVERED, method="lower") if scheme == "int8-static" else _mean_of_most(steps)
    return float(of_weights + np.square(weight).sum() * of_x)


def _mean_of_most(values: NDArray[np.float64]) -> float:
    """Without the largest ones, unless the others are 0."""
    return float(np.sort(values)[: int(COVERED * (len(values) - 1)) + 1].mean()) or float(values.mean())


def taken_up(layer: Layer, by: Spread) -> Layer:
    """The layer that answers to ``(x - centre) / width`` as this one does to x."""
    name, weight = _weight_name(layer), weight_of(layer).astype(np.float64)
    arrays = layer.arrays()
    bias = "bias" if "bias" in arrays else "bias_ih"
    return replace(layer, **{name: weight * by.width * (np.abs(weight).max(axis=0) > 0), bias: arrays[bias] + weight @ by.centre})


def folded(model: Model, spreads: dict[str, Spread]) -> Folded:
    """The model with a mean and a scale in front of the named layers, merged into a normaliser that stands there for one of them alone."""
    layers, normalizers = list(model.layers), {}
    for name, by in spreads.items():
        reader = next(layer for layer in layers if layer.name == name)
        before = next((layer for layer in model.layers if reader.inputs == (layer.name,) and isinstance(layer, Normalizer)), None)
        alone = before is not None and sum(before.name in layer.needs for layer in model.layers) == 1
        normalizers[name] = before.name if before and alone else _free(f"{name}_units", layers)
        made = _normalizer(normalizers[name], reader.inputs, by, before)
        at = layers.index(reader)
        layers[at : at + 1] = [made, replace(taken_up(reader, by), inputs=(made.name,))]
        if before and alone:
            layers.remove(before)
    return Folded(_read(layers), normalizers)


def _normalizer(name: str, inputs: tuple[str, ...], by: Spread, before: Normalizer | None) -> Normalizer:
    if before is None:
        return Normalizer(by.centre, by.width, name=name, inputs=inputs)
    scale = before.scale.astype(np.float64)
    both = np.where(by.width == UNREAD, UNREAD, scale * by.width)
    return Normalizer(before.mean + scale * by.centre, both, name=name, inputs=before.inputs)


def _free(name: str, layers: Sequence[Layer]) -> str:
    taken = {INPUT, *(layer.name for layer in layers)}
    return next(free for free in (name, *(f"{name}{number}" for number in range(2, 2 + len(taken)))) if free not in taken)


def quantised_layers(before: Model, made: Folded, records: dict[str, Layer]) -> tuple[Layer, ...]:
    """The layers of a model with `records`, by name, in place of layers of `made`; all others as they are in `before`."""
    known = {layer.name: layer for layer in made.layers}
    in_front = {name: known[normalizer] for name, normalizer in made.normalizers.items() if name in records}
    merged = {normalizer.name for normalizer in in_front.values()}
    layers: list[Layer] = []
    for layer in before.layers:
        if layer.name in in_front:
            layers.append(in_front[layer.name])
        if layer.name not in merged:
            layers.append(records.get(layer.name, layer))
    return _read(layers)


def _read(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Without normalisers whose readers have others now."""
    read = {name for layer in layers for name in layer.needs}
    return tuple(layer for layer in layers if layer.name in read or layer is layers[-1])
