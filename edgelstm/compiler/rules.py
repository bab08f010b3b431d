"""Which kernel runs a layer: the table."""

from collections.abc import Callable
from typing import Any

from ..errors import UnsupportedModelError
from ..layers import LSTM, Activation, Add, Dense, Embedding, Layer, Normalizer, Softmax
from ..layers_int8 import DenseInt8, LSTMInt8
from ..layers_int8_static import DenseInt8Static, LSTMInt8Static
from . import lowering, lowering_int8, lowering_int8_static
from .lowering import Lowered
from .targets import Target

_RULES: dict[type[Layer], Callable[[Any, list[int], Target], Lowered]] = {
    LSTM: lowering.lstm,
    LSTMInt8: lowering_int8.lstm,
    LSTMInt8Static: lowering_int8_static.lstm,
    Dense: lowering.dense,
    DenseInt8: lowering_int8.dense,
    DenseInt8Static: lowering_int8_static.dense,
    Activation: lowering.activation,
    Softmax: lowering.softmax,
    Normalizer: lowering.normalizer,
    Embedding: lowering.embedding,
    Add: lowering.add,
}


def lower(layer: Layer, sizes: list[int], target: Target) -> Lowered:
    """The kernel for a layer whose inputs have these sizes.

    Raises
    ------
    UnsupportedModelError
        If there is no kernel for this type of layer.
    """
    if type(layer) not in _RULES:
        raise UnsupportedModelError(f"{layer.label}: there is no kernel for layers of type {type(layer).__name__}.")
    return _RULES[type(layer)](layer, sizes, target)
