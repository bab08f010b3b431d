"""A module's tensors as layer records, checked one by one."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelFileError, ShapeError, UnsupportedModelError
from ...layers.feedforward import Dense, Embedding, Normalizer
from ...layers.lstm import LSTM
from .modules import Module

#: What PyTorch adds to the variance of a BatchNorm; a state_dict does not tell.
BATCH_NORM_EPS = 1e-5


def numbers(module: Module, name: str, ndim: int | None = None) -> NDArray[np.floating[Any]]:
    """A tensor as an array of floating-point numbers.

    Raises
    ------
    UnsupportedModelError
        If it holds integers: quantized weights without their scale.
    ShapeError
        If it has not `ndim` dimensions.
    """
    try:
        array: NDArray[Any] = np.asarray(module.tensors[name])
    except (ModelFileError, UnsupportedModelError) as problem:
        raise type(problem)(f"tensor {module.full(name)!r}: {problem}") from None
    if array.dtype.kind != "f":
        raise UnsupportedModelError(
            f"tensor {module.full(name)!r} has dtype {array.dtype}; weights must be floating-point. Save the float model."
        )
    if ndim is not None and array.ndim != ndim:
        raise ShapeError(f"tensor {module.full(name)!r} must have {ndim} dimension(s); got shape {array.shape}.")
    return array


def lstm_layers(module: Module) -> list[LSTM]:
    """The stacked layers of a recurrent module, first to last. The two biases are added in float64 and rounded once."""
    found: dict[str, dict[str, str]] = {}
    for name in module.tensors:
        stem, _, number = name.partition("_l")
        found.setdefault(number, {})[stem] = name
    order = sorted(found, key=lambda number: int(number or 0))
    if [int(number or 0) for number in order] != list(range(len(order))):
        raise UnsupportedModelError(
            f"module {module.name!r} has the layers {', '.join(order)}, not 0 to {len(order) - 1}; save all of them."
        )
    initial = _initial(module, len(order))
    labels = [f"{module.name}_l{number}" if len(order) > 1 else module.name for number in order]
    return [
        _lstm(module, found[number], label, {state: rows[index] for state, rows in initial.items()})
        for index, (number, label) in enumerate(zip(order, labels, strict=True))
    ]


def _initial(module: Module, layers: int) -> dict[str, NDArray[Any]]:
    """h0 and c0 of every layer, each (layers, hidden_size)."""
    found = {}
    hidden = module.widths[1]
    for name, tensor in module.initial.items():
        good = [(layers, 1, hidden), (layers, hidden), *([(hidden,)] if layers == 1 else [])]
        if tuple(tensor.shape) not in good:
            raise ShapeError(
                f"the initial state {name} of {module.name!r} must have shape {good[0]}, for one sequence; got {tuple(tensor.shape)}. "
                "Save one sequence's state, or leave it out."
            )
        found[name] = np.asarray(tensor).reshape(layers, hidden)
    return found


def _lstm(module: Module, names: Mapping[str, str], label: str, initial: Mapping[str, Any]) -> LSTM:
    missing = {"weight_ih", "weight_hh"} - set(names)
    if "bias_ih" in names or "bias_hh" in names:
        missing |= {"bias_ih", "bias_hh"} - set(names)
    if missing:
        raise UnsupportedModelError(f"layer {label!r} lacks its {', '.join(sorted(missing))}; save the whole state_dict.")
    bias = None
    if "bias_ih" in names:
        parts = [numbers(module, names[stem], 1).astype(np.float64) for stem in ("bias_ih", "bias_hh")]
        if parts[0].shape != parts[1].shape:
            raise ShapeError(f"layer {label!r}: bias_ih has shape {parts[0].shape} and bias_hh {parts[1].shape}; they must be equal.")
        with np.errstate(over="ignore"):
            bias = (parts[0] + parts[1]).astype(np.float32)  # (4*hidden_size,)
    return LSTM(
        numbers(module, names["weight_ih"], 2),
        numbers(module, names["weight_hh"], 2),
        bias,
        initial.get("h0"),
        initial.get("c0"),
        name=label,
    )


def linear(module: Module) -> Dense:
    return Dense(numbers(module, "weight", 2), numbers(module, "bias", 1) if module.has_bias else None, name=module.name)


def embedding(module: Module) -> Embedding:
    return Embedding(numbers(module, "weight", 2), name=module.name)


def normalizer(module: Module) -> Normalizer:
    """Buffers of any shape with one long dimension, as (input_size,)."""
    mean, scale = (np.asarray(module.tensors[n]) for n in ("mean", "scale" if "scale" in module.tensors else "std"))
    return Normalizer(np.atleast_1d(np.squeeze(mean)), np.atleast_1d(np.squeeze(scale)), name=module.name)


def batch_norm(module: Module) -> Normalizer:
    """A BatchNorm as it stands after training: ``(x - mean) / sqrt(var + eps) * weight + bias``, which is one mean and one scale.

    Raises
    ------
    UnsupportedModelError
        If a weight is zero: that channel is a constant, and no Normalizer gives one.
    """
    mean, variance = (numbers(module, name, 1).astype(np.float64) for name in ("running_mean", "running_var"))
    scale = np.sqrt(variance + BATCH_NORM_EPS)
    if "weight" in module.tensors:
        weight = numbers(module, "weight", 1).astype(np.float64)
        if weight.shape != scale.shape or not weight.all():
            raise UnsupportedModelError(f"{module.full('weight')!r} must have {scale.size} values, none of them zero; got {weight.shape}.")
        scale = scale / weight
    if module.has_bias:
        bias = numbers(module, "bias", 1).astype(np.float64)
        if bias.shape != mean.shape:
            raise ShapeError(f"{module.full('bias')!r} must have shape {mean.shape}; got {bias.shape}.")
        mean = mean - bias * scale
    return Normalizer(mean, scale, name=module.name)
