"""Layers of madmom that scale, convolve and pool, on frames that are vectors or maps of (bins, channels).

Source: ``madmom/ml/nn/layers.py`` of madmom 0.16.1. A convolution is one in the strict sense: its kernel is reversed in time and in bins.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ShapeError, UnsupportedModelError, printable
from ...layers.channelwise import BatchNorm
from ...layers.feedforward import Activation
from ...layers.map_conv import MapConv
from ...layers.map_pool import MapPool
from ...layers.record import Layer
from ...layers.window import Window
from ..pickles.reader import Thing
from . import layers

#: The shape of a frame that is a map; None of a vector, or of frames whose shape no layer told yet.
Frame = tuple[int, int] | None

Made = tuple[list[Layer], Frame]


def batch_norm(thing: Thing, name: str, frame: Frame) -> Made:
    """``(x - mean) (gamma inv_std) + beta``, of arrays that are as a frame is, have a number a channel, or one for all."""
    gamma, spread, mean, beta = (_array(thing, part, name) for part in ("gamma", "inv_std", "mean", "beta"))
    try:
        scale, _, offset = np.broadcast_arrays(gamma * spread, mean, beta - mean * (gamma * spread))
    except ValueError:
        shapes = ", ".join(str(part.shape) for part in (gamma, spread, mean, beta))
        raise ShapeError(f"layer {name!r}: gamma, inv_std, mean and beta have the shapes {shapes}.") from None
    if scale.size == 1:
        records: list[Layer] = [Activation(f"affine({scale.item():.9g}, {offset.item():.9g})", name=name)]
    else:
        shape = scale.shape[next((axis for axis, size in enumerate(scale.shape) if size > 1), 0) :]
        frame = frame if len(shape) < 2 else _known(shape, frame, name)
        repeats = frame[0] if frame and len(shape) == 1 else 1
        records = [BatchNorm(np.tile(scale.ravel(), repeats), np.tile(offset.ravel(), repeats), name=name)]
    return [*records, *layers.activated(thing, name)], frame


def convolution(thing: Thing, name: str, frame: Frame) -> Made:
    """Over time and bins, without padding. Weights are (channels, features, time, bins)."""
    weight = layers.numbers(thing, "weights", name)
    if weight.ndim != 4 or thing.state.get("stride", 1) != 1 or thing.state.get("pad", "valid") != "valid":
        raise UnsupportedModelError(
            f"layer {name!r} is no convolution of stride 1 over time and bins without padding; edgelstm imports that."
        )
    if frame is None:
        raise UnsupportedModelError(
            f"layer {name!r} convolves frames of which no layer before it tells the number of bins; edgelstm imports convolutions behind a "
            "BatchNormLayer of the frame's shape."
        )
    channels, features, steps, taps = weight.shape
    if channels != frame[1]:
        raise ShapeError(f"layer {name!r} convolves {channels} channels; its frames are maps of shape {frame}.")
    kernel = weight[:, :, ::-1, ::-1].transpose(2, 3, 0, 1)
    record = MapConv(kernel, layers.bias(thing, name, features), shape=(steps, *frame), name=name)
    before: list[Layer] = [Window(steps, padding="valid", name=f"{name}.window")] if steps > 1 else []
    return [*before, record, *layers.activated(thing, name)], (frame[0] - taps + 1, features)


def pool(thing: Thing, name: str, frame: Frame) -> Made:
    """The largest of windows over bins, which lie within the frame."""
    size, stride = (_listed(thing.state.get(part)) for part in ("size", "stride"))
    stride = size if stride is None else stride
    sound = all(isinstance(n, list) and len(n) == 2 and all(type(i) is int and 0 < i < 1 << 16 for i in n) for n in (size, stride))
    if not sound or frame is None or size[0] != 1 or stride[0] != 1:
        shown = printable(f"{size}, strides {stride}", 60)
        raise UnsupportedModelError(
            f"layer {name!r} pools windows of {shown} on frames of shape {frame}; edgelstm imports one frame a window."
        )
    bins, places = frame[0], len(range(size[1] // 2, frame[0], stride[1]))
    if bins < size[1] or (places - 1) * stride[1] + size[1] > bins:
        raise UnsupportedModelError(
            f"layer {name!r} pools windows of {size[1]} bins that reach beyond the frame's {bins}, which is not imported."
        )
    record = MapPool("max", (1, size[1]), strides=(1, stride[1]), shape=(1, *frame), name=name)
    return [record], (places, frame[1])


def stride(thing: Thing, name: str, frame: Frame) -> Made:
    """The last frames side by side, as one vector."""
    block = thing.state.get("block_size")
    if type(block) is not int or not 1 <= block < 1 << 16:
        raise UnsupportedModelError(f"layer {name!r} has a block_size of {printable(repr(block), 60)}; it must be a whole number.")
    return [Window(block, padding="valid", name=name)], None


#: By class: what makes the records of a layer, and the shape of the frames that it gives.
MAKERS: dict[str, Callable[[Thing, str, Frame], Made]] = {
    "BatchNormLayer": batch_norm,
    "ConvolutionalLayer": convolution,
    "MaxPoolLayer": pool,
    "StrideLayer": stride,
}


def _listed(value: Any) -> Any:
    """A tuple or an array as a list."""
    return np.asarray(value).tolist() if hasattr(value, "__array__") or isinstance(value, tuple) else value


def _known(shape: tuple[int, ...], frame: Frame, name: str) -> Frame:
    if len(shape) != 2 or frame not in (None, shape):
        raise ShapeError(f"layer {name!r} scales frames of shape {shape}; they are maps of shape {frame or '(bins, channels)'}.")
    return shape[0], shape[1]


def _array(thing: Thing, part: str, name: str) -> NDArray[np.float64]:
    value: Any = thing.state.get(part)
    if not hasattr(value, "__array__") and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise UnsupportedModelError(f"layer {name!r} has no {part}; it was pickled by another version of madmom.")
    return np.asarray(value, np.float64)
