"""Neural Amp Modeler: a stack of LSTM layers with trained initial states and a linear head, as one flat list of numbers.

For each layer W over [x, h] (4*hidden, inputs + hidden) in the order i f g o, b, h0, c0; then the head's weight (outputs, hidden) and bias.
Source: ``NAM/lstm.cpp`` of NeuralAmpModelerCore, whose ``Reset`` feeds half a second of silence before the first sample.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ... import reference
from ...errors import ShapeError, UnsupportedModelError, printable
from ...layers.feedforward import Dense
from ...layers.lstm import LSTM
from ...model import Model
from ..json_parts import Part, array

#: Samples a second where a file does not say.
_RATE = 48_000.0

#: Seconds of silence before the first sample, and how little the state must move in a step to have come to rest.
_SILENCE, _AT_REST = 0.5, 1e-15

#: Highest rate that is believed: it sets how long the silence is.
_MAX_RATE = 768_000.0


def read(whole: Part, source: str) -> tuple[Model, str, list[str]]:
    """The model in a document, in the state in which its runtime begins; the chain that was taken, and notes.

    Raises
    ------
    ModelFileError, UnsupportedModelError, ShapeError
    """
    if (architecture := whole.take("architecture", str)) != "LSTM":
        raise UnsupportedModelError(
            f"its architecture is {printable(repr(architecture), 60)}; of Neural Amp Modeler's, edgelstm imports LSTM."
        )
    config = Part(whole.take("config", dict), "config")
    inputs, hidden, count = config.size("input_size"), config.size("hidden_size"), config.size("num_layers")
    outputs = config.size("out_channels", 1)
    if (channels := config.size("in_channels", inputs)) != inputs:
        raise UnsupportedModelError(
            f"config in_channels is {channels}, and input_size {inputs}; edgelstm imports files where they are one number."
        )
    config.close()
    rate = whole.take("sample_rate", float, None)
    if rate is not None and not 0 < rate <= _MAX_RATE:
        rate = None  # the trainer writes -1 where it does not know
    flat = whole.take("weights", list)
    whole.drop("version", "metadata")
    whole.close()
    layers, head = _layers(array(flat, (len(flat),), "weights"), inputs, hidden, count, outputs)
    silence = int(_SILENCE * (rate or _RATE))
    model = Model((*_after_silence(layers, silence), head), rate_hz=rate, source=source)
    return model, "lstm, head", [f"It begins as its runtime does, after {silence} samples of silence."]


def _layers(flat: NDArray[np.float64], inputs: int, hidden: int, count: int, outputs: int) -> tuple[list[LSTM], Dense]:
    """All layers; the list is used up, or refused."""
    widths = [inputs, *[hidden] * (count - 1)]
    lengths = [length for width in widths for length in (4 * hidden * (width + hidden), 4 * hidden, hidden, hidden)]
    lengths += [outputs * hidden, outputs]
    if flat.size != sum(lengths):
        raise ShapeError(
            f"weights must hold {sum(lengths)} numbers for {count} layer(s) of {hidden} units on {inputs} input(s) and "
            f"{outputs} output(s); it holds {flat.size}."
        )
    parts = np.split(flat, np.cumsum(lengths)[:-1])
    layers = []
    for index, width in enumerate(widths):
        both, bias, h0, c0 = parts[4 * index : 4 * index + 4]
        weight = both.reshape(4 * hidden, width + hidden)
        name = "lstm" if count == 1 else f"lstm_l{index}"
        layers.append(LSTM(weight[:, :width], weight[:, width:], bias, h0, c0, name=name))
    return layers, Dense(parts[-2].reshape(outputs, hidden), parts[-1], name="head")


def _after_silence(layers: list[LSTM], steps: int) -> list[LSTM]:
    """The layers with the state that `steps` samples of silence leave as their initial one; it is at rest long before, as a rule."""
    model = Model(tuple(layers))
    state = reference.initial_state(model)
    for _ in range(steps):
        before = [part for layer in layers for part in state[layer.name]]
        reference.step(model, np.zeros(model.input_size), state)
        after = [part for layer in layers for part in state[layer.name]]
        if all(np.abs(new - old).max() <= _AT_REST for new, old in zip(after, before, strict=True)):
            break
    return [replace(layer, h0=state[layer.name][0], c0=state[layer.name][1]) for layer in layers]
