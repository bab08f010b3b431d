"""Keras' activations as words of `layers.activations`."""

from typing import Any

from ...errors import UnsupportedModelError, printable
from ...layers.activations import spelled
from .settings import Options

#: By Keras' name. Sources: ``keras/src/activations/activations.py`` of Keras 3, ``keras/activations.py`` of Keras 2.
_WORDS = {
    **{
        name: name
        for name in ("linear", "relu", "relu6", "tanh", "sigmoid", "softsign", "selu", "gelu", "mish", "hard_tanh", "log_sigmoid")
    },
    "elu": spelled("elu", 1.0),
    "celu": spelled("celu", 1.0),
    "softplus": spelled("softplus", 1.0),
    "exponential": "exp",
    "silu": "silu",
    "swish": "silu",
    "hard_silu": "hard_silu",
    "hard_swish": "hard_silu",
    "leaky_relu": spelled("leaky_relu", 0.2),
    "tanh_shrink": "tanh_shrink",
    "hard_shrink": spelled("hard_shrink", 0.5),
    "soft_shrink": spelled("soft_shrink", 0.5),
}

#: The slope and offset of ``hard_sigmoid``: another function since Keras 3, under the same name.
_HARD_SIGMOID = {1: (0.2, 0.5), 2: (0.2, 0.5), 3: (1 / 6, 0.5)}

SOFTMAX = "softmax"


def word(value: Any, version: int, place: str) -> str:
    """An activation as files name it -> its word, or `SOFTMAX`.

    value: a name, None, or the description of a function or of an activation layer; place: how errors call the setting.

    Raises
    ------
    UnsupportedModelError
        If it is a function of the user's own, or one that edgelstm lacks.
    """
    if isinstance(value, dict):
        inner = value.get("config")
        if isinstance(inner, dict) and value.get("class_name") in LAYERS:
            return of_layer(str(value["class_name"]), Options(inner, place, version))
        value = inner if value.get("class_name") == "function" else value.get("class_name")
    if value in (None, SOFTMAX):
        return SOFTMAX if value else "linear"
    if value == "hard_sigmoid":
        return spelled("hard_sigmoid", *_HARD_SIGMOID[version])
    if not isinstance(value, str) or value not in _WORDS:
        raise UnsupportedModelError(
            f"{place} is {printable(repr(value), 60)}, which is none of Keras' that edgelstm has: "
            f"{', '.join((*_WORDS, 'hard_sigmoid', SOFTMAX))}."
        )
    return _WORDS[value]


def of_layer(kind: str, options: Options) -> str:
    """The word of an activation layer by its settings, which are taken."""
    if kind == "LeakyReLU":
        slope = options.take("negative_slope", float, None)
        return spelled("leaky_relu", _number(options, "alpha", 0.3) if slope is None else slope)
    if kind == "ELU":
        return spelled("elu", _number(options, "alpha", 1.0))
    if kind == "ThresholdedReLU":
        return spelled("thresholded_relu", _number(options, "theta", 1.0))
    return _relu(options)


def _number(options: Options, name: str, default: float) -> float:
    """A number, which early Keras 2 wrote as ``{"type": "ndarray", "value": …}``."""
    value = options.take(name, object, default)
    value = value.get("value") if isinstance(value, dict) else value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnsupportedModelError(f"{options.at(name)} is {printable(repr(value), 60)}, no number.")
    return float(value)


def _relu(options: Options) -> str:
    """``ReLU(max_value, negative_slope, threshold)`` where edgelstm has the function."""
    top, slope = options.take("max_value", float, None), _number(options, "negative_slope", 0.0)
    threshold = _number(options, "threshold", 0.0)
    if threshold == 0 and top is None:
        return spelled("leaky_relu", slope) if slope else "relu"
    if threshold == 0 and slope == 0:
        return spelled("clip", 0.0, top)
    if top is None and slope == 0:
        return spelled("thresholded_relu", threshold)
    raise UnsupportedModelError(
        f"{options.place} is a ReLU with threshold {threshold:g}, max_value {top} and negative_slope {slope:g} together."
    )


#: The layers that are one function without weights.
LAYERS = ("ReLU", "LeakyReLU", "ELU", "ThresholdedReLU")
