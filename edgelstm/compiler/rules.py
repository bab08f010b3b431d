"""Which kernel runs a layer: the table."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from ..errors import UnsupportedModelError
from ..layers.record import Layer
from .lowering import Lowered
from .targets import Target

#: By kind of layer: the module and the function (layer, sizes, target) -> Lowered. Loaded when first met.
_RULES = {
    "lstm": ("lowering", "lstm"),
    "lstm_int8": ("lowering_int8", "lstm"),
    "lstm_int8_static": ("lowering_int8_static", "lstm"),
    "dense": ("lowering", "dense"),
    "dense_int8": ("lowering_int8", "dense"),
    "dense_int8_static": ("lowering_int8_static", "dense"),
    "activation": ("lowering", "activation"),
    "softmax": ("lowering", "softmax"),
    "normalizer": ("lowering", "normalizer"),
    "embedding": ("lowering", "embedding"),
    "add": ("lowering", "add"),
}


def lower(layer: Layer, sizes: list[int], target: Target) -> Lowered:
    """The kernel for a layer whose inputs have these sizes.

    Raises
    ------
    UnsupportedModelError
        If there is no kernel for this kind of layer.
    """
    if layer.kind not in _RULES:
        raise UnsupportedModelError(f"{layer.label}: there is no kernel for layers of type {type(layer).__name__}.")
    module, name = _RULES[layer.kind]
    rule: Callable[[Any, list[int], Target], Lowered] = getattr(import_module(f".{module}", __package__), name)
    return rule(layer, sizes, target)
