"""RTNeural and AIDA-X: a list of layers with weights as Keras lays them out.

Sources: ``model_loader.h`` of RTNeural for layers; ``aidadsp-plugin.cpp`` of AIDA-X for ``in_skip``, ``in_gain`` and ``out_gain``:
``y = (x + network(x)) out_gain`` with x first multiplied by ``in_gain``, both gains in decibels, and without x where nothing is skipped.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import reference
from ...errors import ModelFileError, ShapeError, UnsupportedModelError, printable
from ...layers.channelwise import BatchNorm, PReLU
from ...layers.convolution import Conv1D
from ...layers.feedforward import Activation, Add, Dense, Softmax
from ...layers.order import INPUT
from ...layers.record import MAX_SIZE, Layer
from ...model import Model, Probe
from .. import keras_arrays
from ..chain import Item, spell
from ..json_parts import Part, array

#: What a layer's ``activation`` may say, as `Activation` calls it.
_ACTIVATIONS = {"tanh": "tanh", "relu": "relu", "sigmoid": "sigmoid", "elu": "elu(1)", "softmax": "softmax"}

#: Most decibels that a gain may have.
_MOST_DECIBELS = 120

#: How many of the file's own test steps are replayed, how many become the probe, and how far from their answers, relative to the
#: largest of them, the network may be.
_REPLAYED, _PROBED, _LIMIT = 2048, 512, 1e-4


def read(whole: Part, source: str) -> tuple[Model, str, list[str]]:
    """The model in a document, checked by the answers that the file holds; the chain that was taken, and notes.

    Raises
    ------
    ModelFileError, UnsupportedModelError, ShapeError
    """
    walk = _Walk(_width(whole.take("in_shape", list), "in_shape"))
    for position, entry in enumerate(whole.take("layers", list)):
        walk.follow(Part(entry, f"layers[{position}]"))
    skip, gains = whole.flag("in_skip", False), (_gain(whole, "in_gain"), _gain(whole, "out_gain"))
    given = [whole.take(name, list, None) for name in ("input_batch", "output_batch")]
    options: dict[str, Any] = {"rate_hz": _rate(whole.take("metadata", dict, {}), whole.take("samplerate", object, "")), "source": source}
    whole.close()
    network = Model(tuple(walk.mixed(skip, 1.0, 1.0)), **options)
    notes: list[str] = []
    if None not in given:
        network, notes = _proven(network, *given)
    if gains != (1.0, 1.0):
        network = Model(tuple(walk.mixed(skip, *gains)), **options)
    return network, spell(tuple(walk.items)) + ", add:input" * skip, [*walk.notes, *notes]


def _width(shape: list[Any], place: str) -> int:
    """The last dimension of a shape such as ``[null, null, 12]``."""
    if len(shape) == 4:
        raise UnsupportedModelError(f"{place} has four dimensions: layers on maps (conv2d) are not imported from RTNeural files.")
    if not shape or type(shape[-1]) is not int or not 1 <= shape[-1] <= MAX_SIZE:
        raise ModelFileError(f"{place} must end with a width from 1 to {MAX_SIZE}; it is {printable(shape, 60)}. Export the model again.")
    return shape[-1]


def _gain(whole: Part, name: str) -> float:
    """A gain in decibels as a factor; 1 where absent."""
    decibels = whole.take(name, float, 0.0)
    if abs(decibels) > _MOST_DECIBELS:
        raise ModelFileError(f"{name} must be within {_MOST_DECIBELS} decibels; it is {decibels:g}.")
    return float(10 ** (decibels / 20))


def _rate(metadata: dict[str, Any], beside: object) -> float | None:
    """The sampling rate that a trainer wrote, as text or as a number, in the metadata or beside them."""
    text = str(metadata.get("samplerate", beside)).removesuffix(".0")
    return float(text) if text.isascii() and text.isdigit() and int(text[:9]) > 0 else None


def _proven(model: Model, inputs: list[Any], outputs: list[Any]) -> tuple[Model, list[str]]:
    """The model with the file's own answers as its probe. Those that begin from another state prove it from where that is forgotten.

    Raises
    ------
    ModelFileError
        If the network answers otherwise.
    """
    steps = min(len(inputs), len(outputs), _REPLAYED)
    xs = _batch(inputs[:steps], model.input_size, "input_batch")
    ys = _batch(outputs[:steps], model.output_size, "output_batch")
    if not steps:
        return model, []
    apart = np.abs(reference.run(model, xs) - ys).max(axis=1) / max(float(np.abs(ys).max()), 1e-9)  # (steps,)
    if (apart <= _LIMIT).all():
        probe = Probe(xs[:_PROBED].astype(np.float32), ys[:_PROBED].astype(np.float32), "the file's own output_batch")
        return replace(model, probe=probe), []
    if (apart[steps - steps // 4 :] <= _LIMIT).all() and steps >= 4:
        last = int(np.flatnonzero(apart > _LIMIT)[-1])
        return model, [f"Its output_batch begins from another state than zero; the network answers the same from step {last + 1} on."]
    raise ModelFileError(
        f"does not reproduce its own output_batch: {apart.max():.2g} of its range apart in step {int(apart.argmax())}; "
        "export the model again."
    )


def _batch(values: list[Any], width: int, place: str) -> NDArray[np.float64]:
    """(steps, width), of which a flat list is the form for width 1."""
    flat = width == 1 and not any(isinstance(value, list) for value in values)
    return array(values, (len(values),) if flat else (len(values), width), place).reshape(len(values), width)


class _Walk:
    """Follows the list of layers and collects their records.

    Parameters
    ----------
    inputs : int
        Width of one sample.
    """

    def __init__(self, inputs: int) -> None:
        self._inputs = self._width = inputs
        self._layers: list[Layer] = []
        self.items: list[Item] = []
        self.notes: list[str] = []

    def follow(self, part: Part) -> None:
        """Take one more layer.

        Raises
        ------
        ModelFileError, UnsupportedModelError, ShapeError
        """
        kind, function = part.take("type", str), part.take("activation", str, "")
        part.drop("name")
        if kind == _PASSED and part.length("weights") == 0 and not function:
            self.notes.append(f"{part.place} is of a kind that its exporter does not know, without weights; RTNeural passes it over.")
            return
        width = _width(part.take("shape", list), part.at("shape"))
        if kind not in _MAKERS:
            raise UnsupportedModelError(f"{part.at('type')} is {printable(repr(kind), 60)}; edgelstm imports {', '.join(_MAKERS)}.")
        name = f"{kind.removeprefix('time-distributed-')}{len(self.items)}"
        made = _MAKERS[kind](part, self._width, width, name)
        part.close()
        if kind in _RECURRENT and function in ("", "tanh"):
            function = ""  # RTNeural computes tanh whatever stands here
        elif kind in _RECURRENT:
            raise UnsupportedModelError(f"{part.at('activation')} is {printable(repr(function), 60)}; RTNeural computes tanh.")
        if function and function not in _ACTIVATIONS:
            raise UnsupportedModelError(
                f"{part.at('activation')} is {printable(repr(function), 60)}; edgelstm imports {', '.join(_ACTIVATIONS)}."
            )
        if function:
            made.append(Softmax() if function == "softmax" else Activation(_ACTIVATIONS[function]))
        self._layers += made
        self._width = width
        self.items.append(Item(name if kind != "activation" else function or "linear", function if kind != "activation" else ""))

    def mixed(self, skip: bool, gain_in: float, gain_out: float) -> list[Layer]:
        """All layers, between gains and with the dry sound added."""
        layers = list(self._layers)
        dry = INPUT
        if gain_in != 1:
            layers = [Dense(np.diag([gain_in, *[1.0] * (self._inputs - 1)]), name="in_gain", inputs=(INPUT,)), *layers]
            dry = "in_gain"
        if (skip or gain_out != 1) and self._width != 1:
            raise UnsupportedModelError(f"in_skip and out_gain are imported for one output; the network has {self._width}.")
        if skip and self._inputs > 1:
            first = Dense([[1.0, *[0.0] * (self._inputs - 1)]], name="dry", inputs=(dry,))
            layers = [first, replace(layers[0], inputs=layers[0].inputs or (dry,)), *layers[1:]]
            dry = "dry"
        if skip:
            layers = [*layers[:-1], replace(layers[-1], name="wet"), Add(inputs=("wet", dry))]
        return [*layers, Dense([[gain_out]], name="out_gain")] if gain_out != 1 else layers


def _weights(part: Part, shapes: Sequence[tuple[int, ...]]) -> list[NDArray[np.float64]]:
    """The arrays of a layer, each of the shape that the layer's sizes give it."""
    given = part.take("weights", list)
    if len(given) != len(shapes):
        raise ShapeError(f"{part.at('weights')} must hold {len(shapes)} arrays; it holds {len(given)}. Export the model again.")
    return [array(value, shape, f"{part.at('weights')}[{index}]") for index, (value, shape) in enumerate(zip(given, shapes, strict=True))]


def _dense(part: Part, inputs: int, outputs: int, name: str) -> list[Layer]:
    return [keras_arrays.dense(*_weights(part, [(inputs, outputs), (outputs,)]), name=name)]


def _lstm(part: Part, inputs: int, units: int, name: str) -> list[Layer]:
    return [keras_arrays.lstm(*_weights(part, [(inputs, 4 * units), (units, 4 * units), (4 * units,)]), name=name)]


def _gru(part: Part, inputs: int, units: int, name: str) -> list[Layer]:
    return [keras_arrays.gru(*_weights(part, [(inputs, 3 * units), (units, 3 * units), (2, 3 * units)]), reset_after=True, name=name)]


def _activation(part: Part, inputs: int, outputs: int, name: str) -> list[Layer]:
    part.drop("weights")
    return []


def _prelu(part: Part, inputs: int, outputs: int, name: str) -> list[Layer]:
    """One slope a channel, or one for all; Keras writes them as (1, channels)."""
    given = part.take("weights", list)
    row = given[0] if given and isinstance(given[0], list) else []
    slopes = row[0] if row and isinstance(row[0], list) else row
    count = 1 if len(slopes) == 1 else inputs
    return [PReLU(np.broadcast_to(array(slopes, (count,), f"{part.at('weights')}[0]"), (inputs,)), name=name)]


def _batchnorm(part: Part, inputs: int, outputs: int, name: str) -> list[Layer]:
    """gamma, beta, mean and variance; or the last two alone."""
    affine = part.length("weights") == 4
    arrays = _weights(part, [(inputs,)] * (4 if affine else 2))
    gamma, beta, mean, variance = arrays if affine else (np.ones(inputs), np.zeros(inputs), *arrays)
    scale = gamma / np.sqrt(variance + part.take("epsilon", float))
    return [BatchNorm(scale, beta - scale * mean, name=name)]


def _conv1d(part: Part, inputs: int, outputs: int, name: str) -> list[Layer]:
    """Causal, with weights (taps, channels of a group, filters)."""
    taps, dilation, groups = (_one(part, name, default) for name, default in (("kernel_size", ...), ("dilation", 1), ("groups", 1)))
    if _one(part, "strides", 1) != 1 or inputs % groups:
        raise UnsupportedModelError(f"{part.place} has strides, or {groups} groups of {inputs} channels; edgelstm imports it without.")
    weight, bias = _weights(part, [(taps, inputs // groups, outputs), (outputs,)])
    return [Conv1D(weight.transpose(2, 1, 0), bias, dilation=dilation, groups=groups, name=name)]


def _one(part: Part, name: str, default: Any) -> int:
    """A whole number, alone or in a list of one."""
    value = part.take(name, object, default)
    value = value[0] if isinstance(value, list) and len(value) == 1 else value
    if type(value) is not int or not 1 <= value <= MAX_SIZE:
        raise ModelFileError(f"{part.at(name)} must be a whole number from 1 to {MAX_SIZE}; it is {printable(repr(value), 60)}.")
    return value


#: By the file's name of a layer: its part, the width before it and its own, and its name -> records.
_MAKERS: dict[str, Callable[[Part, int, int, str], list[Layer]]] = {
    "dense": _dense,
    "time-distributed-dense": _dense,
    "lstm": _lstm,
    "gru": _gru,
    "conv1d": _conv1d,
    "prelu": _prelu,
    "batchnorm": _batchnorm,
    "activation": _activation,
}

_RECURRENT = ("lstm", "gru")

#: What the exporters call a layer that they do not know, such as a dropout; RTNeural passes it over.
_PASSED = "unknown"
