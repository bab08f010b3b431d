"""ATen's normalisations as ONNX's nodes. Schemas as in `operators`."""

from collections.abc import Sequence

import numpy as np

from ..from_onnx.writer import Ref, Writer
from .recurrent import Handler


def _layer_norm(
    w: Writer,
    input: Ref,  # noqa: A002
    normalized_shape: Sequence[int],
    weight: Ref | None = None,
    bias: Ref | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Ref:
    weight = weight or w.constant(np.ones(tuple(normalized_shape), np.float32))
    return w.one("LayerNormalization", input, weight, bias, axis=-len(normalized_shape), epsilon=float(eps))


def _batch_norm(
    w: Writer,
    input: Ref,  # noqa: A002
    weight: Ref | None,
    bias: Ref | None,
    running_mean: Ref | None,
    running_var: Ref | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Ref:
    if training or running_mean is None or running_var is None:
        w.refuse("normalises by the batch at hand, as in training; export model.eval()")
    size = w.array(running_mean).shape
    weight, bias = weight or w.constant(np.ones(size, np.float32)), bias or w.constant(np.zeros(size, np.float32))
    return w.one("BatchNormalization", input, weight, bias, running_mean, running_var, epsilon=float(eps))


def _batch_norm_of_running(
    w: Writer,
    input: Ref,  # noqa: A002
    weight: Ref | None,
    bias: Ref | None,
    running_mean: Ref,
    running_var: Ref,
    momentum: float,
    eps: float,
) -> Ref:
    return _batch_norm(w, input, weight, bias, running_mean, running_var, False, momentum, eps)


def _group_norm(
    w: Writer,
    input: Ref,  # noqa: A002
    num_groups: int,
    weight: Ref | None = None,
    bias: Ref | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Ref:
    weight, bias = weight or w.constant(np.ones(num_groups, np.float32)), bias or w.constant(np.zeros(num_groups, np.float32))
    return w.one("GroupNormalization", input, weight, bias, num_groups=int(num_groups), epsilon=float(eps))


def _instance_norm(
    w: Writer,
    input: Ref,  # noqa: A002
    weight: Ref | None,
    bias: Ref | None,
    running_mean: Ref | None,
    running_var: Ref | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Ref:
    if not use_input_stats:
        return _batch_norm(w, input, weight, bias, running_mean, running_var, False, momentum, eps)
    weight, bias = weight or w.constant(np.ones(1, np.float32)), bias or w.constant(np.zeros(1, np.float32))
    return w.one("InstanceNormalization", input, weight, bias, epsilon=float(eps))


def _weight_norm(w: Writer, v: Ref, g: Ref, dim: int = 0) -> Ref:
    """``g v / |v|``, the norm over all axes but `dim`; over all where that is -1."""
    directions, sizes = w.array(v).astype(np.float64), w.array(g).astype(np.float64)
    axes = tuple(axis for axis in range(directions.ndim) if dim == -1 or axis != dim % directions.ndim)
    return w.constant(sizes * directions / np.sqrt((directions**2).sum(axes, keepdims=True)))


def _rms_norm(
    w: Writer,
    input: Ref,  # noqa: A002
    normalized_shape: Sequence[int],
    weight: Ref | None = None,
    eps: float | None = None,
) -> Ref:
    """By the root of the mean square of the last axes; without an `eps`, plus the smallest distance of a float32 from 1."""
    axes = [axis - len(normalized_shape) for axis in range(len(normalized_shape))]
    mean = w.one("ReduceMean", w.one("Mul", input, input), w.ints(axes), rank=input.rank, keepdims=1)
    found = w.one("Div", input, w.one("Sqrt", w.one("Add", mean, float(np.finfo(np.float32).eps if eps is None else eps))))
    return found if weight is None else w.one("Mul", found, weight)


NORMALISING: dict[str, Handler] = {
    "layer_norm": _layer_norm,
    "native_layer_norm": _layer_norm,
    "batch_norm": _batch_norm,
    "_native_batch_norm_legit_no_training": _batch_norm_of_running,
    "group_norm": _group_norm,
    "instance_norm": _instance_norm,
    "_weight_norm": _weight_norm,
    "rms_norm": _rms_norm,
}
