"""Masks as Keras 3 writes them out, by operators: which comparison they come down to. And the layers behind which no mask is left."""

from collections.abc import Callable
from typing import Any, TypeAlias

from ...errors import UnsupportedModelError, printable
from .nodes import Place
from .settings import Spec

#: What a mask comes down to: a tensor and the value that padding has there, or the same for all timesteps.
Told: TypeAlias = tuple[Place, float] | bool

#: How operators are looked up: the layer that makes a tensor, what it reads, and what else it is called with.
Read: TypeAlias = Callable[[Place], tuple[Spec, list[Place], dict[str, Any]]]

#: Operators that pass a mask on, that make one of their own, and that join several; a Concatenate stands before an Any.
_PASSING, _ALIKE = ("Any", "ConvertToTensor", "ExpandDims", "Cast"), {"OnesLike": True, "ZerosLike": False}
_JOINING = {"LogicalOr": True, "Concatenate": True, "LogicalAnd": False}

#: How many operators may make a mask of another.
_DEEPEST = 32

#: Classes that pass masks on. Since Keras 3 the second ones do too.
_KEEPING = {
    *("Masking", "Embedding", "Dense", "Activation", "Softmax", "ReLU", "LeakyReLU", "ELU", "PReLU", "ThresholdedReLU", "Identity"),
    *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianNoise", "GaussianDropout", "AlphaDropout"),
    *("ActivityRegularization", "BatchNormalization", "LayerNormalization", "UnitNormalization"),
    *("LSTM", "GRU", "SimpleRNN", "RNN", "CuDNNLSTM", "CuDNNGRU", "ConvLSTM1D", "ConvLSTM2D", "Bidirectional", "TimeDistributed"),
    *("Concatenate", "Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Merge", "GlobalAveragePooling1D"),
    *("Attention", "AdditiveAttention", "MultiHeadAttention"),
}
_NEWER = {"Rescaling", "Normalization"}


def kept(spec: Spec) -> bool:
    """Whether a layer sees the masks of what it reads."""
    return not spec.operator and (spec.kind in _KEEPING or (spec.version > 2 and spec.kind in _NEWER))


#: Classes among them for which padding among rows inside of a timestep is more than a row of its own.
_JOINING_ROWS = {"Masking", "Softmax", "ConvLSTM1D", "ConvLSTM2D", "GlobalAveragePooling1D", "Attention", "AdditiveAttention", "Merge"} | {
    *("Concatenate", "Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "MultiHeadAttention", "Embedding")
}


def passes_rows(spec: Spec) -> bool:
    """Whether a layer that sees masks is imported on rows of which some are padding."""
    return spec.kind not in _JOINING_ROWS


def told(place: Place, read: Read, depth: int = 0) -> Told:
    """The comparison that makes a mask.

    Raises
    ------
    UnsupportedModelError
        If it is more than one, or another operator's.
    """
    spec, inputs, more = read(place)
    if depth > _DEEPEST:
        raise UnsupportedModelError(f"{spec.label} makes a mask of masks deeper than {_DEEPEST}.")
    if spec.kind in _ALIKE and inputs:
        return _ALIKE[spec.kind]
    if spec.kind in _PASSING and len(inputs) == 1 and (spec.kind != "Any" or _last_axis(spec, more)):
        return told(inputs[0], read, depth + 1)
    if spec.kind in _JOINING and inputs:
        wins = _JOINING[spec.kind]
        found = {told(one, read, depth + 1) for one in inputs}
        left = found - {not wins} or {not wins}
        if wins in left:
            return wins
        if len(left) == 1:
            return left.pop()
    number = more.get("args", [None])
    number = number[0] if isinstance(number, list) and len(number) == 1 else None
    if spec.kind == "NotEqual" and len(inputs) == 1 and isinstance(number, int | float) and not isinstance(number, bool):
        return inputs[0], float(number)
    raise UnsupportedModelError(
        f"{spec.label} makes a mask ({printable(spec.kind, 60)}); edgelstm imports those of Masking and mask_zero=True, which compare a "
        "timestep with one value."
    )


def _last_axis(spec: Spec, more: dict[str, Any]) -> bool:
    return not more.get("args") and spec.config.get("axis") in (-1, [-1]) and not spec.config.get("keepdims")
