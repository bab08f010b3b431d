"""The tensors of a module without a state as its layer record, checked one by one."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelFileError, ShapeError, UnsupportedModelError
from ...layers.feedforward import Dense, Embedding, Normalizer
from ...layers.record import Layer
from .modules import Module


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


def linear(module: Module) -> Dense:
    return Dense(numbers(module, "weight", 2), numbers(module, "bias", 1) if module.has_bias else None, name=module.name)


def embedding(module: Module) -> Embedding:
    return Embedding(numbers(module, "weight", 2), name=module.name)


def normalizer(module: Module) -> Normalizer:
    """Buffers of any shape with one long dimension, as (input_size,)."""
    mean, scale = (np.asarray(module.tensors[n]) for n in ("mean", "scale" if "scale" in module.tensors else "std"))
    return Normalizer(np.atleast_1d(np.squeeze(mean)), np.atleast_1d(np.squeeze(scale)), name=module.name)


def batch_norm(module: Module) -> Layer:
    """A BatchNorm as it stands after training: ``(x - mean) / sqrt(variance + eps) * weight + bias``, which is one scale and one offset."""
    from ...layers.channelwise import BatchNorm

    mean, variance = (numbers(module, name, 1).astype(np.float64) for name in ("running_mean", "running_var"))
    with np.errstate(all="ignore"):  # a negative variance becomes NaN, which the record refuses
        scale = 1 / np.sqrt(variance + _epsilon(module, module.framework.batch_norm))
    parts = {name: numbers(module, name, 1).astype(np.float64) for name in ("weight", "bias") if name in module.tensors}
    for name, array in (("running_var", variance), *parts.items()):
        if array.shape != mean.shape:
            raise ShapeError(f"{module.full(name)!r} must have shape {mean.shape}, as its running_mean; got {array.shape}.")
    scale = scale * parts.get("weight", 1.0)
    return BatchNorm(scale, parts.get("bias", 0.0) - mean * scale, name=module.name)


def _epsilon(module: Module, default: float) -> float:
    """What a norm adds to the variance."""
    found = module.settings.eps if module.settings else None
    return default if found is None else found


def layer_norm(module: Module) -> Layer:
    from ...layers.norms import LayerNorm

    bias = numbers(module, "bias", 1) if module.has_bias else None
    return LayerNorm(numbers(module, "weight", 1), bias, _epsilon(module, module.framework.layer_norm), name=module.name)


def rms_norm(module: Module) -> Layer:
    """``torch.nn.RMSNorm``, whose epsilon by default is that of float32."""
    from ...layers.norms import RMSNorm

    return RMSNorm(numbers(module, "weight", 1), _epsilon(module, float(np.finfo(np.float32).eps)), name=module.name)


def conv1d(module: Module, width: int) -> Layer:
    """A convolution over time of `width` channels, in as many groups as its weight (out, in / groups, kernel) leaves."""
    from ...layers.convolution import Conv1D

    weight = numbers(module, "weight", 3)
    groups = max(1, width // weight.shape[1])
    bias = numbers(module, "bias", 1) if module.has_bias else None
    said = {"padding": "valid"} | (module.settings.sliding if module.settings else {})
    return Conv1D(weight, bias, groups=groups, name=module.name, **said)
